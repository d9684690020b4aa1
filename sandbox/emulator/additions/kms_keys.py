# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls that name a key by its ARN, replicas of multi-Region keys, and what DescribeKey says of other keys.

https://docs.aws.amazon.com/kms/latest/APIReference/API_ScheduleKeyDeletion.html
https://docs.aws.amazon.com/kms/latest/APIReference/API_EnableKey.html
https://docs.aws.amazon.com/kms/latest/APIReference/API_KeyMetadata.html (MultiRegion, KeyUsage: always; keys of AWS services are AWS's)
https://docs.aws.amazon.com/kms/latest/APIReference/API_Sign.html (MessageType)
https://docs.aws.amazon.com/kms/latest/APIReference/API_Verify.html (an invalid signature is an error)
https://docs.aws.amazon.com/kms/latest/APIReference/API_ReplicateKey.html (a replica has a policy, description, aliases and tags of its own)
moto 5.2.5 knows a key by its id only and fails with KeyError when it is given the ARN, as amazon.aws.kms_key does. Its replicas share all
these with the primary, which it then takes for a replica itself. It takes a digest for a message, and signs the digest of that. A key that
was asked for without a word of MultiRegion or of its use has none, and the keys that it makes in the name of a service are the customer's.
"""

from __future__ import annotations

import base64
import copy
import functools
import json
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from moto.core.exceptions import JsonRESTError
from moto.kms.exceptions import AlreadyExistsException
from moto.kms.models import Key, KmsBackend, kms_backends
from moto.kms.responses import KmsResponse

from sandbox.emulator.additions.patching import wrap

SIGNATURES = "ECDSA_SHA_256"


@functools.cache
def install() -> None:
    _install_signatures()
    for name in ("schedule_key_deletion", "cancel_key_deletion", "enable_key", "disable_key"):

        @wrap(KmsBackend, name)
        def by_any_name(original: Any, self: Any, key_id: str, *others: Any) -> Any:
            return original(self, self.any_id_to_key_id(key_id), *others)

    @wrap(Key, "to_dict")
    def to_dict(original: Any, self: Any) -> dict[str, Any]:
        told: dict[str, Any] = original(self)
        told["KeyMetadata"]["MultiRegion"] = bool(self.multi_region)
        told["KeyMetadata"]["KeyUsage"] = self.key_usage or "ENCRYPT_DECRYPT"
        if any(alias.startswith("alias/aws/") for alias in self.aliases):
            told["KeyMetadata"]["KeyManager"] = "AWS"
        return told

    @wrap(KmsResponse, "replicate_key")
    def replicate_key(original: Any, self: Any) -> str:
        self._validate_key_id(self._get_param("KeyId"))
        primary = self.kms_backend.describe_key(self._get_param("KeyId"))
        backend = kms_backends[self.current_account][self._get_param("ReplicaRegion")]
        if not primary.multi_region:
            raise JsonRESTError("UnsupportedOperationException", f"{primary.arn} is not a multi-Region primary key.")
        if primary.id in backend.keys:
            raise AlreadyExistsException(f"The key {primary.id} already exists in {backend.region_name}.")
        answer: str = original(self)
        replica = backend.keys[primary.id]
        replica.multi_region_configuration = copy.deepcopy(primary.multi_region_configuration)
        replica.aliases, replica.grants = {}, {}
        replica.description = self._get_param("Description") or ""
        replica.policy = self._get_param("Policy") or replica.generate_default_policy()
        backend.tagger.tag_resource(replica.id, self._get_param("Tags") or [])
        return answer


def _install_signatures() -> None:
    def asked(response: Any) -> tuple[Any, bytes, ec.ECDSA]:
        """The key, what is signed, and how."""
        key = response.kms_backend.describe_key(response._get_param("KeyId"))
        digest = response._get_param("MessageType") == "DIGEST"
        return key, response._get_param("Message"), ec.ECDSA(Prehashed(SHA256()) if digest else SHA256())

    @wrap(KmsResponse, "sign")
    def sign(original: Any, self: Any) -> Any:
        if self._get_param("SigningAlgorithm") != SIGNATURES:
            return original(self)
        key, message, algorithm = asked(self)
        signature = key.private_key.private_key.sign(message, algorithm)
        return json.dumps({"KeyId": key.arn, "Signature": base64.b64encode(signature).decode(), "SigningAlgorithm": SIGNATURES})

    @wrap(KmsResponse, "verify")
    def verify(original: Any, self: Any) -> Any:
        if self._get_param("SigningAlgorithm") != SIGNATURES:
            return original(self)
        key, message, algorithm = asked(self)
        try:
            key.private_key.private_key.public_key().verify(base64.b64decode(self._get_param("Signature")), message, algorithm)
        except InvalidSignature:
            raise JsonRESTError("KMSInvalidSignatureException", "") from None
        return json.dumps({"KeyId": key.arn, "SignatureValid": True, "SigningAlgorithm": SIGNATURES})

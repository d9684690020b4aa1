# SPDX-License-Identifier: GPL-3.0-or-later
"""Account-wide EC2 settings: the EBS default key, encryption of new volumes, and instance metadata defaults.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_GetEbsDefaultKmsKeyId.html
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyInstanceMetadataDefaults.html
moto 5.2.5 implements none of these calls and creates plain volumes although encryption by default is on.
"""

from __future__ import annotations

from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.models.elastic_block_store import EBSBackend
from moto.ec2.responses.settings import Settings

from sandbox.emulator.additions.patching import add, wrap

_METADATA_DEFAULTS = ("HttpTokens", "HttpPutResponseHopLimit", "HttpEndpoint", "InstanceMetadataTags")
_AWS_MANAGED_KEY = "alias/aws/ebs"


def _default_key(backend: Any) -> str:
    return getattr(backend, "ebs_default_kms_key_id", _AWS_MANAGED_KEY)


def install() -> None:
    @add(Settings, "get_ebs_default_kms_key_id")
    def get_key(self: Any) -> ActionResult:
        return ActionResult({"KmsKeyId": _default_key(self.ec2_backend)})

    @add(Settings, "modify_ebs_default_kms_key_id")
    def modify_key(self: Any) -> ActionResult:
        self.ec2_backend.ebs_default_kms_key_id = self._get_param("KmsKeyId")
        return get_key(self)

    @add(Settings, "reset_ebs_default_kms_key_id")
    def reset_key(self: Any) -> ActionResult:
        self.ec2_backend.ebs_default_kms_key_id = _AWS_MANAGED_KEY
        return get_key(self)

    @add(Settings, "get_instance_metadata_defaults")
    def get_metadata_defaults(self: Any) -> ActionResult:
        return ActionResult({"AccountLevel": getattr(self.ec2_backend, "instance_metadata_defaults", {})})

    @add(Settings, "modify_instance_metadata_defaults")
    def modify_metadata_defaults(self: Any) -> ActionResult:
        defaults = dict(getattr(self.ec2_backend, "instance_metadata_defaults", {}))
        defaults |= {name: value for name in _METADATA_DEFAULTS if (value := self._get_param(name)) is not None}
        self.ec2_backend.instance_metadata_defaults = {name: value for name, value in defaults.items() if value != "no-preference"}
        return ActionResult({"Return": True})

    @wrap(EBSBackend, "create_volume")
    def create_volume(original: Any, self: Any, *, encrypted: bool = False, kms_key_id: str | None = None, **named: Any) -> Any:
        if self.ebs_encryption_by_default and not encrypted:
            encrypted, kms_key_id = True, kms_key_id or _default_key(self)
        return original(self, encrypted=encrypted, kms_key_id=kms_key_id, **named)

# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies of secrets in other regions have keys of their own.

https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_ReplicateSecretToRegions.html
https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_StopReplicationToReplica.html
moto 5.2.5 encrypts every copy with the account's default key, whatever key is asked for, and says so on the copy of the secret's own key;
and it cannot make a secret of its own of a copy.
"""

from __future__ import annotations

import copy
import functools
from typing import Any

from moto.core.responses import ActionResult
from moto.secretsmanager.exceptions import InvalidRequestException
from moto.secretsmanager.models import FakeSecret, ReplicaSecret, SecretsManagerBackend
from moto.secretsmanager.responses import SecretsManagerResponse

from sandbox.emulator.additions.patching import add, wrap


@functools.cache
def install() -> None:
    @wrap(FakeSecret, "create_replicas")
    def create_replicas(original: Any, self: Any, replica_regions: list[dict[str, str]], **options: Any) -> Any:
        replicas = original(self, replica_regions, **options)
        for replica, wanted in zip(replicas, replica_regions, strict=True):
            replica.config["KmsKeyId"] = wanted.get("KmsKeyId", SecretsManagerBackend.DEFAULT_KMS_KEY_ALIAS)
        return replicas

    @wrap(ReplicaSecret, "to_dict")
    def to_dict(original: Any, self: Any) -> Any:
        described = original(self) | {"KmsKeyId": self.config["KmsKeyId"]}
        described.pop("ReplicationStatus", None)  # which the primary tells
        return described

    @add(SecretsManagerResponse, "stop_replication_to_replica")
    def stop_replication_to_replica(self: Any) -> ActionResult:
        secrets: Any = self.backend.secrets
        replica = secrets[self._get_param("SecretId")]
        if not isinstance(replica, ReplicaSecret):
            raise InvalidRequestException("You can't stop the replication of a secret that is no replica.")
        source = replica.source
        secret = copy.copy(source)
        secret.arn, secret.region, secret.kms_key_id, secret.replicas = replica.arn, replica.region, replica.config["KmsKeyId"], []
        secret.versions = copy.deepcopy(source.versions)
        source.replicas = [other for other in source.replicas if other is not replica]
        dict.pop(secrets, replica.arn)
        secrets[secret.secret_id] = secret
        return ActionResult({"ARN": secret.arn})

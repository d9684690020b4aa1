# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies of secrets in other regions have keys of their own.

https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_ReplicateSecretToRegions.html
moto 5.2.5 encrypts every copy with the account's default key, whatever key is asked for, and says so on the copy of the secret's own key.
"""

from __future__ import annotations

import functools
from typing import Any

from moto.secretsmanager.models import FakeSecret, ReplicaSecret, SecretsManagerBackend

from sandbox.emulator.additions.patching import wrap


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

# SPDX-License-Identifier: GPL-3.0-or-later
"""One key, born in memory: its private half in Secrets Manager, its public half in EC2, a copy on disk if wanted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from ansible_collections.indivillage.infra.plugins.modules import ec2_ssh_key
from cryptography.hazmat.primitives.serialization import load_ssh_private_key

Run = Callable[..., dict[str, Any]]
KEY = {"name": "site-key", "secret_name": "/site/bastion/ssh-key", "tags": {"Project": "site"}}


def private_key() -> str:
    return str(boto3.client("secretsmanager").get_secret_value(SecretId=KEY["secret_name"])["SecretString"])


def key_pairs() -> list[dict[str, Any]]:
    return list(boto3.client("ec2").describe_key_pairs()["KeyPairs"])


def test_check_mode_announces_and_writes_nothing(run: Run, tmp_path: Path) -> None:
    result = run(ec2_ssh_key, check=True, private_key_file=str(tmp_path / "key"), **KEY)

    assert result["changed"]
    assert key_pairs() == []
    assert boto3.client("secretsmanager").list_secrets()["SecretList"] == []
    assert not (tmp_path / "key").exists()


def test_the_key_is_made_once(run: Run) -> None:
    first = run(ec2_ssh_key, **KEY)
    kept = private_key()
    second = run(ec2_ssh_key, **KEY)

    assert first["changed"]
    assert not second["changed"]
    assert private_key() == kept
    assert load_ssh_private_key(kept.encode(), password=None)
    assert first["public_key"].startswith("ssh-ed25519 ")
    assert [pair["KeyName"] for pair in key_pairs()] == ["site-key"]


def test_the_private_key_is_in_no_result(run: Run, tmp_path: Path) -> None:
    result = run(ec2_ssh_key, private_key_file=str(tmp_path / "key"), **KEY)

    assert "PRIVATE KEY" not in str(result)
    assert all(line not in str(result) for line in private_key().splitlines()[1:-1])


def test_a_lost_key_pair_is_made_again_from_the_secret(run: Run) -> None:
    run(ec2_ssh_key, **KEY)
    kept = private_key()
    boto3.client("ec2").delete_key_pair(KeyName="site-key")

    assert run(ec2_ssh_key, check=True, **KEY)["changed"]
    assert key_pairs() == []
    assert run(ec2_ssh_key, **KEY)["changed"]
    assert private_key() == kept
    assert len(key_pairs()) == 1


def test_a_key_pair_whose_secret_is_lost_is_replaced(run: Run) -> None:
    run(ec2_ssh_key, **KEY)
    before = key_pairs()[0]["KeyFingerprint"]
    boto3.client("secretsmanager").delete_secret(SecretId=KEY["secret_name"], ForceDeleteWithoutRecovery=True)

    assert run(ec2_ssh_key, **KEY)["changed"]
    (pair,) = key_pairs()
    assert pair["KeyFingerprint"] != before
    assert not run(ec2_ssh_key, **KEY)["changed"]


def test_a_secret_that_waits_for_its_deletion_is_an_error_with_the_remedy(run: Run) -> None:
    run(ec2_ssh_key, **KEY)
    boto3.client("secretsmanager").delete_secret(SecretId=KEY["secret_name"])

    result = run(ec2_ssh_key, **KEY)

    assert result["failed"]
    assert "restore-secret" in result["msg"]


def test_the_copy_on_disk_is_for_its_owner_alone_and_follows_the_secret(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "ssh" / "id_ed25519"
    options = {**KEY, "private_key_file": str(path)}
    run(ec2_ssh_key, **options)

    assert path.read_text() == private_key()
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert not run(ec2_ssh_key, **options)["changed"]

    path.chmod(0o644)
    assert run(ec2_ssh_key, **options)["changed"]
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["id_ed25519"]


def test_the_secret_is_encrypted_with_the_declared_key(run: Run) -> None:
    run(ec2_ssh_key, **KEY, kms_key_id="alias/site")
    secrets = boto3.client("secretsmanager")
    secrets.update_secret(SecretId=KEY["secret_name"], KmsKeyId="alias/another")
    kept = private_key()

    assert run(ec2_ssh_key, check=True, **KEY, kms_key_id="alias/site")["changed"]
    assert secrets.describe_secret(SecretId=KEY["secret_name"])["KmsKeyId"] == "alias/another"
    assert not run(ec2_ssh_key, **KEY)["changed"], "none is declared"
    assert run(ec2_ssh_key, **KEY, kms_key_id="alias/site")["changed"]
    assert not run(ec2_ssh_key, **KEY, kms_key_id="alias/site")["changed"]
    assert secrets.describe_secret(SecretId=KEY["secret_name"])["KmsKeyId"] == "alias/site"
    assert private_key() == kept


@pytest.mark.parametrize("tags", [{"Project": "other"}, {}])
def test_tags_follow_the_declaration(run: Run, tags: dict[str, str]) -> None:
    run(ec2_ssh_key, **KEY)

    assert run(ec2_ssh_key, check=True, **{**KEY, "tags": tags})["changed"]
    assert run(ec2_ssh_key, **{**KEY, "tags": tags})["changed"]
    assert not run(ec2_ssh_key, **{**KEY, "tags": tags})["changed"]
    secret = boto3.client("secretsmanager").describe_secret(SecretId=KEY["secret_name"])
    for tagged in (key_pairs()[0], secret):
        assert {tag["Key"]: tag["Value"] for tag in tagged.get("Tags", [])} == tags

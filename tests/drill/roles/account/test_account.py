# SPDX-License-Identifier: GPL-3.0-or-later
"""What protects the account, planned, made, made again, changed, and removed with the environment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.drill.roles.account.support import Site
from tests.integration.emulator.support import start
from tests.support.playbooks import PlaybookRun

pytestmark = pytest.mark.emulator

REGIONS = ("us-east-1", "us-west-2")
ANALYZER = "indivillage-sandbox-external-access"


@dataclass(frozen=True)
class Runs:
    site: Site
    planned: PlaybookRun
    first: PlaybookRun
    second: PlaybookRun


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    for emulator in start("--standalone"):
        site = Site(emulator, tmp_path_factory.mktemp("sandbox"), ("aws_account", "aws_keys"))
        yield Runs(site, site.provision("--check"), site.provision(), site.provision())


@pytest.fixture
def client(runs: Runs) -> Callable[..., Any]:
    return runs.site.emulator.client


def key(client: Callable[..., Any], region: str) -> str:
    return str(client("kms", region).describe_key(KeyId="alias/indivillage-sandbox-general")["KeyMetadata"]["Arn"])


def test_a_plan_of_an_empty_account_is_what_the_run_does(runs: Runs) -> None:
    assert runs.first.returncode == 0, runs.first.output
    assert not any(runs.planned.failed.values()), runs.planned.output
    assert runs.planned.changed == runs.first.changed
    assert all(runs.first.changed.values())


def test_a_second_run_changes_nothing(runs: Runs) -> None:
    assert runs.second.clean, runs.second.output


@pytest.mark.parametrize("region", REGIONS)
def test_each_region_is_protected(client: Callable[..., Any], region: str) -> None:
    ec2 = client("ec2", region)
    assert ec2.get_ebs_encryption_by_default()["EbsEncryptionByDefault"]
    assert ec2.get_ebs_default_kms_key_id()["KmsKeyId"] == key(client, region)
    assert ec2.get_instance_metadata_defaults()["AccountLevel"]["HttpTokens"] == "required"
    assert ec2.get_image_block_public_access_state()["ImageBlockPublicAccessState"] == "block-new-sharing"
    assert ec2.get_snapshot_block_public_access_state()["State"] == "block-all-sharing"
    (analyzer,) = client("accessanalyzer", region).list_analyzers()["analyzers"]
    assert (analyzer["name"], analyzer["tags"]["ManagedBy"]) == (ANALYZER, "ansible")


def test_the_account_is_protected(client: Callable[..., Any]) -> None:
    assert client("iam").get_account_password_policy()["PasswordPolicy"]["MinimumPasswordLength"] == 14


def test_what_somebody_changed_is_planned_and_set_again(runs: Runs, client: Callable[..., Any]) -> None:
    client("ec2").disable_ebs_encryption_by_default()
    client("iam").delete_account_password_policy()
    client("accessanalyzer", "us-west-2").delete_analyzer(analyzerName=ANALYZER)

    planned, applied = runs.site.provision("--check"), runs.site.provision()

    assert applied.returncode == 0, applied.output
    assert planned.changed == applied.changed
    assert sum(applied.changed.values()) == 3
    assert runs.site.provision("--check").clean


def test_destroying_the_environment_removes_the_analyzers_and_lets_go_of_the_key(runs: Runs, client: Callable[..., Any]) -> None:
    """The last test: nothing of the account's is left after it but what protects it."""
    destroyed = runs.site.run("destroy", "-e", "destroy_environment=sandbox")

    assert destroyed.returncode == 0, destroyed.output
    for region in REGIONS:
        assert client("accessanalyzer", region).list_analyzers()["analyzers"] == []
        assert client("ec2", region).get_ebs_default_kms_key_id()["KmsKeyId"] == "alias/aws/ebs"
        assert client("ec2", region).get_ebs_encryption_by_default()["EbsEncryptionByDefault"]

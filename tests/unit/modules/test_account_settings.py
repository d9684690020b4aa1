# SPDX-License-Identifier: GPL-3.0-or-later
"""What protects a whole account: EC2's settings, S3's public access block, the password policy, access analyzers."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import boto3
import pytest
from ansible_collections.indivillage.infra.plugins.modules import (
    access_analyzer,
    ec2_account_settings,
    iam_password_policy,
    s3_account_public_access,
)

from sandbox.emulator.additions import access_analyzers, account_settings

Run = Callable[..., dict[str, Any]]
Plan = Callable[..., dict[str, Any]]
ACCOUNT = "123456789012"
ALL = {
    "ebs_encryption": True,
    "metadata_tokens": "required",
    "metadata_hop_limit": 1,
    "metadata_tags": "enabled",
    "image_sharing_blocked": True,
    "snapshot_sharing": "block-all-sharing",
}


@pytest.fixture(autouse=True, scope="module")
def the_services_exist() -> None:
    account_settings.install()
    access_analyzers.install()


@pytest.fixture
def key() -> str:
    kms = boto3.client("kms")
    created = kms.create_key()["KeyMetadata"]
    kms.create_alias(AliasName="alias/general", TargetKeyId=created["KeyId"])
    return str(created["Arn"])


def test_settings_of_ec2_are_made_as_declared_and_given_back(run: Run, key: str) -> None:
    declared = ALL | {"ebs_key_id": "alias/general"}
    planned = run(ec2_account_settings, check=True, **declared)
    applied = run(ec2_account_settings, **declared)
    again = run(ec2_account_settings, **declared)
    back = {
        "ebs_encryption": False,
        "ebs_key_id": "",
        "metadata_tokens": "no-preference",
        "metadata_hop_limit": -1,
        "metadata_tags": "no-preference",
        "image_sharing_blocked": False,
        "snapshot_sharing": "unblocked",
    }
    returned = run(ec2_account_settings, **back)

    assert planned["diff"] == applied["diff"]
    assert applied["diff"]["before"] == back
    assert applied["resource"] == {**ALL, "ebs_key_id": key}
    assert not again["changed"]
    assert returned["resource"] == back
    assert not run(ec2_account_settings, check=True, **back)["changed"]


def calls(planned: dict[str, Any]) -> list[str]:
    return [call["operation"] for call in planned["calls"]]


@pytest.mark.usefixtures("key")
def test_settings_of_ec2_are_planned(run: Run, plan_of: Plan) -> None:
    declared = ALL | {"ebs_key_id": "alias/general"}
    planned = plan_of(ec2_account_settings, **declared)

    assert planned["action"] == "change"
    assert calls(planned) == [
        "ModifyEbsDefaultKmsKeyId",
        "EnableEbsEncryptionByDefault",
        "ModifyInstanceMetadataDefaults",
        "EnableImageBlockPublicAccess",
        "EnableSnapshotBlockPublicAccess",
    ]
    fields = {change["field"]: (change["before"], change["after"]) for change in planned["changes"]}
    assert fields["EbsEncryptionByDefault"] == (False, True)
    assert fields["State"] == ("unblocked", "block-all-sharing")
    run(ec2_account_settings, **declared)
    assert plan_of(ec2_account_settings, **declared)["action"] == "none"
    assert calls(plan_of(ec2_account_settings, **declared | {"ebs_key_id": "", "ebs_encryption": False})) == [
        "ResetEbsDefaultKmsKeyId",
        "DisableEbsEncryptionByDefault",
    ]


@pytest.mark.parametrize(
    ("module", "options", "other"),
    [
        (s3_account_public_access, {"account_id": ACCOUNT}, {"account_id": ACCOUNT, "block_public_acls": False}),
        (iam_password_policy, {}, {"minimum_length": 20}),
        (access_analyzer, {"name": "one", "tags": {"Project": "site"}}, {"name": "one", "tags": {"Project": "other"}}),
    ],
)
def test_a_whole_life_is_planned(run: Run, plan_of: Plan, module: ModuleType, options: dict[str, Any], other: dict[str, Any]) -> None:
    planned = plan_of(module, **options)
    assert planned["action"] in ("create", "change")
    assert len(planned["calls"]) == 1
    assert run(module, **options)["changed"]
    assert plan_of(module, **options)["action"] == "none"
    changed = plan_of(module, **other)
    assert (changed["action"], len(changed["changes"])) == ("change", 1), changed
    assert plan_of(module, **options, state="absent")["action"] == "delete"
    assert plan_of(module, **options)["action"] == "none", "nothing was written"


def test_settings_that_are_not_given_are_left_alone(run: Run) -> None:
    run(ec2_account_settings, **ALL)

    result = run(ec2_account_settings, metadata_hop_limit=2)

    assert result["diff"] == {"before": {"metadata_hop_limit": 1}, "after": {"metadata_hop_limit": 2}}
    assert result["resource"] == {**ALL, "ebs_key_id": "", "metadata_hop_limit": 2}


@pytest.mark.parametrize(
    "setting",
    [
        pytest.param(("ebs_encryption", lambda ec2: ec2.disable_ebs_encryption_by_default()), id="encryption"),
        pytest.param(("metadata_tokens", lambda ec2: ec2.modify_instance_metadata_defaults(HttpTokens="optional")), id="tokens"),
        pytest.param(("image_sharing_blocked", lambda ec2: ec2.disable_image_block_public_access()), id="images"),
        pytest.param(("snapshot_sharing", lambda ec2: ec2.disable_snapshot_block_public_access()), id="snapshots"),
    ],
)
def test_a_setting_that_somebody_took_back_is_set_again(run: Run, setting: tuple[str, Callable[[Any], None]]) -> None:
    run(ec2_account_settings, **ALL)
    name, change = setting
    change(boto3.client("ec2"))

    result = run(ec2_account_settings, **ALL)

    assert result["diff"]["after"] == {name: ALL[name]}


def test_the_public_access_block_through_its_life(life_cycle: Callable[..., None]) -> None:
    life_cycle(s3_account_public_access, {"account_id": ACCOUNT}, {}, {"block_public_acls": False}, ("change", "change"))


def test_an_address_gets_no_account_in_front_of_it() -> None:
    class Request:
        def __init__(self, url: str) -> None:
            self.url = url

    requests = [Request(f"{scheme}://{ACCOUNT}.{host}/v20180820/configuration/publicAccessBlock") for scheme, host in HOSTS]
    for request in requests:
        s3_account_public_access.address_without_prefix(request)
    assert [request.url.split("/")[2] for request in requests] == ["127.0.0.1:4566", f"{ACCOUNT}.s3-control.us-east-1.amazonaws.com"]


HOSTS = [("http", "127.0.0.1:4566"), ("https", "s3-control.us-east-1.amazonaws.com")]


def test_the_password_policy_through_its_life(life_cycle: Callable[..., None]) -> None:
    second = {"minimum_length": 20, "maximum_age_days": 0, "reuse_prevention": 0, "require_symbols": False}
    life_cycle(iam_password_policy, {}, {"hard_expiry": True}, second, ("change", "change"))


def test_a_change_of_the_password_policy_keeps_the_rest(run: Run) -> None:
    run(iam_password_policy, minimum_length=20)
    run(iam_password_policy, minimum_length=21)
    policy = boto3.client("iam").get_account_password_policy()["PasswordPolicy"]
    assert (policy["MinimumPasswordLength"], policy["PasswordReusePrevention"], policy["RequireSymbols"]) == (21, 24, True)


def test_an_analyzer_through_its_life(life_cycle: Callable[..., None]) -> None:
    life_cycle(access_analyzer, {"name": "external"}, {"tags": {"Project": "site", "Old": "1"}}, {"tags": {"Project": "site"}})


def test_an_analyzer_of_unused_access_through_its_life(life_cycle: Callable[..., None]) -> None:
    key = {"name": "unused", "type": "ACCOUNT_UNUSED_ACCESS"}
    life_cycle(access_analyzer, key, {"unused_days": 90}, {"unused_days": 30, "tags": {"Project": "site"}})


def test_the_type_of_an_analyzer_stays(run: Run) -> None:
    run(access_analyzer, name="one")
    result = run(access_analyzer, name="one", type="ACCOUNT_UNUSED_ACCESS")
    assert result["failed"]
    assert "AWS cannot change this on the existing access analyzer 'one'" in result["msg"]


@pytest.mark.parametrize(
    ("module", "options", "told"),
    [
        (ec2_account_settings, {"metadata_hop_limit": 0}, "it can be 1 to 64"),
        (ec2_account_settings, {"metadata_hop_limit": 65}, "it can be 1 to 64"),
        (ec2_account_settings, {"ebs_key_id": "alias/missing"}, "which is no key of us-east-1"),
        (iam_password_policy, {"minimum_length": 5}, "it can be 6 to 128"),
        (iam_password_policy, {"maximum_age_days": 1096}, "it can be 0 to 1095"),
        (iam_password_policy, {"reuse_prevention": 25}, "it can be 0 to 24"),
        (access_analyzer, {"name": "x", "unused_days": 90}, "for the type ACCOUNT_UNUSED_ACCESS only"),
        (access_analyzer, {"name": "x", "type": "ACCOUNT_UNUSED_ACCESS", "unused_days": 366}, "it can be 1 to 365"),
    ],
)
def test_nonsense_is_told(run: Run, module: ModuleType, options: dict[str, Any], told: str) -> None:
    result = run(module, check=True, **options)
    assert result["failed"]
    assert told in result["msg"]

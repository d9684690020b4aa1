# SPDX-License-Identifier: GPL-3.0-or-later
"""A key through its whole life, its replica in another region, and what others have done to it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from ansible_collections.indivillage.infra.plugins.modules import kms_key, kms_key_info
from botocore.exceptions import ClientError
from moto.kms.models import kms_backends

from sandbox.emulator.additions import kms_keys
from tests.support.module_runs import Calls, Plans, Run, fields, operations

ALIAS = "alias/x"
OTHER_REGION = "us-west-2"
ACCOUNT = "arn:aws:iam::123456789012:root"
THROTTLES = b'{"__type": "ThrottlingException", "message": "Rate exceeded"}'
LOOK = ["DescribeKey", "ListResourceTags", "GetKeyPolicy", "GetKeyRotationStatus"]


def policy(*actions: str) -> dict[str, Any]:
    statement = {"Sid": "All", "Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": list(actions), "Resource": "*"}
    return {"Version": "2012-10-17", "Statement": [statement]}


DECLARED: dict[str, Any] = {"description": "logs", "policy": policy("kms:*"), "rotation": True, "tags": {"Project": "site"}}


@pytest.fixture(autouse=True, scope="module")
def keys_are_as_on_aws() -> None:
    kms_keys.install()


@pytest.fixture
def kms() -> Any:
    return boto3.client("kms")


@pytest.fixture
def manage(run: Run) -> Run:
    """manage(check=False, **options) -> the result of the key x, which must not be a failure."""

    def call(**options: Any) -> dict[str, Any]:
        result = run(kms_key, **{"alias": "x", **options})
        assert not result.get("failed"), result["msg"]
        return result

    return call


@pytest.fixture
def plans(manage: Run, monkeypatch: pytest.MonkeyPatch) -> Plans:
    return Plans("indivillage.infra.kms_key", manage, monkeypatch)


def metadata(key: str = ALIAS, region: str = "us-east-1") -> dict[str, Any]:
    return dict(boto3.client("kms", region).describe_key(KeyId=key)["KeyMetadata"])


def policy_of(key: str) -> dict[str, Any]:
    return dict(json.loads(boto3.client("kms").get_key_policy(KeyId=key, PolicyName="default")["Policy"]))


# --- the whole life ---


def test_life_cycle(life_cycle: Callable[..., None]) -> None:
    second = {
        "description": "all logs",
        "policy": policy("kms:Decrypt", "kms:Encrypt"),
        "rotation": False,
        "tags": {"Project": "site", "A": "1"},
    }
    life_cycle(kms_key, {"alias": "alias/x"}, DECLARED, second)


def test_a_new_key_is_what_is_declared_and_the_next_run_asks_four_times(manage: Run, kms: Any, calls: Calls) -> None:
    made = manage(**DECLARED)["resource"]
    assert calls.writes == ["CreateKey", "CreateAlias", "EnableKeyRotation"]
    assert made == {**DECLARED, "key_id": metadata()["KeyId"], "key_arn": metadata()["Arn"], "key_state": "Enabled"} | {
        "has_alias": True,
        "signs": False,
        "multi_region": False,
        "primary_region": "",
    }
    assert policy_of(made["key_id"]) == DECLARED["policy"]
    assert kms.get_key_rotation_status(KeyId=made["key_id"])["KeyRotationEnabled"]
    calls.names.clear()

    result = manage(**DECLARED)

    assert calls.names == LOOK
    assert (result["changed"], result["resource"]) == (False, made)


def test_what_is_not_declared_is_neither_looked_at_nor_changed(manage: Run, calls: Calls) -> None:
    manage(**DECLARED)
    calls.names.clear()
    assert not manage()["changed"]
    assert calls.names == ["DescribeKey", "ListResourceTags"]


def test_a_key_that_was_only_begun_is_completed(manage: Run, kms: Any, calls: Calls) -> None:
    key = kms.create_key(Description="logs", Policy=json.dumps(DECLARED["policy"]))["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName=ALIAS, TargetKeyId=key)
    calls.names.clear()

    result = manage(**DECLARED)

    assert result["diff"] == {"before": {"rotation": False, "tags": {}}, "after": {"rotation": True, "tags": {"Project": "site"}}}
    assert calls.writes == ["EnableKeyRotation", "TagResource"]


NAMED: dict[str, Any] = {**DECLARED, "tags": {"Project": "site", "Name": "x"}}


def begin(kms: Any, name: str = "x") -> str:
    """What is there of a key when a run ends before it gives the alias."""
    tags = [{"TagKey": "Project", "TagValue": "site"}, {"TagKey": "Name", "TagValue": name}]
    made = kms.create_key(Description="logs", Policy=json.dumps(DECLARED["policy"]), Tags=tags)
    return str(made["KeyMetadata"]["KeyId"])


def test_a_key_that_was_left_without_its_alias_gets_it(manage: Run, kms: Any, calls: Calls) -> None:
    begin(kms, name="y")
    leaving, key = begin(kms), begin(kms)
    kms.schedule_key_deletion(KeyId=leaving)
    calls.names.clear()

    result = manage(**NAMED)

    assert calls.writes == ["CreateAlias", "EnableKeyRotation"]
    assert result["diff"] == {"before": {"has_alias": False, "rotation": False}, "after": {"has_alias": True, "rotation": True}}
    assert result["resource"]["key_id"] == key == metadata()["KeyId"]
    assert not manage(**NAMED)["changed"]


def test_a_key_without_alias_is_taken_by_its_name_alone(manage: Run, kms: Any, calls: Calls) -> None:
    key = begin(kms)
    calls.names.clear()
    assert manage(check=True, **DECLARED)["resource"].get("key_id") is None
    assert calls.names == ["DescribeKey"]
    kms.create_alias(AliasName="alias/other", TargetKeyId=key)
    assert manage(**NAMED)["resource"]["key_id"] != key


def test_a_key_that_nobody_lets_us_look_at_is_passed_by(manage: Run, kms: Any, calls: Calls) -> None:
    _foreign, key = sorted([begin(kms), begin(kms)])

    def refuse() -> None:
        raise ClientError({"Error": {"Code": "AccessDeniedException"}}, "ListResourceTags")

    calls.before["ListResourceTags"] = refuse
    assert manage(**NAMED)["resource"]["key_id"] == key


def test_a_key_that_was_left_without_its_alias_is_deleted(manage: Run, kms: Any, calls: Calls) -> None:
    key = begin(kms)
    calls.names.clear()
    assert manage(state="absent", tags=NAMED["tags"])["changed"]
    assert calls.writes == ["ScheduleKeyDeletion"]
    assert metadata(key)["KeyState"] == "PendingDeletion"


def test_throttled_calls_are_repeated(manage: Run, throttle: Callable[[bytes], Iterator[int]]) -> None:
    attempts = throttle(THROTTLES)
    manage(**DECLARED)
    assert next(attempts) == 2 * len(["look", "create", "alias", "look", "rotate", *LOOK])


def test_a_key_that_signs_is_no_key_that_encrypts(run: Run, manage: Run) -> None:
    assert manage(check=True, signs=True)["changed"]
    manage(signs=True, description="signatures")
    assert (metadata()["KeyUsage"], metadata()["KeySpec"]) == ("SIGN_VERIFY", "ECC_NIST_P256")
    assert not manage(signs=True, description="signatures")["changed"]
    assert "AWS cannot change this on the existing KMS key 'alias/x': signs is True" in run(kms_key, alias="x", signs=False)["msg"]


def test_a_key_that_signs_cannot_be_rotated(run: Run, calls: Calls) -> None:
    result = run(kms_key, alias="x", signs=True, rotation=True)
    assert result["msg"] == "Could not read KMS key 'alias/x': AWS rotates no key that signs: leave rotation out."
    assert calls.names == []


# --- what others have done to it ---


def test_a_key_that_is_switched_off_is_switched_on(manage: Run, kms: Any, calls: Calls) -> None:
    manage(**DECLARED)
    kms.disable_key(KeyId=metadata()["KeyId"])
    calls.names.clear()

    result = manage(**DECLARED)

    assert calls.writes == ["EnableKey"]
    assert result["diff"] == {"before": {"key_state": "Disabled"}, "after": {"key_state": "Enabled"}}


def test_a_scheduled_deletion_is_cancelled_before_anything_else(manage: Run, kms: Any, calls: Calls) -> None:
    manage(**DECLARED)
    key = metadata()["KeyId"]
    kms.update_key_description(KeyId=key, Description="?")
    kms.disable_key_rotation(KeyId=key)
    kms.schedule_key_deletion(KeyId=key)
    calls.names.clear()

    result = manage(**DECLARED)

    assert calls.writes == ["CancelKeyDeletion", "EnableKey", "UpdateKeyDescription", "EnableKeyRotation"]
    assert result["diff"]["before"] == {"description": "?", "key_state": "PendingDeletion", "rotation": False}
    assert metadata()["Enabled"]
    assert not manage(**DECLARED)["changed"]


def test_an_edited_policy_is_set_right_and_another_way_to_write_it_is_no_difference(manage: Run, kms: Any, calls: Calls) -> None:
    manage(**DECLARED)
    key = metadata()["KeyId"]
    same, edited = policy("kms:*"), policy("kms:*")
    same["Statement"][0] |= {"Action": "kms:*", "Principal": {"AWS": [ACCOUNT]}}
    edited["Statement"].append({**edited["Statement"][0], "Sid": "More", "Principal": {"AWS": "*"}})

    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=json.dumps(same))
    assert not manage(**DECLARED)["changed"]

    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=json.dumps(edited))
    calls.names.clear()
    result = manage(**DECLARED)
    assert calls.writes == ["PutKeyPolicy"]
    assert result["diff"] == {"before": {"policy": edited}, "after": {"policy": DECLARED["policy"]}}
    assert policy_of(key) == DECLARED["policy"]


def test_the_module_waits_until_aws_is_done_with_a_key(manage: Run, calls: Calls) -> None:
    manage(**DECLARED)
    key = kms_backends["123456789012"]["us-east-1"].keys[metadata()["KeyId"]]
    key.key_state = "Updating"
    calls.names.clear()
    calls.before["GetKeyRotationStatus"] = lambda: setattr(key, "key_state", "Enabled")

    assert not manage(**DECLARED)["changed"]

    assert calls.writes == []


# --- the end of it ---


@pytest.mark.parametrize("scheduled", [False, True])
def test_a_deletion_is_scheduled_and_frees_the_alias(manage: Run, kms: Any, scheduled: bool) -> None:
    manage(**DECLARED)
    key = metadata()["KeyId"]
    if scheduled:  # by a run that ended there
        kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)

    assert manage(state="absent", recovery_days=7)["changed"]

    assert metadata(key)["KeyState"] == "PendingDeletion"
    assert (metadata(key)["DeletionDate"] - metadata(key)["CreationDate"]).days in (6, 7)
    assert not manage(state="absent")["changed"]
    assert manage(**DECLARED)["resource"]["key_id"] != key


@pytest.mark.parametrize("check", [True, False])
def test_an_impossible_time_is_refused_before_a_call(run: Run, calls: Calls, check: bool) -> None:
    result = run(kms_key, check=check, alias="x", state="absent", recovery_days=3)
    assert result["msg"] == "Could not read KMS key 'alias/x': recovery_days is 3; AWS takes 7 to 30."
    assert calls.names == []


# --- regions ---


def test_a_replica_has_the_same_id_and_its_own_rest(run: Run, manage: Run, calls: Calls) -> None:
    manage(**DECLARED, multi_region=True)
    primary = metadata()
    replica = {
        "region": OTHER_REGION,
        "primary_region": "us-east-1",
        "description": "standby",
        "policy": policy("kms:Decrypt"),
        "tags": {"a": "1"},
    }

    assert manage(check=True, **replica)["changed"]
    calls.names.clear()
    made = manage(**replica)["resource"]
    assert calls.writes == ["ReplicateKey", "CreateAlias"]
    calls.names.clear()

    assert manage(**replica) | {"invocation": None} == {
        "changed": False,
        "resource": made,
        "diff": {"before": {}, "after": {}},
        "invocation": None,
    }
    assert calls.names == ["DescribeKey", "ListResourceTags", "GetKeyPolicy"]
    assert (made["key_id"], made["description"], made["primary_region"]) == (primary["KeyId"], "standby", "us-east-1")
    assert metadata(region=OTHER_REGION)["Arn"] == made["key_arn"] != primary["Arn"]
    assert not manage(**DECLARED, multi_region=True)["changed"]
    changed = run(kms_key, alias="x", multi_region=False)
    assert "AWS cannot change this on the existing KMS key 'alias/x': multi_region is True" in changed["msg"]


def test_a_replica_that_was_only_begun_is_completed(manage: Run, kms: Any, calls: Calls) -> None:
    manage(**DECLARED, multi_region=True)
    kms.replicate_key(KeyId=metadata()["KeyId"], ReplicaRegion=OTHER_REGION, Description="begun")
    calls.names.clear()

    made = manage(region=OTHER_REGION, primary_region="us-east-1", description="standby", policy=policy("kms:Decrypt"), tags={"a": "1"})

    assert calls.writes == ["ReplicateKey", "UpdateKeyDescription", "PutKeyPolicy", "TagResource", "CreateAlias"]
    assert (made["resource"]["description"], made["resource"]["tags"]) == ("standby", {"a": "1"})


@pytest.mark.parametrize(("made", "fault"), [(False, "does not exist"), (True, "is no multi-Region key")])
def test_a_replica_needs_a_primary(run: Run, manage: Run, made: bool, fault: str) -> None:
    if made:
        manage(**DECLARED)
    result = run(kms_key, alias="x", region=OTHER_REGION, primary_region="us-east-1")
    assert result["msg"] == f"Could not create KMS key 'alias/x': alias/x of us-east-1 {fault}. Make it with multi_region first."


def test_a_key_of_its_own_does_not_become_a_replica(run: Run, manage: Run) -> None:
    manage(region=OTHER_REGION)
    result = run(kms_key, alias="x", region=OTHER_REGION, primary_region="us-east-1")
    assert "primary_region is '' and is declared as 'us-east-1'" in result["msg"]


@pytest.mark.parametrize("other", [{"multi_region": True}, {"rotation": True}])
def test_what_the_primary_decides_cannot_be_declared_of_a_replica(run: Run, other: dict[str, bool]) -> None:
    assert "mutually exclusive" in run(kms_key, alias="x", primary_region="us-east-1", **other)["msg"]


# --- plans ---


def test_a_plan_makes_a_key_that_later_tasks_find(plans: Plans, run: Run) -> None:
    result, entry = plans.plan(alias="x", **DECLARED)
    again, _entry = plans.plan(**DECLARED)
    with plans.guarded():
        found = run(kms_key_info, check=True, alias="x")

    assert (entry["action"], entry["resource"], entry["certain"]) == ("create", "key x", True)
    assert operations(entry) == ["CreateKey", "CreateAlias", "EnableKeyRotation"]
    assert fields(entry).items() >= {"AliasName": (None, ALIAS), "Description": (None, "logs")}.items()
    assert (again["changed"], again["resource"]) == (False, result["resource"])
    assert found["key_arn"] == result["resource"]["key_arn"]


def test_a_plan_gives_a_key_its_alias(plans: Plans, kms: Any) -> None:
    key = begin(kms)
    result, entry = plans.plan(alias="x", **NAMED)
    again, _entry = plans.plan(**NAMED)

    assert operations(entry) == ["CreateAlias", "EnableKeyRotation"]
    assert result["resource"]["key_id"] == key
    assert (again["changed"], again["resource"]["key_id"]) == (False, key)


def test_a_plan_names_what_somebody_changed(plans: Plans, manage: Run, kms: Any) -> None:
    manage(**DECLARED)
    key = metadata()["KeyId"]
    kms.update_key_description(KeyId=key, Description="?")
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=json.dumps(policy("kms:Decrypt")))
    kms.disable_key_rotation(KeyId=key)
    kms.untag_resource(KeyId=key, TagKeys=["Project"])
    kms.schedule_key_deletion(KeyId=key)

    _result, entry = plans.plan(alias="x", **DECLARED)
    again, _entry = plans.plan(**DECLARED)

    assert entry["action"] == "change"
    assert operations(entry) == [
        "CancelKeyDeletion", "EnableKey", "UpdateKeyDescription", "PutKeyPolicy", "EnableKeyRotation", "TagResource"
    ]  # fmt: skip
    told = fields(entry)
    assert (told["KeyState"], told["Description"], told["KeyRotationEnabled"]) == (
        ("PendingDeletion", "Enabled"),
        ("?", "logs"),
        (False, True),
    )
    assert told["Tags.Project"] == (None, "site")
    assert not again["changed"]
    assert metadata()["KeyState"] == "PendingDeletion"


def test_a_plan_deletes_a_key_and_makes_another(plans: Plans, manage: Run) -> None:
    manage(**DECLARED)
    _result, entry = plans.plan(state="absent")
    again, _entry = plans.plan(state="absent")
    made, _entry = plans.plan(**DECLARED)

    assert (entry["action"], entry["stateful"]) == ("delete", "key")
    assert not again["changed"]
    assert made["changed"]
    assert made["resource"]["key_id"] != metadata()["KeyId"]


@pytest.mark.parametrize("planned", [True, False])
def test_a_plan_makes_a_replica_of_a_key_that_exists_or_is_planned(plans: Plans, manage: Run, planned: bool) -> None:
    primary = plans.plan(**DECLARED, multi_region=True)[0]["resource"] if planned else manage(**DECLARED, multi_region=True)["resource"]
    replica = {
        "region": OTHER_REGION,
        "primary_region": "us-east-1",
        "description": "standby",
        "policy": policy("kms:Decrypt"),
        "tags": {"a": "1"},
    }

    result, entry = plans.plan(**replica)
    again, _entry = plans.plan(**replica)
    unchanged, _entry = plans.plan(**DECLARED, multi_region=True)

    assert entry["action"] == "create"
    assert operations(entry) == ["ReplicateKey", "CreateAlias"]
    assert result["resource"]["key_id"] == primary["key_id"]
    assert (again["changed"], again["resource"]) == (False, result["resource"])
    assert not unchanged["changed"]


# --- the ARN of a key ---


def test_the_arn_is_told_in_one_call(run: Run, manage: Run, calls: Calls) -> None:
    manage()
    calls.names.clear()
    for alias in ("x", "alias/x"):
        result = run(kms_key_info, alias=alias)
        assert (result["key_arn"], result["key_id"]) == (metadata()["Arn"], metadata()["KeyId"])
    assert calls.names[0] == "DescribeKey"


def test_a_missing_key_is_named_with_what_makes_it(run: Run) -> None:
    result = run(kms_key_info, alias="y")
    assert result["msg"] == (
        "Could not find the KMS key alias/y: no key has this alias here. Make it first; the role aws_keys makes those of a stack."
    )

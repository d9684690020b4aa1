# SPDX-License-Identifier: GPL-3.0-or-later
"""A trail through its whole life, in the account and in plans."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import boto3
import pytest
from ansible_collections.indivillage.infra.plugins.modules import cloudtrail_trail

from sandbox.emulator.additions import trails

Run = Callable[..., dict[str, Any]]
Plan = Callable[..., dict[str, Any]]
LOGS = {
    "log_group_arn": "arn:aws:logs:us-east-1:123456789012:log-group:/aws/cloudtrail/site",
    "role_arn": "arn:aws:iam::123456789012:role/cloudtrail",
}
TRAIL: dict[str, Any] = {"name": "trail", "bucket": "site-logs", "prefix": "cloudtrail", "tags": {"Project": "site"}, **LOGS}


@pytest.fixture(autouse=True)
def bucket() -> None:
    trails.install()
    boto3.client("s3").create_bucket(Bucket="site-logs")
    boto3.client("s3").create_bucket(Bucket="site-others")


@pytest.fixture
def key() -> str:
    kms = boto3.client("kms")
    created = kms.create_key()["KeyMetadata"]
    kms.create_alias(AliasName="alias/audit", TargetKeyId=created["KeyId"])
    return str(created["Arn"])


def calls(planned: dict[str, Any]) -> list[str]:
    return [call["operation"] for call in planned["calls"]]


@pytest.mark.usefixtures("key")
def test_life_cycle(life_cycle: Callable[..., None]) -> None:
    first = {**TRAIL, "tags": {"Project": "site", "Old": "1"}}
    second = {
        **{"bucket": "site-others", "kms_key_id": "alias/audit", "multi_region": False, "log_file_validation": False, "logging": False},
        **{"data_arns": ["arn:aws:s3:::uploads/"], "tags": {"Project": "site"}, "log_group_arn": "", "role_arn": ""},
    }
    life_cycle(cloudtrail_trail, {"name": "trail"}, first, second)


def test_a_trail_records_everything_from_its_first_moment(run: Run, key: str) -> None:
    result = run(cloudtrail_trail, **TRAIL, kms_key_id="alias/audit")

    trail = boto3.client("cloudtrail").get_trail(Name="trail")["Trail"]
    assert (trail["KmsKeyId"], trail["IsMultiRegionTrail"], trail["LogFileValidationEnabled"]) == (key, True, True)
    assert trail["IncludeGlobalServiceEvents"]
    assert trail["CloudWatchLogsLogGroupArn"] == LOGS["log_group_arn"] + ":*"
    assert boto3.client("cloudtrail").get_trail_status(Name="trail")["IsLogging"]
    assert result["resource"]["arn"] == "arn:aws:cloudtrail:us-east-1:123456789012:trail/trail"


def test_every_region_tells_what_a_trail_of_all_regions_records(run: Run, key: str) -> None:
    arn = run(cloudtrail_trail, **TRAIL, kms_key_id="alias/audit", data_arns=["arn:aws:s3:::uploads/"])["resource"]["arn"]
    run(cloudtrail_trail, **{**TRAIL, "name": "here", "multi_region": False})
    home, elsewhere = boto3.client("cloudtrail"), boto3.client("cloudtrail", region_name="us-west-2")
    assert elsewhere.get_event_selectors(TrailName=arn)["EventSelectors"] == home.get_event_selectors(TrailName=arn)["EventSelectors"] != []
    assert elsewhere.get_insight_selectors(TrailName=arn)["TrailARN"] == arn
    for unknown in (arn.replace("trail/trail", "trail/here"), "trail"):
        with pytest.raises(elsewhere.exceptions.TrailNotFoundException):
            elsewhere.get_event_selectors(TrailName=unknown)


def test_a_plan_of_a_new_trail(plan_of: Plan) -> None:
    planned = plan_of(cloudtrail_trail, **TRAIL, data_arns=["arn:aws:s3:::uploads/"])
    assert planned["action"] == "create"
    assert calls(planned) == ["CreateTrail", "PutEventSelectors", "StartLogging"]


def stop(trail: Any) -> None:
    trail.stop_logging(Name="trail")


def exclude(trail: Any) -> None:
    trail.put_event_selectors(TrailName="trail", EventSelectors=[{"ReadWriteType": "WriteOnly", "IncludeManagementEvents": True}])


def narrow(trail: Any) -> None:
    only = [{"Name": "nothing", "FieldSelectors": [{"Field": "eventCategory", "Equals": ["Data"]}]}]
    trail.put_event_selectors(TrailName="trail", AdvancedEventSelectors=only)


def not_validated(trail: Any) -> None:
    trail.update_trail(Name="trail", EnableLogFileValidation=False)


def elsewhere(trail: Any) -> None:
    trail.update_trail(Name="trail", S3BucketName="site-others", IsMultiRegionTrail=False)


def untagged(trail: Any) -> None:
    arn = trail.get_trail(Name="trail")["Trail"]["TrailARN"]
    trail.remove_tags(ResourceId=arn, TagsList=[{"Key": "Project"}])


@pytest.mark.parametrize(
    ("change", "operation"),
    [
        (stop, "StartLogging"),
        (exclude, "PutEventSelectors"),
        (narrow, "PutEventSelectors"),
        (not_validated, "UpdateTrail"),
        (elsewhere, "UpdateTrail"),
        (untagged, "AddTags"),
    ],
)
def test_what_somebody_changed_is_planned_and_put_right(run: Run, plan_of: Plan, change: Callable[[Any], None], operation: str) -> None:
    run(cloudtrail_trail, **TRAIL)
    assert plan_of(cloudtrail_trail, **TRAIL)["action"] == "none"
    change(boto3.client("cloudtrail"))

    planned = plan_of(cloudtrail_trail, **TRAIL)
    assert (planned["action"], calls(planned)) == ("change", [operation])
    assert planned["changes"]
    assert run(cloudtrail_trail, **TRAIL)["changed"]
    assert plan_of(cloudtrail_trail, **TRAIL)["action"] == "none"


def test_a_deletion_is_planned(run: Run, plan_of: Plan) -> None:
    run(cloudtrail_trail, **TRAIL)
    assert plan_of(cloudtrail_trail, **TRAIL, state="absent")["action"] == "delete"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"role_arn": ""}, "belong together"),
        ({"kms_key_id": "alias/missing"}, "which is no key of us-east-1"),
        ({"bucket": "nobodys"}, "nobodys does not exist"),
    ],
)
def test_nonsense_is_told(run: Run, options: dict[str, Any], told: str) -> None:
    result = run(cloudtrail_trail, **{**TRAIL, **options})
    assert result["failed"]
    assert told in result["msg"]

# SPDX-License-Identifier: GPL-3.0-or-later
"""What watches the account, planned, made, made again, tampered with, and removed with the environment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.drill.roles.account.support import Site
from tests.integration.emulator.support import start
from tests.support.playbooks import PlaybookRun

pytestmark = pytest.mark.emulator

PREFIX = "indivillage-sandbox"
ACCOUNT_ID = "123456789012"
TRAIL = f"{PREFIX}-trail"


@dataclass(frozen=True)
class Runs:
    site: Site
    planned: PlaybookRun
    first: PlaybookRun
    second: PlaybookRun


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    for emulator in start("--standalone"):
        site = Site(emulator, tmp_path_factory.mktemp("sandbox"), ("aws_keys", "aws_storage", "aws_audit"))
        yield Runs(site, site.provision("--check"), site.provision(), site.provision())


@pytest.fixture
def client(runs: Runs) -> Callable[..., Any]:
    return runs.site.emulator.client


def test_a_plan_of_an_empty_account_is_what_the_run_does(runs: Runs) -> None:
    assert runs.first.returncode == 0, runs.first.output
    assert not any(runs.planned.failed.values()), runs.planned.output
    assert runs.planned.changed == runs.first.changed
    assert all(runs.first.changed.values())


def test_a_second_run_changes_nothing(runs: Runs) -> None:
    assert runs.second.clean, runs.second.output


def test_one_trail_records_every_region(client: Callable[..., Any]) -> None:
    (trail,) = client("cloudtrail").describe_trails(includeShadowTrails=False)["trailList"]
    assert client("cloudtrail", "us-west-2").describe_trails(includeShadowTrails=False)["trailList"] == []
    assert (trail["Name"], trail["S3BucketName"], trail["S3KeyPrefix"]) == (TRAIL, f"{PREFIX}-logs", "cloudtrail")
    assert trail["IsMultiRegionTrail"]
    assert trail["LogFileValidationEnabled"]
    assert trail["KmsKeyId"] == client("kms").describe_key(KeyId=f"alias/{PREFIX}-audit")["KeyMetadata"]["Arn"]
    assert client("cloudtrail").get_trail_status(Name=TRAIL)["IsLogging"]
    (group,) = client("logs").describe_log_groups(logGroupNamePrefix="/aws/cloudtrail/")["logGroups"]
    assert trail["CloudWatchLogsLogGroupArn"].startswith(group["arn"].removesuffix(":*"))


@pytest.mark.parametrize("region", ["us-east-1", "us-west-2"])
def test_each_region_records_and_judges_what_is_configured(client: Callable[..., Any], region: str) -> None:
    config, home = client("config", region), region == "us-east-1"
    (recorder,) = config.describe_configuration_recorders()["ConfigurationRecorders"]
    assert recorder["recordingGroup"]["allSupported"]
    assert recorder["recordingGroup"]["includeGlobalResourceTypes"] is home
    assert config.describe_configuration_recorder_status()["ConfigurationRecordersStatus"][0]["recording"]
    (channel,) = config.describe_delivery_channels()["DeliveryChannels"]
    assert (channel["s3BucketName"], channel["s3KeyPrefix"]) == (f"{PREFIX}-logs" if home else f"{PREFIX}-logs-dr", "config")
    assert channel["configSnapshotDeliveryProperties"]["deliveryFrequency"] == "Six_Hours"
    rules = {rule["ConfigRuleName"] for rule in config.describe_config_rules()["ConfigRules"]}
    assert f"{PREFIX}-metadata-tokens" in rules
    assert (f"{PREFIX}-root-mfa" in rules) is home
    (pack,) = config.describe_conformance_packs()["ConformancePackDetails"]
    assert pack["ConformancePackName"] == f"{PREFIX}-data-protection"


@pytest.mark.parametrize("region", ["us-east-1", "us-west-2"])
def test_each_region_looks_for_threats(client: Callable[..., Any], region: str) -> None:
    guardduty = client("guardduty", region)
    (identifier,) = guardduty.list_detectors()["DetectorIds"]
    detector = guardduty.get_detector(DetectorId=identifier)
    assert (detector["Status"], detector["FindingPublishingFrequency"]) == ("ENABLED", "FIFTEEN_MINUTES")
    assert {feature["Name"]: feature["Status"] for feature in detector["Features"]}["S3_DATA_EVENTS"] == "ENABLED"


@pytest.mark.parametrize("region", ["us-east-1", "us-west-2"])
def test_each_region_is_judged_by_the_standards(client: Callable[..., Any], region: str) -> None:
    subscriptions = client("securityhub", region).get_enabled_standards()["StandardsSubscriptions"]
    assert [one["StandardsArn"].split("/")[1] for one in subscriptions] == [
        "aws-foundational-security-best-practices",
        "cis-aws-foundations-benchmark",
    ]


def scanned(client: Callable[..., Any], region: str) -> set[str]:
    (account,) = client("inspector2", region).batch_get_account_status(accountIds=[ACCOUNT_ID])["accounts"]
    return {name for name, state in account["resourceState"].items() if state["status"] == "ENABLED"}


@pytest.mark.parametrize("region", ["us-east-1", "us-west-2"])
def test_each_region_is_scanned(client: Callable[..., Any], region: str) -> None:
    assert scanned(client, region) == {"ec2", "ecr", "lambda"}


def tamper(client: Callable[..., Any]) -> int:
    """Changes as somebody makes them who does not want to be seen; how many tasks they concern."""
    client("cloudtrail").stop_logging(Name=TRAIL)
    client("config", "us-west-2").stop_configuration_recorder(ConfigurationRecorderName=f"{PREFIX}-recorder")
    client("config").delete_config_rule(ConfigRuleName=f"{PREFIX}-root-mfa")
    guardduty = client("guardduty", "us-west-2")
    guardduty.update_detector(DetectorId=guardduty.list_detectors()["DetectorIds"][0], Enable=False)
    hub = client("securityhub")
    (subscription, _other) = hub.get_enabled_standards()["StandardsSubscriptions"]
    hub.batch_disable_standards(StandardsSubscriptionArns=[subscription["StandardsSubscriptionArn"]])
    client("inspector2").disable(accountIds=[ACCOUNT_ID], resourceTypes=["EC2"])
    return 6


def test_what_somebody_changed_is_planned_and_set_again(runs: Runs, client: Callable[..., Any]) -> None:
    tasks = tamper(client)

    planned, applied = runs.site.provision("--check"), runs.site.provision()

    assert applied.returncode == 0, applied.output
    assert planned.changed == applied.changed
    assert sum(applied.changed.values()) == tasks
    assert runs.site.provision("--check").clean


def test_destroying_the_environment_leaves_nobody_watching(runs: Runs, client: Callable[..., Any]) -> None:
    destroyed = runs.site.run("destroy", "-e", "destroy_environment=sandbox")

    assert destroyed.returncode == 0, destroyed.output
    assert client("cloudtrail").list_trails()["Trails"] == []
    for config in (client("config", region) for region in ("us-east-1", "us-west-2")):
        assert config.describe_configuration_recorders()["ConfigurationRecorders"] == []
        assert config.describe_delivery_channels()["DeliveryChannels"] == []
        assert config.describe_config_rules()["ConfigRules"] == []
        assert config.describe_conformance_packs()["ConformancePackDetails"] == []
        with pytest.raises(ClientError, match="InvalidAccessException"):
            client("securityhub", config.meta.region_name).describe_hub()
        assert scanned(client, config.meta.region_name) == set()
    assert [client("guardduty", region).list_detectors()["DetectorIds"] for region in ("us-east-1", "us-west-2")] == [[], []]
    assert [role for role in client("iam").list_roles()["Roles"] if PREFIX in role["RoleName"]] == []

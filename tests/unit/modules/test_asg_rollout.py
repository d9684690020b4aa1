# SPDX-License-Identifier: GPL-3.0-or-later
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import botocore.session
import pytest
from ansible_collections.indivillage.infra.plugins.modules import asg_rollout
from botocore.validate import validate_parameters

NAME = "indivillage-test-web"
MODEL = botocore.session.get_session().get_service_model("autoscaling")
Run = Callable[..., dict[str, Any]]


class Refreshes:
    """AWS's instance refreshes, played by a script; every request is held against botocore's model of the API.

    The emulator has no instance refresh of its own. Each status of the script is told once, the last one for ever.
    """

    def __init__(self, *script: str, running: dict[str, Any] | None = None) -> None:
        self.script = list(script)
        self.client = boto3.client("autoscaling")
        self.calls: list[str] = []
        self.started: dict[str, Any] = {}
        self.withdrawn: list[Any] = []  # template, its default version by then, versions
        self.refreshes = [running] if running else []

    def __getattr__(self, operation: str) -> Any:
        return getattr(self.client, operation)

    def _record(self, operation: str, arguments: dict[str, Any]) -> None:
        validate_parameters(arguments, MODEL.operation_model(operation).input_shape)
        self.calls.append(operation)

    def describe_instance_refreshes(self, **arguments: Any) -> dict[str, Any]:
        validate_parameters(arguments, MODEL.operation_model("DescribeInstanceRefreshes").input_shape)
        if not self.refreshes:
            return {"InstanceRefreshes": []}
        if self.script:
            self.refreshes[0]["Status"] = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        return {"InstanceRefreshes": [self.refreshes[0] | {"StatusReason": "a reason", "PercentageComplete": 50}]}

    def start_instance_refresh(self, **arguments: Any) -> dict[str, Any]:
        self._record("StartInstanceRefresh", arguments)
        self.started = arguments
        self.refreshes.insert(
            0, {"InstanceRefreshId": "new", "Status": "Pending", "DesiredConfiguration": arguments["DesiredConfiguration"]}
        )
        return {"InstanceRefreshId": "new"}

    def cancel_instance_refresh(self, **arguments: Any) -> None:
        self._record("CancelInstanceRefresh", arguments)
        self.script = ["Cancelling", "Cancelled", *self.script]

    def rollback_instance_refresh(self, **arguments: Any) -> None:
        self._record("RollbackInstanceRefresh", arguments)
        self.script = ["RollbackSuccessful"]


class Templates:
    """Launch templates of moto, which has no call that deletes a version."""

    def __init__(self, refreshes: Refreshes) -> None:
        self.client = boto3.client("ec2")
        self.refreshes = refreshes

    def __getattr__(self, operation: str) -> Any:
        return getattr(self.client, operation)

    def delete_launch_template_versions(self, **arguments: Any) -> None:
        validate_parameters(
            arguments, botocore.session.get_session().get_service_model("ec2").operation_model("DeleteLaunchTemplateVersions").input_shape
        )
        (template,) = self.client.describe_launch_templates(LaunchTemplateIds=[arguments["LaunchTemplateId"]])["LaunchTemplates"]
        self.refreshes.withdrawn = [arguments["LaunchTemplateId"], str(template["DefaultVersionNumber"]), arguments["Versions"]]


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Refreshes]:
    def install(*script: str, running: dict[str, Any] | None = None) -> Refreshes:
        refreshes = Refreshes(*script, running=running)
        clients = {"autoscaling": refreshes, "ec2": Templates(refreshes)}
        monkeypatch.setattr(asg_rollout, "aws_client", lambda _module, service: clients[service])
        return refreshes

    return install


def template(**data: Any) -> str:
    """A launch template with one version; its id."""
    ec2 = boto3.client("ec2")
    image = ec2.register_image(Name="base", RootDeviceName="/dev/xvda")["ImageId"]
    created = ec2.create_launch_template(LaunchTemplateName=NAME, LaunchTemplateData={"ImageId": image, "InstanceType": "t3.micro", **data})
    return str(created["LaunchTemplate"]["LaunchTemplateId"])


def new_version(template_id: str) -> None:
    boto3.client("ec2").create_launch_template_version(
        LaunchTemplateId=template_id, SourceVersion="1", LaunchTemplateData={"ImageId": "ami-1", "InstanceType": "t3.small"}
    )


@pytest.fixture
def group() -> str:
    template_id = template()
    _create_group(LaunchTemplate={"LaunchTemplateId": template_id, "Version": "1"})
    return template_id


def _create_group(**source: Any) -> None:
    boto3.client("autoscaling").create_auto_scaling_group(
        AutoScalingGroupName=NAME, MinSize=2, MaxSize=4, DesiredCapacity=2, AvailabilityZones=["us-east-1a"], **source
    )


def instances() -> list[str]:
    groups = boto3.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
    return sorted(instance["InstanceId"] for instance in groups[0]["Instances"])


def test_a_current_group_is_left_alone(run: Run, play: Callable[..., Refreshes], group: str) -> None:
    refreshes = play()
    result = run(asg_rollout, names=[NAME])
    assert (result["changed"], result["groups"]) == (False, {NAME: {"version": 1, "outdated": [], "refresh": {}}})
    assert refreshes.calls == []


def test_a_new_version_is_rolled_out(run: Run, play: Callable[..., Refreshes], group: str) -> None:
    new_version(group)
    refreshes = play("Pending", "InProgress", "Successful")
    planned = run(asg_rollout, check=True, names=[NAME])
    assert (planned["changed"], planned["groups"][NAME]["outdated"], refreshes.calls) == (True, instances(), [])

    result = run(asg_rollout, names=[NAME], poll_seconds=0, instance_warmup_seconds=30)
    assert (result["changed"], result["groups"][NAME]["version"]) == (True, 2)
    assert result["groups"][NAME]["refresh"]["status"] == "Successful"
    assert result["diff"] == planned["diff"]
    assert refreshes.started["DesiredConfiguration"] == {"LaunchTemplate": {"LaunchTemplateId": group, "Version": "2"}}
    assert refreshes.started["Preferences"] == {
        "MinHealthyPercentage": 100,
        "MaxHealthyPercentage": 200,
        "SkipMatching": True,
        "AutoRollback": True,
        "InstanceWarmup": 30,
    }


def test_a_group_with_several_instance_types_keeps_its_policy(run: Run, play: Callable[..., Refreshes]) -> None:
    template_id = template()
    policy = {
        "LaunchTemplate": {
            "LaunchTemplateSpecification": {"LaunchTemplateId": template_id, "Version": "1"},
            "Overrides": [{"InstanceType": "t3.small"}],
        },
        "InstancesDistribution": {"OnDemandPercentageAboveBaseCapacity": 0},
    }
    _create_group(MixedInstancesPolicy=policy)
    new_version(template_id)
    refreshes = play("Successful")
    assert run(asg_rollout, names=[NAME], poll_seconds=0)["changed"]
    desired = refreshes.started["DesiredConfiguration"]["MixedInstancesPolicy"]
    assert desired["LaunchTemplate"]["LaunchTemplateSpecification"] == {"LaunchTemplateId": template_id, "Version": "2"}
    assert desired["LaunchTemplate"]["Overrides"] == [{"InstanceType": "t3.small"}]
    assert desired["InstancesDistribution"]["OnDemandPercentageAboveBaseCapacity"] == 0


@pytest.mark.parametrize("end", ["Failed", "RollbackSuccessful", "RollbackFailed", "Cancelled"])
def test_a_refresh_that_does_not_succeed_fails(run: Run, play: Callable[..., Refreshes], group: str, end: str) -> None:
    new_version(group)
    refreshes = play("InProgress", end)
    result = run(asg_rollout, names=[NAME], poll_seconds=0)
    assert result["failed"]
    assert f"{NAME}, version 2: the refresh ended as {end}. AWS says: a reason." in result["msg"]
    (left,) = boto3.client("ec2").describe_launch_templates(LaunchTemplateIds=[group])["LaunchTemplates"]
    if end == "Cancelled":  # somebody's wish, which says nothing against the version
        assert (left["LatestVersionNumber"], result["refused"]) == (2, {})
    else:
        assert refreshes.withdrawn == [group, "1", ["2"]]
        refused = result["refused"][NAME]
        assert (refused["version"], refused["former_version"], refused["image_id"]) == (2, 1, "ami-1")
        assert refused["former_image_id"].startswith("ami-")


def test_a_refresh_that_takes_too_long_is_rolled_back(run: Run, play: Callable[..., Refreshes], group: str) -> None:
    new_version(group)
    refreshes = play("InProgress")
    result = run(asg_rollout, names=[NAME], poll_seconds=0, wait_timeout_seconds=0)
    assert result["failed"]
    assert refreshes.calls == ["StartInstanceRefresh", "RollbackInstanceRefresh"]
    assert "Waited 0 seconds for the refresh to end" in result["msg"]
    assert result["msg"].endswith("The rollback ended as RollbackSuccessful.")


def test_alarms_are_given_to_the_refresh_and_progress_is_told(run: Run, play: Callable[..., Refreshes], group: str, tmp_path: Path) -> None:
    new_version(group)
    refreshes = play("InProgress", "InProgress", "Successful")
    progress = tmp_path / "progress"
    run(asg_rollout, names=[NAME], poll_seconds=0, alarms=["errors"], progress_file=str(progress))
    assert refreshes.started["Preferences"]["AlarmSpecification"] == {"Alarms": ["errors"]}
    assert progress.read_text().splitlines() == [
        f"{NAME}: version 2, InProgress, 50 % of the instances replaced",
        f"{NAME}: version 2, Successful, 50 % of the instances replaced",
    ]


def test_a_running_refresh_to_the_same_version_is_watched(run: Run, play: Callable[..., Refreshes], group: str) -> None:
    new_version(group)
    running = {
        "InstanceRefreshId": "old",
        "Status": "InProgress",
        "DesiredConfiguration": {"LaunchTemplate": {"LaunchTemplateId": group, "LaunchTemplateName": NAME, "Version": "2"}},
    }
    refreshes = play("InProgress", "Successful", running=running)
    assert run(asg_rollout, names=[NAME], poll_seconds=0)["groups"][NAME]["refresh"]["instance_refresh_id"] == "old"
    assert refreshes.calls == []


def test_a_running_refresh_to_another_version_is_cancelled_first(run: Run, play: Callable[..., Refreshes], group: str) -> None:
    new_version(group)
    running = {
        "InstanceRefreshId": "old",
        "Status": "InProgress",
        "DesiredConfiguration": {"LaunchTemplate": {"LaunchTemplateId": group, "Version": "1"}},
    }
    refreshes = play("InProgress", "Successful", running=running)
    result = run(asg_rollout, names=[NAME], poll_seconds=0)
    assert refreshes.calls == ["CancelInstanceRefresh", "StartInstanceRefresh"]
    assert result["groups"][NAME]["refresh"]["instance_refresh_id"] == "new"


@pytest.mark.parametrize("check", [True, False])
def test_an_unknown_group_is_named(run: Run, play: Callable[..., Refreshes], group: str, check: bool) -> None:
    play()
    result = run(asg_rollout, check=check, names=[NAME, "missing"])
    assert result["msg"] == "Could not read Auto Scaling group 'missing': there is no Auto Scaling group of that name in this region."


def test_a_group_without_a_template_is_refused(run: Run, play: Callable[..., Refreshes]) -> None:
    client = boto3.client("autoscaling")
    client.create_launch_configuration(LaunchConfigurationName="old", ImageId="ami-1", InstanceType="t3.micro")
    _create_group(LaunchConfigurationName="old")
    play()
    assert "the group has no launch template" in run(asg_rollout, names=[NAME])["msg"]

# SPDX-License-Identifier: GPL-3.0-or-later
"""Instances, launch templates, images and Auto Scaling against the running emulator."""

from __future__ import annotations

import base64
import time
import uuid
from collections import Counter
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.integration.emulator.support import Network, RunningEmulator, base_image, wait_until

pytestmark = pytest.mark.emulator
SCRIPT = "#!/bin/sh\ntrue\n"


def template_data(emulator: RunningEmulator, network: Network, **changes: Any) -> dict[str, Any]:
    return {
        "ImageId": base_image(emulator),
        "InstanceType": "t3.small",
        "SecurityGroupIds": [network.group_id],
        "UserData": base64.b64encode(SCRIPT.encode()).decode(),
        "MetadataOptions": {"HttpTokens": "required", "HttpPutResponseHopLimit": 1},
        "BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeType": "gp3", "VolumeSize": 10, "Encrypted": True}}],
        "TagSpecifications": [
            {"ResourceType": "instance", "Tags": [{"Key": "Tier", "Value": "app"}]},
            {"ResourceType": "volume", "Tags": [{"Key": "Project", "Value": "indivillage"}]},
        ],
    } | changes


@pytest.fixture
def template(emulator: RunningEmulator, network: Network) -> str:
    return create_template(emulator, network)


def create_template(emulator: RunningEmulator, network: Network) -> str:
    ec2, name = emulator.client("ec2"), f"template-{uuid.uuid4().hex[:8]}"
    ec2.create_launch_template(
        LaunchTemplateName=name,
        LaunchTemplateData=template_data(emulator, network),
        TagSpecifications=[{"ResourceType": "launch-template", "Tags": [{"Key": "Owner", "Value": "tests"}]}],
    )
    return name


@pytest.fixture
def target_group(emulator: RunningEmulator, network: Network) -> str:
    """A target group that a listener uses."""
    elbv2, name = emulator.client("elbv2"), f"t-{uuid.uuid4().hex[:8]}"
    balancer = elbv2.create_load_balancer(Name=name, Subnets=list(network.subnet_ids), SecurityGroups=[network.group_id])
    arn: str = elbv2.create_target_group(Name=name, Protocol="HTTPS", Port=8443, VpcId=network.vpc_id)["TargetGroups"][0]["TargetGroupArn"]
    elbv2.create_listener(
        LoadBalancerArn=balancer["LoadBalancers"][0]["LoadBalancerArn"],
        Protocol="HTTP",
        Port=80,
        DefaultActions=[{"Type": "forward", "TargetGroupArn": arn}],
    )
    delay = {"Key": "deregistration_delay.timeout_seconds", "Value": "3"}
    elbv2.modify_target_group_attributes(TargetGroupArn=arn, Attributes=[delay])
    return arn


def create_group(emulator: RunningEmulator, network: Network, template: str, **parameters: Any) -> str:
    name = f"group-{uuid.uuid4().hex[:8]}"
    emulator.client("autoscaling").create_auto_scaling_group(
        **{
            "AutoScalingGroupName": name,
            "LaunchTemplate": {"LaunchTemplateName": template, "Version": "1"},
            "MinSize": 0,
            "MaxSize": 9,
            "DesiredCapacity": 3,
            "VPCZoneIdentifier": ",".join(network.subnet_ids),
        }
        | parameters
    )
    return name


def group(emulator: RunningEmulator, name: str) -> dict[str, Any]:
    answer = emulator.client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[name])
    return dict(answer["AutoScalingGroups"][0])


def members(emulator: RunningEmulator, name: str) -> list[str]:
    """Those in service: one that leaves stays in the list until its load balancer has finished with it."""
    return [instance["InstanceId"] for instance in group(emulator, name)["Instances"] if instance["LifecycleState"] == "InService"]


def instances(emulator: RunningEmulator, ids: list[str]) -> list[dict[str, Any]]:
    reservations = emulator.client("ec2").describe_instances(InstanceIds=ids)["Reservations"]
    return [instance for reservation in reservations for instance in reservation["Instances"]]


def targets(emulator: RunningEmulator, arn: str) -> dict[str, str]:
    answer = emulator.client("elbv2").describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
    return {entry["Target"]["Id"]: entry["TargetHealth"]["State"] for entry in answer}


def report(emulator: RunningEmulator, arn: str, states: dict[str, str]) -> None:
    status, _ = emulator.control("PUT", "target-health", {arn: states})
    assert status == 200


# --- instances and launch templates ---------------------------------------------------------------------------------


def test_instances_get_everything_that_their_launch_template_says(emulator: RunningEmulator, network: Network, template: str) -> None:
    iam, ec2 = emulator.client("iam"), emulator.client("ec2")
    name = f"profile-{uuid.uuid4().hex[:8]}"
    iam.create_instance_profile(InstanceProfileName=name)
    data = template_data(emulator, network, IamInstanceProfile={"Name": name})
    version = ec2.create_launch_template_version(LaunchTemplateName=template, LaunchTemplateData=data)["LaunchTemplateVersion"]
    launched = ec2.run_instances(
        LaunchTemplate={"LaunchTemplateName": template, "Version": str(version["VersionNumber"])},
        SubnetId=network.subnet_ids[1],
        MinCount=2,
        MaxCount=2,
    )["Instances"]
    for instance in instances(emulator, [one["InstanceId"] for one in launched]):
        assert instance["MetadataOptions"]["HttpTokens"] == "required"
        assert instance["IamInstanceProfile"]["Arn"].endswith(f"/{name}")
        assert [found["GroupId"] for found in instance["SecurityGroups"]] == [network.group_id]
        assert instance["Placement"]["AvailabilityZone"] == "us-east-1b"
        assert {"Key": "Tier", "Value": "app"} in instance["Tags"]
        devices = instance["BlockDeviceMappings"]
        assert [device["DeviceName"] for device in devices] == ["/dev/xvda"]
        volume = ec2.describe_volumes(VolumeIds=[devices[0]["Ebs"]["VolumeId"]])["Volumes"][0]
        assert (volume["Encrypted"], volume["VolumeType"], volume["Size"]) == (True, "gp3", 10)
        assert volume["Tags"] == [{"Key": "Project", "Value": "indivillage"}]
        user_data = ec2.describe_instance_attribute(InstanceId=instance["InstanceId"], Attribute="userData")["UserData"]["Value"]
        assert base64.b64decode(user_data).decode() == SCRIPT


def test_groups_of_an_interface_are_the_instances_groups(emulator: RunningEmulator, network: Network) -> None:
    ec2 = emulator.client("ec2")
    launched = ec2.run_instances(
        ImageId=base_image(emulator),
        InstanceType="t3.micro",
        MinCount=1,
        MaxCount=1,
        NetworkInterfaces=[{"DeviceIndex": 0, "SubnetId": network.subnet_ids[0], "Groups": [network.group_id]}],
    )["Instances"]
    (instance,) = instances(emulator, [launched[0]["InstanceId"]])
    assert [found["GroupId"] for found in instance["SecurityGroups"]] == [network.group_id]
    assert [found["GroupId"] for found in instance["NetworkInterfaces"][0]["Groups"]] == [network.group_id]


def test_an_instance_needs_an_image_and_a_key_that_exist(emulator: RunningEmulator, network: Network) -> None:
    ec2 = emulator.client("ec2")
    with pytest.raises(ClientError, match=r"InvalidAMIID\.NotFound"):
        ec2.run_instances(ImageId="ami-0123456789abcdef0", MinCount=1, MaxCount=1, SubnetId=network.subnet_ids[0])
    with pytest.raises(ClientError, match=r"InvalidKeyPair\.NotFound"):
        ec2.run_instances(ImageId=base_image(emulator), KeyName="absent", MinCount=1, MaxCount=1, SubnetId=network.subnet_ids[0])


def test_a_terminated_instance_frees_its_interface_but_not_at_once_its_address(emulator: RunningEmulator, network: Network) -> None:
    ec2, arguments = emulator.client("ec2"), {"MinCount": 1, "MaxCount": 1, "SubnetId": network.subnet_ids[0]}
    first = ec2.run_instances(ImageId=base_image(emulator), SecurityGroupIds=[network.group_id], **arguments)["Instances"][0]
    ec2.terminate_instances(InstanceIds=[first["InstanceId"]])
    second = ec2.run_instances(ImageId=base_image(emulator), **arguments)["Instances"][0]
    assert second["PrivateIpAddress"] != first["PrivateIpAddress"]
    ec2.delete_security_group(GroupId=network.group_id)


def test_reboots_are_counted(emulator: RunningEmulator, network: Network) -> None:
    ec2 = emulator.client("ec2")
    launched = ec2.run_instances(ImageId=base_image(emulator), MinCount=1, MaxCount=1, SubnetId=network.subnet_ids[0])["Instances"]
    name = launched[0]["InstanceId"]
    ec2.reboot_instances(InstanceIds=[name])
    ec2.reboot_instances(InstanceIds=[name])
    assert emulator.control("GET", "reboots")[1][name] == 2


def test_template_tags_stay_out_of_the_version(emulator: RunningEmulator, template: str) -> None:
    ec2 = emulator.client("ec2")
    found = ec2.describe_launch_templates(LaunchTemplateNames=[template])["LaunchTemplates"][0]
    assert found["Tags"] == [{"Key": "Owner", "Value": "tests"}]
    version = ec2.describe_launch_template_versions(LaunchTemplateName=template)["LaunchTemplateVersions"][0]
    assert {spec["ResourceType"] for spec in version["LaunchTemplateData"]["TagSpecifications"]} == {"instance", "volume"}


def test_template_versions_build_on_a_source_and_can_be_deleted(emulator: RunningEmulator, template: str) -> None:
    ec2 = emulator.client("ec2")
    for instance_type in ("t3.medium", "t3.large"):
        ec2.create_launch_template_version(
            LaunchTemplateName=template, SourceVersion="1", LaunchTemplateData={"InstanceType": instance_type}
        )
    answer = ec2.delete_launch_template_versions(LaunchTemplateName=template, Versions=["1", "2", "9"])
    assert [entry["VersionNumber"] for entry in answer["SuccessfullyDeletedLaunchTemplateVersions"]] == [2]
    assert [entry["VersionNumber"] for entry in answer["UnsuccessfullyDeletedLaunchTemplateVersions"]] == [1, 9]
    versions = ec2.describe_launch_template_versions(LaunchTemplateName=template)["LaunchTemplateVersions"]
    assert [version["VersionNumber"] for version in versions] == [1, 3]
    third = versions[1]["LaunchTemplateData"]
    assert (third["InstanceType"], third["MetadataOptions"]["HttpTokens"]) == ("t3.large", "required")
    (latest,) = ec2.describe_launch_template_versions(LaunchTemplateName=template, Versions=["$Latest"])["LaunchTemplateVersions"]
    assert latest["VersionNumber"] == 3


# --- images ---------------------------------------------------------------------------------------------------------


def test_an_image_waits_for_its_container_and_has_a_name_of_its_own(emulator: RunningEmulator, network: Network) -> None:
    ec2, name = emulator.client("ec2"), f"image-{uuid.uuid4().hex[:8]}"
    launched = ec2.run_instances(ImageId=base_image(emulator), MinCount=1, MaxCount=1, SubnetId=network.subnet_ids[0])["Instances"]
    tags = [{"Key": "Tier", "Value": "web"}]
    arguments = {
        "InstanceId": launched[0]["InstanceId"],
        "Name": name,
        "TagSpecifications": [{"ResourceType": "image", "Tags": tags}, {"ResourceType": "snapshot", "Tags": tags}],
    }
    image_id = ec2.create_image(**arguments)["ImageId"]

    def image() -> dict[str, Any]:
        return dict(ec2.describe_images(ImageIds=[image_id])["Images"][0])

    assert (image()["State"], image()["Tags"], image()["SourceInstanceId"]) == ("pending", tags, launched[0]["InstanceId"])
    with pytest.raises(ClientError, match=r"InvalidAMIName\.Duplicate"):
        ec2.create_image(**arguments)
    with pytest.raises(ClientError, match=r"InvalidAMIID\.Unavailable"):
        ec2.run_instances(ImageId=image_id, MinCount=1, MaxCount=1, SubnetId=network.subnet_ids[0])
    before = emulator.version
    assert emulator.control("PUT", f"images/us-east-1/{image_id}", {"state": "available"})[0] == 200
    assert (image()["State"], emulator.version > before) == ("available", True)


def test_a_copy_in_another_region_stands_for_the_same_container(emulator: RunningEmulator) -> None:
    west, source = emulator.client("ec2", "us-west-2"), base_image(emulator)
    copy = west.copy_image(SourceImageId=source, SourceRegion="us-east-1", Name=f"copy-{uuid.uuid4().hex[:8]}", CopyImageTags=True)
    found = west.describe_images(ImageIds=[copy["ImageId"]])["Images"][0]
    assert (found["State"], found["SourceImageId"], found["SourceImageRegion"]) == ("available", source, "us-east-1")
    assert found["Tags"] == [{"Key": "sandbox:container-image", "Value": "localhost/indivillage/debian:13"}]


def test_every_region_has_the_base_image(emulator: RunningEmulator) -> None:
    assert base_image(emulator, "us-east-1") != base_image(emulator, "us-west-2")


# --- Auto Scaling ---------------------------------------------------------------------------------------------------


def test_a_group_spreads_over_its_zones_and_registers_its_members(
    emulator: RunningEmulator, network: Network, template: str, target_group: str
) -> None:
    name = create_group(emulator, network, template, DesiredCapacity=4, TargetGroupARNs=[target_group])
    found = group(emulator, name)
    zones = Counter(instance["AvailabilityZone"] for instance in found["Instances"])
    assert sorted(zones.values()) == [1, 1, 2]
    assert {instance["LaunchTemplate"]["Version"] for instance in found["Instances"]} == {"1"}
    assert targets(emulator, target_group) == dict.fromkeys(members(emulator, name), "initial")
    (first, *_) = instances(emulator, members(emulator, name))
    assert first["MetadataOptions"]["HttpTokens"] == "required"
    assert {"Key": "aws:autoscaling:groupName", "Value": name} in first["Tags"]

    emulator.client("autoscaling").set_desired_capacity(AutoScalingGroupName=name, DesiredCapacity=3)
    zones = Counter(instance["AvailabilityZone"] for instance in group(emulator, name)["Instances"])
    assert sorted(zones.values()) == [1, 1, 1]
    assert set(targets(emulator, target_group)) == set(members(emulator, name))


def test_a_target_group_that_is_attached_again_gets_all_members_again(
    emulator: RunningEmulator, network: Network, template: str, target_group: str
) -> None:
    autoscaling, arns = emulator.client("autoscaling"), [target_group]
    name = create_group(emulator, network, template, DesiredCapacity=2, TargetGroupARNs=arns)
    before = set(targets(emulator, target_group))
    autoscaling.detach_load_balancer_target_groups(AutoScalingGroupName=name, TargetGroupARNs=arns)
    assert targets(emulator, target_group) == {}
    autoscaling.attach_load_balancer_target_groups(AutoScalingGroupName=name, TargetGroupARNs=arns)
    assert set(targets(emulator, target_group)) == before == set(members(emulator, name))


def test_a_terminated_member_is_replaced_in_its_zone_and_in_the_target_group(
    emulator: RunningEmulator, network: Network, template: str, target_group: str
) -> None:
    name = create_group(emulator, network, template, TargetGroupARNs=[target_group])
    before = members(emulator, name)
    emulator.client("ec2").terminate_instances(InstanceIds=[before[0]])
    after = members(emulator, name)
    assert (len(after), before[0] in after) == (3, False)
    assert {instance["Placement"]["AvailabilityZone"] for instance in instances(emulator, after)} == {f"us-east-1{z}" for z in "abc"}
    assert set(targets(emulator, target_group)) == set(after)
    activities = emulator.client("autoscaling").describe_scaling_activities(AutoScalingGroupName=name)["Activities"]
    assert any("Launching" in activity["Description"] and activity["StatusCode"] == "Successful" for activity in activities)


def test_a_stopped_member_and_one_marked_unhealthy_are_replaced(emulator: RunningEmulator, network: Network, template: str) -> None:
    name = create_group(emulator, network, template, DesiredCapacity=2)
    stopped, marked = members(emulator, name)
    emulator.client("ec2").stop_instances(InstanceIds=[stopped])
    emulator.client("autoscaling").set_instance_health(InstanceId=marked, HealthStatus="Unhealthy")
    wait_until(lambda: len(members(emulator, name)) == 2 and not {stopped, marked} & set(members(emulator, name)))


def test_an_unhealthy_target_is_replaced_after_its_grace_period(
    emulator: RunningEmulator, network: Network, template: str, target_group: str
) -> None:
    arguments = {"TargetGroupARNs": [target_group], "HealthCheckType": "ELB", "DesiredCapacity": 2}
    patient = create_group(emulator, network, template, HealthCheckGracePeriod=600, **arguments)
    strict = create_group(emulator, network, template, HealthCheckGracePeriod=1, **arguments)
    tolerated, condemned = members(emulator, patient), members(emulator, strict)
    report(emulator, target_group, dict.fromkeys(tolerated, "unhealthy") | {condemned[0]: "unhealthy", condemned[1]: "healthy"})
    before = emulator.version
    wait_until(lambda: condemned[0] not in members(emulator, strict))
    assert condemned[1] in members(emulator, strict)
    assert members(emulator, patient) == tolerated
    assert emulator.version > before


def test_updates_keep_what_they_do_not_name(emulator: RunningEmulator, network: Network, template: str) -> None:
    autoscaling = emulator.client("autoscaling")
    policy = {
        "LaunchTemplate": {
            "LaunchTemplateSpecification": {"LaunchTemplateName": template, "Version": "1"},
            "Overrides": [{"InstanceType": "t3.large"}],
        },
        "InstancesDistribution": {"OnDemandBaseCapacity": 1, "OnDemandPercentageAboveBaseCapacity": 0},
    }
    name = f"group-{uuid.uuid4().hex[:8]}"
    autoscaling.create_auto_scaling_group(
        AutoScalingGroupName=name,
        MixedInstancesPolicy=policy,
        MinSize=0,
        MaxSize=4,
        DesiredCapacity=3,
        VPCZoneIdentifier=",".join(network.subnet_ids),
        DefaultInstanceWarmup=7,
        Tags=[{"Key": "Zone", "Value": "z"}, {"Key": "Area", "Value": "a", "PropagateAtLaunch": True}],
    )
    launched = instances(emulator, members(emulator, name))
    assert Counter(instance.get("InstanceLifecycle", "on-demand") for instance in launched) == {"on-demand": 1, "spot": 2}
    assert {instance["InstanceType"] for instance in launched} == {"t3.large"}
    autoscaling.update_auto_scaling_group(AutoScalingGroupName=name, MaxSize=5, DefaultCooldown=11)
    autoscaling.disable_metrics_collection(AutoScalingGroupName=name)
    found = group(emulator, name)
    assert found["MixedInstancesPolicy"]["LaunchTemplate"]["Overrides"] == [{"InstanceType": "t3.large"}]
    assert (found["MaxSize"], found["DefaultCooldown"], found["DefaultInstanceWarmup"]) == (5, 11, 7)
    assert [tag["Key"] for tag in found["Tags"]] == ["Area", "Zone"]


def test_a_leaving_member_runs_until_its_requests_are_done(
    emulator: RunningEmulator, network: Network, template: str, target_group: str
) -> None:
    autoscaling = emulator.client("autoscaling")
    name = create_group(emulator, network, template, DesiredCapacity=2, TargetGroupARNs=[target_group])
    leaving, staying = members(emulator, name)
    report(emulator, target_group, {leaving: "healthy", staying: "healthy"})
    autoscaling.terminate_instance_in_auto_scaling_group(InstanceId=leaving, ShouldDecrementDesiredCapacity=True)

    def state(instance_id: str) -> str:
        return str(instances(emulator, [instance_id])[0]["State"]["Name"])

    assert targets(emulator, target_group) == {staying: "healthy", leaving: "draining"}
    assert members(emulator, name) == [staying]
    assert {one["InstanceId"] for one in group(emulator, name)["Instances"]} == {staying, leaving}
    time.sleep(4)
    assert state(leaving) == "running", "the load balancer has not let go of it yet"
    report(emulator, target_group, {staying: "healthy"})
    released = time.monotonic()
    wait_until(lambda: state(leaving) == "terminated")
    assert time.monotonic() - released >= 2.5
    assert targets(emulator, target_group) == {staying: "healthy"}
    with pytest.raises(ClientError, match="No managed instance found"):
        autoscaling.terminate_instance_in_auto_scaling_group(InstanceId=leaving, ShouldDecrementDesiredCapacity=False)


def test_a_forced_deletion_waits_for_nobody(emulator: RunningEmulator, network: Network, template: str, target_group: str) -> None:
    name = create_group(emulator, network, template, DesiredCapacity=1, TargetGroupARNs=[target_group])
    member = members(emulator, name)[0]
    report(emulator, target_group, {member: "healthy"})
    emulator.client("autoscaling").delete_auto_scaling_group(AutoScalingGroupName=name, ForceDelete=True)
    assert instances(emulator, [member])[0]["State"]["Name"] == "terminated"
    wait_until(lambda: targets(emulator, target_group) == {})


# --- instance refresh -----------------------------------------------------------------------------------------------


def refresh(emulator: RunningEmulator, name: str) -> dict[str, Any]:
    return dict(emulator.client("autoscaling").describe_instance_refreshes(AutoScalingGroupName=name)["InstanceRefreshes"][0])


def versions(emulator: RunningEmulator, name: str) -> Counter[str]:
    in_service = (instance for instance in group(emulator, name)["Instances"] if instance["LifecycleState"] == "InService")
    return Counter(instance["LaunchTemplate"]["Version"] for instance in in_service)


@pytest.fixture
def refreshable(emulator: RunningEmulator, network: Network, template: str, target_group: str) -> tuple[str, dict[str, Any], str]:
    """(group of two healthy members, desired configuration with version 2, target group)."""
    emulator.client("ec2").create_launch_template_version(
        LaunchTemplateName=template, LaunchTemplateData=template_data(emulator, network, InstanceType="t3.medium")
    )
    name = create_group(
        emulator,
        network,
        template,
        DesiredCapacity=2,
        TargetGroupARNs=[target_group],
        HealthCheckType="ELB",
        HealthCheckGracePeriod=1,
    )
    report(emulator, target_group, dict.fromkeys(members(emulator, name), "healthy"))
    return name, {"LaunchTemplate": {"LaunchTemplateName": template, "Version": "2"}}, target_group


def test_a_refresh_replaces_one_after_another_and_waits_for_health(
    emulator: RunningEmulator, refreshable: tuple[str, dict[str, Any], str]
) -> None:
    name, desired, target_group = refreshable
    old = set(members(emulator, name))
    emulator.client("autoscaling").start_instance_refresh(
        AutoScalingGroupName=name, DesiredConfiguration=desired, Preferences={"MinHealthyPercentage": 50, "InstanceWarmup": 0}
    )
    with pytest.raises(ClientError, match="InstanceRefreshInProgress"):
        emulator.client("autoscaling").start_instance_refresh(AutoScalingGroupName=name)
    wait_until(lambda: versions(emulator, name) == {"1": 1, "2": 1})
    assert refresh(emulator, name)["Status"] == "InProgress"
    assert refresh(emulator, name)["DesiredConfiguration"] == desired
    assert len(old & set(members(emulator, name))) == 1, "the second one goes only when the first new one is healthy"
    assert group(emulator, name)["LaunchTemplate"]["Version"] == "1", "the group's own configuration changes at the end"
    report(emulator, target_group, dict.fromkeys(members(emulator, name), "healthy"))
    wait_until(lambda: versions(emulator, name) == {"2": 2})
    report(emulator, target_group, dict.fromkeys(members(emulator, name), "healthy"))
    wait_until(lambda: refresh(emulator, name)["Status"] == "Successful")
    assert refresh(emulator, name)["PercentageComplete"] == 100
    assert group(emulator, name)["LaunchTemplate"]["Version"] == "2"


def test_a_refresh_may_launch_before_it_terminates(emulator: RunningEmulator, refreshable: tuple[str, dict[str, Any], str]) -> None:
    name, desired, target_group = refreshable
    emulator.client("autoscaling").start_instance_refresh(
        AutoScalingGroupName=name,
        DesiredConfiguration=desired,
        Preferences={"MinHealthyPercentage": 100, "MaxHealthyPercentage": 200, "InstanceWarmup": 0},
    )
    wait_until(lambda: versions(emulator, name) == {"1": 2, "2": 2})

    def finished() -> bool:
        report(emulator, target_group, dict.fromkeys(members(emulator, name), "healthy"))
        return refresh(emulator, name)["Status"] == "Successful"

    wait_until(finished)
    assert versions(emulator, name) == {"2": 2}
    assert set(targets(emulator, target_group)) == set(members(emulator, name)), "replaced members have ended"


def test_a_failing_refresh_rolls_back(emulator: RunningEmulator, refreshable: tuple[str, dict[str, Any], str]) -> None:
    name, desired, target_group = refreshable
    autoscaling = emulator.client("autoscaling")
    preferences = {"MinHealthyPercentage": 50, "InstanceWarmup": 0, "AutoRollback": True}
    with pytest.raises(ClientError, match="A rollback needs a desired configuration"):
        autoscaling.start_instance_refresh(AutoScalingGroupName=name, Preferences=preferences)
    autoscaling.start_instance_refresh(AutoScalingGroupName=name, DesiredConfiguration=desired, Preferences=preferences)
    wait_until(lambda: versions(emulator, name) == {"1": 1, "2": 1})
    new = next(one["InstanceId"] for one in group(emulator, name)["Instances"] if one["LaunchTemplate"]["Version"] == "2")
    healthy = dict.fromkeys(members(emulator, name), "healthy")
    report(emulator, target_group, healthy | {new: "unhealthy"})
    wait_until(lambda: refresh(emulator, name)["Status"] == "RollbackInProgress")
    assert new in refresh(emulator, name)["StatusReason"]

    def settled() -> bool:
        report(emulator, target_group, dict.fromkeys(members(emulator, name), "healthy"))
        return refresh(emulator, name)["Status"] == "RollbackSuccessful"

    wait_until(settled)
    assert versions(emulator, name) == {"1": 2}
    assert group(emulator, name)["LaunchTemplate"]["Version"] == "1"


def test_a_rollback_keeps_the_members_that_were_not_replaced_yet(
    emulator: RunningEmulator, refreshable: tuple[str, dict[str, Any], str]
) -> None:
    name, desired, _ = refreshable
    autoscaling, old = emulator.client("autoscaling"), members(emulator, name)
    preferences = {"MinHealthyPercentage": 100, "MaxHealthyPercentage": 200, "InstanceWarmup": 0, "AutoRollback": True}
    autoscaling.start_instance_refresh(AutoScalingGroupName=name, DesiredConfiguration=desired, Preferences=preferences)
    wait_until(lambda: versions(emulator, name) == {"1": 2, "2": 2})
    autoscaling.rollback_instance_refresh(AutoScalingGroupName=name)
    wait_until(lambda: refresh(emulator, name)["Status"] == "RollbackSuccessful")
    assert members(emulator, name) == old


def test_a_refresh_can_be_cancelled_and_skips_what_matches(emulator: RunningEmulator, refreshable: tuple[str, dict[str, Any], str]) -> None:
    name, desired, _ = refreshable
    autoscaling = emulator.client("autoscaling")
    autoscaling.start_instance_refresh(AutoScalingGroupName=name, DesiredConfiguration=desired)
    autoscaling.cancel_instance_refresh(AutoScalingGroupName=name)
    wait_until(lambda: refresh(emulator, name)["Status"] == "Cancelled")
    with pytest.raises(ClientError, match="ActiveInstanceRefreshNotFound"):
        autoscaling.rollback_instance_refresh(AutoScalingGroupName=name)
    before = members(emulator, name)
    autoscaling.start_instance_refresh(AutoScalingGroupName=name, Preferences={"SkipMatching": True, "InstanceWarmup": 0})
    wait_until(lambda: refresh(emulator, name)["Status"] == "Successful")
    assert members(emulator, name) == before


def test_shares_that_are_no_whole_numbers_make_up_the_capacity(emulator: RunningEmulator, network: Network, template: str) -> None:
    autoscaling, name = emulator.client("autoscaling"), f"group-{uuid.uuid4().hex[:8]}"
    policy = {
        "LaunchTemplate": {
            "LaunchTemplateSpecification": {"LaunchTemplateName": template, "Version": "1"},
            "Overrides": [{"InstanceType": "t3.large"}],
        },
        "InstancesDistribution": {"OnDemandBaseCapacity": 0, "OnDemandPercentageAboveBaseCapacity": 50},
    }
    autoscaling.create_auto_scaling_group(
        AutoScalingGroupName=name,
        MixedInstancesPolicy=policy,
        MinSize=0,
        MaxSize=4,
        DesiredCapacity=3,
        VPCZoneIdentifier=",".join(network.subnet_ids),
    )
    first = members(emulator, name)
    lives = Counter(instance.get("InstanceLifecycle", "on-demand") for instance in instances(emulator, first))
    assert lives == {"on-demand": 2, "spot": 1}
    autoscaling.update_auto_scaling_group(AutoScalingGroupName=name, MaxSize=5)
    assert sorted(members(emulator, name)) == sorted(first)

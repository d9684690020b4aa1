# SPDX-License-Identifier: GPL-3.0-or-later
"""An incident from its declaration to its review, by the playbooks, on a tier that stands in the emulator, as the role for it.

With RECORD_CALLS=1 the role may do everything, and its policies are written anew from what it did.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.integration.emulator.support import base_image, make_network
from tests.support.permissions import Account, Principal, account_of, allowed
from tests.support.playbooks import PlaybookRun

pytestmark = pytest.mark.emulator

PREFIX, BUCKET = "indivillage-sandbox", "indivillage-sandbox-operations"
INCIDENT = "2026-03-01-web-probe"
TAGS = {"Project": "indivillage", "Environment": "sandbox", "Stack": "sandbox-us-east-1", "ManagedBy": "ansible"}
WHOLE: dict[str, Any] = {"stack_without": []}  # with the edge, which the sandbox leaves out


def tag_list(**more: str) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in (TAGS | more).items()]


@dataclass
class World:
    """A web tier of two behind a target group, in a network with a quarantine group; a topic with a queue; a role."""

    account: Account
    responder: Principal
    target_group: str
    queue: str
    attacked: str
    attacked_group: str

    def run(self, playbook: str, **answers: Any) -> PlaybookRun:
        """Run a playbook as who may respond to incidents, and nothing else."""
        options = [] if not answers.pop("check", False) else ["--check"]
        return PlaybookRun.of(self.account.run(f"playbooks/{playbook}.yml", self.responder, *options, **WHOLE, **answers))

    def client(self, service: str, region: str = "us-east-1") -> Any:
        return self.account.emulator.client(service, region)

    @property
    def instance(self) -> dict[str, Any]:
        (reservation,) = self.client("ec2").describe_instances(InstanceIds=[self.attacked])["Reservations"]
        found: dict[str, Any] = reservation["Instances"][0]
        return found

    @property
    def serving(self) -> list[str]:
        (group,) = self.client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[f"{PREFIX}-web"])["AutoScalingGroups"]
        return [one["InstanceId"] for one in group["Instances"] if one["LifecycleState"] == "InService"]

    def timeline(self) -> list[dict[str, Any]]:
        items = self.client("dynamodb").scan(TableName=f"{PREFIX}-incidents")["Items"]
        entries = [json.loads(item["body"]["S"]) for item in items if item["entry"]["S"].startswith(INCIDENT)]
        return sorted(entries, key=lambda entry: str(entry["at"]))


def make_world(account: Account) -> World:
    emulator = account.emulator
    ec2, network = emulator.client("ec2"), make_network(emulator)
    for name in ("web", "quarantine"):
        ec2.create_security_group(VpcId=network.vpc_id, GroupName=f"{PREFIX}-{name}-sg", Description=name)
    acl = [{"ResourceType": "network-acl", "Tags": tag_list(Name=f"{PREFIX}-public")}]
    ec2.create_network_acl(VpcId=network.vpc_id, TagSpecifications=acl)
    west = emulator.client("ec2", "us-west-2")
    west.create_network_acl(VpcId=west.create_vpc(CidrBlock="10.200.0.0/16")["Vpc"]["VpcId"], TagSpecifications=acl)
    elbv2, sqs, sns = emulator.client("elbv2"), emulator.client("sqs"), emulator.client("sns")
    target = elbv2.create_target_group(Name=f"{PREFIX}-web", Protocol="HTTPS", Port=443, VpcId=network.vpc_id)["TargetGroups"][0]
    launch = {"ImageId": base_image(emulator), "InstanceType": "t3.micro", "SecurityGroupIds": [network.group_id]}
    ec2.create_launch_template(LaunchTemplateName="web", LaunchTemplateData=launch)
    emulator.client("autoscaling").create_auto_scaling_group(
        AutoScalingGroupName=f"{PREFIX}-web",
        LaunchTemplate={"LaunchTemplateName": "web", "Version": "$Latest"},
        MinSize=2,
        MaxSize=2,
        VPCZoneIdentifier=",".join(network.subnet_ids),
        TargetGroupARNs=[target["TargetGroupArn"]],
        Tags=[{**tag, "PropagateAtLaunch": True} for tag in tag_list(Role="web", Tier="web")],
    )
    filters = [{"Name": "tag:aws:autoscaling:groupName", "Values": [f"{PREFIX}-web"]}]
    attacked = ec2.describe_instances(Filters=filters)["Reservations"][0]["Instances"][0]["InstanceId"]
    queue = sqs.create_queue(QueueName="heard")["QueueUrl"]
    topic = sns.create_topic(Name=f"{PREFIX}-high")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=f"arn:aws:sqs:us-east-1:123456789012:{queue.rpartition('/')[2]}")
    emulator.client("wafv2").create_web_acl(
        Name=f"{PREFIX}-edge",
        Scope="CLOUDFRONT",
        DefaultAction={"Allow": {}},
        VisibilityConfig={"SampledRequestsEnabled": False, "CloudWatchMetricsEnabled": False, "MetricName": "edge"},
        Rules=[],
    )
    emulator.client("iam").create_user(UserName="mallory")
    emulator.client("iam").create_access_key(UserName="mallory")
    emulator.client("iam").create_login_profile(UserName="mallory", Password="not-a-Password-1")
    trust = json.dumps({"Version": "2012-10-17", "Statement": []})
    emulator.client("iam").create_role(RoleName=f"{PREFIX}-web", AssumeRolePolicyDocument=trust)
    return World(account, account.role("respond", allowed("respond")), target["TargetGroupArn"], queue, attacked, network.group_id)


@pytest.fixture(scope="module")
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with account_of("respond", request, tmp_path_factory.mktemp("incidents"), exactly=False) as made:
        yield make_world(made)


@pytest.fixture(scope="module")
def declared(world: World) -> World:
    answers = {"incident": INCIDENT, "incident_title": "Unknown processes on a web server", "incident_severity": "high"}
    done = world.run("declare_incident", **answers, incident_class="intrusion", incident_note="ada sees them in the process list")
    assert done.returncode == 0, done.output
    return world


@pytest.fixture(scope="module")
def isolated(declared: World) -> World:
    planned = declared.run("isolate_instance", incident=INCIDENT, isolate_instance=declared.attacked, check=True)
    assert planned.returncode in {0, 2}, planned.output
    assert declared.attacked in declared.serving, "a plan moves nothing"
    assert declared.instance["SecurityGroups"][0]["GroupId"] == declared.attacked_group
    done = declared.run("isolate_instance", incident=INCIDENT, isolate_instance=declared.attacked)
    assert done.returncode == 0, done.output
    return declared


def test_whom_it_concerns_is_told_with_the_times_of_the_escalation(declared: World) -> None:
    (message,) = declared.client("sqs").receive_message(QueueUrl=declared.queue, MaxNumberOfMessages=10)["Messages"]
    told = json.loads(message["Body"])
    assert told["Subject"] == "[high] sandbox: Unknown processes on a web server"
    assert "engineering manager, when it is not acknowledged" in told["Message"]
    assert [entry["kind"] for entry in declared.timeline()[:3]] == ["declared", "note", "notified"]


def test_the_instance_is_contained_and_the_tier_is_whole(isolated: World) -> None:
    instance = isolated.instance
    tags = {tag["Key"]: tag["Value"] for tag in instance["Tags"]}

    assert len(isolated.serving) == 2
    assert isolated.attacked not in isolated.serving
    assert [group["GroupName"] for group in instance["SecurityGroups"]] == [f"{PREFIX}-quarantine-sg"]
    targets = isolated.client("elbv2").describe_target_health(TargetGroupArn=isolated.target_group)["TargetHealthDescriptions"]
    assert isolated.attacked not in {one["Target"]["Id"] for one in targets if not one["TargetHealth"]["State"].endswith("draining")}
    attribute = isolated.client("ec2").describe_instance_attribute(InstanceId=isolated.attacked, Attribute="disableApiTermination")
    assert attribute["DisableApiTermination"]["Value"]
    assert (tags["Incident"], tags["Role"], tags["FormerRole"], "Tier" in tags) == (INCIDENT, "quarantined", "web", False)
    assert tags["ManagedBy"] != "ansible", "nothing of ours may manage or remove it"


def test_its_disks_are_evidence_in_a_chain_of_custody(isolated: World) -> None:
    entries = [entry for entry in isolated.timeline() if entry["details"].get("record")]
    volumes = {disk["Ebs"]["VolumeId"] for disk in isolated.instance["BlockDeviceMappings"]}
    filters = [{"Name": "tag:Incident", "Values": [INCIDENT]}]
    snapshots = isolated.client("ec2").describe_snapshots(OwnerIds=["self"], Filters=filters)["Snapshots"]

    assert {snapshot["VolumeId"] for snapshot in snapshots} == volumes
    assert "ansible" not in {tag["Value"] for snapshot in snapshots for tag in snapshot["Tags"]}
    before = ""
    for entry in entries:
        bucket, _slash, key = entry["details"]["record"]["place"].removeprefix("s3://").partition("/")
        body = isolated.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
        assert hashlib.sha256(body).hexdigest() == entry["details"]["record"]["sha256"]
        assert json.loads(body)["before"] == before
        before = entry["details"]["record"]["sha256"]
    assert [entry["details"].get("missing", "") != "" for entry in entries] == [False, True], "no host stands behind the emulator's"


def test_the_same_again_changes_nothing(isolated: World) -> None:
    again = isolated.run("isolate_instance", incident=INCIDENT, isolate_instance=isolated.attacked)
    assert again.clean, again.output


def test_addresses_are_refused_on_both_sides_of_the_border(declared: World) -> None:
    done = declared.run("block_addresses", incident=INCIDENT, block_networks=["203.0.113.7", "2001:db8::/48"], block_hours=2)
    assert done.returncode == 0, done.output
    for region in ("us-east-1", "us-west-2"):
        acls = declared.client("ec2", region).describe_network_acls(Filters=[{"Name": "tag:Name", "Values": [f"{PREFIX}-public"]}])
        denied = [entry for entry in acls["NetworkAcls"][0]["Entries"] if entry["RuleNumber"] < 20]
        assert {(entry["Egress"], entry.get("CidrBlock") or entry["Ipv6CidrBlock"]) for entry in denied} == {
            (egress, network) for egress in (False, True) for network in ("203.0.113.7/32", "2001:db8::/48")
        }


def blocked(world: World) -> tuple[int, int]:
    """How many entries of the border refuse something, and how many addresses the edge does."""
    filters = [{"Name": "tag:Name", "Values": [f"{PREFIX}-public"]}]
    (acl,) = world.client("ec2").describe_network_acls(Filters=filters)["NetworkAcls"]
    waf, edge = world.client("wafv2"), {"Scope": "CLOUDFRONT"}
    sets = [waf.get_ip_set(**edge, Name=one["Name"], Id=one["Id"])["IPSet"] for one in waf.list_ip_sets(**edge)["IPSets"]]
    return len([entry for entry in acl["Entries"] if entry["RuleNumber"] < 20]), sum(len(one["Addresses"]) for one in sets)


def test_addresses_are_let_in_again(declared: World) -> None:
    done = declared.run("block_addresses", incident=INCIDENT, block_networks=["198.51.100.7", "2001:db8:1::/48"], block_hours=2)
    assert done.returncode == 0, done.output
    border, edge = blocked(declared)
    again = declared.run("block_addresses", incident=INCIDENT, unblock_networks=["198.51.100.7"])
    assert again.returncode == 0, again.output
    assert blocked(declared) == (border - 2, edge - 1)


def test_older_sessions_of_a_role_are_refused_once(declared: World) -> None:
    done = declared.run("revoke_access", incident=INCIDENT, revoke_principal=f"role/{PREFIX}-web", revoke_before="2026-03-01T02:03:04Z")
    assert done.returncode == 0, done.output
    policy = declared.client("iam").get_role_policy(RoleName=f"{PREFIX}-web", PolicyName="incident-revoked-sessions")["PolicyDocument"]
    assert policy["Statement"][0]["Condition"] == {"DateLessThan": {"aws:TokenIssueTime": "2026-03-01T02:03:04+00:00"}}
    assert [entry["kind"] for entry in declared.timeline()].count("revoked") == 1


def test_a_user_has_no_credentials_left(declared: World) -> None:
    done = declared.run("revoke_access", incident=INCIDENT, revoke_principal="user/mallory")
    assert done.returncode == 0, done.output
    iam = declared.client("iam")
    assert [key["Status"] for key in iam.list_access_keys(UserName="mallory")["AccessKeyMetadata"]] == ["Inactive"]
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        iam.get_login_profile(UserName="mallory")


def test_the_review_is_made_of_the_timeline(isolated: World) -> None:
    answers = {"incident": INCIDENT, "incident_summary": "Somebody ran a miner.", "incident_actions": ["Patch the library"]}
    done = isolated.run("close_incident", **answers)
    assert done.returncode == 0, done.output
    review = isolated.client("s3").get_object(Bucket=BUCKET, Key=f"incidents/{INCIDENT}/review.md")["Body"].read().decode()
    for words in ("| severity | high |", "Somebody ran a miner.", f"Isolated {isolated.attacked}", "- [ ] Patch the library", "snap-"):
        assert words in review
    assert "ada sees them in the process list" in review

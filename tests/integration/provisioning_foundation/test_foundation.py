# SPDX-License-Identifier: GPL-3.0-or-later
"""Provision the foundation of both of the sandbox's regions in an emulator, and look at what is there.

One account is built once for all tests: applied, damaged, and applied once more. That a second run changes nothing is said of the
whole site by tests/e2e.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sandbox.settings import ACCOUNT_ID
from tests.integration.emulator.support import RunningEmulator, start
from tests.support import playbooks
from tests.support.playbooks import PlaybookRun
from tests.support.policy_check import faults

ROOT = Path(__file__).resolve().parents[3]
LAYERS = ["aws_identity", "aws_keys", "aws_network", "aws_security_groups", "aws_storage", "aws_messaging"]
STACKS = {"sandbox-global", "sandbox-us-east-1", "sandbox-us-west-2"}
PREFIX = "indivillage-sandbox"
VPCS = {"us-east-1": "10.10.0.0/16", "us-west-2": "10.11.0.0/16"}
REGIONS = sorted(VPCS)

pytestmark = pytest.mark.emulator
Client = Callable[..., Any]


@dataclass(frozen=True)
class Site:
    """The emulator after a run, and that run."""

    emulator: RunningEmulator
    state: Path
    first: PlaybookRun
    provision: Callable[..., PlaybookRun]


def provisioner(emulator: RunningEmulator, state: Path) -> Callable[..., PlaybookRun]:
    def provision(*arguments: str, tags: list[str] = LAYERS) -> PlaybookRun:
        return playbooks.run(emulator.endpoint, state, "provision_foundation", "--tags", ",".join(tags), *arguments)

    return provision


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    state = tmp_path_factory.mktemp("sandbox")
    for emulator in start("--standalone"):
        provision = provisioner(emulator, state)
        yield Site(emulator, state, provision(), provision)


@pytest.fixture
def client(site: Site) -> Client:
    return site.emulator.client


def name_of(resource: dict[str, Any]) -> str:
    return {tag["Key"]: tag["Value"] for tag in resource.get("Tags", [])}.get("Name", "").removeprefix(f"{PREFIX}-")


def statements(document: str | dict[str, Any]) -> list[dict[str, Any]]:
    return list((json.loads(document) if isinstance(document, str) else document)["Statement"])


def vpc_id(client: Client, region: str) -> str:
    (vpc,) = client("ec2", region).describe_vpcs(Filters=[{"Name": "tag:Name", "Values": [f"{PREFIX}-vpc"]}])["Vpcs"]
    assert vpc["CidrBlock"] == VPCS[region]
    return str(vpc["VpcId"])


def groups(client: Client, region: str) -> dict[str, dict[str, Any]]:
    found = client("ec2", region).describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [vpc_id(client, region)]}])[
        "SecurityGroups"
    ]
    return {group["GroupName"].removeprefix(f"{PREFIX}-").removesuffix("-sg"): group for group in found}


# --- runs ---


def test_the_first_run_builds_every_stack(site: Site) -> None:
    assert site.first.failed == dict.fromkeys(STACKS, 0), site.first.output
    assert all(site.first.changed[stack] for stack in STACKS)


def test_the_private_key_is_in_no_output(site: Site) -> None:
    key = (site.state / "ssh" / "id_ed25519").read_text()

    assert key.startswith("-----BEGIN OPENSSH PRIVATE KEY-----")
    assert all(line not in site.first.output for line in key.splitlines()[1:-1])


# --- network ---


@pytest.mark.parametrize("region", REGIONS)
def test_four_tiers_in_three_zones(client: Client, region: str) -> None:
    subnets = client("ec2", region).describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc_id(client, region)]}])["Subnets"]

    assert {name_of(subnet) for subnet in subnets} == {f"{tier}-{zone}" for tier in ("public", "web", "app", "data") for zone in "abc"}
    assert all(subnet["AvailabilityZone"] == region + name_of(subnet)[-1] for subnet in subnets)
    assert not any(subnet["MapPublicIpOnLaunch"] for subnet in subnets)


@pytest.mark.parametrize("region", REGIONS)
def test_the_data_tier_has_no_way_out_and_the_others_have_theirs(client: Client, region: str) -> None:
    ec2 = client("ec2", region)
    tables = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [vpc_id(client, region)]}])["RouteTables"]
    tiers = {subnet["SubnetId"]: name_of(subnet).split("-")[0] for subnet in ec2.describe_subnets()["Subnets"]}
    ways = {
        tiers[association["SubnetId"]]: {
            (route.get("GatewayId") or route.get("NatGatewayId") or "")[:4]
            for route in table["Routes"]
            if route.get("DestinationCidrBlock") == "0.0.0.0/0"
        }
        for table in tables
        for association in table["Associations"]
        if "SubnetId" in association
    }
    assert ways == {"public": {"igw-"}, "web": {"nat-"}, "app": {"nat-"}, "data": set()}


@pytest.mark.parametrize("region", REGIONS)
def test_one_nat_gateway_with_one_address(client: Client, region: str) -> None:
    ec2 = client("ec2", region)

    assert len(ec2.describe_nat_gateways()["NatGateways"]) == 1
    assert [name_of(address) for address in ec2.describe_addresses()["Addresses"]] == ["nat-a"]


@pytest.mark.parametrize("region", REGIONS)
def test_each_tier_has_its_network_acl(client: Client, region: str) -> None:
    ec2 = client("ec2", region)
    acls = {name_of(acl): acl for acl in ec2.describe_network_acls()["NetworkAcls"] if not acl["IsDefault"]}
    data_ingress = {
        (entry["CidrBlock"], entry["PortRange"]["From"])
        for entry in acls["data"]["Entries"]
        if not entry["Egress"] and entry["RuleAction"] == "allow"
    }
    third_octets = {int(cidr.split(".")[2]) for cidr, _port in data_ingress}

    assert {name: len(acl["Associations"]) for name, acl in acls.items()} == {"public": 3, "web": 3, "app": 3, "data": 3}
    assert (VPCS[region].replace(".0.0/16", ".20.0/24"), 5432) in data_ingress
    assert third_octets == {0, 1, 2, 20, 21, 22, 30, 31, 32}, "the data tier hears the bastion, the app tier and itself"


@pytest.mark.parametrize(("region", "interfaces"), [("us-east-1", {"ssm", "secretsmanager", "sqs"}), ("us-west-2", {"ssm"})])
def test_endpoints(client: Client, region: str, interfaces: set[str]) -> None:
    endpoints = client("ec2", region).describe_vpc_endpoints()["VpcEndpoints"]
    by_type: dict[str, set[str]] = {}
    for endpoint in endpoints:
        by_type.setdefault(endpoint["VpcEndpointType"], set()).add(endpoint["ServiceName"].removeprefix(f"com.amazonaws.{region}."))
    assert by_type == {"Gateway": {"s3", "dynamodb"}, "Interface": interfaces}
    for endpoint in endpoints:
        own, *others = json.loads(endpoint["PolicyDocument"])["Statement"]
        assert own["Condition"] == {"StringEquals": {"aws:PrincipalAccount": ACCOUNT_ID}}
        assert [other["Action"] for other in others] == (["s3:GetObject"] if endpoint["ServiceName"].endswith(".s3") else [])


@pytest.mark.parametrize("region", REGIONS)
def test_the_default_network_acl_lets_nothing_through(client: Client, region: str) -> None:
    ec2 = client("ec2", region)
    (vpc,) = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["false"]}])["Vpcs"]
    filters = [{"Name": "vpc-id", "Values": [vpc["VpcId"]]}, {"Name": "default", "Values": ["true"]}]
    (acl,) = ec2.describe_network_acls(Filters=filters)["NetworkAcls"]
    assert {entry["RuleAction"] for entry in acl["Entries"]} == {"deny"}


@pytest.mark.parametrize("region", REGIONS)
def test_flow_logs_go_to_an_encrypted_group_that_forgets(client: Client, region: str) -> None:
    (flow_log,) = client("ec2", region).describe_flow_logs()["FlowLogs"]
    (group,) = client("logs", region).describe_log_groups()["logGroups"]

    assert (flow_log["ResourceId"], flow_log["TrafficType"]) == (vpc_id(client, region), "ALL")
    assert flow_log["LogGroupName"] == group["logGroupName"] == f"/aws/vpc-flow-logs/{PREFIX}"
    assert group["retentionInDays"] == 30
    assert group["kmsKeyId"]


# --- security groups ---


def allowed(group: dict[str, Any], direction: str = "IpPermissions") -> set[tuple[str, int]]:
    """(other group's id or CIDR, port) of every rule."""
    return {
        (peer.get("GroupId") or peer["CidrIp"], rule["FromPort"])
        for rule in group[direction]
        for peer in [*rule["UserIdGroupPairs"], *rule["IpRanges"]]
        if rule["FromPort"] == rule["ToPort"]
    }


@pytest.mark.parametrize("region", REGIONS)
def test_exactly_the_declared_flows_are_open(client: Client, region: str) -> None:
    found = groups(client, region)
    ids = {name: group["GroupId"] for name, group in found.items()}
    ingress = {name: allowed(group) for name, group in found.items()}

    assert ingress == {
        "default": set(),
        "public-load-balancer": {("0.0.0.0/0", 443), ("0.0.0.0/0", 80)},
        "web": {(ids["public-load-balancer"], 443), (ids["bastion"], 22), (ids["monitoring"], 9100), (ids["monitoring"], 9113)},
        "internal-load-balancer": {(ids["web"], 443)},
        "app": {(ids["internal-load-balancer"], 8443), (ids["bastion"], 22), (ids["monitoring"], 9100), (ids["monitoring"], 8444)},
        "worker": set(),
        "functions": set(),
        "scanner": {(ids["functions"], 3310)},
        "database": {(ids["app"], 5432), (ids["worker"], 5432), (ids["bastion"], 5432), (ids["monitoring"], 5432)},
        "cache": {(ids[name], 6379) for name in ("app", "worker", "monitoring")},
        "bastion": {("198.18.0.0/24", 22), (ids["monitoring"], 9100)},
        "monitoring": {(ids["bastion"], port) for port in (22, 3000, 9090, 9093)},
        "endpoints": {(ids[name], 443) for name in ("web", "app", "worker", "functions", "bastion", "monitoring")},
        "quarantine": {(ids["bastion"], 22)},
    }


@pytest.mark.parametrize("region", REGIONS)
def test_what_answers_may_not_call(client: Client, region: str) -> None:
    found = groups(client, region)
    egress = {name: allowed(group, "IpPermissionsEgress") for name, group in found.items()}

    assert [name for name, rules in egress.items() if not rules] == [
        name for name in found if name in {"default", "database", "cache", "endpoints", "quarantine"}
    ]
    assert egress["public-load-balancer"] == {(found["web"]["GroupId"], 443)}
    assert not any(rule["IpProtocol"] == "-1" for group in found.values() for rule in group["IpPermissionsEgress"] + group["IpPermissions"])


# --- keys, buckets, queues, identities ---


@pytest.mark.parametrize("region", REGIONS)
def test_keys_rotate_and_are_used_by_whom_they_are_for(client: Client, region: str) -> None:
    kms = client("kms", region)
    keys = {alias["AliasName"]: alias["TargetKeyId"] for alias in kms.list_aliases()["Aliases"] if PREFIX in alias["AliasName"]}
    policies = {
        name.rpartition("-")[2]: statements(kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"]) for name, key in keys.items()
    }

    assert set(policies) == {"general", "storage", "database", "logs", "audit", "backup", "notifications", "evidence"}
    uses = {name.rpartition("-")[2]: kms.describe_key(KeyId=key)["KeyMetadata"]["KeyUsage"] for name, key in keys.items()}
    assert [name for name, use in uses.items() if use != "ENCRYPT_DECRYPT"] == ["evidence"]
    encrypting = [key for name, key in keys.items() if not name.endswith("-evidence")]
    assert all(kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"] for key in encrypting)
    assert [statement["Principal"] for statement in policies["logs"]][1] == {"Service": f"logs.{region}.amazonaws.com"}
    assert {"AWS": "*"} not in [statement["Principal"] for name in ("storage", "database", "logs", "audit") for statement in policies[name]]
    open_to_all = [statement for statement in policies["general"] if statement["Principal"] == {"AWS": "*"}]
    assert all(statement["Condition"]["StringEquals"]["kms:CallerAccount"] == "123456789012" for statement in open_to_all)


BUCKETS = {
    "us-east-1": {"logs", "uploads", "processed", "backups", "static-assets", "quarantine"},
    "us-west-2": {"logs-dr", "uploads-replica", "processed-replica", "backups-replica", "static-assets-replica"},
}


@pytest.mark.parametrize(("region", "bucket"), [(region, bucket) for region, names in BUCKETS.items() for bucket in sorted(names)])
def test_every_bucket_is_private_encrypted_versioned_and_refuses_plain_text(client: Client, region: str, bucket: str) -> None:
    s3, name = client("s3", region), f"{PREFIX}-{bucket}"
    (encryption,) = s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"]
    refusal = statements(s3.get_bucket_policy(Bucket=name)["Policy"])[0]
    lifecycle = s3.get_bucket_lifecycle_configuration(Bucket=name)["Rules"][0]

    assert all(s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"].values())
    assert s3.get_bucket_versioning(Bucket=name)["Status"] == "Enabled"
    assert encryption["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == ("AES256" if bucket.startswith("logs") else "aws:kms")
    assert (refusal["Effect"], refusal["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})
    assert lifecycle["NoncurrentVersionExpiration"]["NoncurrentDays"] == 30
    if not bucket.startswith("logs"):
        assert s3.get_bucket_logging(Bucket=name)["LoggingEnabled"]["TargetPrefix"] == f"s3/{bucket}/"


def test_no_other_bucket(client: Client) -> None:
    names = {bucket["Name"] for bucket in client("s3").list_buckets()["Buckets"]}
    assert names == {f"{PREFIX}-{bucket}" for buckets in BUCKETS.values() for bucket in buckets} | {f"{PREFIX}-operations"}


def test_retention_of_buckets(client: Client) -> None:
    def rule(bucket: str) -> dict[str, Any]:
        (found,) = client("s3").get_bucket_lifecycle_configuration(Bucket=f"{PREFIX}-{bucket}")["Rules"]
        return dict(found)

    assert rule("uploads")["Expiration"] == {"Days": 30}
    assert rule("backups")["Expiration"] == {"Days": 2555}
    assert [(move["Days"], move["StorageClass"]) for move in rule("backups")["Transitions"]] == [
        (30, "STANDARD_IA"),
        (90, "GLACIER"),
        (365, "DEEP_ARCHIVE"),
    ]
    assert "Expiration" not in rule("quarantine")


def test_queues_and_their_dead_letter_queues(client: Client) -> None:
    sqs = client("sqs")
    queues = {url.rpartition("/")[2].removeprefix(f"{PREFIX}-"): url for url in sqs.list_queues()["QueueUrls"]}
    attributes = {name: sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"] for name, url in queues.items()}
    waits = {"tasks": "300", "file-scan": "720", "file-processing": "600", "notifications": "120", "crm-sync": "300"}

    assert set(queues) == set(waits) | {f"{name}-dlq" for name in waits}
    for name, seconds in waits.items():
        redrive = json.loads(attributes[name]["RedrivePolicy"])
        assert attributes[name]["VisibilityTimeout"] == seconds
        assert (redrive["deadLetterTargetArn"], redrive["maxReceiveCount"]) == (attributes[f"{name}-dlq"]["QueueArn"], 4)
    for name, found in attributes.items():
        assert found["KmsMasterKeyId"] == f"alias/{PREFIX}-general"
        assert statements(found["Policy"])[0]["Effect"] == "Deny", name


def test_instances_may_do_what_their_tier_needs_and_no_more(client: Client) -> None:
    iam = client("iam")

    def actions(role: str) -> set[str]:
        policy = iam.get_role_policy(RoleName=f"{PREFIX}-{role}", PolicyName=role)["PolicyDocument"]
        return {action for statement in statements(policy) for action in statement["Action"]}

    hosts = ("bastion", "web", "app", "monitoring")
    made = iam.list_instance_profiles()["InstanceProfiles"]
    assert sorted(profile["InstanceProfileName"] for profile in made) == sorted(f"{PREFIX}-{role}" for role in hosts)
    for role in hosts:
        attached = iam.list_attached_role_policies(RoleName=f"{PREFIX}-{role}")["AttachedPolicies"]
        assert {policy["PolicyName"] for policy in attached} == {"AmazonSSMManagedInstanceCore", "CloudWatchAgentServerPolicy"}
        profile = iam.get_instance_profile(InstanceProfileName=f"{PREFIX}-{role}")["InstanceProfile"]
        assert [item["RoleName"] for item in profile["Roles"]] == [f"{PREFIX}-{role}"]
    exporters = {"secretsmanager:GetSecretValue", "kms:Decrypt"}  # who may read metrics
    assert actions("bastion") == exporters
    assert actions("web") == {"s3:GetObject"} | exporters
    looks = {"ec2:DescribeInstances", "ec2:DescribeAvailabilityZones", "cloudwatch:GetMetricData", "cloudwatch:ListMetrics"}
    assert actions("monitoring") == looks | exporters
    assert not [action for action in actions("app") if "*" in action or action.startswith(("iam:", "ec2:", "rds:"))]
    app = statements(iam.get_role_policy(RoleName=f"{PREFIX}-app", PolicyName="app")["PolicyDocument"])
    secrets = next(statement["Resource"] for statement in app if statement["Sid"] == "ReadSecrets")
    assert all("/bastion/" not in resource and resource.endswith("/*") for resource in secrets)
    assert all(statement["Resource"] != "*" for statement in app)


def test_people_do_nothing_without_a_second_factor(client: Client) -> None:
    iam = client("iam")
    groups = {group["GroupName"].removeprefix(f"{PREFIX}-") for group in iam.list_groups()["Groups"]}
    given = {
        group: {one["PolicyName"] for one in iam.list_attached_group_policies(GroupName=f"{PREFIX}-{group}")["AttachedPolicies"]}
        for group in groups
    }

    assert groups == {"developers", "qa", "devops"}
    assert all(f"{PREFIX}-require-mfa" in policies for policies in given.values())
    assert given["developers"] == {f"{PREFIX}-require-mfa", "ReadOnlyAccess"}
    assert f"{PREFIX}-delegated-administration" in given["devops"]


def test_who_makes_roles_stays_within_the_boundary(client: Client) -> None:
    iam = client("iam")

    def document(name: str) -> list[dict[str, Any]]:
        arn = f"arn:aws:iam::123456789012:policy/{PREFIX}-{name}"
        version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        return statements(iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"])

    make, _keep, no_way_out, stays = document("delegated-administration")
    boundary = f"arn:aws:iam::123456789012:policy/{PREFIX}-boundary"
    assert make["Condition"] == {"StringEquals": {"iam:PermissionsBoundary": boundary}}
    assert make["Resource"].endswith(f"role/{PREFIX}-delegated-*")
    assert (no_way_out["Effect"], stays["Effect"], stays["Resource"]) == ("Deny", "Deny", boundary)
    assert "iam:*" in next(statement for statement in document("boundary") if statement["Effect"] == "Deny")["Action"]


def test_containers_and_functions_may_do_what_they_need_and_no_more(client: Client) -> None:
    iam = client("iam")
    for role in ("worker-task", "worker-execution", "malware-scan", "file-processor"):
        found = iam.get_role(RoleName=f"{PREFIX}-{role}")["Role"]
        own = statements(iam.get_role_policy(RoleName=f"{PREFIX}-{role}", PolicyName=role)["PolicyDocument"])
        everywhere = {statement["Sid"] for statement in own if statement["Resource"] == "*"}
        assert everywhere <= {"SignInToRegistry", "Trace", "FindNetwork"}, role
        assert not [action for statement in own for action in statement["Action"] if "*" in action], role
        assert iam.list_attached_role_policies(RoleName=f"{PREFIX}-{role}")["AttachedPolicies"] == []
        assert statements(found["AssumeRolePolicyDocument"])[0]["Principal"]["Service"] in (
            "ecs-tasks.amazonaws.com",
            "lambda.amazonaws.com",
        )


def test_permissions_of_roles_are_sound(client: Client) -> None:
    iam, found = client("iam"), {}
    for role in (role["RoleName"] for role in iam.list_roles()["Roles"] if role["RoleName"].startswith(PREFIX)):
        for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
            found[role] = faults(iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"])
    assert len(found) > 6
    assert {role: told for role, told in found.items() if told} == {}


@pytest.mark.parametrize("region", REGIONS)
def test_the_key_pair_has_its_secret_in_its_own_region(site: Site, client: Client, region: str) -> None:
    (pair,) = client("ec2", region).describe_key_pairs()["KeyPairs"]
    secret = client("secretsmanager", region).get_secret_value(SecretId="/indivillage/sandbox/bastion/ssh-key")["SecretString"]

    assert pair["KeyName"] == f"{PREFIX}-key"
    assert (secret == (site.state / "ssh" / "id_ed25519").read_text()) == (region == "us-east-1")


# --- drift; last, because it changes the account ---


def test_what_was_changed_behind_its_back_is_put_right(site: Site, client: Client) -> None:
    ec2, s3 = client("ec2"), client("s3")
    database = groups(client, "us-east-1")["database"]["GroupId"]
    world = [{"CidrIp": "0.0.0.0/0"}]
    ec2.authorize_security_group_ingress(
        GroupId=database, IpPermissions=[{"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432, "IpRanges": world}]
    )
    s3.delete_bucket_policy(Bucket=f"{PREFIX}-uploads")

    repaired = site.provision("-l", "sandbox-us-east-1", tags=["aws_security_groups", "aws_storage"])

    assert repaired.changed == {"sandbox-us-east-1": 2}, repaired.output
    assert "0.0.0.0/0" not in {peer for peer, _port in allowed(groups(client, "us-east-1")["database"])}
    assert statements(s3.get_bucket_policy(Bucket=f"{PREFIX}-uploads")["Policy"])

# SPDX-License-Identifier: GPL-3.0-or-later
"""The census of an account, and the removal of all that it lists."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import ResourceError
from ansible_collections.indivillage.infra.plugins.module_utils.removal import remove, why_kept
from ansible_collections.indivillage.infra.plugins.module_utils.removal_census import Owned, owned_resources
from ansible_collections.indivillage.infra.plugins.module_utils.removal_kinds import KINDS, levels
from ansible_collections.indivillage.infra.plugins.module_utils.removal_steps import Removal

from tests.integration.emulator.support import start
from tests.integration.removal.world import ACCOUNT_ID, REGION, TAGS, World

pytestmark = pytest.mark.emulator


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    for emulator in start("--standalone"):
        yield World(emulator)


@pytest.fixture
def clients(world: World) -> Callable[[str], Any]:
    return functools.cache(world.client)


def census(clients: Callable[[str], Any]) -> list[Owned]:
    return [
        *owned_resources(clients, "regional", REGION, ACCOUNT_ID, TAGS),
        *owned_resources(clients, "global", REGION, ACCOUNT_ID, TAGS),
    ]


def by_kind(resources: list[Owned]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for resource in resources:
        found.setdefault(resource.kind, set()).add(resource.id)
    return found


def removal(kind: str, identifier: str, arn: str = "", **options: Any) -> Removal:
    return Removal(kind, arn, identifier, **{"wait_timeout_seconds": 0, "poll_seconds": 0.1, **options})


def test_the_census_lists_everything_that_stands_by_itself(world: World, clients: Callable[[str], Any]) -> None:
    found = by_kind([resource for resource in census(clients) if not resource.part_of])

    assert found == world.ids
    assert not [kind for kind in found if kind not in KINDS]


def test_what_aws_has_made_for_another_resource_is_known_as_a_part(world: World, clients: Callable[[str], Any]) -> None:
    parts = [resource for resource in census(clients) if resource.part_of]
    makers = {resource.kind: resource.part_of for resource in parts}

    found = by_kind(parts)
    assert not {kind: ids - found.get(kind, set()) for kind, ids in world.parts.items() if ids - found.get(kind, set())}
    assert makers["ec2:instance"] == "Auto Scaling group tier"
    assert makers["ec2:volume"] == f"instance {world.instance}"


def test_what_has_other_tags_is_not_ours(world: World, clients: Callable[[str], Any]) -> None:
    other = [{"ResourceType": "volume", "Tags": [{"Key": "Project", "Value": "indivillage"}, {"Key": "ManagedBy", "Value": "hand"}]}]
    volume = clients("ec2").create_volume(Size=1, AvailabilityZone=f"{REGION}a", TagSpecifications=other)["VolumeId"]

    assert volume not in by_kind(census(clients))["ec2:volume"]


def test_deletion_protection_is_told_before_anything_is_deleted(world: World, clients: Callable[[str], Any]) -> None:
    rds = clients("rds")
    rds.modify_db_instance(DBInstanceIdentifier="data", DeletionProtection=True)
    try:
        (database,) = (resource for resource in census(clients) if resource.kind == "rds:db")
    finally:
        rds.modify_db_instance(DBInstanceIdentifier="data", DeletionProtection=False)

    assert database.protected == "deletion protection is on: set aws_database_deletion_protection to false and apply that first"


@pytest.mark.parametrize(
    ("description", "owner"),
    [("ELB app/foreign/1a2b3c", "load balancer foreign"), ("RDSNetworkInterface", "a database"), ("by hand", "")],
)
def test_what_uses_a_security_group_is_named(clients: Callable[[str], Any], world: World, description: str, owner: str) -> None:
    ec2 = clients("ec2")
    group = ec2.create_security_group(VpcId=world.vpc, GroupName="used", Description="used")["GroupId"]
    interface = ec2.create_network_interface(SubnetId=world.subnets[0], Groups=[group], Description=description)["NetworkInterface"]
    name = interface["NetworkInterfaceId"]
    try:
        with pytest.raises(
            ResourceError, match=f"^security group {group} is used by network interface {name}{' of ' + owner if owner else ''}\\."
        ):
            remove(clients, removal("ec2:security-group", group))
    finally:
        ec2.delete_network_interface(NetworkInterfaceId=name)
        assert remove(clients, removal("ec2:security-group", group))


def test_rules_that_others_remove_meanwhile_keep_no_security_group(world: World) -> None:
    other, hooked = world.client("ec2"), world.client("ec2")
    groups = [other.create_security_group(VpcId=world.vpc, GroupName=name, Description=name)["GroupId"] for name in ("a", "b", "c")]
    for group in groups[1:]:  # two rules, each gone before its turn
        permission = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "UserIdGroupPairs": [{"GroupId": groups[0]}]}
        other.authorize_security_group_ingress(GroupId=group, IpPermissions=[permission])

    def overtake(params: dict[str, Any], **_event: Any) -> None:
        other.revoke_security_group_ingress(**params)

    hooked.meta.events.register("provide-client-params.ec2.RevokeSecurityGroupIngress", overtake)
    assert remove(lambda _service: hooked, removal("ec2:security-group", groups[0], alongside=frozenset(groups[1:])))
    left = {group["GroupId"] for group in other.describe_security_groups()["SecurityGroups"]}
    assert left & set(groups) == set(groups[1:])
    for group in groups[1:]:
        assert remove(lambda _service: other, removal("ec2:security-group", group))


@pytest.mark.parametrize("kind", ["ec2:subnet", "ec2:vpc", "ec2:security-group", "elasticloadbalancing:targetgroup"])
def test_what_is_in_use_stays_and_says_by_what(world: World, clients: Callable[[str], Any], kind: str) -> None:
    expected = {
        "ec2:subnet": f"subnet {world.subnets[0]} is used by .*NAT gateway nat-",
        "ec2:vpc": f"VPC {world.vpc} is used by .*subnet {min(world.subnets)}",
        "ec2:security-group": f"security group {world.groups[1]} is used by a rule of security group {world.groups[0]} \\(one\\)",
        "elasticloadbalancing:targetgroup": "target group tier is used by load balancer front",
    }
    name, arn = world.target_group
    target = {
        "ec2:subnet": removal(kind, world.subnets[0]),
        "ec2:vpc": removal(kind, world.vpc),
        "ec2:security-group": removal(kind, world.groups[1]),
        "elasticloadbalancing:targetgroup": removal(kind, name, arn),
    }[kind]

    with pytest.raises(ResourceError, match=expected[kind]):
        remove(clients, target)


def test_what_is_gone_is_no_change(clients: Callable[[str], Any]) -> None:
    for kind, identifier in (
        ("sqs:queue", "nobodys"),
        ("s3:bucket", "nobodys-bucket"),
        ("iam:role", "nobody"),
        ("ec2:subnet", "subnet-0123456789abcdef0"),
        ("rds:db", "nobodys"),
        ("dynamodb:table", "nobodys"),
    ):
        assert not remove(clients, removal(kind, identifier)), kind


def test_a_last_snapshot_keeps_its_key(world: World, clients: Callable[[str], Any]) -> None:
    rds, (key_id, arn) = clients("rds"), world.key
    rds.create_db_snapshot(DBSnapshotIdentifier="by-hand", DBInstanceIdentifier="data")
    key = removal("kms:key", key_id, arn)

    assert why_kept(clients, key) == f"key {key_id} stays: snapshot by-hand could not be read without it"
    rds.delete_db_snapshot(DBSnapshotIdentifier="by-hand")
    assert why_kept(clients, key) is None


def test_everything_is_removed_side_by_side_in_order(world: World, clients: Callable[[str], Any]) -> None:
    found = [resource for resource in census(clients) if not resource.part_of]
    ids = frozenset(resource.id for resource in found)

    def one(resource: Owned) -> None:
        options = {"final_snapshot": False, "recovery_days": 0, "alongside": ids, "wait_timeout_seconds": 10}
        assert remove(clients, removal(resource.kind, resource.id, resource.arn, **options)), resource

    with ThreadPoolExecutor(8) as pool:
        for kinds in levels(resource.kind for resource in found):
            list(pool.map(one, [resource for resource in found if resource.kind in kinds]))
    left = census(clients)

    assert {(resource.kind, resource.leaving is not None) for resource in left} == {("kms:key", True)}
    assert not [alias for alias in clients("kms").list_aliases()["Aliases"] if not alias["AliasName"].startswith("alias/aws/")]
    assert clients("iam").list_instance_profiles()["InstanceProfiles"] == []

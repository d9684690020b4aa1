# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets are rotated by the role for it alone. With RECORD_CALLS=1 its policies are written anew from what it did.

What runs on hosts is answered and not done (tests/support/connection_plugins); make drill-operations does it.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.integration.emulator.support import REPOSITORY
from tests.integration.provisioning_tiers.foundation import PREFIX, Foundation
from tests.support.edge import SENT, lay_edge
from tests.support.permissions import Account, Principal, account_of, allowed, committed, enforced, lacking
from tests.support.playbooks import PlaybookRun

pytestmark = pytest.mark.emulator

LOGIN = {"username": "indivillage_admin", "password": "correct-horse-battery"}
STACK = {"instance_region": "us-east-1", "host_stack": "sandbox-us-east-1"}
HOST = {**STACK, "ansible_connection": "answering", "ansible_become": False}
TOKEN = "a-token-of-at-least-sixteen"
SECRETS = {name: f"/indivillage/sandbox/{name}/credentials" for name in ("database", "cache")} | {"origin": SENT}
ROTATED: dict[str, Any] = {
    "rotate_critical": True,
    "reason": "it was seen",
    "secret_rotation_busy": {},
    "secret_rotation_services": ["worker"],
    "secret_replica_regions": ["us-west-2"],
    "stack_without": [],
}


@dataclass(frozen=True)
class World:
    """A tier of one host on which everything goes well, containers, a database and a cache with their secrets."""

    account: Account
    operator: Principal

    def rotate(self, secret: str) -> PlaybookRun:
        """Rotate a secret as who may do that, and nothing else."""
        inventory = ("-i", str(self.account.state_dir / "hosts.json"))
        return PlaybookRun.of(self.account.run("playbooks/rotate_secret.yml", self.operator, *inventory, rotate_secret=secret, **ROTATED))

    def secret(self, name: str) -> dict[str, Any]:
        """What the application reads, or CloudFront sends."""
        secrets = self.account.emulator.client("secretsmanager")
        return dict(json.loads(secrets.get_secret_value(SecretId=SECRETS[name])["SecretString"]))


def make_tier(made: Account, foundation: Foundation) -> str:
    """The only instance of the app tier."""
    emulator = made.emulator
    target = emulator.client("elbv2").create_target_group(Name=f"{PREFIX}-app", Protocol="HTTPS", Port=8443, VpcId=foundation.vpc_id)
    targets = [target["TargetGroups"][0]["TargetGroupArn"]]
    foundation.lay_group("app", {"MinSize": 1, "MaxSize": 1}, zones="a", TargetGroupARNs=targets)
    (group,) = emulator.client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[f"{PREFIX}-app"])["AutoScalingGroups"]
    ecs = emulator.client("ecs")
    ecs.create_cluster(clusterName=PREFIX)
    ecs.register_task_definition(family=f"{PREFIX}-worker", containerDefinitions=[{"name": "worker", "image": "worker", "memory": 64}])
    ecs.create_service(cluster=PREFIX, serviceName=f"{PREFIX}-worker", taskDefinition=f"{PREFIX}-worker", desiredCount=1)
    return str(group["Instances"][0]["InstanceId"])


def make_data(made: Account, foundation: Foundation) -> None:
    """The database, the cache and their secrets."""
    client, subnets = made.emulator.client, [foundation.subnets[f"data-{zone}"] for zone in "abc"]
    client("rds").create_db_subnet_group(DBSubnetGroupName=f"{PREFIX}-db", DBSubnetGroupDescription="data", SubnetIds=subnets)
    database = client("rds").create_db_instance(
        DBInstanceIdentifier=f"{PREFIX}-db",
        DBInstanceClass="db.t4g.micro",
        Engine="postgres",
        AllocatedStorage=20,
        MasterUsername=LOGIN["username"],
        MasterUserPassword=LOGIN["password"],
        DBSubnetGroupName=f"{PREFIX}-db",
    )["DBInstance"]
    client("elasticache").create_cache_subnet_group(CacheSubnetGroupName="data", CacheSubnetGroupDescription="data", SubnetIds=subnets)
    cache = client("elasticache").create_replication_group(
        ReplicationGroupId=f"{PREFIX}-cache",
        ReplicationGroupDescription="cache",
        Engine="redis",
        CacheNodeType="cache.t4g.micro",
        NumCacheClusters=1,
        AuthToken=TOKEN,
        TransitEncryptionEnabled=True,
        CacheSubnetGroupName="data",
    )["ReplicationGroup"]
    held = {
        "database/credentials": {**LOGIN, "host": database["Endpoint"]["Address"], "port": 5432, "dbname": "indivillage"},
        "administration/database": LOGIN,
        "cache/credentials": {"host": f"{cache['ReplicationGroupId']}.cache", "port": 6379, "auth_token": TOKEN},
    }
    for name, fields in held.items():
        made.emulator.client("secretsmanager").create_secret(
            Name=f"/indivillage/sandbox/{name}", SecretString=json.dumps(fields), KmsKeyId=f"alias/{PREFIX}-general"
        )


@pytest.fixture(scope="module")
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with account_of("rotate", request, tmp_path_factory.mktemp("rotation")) as made:
        foundation = Foundation(made.emulator)
        foundation.lay_network()
        foundation.lay_keys()
        instance = make_tier(made, foundation)
        make_data(made, foundation)
        lay_edge(made.emulator.client, "First1aB2cD3eF4gH5iJ6kL7mN8oP9qR", KmsKeyId=f"alias/{PREFIX}-general")
        web = {**HOST, "instance_id": "i-web", "instance_alias": "web-1", "instance_role": "web", "instance_health": "healthy"}
        app = {**HOST, "instance_id": instance, "instance_alias": "app-1", "instance_role": "app", "instance_health": "healthy"}
        hosts = {
            "role_bastion": {"hosts": {"i-bastion": HOST}},
            "role_app": {"hosts": {instance: {**app, "instance_availability_zone": "a"}}},
            "role_web": {"hosts": {"i-web": {**web, "instance_availability_zone": "a"}}},
        }
        (made.state_dir / "hosts.json").write_text(json.dumps(hosts))
        settings = {
            "ANSIBLE_CONNECTION_PLUGINS": str(REPOSITORY / "tests/support/connection_plugins"),
            "ANSWERED": str(Path(made.state_dir, "answered")),
        }
        yield World(dataclasses.replace(made, settings=settings), made.role("rotate", allowed("rotate")))


@enforced
@pytest.mark.parametrize(
    ("secret", "permission"),
    [
        ("database", "secretsmanager:PutSecretValue"),
        ("cache", "secretsmanager:GetSecretValue"),
        ("origin", "secretsmanager:GetSecretValue"),
    ],
)
def test_without_one_permission_it_is_refused(world: World, secret: str, permission: str) -> None:
    before = world.secret(secret)
    world.account.give("rotate", lacking(committed("rotate"), permission))
    refused = world.rotate(secret)
    world.account.give("rotate", committed("rotate"))
    assert refused.returncode == 2
    assert permission in " ".join(refused.output.split())
    assert world.secret(secret) == before


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_is_rotated(world: World, secret: str) -> None:
    before = world.secret(secret)
    done = world.rotate(secret)
    assert done.returncode == 0, done.output[-9000:]
    assert world.secret(secret) != before

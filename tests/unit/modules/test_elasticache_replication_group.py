# SPDX-License-Identifier: GPL-3.0-or-later
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from ansible_collections.indivillage.infra.plugins.modules import elasticache_replication_group
from botocore.stub import Stubber
from moto.elasticache.models import ElastiCacheBackend

NAME = "indivillage-test-cache"
TOKEN = "a-token-of-more-than-16"
Run = Callable[..., dict[str, Any]]


def groups() -> list[dict[str, Any]]:
    return boto3.client("elasticache").describe_replication_groups()["ReplicationGroups"]


@pytest.fixture(autouse=True)
def deleted_groups_disappear(monkeypatch: pytest.MonkeyPatch) -> None:
    """In AWS deletion takes minutes and then the group is gone; the emulator shows it for ever."""
    monkeypatch.setattr(
        ElastiCacheBackend,
        "delete_replication_group",
        lambda self, replication_group_id, **_: self.replication_groups.pop(replication_group_id),
    )


def test_life_cycle(life_cycle: Callable[..., None]) -> None:
    life_cycle(
        elasticache_replication_group,
        {
            "name": NAME,
            "node_type": "cache.t3.medium",
            "num_cache_clusters": 1,
            "transit_encryption": True,
            "at_rest_encryption": True,
            "auth_token": TOKEN,
            "security_group_ids": ["sg-1"],
            "wait": True,
        },
        {"snapshot_retention_days": 1, "automatic_failover": False, "tags": {"Project": "indivillage"}},
        {"snapshot_retention_days": 7, "automatic_failover": True, "multi_az": True, "tags": {"Owner": "platform"}},
    )


def test_the_token_is_never_shown(run: Run) -> None:
    result = run(elasticache_replication_group, name=NAME, node_type="cache.t3.medium", transit_encryption=True, auth_token=TOKEN)
    assert result["resource"]["authentication"] is True
    assert TOKEN not in str(result)


def test_the_whole_request_is_as_declared(run: Run) -> None:
    """Nothing of the declaration is lost on its way to AWS."""
    client = boto3.client("elasticache")
    params = dict.fromkeys(elasticache_replication_group.ReplicationGroup.options) | {"name": NAME, "auth_token": TOKEN}
    wanted = {
        "engine": "redis",
        "engine_version": "7.1",
        "node_type": "cache.m5.large",
        "num_cache_clusters": 3,
        "automatic_failover": True,
        "multi_az": True,
        "port": 6379,
        "transit_encryption": True,
        "at_rest_encryption": True,
        "kms_key_arn": "arn:aws:kms:us-east-1:123456789012:key/k",
        "subnet_group_name": "data",
        "security_group_ids": ["sg-1"],
        "parameter_group_name": "default.redis7",
        "snapshot_retention_days": 7,
        "snapshot_window": "03:00-05:00",
        "maintenance_window": "sun:05:00-sun:07:00",
        "auto_minor_version_upgrade": True,
        "authentication": True,
    }
    expected = {
        "ReplicationGroupId": NAME,
        "ReplicationGroupDescription": NAME,
        "Engine": "redis",
        "EngineVersion": "7.1",
        "CacheNodeType": "cache.m5.large",
        "NumCacheClusters": 3,
        "AutomaticFailoverEnabled": True,
        "MultiAZEnabled": True,
        "Port": 6379,
        "TransitEncryptionEnabled": True,
        "AtRestEncryptionEnabled": True,
        "KmsKeyId": "arn:aws:kms:us-east-1:123456789012:key/k",
        "CacheSubnetGroupName": "data",
        "SecurityGroupIds": ["sg-1"],
        "CacheParameterGroupName": "default.redis7",
        "SnapshotRetentionLimit": 7,
        "SnapshotWindow": "03:00-05:00",
        "PreferredMaintenanceWindow": "sun:05:00-sun:07:00",
        "AutoMinorVersionUpgrade": True,
        "AuthToken": TOKEN,
        "Tags": [{"Key": "Project", "Value": "indivillage"}],
    }
    with Stubber(client) as stub:
        stub.add_response("create_replication_group", {}, expected)
        elasticache_replication_group.ReplicationGroup(_Module(params), client).create(wanted, {"Project": "indivillage"})
        stub.assert_no_pending_responses()


def test_a_group_is_made_to_refuse_plain_text() -> None:
    client = boto3.client("elasticache")
    params = dict.fromkeys(elasticache_replication_group.ReplicationGroup.options) | {"name": NAME, "wait_timeout_seconds": 0}
    available = {"ReplicationGroups": [{"Status": "available"}]}
    expected = {
        "ReplicationGroupId": NAME,
        "ApplyImmediately": True,
        "TransitEncryptionEnabled": True,
        "TransitEncryptionMode": "required",
    }
    with Stubber(client) as stub:
        stub.add_response("describe_replication_groups", available, {"ReplicationGroupId": NAME})
        stub.add_response("modify_replication_group", {}, expected)
        stub.add_response("describe_replication_groups", available, {"ReplicationGroupId": NAME})
        group = elasticache_replication_group.ReplicationGroup(_Module(params), client)
        group.update({"num_cache_clusters": 1}, {"refuses_plain_text": True})
        stub.assert_no_pending_responses()


def describe(stub: Stubber, **overrides: Any) -> None:
    """Let AWS answer with a group as it looks in real life, its nodes included."""
    group = {
        "ReplicationGroupId": NAME,
        "ARN": f"arn:aws:elasticache:us-east-1:123456789012:replicationgroup:{NAME}",
        "Description": NAME,
        "Status": "available",
        "MemberClusters": [f"{NAME}-001", f"{NAME}-002"],
        "AutomaticFailover": "enabled",
        "MultiAZ": "enabled",
        "CacheNodeType": "cache.m5.large",
        "TransitEncryptionEnabled": True,
        "AuthTokenEnabled": True,
        "AtRestEncryptionEnabled": True,
        "SnapshotRetentionLimit": 7,
        "SnapshotWindow": "03:00-05:00",
        "NodeGroups": [{"NodeGroupId": "0001", "PrimaryEndpoint": {"Address": "master.example", "Port": 6379}}],
    }
    node = {
        "CacheNodeType": "cache.m5.large",
        "EngineVersion": "7.1.0",
        "CacheSubnetGroupName": "data",
        "SecurityGroups": [{"SecurityGroupId": "sg-1", "Status": "active"}],
        "CacheParameterGroup": {"CacheParameterGroupName": "default.redis7"},
        "PreferredMaintenanceWindow": "sun:05:00-sun:07:00",
        "AutoMinorVersionUpgrade": True,
    }
    node_overrides = overrides.pop("node", {})
    stub.add_response("describe_replication_groups", {"ReplicationGroups": [group | overrides]}, {"ReplicationGroupId": NAME})
    stub.add_response("describe_cache_clusters", {"CacheClusters": [node | node_overrides]}, {"CacheClusterId": f"{NAME}-001"})
    stub.add_response("list_tags_for_resource", {"TagList": []}, {"ResourceName": group["ARN"]})


@pytest.mark.parametrize(
    ("overrides", "key", "value"),
    [
        ({}, "engine_version", "7.1"),
        ({"node": {"EngineVersion": "7.10.0"}}, "engine_version", "7.10.0"),
        ({"AutomaticFailover": "enabling"}, "automatic_failover", True),
        ({"PendingModifiedValues": {"AutomaticFailoverStatus": "disabled"}}, "automatic_failover", False),
        ({"node": {"PendingModifiedValues": {"CacheNodeType": "cache.r7g.large"}}}, "node_type", "cache.r7g.large"),
        ({"TransitEncryptionMode": "required"}, "refuses_plain_text", True),
        ({"TransitEncryptionMode": "preferred"}, "refuses_plain_text", False),
        (
            {"TransitEncryptionMode": "preferred", "PendingModifiedValues": {"TransitEncryptionMode": "required"}},
            "refuses_plain_text",
            True,
        ),
        ({}, "security_group_ids", ["sg-1"]),
        ({}, "endpoint", {"address": "master.example", "port": 6379}),
    ],
)
def test_what_aws_reports_is_read_in_the_options_words(overrides: dict[str, Any], key: str, value: Any) -> None:
    client = boto3.client("elasticache")
    with Stubber(client) as stub:
        describe(stub, **overrides)
        found = elasticache_replication_group.ReplicationGroup(
            _Module({"name": NAME, "engine": "redis", "engine_version": "7.1"}), client
        ).find()
    assert found is not None
    assert found[key] == value


@pytest.mark.parametrize(("count", "order"), [(4, ["increase", "modify"]), (1, ["modify", "decrease"])])
def test_replicas_come_before_failover_and_go_after_it(count: int, order: list[str]) -> None:
    calls = []

    class Client:
        def describe_replication_groups(self, **_: Any) -> dict[str, Any]:
            return {"ReplicationGroups": [{"Status": "available"}]}

        def modify_replication_group(self, **_: Any) -> None:
            calls.append("modify")

        def increase_replica_count(self, **arguments: Any) -> None:
            assert arguments["NewReplicaCount"] == count - 1
            calls.append("increase")

        def decrease_replica_count(self, **arguments: Any) -> None:
            assert arguments["NewReplicaCount"] == count - 1
            calls.append("decrease")

    resource = elasticache_replication_group.ReplicationGroup(_Module({"name": NAME, "wait_timeout_seconds": 1}), Client())
    resource.update({"num_cache_clusters": 2}, {"num_cache_clusters": count, "automatic_failover": count > 1})
    assert calls == order


class _Module:
    def __init__(self, params: dict[str, Any]) -> None:
        self.params = params


def test_waiting_for_an_existing_group_changes_nothing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run(elasticache_replication_group, name=NAME, node_type="cache.t3.medium")
    states = iter(["creating", "creating", "available"])
    original = ElastiCacheBackend.describe_replication_groups

    def describe_replication_groups(self: ElastiCacheBackend, **arguments: Any) -> Any:
        found = original(self, **arguments)
        found[0].status = next(states, "available")
        return found

    monkeypatch.setattr(ElastiCacheBackend, "describe_replication_groups", describe_replication_groups)
    monkeypatch.setattr(elasticache_replication_group, "POLL_SECONDS", 0)
    result = run(elasticache_replication_group, name=NAME, wait=True)
    assert (result["changed"], result["resource"]["status"]) == (False, "available")


def test_waiting_in_vain_names_the_group(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run(elasticache_replication_group, name=NAME, node_type="cache.t3.medium")
    monkeypatch.setattr(ElastiCacheBackend, "describe_replication_groups", _always_creating(ElastiCacheBackend.describe_replication_groups))
    result = run(elasticache_replication_group, name=NAME, wait=True, wait_timeout_seconds=0)
    assert f"Waited 0 seconds for replication group '{NAME}' to become available" in result["msg"]


def _always_creating(original: Callable[..., Any]) -> Callable[..., Any]:
    def describe_replication_groups(*arguments: Any, **keywords: Any) -> Any:
        found = original(*arguments, **keywords)
        found[0].status = "creating"
        return found

    return describe_replication_groups


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"auth_token": TOKEN}, "auth_token needs transit_encryption: true"),
        ({"multi_az": True}, "multi_az needs automatic_failover: true"),
        ({"num_cache_clusters": "many"}, "num_cache_clusters"),
    ],
)
def test_nonsense_is_refused_before_anything_is_written(run: Run, options: dict[str, Any], message: str) -> None:
    result = run(elasticache_replication_group, name=NAME, node_type="cache.t3.medium", **options)
    assert result["failed"]
    assert message in result["msg"]
    assert groups() == []


def test_encryption_cannot_be_switched_on_later(run: Run) -> None:
    run(elasticache_replication_group, name=NAME, node_type="cache.t3.medium")
    result = run(elasticache_replication_group, name=NAME, transit_encryption=True)
    assert "transit_encryption is False and is declared as True" in result["msg"]

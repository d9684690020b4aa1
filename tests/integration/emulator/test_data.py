# SPDX-License-Identifier: GPL-3.0-or-later
"""Databases, caches, tables and keys against the running emulator."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.integration.emulator.support import Network, RunningEmulator

pytestmark = pytest.mark.emulator


def unique(prefix: str) -> str:
    return f"{prefix}-{uuid.uuid4().hex[:8]}"


# --- RDS ------------------------------------------------------------------------------------------------------------


def create_database(emulator: RunningEmulator, **parameters: Any) -> str:
    name = unique("db")
    emulator.client("rds").create_db_instance(
        **{
            "DBInstanceIdentifier": name,
            "DBInstanceClass": "db.t4g.micro",
            "Engine": "postgres",
            "EngineVersion": "17.6",
            "AllocatedStorage": 20,
            "StorageType": "gp3",
            "MasterUsername": "indivillage",
            "MasterUserPassword": "correct-horse-battery",
            "DBName": "app",
        }
        | parameters
    )
    return name


def database(emulator: RunningEmulator, name: str) -> dict[str, Any]:
    return dict(emulator.client("rds").describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0])


def create_parameter_group(emulator: RunningEmulator) -> str:
    name = unique("parameters")
    emulator.client("rds").create_db_parameter_group(DBParameterGroupName=name, DBParameterGroupFamily="postgres17", Description="Tests")
    return name


def test_a_database_is_being_created_until_its_server_answers(emulator: RunningEmulator) -> None:
    parameter_group = create_parameter_group(emulator)
    emulator.client("rds").modify_db_parameter_group(
        DBParameterGroupName=parameter_group,
        Parameters=[{"ParameterName": "rds.force_ssl", "ParameterValue": "1", "ApplyMethod": "immediate"}],
    )
    name = create_database(emulator, DBParameterGroupName=parameter_group)
    assert database(emulator, name)["DBInstanceStatus"] == "creating"
    status, answer = emulator.control("GET", f"databases/us-east-1/{name}")
    assert len(answer.pop("replication_password")) > 20
    assert (status, answer) == (
        200,
        {
            "master_username": "indivillage",
            "master_password": "correct-horse-battery",
            "db_name": "app",
            "parameters": {"rds.force_ssl": "1"},
            "source": None,
        },
    )
    assert emulator.control("PUT", f"databases/us-east-1/{name}", {"state": "ready"})[0] == 400
    assert emulator.control("PUT", f"databases/us-east-1/{name}", {"state": "available"})[0] == 200
    assert database(emulator, name)["DBInstanceStatus"] == "available"


def test_without_a_reconciler_a_database_is_available_at_once(standalone: RunningEmulator) -> None:
    assert database(standalone, create_database(standalone))["DBInstanceStatus"] == "available"


def test_a_database_moves_to_another_port(standalone: RunningEmulator) -> None:
    name = create_database(standalone)
    standalone.client("rds").modify_db_instance(DBInstanceIdentifier=name, DBPortNumber=5555, ApplyImmediately=True)
    assert database(standalone, name)["Endpoint"]["Port"] == 5555


def test_storage_and_performance_insights_are_described(emulator: RunningEmulator) -> None:
    name = create_database(emulator, EnablePerformanceInsights=True)
    found = database(emulator, name)
    assert (found["Iops"], found["StorageThroughput"]) == (3000, 125)
    assert (found["PerformanceInsightsEnabled"], found["PerformanceInsightsRetentionPeriod"]) == (True, 7)
    emulator.client("rds").modify_db_instance(DBInstanceIdentifier=name, EnablePerformanceInsights=False, ApplyImmediately=True)
    assert database(emulator, name)["PerformanceInsightsEnabled"] is False


def test_a_database_has_replicas_once_its_server_answers(emulator: RunningEmulator, standalone: RunningEmulator) -> None:
    source, replica = create_database(emulator), unique("replica")
    with pytest.raises(ClientError, match=r"InvalidDBInstanceState.*is not available"):
        emulator.client("rds").create_db_instance_read_replica(DBInstanceIdentifier=replica, SourceDBInstanceIdentifier=source)
    source = create_database(standalone)
    standalone.client("rds").create_db_instance_read_replica(DBInstanceIdentifier=replica, SourceDBInstanceIdentifier=source)
    assert database(standalone, replica)["ReadReplicaSourceDBInstanceIdentifier"] == source


def test_parameter_groups_are_missed_listed_and_reset(emulator: RunningEmulator) -> None:
    rds, name = emulator.client("rds"), create_parameter_group(emulator)
    with pytest.raises(ClientError, match="DBParameterGroupNotFound"):
        rds.describe_db_parameter_groups(DBParameterGroupName="absent")
    wanted = {"ParameterName": "work_mem", "ParameterValue": "8192", "ApplyMethod": "immediate"}
    rds.modify_db_parameter_group(DBParameterGroupName=name, Parameters=[wanted])
    (own,) = rds.describe_db_parameters(DBParameterGroupName=name, Source="user")["Parameters"]
    assert (own["ParameterName"], own["ParameterValue"], own["ApplyType"]) == ("work_mem", "8192", "dynamic")
    everything = {entry["ParameterName"]: entry for entry in rds.describe_db_parameters(DBParameterGroupName=name)["Parameters"]}
    assert everything["shared_buffers"]["ApplyType"] == "static"
    assert everything["rds.force_ssl"]["ParameterValue"] == "1"
    rds.reset_db_parameter_group(DBParameterGroupName=name, Parameters=[wanted])
    assert rds.describe_db_parameters(DBParameterGroupName=name, Source="user")["Parameters"] == []


# --- ElastiCache ----------------------------------------------------------------------------------------------------


def create_cache(emulator: RunningEmulator, network: Network, **parameters: Any) -> str:
    elasticache, name, subnet_group = emulator.client("elasticache"), unique("cache"), unique("subnets")
    elasticache.create_cache_subnet_group(
        CacheSubnetGroupName=subnet_group, CacheSubnetGroupDescription="Tests", SubnetIds=list(network.subnet_ids)
    )
    elasticache.create_replication_group(
        **{
            "ReplicationGroupId": name,
            "ReplicationGroupDescription": "Tests",
            "Engine": "redis",
            "EngineVersion": "7.1",
            "CacheNodeType": "cache.t4g.micro",
            "NumCacheClusters": 2,
            "CacheSubnetGroupName": subnet_group,
            "SecurityGroupIds": [network.group_id],
            "TransitEncryptionEnabled": True,
            "AuthToken": "a-token-of-sixteen",
            "AutomaticFailoverEnabled": True,
        }
        | parameters
    )
    return name


def cache(emulator: RunningEmulator, name: str) -> dict[str, Any]:
    return dict(emulator.client("elasticache").describe_replication_groups(ReplicationGroupId=name)["ReplicationGroups"][0])


def test_a_replication_group_has_its_nodes_endpoint_and_token(emulator: RunningEmulator, network: Network) -> None:
    name = create_cache(emulator, network)
    found = cache(emulator, name)
    assert found["Status"] == "creating"
    assert found["MemberClusters"] == [f"{name}-001", f"{name}-002"]
    shard = found["NodeGroups"][0]
    assert shard["PrimaryEndpoint"]["Address"].startswith(f"master.{name}.")
    assert [member["CurrentRole"] for member in shard["NodeGroupMembers"]] == ["primary", "replica"]
    assert found["AuthTokenEnabled"] is True
    assert emulator.control("GET", f"caches/us-east-1/{name}") == (200, {"auth_tokens": ["a-token-of-sixteen"], "parameters": {}})
    assert emulator.control("PUT", f"caches/us-east-1/{name}", {"state": "available"})[0] == 200
    assert cache(emulator, name)["Status"] == "available"
    (node,) = emulator.client("elasticache").describe_cache_clusters(CacheClusterId=f"{name}-001")["CacheClusters"]
    assert (node["EngineVersion"], node["CacheClusterStatus"], node["ReplicationGroupId"]) == ("7.1.0", "available", name)
    assert [group["SecurityGroupId"] for group in node["SecurityGroups"]] == [network.group_id]
    assert node["CacheParameterGroup"]["CacheParameterGroupName"] == "default.redis7"


def test_a_replication_group_can_be_changed_and_deleted(emulator: RunningEmulator, network: Network) -> None:
    elasticache, name = emulator.client("elasticache"), create_cache(emulator, network)
    elasticache.modify_replication_group(
        ReplicationGroupId=name,
        PreferredMaintenanceWindow="sat:01:00-sat:02:00",
        AuthToken="another-token-here",
        AuthTokenUpdateStrategy="SET",
        ApplyImmediately=True,
    )
    elasticache.increase_replica_count(ReplicationGroupId=name, NewReplicaCount=2, ApplyImmediately=True)
    assert len(cache(emulator, name)["MemberClusters"]) == 3
    elasticache.decrease_replica_count(ReplicationGroupId=name, NewReplicaCount=1, ApplyImmediately=True)
    assert len(cache(emulator, name)["MemberClusters"]) == 2
    (node,) = elasticache.describe_cache_clusters(CacheClusterId=f"{name}-002")["CacheClusters"]
    assert node["PreferredMaintenanceWindow"] == "sat:01:00-sat:02:00"
    assert emulator.control("GET", f"caches/us-east-1/{name}")[1] == {"auth_tokens": ["another-token-here"], "parameters": {}}
    for _repeated in range(2):
        elasticache.modify_replication_group(ReplicationGroupId=name, AuthToken="the-third-of-all", AuthTokenUpdateStrategy="ROTATE")
        both = {"auth_tokens": ["the-third-of-all", "another-token-here"], "parameters": {}}
        assert emulator.control("GET", f"caches/us-east-1/{name}")[1] == both
    with pytest.raises(ClientError, match="CacheSubnetGroupInUse"):
        elasticache.delete_cache_subnet_group(CacheSubnetGroupName=node["CacheSubnetGroupName"])
    assert elasticache.delete_replication_group(ReplicationGroupId=name)["ReplicationGroup"]["Status"] == "deleting"
    with pytest.raises(ClientError, match="ReplicationGroupNotFound"):
        cache(emulator, name)
    elasticache.delete_cache_subnet_group(CacheSubnetGroupName=node["CacheSubnetGroupName"])


def test_cache_subnet_groups_name_their_zones_and_can_shrink(emulator: RunningEmulator, network: Network) -> None:
    elasticache, name = emulator.client("elasticache"), unique("subnets")
    created = elasticache.create_cache_subnet_group(
        CacheSubnetGroupName=name, CacheSubnetGroupDescription="Tests", SubnetIds=list(network.subnet_ids)
    )["CacheSubnetGroup"]
    assert [subnet["SubnetAvailabilityZone"]["Name"] for subnet in created["Subnets"]] == [f"us-east-1{zone}" for zone in "abc"]
    elasticache.modify_cache_subnet_group(CacheSubnetGroupName=name, SubnetIds=[network.subnet_ids[2]])
    (changed,) = elasticache.describe_cache_subnet_groups(CacheSubnetGroupName=name)["CacheSubnetGroups"]
    assert [subnet["SubnetIdentifier"] for subnet in changed["Subnets"]] == [network.subnet_ids[2]]


def test_cache_parameter_groups(emulator: RunningEmulator) -> None:
    elasticache, name = emulator.client("elasticache"), unique("parameters")
    elasticache.create_cache_parameter_group(CacheParameterGroupName=name, CacheParameterGroupFamily="redis7", Description="Tests")
    with pytest.raises(ClientError, match="CacheParameterGroupAlreadyExists"):
        elasticache.create_cache_parameter_group(CacheParameterGroupName=name, CacheParameterGroupFamily="redis7", Description="Tests")
    pair = {"ParameterName": "maxmemory-policy", "ParameterValue": "allkeys-lru"}
    elasticache.modify_cache_parameter_group(CacheParameterGroupName=name, ParameterNameValues=[pair])
    (found,) = elasticache.describe_cache_parameters(CacheParameterGroupName=name)["Parameters"]
    assert {key: found[key] for key in pair} == pair
    elasticache.reset_cache_parameter_group(CacheParameterGroupName=name, ParameterNameValues=[pair])
    assert elasticache.describe_cache_parameters(CacheParameterGroupName=name)["Parameters"] == []
    elasticache.delete_cache_parameter_group(CacheParameterGroupName=name)
    with pytest.raises(ClientError, match="CacheParameterGroupNotFound"):
        elasticache.describe_cache_parameter_groups(CacheParameterGroupName=name)


# --- tables and keys ------------------------------------------------------------------------------------------------


def test_tables_have_an_id_and_change_their_encryption(emulator: RunningEmulator) -> None:
    dynamodb, name = emulator.client("dynamodb"), unique("table")
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    )
    first = dynamodb.describe_table(TableName=name)["Table"]["TableId"]
    assert first == dynamodb.describe_table(TableName=name)["Table"]["TableId"]
    for enabled in (True, False):
        dynamodb.update_table(TableName=name, SSESpecification={"Enabled": enabled})
        assert ("SSEDescription" in dynamodb.describe_table(TableName=name)["Table"]) is enabled


def test_the_description_of_a_role_stays_when_its_sessions_change(emulator: RunningEmulator) -> None:
    iam, name = emulator.client("iam"), unique("role")
    iam.create_role(RoleName=name, Description="kept", AssumeRolePolicyDocument="{}")
    iam.update_role(RoleName=name, MaxSessionDuration=7200)
    role = iam.get_role(RoleName=name)["Role"]
    assert (role["Description"], role["MaxSessionDuration"]) == ("kept", 7200)


def test_keys_are_deleted_by_arn(emulator: RunningEmulator) -> None:
    kms = emulator.client("kms")
    key = kms.create_key()["KeyMetadata"]
    assert (key["MultiRegion"], key["KeyManager"]) == (False, "CUSTOMER")
    arn = key["Arn"]
    kms.schedule_key_deletion(KeyId=arn, PendingWindowInDays=7)
    assert kms.describe_key(KeyId=arn)["KeyMetadata"]["KeyState"] == "PendingDeletion"


def test_keys_are_switched_by_arn(emulator: RunningEmulator) -> None:
    kms = emulator.client("kms")
    arn = kms.create_key()["KeyMetadata"]["Arn"]
    kms.disable_key(KeyId=arn)
    assert kms.describe_key(KeyId=arn)["KeyMetadata"]["KeyState"] == "Disabled"
    kms.enable_key(KeyId=arn)
    assert kms.describe_key(KeyId=arn)["KeyMetadata"]["KeyState"] == "Enabled"


# --- queues and logs ------------------------------------------------------------------------------------------------


def test_a_queue_keeps_the_attributes_that_a_call_does_not_name(emulator: RunningEmulator) -> None:
    sqs = emulator.client("sqs")
    policy = json.dumps({"Statement": [{"Effect": "Deny", "Principal": "*", "Action": "sqs:*", "Resource": "*"}]})
    queue = sqs.create_queue(QueueName=unique("queue"), Attributes={"Policy": policy})["QueueUrl"]

    def attributes() -> dict[str, str]:
        return dict(sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"])

    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"VisibilityTimeout": "77"})
    assert json.loads(attributes()["Policy"])["Statement"] == json.loads(policy)["Statement"]
    assert attributes()["VisibilityTimeout"] == "77"
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": ""})
    assert "Policy" not in attributes()


def test_the_key_of_a_log_group_changes(emulator: RunningEmulator) -> None:
    logs, name = emulator.client("logs"), unique("group")
    logs.create_log_group(logGroupName=name)

    def key() -> str | None:
        (group,) = logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
        return group.get("kmsKeyId")

    logs.associate_kms_key(logGroupName=name, kmsKeyId="arn:aws:kms:us-east-1:123456789012:key/one")
    assert key() == "arn:aws:kms:us-east-1:123456789012:key/one"
    logs.disassociate_kms_key(logGroupName=name)
    assert key() is None
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        logs.associate_kms_key(logGroupName="absent", kmsKeyId="arn:aws:kms:us-east-1:123456789012:key/one")


def test_a_metric_filter_that_is_put_again_replaces_the_former_and_ends_with_its_group(emulator: RunningEmulator) -> None:
    logs, name = emulator.client("logs"), f"/tests/{uuid.uuid4().hex[:8]}"
    logs.create_log_group(logGroupName=name)
    for pattern in ("ERROR", "FATAL"):
        counted = [{"metricName": "Errors", "metricNamespace": "tests", "metricValue": "1"}]
        logs.put_metric_filter(logGroupName=name, filterName="errors", filterPattern=pattern, metricTransformations=counted)
    assert [one["filterPattern"] for one in logs.describe_metric_filters(logGroupName=name)["metricFilters"]] == ["FATAL"]
    logs.delete_log_group(logGroupName=name)
    assert logs.describe_metric_filters(filterNamePrefix="errors")["metricFilters"] == []

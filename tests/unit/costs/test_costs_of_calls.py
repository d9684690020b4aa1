# SPDX-License-Identifier: GPL-3.0-or-later
"""What single calls add to a month's bill."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.indivillage.infra.plugins.plugin_utils.costs import Item, Thing, Unpriced
from ansible_collections.indivillage.infra.plugins.plugin_utils.costs_of_calls import Known, is_unknown, items

DATABASE = {"DBInstanceIdentifier": "d", "DBInstanceClass": "db.t3.large", "MultiAZ": True, "AllocatedStorage": 50}
CACHE = {"ReplicationGroupId": "c", "CacheNodeType": "cache.t3.medium", "MemberClusters": ["c-1", "c-2"], "NodeGroups": [{}]}
BALANCER = {"LoadBalancerArn": "b", "Type": "application", "Scheme": "internet-facing", "AvailabilityZones": [{}, {}, {}]}
ENDPOINT = {"VpcEndpointId": "e", "VpcEndpointType": "Interface", "SubnetIds": ["a", "b"]}
INSTANCE = {"InstanceId": "i", "InstanceType": "t3.micro"}
GROUP = {
    "AutoScalingGroupName": "g",
    "DesiredCapacity": 2,
    "LaunchTemplate": {"LaunchTemplateId": "t", "Version": "1"},
    "Instances": [{"InstanceType": "t3.large"}],
}
ACL = {"Id": "w", "Name": "w", "Rules": [1, 2]}
STAT: dict[str, Any] = {"MetricStat": {}}
SPOT, ON_DEMAND = {"capacityProvider": "FARGATE_SPOT"}, {"capacityProvider": "FARGATE"}
FARGATE = {"serviceName": "s", "desiredCount": 2, "taskDefinition": "s:2", "capacityProviderStrategy": [ON_DEMAND]}
EXISTING = (DATABASE, CACHE, BALANCER, ENDPOINT, INSTANCE, GROUP, ACL, FARGATE, {"AlarmName": "old"})
VOLUME = {"DeviceName": "/dev/xvda", "Ebs": {"VolumeType": "gp3", "VolumeSize": 30}}
TEMPLATES = {
    "1": {"InstanceType": "t3.large", "BlockDeviceMappings": [VOLUME], "Monitoring": {"Enabled": True}},
    "2": {"InstanceType": "m5.large", "BlockDeviceMappings": [VOLUME], "Monitoring": {"Enabled": True}},
}
READ = Known(
    lambda member, name, also: next((thing for thing in EXISTING if thing.get(member) == name and also in thing), {}),
    lambda specification: TEMPLATES.get(str(specification.get("Version")), {}),
    lambda name: {"s:2": {"cpu": "512", "memory": "1024"}, "s:3": {"cpu": "1024", "memory": "2048"}}.get(name, {}),
)


def told(service: str, operation: str, known: Known | None = READ, /, **parameters: Any) -> list[Item]:
    return items(service, operation, parameters, known)


def test_instances_come_with_what_belongs_to_them() -> None:
    interface = {"DeviceIndex": 0, "AssociatePublicIpAddress": True}
    run = {"InstanceType": "t3.micro", "MaxCount": 2, "BlockDeviceMappings": [VOLUME], "NetworkInterfaces": [interface]}
    assert told("ec2", "RunInstances", **run, Monitoring={"Enabled": True}) == [
        Thing("instance", "t3.micro", 2),
        Thing("volume", "", 60),
        Thing("detailed_monitoring", "", 2),
        Thing("public_ipv4", "", 2),
    ]
    assert told("ec2", "RunInstances", InstanceType="t3.micro", MaxCount=1, InstanceMarketOptions={"MarketType": "spot"}) == [
        Thing("spot_instance", "t3.micro", 1),
        Unpriced("volumes that instances have from their image"),
    ]
    odd = {"Ebs": {"VolumeType": "io2", "VolumeSize": 30}}
    assert told("ec2", "RunInstances", **{**run, "MaxCount": 1, "BlockDeviceMappings": [odd]})[1] == Unpriced("io2 volumes of instances")


def test_a_group_is_its_desired_capacity_of_the_first_type() -> None:
    spread = {"OnDemandPercentageAboveBaseCapacity": 33, "OnDemandBaseCapacity": 0}
    template = {"LaunchTemplateSpecification": {"LaunchTemplateId": "t", "Version": "1"}, "Overrides": [{"InstanceType": "t3.medium"}]}
    policy = {"LaunchTemplate": template, "InstancesDistribution": spread}
    assert told("autoscaling", "CreateAutoScalingGroup", AutoScalingGroupName="n", DesiredCapacity=3, MixedInstancesPolicy=policy) == [
        Thing("instance", "t3.medium", 1),
        Thing("spot_instance", "t3.medium", 2),
        Thing("volume", "", 90),
        Thing("detailed_monitoring", "", 3),
    ]
    assert told("autoscaling", "CreateAutoScalingGroup", AutoScalingGroupName="n", MinSize=0) == []
    assert told("autoscaling", "CreateAutoScalingGroup", None, AutoScalingGroupName="n", MinSize=1) == [Unpriced("instances of group n")]


def net(given: list[Item]) -> dict[tuple[str, str], float]:
    counts: dict[tuple[str, str], float] = {}
    for item in given:
        assert isinstance(item, Thing)
        counts[item.kind, item.size] = counts.get((item.kind, item.size), 0) + item.count
    return {key: count for key, count in counts.items() if count}


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "counts"),
    [
        ("ec2", "ModifyVpcEndpoint", {"VpcEndpointId": "e", "AddSubnetIds": ["c"]}, {("interface_endpoint", ""): 1}),
        ("ec2", "ModifyVpcEndpoint", {"VpcEndpointId": "e", "AddSecurityGroupIds": ["sg"]}, {}),
        ("ec2", "CreateVpcEndpoint", {"VpcEndpointType": "Gateway"}, {}),
        ("ec2", "CreateVpcEndpoint", {"VpcEndpointType": "Interface", "SubnetIds": ["a", "b"]}, {("interface_endpoint", ""): 2}),
        ("ec2", "DeleteVpcEndpoints", {"VpcEndpointIds": ["e"]}, {("interface_endpoint", ""): -2}),
        ("elbv2", "CreateLoadBalancer", {"Scheme": "internal", "Subnets": ["a"]}, {("application_load_balancer", ""): 1}),
        ("elbv2", "DeleteLoadBalancer", {"LoadBalancerArn": "b"}, {("application_load_balancer", ""): -1, ("public_ipv4", ""): -3}),
        (
            "autoscaling",
            "UpdateAutoScalingGroup",
            {"AutoScalingGroupName": "g", "DesiredCapacity": 3},
            {("instance", "t3.large"): 1, ("volume", ""): 30, ("detailed_monitoring", ""): 1},
        ),
        ("autoscaling", "UpdateAutoScalingGroup", {"AutoScalingGroupName": "g", "MaxSize": 9}, {}),
        (
            "autoscaling",
            "StartInstanceRefresh",
            {"AutoScalingGroupName": "g", "DesiredConfiguration": {"LaunchTemplate": {"LaunchTemplateId": "t", "Version": "2"}}},
            {("instance", "t3.large"): -2, ("instance", "m5.large"): 2},
        ),
        (
            "rds",
            "ModifyDBInstance",
            {"DBInstanceIdentifier": "d", "DBInstanceClass": "db.m5.large"},
            {("database_multi_az", "db.t3.large"): -1, ("database_multi_az", "db.m5.large"): 1},
        ),
        ("rds", "ModifyDBInstance", {"DBInstanceIdentifier": "d", "AllocatedStorage": 80}, {("database_storage_multi_az", ""): 30}),
        ("rds", "ModifyDBInstance", {"DBInstanceIdentifier": "d", "BackupRetentionPeriod": 8}, {}),
        (
            "rds",
            "ModifyDBInstance",
            {"DBInstanceIdentifier": "d", "MultiAZ": False},
            {
                ("database_multi_az", "db.t3.large"): -1,
                ("database_storage_multi_az", ""): -50,
                ("database", "db.t3.large"): 1,
                ("database_storage", ""): 50,
            },
        ),
        (
            "rds",
            "CreateDBInstanceReadReplica",
            {"DBInstanceIdentifier": "r", "SourceDBInstanceIdentifier": "d"},
            {("database", "db.t3.large"): 1, ("database_storage", ""): 50},
        ),
        (
            "rds",
            "DeleteDBInstance",
            {"DBInstanceIdentifier": "d"},
            {("database_multi_az", "db.t3.large"): -1, ("database_storage_multi_az", ""): -50},
        ),
        ("elasticache", "IncreaseReplicaCount", {"ReplicationGroupId": "c", "NewReplicaCount": 2}, {("cache_node", "cache.t3.medium"): 1}),
        (
            "elasticache",
            "ModifyReplicationGroup",
            {"ReplicationGroupId": "c", "CacheNodeType": "cache.m5.large"},
            {("cache_node", "cache.t3.medium"): -2, ("cache_node", "cache.m5.large"): 2},
        ),
        ("elasticache", "DeleteReplicationGroup", {"ReplicationGroupId": "c"}, {("cache_node", "cache.t3.medium"): -2}),
        (
            "elasticache",
            "CreateReplicationGroup",
            {"CacheNodeType": "cache.t3.medium", "NumNodeGroups": 2, "ReplicasPerNodeGroup": 1},
            {("cache_node", "cache.t3.medium"): 4},
        ),
        (
            "ecs",
            "CreateService",
            {"serviceName": "n", "desiredCount": 1, "taskDefinition": "s:2", "capacityProviderStrategy": [SPOT]},
            {("fargate_spot_vcpu", ""): 0.5, ("fargate_spot_gib", ""): 1},
        ),
        (
            "ecs",
            "CreateService",
            {"serviceName": "n", "desiredCount": 4, "taskDefinition": "s:3", "capacityProviderStrategy": [SPOT, ON_DEMAND]},
            {("fargate_vcpu", ""): 4, ("fargate_gib", ""): 8},
        ),
        ("ecs", "CreateService", {"serviceName": "n", "desiredCount": 0, "taskDefinition": "unknown"}, {}),
        ("ecs", "UpdateService", {"service": "s", "desiredCount": 3}, {("fargate_vcpu", ""): 0.5, ("fargate_gib", ""): 1}),
        ("ecs", "UpdateService", {"service": "s", "taskDefinition": "s:3"}, {("fargate_vcpu", ""): 1, ("fargate_gib", ""): 2}),
        ("ecs", "UpdateService", {"service": "s", "enableExecuteCommand": False}, {}),
        ("ecs", "DeleteService", {"service": "s"}, {("fargate_vcpu", ""): -1, ("fargate_gib", ""): -2}),
        ("secretsmanager", "CreateSecret", {"Name": "n"}, {("secret", ""): 1}),
        ("secretsmanager", "CreateSecret", {"Name": "n", "AddReplicaRegions": [{"Region": "us-west-2"}]}, {("secret", ""): 2}),
        ("secretsmanager", "ReplicateSecretToRegions", {"AddReplicaRegions": [{"Region": "us-west-2"}]}, {("secret", ""): 1}),
        ("secretsmanager", "RemoveRegionsFromReplication", {"RemoveReplicaRegions": ["us-west-2"]}, {("secret", ""): -1}),
        ("cloudwatch", "PutMetricAlarm", {"AlarmName": "old"}, {}),
        ("cloudwatch", "PutMetricAlarm", {"AlarmName": "new"}, {("alarm_metric", ""): 1}),
        ("cloudwatch", "PutMetricAlarm", {"AlarmName": "new", "Metrics": [STAT, STAT, {"Expression": "a/b"}]}, {("alarm_metric", ""): 2}),
        ("cloudwatch", "PutMetricAlarm", {"AlarmName": "new", "Metrics": [STAT, {}], "ThresholdMetricId": "b"}, {("alarm_metric", ""): 3}),
        ("cloudwatch", "PutMetricAlarm", {"AlarmName": "old", "Metrics": [STAT, STAT]}, {("alarm_metric", ""): 1}),
        ("cloudwatch", "DeleteAlarms", {"AlarmNames": ["a", "b"]}, {("alarm_metric", ""): -2}),
        ("wafv2", "CreateWebACL", {"Name": "n", "Rules": [1]}, {("web_acl", ""): 1, ("web_acl_rule", ""): 1}),
        ("wafv2", "UpdateWebACL", {"Name": "w", "Id": "w", "Rules": [1, 2, 3]}, {("web_acl_rule", ""): 1}),
        (
            "route53",
            "CreateHealthCheck",
            {"HealthCheckConfig": {"Type": "HTTPS", "RequestInterval": 10}},
            {("health_check", ""): 1, ("health_check_feature", ""): 2},
        ),
    ],
)
def test_a_call_moves_the_difference(
    service: str, operation: str, parameters: dict[str, Any], counts: dict[tuple[str, str], float]
) -> None:
    assert net(told(service, operation, **parameters)) == counts


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "unpriced"),
    [
        ("ec2", "TerminateInstances", {"InstanceIds": ["x"]}, "instance x, which goes"),
        ("ecs", "CreateService", {"serviceName": "x", "desiredCount": 1, "taskDefinition": "x:1"}, "tasks of the container service x"),
        ("ec2", "DeleteVpcEndpoints", {"VpcEndpointIds": ["x"]}, "endpoint x, which goes"),
        ("elbv2", "DeleteLoadBalancer", {"LoadBalancerArn": "x"}, "load balancer x, which goes"),
        ("elbv2", "CreateLoadBalancer", {"Type": "network", "Subnets": ["a"]}, "network load balancer"),
        ("autoscaling", "UpdateAutoScalingGroup", {"AutoScalingGroupName": "x", "DesiredCapacity": 3}, "change of group x"),
        ("autoscaling", "DeleteAutoScalingGroup", {"AutoScalingGroupName": "x"}, "group x, which goes"),
        ("rds", "ModifyDBInstance", {"DBInstanceIdentifier": "x", "MultiAZ": True}, "change of database x"),
        ("rds", "DeleteDBInstance", {"DBInstanceIdentifier": "x"}, "database x, which goes"),
        ("elasticache", "ModifyReplicationGroup", {"ReplicationGroupId": "x", "CacheNodeType": "y"}, "change of cache x"),
        ("elasticache", "DeleteReplicationGroup", {"ReplicationGroupId": "x"}, "cache x, which goes"),
        ("wafv2", "UpdateWebACL", {"Name": "x", "Id": "x"}, "rules of web ACL x"),
        ("rds", "CreateDBInstance", {"DBInstanceIdentifier": "x"}, "rds:CreateDBInstance"),  # without what it needs
    ],
)
def test_a_size_that_nobody_has_read_is_said(service: str, operation: str, parameters: dict[str, Any], unpriced: str) -> None:
    assert told(service, operation, None, **parameters) == [Unpriced(unpriced)]


def test_an_instance_that_goes_leaves_only_its_volumes_unknown() -> None:
    assert told("ec2", "TerminateInstances", InstanceIds=["i"]) == [
        Thing("instance", "t3.micro", -1),
        Unpriced("volumes of instance i, which go"),
    ]


def test_what_makes_something_unheard_of_is_unknown() -> None:
    assert is_unknown("redshift", "CreateCluster")
    assert is_unknown("ec2", "CreateVolume")
    for service, operation in (("ec2", "CreateSubnet"), ("iam", "CreateRole"), ("rds", "CreateDBInstance"), ("ec2", "ModifyVpcAttribute")):
        assert not is_unknown(service, operation)

# SPDX-License-Identifier: GPL-3.0-or-later
"""The worker's part of an estimate: sizes that stand in what a task has read, or in what an earlier task would write."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.indivillage.infra.plugins.plugin_utils.costs import Cost, Thing, cost
from ansible_collections.indivillage.infra.plugins.plugin_utils.plan_costs import cost_of
from ansible_collections.indivillage.infra.plugins.plugin_utils.planning.outcome import Outcome

from scripts.pages import costs
from scripts.pages.environments import REAL
from scripts.pages.inventory import Stack, stacks
from tests.unit.planning.test_guard import Account

VOLUME = {"VolumeType": "gp3", "Encrypted": True}


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Account:
    return Account(monkeypatch)


def test_what_goes_and_changes_has_the_size_that_was_read(account: Account) -> None:
    database = {"DBInstanceIdentifier": "x", "DBInstanceClass": "db.t3.large", "MultiAZ": True, "AllocatedStorage": 50}
    account.answers["DescribeDBInstances"] = {"DBInstances": [database, {**database, "DBInstanceIdentifier": "y", "MultiAZ": False}]}
    rds = account.client("rds")
    rds.describe_db_instances()
    rds.modify_db_instance(DBInstanceIdentifier="x", DBInstanceClass="db.m5.large")
    grown = cost([Thing("database_multi_az", "db.t3.large", -1), Thing("database_multi_az", "db.m5.large")])
    assert cost_of(account.plan()) == grown
    account.task()
    rds.describe_db_instances(DBInstanceIdentifier="y")
    rds.delete_db_instance(DBInstanceIdentifier="y", SkipFinalSnapshot=True)
    assert cost_of(account.plan(state="absent")) == cost([Thing("database", "db.t3.large", -1), Thing("database_storage", "", -50)])


def test_a_second_change_of_a_thing_starts_where_the_first_one_ended(account: Account) -> None:
    group = {"ReplicationGroupId": "x", "CacheNodeType": "cache.t3.medium", "MemberClusters": ["x-1"], "NodeGroups": [{"NodeGroupId": "1"}]}
    account.answers["DescribeReplicationGroups"] = {"ReplicationGroups": [group]}
    cache = account.client("elasticache")
    cache.describe_replication_groups(ReplicationGroupId="x")
    cache.increase_replica_count(ReplicationGroupId="x", NewReplicaCount=2, ApplyImmediately=True)
    cache.modify_replication_group(ReplicationGroupId="x", CacheNodeType="cache.m5.large")
    grown = cost([Thing("cache_node", "cache.t3.medium", -1), Thing("cache_node", "cache.m5.large", 3)])
    assert cost_of(account.plan()).usd == pytest.approx(grown.usd)


def test_a_group_of_a_template_that_was_read(account: Account) -> None:
    template = {"LaunchTemplateId": "lt-0a1b2c3d4e5f60718", "LaunchTemplateName": "web"}
    data = {"InstanceType": "t3.large", "BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {**VOLUME, "VolumeSize": 20}}]}
    versions = [
        {**template, "VersionNumber": 1, "LaunchTemplateData": {**data, "InstanceType": "t3.micro"}},
        {**template, "VersionNumber": 2, "LaunchTemplateData": data},
    ]
    account.answers["DescribeLaunchTemplateVersions"] = {"LaunchTemplateVersions": versions}
    account.client("ec2").describe_launch_template_versions(LaunchTemplateName="web")
    group = {"AutoScalingGroupName": "web", "MinSize": 2, "MaxSize": 2, "LaunchTemplate": {"LaunchTemplateName": "web", "Version": "2"}}
    account.client("autoscaling").create_auto_scaling_group(**group, VPCZoneIdentifier="subnet-1")
    assert cost_of(account.plan()) == cost([Thing("instance", "t3.large", 2), Thing("volume", "", 40)])


def test_a_rollout_is_priced_by_the_version_that_it_is_said_to_bring(account: Account) -> None:
    versions = [
        {"LaunchTemplateId": "lt-1", "VersionNumber": number, "LaunchTemplateData": {"InstanceType": size, "BlockDeviceMappings": []}}
        for number, size in ((1, "t3.large"), (2, "m5.large"))
    ]
    account.answers["DescribeLaunchTemplateVersions"] = {"LaunchTemplateVersions": versions}
    group = {"AutoScalingGroupName": "web", "DesiredCapacity": 3, "LaunchTemplate": {"LaunchTemplateId": "lt-1", "Version": "1"}}
    account.answers["DescribeAutoScalingGroups"] = {"AutoScalingGroups": [group]}
    account.client("autoscaling").describe_auto_scaling_groups()
    account.client("ec2").describe_launch_template_versions(LaunchTemplateId="lt-1")

    def rollout(version: int) -> Cost:
        result: dict[str, Any] = {"changed": True, "groups": {"web": {"version": version}}}
        Outcome(account.guard, "indivillage.infra.asg_rollout", {"names": ["web"]}).finish(result)
        return cost_of(result["plan"])

    assert rollout(2).usd == pytest.approx(cost([Thing("instance", "t3.large", -3), Thing("instance", "m5.large", 3)]).usd)
    assert rollout(1) == Cost(), "a new image of the same type costs what the old one did"


def test_what_a_task_makes_and_then_reads_is_new(account: Account) -> None:
    cloudwatch = account.client("cloudwatch")
    alarm = {"AlarmName": "x", "EvaluationPeriods": 1, "ComparisonOperator": "GreaterThanThreshold"}
    cloudwatch.put_metric_alarm(**alarm)
    (seen,) = cloudwatch.describe_alarms(AlarmNames=["x"])["MetricAlarms"]
    assert seen["AlarmName"] == "x"
    assert cost_of(account.plan()) == cost([Thing("alarm_metric", "", 1)])
    account.task()
    account.answers["DescribeAlarms"] = {"MetricAlarms": [{"AlarmName": "y", "EvaluationPeriods": 2}]}
    cloudwatch.describe_alarms(AlarmNames=["y"])
    cloudwatch.put_metric_alarm(**{**alarm, "AlarmName": "y"})
    assert cost_of(account.plan()) == Cost()


def test_a_service_is_priced_by_the_definition_that_an_earlier_task_registers(account: Account) -> None:
    definition = {"family": "worker", "cpu": "512", "memory": "1024", "containerDefinitions": [{"name": "worker", "image": "worker:1"}]}
    made = account.client("ecs").register_task_definition(**definition)["taskDefinition"]["taskDefinitionArn"]
    account.task()
    spot = [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]
    account.client("ecs").create_service(serviceName="worker", taskDefinition=made, desiredCount=2, capacityProviderStrategy=spot)
    assert cost_of(account.plan()) == cost([Thing("fargate_spot_vcpu", "", 1), Thing("fargate_spot_gib", "", 2)])


class Builder:
    """Makes a stack's things with the calls that its roles' modules make, one task after the other, in an account without any of them."""

    def __init__(self, account: Account, stack: Stack) -> None:
        self.account, self.stack, self.total = account, stack, Cost()

    def task(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        self.account.task()
        answer: dict[str, Any] = getattr(self.account.client(service), operation)(**parameters)
        self.total += cost_of(self.account.plan())
        return answer

    def build(self) -> Cost:
        for role in self.stack.layers:
            if self.builds(role):
                getattr(self, role)(self.stack.value)
        return self.total

    def builds(self, role: str) -> bool:
        """Replicas take their size from a database that only the emulator's account has."""
        return hasattr(self, role) and not (role == "aws_database" and self.stack.value("aws_database_replicas"))

    def aws_keys(self, value: Any) -> None:
        for key in value("aws_keys_keys"):
            self.task("kms", "create_key", Description=key["description"])
        self.task("secretsmanager", "create_secret", Name="ssh-key", SecretString="none")

    def aws_network(self, value: Any) -> None:
        zones = value("availability_zones")
        vpc = self.task("ec2", "create_vpc", CidrBlock=value("aws_network_cidr"))["Vpc"]["VpcId"]
        subnets = [self.task("ec2", "create_subnet", VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"] for _zone in zones]
        for subnet in subnets[: {"none": 0, "one": 1, "per_zone": len(zones)}[value("aws_network_nat_gateways")]]:
            address = self.task("ec2", "allocate_address", Domain="vpc")["AllocationId"]
            self.task("ec2", "create_nat_gateway", SubnetId=subnet, AllocationId=address)
        for service in value("aws_network_gateway_endpoints"):
            self.task("ec2", "create_vpc_endpoint", VpcId=vpc, ServiceName=service)
        for service in value("aws_network_interface_endpoints"):
            self.task("ec2", "create_vpc_endpoint", VpcId=vpc, ServiceName=service, VpcEndpointType="Interface", SubnetIds=subnets)
        for peer in value("aws_network_transit_peers"):
            self.task("ec2", "create_transit_gateway_vpc_attachment", TransitGatewayId="tgw-1", VpcId=vpc, SubnetIds=subnets)
            if self.stack.kind == "primary":
                other = {"PeerTransitGatewayId": "tgw-2", "PeerAccountId": "123456789012", "PeerRegion": peer["region"]}
                self.task("ec2", "create_transit_gateway_peering_attachment", TransitGatewayId="tgw-1", **other)

    def aws_database(self, value: Any) -> None:
        for name in ("credentials", "administration"):
            self.task("secretsmanager", "create_secret", Name=name, SecretString="none")
        self.task(
            "rds",
            "create_db_instance",
            DBInstanceIdentifier="x",
            Engine="postgres",
            DBInstanceClass=value("aws_database_instance_class"),
            MultiAZ=value("aws_database_multi_az"),
            AllocatedStorage=value("aws_database_allocated_storage_gib"),
        )

    def aws_cache(self, value: Any) -> None:
        self.task("secretsmanager", "create_secret", Name="cache", SecretString="none")
        size, nodes = value("aws_cache_node_type"), value("aws_cache_replicas") + 1
        options = {"ReplicationGroupId": "x", "ReplicationGroupDescription": "x"}
        self.task("elasticache", "create_replication_group", **options, CacheNodeType=size, NumCacheClusters=nodes)

    def aws_load_balancing(self, value: Any) -> None:
        for scheme in ("internet-facing", "internal"):
            self.task("elbv2", "create_load_balancer", Name=scheme, Scheme=scheme, Type="application", Subnets=value("availability_zones"))

    def aws_compute(self, value: Any) -> None:
        spot, monitoring = int(value("aws_compute_spot_percentage")), {"Enabled": value("aws_compute_detailed_monitoring")}
        for name, tier in value("aws_compute_tiers").items():
            self._tier(name, tier, spot, monitoring)
        self.task(
            "ec2",
            "run_instances",
            MinCount=value("aws_compute_bastions"),
            MaxCount=value("aws_compute_bastions"),
            InstanceType=value("aws_compute_bastion_instance_type"),
            Monitoring=monitoring,
            NetworkInterfaces=[{"DeviceIndex": 0, "AssociatePublicIpAddress": True}],
            BlockDeviceMappings=[
                {"DeviceName": "/dev/xvda", "Ebs": {**VOLUME, "VolumeSize": value("aws_compute_bastion_root_volume_gib")}}
            ],
        )

    def _tier(self, name: str, tier: dict[str, Any], spot: int, monitoring: dict[str, Any]) -> None:
        disk = {"DeviceName": "/dev/xvda", "Ebs": {**VOLUME, "VolumeSize": tier["root_volume_gib"]}}
        data = {"InstanceType": tier["instance_type"], "BlockDeviceMappings": [disk], "Monitoring": monitoring}
        made = self.task("ec2", "create_launch_template", LaunchTemplateName=name, LaunchTemplateData=data)["LaunchTemplate"]
        specification = {
            "LaunchTemplateId": made["LaunchTemplateId"],
            "Version": "1",
        }  # a placeholder, known by nothing but the earlier task
        mixed = {
            "LaunchTemplate": {"LaunchTemplateSpecification": specification, "Overrides": [{"InstanceType": tier["instance_type"]}]},
            "InstancesDistribution": {"OnDemandBaseCapacity": 0, "OnDemandPercentageAboveBaseCapacity": 100 - spot},
        }
        self.task(
            "autoscaling",
            "create_auto_scaling_group",
            AutoScalingGroupName=name,
            MinSize=tier["min"],
            MaxSize=tier["max"],
            DesiredCapacity=tier["desired"],
            VPCZoneIdentifier="subnet-1",
            **({"MixedInstancesPolicy": mixed} if spot else {"LaunchTemplate": specification}),
        )


@pytest.mark.parametrize("stack", [stack for environment in REAL for stack in stacks(environment)], ids=lambda stack: stack.name)
def test_the_plan_of_an_empty_account_costs_what_is_declared(account: Account, stack: Stack) -> None:
    builder = Builder(account, stack)
    planned = builder.build()
    # Roles that the builder does not build are held to their estimate by the plan of a whole environment (make drill-plan).
    declared = cost(item for role, found in costs.items(stack).items() if builder.builds(role) for item in found)
    assert planned.unpriced == declared.unpriced == ()
    assert planned.usd == pytest.approx(declared.usd)

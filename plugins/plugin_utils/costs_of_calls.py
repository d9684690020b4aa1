# SPDX-License-Identifier: GPL-3.0-or-later
"""What calls of the AWS API add to a month's bill and take from it, told from their parameters and from what was read before.

A call that makes something is known here, listed in prices.yml as one without a price of its own, or told as not priced. What is known here
needs no price: it runs in the worker, where the reads are, and the table is read on the control node.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .costs import Item, Thing, Unpriced, alarm_metrics, containers, database, instances, table

Fields = Mapping[str, Any]

# How names of operations begin that make something.
MAKING = ("Allocate", "Create", "Purchase", "Request", "Restore", "Run")
PRICED_VOLUMES = ("gp3", None)


def nothing(*_asked: Any) -> Fields:
    """What is known where nothing was read."""
    return {}


@dataclass(frozen=True)
class Known:
    """What the task that makes a call has read: without it, the sizes of what exists are unknown."""

    described: Callable[[str, Any, str], Fields] = nothing
    """A thing as it is, by a field that names it, its name, and another field that its description has; empty when it was not read."""
    template: Callable[[Fields], Fields] = nothing
    """The data of a launch template, by its specification."""
    task_definition: Callable[[Any], Fields] = nothing
    """What the run would register under a task definition's ARN; empty when it is of an earlier run."""


def items(service: str, operation: str, parameters: Fields, known: Known | None = None) -> list[Item]:
    """What a call adds, with counts below zero for what it takes away; nothing for calls that are not in CALLS."""
    told = CALLS.get((service, operation))
    try:
        return list(told(parameters, known or Known())) if told else []
    except (KeyError, TypeError, ValueError):  # a plan must not fail for its estimate
        return [Unpriced(f"{service}:{operation}")]


def is_unknown(service: str, operation: str) -> bool:
    """Whether a call makes something of which nothing says what it costs, nor that it costs nothing."""
    free = table().without_price
    known = (service, operation) in CALLS or operation in free.get(service, ()) or service in free["services"]
    return operation.startswith(MAKING) and not known


def negative(given: Iterable[Item]) -> Iterator[Item]:
    """The same, taken away."""
    return (item if isinstance(item, Unpriced) else item.times(-1) for item in given)


def _one(kind: str, count: int = 1) -> Callable[[Fields, Known], Iterator[Item]]:
    """A call that adds or takes so many of what has one price."""

    def told(_parameters: Fields, _known: Known) -> Iterator[Item]:
        yield Thing(kind, "", count)

    return told


# ---- EC2 -------------------------------------------------------------------------------------------------------------------------


def _run(parameters: Fields, known: Known) -> Iterator[Item]:
    data = {**known.template(parameters.get("LaunchTemplate") or {}), **parameters}
    spot = (data.get("InstanceMarketOptions") or {}).get("MarketType") == "spot"
    yield from instances(int(parameters["MaxCount"]), data["InstanceType"], 0 if spot else 100)
    yield from _parts(data, int(parameters["MaxCount"]))


def _parts(data: Fields, count: int) -> Iterator[Item]:
    """What instances bring along, by the data of their template or call."""
    volumes = [mapping["Ebs"] for mapping in data.get("BlockDeviceMappings") or [] if mapping.get("Ebs")]
    for volume in volumes:
        if volume.get("VolumeType") in PRICED_VOLUMES and volume.get("VolumeSize"):
            yield Thing("volume", "", int(volume["VolumeSize"]) * count)
        else:
            yield Unpriced(f"{volume.get('VolumeType') or 'image'} volumes of instances")
    if not volumes:
        yield Unpriced("volumes that instances have from their image")
    if (data.get("Monitoring") or {}).get("Enabled"):
        yield Thing("detailed_monitoring", "", count)
    addresses = sum(bool(interface.get("AssociatePublicIpAddress")) for interface in data.get("NetworkInterfaces") or [])
    if addresses:
        yield Thing("public_ipv4", "", addresses * count)


def _terminate(parameters: Fields, known: Known) -> Iterator[Item]:
    for name in parameters["InstanceIds"]:
        instance = known.described("InstanceId", name, "InstanceType")
        if not instance:
            yield Unpriced(f"instance {name}, which goes")
            continue
        kind = "spot_instance" if instance.get("InstanceLifecycle") == "spot" else "instance"
        yield Thing(kind, instance["InstanceType"], -1)
        yield Unpriced(f"volumes of instance {name}, which go")


def _make_endpoint(parameters: Fields, _known: Known) -> Iterator[Item]:
    if parameters.get("VpcEndpointType") == "Interface":
        yield Thing("interface_endpoint", "", len(parameters["SubnetIds"]))


def _change_endpoint(parameters: Fields, _known: Known) -> Iterator[Item]:
    change = len(parameters.get("AddSubnetIds") or []) - len(parameters.get("RemoveSubnetIds") or [])
    if change:
        yield Thing("interface_endpoint", "", change)


def _delete_endpoints(parameters: Fields, known: Known) -> Iterator[Item]:
    for name in parameters["VpcEndpointIds"]:
        endpoint = known.described("VpcEndpointId", name, "VpcEndpointType")
        yield from negative(_make_endpoint(endpoint, known)) if endpoint else [Unpriced(f"endpoint {name}, which goes")]


# ---- Auto Scaling ----------------------------------------------------------------------------------------------------------------


def _fleet(group: Fields, known: Known) -> Iterator[Item]:
    """The instances of a group at its desired capacity, as if all were of the first of its types."""
    count = int(group.get("DesiredCapacity") or group.get("MinSize") or 0)
    if not count:
        return
    policy = group.get("MixedInstancesPolicy") or {}
    template = policy.get("LaunchTemplate") or {}
    data = known.template(template.get("LaunchTemplateSpecification") or group.get("LaunchTemplate") or {})
    sizes = [choice["InstanceType"] for choice in template.get("Overrides") or [] if choice.get("InstanceType")]
    sizes += [data["InstanceType"]] if data.get("InstanceType") else []
    sizes += [instance["InstanceType"] for instance in group.get("Instances") or [] if instance.get("InstanceType")]
    if not sizes:
        yield Unpriced(f"instances of group {group['AutoScalingGroupName']}")
        return
    spread = policy.get("InstancesDistribution") or {}
    yield from instances(count, sizes[0], spread.get("OnDemandPercentageAboveBaseCapacity", 100), spread.get("OnDemandBaseCapacity", 0))
    yield from _parts(data, count) if data else [Unpriced(f"volumes of the instances of group {group['AutoScalingGroupName']}")]


def _change_group(parameters: Fields, known: Known) -> Iterator[Item]:
    group = known.described("AutoScalingGroupName", parameters["AutoScalingGroupName"], "DesiredCapacity")
    if not group:
        yield Unpriced(f"change of group {parameters['AutoScalingGroupName']}")
        return
    change = {**parameters, **(parameters.get("DesiredConfiguration") or {})}  # where an instance refresh says what shall be
    yield from _difference(_fleet(group, known), _fleet({**group, **change}, known))


def _delete_group(parameters: Fields, known: Known) -> Iterator[Item]:
    group = known.described("AutoScalingGroupName", parameters["AutoScalingGroupName"], "DesiredCapacity")
    yield from negative(_fleet(group, known)) if group else [Unpriced(f"group {parameters['AutoScalingGroupName']}, which goes")]


def _difference(before: Iterable[Item], after: Iterable[Item]) -> Iterator[Item]:
    """What comes and what goes; what nobody can price matters only when something else moves."""
    old, new = list(before), list(after)
    if old != new:
        yield from negative(old)
        yield from new


# ---- Load balancers --------------------------------------------------------------------------------------------------------------


def _balancer(balancer: Fields) -> Iterator[Item]:
    if balancer.get("Type", "application") != "application":
        yield Unpriced(f"{balancer['Type']} load balancer")
        return
    yield Thing("application_load_balancer")
    if balancer.get("Scheme", "internet-facing") == "internet-facing":
        zones = balancer.get("Subnets") or balancer.get("SubnetMappings") or balancer["AvailabilityZones"]
        yield Thing("public_ipv4", "", len(zones))


def _make_balancer(parameters: Fields, _known: Known) -> Iterator[Item]:
    return _balancer(parameters)


def _delete_balancer(parameters: Fields, known: Known) -> Iterator[Item]:
    balancer = known.described("LoadBalancerArn", parameters["LoadBalancerArn"], "Scheme")
    yield from negative(_balancer(balancer)) if balancer else [Unpriced(f"load balancer {parameters['LoadBalancerArn']}, which goes")]


# ---- Data ------------------------------------------------------------------------------------------------------------------------


def _database(instance: Fields) -> Iterator[Item]:
    yield from database(instance["DBInstanceClass"], float(instance["AllocatedStorage"]), multi_az=bool(instance.get("MultiAZ")))


def _make_database(parameters: Fields, _known: Known) -> Iterator[Item]:
    return _database(parameters)


def _make_replica(parameters: Fields, known: Known) -> Iterator[Item]:
    source = known.described("DBInstanceIdentifier", parameters["SourceDBInstanceIdentifier"], "DBInstanceClass")
    sizes = {name: source[name] for name in ("DBInstanceClass", "AllocatedStorage") if name in source}
    sizes |= {name: parameters[name] for name in ("DBInstanceClass", "AllocatedStorage", "MultiAZ") if name in parameters}
    if "AllocatedStorage" in sizes:
        yield from _database(sizes)
    else:  # that of its source, which was not read
        suffix = "_multi_az" if sizes.get("MultiAZ") else ""
        yield Thing(f"database{suffix}", sizes["DBInstanceClass"])
        yield Unpriced(f"storage of database {parameters['DBInstanceIdentifier']}")


def _change_database(parameters: Fields, known: Known) -> Iterator[Item]:
    if {"DBInstanceClass", "AllocatedStorage", "MultiAZ"}.isdisjoint(parameters):
        return
    instance = known.described("DBInstanceIdentifier", parameters["DBInstanceIdentifier"], "DBInstanceClass")
    if instance:
        yield from _difference(_database(instance), _database({**instance, **parameters}))
    else:
        yield Unpriced(f"change of database {parameters['DBInstanceIdentifier']}")


def _delete_database(parameters: Fields, known: Known) -> Iterator[Item]:
    instance = known.described("DBInstanceIdentifier", parameters["DBInstanceIdentifier"], "DBInstanceClass")
    yield from negative(_database(instance)) if instance else [Unpriced(f"database {parameters['DBInstanceIdentifier']}, which goes")]


def _cache(size: str, nodes: int) -> Iterator[Item]:
    yield Thing("cache_node", size, nodes)


def _make_cache(parameters: Fields, _known: Known) -> Iterator[Item]:
    nodes = parameters.get("NumCacheClusters") or parameters.get("NumNodeGroups", 1) * (1 + parameters.get("ReplicasPerNodeGroup", 0))
    return _cache(parameters["CacheNodeType"], nodes)


def _nodes(group: Fields) -> Iterator[Item]:
    """The nodes of a cache that exists, with another number of replicas where a call has asked for it."""
    shards = len(group.get("NodeGroups") or [{}])
    nodes = shards * (1 + group["NewReplicaCount"]) if "NewReplicaCount" in group else len(group["MemberClusters"])
    return _cache(group["CacheNodeType"], nodes)


def _change_cache(parameters: Fields, known: Known) -> Iterator[Item]:
    if {"CacheNodeType", "NewReplicaCount"}.isdisjoint(parameters):
        return
    group = known.described("ReplicationGroupId", parameters["ReplicationGroupId"], "MemberClusters")
    if not group:
        yield Unpriced(f"change of cache {parameters['ReplicationGroupId']}")
        return
    yield from _difference(_nodes(group), _nodes({**group, **parameters}))


def _delete_cache(parameters: Fields, known: Known) -> Iterator[Item]:
    group = known.described("ReplicationGroupId", parameters["ReplicationGroupId"], "MemberClusters")
    yield from negative(_nodes(group)) if group else [Unpriced(f"cache {parameters['ReplicationGroupId']}, which goes")]


# ---- The edge, and watching ------------------------------------------------------------------------------------------------------


def _health_check(parameters: Fields, _known: Known) -> Iterator[Item]:
    check = parameters["HealthCheckConfig"]
    yield Thing("health_check")
    extras = (str(check.get("Type", "")).startswith("HTTPS"), check.get("SearchString"), check.get("RequestInterval") == 10)
    if count := sum(map(bool, (*extras, check.get("MeasureLatency")))):
        yield Thing("health_check_feature", "", count)


def _web_acl(parameters: Fields, _known: Known) -> Iterator[Item]:
    yield Thing("web_acl")
    if rules := len(parameters.get("Rules") or []):
        yield Thing("web_acl_rule", "", rules)


def _change_web_acl(parameters: Fields, known: Known) -> Iterator[Item]:
    found = known.described("Id", parameters["Id"], "Rules")
    if not found:
        yield Unpriced(f"rules of web ACL {parameters['Name']}")
    elif change := len(parameters.get("Rules") or []) - len(found["Rules"]):
        yield Thing("web_acl_rule", "", change)


def _metrics(alarm: Fields) -> int:
    metrics = max(1, sum("MetricStat" in query for query in alarm.get("Metrics") or ()))  # one may stand in the alarm itself
    return alarm_metrics(metrics, of_anomaly=bool(alarm.get("ThresholdMetricId")))


def _put_alarm(parameters: Fields, known: Known) -> Iterator[Item]:
    found = known.described("AlarmName", parameters["AlarmName"], "AlarmName")
    if change := _metrics(parameters) - (_metrics(found) if found else 0):
        yield Thing("alarm_metric", "", change)


def _delete_alarms(parameters: Fields, known: Known) -> Iterator[Item]:
    found = (known.described("AlarmName", name, "AlarmName") for name in parameters["AlarmNames"])
    yield Thing("alarm_metric", "", -sum(map(_metrics, found)))


def _named(kind: str, name: str) -> Callable[[Fields, Known], Iterator[Item]]:
    """What is made and changed by the same call."""

    def told(parameters: Fields, known: Known) -> Iterator[Item]:
        if not known.described(name, parameters[name], name):
            yield Thing(kind)

    return told


def _each(kind: str, member: str, sign: int) -> Callable[[Fields, Known], Iterator[Item]]:
    """What a call adds or takes for each element of a list."""

    def told(parameters: Fields, _known: Known) -> Iterator[Item]:
        yield Thing(kind, "", sign * len(parameters[member]))

    return told


def _secret(parameters: Fields, _known: Known) -> Iterator[Item]:
    """AWS charges each copy as a secret of its own."""
    yield Thing("secret", "", 1 + len(parameters.get("AddReplicaRegions") or []))


# ---- Containers ------------------------------------------------------------------------------------------------------------------


def _tasks(service: Fields, known: Known) -> Iterator[Item]:
    """A service's tasks on Fargate, whose size stands in a task definition."""
    count, definition = int(service.get("desiredCount") or 0), known.task_definition(service.get("taskDefinition"))
    if not count:
        return
    if not definition:
        yield Unpriced(f"tasks of the container service {service['serviceName']}")
        return
    providers = {one["capacityProvider"] for one in service.get("capacityProviderStrategy") or ()}
    yield from containers(count, int(definition["cpu"]), int(definition["memory"]), spot=providers == {"FARGATE_SPOT"})


def _change_service(parameters: Fields, known: Known) -> Iterator[Item]:
    service = known.described("serviceName", parameters["service"], "desiredCount")
    yield from _difference(_tasks(service, known), _tasks({**service, **parameters, "serviceName": parameters["service"]}, known))


def _delete_service(parameters: Fields, known: Known) -> Iterator[Item]:
    yield from negative(_tasks(known.described("serviceName", parameters["service"], "desiredCount"), known))


CALLS: dict[tuple[str, str], Callable[[Fields, Known], Iterator[Item]]] = {
    ("ecs", "CreateService"): _tasks,
    ("ecs", "UpdateService"): _change_service,
    ("ecs", "DeleteService"): _delete_service,
    ("ec2", "RunInstances"): _run,
    ("ec2", "TerminateInstances"): _terminate,
    ("ec2", "AllocateAddress"): _one("public_ipv4"),
    ("ec2", "ReleaseAddress"): _one("public_ipv4", -1),
    ("ec2", "CreateNatGateway"): _one("nat_gateway"),
    ("ec2", "DeleteNatGateway"): _one("nat_gateway", -1),
    ("ec2", "CreateVpcEndpoint"): _make_endpoint,
    ("ec2", "ModifyVpcEndpoint"): _change_endpoint,
    ("ec2", "DeleteVpcEndpoints"): _delete_endpoints,
    ("ec2", "CreateTransitGatewayVpcAttachment"): _one("transit_gateway_attachment"),
    ("ec2", "DeleteTransitGatewayVpcAttachment"): _one("transit_gateway_attachment", -1),
    ("ec2", "CreateTransitGatewayPeeringAttachment"): _one("transit_gateway_attachment"),
    ("ec2", "DeleteTransitGatewayPeeringAttachment"): _one("transit_gateway_attachment", -1),
    ("autoscaling", "CreateAutoScalingGroup"): _fleet,
    ("autoscaling", "UpdateAutoScalingGroup"): _change_group,
    ("autoscaling", "SetDesiredCapacity"): _change_group,
    ("autoscaling", "StartInstanceRefresh"): _change_group,
    ("autoscaling", "DeleteAutoScalingGroup"): _delete_group,
    ("elbv2", "CreateLoadBalancer"): _make_balancer,
    ("elbv2", "DeleteLoadBalancer"): _delete_balancer,
    ("rds", "CreateDBInstance"): _make_database,
    ("rds", "CreateDBInstanceReadReplica"): _make_replica,
    ("rds", "ModifyDBInstance"): _change_database,
    ("rds", "DeleteDBInstance"): _delete_database,
    ("elasticache", "CreateReplicationGroup"): _make_cache,
    ("elasticache", "ModifyReplicationGroup"): _change_cache,
    ("elasticache", "IncreaseReplicaCount"): _change_cache,
    ("elasticache", "DecreaseReplicaCount"): _change_cache,
    ("elasticache", "DeleteReplicationGroup"): _delete_cache,
    ("kms", "CreateKey"): _one("key"),
    ("kms", "ReplicateKey"): _one("key"),
    ("kms", "ScheduleKeyDeletion"): _one("key", -1),
    ("kms", "CancelKeyDeletion"): _one("key"),
    ("secretsmanager", "CreateSecret"): _secret,
    ("secretsmanager", "ReplicateSecretToRegions"): _each("secret", "AddReplicaRegions", 1),
    ("secretsmanager", "RemoveRegionsFromReplication"): _each("secret", "RemoveReplicaRegions", -1),
    ("secretsmanager", "DeleteSecret"): _one("secret", -1),
    ("secretsmanager", "RestoreSecret"): _one("secret"),
    ("route53", "CreateHostedZone"): _one("hosted_zone"),
    ("route53", "DeleteHostedZone"): _one("hosted_zone", -1),
    ("route53", "CreateHealthCheck"): _health_check,
    ("wafv2", "CreateWebACL"): _web_acl,
    ("wafv2", "UpdateWebACL"): _change_web_acl,
    ("cloudwatch", "PutMetricAlarm"): _put_alarm,
    ("cloudwatch", "PutCompositeAlarm"): _named("composite_alarm", "AlarmName"),
    ("cloudwatch", "DeleteAlarms"): _delete_alarms,
    ("cloudwatch", "PutDashboard"): _named("dashboard", "DashboardName"),
    ("cloudwatch", "DeleteDashboards"): _each("dashboard", "DashboardNames", -1),
    ("shield", "CreateSubscription"): _one("shield_advanced"),
    ("globalaccelerator", "CreateAccelerator"): _one("accelerator"),
}

# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What of a region costs by the hour, and what CloudWatch measured of it.

Metrics as AWS documents them for EC2, NAT gateways, application load balancers, RDS and ElastiCache.
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import batched
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.tagging import boto3_tag_list_to_ansible_dict

HOUR_SECONDS = 3600
METRICS_PER_CALL = 500  # the limit of GetMetricData
GROUP_TAG = "aws:autoscaling:groupName"
# What AWS publishes only while it is not zero: nothing measured means that nothing was there.
ZERO_IS_SILENT = frozenset({"requests"})


@dataclass(frozen=True)
class Metric:
    """One metric, and how its hours become one figure."""

    namespace: str
    name: str
    dimensions: Mapping[str, str]
    statistic: str
    combine: Callable[[Iterable[float]], float]


@dataclass
class Found:
    """One resource, or the instances of one group."""

    kind: str
    name: str
    sizes: Mapping[str, float]
    born: datetime.datetime | None = None
    """When it was made, where AWS says so; of several the youngest."""
    attached: bool = True
    metrics: Mapping[str, Metric] = field(default_factory=dict)


def resources(clients: Mapping[str, Any], agent_namespace: str) -> list[Found]:
    """What there is, by the clients of C(ec2), C(elbv2), C(rds) and C(elasticache)."""
    found = [*_volumes(clients["ec2"]), *_addresses(clients["ec2"]), *_nat_gateways(clients["ec2"])]
    found += [*_load_balancers(clients["elbv2"]), *_instances(clients["ec2"], agent_namespace)]
    found += [*_databases(clients["rds"]), *_caches(clients["elasticache"])]
    return sorted(found, key=lambda one: (one.kind, one.name))


def measured(cloudwatch: Any, found: Iterable[Found], begin: datetime.datetime, end: datetime.datetime) -> list[dict[str, Any]]:
    """The resources with their measures, as the module returns them."""
    listed = list(found)
    wanted = [(one, name, metric) for one in listed for name, metric in one.metrics.items()]
    values = _values(cloudwatch, [metric for _one, _name, metric in wanted], begin, end)
    measures: dict[int, dict[str, float | None]] = {id(one): {} for one in listed}
    for (one, name, metric), hours in zip(wanted, values, strict=True):
        silent = 0.0 if name in ZERO_IS_SILENT else None
        measures[id(one)][name] = round(metric.combine(hours), 1) if hours else silent
    return [
        {
            "kind": one.kind,
            "name": one.name,
            "attached": one.attached,
            "old_enough": one.born is None or one.born <= begin,
            "sizes": dict(one.sizes),
            "measures": measures[id(one)],
        }
        for one in listed
    ]


def _values(cloudwatch: Any, metrics: list[Metric], begin: datetime.datetime, end: datetime.datetime) -> list[list[float]]:
    """The hours of each metric, in the order of the metrics."""
    values: list[list[float]] = [[] for _ in metrics]
    for batch in batched(enumerate(metrics), METRICS_PER_CALL):
        queries = [
            {
                "Id": f"m{number}",
                "MetricStat": {
                    "Metric": {
                        "Namespace": metric.namespace,
                        "MetricName": metric.name,
                        "Dimensions": [{"Name": key, "Value": value} for key, value in metric.dimensions.items()],
                    },
                    "Period": HOUR_SECONDS,
                    "Stat": metric.statistic,
                },
            }
            for number, metric in batch
        ]
        pages = cloudwatch.get_paginator("get_metric_data").paginate(MetricDataQueries=queries, StartTime=begin, EndTime=end)
        for page in pages:
            for one in page["MetricDataResults"]:
                values[int(one["Id"][1:])] += one["Values"]
    return values


def _pages(client: Any, operation: str, key: str, **arguments: Any) -> Iterator[dict[str, Any]]:
    for page in client.get_paginator(operation).paginate(**arguments):
        yield from page[key]


def _volumes(ec2: Any) -> Iterator[Found]:
    for volume in _pages(ec2, "describe_volumes", "Volumes"):
        yield Found("volume", volume["VolumeId"], {"": volume["Size"]}, volume["CreateTime"], attached=volume["State"] != "available")


def _addresses(ec2: Any) -> Iterator[Found]:
    for address in ec2.describe_addresses()["Addresses"]:
        yield Found("address", address["PublicIp"], {"": 1}, attached="AssociationId" in address)


def _nat_gateways(ec2: Any) -> Iterator[Found]:
    for gateway in _pages(ec2, "describe_nat_gateways", "NatGateways", Filter=[{"Name": "state", "Values": ["available"]}]):
        sent = Metric("AWS/NATGateway", "BytesOutToDestination", {"NatGatewayId": gateway["NatGatewayId"]}, "Sum", sum)
        yield Found("nat_gateway", gateway["NatGatewayId"], {"": 1}, gateway["CreateTime"], metrics={"bytes": sent})


def _load_balancers(elbv2: Any) -> Iterator[Found]:
    for balancer in _pages(elbv2, "describe_load_balancers", "LoadBalancers"):
        if balancer["Type"] == "application":
            dimensions = {"LoadBalancer": balancer["LoadBalancerArn"].partition(":loadbalancer/")[2]}
            requests = Metric("AWS/ApplicationELB", "RequestCount", dimensions, "Sum", sum)
            yield Found("load_balancer", balancer["LoadBalancerName"], {"": 1}, balancer["CreatedTime"], metrics={"requests": requests})


def _instances(ec2: Any, agent_namespace: str) -> Iterator[Found]:
    running = [{"Name": "instance-state-name", "Values": ["running"]}]
    together: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for reservation in _pages(ec2, "describe_instances", "Reservations", Filters=running):
        for instance in reservation["Instances"]:
            kind = "spot_instance" if instance.get("InstanceLifecycle") == "spot" else "instance"
            group = boto3_tag_list_to_ansible_dict(instance.get("Tags", [])).get(GROUP_TAG)
            dimension = ("AutoScalingGroupName", group) if group else ("InstanceId", instance["InstanceId"])
            together.setdefault((kind, *dimension), []).append(instance)
    for (kind, key, value), members in together.items():
        cpu = Metric("AWS/EC2", "CPUUtilization", {key: value}, "Maximum", max)
        memory = Metric(agent_namespace, "mem_used_percent", {key: value}, "Maximum", max)
        grouped = key == "AutoScalingGroupName"
        yield Found(
            kind,
            f"group {value}" if grouped else value,
            Counter(member["InstanceType"] for member in members),
            # A group outlives its instances, and so do its metrics.
            None if grouped else members[0]["LaunchTime"],
            metrics={"cpu_percent": cpu, "memory_percent": memory},
        )


def _databases(rds: Any) -> Iterator[Found]:
    for database in _pages(rds, "describe_db_instances", "DBInstances"):
        dimensions, name = {"DBInstanceIdentifier": database["DBInstanceIdentifier"]}, database["DBInstanceIdentifier"]
        yield Found(
            "database_multi_az" if database["MultiAZ"] else "database",
            name,
            {database["DBInstanceClass"]: 1},
            database.get("InstanceCreateTime"),
            metrics={
                "cpu_percent": Metric("AWS/RDS", "CPUUtilization", dimensions, "Maximum", max),
                "free_memory_bytes": Metric("AWS/RDS", "FreeableMemory", dimensions, "Minimum", min),
                "connections": Metric("AWS/RDS", "DatabaseConnections", dimensions, "Maximum", max),
            },
        )


def _caches(elasticache: Any) -> Iterator[Found]:
    for node in _pages(elasticache, "describe_cache_clusters", "CacheClusters"):
        dimensions = {"CacheClusterId": node["CacheClusterId"]}
        yield Found(
            "cache_node",
            node["CacheClusterId"],
            {node["CacheNodeType"]: node.get("NumCacheNodes", 1)},
            node.get("CacheClusterCreateTime"),
            metrics={
                "cpu_percent": Metric("AWS/ElastiCache", "EngineCPUUtilization", dimensions, "Maximum", max),
                "memory_percent": Metric("AWS/ElastiCache", "DatabaseMemoryUsagePercentage", dimensions, "Maximum", max),
                "connections": Metric("AWS/ElastiCache", "CurrConnections", dimensions, "Maximum", max),
            },
        )

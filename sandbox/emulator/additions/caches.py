# SPDX-License-Identifier: GPL-3.0-or-later
"""ElastiCache replication groups with their nodes, parameter groups and subnet groups.

https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_ReplicationGroup.html
https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_CacheCluster.html
https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_IncreaseReplicaCount.html
moto 5.2.5 has every group available at once, makes one node whatever was asked for and lists none of them, forgets the
auth token, applies few modifications, keeps a deleted group for ever, writes the subnets' zones in the wrong shape, and
has neither replica counts nor parameter groups nor changes of subnet groups.
"""

from __future__ import annotations

import functools
from typing import Any

from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult, EmptyResult
from moto.elasticache.exceptions import CacheSubnetGroupNotFound
from moto.elasticache.models import CacheCluster, CacheSubnetGroup, ElastiCacheBackend, ReplicationGroup
from moto.elasticache.responses import ElastiCacheResponse

from sandbox.emulator.additions.patching import add, wrap
from sandbox.emulator.runtime import runtime

DEFAULT_MAINTENANCE_WINDOW = "sun:23:00-mon:01:30"
LATEST_VERSIONS = {"redis": "7.1.0", "valkey": "8.0.1"}
# Parameter of ModifyReplicationGroup -> attribute of the group, for what moto does not apply.
_MODIFIABLE = {
    "AutoMinorVersionUpgrade": "auto_minor_version_upgrade",
    "CacheParameterGroupName": "cache_parameter_group_name",
    "EngineVersion": "engine_version",
    "NotificationTopicArn": "notification_topic_arn",
    "PreferredMaintenanceWindow": "preferred_maintenance_window",
    "SecurityGroupIds": "security_group_ids",
    "SnapshotWindow": "snapshot_window",
    "TransitEncryptionEnabled": "transit_encryption_enabled",
    "TransitEncryptionMode": "transit_encryption_mode",
}


class CacheError(ServiceException):
    """A refusal with AWS's error code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@functools.cache
def install() -> None:
    _install_groups()
    _install_nodes()
    _install_replica_counts()
    _install_parameter_groups()
    _install_subnet_groups()


# --- replication groups ---------------------------------------------------------------------------------------------


def _install_groups() -> None:
    @wrap(ReplicationGroup, "__init__")
    def init(original: Any, self: Any, **arguments: Any) -> None:
        original(self, **arguments)
        self.auth_token, self.former_auth_token = arguments.get("auth_token"), None
        self.engine_version = full_version(self.engine, self.engine_version)
        self.auto_minor_version_upgrade = self.auto_minor_version_upgrade is not False
        self.preferred_maintenance_window = self.preferred_maintenance_window or DEFAULT_MAINTENANCE_WINDOW
        self.transit_encryption_mode = self.transit_encryption_mode or ("required" if self.transit_encryption_enabled else None)
        self.region_name, self.account_id = arguments["region_name"], arguments["account_id"]
        if self.cluster_mode == "disabled":
            wanted = arguments.get("num_cache_clusters") or 1 + (arguments.get("replicas_per_node_group") or 0)
            resize(self, wanted, arguments.get("preferred_cache_cluster_azs") or [])
        if not runtime.standalone:
            self.status = "creating"

    @wrap(ElastiCacheResponse, "modify_replication_group")
    def modify_replication_group(original: Any, self: Any) -> Any:
        answer = original(self)
        group = answer.result["ReplicationGroup"]
        for parameter, attribute in _MODIFIABLE.items():
            if (value := self._get_param(parameter)) is not None:
                setattr(group, attribute, value)
        group.engine_version = full_version(group.engine, group.engine_version)
        strategy = self._get_param("AuthTokenUpdateStrategy") or "ROTATE"
        if (token := self._get_param("AuthToken")) is not None:
            if strategy == "SET":
                group.former_auth_token = None
            elif token != group.auth_token:
                group.former_auth_token = group.auth_token
            group.auth_token, group.auth_token_enabled = token, True
        if strategy == "DELETE":
            group.auth_token, group.former_auth_token, group.auth_token_enabled = None, None, False
        return answer

    @wrap(ElastiCacheBackend, "delete_replication_group")
    def delete_replication_group(original: Any, self: Any, replication_group_id: str, retain_primary_cluster: bool | None) -> Any:
        group = original(self, replication_group_id, retain_primary_cluster)
        del self.replication_groups[replication_group_id]
        return group


def full_version(engine: str, version: str | None) -> str:
    """A complete engine version, as AWS reports it, of one that may name less: 7.1 -> 7.1.0."""
    latest = LATEST_VERSIONS.get(engine, LATEST_VERSIONS["redis"])
    if not version or f"{latest}.".startswith(f"{version.removesuffix('.x')}."):
        return latest
    return version if version.count(".") == 2 else f"{version}.0"


def resize(group: Any, count: int, zones: list[str]) -> None:
    """Give the group's only shard `count` nodes, the first one the primary."""
    shard = group.node_groups[0]
    domain = shard["primary_endpoint_address"].removeprefix("master.")
    zones = zones or [f"{group.region_name}{letter}" for letter in "abc"]
    names = [f"{group.replication_group_id}-{number:03d}" for number in range(1, count + 1)]
    shard["node_group_members"] = [
        {
            "cache_cluster_id": name,
            "cache_node_id": "0001",
            "read_endpoint": {"address": f"{name}.{domain}", "port": group.port},
            "preferred_availability_zone": zones[index % len(zones)],
            "current_role": "replica" if index else "primary",
        }
        for index, name in enumerate(names)
    ]
    shard["reader_endpoint"] = {"address": shard["reader_endpoint_address"], "port": group.port}
    group.member_clusters[:] = names


def _install_replica_counts() -> None:
    def change(self: Any) -> ActionResult:
        group = self.elasticache_backend.describe_replication_groups(self._get_param("ReplicationGroupId"))[0]
        resize(group, 1 + self._get_int_param("NewReplicaCount"), [])
        return ActionResult({"ReplicationGroup": group})

    add(ElastiCacheResponse, "increase_replica_count")(change)
    add(ElastiCacheResponse, "decrease_replica_count")(change)


# --- nodes ----------------------------------------------------------------------------------------------------------


def node(group: Any, member: dict[str, Any]) -> CacheCluster:
    """One node of a replication group as DescribeCacheClusters shows it."""
    cluster = CacheCluster(
        account_id=group.account_id,
        region_name=group.region_name,
        cache_cluster_id=member["cache_cluster_id"],
        cache_node_type=group.cache_node_type,
        replication_group_id=group.replication_group_id,
        az_mode=None,
        preferred_availability_zone=member["preferred_availability_zone"],
        num_cache_nodes=1,
        engine="redis",  # moto gives valkey no node count; the engine is set below
        engine_version=group.engine_version,
        cache_parameter_group_name=group.cache_parameter_group_name,
        cache_subnet_group_name=group.cache_subnet_group_name,
        transit_encryption_enabled=group.transit_encryption_enabled,
        network_type=group.network_type,
        ip_discovery=group.ip_discovery,
        snapshot_name=None,
        preferred_maintenance_window=group.preferred_maintenance_window,
        port=group.port,
        notification_topic_arn=group.notification_topic_arn,
        auto_minor_version_upgrade=group.auto_minor_version_upgrade,
        snapshot_retention_limit=group.snapshot_retention_limit,
        snapshot_window=group.snapshot_window,
        auth_token=group.auth_token,
        outpost_mode=None,
        preferred_outpost_arn=None,
        preferred_availability_zones=None,
        cache_security_group_names=None,
        security_group_ids=group.security_group_ids,
        tags=None,
        snapshot_arns=None,
        preferred_outpost_arns=None,
        log_delivery_configurations=[],
        cache_node_ids_to_remove=None,
        cache_node_ids_to_reboot=None,
    )
    family = "redis7" if group.engine == "redis" else "valkey8"
    vars(cluster).update(
        engine=group.engine,
        status=group.status,
        cache_cluster_status=group.status,
        at_rest_encryption_enabled=group.at_rest_encryption_enabled,
        security_groups=[{"SecurityGroupId": name, "Status": "active"} for name in group.security_group_ids or []],
        cache_parameter_group={
            "CacheParameterGroupName": group.cache_parameter_group_name or f"default.{family}",
            "ParameterApplyStatus": "in-sync",
        },
        cache_nodes=[
            {
                "CacheNodeId": "0001",
                "CacheNodeStatus": group.status,
                "Endpoint": member["read_endpoint"],
                "ParameterGroupStatus": "in-sync",
                "CustomerAvailabilityZone": member["preferred_availability_zone"],
            }
        ],
    )
    return cluster


def _install_nodes() -> None:
    @wrap(ElastiCacheBackend, "describe_cache_clusters")
    def describe_cache_clusters(original: Any, self: Any, cache_cluster_id: str | None = None) -> list[Any]:
        nodes = {
            member["cache_cluster_id"]: node(group, member)
            for group in self.replication_groups.values()
            if group.cluster_mode == "disabled"
            for member in group.node_groups[0]["node_group_members"]
        }
        if cache_cluster_id in nodes:
            return [nodes[cache_cluster_id]]
        single: list[Any] = original(self, cache_cluster_id)
        return single if cache_cluster_id else single + list(nodes.values())


# --- parameter groups -----------------------------------------------------------------------------------------------


def _parameter_groups(response: Any) -> dict[str, dict[str, Any]]:
    """Name -> {"group": what DescribeCacheParameterGroups shows, "parameters": {name: value}} of a region."""
    groups: dict[str, dict[str, Any]] = response.elasticache_backend.__dict__.setdefault("sandbox_parameter_groups", {})
    return groups


def _parameter_group(response: Any) -> dict[str, Any]:
    name = response._get_param("CacheParameterGroupName")
    groups = _parameter_groups(response)
    if name not in groups:
        raise CacheError("CacheParameterGroupNotFound", f"CacheParameterGroup {name} not found.")
    return groups[name]


def _install_parameter_groups() -> None:
    @add(ElastiCacheResponse, "create_cache_parameter_group")
    def create(self: Any) -> ActionResult:
        name, groups, backend = self._get_param("CacheParameterGroupName"), _parameter_groups(self), self.elasticache_backend
        if name in groups:
            raise CacheError("CacheParameterGroupAlreadyExists", f"CacheParameterGroup {name} already exists.")
        group = {
            "CacheParameterGroupName": name,
            "CacheParameterGroupFamily": self._get_param("CacheParameterGroupFamily"),
            "Description": self._get_param("Description"),
            "IsGlobal": False,
            "ARN": f"arn:aws:elasticache:{backend.region_name}:{backend.account_id}:parametergroup:{name}",
        }
        groups[name] = {"group": group, "parameters": {}}
        backend.tagging_service.tag_resource(group["ARN"], self._get_param("Tags", []))
        return ActionResult({"CacheParameterGroup": group})

    @add(ElastiCacheResponse, "describe_cache_parameter_groups")
    def describe_groups(self: Any) -> ActionResult:
        wanted = [_parameter_group(self)] if self._get_param("CacheParameterGroupName") else _parameter_groups(self).values()
        return ActionResult({"CacheParameterGroups": [entry["group"] for entry in wanted]})

    @add(ElastiCacheResponse, "describe_cache_parameters")
    def describe_parameters(self: Any) -> ActionResult:
        parameters = _parameter_group(self)["parameters"]
        return ActionResult(
            {
                "Parameters": [
                    {"ParameterName": name, "ParameterValue": value, "Source": "user", "IsModifiable": True, "DataType": "string"}
                    for name, value in sorted(parameters.items())
                ]
            }
        )

    @add(ElastiCacheResponse, "modify_cache_parameter_group")
    def modify(self: Any) -> ActionResult:
        pairs = self._get_param("ParameterNameValues", [])
        _parameter_group(self)["parameters"].update({pair["ParameterName"]: pair["ParameterValue"] for pair in pairs})
        return ActionResult({"CacheParameterGroupName": self._get_param("CacheParameterGroupName")})

    @add(ElastiCacheResponse, "reset_cache_parameter_group")
    def reset(self: Any) -> ActionResult:
        parameters = _parameter_group(self)["parameters"]
        if self._get_param("ResetAllParameters"):
            parameters.clear()
        for pair in self._get_param("ParameterNameValues", []):
            parameters.pop(pair["ParameterName"], None)
        return ActionResult({"CacheParameterGroupName": self._get_param("CacheParameterGroupName")})

    @add(ElastiCacheResponse, "delete_cache_parameter_group")
    def delete(self: Any) -> EmptyResult:
        _parameter_group(self)
        del _parameter_groups(self)[self._get_param("CacheParameterGroupName")]
        return EmptyResult()


# --- subnet groups --------------------------------------------------------------------------------------------------


def _install_subnet_groups() -> None:
    @wrap(CacheSubnetGroup, "__init__")
    def init(original: Any, self: Any, **arguments: Any) -> None:
        original(self, **arguments)
        for subnet in self.subnets:
            if isinstance(zone := subnet.get("subnet_availability_zone"), str):
                subnet["subnet_availability_zone"] = {"Name": zone}

    @add(ElastiCacheResponse, "modify_cache_subnet_group")
    def modify(self: Any) -> ActionResult:
        backend, name = self.elasticache_backend, self._get_param("CacheSubnetGroupName")
        group = backend.describe_cache_subnet_groups(name)[0]
        backend.cache_subnet_groups[name] = changed = CacheSubnetGroup(
            account_id=backend.account_id,
            region_name=backend.region_name,
            cache_subnet_group_name=name,
            cache_subnet_group_description=self._get_param("CacheSubnetGroupDescription", group.cache_subnet_group_description),
            subnet_ids=self._get_param("SubnetIds", group.subnet_ids),
            tags=group.tags,
        )
        return ActionResult({"CacheSubnetGroup": changed})

    @add(ElastiCacheResponse, "delete_cache_subnet_group")
    def delete(self: Any) -> EmptyResult:
        backend, name = self.elasticache_backend, self._get_param("CacheSubnetGroupName")
        if name not in backend.cache_subnet_groups:
            raise CacheSubnetGroupNotFound(name)
        if any(group.cache_subnet_group_name == name for group in backend.replication_groups.values()):
            raise CacheError("CacheSubnetGroupInUse", f"Cache subnet group {name} is in use by a replication group.")
        del backend.cache_subnet_groups[name]
        return EmptyResult()

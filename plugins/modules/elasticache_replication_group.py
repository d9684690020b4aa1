#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: elasticache_replication_group
version_added: 0.1.0
short_description: Manage an ElastiCache replication group with one shard
description:
  - Creates, changes and deletes a Redis or Valkey replication group, a primary with its replicas.
  - Changes are applied at once, not in the maintenance window. A change that AWS has accepted and not yet finished is no difference.
options:
  name:
    description: Id of the replication group.
    type: str
    required: true
  description:
    description: What the group is for. The name when left out at creation.
    type: str
  engine:
    description: Cache engine. Cannot be changed by this module.
    type: str
    choices: [redis, valkey]
    default: redis
  engine_version:
    description: Engine version, for example V(7.1). Only the declared parts are compared, so that V(7.1) accepts 7.1.0.
    type: str
  node_type:
    description: Node type, for example V(cache.t3.medium). Required to create.
    type: str
  num_cache_clusters:
    description: Number of nodes, the primary included.
    type: int
  automatic_failover:
    description: Whether a replica takes over when the primary fails. Needs two nodes or more.
    type: bool
  multi_az:
    description: Whether the nodes stand in different availability zones. Needs O(automatic_failover).
    type: bool
  port:
    description: Port of every node. Cannot be changed later.
    type: int
  transit_encryption:
    description:
      - Whether clients must use TLS. Cannot be changed by this module.
      - Where they must, a group that also takes connections in plain text (AWS calls the mode C(preferred)) is made to refuse them.
    type: bool
  auth_token:
    description:
      - Password that clients must send, 16 to 128 printable characters. Needs O(transit_encryption).
      - AWS never tells it, so only its presence is compared. It is given at creation and not changed afterwards.
    type: str
  at_rest_encryption:
    description: Whether disk and snapshots are encrypted. Cannot be changed later.
    type: bool
  kms_key_arn:
    description: Key of the encryption at rest. Cannot be changed later.
    type: str
  subnet_group_name:
    description: Subnet group. Cannot be changed later.
    type: str
  security_group_ids:
    description: Security groups of every node.
    type: list
    elements: str
  parameter_group_name:
    description: Parameter group of every node.
    type: str
  snapshot_retention_days:
    description: Days that automatic snapshots are kept, V(0) for none.
    type: int
  snapshot_window:
    description: Daily time range of automatic snapshots in UTC, for example V(03:00-05:00).
    type: str
  maintenance_window:
    description: Weekly time range of maintenance in UTC, for example V(sun:05:00-sun:07:00).
    type: str
  auto_minor_version_upgrade:
    description: Whether AWS installs minor versions in the maintenance window.
    type: bool
  final_snapshot_name:
    description: Snapshot to take before O(state=absent) deletes the group. Without it the cached data are lost.
    type: str
  wait:
    description: Whether to wait until the group is available.
    type: bool
    default: false
  wait_timeout_seconds:
    description: How long O(wait) and the steps of a change that must follow one another may take, each.
    type: int
    default: 1800
extends_documentation_fragment:
  - indivillage.infra.aws_resource
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.tags
  - amazon.aws.boto3
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Start the creation of the cache
  indivillage.infra.elasticache_replication_group:
    name: indivillage-production-cache
    engine_version: "7.1"
    node_type: cache.m5.large
    num_cache_clusters: 3
    automatic_failover: true
    multi_az: true
    transit_encryption: true
    auth_token: "{{ token }}"
    at_rest_encryption: true
    subnet_group_name: indivillage-production-cache

- name: Wait until the cache can be used
  indivillage.infra.elasticache_replication_group:
    name: indivillage-production-cache
    wait: true
"""

RETURN = r"""
resource:
  description: The replication group. Empty after a deletion. In check mode as it would become.
  returned: always
  type: dict
  contains:
    arn:
      description: ARN of the group.
      type: str
      returned: when the group exists
    status:
      description: What AWS is doing with the group; V(available) is the state of rest.
      type: str
      returned: when the group exists
      sample: available
    endpoint:
      description: Where clients write, with C(address) and C(port).
      type: dict
      returned: when AWS has given the group an address
      sample: {address: master.indivillage-production-cache.abc123.use1.cache.amazonaws.com, port: 6379}
    reader_endpoint:
      description: Where clients may read, with C(address) and C(port).
      type: dict
      returned: when AWS has given the group an address
  sample: {name: indivillage-production-cache, status: available, num_cache_clusters: 3}
"""

from typing import Any, ClassVar

from ansible_collections.amazon.aws.plugins.module_utils.botocore import is_boto3_error_code
from ansible_collections.amazon.aws.plugins.module_utils.tagging import ansible_dict_to_boto3_tag_list, boto3_tag_list_to_ansible_dict
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import (
    Properties,
    Resource,
    ResourceError,
    run,
    wait_until,
)

POLL_SECONDS = 10
CREATE_ONLY = {
    "engine": "Engine",
    "port": "Port",
    "transit_encryption": "TransitEncryptionEnabled",
    "at_rest_encryption": "AtRestEncryptionEnabled",
    "kms_key_arn": "KmsKeyId",
    "subnet_group_name": "CacheSubnetGroupName",
}
MODIFIABLE = {
    "description": "ReplicationGroupDescription",
    "engine_version": "EngineVersion",
    "node_type": "CacheNodeType",
    "automatic_failover": "AutomaticFailoverEnabled",
    "multi_az": "MultiAZEnabled",
    "security_group_ids": "SecurityGroupIds",
    "parameter_group_name": "CacheParameterGroupName",
    "snapshot_retention_days": "SnapshotRetentionLimit",
    "snapshot_window": "SnapshotWindow",
    "maintenance_window": "PreferredMaintenanceWindow",
    "auto_minor_version_upgrade": "AutoMinorVersionUpgrade",
}


class ReplicationGroup(Resource):
    service = "elasticache"
    kind = "replication group"
    options: ClassVar[dict[str, Any]] = {
        "name": {"required": True},
        "description": {},
        "engine": {"choices": ["redis", "valkey"], "default": "redis"},
        "engine_version": {},
        "node_type": {},
        "num_cache_clusters": {"type": "int"},
        "automatic_failover": {"type": "bool"},
        "multi_az": {"type": "bool"},
        "port": {"type": "int"},
        "transit_encryption": {"type": "bool"},
        "auth_token": {"no_log": True},
        "at_rest_encryption": {"type": "bool"},
        "kms_key_arn": {"no_log": False},
        "subnet_group_name": {},
        "security_group_ids": {"type": "list", "elements": "str"},
        "parameter_group_name": {},
        "snapshot_retention_days": {"type": "int"},
        "snapshot_window": {},
        "maintenance_window": {},
        "auto_minor_version_upgrade": {"type": "bool"},
        "final_snapshot_name": {},
        "wait": {"type": "bool", "default": False},
        "wait_timeout_seconds": {"type": "int", "default": 1800},
    }
    properties = (*CREATE_ONLY, *MODIFIABLE, "num_cache_clusters")  # and what declared adds
    immutable = frozenset(CREATE_ONLY) | {"authentication"}
    deferred = frozenset(MODIFIABLE) | {"num_cache_clusters", "refuses_plain_text"}

    def declared(self) -> Properties:
        if self.params["auth_token"] and not self.params["transit_encryption"]:
            raise ResourceError("auth_token needs transit_encryption: true; AWS sends no password over an open connection.")
        if self.params["multi_az"] and not self.params["automatic_failover"]:
            raise ResourceError("multi_az needs automatic_failover: true.")
        return super().declared() | {
            "authentication": True if self.params["auth_token"] else None,
            "refuses_plain_text": self.params["transit_encryption"] or None,
        }

    def find(self) -> Properties | None:
        group = self._describe()
        if group is None or group["Status"] == "deleting":
            return None
        pending = group.get("PendingModifiedValues", {})
        shard: dict[str, Any] = next(iter(group.get("NodeGroups", [])), {})
        endpoint = _endpoint(shard.get("PrimaryEndpoint"))
        return {
            "name": self.name,
            "arn": group["ARN"],
            "status": group["Status"],
            "endpoint": endpoint,
            "reader_endpoint": _endpoint(shard.get("ReaderEndpoint")),
            **({"port": endpoint["port"]} if endpoint else {}),
            "description": group["Description"],
            "engine": group.get("Engine", self.params["engine"]),
            "node_type": group["CacheNodeType"],
            "num_cache_clusters": len(group["MemberClusters"]),
            # A change under way reads "enabling", a scheduled one stands in the pending values.
            "automatic_failover": pending.get("AutomaticFailoverStatus", group["AutomaticFailover"]).startswith("enabl"),
            "multi_az": group["MultiAZ"] == "enabled",
            "transit_encryption": group["TransitEncryptionEnabled"],
            "refuses_plain_text": (pending.get("TransitEncryptionMode") or group.get("TransitEncryptionMode")) != "preferred",
            "authentication": group["AuthTokenEnabled"],
            "at_rest_encryption": group["AtRestEncryptionEnabled"],
            "kms_key_arn": group.get("KmsKeyId"),
            "snapshot_retention_days": group["SnapshotRetentionLimit"],
            "snapshot_window": group["SnapshotWindow"],
            **self._node(group["MemberClusters"]),
            "tags": boto3_tag_list_to_ansible_dict(self.client.list_tags_for_resource(ResourceName=group["ARN"])["TagList"]),
        }

    def _describe(self) -> dict[str, Any] | None:
        try:
            groups: list[dict[str, Any]] = self.client.describe_replication_groups(ReplicationGroupId=self.name)["ReplicationGroups"]
        except is_boto3_error_code("ReplicationGroupNotFoundFault"):
            return None
        return groups[0]

    def _node(self, members: list[str]) -> Properties:
        """What AWS reports for the nodes only; nothing while they do not exist yet."""
        if not members:
            return {}
        try:
            node = self.client.describe_cache_clusters(CacheClusterId=members[0])["CacheClusters"][0]
        except is_boto3_error_code(["CacheClusterNotFound", "CacheClusterNotFoundFault"]):
            return {}
        version = node.get("PendingModifiedValues", {}).get("EngineVersion", node["EngineVersion"])
        return {
            "engine_version": self._as_declared(version),
            "node_type": node.get("PendingModifiedValues", {}).get("CacheNodeType", node["CacheNodeType"]),
            "subnet_group_name": node["CacheSubnetGroupName"],
            "security_group_ids": [group["SecurityGroupId"] for group in node["SecurityGroups"]],
            "parameter_group_name": node["CacheParameterGroup"]["CacheParameterGroupName"],
            "maintenance_window": node["PreferredMaintenanceWindow"],
            "auto_minor_version_upgrade": node["AutoMinorVersionUpgrade"],
        }

    def _as_declared(self, version: str) -> str:
        declared = self.params["engine_version"]
        return declared if declared and f"{version}.".startswith(f"{declared}.") else version

    def create(self, wanted: Properties, tags: dict[str, str]) -> None:
        if not wanted.get("node_type"):
            raise ResourceError("node_type is required to create it.")
        calls = CREATE_ONLY | MODIFIABLE | {"num_cache_clusters": "NumCacheClusters"}
        self.client.create_replication_group(
            ReplicationGroupId=self.name,
            **({"ReplicationGroupDescription": self.name} | {calls[key]: value for key, value in wanted.items() if key in calls}),
            **({"AuthToken": self.params["auth_token"]} if self.params["auth_token"] else {}),
            **({"Tags": ansible_dict_to_boto3_tag_list(tags)} if tags else {}),
        )

    def update(self, current: Properties, changes: Properties) -> None:
        # Replicas must exist before failover is switched on, and may only go after it is switched off.
        grows = changes.get("num_cache_clusters", 0) > current["num_cache_clusters"]
        for resizes in (grows, not grows):
            self._await_available()
            if resizes:
                self._resize(current, changes)
            else:
                self._modify(changes)

    def _modify(self, changes: Properties) -> None:
        values = {MODIFIABLE[key]: value for key, value in changes.items() if key in MODIFIABLE}
        if "refuses_plain_text" in changes:
            values |= {"TransitEncryptionEnabled": True, "TransitEncryptionMode": "required"}
        if values:
            self.client.modify_replication_group(ReplicationGroupId=self.name, ApplyImmediately=True, **values)

    def _resize(self, current: Properties, changes: Properties) -> None:
        if "num_cache_clusters" in changes:
            grows = changes["num_cache_clusters"] > current["num_cache_clusters"]
            resize = self.client.increase_replica_count if grows else self.client.decrease_replica_count
            resize(ReplicationGroupId=self.name, NewReplicaCount=changes["num_cache_clusters"] - 1, ApplyImmediately=True)

    def settle(self, current: Properties) -> Properties:
        if not self.params["wait"] or current["status"] == "available":
            return current
        self._await_available()
        return self.find() or current

    def _await_available(self) -> None:
        wait_until(
            lambda: (self._describe() or {}).get("Status") == "available",
            f"{self} to become available",
            self.params["wait_timeout_seconds"],
            POLL_SECONDS,
        )

    def delete(self, current: Properties) -> None:
        snapshot = {"FinalSnapshotIdentifier": self.params["final_snapshot_name"]} if self.params["final_snapshot_name"] else {}
        self.client.delete_replication_group(ReplicationGroupId=self.name, RetainPrimaryCluster=False, **snapshot)
        if self.params["wait"]:
            wait_until(lambda: self._describe() is None, f"{self} to be gone", self.params["wait_timeout_seconds"], POLL_SECONDS)

    def tag(self, current: Properties, add: dict[str, str], remove: list[str]) -> None:
        if remove:
            self.client.remove_tags_from_resource(ResourceName=current["arn"], TagKeys=remove)
        if add:
            self.client.add_tags_to_resource(ResourceName=current["arn"], Tags=ansible_dict_to_boto3_tag_list(add))


def _endpoint(value: dict[str, Any] | None) -> Properties | None:
    return {"address": value["Address"], "port": value["Port"]} if value else None


def main() -> None:
    run(ReplicationGroup)


if __name__ == "__main__":
    main()

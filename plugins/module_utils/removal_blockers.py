# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What still uses a resource that AWS refuses to delete: AWS says that something does, and hardly ever what."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ansible_collections.indivillage.infra.plugins.module_utils.removal_facts import interface_maker
from ansible_collections.indivillage.infra.plugins.module_utils.removal_steps import Removal

Clients = Callable[[str], Any]
Finder = Callable[[Clients, Removal], Iterator[str]]


def blockers(clients: Clients, removal: Removal) -> list[str]:
    """What uses the resource, each as words for a message; empty when nothing is to be seen."""
    finder = _FINDERS.get(removal.kind)
    return sorted(set(finder(clients, removal))) if finder else []


def kept_for(clients: Clients, removal: Removal) -> str | None:
    """Why a resource stays although nothing blocks it: it holds backups, or is a key without which what stays could never be read."""
    if removal.kind == "backup:backup-vault" and removal.final_snapshot:
        held = sum(1 for _point in _backups(clients, removal.id))
        return f"it holds {held} backups" if held else None
    if removal.kind != "kms:key":
        return None
    database = _pages(clients("rds"), "describe_db_snapshots", "DBSnapshots", SnapshotType="manual")
    volume = _pages(clients("ec2"), "describe_snapshots", "Snapshots", OwnerIds=["self"])
    names = [item["DBSnapshotIdentifier"] for item in database if item.get("KmsKeyId") == removal.arn]
    names += [item["SnapshotId"] for item in volume if item.get("KmsKeyId") == removal.arn]
    staying = [f"snapshot {name}" for name in sorted(set(names) - removal.alongside)]
    for vault in _pages(clients("backup"), "list_backup_vaults", "BackupVaultList"):
        name = vault["BackupVaultName"]
        stays = name not in removal.alongside or (removal.final_snapshot and any(_backups(clients, name)))
        staying += [f"vault {name}"] if stays and vault.get("EncryptionKeyArn") == removal.arn else []
    return f"{', '.join(staying)} could not be read without it" if staying else None


def _backups(clients: Clients, vault: str) -> Iterator[Any]:
    return _pages(clients("backup"), "list_recovery_points_by_backup_vault", "RecoveryPoints", BackupVaultName=vault)


def _pages(client: Any, operation: str, key: str, **arguments: Any) -> Iterator[Any]:
    for page in client.get_paginator(operation).paginate(**arguments):
        yield from page.get(key, [])


def _filter(name: str, value: str) -> list[dict[str, Any]]:
    return [{"Name": name, "Values": [value]}]


def _interfaces(filter_name: str) -> Finder:
    def find(clients: Clients, removal: Removal) -> Iterator[str]:
        filters = _filter(filter_name, removal.id)
        for interface in _pages(clients("ec2"), "describe_network_interfaces", "NetworkInterfaces", Filters=filters):
            owner = interface_maker(interface) or _attached(interface.get("Attachment", {}))
            yield f"network interface {interface['NetworkInterfaceId']}" + (f" of {owner}" if owner else "")

    return find


def _attached(attachment: Mapping[str, Any]) -> str | None:
    return f"instance {attachment['InstanceId']}" if attachment.get("InstanceId") else None


def _security_group(clients: Clients, removal: Removal) -> Iterator[str]:
    yield from _interfaces("group-id")(clients, removal)
    for name in ("ip-permission.group-id", "egress.ip-permission.group-id"):
        for group in _pages(clients("ec2"), "describe_security_groups", "SecurityGroups", Filters=_filter(name, removal.id)):
            if group["GroupId"] not in removal.alongside | {removal.id}:
                yield f"a rule of security group {group['GroupId']} ({group['GroupName']})"


def _subnet(clients: Clients, removal: Removal) -> Iterator[str]:
    yield from _interfaces("subnet-id")(clients, removal)
    for gateway in _pages(clients("ec2"), "describe_nat_gateways", "NatGateways", Filters=_filter("subnet-id", removal.id)):
        if gateway["State"] != "deleted":
            yield f"NAT gateway {gateway['NatGatewayId']}"


def _vpc(clients: Clients, removal: Removal) -> Iterator[str]:
    client, filters = clients("ec2"), _filter("vpc-id", removal.id)
    yield from (f"subnet {subnet['SubnetId']}" for subnet in _pages(client, "describe_subnets", "Subnets", Filters=filters))
    for endpoint in _pages(client, "describe_vpc_endpoints", "VpcEndpoints", Filters=filters):
        if endpoint["State"].lower() != "deleted":
            yield f"VPC endpoint {endpoint['VpcEndpointId']}"
    for group in _pages(client, "describe_security_groups", "SecurityGroups", Filters=filters):
        if group["GroupName"] != "default":
            yield f"security group {group['GroupId']} ({group['GroupName']})"
    for table in _pages(client, "describe_route_tables", "RouteTables", Filters=filters):
        if not any(association.get("Main") for association in table["Associations"]):
            yield f"route table {table['RouteTableId']}"
    for gateway in _pages(client, "describe_internet_gateways", "InternetGateways", Filters=_filter("attachment.vpc-id", removal.id)):
        yield f"internet gateway {gateway['InternetGatewayId']}"
    yield from _interfaces("vpc-id")(clients, removal)


def _gateway(clients: Clients, removal: Removal) -> Iterator[str]:
    """Public addresses in the VPC keep its gateway from being detached."""
    client = clients("ec2")
    for gateway in _pages(client, "describe_internet_gateways", "InternetGateways", Filters=_filter("internet-gateway-id", removal.id)):
        for attachment in gateway["Attachments"]:
            filters = _filter("vpc-id", attachment["VpcId"])
            for interface in _pages(client, "describe_network_interfaces", "NetworkInterfaces", Filters=filters):
                if interface.get("Association", {}).get("PublicIp"):
                    owner = interface_maker(interface) or f"network interface {interface['NetworkInterfaceId']}"
                    yield f"the public address {interface['Association']['PublicIp']} of {owner}"


def _associations(operation: str, key: str, filter_name: str) -> Finder:
    def find(clients: Clients, removal: Removal) -> Iterator[str]:
        for item in _pages(clients("ec2"), operation, key, Filters=_filter(filter_name, removal.id)):
            yield from (f"subnet {association['SubnetId']}" for association in item["Associations"] if association.get("SubnetId"))

    return find


def _volume(clients: Clients, removal: Removal) -> Iterator[str]:
    for volume in _pages(clients("ec2"), "describe_volumes", "Volumes", Filters=_filter("volume-id", removal.id)):
        yield from (f"instance {attachment['InstanceId']}" for attachment in volume["Attachments"])


def _interface(clients: Clients, removal: Removal) -> Iterator[str]:
    filters = _filter("network-interface-id", removal.id)
    for interface in _pages(clients("ec2"), "describe_network_interfaces", "NetworkInterfaces", Filters=filters):
        if owner := _attached(interface.get("Attachment", {})):
            yield owner


def _address(clients: Clients, removal: Removal) -> Iterator[str]:
    for address in clients("ec2").describe_addresses(Filters=_filter("allocation-id", removal.id))["Addresses"]:
        if address.get("AssociationId"):
            owner = address.get("InstanceId") and f"instance {address['InstanceId']}"
            yield owner or f"network interface {address.get('NetworkInterfaceId')}"


def _snapshot(clients: Clients, removal: Removal) -> Iterator[str]:
    filters = _filter("block-device-mapping.snapshot-id", removal.id)
    yield from (f"image {image['ImageId']}" for image in clients("ec2").describe_images(Filters=filters)["Images"])


def _target_group(clients: Clients, removal: Removal) -> Iterator[str]:
    for group in clients("elbv2").describe_target_groups(TargetGroupArns=[removal.arn])["TargetGroups"]:
        yield from (f"load balancer {arn.split('/')[-2]}" for arn in group["LoadBalancerArns"])


def _certificate(clients: Clients, removal: Removal) -> Iterator[str]:
    yield from clients("acm").describe_certificate(CertificateArn=removal.arn)["Certificate"].get("InUseBy", [])


def _databases(uses: Callable[[dict[str, Any], str], bool]) -> Finder:
    def find(clients: Clients, removal: Removal) -> Iterator[str]:
        for database in _pages(clients("rds"), "describe_db_instances", "DBInstances"):
            if uses(database, removal.id):
                yield f"database {database['DBInstanceIdentifier']}"

    return find


def _caches(clients: Clients, removal: Removal) -> Iterator[str]:
    for cluster in _pages(clients("elasticache"), "describe_cache_clusters", "CacheClusters"):
        if cluster.get("CacheSubnetGroupName") == removal.id:
            yield f"cache {cluster.get('ReplicationGroupId') or cluster['CacheClusterId']}"


def _policy(clients: Clients, removal: Removal) -> Iterator[str]:
    for page in clients("iam").get_paginator("list_entities_for_policy").paginate(PolicyArn=removal.arn):
        for key, name, title in (
            ("PolicyRoles", "RoleName", "role"),
            ("PolicyUsers", "UserName", "user"),
            ("PolicyGroups", "GroupName", "group"),
        ):
            yield from (f"{title} {entity[name]}" for entity in page.get(key, []))


def _role(clients: Clients, removal: Removal) -> Iterator[str]:
    for profile in _pages(clients("iam"), "list_instance_profiles_for_role", "InstanceProfiles", RoleName=removal.id):
        yield f"instance profile {profile['InstanceProfileName']}"


_FINDERS: dict[str, Finder] = {
    "acm:certificate": _certificate,
    "ec2:elastic-ip": _address,
    "ec2:internet-gateway": _gateway,
    "ec2:network-acl": _associations("describe_network_acls", "NetworkAcls", "network-acl-id"),
    "ec2:network-interface": _interface,
    "ec2:route-table": _associations("describe_route_tables", "RouteTables", "route-table-id"),
    "ec2:security-group": _security_group,
    "ec2:snapshot": _snapshot,
    "ec2:subnet": _subnet,
    "ec2:volume": _volume,
    "ec2:vpc": _vpc,
    "elasticache:subnetgroup": _caches,
    "elasticloadbalancing:targetgroup": _target_group,
    "iam:policy": _policy,
    "iam:role": _role,
    "rds:pg": _databases(lambda database, name: name in (group["DBParameterGroupName"] for group in database["DBParameterGroups"])),
    "rds:subgrp": _databases(lambda database, name: database["DBSubnetGroup"]["DBSubnetGroupName"] == name),
}

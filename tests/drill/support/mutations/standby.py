# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes to what stands in the second region, and to what joins the two."""

from __future__ import annotations

from functools import partial
from typing import Any

from tests.drill.support.mutations.model import DR, PREFIX, Account, mutation
from tests.drill.support.mutations.storage import DATABASE_CHANGES

REPLICAS = "Make the replicas of the database"
CREDENTIALS = "Make the credentials of the database, once"
REPLICA_BACKUPS = "Set how long backups of the replicas are kept"
GATEWAY = "Make the transit gateway"
ATTACHMENT = "Attach the VPC to the transit gateway"
JOIN = "Join the transit gateways"
TRANSIT_ROUTES = "Route between the regions"
TO_DR, TO_PRIMARY = "us-east-1 to 10.11.0.0/16", "us-west-2 to 10.10.0.0/16"

# --- replicas of the database ---


def _modify_replica(account: Account, name: str, **changes: Any) -> None:
    account.client("rds").modify_db_instance(DBInstanceIdentifier=f"{PREFIX}-db-{name}", ApplyImmediately=True, **changes)


@mutation("database replica", "class changed", REPLICAS, "replica", operation="ModifyDBInstance", argument="db_instance_class",
          field="DBInstanceClass")  # fmt: skip
def replica_class_changed(account: Account) -> None:
    _modify_replica(account, "replica", DBInstanceClass="db.r5.large")


@mutation("database replica", "parameter group exchanged", REPLICAS, "replica", operation="ModifyDBInstance",
          argument="db_parameter_group_name", field="DBParameterGroups")  # fmt: skip
def replica_parameter_group_exchanged(account: Account) -> None:
    _modify_replica(account, "replica", DBParameterGroupName="default.postgres17")


@mutation("database replica", "security group exchanged", REPLICAS, "dr-replica", operation="ModifyDBInstance",
          argument="vpc_security_group_ids", field="VpcSecurityGroups", host=DR)  # fmt: skip
def replica_group_exchanged(account: Account) -> None:
    _modify_replica(account, "dr-replica", VpcSecurityGroupIds=[account.group_id("bastion")])


@mutation("database replica", "deletion protection set", REPLICAS, "dr-replica", operation="ModifyDBInstance",
          argument="deletion_protection", field="DeletionProtection", host=DR)  # fmt: skip
def replica_protected(account: Account) -> None:
    _modify_replica(account, "dr-replica", DeletionProtection=True)


# A plan names what the API calls otherwise than a database does only where nothing else differs.
_UNNAMED = ("port", "enable_cloudwatch_logs_exports", "enable_performance_insights")
for _argument, _field, _what, _changes in DATABASE_CHANGES:
    if _argument not in ("deletion_protection", "db_parameter_group_name"):
        mutation(
            "database replica",
            _what,
            REPLICAS,
            "replica",
            operation="ModifyDBInstance",
            argument=_argument,
            field="" if _argument in _UNNAMED else _field,
            name=f"replica_{_argument}_changed",
        )(partial(_modify_replica, name="replica", **_changes))


@mutation("database replica", "tag removed", REPLICAS, "dr-replica", operation="AddTagsToResource", argument="tags", field="Tags.Project",
          host=DR)  # fmt: skip
def replica_tag_removed(account: Account) -> None:
    replica = account.one("rds", "describe_db_instances", "DBInstances", DBInstanceIdentifier=f"{PREFIX}-db-dr-replica")
    account.client("rds").remove_tags_from_resource(ResourceName=replica["DBInstanceArn"], TagKeys=["Project"])


@mutation("database replica", "backups switched off", REPLICA_BACKUPS, "dr-replica", operation="ModifyDBInstance",
          argument="backup_retention_period", host=DR)  # fmt: skip
def replica_backups_switched_off(account: Account) -> None:
    _modify_replica(account, "dr-replica", BackupRetentionPeriod=0)


@mutation("database replica", "deleted", REPLICAS, "replica", operation="CreateDBInstanceReadReplica",
          argument=("db_instance_identifier", "read_replica", "source_db_instance_identifier"), alone=True)  # fmt: skip
def replica_deleted(account: Account) -> None:
    account.client("rds").delete_db_instance(DBInstanceIdentifier=f"{PREFIX}-db-replica", SkipFinalSnapshot=True)


@mutation("database replica", "promoted", REPLICAS, reason="a database that has been written to is no copy any more, and stays", host=DR)
def replica_promoted(account: Account) -> None:
    account.client("rds").promote_read_replica(DBInstanceIdentifier=f"{PREFIX}-db-dr-replica")


# --- copies of secrets ---

SECRET = f"/indivillage/{PREFIX.rpartition('-')[2]}/database/credentials"


@mutation("secret", "copy in the other region removed", CREDENTIALS, operation="ReplicateSecretToRegions", argument="replicas",
          field="ReplicationStatus")  # fmt: skip
def secret_copy_removed(account: Account) -> None:
    account.client("secretsmanager").remove_regions_from_replication(SecretId=SECRET, RemoveReplicaRegions=["us-west-2"])


@mutation("secret", "copy in a region too many", CREDENTIALS, operation="RemoveRegionsFromReplication", argument="replicas", alone=True)
def secret_copy_added(account: Account) -> None:
    account.client("secretsmanager").replicate_secret_to_regions(SecretId=SECRET, AddReplicaRegions=[{"Region": "eu-west-1"}])


# --- transit gateways ---


def _gateway(account: Account) -> Any:
    return account.by_tag("describe_transit_gateways", "TransitGateways", "tgw")


def _attachment(account: Account) -> Any:
    return account.by_tag("describe_transit_gateway_vpc_attachments", "TransitGatewayVpcAttachments", "vpc")


def _peering(account: Account) -> str:
    found = account.one("ec2", "describe_transit_gateway_peering_attachments", "TransitGatewayPeeringAttachments")
    return str(found["TransitGatewayAttachmentId"])


def _table(account: Account) -> str:
    return str(_gateway(account)["Options"]["AssociationDefaultRouteTableId"])


def _there(account: Account) -> Account:
    """The account as the standby's region has it."""
    return Account(account.emulator, "us-west-2")


@mutation("transit gateway", "open to other accounts", GATEWAY, operation="ModifyTransitGateway",
          field="Options.AutoAcceptSharedAttachments")  # fmt: skip
def transit_gateway_opened(account: Account) -> None:
    options = {"AutoAcceptSharedAttachments": "enable"}
    account.client("ec2").modify_transit_gateway(TransitGatewayId=_gateway(account)["TransitGatewayId"], Options=options)


@mutation("transit gateway", "number changed", GATEWAY, operation="ModifyTransitGateway", argument="amazon_side_asn",
          field="Options.AmazonSideAsn", host=DR)  # fmt: skip
def transit_gateway_renumbered(account: Account) -> None:
    account.client("ec2").modify_transit_gateway(TransitGatewayId=_gateway(account)["TransitGatewayId"], Options={"AmazonSideAsn": 65000})


@mutation("transit gateway", "description changed", GATEWAY, operation="ModifyTransitGateway", argument="description", field="Description")
def transit_gateway_described(account: Account) -> None:
    account.client("ec2").modify_transit_gateway(TransitGatewayId=_gateway(account)["TransitGatewayId"], Description="changed")


@mutation("transit gateway", "tag removed", GATEWAY, operation="CreateTags", argument="tags", field="Tags.Project", host=DR)
def transit_gateway_tag_removed(account: Account) -> None:
    account.client("ec2").delete_tags(Resources=[_gateway(account)["TransitGatewayId"]], Tags=[{"Key": "Project"}])


@mutation("VPC attachment", "zone taken away", ATTACHMENT, operation="ModifyTransitGatewayVpcAttachment", argument="subnets")
def transit_zone_removed(account: Account) -> None:
    account.client("ec2").modify_transit_gateway_vpc_attachment(
        TransitGatewayAttachmentId=_attachment(account)["TransitGatewayAttachmentId"], RemoveSubnetIds=[account.subnet_id("app-c")]
    )


@mutation("VPC attachment", "appliance mode switched on", ATTACHMENT, operation="ModifyTransitGatewayVpcAttachment",
          argument="appliance_mode_support", host=DR)  # fmt: skip
def transit_appliance_mode(account: Account) -> None:
    account.client("ec2").modify_transit_gateway_vpc_attachment(
        TransitGatewayAttachmentId=_attachment(account)["TransitGatewayAttachmentId"], Options={"ApplianceModeSupport": "enable"}
    )


@mutation("VPC attachment", "names resolved no more, IPv6 let through", ATTACHMENT, operation="ModifyTransitGatewayVpcAttachment",
          argument=("dns_support", "ipv6_support"))  # fmt: skip
def transit_options_changed(account: Account) -> None:
    account.client("ec2").modify_transit_gateway_vpc_attachment(
        TransitGatewayAttachmentId=_attachment(account)["TransitGatewayAttachmentId"],
        Options={"DnsSupport": "disable", "Ipv6Support": "enable"},
    )


@mutation("VPC attachment", "tag removed", ATTACHMENT, operation="CreateTags", argument="tags")
def transit_attachment_tag_removed(account: Account) -> None:
    account.client("ec2").delete_tags(Resources=[_attachment(account)["TransitGatewayAttachmentId"]], Tags=[{"Key": "Project"}])


@mutation("peering", "tag removed", JOIN, "us-west-2", operation="CreateTags", argument="tags", field="Tags.Environment")
def peering_tag_removed(account: Account) -> None:
    account.client("ec2").delete_tags(Resources=[_peering(account)], Tags=[{"Key": "Environment"}])


@mutation("peering", "tag removed in the other region", JOIN, "us-west-2", operation="CreateTags", argument="peer_tags",
          field="Tags.Stack")  # fmt: skip
def peering_tag_removed_there(account: Account) -> None:
    _there(account).client("ec2").delete_tags(Resources=[_peering(account)], Tags=[{"Key": "Stack"}])


@mutation("peering", "deleted", JOIN, "us-west-2", operation="CreateTransitGatewayPeeringAttachment",
          argument=("transit_gateway_id", "peer_transit_gateway_id", "peer_region"), alone=True,
          also=dict.fromkeys([(TRANSIT_ROUTES, TO_DR), (TRANSIT_ROUTES, TO_PRIMARY)], "ReplaceTransitGatewayRoute"))  # fmt: skip
def peering_deleted(account: Account) -> None:
    account.client("ec2").delete_transit_gateway_peering_attachment(TransitGatewayAttachmentId=_peering(account))


@mutation("transit gateway route", "deleted", TRANSIT_ROUTES, TO_DR, operation="CreateTransitGatewayRoute", argument="destination_cidr")
def transit_route_deleted(account: Account) -> None:
    account.client("ec2").delete_transit_gateway_route(TransitGatewayRouteTableId=_table(account), DestinationCidrBlock="10.11.0.0/16")


@mutation("transit gateway route", "led elsewhere", TRANSIT_ROUTES, TO_PRIMARY, operation="ReplaceTransitGatewayRoute",
          argument="transit_gateway_attachment_id")  # fmt: skip
def transit_route_misled(account: Account) -> None:
    there = _there(account)
    there.client("ec2").replace_transit_gateway_route(
        TransitGatewayRouteTableId=_table(there),
        DestinationCidrBlock="10.10.0.0/16",
        TransitGatewayAttachmentId=_attachment(there)["TransitGatewayAttachmentId"],
    )


@mutation("route table", "way to the other region deleted", "Give each tier its way out, or none", "data", operation="CreateRoute",
          argument="routes", field="Routes.10.11.0.0/16")  # fmt: skip
def way_to_the_other_region_deleted(account: Account) -> None:
    account.client("ec2").delete_route(RouteTableId=account.route_table("data")["RouteTableId"], DestinationCidrBlock="10.11.0.0/16")

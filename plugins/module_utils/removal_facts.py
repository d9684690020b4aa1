# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What tags do not tell about a resource: whether it still exists, what it is a part of, and what keeps it from being deleted.

One function for each kind that needs it. It is given the client of the kind's service and resources (anything with C(id), C(arn)), and
returns by id what it found: C(part_of), C(leaving), C(protected), each a text for people, or C(Gone); C(id), where its maker's name tells
more than AWS's; C(kind), where there are two of what AWS takes for one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import batched
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.botocore import is_boto3_error_code
from ansible_collections.indivillage.infra.plugins.module_utils.removal_steps import foreign_records

Fact = Mapping[str, str | None]
Facts = Callable[[Any, Sequence[Any]], dict[str, Fact]]

Gone: Fact = {"gone": "yes"}
"""The resource does not exist any more, though its tags are still reported."""

CLUSTERS_PER_CALL = 100  # the limit of DescribeClusters
PROTECTED = "deletion protection is on: set {variable} to false and apply that first"
# Tables hold leases and records: every run has them as declared, before it does anything else.
HELD = "deletion protection is on: set aws_operations_deletion_protection to false, and destroy.yml takes it off as it begins"


def _described(client: Any, operation: str, key: str, filter_name: str, resources: Sequence[Any]) -> list[dict[str, Any]]:
    """What EC2 has under the resources' ids; a filter, unlike a list of ids, does not fail when one of them is gone."""
    filters = [{"Name": filter_name, "Values": [resource.id for resource in resources]}]
    return [item for page in client.get_paginator(operation).paginate(Filters=filters) for item in page[key]]


def _told(resources: Sequence[Any], found: Iterator[tuple[str, Fact]]) -> dict[str, Fact]:
    """Facts by id; Gone for what was not found."""
    return {resource.id: Gone for resource in resources} | dict(found)


def _instances(client: Any, resources: Sequence[Any]) -> dict[str, Fact]:
    reservations = _described(client, "describe_instances", "Reservations", "instance-id", resources)
    instances = (instance for reservation in reservations for instance in reservation["Instances"])
    return _told(resources, ((item["InstanceId"], Gone if item["State"]["Name"] == "terminated" else {}) for item in instances))


def _volumes(client: Any, resources: Sequence[Any]) -> dict[str, Fact]:
    def fact(volume: dict[str, Any]) -> Fact:
        makers = [item["InstanceId"] for item in volume["Attachments"] if item.get("DeleteOnTermination")]
        return {"part_of": f"instance {makers[0]}"} if makers else {}

    volumes = _described(client, "describe_volumes", "Volumes", "volume-id", resources)
    return _told(resources, ((volume["VolumeId"], fact(volume)) for volume in volumes))


def interface_maker(interface: Mapping[str, Any]) -> str | None:
    """For what AWS has made a network interface, by its type, attachment and description; None for one of our own making."""
    text, attachment = interface.get("Description", ""), interface.get("Attachment", {})
    if text.startswith("ELB "):
        return f"load balancer {text.removeprefix('ELB ').split('/')[-2] if '/' in text else text.removeprefix('ELB ')}"
    for start, title in (
        ("RDSNetworkInterface", "a database"),
        ("ElastiCache ", "cache {}"),
        ("Interface for NAT Gateway ", "NAT gateway {}"),
        ("VPC Endpoint Interface ", "VPC endpoint {}"),
        ("AWS Lambda VPC ENI-", "Lambda function {}"),
        ("arn:aws:ecs:", "a task of ECS"),
    ):
        if text.startswith(start):
            return title.format(text.removeprefix(start))
    if attachment.get("InstanceId") and attachment.get("DeleteOnTermination"):
        return f"instance {attachment['InstanceId']}"
    return f"AWS ({text or interface.get('InterfaceType')})" if interface.get("RequesterManaged") else None


def _interfaces(client: Any, resources: Sequence[Any]) -> dict[str, Fact]:
    found = _described(client, "describe_network_interfaces", "NetworkInterfaces", "network-interface-id", resources)
    return _told(resources, ((item["NetworkInterfaceId"], {"part_of": interface_maker(item)}) for item in found))


def _nat_gateways(client: Any, resources: Sequence[Any]) -> dict[str, Fact]:
    found = _described(client, "describe_nat_gateways", "NatGateways", "nat-gateway-id", resources)
    return _told(resources, ((item["NatGatewayId"], Gone if item["State"] == "deleted" else {}) for item in found))


def _endpoints(client: Any, resources: Sequence[Any]) -> dict[str, Fact]:
    def fact(endpoint: dict[str, Any]) -> Fact:
        if endpoint.get("State", "").lower() == "deleted":
            return Gone
        return {"part_of": "the AWS service that has made it"} if endpoint.get("RequesterManaged") else {}

    found = _described(client, "describe_vpc_endpoints", "VpcEndpoints", "vpc-endpoint-id", resources)
    return _told(resources, ((item["VpcEndpointId"], fact(item)) for item in found))


def _living(operation: str, key: str, filter_name: str, id_key: str) -> Facts:
    """For what EC2 goes on describing for a while, with the state that says that it is gone."""

    def facts(client: Any, resources: Sequence[Any]) -> dict[str, Fact]:
        found = _described(client, operation, key, filter_name, resources)
        return _told(resources, ((item[id_key], Gone if item["State"] in ("deleted", "rejected", "failed") else {}) for item in found))

    return facts


def _key_pairs(client: Any, resources: Sequence[Any]) -> dict[str, Fact]:
    filters = [{"Name": "key-pair-id", "Values": [resource.id for resource in resources]}]
    pairs = client.describe_key_pairs(Filters=filters)["KeyPairs"]
    return _told(resources, ((pair["KeyPairId"], {"id": pair["KeyName"]}) for pair in pairs))


def _container_service(client: Any, resource: Any) -> Fact:
    cluster, name = resource.id.split("/")
    found = client.describe_services(cluster=cluster, services=[name])["services"]
    return {"id": name} if [service for service in found if service["status"] != "INACTIVE"] else Gone


def _clusters(client: Any, resources: Sequence[Any]) -> dict[str, Fact]:
    found = [
        cluster
        for some in batched(resources, CLUSTERS_PER_CALL)
        for cluster in client.describe_clusters(clusters=[resource.arn for resource in some])["clusters"]
    ]
    return _told(resources, ((cluster["clusterName"], Gone if cluster["status"] == "INACTIVE" else {}) for cluster in found))


def _task_definitions(client: Any, resources: Sequence[Any]) -> dict[str, Fact]:
    """A family goes as a whole: it is called by its newest revision that can be used, and the others are parts of it."""

    def active(family: str) -> Iterator[str]:
        for page in client.get_paginator("list_task_definitions").paginate(familyPrefix=family, status="ACTIVE"):
            yield from (arn.rpartition("/")[2] for arn in page["taskDefinitionArns"])

    def number(revision: str) -> int:
        return int(revision.rpartition(":")[2])

    facts: dict[str, Fact] = {}
    families = {resource.id.rpartition(":")[0] for resource in resources}
    newest = {family: max(active(family), key=number, default=None) for family in families}
    for resource in resources:
        family = resource.id.rpartition(":")[0]
        main = resource.id == newest[family]
        facts[resource.id] = {"id": family} if main else {"part_of": f"task definition {family}"} if newest[family] else Gone
    return facts


def _snapshots(client: Any, resources: Sequence[Any]) -> dict[str, Fact]:
    images = client.describe_images(Owners=["self"])["Images"]
    of_image = {
        mapping["Ebs"]["SnapshotId"]: image["ImageId"]
        for image in images
        for mapping in image.get("BlockDeviceMappings", [])
        if mapping.get("Ebs", {}).get("SnapshotId")
    }
    return {resource.id: {"part_of": f"image {of_image[resource.id]}"} if resource.id in of_image else {} for resource in resources}


def _part_of_vpc(operation: str, key: str, filter_name: str, id_key: str, made: Callable[[dict[str, Any]], bool]) -> Facts:
    """For what every VPC has one of from its beginning to its end."""

    def facts(client: Any, resources: Sequence[Any]) -> dict[str, Fact]:
        found = _described(client, operation, key, filter_name, resources)
        return _told(resources, ((item[id_key], {"part_of": f"VPC {item['VpcId']}"} if made(item) else {}) for item in found))

    return facts


def _one_by_one(look: Callable[[Any, Any], Fact], *missing: str) -> Facts:
    """Ask for each resource; one of the given error codes says that it is gone."""

    def facts(client: Any, resources: Sequence[Any]) -> dict[str, Fact]:
        def fact(resource: Any) -> Fact:
            try:
                return look(client, resource)
            except is_boto3_error_code(list(missing)):
                return Gone

        return {resource.id: fact(resource) for resource in resources}

    return facts


def _database(client: Any, resource: Any) -> Fact:
    database = client.describe_db_instances(DBInstanceIdentifier=resource.id)["DBInstances"][0]
    replica = bool(database.get("ReadReplicaSourceDBInstanceIdentifier"))
    variable = "its deletion_protection in aws_database_replicas" if replica else "aws_database_deletion_protection"
    return {
        **({"kind": "rds:replica"} if replica else {}),
        **({"protected": PROTECTED.format(variable=variable)} if database["DeletionProtection"] else {}),
    }


def _database_snapshot(client: Any, resource: Any) -> Fact:
    snapshot = client.describe_db_snapshots(DBSnapshotIdentifier=resource.id)["DBSnapshots"][0]
    return {} if snapshot["SnapshotType"] == "manual" else {"part_of": f"database {snapshot['DBInstanceIdentifier']}"}


def _load_balancer(client: Any, resource: Any) -> Fact:
    attributes = client.describe_load_balancer_attributes(LoadBalancerArn=resource.arn)["Attributes"]
    protected = {"Key": "deletion_protection.enabled", "Value": "true"} in attributes
    return {"protected": PROTECTED.format(variable="aws_load_balancing_deletion_protection")} if protected else {}


def _table(client: Any, resource: Any) -> Fact:
    table = client.describe_table(TableName=resource.id)["Table"]
    return {"protected": HELD} if table.get("DeletionProtectionEnabled") else {}


def _key(client: Any, resource: Any) -> Fact:
    key = client.describe_key(KeyId=resource.arn)["KeyMetadata"]
    return {"leaving": f"AWS deletes it on {key['DeletionDate']:%Y-%m-%d}"} if key["KeyState"] == "PendingDeletion" else {}


def _secret(client: Any, resource: Any) -> Fact:
    secret = client.describe_secret(SecretId=resource.arn)
    if secret.get("PrimaryRegion", client.meta.region_name) != client.meta.region_name:
        return {"part_of": f"secret {resource.id} of {secret['PrimaryRegion']}"}
    return {"leaving": "AWS deletes it when its recovery window ends"} if secret.get("DeletedDate") else {}


def _zone(client: Any, resource: Any) -> Fact:
    foreign = foreign_records(client, resource.id)
    told = f"it has records that are not this project's ({', '.join(foreign)}): delete them, or take the zone's tags away to keep it"
    return {"protected": told} if foreign else {}


def _config_rules(client: Any, resources: Sequence[Any]) -> dict[str, Fact]:
    rules = [rule for page in client.get_paginator("describe_config_rules").paginate() for rule in page["ConfigRules"]]
    return _told(resources, ((rule["ConfigRuleArn"].rpartition("/")[2], {"id": rule["ConfigRuleName"]}) for rule in rules))


def _detectors(client: Any, resources: Sequence[Any]) -> dict[str, Fact]:
    return _told(resources, ((name, {}) for name in client.list_detectors()["DetectorIds"]))


def _hub(client: Any, resource: Any) -> Fact:
    client.describe_hub(HubArn=resource.arn)
    return {}


def _bucket(client: Any, resource: Any) -> Fact:
    region = client.get_bucket_location(Bucket=resource.id).get("LocationConstraint") or "us-east-1"
    return {} if region == client.meta.region_name else Gone  # not here: the API may list a bucket in every region


def _event_source_mapping(client: Any, resource: Any) -> Fact:
    state = client.get_event_source_mapping(UUID=resource.id)["State"]
    return {"leaving": "AWS is deleting it"} if state == "Deleting" else {}


FACTS: dict[str, Facts] = {
    "lambda:event-source-mapping": _one_by_one(_event_source_mapping, "ResourceNotFoundException"),
    "ecs:cluster": _clusters,
    "ecs:service": _one_by_one(_container_service, "ClusterNotFoundException"),
    "ecs:task-definition": _task_definitions,
    "config:config-rule": _config_rules,
    "guardduty:detector": _detectors,
    "ec2:instance": _instances,
    "ec2:volume": _volumes,
    "ec2:network-interface": _interfaces,
    "ec2:key-pair": _key_pairs,
    "ec2:natgateway": _nat_gateways,
    "ec2:vpc-endpoint": _endpoints,
    "ec2:snapshot": _snapshots,
    "ec2:transit-gateway": _living("describe_transit_gateways", "TransitGateways", "transit-gateway-id", "TransitGatewayId"),
    "ec2:transit-gateway-attachment": _living(
        "describe_transit_gateway_attachments", "TransitGatewayAttachments", "transit-gateway-attachment-id", "TransitGatewayAttachmentId"
    ),
    "ec2:security-group": _part_of_vpc(
        "describe_security_groups", "SecurityGroups", "group-id", "GroupId", lambda group: group["GroupName"] == "default"
    ),
    "ec2:network-acl": _part_of_vpc(
        "describe_network_acls", "NetworkAcls", "network-acl-id", "NetworkAclId", lambda network_acl: network_acl["IsDefault"]
    ),
    "ec2:route-table": _part_of_vpc(
        "describe_route_tables",
        "RouteTables",
        "route-table-id",
        "RouteTableId",
        lambda table: any(association.get("Main") for association in table["Associations"]),
    ),
    "rds:db": _one_by_one(_database, "DBInstanceNotFound", "DBInstanceNotFoundFault"),
    "rds:snapshot": _one_by_one(_database_snapshot, "DBSnapshotNotFound", "DBSnapshotNotFoundFault"),
    "elasticloadbalancing:loadbalancer": _one_by_one(_load_balancer, "LoadBalancerNotFound"),
    "dynamodb:table": _one_by_one(_table, "ResourceNotFoundException"),
    "kms:key": _one_by_one(_key, "NotFoundException"),
    "secretsmanager:secret": _one_by_one(_secret, "ResourceNotFoundException"),
    "securityhub:hub": _one_by_one(_hub, "InvalidAccessException", "ResourceNotFoundException"),
    "s3:bucket": _one_by_one(_bucket, "NoSuchBucket"),
    "route53:hostedzone": _one_by_one(_zone, "NoSuchHostedZone"),
}

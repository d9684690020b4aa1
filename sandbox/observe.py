# SPDX-License-Identifier: GPL-3.0-or-later
"""What is: the emulator asked over the AWS API, turned into a `World`."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

from sandbox.model import (
    AclEntry,
    Control,
    Image,
    Instance,
    NetworkAcl,
    Route,
    RouteTable,
    Rule,
    SecurityGroup,
    Service,
    Subnet,
    Vpc,
    World,
)
from sandbox.settings import ACCESS_KEY, CONTAINER_IMAGE_TAG, OBSERVER, SECRET_KEY, baked_image

PROTOCOLS = {"6": "tcp", "17": "udp", "1": "icmp"}
ANY_PORTS = (0, 65535)


class RegionClients:
    """boto3 clients of the emulator in one region, made on first use; they may be used by several threads."""

    _making = threading.Lock()

    def __init__(self, endpoint: str, region: str) -> None:
        self.region = region
        self._endpoint = endpoint
        self._clients: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        """The client of a service."""
        with self._making:  # making clients is not thread-safe in boto3, using them is
            if service not in self._clients:
                self._clients[service] = boto3.client(
                    service,
                    region_name=self.region,
                    endpoint_url=self._endpoint,
                    aws_access_key_id=ACCESS_KEY,
                    aws_secret_access_key=SECRET_KEY,
                    config=Config(retries={"max_attempts": 1}, connect_timeout=2, read_timeout=30, user_agent_extra=OBSERVER),
                )
            return self._clients[service]


class EmulatorControl:
    """The emulator's control API (see `sandbox.model.Control`)."""

    def __init__(self, endpoint: str) -> None:
        self._address = urlsplit(endpoint).netloc

    def get(self, path: str) -> Any:
        """The decoded JSON of GET /sandbox/<path>."""
        return self._ask("GET", path, None)

    def put(self, path: str, body: Mapping[str, Any]) -> None:
        """PUT the JSON to /sandbox/<path>."""
        self._ask("PUT", path, body)

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None) -> Any:
        connection = http.client.HTTPConnection(self._address, timeout=10)
        try:
            connection.request(
                method, f"/sandbox/{path}", json.dumps(body) if body is not None else None, {"Content-Type": "application/json"}
            )
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        if answer.status == http.client.NOT_FOUND:
            raise KeyError(f"{method} /sandbox/{path}: {text.decode(errors='replace')}")
        if answer.status >= http.client.BAD_REQUEST:
            raise OSError(f"{method} /sandbox/{path} answered {answer.status}: {text.decode(errors='replace')[:300]}")
        return json.loads(text) if text else None


def observe(regions: Sequence[RegionClients], control: Control, services: Sequence[Service]) -> World:
    """The world over all regions. Regions without a VPC of their own are not asked further."""
    reboots = control.get("reboots")
    with ThreadPoolExecutor(max_workers=len(regions)) as pool:
        parts = list(pool.map(lambda clients: _observe_region(clients, control, services, reboots), regions))
    return World(
        vpcs=tuple(vpc for part in parts for vpc in part.vpcs),
        subnets=tuple(subnet for part in parts for subnet in part.subnets),
        security_groups=tuple(group for part in parts for group in part.security_groups),
        network_acls=tuple(acl for part in parts for acl in part.network_acls),
        route_tables=tuple(table for part in parts for table in part.route_tables),
        images=tuple(image for part in parts for image in part.images),
        instances=tuple(instance for part in parts for instance in part.instances),
        services={service.NAME: tuple(found for part in parts for found in part.services.get(service.NAME, ())) for service in services},
        outages=frozenset(control.get("outages")["regions"]),
    )


def _observe_region(clients: RegionClients, control: Control, services: Sequence[Service], reboots: Mapping[str, int]) -> World:
    ec2 = clients.client("ec2")
    vpcs = tuple(Vpc(vpc["VpcId"], clients.region, vpc["CidrBlock"]) for vpc in ec2.describe_vpcs()["Vpcs"] if not vpc.get("IsDefault"))
    images = tuple(_image(image, clients.region) for image in ec2.describe_images(Owners=["self"])["Images"])
    if not vpcs:
        return World(images=images)
    known = {vpc.id for vpc in vpcs}

    def ours(operation: str, key: str) -> list[dict[str, Any]]:
        found = ec2.get_paginator(operation).paginate().build_full_result()[key]
        return [resource for resource in found if resource["VpcId"] in known]

    instances = [
        instance
        for reservation in ec2.get_paginator("describe_instances").paginate().build_full_result()["Reservations"]
        for instance in reservation["Instances"]
        if instance["State"]["Name"] not in {"terminated", "shutting-down"} and instance.get("VpcId") in known
    ]
    return World(
        vpcs=vpcs,
        subnets=tuple(_subnet(subnet) for subnet in ours("describe_subnets", "Subnets")),
        security_groups=tuple(_security_group(group) for group in ours("describe_security_groups", "SecurityGroups")),
        network_acls=tuple(_network_acl(acl) for acl in ours("describe_network_acls", "NetworkAcls")),
        route_tables=tuple(_route_table(table) for table in ours("describe_route_tables", "RouteTables")),
        images=images,
        instances=tuple(_instance(instance, clients.region, reboots) for instance in instances),
        services={service.NAME: service.observe(clients, control) for service in services},
    )


def _tags(resource: Mapping[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in resource.get("Tags", [])}


def _subnet(subnet: Mapping[str, Any]) -> Subnet:
    return Subnet(subnet["SubnetId"], subnet["VpcId"], subnet["CidrBlock"], subnet["AvailabilityZone"])


def _security_group(group: Mapping[str, Any]) -> SecurityGroup:
    ingress, egress = (tuple(map(_rule, group.get(key, []))) for key in ("IpPermissions", "IpPermissionsEgress"))
    return SecurityGroup(group["GroupId"], group["VpcId"], ingress, egress)


def _rule(permission: Mapping[str, Any]) -> Rule:
    protocol = PROTOCOLS.get(permission["IpProtocol"], permission["IpProtocol"])
    from_port, to_port = permission.get("FromPort", -1), permission.get("ToPort", -1)
    if protocol == "-1" or from_port == -1:
        from_port, to_port = ANY_PORTS
    return Rule(
        protocol=protocol,
        from_port=from_port,
        to_port=to_port,
        cidrs=tuple(entry["CidrIp"] for entry in permission.get("IpRanges", [])),
        group_ids=tuple(entry["GroupId"] for entry in permission.get("UserIdGroupPairs", [])),
    )


def _network_acl(acl: Mapping[str, Any]) -> NetworkAcl:
    entries = tuple(_acl_entry(entry) for entry in acl["Entries"] if entry.get("CidrBlock"))
    return NetworkAcl(acl["NetworkAclId"], acl["VpcId"], tuple(link["SubnetId"] for link in acl["Associations"]), entries)


def _acl_entry(entry: Mapping[str, Any]) -> AclEntry:
    ports = entry.get("PortRange") or {}
    return AclEntry(
        number=int(entry["RuleNumber"]),
        egress=entry["Egress"],
        allow=entry["RuleAction"] == "allow",
        protocol=PROTOCOLS.get(str(entry["Protocol"]), str(entry["Protocol"])),
        from_port=ports.get("From", ANY_PORTS[0]),
        to_port=ports.get("To", ANY_PORTS[1]),
        cidr=entry["CidrBlock"],
    )


def _route_table(table: Mapping[str, Any]) -> RouteTable:
    targets = ("GatewayId", "NatGatewayId", "TransitGatewayId", "VpcPeeringConnectionId", "NetworkInterfaceId", "InstanceId")
    routes = tuple(
        Route(route["DestinationCidrBlock"], target)
        for route in table["Routes"]
        if route.get("DestinationCidrBlock") and route.get("State") != "blackhole"
        for target in [next((route[key] for key in targets if route.get(key)), "local")]
        if target != "local"
    )
    links = table.get("Associations", [])
    return RouteTable(
        id=table["RouteTableId"],
        vpc_id=table["VpcId"],
        main=any(link.get("Main") for link in links),
        subnet_ids=tuple(link["SubnetId"] for link in links if link.get("SubnetId")),
        routes=routes,
    )


def _image(image: Mapping[str, Any], region: str) -> Image:
    return Image(
        id=image["ImageId"],
        region=region,
        name=image.get("Name", ""),
        state=image["State"],
        container_image=_tags(image).get(CONTAINER_IMAGE_TAG) or baked_image(image["ImageId"]),
        source_instance_id=image.get("SourceInstanceId", ""),
    )


def _instance(instance: Mapping[str, Any], region: str, reboots: Mapping[str, int]) -> Instance:
    return Instance(
        id=instance["InstanceId"],
        region=region,
        state=instance["State"]["Name"],
        image_id=instance["ImageId"],
        instance_type=instance["InstanceType"],
        vpc_id=instance["VpcId"],
        subnet_id=instance["SubnetId"],
        availability_zone=instance["Placement"]["AvailabilityZone"],
        address=instance["PrivateIpAddress"],
        dns_name=instance["PrivateDnsName"],
        security_group_ids=tuple(sorted(group["GroupId"] for group in instance.get("SecurityGroups", []))),
        key_name=instance.get("KeyName", ""),
        profile_arn=instance.get("IamInstanceProfile", {}).get("Arn", ""),
        public_address=instance.get("PublicIpAddress", ""),
        launch_time=instance["LaunchTime"].isoformat(),
        reboots=reboots.get(instance["InstanceId"], 0),
        tags=_tags(instance),
    )

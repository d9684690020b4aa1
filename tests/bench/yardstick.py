# SPDX-License-Identifier: GPL-3.0-or-later
"""The least that the work can cost: one process that knows exactly what to call, with boto3 and a pool of eight threads.

    python -m tests.bench.yardstick read <endpoint> <file>     read everything that the roles make in one region, into a file
    python -m tests.bench.yardstick make <endpoint> <file>     make it anew in an empty account

What `read` returns has names in place of identifiers and nothing that AWS chose, so that two accounts can be compared: the measurement
proves that the yardstick has made the same resources with the same settings, tags and policies as the roles.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

PREFIX = "indivillage-sandbox"
REGION = "us-east-1"
POOL = 8
SERVICES = ("ec2", "iam", "kms", "s3", "sqs", "logs", "secretsmanager")

Account = dict[str, Any]


class Yardstick:
    """Direct calls of one account's API in one region."""

    def __init__(self, endpoint: str) -> None:
        session = boto3.Session("sandbox", "sandbox", region_name=REGION)
        config = Config(max_pool_connections=POOL)
        clients = {service: session.client(service, endpoint_url=endpoint, config=config) for service in SERVICES}
        self.ec2, self.iam, self.kms, self.s3, self.sqs, self.logs, self.secretsmanager = clients.values()
        self.pool = ThreadPoolExecutor(POOL)
        self.ids: dict[str, str] = {}  # of what was made, by name
        self.names: dict[str, str] = {}  # of what was read, by identifier

    def together(self, *calls: Callable[[], Any]) -> list[Any]:
        """The results of calls that do not depend on one another."""
        return [future.result() for future in [self.pool.submit(call) for call in calls]]

    def for_each(self, call: Callable[[Any], Any], values: Iterable[Any]) -> list[Any]:
        return list(self.pool.map(call, values))

    # ---- Reading ---------------------------------------------------------------------------------------------------------------

    def read(self) -> Account:
        """Everything, in two waves: what can be listed, and then what has to be asked of each."""
        ec2 = self.ec2
        mine = [{"Name": "tag:Project", "Values": ["indivillage"]}]
        (
            vpcs,
            subnets,
            gateways,
            addresses,
            nats,
            tables,
            acls,
            groups,
            endpoints,
            flow_logs,
            pairs,
            log_groups,
            aliases,
            buckets,
            queues,
        ) = self.together(
            lambda: ec2.describe_vpcs(Filters=mine)["Vpcs"],
            lambda: ec2.describe_subnets(Filters=mine)["Subnets"],
            lambda: ec2.describe_internet_gateways(Filters=mine)["InternetGateways"],
            lambda: ec2.describe_addresses(Filters=mine)["Addresses"],
            lambda: ec2.describe_nat_gateways(Filters=mine)["NatGateways"],
            lambda: ec2.describe_route_tables(Filters=mine)["RouteTables"],
            lambda: ec2.describe_network_acls(Filters=mine)["NetworkAcls"],
            lambda: ec2.describe_security_groups()["SecurityGroups"],
            lambda: ec2.describe_vpc_endpoints(Filters=mine)["VpcEndpoints"],
            lambda: ec2.describe_flow_logs(Filters=mine)["FlowLogs"],
            lambda: ec2.describe_key_pairs(IncludePublicKey=True)["KeyPairs"],
            lambda: self.logs.describe_log_groups()["logGroups"],
            lambda: self.kms.list_aliases()["Aliases"],
            lambda: self.s3.list_buckets()["Buckets"],
            lambda: self.sqs.list_queues(QueueNamePrefix=PREFIX).get("QueueUrls", []),
        )
        (vpc,) = vpcs
        groups = [group for group in groups if group["VpcId"] == vpc["VpcId"]]
        keys = {alias["AliasName"]: alias["TargetKeyId"] for alias in aliases if PREFIX in alias["AliasName"]}
        self._learn(vpcs, subnets, gateways, addresses, nats, tables, acls, endpoints, groups)
        roles = [role for role in self.iam.list_roles()["Roles"] if role["RoleName"].startswith(PREFIX)]
        attribute_names = ("enableDnsSupport", "enableDnsHostnames")
        return {
            "vpc": {
                "cidr": vpc["CidrBlock"],
                "tags": _tags(vpc),
                "attributes": dict(
                    zip(attribute_names, self.for_each(lambda name: self._vpc_attribute(vpc, name), attribute_names), strict=True)
                ),
            },
            "gateway": _tags(gateways[0]),
            "subnets": {_name(one): {"cidr": one["CidrBlock"], "zone": one["AvailabilityZone"], "tags": _tags(one)} for one in subnets},
            "addresses": {_name(one): _tags(one) for one in addresses},
            "nats": {_name(one): {"subnet": self.names[one["SubnetId"]], "tags": _tags(one)} for one in nats},
            "tables": {_name(one): self._table(one) for one in tables},
            "acls": {_name(one): self._acl(one) for one in acls},
            "groups": {one["GroupName"]: self._group(one) for one in groups},
            "endpoints": {one["ServiceName"]: self._endpoint(one) for one in endpoints},
            "flow_logs": [
                {key: one[key] for key in ("TrafficType", "LogGroupName", "DeliverLogsPermissionArn", "MaxAggregationInterval")}
                | {"tags": _tags(one)}
                for one in flow_logs
            ],
            "log_groups": dict(self.for_each(lambda group: self._log_group(group, keys), log_groups)),
            "keys": dict(self.for_each(self._key, keys.items())),
            "pairs": {one["KeyName"]: {"type": one["KeyType"], "tags": _tags(one)} for one in pairs},
            "buckets": dict(self.for_each(self._bucket, [bucket["Name"] for bucket in buckets if bucket["Name"].startswith(PREFIX)])),
            "queues": dict(self.for_each(self._queue, queues)),
            "roles": dict(self.for_each(self._role, [role["RoleName"] for role in roles])),
            "profiles": dict(self.for_each(self._profile, [f"{PREFIX}-{name}" for name in ("bastion", "web", "app")])),
        }

    def _learn(self, *kinds: list[dict[str, Any]]) -> None:
        """Remember the name of everything that has an identifier."""
        # In this order: what is within something else names that too.
        kinds_of_id = "NatGateway Allocation RouteTable NetworkAcl VpcEndpoint InternetGateway Group Subnet Vpc"
        fields = [f"{kind}Id" for kind in kinds_of_id.split()]
        self.names = {
            next(one[field] for field in fields if field in one): one["GroupName"] if "GroupName" in one else _name(one)
            for kind in kinds
            for one in kind
        }

    def _vpc_attribute(self, vpc: dict[str, Any], name: str) -> bool:
        answer = self.ec2.describe_vpc_attribute(VpcId=vpc["VpcId"], Attribute=name)
        return bool(answer[name[0].upper() + name[1:]]["Value"])

    def _table(self, table: dict[str, Any]) -> dict[str, Any]:
        routes = [
            (route["DestinationCidrBlock"], self.names[route.get("NatGatewayId") or route["GatewayId"]])
            for route in table["Routes"]
            if (route.get("GatewayId") or route.get("NatGatewayId", "")) in self.names and "DestinationCidrBlock" in route
        ]
        subnets = sorted(self.names[link["SubnetId"]] for link in table["Associations"] if "SubnetId" in link)
        return {"routes": sorted(routes), "subnets": subnets, "tags": _tags(table)}

    def _acl(self, acl: dict[str, Any]) -> dict[str, Any]:
        entries = [entry for entry in acl["Entries"] if entry["RuleNumber"] < 32767]
        return {
            "entries": sorted(entries, key=lambda entry: (entry["Egress"], entry["RuleNumber"])),
            "subnets": sorted(self.names[link["SubnetId"]] for link in acl["Associations"]),
            "tags": _tags(acl),
        }

    def _group(self, group: dict[str, Any]) -> dict[str, Any]:
        def rules(permissions: list[dict[str, Any]]) -> list[Any]:
            found = []
            for rule in permissions:
                ends = (rule["IpProtocol"], rule.get("FromPort"), rule.get("ToPort"))
                found += [(*ends, "group", self.names[peer["GroupId"]], peer.get("Description")) for peer in rule["UserIdGroupPairs"]]
                found += [(*ends, "network", peer["CidrIp"], peer.get("Description")) for peer in rule["IpRanges"]]
            return sorted(found, key=str)

        return {
            "description": group["Description"],
            "ingress": rules(group["IpPermissions"]),
            "egress": rules(group["IpPermissionsEgress"]),
            "tags": _tags(group),
        }

    def _endpoint(self, endpoint: dict[str, Any]) -> dict[str, Any]:
        return {
            "type": endpoint["VpcEndpointType"],
            "tables": sorted(self.names[table] for table in endpoint.get("RouteTableIds", [])),
            "subnets": sorted(self.names[subnet] for subnet in endpoint.get("SubnetIds", [])),
            "groups": sorted(self.names[group["GroupId"]] for group in endpoint.get("Groups", [])),
            "tags": _tags(endpoint),
        }

    def _log_group(self, group: dict[str, Any], keys: dict[str, str]) -> tuple[str, Any]:
        alias = next((alias for alias, key in keys.items() if group.get("kmsKeyId", "").endswith(key)), None)
        tags = self.logs.list_tags_for_resource(resourceArn=group["arn"].removesuffix(":*"))["tags"]
        return group["logGroupName"], {"retention": group["retentionInDays"], "key": alias, "tags": tags}

    def _key(self, alias_and_key: tuple[str, str]) -> tuple[str, Any]:
        alias, key = alias_and_key
        described = self.kms.describe_key(KeyId=key)["KeyMetadata"]
        return alias, {
            "made": {name: described[name] for name in ("Description", "KeySpec", "KeyUsage")},
            "policy": json.loads(self.kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"]),
            "rotates": self.kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"],
            "tags": {tag["TagKey"]: tag["TagValue"] for tag in self.kms.list_resource_tags(KeyId=key)["Tags"]},
        }

    def _bucket(self, name: str) -> tuple[str, Any]:
        s3 = self.s3
        try:
            cors = s3.get_bucket_cors(Bucket=name)["CORSRules"]
        except ClientError:
            cors = None
        return name, {
            "versioning": s3.get_bucket_versioning(Bucket=name)["Status"],
            "encryption": s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"],
            "public_access": s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"],
            "ownership": s3.get_bucket_ownership_controls(Bucket=name)["OwnershipControls"],
            "policy": json.loads(s3.get_bucket_policy(Bucket=name)["Policy"]),
            "logging": s3.get_bucket_logging(Bucket=name).get("LoggingEnabled"),
            "lifecycle": s3.get_bucket_lifecycle_configuration(Bucket=name)["Rules"],
            "tags": {tag["Key"]: tag["Value"] for tag in s3.get_bucket_tagging(Bucket=name)["TagSet"]},
            "cors": cors,
        }

    def _queue(self, url: str) -> tuple[str, Any]:
        attributes = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        chosen = (
            "VisibilityTimeout",
            "ReceiveMessageWaitTimeSeconds",
            "MessageRetentionPeriod",
            "KmsMasterKeyId",
            "Policy",
            "RedrivePolicy",
        )
        return url.rpartition("/")[2], {
            "attributes": {name: attributes[name] for name in chosen if name in attributes},
            "tags": self.sqs.list_queue_tags(QueueUrl=url).get("Tags", {}),
        }

    def _role(self, name: str) -> tuple[str, Any]:
        iam = self.iam
        role = iam.get_role(RoleName=name)["Role"]
        inline = iam.list_role_policies(RoleName=name)["PolicyNames"]
        return name, {
            "description": role["Description"],
            "trust": role["AssumeRolePolicyDocument"],
            "managed": sorted(policy["PolicyArn"] for policy in iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]),
            "inline": {policy: iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"] for policy in inline},
            "tags": _tags(role),
        }

    def _profile(self, name: str) -> tuple[str, Any]:
        profile = self.iam.get_instance_profile(InstanceProfileName=name)["InstanceProfile"]
        return name, {"roles": [role["RoleName"] for role in profile["Roles"]], "tags": _tags(profile)}

    # ---- Making ----------------------------------------------------------------------------------------------------------------

    def make(self, account: Account) -> None:
        """Everything, as early as what it needs is there."""
        ids = self.ids
        buckets, keys, roles = account["buckets"], account["keys"], account["roles"]
        logs_bucket = next(name for name, bucket in buckets.items() if not bucket["logging"])
        pair = next(iter(account["pairs"]))
        self.together(
            lambda: self._make_vpc(account),
            *(lambda item=item: self._make_key(*item) for item in keys.items()),
            *(lambda item=item: self._make_role(*item) for item in roles.items()),
            lambda: self._make_bucket(logs_bucket, buckets[logs_bucket]),
            *(lambda item=item: self._make_queue(*item) for item in account["queues"].items() if item[0].endswith("-dlq")),
            *(lambda item=item: self._make_address(*item) for item in account["addresses"].items()),
            lambda: self.ec2.create_key_pair(
                KeyName=pair, KeyType="ed25519", TagSpecifications=_tagged("key-pair", account["pairs"][pair]["tags"])
            ),
            lambda: self.secretsmanager.create_secret(Name="/indivillage/sandbox/bastion/ssh-key", SecretString="-----BEGIN"),
        )
        self.together(
            *(lambda item=item: self._make_subnet(*item) for item in account["subnets"].items()),
            *(lambda item=item: self._make_group(*item) for item in account["groups"].items() if item[0] != "default"),
            *(lambda item=item: self._make_bucket(*item) for item in buckets.items() if item[0] != logs_bucket),
            *(lambda item=item: self._make_queue(*item) for item in account["queues"].items() if not item[0].endswith("-dlq")),
            *(lambda item=item: self._make_profile(*item) for item in account["profiles"].items()),
            *(lambda item=item: self._make_log_group(*item) for item in account["log_groups"].items()),
        )
        default = self.ec2.describe_security_groups(
            Filters=[{"Name": "vpc-id", "Values": [ids["vpc"]]}, {"Name": "group-name", "Values": ["default"]}]
        )
        ids["default"] = default["SecurityGroups"][0]["GroupId"]
        self.ec2.revoke_security_group_ingress(GroupId=ids["default"], IpPermissions=default["SecurityGroups"][0]["IpPermissions"])
        acls = self.ec2.describe_network_acls(Filters=[{"Name": "vpc-id", "Values": [ids["vpc"]]}])["NetworkAcls"]
        associations = {link["SubnetId"]: link["NetworkAclAssociationId"] for acl in acls for link in acl["Associations"]}
        self.together(
            *(lambda item=item: self._make_nat(*item) for item in account["nats"].items()),
            *(lambda item=item: self._make_rules(*item) for item in account["groups"].items()),
            *(lambda item=item: self._make_acl(associations, *item) for item in account["acls"].items()),
            *(lambda flow_log=flow_log: self._make_flow_log(flow_log) for flow_log in account["flow_logs"]),
        )
        self.for_each(lambda item: self._make_table(*item), account["tables"].items())
        self.for_each(lambda item: self._make_endpoint(*item), account["endpoints"].items())

    def _make_vpc(self, account: Account) -> None:
        ec2, vpc = self.ec2, account["vpc"]
        identifier = ec2.create_vpc(CidrBlock=vpc["cidr"], TagSpecifications=_tagged("vpc", vpc["tags"]))["Vpc"]["VpcId"]
        self.ids["vpc"] = identifier
        for name, value in vpc["attributes"].items():
            ec2.modify_vpc_attribute(VpcId=identifier, **{name[0].upper() + name[1:]: {"Value": value}})
        gateway = ec2.create_internet_gateway(TagSpecifications=_tagged("internet-gateway", account["gateway"]))["InternetGateway"]
        ec2.attach_internet_gateway(InternetGatewayId=gateway["InternetGatewayId"], VpcId=identifier)
        self.ids[account["gateway"]["Name"]] = gateway["InternetGatewayId"]

    def _make_subnet(self, name: str, subnet: dict[str, Any]) -> None:
        made = self.ec2.create_subnet(
            VpcId=self.ids["vpc"],
            CidrBlock=subnet["cidr"],
            AvailabilityZone=subnet["zone"],
            TagSpecifications=_tagged("subnet", subnet["tags"]),
        )
        self.ids[name] = made["Subnet"]["SubnetId"]

    def _make_address(self, name: str, tags: dict[str, str]) -> None:
        self.ids[f"address {name}"] = self.ec2.allocate_address(Domain="vpc", TagSpecifications=_tagged("elastic-ip", tags))["AllocationId"]

    def _make_nat(self, name: str, nat: dict[str, Any]) -> None:
        made = self.ec2.create_nat_gateway(
            SubnetId=self.ids[nat["subnet"]], AllocationId=self.ids[f"address {name}"], TagSpecifications=_tagged("natgateway", nat["tags"])
        )
        self.ids[name] = made["NatGateway"]["NatGatewayId"]

    def _make_table(self, name: str, table: dict[str, Any]) -> None:
        made = self.ec2.create_route_table(VpcId=self.ids["vpc"], TagSpecifications=_tagged("route-table", table["tags"]))
        self.ids[name] = made["RouteTable"]["RouteTableId"]
        for cidr, way in table["routes"]:
            target = "NatGatewayId" if self.ids[way].startswith("nat-") else "GatewayId"
            self.ec2.create_route(RouteTableId=self.ids[name], DestinationCidrBlock=cidr, **{target: self.ids[way]})
        for subnet in table["subnets"]:
            self.ec2.associate_route_table(RouteTableId=self.ids[name], SubnetId=self.ids[subnet])

    def _make_acl(self, associations: dict[str, str], _name: str, acl: dict[str, Any]) -> None:
        made = self.ec2.create_network_acl(VpcId=self.ids["vpc"], TagSpecifications=_tagged("network-acl", acl["tags"]))
        identifier = made["NetworkAcl"]["NetworkAclId"]
        for entry in acl["entries"]:
            self.ec2.create_network_acl_entry(NetworkAclId=identifier, **entry)
        for subnet in acl["subnets"]:
            self.ec2.replace_network_acl_association(NetworkAclId=identifier, AssociationId=associations[self.ids[subnet]])

    def _make_group(self, name: str, group: dict[str, Any]) -> None:
        made = self.ec2.create_security_group(
            GroupName=name,
            Description=group["description"],
            VpcId=self.ids["vpc"],
            TagSpecifications=_tagged("security-group", group["tags"]),
        )
        self.ids[name] = made["GroupId"]

    def _make_rules(self, name: str, group: dict[str, Any]) -> None:
        ec2, identifier = self.ec2, self.ids[name]
        everything = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
        ec2.revoke_security_group_egress(GroupId=identifier, IpPermissions=everything)
        for call, rules in (
            (ec2.authorize_security_group_ingress, group["ingress"]),
            (ec2.authorize_security_group_egress, group["egress"]),
        ):
            if rules:
                call(GroupId=identifier, IpPermissions=[self._permission(rule) for rule in rules])

    def _permission(self, rule: list[Any]) -> dict[str, Any]:
        protocol, first, last, kind, peer, description = rule
        about = {"Description": description} if description else {}
        ends: dict[str, Any] = {"IpProtocol": protocol} | ({} if first is None else {"FromPort": first, "ToPort": last})
        if kind == "group":
            return ends | {"UserIdGroupPairs": [{"GroupId": self.ids[peer], **about}]}
        return ends | {"IpRanges": [{"CidrIp": peer, **about}]}

    def _make_endpoint(self, service: str, endpoint: dict[str, Any]) -> None:
        places = {
            "RouteTableIds": [self.ids[name] for name in endpoint["tables"]],
            "SubnetIds": [self.ids[name] for name in endpoint["subnets"]],
            "SecurityGroupIds": [self.ids[name] for name in endpoint["groups"]],
        }
        self.ec2.create_vpc_endpoint(
            VpcId=self.ids["vpc"],
            ServiceName=service,
            VpcEndpointType=endpoint["type"],
            TagSpecifications=_tagged("vpc-endpoint", endpoint["tags"]),
            **{name: values for name, values in places.items() if values},
        )

    def _make_log_group(self, name: str, group: dict[str, Any]) -> None:
        self.logs.create_log_group(logGroupName=name, kmsKeyId=self.ids[group["key"]], tags=group["tags"])
        self.logs.put_retention_policy(logGroupName=name, retentionInDays=group["retention"])

    def _make_flow_log(self, flow_log: dict[str, Any]) -> None:
        settings = {name: value for name, value in flow_log.items() if name != "tags"}
        self.ec2.create_flow_logs(
            ResourceType="VPC", ResourceIds=[self.ids["vpc"]], TagSpecifications=_tagged("vpc-flow-log", flow_log["tags"]), **settings
        )

    def _make_key(self, alias: str, key: dict[str, Any]) -> None:
        tags = [{"TagKey": name, "TagValue": value} for name, value in key["tags"].items()]
        made = self.kms.create_key(**key["made"], Policy=json.dumps(key["policy"]), Tags=tags)["KeyMetadata"]
        self.ids[alias] = made["Arn"]
        self.kms.create_alias(AliasName=alias, TargetKeyId=made["KeyId"])
        if key["rotates"]:
            self.kms.enable_key_rotation(KeyId=made["KeyId"])

    def _make_bucket(self, name: str, bucket: dict[str, Any]) -> None:
        s3 = self.s3
        s3.create_bucket(Bucket=name, ObjectOwnership=bucket["ownership"]["Rules"][0]["ObjectOwnership"])
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": bucket["versioning"]})
        s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration=bucket["encryption"])
        s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=bucket["public_access"])
        s3.put_bucket_policy(Bucket=name, Policy=json.dumps(bucket["policy"]))
        s3.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration={"Rules": bucket["lifecycle"]})
        s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": [{"Key": key, "Value": value} for key, value in bucket["tags"].items()]})
        if bucket["logging"]:
            s3.put_bucket_logging(Bucket=name, BucketLoggingStatus={"LoggingEnabled": bucket["logging"]})
        if bucket["cors"]:
            s3.put_bucket_cors(Bucket=name, CORSConfiguration={"CORSRules": bucket["cors"]})

    def _make_queue(self, name: str, queue: dict[str, Any]) -> None:
        self.sqs.create_queue(QueueName=name, Attributes=queue["attributes"], tags=queue["tags"])

    def _make_role(self, name: str, role: dict[str, Any]) -> None:
        iam = self.iam
        tags = [{"Key": key, "Value": value} for key, value in role["tags"].items()]
        iam.create_role(RoleName=name, Description=role["description"], AssumeRolePolicyDocument=json.dumps(role["trust"]), Tags=tags)
        for arn in role["managed"]:
            iam.attach_role_policy(RoleName=name, PolicyArn=arn)
        for policy, document in role["inline"].items():
            iam.put_role_policy(RoleName=name, PolicyName=policy, PolicyDocument=json.dumps(document))

    def _make_profile(self, name: str, profile: dict[str, Any]) -> None:
        tags = [{"Key": key, "Value": value} for key, value in profile["tags"].items()]
        self.iam.create_instance_profile(InstanceProfileName=name, Tags=tags)
        for role in profile["roles"]:
            self.iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=role)


def _tags(resource: dict[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in sorted(resource.get("Tags", []), key=lambda tag: str(tag["Key"]))}


def _name(resource: dict[str, Any]) -> str:
    return _tags(resource)["Name"]


def _tagged(kind: str, tags: dict[str, str]) -> list[dict[str, Any]]:
    return [{"ResourceType": kind, "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}] if tags else []


def main(what: str, endpoint: str, file: str) -> None:
    """Do what the module's documentation says."""
    yardstick = Yardstick(endpoint)
    if what == "read":
        Path(file).write_text(json.dumps(yardstick.read(), sort_keys=True))
    else:
        yardstick.make(json.loads(Path(file).read_text()))


if __name__ == "__main__":
    main(*sys.argv[1:])

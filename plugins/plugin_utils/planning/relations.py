# SPDX-License-Identifier: GPL-3.0-or-later
"""What the shapes do not tell: tags, which every service writes in its own way, and operations whose words differ from what they change."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import requests
from .placeholders import placeholder
from .shapes import Node, lookup, meet, normal, strings

if TYPE_CHECKING:
    from .state import Read, Trace, Write

TAG_MEMBERS = {"tags", "taglist", "tagset", "resourcetags"}
TAGGING = {"Tag", "AddTags", "CreateTags", "CreateOrUpdateTags"}

# ---- Tags ------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Tags:
    """A write that does nothing but set and remove tags."""

    resources: set[str]
    add: dict[str, str]
    remove: set[str]


def tags(service: str, operation: str, parameters: Mapping[str, Any]) -> Tags | None:
    """What a call does to tags; None for a call that is about something else."""
    adds = operation.startswith(("Tag", "AddTags", "CreateTags", "CreateOrUpdateTags"))
    removes = operation.startswith(("Untag", "RemoveTags", "DeleteTags"))
    if not adds and not removes:
        return None
    given = next((value for name, value in parameters.items() if normal(name) in (*TAG_MEMBERS, "tagkeys")), None)
    resources = {text for name, value in parameters.items() if normal(name) != "tagkeys" for text in strings(value)}
    if service == "autoscaling" and isinstance(given, list):
        resources = {str(tag.get("ResourceId")) for tag in given}
    if adds:
        return Tags(resources, read_tags(given), set())
    return Tags(resources, {}, set(strings(given)) | set(read_tags(given)))


def read_tags(value: Any) -> dict[str, str]:
    """Tags as a dict, from any of the forms in which services write them."""
    if isinstance(value, Mapping):
        return {str(key): str(item) for key, item in value.items()}
    read = {}
    for tag in value or []:
        if isinstance(tag, Mapping):
            key = tag.get("Key", tag.get("TagKey", tag.get("key")))
            read[str(key)] = str(tag.get("Value", tag.get("TagValue", tag.get("value"))) or "")
    return read


def shaped_tags(pairs: Mapping[str, str], shape: Any) -> Any:
    """Tags in the form that a shape asks for."""
    if shape.type_name != "list" or shape.member.type_name != "structure":
        return dict(pairs)
    members = list(shape.member.members)
    key = next((name for name in members if normal(name) in ("key", "tagkey")), "Key")
    value = next((name for name in members if normal(name) in ("value", "tagvalue")), "Value")
    return [{key: name, value: text} for name, text in pairs.items()]


def known(service: str, noun: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a created thing under the names by which they are read, with what every new one has."""
    read = {**BORN_WITH.get((service, noun), lambda _fields: {})(fields), **fields}
    for name, given in RENAMED.get((service, f"Create{noun}"), {}).items():
        if name in read:
            read.setdefault(given, read[name])
    for specification in read.pop("TagSpecifications", None) or []:
        read["Tags"] = specification.get("Tags", [])
    given = lookup(read, "Tags")
    if given:
        pairs = [{"Key": key, "Value": value, "TagKey": key, "TagValue": value} for key, value in read_tags(given).items()]
        read["Tags"] = pairs if isinstance(given, list) else given
        read["TagList"] = read["TagSet"] = pairs
    return read


# ---- What AWS adds by itself -----------------------------------------------------------------------------------------------------

EVERYWHERE = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}], "Ipv6Ranges": [], "PrefixListIds": [], "UserIdGroupPairs": []}
DENIED = {"CidrBlock": "0.0.0.0/0", "Protocol": "-1", "RuleAction": "deny", "RuleNumber": 32767}
BORN_WITH: dict[tuple[str, str], Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    ("ec2", "Vpc"): lambda fields: {
        "CidrBlockAssociationSet": [
            {
                "AssociationId": str(fields.get("VpcId", "")).replace("vpc-", "vpc-cidr-assoc-"),
                "CidrBlock": fields.get("CidrBlock"),
                "CidrBlockState": {"State": "associated"},
            }
        ]
    },
    ("ec2", "SecurityGroup"): lambda _fields: {"IpPermissionsEgress": [EVERYWHERE]},
    ("ec2", "NetworkAcl"): lambda _fields: {"Entries": [{**DENIED, "Egress": False}, {**DENIED, "Egress": True}], "IsDefault": False},
    ("ec2", "RouteTable"): lambda _fields: {"Routes": [], "Associations": []},
    ("ec2", "Address"): lambda fields: {"PublicIp": fields.get("PublicIp"), "Domain": "vpc"},
    ("elbv2", "LoadBalancer"): lambda fields: {"State": {"Code": "active"}, "LoadBalancerName": fields.get("Name")},
    ("kms", "Key"): lambda _fields: {"Enabled": True, "KeyState": "Enabled", "KeyManager": "CUSTOMER", "Origin": "AWS_KMS"},
    ("secretsmanager", "Secret"): lambda fields: {"ARN": fields.get("ARN")},
}


def implied(write: Write) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """The writes that AWS makes by itself after a write: operation, parameters and answer."""
    if (write.service, write.operation) == ("ec2", "CreateLaunchTemplate"):
        version = {name: write.fields.get(name) for name in ("LaunchTemplateId", "LaunchTemplateName", "LaunchTemplateData")}
        yield "CreateLaunchTemplateVersion", version, {}
    if (write.service, write.operation) == ("ec2", "CreateVpc"):
        vpc = str(write.fields["VpcId"])
        group = {"GroupName": "default", "Description": "default VPC security group", "VpcId": vpc}
        yield "CreateSecurityGroup", group, {"GroupId": vpc.replace("vpc-", "sg-")}
        yield "CreateNetworkAcl", {"VpcId": vpc}, {"NetworkAcl": {"NetworkAclId": vpc.replace("vpc-", "acl-"), "IsDefault": True}}
        main = {"Main": True, "RouteTableAssociationId": vpc.replace("vpc-", "rtbassoc-"), "RouteTableId": vpc.replace("vpc-", "rtb-")}
        yield "CreateRouteTable", {"VpcId": vpc}, {"RouteTable": {"RouteTableId": main["RouteTableId"], "Associations": [main]}}


# ---- Writes whose parameters are called differently from the fields ---------------------------------------------------------------

RENAMED = {
    ("iam", "UpdateAssumeRolePolicy"): {"PolicyDocument": "AssumeRolePolicyDocument"},
    ("rds", "ModifyDBInstance"): {"VpcSecurityGroupIds": "VpcSecurityGroups", "DBParameterGroupName": "DBParameterGroups"},
    ("ec2", "ModifyLaunchTemplate"): {"DefaultVersion": "DefaultVersionNumber", "SetDefaultVersion": "DefaultVersionNumber"},
    ("ec2", "CreateSecurityGroup"): {"Description": "GroupDescription"},
}


def fields(write: Write) -> Iterator[tuple[str, Any]]:
    """The parameters of a write by the names of the fields that they change."""
    renamed = RENAMED.get((write.service, write.operation), {})
    for name, value in requests.without_tokens(write.parameters).items():
        yield renamed.get(name, name), value


# ---- Writes to the lists within a thing ------------------------------------------------------------------------------------------

Rule = Callable[["Write", "Read", list[Node], "Trace"], None]
RULES: dict[tuple[str, str], Rule] = {}


def rule(service: str, *operations: str) -> Callable[[Rule], Rule]:
    def register(function: Rule) -> Rule:
        for operation in operations:
            RULES[service, operation] = function
        return function

    return register


def apply(write: Write, read: Read, found: list[Node], trace: Trace) -> bool:
    """Lay a write over an answer by its own rule; False when it has none."""
    own = RULES.get((write.service, write.operation))
    if own:
        own(write, read, found, trace)
    return own is not None


def _node(found: list[Node], member: str, value: Any) -> Iterator[Node]:
    """The structures that have a member of this value."""
    return (node for node in found if value is not None and node.value.get(member) == value)


def _put(node: Node, member: str, items: list[Any], trace: Trace, label: str | None = None) -> None:
    before = node.value.get(member) or []
    for item in before:
        if item not in items:
            trace.note(label or member, item, None)
    for item in items:
        if item not in before:
            trace.note(label or member, None, item)
    node.value[member] = items


# Security groups: a permission of the API holds several sources, each of which is a rule of its own.
SOURCES = {"IpRanges": "CidrIp", "Ipv6Ranges": "CidrIpv6", "PrefixListIds": "PrefixListId", "UserIdGroupPairs": "GroupId"}


def _single(permissions: list[dict[str, Any]]) -> dict[tuple[Any, ...], dict[str, Any]]:
    rules = {}
    for permission in permissions:
        about = {name: permission[name] for name in ("IpProtocol", "FromPort", "ToPort") if name in permission}
        for member, source in SOURCES.items():
            for item in permission.get(member) or []:
                rules[(*about.values(), member, item.get(source))] = {**about, **{name: [] for name in SOURCES}, member: [item]}
    return rules


@rule("ec2", "AuthorizeSecurityGroupIngress", "AuthorizeSecurityGroupEgress", "RevokeSecurityGroupIngress", "RevokeSecurityGroupEgress")
def _security_group_rules(write: Write, _read: Read, found: list[Node], trace: Trace) -> None:
    member = "IpPermissionsEgress" if write.operation.endswith("Egress") else "IpPermissions"
    given = _single(write.parameters.get("IpPermissions") or [])
    for node in _node(found, "GroupId", write.parameters.get("GroupId")):
        if member not in node.shape.members:
            continue
        rules = _single(node.value.get(member) or [])
        for key, item in given.items():
            before = rules.pop(key, None)
            if write.verb == "Authorize":
                rules[key] = item
            elif before is None:
                continue
            trace.note(f"{member}.{_port(item)}.{key[-1]}", before and "allowed", "allowed" if write.verb == "Authorize" else None)
        node.value[member] = list(rules.values())


def _port(permission: Mapping[str, Any]) -> str:
    low, high = permission.get("FromPort"), permission.get("ToPort")
    if permission.get("IpProtocol") == "-1" or low is None:
        return str(permission.get("IpProtocol")).replace("-1", "all")
    return f"{permission['IpProtocol']}/{low}" if low == high else f"{permission['IpProtocol']}/{low}-{high}"


@rule("ec2", "CreateNetworkAclEntry", "ReplaceNetworkAclEntry", "DeleteNetworkAclEntry")
def _network_acl_entries(write: Write, _read: Read, found: list[Node], trace: Trace) -> None:
    entry = {name: value for name, value in write.parameters.items() if name != "NetworkAclId"}
    key = (entry.get("RuleNumber"), entry.get("Egress"))
    for node in _node(found, "NetworkAclId", write.parameters["NetworkAclId"]):
        if "Entries" in node.shape.members:
            entries = {(item.get("RuleNumber"), item.get("Egress")): item for item in node.value.get("Entries") or []}
            before = entries.pop(key, None)
            if write.verb != "Delete":
                entries[key] = entry
            name = f"Entries.{'egress' if key[1] else 'ingress'}.{key[0]}"
            for field, old, new in requests.differences(name, before, entries.get(key)):
                trace.note(field, old, new)
            node.value["Entries"] = list(entries.values())


@rule("ec2", "ReplaceNetworkAclAssociation")
def _network_acl_association(write: Write, _read: Read, found: list[Node], trace: Trace) -> None:
    moved = next((node.value for node in _node(found, "NetworkAclAssociationId", write.parameters["AssociationId"])), None)
    for node in found:
        if "Associations" in node.shape.members and "Entries" in node.shape.members:
            kept = [item for item in node.value.get("Associations") or [] if item is not moved]
            if node.value.get("NetworkAclId") == write.parameters["NetworkAclId"] and moved:
                kept.append({**moved, "NetworkAclId": write.parameters["NetworkAclId"]})
            _put(node, "Associations", kept, trace)


TARGETS = ("GatewayId", "NatGatewayId", "TransitGatewayId", "VpcPeeringConnectionId", "NetworkInterfaceId", "InstanceId")


@rule("ec2", "CreateRoute", "ReplaceRoute", "DeleteRoute")
def _routes(write: Write, _read: Read, found: list[Node], trace: Trace) -> None:
    route = {name: value for name, value in write.parameters.items() if name != "RouteTableId"}
    name, destination = next(((name, value) for name, value in route.items() if name.startswith("Destination")), ("", None))
    for node in _node(found, "RouteTableId", write.parameters["RouteTableId"]):
        if "Routes" in node.shape.members:
            routes = node.value.get("Routes") or []
            before = next((item for item in routes if item.get(name) == destination), None)
            after = None if write.verb == "Delete" else {**route, "State": "active", "Origin": "CreateRoute"}
            ways = [next((item.get(target) for target in TARGETS if item.get(target)), None) if item else None for item in (before, after)]
            trace.note(f"Routes.{destination}", *ways)
            node.value["Routes"] = [item for item in routes if item is not before] + ([after] if after else [])


@rule("ec2", "AssociateRouteTable", "DisassociateRouteTable", "ReplaceRouteTableAssociation")
def _route_table_associations(write: Write, _read: Read, found: list[Node], trace: Trace) -> None:
    old = write.parameters.get("AssociationId")
    moved = next((node.value for node in _node(found, "RouteTableAssociationId", old)), {})
    subnet = write.parameters.get("SubnetId", moved.get("SubnetId"))
    for node in found:
        if "Associations" in node.shape.members and "Routes" in node.shape.members:
            kept = [item for item in node.value.get("Associations") or [] if item.get("RouteTableAssociationId") != old or old is None]
            table = write.parameters.get("RouteTableId")
            if table and node.value.get("RouteTableId") == table:
                identifier = write.response.get("AssociationId") or write.response.get("NewAssociationId")
                state = {"State": "associated"}
                one = {"RouteTableAssociationId": identifier, "RouteTableId": table, "SubnetId": subnet, "Main": False}
                kept.append({**one, "AssociationState": state})
            for item in node.value.get("Associations") or []:
                if item not in kept:
                    trace.note(f"Associations.{item.get('SubnetId')}", item.get("RouteTableId"), table)
            for item in kept:
                if item not in (node.value.get("Associations") or []):
                    trace.note(f"Associations.{subnet}", moved.get("RouteTableId"), table)
            node.value["Associations"] = kept


@rule("ec2", "AttachInternetGateway", "DetachInternetGateway")
def _internet_gateways(write: Write, _read: Read, found: list[Node], trace: Trace) -> None:
    vpc = write.parameters.get("VpcId")
    for node in _node(found, "InternetGatewayId", write.parameters["InternetGatewayId"]):
        if "Attachments" in node.shape.members:
            kept = [item for item in node.value.get("Attachments") or [] if item.get("VpcId") != vpc]
            _put(node, "Attachments", kept + ([{"State": "available", "VpcId": vpc}] if write.verb == "Attach" else []), trace)


@rule("ec2", "CreateLaunchTemplateVersion")
def _launch_template_versions(write: Write, read: Read, found: list[Node], trace: Trace) -> None:
    told = {name: write.parameters[name] for name in ("LaunchTemplateId", "LaunchTemplateName") if write.parameters.get(name)}
    for node in found:
        if node.thing == "LaunchTemplate" and set(told.values()) & node.identifiers:
            node.value["LatestVersionNumber"] = int(node.value.get("LatestVersionNumber") or 0) + 1
            node.value["DefaultVersionNumber"] = node.value.get("DefaultVersionNumber") or 1
    if read.operation.name != "DescribeLaunchTemplateVersions":
        return
    versions = found[0].value.setdefault("LaunchTemplateVersions", [])
    own = [item for item in versions if set(told.values()) & set(strings(list(item.values())))]
    if not own and not set(told.values()) & read.asked:
        return
    latest = max(own, key=lambda item: item["VersionNumber"], default={})
    for name, old, new in requests.differences("", latest.get("LaunchTemplateData"), write.parameters.get("LaunchTemplateData")):
        trace.note(name.lstrip("."), old, new)
    number = latest.get("VersionNumber", 0) + 1
    data = write.parameters.get("LaunchTemplateData")
    names = {name: item for name, item in latest.items() if name.startswith("LaunchTemplate")}
    versions.append({**names, **told, "VersionNumber": number, "DefaultVersion": number == 1, "LaunchTemplateData": data})


@rule("iam", "AttachRolePolicy", "DetachRolePolicy")
def _attached_policies(write: Write, read: Read, found: list[Node], trace: Trace) -> None:
    if read.operation.name != "ListAttachedRolePolicies" or write.parameters["RoleName"] not in read.asked:
        return
    arn = write.parameters["PolicyArn"]
    kept = [item for item in found[0].value.get("AttachedPolicies") or [] if item["PolicyArn"] != arn]
    if write.verb == "Attach":
        kept.append({"PolicyName": arn.rpartition("/")[2], "PolicyArn": arn})
    _put(found[0], "AttachedPolicies", kept, trace)


@rule("iam", "AddRoleToInstanceProfile", "RemoveRoleFromInstanceProfile")
def _profile_roles(write: Write, read: Read, found: list[Node], trace: Trace) -> None:
    role = {"RoleName": write.parameters["RoleName"], "Arn": placeholder("iam", "", "Arn", write.seed), "RoleId": write.seed, "Path": "/"}
    for node in _node(found, "InstanceProfileName", write.parameters["InstanceProfileName"]):
        kept = [item for item in node.value.get("Roles") or [] if item.get("RoleName") != role["RoleName"]]
        _put(node, "Roles", kept + ([role] if write.verb == "Add" else []), trace)
    if read.operation.name == "ListInstanceProfilesForRole" and role["RoleName"] in read.asked and write.verb == "Add":
        found[0].value.setdefault("InstanceProfiles", []).append({"InstanceProfileName": write.parameters["InstanceProfileName"]})


@rule("kms", "EnableKeyRotation", "DisableKeyRotation")
def _key_rotation(write: Write, read: Read, found: list[Node], trace: Trace) -> None:
    if read.operation.name == "GetKeyRotationStatus" and meet({write.parameters["KeyId"]}, read.asked):
        after = write.verb == "Enable"
        trace.note("KeyRotationEnabled", found[0].value.get("KeyRotationEnabled"), after)
        found[0].value["KeyRotationEnabled"] = after


@rule("kms", "ScheduleKeyDeletion", "CancelKeyDeletion", "EnableKey", "DisableKey")
def _key_state(write: Write, _read: Read, found: list[Node], trace: Trace) -> None:
    states = {"ScheduleKeyDeletion": "PendingDeletion", "EnableKey": "Enabled"}
    for node in found:
        if "KeyState" in node.shape.members and meet({write.parameters["KeyId"]}, set(node.identifiers)):
            state = states.get(write.operation, "Disabled")
            trace.note("KeyState", node.value.get("KeyState"), state)
            node.value |= {"KeyState": state, "Enabled": state == "Enabled"}


@rule("logs", "DeleteRetentionPolicy", "AssociateKmsKey", "DisassociateKmsKey")
def _log_groups(write: Write, _read: Read, found: list[Node], trace: Trace) -> None:
    member = "retentionInDays" if write.verb == "Delete" else "kmsKeyId"
    for node in _node(found, "logGroupName", write.parameters["logGroupName"]):
        trace.note(member, node.value.pop(member, None), write.parameters.get("kmsKeyId"))
        if write.parameters.get("kmsKeyId"):
            node.value[member] = write.parameters["kmsKeyId"]


@rule("autoscaling", "EnableMetricsCollection", "DisableMetricsCollection")
def _collected_metrics(write: Write, _read: Read, found: list[Node], trace: Trace) -> None:
    for node in _node(found, "AutoScalingGroupName", write.parameters["AutoScalingGroupName"]):
        if "EnabledMetrics" in node.shape.members:
            before = {item["Metric"]: item for item in node.value.get("EnabledMetrics") or []}
            given = write.parameters.get("Metrics") or list(before)
            after = {name: item for name, item in before.items() if name not in given}
            if write.verb == "Enable":
                after |= {name: {"Metric": name, "Granularity": write.parameters.get("Granularity", "1Minute")} for name in given}
            trace.note("EnabledMetrics", sorted(before), sorted(after))
            trace.compared |= set(write.parameters)
            node.value["EnabledMetrics"] = list(after.values())


# ---- Answers about things that do not have what is asked for ----------------------------------------------------------------------

ABSENT = {
    "GetBucketCors": "NoSuchCORSConfiguration",
    "GetBucketEncryption": "ServerSideEncryptionConfigurationNotFoundError",
    "GetBucketLifecycleConfiguration": "NoSuchLifecycleConfiguration",
    "GetBucketOwnershipControls": "OwnershipControlsNotFoundError",
    "GetBucketPolicy": "NoSuchBucketPolicy",
    "GetBucketReplication": "ReplicationConfigurationNotFoundError",
    "GetBucketTagging": "NoSuchTagSet",
    "GetBucketWebsite": "NoSuchWebsiteConfiguration",
    "GetObjectLockConfiguration": "ObjectLockConfigurationNotFoundError",
    "GetPublicAccessBlock": "NoSuchPublicAccessBlockConfiguration",
}
# What every new thing has, where AWS documents it and modules count on it.
DEFAULTS: dict[tuple[str, str], dict[str, Any]] = {
    ("elbv2", "DescribeTargetGroupAttributes"): {
        "deregistration_delay.timeout_seconds": "300",
        "load_balancing.algorithm.type": "round_robin",
        "load_balancing.cross_zone.enabled": "use_load_balancer_configuration",
        "slow_start.duration_seconds": "0",
        "stickiness.app_cookie.cookie_name": "",
        "stickiness.app_cookie.duration_seconds": "86400",
        "stickiness.enabled": "false",
        "stickiness.lb_cookie.duration_seconds": "86400",
        "stickiness.type": "lb_cookie",
    },
    ("elbv2", "DescribeLoadBalancerAttributes"): {
        "access_logs.s3.bucket": "",
        "access_logs.s3.enabled": "false",
        "access_logs.s3.prefix": "",
        "deletion_protection.enabled": "false",
        "idle_timeout.timeout_seconds": "60",
        "load_balancing.cross_zone.enabled": "true",
        "routing.http.desync_mitigation_mode": "defensive",
        "routing.http.drop_invalid_header_fields.enabled": "false",
        "routing.http.preserve_host_header.enabled": "false",
        "routing.http.x_amzn_tls_version_and_cipher_suite.enabled": "false",
        "routing.http.xff_client_port.enabled": "false",
        "routing.http.xff_header_processing.mode": "append",
        "routing.http2.enabled": "true",
        "waf.fail_open.enabled": "false",
    },
}


def answer_to(operation: str, answer: dict[str, Any], reads: Sequence[tuple[Read, dict[str, Any]]]) -> dict[str, Any]:
    """The answer to a write, with what follows from what was there before."""
    if operation == "CreateLaunchTemplateVersion":
        versions = [
            item["VersionNumber"]
            for read, told in reads
            if read.operation.name == "DescribeLaunchTemplateVersions"
            for item in told.get("LaunchTemplateVersions") or []
        ]
        answer["LaunchTemplateVersion"] |= {"VersionNumber": max(versions, default=0) + 1, "DefaultVersion": not versions}
    return answer


def default_answer(read: Read, created: Write) -> dict[str, Any]:
    """What the answer about something new holds that its creation does not tell."""
    if (read.service, read.operation.name) == ("elbv2", "DescribeTags"):
        pairs = [{"Key": key, "Value": value} for key, value in read_tags(lookup(created.fields, "Tags")).items()]
        return {"TagDescriptions": [{"ResourceArn": arn, "Tags": list(pairs)} for arn in read.parameters["ResourceArns"]]}
    pairs = [{"Key": key, "Value": value} for key, value in DEFAULTS.get((read.service, read.operation.name), {}).items()]
    return {"Attributes": pairs} if pairs else {}

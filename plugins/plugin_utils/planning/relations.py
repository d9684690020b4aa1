# SPDX-License-Identifier: GPL-3.0-or-later
"""What the shapes do not tell: operations whose words differ from what they change."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from . import requests
from .placeholders import placeholder
from .shapes import Names, Node, bare, meet, members, strings

if TYPE_CHECKING:
    from .state import Read, Trace, View, Write

# ---- Writes whose parameters are called differently from the fields ---------------------------------------------------------------

RENAMED = {
    ("budgets", "UpdateBudget"): {"NewBudget": "Budget"},
    ("iam", "CreatePolicyVersion"): {"PolicyDocument": "Document"},
    ("iam", "UpdateAssumeRolePolicy"): {"PolicyDocument": "AssumeRolePolicyDocument"},
    ("rds", "ModifyDBInstance"): {
        "VpcSecurityGroupIds": "VpcSecurityGroups",
        "DBParameterGroupName": "DBParameterGroups",
        "DBPortNumber": "Endpoint",
        "EnablePerformanceInsights": "PerformanceInsightsEnabled",
        "CloudwatchLogsExportConfiguration": "EnabledCloudwatchLogsExports",
    },
    ("ec2", "ModifyLaunchTemplate"): {"DefaultVersion": "DefaultVersionNumber", "SetDefaultVersion": "DefaultVersionNumber"},
    ("ec2", "CreateSecurityGroup"): {"Description": "GroupDescription"},
    ("secretsmanager", "CreateSecret"): {"AddReplicaRegions": "ReplicationStatus"},
}


def _exports(given: Mapping[str, list[str]], before: list[str] | None) -> list[str]:
    return sorted({*(before or []), *given.get("EnableLogTypes", [])} - {*given.get("DisableLogTypes", [])})


# Parameters that name what the field describes: what the field is with that value, and what it was before.
DESCRIBED: dict[tuple[str, str, str], Callable[[Any, Any], Any]] = {
    ("rds", "ModifyDBInstance", "VpcSecurityGroupIds"): lambda ids, _: [{"VpcSecurityGroupId": one, "Status": "active"} for one in ids],
    ("rds", "ModifyDBInstance", "DBParameterGroupName"): lambda name, _: [
        {"DBParameterGroupName": name, "ParameterApplyStatus": "in-sync"}
    ],
    ("rds", "ModifyDBInstance", "DBPortNumber"): lambda port, _: {"Port": port},
    ("rds", "ModifyDBInstance", "CloudwatchLogsExportConfiguration"): _exports,
}


def fields(write: Write, thing: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """The parameters of a write to a thing: the parameter's name, that of the field that it changes, and the value."""
    renamed = RENAMED.get((write.service, write.operation), {})
    for name, value in requests.without_tokens(write.given).items():
        field, described = renamed.get(name, name), DESCRIBED.get((write.service, write.operation, name))
        yield name, field, described(value, thing.get(field)) if described else value


# ---- Writes to the lists within a thing ------------------------------------------------------------------------------------------

Rule = Callable[["Write", "Read", "View", "Trace"], None]
RULES: dict[tuple[str, str], Rule] = {}


def rule(service: str, *operations: str) -> Callable[[Rule], Rule]:
    def register(function: Rule) -> Rule:
        for operation in operations:
            RULES[service, operation] = function
        return function

    return register


def apply(write: Write, view: View, trace: Trace) -> bool:
    """Lay a write over an answer by its own rule; False when it has none."""
    own = RULES.get((write.service, write.operation))
    if own:
        own(write, view.read, view, trace)
    return own is not None


def _node(found: View, member: str, value: Any) -> Iterator[Node]:
    """The structures that have a member of this value."""
    if value is None or member not in members(found.read.shape):
        return iter(())
    return (node for node in found if node.value.get(member) == value)


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
    rules: dict[tuple[Any, ...], dict[str, Any]] = {}
    for permission in permissions:
        about: dict[str, Any] = {name: permission[name] for name in ("IpProtocol", "FromPort", "ToPort") if name in permission}
        for member, source in SOURCES.items():
            for item in permission.get(member) or []:
                empty: dict[str, Any] = {name: [] for name in SOURCES}
                rules[(*about.values(), member, item.get(source))] = {**about, **empty, member: [item]}
    return rules


@rule("ec2", "AuthorizeSecurityGroupIngress", "AuthorizeSecurityGroupEgress", "RevokeSecurityGroupIngress", "RevokeSecurityGroupEgress")
def _security_group_rules(write: Write, _read: Read, found: View, trace: Trace) -> None:
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


@rule("ec2", "UpdateSecurityGroupRuleDescriptionsIngress", "UpdateSecurityGroupRuleDescriptionsEgress")
def _security_group_rule_descriptions(write: Write, _read: Read, found: View, trace: Trace) -> None:
    member = "IpPermissionsEgress" if write.operation.endswith("Egress") else "IpPermissions"
    given = _single(write.parameters.get("IpPermissions") or [])
    for node in _node(found, "GroupId", write.parameters.get("GroupId")):
        if member in node.shape.members:
            rules = _single(node.value.get(member) or [])
            for key in given.keys() & rules.keys():
                source, name = key[-2], f"{member}.{_port(given[key])}.{key[-1]}.Description"
                trace.note(name, *(item[key][source][0].get("Description") for item in (rules, given)))
            node.value[member] = list({**rules, **{key: given[key] for key in given.keys() & rules.keys()}}.values())


def _port(permission: Mapping[str, Any]) -> str:
    low, high = permission.get("FromPort"), permission.get("ToPort")
    if permission.get("IpProtocol") == "-1" or low is None:
        return str(permission.get("IpProtocol")).replace("-1", "all")
    return f"{permission['IpProtocol']}/{low}" if low == high else f"{permission['IpProtocol']}/{low}-{high}"


@rule("ec2", "CreateNetworkAclEntry", "ReplaceNetworkAclEntry", "DeleteNetworkAclEntry")
def _network_acl_entries(write: Write, _read: Read, found: View, trace: Trace) -> None:
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


# What a new subnet gets; no operation of the API, since AWS does it by itself.
DEFAULT_ACL = "AssociateDefaultNetworkAcl"


@rule("ec2", "ReplaceNetworkAclAssociation")
def _network_acl_association(write: Write, read: Read, found: View, trace: Trace) -> None:
    target = write.parameters["NetworkAclId"]
    moved = next((node.value for node in _node(found, "NetworkAclAssociationId", write.parameters["AssociationId"])), None)
    acls = [node for node in found if "Associations" in node.shape.members and "Entries" in node.shape.members]
    # Asked for by its subnet, an association is told also where the answer does not have the ACL that it goes to.
    by_subnet = any(condition.get("Name") == "association.subnet-id" for condition in read.parameters.get("Filters") or [])
    stays = by_subnet and not any(node.value.get("NetworkAclId") == target for node in acls)
    for node in acls:
        items = node.value.get("Associations") or []
        kept = [item for item in items if item is not moved]
        if moved and (node.value.get("NetworkAclId") == target or (stays and moved in items)):
            kept.append({**moved, "NetworkAclId": target})
        node.value["Associations"] = kept
    if moved:
        trace.note(f"Associations.{moved.get('SubnetId')}", moved.get("NetworkAclId"), target)


@rule("ec2", DEFAULT_ACL)
def _default_network_acl(write: Write, _read: Read, found: View, _trace: Trace) -> None:
    for node in _node(found, "VpcId", write.parameters["VpcId"]):
        if "Entries" in node.shape.members and node.value.get("IsDefault"):
            link = {"NetworkAclAssociationId": write.response["AssociationId"], "NetworkAclId": node.value.get("NetworkAclId")}
            node.value["Associations"] = [*(node.value.get("Associations") or []), {**link, "SubnetId": write.parameters["SubnetId"]}]


TARGETS = ("GatewayId", "NatGatewayId", "TransitGatewayId", "VpcPeeringConnectionId", "NetworkInterfaceId", "InstanceId")


@rule("ec2", "CreateRoute", "ReplaceRoute", "DeleteRoute")
def _routes(write: Write, _read: Read, found: View, trace: Trace) -> None:
    route = {name: value for name, value in write.parameters.items() if name != "RouteTableId"}
    name, destination = next(((name, value) for name, value in route.items() if name.startswith("Destination")), ("", None))
    for node in _node(found, "RouteTableId", write.parameters["RouteTableId"]):
        if "Routes" in node.shape.members:
            routes = node.value.get("Routes") or []
            before = next((item for item in routes if item.get(name) == destination), None)
            after = None if write.verb == "Delete" else {**route, "State": "active", "Origin": "CreateRoute"}
            trace.note(f"Routes.{destination}", _way(before), _way(after))
            node.value["Routes"] = [item for item in routes if item is not before] + ([after] if after else [])


def _way(route: Mapping[str, Any] | None) -> str | None:
    """Where a route leads, and whether it gets there."""
    way = next((route[target] for target in TARGETS if route.get(target)), None) if route else None
    return f"{way} (blackhole)" if route and route.get("State") == "blackhole" else way


@rule("ec2", "AssociateRouteTable", "DisassociateRouteTable", "ReplaceRouteTableAssociation")
def _route_table_associations(write: Write, _read: Read, found: View, trace: Trace) -> None:
    old = write.parameters.get("AssociationId")
    moved = next((node.value for node in _node(found, "RouteTableAssociationId", old)), {})
    subnet = write.parameters.get("SubnetId", moved.get("SubnetId"))
    for node in found:
        if "Associations" in node.shape.members and "Routes" in node.shape.members:
            kept = [item for item in node.value.get("Associations") or [] if item.get("RouteTableAssociationId") != old or old is None]
            table = write.parameters.get("RouteTableId")
            if subnet and node.value.get("RouteTableId") == table:
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


# Operation -> where its answer lists the instances, and the state that they get.
INSTANCE_STATES: dict[str, tuple[str, dict[str, Any]]] = {
    "StartInstances": ("StartingInstances", {"Code": 16, "Name": "running"}),
    "StopInstances": ("StoppingInstances", {"Code": 80, "Name": "stopped"}),
}


@rule("ec2", *INSTANCE_STATES)
def _instance_states(write: Write, _read: Read, found: View, trace: Trace) -> None:
    _member, state = INSTANCE_STATES[write.operation]
    for node in found:
        if node.thing == "Instance" and node.value.get("InstanceId") in write.parameters["InstanceIds"]:
            trace.note("State.Name", node.value.get("State", {}).get("Name"), state["Name"])
            node.value["State"] = dict(state)


@rule("ec2", "AttachInternetGateway", "DetachInternetGateway")
def _internet_gateways(write: Write, _read: Read, found: View, trace: Trace) -> None:
    vpc = write.parameters.get("VpcId")
    for node in _node(found, "InternetGatewayId", write.parameters["InternetGatewayId"]):
        if "Attachments" in node.shape.members:
            kept = [item for item in node.value.get("Attachments") or [] if item.get("VpcId") != vpc]
            _put(node, "Attachments", kept + ([{"State": "available", "VpcId": vpc}] if write.verb == "Attach" else []), trace)
    for node in found:
        for route in node.value.get("Routes") or []:
            if route.get("GatewayId") == write.parameters["InternetGatewayId"]:
                route["State"] = "active" if write.verb == "Attach" else "blackhole"


@rule("ec2", "CreateLaunchTemplateVersion")
def _launch_template_versions(write: Write, read: Read, found: View, trace: Trace) -> None:
    told = {name: write.parameters[name] for name in ("LaunchTemplateId", "LaunchTemplateName") if write.parameters.get(name)}
    for node in found:
        if node.thing == "LaunchTemplate" and set(told.values()) & node.identifiers:
            node.value["LatestVersionNumber"] = int(node.value.get("LatestVersionNumber") or 0) + 1
            node.value["DefaultVersionNumber"] = node.value.get("DefaultVersionNumber") or 1
    if read.operation.name != "DescribeLaunchTemplateVersions":
        return
    versions = found.whole.value.setdefault("LaunchTemplateVersions", [])
    own = [item for item in versions if set(told.values()) & set(strings(list(item.values())))]
    if not own and not set(told.values()) & read.asked:
        return
    latest: dict[str, Any] = max(own, key=lambda item: item["VersionNumber"], default={})
    for name, old, new in requests.differences("", latest.get("LaunchTemplateData"), write.parameters.get("LaunchTemplateData")):
        trace.note(name.lstrip("."), old, new)
    number = latest.get("VersionNumber", 0) + 1
    data = write.parameters.get("LaunchTemplateData")
    names = {name: item for name, item in latest.items() if name.startswith("LaunchTemplate")}
    versions.append({**names, **told, "VersionNumber": number, "DefaultVersion": number == 1, "LaunchTemplateData": data})


@rule("iam", "AttachRolePolicy", "DetachRolePolicy")
def _attached_policies(write: Write, read: Read, found: View, trace: Trace) -> None:
    if read.operation.name != "ListAttachedRolePolicies" or write.parameters["RoleName"] not in read.asked:
        return
    arn = write.parameters["PolicyArn"]
    kept = [item for item in found.whole.value.get("AttachedPolicies") or [] if item["PolicyArn"] != arn]
    if write.verb == "Attach":
        kept.append({"PolicyName": arn.rpartition("/")[2], "PolicyArn": arn})
    _put(found.whole, "AttachedPolicies", kept, trace)


@rule("iam", "AddRoleToInstanceProfile", "RemoveRoleFromInstanceProfile")
def _profile_roles(write: Write, read: Read, found: View, trace: Trace) -> None:
    role = {"RoleName": write.parameters["RoleName"], "Arn": placeholder("iam", "", "Arn", write.seed), "RoleId": write.seed, "Path": "/"}
    for node in _node(found, "InstanceProfileName", write.parameters["InstanceProfileName"]):
        kept = [item for item in node.value.get("Roles") or [] if item.get("RoleName") != role["RoleName"]]
        _put(node, "Roles", kept + ([role] if write.verb == "Add" else []), trace)
    if read.operation.name == "ListInstanceProfilesForRole" and role["RoleName"] in read.asked and write.verb == "Add":
        found.whole.value.setdefault("InstanceProfiles", []).append({"InstanceProfileName": write.parameters["InstanceProfileName"]})


@rule("kms", "EnableKeyRotation", "DisableKeyRotation")
def _key_rotation(write: Write, read: Read, found: View, trace: Trace) -> None:
    if read.operation.name == "GetKeyRotationStatus" and meet(Names({write.parameters["KeyId"]}), read.asked):
        after = write.verb == "Enable"
        trace.note("KeyRotationEnabled", found.whole.value.get("KeyRotationEnabled"), after)
        found.whole.value["KeyRotationEnabled"] = after


@rule("kms", "ScheduleKeyDeletion", "CancelKeyDeletion", "EnableKey", "DisableKey")
def _key_state(write: Write, _read: Read, found: View, trace: Trace) -> None:
    states = {"ScheduleKeyDeletion": "PendingDeletion", "EnableKey": "Enabled"}
    for node in found:
        if "KeyState" in node.shape.members and meet(Names({write.parameters["KeyId"]}), node.identifiers):
            state = states.get(write.operation, "Disabled")
            trace.note("KeyState", node.value.get("KeyState"), state)
            node.value.update(KeyState=state, Enabled=state == "Enabled")


@rule("s3", "PutBucketLogging")
def _bucket_logging(write: Write, read: Read, found: View, trace: Trace) -> None:
    if read.operation.name == "GetBucketLogging" and write.parameters["Bucket"] in read.asked:
        before = found.whole.value.pop("LoggingEnabled", None)
        after = write.parameters["BucketLoggingStatus"].get("LoggingEnabled")  # none switches it off
        for name, old, new in requests.differences("LoggingEnabled", before, after):
            trace.note(name, old, new)
        if after:
            found.whole.value["LoggingEnabled"] = dict(after)


@rule("s3", "DeleteBucketCors", "DeleteBucketLifecycle", "DeleteBucketPolicy", "DeleteBucketReplication", "DeletePublicAccessBlock")
def _bucket_parts(write: Write, read: Read, found: View, trace: Trace) -> None:
    if bare(write.noun) == bare(read.noun) and write.parameters["Bucket"] in read.asked:
        for member in read.shape.members:
            for name, old, _new in requests.differences(member, found.whole.value.get(member), None):
                trace.note(name, old, None)


# They create a thing, and in another region than they are sent to.
ELSEWHERE = {"ReplicateKey"}


@rule("kms", "ReplicateKey")
def _replicas(_write: Write, _read: Read, _found: View, _trace: Trace) -> None:
    """The description, policy and tags that it gives are those of the replica, and not of the key that it names."""


@rule("secretsmanager", "ReplicateSecretToRegions", "RemoveRegionsFromReplication")
def _secret_replicas(write: Write, _read: Read, found: View, trace: Trace) -> None:
    gone = write.parameters.get("RemoveReplicaRegions", [])
    made = [{**replica, "Status": "InSync"} for replica in write.parameters.get("AddReplicaRegions", [])]
    for node in found:
        if "ReplicationStatus" in node.shape.members and meet(Names({write.parameters["SecretId"]}), node.identifiers):
            kept = [item for item in node.value.get("ReplicationStatus") or [] if item["Region"] not in gone]
            _put(node, "ReplicationStatus", kept + made, trace)


@rule("secretsmanager", "StopReplicationToReplica")
def _secret_of_its_own(write: Write, _read: Read, found: View, trace: Trace) -> None:
    for node in found:
        if "PrimaryRegion" in node.shape.members and meet(Names({write.parameters["SecretId"]}), node.identifiers):
            trace.note("PrimaryRegion", node.value.get("PrimaryRegion"), None)
            node.value["PrimaryRegion"] = ""


@rule("sns", "SetTopicAttributes")
def _topic_attributes(write: Write, read: Read, found: View, trace: Trace) -> None:
    if read.operation.name == "GetTopicAttributes" and meet(Names({write.parameters["TopicArn"]}), read.asked):
        name, attributes = write.parameters["AttributeName"], found.whole.value.setdefault("Attributes", {})
        trace.note(f"Attributes.{name}", attributes.get(name), write.parameters.get("AttributeValue"))
        attributes[name] = write.parameters.get("AttributeValue")


@rule("sns", "Subscribe", "Unsubscribe")
def _subscriptions(write: Write, read: Read, found: View, trace: Trace) -> None:
    topic, arn = write.parameters.get("TopicArn"), write.parameters.get("SubscriptionArn")
    if read.operation.name != "ListSubscriptionsByTopic" or (topic and topic not in read.asked):
        return
    kept = [item for item in found.whole.value.get("Subscriptions") or [] if item["SubscriptionArn"] != arn]
    if topic:
        given = {name: write.parameters[name] for name in ("TopicArn", "Protocol", "Endpoint")}
        kept.append({**given, "SubscriptionArn": "PendingConfirmation", "Owner": ""})
    _put(found.whole, "Subscriptions", kept, trace)


@rule("events", "PutTargets", "RemoveTargets")
def _rule_targets(write: Write, read: Read, found: View, trace: Trace) -> None:
    if read.operation.name != "ListTargetsByRule" or write.parameters["Rule"] not in read.asked:
        return
    given = write.parameters.get("Targets") or []
    gone = [target["Id"] for target in given] + list(write.parameters.get("Ids") or [])
    before = found.whole.value.get("Targets") or []
    trace.compared |= set(write.parameters)
    _put(found.whole, "Targets", [target for target in before if target["Id"] not in gone] + given, trace)


@rule("logs", "DeleteRetentionPolicy", "AssociateKmsKey", "DisassociateKmsKey")
def _log_groups(write: Write, _read: Read, found: View, trace: Trace) -> None:
    member = "retentionInDays" if write.verb == "Delete" else "kmsKeyId"
    for node in _node(found, "logGroupName", write.parameters["logGroupName"]):
        trace.note(member, node.value.pop(member, None), write.parameters.get("kmsKeyId"))
        if write.parameters.get("kmsKeyId"):
            node.value[member] = write.parameters["kmsKeyId"]


@rule("ecs", "RegisterTaskDefinition")
def _task_definitions(write: Write, read: Read, found: View, trace: Trace) -> None:
    """A family is described by its newest revision: the registered one replaces all that was known."""
    if read.operation.name != "DescribeTaskDefinition" or read.parameters["taskDefinition"] != write.parameters["family"]:
        return
    answer, given = found.whole.value, dict(write.parameters)
    before = answer.get("taskDefinition") or {}
    answer["tags"] = given.pop("tags", [])
    trace.found = bool(before)
    for name, value in given.items():
        for field, old, new in _definition_fields(name, before.get(name), value):
            trace.note(field, old, new)
    answer["taskDefinition"] = {**write.response.get("taskDefinition", {}), **given, "status": "ACTIVE"}


def _definition_fields(name: str, before: Any, after: Any) -> Iterator[tuple[str, Any, Any]]:
    """The fields of a task definition that are registered anew; what ECS adds to a container by itself is none."""
    if name == "containerDefinitions" and before and len(before) == len(after):
        for old, new in zip(before, after, strict=True):
            for member, value in new.items():
                yield from requests.pairs(f"{name}.{new['name']}.{member}", old.get(member), value)
    else:
        yield from requests.pairs(name, before, after)


@rule("autoscaling", "EnableMetricsCollection", "DisableMetricsCollection")
def _collected_metrics(write: Write, _read: Read, found: View, trace: Trace) -> None:
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


# Switches: the operation -> the question that tells its setting, the member of the answer, and what that is afterwards where no
# parameter of that name says it.
SWITCHES: dict[tuple[str, str], tuple[str, str, Any]] = {
    ("cloudtrail", "StartLogging"): ("GetTrailStatus", "IsLogging", True),
    ("cloudtrail", "StopLogging"): ("GetTrailStatus", "IsLogging", False),
    ("config", "StartConfigurationRecorder"): ("DescribeConfigurationRecorderStatus", "recording", True),
    ("config", "StopConfigurationRecorder"): ("DescribeConfigurationRecorderStatus", "recording", False),
    ("ec2", "EnableEbsEncryptionByDefault"): ("GetEbsEncryptionByDefault", "EbsEncryptionByDefault", True),
    ("ec2", "DisableEbsEncryptionByDefault"): ("GetEbsEncryptionByDefault", "EbsEncryptionByDefault", False),
    ("ec2", "ResetEbsDefaultKmsKeyId"): ("GetEbsDefaultKmsKeyId", "KmsKeyId", "alias/aws/ebs"),
    ("ec2", "EnableImageBlockPublicAccess"): ("GetImageBlockPublicAccessState", "ImageBlockPublicAccessState", None),
    ("ec2", "DisableImageBlockPublicAccess"): ("GetImageBlockPublicAccessState", "ImageBlockPublicAccessState", "unblocked"),
    ("ec2", "EnableSnapshotBlockPublicAccess"): ("GetSnapshotBlockPublicAccessState", "State", None),
    ("ec2", "DisableSnapshotBlockPublicAccess"): ("GetSnapshotBlockPublicAccessState", "State", "unblocked"),
}


# Ends that are called otherwise than what they end: the operation -> the question that finds nothing any more.
ENDINGS = {("securityhub", "DisableSecurityHub"): "DescribeHub"}


def _switch(write: Write, read: Read, found: View, trace: Trace) -> None:
    question, member, value = SWITCHES[write.service, write.operation]
    told = Names(strings(list(write.parameters.values())))
    for node in found if read.operation.name == question else ():
        asked = read.asked if not node.path else node.identifiers
        if member in node.shape.members and (meet(told, asked) or not asked):
            after = write.parameters.get(member, value)
            trace.note(member, node.value.get(member), after)
            trace.compared |= set(write.parameters)
            node.value[member] = after


RULES |= dict.fromkeys(SWITCHES, _switch)


def makes_nothing(service: str, operation: str) -> bool:
    """Whether an operation that is named like a creation only changes the state of what is there."""
    return operation in INSTANCE_STATES or (service, operation) in SWITCHES


@rule("cloudtrail", "PutEventSelectors")
def _event_selectors(write: Write, read: Read, found: View, trace: Trace) -> None:
    if read.operation.name == "GetEventSelectors" and meet(Names({write.parameters["TrailName"]}), read.asked):
        for member in ("EventSelectors", "AdvancedEventSelectors"):
            _put(found.whole, member, write.parameters.get(member, []), trace)
        trace.compared |= set(write.parameters)


@rule("route53", "ChangeResourceRecordSets")
def _records(write: Write, read: Read, found: View, trace: Trace) -> None:
    if read.operation.name != "ListResourceRecordSets" or not meet(Names({write.parameters["HostedZoneId"]}), read.asked):
        return
    records = {_record(item): item for item in found.whole.value.get("ResourceRecordSets") or []}
    for change in write.parameters["ChangeBatch"]["Changes"]:
        item = change["ResourceRecordSet"]
        before, after = records.pop(_record(item), None), item if change["Action"] != "DELETE" else None
        if after:
            records[_record(item)] = after
        for field, old, new in requests.differences(" ".join(filter(None, _record(item))), before, after):
            trace.note(field, old, new)
    trace.compared |= set(write.parameters)
    found.whole.value["ResourceRecordSets"] = list(records.values())


def _record(item: Mapping[str, Any]) -> tuple[str, str, str]:
    """What tells a record from the others of its zone."""
    return item["Name"], item["Type"], item.get("SetIdentifier", "")


@rule("guardduty", "UpdateDetector")
def _detectors(write: Write, read: Read, found: View, trace: Trace) -> None:
    if read.operation.name != "GetDetector" or write.parameters["DetectorId"] not in read.asked:
        return
    detector = found.whole.value
    features = {feature["Name"]: feature for feature in detector.get("Features") or []}
    for feature in write.parameters.get("Features") or []:
        before = features.get(feature["Name"], {})
        trace.note(f"Features.{feature['Name']}", before.get("Status"), feature["Status"])
        features[feature["Name"]] = {**before, **feature}
    detector["Features"] = list(features.values())
    fields = {"Status": {True: "ENABLED", False: "DISABLED", None: None}[write.parameters.get("Enable")]}
    fields["FindingPublishingFrequency"] = write.parameters.get("FindingPublishingFrequency")
    for name, value in fields.items():
        if value is not None:
            trace.note(name, detector.get(name), value)
            detector[name] = value
    trace.compared |= set(write.parameters)


@rule("securityhub", "UpdateSecurityHubConfiguration")
def _hub(write: Write, read: Read, found: View, trace: Trace) -> None:
    if read.operation.name == "DescribeHub":
        for name, value in write.parameters.items():
            trace.note(name, found.whole.value.get(name), value)
            trace.compared.add(name)
            found.whole.value[name] = value


@rule("securityhub", "BatchEnableStandards", "BatchDisableStandards")
def _standards(write: Write, read: Read, found: View, trace: Trace) -> None:
    if read.operation.name != "GetEnabledStandards":
        return
    subscriptions = found.whole.value.setdefault("StandardsSubscriptions", [])
    gone = write.parameters.get("StandardsSubscriptionArns") or []
    for request in write.parameters.get("StandardsSubscriptionRequests") or []:
        arn = request["StandardsArn"]
        trace.note(f"Standards.{arn.partition('/')[2]}", None, "enabled")
        subscription = placeholder("securityhub", "", "StandardsSubscriptionArn", f"{write.seed}.{arn}")
        subscriptions.append({"StandardsArn": arn, "StandardsSubscriptionArn": subscription, "StandardsStatus": "PENDING"})
    for one in subscriptions:
        if one["StandardsSubscriptionArn"] in gone:
            trace.note(f"Standards.{one['StandardsArn'].partition('/')[2]}", "enabled", None)
    trace.compared |= set(write.parameters)
    subscriptions[:] = [one for one in subscriptions if one["StandardsSubscriptionArn"] not in gone]


@rule("inspector2", "Enable", "Disable")
def _scans(write: Write, read: Read, found: View, trace: Trace) -> None:
    if read.operation.name != "BatchGetAccountStatus":
        return
    accounts = found.whole.value.setdefault("accounts", [])
    after = "ENABLED" if write.operation == "Enable" else "DISABLED"
    for account in write.parameters["accountIds"]:
        told = next((one for one in accounts if one["accountId"] == account), None)
        if told is None:
            told = {"accountId": account, "resourceState": {}}
            accounts.append(told)
        for kind in write.parameters["resourceTypes"]:
            member = {"LAMBDA_CODE": "lambdaCode"}.get(kind, kind.lower())
            state = told["resourceState"].setdefault(member, {})
            trace.note(f"resourceState.{kind}", state.get("status"), after)
            state["status"] = after
    trace.compared |= set(write.parameters)


@rule("wafv2", "AssociateWebACL", "DisassociateWebACL")
def _protected_resources(write: Write, read: Read, found: View, trace: Trace) -> None:
    if read.operation.name == "GetWebACLForResource" and write.parameters["ResourceArn"] in read.asked:
        before, after = found.whole.value.get("WebACL") or {}, write.parameters.get("WebACLArn")
        trace.note("WebACLArn", before.get("ARN"), after)
        found.whole.value["WebACL"] = {"ARN": after} if after else None

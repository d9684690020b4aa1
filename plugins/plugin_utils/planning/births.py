# SPDX-License-Identifier: GPL-3.0-or-later
"""What is true of new things without being asked for: what AWS gives each of them, makes along with them, and answers about them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .relations import DEFAULT_ACL, INSTANCE_STATES, RENAMED
from .shapes import lookup
from .tagging import read_tags

if TYPE_CHECKING:
    from .state import Read, Write

EVERYWHERE = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}], "Ipv6Ranges": [], "PrefixListIds": [], "UserIdGroupPairs": []}
DENIED = {"CidrBlock": "0.0.0.0/0", "Protocol": "-1", "RuleAction": "deny", "RuleNumber": 32767}
ALLOWED = {**DENIED, "RuleAction": "allow", "RuleNumber": 100}
# What a VPC's own network ACL lets through until somebody closes it.
OPEN = [{**entry, "Egress": egress} for egress in (False, True) for entry in (ALLOWED, DENIED)]
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
    ("ec2", "TransitGateway"): lambda fields: {
        "Options": {
            name: str(fields.get("TransitGatewayId", "")).replace("tgw-", "tgw-rtb-", 1)
            for name in ("AssociationDefaultRouteTableId", "PropagationDefaultRouteTableId")
        }
    },
    ("ec2", "TransitGatewayPeeringAttachment"): lambda fields: {
        "RequesterTgwInfo": {"TransitGatewayId": fields.get("TransitGatewayId")},
        "AccepterTgwInfo": {"TransitGatewayId": fields.get("PeerTransitGatewayId"), "Region": fields.get("PeerRegion")},
    },
    ("ec2", "SecurityGroup"): lambda _fields: {"IpPermissionsEgress": [EVERYWHERE]},
    ("ec2", "NetworkAcl"): lambda _fields: {"Entries": [{**DENIED, "Egress": False}, {**DENIED, "Egress": True}], "IsDefault": False},
    ("ec2", "RouteTable"): lambda _fields: {"Routes": [], "Associations": []},
    ("rds", "DBInstance"): lambda fields: {
        "BackupRetentionPeriod": 0 if fields.get("SourceDBInstanceIdentifier") else 1,
        "DBParameterGroups": [{"DBParameterGroupName": fields.get("DBParameterGroupName"), "ParameterApplyStatus": "in-sync"}],
        "DBSecurityGroups": [],
        "DBSubnetGroup": {"DBSubnetGroupName": fields.get("DBSubnetGroupName")},
        "EnabledCloudwatchLogsExports": fields.get("EnableCloudwatchLogsExports") or [],
        "IAMDatabaseAuthenticationEnabled": False,
        "OptionGroupMemberships": [],
        "StorageThroughput": 125,
        "VpcSecurityGroups": [{"VpcSecurityGroupId": group, "Status": "active"} for group in fields.get("VpcSecurityGroupIds") or []],
    },
    ("elbv2", "LoadBalancer"): lambda _fields: {"State": {"Code": "active"}},
    ("events", "Rule"): lambda _fields: {"Description": "", "EventPattern": "", "ScheduleExpression": "", "State": "ENABLED"},
    ("kms", "Key"): lambda _fields: {"Enabled": True, "KeyState": "Enabled", "KeyManager": "CUSTOMER", "Origin": "AWS_KMS"},
    ("s3", "Bucket"): lambda fields: {"BucketRegion": fields.get("CreateBucketConfiguration", {}).get("LocationConstraint", "us-east-1")},
    # ImportCertificate names no domain.
    ("acm", "Certificate"): lambda fields: {"Type": "AMAZON_ISSUED" if "DomainName" in fields else "IMPORTED"},
    ("logs", "DeliverySource"): lambda fields: {"resourceArns": [fields.get("resourceArn")]},
    ("sns", "Topic"): lambda fields: {
        "Attributes": {"DisplayName": "", "TopicArn": fields.get("TopicArn"), "Policy": "{}", "EffectiveDeliveryPolicy": "{}"}
    },
}


def implied(write: Write) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """The writes that AWS makes by itself after a write, in the same region: operation, parameters and answer."""
    if (write.service, write.operation) == ("ec2", "CreateLaunchTemplate"):
        version = {name: write.fields.get(name) for name in ("LaunchTemplateId", "LaunchTemplateName", "LaunchTemplateData")}
        yield "CreateLaunchTemplateVersion", version, {}
    if (write.service, write.operation) == ("ec2", "CreateSubnet"):
        subnet = {"SubnetId": write.fields["SubnetId"], "VpcId": write.parameters["VpcId"]}
        yield DEFAULT_ACL, subnet, {"AssociationId": subnet["SubnetId"].replace("subnet-", "aclassoc-")}
    if (write.service, write.operation) == ("iam", "CreatePolicy"):
        version = {"VersionId": write.fields.get("DefaultVersionId"), "IsDefaultVersion": True}
        document = {"PolicyArn": write.fields.get("Arn"), "PolicyDocument": write.parameters["PolicyDocument"]}
        yield "CreatePolicyVersion", document, {"PolicyVersion": version}
    if (write.service, write.operation) == ("ec2", "CreateVpc"):
        vpc = str(write.fields["VpcId"])
        group = {"GroupName": "default", "Description": "default VPC security group", "VpcId": vpc}
        yield "CreateSecurityGroup", group, {"GroupId": vpc.replace("vpc-", "sg-")}
        acl = {"NetworkAclId": vpc.replace("vpc-", "acl-"), "IsDefault": True, "Entries": OPEN}
        yield "CreateNetworkAcl", {"VpcId": vpc}, {"NetworkAcl": acl}
        main = {"Main": True, "RouteTableAssociationId": vpc.replace("vpc-", "rtbassoc-"), "RouteTableId": vpc.replace("vpc-", "rtb-")}
        yield "CreateRouteTable", {"VpcId": vpc}, {"RouteTable": {"RouteTableId": main["RouteTableId"], "Associations": [main]}}


def elsewhere(write: Write) -> Iterator[tuple[str, str, dict[str, Any], dict[str, Any]]]:
    """The writes that AWS makes by itself after a write in another region: region, operation, parameters and answer."""
    if (write.service, write.operation) == ("kms", "ReplicateKey"):
        region, key = write.parameters["ReplicaRegion"], write.parameters["KeyId"]
        primary = {"MultiRegionKeyType": "REPLICA", "PrimaryKey": {"Region": write.region}}
        replica = {"KeyId": key, "MultiRegion": True, "MultiRegionConfiguration": primary}
        texts: dict[str, Any] = {name: write.parameters[name] for name in ("Description", "Policy", "Tags") if name in write.parameters}
        yield region, "CreateKey", texts, {"KeyMetadata": replica}


def known(service: str, noun: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a created thing under the names by which they are read, with what every new one has."""
    # CloudFront's form: configuration, tags and all in one, while its summaries tell the same without a configuration.
    for name in (f"{noun}ConfigWithTags", f"{noun}Config"):
        if isinstance(fields.get(name), Mapping):
            fields = {**fields[name], **fields}
    born = BORN_WITH[service, noun](fields) if (service, noun) in BORN_WITH else {}
    read = {**born, **fields}
    for name, value in born.items():
        if isinstance(value, Mapping) and isinstance(fields.get(name), Mapping):
            read[name] = {**value, **fields[name]}
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


# ---- Answers about things that do not have what is asked for ----------------------------------------------------------------------

ABSENT = {
    "DescribeHub": "InvalidAccessException",
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


def answer_to(
    operation: str, parameters: Mapping[str, Any], answer: dict[str, Any], reads: Sequence[tuple[Read, dict[str, Any]]]
) -> dict[str, Any]:
    """The answer to a write, with what follows from what was there before."""
    if operation in INSTANCE_STATES:
        member, state = INSTANCE_STATES[operation]
        answer[member] = [{"InstanceId": instance, "CurrentState": state} for instance in parameters["InstanceIds"]]
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

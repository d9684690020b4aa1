# SPDX-License-Identifier: GPL-3.0-or-later
"""IAM enforcement: what each call of the AWS API demands, and whether its caller's identity policies allow it.

moto's own enforcement looks at the names of actions only, and takes its own names for AWS's; here each demand has a resource and
condition keys too. Which permissions a call needs beside its own, says the table that policies are generated from.

Not looked at: resource policies, permissions boundaries, service control policies, session policies; signatures; who is an instance.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from http import HTTPStatus
from typing import Any
from xml.sax.saxutils import escape

from moto.awslambda.models import lambda_backends
from moto.cloudfront.models import cloudfront_backends
from moto.core.utils import get_service_model
from moto.ec2.models import ec2_backends
from moto.iam.access_control import CreateAccessKeyFailure, IAMPolicy, create_access_key
from moto.iam.models import iam_backends
from moto.kms.models import kms_backends
from moto.secretsmanager.models import secretsmanager_backends

from plugins.plugin_utils import iam_actions
from sandbox.emulator.api_call import ApiCall
from sandbox.emulator.iam_evaluation import Context, allows
from sandbox.emulator.runtime import runtime
from sandbox.settings import ACCOUNT_ID

# The key of the account's root user, whom nothing is refused: whoever makes the roles and policies to be tried needs it.
ROOT_ACCESS_KEY = "LOCALEMULATORROOT"

# Parameters that name a call's resources, by service -> what follows the account in the ARN. A value that is an ARN stays as it is.
# `Operation:Parameter` is for that operation alone.
_NAMES: Mapping[str, Mapping[str, str]] = {
    "accessanalyzer": {"analyzerName": "analyzer/{}", "resourceArn": ""},
    "acm": {"CertificateArn": "", "ImportCertificate:Certificate": "certificate/0"},
    "autoscaling": {
        "AutoScalingGroupName": "autoScalingGroup:0:autoScalingGroupName/{}",
        "Tags.ResourceId": "autoScalingGroup:0:autoScalingGroupName/{}",
    },
    "backup": {
        "BackupPlanId": "backup-plan:{}",
        "BackupVaultName": "backup-vault:{}",
        "CreateBackupPlan:BackupPlan.BackupPlanName": "backup-plan:0",
        "CreateRestoreTestingPlan:RestoreTestingPlan.RestoreTestingPlanName": "restore-testing-plan:{}-0",
        "ResourceArn": "",
        "RestoreTestingPlanName": "restore-testing-plan:{}-0",
    },
    "budgets": {
        "Budget.BudgetName": "budget/{}",
        "BudgetName": "budget/{}",
        "NewBudget.BudgetName": "budget/{}",
        "ResourceARN": "",
    },
    "ce": {
        "CreateAnomalyMonitor:AnomalyMonitor.MonitorName": "anomalymonitor/0",
        "CreateAnomalySubscription:AnomalySubscription.SubscriptionName": "anomalysubscription/0",
        "MonitorArn": "",
        "ResourceArn": "",
        "SubscriptionArn": "",
    },
    "cloudtrail": {"Name": "trail/{}", "ResourceId": "", "TrailName": "trail/{}"},
    "cloudwatch": {
        "AlarmName": "alarm:{}",
        "AlarmNames": "alarm:{}",
        "DashboardName": "dashboard/{}",
        "DashboardNames": "dashboard/{}",
        "ResourceARN": "",
    },
    "config": {
        "ConfigRule.ConfigRuleName": "config-rule/config-rule-0",  # rules are known by an id of AWS's own
        "ConfigRuleName": "config-rule/config-rule-0",
        "ConformancePackName": "conformance-pack/{}/0",
        "ResourceArn": "",
    },
    "dynamodb": {"TableName": "table/{}", "ResourceArn": ""},
    "ecr": {"repositoryName": "repository/{}", "resourceArn": ""},
    "ecs": {
        "cluster": "cluster/{}",
        "clusterName": "cluster/{}",
        "family": "task-definition/{}:0",
        "resourceArn": "",
        "taskDefinitions": "",
    },
    "elasticache": {
        "CacheParameterGroupName": "parametergroup:{}",
        "CacheSubnetGroupName": "subnetgroup:{}",
        "ReplicationGroupId": "replicationgroup:{}",
        "ResourceName": "",
        "SnapshotName": "snapshot:{}",
    },
    "elbv2": {
        "CreateLoadBalancer:Name": "loadbalancer/app/{}/0",
        "CreateTargetGroup:Name": "targetgroup/{}/0",
        "ListenerArn": "",
        "LoadBalancerArn": "",
        "ResourceArns": "",
        "RuleArn": "",
        "TargetGroupArn": "",
    },
    "events": {"Name": "rule/{}", "ResourceARN": "", "Rule": "rule/{}"},
    "guardduty": {"CreateDetector:Enable": "detector/0", "DetectorId": "detector/{}", "ResourceArn": ""},
    "iam": {
        **{
            f"{operation}:PolicyArn": ""
            for operation in ("CreatePolicyVersion", "DeletePolicy", "DeletePolicyVersion", "TagPolicy", "UntagPolicy")
        },
        "CreatePolicy:PolicyName": "policy/{}",
        "CreateOpenIDConnectProvider:Url": "oidc-provider/{}",
        "GroupName": "group/{}",
        "InstanceProfileName": "instance-profile/{}",
        "OpenIDConnectProviderArn": "",
        "RoleName": "role/{}",
        "UserName": "user/{}",
    },
    "kms": {"AliasName": "{}"},
    "lambda": {"FunctionName": "function:{}", "Resource": "", "UUID": "event-source-mapping:{}"},
    "logs": {
        "logGroupName": "log-group:{}",
        "TagResource:resourceArn": "",
        "UntagResource:resourceArn": "",
        "ListTagsForResource:resourceArn": "",
        "PutDeliverySource:name": "delivery-source:{}",
        "DeleteDeliverySource:name": "delivery-source:{}",
        "PutDeliveryDestination:name": "delivery-destination:{}",
        "DeleteDeliveryDestination:name": "delivery-destination:{}",
        "CreateDelivery:deliverySourceName": "delivery-source:{}",
        "DeleteDelivery:id": "delivery:{}",
    },
    "rds": {
        "DBInstanceIdentifier": "db:{}",
        "DBParameterGroupName": "pg:{}",
        "DBSnapshotIdentifier": "snapshot:{}",
        "DBSubnetGroupName": "subgrp:{}",
        "FinalDBSnapshotIdentifier": "snapshot:{}",
        "ResourceName": "",
        "SourceDBInstanceIdentifier": "db:{}",
    },
    "secretsmanager": {"Name": "secret:{}-000000", "SecretId": "secret:{}-000000"},
    "securityhub": {"HubArn": "", "ResourceArn": ""},
    "shield": {"CreateProtection:Name": "protection/0", "ProtectionId": "protection/{}", "ResourceARN": ""},
    "sns": {"Name": "{}", "ResourceArn": "", "TopicArn": ""},
    "sqs": {"QueueName": "{}", "QueueUrl": "{}"},
    "sso-admin": {"InstanceArn": "", "PermissionSetArn": "", "ResourceArn": ""},
    "wafv2": {
        "CreateIPSet:Name": "regional/ipset/{}/0",
        "UpdateIPSet:Name": "regional/ipset/{}/0",
        "DeleteIPSet:Name": "regional/ipset/{}/0",
        "CreateWebACL:Name": "regional/webacl/{}/0",
        "UpdateWebACL:Name": "regional/webacl/{}/0",
        "DeleteWebACL:Name": "regional/webacl/{}/0",
        "DisassociateWebACL:ResourceArn": "",
        "LoggingConfiguration.ResourceArn": "",
        "DeleteLoggingConfiguration:ResourceArn": "",
        "ResourceARN": "",
        "WebACLArn": "",
    },
}
# The same for Systems Manager, whose parameters are called alike whatever they name: kind -> what follows the account in the ARN, and where
# such a thing is named.
_SSM = {
    "Association": ("association/{}", ("AssociationId",)),
    "Document": ("document/{}", ("Name",)),
    "MaintenanceWindow": ("maintenancewindow/{}", ("WindowId",)),
    "Parameter": ("parameter{}", ("Name", "Names", "Path")),
    "PatchBaseline": ("patchbaseline/{}", ("BaselineId",)),
}
_ROLE_PATHS = (
    *("BackupSelection.IamRoleArn", "RestoreTestingSelection.IamRoleArn", "DeliverLogsPermissionArn"),
    *("IamInstanceProfile.Arn", "IamInstanceProfile.Name", "MonitoringRoleArn", "RoleName"),
    "CloudWatchLogsRoleArn",
    *("executionRoleArn", "taskRoleArn", "Role"),
    "ConfigurationRecorder.roleARN",
)
_TEMPLATE_PATHS = tuple(
    f"{group}{template}.LaunchTemplate{name}"
    for group in ("", "DesiredConfiguration.")
    for template in ("LaunchTemplate", "MixedInstancesPolicy.LaunchTemplate.LaunchTemplateSpecification")
    for name in ("Id", "Name")
)
_KEY_PATHS = (
    "EncryptionKeyArn",
    "KmsKeyId",
    "BlockDeviceMappings.Ebs.KmsKeyId",
    "AddReplicaRegions.KmsKeyId",
    "encryptionConfiguration.kmsKey",
    "KMSKeyArn",
)
# What AWS allows for all resources or for none, although the call names one.
_UNBOUNDED = frozenset({"cloudwatch:PutCompositeAlarm", "ecs:CreateCluster", "ecs:DeregisterTaskDefinition", "ecs:RegisterTaskDefinition"})
_GLOBAL_SERVICES = frozenset({"iam", "budgets", "ce", "shield"})
_EC2_ID = re.compile(r"[a-z]+(?:-[a-z]+)*-(?:[0-9a-f]{8}|[0-9a-f]{17})")
# To whom a role is handed, and for whom a service-linked role is made, where it is not the called service.
_PASSED_TO = {
    "backup:CreateBackupSelection": "backup",
    "backup:CreateRestoreTestingSelection": "backup",
    "cloudtrail:CreateTrail": "cloudtrail",
    "cloudtrail:UpdateTrail": "cloudtrail",
    "config:PutConfigurationRecorder": "config",
    "ec2:CreateFlowLogs": "vpc-flow-logs",
    "ecs:RegisterTaskDefinition": "ecs-tasks",
    "lambda:CreateFunction": "lambda",
    "lambda:UpdateFunctionConfiguration": "lambda",
    **dict.fromkeys(("rds:CreateDBInstance", "rds:CreateDBInstanceReadReplica", "rds:ModifyDBInstance"), "monitoring.rds"),
}
_SERVED_BY = {"config:PutConformancePack": "config-conforms", "ec2:CreateTransitGatewayVpcAttachment": "transitgateway"}


@dataclass(frozen=True)
class Demand:
    """One permission that a call needs: on this resource, under these condition keys."""

    permission: str
    resource: str = "*"
    context: Context = field(default_factory=dict)


@dataclass(frozen=True)
class Refusal:
    """The answer to a call that is not allowed, in the form of its service's protocol."""

    status: HTTPStatus
    content_type: str
    body: bytes
    message: str


def refuse(call: ApiCall, session_token: str) -> Refusal | None:
    """What a call is answered that its caller may not make; None when it may. Users have no session token: it is empty then."""
    if call.access_key == ROOT_ACCESS_KEY:
        return None
    try:
        caller = create_access_key(ACCOUNT_ID, "aws", call.access_key, {"X-Amz-Security-Token": session_token} if session_token else {})
    except CreateAccessKeyFailure:
        code = "AuthFailure" if call.service == "ec2" else "InvalidClientTokenId"
        return _refusal(call, code, "The security token included in the request is invalid.")
    policies = [IAMPolicy(policy)._policy_json for policy in caller.collect_policies()]
    try:
        needed = list(demands(call))
    except iam_actions.UnknownCallError as unknown:
        return _refusal(call, _code(call.service), str(unknown))
    _remember(caller.arn.split("/")[1], call.name, needed)
    for demand in needed:
        if not allows(policies, demand.permission, demand.resource, demand.context):
            message = (
                f"User: {caller.arn} is not authorized to perform: {demand.permission} on resource: {demand.resource} "
                f"because no identity-based policy allows the {demand.permission} action"
            )
            return _refusal(call, _code(call.service), message)
    return None


def _remember(caller: str, call: str, needed: Iterable[Demand]) -> None:
    known = runtime.demands.setdefault(caller, {}).setdefault(call, {})
    for demand in needed:
        entry = asdict(demand)
        known.setdefault(json.dumps(entry, sort_keys=True), entry)


# ---- What a call demands ---------------------------------------------------------------------------------------------------------


def demands(call: ApiCall) -> Iterator[Demand]:
    """Every permission that a call needs."""
    table = iam_actions.table()
    permissions = list(table.permissions(call.name))
    for implied in table.implied.get(call.name, ()):
        if not implied.parameter or any(_values(call.parameters, implied.parameter)):
            permissions += implied.permissions
    for permission in permissions:
        for resource, keys in _resources(call, permission, table.prefixes[call.service]):
            yield Demand(permission, resource, {"aws:RequestedRegion": call.region, **keys})


def _resources(call: ApiCall, permission: str, prefix: str) -> list[tuple[str, Context]]:
    """ARN and condition keys of each resource on which a call needs a permission; `*` stands for none in particular."""
    everything: list[tuple[str, Context]] = [("*", {})]
    found: list[tuple[str, Context]]
    service, action = permission.split(":")
    if action == "PassRole":
        receiver = f"{_PASSED_TO.get(call.name, 'ec2')}.amazonaws.com"
        found = [(_arn("iam", call, f"role/{role}"), {"iam:PassedToService": receiver}) for role in _roles(call)]
    elif action == "CreateServiceLinkedRole":
        owner = f"{_SERVED_BY.get(call.name, prefix)}.amazonaws.com"
        found = [(_arn("iam", call, f"role/aws-service-role/{owner}/AWSServiceRole"), {"iam:AWSServiceName": owner})]
    elif action == "SetWebAcl":
        found = [(str(call.parameters["ResourceArn"]), {})]
    elif action == "AllowVendedLogDeliveryForResource":
        found = _distributions(str(call.parameters["resourceArn"]).rpartition("/")[2])
    elif permission in _UNBOUNDED:
        found = everything
    elif service == "kms" and prefix != "kms":
        found = [(arn, {**keys, "kms:GrantIsForAWSResource": "true"}) for arn, keys in _keys(call, *_KEY_PATHS)]
    elif service == "ec2" and prefix == "autoscaling":
        found = everything if _templates(call) else []
    else:
        found = (_own(call) if service == prefix else []) or everything
    return found


def _own(call: ApiCall) -> list[tuple[str, Context]]:
    found: list[tuple[str, Context]]
    match call.service:
        case "ec2":
            found = _ec2(call)
        case "acm" if call.operation == "RequestCertificate":
            found = [(_arn("acm", call, "certificate/0"), {})]
        case "cloudfront":
            found = _cloudfront(call)
        case "route53":
            found = _route53(call)
        case "kms":
            found = _keys(call, "KeyId", "TargetKeyId") + _named(call)
        case "s3":
            found = [(f"arn:aws:s3:::{name}", {}) for name in _s3(call.parameters)]
        case "lambda" if call.operation.endswith("EventSourceMapping"):
            found = _mappings(call)
        case "ecs" if call.operation.endswith("Service"):
            found = [(_arn("ecs", call, f"service/{name}"), {}) for name in _container_services(call.parameters)]
        case "ssm":
            found = [(_arn("ssm", call, rest), {}) for rest in _ssm(call)]
        case _:
            found = _named(call)
    return found


def _named(call: ApiCall) -> list[tuple[str, Context]]:
    found: list[tuple[str, Context]] = []
    for key, form in _NAMES.get(call.service, {}).items():
        operation, _colon, path = key.rpartition(":")
        if operation in ("", call.operation):
            for value in _values(call.parameters, path):
                name = str(value).rpartition("/")[2] if path == "QueueUrl" else str(value)
                found.append((name if name.startswith("arn:") else _arn(call.service, call, form.format(name)), {}))
    return found


def _ec2(call: ApiCall) -> list[tuple[str, Context]]:
    """Resources by the ids that stand anywhere in the parameters, and key pairs and launch templates by name, with their tags."""
    backend = ec2_backends[ACCOUNT_ID][call.region]
    ids = {text for text in _texts(call.parameters) if _EC2_ID.fullmatch(text)}
    ids |= {pair.id for name, pair in backend.key_pairs.items() if name in _values(call.parameters, "KeyName")}
    ids |= {
        template.id for template in backend.launch_templates.values() if template.name in _values(call.parameters, "LaunchTemplateName")
    }
    return [
        (
            _arn("ec2", call, f"{identifier.rpartition('-')[0]}/{identifier}"),
            {f"aws:ResourceTag/{key}": value for key, value in backend.tags.get(identifier, {}).items()},
        )
        for identifier in sorted(ids)
    ]


def _ssm(call: ApiCall) -> list[str]:
    """What a call names, by the kind of resource that it says, or that is part of its own name."""
    said = call.parameters.get("ResourceType")
    kind = said if said in _SSM else next((kind for kind in _SSM if kind in call.operation), None)
    if kind is None:
        return []
    form, paths = _SSM[kind]
    named = [form.format(name) for name in _values(call.parameters, *(("ResourceId",) if kind == said else paths))]
    return named or ([form.format("0")] if call.operation.startswith("Create") else [])


def _cloudfront(call: ApiCall) -> list[tuple[str, Context]]:
    if call.operation == "CreateDistributionWithTags":
        return [(f"arn:aws:cloudfront::{ACCOUNT_ID}:distribution/0", {})]
    for ending, kind in (("OriginAccessControl", "origin-access-control"), ("ResponseHeadersPolicy", "response-headers-policy")):
        if call.operation.endswith(ending):
            return [(f"arn:aws:cloudfront::{ACCOUNT_ID}:{kind}/{call.parameters.get('Id', 0)}", {})]
    named = str(call.parameters.get("Id") or call.parameters.get("Resource") or "")
    return _distributions(named.rpartition("/")[2]) if named else []


def _distributions(identifier: str) -> list[tuple[str, Context]]:
    arn = f"arn:aws:cloudfront::{ACCOUNT_ID}:distribution/{identifier}"
    tags = cloudfront_backends[ACCOUNT_ID]["aws"].tagger.get_tag_dict_for_resource(arn)
    return [(arn, {f"aws:ResourceTag/{key}": value for key, value in tags.items()})]


def _route53(call: ApiCall) -> list[tuple[str, Context]]:
    named = {"HostedZoneId": "hostedzone", "HealthCheckId": "healthcheck", "ResourceId": str(call.parameters.get("ResourceType"))}
    if call.operation.endswith("HostedZone") or call.operation.endswith("HostedZoneComment"):
        named["Id"] = "hostedzone"
    return [
        (f"arn:aws:route53:::{kind}/{str(call.parameters[name]).rpartition('/')[2]}", {})
        for name, kind in named.items()
        if name in call.parameters
    ]


def _s3(parameters: Mapping[str, Any]) -> list[str]:
    buckets = list(_values(parameters, "Bucket"))
    objects = list(_values(parameters, "Key")) + list(_values(parameters, "Delete.Objects.Key"))
    return [f"{bucket}/{key}" for bucket in buckets for key in objects] or buckets


def _mappings(call: ApiCall) -> list[tuple[str, Context]]:
    """A mapping by its id; whether somebody may have to do with it, its function says."""
    functions = [_arn("lambda", call, f"function:{name}") for name in _values(call.parameters, "FunctionName")]
    mappings = lambda_backends[ACCOUNT_ID][call.region]._event_source_mappings
    found: list[tuple[str, Context]] = [
        (mappings[name].arn, {"lambda:FunctionArn": mappings[name].function_arn})
        for name in _values(call.parameters, "UUID")
        if name in mappings
    ]
    new = _arn("lambda", call, "event-source-mapping:0")
    return found or [(new, {"lambda:FunctionArn": function}) for function in functions]


def _container_services(parameters: Mapping[str, Any]) -> list[str]:
    clusters, services = list(_values(parameters, "cluster")), list(_values(parameters, "service", "serviceName"))
    return [f"{cluster.rpartition('/')[2]}/{service}" for cluster in clusters for service in services]


def _keys(call: ApiCall, *paths: str) -> list[tuple[str, Context]]:
    """KMS keys that parameters name, with their tags and aliases; a key that does not exist is left to the call itself."""
    backend = kms_backends[ACCOUNT_ID][call.region]
    found: list[tuple[str, Context]] = []
    for name in [*_values(call.parameters, *paths), *_secret_keys(call)]:
        alias, identifier = backend.get_alias_name(name), name.rpartition("/")[2]
        for key in [key for key in backend.keys.values() if key.id == identifier or alias in key.aliases]:
            tags = {f"aws:ResourceTag/{tag}": value for tag, value in backend.tagger.get_tag_dict_for_resource(key.id).items()}
            found.append((key.arn, {**tags, "kms:ResourceAliases": list(key.aliases)}))
    return found


def _secret_keys(call: ApiCall) -> list[str]:
    if call.service != "secretsmanager" or "SecretId" not in call.parameters:
        return []
    secrets = secretsmanager_backends[ACCOUNT_ID][call.region].secrets
    key = getattr(secrets.get(call.parameters["SecretId"]), "kms_key_id", None)
    return [key] if key else []


def _templates(call: ApiCall) -> list[Any]:
    """The launch templates that a call names, by id or name."""
    names = set(_values(call.parameters, *_TEMPLATE_PATHS))
    return [found for found in ec2_backends[ACCOUNT_ID][call.region].launch_templates.values() if names & {found.id, found.name}]


def _roles(call: ApiCall) -> list[str]:
    """Names of the roles that a call hands over, itself or by an instance profile or a launch template."""
    profiles = iam_backends[ACCOUNT_ID]["aws"].instance_profiles.values()
    named = set(_values(call.parameters, *_ROLE_PATHS))
    for template in _templates(call):
        for version in template.versions:
            named |= set(_texts(version.data.get("IamInstanceProfile", {})))
    names = {text.rpartition("/")[2] for text in named}
    of_profiles = {role.name for profile in profiles if profile.name in names for role in profile.roles}
    return sorted(of_profiles or names)


def _arn(service: str, call: ApiCall, rest: str) -> str:
    prefix = iam_actions.table().prefixes[service]
    return f"arn:aws:{prefix}:{'' if service in _GLOBAL_SERVICES else call.region}:{ACCOUNT_ID}:{rest}"


def _values(parameters: Mapping[str, Any], *paths: str) -> Iterator[Any]:
    """What stands in the parameters at these paths of names; lists are followed into each element."""
    for path in paths:
        found: list[Any] = [parameters]
        for name in path.split("."):
            found = [below for item in found if isinstance(item, Mapping) and name in item for below in _elements(item[name])]
        yield from found


def _elements(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _texts(value: Any) -> Iterator[str]:
    """Every text anywhere in a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


# ---- How a refusal is said -------------------------------------------------------------------------------------------------------


def _code(service: str) -> str:
    protocol = get_service_model(service).protocol
    if service == "ec2":
        return "UnauthorizedOperation"
    return "AccessDeniedException" if protocol == "json" else "AccessDenied"


def _refusal(call: ApiCall, code: str, message: str) -> Refusal:
    if get_service_model(call.service).protocol in ("json", "rest-json"):
        body = json.dumps({"__type": code, "message": message})
        return Refusal(HTTPStatus.BAD_REQUEST, "application/x-amz-json-1.1", body.encode(), message)
    error = f"<Code>{code}</Code><Message>{escape(message)}</Message>"
    match call.service:
        case "ec2":
            body = f"<Response><Errors><Error>{error}</Error></Errors><RequestID>0</RequestID></Response>"
        case "s3":
            body = f"<Error>{error}<RequestId>0</RequestId></Error>"
        case _:
            body = f"<ErrorResponse><Error><Type>Sender</Type>{error}</Error><RequestId>0</RequestId></ErrorResponse>"
    return Refusal(HTTPStatus.FORBIDDEN, "text/xml", body.encode(), message)

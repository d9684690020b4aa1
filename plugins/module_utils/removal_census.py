# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an account holds that carries given tags, and which of it stands by itself.

The Resource Groups Tagging API answers for most services. EC2, Auto Scaling, IAM, Route 53 and CloudFront are asked themselves, because
that API does not know all of their resources, CloudWatch for its dashboards, Budgets and Cost Explorer, which belong to no region,
ElastiCache for its subnet groups, which the module that makes them cannot tag, AWS Config for its delivery channel and CloudWatch Logs for
saved queries, which nobody can, and EC2 for the key of new volumes, without which nothing could be launched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from itertools import batched
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.botocore import is_boto3_error_code, is_boto3_error_message
from ansible_collections.amazon.aws.plugins.module_utils.tagging import boto3_tag_list_to_ansible_dict
from ansible_collections.indivillage.infra.plugins.module_utils.cloudfront import pages
from ansible_collections.indivillage.infra.plugins.module_utils.log_queries import queries
from ansible_collections.indivillage.infra.plugins.module_utils.removal_facts import FACTS, Gone
from ansible_collections.indivillage.infra.plugins.module_utils.removal_kinds import KINDS

Clients = Callable[[str], Any]
"""Gives the client of a service; the same one for the same name."""

IAM_CALLS_AT_ONCE = 8
IDS_PER_CALL = 200
TAGS_PER_CALL = 10  # the limit of Route 53
GLOBAL_SERVICES = frozenset({"iam", "budgets", "ce", "route53", "cloudfront", "shield", "globalaccelerator", "organizations"})

# What EC2 calls a resource in DescribeTags, where an ARN calls it otherwise.
EC2_TYPES = {"flow-logs": "flow-log", "vpc-flow-log": "flow-log"}
# Services whose ARNs have no type.
UNTYPED = {"s3": "bucket", "sqs": "queue", "sns": "topic"}

# Kinds that exist in another resource only and end with it.
PARTS = {
    "ec2:security-group-rule": "its security group",
    "ec2:spot-instances-request": "the instance that it has started",
    "ec2:ipam-pool": "its address manager",
    "backup:recovery-point": "its vault",
    "elasticloadbalancing:listener": "its load balancer",
    "elasticloadbalancing:listener-rule": "its load balancer",
    "elasticache:cluster": "its replication group",
    "elasticache:snapshot": "its replication group",
    "rds:auto-backup": "its database",
    "ecs:task": "its service",
}
# Tags by which AWS says for whom it has made a resource.
MAKER_TAGS = {
    "aws:autoscaling:groupName": "Auto Scaling group",
    "aws:cloudformation:stack-name": "CloudFormation stack",
    "aws:ec2:fleet-id": "fleet",
    "aws:ecs:serviceName": "ECS service",
    "aws:backup:source-resource": "AWS Backup of",
    "aws:secretsmanager:owningService": "service",
}


@dataclass
class Owned:
    """One resource that carries the tags."""

    arn: str
    kind: str
    """As in C(removal_kinds); other kinds are listed too, and cannot be removed."""
    id: str
    name: str
    tags: dict[str, str] = field(default_factory=dict)
    part_of: str | None = None
    """With what it ends, for what AWS or another resource's creation has made; it is never removed by itself."""
    leaving: str | None = None
    """When it will be gone, for what is deleted already and only waits for its end."""
    protected: str | None = None
    """Why it cannot be removed, and what to do about that."""
    stateful: str | None = None

    def __str__(self) -> str:
        title = KINDS[self.kind].title if self.kind in KINDS else self.kind
        return f"{title} {self.id}" + (f" ({self.name})" if self.name not in ("", self.id) else "")


def as_result(resource: Owned) -> dict[str, Any]:
    """The resource as modules return it, with its title."""
    return {**asdict(resource), "title": str(resource), "stack": resource.tags.get("Stack", "")}


def owned_resources(
    clients: Clients, scope: str, region: str, account_id: str, tags: Mapping[str, str], *, untagged: Iterable[str] = ()
) -> list[Owned]:
    """Everything in the region, or of the global services, that carries all of the tags; sorted by kind and id.

    untagged: kinds that can carry none, and which are ours according to whoever asks.
    """
    found = _global(clients, account_id, tags) if scope == "global" else _regional(clients, region, account_id, tags)
    found += [resource for kind in untagged for resource in UNTAGGED[kind](clients, region, account_id)]
    by_kind: dict[str, list[Owned]] = {}
    for resource in found:
        by_kind.setdefault(resource.kind, []).append(resource)
    return [resource for kind in sorted(by_kind) for resource in _with_facts(clients, kind, by_kind[kind])]


def _with_facts(clients: Clients, kind: str, resources: list[Owned]) -> Iterator[Owned]:
    """Those that exist, with what AWS tells about them."""
    facts = FACTS.get(kind, lambda _client, _resources: {})
    for some in batched(sorted(resources, key=lambda resource: resource.id), IDS_PER_CALL):
        told = facts(clients(KINDS[kind].service), some) if kind in KINDS else {}
        for resource in some:
            fact = told.get(resource.id, {})
            if fact is Gone:
                continue
            resource.part_of = PARTS.get(kind) or _maker(resource.tags) or fact.get("part_of")
            resource.leaving, resource.protected = fact.get("leaving"), fact.get("protected")
            resource.id, resource.kind = fact.get("id") or resource.id, fact.get("kind") or kind
            if kind in KINDS:
                resource.stateful = KINDS[resource.kind].stateful
            elif not resource.part_of:
                resource.protected = f"nobody has written down how to remove a {kind}: delete it by hand, or add it to removal_kinds.py"
            yield resource


def _maker(tags: Mapping[str, str]) -> str | None:
    return next((f"{title} {tags[key]}" for key, title in MAKER_TAGS.items() if key in tags), None)


def carries(tags: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    """Whether all of the wanted tags are there."""
    return wanted.items() <= tags.items()


# ---- One region ------------------------------------------------------------------------------------------------------------------


def _regional(clients: Clients, region: str, account_id: str, tags: Mapping[str, str]) -> list[Owned]:
    ec2 = list(_ec2(clients("ec2"), region, account_id, tags))
    tagged = list(_tagged(clients("resourcegroupstaggingapi"), tags))
    return [
        *ec2,
        *tagged,
        *_delivery_channels(clients("config"), region, account_id, {resource.id for resource in tagged if resource.kind == "s3:bucket"}),
        *_default_key(clients("ec2"), [resource for resource in tagged if resource.kind == "kms:key"]),
        *_scaling_groups(clients("autoscaling"), tags),
        *_dashboards(clients("cloudwatch"), region, tags),
        *_log_queries(clients("logs"), region, account_id, {resource.id for resource in tagged if resource.kind == "logs:log-group"}),
        *_cache_subnet_groups(clients("elasticache"), {resource.id for resource in ec2 if resource.kind == "ec2:vpc"}),
    ]


def _tagged(client: Any, tags: Mapping[str, str]) -> Iterator[Owned]:
    filters = [{"Key": key, "Values": [value]} for key, value in tags.items()]
    for page in client.get_paginator("get_resources").paginate(TagFilters=filters):
        for item in page["ResourceTagMappingList"]:
            resource = from_arn(item["ResourceARN"], boto3_tag_list_to_ansible_dict(item["Tags"]))
            if resource.kind != "cloudwatch:dashboard" and resource.kind.partition(":")[0] not in GLOBAL_SERVICES | {"ec2", "autoscaling"}:
                yield resource


def from_arn(arn: str, tags: dict[str, str]) -> Owned:
    """The resource of an ARN: its kind, and the id and name that people know it by."""
    _arn, _partition, service, _region, _account, rest = arn.split(":", 5)
    separator = min(("/", ":"), key=lambda mark: rest.find(mark) % (len(rest) + 1))
    kind, _separator, name = rest.partition(separator)
    if service in UNTYPED:
        kind, name = UNTYPED[service], rest
    elif service == "secretsmanager":
        name = name.rpartition("-")[0]  # AWS has added six characters
    elif service == "ssm" and kind == "parameter" and "/" in name:
        name = f"/{name}"
    elif service == "elasticloadbalancing":
        name = name.split("/")[-2]
    elif service == "config":
        name = name.partition("/")[0]  # AWS has added an id
    elif service == "logs":
        name = name.removesuffix(":*")
    elif service == "wafv2":
        _place, kind, name, _identifier = rest.split("/")
    return Owned(arn, f"{service}:{kind}", name, tags.get("Name", name), tags)


def _ec2(client: Any, region: str, account_id: str, tags: Mapping[str, str]) -> Iterator[Owned]:
    found: dict[tuple[str, str], dict[str, str]] = {}
    keys = [*tags, "Name", "Stack", "aws:*"]
    for page in client.get_paginator("describe_tags").paginate(Filters=[{"Name": "key", "Values": keys}]):
        for tag in page["Tags"]:
            found.setdefault((tag["ResourceType"], tag["ResourceId"]), {})[tag["Key"]] = tag["Value"]
    for (given_type, identifier), carried in found.items():
        if carries(carried, tags):
            kind = EC2_TYPES.get(given_type, given_type)
            arn = f"arn:aws:ec2:{region}:{account_id}:{kind}/{identifier}"
            yield Owned(arn, f"ec2:{kind}", identifier, carried.get("Name", identifier), carried)


def _scaling_groups(client: Any, tags: Mapping[str, str]) -> Iterator[Owned]:
    filters = [{"Name": f"tag:{key}", "Values": [value]} for key, value in tags.items()]
    for page in client.get_paginator("describe_auto_scaling_groups").paginate(Filters=filters):
        for group in page["AutoScalingGroups"]:
            carried = boto3_tag_list_to_ansible_dict(group["Tags"])
            if carries(carried, tags):
                name = group["AutoScalingGroupName"]
                yield Owned(group["AutoScalingGroupARN"], "autoscaling:autoScalingGroup", name, name, carried)


def _dashboards(client: Any, region: str, tags: Mapping[str, str]) -> Iterator[Owned]:
    """Every region tells the dashboards of all; by the tag Stack each is told once."""
    for page in client.get_paginator("list_dashboards").paginate():
        for dashboard in page["DashboardEntries"]:
            arn = dashboard["DashboardArn"]
            carried = boto3_tag_list_to_ansible_dict(client.list_tags_for_resource(ResourceARN=arn)["Tags"])
            if carries(carried, tags) and carried.get("Stack", region).endswith(region):
                yield from_arn(arn, carried)


def _log_queries(client: Any, region: str, account_id: str, groups: Set[str]) -> Iterator[Owned]:
    """Saved queries that ask nothing but our log groups."""
    for query in queries(client):
        if query.get("logGroupNames") and groups >= set(query["logGroupNames"]):
            identifier = query["queryDefinitionId"]
            yield Owned(
                f"arn:aws:logs:{region}:{account_id}:query-definition:{identifier}", "logs:query-definition", identifier, query["name"]
            )


def _cache_subnet_groups(client: Any, vpc_ids: Iterable[str]) -> Iterator[Owned]:
    for page in client.get_paginator("describe_cache_subnet_groups").paginate():
        for group in page["CacheSubnetGroups"]:
            if group.get("VpcId") in vpc_ids:
                name = group["CacheSubnetGroupName"]
                yield Owned(group["ARN"], "elasticache:subnetgroup", name, name)


def _delivery_channels(client: Any, region: str, account_id: str, buckets: Iterable[str]) -> Iterator[Owned]:
    for channel in client.describe_delivery_channels()["DeliveryChannels"]:
        if channel.get("s3BucketName") in buckets:
            name = channel["name"]
            yield Owned(f"arn:aws:config:{region}:{account_id}:delivery-channel/{name}", "config:delivery-channel", name, name)


def _default_key(client: Any, keys: Iterable[Owned]) -> Iterator[Owned]:
    """The setting by which new volumes are encrypted with one of the keys."""
    arn = client.get_ebs_default_kms_key_id()["KmsKeyId"]
    yield from (Owned(key.arn, "ec2:ebs-default-key", key.id, key.name, key.tags) for key in keys if key.arn == arn)


def _scans(clients: Clients, region: str, account_id: str) -> Iterator[Owned]:
    for account in clients("inspector2").batch_get_account_status(accountIds=[account_id])["accounts"]:
        states = [state.get("status") for state in account.get("resourceState", {}).values()]
        if any(state in ("ENABLED", "ENABLING") for state in states):
            yield Owned(f"arn:aws:inspector2:{region}:{account_id}:scans", "inspector2:scans", account_id, account_id)


UNTAGGED: dict[str, Callable[[Clients, str, str], Iterator[Owned]]] = {"inspector2:scans": _scans}


# ---- What exists once per account --------------------------------------------------------------------------------------------------


def _global(clients: Clients, account_id: str, tags: Mapping[str, str]) -> list[Owned]:
    named = f"{tags.get('Project', '')}-{tags.get('Environment', '')}-"
    found = [
        *_identities(clients("iam")),
        *_permission_sets(clients("sso-admin")),
        *_budgets(clients("budgets"), account_id),
        *_anomalies(clients("ce")),
    ]
    return [
        *(resource for resource in found if carries(resource.tags, tags)),
        *_groups(clients("iam"), named),
        *_zones(clients("route53"), tags),
        *_distributions(clients("cloudfront"), tags),
        *_untaggable(clients("cloudfront"), account_id, named),
        *_protections(clients("shield"), tags),
    ]


def _budgets(client: Any, account_id: str) -> Iterator[Owned]:
    for page in client.get_paginator("describe_budgets").paginate(AccountId=account_id):
        for budget in page.get("Budgets") or []:
            arn = f"arn:aws:budgets::{account_id}:budget/{budget['BudgetName']}"
            yield from_arn(arn, boto3_tag_list_to_ansible_dict(client.list_tags_for_resource(ResourceARN=arn).get("ResourceTags") or []))


def _anomalies(client: Any) -> Iterator[Owned]:
    try:
        monitors = [
            one["MonitorArn"] for page in client.get_paginator("get_anomaly_monitors").paginate() for one in page["AnomalyMonitors"]
        ]
    except is_boto3_error_message("not enabled"):  # nobody has ever opened Cost Explorer in this account
        return
    pages = client.get_paginator("get_anomaly_subscriptions").paginate()
    for arn in [*monitors, *(one["SubscriptionArn"] for page in pages for one in page["AnomalySubscriptions"])]:
        yield from_arn(arn, boto3_tag_list_to_ansible_dict(client.list_tags_for_resource(ResourceArn=arn).get("ResourceTags") or []))


def _zones(client: Any, tags: Mapping[str, str]) -> Iterator[Owned]:
    for kind, operation, key in (("hostedzone", "list_hosted_zones", "HostedZones"), ("healthcheck", "list_health_checks", "HealthChecks")):
        found = [item["Id"].rpartition("/")[2] for page in client.get_paginator(operation).paginate() for item in page[key]]
        for some in batched(found, TAGS_PER_CALL):
            answer = client.list_tags_for_resources(ResourceType=kind, ResourceIds=list(some))
            for item in answer["ResourceTagSets"]:
                carried = boto3_tag_list_to_ansible_dict(item["Tags"])
                if carries(carried, tags):
                    arn = f"arn:aws:route53:::{kind}/{item['ResourceId']}"
                    yield Owned(arn, f"route53:{kind}", item["ResourceId"], carried.get("Name", ""), carried)


def _distributions(client: Any, tags: Mapping[str, str]) -> Iterator[Owned]:
    for item in pages(client, "list_distributions", "DistributionList"):
        carried = boto3_tag_list_to_ansible_dict(client.list_tags_for_resource(Resource=item["ARN"])["Tags"].get("Items", []))
        if carries(carried, tags):
            yield Owned(item["ARN"], "cloudfront:distribution", item["Id"], item["Comment"], carried)


def _untaggable(client: Any, account_id: str, named: str) -> Iterator[Owned]:
    """What CloudFront cannot tag is ours when it is called as everything of the environment is."""
    found = [
        *(
            ("origin-access-control", item["Id"], item["Name"])
            for item in pages(client, "list_origin_access_controls", "OriginAccessControlList")
        ),
        *(
            ("response-headers-policy", policy["Id"], policy["ResponseHeadersPolicyConfig"]["Name"])
            for policy in (
                item["ResponseHeadersPolicy"] for item in pages(client, "list_response_headers_policies", "ResponseHeadersPolicyList")
            )
        ),
    ]
    for kind, identifier, name in found:
        if name.startswith(named):
            yield Owned(f"arn:aws:cloudfront::{account_id}:{kind}/{identifier}", f"cloudfront:{kind}", identifier, name)


def _protections(client: Any, tags: Mapping[str, str]) -> Iterator[Owned]:
    try:
        found = [item for page in client.get_paginator("list_protections").paginate() for item in page["Protections"]]
    except is_boto3_error_code("ResourceNotFoundException"):  # an account without a subscription
        return
    for item in found:
        carried = boto3_tag_list_to_ansible_dict(client.list_tags_for_resource(ResourceARN=item["ProtectionArn"])["Tags"])
        if carries(carried, tags):
            yield Owned(item["ProtectionArn"], "shield:protection", item["Id"], item["Name"], carried)


def _identities(client: Any) -> list[Owned]:
    def iam_pages(operation: str, key: str, **arguments: Any) -> Iterator[dict[str, Any]]:
        for page in client.get_paginator(operation).paginate(**arguments):
            yield from page[key]

    def role(item: dict[str, Any]) -> Owned:
        carried = client.list_role_tags(RoleName=item["RoleName"])["Tags"]
        return _identity("iam:role", item["Arn"], item["RoleName"], carried)

    def profile(item: dict[str, Any]) -> Owned:
        carried = client.get_instance_profile(InstanceProfileName=item["InstanceProfileName"])["InstanceProfile"].get("Tags", [])
        return _identity("iam:instance-profile", item["Arn"], item["InstanceProfileName"], carried)

    def policy(item: dict[str, Any]) -> Owned:
        return _identity("iam:policy", item["Arn"], item["PolicyName"], client.list_policy_tags(PolicyArn=item["Arn"])["Tags"])

    def provider(item: dict[str, Any]) -> Owned:
        carried = client.get_open_id_connect_provider(OpenIDConnectProviderArn=item["Arn"]).get("Tags", [])
        return _identity("iam:oidc-provider", item["Arn"], item["Arn"].partition("/")[2], carried)

    # AWS's own roles for its services carry nobody's tags.
    roles = (item for item in iam_pages("list_roles", "Roles") if not item["Path"].startswith("/aws-service-role/"))
    with ThreadPoolExecutor(IAM_CALLS_AT_ONCE) as pool:
        return [
            *pool.map(role, roles),
            *pool.map(profile, iam_pages("list_instance_profiles", "InstanceProfiles")),
            *pool.map(policy, iam_pages("list_policies", "Policies", Scope="Local")),
            *pool.map(provider, client.list_open_id_connect_providers()["OpenIDConnectProviderList"]),
        ]


def _groups(client: Any, named: str) -> Iterator[Owned]:
    """AWS knows no tags of groups: those whose names begin as all names of the environment do are ours."""
    for page in client.get_paginator("list_groups").paginate():
        for group in page["Groups"]:
            if group["GroupName"].startswith(named):
                yield Owned(group["Arn"], "iam:group", group["GroupName"], group["GroupName"])


def _permission_sets(client: Any) -> Iterator[Owned]:
    """Those of the Identity Center that this account administers, if it does."""
    for instance in client.list_instances()["Instances"]:
        here = {"InstanceArn": instance["InstanceArn"]}
        for page in client.get_paginator("list_permission_sets").paginate(**here):
            for arn in page["PermissionSets"]:
                name = client.describe_permission_set(**here, PermissionSetArn=arn)["PermissionSet"]["Name"]
                yield _identity("sso:permissionSet", arn, name, client.list_tags_for_resource(**here, ResourceArn=arn)["Tags"])


def _identity(kind: str, arn: str, name: str, tags: list[dict[str, str]]) -> Owned:
    return Owned(arn, kind, name, name, boto3_tag_list_to_ansible_dict(tags))

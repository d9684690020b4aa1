# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every kind of resource that can be removed: how it is deleted, what must be gone before, and what tells that it is gone.

A kind is called as in an ARN, C(service:type). What cannot be said in one line of this table is in C(removal_steps).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from typing import Any

Call = tuple[str, dict[str, Any]]
"""An operation or a waiter of a boto3 client and its arguments; the values C(arn) and C(id) stand for the resource's own."""


@dataclass(frozen=True)
class Kind:
    """One kind of resource."""

    title: str
    """What messages call it."""
    service: str
    """The boto3 client's name."""
    delete: Call | None = None
    """The call that deletes it; None when C(removal_steps) has the steps."""
    gone: Call | None = None
    """The waiter for its disappearance; None when the delete call does not return before."""
    after: tuple[str, ...] = ()
    """Kinds of which nothing may be left that could use it. Those that the list to be removed does not have do not count."""
    modules: tuple[str, ...] = field(default=())
    """Modules that manage it under its name, where results do not always have an id of AWS's own making."""
    stateful: str | None = None
    """The word for what is lost with it, for kinds that hold data."""


_RUNNING = ("autoscaling:autoScalingGroup", "ec2:instance", "ecs:service")
_STORES = ("rds:replica", "rds:db", "elasticache:replicationgroup")
_IN_SUBNETS = (
    *_RUNNING,
    *_STORES,
    "ec2:transit-gateway-attachment",
    "elasticloadbalancing:loadbalancer",
    "ec2:vpc-endpoint",
    "ec2:natgateway",
    "ec2:network-interface",
    "lambda:function",
)
# What writes into a bucket by itself and would fill it again.
_DELIVERING = ("cloudtrail:trail", "config:delivery-channel")
_ENCRYPTED = (
    *_RUNNING,
    *_STORES,
    "ec2:volume",
    "ec2:snapshot",
    "ec2:image",
    "rds:snapshot",
    "s3:bucket",
    "sqs:queue",
    "sns:topic",
    "secretsmanager:secret",
    "ssm:parameter",
    "dynamodb:table",
    "ecr:repository",
    "logs:log-group",
    "ec2:ebs-default-key",
    "backup:backup-vault",
)

KINDS: dict[str, Kind] = {
    # What runs
    "autoscaling:autoScalingGroup": Kind("Auto Scaling group", "autoscaling", modules=("autoscaling_group",)),
    "ec2:instance": Kind(
        "instance", "ec2", ("terminate_instances", {"InstanceIds": ["id"]}), ("instance_terminated", {"InstanceIds": ["id"]})
    ),
    "ecs:service": Kind("ECS service", "ecs", modules=("ecs_service",)),
    "ecs:task-definition": Kind("task definition", "ecs", after=("ecs:service",), modules=("ecs_task_definition",)),
    "ecs:cluster": Kind("ECS cluster", "ecs", ("delete_cluster", {"cluster": "arn"}), after=("ecs:service",), modules=("ecs_cluster",)),
    "lambda:event-source-mapping": Kind("event source mapping", "lambda", ("delete_event_source_mapping", {"UUID": "id"})),
    "lambda:function": Kind(
        "Lambda function",
        "lambda",
        ("delete_function", {"FunctionName": "arn"}),
        after=("lambda:event-source-mapping",),
        modules=("lambda_function", "lambda"),
    ),
    "ec2:launch-template": Kind(
        "launch template", "ec2", ("delete_launch_template", {"LaunchTemplateId": "id"}), after=("autoscaling:autoScalingGroup",)
    ),
    "ec2:image": Kind("image", "ec2", after=(*_RUNNING, "ec2:launch-template")),
    "ec2:snapshot": Kind("snapshot", "ec2", ("delete_snapshot", {"SnapshotId": "id"}), after=("ec2:image",), stateful="snapshot"),
    "ec2:volume": Kind(
        "volume", "ec2", ("delete_volume", {"VolumeId": "id"}), ("volume_deleted", {"VolumeIds": ["id"]}), after=_RUNNING, stateful="volume"
    ),
    "ec2:key-pair": Kind("key pair", "ec2", ("delete_key_pair", {"KeyName": "id"}), after=_RUNNING, modules=("ec2_ssh_key", "ec2_key")),
    # What answers and routes
    "elasticloadbalancing:loadbalancer": Kind(
        "load balancer",
        "elbv2",
        ("delete_load_balancer", {"LoadBalancerArn": "arn"}),
        ("load_balancers_deleted", {"LoadBalancerArns": ["arn"]}),
    ),
    "elasticloadbalancing:targetgroup": Kind(
        "target group",
        "elbv2",
        ("delete_target_group", {"TargetGroupArn": "arn"}),
        after=("elasticloadbalancing:loadbalancer", "autoscaling:autoScalingGroup"),
    ),
    "acm:certificate": Kind(
        "certificate",
        "acm",
        ("delete_certificate", {"CertificateArn": "arn"}),
        after=("elasticloadbalancing:loadbalancer", "cloudfront:distribution"),
    ),
    # What leads to it; most of it exists once per account, and is removed before the regions
    "cloudfront:distribution": Kind("distribution", "cloudfront", after=("shield:protection",), modules=("cloudfront_distribution",)),
    "cloudfront:origin-access-control": Kind(
        "origin access control", "cloudfront", after=("cloudfront:distribution",), modules=("cloudfront_origin_access_control",)
    ),
    "cloudfront:response-headers-policy": Kind(
        "response headers policy", "cloudfront", after=("cloudfront:distribution",), modules=("cloudfront_response_headers_policy",)
    ),
    "route53:hostedzone": Kind("zone", "route53", after=("shield:protection",), modules=("route53_zone",)),
    "route53:healthcheck": Kind(
        "health check",
        "route53",
        ("delete_health_check", {"HealthCheckId": "id"}),
        after=("route53:hostedzone",),
        modules=("route53_health_check",),
    ),
    "shield:protection": Kind("protection by Shield Advanced", "shield", ("delete_protection", {"ProtectionId": "id"})),
    "wafv2:webacl": Kind("web ACL", "wafv2", after=("cloudfront:distribution",), modules=("wafv2_web_acl",)),
    # What watches
    "cloudwatch:alarm": Kind("alarm", "cloudwatch", modules=("cloudwatch_alarm", "cloudwatch_metric_alarm")),
    "cloudwatch:dashboard": Kind(
        "dashboard", "cloudwatch", ("delete_dashboards", {"DashboardNames": ["id"]}), modules=("cloudwatch_dashboard",)
    ),
    "budgets:budget": Kind("budget", "budgets", modules=("budget",)),
    "ce:anomalysubscription": Kind(
        "cost anomaly subscription",
        "ce",
        ("delete_anomaly_subscription", {"SubscriptionArn": "arn"}),
        modules=("cost_anomaly_subscription",),
    ),
    "ce:anomalymonitor": Kind(
        "cost anomaly monitor",
        "ce",
        ("delete_anomaly_monitor", {"MonitorArn": "arn"}),
        after=("ce:anomalysubscription",),
        modules=("cost_anomaly_monitor",),
    ),
    "events:rule": Kind("event rule", "events", modules=("eventbridge_rule", "cloudwatchevent_rule")),
    # What keeps data
    "backup:backup-plan": Kind("backup plan", "backup", modules=("backup_plan",)),
    "backup:restore-testing-plan": Kind("restore testing plan", "backup", modules=("backup_restore_testing_plan",)),
    "backup:backup-vault": Kind(
        "backup vault",
        "backup",
        after=("backup:backup-plan", "backup:restore-testing-plan"),
        modules=("backup_vault",),
        stateful="backup vault",
    ),
    "rds:replica": Kind("database replica", "rds", modules=("rds_instance",), stateful="database"),
    "rds:db": Kind("database", "rds", after=("rds:replica",), modules=("rds_instance",), stateful="database"),
    "rds:snapshot": Kind(
        "database snapshot",
        "rds",
        ("delete_db_snapshot", {"DBSnapshotIdentifier": "id"}),
        ("db_snapshot_deleted", {"DBSnapshotIdentifier": "id"}),
        modules=("rds_instance_snapshot",),
        stateful="snapshot",
    ),
    "rds:subgrp": Kind(
        "database subnet group",
        "rds",
        ("delete_db_subnet_group", {"DBSubnetGroupName": "id"}),
        after=("rds:replica", "rds:db"),
        modules=("rds_subnet_group",),
    ),
    "rds:pg": Kind(
        "database parameter group",
        "rds",
        ("delete_db_parameter_group", {"DBParameterGroupName": "id"}),
        after=("rds:replica", "rds:db"),
        modules=("rds_parameter_group", "rds_instance_param_group"),
    ),
    "elasticache:replicationgroup": Kind("cache", "elasticache", modules=("elasticache_replication_group",), stateful="cache"),
    "elasticache:subnetgroup": Kind(
        "cache subnet group",
        "elasticache",
        ("delete_cache_subnet_group", {"CacheSubnetGroupName": "id"}),
        after=("elasticache:replicationgroup",),
        modules=("elasticache_subnet_group",),
    ),
    "s3:bucket": Kind(
        "bucket",
        "s3",
        after=(*_RUNNING, *_DELIVERING, "elasticloadbalancing:loadbalancer", "ec2:flow-log", "lambda:function", "logs:delivery"),
        modules=("s3_bucket",),
        stateful="bucket",
    ),
    "ecr:repository": Kind(
        "image repository",
        "ecr",
        after=("ecs:service", "ecs:task-definition", "lambda:function"),
        modules=("ecr_repository",),
        stateful="image repository",
    ),
    "dynamodb:table": Kind(
        "table",
        "dynamodb",
        ("delete_table", {"TableName": "id"}),
        ("table_not_exists", {"TableName": "id"}),
        after=(*_RUNNING, "lambda:function"),
        modules=("dynamodb_table",),
        stateful="table",
    ),
    "sqs:queue": Kind("queue", "sqs", after=(*_RUNNING, "lambda:function"), modules=("sqs_queue",)),
    "sns:topic": Kind(
        "topic", "sns", ("delete_topic", {"TopicArn": "arn"}), after=("cloudwatch:alarm", "events:rule"), modules=("sns_topic",)
    ),
    "secretsmanager:secret": Kind(
        "secret",
        "secretsmanager",
        after=(*_RUNNING, *_STORES),
        modules=("json_secret", "ec2_ssh_key", "secretsmanager_secret"),
        stateful="secret",
    ),
    "ssm:parameter": Kind("parameter", "ssm", ("delete_parameter", {"Name": "id"}), after=_RUNNING, modules=("ssm_parameter",)),
    "ssm:document": Kind("SSM document", "ssm", ("delete_document", {"Name": "id"}), modules=("ssm_document",)),
    "ssm:association": Kind("association", "ssm", ("delete_association", {"AssociationId": "id"}), modules=("ssm_association",)),
    "ssm:maintenancewindow": Kind(
        "maintenance window", "ssm", ("delete_maintenance_window", {"WindowId": "id"}), modules=("ssm_maintenance_window",)
    ),
    "ssm:patchbaseline": Kind("patch baseline", "ssm", modules=("ssm_patch_baseline",)),
    "logs:log-group": Kind(
        "log group",
        "logs",
        ("delete_log_group", {"logGroupName": "id"}),
        # A saved query is known to be ours by its log groups.
        after=(
            *("ec2:flow-log", "rds:replica", "rds:db", "lambda:function", "ecs:service", "cloudtrail:trail", "wafv2:webacl"),
            "logs:query-definition",
        ),
        modules=("log_group", "cloudwatchlogs_log_group"),
    ),
    "ec2:ebs-default-key": Kind("default key of volumes", "ec2", ("reset_ebs_default_kms_key_id", {})),
    "logs:query-definition": Kind("saved query", "logs", ("delete_query_definition", {"queryDefinitionId": "id"}), modules=("log_query",)),
    "logs:delivery": Kind("log delivery", "logs", ("delete_delivery", {"id": "id"})),
    "logs:delivery-source": Kind("source of log deliveries", "logs", ("delete_delivery_source", {"name": "id"}), after=("logs:delivery",)),
    "logs:delivery-destination": Kind(
        "destination of log deliveries", "logs", ("delete_delivery_destination", {"name": "id"}), after=("logs:delivery",)
    ),
    "kms:key": Kind("key", "kms", after=_ENCRYPTED, stateful="key"),
    # What watches the account
    "cloudtrail:trail": Kind("trail", "cloudtrail", ("delete_trail", {"Name": "arn"}), modules=("cloudtrail_trail",)),
    "access-analyzer:analyzer": Kind(
        "access analyzer", "accessanalyzer", ("delete_analyzer", {"analyzerName": "id"}), modules=("access_analyzer",)
    ),
    "config:conformance-pack": Kind(
        "conformance pack", "config", ("delete_conformance_pack", {"ConformancePackName": "id"}), modules=("config_conformance_pack",)
    ),
    "config:config-rule": Kind("rule", "config", ("delete_config_rule", {"ConfigRuleName": "id"}), modules=("config_rule",)),
    "config:configuration-recorder": Kind(
        "recorder", "config", after=("config:config-rule", "config:conformance-pack", "securityhub:hub"), modules=("config_recorder",)
    ),
    "config:delivery-channel": Kind(
        "delivery channel",
        "config",
        ("delete_delivery_channel", {"DeliveryChannelName": "id"}),
        after=("config:configuration-recorder",),
        modules=("config_delivery_channel",),
    ),
    "guardduty:detector": Kind("detector", "guardduty", ("delete_detector", {"DetectorId": "id"})),
    "securityhub:hub": Kind("Security Hub", "securityhub", ("disable_security_hub", {}), modules=("securityhub",)),
    "inspector2:scans": Kind("Inspector", "inspector2", modules=("inspector",)),
    # The network
    "ec2:flow-log": Kind("flow log", "ec2", ("delete_flow_logs", {"FlowLogIds": ["id"]})),
    "ec2:vpc-endpoint": Kind("VPC endpoint", "ec2"),
    "ec2:natgateway": Kind(
        "NAT gateway", "ec2", ("delete_nat_gateway", {"NatGatewayId": "id"}), ("nat_gateway_deleted", {"NatGatewayIds": ["id"]})
    ),
    "ec2:transit-gateway-attachment": Kind("transit gateway attachment", "ec2"),
    "ec2:transit-gateway": Kind("transit gateway", "ec2", after=("ec2:transit-gateway-attachment",)),
    "ec2:network-interface": Kind(
        "network interface", "ec2", ("delete_network_interface", {"NetworkInterfaceId": "id"}), after=(*_RUNNING, "lambda:function")
    ),
    "ec2:elastic-ip": Kind(
        "address", "ec2", ("release_address", {"AllocationId": "id"}), after=("ec2:natgateway", "ec2:network-interface", *_RUNNING)
    ),
    "ec2:internet-gateway": Kind("internet gateway", "ec2", after=("ec2:elastic-ip", *_IN_SUBNETS)),
    "ec2:security-group": Kind("security group", "ec2", after=_IN_SUBNETS),
    "ec2:subnet": Kind(
        "subnet", "ec2", ("delete_subnet", {"SubnetId": "id"}), after=("rds:subgrp", "elasticache:subnetgroup", *_IN_SUBNETS)
    ),
    "ec2:route-table": Kind("route table", "ec2", ("delete_route_table", {"RouteTableId": "id"}), after=("ec2:subnet", "ec2:vpc-endpoint")),
    "ec2:network-acl": Kind("network ACL", "ec2", ("delete_network_acl", {"NetworkAclId": "id"}), after=("ec2:subnet",)),
    "ec2:vpc": Kind(
        "VPC",
        "ec2",
        ("delete_vpc", {"VpcId": "id"}),
        after=(
            "ec2:subnet",
            "ec2:route-table",
            "ec2:network-acl",
            "ec2:security-group",
            "ec2:internet-gateway",
            "ec2:flow-log",
            "elasticloadbalancing:targetgroup",
        ),
    ),
    # Identities
    "iam:instance-profile": Kind(
        "instance profile", "iam", after=(*_RUNNING, "ec2:launch-template"), modules=("iam_instance_profile", "iam_role")
    ),
    "iam:role": Kind(
        "role",
        "iam",
        after=("iam:instance-profile", "rds:replica", "rds:db", "ec2:flow-log", "lambda:function", "ecs:task-definition", *_RUNNING),
        modules=("iam_role",),
    ),
    "iam:group": Kind("group", "iam", modules=("iam_group",)),
    "iam:policy": Kind("policy", "iam", after=("iam:role", "iam:group"), modules=("iam_managed_policy",)),
    "iam:oidc-provider": Kind(
        "identity provider",
        "iam",
        ("delete_open_id_connect_provider", {"OpenIDConnectProviderArn": "arn"}),
        after=("iam:role",),
        modules=("iam_oidc_provider",),
    ),
    "sso:permissionSet": Kind("permission set", "sso-admin", modules=("sso_permission_set",)),
}


def levels(kinds: Iterable[str]) -> list[list[str]]:
    """The given kinds in the order of their removal; those of one inner list do not depend on each other.

    A kind that is not in the table comes first: nobody here knows what it uses.
    """
    given = set(kinds)
    known = given & KINDS.keys()
    # Over the whole table, so that an order through kinds that are not given holds as well.
    order = TopologicalSorter({name: kind.after for name, kind in KINDS.items()})
    order.prepare()
    found = [sorted(given - known)]
    while order.is_active():
        ready = order.get_ready()
        found.append(sorted(known.intersection(ready)))
        order.done(*ready)
    return [level for level in found if level]

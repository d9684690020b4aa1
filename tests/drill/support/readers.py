# SPDX-License-Identifier: GPL-3.0-or-later
"""How each type of resource is read to the last property that the project declares. Data for snapshot.py."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Detail:
    """A property that has a call of its own.

    `arguments`: parameter of the call -> field of the resource; one that starts with "=" is a constant, "[]" before it makes it a list.
    What is no string is a constant too.
    `key` is the part of the answer that counts, all of it if empty.
    """

    operation: str
    arguments: dict[str, Any]
    key: str = ""


@dataclass(frozen=True)
class Reader:
    """All resources of one type in one region.

    `key` leads to the list in the answer; `identity` names the fields that are random, `name` those that are not and tell resources apart
    (the tag Name, if it is empty). Elements that are plain strings become {"Value": string}.
    """

    type: str
    service: str
    operation: str
    key: str
    identity: tuple[str, ...] = ()
    name: tuple[str, ...] = ()
    arguments: dict[str, object] = field(default_factory=dict)
    details: tuple[Detail, ...] = ()
    everywhere: bool = True  # False: global in the account
    ignored: tuple[str, ...] = ()  # fields that are left to chance
    of_aws: tuple[str, ...] = ()  # how the names begin of those that every account has; moto makes them when they are asked for


# In which of its zones a scaling group starts an instance is chosen anew each time.
_ZONE = ("AvailabilityZone", "SubnetId")
# What an alarm says of its data, minute by minute.
_ALARM_STATE = ("StateValue", "StateReason", "StateReasonData")

READERS: tuple[Reader, ...] = (
    # --- networks ---
    Reader(
        "VPC",
        "ec2",
        "describe_vpcs",
        "Vpcs",
        ("VpcId",),
        details=tuple(
            Detail("describe_vpc_attribute", {"VpcId": "VpcId", "Attribute": f"={attribute}"}, f"{attribute[0].upper()}{attribute[1:]}")
            for attribute in ("enableDnsSupport", "enableDnsHostnames")
        ),
    ),
    Reader("subnet", "ec2", "describe_subnets", "Subnets", ("SubnetId",), ("AvailabilityZone", "CidrBlock")),
    Reader("internet gateway", "ec2", "describe_internet_gateways", "InternetGateways", ("InternetGatewayId",)),
    Reader("NAT gateway", "ec2", "describe_nat_gateways", "NatGateways", ("NatGatewayId",)),
    Reader("address", "ec2", "describe_addresses", "Addresses", ("AllocationId", "PublicIp")),
    Reader("route table", "ec2", "describe_route_tables", "RouteTables", ("RouteTableId",)),
    Reader("network ACL", "ec2", "describe_network_acls", "NetworkAcls", ("NetworkAclId",)),
    Reader("VPC endpoint", "ec2", "describe_vpc_endpoints", "VpcEndpoints", ("VpcEndpointId",), ("ServiceName", "VpcId")),
    Reader("security group", "ec2", "describe_security_groups", "SecurityGroups", ("GroupId",), ("GroupName", "VpcId")),
    Reader("flow log", "ec2", "describe_flow_logs", "FlowLogs", ("FlowLogId",), ("LogGroupName",)),
    Reader(
        "network interface",
        "ec2",
        "describe_network_interfaces",
        "NetworkInterfaces",
        ("NetworkInterfaceId",),
        ("Description",),
        ignored=_ZONE,
    ),
    # --- machines ---
    Reader("key pair", "ec2", "describe_key_pairs", "KeyPairs", ("KeyPairId", "KeyFingerprint"), ("KeyName",)),
    Reader("image", "ec2", "describe_images", "Images", ("ImageId",), ("Name",), {"Owners": ["self"]}),
    Reader(
        "launch template",
        "ec2",
        "describe_launch_templates",
        "LaunchTemplates",
        ("LaunchTemplateId",),
        ("LaunchTemplateName",),
        details=(
            Detail(
                "describe_launch_template_versions",
                {"LaunchTemplateId": "LaunchTemplateId", "Versions": "=[]$Latest"},
                "LaunchTemplateVersions",
            ),
        ),
        ignored=("DefaultVersionNumber", "LatestVersionNumber", "VersionNumber"),  # they count the changes that there have been
    ),
    Reader("instance", "ec2", "describe_instances", "Reservations.Instances", ("InstanceId",), ignored=_ZONE),
    Reader("volume", "ec2", "describe_volumes", "Volumes", ("VolumeId",), ignored=_ZONE),
    Reader("snapshot", "ec2", "describe_snapshots", "Snapshots", ("SnapshotId",), ("Description",), {"OwnerIds": ["self"]}),
    Reader(
        "Auto Scaling group",
        "autoscaling",
        "describe_auto_scaling_groups",
        "AutoScalingGroups",
        (),
        ("AutoScalingGroupName",),
        ignored=_ZONE,
    ),
    Reader("scaling policy", "autoscaling", "describe_policies", "ScalingPolicies", ("PolicyARN",), ("PolicyName",)),
    Reader(
        "alarm",
        "cloudwatch",
        "describe_alarms",
        "MetricAlarms",
        (),
        ("AlarmName",),
        details=(Detail("list_tags_for_resource", {"ResourceARN": "AlarmArn"}, "Tags"),),
        ignored=_ALARM_STATE,
    ),
    Reader(
        "alarm over alarms",
        "cloudwatch",
        "describe_alarms",
        "CompositeAlarms",
        (),
        ("AlarmName",),
        {"AlarmTypes": ["CompositeAlarm"]},
        ignored=_ALARM_STATE,
    ),
    Reader(
        "dashboard",
        "cloudwatch",
        "list_dashboards",
        "DashboardEntries",
        (),
        ("DashboardName",),
        details=(
            Detail("get_dashboard", {"DashboardName": "DashboardName"}, "DashboardBody"),
            Detail("list_tags_for_resource", {"ResourceARN": "DashboardArn"}, "Tags"),
        ),
    ),
    Reader(
        "backup vault",
        "backup",
        "list_backup_vaults",
        "BackupVaultList",
        (),
        ("BackupVaultName",),
        details=(Detail("list_tags", {"ResourceArn": "BackupVaultArn"}, "Tags"),),
    ),
    Reader(
        "backup plan",
        "backup",
        "list_backup_plans",
        "BackupPlansList",
        ("BackupPlanId",),
        ("BackupPlanName",),
        details=(
            Detail("get_backup_plan", {"BackupPlanId": "BackupPlanId"}, "BackupPlan"),
            Detail("list_backup_selections", {"BackupPlanId": "BackupPlanId"}, "BackupSelectionsList"),
            Detail("list_tags", {"ResourceArn": "BackupPlanArn"}, "Tags"),
        ),
        ignored=("SelectionId", "RuleId"),
    ),
    Reader(
        "restore testing plan",
        "backup",
        "list_restore_testing_plans",
        "RestoreTestingPlans",
        ("RestoreTestingPlanArn",),
        ("RestoreTestingPlanName",),
        details=(
            Detail("list_restore_testing_selections", {"RestoreTestingPlanName": "RestoreTestingPlanName"}, "RestoreTestingSelections"),
            Detail("list_tags", {"ResourceArn": "RestoreTestingPlanArn"}, "Tags"),
        ),
    ),
    Reader(
        "budget",
        "budgets",
        "describe_budgets",
        "Budgets",
        (),
        ("BudgetName",),
        {"AccountId": "123456789012"},
        details=(Detail("describe_notifications_for_budget", {"AccountId": "=123456789012", "BudgetName": "BudgetName"}, "Notifications"),),
        everywhere=False,
    ),
    Reader(
        "cost anomaly monitor",
        "ce",
        "get_anomaly_monitors",
        "AnomalyMonitors",
        ("MonitorArn",),
        ("MonitorName",),
        details=(Detail("list_tags_for_resource", {"ResourceArn": "MonitorArn"}, "ResourceTags"),),
        everywhere=False,
    ),
    Reader(
        "cost anomaly subscription",
        "ce",
        "get_anomaly_subscriptions",
        "AnomalySubscriptions",
        ("SubscriptionArn",),
        ("SubscriptionName",),
        details=(Detail("list_tags_for_resource", {"ResourceArn": "SubscriptionArn"}, "ResourceTags"),),
        everywhere=False,
    ),
    Reader("cost allocation tag", "ce", "list_cost_allocation_tags", "CostAllocationTags", (), ("TagKey",), everywhere=False),
    Reader(
        "event rule",
        "events",
        "list_rules",
        "Rules",
        (),
        ("Name",),
        details=(
            Detail("list_targets_by_rule", {"Rule": "Name"}, "Targets"),
            Detail("list_tags_for_resource", {"ResourceARN": "Arn"}, "Tags"),
        ),
    ),
    # --- load balancers ---
    Reader(
        "load balancer",
        "elbv2",
        "describe_load_balancers",
        "LoadBalancers",
        ("LoadBalancerArn",),
        ("LoadBalancerName",),
        details=(
            Detail("describe_load_balancer_attributes", {"LoadBalancerArn": "LoadBalancerArn"}, "Attributes"),
            Detail("describe_listeners", {"LoadBalancerArn": "LoadBalancerArn"}, "Listeners"),
            Detail("describe_tags", {"ResourceArns": "[]LoadBalancerArn"}, "TagDescriptions"),
        ),
    ),
    Reader(
        "target group",
        "elbv2",
        "describe_target_groups",
        "TargetGroups",
        ("TargetGroupArn",),
        ("TargetGroupName",),
        details=(
            Detail("describe_target_group_attributes", {"TargetGroupArn": "TargetGroupArn"}, "Attributes"),
            Detail("describe_tags", {"ResourceArns": "[]TargetGroupArn"}, "TagDescriptions"),
        ),
    ),
    Reader(
        "certificate",
        "acm",
        "list_certificates",
        "CertificateSummaryList",
        ("CertificateArn",),
        ("DomainName",),
        details=(Detail("list_tags_for_certificate", {"CertificateArn": "CertificateArn"}, "Tags"),),
    ),
    # --- between the regions ---
    Reader("transit gateway", "ec2", "describe_transit_gateways", "TransitGateways", ("TransitGatewayId",)),
    Reader(
        "transit gateway table",
        "ec2",
        "describe_transit_gateway_route_tables",
        "TransitGatewayRouteTables",
        ("TransitGatewayRouteTableId",),
        ("TransitGatewayId",),
        details=(
            Detail(
                "search_transit_gateway_routes",
                {"TransitGatewayRouteTableId": "TransitGatewayRouteTableId", "Filters": [{"Name": "type", "Values": ["static"]}]},
                "Routes",
            ),
        ),
    ),
    Reader(
        "VPC attachment",
        "ec2",
        "describe_transit_gateway_vpc_attachments",
        "TransitGatewayVpcAttachments",
        ("TransitGatewayAttachmentId",),
    ),
    Reader(
        "peering",
        "ec2",
        "describe_transit_gateway_peering_attachments",
        "TransitGatewayPeeringAttachments",
        ("TransitGatewayAttachmentId",),
    ),
    # --- containers ---
    Reader(
        "image repository",
        "ecr",
        "describe_repositories",
        "repositories",
        (),
        ("repositoryName",),
        details=(
            Detail("get_lifecycle_policy", {"repositoryName": "repositoryName"}, "lifecyclePolicyText"),
            Detail("list_tags_for_resource", {"resourceArn": "repositoryArn"}, "tags"),
        ),
    ),
    Reader(
        "ECS cluster",
        "ecs",
        "list_clusters",
        "clusterArns",
        (),
        ("Value",),
        details=(Detail("describe_clusters", {"clusters": "[]Value"}, "clusters"), Detail("list_services", {"cluster": "Value"})),
        ignored=("runningTasksCount",),
    ),
    # --- functions ---
    Reader(
        "function",
        "lambda",
        "list_functions",
        "Functions",
        ("RevisionId", "LastModified"),
        ("FunctionName",),
        details=(
            Detail("get_function_concurrency", {"FunctionName": "FunctionName"}, "ReservedConcurrentExecutions"),
            Detail("list_tags", {"Resource": "FunctionArn"}, "Tags"),
        ),
    ),
    Reader(
        "event source mapping",
        "lambda",
        "list_event_source_mappings",
        "EventSourceMappings",
        ("UUID", "LastModified"),
        ("FunctionArn",),
        details=(Detail("list_tags", {"Resource": "EventSourceMappingArn"}, "Tags"),),
    ),
    # --- data ---
    Reader(
        "database",
        "rds",
        "describe_db_instances",
        "DBInstances",
        ("DbiResourceId",),
        ("DBInstanceIdentifier",),
        # A replica that lost its source, or was promoted, stays what it is then: nobody can make it one again.
        ignored=("ReadReplicaDBInstanceIdentifiers", "ReadReplicaSourceDBInstanceIdentifier", "StatusInfos"),
    ),
    Reader(
        "database subnet group",
        "rds",
        "describe_db_subnet_groups",
        "DBSubnetGroups",
        (),
        ("DBSubnetGroupName",),
        details=(Detail("list_tags_for_resource", {"ResourceName": "DBSubnetGroupArn"}, "TagList"),),
    ),
    Reader(
        "database parameter group",
        "rds",
        "describe_db_parameter_groups",
        "DBParameterGroups",
        (),
        ("DBParameterGroupName",),
        details=(
            Detail("describe_db_parameters", {"DBParameterGroupName": "DBParameterGroupName", "Source": "=user"}, "Parameters"),
            Detail("list_tags_for_resource", {"ResourceName": "DBParameterGroupArn"}, "TagList"),
        ),
        of_aws=("default.",),
    ),
    Reader(
        "cache",
        "elasticache",
        "describe_replication_groups",
        "ReplicationGroups",
        (),
        ("ReplicationGroupId",),
        details=(Detail("list_tags_for_resource", {"ResourceName": "ARN"}, "TagList"),),
    ),
    Reader("cache subnet group", "elasticache", "describe_cache_subnet_groups", "CacheSubnetGroups", (), ("CacheSubnetGroupName",)),
    Reader(
        "bucket",
        "s3",
        "list_buckets",
        "Buckets",
        (),
        ("Name",),
        everywhere=False,
        details=(
            Detail("get_bucket_location", {"Bucket": "Name"}, "LocationConstraint"),
            Detail("get_bucket_versioning", {"Bucket": "Name"}, "Status"),
            Detail("get_bucket_encryption", {"Bucket": "Name"}, "ServerSideEncryptionConfiguration"),
            Detail("get_bucket_policy", {"Bucket": "Name"}, "Policy"),
            Detail("get_public_access_block", {"Bucket": "Name"}, "PublicAccessBlockConfiguration"),
            Detail("get_bucket_ownership_controls", {"Bucket": "Name"}, "OwnershipControls"),
            Detail("get_bucket_logging", {"Bucket": "Name"}, "LoggingEnabled"),
            Detail("get_bucket_tagging", {"Bucket": "Name"}, "TagSet"),
            Detail("get_bucket_lifecycle_configuration", {"Bucket": "Name"}, "Rules"),
            Detail("get_bucket_cors", {"Bucket": "Name"}, "CORSRules"),
            Detail("get_bucket_notification_configuration", {"Bucket": "Name"}),
        ),
    ),
    Reader(
        "queue",
        "sqs",
        "list_queues",
        "QueueUrls",
        (),
        ("Value",),
        details=(
            Detail("get_queue_attributes", {"QueueUrl": "Value", "AttributeNames": "=[]All"}, "Attributes"),
            Detail("list_queue_tags", {"QueueUrl": "Value"}, "Tags"),
        ),
    ),
    Reader(
        "table",
        "dynamodb",
        "list_tables",
        "TableNames",
        (),
        ("Value",),
        details=(
            Detail("describe_table", {"TableName": "Value"}, "Table"),
            Detail("describe_time_to_live", {"TableName": "Value"}, "TimeToLiveDescription"),
            Detail("describe_continuous_backups", {"TableName": "Value"}, "ContinuousBackupsDescription"),
        ),
    ),
    # --- secrets and keys ---
    Reader(
        "KMS key",
        "kms",
        "list_keys",
        "Keys",
        ("KeyId",),
        ("KeyMetadata.Description",),
        details=(
            Detail("describe_key", {"KeyId": "KeyId"}, "KeyMetadata"),
            Detail("get_key_policy", {"KeyId": "KeyId", "PolicyName": "=default"}, "Policy"),
            Detail("get_key_rotation_status", {"KeyId": "KeyId"}, "KeyRotationEnabled"),
            Detail("list_resource_tags", {"KeyId": "KeyId"}, "Tags"),
        ),
    ),
    Reader("key alias", "kms", "list_aliases", "Aliases", (), ("AliasName",)),
    Reader(
        "secret",
        "secretsmanager",
        "list_secrets",
        "SecretList",
        ("ARN",),
        ("Name",),
        details=(Detail("get_secret_value", {"SecretId": "ARN"}, "SecretString"),),
    ),
    Reader(
        "parameter",
        "ssm",
        "describe_parameters",
        "Parameters",
        (),
        ("Name",),
        {"ParameterFilters": [{"Key": "Name", "Option": "BeginsWith", "Values": ["/indivillage"]}]},
        details=(
            Detail("get_parameter", {"Name": "Name"}, "Parameter"),
            Detail("list_tags_for_resource", {"ResourceType": "=Parameter", "ResourceId": "Name"}, "TagList"),
        ),
    ),
    Reader(
        "patch baseline",
        "ssm",
        "describe_patch_baselines",
        "BaselineIdentities",
        ("BaselineId",),
        ("BaselineName",),
        {"Filters": [{"Key": "OWNER", "Values": ["Self"]}]},
        details=(
            Detail("get_patch_baseline", {"BaselineId": "BaselineId"}),
            Detail("list_tags_for_resource", {"ResourceType": "=PatchBaseline", "ResourceId": "BaselineId"}, "TagList"),
        ),
    ),
    Reader(
        "maintenance window",
        "ssm",
        "describe_maintenance_windows",
        "WindowIdentities",
        ("WindowId",),
        ("Name",),
        details=(
            Detail("describe_maintenance_window_targets", {"WindowId": "WindowId"}, "Targets"),
            Detail("describe_maintenance_window_tasks", {"WindowId": "WindowId"}, "Tasks"),
            Detail("list_tags_for_resource", {"ResourceType": "=MaintenanceWindow", "ResourceId": "WindowId"}, "TagList"),
        ),
    ),
    Reader(
        "association",
        "ssm",
        "list_associations",
        "Associations",
        ("AssociationId",),
        ("AssociationName",),
        details=(
            Detail("describe_association", {"AssociationId": "AssociationId"}, "AssociationDescription"),
            Detail("list_tags_for_resource", {"ResourceType": "=Association", "ResourceId": "AssociationId"}, "TagList"),
        ),
    ),
    Reader(
        "SSM document",
        "ssm",
        "list_documents",
        "DocumentIdentifiers",
        (),
        ("Name",),
        {"Filters": [{"Key": "Owner", "Values": ["Self"]}]},
        details=(
            Detail("get_document", {"Name": "Name", "DocumentFormat": "=JSON"}, "Content"),
            Detail("list_tags_for_resource", {"ResourceType": "=Document", "ResourceId": "Name"}, "TagList"),
        ),
        ignored=("DocumentVersion",),
    ),
    Reader(
        "log group",
        "logs",
        "describe_log_groups",
        "logGroups",
        (),
        ("logGroupName",),
        details=(Detail("list_tags_for_resource", {"resourceArn": "logGroupArn"}, "tags"),),
    ),
    Reader("metric filter", "logs", "describe_metric_filters", "metricFilters", (), ("filterName",)),
    Reader(
        "saved query",
        "logs",
        "describe_query_definitions",
        "queryDefinitions",
        ("queryDefinitionId",),
        ("name",),
        ignored=("lastModified",),
    ),
    # --- identities ---
    Reader(
        "role",
        "iam",
        "get_account_authorization_details",
        "RoleDetailList",
        ("RoleId",),
        ("RoleName",),
        {"Filter": ["Role"]},
        details=(Detail("list_role_tags", {"RoleName": "RoleName"}, "Tags"),),
        everywhere=False,
    ),
    Reader(
        "instance profile",
        "iam",
        "list_instance_profiles",
        "InstanceProfiles",
        ("InstanceProfileId",),
        ("InstanceProfileName",),
        everywhere=False,
    ),
    Reader(
        "group",
        "iam",
        "list_groups",
        "Groups",
        ("GroupId",),
        ("GroupName",),
        details=(Detail("list_attached_group_policies", {"GroupName": "GroupName"}, "AttachedPolicies"),),
        everywhere=False,
    ),
    Reader(
        "identity provider",
        "iam",
        "list_open_id_connect_providers",
        "OpenIDConnectProviderList",
        (),
        ("Arn",),
        details=(Detail("get_open_id_connect_provider", {"OpenIDConnectProviderArn": "Arn"}),),
        everywhere=False,
    ),
    Reader("policy", "iam", "list_policies", "Policies", ("PolicyId",), ("PolicyName",), {"Scope": "Local"}, everywhere=False),
    Reader(
        "protection by Shield Advanced",
        "shield",
        "list_protections",
        "Protections",
        ("Id", "ProtectionArn"),
        ("Name",),
        details=(Detail("list_tags_for_resource", {"ResourceARN": "ProtectionArn"}, "Tags"),),
        everywhere=False,
    ),
    Reader("access analyzer", "accessanalyzer", "list_analyzers", "analyzers", (), ("name",)),
    Reader(
        "trail",
        "cloudtrail",
        "describe_trails",
        "trailList",
        (),
        ("Name",),
        {"includeShadowTrails": False},
        details=(
            Detail("get_event_selectors", {"TrailName": "Name"}, "EventSelectors"),
            Detail("get_trail_status", {"Name": "Name"}, "IsLogging"),
            Detail("list_tags", {"ResourceIdList": "[]TrailARN"}, "ResourceTagList"),
        ),
    ),
    Reader(
        "topic",
        "sns",
        "list_topics",
        "Topics",
        (),
        ("TopicArn",),
        details=(
            Detail("get_topic_attributes", {"TopicArn": "TopicArn"}, "Attributes"),
            Detail("list_subscriptions_by_topic", {"TopicArn": "TopicArn"}, "Subscriptions"),
            Detail("list_tags_for_resource", {"ResourceArn": "TopicArn"}, "Tags"),
        ),
        ignored=("SubscriptionArn",),
    ),
    Reader(
        "recorder",
        "config",
        "describe_configuration_recorders",
        "ConfigurationRecorders",
        ("arn",),
        ("name",),
        details=(Detail("list_tags_for_resource", {"ResourceArn": "arn"}, "Tags"),),
    ),
    Reader("state of the recorder", "config", "describe_configuration_recorder_status", "ConfigurationRecordersStatus", (), ("name",)),
    Reader("delivery channel", "config", "describe_delivery_channels", "DeliveryChannels", (), ("name",)),
    Reader(
        "rule of AWS Config",
        "config",
        "describe_config_rules",
        "ConfigRules",
        ("ConfigRuleArn", "ConfigRuleId"),
        ("ConfigRuleName",),
        details=(Detail("list_tags_for_resource", {"ResourceArn": "ConfigRuleArn"}, "Tags"),),
    ),
    Reader(
        "conformance pack",
        "config",
        "describe_conformance_packs",
        "ConformancePackDetails",
        ("ConformancePackArn", "ConformancePackId"),
        ("ConformancePackName",),
        details=(Detail("list_tags_for_resource", {"ResourceArn": "ConformancePackArn"}, "Tags"),),
    ),
    Reader(
        "detector",
        "guardduty",
        "list_detectors",
        "DetectorIds",
        ("Value",),
        ("Status",),
        details=tuple(
            Detail("get_detector", {"DetectorId": "Value"}, key) for key in ("Status", "FindingPublishingFrequency", "Features", "Tags")
        ),
    ),
)

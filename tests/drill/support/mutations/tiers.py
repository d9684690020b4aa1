# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes to load balancers, certificates, launch templates, scaling groups and machines."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from sandbox import pki
from tests.drill.support.mutations.model import DR, PREFIX, Account, mutation

BALANCERS = "Make the load balancers"
TARGET_GROUPS = "Make the target groups"
CERTIFICATES = "Import the certificates that are given as files"
TEMPLATES = "Say what each tier's instances are made of"
SCALING_GROUPS = "Make the Auto Scaling groups"
POLICIES = "Let the tiers grow and shrink with their load"
ROLLOUT = "Replace their instances"
BASTION = "Make the bastion"
PROFILE = f"arn:aws:iam::123456789012:instance-profile/{PREFIX}-bastion"
HIDDEN = "(hidden)"  # the item of a task with no_log


# --- load balancers ---


def _set_balancer(account: Account, name: str, key: str, value: str) -> None:
    arn = account.balancer_arn(name)
    account.client("elbv2").modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=[{"Key": key, "Value": value}])


@mutation("load balancer", "idle timeout changed", BALANCERS, "public", operation="ModifyLoadBalancerAttributes", argument="idle_timeout")
def balancer_timeout_changed(account: Account) -> None:
    _set_balancer(account, "public", "idle_timeout.timeout_seconds", "4000")


@mutation("load balancer", "access log switched off", BALANCERS, "internal", operation="ModifyLoadBalancerAttributes",
          argument=("access_logs_enabled", "access_logs_s3_bucket", "access_logs_s3_prefix"))  # fmt: skip
def balancer_log_switched_off(account: Account) -> None:
    _set_balancer(account, "internal", "access_logs.s3.enabled", "false")


@mutation("load balancer", "invalid headers let through", BALANCERS, "internal", operation="ModifyLoadBalancerAttributes",
          argument="http_drop_invalid_header_fields")  # fmt: skip
def balancer_accepts_invalid_headers(account: Account) -> None:
    _set_balancer(account, "internal", "routing.http.drop_invalid_header_fields.enabled", "false")


_BALANCER_CHANGES = (
    ("http2", "routing.http2.enabled", "HTTP/2 switched off", "false"),
    ("http_desync_mitigation_mode", "routing.http.desync_mitigation_mode", "odd requests let through", "monitor"),
    ("deletion_protection", "deletion_protection.enabled", "deletion protection set", "true"),
)
for _argument, _key, _what, _value in _BALANCER_CHANGES:
    mutation(
        "load balancer",
        _what,
        BALANCERS,
        "internal",
        operation="ModifyLoadBalancerAttributes",
        argument=_argument,
        name=f"balancer_{_argument}_changed",
    )(partial(_set_balancer, name="internal", key=_key, value=_value))


@mutation("load balancer", "subnet taken away", BALANCERS, "internal", operation="SetSubnets", argument="subnets")
def balancer_subnet_removed(account: Account) -> None:
    subnets = [account.subnet_id(f"app-{zone}") for zone in "ab"]
    account.client("elbv2").set_subnets(LoadBalancerArn=account.balancer_arn("internal"), Subnets=subnets)


@mutation("load balancer", "security group exchanged", BALANCERS, "public", operation="SetSecurityGroups", argument="security_groups")
def balancer_group_changed(account: Account) -> None:
    arn = account.balancer_arn("public")
    account.client("elbv2").set_security_groups(LoadBalancerArn=arn, SecurityGroups=[account.group_id("bastion")])


@mutation("load balancer", "tag removed", BALANCERS, "public", operation="AddTags", argument="tags")
def balancer_tag_removed(account: Account) -> None:
    account.client("elbv2").remove_tags(ResourceArns=[account.balancer_arn("public")], TagKeys=["Project"])


@mutation("listener", "deleted", BALANCERS, "public", operation="CreateListener", argument="listeners")
def listener_deleted(account: Account) -> None:
    account.client("elbv2").delete_listener(ListenerArn=account.listener("public", 80)["ListenerArn"])


@mutation("listener", "TLS policy weakened", BALANCERS, "public", operation="ModifyListener", argument="listeners")
def listener_policy_weakened(account: Account) -> None:
    account.client("elbv2").modify_listener(
        ListenerArn=account.listener("public", 443)["ListenerArn"], SslPolicy="ELBSecurityPolicy-2016-08"
    )


@mutation("listener", "sent to another tier", BALANCERS, "internal", operation="ModifyListener", argument="listeners")
def listener_forwards_elsewhere(account: Account) -> None:
    action = {"Type": "forward", "TargetGroupArn": account.target_group_arn("web")}
    account.client("elbv2").modify_listener(ListenerArn=account.listener("internal", 443)["ListenerArn"], DefaultActions=[action])


@mutation("listener", "added", BALANCERS, "internal", operation="DeleteListener", argument="listeners")
def listener_added(account: Account) -> None:
    action = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "200"}}
    account.client("elbv2").create_listener(
        LoadBalancerArn=account.balancer_arn("internal"), Protocol="HTTP", Port=8080, DefaultActions=[action]
    )


@mutation("listener", "rule added", BALANCERS, "public", operation="DeleteRule", argument="listeners")
def listener_rule_added(account: Account) -> None:
    account.client("elbv2").create_rule(
        ListenerArn=account.listener("public", 443)["ListenerArn"],
        Priority=1,
        Conditions=[{"Field": "path-pattern", "Values": ["/admin"]}],
        Actions=[{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "200"}}],
    )


@mutation("target group", "health check moved", TARGET_GROUPS, "web", operation="ModifyTargetGroup", argument="health_check_path",
          field="HealthCheckPath")  # fmt: skip
def target_group_path_changed(account: Account) -> None:
    account.client("elbv2").modify_target_group(TargetGroupArn=account.target_group_arn("web"), HealthCheckPath="/elsewhere")


_CHECK_CHANGES: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("health_check_interval", "check interval changed", {"HealthCheckIntervalSeconds": 300}),
    ("health_check_timeout", "check timeout changed", {"HealthCheckTimeoutSeconds": 2}),
    ("healthy_threshold_count", "healthy after more checks", {"HealthyThresholdCount": 9}),
    ("health_check_protocol", "checked in plain text", {"HealthCheckProtocol": "HTTP"}),
    ("health_check_port", "checked at another port", {"HealthCheckPort": "81"}),
    ("successful_response_codes", "any answer is good", {"Matcher": {"HttpCode": "200-499"}}),
)


def _check(account: Account, **changes: Any) -> None:
    account.client("elbv2").modify_target_group(TargetGroupArn=account.target_group_arn("web"), **changes)


for _argument, _what, _changes in _CHECK_CHANGES:
    mutation(
        "target group",
        _what,
        TARGET_GROUPS,
        "web",
        operation="ModifyTargetGroup",
        argument=_argument,
        name=f"target_group_{_argument}_changed",
    )(partial(_check, **_changes))


@mutation("target group", "threshold changed", TARGET_GROUPS, "app", operation="ModifyTargetGroup", argument="unhealthy_threshold_count")
def target_group_threshold_changed(account: Account) -> None:
    account.client("elbv2").modify_target_group(TargetGroupArn=account.target_group_arn("app"), UnhealthyThresholdCount=10)


@mutation("target group", "deregistration delayed", TARGET_GROUPS, "app", operation="ModifyTargetGroupAttributes",
          argument="deregistration_delay_timeout")  # fmt: skip
def target_group_delay_changed(account: Account) -> None:
    attribute = {"Key": "deregistration_delay.timeout_seconds", "Value": "777"}
    account.client("elbv2").modify_target_group_attributes(TargetGroupArn=account.target_group_arn("app"), Attributes=[attribute])


@mutation("target group", "tag removed", TARGET_GROUPS, "web", operation="AddTags", argument="tags")
def target_group_tag_removed(account: Account) -> None:
    account.client("elbv2").remove_tags(ResourceArns=[account.target_group_arn("web")], TagKeys=["Project"])


@mutation("certificate", "tag removed", CERTIFICATES, HIDDEN, operation="AddTagsToCertificate", argument="tags")
def certificate_tag_removed(account: Account) -> None:
    account.client("acm").remove_tags_from_certificate(CertificateArn=account.certificate_arn("internal"), Tags=[{"Key": "Project"}])


@mutation("certificate", "tag of a requested one removed", "Request the certificates that ACM issues", "public", host=DR,
          operation="AddTagsToCertificate", argument="tags")  # fmt: skip
def issued_certificate_tag_removed(account: Account) -> None:
    account.client("acm").remove_tags_from_certificate(CertificateArn=account.certificate_arn("public"), Tags=[{"Key": "Project"}])


@mutation("certificate", "another imported in its place", CERTIFICATES, HIDDEN, operation="ImportCertificate",
          argument=("certificate", "private_key", "certificate_chain"))  # fmt: skip
def certificate_exchanged(account: Account) -> None:
    with tempfile.TemporaryDirectory() as directory:
        certificate, key = pki.issue(pki.INTERNAL_NAMES, Path(directory))
        chain = (Path(directory) / "ca.pem").read_text()
    account.client("acm").import_certificate(
        CertificateArn=account.certificate_arn("internal"), Certificate=certificate, PrivateKey=key, CertificateChain=chain
    )


# --- tiers ---


def _add_version(account: Account, **changes: Any) -> None:
    account.client("ec2").create_launch_template_version(
        LaunchTemplateName=f"{PREFIX}-web", SourceVersion="$Latest", LaunchTemplateData=changes
    )


_TEMPLATE_CHANGES: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
    # argument of the task, its field in the API, what is changed in words, the change
    ("instance_type", "InstanceType", "larger instances", {"InstanceType": "m5.24xlarge"}),
    ("image_id", "ImageId", "another image", {"ImageId": "ami-0123456789abcdef0"}),
    ("iam_instance_profile", "IamInstanceProfile.Arn", "another profile", {"IamInstanceProfile": {"Arn": PROFILE}}),
    ("key_name", "KeyName", "another key", {"KeyName": "somebody"}),
    ("security_group_ids", "SecurityGroupIds", "another security group", {"SecurityGroupIds": ["sg-0123456789abcdef0"]}),
    ("metadata_options", "MetadataOptions.HttpTokens", "metadata without a token", {"MetadataOptions": {"HttpTokens": "optional"}}),
    (
        "block_device_mappings",
        "BlockDeviceMappings",
        "volume not encrypted",
        {"BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {"Encrypted": False}}]},
    ),
    ("monitoring", "Monitoring.Enabled", "monitored", {"Monitoring": {"Enabled": True}}),
    (
        "tag_specifications",
        "TagSpecifications",
        "volumes without tags",
        {"TagSpecifications": [{"ResourceType": "volume", "Tags": [{"Key": "Project", "Value": "another"}]}]},
    ),
)
for _argument, _field, _what, _changes in _TEMPLATE_CHANGES:
    mutation(
        "launch template",
        f"version added with {_what}",
        TEMPLATES,
        "web",
        operation="CreateLaunchTemplateVersion",
        argument=_argument,
        field=_field,
        also={(ROLLOUT, ""): ""},
        name=f"template_{_argument}_changed",
    )(partial(_add_version, **_changes))


@mutation("launch template", "tag removed", TEMPLATES, "app", operation="CreateTags", argument="tags")
def template_tag_removed(account: Account) -> None:
    template = account.one("ec2", "describe_launch_templates", "LaunchTemplates", LaunchTemplateNames=[f"{PREFIX}-app"])
    account.client("ec2").delete_tags(Resources=[template["LaunchTemplateId"]], Tags=[{"Key": "Project"}])


def _update_group(account: Account, tier: str, **changes: Any) -> None:
    account.client("autoscaling").update_auto_scaling_group(AutoScalingGroupName=f"{PREFIX}-{tier}", **changes)


@mutation(
    "Auto Scaling group", "limit raised", SCALING_GROUPS, "web", operation="UpdateAutoScalingGroup", argument="max_size", field="MaxSize"
)
def group_limit_raised(account: Account) -> None:
    _update_group(account, "web", MaxSize=60)


@mutation("Auto Scaling group", "health of the instance alone", SCALING_GROUPS, "app", operation="UpdateAutoScalingGroup",
          argument="health_check_type", field="HealthCheckType")  # fmt: skip
def group_health_check_changed(account: Account) -> None:
    _update_group(account, "app", HealthCheckType="EC2")


_GROUP_CHANGES: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("min_size", "minimum lowered", {"MinSize": 0}),
    ("health_check_grace_seconds", "grace period changed", {"HealthCheckGracePeriod": 1}),
    ("termination_policies", "newest are ended first", {"TerminationPolicies": ["NewestInstance"]}),
)
for _argument, _what, _changes in _GROUP_CHANGES:
    mutation(
        "Auto Scaling group",
        _what,
        SCALING_GROUPS,
        "app",
        operation="UpdateAutoScalingGroup",
        argument=_argument,
        name=f"group_{_argument}_changed",
    )(partial(_update_group, tier="app", **_changes))


@mutation("Auto Scaling group", "metrics switched off", SCALING_GROUPS, "app", operation="EnableMetricsCollection", argument="metrics")
def group_metrics_switched_off(account: Account) -> None:
    account.client("autoscaling").disable_metrics_collection(AutoScalingGroupName=f"{PREFIX}-app")


@mutation("Auto Scaling group", "processes suspended", SCALING_GROUPS, "web", operation="ResumeProcesses", argument="suspended_processes")
def group_suspended(account: Account) -> None:
    account.client("autoscaling").suspend_processes(AutoScalingGroupName=f"{PREFIX}-web", ScalingProcesses=["ReplaceUnhealthy"])


@mutation("Auto Scaling group", "cooldown changed", SCALING_GROUPS, "app", operation="UpdateAutoScalingGroup", argument="cooldown_seconds",
          )  # fmt: skip
def group_cooldown_changed(account: Account) -> None:
    _update_group(account, "app", DefaultCooldown=1)


@mutation("Auto Scaling group", "zone dropped", SCALING_GROUPS, "web", operation="UpdateAutoScalingGroup", argument="subnet_ids",
          )  # fmt: skip
def group_zone_dropped(account: Account) -> None:
    _update_group(account, "web", VPCZoneIdentifier=",".join(account.subnet_id(f"web-{zone}") for zone in "ab"))


@mutation("Auto Scaling group", "other instances", SCALING_GROUPS, "web", operation="UpdateAutoScalingGroup",
          argument=("instance_types", "instances_distribution"))  # fmt: skip
def group_of_other_instances(account: Account) -> None:
    found = account.one("autoscaling", "describe_auto_scaling_groups", "AutoScalingGroups", AutoScalingGroupNames=[f"{PREFIX}-web"])
    policy = found["MixedInstancesPolicy"]
    del policy["LaunchTemplate"]["LaunchTemplateSpecification"]["LaunchTemplateId"]  # its name is enough, and both are refused
    policy["InstancesDistribution"]["OnDemandPercentageAboveBaseCapacity"] = 100
    policy["LaunchTemplate"]["Overrides"] = [{"InstanceType": "m5.24xlarge"}]
    _update_group(account, "web", MixedInstancesPolicy=policy)


@mutation("Auto Scaling group", "tag removed", SCALING_GROUPS, "web", operation="CreateOrUpdateTags", argument="tags")
def group_tag_removed(account: Account) -> None:
    tag = {"ResourceId": f"{PREFIX}-web", "ResourceType": "auto-scaling-group", "Key": "Project"}
    account.client("autoscaling").delete_tags(Tags=[tag])


@mutation("Auto Scaling group", "target group detached", SCALING_GROUPS, "app", operation="AttachLoadBalancerTargetGroups",
          argument="target_group_arns")  # fmt: skip
def group_detached(account: Account) -> None:
    account.client("autoscaling").detach_load_balancer_target_groups(
        AutoScalingGroupName=f"{PREFIX}-app", TargetGroupARNs=[account.target_group_arn("app")]
    )


@mutation("scaling policy", "target changed", POLICIES, "web cpu", operation="PutScalingPolicy", argument="target_tracking_config")
def scaling_target_changed(account: Account) -> None:
    config = {"PredefinedMetricSpecification": {"PredefinedMetricType": "ASGAverageCPUUtilization"}, "TargetValue": 5.0}
    account.client("autoscaling").put_scaling_policy(
        AutoScalingGroupName=f"{PREFIX}-web",
        PolicyName=f"{PREFIX}-web-cpu",
        PolicyType="TargetTrackingScaling",
        TargetTrackingConfiguration=config,
    )


@mutation("scaling policy", "deleted", POLICIES, "app cpu", operation="PutScalingPolicy", argument=("name", "asg_name", "policy_type"))
def scaling_policy_deleted(account: Account) -> None:
    account.client("autoscaling").delete_policy(AutoScalingGroupName=f"{PREFIX}-app", PolicyName=f"{PREFIX}-app-cpu")


# --- bastion ---


def _bastion_id(account: Account) -> str:
    filters = [{"Name": "tag:Name", "Values": [f"{PREFIX}-bastion"]}, {"Name": "instance-state-name", "Values": ["running"]}]
    (reservation,) = account.client("ec2").describe_instances(Filters=filters)["Reservations"]
    return str(reservation["Instances"][0]["InstanceId"])


@mutation("instance", "terminated", BASTION, operation="RunInstances", argument="exact_count")
def bastion_terminated(account: Account) -> None:
    account.client("ec2").terminate_instances(InstanceIds=[_bastion_id(account)])


@mutation("instance", "tag changed", BASTION, operation="CreateTags", argument="tags")
def bastion_tag_changed(account: Account) -> None:
    account.client("ec2").create_tags(Resources=[_bastion_id(account)], Tags=[{"Key": "Role", "Value": "another"}])


@mutation("instance", "metadata without a token", BASTION, operation="ModifyInstanceMetadataOptions", argument="metadata_options")
def bastion_metadata_without_token(account: Account) -> None:
    account.client("ec2").modify_instance_metadata_options(InstanceId=_bastion_id(account), HttpTokens="optional")


@mutation("instance", "stopped", BASTION, operation="StartInstances", argument="state")
def bastion_stopped(account: Account) -> None:
    account.client("ec2").stop_instances(InstanceIds=[_bastion_id(account)])


@mutation("instance", "security group exchanged", BASTION, operation="ModifyInstanceAttribute", argument="network_interfaces")
def bastion_group_changed(account: Account) -> None:
    account.client("ec2").modify_instance_attribute(InstanceId=_bastion_id(account), Groups=[account.group_id("web")])


@mutation(
    "instance",
    "monitoring switched on",
    BASTION,
    argument="detailed_monitoring",
    reason="amazon.aws.ec2_instance sets it when it makes an instance, and never again",
)
def bastion_monitored(account: Account) -> None:
    account.client("ec2").monitor_instances(InstanceIds=[_bastion_id(account)])

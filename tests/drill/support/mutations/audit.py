# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes to what watches the account: what somebody would do who does not want to be seen."""

from __future__ import annotations

import json
from typing import Any

from tests.drill.support.mutations.identities import ADMINISTRATOR
from tests.drill.support.mutations.model import DR, GLOBAL, PREFIX, Account, mutation

ROLES = "Make the roles of the services that watch"
POLICIES = "Give them their own permissions, and no others"
LOG_GROUP = "Make the log group of the trail"
TRAIL = "Record every call of the account"
RECORDER = "Make the recorder of everything that is configured"
CHANNEL = "Say where recordings are delivered"
START = "Start the recorder"
RULES = "Make the rules"
PACKS = "Make the conformance packs"
DETECTOR = "Look for threats in what is done and sent"
HUB = "Judge the region by the standards"
SCANS = "Have instances, images and functions scanned"
TRAIL_NAME = f"{PREFIX}-trail"
NOTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]}
NOBODY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Deny", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


# --- the roles ---


@mutation("watching role", "trust edited", ROLES, "cloudtrail", operation="UpdateAssumeRolePolicy", argument="assume_role_policy_document",
          host=GLOBAL)  # fmt: skip
def watching_role_trusts_nobody(account: Account) -> None:
    account.client("iam").update_assume_role_policy(RoleName=f"{PREFIX}-cloudtrail", PolicyDocument=json.dumps(NOBODY))


@mutation("watching role", "description changed", ROLES, "config", operation="UpdateRole", argument="description", host=GLOBAL)
def watching_role_described(account: Account) -> None:
    account.client("iam").update_role(RoleName=f"{PREFIX}-config", Description="changed")


@mutation("watching role", "made administrator", ROLES, "cloudtrail", operation="DetachRolePolicy", argument="managed_policies",
          host=GLOBAL)  # fmt: skip
def watching_role_becomes_administrator(account: Account) -> None:
    account.client("iam").attach_role_policy(RoleName=f"{PREFIX}-cloudtrail", PolicyArn=ADMINISTRATOR)


@mutation("watching role", "tag removed", ROLES, "config", operation="TagRole", argument="tags", host=GLOBAL)
def watching_role_tag_removed(account: Account) -> None:
    account.client("iam").untag_role(RoleName=f"{PREFIX}-config", TagKeys=["Project"])


@mutation("watching role", "policy edited", POLICIES, "cloudtrail", operation="PutRolePolicy", argument="policies", host=GLOBAL)
def watching_role_may_do_nothing(account: Account) -> None:
    account.client("iam").put_role_policy(RoleName=f"{PREFIX}-cloudtrail", PolicyName="cloudtrail", PolicyDocument=json.dumps(NOTHING))


# --- the trail ---


def _update(account: Account, **changes: Any) -> None:
    account.client("cloudtrail").update_trail(Name=TRAIL_NAME, **changes)


@mutation("trail", "stopped", TRAIL, operation="StartLogging", argument="logging", field="IsLogging")
def trail_stopped(account: Account) -> None:
    account.client("cloudtrail").stop_logging(Name=TRAIL_NAME)


@mutation("trail", "events left out", TRAIL, operation="PutEventSelectors", argument="data_arns", field="EventSelectors")
def trail_leaves_out_events(account: Account) -> None:
    selectors = [{"ReadWriteType": "WriteOnly", "IncludeManagementEvents": False, "DataResources": []}]
    account.client("cloudtrail").put_event_selectors(TrailName=TRAIL_NAME, EventSelectors=selectors)


@mutation("trail", "other regions left out", TRAIL, operation="UpdateTrail", argument="multi_region", field="IsMultiRegionTrail")
def trail_of_one_region(account: Account) -> None:
    _update(account, IsMultiRegionTrail=False)


@mutation("trail", "files not signed", TRAIL, operation="UpdateTrail", argument="log_file_validation")
def trail_not_validated(account: Account) -> None:
    _update(account, EnableLogFileValidation=False)


@mutation("trail", "delivered elsewhere", TRAIL, operation="UpdateTrail", argument=("bucket", "prefix"), field="S3BucketName")
def trail_delivered_elsewhere(account: Account) -> None:
    _update(account, S3BucketName=f"{PREFIX}-uploads", S3KeyPrefix="x")


@mutation("trail", "encrypted with another key", TRAIL, operation="UpdateTrail", argument="kms_key_id", field="KmsKeyId")
def trail_encrypted_with_another_key(account: Account) -> None:
    _update(account, KmsKeyId=f"arn:aws:kms:us-east-1:123456789012:key/{account.key_id('storage')}")


@mutation("trail", "not sent to CloudWatch", TRAIL, operation="UpdateTrail", argument=("log_group_arn", "role_arn"),
          field="CloudWatchLogsLogGroupArn")  # fmt: skip
def trail_not_in_cloudwatch(account: Account) -> None:
    _update(account, CloudWatchLogsLogGroupArn="", CloudWatchLogsRoleArn="")


@mutation("trail", "tag changed", TRAIL, operation="AddTags", argument="tags", field="TagsList.Project")
def trail_tag_changed(account: Account) -> None:
    trail = account.client("cloudtrail")
    arn = trail.get_trail(Name=TRAIL_NAME)["Trail"]["TrailARN"]
    trail.add_tags(ResourceId=arn, TagsList=[{"Key": "Project", "Value": "another"}])


@mutation("trail", "deleted", TRAIL, operation="CreateTrail", argument="name", alone=True)
def trail_deleted(account: Account) -> None:
    account.client("cloudtrail").delete_trail(Name=TRAIL_NAME)


@mutation("trail", "its log group keeps nothing", LOG_GROUP, operation="PutRetentionPolicy", argument="retention_days")
def trail_log_group_keeps_a_day(account: Account) -> None:
    account.client("logs").put_retention_policy(logGroupName=f"/aws/cloudtrail/{PREFIX}", retentionInDays=1)


@mutation("trail", "its log group loses a tag", LOG_GROUP, operation="TagResource", argument="tags")
def trail_log_group_tag_removed(account: Account) -> None:
    arn = f"arn:aws:logs:us-east-1:123456789012:log-group:/aws/cloudtrail/{PREFIX}"
    account.client("logs").untag_resource(resourceArn=arn, tagKeys=["Project"])


@mutation("trail", "its log group loses its key", LOG_GROUP, operation="AssociateKmsKey", argument="kms_key_arn")
def trail_log_group_key_removed(account: Account) -> None:
    account.client("logs").disassociate_kms_key(logGroupName=f"/aws/cloudtrail/{PREFIX}")


# --- AWS Config ---


def _recorder(account: Account) -> Any:
    return account.one("config", "describe_configuration_recorders", "ConfigurationRecorders")


def _put_recorder(account: Account, **changes: Any) -> None:
    recorder = {key: value for key, value in _recorder(account).items() if key != "arn"}
    account.client("config").put_configuration_recorder(ConfigurationRecorder={**recorder, **changes})


@mutation("recorder", "stopped", START, operation="StartConfigurationRecorder", argument="recording")
def recorder_stopped(account: Account) -> None:
    account.client("config").stop_configuration_recorder(ConfigurationRecorderName=f"{PREFIX}-recorder")


@mutation("recorder", "without what has no region", RECORDER, operation="PutConfigurationRecorder", argument="global_types",
          field="recordingGroup.includeGlobalResourceTypes")  # fmt: skip
def recorder_without_global_types(account: Account) -> None:
    _put_recorder(account, recordingGroup={"allSupported": True, "includeGlobalResourceTypes": False})


@mutation("recorder", "of buckets alone", RECORDER, operation="PutConfigurationRecorder", host=DR)
def recorder_of_buckets_alone(account: Account) -> None:
    _put_recorder(account, recordingGroup={"allSupported": False, "resourceTypes": ["AWS::S3::Bucket"]})


@mutation("recorder", "role exchanged", RECORDER, operation="PutConfigurationRecorder", argument="role_arn", alone=True)
def recorder_role_exchanged(account: Account) -> None:
    _put_recorder(account, roleARN=f"arn:aws:iam::123456789012:role/{PREFIX}-web")


@mutation("recorder", "tag removed", RECORDER, operation="TagResource", argument="tags", field="Tags.Project")
def recorder_tag_removed(account: Account) -> None:
    account.client("config").untag_resource(ResourceArn=_recorder(account)["arn"], TagKeys=["Project"])


def _put_channel(account: Account, **changes: Any) -> None:
    channel = account.one("config", "describe_delivery_channels", "DeliveryChannels")
    account.client("config").put_delivery_channel(DeliveryChannel={**channel, **changes})


@mutation("delivery channel", "delivers seldom", CHANNEL, operation="PutDeliveryChannel", argument="frequency")
def channel_delivers_seldom(account: Account) -> None:
    _put_channel(account, configSnapshotDeliveryProperties={"deliveryFrequency": "TwentyFour_Hours"})


@mutation("delivery channel", "delivers elsewhere", CHANNEL, operation="PutDeliveryChannel", argument=("bucket", "prefix"), host=DR)
def channel_delivers_elsewhere(account: Account) -> None:
    _put_channel(account, s3BucketName=f"{PREFIX}-uploads-replica", s3KeyPrefix="x")


@mutation("rule", "deleted", RULES, "no-open-ssh", operation="PutConfigRule", argument="identifier")
def rule_deleted(account: Account) -> None:
    account.client("config").delete_config_rule(ConfigRuleName=f"{PREFIX}-no-open-ssh")


def _put_rule(account: Account, name: str, **changes: Any) -> None:
    rule = account.one("config", "describe_config_rules", "ConfigRules", ConfigRuleNames=[f"{PREFIX}-{name}"])
    kept = {key: value for key, value in rule.items() if key in ("ConfigRuleName", "Source", "Description", "InputParameters")}
    account.client("config").put_config_rule(ConfigRule={**kept, **changes})


@mutation("rule", "weakened", RULES, "access-keys-rotated", operation="PutConfigRule", argument="parameters")
def rule_weakened(account: Account) -> None:
    _put_rule(account, "access-keys-rotated", InputParameters=json.dumps({"maxAccessKeyAge": "9999"}))


@mutation("rule", "description changed", RULES, "root-mfa", operation="PutConfigRule", argument="description")
def rule_described(account: Account) -> None:
    _put_rule(account, "root-mfa", Description="changed")


@mutation("rule", "tag removed", RULES, "flow-logs", operation="TagResource", argument="tags", host=DR)
def rule_tag_removed(account: Account) -> None:
    rule = account.one("config", "describe_config_rules", "ConfigRules", ConfigRuleNames=[f"{PREFIX}-flow-logs"])
    account.client("config").untag_resource(ResourceArn=rule["ConfigRuleArn"], TagKeys=["Project"])


@mutation("conformance pack", "deleted", PACKS, "data-protection", operation="PutConformancePack", argument="rules")
def pack_deleted(account: Account) -> None:
    account.client("config").delete_conformance_pack(ConformancePackName=f"{PREFIX}-data-protection")


@mutation("conformance pack", "tag changed", PACKS, "data-protection", operation="TagResource", argument="tags", host=DR)
def pack_tag_changed(account: Account) -> None:
    arn = account.one("config", "describe_conformance_packs", "ConformancePackDetails")["ConformancePackArn"]
    account.client("config").tag_resource(ResourceArn=arn, Tags=[{"Key": "Project", "Value": "another"}])


@mutation("conformance pack", "other rules in its place", PACKS, reason="AWS tells nobody what a pack was made of")
def pack_exchanged(account: Account) -> None:
    rule = {"Type": "AWS::Config::ConfigRule", "Properties": {"Source": {"Owner": "AWS", "SourceIdentifier": "ENCRYPTED_VOLUMES"}}}
    name = f"{PREFIX}-data-protection"
    account.client("config").put_conformance_pack(ConformancePackName=name, TemplateBody=json.dumps({"Resources": {"Other": rule}}))


# --- GuardDuty ---


def _detector_id(account: Account) -> str:
    (identifier,) = account.client("guardduty").list_detectors()["DetectorIds"]
    return str(identifier)


@mutation("detector", "suspended", DETECTOR, operation="UpdateDetector", argument="enabled", field="Status")
def detector_suspended(account: Account) -> None:
    account.client("guardduty").update_detector(DetectorId=_detector_id(account), Enable=False)


@mutation("detector", "feature switched off", DETECTOR, operation="UpdateDetector", argument="features", field="Features.S3_DATA_EVENTS")
def detector_feature_switched_off(account: Account) -> None:
    features = [{"Name": "S3_DATA_EVENTS", "Status": "DISABLED"}]
    account.client("guardduty").update_detector(DetectorId=_detector_id(account), Features=features)


@mutation("detector", "tells seldom", DETECTOR, operation="UpdateDetector", argument="frequency", field="FindingPublishingFrequency")
def detector_tells_seldom(account: Account) -> None:
    account.client("guardduty").update_detector(DetectorId=_detector_id(account), FindingPublishingFrequency="SIX_HOURS")


@mutation("detector", "tag removed", DETECTOR, operation="TagResource", argument="tags", field="Tags.Project")
def detector_tag_removed(account: Account) -> None:
    arn = f"arn:aws:guardduty:us-east-1:123456789012:detector/{_detector_id(account)}"
    account.client("guardduty").untag_resource(ResourceArn=arn, TagKeys=["Project"])


@mutation("detector", "deleted", DETECTOR, operation="CreateDetector", host=DR)
def detector_deleted(account: Account) -> None:
    account.client("guardduty").delete_detector(DetectorId=_detector_id(account))


# --- Security Hub ---


def _hub_arn(account: Account) -> str:
    return str(account.client("securityhub").describe_hub()["HubArn"])


@mutation("Security Hub", "standard disabled", HUB, operation="BatchEnableStandards", argument="standards")
def hub_standard_disabled(account: Account) -> None:
    hub = account.client("securityhub")
    (first, *_others) = hub.get_enabled_standards()["StandardsSubscriptions"]
    hub.batch_disable_standards(StandardsSubscriptionArns=[first["StandardsSubscriptionArn"]])


@mutation("Security Hub", "standard added", HUB, operation="BatchDisableStandards", argument="standards", host=DR)
def hub_standard_added(account: Account) -> None:
    requests = [{"StandardsArn": f"arn:aws:securityhub:{account.region}::standards/nist-800-53/v/5.0.0"}]
    account.client("securityhub").batch_enable_standards(StandardsSubscriptionRequests=requests)


@mutation("Security Hub", "new controls left out", HUB, operation="UpdateSecurityHubConfiguration", argument="auto_enable_controls",
          field="AutoEnableControls")  # fmt: skip
def hub_leaves_out_new_controls(account: Account) -> None:
    account.client("securityhub").update_security_hub_configuration(AutoEnableControls=False)


@mutation("Security Hub", "tag removed", HUB, operation="TagResource", argument="tags", field="Tags.Project")
def hub_tag_removed(account: Account) -> None:
    account.client("securityhub").untag_resource(ResourceArn=_hub_arn(account), TagKeys=["Project"])


@mutation("Security Hub", "disabled", HUB, operation="EnableSecurityHub", alone=True)
def hub_disabled(account: Account) -> None:
    account.client("securityhub").disable_security_hub()


# --- Inspector ---


@mutation("Inspector", "instances left out", SCANS, operation="Enable", argument="resource_types")
def scans_without_instances(account: Account) -> None:
    account.client("inspector2").disable(accountIds=["123456789012"], resourceTypes=["EC2"])


@mutation("Inspector", "code scanned too", SCANS, operation="Disable", argument="resource_types", host=DR)
def scans_of_code(account: Account) -> None:
    account.client("inspector2").enable(accountIds=["123456789012"], resourceTypes=["LAMBDA_CODE"])


@mutation("Inspector", "switched off", SCANS, operation="Enable", alone=True)
def scans_switched_off(account: Account) -> None:
    account.client("inspector2").disable(accountIds=["123456789012"], resourceTypes=["EC2", "ECR", "LAMBDA"])

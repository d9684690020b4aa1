# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole runs of provision_upkeep.yml, and what is there after them."""

from __future__ import annotations

import json
import re

import pytest

from tests.drill.roles.upkeep.conftest import PREFIX, Client, Upkeep

pytestmark = pytest.mark.emulator
REGIONS = ["us-east-1", "us-west-2"]


# --- runs ---


def test_the_plan_of_an_account_that_has_none_of_it_says_what_the_first_run_does(upkeep: Upkeep) -> None:
    assert set(upkeep.planned.failed.values()) == {0}, upkeep.planned.output
    assert set(upkeep.first.failed.values()) == {0}, upkeep.first.output
    assert upkeep.planned.changed == upkeep.first.changed
    assert all(upkeep.first.changed[f"sandbox-{region}"] for region in REGIONS)


def test_the_second_run_changes_nothing_and_neither_would_a_third(upkeep: Upkeep) -> None:
    assert set(upkeep.second.failed.values()) == {0}, upkeep.second.output
    assert set(upkeep.second.changed.values()) == {0}, upkeep.second.output
    assert upkeep.run("provision_upkeep", "--check").planned == set()


# --- monitoring ---


@pytest.mark.parametrize("region", REGIONS)
def test_topics_are_encrypted_and_refuse_plain_text(client: Client, region: str) -> None:
    sns = client("sns", region)
    topics = {topic["TopicArn"].rpartition(":")[2].removeprefix(f"{PREFIX}-"): topic["TopicArn"] for topic in sns.list_topics()["Topics"]}

    assert set(topics) == {"critical", "high", "medium", "low", "security"}
    for name, arn in topics.items():
        attributes = sns.get_topic_attributes(TopicArn=arn)["Attributes"]
        refusal = json.loads(attributes["Policy"])["Statement"][0]
        heard = {one["Endpoint"] for one in sns.list_subscriptions_by_topic(TopicArn=arn)["Subscriptions"]}
        assert attributes["KmsMasterKeyId"] == f"alias/{PREFIX}-notifications"
        assert (refusal["Effect"], refusal["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})
        assert heard == (
            {"security@sandbox.indivillage.internal"}
            if name == "security"
            else set()
            if name == "low"
            else {"ops@sandbox.indivillage.internal"}
        )


def test_every_alarm_tells_the_topic_of_its_severity_and_watches_something(client: Client) -> None:
    cloudwatch = client("cloudwatch")
    found = cloudwatch.describe_alarms(AlarmTypes=["MetricAlarm", "CompositeAlarm"])
    alarms = {alarm["AlarmName"].removeprefix(f"{PREFIX}-"): alarm for alarm in found["MetricAlarms"] + found["CompositeAlarms"]}

    for alarm in alarms.values():
        tags = {tag["Key"]: tag["Value"] for tag in cloudwatch.list_tags_for_resource(ResourceARN=alarm["AlarmArn"])["Tags"]}
        assert alarm["AlarmActions"] == alarm["OKActions"] == [f"arn:aws:sns:us-east-1:123456789012:{PREFIX}-{tags['Severity']}"]
        assert "to-be-made" not in json.dumps(alarm, default=str)
    assert alarms["web-cpu"]["Dimensions"] == [{"Name": "AutoScalingGroupName", "Value": f"{PREFIX}-web"}]
    assert {one["Name"]: re.sub("/[0-9a-f]+$", "", one["Value"]) for one in alarms["web-unhealthy-hosts"]["Dimensions"]} == {
        "LoadBalancer": f"app/{PREFIX}-public",
        "TargetGroup": f"targetgroup/{PREFIX}-web",
    }
    assert alarms["db-free-storage"]["Threshold"] == 5 * 1024**3
    assert alarms["public-latency"]["ThresholdMetricId"] == "band"
    assert alarms["site-down"]["AlarmRule"].count(" AND ") == 2
    assert {name for name in alarms if name.endswith("-failed")} == {
        f"{queue}-dlq-failed" for queue in ("tasks", "file-processing", "notifications", "crm-sync")
    }


def test_a_stack_has_no_alarms_of_what_it_does_not_have(client: Client) -> None:
    cloudwatch = client("cloudwatch", "us-west-2")
    assert cloudwatch.describe_alarms()["MetricAlarms"] == []
    dashboards = {one["DashboardName"].removeprefix(f"{PREFIX}-") for one in cloudwatch.list_dashboards()["DashboardEntries"]}
    assert dashboards == {"operations-dr", "security-dr"}, "backups and findings are here, too"


def test_dashboards_show_what_alarms_watch(client: Client) -> None:
    cloudwatch = client("cloudwatch")
    names = {one["DashboardName"] for one in cloudwatch.list_dashboards()["DashboardEntries"]}
    body = json.loads(cloudwatch.get_dashboard(DashboardName=f"{PREFIX}-operations")["DashboardBody"])

    assert names == {f"{PREFIX}-{name}" for name in ("executive", "operations", "security", "cost")}
    widgets = {widget["properties"]["title"]: widget["properties"] for widget in body["widgets"] if widget["type"] == "metric"}
    processors = widgets["Processors"]
    assert [line[3] for line in processors["metrics"]] == [f"{PREFIX}-web", f"{PREFIX}-app"]
    assert {line["value"] for line in processors["annotations"]["horizontal"]} == {80, 95}
    assert "to-be-made" not in json.dumps(body)


SEVERITIES = ("critical", "high", "medium", "low")


@pytest.mark.parametrize("region", REGIONS)
def test_events_are_told_where_aws_says_them(client: Client, region: str) -> None:
    events = client("events", region)
    rules = {rule["Name"].removeprefix(f"{PREFIX}-"): json.loads(rule["EventPattern"]) for rule in events.list_rules()["Rules"]}

    assert ("root-login" in rules) == (region == "us-east-1")
    for severity in SEVERITIES:
        for kind in ("threat", "weakness"):
            targets = events.list_targets_by_rule(Rule=f"{PREFIX}-{kind}-{severity}")["Targets"]
            told = {target["Arn"].rpartition(f"{PREFIX}-")[2] for target in targets}
            assert told - {"security"} == {severity}
            assert all(target["Arn"].startswith(f"arn:aws:sns:{region}:") for target in targets)
        assert rules[f"weakness-{severity}"]["detail"]["findings"]["Severity"] == {"Label": [severity.upper()]}
    grave = rules["not-compliant-high"]["detail"]["configRuleName"]
    assert f"{PREFIX}-root-mfa" in grave
    assert rules["not-compliant"]["detail"]["configRuleName"] == [{"anything-but": grave}], "each is told once"


@pytest.mark.parametrize("region", REGIONS)
def test_eventbridge_may_tell_every_topic(client: Client, region: str) -> None:
    sns = client("sns", region)
    for severity in (*SEVERITIES, "security"):
        arn = f"arn:aws:sns:{region}:123456789012:{PREFIX}-{severity}"
        policy = json.loads(sns.get_topic_attributes(TopicArn=arn)["Attributes"]["Policy"])
        allowed = [
            one for one in policy["Statement"] if one["Effect"] == "Allow" and one["Principal"] == {"Service": "events.amazonaws.com"}
        ]
        assert [(one["Action"], one["Resource"]) for one in allowed] == [("sns:Publish", arn)]


def test_logs_are_encrypted_forgotten_and_counted(client: Client) -> None:
    logs = client("logs")
    groups = {group["logGroupName"]: group for group in logs.describe_log_groups(logGroupNamePrefix="/aws/ec2/")["logGroups"]}
    (counted,) = logs.describe_metric_filters(logGroupName=f"/aws/ec2/{PREFIX}-app")["metricFilters"]

    assert set(groups) == {f"/aws/ec2/{PREFIX}-{tier}" for tier in ("web", "app", "monitoring")}
    assert all(group["kmsKeyId"] and group["retentionInDays"] == 30 for group in groups.values())
    assert counted["metricTransformations"][0]["metricNamespace"] == "indivillage/sandbox"


@pytest.mark.parametrize("region", REGIONS)
def test_questions_to_logs_are_at_hand_where_the_logs_are(client: Client, region: str) -> None:
    queries = {
        one["name"].removeprefix(f"{PREFIX}/"): one for one in client("logs", region).describe_query_definitions()["queryDefinitions"]
    }

    assert {"web/errors", "app/errors", "network/refused"} <= set(queries)
    assert ("calls/refused" in queries) == (region == "us-east-1"), "one trail records all regions"
    assert queries["app/errors"]["logGroupNames"] == [f"/aws/ec2/{PREFIX}-app"]
    assert 'filter level = "error"' in queries["app/errors"]["queryString"]


# --- cost ---


def test_budgets_are_told_before_and_when_they_are_spent(client: Client) -> None:
    budgets, account = client("budgets"), "123456789012"
    found = {one["BudgetName"].removeprefix(f"{PREFIX}-"): one for one in budgets.describe_budgets(AccountId=account)["Budgets"]}

    assert {name: one["BudgetLimit"]["Amount"] for name, one in found.items()} == {
        **{"monthly": "400", "compute": "150", "database": "100", "storage": "50", "delivery": "20"}
    }
    assert "CostFilters" not in found["monthly"]
    assert found["delivery"]["CostFilters"] == {"Service": ["Amazon CloudFront"]}
    key = {"AccountId": account, "BudgetName": f"{PREFIX}-monthly"}
    notifications = budgets.describe_notifications_for_budget(**key)["Notifications"]
    assert {(one["NotificationType"], one["Threshold"]) for one in notifications} == {
        *(("ACTUAL", 50.0), ("ACTUAL", 80.0), ("ACTUAL", 100.0), ("FORECASTED", 100.0))
    }
    for notification in notifications:
        told = budgets.describe_subscribers_for_notification(**key, Notification=notification)["Subscribers"]
        assert {one["Address"] for one in told} == {
            "ops@sandbox.indivillage.internal",
            f"arn:aws:sns:us-east-1:{account}:{PREFIX}-medium",
        }


def test_anomalies_are_looked_for_and_told(client: Client) -> None:
    ce = client("ce")
    (monitor,) = ce.get_anomaly_monitors()["AnomalyMonitors"]
    (subscription,) = ce.get_anomaly_subscriptions()["AnomalySubscriptions"]

    assert (monitor["MonitorName"], monitor["MonitorDimension"]) == (f"{PREFIX}-services", "SERVICE")
    assert subscription["MonitorArnList"] == [monitor["MonitorArn"]]
    assert subscription["Subscribers"] == [{"Type": "EMAIL", "Address": "ops@sandbox.indivillage.internal"}]
    assert {tag["TagKey"] for tag in ce.list_cost_allocation_tags()["CostAllocationTags"] if tag["Status"] == "Active"} == {
        *("Project", "Environment", "Stack", "Role", "Tier")
    }


# --- backups ---


def test_backups_are_made_of_what_carries_the_tags_and_copied(client: Client) -> None:
    backup = client("backup")
    (listed,) = backup.list_backup_plans()["BackupPlansList"]
    plan = backup.get_backup_plan(BackupPlanId=listed["BackupPlanId"])["BackupPlan"]
    rules = {rule["RuleName"]: rule for rule in plan["Rules"]}
    (selected,) = backup.list_backup_selections(BackupPlanId=listed["BackupPlanId"])["BackupSelectionsList"]
    selection = backup.get_backup_selection(BackupPlanId=listed["BackupPlanId"], SelectionId=selected["SelectionId"])["BackupSelection"]

    assert {name: rule["Lifecycle"]["DeleteAfterDays"] for name, rule in rules.items()} == {"daily": 30, "weekly": 90}
    (copy,) = rules["daily"]["CopyActions"]
    assert copy["DestinationBackupVaultArn"] == f"arn:aws:backup:us-west-2:123456789012:backup-vault:{PREFIX}-backups"
    assert {one["ConditionKey"]: one["ConditionValue"] for one in selection["Conditions"]["StringEquals"]} == {
        **{"aws:ResourceTag/Project": "indivillage", "aws:ResourceTag/Environment": "sandbox", "aws:ResourceTag/Tier": "data"}
    }
    assert selection["IamRoleArn"] == f"arn:aws:iam::123456789012:role/{PREFIX}-backup"


@pytest.mark.parametrize("region", REGIONS)
def test_every_region_has_an_encrypted_vault_and_only_one_makes_backups(client: Client, region: str) -> None:
    backup = client("backup", region)
    (vault,) = backup.list_backup_vaults()["BackupVaultList"]

    assert vault["BackupVaultName"] == f"{PREFIX}-backups"
    assert ":key/" in vault["EncryptionKeyArn"]
    assert len(backup.list_backup_plans()["BackupPlansList"]) == len(backup.list_restore_testing_plans()["RestoreTestingPlans"])
    assert bool(backup.list_backup_plans()["BackupPlansList"]) == (region == "us-east-1")


# --- patching ---


def test_tiers_are_patched_one_instance_after_another(client: Client) -> None:
    ssm = client("ssm")
    (window,) = ssm.describe_maintenance_windows()["WindowIdentities"]
    targets = {one["WindowTargetId"]: one for one in ssm.describe_maintenance_window_targets(WindowId=window["WindowId"])["Targets"]}
    tasks = ssm.describe_maintenance_window_tasks(WindowId=window["WindowId"])["Tasks"]

    assert (window["Name"], window["Schedule"], window["Duration"]) == (f"{PREFIX}-patching", "cron(0 20 * * ? *)", 2)
    assert {one["Name"]: one["Targets"] for one in targets.values()} == {
        tier: [{"Key": "tag:PatchGroup", "Values": [f"{PREFIX}-{tier}"]}] for tier in ("bastion", "web", "app", "monitoring")
    }
    for task in tasks:
        (named,) = task["Targets"]
        told = ssm.get_maintenance_window_task(WindowId=window["WindowId"], WindowTaskId=task["WindowTaskId"])
        assert [f"patch-{targets[value]['Name']}" for value in named["Values"]] == [task["Name"]]
        assert (task["TaskArn"], task["MaxConcurrency"], task["MaxErrors"]) == ("AWS-RunPatchBaseline", "1", "0")
        assert told["TaskInvocationParameters"]["RunCommand"]["Parameters"]["Operation"] == ["Install"]
    for tier in ("bastion", "web", "app", "monitoring"):
        baseline = ssm.get_patch_baseline_for_patch_group(PatchGroup=f"{PREFIX}-{tier}", OperatingSystem="DEBIAN")["BaselineId"]
        assert ssm.get_patch_baseline(BaselineId=baseline)["Name"] == f"{PREFIX}-debian"


def test_sessions_are_encrypted_recorded_and_end(client: Client) -> None:
    inputs = json.loads(client("ssm").get_document(Name="SSM-SessionManagerRunShell")["Content"])["inputs"]
    (group,) = client("logs").describe_log_groups(logGroupNamePrefix="/aws/ssm/")["logGroups"]

    assert inputs["kmsKeyId"] == f"alias/{PREFIX}-general"
    assert (inputs["cloudWatchLogGroupName"], inputs["cloudWatchEncryptionEnabled"]) == (group["logGroupName"], True)
    assert inputs["idleSessionTimeout"] == "15"
    assert (group["retentionInDays"], bool(group["kmsKeyId"])) == (365, True)
    assert {one["AssociationName"] for one in client("ssm").list_associations()["Associations"]} == {
        f"{PREFIX}-inventory",
        f"{PREFIX}-agent",
    }

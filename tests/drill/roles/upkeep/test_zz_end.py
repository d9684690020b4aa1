# SPDX-License-Identifier: GPL-3.0-or-later
"""What was made goes with the environment; last, because it empties the account."""

from __future__ import annotations

import pytest

from tests.drill.roles.upkeep.conftest import PREFIX, Client, Upkeep

pytestmark = pytest.mark.emulator


def test_destroying_the_environment_leaves_nothing_of_it(upkeep: Upkeep, client: Client) -> None:
    elb = client("elbv2")  # not of the environment: they carry no tags
    for balancer in elb.describe_load_balancers()["LoadBalancers"]:
        elb.delete_load_balancer(LoadBalancerArn=balancer["LoadBalancerArn"])

    for region in ("us-east-1", "us-west-2"):
        for group in client("logs", region).describe_log_groups()["logGroups"]:
            if not client("logs", region).list_tags_for_resource(resourceArn=group["arn"].removesuffix(":*"))["tags"]:
                client("logs", region).delete_log_group(logGroupName=group["logGroupName"])

    gone = upkeep.run("destroy", "-e", "destroy_environment=sandbox")

    assert set(gone.failed.values()) == {0}, gone.output
    assert client("budgets").describe_budgets(AccountId="123456789012")["Budgets"] == []
    assert client("ce").get_anomaly_monitors()["AnomalyMonitors"] == []
    assert client("ce").get_anomaly_subscriptions()["AnomalySubscriptions"] == []
    for region in ("us-east-1", "us-west-2"):
        cloudwatch = client("cloudwatch", region)
        assert cloudwatch.describe_alarms(AlarmTypes=["MetricAlarm", "CompositeAlarm"])["MetricAlarms"] == []
        assert cloudwatch.list_dashboards()["DashboardEntries"] == []
        assert client("backup", region).list_backup_vaults()["BackupVaultList"] == []
        assert client("backup", region).list_backup_plans()["BackupPlansList"] == []
        assert client("ssm", region).describe_maintenance_windows()["WindowIdentities"] == []
        assert client("ssm", region).list_associations()["Associations"] == []
        assert client("events", region).list_rules()["Rules"] == []
        assert client("sns", region).list_topics()["Topics"] == []
        assert client("logs", region).describe_log_groups()["logGroups"] == []
        strange = client("logs", region).describe_query_definitions()["queryDefinitions"]
        assert {group for query in strange for group in query["logGroupNames"]}.isdisjoint(
            {f"/aws/ec2/{PREFIX}-web", f"/aws/ec2/{PREFIX}-app"}
        )

# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of kinds, the order that follows from it, and how ARNs are read."""

from __future__ import annotations

from collections.abc import Iterable

import boto3
import pytest
from ansible_collections.indivillage.infra.plugins.module_utils import removal_census
from ansible_collections.indivillage.infra.plugins.module_utils.removal_census import Owned, from_arn, owned_resources
from ansible_collections.indivillage.infra.plugins.module_utils.removal_kinds import KINDS, levels
from ansible_collections.indivillage.infra.plugins.module_utils.removal_steps import STEPS


def place(kind: str, among: Iterable[str] = KINDS) -> int:
    return next(number for number, kinds in enumerate(levels(among)) if kind in kinds)


def test_every_kind_comes_after_what_may_use_it() -> None:
    assert all(other in KINDS for kind in KINDS.values() for other in kind.after)
    assert not [(name, other) for name, kind in KINDS.items() for other in kind.after if place(name) <= place(other)]


def test_the_order_holds_through_kinds_that_are_not_there() -> None:
    assert levels(["ec2:vpc", "autoscaling:autoScalingGroup", "ec2:subnet"]) == [
        ["autoscaling:autoScalingGroup"],
        ["ec2:subnet"],
        ["ec2:vpc"],
    ]


def test_a_kind_that_is_not_in_the_table_comes_first() -> None:
    assert levels(["ec2:vpc", "athena:workgroup"]) == [["athena:workgroup"], ["ec2:vpc"]]


@pytest.mark.parametrize("name", sorted(KINDS))
def test_every_kind_has_its_way_to_be_deleted(name: str) -> None:
    kind = KINDS[name]
    assert (name in STEPS) != bool(kind.delete), f"{name}: either one call in the table, or steps"


@pytest.mark.parametrize("name", sorted(name for name, kind in KINDS.items() if kind.delete or kind.gone))
def test_calls_and_waiters_exist_and_take_what_they_are_given(name: str) -> None:
    kind = KINDS[name]
    client = boto3.client(kind.service, region_name="us-east-1")
    operations = client.meta.method_to_api_mapping
    if kind.delete:
        operation, arguments = kind.delete
        shape = client.meta.service_model.operation_model(operations[operation]).input_shape
        assert arguments.keys() <= shape.members.keys()
        assert set(shape.required_members) <= arguments.keys()
    if kind.gone:
        assert kind.gone[0] in client.waiter_names


@pytest.mark.parametrize(
    ("arn", "kind", "identifier"),
    [
        ("arn:aws:s3:::logs", "s3:bucket", "logs"),
        ("arn:aws:sqs:us-east-1:123456789012:jobs", "sqs:queue", "jobs"),
        ("arn:aws:rds:us-east-1:123456789012:snapshot:rds:db-2026-01-01", "rds:snapshot", "rds:db-2026-01-01"),
        ("arn:aws:secretsmanager:us-east-1:123456789012:secret:/a/b-AbCdEf", "secretsmanager:secret", "/a/b"),
        ("arn:aws:ssm:us-east-1:123456789012:parameter/a/b", "ssm:parameter", "/a/b"),
        ("arn:aws:ssm:us-east-1:123456789012:parameter/plain", "ssm:parameter", "plain"),
        ("arn:aws:logs:us-east-1:123456789012:log-group:/aws/x:*", "logs:log-group", "/aws/x"),
        ("arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/front/1a2b", "elasticloadbalancing:loadbalancer", "front"),
        ("arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/tier/1a2b", "elasticloadbalancing:targetgroup", "tier"),
        ("arn:aws:access-analyzer:us-east-1:123456789012:analyzer/outside", "access-analyzer:analyzer", "outside"),
        ("arn:aws:cloudtrail:us-east-1:123456789012:trail/all", "cloudtrail:trail", "all"),
        ("arn:aws:config:us-east-1:123456789012:configuration-recorder/all/1a2b", "config:configuration-recorder", "all"),
        ("arn:aws:config:us-east-1:123456789012:conformance-pack/data/conformance-pack-1a2b", "config:conformance-pack", "data"),
        ("arn:aws:config:us-east-1:123456789012:config-rule/config-rule-1a2b", "config:config-rule", "config-rule-1a2b"),
        ("arn:aws:guardduty:us-east-1:123456789012:detector/1a2b", "guardduty:detector", "1a2b"),
        ("arn:aws:securityhub:us-east-1:123456789012:hub/default", "securityhub:hub", "default"),
        ("arn:aws:kms:us-east-1:123456789012:key/1573b83a", "kms:key", "1573b83a"),
        ("arn:aws:cloudwatch:us-east-1:123456789012:alarm:db-cpu", "cloudwatch:alarm", "db-cpu"),
        ("arn:aws:cloudwatch::123456789012:dashboard/main", "cloudwatch:dashboard", "main"),
        ("arn:aws:ssm:us-east-1:123456789012:maintenancewindow/mw-1a2b", "ssm:maintenancewindow", "mw-1a2b"),
        ("arn:aws:backup:us-east-1:123456789012:backup-vault:v", "backup:backup-vault", "v"),
        ("arn:aws:budgets::123456789012:budget/monthly", "budgets:budget", "monthly"),
        ("arn:aws:ce::123456789012:anomalymonitor/1573b83a", "ce:anomalymonitor", "1573b83a"),
        ("arn:aws:events:us-east-1:123456789012:rule/failover", "events:rule", "failover"),
        ("arn:aws:dynamodb:us-east-1:123456789012:table/locks", "dynamodb:table", "locks"),
        ("arn:aws:ecr:us-east-1:123456789012:repository/site/live/worker", "ecr:repository", "site/live/worker"),
        ("arn:aws:ecs:us-east-1:123456789012:task-definition/worker:3", "ecs:task-definition", "worker:3"),
    ],
)
def test_an_arn_tells_kind_and_id(arn: str, kind: str, identifier: str) -> None:
    resource = from_arn(arn, {})

    assert (resource.kind, resource.id, resource.name) == (kind, identifier, identifier)


def test_a_kind_that_nobody_can_remove_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    group = from_arn("arn:aws:athena:us-east-1:123456789012:workgroup/nightly", {"Name": "nightly"})
    listener = from_arn("arn:aws:elasticloadbalancing:us-east-1:123456789012:listener/app/front/1a/2b", {})
    stack = Owned("arn", "eks:cluster", "workers", "workers", {"aws:cloudformation:stack-name": "elsewhere"})
    monkeypatch.setattr(removal_census, "_regional", lambda *_arguments: [group, listener, stack])

    owned_resources(lambda _service: None, "regional", "us-east-1", "123456789012", {})

    assert group.protected
    assert "delete it by hand" in group.protected
    assert (listener.part_of, listener.protected) == ("its load balancer", None)
    assert (stack.part_of, stack.protected) == ("CloudFormation stack elsewhere", None)

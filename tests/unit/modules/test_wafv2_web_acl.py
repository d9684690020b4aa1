# SPDX-License-Identifier: GPL-3.0-or-later
"""A web ACL through its whole life, and that nothing of it is loosened unseen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import boto3
import pytest
from ansible_collections.indivillage.infra.plugins.modules import wafv2_web_acl
from ansible_collections.indivillage.infra.plugins.modules.wafv2_web_acl import read_rule, written_rule

from sandbox.emulator.additions import web_acls

Run = Callable[..., dict[str, Any]]
RULES = [
    {"name": "common", "priority": 10, "managed_group": "AWSManagedRulesCommonRuleSet", "counted_rules": ["SizeRestrictions_BODY"]},
    {"name": "rate", "priority": 40, "rate_limit": 3000},
]
LOGS = "arn:aws:logs:us-east-1:123456789012:log-group:aws-waf-logs-site"
ACL: dict[str, Any] = {"name": "site", "scope": "REGIONAL", "rules": RULES, "log_destination_arn": LOGS}


@pytest.fixture(autouse=True, scope="module")
def additions() -> None:
    web_acls.install()


@pytest.fixture
def balancers(vpc_id: str) -> list[str]:
    subnets = [
        boto3.client("ec2").create_subnet(VpcId=vpc_id, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=f"us-east-1{zone}")["Subnet"]
        for number, zone in enumerate("ab")
    ]
    elbv2, ids = boto3.client("elbv2"), [subnet["SubnetId"] for subnet in subnets]
    return [elbv2.create_load_balancer(Name=name, Subnets=ids)["LoadBalancers"][0]["LoadBalancerArn"] for name in ("one", "two")]


def acl(scope: str = "REGIONAL") -> dict[str, Any]:
    client = boto3.client("wafv2")
    (summary,) = client.list_web_acls(Scope=scope)["WebACLs"]
    found: dict[str, Any] = client.get_web_acl(Name=summary["Name"], Id=summary["Id"], Scope=scope)
    return found


def update(**changes: Any) -> None:
    """Change the web ACL behind the module's back."""
    found = acl()
    whole = {key: found["WebACL"][key] for key in ("DefaultAction", "Rules", "VisibilityConfig")}
    boto3.client("wafv2").update_web_acl(
        Name="site", Scope="REGIONAL", Id=found["WebACL"]["Id"], LockToken=found["LockToken"], **{**whole, **changes}
    )


@pytest.mark.parametrize("scope", ["REGIONAL", "CLOUDFRONT"])
def test_life_cycle(life_cycle: Callable[..., None], scope: str) -> None:
    second = {"rules": RULES[:1], "log_destination_arn": "", "description": "another", "tags": {"Project": "site"}}
    life_cycle(
        wafv2_web_acl,
        {"name": "site", "scope": scope},
        {"rules": RULES, "log_destination_arn": LOGS, "tags": {"Project": "site", "Old": "1"}},
        second,
    )


def test_the_api_gets_what_was_declared(run: Run) -> None:
    run(wafv2_web_acl, **ACL)

    common, rate = acl()["WebACL"]["Rules"]
    assert common["OverrideAction"] == {"None": {}}
    assert common["Statement"]["ManagedRuleGroupStatement"]["RuleActionOverrides"] == [
        {"Name": "SizeRestrictions_BODY", "ActionToUse": {"Count": {}}}
    ]
    assert rate["Action"] == {"Block": {}}
    assert rate["Statement"]["RateBasedStatement"] == {"Limit": 3000, "EvaluationWindowSec": 300, "AggregateKeyType": "IP"}


def test_a_load_balancer_is_protected_and_taken_from_another_web_acl(run: Run, balancers: list[str]) -> None:
    run(wafv2_web_acl, name="other", scope="REGIONAL", rules=[], resource_arns=balancers)

    checked = run(wafv2_web_acl, **ACL, resource_arns=balancers[:1], check=True)
    done = run(wafv2_web_acl, **ACL, resource_arns=balancers[:1])

    assert checked["changed"]
    assert checked["diff"] == done["diff"]
    assert not run(wafv2_web_acl, **ACL, resource_arns=balancers[:1])["changed"]
    found = boto3.client("wafv2").get_web_acl_for_resource(ResourceArn=balancers[1])["WebACL"]
    assert found["Name"] == "other"

    boto3.client("wafv2").disassociate_web_acl(ResourceArn=balancers[0])
    assert run(wafv2_web_acl, **ACL, resource_arns=balancers[:1])["diff"]["before"] == {"resource_arns": []}

    gone = run(wafv2_web_acl, **ACL, resource_arns=balancers[:1], state="absent")
    assert gone["changed"], gone


OPEN = {"SampledRequestsEnabled": False, "CloudWatchMetricsEnabled": False, "MetricName": "site"}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"DefaultAction": {"Block": {}}}, "default_action"),
        ({"VisibilityConfig": OPEN}, "visibility"),
        (
            {
                "Rules": [
                    written_rule(
                        "rate", {"priority": 40, "rate_limit": 100000, "window_seconds": 300, "rate_by": "address", "count_only": False}
                    )
                ]
            },
            "rules",
        ),
        (
            {
                "Rules": [
                    {
                        "Name": "mine",
                        "Priority": 0,
                        "Statement": {"GeoMatchStatement": {"CountryCodes": ["US"]}},
                        "Action": {"Allow": {}},
                        "VisibilityConfig": OPEN,
                    }
                ]
            },
            "rules",
        ),
    ],
    ids=["default action", "metrics", "rate", "foreign rule"],
)
def test_what_somebody_changed_is_seen_and_changed_back(run: Run, changes: dict[str, Any], field: str) -> None:
    run(wafv2_web_acl, **ACL)
    before = acl()["WebACL"]
    update(**changes)

    assert run(wafv2_web_acl, **ACL, check=True)["diff"]["after"].keys() == {field}
    assert run(wafv2_web_acl, **ACL)["changed"]

    assert {key: acl()["WebACL"][key] for key in before if key != "LockToken"} == {key: before[key] for key in before if key != "LockToken"}


def test_logging_that_was_switched_off_is_switched_on_again(run: Run) -> None:
    arn = run(wafv2_web_acl, **ACL)["resource"]["web_acl_arn"]
    boto3.client("wafv2").delete_logging_configuration(ResourceArn=arn)

    whole = {"log_destination_arn": LOGS, "log_redacts": ["authorization", "cookie", "query"]}
    assert run(wafv2_web_acl, **ACL)["diff"] == {"before": {"log_destination_arn": "", "log_redacts": []}, "after": whole}


def test_what_visitors_keep_to_themselves_is_not_logged(run: Run) -> None:
    wafv2 = boto3.client("wafv2")
    arn = run(wafv2_web_acl, **ACL)["resource"]["web_acl_arn"]
    logging = wafv2.get_logging_configuration(ResourceArn=arn)["LoggingConfiguration"]
    assert logging["RedactedFields"] == [
        {"SingleHeader": {"Name": "authorization"}},
        {"SingleHeader": {"Name": "cookie"}},
        {"QueryString": {}},
    ]

    wafv2.put_logging_configuration(LoggingConfiguration={"ResourceArn": arn, "LogDestinationConfigs": [LOGS]})
    result = run(wafv2_web_acl, **ACL)
    assert result["diff"]["before"] == {"log_redacts": []}
    assert wafv2.get_logging_configuration(ResourceArn=arn)["LoggingConfiguration"]["RedactedFields"] == logging["RedactedFields"]

    assert run(wafv2_web_acl, **ACL, log_redacts=["X-Api-Key"])["resource"]["log_redacts"] == ["x-api-key"]
    assert not run(wafv2_web_acl, **ACL, log_redacts=["x-api-key"])["changed"]


@pytest.mark.parametrize("count_only", [True, False])
@pytest.mark.parametrize(
    "rule",
    [
        {"priority": 1, "managed_group": "AWSManagedRulesSQLiRuleSet", "counted_rules": ["A", "B"]},
        {"priority": 2, "rate_limit": 10, "window_seconds": 60, "rate_by": "address"},
        {"priority": 3, "rate_limit": 10, "window_seconds": 60, "rate_by": "forwarded_address"},
    ],
    ids=["group", "rate", "forwarded rate"],
)
def test_a_rule_is_read_as_it_was_written(rule: dict[str, Any], count_only: bool) -> None:
    whole = {**rule, "count_only": count_only, "metrics": True, "samples": True}
    assert read_rule(written_rule("x", whole)) == whole


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rules": [{"name": "rate", "priority": 1, "rate_limit": 9}]}, "10 to 2000000000"),
        ({"rules": [RULES[0], {"name": "rate", "priority": 10, "rate_limit": 100}]}, "priority 10"),
        ({"rules": [RULES[1], {**RULES[1], "priority": 50}]}, "name 'rate'"),
        ({"rules": [{"name": "rate", "priority": 1, "rate_limit": 100, "counted_rules": ["A"]}]}, "counted_rules"),
        ({"rules": [{"name": "none", "priority": 1}]}, "one of the following"),
        ({"log_destination_arn": "arn:aws:logs:us-east-1:123456789012:log-group:waf"}, "aws-waf-logs-"),
        ({"scope": "CLOUDFRONT", "resource_arns": ["arn:x"]}, "names its web ACL itself"),
    ],
)
def test_nonsense_is_refused_with_a_reason(run: Run, change: dict[str, Any], words: str) -> None:
    result = run(wafv2_web_acl, **{**ACL, **change})
    assert result["failed"]
    assert words in result["msg"]

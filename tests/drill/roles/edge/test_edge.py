# SPDX-License-Identifier: GPL-3.0-or-later
"""The edge of an environment with a second region: planned, made, planned again; and what stands then."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.drill.roles.edge.conftest import PART, PREFIX, Edge
from tests.drill.support.judgement import told

pytestmark = pytest.mark.emulator


def test_the_plan_of_an_empty_account_is_what_is_then_done(edge: Edge) -> None:
    assert edge.planned.returncode == 2, "\n".join(edge.planned.failures) + edge.planned.output[-3000:]
    assert told(edge.planned.planned, edge.applied.changes) == []
    assert edge.planned.plan is not None
    assert [entry for entry in edge.planned.plan.entries if not entry.certain] == []


def test_there_is_nothing_to_plan_afterwards(edge: Edge) -> None:
    assert edge.again.planned == set()
    assert edge.again.returncode == 0, "\n".join(edge.again.failures)


def test_the_secret_is_in_no_output_and_no_plan(edge: Edge) -> None:
    secret = json.loads(edge.client("secretsmanager").get_secret_value(SecretId="/indivillage/production/edge/origin")["SecretString"])[
        "value"
    ]
    told_all = [run.output + json.dumps(run.entries) for run in (edge.planned, edge.applied, edge.again)]
    plans = "".join(file.read_text() for file in (edge.project.plan_directory / "production").iterdir())

    assert len(secret) == 32
    assert [text for text in (*told_all, plans) if secret in text] == []


def test_origins_of_both_regions_accept_what_cloudfront_sends(edge: Edge) -> None:
    def held(name: str, region: str) -> dict[str, str]:
        text = edge.client("secretsmanager", region).get_secret_value(SecretId=f"/indivillage/production/edge/{name}")["SecretString"]
        return dict(json.loads(text))

    value = held("origin", "us-east-1")["value"]
    assert [held("accepted", region) for region in ("us-east-1", "us-west-2")] == [{"value": value, "other": value}] * 2
    cloudfront = edge.client("cloudfront")
    (summary,) = cloudfront.list_distributions()["DistributionList"]["Items"]
    origins = cloudfront.get_distribution_config(Id=summary["Id"])["DistributionConfig"]["Origins"]["Items"]
    sent = [header for origin in origins for header in origin["CustomHeaders"].get("Items", [])]
    assert sent == [{"HeaderName": "X-Origin-Verify", "HeaderValue": value}] * 3


def test_a_value_that_origins_would_refuse_is_not_sent(edge: Edge) -> None:
    secrets, name = edge.client("secretsmanager"), "/indivillage/production/edge/origin"
    former = secrets.get_secret_value(SecretId=name)["SecretString"]
    secrets.put_secret_value(SecretId=name, SecretString=json.dumps({"value": "changed-by-hand-in-the-console"}))
    refused = edge.project.plan("--tags", "aws_edge", "--limit", "global,localhost")
    secrets.put_secret_value(SecretId=name, SecretString=former)
    assert refused.returncode != 0
    assert "Somebody has changed one of them by hand" in refused.output
    assert "changed-by-hand-in-the-console" not in refused.output


# --- names ---


def records(edge: Edge) -> dict[tuple[str, str, str], dict[str, Any]]:
    route53 = edge.client("route53")
    (zone,) = route53.list_hosted_zones()["HostedZones"]
    assert zone["Name"] == "indivillage.com."
    found = route53.list_resource_record_sets(HostedZoneId=zone["Id"])["ResourceRecordSets"]
    return {(record["Name"].removesuffix(".indivillage.com."), record["Type"], record.get("SetIdentifier", "")): record for record in found}


def test_the_site_and_its_origins_have_names(edge: Edge) -> None:
    found = records(edge)
    distribution = edge.client("cloudfront").list_distributions()["DistributionList"]["Items"][0]["DomainName"]
    balancers = {
        region: edge.client("elbv2", region).describe_load_balancers(Names=[f"{PREFIX}-public"])["LoadBalancers"][0]["DNSName"].lower()
        for region in ("us-east-1", "us-west-2")
    }

    for name, kind in (("indivillage.com.", "A"), ("indivillage.com.", "AAAA"), ("www", "A"), ("www", "AAAA")):
        assert found[name, kind, ""]["AliasTarget"]["DNSName"] == f"{distribution}."
    assert found["origin-primary", "A", ""]["AliasTarget"]["DNSName"] == f"{balancers['us-east-1']}."
    assert found["origin-dr", "A", ""]["AliasTarget"]["DNSName"] == f"{balancers['us-west-2']}."
    assert found["indivillage.com.", "CAA", ""]["ResourceRecords"] == [{"Value": '0 issue "amazon.com"'}]
    assert not [name for name, *_rest in found if "indivillage.com.indivillage.com" in name]


def test_the_second_region_takes_over_when_the_first_does_not_answer(edge: Edge) -> None:
    found = records(edge)
    checks = {check["Id"]: check["HealthCheckConfig"] for check in edge.client("route53").list_health_checks()["HealthChecks"]}

    for name, role in (("primary", "PRIMARY"), ("dr", "SECONDARY")):
        record = found["origin", "A", name]
        check = checks[record["HealthCheckId"]]
        assert (record["Failover"], record["AliasTarget"]["EvaluateTargetHealth"]) == (role, True)
        assert (check["FullyQualifiedDomainName"], check["Type"], check["ResourcePath"]) == (
            f"origin-{name}.indivillage.com",
            "HTTPS",
            "/health",
        )
        assert (check["RequestInterval"], check["FailureThreshold"], check["Port"]) == (30, 3, 443)
    assert len(checks) == 2


# --- certificates ---


@pytest.mark.parametrize(("region", "names"), [("us-east-1", {"edge", "public", "internal"}), ("us-west-2", {"public", "internal"})])
def test_certificates_are_requested_and_issued_in_each_region(edge: Edge, region: str, names: set[str]) -> None:
    acm = edge.client("acm", region)
    found = acm.list_certificates(Includes={"keyTypes": ["EC_prime256v1"]})["CertificateSummaryList"]
    tags = [acm.list_tags_for_certificate(CertificateArn=certificate["CertificateArn"])["Tags"] for certificate in found]

    assert {tag["Value"].removeprefix(f"{PREFIX}-") for some in tags for tag in some if tag["Key"] == "Name"} == names
    assert {certificate["Status"] for certificate in found} == {"ISSUED"}
    listeners = edge.client("elbv2", region)
    (balancer,) = listeners.describe_load_balancers(Names=[f"{PREFIX}-public"])["LoadBalancers"]
    used = [
        certificate["CertificateArn"]
        for listener in listeners.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
        for certificate in listener.get("Certificates", [])
    ]
    assert len(used) == 1
    assert used[0] in [certificate["CertificateArn"] for certificate in found]


# --- firewalls ---

GROUPS = {
    "reputation": "AWSManagedRulesAmazonIpReputationList",
    "common": "AWSManagedRulesCommonRuleSet",
    "sql-injection": "AWSManagedRulesSQLiRuleSet",
    "known-bad-inputs": "AWSManagedRulesKnownBadInputsRuleSet",
}


@pytest.mark.parametrize(
    ("region", "scope", "name", "counts"),
    [
        ("us-east-1", "CLOUDFRONT", "edge", "IP"),
        ("us-east-1", "REGIONAL", "public", "FORWARDED_IP"),
        ("us-west-2", "REGIONAL", "public", "FORWARDED_IP"),
    ],
)
def test_web_acls_stop_attacks_and_log(edge: Edge, region: str, scope: str, name: str, counts: str) -> None:
    wafv2 = edge.client("wafv2", region)
    (summary,) = wafv2.list_web_acls(Scope=scope)["WebACLs"]
    acl = wafv2.get_web_acl(Name=summary["Name"], Id=summary["Id"], Scope=scope)["WebACL"]
    rules = {rule["Name"]: rule["Statement"] for rule in acl["Rules"]}
    rate = rules.pop("rate")["RateBasedStatement"]
    logging = wafv2.get_logging_configuration(ResourceArn=acl["ARN"])["LoggingConfiguration"]
    log = logging["LogDestinationConfigs"]

    assert acl["Name"] == f"{PREFIX}-{name}"
    assert {rule: statement["ManagedRuleGroupStatement"]["Name"] for rule, statement in rules.items()} == GROUPS
    assert (rate["Limit"], rate["EvaluationWindowSec"], rate["AggregateKeyType"]) == (3000, 300, counts)
    assert log == [f"arn:aws:logs:{region}:123456789012:log-group:aws-waf-logs-{PREFIX}-{name}"]
    assert {"SingleHeader": {"Name": "x-origin-verify"}} in logging["RedactedFields"]
    if scope == "REGIONAL":
        (arn,) = wafv2.list_resources_for_web_acl(WebACLArn=acl["ARN"])["ResourceArns"]
        assert f"/app/{PREFIX}-public/" in arn


# --- CloudFront ---


def test_the_distribution_serves_pages_files_and_the_api(edge: Edge) -> None:
    cloudfront = edge.client("cloudfront")
    (summary,) = cloudfront.list_distributions()["DistributionList"]["Items"]
    distribution = cloudfront.get_distribution(Id=summary["Id"])["Distribution"]
    config = distribution["DistributionConfig"]
    origins = {origin["Id"]: origin for origin in config["Origins"]["Items"]}
    groups = {group["Id"]: [member["OriginId"] for member in group["Members"]["Items"]] for group in config["OriginGroups"]["Items"]}
    behaviours = {behaviour["PathPattern"]: behaviour["TargetOriginId"] for behaviour in config["CacheBehaviors"]["Items"]}

    assert distribution["Status"] == "Deployed"
    assert set(config["Aliases"]["Items"]) == {"indivillage.com", "www.indivillage.com"}
    assert (config["PriceClass"], config["HttpVersion"], config["IsIPV6Enabled"]) == ("PriceClass_All", "http2and3", True)
    assert config["ViewerCertificate"]["MinimumProtocolVersion"] == "TLSv1.3_2025"
    assert ":global/webacl/" in config["WebACLId"]
    assert groups == {"pages": ["primary", "dr"], "assets": ["assets-primary", "assets-dr"]}
    assert behaviours == {"/static/*": "assets", "/images/*": "assets", "/api/*": "failover"}
    assert config["DefaultCacheBehavior"]["TargetOriginId"] == "pages"
    assert origins["failover"]["DomainName"] == "origin.indivillage.com"
    assert origins["assets-dr"]["DomainName"] == f"{PREFIX}-static-assets-replica.s3.us-west-2.amazonaws.com"
    assert origins["assets-dr"]["OriginShield"] == {"Enabled": True, "OriginShieldRegion": "us-west-2"}
    assert {name for name, origin in origins.items() if origin["OriginAccessControlId"]} == {"assets-primary", "assets-dr"}
    assert {name for name, origin in origins.items() if origin["CustomHeaders"]["Quantity"]} == {"primary", "dr", "failover"}
    delivery = edge.client("logs").get_delivery_destination(name=f"{PREFIX}-site")["deliveryDestination"]
    assert delivery["deliveryDestinationConfiguration"]["destinationResourceArn"] == f"arn:aws:s3:::{PREFIX}-logs/cloudfront"


# --- Shield Advanced, which nobody has by mistake ---


def test_shield_advanced_needs_its_price_accepted_and_protects_what_visitors_meet(edge: Edge) -> None:
    shield = edge.client("shield")
    wanted = {"aws_edge_shield_advanced": True}
    refused = edge.project.plan(*PART, "-e", json.dumps(wanted))
    assert refused.returncode == 1
    assert "3000 USD a month" in " ".join(refused.output.split())
    with pytest.raises(shield.exceptions.ResourceNotFoundException):
        shield.describe_subscription()

    accepted = ("-e", json.dumps(wanted | {"aws_edge_shield_advanced_price_accepted": True}))
    planned, applied = edge.project.plan(*PART, *accepted), edge.project.apply(*PART, *accepted)
    assert told(planned.planned, applied.changes) == []
    names = {protection["Name"].removeprefix(f"{PREFIX}-") for protection in shield.list_protections()["Protections"]}
    assert names == {"site", "zone", "primary", "dr"}
    assert edge.project.plan(*PART, *accepted).planned == set()


# --- the end ---


def test_the_edge_is_taken_away_without_a_trace(edge: Edge) -> None:
    """The last test: nothing stands afterwards but what the playbooks have not made."""
    destroyed = edge.project.run_playbook(
        "playbooks/destroy.yml", destroy_environment="production", destroy_confirmed_by="somebody else", aws_removal_poll_seconds=1
    )
    assert destroyed.returncode == 0, destroyed.stdout[-4000:]

    cloudfront, route53 = edge.client("cloudfront"), edge.client("route53")
    assert cloudfront.list_distributions()["DistributionList"]["Quantity"] == 0
    assert cloudfront.list_origin_access_controls()["OriginAccessControlList"]["Quantity"] == 0
    assert cloudfront.list_response_headers_policies()["ResponseHeadersPolicyList"]["Quantity"] == 0
    assert route53.list_hosted_zones()["HostedZones"] == route53.list_health_checks()["HealthChecks"] == []
    for region, scopes in (("us-east-1", ("CLOUDFRONT", "REGIONAL")), ("us-west-2", ("REGIONAL",))):
        assert [edge.client("wafv2", region).list_web_acls(Scope=scope)["WebACLs"] for scope in scopes] == [[] for _scope in scopes]
        assert edge.client("acm", region).list_certificates(Includes={"keyTypes": ["EC_prime256v1"]})["CertificateSummaryList"] == []
        assert edge.client("logs", region).describe_log_groups(logGroupNamePrefix="aws-waf-logs-")["logGroups"] == []
    assert edge.client("logs").describe_delivery_sources()["deliverySources"] == []
    assert edge.client("shield").list_protections()["Protections"] == []

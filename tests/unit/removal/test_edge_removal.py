# SPDX-License-Identifier: GPL-3.0-or-later
"""The edge is found, and taken away in an order that AWS accepts; a zone with somebody else's records stays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from ansible_collections.indivillage.infra.plugins.module_utils import cloudfront as forms
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import ResourceError
from ansible_collections.indivillage.infra.plugins.module_utils.removal import remove
from ansible_collections.indivillage.infra.plugins.module_utils.removal_census import Owned, from_arn, owned_resources
from ansible_collections.indivillage.infra.plugins.module_utils.removal_kinds import levels
from ansible_collections.indivillage.infra.plugins.module_utils.removal_steps import Removal, is_own_record
from botocore.exceptions import ClientError
from moto import mock_aws

TAGS = {"Project": "indivillage", "Environment": "sandbox", "ManagedBy": "ansible"}
TAG_LIST = [{"Key": key, "Value": value} for key, value in TAGS.items()]
ACCOUNT_ID = "123456789012"
ZONE = "site.example."


@pytest.fixture(autouse=True)
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_ENDPOINT_URL", "AWS_URL"):
        monkeypatch.delenv(name, raising=False)
    with mock_aws():
        yield


def clients(service: str) -> Any:
    return boto3.client(service, region_name="us-east-1")


def alias(name: str, target: str, zone_id: str, kind: str = "A") -> dict[str, Any]:
    return {"Name": name, "Type": kind, "AliasTarget": {"HostedZoneId": zone_id, "DNSName": target, "EvaluateTargetHealth": False}}


def text(name: str, kind: str, value: str) -> dict[str, Any]:
    return {"Name": name, "Type": kind, "TTL": 300, "ResourceRecords": [{"Value": value}]}


OWN = [
    alias(ZONE, "d1.cloudfront.net.", "Z2FDTNDATAQYW2"),
    alias(f"www.{ZONE}", "d1.cloudfront.net.", "Z2FDTNDATAQYW2", "AAAA"),
    alias(f"origin-primary.{ZONE}", "x-1.us-east-1.elb.amazonaws.com.", "Z35SXDOTRQ7X7K"),
    alias(f"origin.{ZONE}", "x-1.us-east-1.elb.amazonaws.com.", "Z35SXDOTRQ7X7K"),
    text(ZONE, "CAA", '0 issue "amazon.com"'),
    text(f"_abc.{ZONE}", "CNAME", "_def.acm-validations.aws."),
]
FOREIGN = [
    text(ZONE, "MX", "10 mail.example."),
    text(ZONE, "TXT", '"v=spf1 -all"'),
    text(f"sub.{ZONE}", "NS", "ns.example."),
    text(f"_x.{ZONE}", "CNAME", "elsewhere.example."),
    alias(f"shop.{ZONE}", "y-1.us-east-1.elb.amazonaws.com.", "Z35SXDOTRQ7X7K"),
    text(f"origin.{ZONE}", "A", "192.0.2.1"),
]


@pytest.mark.parametrize("record", OWN, ids=lambda record: f"{record['Name']} {record['Type']}")
def test_a_record_of_the_role_is_known(record: dict[str, Any]) -> None:
    assert is_own_record(record, ZONE)


@pytest.mark.parametrize("record", FOREIGN, ids=lambda record: f"{record['Name']} {record['Type']}")
def test_a_record_of_somebody_else_is_known(record: dict[str, Any]) -> None:
    assert not is_own_record(record, ZONE)


def zone(*records: dict[str, Any]) -> str:
    route53 = clients("route53")
    identifier = str(route53.create_hosted_zone(Name=ZONE, CallerReference="1")["HostedZone"]["Id"].rpartition("/")[2])
    route53.change_tags_for_resource(ResourceType="hostedzone", ResourceId=identifier, AddTags=TAG_LIST)
    changes = [{"Action": "CREATE", "ResourceRecordSet": record} for record in records]
    route53.change_resource_record_sets(HostedZoneId=identifier, ChangeBatch={"Changes": changes})
    return identifier


def distribution() -> None:
    client = clients("cloudfront")
    control = client.create_origin_access_control(
        OriginAccessControlConfig={
            "Name": "indivillage-sandbox-site",
            "SigningProtocol": "sigv4",
            "SigningBehavior": "always",
            "OriginAccessControlOriginType": "s3",
        }
    )["OriginAccessControl"]["Id"]
    policy = client.create_response_headers_policy(ResponseHeadersPolicyConfig={"Name": "indivillage-sandbox-site"})
    client.create_response_headers_policy(ResponseHeadersPolicyConfig={"Name": "somebody-else"})
    acl = clients("wafv2").create_web_acl(
        Name="indivillage-sandbox-edge",
        Scope="CLOUDFRONT",
        DefaultAction={"Allow": {}},
        VisibilityConfig={"SampledRequestsEnabled": True, "CloudWatchMetricsEnabled": True, "MetricName": "x"},
        Tags=TAG_LIST,
    )["Summary"]["ARN"]
    origin = {"id": "assets", "domain_name": "assets.s3.us-east-1.amazonaws.com", "access_control_id": control, "shield_region": None}
    behaviour = {"origin": "assets", "cache": "always", "forward": "nothing", "methods": "reading"}
    parts = {
        "enabled": True,
        "origins": [forms.written_origin(origin)],
        "default_behaviour": forms.written_behaviour(behaviour | {"headers_policy_id": policy["ResponseHeadersPolicy"]["Id"]}),
        "web_acl_arn": acl,
    }
    config = {"CallerReference": "1", "Comment": "indivillage-sandbox-site", **forms.written(parts)}
    made = client.create_distribution_with_tags(DistributionConfigWithTags={"DistributionConfig": config, "Tags": {"Items": TAG_LIST}})
    logs = clients("logs")
    logs.put_delivery_source(name="site", resourceArn=made["Distribution"]["ARN"], logType="ACCESS_LOGS", tags=TAGS)
    destination = logs.put_delivery_destination(
        name="site", deliveryDestinationConfiguration={"destinationResourceArn": "arn:aws:s3:::logs"}, tags=TAGS
    )["deliveryDestination"]["arn"]
    logs.create_delivery(deliverySourceName="site", deliveryDestinationArn=destination, tags=TAGS)
    check = clients("route53").create_health_check(
        CallerReference="1", HealthCheckConfig={"Type": "HTTPS", "FullyQualifiedDomainName": "x.example", "Port": 443}
    )["HealthCheck"]["Id"]
    clients("route53").change_tags_for_resource(ResourceType="healthcheck", ResourceId=check, AddTags=TAG_LIST)


def census(scope: str) -> list[Owned]:
    return [item for item in owned_resources(clients, scope, "us-east-1", ACCOUNT_ID, TAGS) if not item.kind.startswith(("iam:", "ec2:"))]


def removal(resource: Owned) -> Removal:
    return Removal(resource.kind, resource.arn, resource.id, wait_timeout_seconds=0, poll_seconds=0)


def test_all_of_it_is_found_and_removed_in_order() -> None:
    zone(*OWN)
    distribution()
    edge, region = census("global"), census("regional")

    assert {resource.kind for resource in edge} == {
        "cloudfront:distribution",
        "cloudfront:origin-access-control",
        "cloudfront:response-headers-policy",
        "route53:hostedzone",
        "route53:healthcheck",
    }
    assert {resource.kind for resource in region} == {"logs:delivery", "logs:delivery-source", "logs:delivery-destination", "wafv2:webacl"}
    assert not [resource for resource in (*edge, *region) if resource.protected]

    for some in (edge, region):
        for level in levels(resource.kind for resource in some):
            for resource in some:
                if resource.kind in level:
                    assert remove(clients, removal(resource))
    assert census("global") == census("regional") == []
    assert clients("route53").list_hosted_zones()["HostedZones"] == []


def test_a_zone_with_other_records_is_protected_and_stays_whole() -> None:
    identifier = zone(*OWN, FOREIGN[0])
    (found,) = census("global")

    assert found.protected
    assert f"{ZONE} MX" in found.protected
    with pytest.raises(ResourceError, match=r"not this project's: site\.example\. MX"):
        remove(clients, removal(found))
    assert len(clients("route53").list_resource_record_sets(HostedZoneId=identifier)["ResourceRecordSets"]) == len(OWN) + 3


def test_what_is_gone_is_no_change() -> None:
    for kind, identifier in (
        ("cloudfront:distribution", "E1"),
        ("cloudfront:origin-access-control", "E1"),
        ("cloudfront:response-headers-policy", "P1"),
        ("route53:hostedzone", "Z1"),
    ):
        assert not remove(clients, Removal(kind, f"arn:{identifier}", identifier, wait_timeout_seconds=0, poll_seconds=0))
    arn = f"arn:aws:wafv2:us-east-1:{ACCOUNT_ID}:global/webacl/x/1"
    assert not remove(clients, Removal("wafv2:webacl", arn, "x", wait_timeout_seconds=0, poll_seconds=0))


def test_a_distribution_in_use_by_nobody_but_serving_is_not_deleted_at_once() -> None:
    distribution()
    client = clients("cloudfront")
    (summary,) = client.list_distributions()["DistributionList"]["Items"]
    with pytest.raises(ClientError, match="DistributionNotDisabled"):
        client.delete_distribution(Id=summary["Id"], IfMatch=client.get_distribution(Id=summary["Id"])["ETag"])


@pytest.mark.parametrize(
    ("arn", "kind", "identifier"),
    [
        ("arn:aws:wafv2:us-east-1:1:regional/webacl/site-public/abc", "wafv2:webacl", "site-public"),
        ("arn:aws:wafv2:us-east-1:1:global/webacl/site-edge/abc", "wafv2:webacl", "site-edge"),
        ("arn:aws:logs:us-east-1:1:delivery-source:site", "logs:delivery-source", "site"),
        ("arn:aws:logs:us-east-1:1:delivery:a1B2", "logs:delivery", "a1B2"),
        ("arn:aws:logs:us-east-1:1:log-group:aws-waf-logs-site:*", "logs:log-group", "aws-waf-logs-site"),
    ],
)
def test_arns_of_the_edge(arn: str, kind: str, identifier: str) -> None:
    found = from_arn(arn, {})
    assert (found.kind, found.id) == (kind, identifier)

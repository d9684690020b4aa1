# SPDX-License-Identifier: GPL-3.0-or-later
"""A distribution with its access control and its headers through their whole life; what is declared, seen, hidden and refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from ansible_collections.indivillage.infra.plugins.modules import (
    cloudfront_distribution,
    cloudfront_origin_access_control,
    cloudfront_response_headers_policy,
)

from sandbox.emulator.additions import distributions

Run = Callable[..., dict[str, Any]]
SECRET = "do-not-tell-anybody-1234567890"
HEADER = {"name": "X-Origin-Verify", "secret_id": "/site/edge", "field": "header"}
SITE: dict[str, Any] = {
    "name": "site",
    "aliases": ["site.example"],
    "certificate_arn": "arn:aws:acm:us-east-1:123456789012:certificate/1",
    "origins": [
        {"id": "primary", "domain_name": "origin-primary.site.example", "shield_region": "us-east-1"},
        {"id": "dr", "domain_name": "origin-dr.site.example"},
        {"id": "assets", "domain_name": "assets.s3.us-east-1.amazonaws.com", "access_control_id": "E1"},
    ],
    "origin_groups": [{"id": "site", "primary": "primary", "secondary": "dr"}],
    "default_behaviour": {"origin": "site", "methods": "reading"},
    "behaviours": [
        {"path": "/static/*", "origin": "assets", "cache": "always", "forward": "nothing", "headers_policy_id": "P1"},
        {"path": "/api/*", "origin": "primary", "cache": "never", "methods": "all"},
    ],
    "error_seconds": {"404": 10},
    "secret_header": HEADER,
    "web_acl_arn": "arn:aws:wafv2:us-east-1:123456789012:global/webacl/site/1",
    "price_class": "PriceClass_200",
    "denied_countries": [],
}


@pytest.fixture(autouse=True, scope="module")
def additions() -> None:
    distributions.install()


@pytest.fixture(autouse=True)
def secret(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloudfront_distribution, "POLL_SECONDS", 0)
    boto3.client("secretsmanager").create_secret(Name="/site/edge", SecretString=json.dumps({"header": SECRET}))


def stored() -> tuple[str, dict[str, Any], str]:
    """Id, configuration and version of the only distribution."""
    client = boto3.client("cloudfront")
    (summary,) = client.list_distributions()["DistributionList"]["Items"]
    answer = client.get_distribution_config(Id=summary["Id"])
    return summary["Id"], answer["DistributionConfig"], answer["ETag"]


def test_life_cycle_of_an_access_control(life_cycle: Callable[..., None]) -> None:
    life_cycle(cloudfront_origin_access_control, {"name": "assets"}, {"description": "one"}, {"description": "two"})


def test_life_cycle_of_headers(life_cycle: Callable[..., None]) -> None:
    first = {"content_security_policy": "default-src 'self'", "removed_headers": ["Server"]}
    life_cycle(cloudfront_response_headers_policy, {"name": "security"}, first, {"frame_option": "SAMEORIGIN", "comment": "x"})


def test_headers_that_somebody_loosened_are_put_right(run: Run) -> None:
    run(cloudfront_response_headers_policy, name="security", content_security_policy="default-src 'self'")
    client = boto3.client("cloudfront")
    policy = client.list_response_headers_policies()["ResponseHeadersPolicyList"]["Items"][0]["ResponseHeadersPolicy"]
    config = policy["ResponseHeadersPolicyConfig"]
    assert config["SecurityHeadersConfig"]["StrictTransportSecurity"] == {
        "AccessControlMaxAgeSec": 31536000,
        "IncludeSubdomains": True,
        "Preload": True,
        "Override": True,
    }
    loose = {
        **config,
        "SecurityHeadersConfig": {**config["SecurityHeadersConfig"], "XSSProtection": {"Protection": False, "Override": True}},
    }
    client.update_response_headers_policy(
        Id=policy["Id"], IfMatch=client.get_response_headers_policy(Id=policy["Id"])["ETag"], ResponseHeadersPolicyConfig=loose
    )
    assert run(cloudfront_response_headers_policy, name="security", content_security_policy="default-src 'self'")["changed"]
    assert not run(cloudfront_response_headers_policy, name="security", content_security_policy="default-src 'self'")["changed"]


def test_life_cycle_of_a_distribution(life_cycle: Callable[..., None]) -> None:
    first = {key: value for key, value in SITE.items() if key != "name"}
    second = {
        **first,
        "origin_groups": [{"id": "site", "primary": "dr", "secondary": "primary"}],
        "behaviours": list(reversed(first["behaviours"])),
        "allowed_countries": ["US", "IN"],
        "web_acl_arn": "",
        "tags": {"Project": "site"},
        "wait": True,
    }
    second.pop("denied_countries")
    life_cycle(cloudfront_distribution, {"name": "site"}, {**first, "tags": {"Project": "site", "Old": "1"}}, second)


def test_the_api_gets_what_was_declared(run: Run) -> None:
    result = run(cloudfront_distribution, **SITE)
    _id, config, _etag = stored()
    origins = {origin["Id"]: origin for origin in config["Origins"]["Items"]}

    assert result["resource"]["domain_name"].endswith(".cloudfront.net")
    assert config["ViewerCertificate"]["MinimumProtocolVersion"] == "TLSv1.3_2025"
    assert (config["HttpVersion"], config["IsIPV6Enabled"], config["PriceClass"]) == ("http2and3", True, "PriceClass_200")
    assert origins["primary"]["CustomOriginConfig"]["OriginProtocolPolicy"] == "https-only"
    assert origins["primary"]["OriginShield"] == {"Enabled": True, "OriginShieldRegion": "us-east-1"}
    assert origins["assets"]["OriginAccessControlId"] == "E1"
    assert [member["OriginId"] for member in config["OriginGroups"]["Items"][0]["Members"]["Items"]] == ["primary", "dr"]
    assert [behaviour["PathPattern"] for behaviour in config["CacheBehaviors"]["Items"]] == ["/static/*", "/api/*"]
    assert "POST" in config["CacheBehaviors"]["Items"][1]["AllowedMethods"]["Items"]
    assert "OriginRequestPolicyId" not in config["CacheBehaviors"]["Items"][0]


def test_the_secret_reaches_the_web_servers_and_no_result(run: Run) -> None:
    results = [run(cloudfront_distribution, **SITE, check=True), run(cloudfront_distribution, **SITE)]
    _id, config, etag = stored()
    headers = {origin["Id"]: origin["CustomHeaders"].get("Items") for origin in config["Origins"]["Items"]}

    assert headers["primary"] == headers["dr"] == [{"HeaderName": "X-Origin-Verify", "HeaderValue": SECRET}]
    assert headers["assets"] is None

    config["Origins"]["Items"][1]["CustomHeaders"] = {"Quantity": 0}
    boto3.client("cloudfront").update_distribution(Id=_id, IfMatch=etag, DistributionConfig=config)
    results += [run(cloudfront_distribution, **SITE, check=True), run(cloudfront_distribution, **SITE)]
    assert all(result["diff"]["after"].keys() == {"secret_headers"} for result in results[2:])

    boto3.client("secretsmanager").put_secret_value(SecretId="/site/edge", SecretString=json.dumps({"header": f"another-{SECRET}"}))
    results.append(run(cloudfront_distribution, **SITE))
    assert [result["changed"] for result in results] == [True] * 5
    assert SECRET not in json.dumps(results)


def test_another_secret_reaches_the_web_servers_that_there_are(run: Run) -> None:
    run(cloudfront_distribution, **SITE)
    before = stored()[1]
    boto3.client("secretsmanager").put_secret_value(SecretId="/site/edge", SecretString=json.dumps({"header": f"another-{SECRET}"}))
    alone = {"name": "site", "secret_header": HEADER, "wait": True}
    results = [
        run(cloudfront_distribution, **alone, check=True),
        run(cloudfront_distribution, **alone),
        run(cloudfront_distribution, **alone),
    ]
    _id, config, _etag = stored()

    assert [result["changed"] for result in results] == [True, True, False]
    sent = {origin["Id"]: origin["CustomHeaders"].get("Items") for origin in config["Origins"]["Items"]}
    header = [{"HeaderName": "X-Origin-Verify", "HeaderValue": f"another-{SECRET}"}]
    assert sent == {"primary": header, "dr": header, "assets": None}
    for origin in (*before["Origins"]["Items"], *config["Origins"]["Items"]):
        origin.pop("CustomHeaders")
    assert config == before
    assert not run(cloudfront_distribution, **SITE)["changed"]
    assert SECRET not in json.dumps(results)


def loosened(config: dict[str, Any], change: str) -> None:
    behaviour = config["CacheBehaviors"]["Items"][1]
    match change:
        case "a function runs":
            function = {"FunctionARN": "arn:aws:cloudfront::1:function/x", "EventType": "viewer-request"}
            config["DefaultCacheBehavior"]["FunctionAssociations"] = {"Quantity": 1, "Items": [function]}
        case "plain text is allowed":
            behaviour["ViewerProtocolPolicy"] = "allow-all"
        case "an old TLS version is allowed":
            config["ViewerCertificate"]["MinimumProtocolVersion"] = "TLSv1.2_2021"
        case "the web ACL is gone":
            config["WebACLId"] = ""
        case "answers of the API are kept":
            behaviour["CachePolicyId"] = "658327ea-f89d-4fab-a63d-7e88639e58f6"
        case "another origin":
            config["Origins"]["Items"].append({**config["Origins"]["Items"][0], "Id": "zz"})
            config["Origins"]["Quantity"] += 1
        case "a header policy is added":
            behaviour["ResponseHeadersPolicyId"] = "P9"
        case "it is switched off":
            config["Enabled"] = False
        case _:
            raise AssertionError(change)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ("a function runs", "default_behaviour"),
        ("plain text is allowed", "behaviours"),
        ("an old TLS version is allowed", "certificate"),
        ("the web ACL is gone", "web_acl_arn"),
        ("answers of the API are kept", "behaviours"),
        ("another origin", "origins"),
        ("a header policy is added", "behaviours"),
        ("it is switched off", "enabled"),
    ],
)
def test_what_somebody_changed_is_seen_and_changed_back(run: Run, change: str, field: str) -> None:
    run(cloudfront_distribution, **SITE)
    identifier, config, etag = stored()
    before = json.dumps(config, sort_keys=True)
    loosened(config, change)
    boto3.client("cloudfront").update_distribution(Id=identifier, IfMatch=etag, DistributionConfig=config)

    result = run(cloudfront_distribution, **SITE)

    assert result["diff"]["after"].keys() == {field}
    assert json.dumps(stored()[1], sort_keys=True) == before


def test_awaiting_compares_nothing_that_was_not_declared(run: Run) -> None:
    assert run(cloudfront_distribution, name="site", wait=True)["failed"]
    run(cloudfront_distribution, **SITE)
    awaited = run(cloudfront_distribution, name="site", wait=True)
    assert (awaited["changed"], awaited["resource"]["status"]) == (False, "Deployed")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"default_behaviour": {"origin": "nobody"}}, "asks the origin 'nobody'"),
        ({"origin_groups": [{"id": "site", "primary": "primary", "secondary": "nobody"}]}, "the group site asks"),
        ({"behaviours": [{"path": "/x", "origin": "nobody"}]}, "the behaviour of /x"),
        ({"default_behaviour": {"origin": "site", "methods": "all"}}, "lets all methods through to the group site"),
        ({"secret_header": {**HEADER, "field": "absent"}}, "has no field absent"),
        ({"secret_header": {**HEADER, "secret_id": "/site/absent"}}, "can't find the specified secret"),
        ({"allowed_countries": ["US"]}, "mutually exclusive"),
        ({"price_class": "PriceClass_300"}, "PriceClass_100"),
    ],
)
def test_nonsense_is_refused_with_a_reason(run: Run, change: dict[str, Any], words: str) -> None:
    result = run(cloudfront_distribution, **{**SITE, **change})
    assert result["failed"]
    assert words in result["msg"]

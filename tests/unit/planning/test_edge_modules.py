# SPDX-License-Identifier: GPL-3.0-or-later
"""The edge's modules under the write guard: what one task plans is there for the next one, and nothing is planned twice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import boto3
import botocore.client
import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.indivillage.infra.plugins.module_utils import planning
from ansible_collections.indivillage.infra.plugins.modules import (
    acm_certificate,
    cloudfront_distribution,
    cloudfront_origin_access_control,
    cloudfront_response_headers_policy,
    json_secret,
    log_delivery,
    wafv2_web_acl,
)
from ansible_collections.indivillage.infra.plugins.plugin_utils.planning.guard import Guard
from ansible_collections.indivillage.infra.plugins.plugin_utils.planning.state import State
from moto import mock_aws

from sandbox.emulator.additions import certificate_requests, distributions, log_deliveries, web_acls

TAGS = {"Project": "site"}
CERTIFICATE = {"name": "edge", "domain_name": "site.example", "alternative_names": ["*.site.example"], "tags": TAGS}
ACL = {
    "name": "edge",
    "scope": "CLOUDFRONT",
    "rules": [{"name": "rate", "priority": 1, "rate_limit": 3000}],
    "log_destination_arn": "arn:aws:logs:us-east-1:123456789012:log-group:aws-waf-logs-edge",
    "tags": TAGS,
}
DISTRIBUTION: dict[str, Any] = {
    "name": "site",
    "aliases": ["site.example"],
    "origins": [{"id": "primary", "domain_name": "origin.site.example"}],
    "default_behaviour": {"origin": "primary"},
    "secret_header": {"name": "X-Verify", "secret_id": "/site/edge", "field": "value"},
    "price_class": "PriceClass_100",
    "tags": TAGS,
}


@pytest.fixture(autouse=True, scope="module")
def additions() -> None:
    for addition in (certificate_requests, distributions, log_deliveries, web_acls):
        addition.install()


class Plan:
    """Tasks of one run in check mode, each under a guard of its own, before an account of moto."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.state, self._capsys = State(), capsys
        self.guard = Guard(self.state, lambda *_call: None)
        send, ask = botocore.client.BaseClient._make_api_call, botocore.client.BaseClient._make_request

        def call(client: Any, operation: str, parameters: dict[str, Any]) -> Any:
            return self.guard.call(client, operation, parameters, send)

        def request(client: Any, *rest: Any) -> Any:
            answered = getattr(self.guard._inside, "answer", None) is not None
            return self.guard.answer_instead() if answered else ask(client, *rest)

        monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", call)
        monkeypatch.setattr(botocore.client.BaseClient, "_make_request", request)
        monkeypatch.setattr(planning, "active", True)

    def task(self, module: ModuleType, **options: Any) -> dict[str, Any]:
        self.guard = Guard(self.state, lambda *_call: None)
        arguments = {"_ansible_check_mode": True, "_ansible_diff": True, "_ansible_remote_tmp": "/tmp"}
        self._capsys.readouterr()
        with patch_module_args(options | arguments), pytest.raises(SystemExit):
            module.main()
        result: dict[str, Any] = json.loads(self._capsys.readouterr().out.splitlines()[-1])
        assert not result.get("failed"), result["msg"]
        return result


@pytest.fixture
def plan(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Plan]:
    for name in ("AWS_ENDPOINT_URL", "AWS_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    with mock_aws():
        yield Plan(monkeypatch, capsys)


def test_a_certificate(plan: Plan) -> None:
    requested = plan.task(acm_certificate, **CERTIFICATE)
    awaited = plan.task(acm_certificate, **CERTIFICATE, wait=True)

    assert requested["changed"]
    assert [record["domain"] for record in requested["resource"]["validation_records"]] == ["site.example"]
    assert not awaited["changed"]
    assert awaited["resource"]["arn"] == requested["resource"]["arn"]
    assert plan.task(acm_certificate, **{**CERTIFICATE, "name": "public"})["changed"]


def test_a_web_acl(plan: Plan) -> None:
    made = plan.task(wafv2_web_acl, **ACL)

    assert made["changed"]
    assert "planned" in made["resource"]["web_acl_arn"]


def test_a_distribution_with_all_that_belongs_to_it(plan: Plan) -> None:
    control = plan.task(cloudfront_origin_access_control, name="site")
    headers = plan.task(cloudfront_response_headers_policy, name="site")
    plan.task(json_secret, name="/site/edge", generate=["value"])
    site = plan.task(cloudfront_distribution, **DISTRIBUTION)
    arns = {"resource_arn": site["resource"]["distribution_arn"], "destination_arn": "arn:aws:s3:::logs/cloudfront"}
    delivery = {"name": "site", **arns, "tags": TAGS}
    delivered = plan.task(log_delivery, **delivery)

    assert all(result["changed"] for result in (control, headers, site, delivered))
    assert "planned" in control["resource"]["access_control_id"]
    assert "planned" in headers["resource"]["policy_id"]
    assert "planned" in site["resource"]["domain_name"]
    assert plan.task(cloudfront_origin_access_control, name="site")["diff"] == {"before": {}, "after": {}}
    assert plan.task(cloudfront_response_headers_policy, name="site")["diff"] == {"before": {}, "after": {}}
    assert plan.task(cloudfront_distribution, name="site", wait=True)["diff"] == {"before": {}, "after": {}}
    assert plan.task(cloudfront_distribution, **DISTRIBUTION)["diff"] == {"before": {}, "after": {}}
    assert plan.task(log_delivery, **delivery)["diff"] == {"before": {}, "after": {}}


def test_the_account_is_still_empty(plan: Plan) -> None:
    plan.task(cloudfront_origin_access_control, name="site")
    plan.guard = Guard(State(), lambda *_call: None)
    assert boto3.client("cloudfront", region_name="us-east-1").list_origin_access_controls()["OriginAccessControlList"]["Quantity"] == 0

# SPDX-License-Identifier: GPL-3.0-or-later
"""A requested certificate through its whole life: what AWS looks for, when it is issued, and which one counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import boto3
import pytest
from ansible_collections.indivillage.infra.plugins.modules import acm_certificate
from moto.acm.models import acm_backends

from sandbox.emulator.additions import certificate_requests

Run = Callable[..., dict[str, Any]]
SITE = {"name": "site-edge", "domain_name": "site.example", "alternative_names": ["*.site.example"]}


@pytest.fixture(autouse=True, scope="module")
def records_are_looked_for() -> None:
    certificate_requests.install()


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acm_certificate, "POLL_SECONDS", 0.01)


def validate(result: dict[str, Any]) -> None:
    """Write the records that a certificate asks for."""
    route53 = boto3.client("route53")
    zone = route53.create_hosted_zone(Name="site.example", CallerReference="1")["HostedZone"]["Id"]
    for record in result["resource"]["validation_records"]:
        change = {"Name": record["name"], "Type": record["type"], "TTL": 300, "ResourceRecords": [{"Value": record["value"]}]}
        route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": [{"Action": "CREATE", "ResourceRecordSet": change}]})


def arns() -> list[str]:
    found = boto3.client("acm").list_certificates(Includes={"keyTypes": ["RSA_2048", "EC_prime256v1"]})["CertificateSummaryList"]
    return [certificate["CertificateArn"] for certificate in found]


def test_life_cycle(life_cycle: Callable[..., None]) -> None:
    life_cycle(acm_certificate, SITE, {"tags": {"Project": "site", "Old": "1"}}, {"tags": {"Project": "site"}})


def test_a_domain_and_its_wildcard_need_one_record(run: Run) -> None:
    result = run(acm_certificate, **SITE)

    (record,) = result["resource"]["validation_records"]
    assert (record["domain"], record["type"]) == ("site.example", "CNAME")
    assert record["value"].endswith(".acm-validations.aws.")


def test_a_certificate_is_awaited_until_its_record_is_there(run: Run) -> None:
    requested = run(acm_certificate, **SITE)
    assert requested["resource"]["status"] == "PENDING_VALIDATION"

    late = run(acm_certificate, **SITE, wait=True, wait_timeout_seconds=0)
    assert late["failed"]
    assert requested["resource"]["validation_records"][0]["name"] in late["msg"]
    assert "delegate" in late["msg"]

    validate(requested)
    issued = run(acm_certificate, **SITE, wait=True)
    assert not issued["changed"]
    assert issued["resource"]["status"] == "ISSUED"
    assert issued["resource"]["arn"] == requested["resource"]["arn"]


@pytest.mark.parametrize("change", [{"alternative_names": ["www.site.example"]}, {"key_algorithm": "RSA_2048"}, {"name": "site-public"}])
def test_other_names_another_key_or_another_use_are_another_certificate(run: Run, change: dict[str, Any]) -> None:
    first = run(acm_certificate, **SITE)
    second = run(acm_certificate, **{**SITE, **change})

    assert second["changed"]
    assert sorted(arns()) == sorted([first["resource"]["arn"], second["resource"]["arn"]])
    assert not run(acm_certificate, **SITE)["changed"]


def test_a_certificate_that_aws_has_given_up_on_is_requested_again(run: Run) -> None:
    first = run(acm_certificate, **SITE)["resource"]["arn"]
    acm_backends["123456789012"]["us-east-1"].get_certificate(first).status = "VALIDATION_TIMED_OUT"

    second = run(acm_certificate, **SITE)

    assert second["changed"]
    assert arns() == [second["resource"]["arn"]] != [first]


def test_tags_without_a_name_keep_the_name_that_tells_it_apart(run: Run) -> None:
    run(acm_certificate, **SITE, tags={"Project": "site"})

    assert not run(acm_certificate, **SITE, tags={"Project": "site"})["changed"]
    assert len(arns()) == 1


def test_an_imported_certificate_is_not_taken_for_a_requested_one(run: Run) -> None:
    requested = run(acm_certificate, **SITE)["resource"]["arn"]
    acm_backends["123456789012"]["us-east-1"].get_certificate(requested).type = "IMPORTED"

    assert run(acm_certificate, **SITE, check=True)["changed"]

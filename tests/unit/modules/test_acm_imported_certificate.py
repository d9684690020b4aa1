# SPDX-License-Identifier: GPL-3.0-or-later
"""An imported certificate through its whole life, and its successors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from ansible_collections.indivillage.infra.plugins.modules import acm_certificate, acm_imported_certificate

from sandbox import pki
from sandbox.emulator.additions import certificate_requests, certificates

Run = Callable[..., dict[str, Any]]
NAME = "site-internal"


@pytest.fixture(autouse=True, scope="module")
def chains_are_kept() -> None:
    certificates.install()
    certificate_requests.install()


@pytest.fixture(scope="module")
def issued(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    """Two certificates for the same names, of two authorities."""
    found = []
    for number in range(2):
        directory = tmp_path_factory.mktemp(f"pki{number}")
        certificate, key = pki.issue(["internal.example"], directory)
        found.append({"certificate": certificate, "private_key": key, "certificate_chain": Path(directory, "ca.pem").read_text()})
    return found


def imported() -> list[dict[str, Any]]:
    acm = boto3.client("acm")
    found = acm.list_certificates(Includes={"keyTypes": acm_imported_certificate.KEY_TYPES})["CertificateSummaryList"]
    return [acm.get_certificate(CertificateArn=summary["CertificateArn"]) for summary in found]


def test_life_cycle(life_cycle: Callable[..., None], issued: list[dict[str, str]]) -> None:
    first, second = issued
    life_cycle(acm_imported_certificate, {"name": NAME}, {**first, "tags": {"Project": "site"}}, {**second, "tags": {"Owner": "me"}})


def test_a_successor_takes_the_place_under_the_same_arn(run: Run, issued: list[dict[str, str]]) -> None:
    first, second = (run(acm_imported_certificate, name=NAME, **certificate) for certificate in issued)

    assert second["changed"]
    assert sorted(second["diff"]["after"]) == ["certificate", "certificate_chain"]
    assert second["resource"]["arn"] == first["resource"]["arn"]
    (there,) = imported()
    assert there["Certificate"] == issued[1]["certificate"]
    assert there["CertificateChain"] == issued[1]["certificate_chain"]
    assert issued[1]["private_key"] not in str(second["diff"])


def test_another_form_of_the_same_is_no_change(run: Run, issued: list[dict[str, str]]) -> None:
    certificate = issued[0]
    run(acm_imported_certificate, name=NAME, **certificate)
    other = {name: text.replace("\n", "\r\n") for name, text in certificate.items() if name != "private_key"}
    other["certificate"] = f"subject=/CN=internal\n{other['certificate']}"

    assert not run(acm_imported_certificate, name=NAME, **(certificate | other))["changed"]
    assert not run(acm_imported_certificate, name=NAME, **{**certificate, "certificate_chain": None})["changed"]


def test_a_successor_without_a_chain_keeps_the_one_there_is(run: Run, issued: list[dict[str, str]]) -> None:
    run(acm_imported_certificate, name=NAME, **issued[0])
    run(acm_imported_certificate, name=NAME, certificate=issued[1]["certificate"], private_key=issued[1]["private_key"])

    assert imported()[0]["CertificateChain"] == issued[0]["certificate_chain"]


def test_each_name_has_its_own(run: Run, issued: list[dict[str, str]]) -> None:
    run(acm_certificate, name=NAME, domain_name="internal.example")
    first, second = (run(acm_imported_certificate, name=name, **issued[0]) for name in (NAME, "site-public"))

    assert first["changed"]
    assert second["changed"]
    assert first["resource"]["arn"] != second["resource"]["arn"]


def test_two_of_one_name_are_told(run: Run, issued: list[dict[str, str]]) -> None:
    run(acm_imported_certificate, name=NAME, **issued[0])
    arn = boto3.client("acm").import_certificate(
        Certificate=issued[1]["certificate"], PrivateKey=issued[1]["private_key"], Tags=[{"Key": "Name", "Value": NAME}]
    )["CertificateArn"]

    result = run(acm_imported_certificate, name=NAME, **issued[0])
    assert result["failed"]
    assert arn in result["msg"]


@pytest.mark.parametrize("option", ["certificate", "certificate_chain"])
def test_what_is_no_certificate_is_refused_before_anything_is_written(run: Run, issued: list[dict[str, str]], option: str) -> None:
    result = run(acm_imported_certificate, name=NAME, **{**issued[0], option: issued[0]["private_key"]})

    assert result["failed"]
    assert f"no certificate in {option}:" in result["msg"]
    assert "PRIVATE KEY" not in result["msg"]
    assert imported() == []

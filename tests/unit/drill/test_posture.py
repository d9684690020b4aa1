# SPDX-License-Identifier: GPL-3.0-or-later
"""Explanations of a scanner's findings hold for what they name, until their day, and only while something needs them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.drill.posture.judgement import Exceptions, Exemption, Finding, judge
from tests.drill.posture.scanner import read

ROOT = Path(__file__).resolve().parents[3]
TODAY = date(2026, 7, 1)
FINDING = Finding("s3", "bucket_public", "arn:aws:s3:::one", "high", "Bucket one is public.")
KNOWN = Exceptions.read(ROOT / "tests/drill/posture/exceptions.yml")


def exemption(check: str = "bucket_public", resource: str = "arn:aws:s3:::.*", until: date = TODAY) -> Exemption:
    return Exemption(check, resource, "It serves the world.", until)


def told(status: str, severity: str = "High", check: str = "bucket_public", labels: tuple[str, ...] = ()) -> dict[str, Any]:
    resource = {"uid": "arn:aws:s3:::one", "group": {"name": "s3"}, "labels": list(labels)}
    return {
        "metadata": {"event_code": check},
        "severity": severity,
        "status_code": status,
        "status_detail": "Bucket one is public.",
        "resources": [resource],
    }


@pytest.mark.parametrize("exemptions", [[exemption()], [exemption(until=date(2026, 6, 30)), exemption()]])
def test_an_explained_finding_is_no_problem(exemptions: list[Exemption]) -> None:
    assert judge([FINDING], exemptions, TODAY) == []


@pytest.mark.parametrize("other", [exemption(check="bucket_open"), exemption(resource="arn:aws:s3:::on"), exemption(resource="s3")])
def test_another_explanation_explains_nothing_and_is_named(other: Exemption) -> None:
    assert judge([FINDING], [other], TODAY) == [
        "high: bucket_public: arn:aws:s3:::one: Bucket one is public.",
        f"nothing needs: {other.check}: {other.resource}",
    ]


def test_an_explanation_ends() -> None:
    (problem,) = judge([FINDING], [exemption(until=date(2026, 6, 30))], TODAY)
    assert problem.endswith("Bucket one is public. (explained until 2026-06-30)")


def test_an_explanation_may_be_for_some_environments_only(tmp_path: Path) -> None:
    entry = "{check: a, resource: b, reason: c, until: 2026-07-01"
    (tmp_path / "x.yml").write_text(f"unused_services: glue kafka\nexceptions:\n- {entry}}}\n- {entry}, environments: [staging]}}\n")
    exceptions = Exceptions.read(tmp_path / "x.yml")
    assert [len(exceptions.of(environment)) for environment in ("production", "staging")] == [1, 2]
    assert exceptions.unused_services == ("glue", "kafka")


def test_what_the_scanner_says_is_counted_by_service() -> None:
    scan = read([told("PASS"), told("PASS", check="other"), told("MANUAL", check="asked"), told("FAIL", labels=("Name:first", "A:b"))], "")
    assert (scan.passed, scan.checks, scan.unread) == ({"s3": 2}, {"s3": {"bucket_public", "other"}}, [])
    assert scan.findings == [Finding("s3", "bucket_public", "arn:aws:s3:::one first", "high", "Bucket one is public.")]


def test_a_finding_of_a_lower_severity_than_its_check_is_left_out() -> None:
    assert read([told("FAIL", "Low")], "").findings == []


def test_what_the_scanner_could_not_read_is_a_finding_once_for_all_regions() -> None:
    line = '{"timestamp": "1", "filename": "%s", "level": "ERROR", "module": "%s", "message": "%s"}\n'
    page = line % ("rds_service.py:1", "rds_service", "%s -- Error[2]: <html>\nmore\n")
    broken = line % ("check.py:750", "check", 'bucket_public -- KeyError: "x"')
    unread = read([], page % "us-east-1" + page % "eu-west-1" + broken).unread
    assert [(one.service, one.check, one.resource) for one in unread] == [
        ("check", "unread", 'check.py:750 bucket_public -- KeyError: "x"'),
        ("rds", "unread", "rds_service.py:1 Error[2]: <html>"),
    ]


@pytest.mark.parametrize("known", KNOWN.exemptions, ids=lambda known: known.check)
def test_each_explanation_says_why_and_is_looked_at_again_within_a_year(known: Exemption) -> None:
    assert len(known.reason.split()) > 5
    assert known.until - datetime.now(UTC).date() <= timedelta(days=366)
    assert re.compile(known.resource)
    assert not re.fullmatch(known.resource, "arn:aws:any:us-east-1:123456789012:thing/of-anybody something"), "it names what it is about"
    assert set(known.environments) < {"development", "staging", "production"}

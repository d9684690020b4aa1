# SPDX-License-Identifier: GPL-3.0-or-later
"""Explanations of a scanner's findings hold for what they name, until their day, and only while something needs them."""

from __future__ import annotations

from datetime import date

import pytest

from tests.drill.posture.judgement import Exemption, Finding, judge

TODAY = date(2026, 7, 1)
FINDING = Finding("bucket_public", "arn:aws:s3:::one", "high", "Bucket one is public.")


def exemption(check: str = "bucket_public", resource: str = "arn:aws:s3:::.*", until: date = TODAY) -> Exemption:
    return Exemption(check, resource, "It serves the world.", until)


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

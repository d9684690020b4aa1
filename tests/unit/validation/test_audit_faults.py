# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults in what watches an account."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.indivillage.infra.plugins.plugin_utils.validation_audit import audit_problems
from hypothesis import given
from hypothesis import strategies as st

ROLES = Path(__file__).parents[3] / "roles"
DEFAULTS: dict[str, Any] = {
    name: value
    for role in ("aws_audit", "aws_keys", "aws_storage")
    for name, value in yaml.safe_load((ROLES / role / "defaults/main.yml").read_text()).items()
    if "{{" not in str(value)
}
VALUES: dict[str, Any] = {"stack_kind": "primary", **DEFAULTS}


def told(**changes: Any) -> list[tuple[str, str]]:
    found = list(audit_problems({**VALUES, **changes}))
    assert all(problem.fix for problem in found)
    return [(problem.variable, problem.text) for problem in found]


def rule(**changes: Any) -> dict[str, Any]:
    return {"name": "one", "identifier": "ENCRYPTED_VOLUMES", "control": "CIS", **changes}


def test_the_defaults_have_no_problem() -> None:
    assert told() == []


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("aws_audit_services", ["cloudtrail", "cloudtrail"], "names 'cloudtrail' twice"),
        ("aws_audit_bucket", "log", "names 'log', which is no bucket"),
        ("aws_audit_bucket", "quarantine", "lets nobody deliver"),
        ("aws_audit_trail_retention_days", 30, "cannot be 30"),
        ("aws_audit_trail_retention_days", 100, "cannot be 100"),
        ("aws_audit_trail_retention_days", 400, "the bucket deletes everything after 365"),
        ("aws_audit_trail_data_buckets", ["upload"], "names 'upload', which is no bucket"),
        ("aws_audit_trail_data_buckets", ["logs"], "would be an event of its own"),
        ("aws_audit_trail_key", "logs", "with which CloudTrail may not encrypt"),
        ("aws_audit_trail_key", "adit", "with which CloudTrail may not encrypt"),
        ("aws_audit_rules", [rule(), rule()], "two entries called 'one' (rule)"),
        ("aws_audit_rules", [rule(name="1_one")], "calls a rule '1_one'"),
        ("aws_audit_rules", [rule(identifier="encrypted-volumes")], "the identifier 'encrypted-volumes'"),
        ("aws_audit_rules", [rule(parameters={"maxAccessKeyAge": 90})], "no texts: maxAccessKeyAge"),
        ("aws_audit_packs", [{"name": "empty", "rules": []}], "has the pack 'empty' without a rule"),
        ("aws_audit_packs", [{"name": "x", "rules": [rule(), rule()]}], "two entries called 'one' (rule of x)"),
        ("aws_audit_packs", [{"name": "x y", "rules": [rule()]}], "calls a pack 'x y'"),
        ("aws_audit_detector_features", {"S3_DATA": True}, "'S3_DATA', which is no feature"),
        ("aws_audit_detector_features", {"S3_DATA_EVENTS": "often"}, "the value 'often'"),
        ("aws_audit_services", ["security_hub"], "security_hub without config"),
        ("aws_audit_standards", [], "would judge nothing"),
        ("aws_audit_standards", ["cis-aws-foundations-benchmark/v/3.0.0"] * 2, "names 'cis-aws-foundations-benchmark/v/3.0.0' twice"),
        ("aws_audit_standards", ["cis-aws-foundations-benchmark/v/9"], "which is no standard of Security Hub"),
        ("aws_audit_scanned", [], "would scan nothing"),
        ("aws_audit_scanned", ["EC2", "LAMBDA_CODE"], "LAMBDA_CODE without LAMBDA"),
        ("aws_audit_log_key", "audit", "with which CloudWatch may not encrypt"),
    ],
)
def test_a_fault_is_told(variable: str, value: Any, words: str) -> None:
    ((where, text),) = told(**{variable: value})
    assert where == variable
    assert words in text


def test_another_region_has_no_trail() -> None:
    buckets = [{"name": "logs-dr", "receives_logs": True}]
    assert told(stack_kind="dr", aws_audit_bucket="logs-dr", aws_storage_buckets=buckets, aws_audit_trail_retention_days=1) == []


def test_a_global_stack_has_no_bucket() -> None:
    assert told(stack_kind="global", aws_audit_bucket="nothing") == []


LEAF = st.none() | st.integers(-1, 1) | st.sampled_from(["", "x"])
ANYTHING = LEAF | st.lists(LEAF | st.fixed_dictionaries({"name": LEAF, "purpose": LEAF}), max_size=2) | st.fixed_dictionaries({"x": LEAF})


@given(st.dictionaries(st.sampled_from(sorted(VALUES)), ANYTHING, max_size=3))
def test_values_of_a_wrong_type_are_passed_over(changes: dict[str, Any]) -> None:
    told(**changes)

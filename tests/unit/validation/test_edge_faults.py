# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of the edge that AWS would only tell half way through a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.indivillage.infra.plugins.plugin_utils.validation import Catalogue, Stack, find_problems
from ansible_collections.indivillage.infra.plugins.plugin_utils.validation_edge import COUNTRIES, edge_problems
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).parents[3]
LAYERS = ("aws_load_balancing", "aws_edge")
ORIGIN = {"name": "primary", "region": "us-east-1", "assets_bucket": "static-assets"}
RULE = {"name": "rate", "priority": 40, "rate_limit": 3000}
VALUES: dict[str, Any] = {
    "domain_name": "staging.indivillage.com",
    "primary_region": "us-east-1",
    "dr_region": "us-west-2",
    "aws_edge_site_names": ["staging.indivillage.com", "www.staging.indivillage.com"],
    "aws_edge_origins": [ORIGIN, {"name": "dr", "region": "us-west-2", "assets_bucket": "static-assets-replica"}],
    "aws_edge_firewall_rules": [{"name": "common", "priority": 10, "managed_group": "AWSManagedRulesCommonRuleSet"}, RULE],
    "aws_edge_allowed_countries": ["US", "IN"],
    "aws_edge_paths": [{"path": "/static/*", "kind": "assets"}, {"path": "/api/*", "kind": "api"}],
    "aws_edge_error_seconds": {"404": 10},
}


def told(layers: tuple[str, ...] = LAYERS, **changes: Any) -> list[tuple[str, str]]:
    found = list(edge_problems({**VALUES, **changes}, layers))
    assert all(problem.fix for problem in found)
    return [(problem.variable, problem.text) for problem in found]


def test_a_sound_edge_has_no_problem() -> None:
    assert told() == []


def test_the_defaults_of_the_role_have_no_problem() -> None:
    defaults = yaml.safe_load((ROOT / "roles/aws_edge/defaults/main.yml").read_text())
    plain = {name: value for name, value in defaults.items() if "{{" not in str(value)}
    assert told(**plain) == []


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("aws_edge_site_names", ["indivillage.com"], "not in the zone staging.indivillage.com"),
        ("aws_edge_site_names", ["otherstaging.indivillage.com"], "not in the zone"),
        ("aws_edge_site_names", ["staging.staging.indivillage.com"], "says staging twice"),
        ("aws_edge_site_names", ["a.b.staging.indivillage.com"], "does not cover"),
        ("aws_edge_site_names", ["staging.indivillage.com"] * 2, "twice"),
        ("aws_edge_origins", [], "has 0 entries"),
        ("aws_edge_origins", [{**ORIGIN, "name": f"o{number}", "region": f"us-east-{number}"} for number in range(3)], "has 3 entries"),
        ("aws_edge_origins", [ORIGIN, {**ORIGIN, "name": "other"}], "whose region is 'us-east-1'"),
        ("aws_edge_origins", [ORIGIN, {**ORIGIN, "region": "us-west-2"}], "whose name is 'primary'"),
        ("aws_edge_origins", [{**ORIGIN, "region": "eu-west-1"}], "where no stack is"),
        ("aws_edge_origins", [{**ORIGIN, "name": "Primary One"}], "calls an origin"),
        ("aws_edge_origins", [{**ORIGIN, "name": "failover"}], "calls an origin"),
        ("aws_edge_firewall_rules", [{**RULE, "rate_limit": 9}], "to 9 requests"),
        ("aws_edge_firewall_rules", [{**RULE, "rate_limit": 2_000_000_001}], "to 2000000001 requests"),
        ("aws_edge_firewall_rules", [{"name": "xss", "priority": 30, "managed_group": "AWSManagedRulesXSSRuleSet"}], "AWS does not have"),
        ("aws_edge_firewall_rules", [RULE, {**RULE, "name": "other"}], "whose priority is 40"),
        ("aws_edge_firewall_rules", [RULE, {**RULE, "priority": 41}], "whose name is 'rate'"),
        ("aws_edge_firewall_rules", [{"name": "x", "priority": 1}], "neither"),
        ("aws_edge_firewall_rules", [{**RULE, "managed_group": "AWSManagedRulesSQLiRuleSet"}], "both"),
        ("aws_edge_firewall_rules", [{**RULE, "counted_rules": ["A"]}], "counted_rules"),
        ("aws_edge_allowed_countries", ["USA"], "'USA', which is no country"),
        ("aws_edge_allowed_countries", ["us"], "'us', which is no country"),
        ("aws_edge_allowed_countries", ["UK"], "'UK', which is no country"),
        ("aws_edge_denied_countries", ["RU"], "together with aws_edge_allowed_countries"),
        ("aws_edge_paths", [{"path": "static/*", "kind": "assets"}], "'static/*'"),
        ("aws_edge_paths", [{"path": "/*", "kind": "pages"}, {"path": "/api/*", "kind": "api"}], "behind /*"),
        ("aws_edge_paths", [{"path": "/api/*", "kind": "api"}] * 2, "twice"),
        ("aws_edge_health_path", "health", "is 'health'"),
        ("aws_edge_health_failures", 0, "is 0"),
        ("aws_edge_health_failures", 11, "is 11"),
        ("aws_edge_validation_ttl_seconds", -1, "is -1"),
        ("aws_edge_hsts_seconds", -1, "is -1"),
        ("aws_edge_firewall_log_retention_days", 31, "is 31"),
        ("aws_edge_error_seconds", {"418": 10}, "status 418"),
        ("aws_edge_origin_header", "X-Amz-Mine", "does not add"),
        ("aws_edge_origin_header", "not a header", "does not add"),
        ("aws_edge_shield_advanced_price_accepted", True, "Shield Advanced, which is off"),
    ],
)
def test_a_fault_is_told_with_its_variable(variable: str, value: Any, words: str) -> None:
    found = told(**{variable: value})
    assert {name for name, _text in found} == {variable}
    assert any(words in text for _name, text in found)


def test_another_primary_region_is_told() -> None:
    assert told(primary_region="eu-west-1", aws_edge_origins=None)[0][0] == "stack_parts"


REQUESTED = {"public": {"domain_names": ["staging.indivillage.com", "*.staging.indivillage.com"]}, "internal": {"arn": "arn:x"}}


@pytest.mark.parametrize(
    ("layers", "certificates", "words"),
    [
        (("aws_load_balancing",), None, "is not set"),
        (("aws_load_balancing",), REQUESTED, "nothing proves to ACM"),
        (LAYERS, {"public": {"domain_names": ["indivillage.com"]}}, "has no proof"),
        (LAYERS, {"public": {"domain_names": ["www.staging.indivillage.com"]}}, "has no proof"),
    ],
)
def test_a_certificate_that_would_never_be_issued_is_told(layers: tuple[str, ...], certificates: Any, words: str) -> None:
    ((variable, text),) = told(layers, aws_load_balancing_certificates=certificates)
    assert variable == "aws_load_balancing_certificates"
    assert words in text


def test_certificates_that_can_be_issued_or_are_given_have_no_problem() -> None:
    assert told(aws_load_balancing_certificates=REQUESTED) == []
    assert told(("aws_load_balancing",), aws_load_balancing_certificates={"public": {"arn": "arn:x"}, "internal": {"arn": "arn:y"}}) == []


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("aws_edge_price_class", "PriceClass_300", "PriceClass_100"),
        ("aws_edge_minimum_tls", "TLSv1.2_2018", "TLSv1.3_2025"),
        ("aws_edge_health_interval_seconds", 20, "10, 30"),
        ("aws_edge_paths", [{"path": "/x", "kind": "files"}], "assets, pages, api"),
        ("aws_edge_firewall_rules", [{**RULE, "window_seconds": 90}], "60, 120, 300, 600"),
        ("aws_edge_origins", [{"name": "primary", "region": "us-east-1"}], "assets_bucket"),
    ],
)
def test_what_is_none_of_the_choices_is_told(variable: str, value: Any, words: str) -> None:
    specification = yaml.safe_load((ROOT / "roles/aws_edge/meta/argument_specs.yml").read_text())["argument_specs"]
    options = {name: option for entry in specification.values() for name, option in entry["options"].items()}
    catalogue = Catalogue({}, {"aws_edge": options})

    stack = Stack("s", layers=["aws_edge"], values={variable: value}, defaults=options)

    problems = [problem for problem in find_problems([stack], catalogue) if "where no stack is" not in problem.text]

    assert [problem.variable for problem in problems] == [variable]
    assert words in problems[0].text


def test_there_are_as_many_countries_as_there_are() -> None:
    assert len(COUNTRIES) == 249
    assert all(country.isalpha() and country.isupper() for country in COUNTRIES)


@given(st.dictionaries(st.sampled_from(sorted(VALUES)), st.none() | st.integers() | st.text() | st.lists(st.integers() | st.text())))
def test_values_of_any_type_are_passed_over(changes: dict[str, Any]) -> None:
    list(edge_problems({**VALUES, **changes}, LAYERS))

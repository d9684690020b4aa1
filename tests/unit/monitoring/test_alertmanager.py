# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is told: ways that lead to nobody are refused, secrets stay in their files, and what explains an alert silences it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from ansible_collections.indivillage.infra.plugins.plugin_utils.alertmanager import alertmanager_configuration
from ansible_collections.indivillage.infra.plugins.plugin_utils.monitoring import MonitoringError

CHANNELS: dict[str, Any] = {
    "page": {"kind": "pagerduty", "secret": "pagerduty", "url": "https://events.example.com/v2/enqueue"},
    "chat": {"kind": "slack", "to": "#incidents", "secret": "slack"},
    "mail": {"kind": "mail", "to": "ops@example.com"},
}
HOURS = {"business": {"weekdays": ["monday:friday"], "from": "09:00", "to": "18:00", "time_zone": "Asia/Kolkata"}}
ROUTES: dict[str, Any] = {
    "critical": {"channels": ["page", "chat", "mail"], "unresolved": {"minutes": 60, "channels": ["mail"]}},
    "high": {"channels": ["chat", "mail"], "hours": "business"},
    "medium": {"channels": ["chat"], "hours": "business"},
    "low": {"channels": []},
}
MAIL = {"smarthost": "smtp.example.com:587", "from": "alerts@example.com"}


def made(catalogue: list[dict[str, Any]] | None = None, **changes: Any) -> dict[str, Any]:
    parts = {"routes": ROUTES, "channels": CHANNELS, "hours": HOURS, "mail": MAIL, **changes}
    return alertmanager_configuration(parts["routes"], parts["channels"], parts["hours"], parts["mail"], catalogue or [], "/secrets")


def test_routes_go_by_severity_and_wait_for_their_hours() -> None:
    routes = {route["receiver"]: route for route in made()["route"]["routes"]}

    assert list(routes) == ["critical-unresolved", "critical", "high", "medium", "low"], "what escalates comes first"
    assert {name: route.get("active_time_intervals") for name, route in routes.items()} == {
        **{"critical-unresolved": None, "critical": None, "high": ["business"], "medium": ["business"], "low": None}
    }


def test_receivers_name_the_files_of_their_secrets() -> None:
    receivers = {receiver["name"]: receiver for receiver in made()["receivers"]}

    assert receivers["critical"]["pagerduty_configs"][0]["routing_key_file"] == "/secrets/pagerduty"
    assert receivers["critical"]["pagerduty_configs"][0]["url"] == "https://events.example.com/v2/enqueue"
    assert receivers["medium"]["slack_configs"][0]["api_url_file"] == "/secrets/slack"
    assert receivers["low"] == {"name": "low"}


def test_a_mail_server_may_want_a_name_and_a_password() -> None:
    assert "smtp_auth_username" not in made()["global"]
    said = made(mail={**MAIL, "user": "alerts", "secret": "smtp", "require_tls": False})["global"]
    assert said["smtp_auth_password_file"] == "/secrets/smtp"
    assert said["smtp_require_tls"] is False


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"routes": {key: route for key, route in ROUTES.items() if key != "medium"}}, "has no way for alerts of severity medium"),
        ({"routes": {**ROUTES, "urgent": {"channels": []}}}, "has a way for the severity urgent, which no alert has"),
        ({"routes": {**ROUTES, "low": {"channels": ["fax"]}}}, "tells low to fax, which is no channel"),
        ({"routes": {**ROUTES, "low": {"channels": [], "unresolved": {"minutes": 1, "channels": ["boss"]}}}}, "tells low to boss"),
        ({"hours": {}}, "tells high in the hours business, which nobody declares"),
    ],
)
def test_a_way_that_leads_to_nobody_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(MonitoringError, match=words):
        made(**changes)


def silenced(found: dict[str, Any], source: dict[str, str], target: dict[str, str]) -> bool:
    """Whether a firing source holds back a target, by Alertmanager's rules: matchers of both, and equal labels."""

    def matches(matchers: list[str], labels: dict[str, str]) -> bool:
        return all(_matches(matcher, labels) for matcher in matchers)

    return any(
        matches(rule["source_matchers"], source)
        and matches(rule["target_matchers"], target)
        and all(source.get(label, "") == target.get(label, "") for label in rule["equal"])
        for rule in found["inhibit_rules"]
    )


def _matches(matcher: str, labels: dict[str, str]) -> bool:
    parts = re.fullmatch(r'(\w+)(=~|!=|=)(".*")', matcher)
    assert parts, matcher
    value, wanted = labels.get(parts[1], ""), json.loads(parts[3])
    return {"=~": bool(re.fullmatch(wanted, value)), "=": value == wanted, "!=": value != wanted}[parts[2]]


REGION = {"name": "region-down", "prometheus": {"silences": {"same": "region"}}}
DISK = {"name": "disk-full", "prometheus": {"silences": {"same": "instance", "alerts": ["disk"]}}}


@pytest.mark.parametrize(
    ("target", "held"),
    [
        ({"alertname": "host-down", "instance": "i-1", "region": "a"}, True),
        ({"alertname": "host-down", "instance": "i-2", "region": "b"}, False),
        ({"alertname": "region-down", "region": "a"}, False),
        ({"alertname": "page-unreachable", "instance": "p"}, False),  # of no region
        ({"alertname": "unresolved", "unresolved": "host-down", "region": "a"}, True),
        ({"alertname": "unresolved", "unresolved": "region-down", "region": "a"}, False),  # its own escalation is told
    ],
)
def test_a_dead_region_silences_its_hosts_and_nothing_else(target: dict[str, str], held: bool) -> None:
    assert silenced(made([REGION]), {"alertname": "region-down", "region": "a"}, target) is held


@pytest.mark.parametrize(("alert", "instance", "held"), [("disk", "i-1", True), ("disk", "i-2", False), ("cpu", "i-1", False)])
def test_a_worse_alert_silences_the_milder_one_of_the_same_host(alert: str, instance: str, held: bool) -> None:
    assert silenced(made([DISK]), {"alertname": "disk-full", "instance": "i-1"}, {"alertname": alert, "instance": instance}) is held


def test_a_faster_burning_objective_silences_the_slower_ones() -> None:
    burns = {"alertname": "site-burns", "slo": "site"}
    assert silenced(made(), {**burns, "severity": "high"}, {**burns, "severity": "low"})
    assert not silenced(made(), {**burns, "severity": "low"}, {**burns, "severity": "high"})
    assert not silenced(made(), {**burns, "severity": "high"}, {"alertname": "api-burns", "slo": "api", "severity": "low"})

# SPDX-License-Identifier: GPL-3.0-or-later
"""Which connections prove the flows, and which must be refused whatever the flows say."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.indivillage.infra.plugins.filter.connection_checks import connection_checks

ROOT = Path(__file__).parents[3]
NETWORK = yaml.safe_load((ROOT / "inventories/_base/group_vars/network.yml").read_text())
VERIFY = yaml.safe_load((ROOT / "roles/verify/defaults/main.yml").read_text())
ENDPOINTS = [
    {"group": "web", "name": "web-1", "host": "10.0.10.4"},
    {"group": "app", "name": "app-1", "host": "10.0.20.4"},
    {"group": "bastion", "name": "bastion-1", "host": "10.0.0.4"},
    {"group": "monitoring", "name": "monitoring-1", "host": "10.0.20.5"},
    {"group": "database", "name": "database", "host": "db.internal"},
    {"group": "cache", "name": "cache", "host": "cache.internal"},
    {"group": "internal_load_balancer", "name": "internal load balancer", "host": "lb.internal"},
]


def expected(*sources: str, flows: list[dict[str, str]] | None = None, own_address: str = "") -> dict[str, str]:
    checks = connection_checks(
        NETWORK["security_flows"] if flows is None else flows,
        sources,
        ENDPOINTS,
        VERIFY["verify_listening"],
        NETWORK["ports"],
        VERIFY["verify_refused"],
        own_address,
    )
    return {check["name"].partition(" on ")[0]: check["expected"] for check in checks}


def test_the_web_tier_reaches_the_internal_load_balancer_and_nothing_behind_it() -> None:
    assert expected("web", own_address="10.0.10.4") == {
        "web -> app:app": "blocked",
        "web -> app:ssh": "blocked",
        "web -> app:node_exporter": "blocked",
        "web -> app:app_metrics": "blocked",
        "web -> bastion:ssh": "blocked",
        "web -> bastion:node_exporter": "blocked",
        "web -> monitoring:ssh": "blocked",
        "web -> monitoring:prometheus": "blocked",
        "web -> monitoring:alertmanager": "blocked",
        "web -> monitoring:node_exporter": "blocked",
        "web -> database:postgresql": "blocked",
        "web -> cache:redis": "blocked",
        "web -> internal_load_balancer:https": "open",
    }


def test_the_app_tier_reaches_its_data_and_not_the_bastion() -> None:
    found = expected("app", own_address="10.0.20.4")
    assert (found["app -> database:postgresql"], found["app -> cache:redis"]) == ("open", "open")
    assert found["app -> bastion:ssh"] == "blocked"


def test_the_monitoring_host_reaches_metrics_and_nothing_else() -> None:
    found = expected("monitoring", own_address="10.0.20.5")
    assert {name for name, outcome in found.items() if outcome == "open"} == {
        "monitoring -> web:node_exporter",
        "monitoring -> web:nginx_exporter",
        "monitoring -> app:node_exporter",
        "monitoring -> app:app_metrics",
        "monitoring -> database:postgresql",
        "monitoring -> cache:redis",
        "monitoring -> bastion:node_exporter",
    }


def test_the_bastion_reaches_every_host_by_ssh() -> None:
    found = expected("bastion", own_address="10.0.0.4")
    assert {name for name, outcome in found.items() if outcome == "open"} == {
        "bastion -> web:ssh",
        "bastion -> app:ssh",
        "bastion -> monitoring:ssh",
        "bastion -> monitoring:prometheus",
        "bastion -> monitoring:alertmanager",
        "bastion -> database:postgresql",
    }


def test_the_outside_reaches_the_bastion_only_as_an_administrator() -> None:
    assert "open" not in expected("internet").values()
    assert [name for name, outcome in expected("internet", "administrators").items() if outcome == "open"] == ["internet -> bastion:ssh"]


@pytest.mark.parametrize(
    ("source", "destination", "port"),
    [
        ("web", "database", "postgresql"),
        ("web", "cache", "redis"),
        ("internet", "app", "app"),
        ("app", "bastion", "ssh"),
        ("web", "app", "ssh"),
    ],
)
def test_a_flow_that_must_never_be_is_found_out(source: str, destination: str, port: str) -> None:
    """Someone adds it to the table: the verification still expects it to be blocked, and fails."""
    mistaken = [{"name": "mistake", "source": source, "destination": destination, "port": port}]
    assert expected(source, flows=mistaken)[f"{source} -> {destination}:{port}"] == "blocked"


def test_a_group_or_port_that_no_table_knows_is_named() -> None:
    endpoint = [{"group": "mail", "name": "m", "host": "h"}]
    arguments: dict[str, Any] = {"flows": [], "sources": ["web"], "endpoints": endpoint, "ports": {"ssh": 22}}
    with pytest.raises(AnsibleFilterError, match="mail"):
        connection_checks(**arguments, listening={})
    with pytest.raises(AnsibleFilterError, match="smtp"):
        connection_checks(**arguments, listening={"mail": ["smtp"]})

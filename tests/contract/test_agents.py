# SPDX-License-Identifier: GPL-3.0-or-later
"""Names that agents on hosts use are those that the topology makes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
HOSTS, MONITORING, NETWORK = (
    yaml.safe_load((ROOT / f"inventories/_base/group_vars/{name}.yml").read_text()) for name in ("hosts", "monitoring", "network")
)
STREAMS: list[dict[str, Any]] = HOSTS["cloudwatch_agent_log_streams"]


def test_every_log_group_of_the_hosts_gets_records_and_no_other_is_written() -> None:
    assert {stream["log_group_name"] for stream in STREAMS} == {group["name"] for group in MONITORING["aws_monitoring_log_groups"]}


def test_every_tier_with_an_image_has_log_streams_into_a_group_of_its_name() -> None:
    assert {stream["tier"] for stream in STREAMS} == set(HOSTS["aws_images_recipes"])
    assert all(stream["log_group_name"].endswith(f"-{stream['tier']}") for stream in STREAMS)


@pytest.mark.parametrize("stream", STREAMS, ids=lambda stream: stream["tier"])
def test_the_units_whose_records_are_sent_are_those_of_the_tiers_roles(stream: dict[str, Any]) -> None:
    roles = HOSTS["aws_images_recipes"][stream["tier"]]["roles"]
    texts = [path.read_text() for role in roles for path in (ROOT / "roles" / role / "tasks").glob("*.yml")]
    assert all(any(f"name: {unit}" in text for text in texts) for unit in stream["units"])


def test_the_level_that_is_counted_is_one_that_the_application_writes() -> None:
    (counted,) = [entry for entry in MONITORING["aws_monitoring_metric_filters"] if entry["name"] == "application-errors"]
    assert '"level": record.levelname.lower()' in (ROOT / "roles/app_tier/templates/gunicorn.conf.py.j2").read_text()
    assert '$.level = "error"' in counted["pattern"]


def test_metrics_are_scraped_at_the_port_that_the_firewall_of_every_tier_opens() -> None:
    assert HOSTS["node_exporter_port"] == "{{ ports.node_exporter }}"
    (rule,) = [rule for rule in HOSTS["hardening_firewall_ports"] if rule["port"] == "{{ ports.node_exporter }}"]
    assert "tier" not in rule
    assert "node_exporter" in NETWORK["ports"]


def test_a_host_is_configured_as_its_image_is_baked() -> None:
    play = next(
        play for play in yaml.safe_load((ROOT / "playbooks/configure_hosts.yml").read_text()) if play["name"] == "Configure the instances"
    )
    order = [entry["role"].rpartition(".")[2] for entry in play["roles"]]
    special = {entry["role"].rpartition(".")[2]: entry["when"] for entry in play["roles"] if "when" in entry}
    for tier, recipe in HOSTS["aws_images_recipes"].items():
        own = f"'role_{tier}' in group_names"
        assert [role for role in order if special.get(role, own) == own] == recipe["roles"]

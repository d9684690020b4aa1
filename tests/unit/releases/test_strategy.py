# SPDX-License-Identifier: GPL-3.0-or-later
"""How a release gets onto the hosts: as a run is told, otherwise as declared. AWX gives what nobody answered as an empty text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

ROOT = Path(__file__).parents[3]
DEFAULTS = yaml.safe_load((ROOT / "roles/app_release/defaults/main.yml").read_text())
DECLARED = {"strategy": "blue_green", "canary_percentage": 10, "canary_minutes": 10, "gate_minutes": 1}


@pytest.mark.parametrize(
    ("inputs", "name", "value"),
    [
        ({}, "strategy", "blue_green"),
        ({"release_strategy": ""}, "strategy", "blue_green"),
        ({"release_strategy": "rolling"}, "strategy", "rolling"),
        ({}, "canary_percentage", "10"),
        ({"release_canary_percentage": ""}, "canary_percentage", "10"),
        ({"release_canary_percentage": 0}, "canary_percentage", "0"),
        ({"release_canary_percentage": "0"}, "canary_percentage", "0"),
        ({"release_canary_minutes": "30"}, "canary_minutes", "30"),
        ({"release_gate_minutes": ""}, "gate_minutes", "1"),
    ],
)
def test_what_a_run_is_not_told_the_environment_declares(inputs: dict[str, Any], name: str, value: str) -> None:
    templar = Templar(loader=DataLoader(), variables={"release_rollout": DECLARED, **inputs})
    assert str(templar.template(trust_as_template(DEFAULTS[f"app_release_{name}"]))) == value


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_where_a_tier_is_doubled_there_is_room_for_it(environment: str) -> None:
    declared = yaml.safe_load((ROOT / f"inventories/{environment}/group_vars/all/10_environment.yml").read_text())
    app = declared["aws_compute_tiers"]["app"]
    assert declared["release_rollout"]["strategy"] == "blue_green"
    assert app["max"] >= 2 * app["desired"]

# SPDX-License-Identifier: GPL-3.0-or-later
"""The order in which builders get the roles of their images."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import yaml

from tests.support.playbooks import ROOT

RECIPES = {
    "web": {"roles": ["base", "web_tier", "host_secrets", "hardening"]},
    "app": {"roles": ["base", "app_tier", "host_secrets", "hardening"]},
    "monitoring": {"roles": ["base", "host_secrets", "prometheus", "hardening"]},
}
BUILDERS = {f"{tier}-{number}": {"instance_tier": tier} for number in range(3) for tier in RECIPES}


def test_builders_of_several_tiers_get_their_roles_in_the_order_of_their_recipes(tmp_path: Path) -> None:
    (block, *_others) = yaml.safe_load((ROOT / "roles/aws_images/tasks/prepare.yml").read_text())
    (applied,) = (task for task in block["block"] if "ansible.builtin.include_role" in task)
    role = applied["ansible.builtin.include_role"]["name"]
    (tmp_path / "role.yml").write_text(yaml.safe_dump([{"ansible.builtin.debug": {"msg": f"{{{{ inventory_hostname }}}} gets {role}."}}]))
    include = {"ansible.builtin.include_tasks": "role.yml", "loop": applied["loop"], "loop_control": applied["loop_control"]}
    play = {"hosts": "all", "gather_facts": False, "strategy": "ansible.builtin.free", "connection": "local"}
    (tmp_path / "play.yml").write_text(yaml.safe_dump([{**play, "vars": {"aws_images_recipes": RECIPES}, "tasks": [include]}]))
    (tmp_path / "hosts.yml").write_text(json.dumps({"all": {"hosts": BUILDERS}}))
    # With a pause between two looks the results of several builders are always there at once.
    environment = os.environ | {"ANSIBLE_INTERNAL_POLL_INTERVAL": "1"}
    program = Path(sys.executable).with_name("ansible-playbook")
    command = [str(program), str(tmp_path / "play.yml"), "-i", str(tmp_path / "hosts.yml"), "-f", "20"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr

    for builder, variables in BUILDERS.items():
        applied_roles = re.findall(rf"{builder} gets indivillage\.infra\.(\w+)\.", done.stdout)
        assert applied_roles == RECIPES[variables["instance_tier"]]["roles"]

# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Let a job of AWX find the instances that it makes itself."""

from __future__ import annotations

DOCUMENTATION = r"""
name: instances_source
type: aggregate
short_description: Read instances anew in a job whose inventory was imported
version_added: 0.2.0
author:
  - IndiVillage platform team (@indivillage)
description:
  - The inventory of a job of AWX is what was imported before it started, in a file of its own. M(ansible.builtin.meta) with
    C(refresh_inventory) reads the same again, without the instances that the job has made since.
  - This adds C(inventories/<environment_name>/instances.yml) of the checkout to the sources that are read at a refresh. At the start
    nothing is read from it.
  - Does nothing where ansible-runner did not start the run, since the sources are then what was typed.
requirements:
  - Enabled by C(callbacks_enabled) in C(ansible.cfg).
"""

import os
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase

ROOT = Path(__file__).resolve().parents[2]
STARTED_BY_RUNNER = "AWX_ISOLATED_DATA_DIR"


class CallbackModule(CallbackBase):
    """Works in Ansible's own process, the only one that has the inventory itself."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "indivillage.infra.instances_source"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self.disabled = STARTED_BY_RUNNER not in os.environ

    def v2_playbook_on_play_start(self, play: Any) -> None:
        variables = play.get_variable_manager()
        inventory = variables._inventory  # not public; the plan's callback needs it as well
        stacks = inventory.get_hosts("stacks") if "stacks" in inventory.groups else []
        if not stacks:
            return
        environment = variables.get_vars(host=stacks[0], include_hostvars=False).get("environment_name", "")
        source = ROOT / "inventories" / str(environment) / "instances.yml"
        if source.is_file() and str(source) not in inventory._sources:
            inventory._sources = (*inventory._sources, str(source))

# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Load once, in Ansible's own process, what the process of every single task would load again."""

from __future__ import annotations

DOCUMENTATION = r"""
name: warm_start
type: aggregate
short_description: Load plugins once instead of once a task
version_added: 0.2.0
author: IndiVillage platform team
description:
  - Ansible runs each task in a process that it forks, and loads plugins only there, again for every task on every host. This callback
    loads, before the first task, those that nearly every task of a stack needs, so that the forks have them.
  - It prints nothing and changes no result. A plugin that it does not find is left to the tasks.
requirements:
  - Enabled by C(callbacks_enabled) in C(ansible.cfg).
"""

import gc
from contextlib import suppress
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase
from ansible.plugins.loader import action_loader, connection_loader, filter_loader, lookup_loader, shell_loader, test_loader

COLLECTION = "indivillage.infra"
# One of each file: what a file defines beside it is loaded with it.
FILTERS = ("combine", "union", "urlsplit", "urldecode", "vault")
TESTS = ("match", "contains", "exists", "uri")
PLUGINS: tuple[tuple[Any, tuple[str, ...]], ...] = (
    (filter_loader, tuple(f"ansible.builtin.{name}" for name in FILTERS)),
    (test_loader, tuple(f"ansible.builtin.{name}" for name in TESTS)),
    (lookup_loader, ("ansible.builtin.env", "ansible.builtin.file")),
    (action_loader, ("ansible.legacy.normal", "ansible.builtin.validate_argument_spec", "ansible.builtin.set_fact", f"{COLLECTION}.each")),
    (connection_loader, (f"{COLLECTION}.aws_worker",)),
    (shell_loader, ("ansible.builtin.sh",)),
)


class CallbackModule(CallbackBase):
    """Does its work when a playbook starts, in the process from which all tasks are forked."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "indivillage.infra.warm_start"
    CALLBACK_NEEDS_ENABLED = True

    def v2_playbook_on_start(self, playbook: Any) -> None:
        """Load the plugins."""
        own = Path(__file__).parents[1] / "filter"
        filters = tuple(f"{COLLECTION}.{path.stem}" for path in own.glob("*.yml"))
        for loader, names in (*PLUGINS, (filter_loader, filters)):
            for name in names:
                with suppress(Exception):  # the task that needs it reports it
                    loader.get(name, class_only=True)

    def v2_playbook_on_play_start(self, play: Any) -> None:
        """Keep the garbage collectors of the forks from touching, and so copying, the memory of what is loaded."""
        gc.collect()
        gc.freeze()

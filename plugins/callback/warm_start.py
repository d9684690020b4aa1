# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Do once, in Ansible's own process, what the process of every single task would do again."""

from __future__ import annotations

DOCUMENTATION = r"""
name: warm_start
type: aggregate
short_description: Load plugins once instead of once a task, fork for few tasks, and keep what was packed and compiled from run to run
version_added: 0.2.0
author:
  - IndiVillage platform team (@indivillage)
description:
  - Ansible runs each task in a process that it forks, and loads plugins only there, again for every task on every host. This callback
    loads, before the first task, those that nearly every task of a stack needs, so that the forks have them.
  - Ansible packs each module with the code that it needs, once a run, at a third of a second each. What it has packed is kept in
    C(packed) in Ansible's home directory, for as long as none of the files that go into it changes. Arguments are no part of it.
  - Ansible prepares all variables of a host for each template, and looks filters and tests up anew. Both are done once, as long as the
    variables stay as they are.
  - Ansible compiles a template each time a task needs it. What it has compiled is kept beside, from task to task and from run to run.
    Values are no part of it, and templates out of a vault are not kept.
  - Tasks that only evaluate something, or that the aws_worker connection runs, need no process of their own here, and neither do those that
    are skipped. Ansible's own does them, one after another but for what they wait for.
  - It prints nothing and changes no result. What it cannot load or keep is left to the tasks, as everything is with a version of
    ansible-core other than those it has been tested with.
requirements:
  - Enabled by C(callbacks_enabled) in C(ansible.cfg).
"""

import gc
from contextlib import suppress
from pathlib import Path
from typing import Any

import ansible.constants as C  # noqa: N812  # the name that all of Ansible uses
from ansible.plugins.callback import CallbackBase
from ansible.plugins.loader import action_loader, connection_loader, filter_loader, lookup_loader, shell_loader, test_loader
from ansible_collections.indivillage.infra.plugins.plugin_utils import core_version

if core_version.is_supported():
    from ansible_collections.indivillage.infra.plugins.connection import aws_worker
    from ansible_collections.indivillage.infra.plugins.plugin_utils import core_repetitions, unforked_tasks
    from ansible_collections.indivillage.infra.plugins.plugin_utils.kept_templates import KeptTemplates
    from ansible_collections.indivillage.infra.plugins.plugin_utils.packed_cache import PackedCache

COLLECTION = "indivillage.infra"
# One of each file: what a file defines beside it is loaded with it.
FILTERS = ("combine", "union", "urlsplit", "urldecode", "vault")
TESTS = ("match", "contains", "exists", "uri")
ACTIONS = ("ansible.legacy.normal", "ansible.builtin.validate_argument_spec", "ansible.builtin.set_fact", f"{COLLECTION}.each")
PLUGINS: tuple[tuple[Any, tuple[str, ...]], ...] = (
    (filter_loader, tuple(f"ansible.builtin.{name}" for name in FILTERS)),
    (test_loader, tuple(f"ansible.builtin.{name}" for name in TESTS)),
    (lookup_loader, ("ansible.builtin.env", "ansible.builtin.file")),
    (action_loader, ACTIONS),
    (connection_loader, (f"{COLLECTION}.aws_worker",)),
    (shell_loader, ("ansible.builtin.sh",)),
)


class CallbackModule(CallbackBase):
    """Does its work in the process from which all tasks are forked."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "indivillage.infra.warm_start"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._packed: PackedCache | None = None
        self._templates: KeptTemplates | None = None
        self._has_worker = False

    def v2_playbook_on_start(self, playbook: Any) -> None:
        """Load the plugins, and take over what earlier runs have packed and compiled."""
        if not core_version.is_supported():
            return
        for loader, names in PLUGINS:
            for name in names:
                with suppress(Exception):  # the task that needs it reports it
                    loader.get(name, class_only=True)
        core_repetitions.hand_over()
        unforked_tasks.hand_over()
        with suppress(OSError, ImportError):
            self._packed = PackedCache.of_this_code()
            self._packed.hand_over()
            self._templates = KeptTemplates(self._packed.kept, Path(C.DEFAULT_LOCAL_TMP))
            self._templates.hand_over()

    def v2_playbook_on_play_start(self, play: Any) -> None:
        """Begin the worker's server, and keep the forks' garbage collectors from touching, and so copying, the memory of what is loaded."""
        gc.freeze()
        if core_version.is_supported() and not self._has_worker and is_of_stacks(play):
            self._has_worker = True
            aws_worker.begin()

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """Keep what this run has packed and compiled."""
        if self._packed and self._templates:
            with suppress(OSError):
                self._packed.take_over()
                self._templates.take_over()


def is_of_stacks(play: Any) -> bool:
    """Whether the first host of a play is one whose modules the worker runs; they are all of one kind."""
    manager = play.get_variable_manager()
    hosts = manager._inventory.get_hosts(play.hosts)
    if not hosts:
        return False
    variables = manager.get_vars(play=play, host=hosts[0])
    return unforked_tasks.is_workers(variables.get("ansible_connection", ""), play.get_loader(), variables)

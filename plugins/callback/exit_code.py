# Copyright: IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ends a run with the exit code that a playbook has chosen."""

from __future__ import annotations

DOCUMENTATION = r"""
name: exit_code
type: aggregate
short_description: End a run with the exit code that a playbook has chosen
version_added: 0.2.0
author:
  - IndiVillage platform team (@indivillage)
description:
  - A scheduler tells results apart by their exit code, of which Ansible has one for every failure. A playbook that has ended well chooses
    another one with M(ansible.builtin.set_stats), under the key C(exit_code). A run that failed keeps Ansible's own.
requirements:
  - enabled by name in C(callbacks_enabled), as the last but P(indivillage.infra.plan#callback), since it ends the run
"""

from typing import TYPE_CHECKING

from ansible.plugins.callback import CallbackBase

if TYPE_CHECKING:
    from ansible.executor.stats import AggregateStats


class CallbackModule(CallbackBase):
    """Looks at the statistics alone."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "indivillage.infra.exit_code"
    CALLBACK_NEEDS_ENABLED = True

    def v2_playbook_on_stats(self, stats: AggregateStats) -> None:
        code = stats.custom.get("_run", {}).get("exit_code")
        if code and not (stats.failures or stats.dark):
            raise SystemExit(int(code))

# Copyright: IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Writes down what every task said, item by item, so that two runs can be compared."""

from __future__ import annotations

DOCUMENTATION = r"""
name: drill_record
short_description: Record of every task's and item's outcome as JSON
author: IndiVillage platform team
type: aggregate
description:
  - Writes one JSON object a line to the file that E(DRILL_RECORD) names, while the run goes on.
  - Independent of what the project's own reports are made from, since it is used to prove them.
"""

import json  # noqa: E402 - Ansible's documentation blocks stand before the imports
import os  # noqa: E402
from typing import Any  # noqa: E402

from ansible.plugins.callback import CallbackBase  # noqa: E402


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "drill_record"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        # A run that plans once more does so by a run of its own, which has no part in this record.
        file = os.environ.pop("DRILL_RECORD", os.devnull)
        self._file = open(file, "w")  # noqa: PTH123, SIM115 - stays open for the run

    def _write(self, result: Any, outcome: str) -> None:
        if result.task.action in ("ansible.builtin.include_role", "ansible.builtin.include_tasks"):
            return
        told = result.result
        looped = result.task.loop or result.task.action == "indivillage.infra.each"
        items = told.get("results") if looped and isinstance(told.get("results"), list) else None
        entry = {
            "host": result.host.get_name(),
            "role": result.task._role.get_name().rpartition(".")[2] if result.task._role else "",
            "task": result.task.get_name().rpartition(" : ")[2],
            "action": result.task.action,
            "outcome": outcome,
            "changed": bool(told.get("changed")),
            "items": [_item(item) for item in items] if items is not None else None,
            "message": str(told.get("msg", ""))[:2000] if outcome == "failed" else "",
        }
        self._file.write(json.dumps(entry) + "\n")
        self._file.flush()

    def v2_runner_on_ok(self, result: Any) -> None:
        self._write(result, "ok")

    def v2_runner_on_skipped(self, result: Any) -> None:
        self._write(result, "skipped")

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._write(result, "failed")

    def v2_runner_item_on_failed(self, result: Any) -> None:
        self._write(result, "failed")

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._write(result, "failed")


def _item(item: Any) -> dict[str, Any]:
    if not isinstance(item, dict):
        return {"label": "", "changed": False}
    label = item.get("_ansible_item_label", item.get("item"))
    if label is None:  # of a task with no_log
        label = "(hidden)"
    elif not isinstance(label, str):
        label = json.dumps(label, sort_keys=True, default=str)[:200]
    return {"label": label, "changed": bool(item.get("changed"))}

# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: run_record
type: notification
short_description: Tell the keeper of a run what the run changes and how it ends
version_added: 0.1.0
author:
  - IndiVillage platform team (@indivillage)
description:
  - Sends to the keeper that M(indivillage.infra.begin_run) has started what changed (host, role, task, item), how long each play took and
    what became of each host. The keeper writes it to the run's record.
  - At the end of the run, also after Ctrl-C, waits until the record is written and the lease is free, and says so.
  - Stops the run when its keeper is gone, since nobody would renew the lease.
  - Does nothing in check mode and in runs that begin no record.
requirements:
  - enabled by name in C(callbacks_enabled)
"""

import atexit
import json
import os
import queue
import signal
import threading
import time
from contextlib import suppress
from typing import Any

from ansible import context
from ansible.executor.stats import AggregateStats
from ansible.executor.task_result import CallbackTaskResult
from ansible.playbook.play import Play
from ansible.plugins.callback import CallbackBase
from ansible_collections.indivillage.infra.plugins.plugin_utils import run_client

END_SECONDS = 60
# What the record counts for each host, and what Ansible's statistics call it.
_COUNTS = {"ok": "ok", "changed": "changed", "failed": "failures", "unreachable": "dark", "skipped": "skipped"}
_LONGEST_ITEM = 200


class CallbackModule(CallbackBase):
    """Collects in the main process of ansible-playbook; forks and keeper outlive it by nothing."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "indivillage.infra.run_record"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self.disabled = bool(context.CLIARGS.get("check"))
        self._line: run_client.Line | None = None
        self._pending: list[dict[str, Any]] = []
        self._answers: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._play: tuple[str, float] | None = None
        self._result: str | None = None
        self._stopped = ""
        self._interrupted = self._ending = self._over = False
        self._process = os.getpid()
        if not self.disabled:
            self._notice_interruption()
            atexit.register(self._end)

    # ---- what happens

    def v2_playbook_on_start(self, playbook: Any) -> None:
        """A playbook that begins has no result yet; a command line may name several."""
        self._result = None

    def v2_playbook_on_play_start(self, play: Play) -> None:
        self._close_play()
        self._play = (play.get_name(), time.monotonic())

    def v2_runner_on_ok(self, result: CallbackTaskResult) -> None:
        if result.task.action.rpartition(".")[2] == "begin_run":
            self._connect()
        self._note_changes(result)

    def v2_runner_on_failed(self, result: CallbackTaskResult, ignore_errors: bool = False) -> None:
        self._note_changes(result)  # a loop that fails may have changed something before

    def v2_playbook_on_stats(self, stats: AggregateStats) -> None:
        self._close_play()
        hosts = {host: {name: getattr(stats, key).get(host, 0) for name, key in _COUNTS.items()} for host in sorted(stats.processed)}
        self._tell({"set": {"hosts": hosts}})
        self._result = "failed" if any(counts["failed"] or counts["unreachable"] for counts in hosts.values()) else "succeeded"

    def _close_play(self) -> None:
        if self._play:
            name, began = self._play
            self._tell({"add": {"plays": [{"name": name, "seconds": round(time.monotonic() - began, 1)}]}})
        self._play = None

    def _note_changes(self, result: CallbackTaskResult) -> None:
        changed = changed_items(result)
        if changed:
            role = result.task._role.get_name() if result.task._role else ""
            place = {"host": result.host.get_name(), "role": role.rpartition(".")[2], "task": result.task.name or result.task.action}
            self._tell({"add": {"changed": [{**place, "item": item} for item in changed]}})

    # ---- the keeper

    def _connect(self) -> None:
        if self._line:
            return
        self._line = run_client.connect(answer_seconds=None)
        if self._line:
            threading.Thread(target=self._listen, args=(self._line,), name="run_record", daemon=True).start()
            for message in self._pending:
                self._line.send(message)
        self._pending.clear()

    def _tell(self, message: dict[str, Any]) -> None:
        if self._line:
            self._line.send(message)
        else:
            self._pending.append(message)

    def _listen(self, line: run_client.Line) -> None:
        """In a thread of its own: hear why the run is being stopped, and stop it when the keeper is gone before the run has ended."""
        with suppress(OSError, ValueError):
            for text in line.answers:
                message = json.loads(text)
                if "stop" in message:
                    self._stopped = message["stop"]
                elif "over" in message:
                    self._over = True
                else:
                    self._answers.put(message)
        self._answers.put(None)
        if not self._ending and not self._over:
            self._stopped = self._stopped or (
                "The process that keeps the lease of this run is gone, so nobody renews it: the run was stopped before its next task. "
                "The lease ends by itself; run this again then."
            )
            os.kill(os.getpid(), signal.SIGINT)

    def _notice_interruption(self) -> None:
        """Remember that there was a Ctrl-C, which Ansible goes on to handle; afterwards its exit code alone would tell."""
        handler = signal.getsignal(signal.SIGINT)
        if callable(handler):

            def remember(number: int, frame: Any) -> None:
                self._interrupted = True
                handler(number, frame)

            signal.signal(signal.SIGINT, remember)

    def _end(self) -> None:
        """At the end of the process: have the record written and the lease released before whoever waits for this run goes on."""
        if os.getpid() != self._process:
            return
        self._connect()
        if not self._line or self._over:
            return
        self._close_play()
        self._ending = True
        self._line.send({"end": self._result or ("cancelled" if self._interrupted else "failed")})
        answer: dict[str, Any] | None = None
        with suppress(queue.Empty):
            answer = self._answers.get(timeout=END_SECONDS)
        if self._stopped:
            self._display.error(self._stopped)
        if answer is None:
            self._display.warning("The keeper of this run does not answer: the lease ends by itself, and the record stays as it is.")
            return
        for problem in answer["problems"]:
            self._display.warning(f"The record or the lease of this run could not be written: {problem}")
        self._display.display(f"Run {answer['record']['run_id']}: {answer['record']['result']}, recorded in {answer['place']}")


def changed_items(result: CallbackTaskResult) -> list[str]:
    """The labels of the loop items that changed; one empty text for a changed task without a loop.

    Never a secret: nothing of a task with no_log, and of an item that is no plain value only its name.
    """
    if not result.is_changed():  # said first, since a callback's copy of a long result takes long
        return []
    if result.task.no_log or result.result.get("_ansible_no_log"):
        return [""]
    results = result.result.get("results")
    items = [part for part in results if isinstance(part, dict) and "changed" in part] if isinstance(results, list) else []
    if not items:
        return [""]
    return [label(part) for part in items if part["changed"]]


def label(part: dict[str, Any]) -> str:
    """What to call a loop item in a record."""
    item = part.get("_ansible_item_label", part.get("item", ""))
    if isinstance(item, dict):
        item = next((item[key] for key in ("name", "id", "key") if key in item), "")
    return str(item)[:_LONGEST_ITEM] if isinstance(item, str | int | float) and not part.get("_ansible_no_log") else ""

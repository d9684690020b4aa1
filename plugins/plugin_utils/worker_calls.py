# SPDX-License-Identifier: GPL-3.0-or-later
"""The AWS calls of a task: counted for the run's report, refused where they would take data away that nobody gave up, and answered from
what was read ahead where that is so.

Stands in for botocore's history recorder, which botocore tells of every call before it sends it, and of every answer. So nothing is
wrapped, and what modules report of a failure, down to the traceback, is what it would be without.
"""

from __future__ import annotations

import importlib
import json
import os
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from . import worker_protocol, worker_read_ahead
from .planning import operations


class CallLog:
    """Appends one JSON line for each call to a file that all tasks of the run share."""

    def __init__(self, descriptor: int, task: str, mode: str) -> None:
        self._descriptor = descriptor
        self._about = {"task": task, "mode": mode}

    def write(self, service: str, operation: str, region: str, seconds: float, status: int | str) -> None:
        line = {"service": service, "operation": operation, "region": region, "seconds": round(seconds, 4), "status": status, **self._about}
        # One write in append mode: lines of tasks that run side by side do not mix.
        os.write(self._descriptor, (json.dumps(line) + "\n").encode())


class Reads:
    """What the task reads, told to the next run; and what was read ahead for it. `writes`: its writes are sent, not only planned."""

    def __init__(self, directory: int, descriptor: int, stack: str, asker: worker_read_ahead.Asker | None, *, writes: bool) -> None:
        self._directory = directory
        self._descriptor = descriptor
        self._stack = stack
        self._asker = asker
        self._writes = writes

    def note(self, service: str, operation: str, region: str, parameters: Mapping[str, Any]) -> bool:
        """Tell the next run of a read; whether it is one of those that are made ahead."""
        if not worker_read_ahead.may_be_ahead(service, operation, parameters):
            return False
        with suppress(TypeError, ValueError):  # parameters that cannot be kept
            os.write(self._descriptor, worker_read_ahead.Read(self._stack, service, operation, region, dict(parameters)).line())
        return True

    def require_fresh(self, service: str, operation: str) -> None:
        """Before a call that may change something: nothing that was read ahead is used from now on."""
        if self._writes and worker_read_ahead.may_change(service, operation):
            worker_protocol.mark_stale(self._directory)

    def answer(self, request: Any) -> Any:
        """The answer to botocore's request, if it is there or under way."""
        if self._asker is None:
            return None
        wanted = worker_read_ahead.identity(request.method, request.url, request.headers, request.body)
        answer = self._asker.ask(wanted)
        return answer and worker_read_ahead.response(request.url, answer)


@dataclass
class _Call:
    service: str = ""
    operation: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    region: str = ""
    started: float = 0.0
    ahead: bool = False
    """Whether it may have been made ahead."""
    answered: bool = False
    """Whether it was."""


class Recorder(threading.local):
    """What botocore takes for its history recorder."""

    def __init__(self, log: CallLog, check: Callable[[str, str, Mapping[str, Any]], None], reads: Reads | None) -> None:
        self._log = log
        self._check = check
        self._reads = reads
        self._call = _Call()

    def record(self, event_type: str, payload: Any, source: str = "BOTOCORE") -> None:
        """Called by botocore; raises what `check` raises, before anything is sent."""
        if event_type == "API_CALL":
            self._check(payload["service"], payload["operation"], payload["params"])
            self._call = _Call(payload["service"], payload["operation"], payload["params"])
            if self._reads:
                self._reads.require_fresh(payload["service"], payload["operation"])
        elif event_type == "HTTP_REQUEST":
            call = self._call
            first, call.started = not call.started, time.monotonic()
            call.region = worker_read_ahead.signed_region(payload["headers"])
            call.ahead = bool(first and self._reads and self._reads.note(call.service, call.operation, call.region, call.parameters))
        elif event_type == "HTTP_RESPONSE" and not self._call.answered:
            call = self._call
            self._log.write(call.service, call.operation, call.region, time.monotonic() - call.started, payload["status_code"])

    def answer(self, request: Any, **_context: Any) -> Any:
        """Called by botocore before it sends a request; what it returns is taken for the answer."""
        answer = self._reads.answer(request) if self._reads and self._call.ahead else None
        self._call.answered = answer is not None
        return answer


def watch(log: CallLog, check: Callable[[str, str, Mapping[str, Any]], None], reads: Reads | None) -> None:
    """Record and check every AWS call that this process makes from now on; answer it from what was read ahead."""
    recorder = Recorder(log, check, reads)
    for module in ("botocore.client", "botocore.endpoint"):
        vars(importlib.import_module(module))["history_recorder"] = recorder
    if reads:
        importlib.import_module("botocore.handlers").BUILTIN_HANDLERS.append(("before-send", recorder.answer))


def deletion_check(approved: tuple[str, ...]) -> Callable[[str, str, Mapping[str, Any]], None]:
    """A check that refuses every call that takes data away, unless the resource's name or id is approved."""

    def check(service: str, operation: str, parameters: Mapping[str, Any]) -> None:
        loss = operations.stateful(service, operation, parameters)
        if loss is None or operations.is_approved(loss[1], approved):
            return
        kind, name = loss[0].kind, loss[1]
        option = json.dumps({"approved_deletions": [*approved, name]})
        message = (
            f"This would delete the {kind} {name!r} with the data in it, which nobody has approved. If that is what you want, "
            f"run it again with -e '{option}'"
        )
        client_error = importlib.import_module("botocore.exceptions").ClientError
        raise client_error({"Error": {"Code": "DeletionNotApproved", "Message": message}}, operation)

    return check


def nothing_to_check(_service: str, _operation: str, _parameters: Mapping[str, Any]) -> None:
    """The check of a planned task: its writes are never sent."""

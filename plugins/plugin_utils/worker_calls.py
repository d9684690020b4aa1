# SPDX-License-Identifier: GPL-3.0-or-later
"""The AWS calls of a task: counted for the run's report, and refused where they would take data away that nobody gave up.

Stands in for botocore's history recorder, which botocore tells of every call before it sends it, and of every answer. So nothing is
wrapped, and what modules report of a failure, down to the traceback, is what it would be without.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .planning import operations

CREDENTIAL_SCOPE = re.compile(rb"Credential=[^/]*/\d{8}/([^/]+)/")


class CallLog:
    """Appends one JSON line for each call to a file that all tasks of the run share."""

    def __init__(self, descriptor: int, task: str, mode: str) -> None:
        self._descriptor = descriptor
        self._about = {"task": task, "mode": mode}

    def write(self, service: str, operation: str, region: str, seconds: float, status: int | str) -> None:
        line = {"service": service, "operation": operation, "region": region, "seconds": round(seconds, 4), "status": status, **self._about}
        # One write in append mode: lines of tasks that run side by side do not mix.
        os.write(self._descriptor, (json.dumps(line) + "\n").encode())


@dataclass
class _Call:
    service: str = ""
    operation: str = ""
    region: str = ""
    started: float = 0.0


class Recorder(threading.local):
    """What botocore takes for its history recorder."""

    def __init__(self, log: CallLog, check: Callable[[str, str, Mapping[str, Any]], None]) -> None:
        self._log = log
        self._check = check
        self._call = _Call()

    def record(self, event_type: str, payload: Any, source: str = "BOTOCORE") -> None:
        """Called by botocore; raises what `check` raises, before anything is sent."""
        if event_type == "API_CALL":
            self._check(payload["service"], payload["operation"], payload["params"])
            self._call = _Call(payload["service"], payload["operation"])
        elif event_type == "HTTP_REQUEST":
            self._call.started = time.monotonic()
            self._call.region = _signed_region(payload["headers"])
        elif event_type == "HTTP_RESPONSE":
            call = self._call
            self._log.write(call.service, call.operation, call.region, time.monotonic() - call.started, payload["status_code"])


def _signed_region(headers: Mapping[str, Any]) -> str:
    authorization = headers.get("Authorization", b"")
    found = CREDENTIAL_SCOPE.search(authorization if isinstance(authorization, bytes) else str(authorization).encode())
    return found[1].decode() if found else ""


def watch(log: CallLog, check: Callable[[str, str, Mapping[str, Any]], None]) -> None:
    """Record and check every AWS call that this process makes from now on."""
    recorder = Recorder(log, check)
    for module in ("botocore.client", "botocore.endpoint"):
        vars(importlib.import_module(module))["history_recorder"] = recorder


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

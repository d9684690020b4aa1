# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module of ours asks of AWS when it runs in this process, and what it plans under the write guard."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import botocore.client
import pytest
from ansible_collections.indivillage.infra.plugins.module_utils import planning
from ansible_collections.indivillage.infra.plugins.plugin_utils.planning.guard import Guard
from ansible_collections.indivillage.infra.plugins.plugin_utils.planning.outcome import Outcome
from ansible_collections.indivillage.infra.plugins.plugin_utils.planning.state import State

Run = Callable[..., dict[str, Any]]
EC2_THROTTLES = b"<Response><Errors><Error><Code>RequestLimitExceeded</Code><Message>Slow down.</Message></Error></Errors></Response>"


@dataclass
class Calls:
    """The calls of clients that are made from now on; `before` lets something happen before the first call of an operation."""

    names: list[str] = field(default_factory=list)
    before: dict[str, Callable[[], object]] = field(default_factory=dict)
    plainly: bool = False

    def note(self, name: str) -> None:
        if self.plainly:
            return
        self.names.append(name)
        if name in self.before:
            self.plainly = True
            self.before.pop(name)()
            self.plainly = False

    @property
    def writes(self) -> list[str]:
        return [name for name in self.names if not name.startswith(("Describe", "Get", "List"))]


@dataclass
class Plans:
    """Runs of a module under the write guard, one after another as the tasks of one plan."""

    module: str
    run: Run
    """Of the module, with check and its options; the result is no failure."""
    monkeypatch: pytest.MonkeyPatch
    state: State = field(default_factory=State)

    @contextmanager
    def guarded(self) -> Iterator[Guard]:
        """Record the writes of clients instead of sending them."""
        guard, client = Guard(self.state, lambda *_call: None), botocore.client.BaseClient
        send, request = client._make_api_call, client._make_request
        with self.monkeypatch.context() as patch:
            patch.setattr(planning, "active", True)
            patch.setattr(client, "_make_api_call", lambda *call: guard.call(*call, send))
            patch.setattr(client, "_make_request", lambda *call: guard.answer_instead() or request(*call))
            yield guard

    def plan(self, **options: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """The module's result, and its entry in the plan."""
        with self.guarded() as guard:
            result = self.run(check=True, **options)
        Outcome(guard, self.module, options).finish(result)
        return result, result["plan"]


def operations(entry: dict[str, Any]) -> list[str]:
    return [call["operation"] for call in entry["calls"]]


def fields(entry: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    return {change["field"]: (change["before"], change["after"]) for change in entry["changes"]}

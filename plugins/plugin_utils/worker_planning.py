# SPDX-License-Identifier: GPL-3.0-or-later
"""A task in check mode: the module runs under the write guard, and its result says what an apply would do."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .patches import patch
from .planning import placeholders, returns
from .planning.guard import Guard, StopError, install
from .planning.outcome import Outcome
from .planning.placeholders import digest
from .planning.state import State
from .worker_calls import CallLog

# Their modules run their real code in check mode; ours are truthful in their own.
FOREIGN = ("amazon.aws.", "community.aws.")
OWN = "indivillage.infra."
PLANNED = "planned"  # in the log of calls, in the place of a status


def is_planned(module: str, parameters: Mapping[str, Any]) -> bool:
    """Whether a task is one that the guard plans: check mode, and a module that can reach AWS."""
    return bool(parameters.get("_ansible_check_mode")) and module.startswith((*FOREIGN, OWN))


class Planner:
    """Plans one task in this process, which is a child of the worker's server."""

    def __init__(self, module: str, parameters: dict[str, Any], source: Path | None, state: State, log: CallLog) -> None:
        self._module = module
        self._parameters = parameters
        self._source = source
        self._instance: Any = None
        self._began = False
        self.recorded: list[tuple[str, str, str]] = []
        """The service, operation and region of each call that was recorded."""
        self._log = log
        self.guard = Guard(state, self._note)
        self._outcome = Outcome(self.guard, module, parameters)

    def _note(self, service: str, operation: str, region: str) -> None:
        self.recorded.append((service, operation, region))
        self._log.write(service, operation, region, 0.0, PLANNED)

    def prepare(self) -> dict[str, Any]:
        """Put the guard into this process; the parameters with which the module has to run."""
        foreign = self._module.startswith(FOREIGN)
        self._watch_module()
        patch(importlib.import_module("ansible_collections.indivillage.infra.plugins.module_utils.planning"), "active", True)
        self._watch_run(foreign)
        return {**self._parameters, "_ansible_check_mode": False} if foreign else self._parameters

    def _watch_module(self) -> None:
        """Have the module's result pass through here."""
        basic = importlib.import_module("ansible.module_utils.basic").AnsibleModule
        begin, report = basic.__init__, basic._return_formatted

        def __init__(module: Any, *arguments: Any, **options: Any) -> None:  # noqa: N807
            self._instance = module
            begin(module, *arguments, **options)
            self._began = True

        def _return_formatted(module: Any, result: dict[str, Any]) -> None:
            # Only now: a module may have read a secret by itself.
            self._outcome.secrets = frozenset(str(value) for value in module.no_log_values)
            failed = bool(result.get("failed"))
            reason = str(result.get("msg", "it failed"))
            # Arguments that a module refuses are refused by an apply as well, unless it is a placeholder that it does not like.
            if failed and self._outcome.interrupted() and (self._began or placeholders.holds(reason)):
                self._stop(reason, report)
            if not failed:
                self._outcome.finish(result)
            report(module, placeholders.outward(result))

        patch(basic, "__init__", __init__)
        patch(basic, "_return_formatted", _return_formatted)
        self._report = report

    def _watch_run(self, foreign: bool) -> None:
        """Have the guard in place when the module starts, and its exceptions pass through here."""
        loader: Any = importlib.import_module("ansible.module_utils._internal._ansiballz._loader")
        run: Callable[..., None] = loader._run_module

        def _run_module(**arguments: Any) -> None:
            install(self.guard, harmless=foreign)
            try:
                run(**arguments)
            except StopError as stop:
                self._stop(str(stop), self._report)
            except Exception as error:
                if not self._outcome.interrupted():
                    raise
                self._stop(f"{type(error).__name__}: {error}", self._report)

        patch(loader, "_run_module", _run_module)

    def _stop(self, reason: str, report: Callable[..., None]) -> None:
        """Report a module that could not go on, and end."""
        if self._began:
            self._outcome.secrets = frozenset(str(value) for value in self._instance.no_log_values)
        plan = self._outcome.stop(reason)
        if self._instance is None or not hasattr(self._instance, "no_log_values"):
            print(json.dumps(plan, default=str))
        else:
            report(self._instance, placeholders.outward({**self._values(), **plan}))
        sys.exit(0)

    def _values(self) -> dict[str, Any]:
        """What the module would have returned, as far as it is known."""
        source = self._source.read_text() if self._source else ""
        writes = [write for write, _trace in self.guard.recorded]
        main = next((write for write in writes if write.creates), None)
        read = [answer for _read, answer in reversed(self.guard.reads)]
        named = [item for answer in read for item in _first_of_lists(answer)]
        given = {name: value for name, value in self._parameters.items() if not name.startswith("_ansible_") and value is not None}
        known = returns.facts([*([main.fields] if main else named[:1]), given])
        service = main.service if main else self.guard.reads[0][0].service if self.guard.reads else "ec2"
        region = main.region if main else ""
        seed = main.seed if main else digest(self._module, given)
        return returns.result(returns.documented(source), known, service, region, seed)


def _first_of_lists(answer: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [value[0] for value in answer.values() if isinstance(value, list) and len(value) == 1 and isinstance(value[0], Mapping)]

# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Run one module for each item of a list, several items at a time; see the module's documentation."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import partial
from itertools import chain, islice
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.indivillage.infra.plugins.plugin_utils.core_loop import (
    LOOP_VARIABLE,
    Item,
    Loop,
    first_false,
    module_arguments,
)
from ansible_collections.indivillage.infra.plugins.plugin_utils.packed_module import PackedModule
from ansible_collections.indivillage.infra.plugins.plugin_utils.shared_variables import SharedVariables
from ansible_collections.indivillage.infra.plugins.plugin_utils.side_by_side import in_order

OPTIONS: dict[str, Any] = {
    "module": {"type": "str", "required": True},
    "items": {"type": "list", "elements": "raw", "required": True},
    "arguments": {"type": "raw"},
    "label": {"type": "raw"},
    "when": {"type": "raw"},
    "concurrency": {"type": "int"},
}
LOOP_VARIABLES = ("ansible_loop_var", LOOP_VARIABLE)
PER_ITEM = {"arguments", "label", "when"}  # evaluated for each item, not once
CONCURRENCY_VARIABLE = "stack_concurrency"
DEFAULT_CONCURRENCY = 8
UNSUPPORTED_KEYWORDS = ("until", "retries", "loop")

Result = dict[str, Any]


class ActionModule(ActionBase):
    """A loop over a module whose items do not depend on one another."""

    _loop: Loop | None = None

    @classmethod
    def finalize_task_arg(cls, name: str, value: Any, templar: Any, context: Any) -> Any:
        """Leave what speaks of the item as it was written; the rest is evaluated as for any task."""
        return value if name in PER_ITEM else templar.template(value)

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> Result:
        """Run all items; the results are put in by `cleanup`, which ansible-core calls as soon as it has recorded this one."""
        super().run(tmp, task_vars)
        variables = task_vars or {}
        for keyword in UNSUPPORTED_KEYWORDS:
            if getattr(self._task, keyword):
                raise AnsibleActionFail(f"indivillage.infra.each does not support the keyword {keyword!r}: use the module in a loop.")
        _validated, options = self.validate_argument_spec(OPTIONS)
        module = self._resolve(options["module"])
        concurrency = options["concurrency"] or int(self._templar.template(variables.get(CONCURRENCY_VARIABLE, DEFAULT_CONCURRENCY)))
        self._values = options["items"]
        templates = [options["arguments"], options["label"], self._task.module_defaults]
        shared = SharedVariables(self._templar._engine, variables, templates, own=LOOP_VARIABLES)
        items: list[Item] = []

        def runnable() -> Iterator[Item]:
            for value in self._values:
                items.append(self._prepare(value, module, options, variables, shared))
                if items[-1].runs:
                    yield items[-1]

        loop, outcomes = Loop(self._task, module), self._outcomes(module, runnable(), concurrency, variables)
        outcome = next(outcomes, None)  # when the first is there, all items have been prepared
        for item in items:
            if item.runs and outcome:
                loop.finish(item, outcome)
                outcome = next(outcomes, None)
            else:
                loop.finish(item, dict)
        self._loop = loop
        return {}

    def cleanup(self, force: bool = False) -> None:
        """Complete the result of `run`, if there is one, and remove temporary files."""
        if self._loop:
            self._loop.complete(self._values)
        super().cleanup(force)

    def _resolve(self, name: str) -> str:
        """The full name of a module that has no action plugin, which only an ordinary task would run."""
        loader = self._shared_loader_obj
        found = loader.module_loader.find_plugin_with_context(name, collection_list=self._task.collections)
        if not found.resolved:
            raise AnsibleActionFail(f"There is no module {name!r}.", obj=name)
        full_name = str(found.resolved_fqcn)
        if found.action_plugin or loader.action_loader.has_plugin(full_name, collection_list=self._task.collections):
            raise AnsibleActionFail(f"{full_name} does its work on the control node: use it in a loop.", obj=name)
        return full_name

    def _prepare(self, value: Any, module: str, options: Result, variables: dict[str, Any], shared: SharedVariables) -> Item:
        """Evaluate what the task says of an item."""
        own = dict(zip(LOOP_VARIABLES, (LOOP_VARIABLE, value), strict=True))
        item = Item(value, {**variables, **own}, label=value)
        engine = shared.engine(own)
        when = options["when"]
        with item.messages:
            try:
                if when is not None:
                    holds, item.condition = first_false(self._task, when if isinstance(when, list) else [when], item.variables)
                    item.skipped = not holds
                if options["label"] is not None:
                    item.label = engine.template(options["label"])
                if not item.skipped:
                    item.arguments = module_arguments(self._task, module, options["arguments"], engine)
            except Exception as error:
                item.error = error
        return item

    def _outcomes(self, module: str, items: Iterator[Item], limit: int, variables: dict[str, Any]) -> Iterator[Callable[[], Result]]:
        """For each item what returns its result or raises why there is none; the first ones run while others are being prepared."""
        first = list(islice(items, 1))
        packed = self._pack(module, variables) if first and getattr(self._connection, "runs_side_by_side", False) else None
        if not packed:
            for item in [*first, *items]:
                yield partial(self._execute_module, module_name=module, module_args=dict(item.arguments), task_vars=item.variables)
            return

        if limit > 1:
            self._connection.batch = uuid.uuid4().hex

        def run(parameters: bytes) -> Any:
            return self._low_level_execute_command(packed.command, in_data=packed.payload(parameters))

        def read(ended: Future[Any]) -> Result:
            result = self._parse_returned_data(ended.result(), packed.profile)
            result.remove_internal_keys()
            return result.as_result_dict(for_round_trip=True)

        for ended in in_order((partial(run, packed.parameters(item.arguments)) for item in chain(first, items)), limit):
            yield partial(read, ended)

    def _pack(self, module: str, variables: dict[str, Any]) -> PackedModule | None:
        """What the connection is to run for every item; None when modules cannot be handed to it by a pipe."""
        settings: Result = {}
        self._update_module_args(module, settings, variables)
        bits, _path = self._configure_module(module_name=module, module_args=settings, task_vars=variables)
        if not self._is_pipelining_enabled(bits.module_style):
            return None
        self._used_interpreter = bits.shebang
        command = self._connection._shell.build_module_command(self._compute_environment_string(), bits.shebang, "").strip()
        return PackedModule.from_payload(command, bits.b_module_data, bits.serialization_profile, settings)

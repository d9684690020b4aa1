# SPDX-License-Identifier: GPL-3.0-or-later
"""The results and events of a loop, as ansible-core 2.21 makes them in TaskExecutor._run_loop.

An action plugin is one task to ansible-core and has one result. What stands here turns a list of results into those of a loop: every
registered value, callback and summary then is what C(loop) would have given. It is the only place that knows ansible-core's own classes
for that; the connection aws_worker stops with an error on versions that it has not been tested with.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ansible._internal._display_utils import DeferredWarningContext
from ansible._internal._task import TaskArgsFinalizer, TaskContext, UnifiedTaskResult
from ansible._internal._templating._engine import TemplateEngine
from ansible.errors import AnsibleError, AnsibleTaskError
from ansible.executor.module_common import _get_action_arg_defaults
from ansible.inventory.host import Host
from ansible.playbook.task import Task
from ansible_collections.indivillage.infra.plugins.plugin_utils import unforked_tasks

LOOP_VARIABLE = "item"


@dataclass
class Item:
    """One item of a loop: its value, how it is shown, and the variables of the task that runs for it."""

    value: object
    variables: dict[str, Any]
    label: object = None
    arguments: dict[str, Any] = field(default_factory=dict)  # of the module, evaluated
    condition: object = None  # the one that is false, when C(skipped)
    skipped: bool = False
    error: Exception | None = None  # why the arguments cannot be evaluated
    messages: DeferredWarningContext = field(init=False)  # what warns within this context becomes a warning of this item

    def __post_init__(self) -> None:
        self.messages = DeferredWarningContext(variables=self.variables)

    @property
    def runs(self) -> bool:
        """Whether its module runs."""
        return not self.skipped and not self.error

    def result(self, outcome: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """What came out, if anything was run at all."""
        if self.error:
            raise self.error
        return {} if self.skipped else outcome()


class Loop:
    """The results of a task's items, told one by one in the order of the items, and then all together."""

    def __init__(self, task: Task, module: str) -> None:
        self._task = task
        self._results: list[UnifiedTaskResult] = []
        task.action = module  # callbacks see a loop of the module

    def finish(self, item: Item, outcome: Callable[[], dict[str, Any]]) -> None:
        """Note what an item came to: it was skipped, or got the result that C(outcome) returns, or fails with what that raises."""
        with item.messages:
            try:
                result = UnifiedTaskResult.from_action_result_dict(item.result(outcome))
                if not item.skipped:
                    self._judge(item, result)
                result.maybe_raise_on_result()
            except Exception as error:
                failure = AnsibleTaskError(obj=self._task.get_ds())
                failure.__cause__ = error
                result = UnifiedTaskResult.create_from_action_exception(failure, accept_result_contribution=True)
        if item.skipped:
            result.set_skipped("Conditional result was False")
            result.false_condition = item.condition
        result.finalize_warnings(item.messages)
        self._tell(item, result)

    def _judge(self, item: Item, result: UnifiedTaskResult) -> None:
        """Let C(changed_when) and C(failed_when) have their say, which see the item's result under the name that is registered."""
        context = TaskContext.current()
        context._record_result(result)
        variables = {**item.variables, **(context.get_register_projections() or {})}
        judgements = ((self._task.changed_when, result.set_changed_when_result), (self._task.failed_when, result.set_failed_when_result))
        for conditions, judge in judgements:
            try:
                if conditions:
                    judge(self._task._resolve_conditional(conditions, variables))
            except AnsibleError as error:
                judge(error)
                break

    def _tell(self, item: Item, result: UnifiedTaskResult) -> None:
        self._task.args = item.arguments
        self._task.update_result_no_log(TaskContext.current().task_templar, result)
        result.loop_var, result.loop_item, result.loop_item_label = LOOP_VARIABLE, item.value, item.label
        result.ignore_errors = bool(self._task.ignore_errors)
        result.ignore_unreachable = bool(self._task.ignore_unreachable)
        result.notify = self._task.notify or []
        self._results.append(result)
        if result.failed or result.unreachable:
            self._send("v2_runner_item_on_failed", result)
        elif result.skipped:
            self._send("v2_runner_item_on_skipped", result)
        else:
            if self._task.diff:
                self._send("v2_on_file_diff", result)
            self._send("v2_runner_item_on_ok", result)

    def _send(self, event: str, result: UnifiedTaskResult) -> None:
        unforked_tasks.events().send_callback(event, Host(name=TaskContext.current().host_name), self._task, result)

    def complete(self, values: list[Any]) -> None:
        """Make the task's own result, which ansible-core has just recorded, the one of a loop over these values."""
        self._task.loop = values  # callbacks ask it whether the items have had events of their own
        self._task.changed_when = self._task.failed_when = []  # the items have been judged
        (result,) = TaskContext.current()._raw_loop_results
        result.loop_results = self._results
        messages = DeferredWarningContext.current()
        for one in self._results:
            result.no_log = result.no_log or one.no_log
            messages.get_warnings().extend(one.warnings or [])
            messages.get_deprecation_warnings().extend(one.deprecations or [])
        if not self._results:
            result.set_skipped("No items in the list", include_skipped_reason=True)
        elif all(one.skipped for one in self._results):
            result.set_skipped()
            result.msg = "All items skipped"
        else:
            result.msg = "One or more items failed" if result.failed else "All items completed"


def first_false(task: Task, conditions: list[Any], variables: dict[str, Any]) -> tuple[bool, object]:
    """(whether all conditions hold, the first that does not)."""
    try:
        return task._resolve_conditional_with_item(conditions, variables)
    except AnsibleError as error:
        raise AnsibleError("A 'when' expression failed.", obj=error.obj) from error


def module_arguments(task: Task, module: str, arguments: Any, templar: TemplateEngine) -> dict[str, Any]:
    """The arguments of a module as ansible-core makes those of a task: with C(module_defaults), evaluated, without what is omitted."""
    finalizer = TaskArgsFinalizer(_get_action_arg_defaults(module, task, templar), arguments, templar=templar)
    try:
        return finalizer.finalize(lambda _name, value, templar, _context: templar.template(value), context=None)
    except Exception as error:
        raise AnsibleError(f"Finalization of task args for {module!r} failed.", obj=task.get_ds()) from error

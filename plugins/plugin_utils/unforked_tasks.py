# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks that Ansible's own process does, as ansible-core 2.21 does them in a process of each task.

Ansible forks for every task on every host, and most of what a task of a stack costs is that: a copy of a large process, which evaluates
some templates, asks the worker's server to run a module, and sends a result back. Here

- a task that only evaluates (C(set_fact), C(assert), an include ...), or that the worker runs, is done by a thread. Only one thread at a
  time does anything of Ansible's, the main one or that of a task: it has the turn, and gives it up only while it waits for the worker.
  So nothing of ansible-core need be prepared for threads;
- a task of another kind whose condition is false is told to be skipped, by ansible-core's own code;
- all else is left to the fork: what runs elsewhere, waits by itself, is unclear or goes wrong before it has begun.
"""

from __future__ import annotations

from collections import deque
from functools import cache
from types import SimpleNamespace
from typing import Any

from ansible._internal._display_utils import DeferredWarningContext
from ansible._internal._task import TaskContext, UnifiedTaskResult
from ansible.executor.process.worker import WorkerProcess
from ansible.executor.task_executor import TaskExecutor
from ansible.playbook.task import Task
from ansible.plugins import strategy as strategies
from ansible.plugins.loader import action_loader
from ansible.template import Templar
from ansible.utils.display import Display
from ansible_collections.indivillage.infra.plugins.plugin_utils import turns

display = Display()

CONNECTION = "indivillage.infra.aws_worker"
EVALUATED = {
    *(
        f"ansible.builtin.{name}"
        for name in ("assert", "debug", "fail", "include_role", "include_tasks", "set_fact", "validate_argument_spec")
    ),
    *(f"indivillage.infra.{name}" for name in ("check_inputs", "validate_environment")),
}
SIDE_BY_SIDE = "indivillage.infra.each"
# What makes a task wait by itself, run elsewhere or as somebody else, or count the forks.
UNSUITABLE = ("async_val", "become", "debugger", "delegate_to", "retries", "throttle", "timeout", "until")


class _Results(deque[Any]):
    """The results that the strategy has to look at; each ends its sleep."""

    def append(self, result: Any) -> None:
        super().append(result)
        turns.something_to_do.set()


def _sleep(seconds: float) -> None:
    """Of the strategy, between two looks at what its tasks do."""
    if turns.something_to_do.wait(seconds):
        turns.something_to_do.clear()


class _HoldsError(BaseException):
    """Ends the executor before it would run a task; passes by its error handling."""


class TaskThread(turns.Turn):
    """One task under way in this process."""

    def __init__(self, worker: WorkerProcess, task: Task, variables: dict[str, Any]) -> None:
        super().__init__(self._do)
        self.worker, self._task, self._variables = worker, task, variables

    def begin(self) -> None:
        """Do the task as far as it comes without waiting; the worker answers for it."""
        super().begin()
        vars(self.worker).update(is_alive=lambda: not self.is_over, terminate=turns.give_up)

    def _do(self) -> None:
        worker, task = self.worker, self._task
        with TaskContext.create(task=task, task_vars=self._variables, host_name=worker._host.name):
            try:
                task.squash()
                _send(worker, task, _executor(worker).run())
            except BaseException as error:  # of what no task should do; a run waits for each result
                _send(worker, task, UnifiedTaskResult.create_from_action_exception(error))


def events() -> Any:
    """The queue for what a task tells beside its result."""
    turn = turns.current()
    return turn.worker._final_q if isinstance(turn, TaskThread) else display._final_q


@cache
def hand_over() -> None:
    """Have tasks done by this process where they need no other."""
    fork, serve = WorkerProcess.start, strategies.StrategyBase._process_rpc_queue

    def start(self: WorkerProcess) -> None:
        if not _is_begun(self):
            fork(self)

    def process_rpc_queue(self: strategies.StrategyBase) -> None:
        serve(self)
        turns.go_on()

    WorkerProcess.start, strategies.StrategyBase._process_rpc_queue = start, process_rpc_queue
    # A strategy looks every some milliseconds whether a process has ended; threads can tell.
    strategies.deque, strategies.time = _Results, SimpleNamespace(sleep=_sleep)


def _is_begun(worker: WorkerProcess) -> bool:
    """Whether this process does the task, or has told that it is skipped; else the worker has to start."""
    task = worker._task
    try:
        if _is_suitable(worker):
            TaskThread(worker, *_own(worker)).begin()
            return True
        # Loops are left out: their condition is one of each item.
        return bool(task.when) and task.loop is None and _is_skipped(worker, *_own(worker))
    except Exception:  # the fork meets it again, and reports it
        return False


def _own(worker: WorkerProcess) -> tuple[Task, dict[str, Any]]:
    """The task and its variables as a fork would have them: the executor writes to both."""
    task = worker._task.copy(exclude_parent=True, exclude_tasks=True)
    task._parent = worker._task._parent
    return task, dict(worker._task_vars)


def _is_suitable(worker: WorkerProcess) -> bool:
    task, variables = worker._task, worker._task_vars
    action = task.resolved_action or task.action
    if any(getattr(task, name) for name in UNSUITABLE) or (task.loop is not None and task.loop_control.pause):
        return False
    if action in EVALUATED:
        return True
    if action != SIDE_BY_SIDE and action_loader.has_plugin(action):
        return False
    return is_workers(variables.get("ansible_connection") or task.connection, worker._loader, variables)


def is_workers(connection: Any, loader: Any, variables: dict[str, Any]) -> bool:
    """Whether this is, once it is evaluated, the connection of hosts whose modules the worker runs."""
    return bool(Templar(loader=loader, variables=variables).template(connection) == CONNECTION)


def _is_skipped(worker: WorkerProcess, task: Task, variables: dict[str, Any]) -> bool:
    """Whether the task is skipped; if it is, its result is on its way."""
    with TaskContext.create(task=task, task_vars=variables, host_name=worker._host.name):
        # First by itself, since most conditions hold: the executor does more before it comes to them. Its warnings are the result's.
        with DeferredWarningContext(variables=variables):
            if task._resolve_conditional(task.when, variables):
                return False
        result = _skipped(worker, task)
        if result:
            _send(worker, task, result)
        return result is not None


def _skipped(worker: WorkerProcess, task: Task) -> UnifiedTaskResult | None:
    """What the worker's own process would come to, if that is that the task is skipped."""
    resolve = task._resolve_conditional_with_item

    def resolve_or_end(*arguments: Any) -> tuple[bool, Any]:
        holds, condition = resolve(*arguments)
        if holds:
            raise _HoldsError
        return holds, condition

    task._resolve_conditional_with_item = resolve_or_end
    try:
        result = _executor(worker).run()
    except _HoldsError:
        return None
    return result if result.skipped else None


def _executor(worker: WorkerProcess) -> TaskExecutor:
    return TaskExecutor(
        *(worker._host, worker._play_context, worker._loader, worker._shared_loader_obj, worker._final_q, worker._variable_manager)
    )


def _send(worker: WorkerProcess, task: Task, result: UnifiedTaskResult) -> None:
    """Tell the strategy, as the worker's own process would."""
    result.finalize_registered_values()
    task.ignore_errors, task.ignore_unreachable = result.ignore_errors, result.ignore_unreachable
    worker._final_q.send_task_result(worker._host, task, result)

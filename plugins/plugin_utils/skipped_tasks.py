# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks that are skipped, told by Ansible's own process, as ansible-core 2.21 tells them from the process of a task.

Ansible forks for every task on every host and evaluates C(when) there: a run over a stack that has few of the layers is mostly forks that
skip. Here the condition is evaluated before the fork, and if it is false, ansible-core's own code comes to the result without one. All else
is left to the fork: what is unclear or goes wrong, and loops, whose condition is one of each item.
"""

from __future__ import annotations

from typing import Any

from ansible._internal._display_utils import DeferredWarningContext
from ansible._internal._task import TaskContext, UnifiedTaskResult
from ansible.executor.process.worker import WorkerProcess
from ansible.executor.task_executor import TaskExecutor
from ansible.playbook.task import Task


class _HoldsError(BaseException):
    """Ends the executor before it would run a task; passes by its error handling."""


def hand_over() -> None:
    """Have tasks that are skipped told by this process."""
    fork = WorkerProcess.start

    def start(self: WorkerProcess) -> None:
        if not _is_told(self):
            fork(self)

    WorkerProcess.start = start


def _is_told(worker: WorkerProcess) -> bool:
    """Whether the task is skipped; if it is, its result is on its way, and the worker need not start."""
    if not worker._task.when or worker._task.loop is not None:
        return False
    # Of its own, as in a fork: the executor writes to both.
    task, variables = worker._task.copy(exclude_parent=True, exclude_tasks=True), dict(worker._task_vars)
    task._parent = worker._task._parent
    try:
        with TaskContext.create(task=task, task_vars=variables, host_name=worker._host.name):
            # First by itself, since most conditions hold: the executor does more before it comes to them. Its warnings are the result's.
            with DeferredWarningContext(variables=variables):
                if task._resolve_conditional(task.when, variables):
                    return False
            result = _skipped(worker, task)
            if result:
                worker._final_q.send_task_result(worker._host, task, result)
            return result is not None
    except Exception:  # the fork meets it again, and reports it
        return False


def _skipped(worker: WorkerProcess, task: Task) -> UnifiedTaskResult | None:
    """What the worker's own process would come to, if that is that the task is skipped."""
    resolve = task._resolve_conditional_with_item

    def resolve_or_end(*arguments: Any) -> tuple[bool, Any]:
        holds, condition = resolve(*arguments)
        if holds:
            raise _HoldsError
        return holds, condition

    task._resolve_conditional_with_item = resolve_or_end
    executor = TaskExecutor(
        *(worker._host, worker._play_context, worker._loader, worker._shared_loader_obj, worker._final_q, worker._variable_manager)
    )
    try:
        result = executor.run()
    except _HoldsError:
        return None
    if not result.skipped:
        return None
    result.finalize_registered_values()
    task.ignore_errors, task.ignore_unreachable = result.ignore_errors, result.ignore_unreachable
    return result

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

import contextvars
import os
import socket
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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

display = Display()

CONNECTION = "indivillage.infra.aws_worker"
EVALUATED = {
    f"ansible.builtin.{name}" for name in ("assert", "debug", "fail", "include_role", "include_tasks", "set_fact", "validate_argument_spec")
}
SIDE_BY_SIDE = "indivillage.infra.each"
# What makes a task wait by itself, run elsewhere or as somebody else, or count the forks.
UNSUITABLE = ("async_val", "become", "debugger", "delegate_to", "retries", "throttle", "timeout", "until")

no_fork = threading.Lock()
"""Held while descriptors exist that no fork may inherit; every fork takes it."""
os.register_at_fork(before=no_fork.acquire, after_in_parent=no_fork.release, after_in_child=no_fork.release)


_something_to_do = threading.Event()


class _Results(deque[Any]):
    """The results that the strategy has to look at; each ends its sleep."""

    def append(self, result: Any) -> None:
        super().append(result)
        _something_to_do.set()


def _sleep(seconds: float) -> None:
    """Of the strategy, between two looks at what its tasks do."""
    if _something_to_do.wait(seconds):
        _something_to_do.clear()


class _HoldsError(BaseException):
    """Ends the executor before it would run a task; passes by its error handling."""


class TaskThread:
    """One task under way in this process."""

    current = threading.local()
    under_way: list[TaskThread] = []  # noqa: RUF012  # of the process, as its threads are
    connections: set[socket.socket] = set()  # noqa: RUF012

    def __init__(self, worker: WorkerProcess, task: Task, variables: dict[str, Any]) -> None:
        self.worker, self._task, self._variables = worker, task, variables
        self._turn, self._given_up = threading.Semaphore(0), threading.Semaphore(0)
        self._waits = self._is_over = False

    def begin(self) -> None:
        """Do the task as far as it comes without waiting."""
        vars(self.worker).update(is_alive=lambda: not self._is_over, terminate=self.give_up)
        self.under_way.append(self)
        threading.Thread(target=contextvars.copy_context().run, args=(self._run,), daemon=True).start()
        self._let_go_on()

    @classmethod
    def go_on(cls) -> None:
        """Do what tasks can do that have waited long enough; called by the main thread between other things."""
        for thread in list(cls.under_way):
            if not thread._waits:
                thread._let_go_on()

    def _let_go_on(self) -> None:
        self._turn.release()
        self._given_up.acquire()
        if self._is_over:
            self.under_way.remove(self)

    def _run(self) -> None:
        self.current.thread = self
        self._turn.acquire()
        worker, task = self.worker, self._task
        try:
            with TaskContext.create(task=task, task_vars=self._variables, host_name=worker._host.name):
                try:
                    task.squash()
                    _send(worker, task, _executor(worker).run())
                except BaseException as error:  # of what no task should do; a run waits for each result
                    _send(worker, task, UnifiedTaskResult.create_from_action_exception(error))
        finally:
            self._is_over = True
            self._given_up.release()

    @contextmanager
    def wait(self) -> Iterator[None]:
        """Give the turn up."""
        self._waits = True
        self._given_up.release()
        try:
            yield
        finally:
            self._waits = False
            _something_to_do.set()
            self._turn.acquire()

    @classmethod
    def give_up(cls) -> None:
        """End what the worker does for this process, as a fork's end would; whoever waits for it does not get the turn again."""
        for connection in list(cls.connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def waiting(connection: socket.socket | None = None) -> Iterator[None]:
    """Let other tasks go on, if this is the thread of one, while this one waits, for what comes by this connection if that is known."""
    thread: TaskThread | None = getattr(TaskThread.current, "thread", None)
    if connection:
        TaskThread.connections.add(connection)
    try:
        if thread:
            with thread.wait():
                yield
        else:
            yield
    finally:
        if connection:
            TaskThread.connections.discard(connection)


def events() -> Any:
    """The queue for what a task tells beside its result."""
    thread: TaskThread | None = getattr(TaskThread.current, "thread", None)
    return thread.worker._final_q if thread else display._final_q


@cache
def hand_over() -> None:
    """Have tasks done by this process where they need no other."""
    fork, serve = WorkerProcess.start, strategies.StrategyBase._process_rpc_queue

    def start(self: WorkerProcess) -> None:
        if not _is_begun(self):
            fork(self)

    def process_rpc_queue(self: strategies.StrategyBase) -> None:
        serve(self)
        TaskThread.go_on()

    WorkerProcess.start, strategies.StrategyBase._process_rpc_queue = start, process_rpc_queue
    # A strategy looks every some milliseconds whether a process has ended; threads can tell.
    strategies.deque, strategies.time = _Results, SimpleNamespace(sleep=_sleep)


def _is_begun(worker: WorkerProcess) -> bool:
    """Whether this process does the task, or has told that it is skipped; else the worker has to start."""
    # Of its own, as in a fork: the executor writes to both.
    task, variables = worker._task.copy(exclude_parent=True, exclude_tasks=True), dict(worker._task_vars)
    task._parent = worker._task._parent
    try:
        if _is_suitable(worker, task, variables):
            TaskThread(worker, task, variables).begin()
            return True
        return _is_skipped(worker, task, variables)
    except Exception:  # the fork meets it again, and reports it
        return False


def _is_suitable(worker: WorkerProcess, task: Task, variables: dict[str, Any]) -> bool:
    action = task.resolved_action or task.action
    if any(getattr(task, name) for name in UNSUITABLE) or (task.loop is not None and task.loop_control.pause):
        return False
    if action in EVALUATED:
        return True
    if action != SIDE_BY_SIDE and action_loader.has_plugin(action):
        return False
    connection = variables.get("ansible_connection") or task.connection
    return bool(Templar(loader=worker._loader, variables=variables).template(connection) == CONNECTION)


def _is_skipped(worker: WorkerProcess, task: Task, variables: dict[str, Any]) -> bool:
    """Whether the task is skipped; if it is, its result is on its way. Loops are left out: their condition is one of each item."""
    if not task.when or task.loop is not None:
        return False
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

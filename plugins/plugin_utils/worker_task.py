# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks of the worker, in processes of their own: received, checked, and run as a fresh interpreter would run them.

A child of the server runs one task. If that has ended well and has left nothing behind, it rests, and may run another of the same
surroundings: half of what a fork costs is that every page is new to it.
"""

from __future__ import annotations

import atexit
import copy
import hashlib
import json
import logging
import os
import pickle
import re
import signal
import socket
import sys
import tempfile
import threading
import time
import traceback
import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache, partial
from types import CodeType
from typing import Any

from .patches import patch, undo
from .planning.placeholders import inward
from .planning.state import State, Write
from .worker_caller import LENGTH, Asking, Line, exactly
from .worker_calls import CallLog, HandOver, Recorder, deletion_check, fresh_check, nothing_to_check, record_with
from .worker_library import Library
from .worker_planning import Planner, is_planned
from .worker_protocol import PAYLOAD_CALL, PAYLOAD_END, PAYLOAD_PACKED, ColdError, Received, Request, call_line, end_with
from .worker_results import Watch, config_files

# What an interpreter reads when it starts, and cannot be told afterwards.
STARTUP_VARIABLES = re.compile(r"PYTHON|LD_|LANG$|LANGUAGE$|LC_")
PAYLOAD_ARGUMENTS = {"ansible_module", "module_fqn", "profile", "date_time", "rlimit_nofile", "params", "extensions", "zip_data"}
# What tasks change in code that all share. That this is all of it, tests/contract/test_left_by_tasks.py tells from the sources.
LEFT_BY_TASKS = {
    "ansible.module_utils._internal._traceback": ("_module_tracebacks_enabled_events",),
    "ansible.module_utils.basic": ("_ANSIBLE_ARGS", "_ANSIBLE_PROFILE", "_PARSED_MODULE_ARGS"),
    "ansible.module_utils.common.warnings": ("_global_warnings", "_global_deprecations"),
    "ansible_collections.amazon.aws.plugins.module_utils.common": ("_collection_info_context",),
    "boto3": ("DEFAULT_SESSION",),
    "sys": ("argv", "path"),
}
SHARED_CODE = ("ansible.", "ansible_collections.")
SIGNALS = (signal.SIGALRM, signal.SIGCHLD, signal.SIGINT, signal.SIGPIPE, signal.SIGTERM)


@dataclass(frozen=True)
class Surroundings:
    """What a task gets from the server beside the code."""

    state: State
    """What other tasks of this run would have written."""
    before: int
    """How many of these there were before this task, or the first of those that run side by side with it: the others it does not see."""
    calls: int
    """The descriptor of the file to which AWS calls are logged."""
    writes: int
    """The descriptor of the memory by which the task hands its own recorded writes to the server."""
    directory: int
    """The descriptor of the run's directory."""
    caller: str
    """The name of the socket of the process that makes calls for the task; empty when there is none."""
    keeps_result: bool
    """Whether the next run shall have the task's result."""
    control: socket.socket
    """The line to the server, which tells that a task is over and brings the next one."""


@dataclass(frozen=True)
class Following:
    """Another task for a child that rests."""

    request: Request
    digest: str
    lesson: bytes | None
    """What the child does not know of the task's code."""
    before: int
    known: int
    """How many of the writes of earlier tasks it knows."""
    writes: list[Write]
    """Those that it does not know."""
    keeps_result: bool


@cache
def compiled(wrapper: bytes) -> CodeType:
    """The code of a payload's wrapper. All payloads of a run have the same one, which the server compiles before it forks."""
    return compile(wrapper, "<stdin>", "exec")


def prepare(received: Received, library: Library, line: int) -> partial[None]:
    """Define the payload's own wrapper and return the call of it; raises ColdError when it has to run elsewhere."""
    if call_line(received.request.payload) != line:
        raise ColdError("a wrapper of another length")
    wrapper, _end, arguments = received.request.payload.partition(PAYLOAD_END + PAYLOAD_CALL)
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec(compiled(wrapper), namespace)  # noqa: S102  # the module that Ansible wants to have run
    small = arguments.removesuffix(PAYLOAD_PACKED)
    keywords = eval(b"dict(\n" + small + b"\n)", namespace)  # noqa: S307  # as above
    keywords["zip_data"] = library.text_of(received)
    if set(keywords) != PAYLOAD_ARGUMENTS:
        raise ColdError("a wrapper with other arguments")
    return partial(namespace["_ansiballz_main"], **keywords)


def require_same_start(environment: Mapping[str, str]) -> None:
    """Raise ColdError when the task's environment would make another interpreter of a fresh one."""

    def relevant(variables: Mapping[str, str]) -> dict[str, str]:
        return {name: value for name, value in variables.items() if STARTUP_VARIABLES.match(name)}

    if relevant(environment) != relevant(os.environ):
        raise ColdError("an environment that changes the interpreter")


def surround(request: Request) -> None:
    """Give this process the directory, environment and file mode mask of a task. Raises OSError without that directory."""
    os.chdir(request.directory)
    os.environ.clear()
    os.environ.update(request.environment)
    os.umask(request.umask)
    time.tzset()
    tempfile.tempdir = None  # decided anew from the environment


def write_to(stdout: int, stderr: int) -> None:
    """Let these descriptors be the standard output and standard error of this process, and close them."""
    for source, target in ((stdout, 1), (stderr, 2)):
        os.dup2(source, target)
        os.close(source)


def remains() -> tuple[Any, ...]:
    """What a task may leave behind that a next one would meet, and that `undo` does not take back."""
    loggers = [logging.root, *(logger for logger in logging.root.manager.loggerDict.values() if isinstance(logger, logging.Logger))]
    return (
        threading.active_count(),
        atexit._ncallbacks(),
        signal.getitimer(signal.ITIMER_REAL)[0],
        [signal.getsignal(number) for number in SIGNALS],
        socket.getdefaulttimeout(),
        list(warnings.filters),
        sum(len(logger.handlers) for logger in loggers),
        sum(name.startswith(SHARED_CODE) for name in sys.modules),  # whose import may have warned
        (sys.stdout, sys.stderr),
    )


class Child:
    """A child of the server: it runs a task as the process would that the client would have started, and then others."""

    def __init__(self, received: Received, library: Library, line: int, server: int, surroundings: Surroundings) -> None:
        end_with(server)
        os.setpgid(0, 0)
        self._library = library
        self._line = line
        self._surroundings = surroundings
        surroundings.state.forget_from(surroundings.before)
        self._remains = remains()
        self._environment = dict(os.environ)
        self._begin(received)
        received.connection.close()
        os.close(received.memory)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        write_to(received.stdout, received.stderr)
        self._oversee(received.request)

    def _begin(self, received: Received) -> None:
        """Give this process the surroundings of a task; if that cannot be, say so and end."""
        try:
            require_same_start(received.request.environment)
            self.call = prepare(received, self._library, self._line)
            surround(received.request)
        except Exception as reason:
            # Nothing has run yet, so any surprise is a reason for a fresh interpreter.
            with suppress(OSError):
                received.connection.sendall(f"cold {' '.join(str(reason).split())}\n".encode())
            os._exit(0)
        for module, names in LEFT_BY_TASKS.items():
            for name in names if module in sys.modules else ():
                patch(sys.modules[module], name, copy.copy(vars(sys.modules[module])[name]))
        sys.argv = [""]

    def _oversee(self, request: Request) -> None:
        """Have the AWS calls of the task watched, and in check mode planned."""
        call, surroundings = self.call, self._surroundings
        path = str(call.keywords["module_fqn"])
        module = path.removeprefix("ansible_collections.").replace(".plugins.modules.", ".")
        arguments = json.loads(inward(call.keywords["params"]))
        parameters = arguments["ANSIBLE_MODULE_ARGS"]
        planned = is_planned(module, parameters)
        mode = "check" if planned else "apply"
        self._log = log = CallLog(surroundings.calls, module, mode)
        check = nothing_to_check if planned else fresh_check(surroundings.directory, deletion_check(request.approved))
        recorder = Recorder(log, check)
        record_with(recorder)
        unpacked = f"{tempfile.gettempdir()}/ansible_{module}_payload_", f"ansible_{module}_payload.zip"
        keeps = surroundings.keeps_result and not parameters.get("_ansible_no_log")
        self._watch = watch = Watch((*self._library.paths, *config_files(os.environ), *unpacked)) if keeps else None
        self._to_caller: Line | None = None
        if surroundings.caller:
            task = hashlib.sha256(f"{path} {call.keywords['params']}".encode()).digest()
            self._to_caller = Line(surroundings.directory, surroundings.caller, Asking(module, mode, task), watch)
            HandOver(recorder, self._to_caller, planned=planned).install()
        self._planner = Planner(module, parameters, self._library.source(path), surroundings.state, log) if planned else None
        if self._planner:
            arguments["ANSIBLE_MODULE_ARGS"] = self._planner.prepare()
            self.call = partial(call.func, **{**call.keywords, "params": json.dumps(arguments)})
        if watch:
            watch.begin()

    def _hand_over(self) -> None:
        """Give the server what it shall remember, for the tasks to come and for the next run."""
        planner, watch = self._planner, self._watch
        with os.fdopen(self._surroundings.writes, "wb") as memory:
            if planner or watch:
                writes, recorded = (planner.guard.writes, planner.recorded) if planner else ([], [])
                state, before = self._surroundings.state, self._surroundings.before
                result = watch and not self._log.has_sent and watch.result(state, before, writes, recorded, check=bool(planner))
                pickle.dump((writes, result or None), memory)

    def finish(self, end: BaseException | None) -> None:
        """End the task as an interpreter ends. This process ends too, without taking apart the memory that it shares with the server,
        unless nothing is left of the task and the server has another.
        """
        code: Any = 0
        if isinstance(end, SystemExit):
            code = end.code
            if code is not None and not isinstance(code, int):
                print(code, file=sys.stderr)
                code = 1
        elif end:
            traceback.print_exception(end)
            code = 1
        rests = not code and remains() == self._remains
        with suppress(Exception):
            if not rests:
                threading._shutdown()  # type: ignore[attr-defined]  # waits for the module's threads
                atexit._run_exitfuncs()
            self._hand_over()
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):
                stream.flush()
        if not rests:
            os._exit((code or 0) & 0xFF)
        self._rest()

    def _rest(self) -> None:
        """Say that the task is over, and take the next."""
        control = self._surroundings.control
        undo()
        os.environ.clear()
        os.environ.update(self._environment)
        if self._to_caller:
            self._to_caller.close()
        with warnings.catch_warnings():  # from now on each is shown again
            pass
        write_to(os.open(os.devnull, os.O_WRONLY), os.open(os.devnull, os.O_WRONLY))  # the outputs of the task are complete
        try:
            control.sendall(b"exit 0\n")
            header, descriptors, _flags, _address = socket.recv_fds(control, LENGTH.size, 3)
        except OSError:
            os._exit(0)
        if not header:  # there will be none
            os._exit(0)
        following: Following = pickle.loads(exactly(control, *LENGTH.unpack(header)))  # noqa: S301  # of the server
        stdout, stderr, writes = descriptors
        os.set_inheritable(writes, False)  # as if it were opened here
        state = self._surroundings.state
        state.forget_from(following.known)
        state.add(following.writes)
        if following.lesson:
            self._library.learn(following.lesson)
        self._surroundings = replace(self._surroundings, before=following.before, writes=writes, keeps_result=following.keeps_result)
        self._begin(Received(control, following.request, following.digest, stdout, stderr, memory=-1, offset=0))
        write_to(stdout, stderr)
        self._oversee(following.request)

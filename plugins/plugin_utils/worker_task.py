# SPDX-License-Identifier: GPL-3.0-or-later
"""One task of the worker, in a process of its own: received, checked, and run as a fresh interpreter would run it."""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import pickle
import re
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from types import CodeType
from typing import Any, NoReturn

from .planning.placeholders import inward
from .planning.state import State
from .worker_caller import Asking, Line
from .worker_calls import CallLog, HandOver, Recorder, deletion_check, fresh_check, nothing_to_check, record_with
from .worker_library import Library
from .worker_planning import Planner, is_planned
from .worker_protocol import PAYLOAD_CALL, PAYLOAD_END, PAYLOAD_PACKED, ColdError, Received, Request, call_line, end_with
from .worker_results import Watch, config_files

# What an interpreter reads when it starts, and cannot be told afterwards.
STARTUP_VARIABLES = re.compile(r"PYTHON|LD_|LANG$|LANGUAGE$|LC_")
PAYLOAD_ARGUMENTS = {"ansible_module", "module_fqn", "profile", "date_time", "rlimit_nofile", "params", "extensions", "zip_data"}


@dataclass(frozen=True)
class Surroundings:
    """What a task gets from the server beside the code."""

    state: State
    """What earlier tasks of this run would have written."""
    before: int
    """How many of these there were before the first of the tasks that run side by side with this one."""
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


def oversee(call: partial[None], approved: tuple[str, ...], library: Library, surroundings: Surroundings) -> partial[None]:
    """Have the AWS calls of a task watched, and in check mode planned; the call of the payload that has to be made now."""
    path = str(call.keywords["module_fqn"])
    module = path.removeprefix("ansible_collections.").replace(".plugins.modules.", ".")
    arguments = json.loads(inward(call.keywords["params"]))
    parameters = arguments["ANSIBLE_MODULE_ARGS"]
    planned = is_planned(module, parameters)
    mode = "check" if planned else "apply"
    log = CallLog(surroundings.calls, module, mode)
    recorder = Recorder(log, nothing_to_check if planned else fresh_check(surroundings.directory, deletion_check(approved)))
    record_with(recorder)
    unpacked = f"{tempfile.gettempdir()}/ansible_{module}_payload_", f"ansible_{module}_payload.zip"
    keeps = surroundings.keeps_result and not parameters.get("_ansible_no_log")
    watch = Watch((*library.paths, *config_files(os.environ), *unpacked)) if keeps else None
    if surroundings.caller:
        task = hashlib.sha256(f"{path} {call.keywords['params']}".encode()).digest()
        line = Line(surroundings.directory, surroundings.caller, Asking(module, mode, task), watch)
        HandOver(recorder, line, planned=planned).install()
    state = surroundings.state
    planner = Planner(module, parameters, library.source(path), state, log) if planned else None
    if planner:
        arguments["ANSIBLE_MODULE_ARGS"] = planner.prepare()
    if watch:
        watch.begin()

    def hand_over() -> None:
        """Give the server what it shall remember, for the tasks to come and for the next run."""
        writes, recorded = (planner.guard.writes, planner.recorded) if planner else ([], [])
        result = watch and not log.has_sent and watch.result(state, surroundings.before, writes, recorded, check=planned)
        with os.fdopen(surroundings.writes, "wb") as memory:
            pickle.dump((writes, result or None), memory)

    if planner or watch:
        atexit.register(hand_over)
    if not planner:
        return call
    return partial(call.func, **{**call.keywords, "params": json.dumps(arguments)})


def surround(request: Request) -> None:
    """Give this process the directory, environment and file mode mask of a task. Raises OSError without that directory."""
    os.chdir(request.directory)
    os.environ.clear()
    os.environ.update(request.environment)
    os.umask(request.umask)
    time.tzset()
    tempfile.tempdir = None  # decided anew from the environment


def take(received: Received, library: Library, line: int, server: int, surroundings: Surroundings) -> Callable[[], None]:
    """Become, in a child of the server, the process that the client would have started to run the task that the server has received."""
    end_with(server)
    os.setpgid(0, 0)
    request = received.request
    try:
        require_same_start(request.environment)
        call = prepare(received, library, line)
        surround(request)
    except Exception as reason:
        # Nothing has run yet, so any surprise is a reason for a fresh interpreter.
        with suppress(OSError):
            received.connection.sendall(f"cold {' '.join(str(reason).split())}\n".encode())
        os._exit(0)
    received.connection.close()
    os.close(received.memory)
    for source, target in ((os.open(os.devnull, os.O_RDONLY), 0), (received.stdout, 1), (received.stderr, 2)):
        os.dup2(source, target)
        os.close(source)
    sys.argv = [""]
    return oversee(call, request.approved, library, surroundings)


def finish(end: BaseException | None) -> NoReturn:
    """End a child as an interpreter ends, without taking apart the memory that it shares with the server."""
    code: Any = 0
    if isinstance(end, SystemExit):
        code = end.code
        if code is not None and not isinstance(code, int):
            print(code, file=sys.stderr)
            code = 1
    elif end:
        traceback.print_exception(end)
        code = 1
    with suppress(Exception):
        threading._shutdown()  # type: ignore[attr-defined]  # waits for the module's threads
        atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    os._exit((code or 0) & 0xFF)

# SPDX-License-Identifier: GPL-3.0-or-later
"""A child of the server runs one task after another, unless something is left of one."""

import json
import os
import socket
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.indivillage.infra.plugins.plugin_utils import worker_children, worker_protocol

from tests.unit.worker.test_aws_worker import payload

PLUGIN_UTILS = str(Path(worker_children.__file__).parent)
CODE = "LOADED = 1\n"
MODULE = "ansible_collections.amazon.aws.plugins.modules.x"
# The server as `worker_protocol.start_script` begins it, with a library of that one file.
SERVER = """
import os, sys, types
import boto3, botocore.client
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
package = types.ModuleType("aws_worker")
package.__path__ = [sys.argv[1]]
sys.modules["aws_worker"] = package
from aws_worker import worker_server
from aws_worker.worker_library import Library
directory = os.open(sys.argv[2], os.O_RDONLY)
calls, reads = (os.open(f"{sys.argv[2]}/{name}", os.O_RDWR | os.O_CREAT) for name in ("calls", "reads"))
files = worker_server.RunFiles(directory, calls, reads, [], {})
listener = worker_server.listen(directory, "aws_worker.sock")
library = Library({}, {"ansible/module_utils/loaded.py": int(sys.argv[4])})
child = worker_server.Server(listener, os.pidfd_open(os.getppid()), library, int(sys.argv[3]), files).serve_until_the_run_ends()
while child:
    try:
        child.call()
    except BaseException as end:
        child.finish(end)
"""
# What a module is here: it tells what it finds, and then does what it is told.
WRAPPER = """import datetime
_ANSIBALLZ_WRAPPER = True
def _ansiballz_main(**arguments):
    import atexit, json, logging, os, signal, sys, threading, time
    found = {"cwd": os.getcwd(), "left": os.environ.get("LEFT"), "argv": sys.argv, "path": "left" in sys.path, "umask": os.umask(0o22)}
    print(json.dumps({"pid": os.getpid(), "found": found}))
    exec(json.loads(arguments["params"])["ANSIBLE_MODULE_ARGS"]["do"])
    sys.exit(0)
"""
FRESH = {"cwd": "/", "left": None, "argv": [""], "path": False, "umask": 0o27}

Run = Callable[..., tuple[str, int, dict[str, Any]]]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Has the server run a task: its answer, the process that ran it, and what that has found."""
    line = worker_protocol.call_line(task("pass"))
    crc = zlib.crc32(CODE.encode())
    server = subprocess.Popen([sys.executable, "-c", SERVER, PLUGIN_UTILS, str(tmp_path), str(line), str(crc)])

    def run(do: str, batch: str = "", code: str = CODE, **environment: str) -> tuple[str, int, dict[str, Any]]:
        stdout, stdout_end = os.pipe()
        stderr, stderr_end = os.pipe()
        with socket.socket(socket.AF_UNIX) as connection:
            connect(connection, tmp_path / "aws_worker.sock")
            request = worker_protocol.Request({**os.environ, **environment}, "/", 0o27, task(do, code), batch=batch)
            worker_protocol.send_request(connection, request, stdout_end, stderr_end)
            os.close(stdout_end)
            os.close(stderr_end)
            with os.fdopen(stdout) as output, os.fdopen(stderr):
                said = json.loads(output.read() or "{}")
            with connection.makefile() as answers:
                return answers.readline().strip(), said.get("pid", 0), said.get("found", {})

    yield run
    server.terminate()
    server.wait(timeout=10)


def task(do: str, code: str = CODE) -> bytes:
    parameters = json.dumps({"ANSIBLE_MODULE_ARGS": {"do": do}})
    return payload({"ansible/module_utils/loaded.py": code}, WRAPPER, module_fqn=MODULE, params=parameters)


def connect(connection: socket.socket, path: Path) -> None:
    deadline = time.monotonic() + 20
    while connection.connect_ex(str(path)):
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize(
    "do",
    [
        "os.environ['LEFT'] = 'x'",
        "os.chdir('/tmp')",
        "os.umask(0)",
        "sys.argv.append('x')",
        "sys.path.append('left')",
        "sys.path = ['left']",
        "import wave",  # code that all may load
    ],
)
def test_the_next_task_in_the_same_process_finds_what_a_fresh_one_finds(run: Run, do: str) -> None:
    first, second = run(do), run("pass")
    assert first == ("exit 0", first[1], FRESH)
    assert second == ("exit 0", first[1], FRESH)


@pytest.mark.parametrize(
    ("do", "answer"),
    [
        ("sys.exit(1)", "exit 1"),
        ("sys.exit('text')", "exit 1"),
        ("raise RuntimeError", "exit 1"),
        ("os._exit(0)", "exit 0"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "exit -9"),
        ("threading.Thread(target=time.sleep, args=(0.2,)).start()", "exit 0"),
        ("threading.Thread(target=time.sleep, args=(60,), daemon=True).start()", "exit 0"),
        ("atexit.register(print)", "exit 0"),
        ("signal.setitimer(signal.ITIMER_REAL, 60)", "exit 0"),
        ("logging.getLogger('x').addHandler(logging.StreamHandler())", "exit 0"),
        ("sys.modules['ansible.module_utils.late'] = sys", "exit 0"),
        ("import warnings; warnings.simplefilter('ignore')", "exit 0"),
        ("signal.signal(signal.SIGALRM, signal.SIG_IGN)", "exit 0"),
        ("import socket; socket.setdefaulttimeout(1)", "exit 0"),
        ("import io; sys.stderr = io.StringIO()", "exit 0"),
    ],
)
def test_a_process_of_which_something_is_left_runs_no_other_task(run: Run, do: str, answer: str) -> None:
    said, first, _found = run(do)
    again, second, found = run("pass")
    assert (said, again, found) == (answer, "exit 0", FRESH)
    assert first != second


def test_exit_functions_run_at_the_end_of_their_task(run: Run, tmp_path: Path) -> None:
    mark = tmp_path / "ended"
    run(f"atexit.register(open, {str(mark)!r}, 'w')")
    assert mark.exists()


def test_tasks_of_other_surroundings_have_other_processes(run: Run) -> None:
    first, other = run("pass"), run("pass", LEFT="y")
    assert first[1] != other[1]
    assert other[2]["left"] == "y"
    assert [run("pass")[1], run("pass", LEFT="y")[1]] == [first[1], other[1]]


def test_a_process_that_has_ended_while_it_rested_is_not_asked(run: Run) -> None:
    _answer, first, _found = run("pass")
    os.kill(first, 9)
    while Path(f"/proc/{first}").exists():
        time.sleep(0.01)
    answer, second, found = run("pass")
    assert (answer, found) == ("exit 0", FRESH)
    assert second != first


def processors_at_work(run: Run, do: str, tasks: int = 8) -> set[int]:
    """The processes that run tasks of a list that come at once, where there are two processors."""
    with ThreadPoolExecutor(tasks) as pool:
        said = list(pool.map(lambda _number: run(do, batch="b"), range(tasks)))
    assert {answer for answer, _process, _found in said} == {"exit 0"}
    return {process for _answer, process, _found in said}


def test_what_cannot_run_here_is_told_so_beside_others(run: Run) -> None:
    compute = "end = time.process_time() + 0.3\nwhile time.process_time() < end: pass"
    with ThreadPoolExecutor(8) as pool:
        warm = [pool.submit(run, compute, batch="b") for _number in range(4)]
        cold = [pool.submit(run, "pass", batch="c", code="LOADED = 2\n") for _number in range(4)]
        assert {task.result()[0] for task in warm} == {"exit 0"}
        assert {task.result()[0][:4] for task in cold} == {"cold"}


def test_items_that_compute_wait_for_one_another_and_those_that_wait_do_not(run: Run) -> None:
    assert len(processors_at_work(run, "end = time.process_time() + 0.1\nwhile time.process_time() < end: pass")) < 8
    assert len(processors_at_work(run, "time.sleep(0.5)")) == 8


def test_however_many_items_there_are_their_processes_are_bounded(run: Run) -> None:
    most = worker_children.MAXIMAL_AT_WORK
    assert len(processors_at_work(run, "time.sleep(0.5)", most + 8)) == most


def test_of_many_processes_few_stay(run: Run) -> None:
    with ThreadPoolExecutor(10) as pool:
        said = list(pool.map(lambda _number: run("time.sleep(0.5)", batch="b"), range(10)))
    processes = {process for _answer, process, _found in said}
    assert len(processes) == 10
    deadline = time.monotonic() + 10
    while len([process for process in processes if Path(f"/proc/{process}").exists()]) > worker_children.MAXIMAL_RESTING:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert run("pass")[1] in processes

# Copyright: IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Local connection for AWS modules that runs them by forking from a warm process."""

from __future__ import annotations

DOCUMENTATION = r"""
name: aws_worker
short_description: Run AWS modules on the control node by forking from a warm process
version_added: 0.1.0
author:
  - IndiVillage platform team (@indivillage)
description:
  - Does what P(ansible.builtin.local#connection) does, with the same results, at a fraction of the time. A task that runs an AWS module
    spends almost all of its second of CPU on starting an interpreter and importing boto3; here that happens once per run.
  - The first play with such a host, or else the first task, starts a server process that has C(module_utils) of ansible-core,
    C(amazon.aws), C(community.aws) and C(indivillage.infra), boto3 and the AWS service models loaded. Each task runs in a fork of it,
    which runs the unmodified module with the task's own environment, and may run another task if it has left nothing behind. The server
    ends with the run, however that ends.
  - "What cannot be run that way, with the very same code and result, runs over the local connection, unasked: C(become), C(async), C(raw),
    modules that are not Python or start themselves again, another interpreter than Ansible's own, environment variables that
    an interpreter reads at its start, and modules whose files differ from those the server has loaded. C(-vvv) shows which and why."
  - In check mode modules of C(amazon.aws) and C(community.aws) run their real code under a write guard, whether they support check mode or
    not. Reads of AWS are sent; every other call is recorded instead, answered from the service's model and seen by the tasks that follow.
    The result tells under C(plan) what an apply would do, with the values of each field before and after. A task that cannot run under
    the guard stops with an error.
  - Outside check mode a call that deletes what holds data is refused, unless O(approved_deletions) names the resource.
  - A process beside the tasks makes their calls, with clients and connections that last as long as the run. With O(read_ahead), which is
    on, it makes the reads that the run before has made, in their order, before the tasks ask for them. See C(docs/worker.md).
  - In Ansible's own temporary folder of the run, which only its owner may enter, stand Unix sockets, a list of the AWS calls that were
    made, without their parameters, and what was read, with the parameters and without the answers. The latter is kept for the next run
    of the same playbooks and inventory, in C(reads) below Ansible's home directory, for its owner alone. There, too, are kept the results
    of modules that only read and asked for no secret, with a digest of each answer; a task gets that of the run before if AWS gives all
    these answers again, and its module does not run.
notes:
  - Needs Linux and one of the ansible-core versions it is tested with; on another version it stops with an error.
options:
  approved_deletions:
    description:
      - Names or ids of what holds data (databases, buckets, keys, volumes, tables ...) and may be deleted all the same.
      - A call that would delete anything else of that kind is refused before it is sent. The message says what to give.
    type: list
    elements: str
    default: []
    vars:
      - name: approved_deletions
  read_ahead:
    description:
      - Make reads ahead of the tasks that will need them, as far as the last run of the same playbooks, inventory, tags and limit tells.
      - An answer is given to the very same call only, once, at most 30 seconds old, and not after the first change of the run.
      - Without it the results of the run before are not used either, and none are kept.
    type: bool
    default: true
    vars:
      - name: stack_read_ahead
  pipelining:
    description: Hand modules over by a pipe. Without it every task takes the way of the local connection.
    type: bool
    default: true
    vars:
      - name: ansible_aws_worker_pipelining
  become_success_timeout:
    description: As for P(ansible.builtin.local#connection).
    type: int
    default: 10
    vars:
      - name: ansible_local_become_success_timeout
  become_strip_preamble:
    description: As for P(ansible.builtin.local#connection).
    type: bool
    default: true
    vars:
      - name: ansible_local_become_strip_preamble
"""

import fcntl
import functools
import hashlib
import importlib
import json
import multiprocessing
import os
import re
import selectors
import shlex
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import ansible.constants as C  # noqa: N812  # the name that all of Ansible uses
from ansible import context
from ansible.errors import AnsibleConnectionFailure
from ansible.executor import module_common
from ansible.module_utils import ansible_release
from ansible.plugins.connection import ensure_connect
from ansible.plugins.connection.local import Connection as LocalConnection
from ansible.utils.display import Display
from ansible_collections.indivillage.infra.plugins.plugin_utils import core_version, turns, worker_protocol

COLLECTIONS = ("amazon.aws", "community.aws", "indivillage.infra")
START_SECONDS = 60
LOCK_NAME = "aws_worker.lock"
ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")

display = Display()


class Connection(LocalConnection):
    # transport stays `local`: Ansible asks for that name where it decides in which directory a command runs.
    runs_side_by_side = True  # exec_command may be called from several threads
    batch = ""  # set by who does so: what these calls have in common, which none of another task has

    @ensure_connect
    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        require_supported_core()
        environment = None if self.become else interpreter_environment(cmd)
        reason = "become, or another command than Ansible's own interpreter"
        if in_data and environment is not None and sys.platform == "linux":
            approved, directory = tuple(self.get_option("approved_deletions")), str(self.cwd or Path.cwd())
            surroundings = {**os.environ, **environment}, directory, current_umask()
            request = worker_protocol.Request(*surroundings, in_data, approved, self.get_option("read_ahead"), self.batch)
            try:
                result = run(request)
            except worker_protocol.ColdError as cold:
                reason = str(cold)
                display.vvv(f"AWS WORKER leaves this task to the local connection: {reason}", host=self._play_context.remote_addr)
            else:
                display.vvv(f"AWS WORKER: {cmd}", host=self._play_context.remote_addr)
                return result
        outside(in_data or b"", reason)
        with turns.waiting():
            return super().exec_command(cmd, in_data=in_data, sudoable=sudoable)

    def put_file(self, in_path: str, out_path: str) -> None:
        outside(Path(in_path).read_bytes(), "without pipelining modules run from files")
        super().put_file(in_path, out_path)


def require_supported_core() -> None:
    """Stop on a version of ansible-core whose payloads this connection has not been tested with."""
    if not core_version.is_supported():
        raise AnsibleConnectionFailure(
            f"The connection indivillage.infra.aws_worker is made for ansible-core {', '.join(core_version.SUPPORTED)} and this is "
            f"{ansible_release.__version__}: install a supported version, or set stack_connection to local in the inventory (slower, same "
            "results)."
        )


def require_guard(payload: bytes, reason: str) -> None:
    """Stop a module that would run in check mode outside the worker and could reach AWS: some modules write in check mode."""
    if worker_protocol.plans_aws(payload):
        raise AnsibleConnectionFailure(
            f"This AWS task cannot be planned, because the worker cannot run it under its write guard: {reason}. Change that for the "
            "task, or set stack_connection to local for Ansible's plain check mode, which some modules do not honour."
        )


def outside(payload: bytes, reason: str) -> None:
    """Before a module runs beside the worker, which does not see what it changes: nothing that was read ahead is used from now on."""
    require_guard(payload, reason)
    if worker_protocol.calls_aws(payload):
        directory = os.open(C.DEFAULT_LOCAL_TMP, os.O_RDONLY | os.O_DIRECTORY)
        try:
            worker_protocol.mark_stale(directory)
        finally:
            os.close(directory)


def reads_of_runs_like_this() -> Path:
    """The file that tells what runs of the same playbooks, inventory, tags and limit read."""
    said = {name: context.CLIARGS.get(name) for name in ("args", "inventory", "subset")}
    # Ansible makes sets of them, whose order is another one in each run.
    said |= {name: sorted(context.CLIARGS.get(name) or ()) for name in ("tags", "skip_tags")}
    name = hashlib.sha256(json.dumps([str(Path.cwd()), said], default=list).encode()).hexdigest()[:32]
    return Path(C.ANSIBLE_HOME) / worker_protocol.READS_KEPT / name


def interpreter_environment(command: str) -> dict[str, str] | None:
    """The variables that a command sets for Ansible's own interpreter; None when it is any other command."""
    try:
        words = shlex.split(command)
        if len(words) == 3 and words[1] == "-c":
            words = shlex.split(words[2])
    except ValueError:
        return None
    environment = {}
    while words and ASSIGNMENT.match(words[0]):
        name, _equals, value = words.pop(0).partition("=")
        environment[name] = value
    return environment if words in ([sys.executable], [sys.executable, "&&", "sleep", "0"]) else None


@functools.cache  # Ansible leaves it as it was started with
def current_umask() -> int:
    # Asking the operating system instead would mean to set it for a moment, for all threads.
    (umask,) = re.findall(r"^Umask:\s*([0-7]+)$", Path("/proc/self/status").read_text(encoding="ascii"), re.MULTILINE)
    return int(umask, 8)


def run(request: worker_protocol.Request) -> tuple[int, bytes, bytes]:
    """Have a task run: its return code, stdout and stderr. Raises ColdError when nothing was run, with the reason."""
    with connect(request.payload) as worker:
        with turns.no_fork:  # the end of the outputs is when nobody has the other ends any more
            stdout, stdout_end = os.pipe()
            stderr, stderr_end = os.pipe()
            try:
                with suppress(BrokenPipeError, ConnectionResetError):  # the answer, or its absence, tells more
                    worker_protocol.send_request(worker, request, stdout_end, stderr_end)
            finally:
                os.close(stdout_end)
                os.close(stderr_end)
        with turns.waiting(worker):
            outputs = read_to_end(stdout, stderr)
            with worker.makefile() as answers:
                word, _space, detail = answers.readline().rstrip("\n").partition(" ")
    if word == "cold":
        raise worker_protocol.ColdError(detail)
    if word == "exit":
        return int(detail), *outputs
    raise AnsibleConnectionFailure("The AWS worker ended during this task: whether the module did its work is unknown. Run the play again.")


def read_to_end(stdout: int, stderr: int) -> tuple[bytes, bytes]:
    """Read both pipes until all their writers are gone, and close them."""
    contents = {stdout: bytearray(), stderr: bytearray()}
    with selectors.DefaultSelector() as selector:
        for pipe in contents:
            selector.register(pipe, selectors.EVENT_READ)
        while selector.get_map():
            for key, _events in selector.select():
                chunk = os.read(key.fd, 1 << 16)
                contents[key.fd] += chunk
                if not chunk:
                    selector.unregister(key.fd)
                    os.close(key.fd)
    return bytes(contents[stdout]), bytes(contents[stderr])


def begin() -> None:
    """Have this run's server started beside what comes before the first task that needs it."""
    payload = worker_protocol.beginning_of_payloads(module_common._get_ansiballz_code(f"#!{sys.executable}"))

    def start_server() -> None:
        # A fork meanwhile would hold the lock, and wait for itself. What goes wrong is reported by the task that meets it.
        with turns.no_fork, suppress(worker_protocol.ColdError, OSError):
            connect(payload).close()

    # No daemon: the run's temporary folder goes at its end, also where that comes at once.
    threading.Thread(target=start_server).start()


def connect(payload: bytes) -> socket.socket:
    """Connect to this run's server, which the first caller starts. Raises ColdError when there is none to be had."""
    line = worker_protocol.call_line(payload)
    directory = os.open(C.DEFAULT_LOCAL_TMP, os.O_RDONLY | os.O_DIRECTORY)
    try:
        worker = dial(directory)
        if worker:
            return worker
        with os.fdopen(os.open(LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o600, dir_fd=directory), "r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            problem = lock.read()
            worker = None if problem else dial(directory)
            if not worker and not problem:
                problem = start(directory, line, worker_protocol.wrapper_of(payload))
                # Kept for the tasks to come, which shall not wait for another failure.
                lock.write(problem)
                worker = dial(directory)
        if problem or not worker:
            display.warning(f"The AWS worker does not start; tasks take the slower local connection, with the same results: {problem}")
            raise worker_protocol.ColdError(problem)
        return worker
    finally:
        os.close(directory)


def dial(directory: int) -> socket.socket | None:
    worker = socket.socket(socket.AF_UNIX)
    try:
        # By way of /proc, since the path of a socket may have no more than 107 characters.
        worker.connect(f"/proc/self/fd/{directory}/{worker_protocol.SOCKET_NAME}")
    except OSError:
        worker.close()
        return None
    return worker


def start(directory: int, line: int, wrapper: str) -> str:
    """Start the server of this run, for payloads that call this wrapper on the given line; the reason if that fails, else nothing."""
    run_process = multiprocessing.parent_process()
    run_pidfd = os.pidfd_open(run_process.pid if run_process and run_process.pid else os.getpid())
    # Modules pass sets on to AWS: their order must not be another one in a plan's second run.
    order = {} if "PYTHONHASHSEED" in os.environ else {"PYTHONHASHSEED": "0"}
    kept = str(reads_of_runs_like_this())
    settings = json.dumps({"roots": package_roots(), "line": line, "wrapper": wrapper, "unset": list(order), "reads": kept})
    try:
        server = subprocess.run(
            [sys.executable, "-P", "-", str(directory), str(run_pidfd), settings],
            input=worker_protocol.start_script(line).encode(),
            pass_fds=(directory, run_pidfd),
            env={**os.environ, **order},
            start_new_session=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=START_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    finally:
        os.close(run_pidfd)
    return (
        "" if server.stdout == worker_protocol.READY else server.stdout.decode(errors="replace").strip() or f"exit code {server.returncode}"
    )


def package_roots() -> dict[str, str]:
    """Where this run finds the packages whose code goes into module payloads."""
    roots = {"ansible": str(Path(ansible_release.__file__).parents[1])}
    for collection in COLLECTIONS:
        with suppress(ImportError):
            roots[f"ansible_collections.{collection}"] = str(importlib.import_module(f"ansible_collections.{collection}").__path__[0])
    return roots

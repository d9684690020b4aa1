# SPDX-License-Identifier: GPL-3.0-or-later
"""Results of the run before: a module that only reads comes to the same when AWS answers it the same.

Most tasks of most runs find everything as it was. What a module came to is kept, with what it asked and a digest of each answer; the next
run asks the same, and where all is answered as before the module need not run. A module is left out, and runs as ever, that

- has changed anything, has failed, or has asked what is not read ahead (secrets, health, progress ...);
- has C(no_log), or has asked for what people write secrets into (functions, task definitions, user data ...), since results are on disk;
- has read or written files, started programs, or whose own code tells the time or takes chances: its result may depend on them;
- returns what is another one each time, as the id of a request.

In check mode its result also depends on what earlier tasks of the plan would have written, as far as it concerns the services that it
asked: of that a digest is kept as well, and with the result what the module itself would have written.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import pickle
import re
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from .patches import patch, watch_events
from .planning.state import State, Write
from .whole_files import write_whole
from .worker_protocol import PAYLOAD_CALL, Received

SUFFIX = ".results"
MAXIMAL_BYTES = 64 << 20
MAXIMAL_UNUSED = 2  # runs that had no use for a result: between two plans may be an apply, which has results of its own
MAXIMAL_OUTPUT_BYTES = 1 << 16  # what a pipe takes at once, whoever reads it
MOMENT = re.compile(rb"^date_time=.*\n", re.MULTILINE)  # of which nothing depends: the packed files are not unpacked
# Names by which a module's own code tells the time, takes chances, or looks at this machine.
UNSTEADY = re.compile(
    r"^\s*(?:from|import) (?:datetime|uuid|random|secrets|tempfile|pathlib|subprocess|socket|glob|platform)\b"
    r"|\bos\.(?!path\.join)\w|^(?!.*(?:timeout|start_time|deadline)).*\btime\.time\(",  # of waits only their length depends on it
    re.MULTILINE,
)
# Whose answers may hold a secret in plain text, as the value of a variable or in a script.
TELLTALE = re.compile(
    r"(lambda|ecs|batch|codebuild|apigateway|apigatewayv2|amplify|apprunner|elasticbeanstalk|glue|sagemaker|cloudformation) .*"
    r"|ec2 \S*(LaunchTemplate|InstanceAttribute|ConsoleOutput|PasswordData|Vpn)\S*|autoscaling \S*LaunchConfiguration\S*"
)
EVENTS = {
    "open",
    "os.listdir",
    "os.scandir",
    "os.remove",
    "os.rename",
    "os.mkdir",
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.posix_spawn",
}


@dataclass(frozen=True)
class Result:
    """What a module came to."""

    output: bytes
    asked: list[tuple[bytes, str]]
    """Its calls as they were handed over, in their order, each with the digest of the answer."""
    places: frozenset[tuple[str, str]]
    """The services and regions whose planned writes it has looked at."""
    state: int
    """The digest of these."""
    writes: list[Write]
    """What it would have written."""
    planned: list[tuple[str, str, str]]
    """The service, operation and region of each call that was recorded."""
    unused: int = 0
    """How many runs in a row have had no use for it."""


def key_of(received: Received) -> bytes:
    """What a task is told by: its module's code, its arguments and its surroundings."""
    request = received.request
    arguments = MOMENT.sub(b"", request.payload.partition(PAYLOAD_CALL)[2])
    about = [received.digest, request.environment_digest, request.directory, request.umask, request.approved]
    about += [_state_of(path) for path in config_files(request.environment)]
    return hashlib.sha256(arguments + json.dumps(about).encode()).digest()


def config_files(environment: Mapping[str, str]) -> list[str]:
    """The files in which boto3 looks for regions, profiles and credentials."""
    home = f"{environment.get('HOME', '')}/.aws"
    files = {"AWS_CONFIG_FILE": f"{home}/config", "AWS_SHARED_CREDENTIALS_FILE": f"{home}/credentials"}
    return [environment.get(name, file) for name, file in files.items()]


def _state_of(path: str) -> list[int]:
    with suppress(OSError):
        found = Path(path).stat()
        return [found.st_mtime_ns, found.st_size]
    return []


def is_steady(sources: Iterable[str]) -> bool:
    """Whether code comes to the same whenever and wherever it runs, as far as its text tells."""
    return not any(UNSTEADY.search(source) for source in sources)


def may_be_kept(service: str, operation: str) -> bool:
    """Whether the results of a module may be kept that has made this call."""
    return not TELLTALE.fullmatch(f"{service} {operation}")


def digest_of(answer: Mapping[str, Any], status: int) -> str:
    """What an answer says, without what is another one each time."""
    said = {name: value for name, value in answer.items() if name != "ResponseMetadata"}
    return hashlib.sha256(json.dumps([status, said], sort_keys=True, default=str).encode()).hexdigest()


# ---- What is kept from run to run ----


@cache
def state_of_the_code() -> bytes:
    """What tells the code that makes results from any other, as far as tasks do not bring it along."""
    digest = hashlib.sha256(f"{sys.version} {importlib.import_module('botocore').__version__}".encode())
    directory = Path(__file__).parent
    for file in sorted(file for file in (*directory.glob("worker_*.py"), *directory.glob("planning/*")) if file.is_file()):
        digest.update(file.name.encode() + file.read_bytes())
    return digest.digest()


def load(file: Path) -> dict[bytes, Result]:
    """The results of runs before, none when there were none, or when other code or somebody else has made them."""
    with suppress(Exception):  # cut off: they are made anew
        about = file.stat()
        if about.st_size < MAXIMAL_BYTES and about.st_uid == os.getuid() and not about.st_mode & 0o077:
            code, results = pickle.loads(file.read_bytes())  # noqa: S301  # of this user alone
            return dict(results) if code == state_of_the_code() else {}
    return {}


def keep(file: Path, former: dict[bytes, Result], results: dict[bytes, Result]) -> None:
    """Keep a run's results for the next ones, and for a while former ones that it had no use for: each run loads all that is kept."""
    if results:
        unused = {key: replace(result, unused=result.unused + 1) for key, result in former.items() if result.unused < MAXIMAL_UNUSED}
        used = {key: replace(result, unused=0) for key, result in results.items()}
        write_whole(file, [pickle.dumps((state_of_the_code(), {**unused, **used}))])


# ---- In a task ----


@dataclass
class Watch:
    """What a task does, as far as that tells whether its result may be kept."""

    own: tuple[str, ...]
    """How the paths of files begin that are compared elsewhere or empty: code, the configuration of boto3, the folder of packed files."""
    asked: list[tuple[bytes, str]] = field(default_factory=list)
    unsteady: bool = False
    request_ids: list[str] = field(default_factory=list)
    output: list[str] = field(default_factory=list)

    def begin(self) -> None:
        """Look at this process from now on."""
        basic: Any = importlib.import_module("ansible.module_utils.basic")

        def print_and_remember(*values: Any, **options: Any) -> None:
            self.output.append(" ".join(map(str, values)) + options.get("end", "\n"))
            print(*values, **options)

        patch(basic, "print", print_and_remember)  # a result is what AnsibleModule prints
        watch_events(self._look)

    def _look(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in EVENTS and not (isinstance(arguments[0], str) and arguments[0].startswith(self.own)):
            self.unsteady = self.unsteady or not isinstance(arguments[0], int)  # a descriptor that was opened before

    def heard(self, message: bytes, answer: Mapping[str, Any] | None, digest: str) -> None:
        """A call was answered by the process that calls for this one; without a digest when that may be otherwise next time."""
        self.asked.append((message, digest))
        self.unsteady = self.unsteady or not digest
        self.request_ids += filter(None, [(answer or {}).get("ResponseMetadata", {}).get("RequestId")])

    def result(self, state: State, before: int, writes: list[Write], planned: list[tuple[str, str, str]], *, check: bool) -> Result | None:
        """The result to keep; None when there is none, or it may be another one next time. C(before) are the writes of earlier tasks."""
        output = "".join(self.output)
        if self.unsteady or len(output) > MAXIMAL_OUTPUT_BYTES or any(text in output for text in self.request_ids):
            return None
        with suppress(ValueError):
            said = json.loads(output)
            if not said.get("failed") and (check or not said.get("changed")):
                return Result(output.encode(), self.asked, frozenset(state.touched), state.digest(state.touched, before), writes, planned)
        return None

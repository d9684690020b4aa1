# SPDX-License-Identifier: GPL-3.0-or-later
"""The write guard: in check mode a module runs its real code, and nothing but reads leaves this process.

Two locks, one below the other. The upper one is botocore's own entrance for calls: reads on the reviewed list are sent, and every other
call is recorded, validated by botocore as if it were sent, and answered from its output's shape. The lower one is the HTTP client of the
Python library, through which all of boto3 and of Ansible's own URL functions go: a request that does not belong to an allowed read, or to
a look-up of credentials, is refused there. A third one keeps modules, whose check mode is switched off for their real code to run, from
writing files and starting programs.
"""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from ..patches import patch, watch_events
from . import births, operations, requests
from .placeholders import holds
from .shapes import Synthesis, is_not_found, not_found_code, split
from .state import Read, State, Trace, View, Write, home, lay_over, plain, synthesis, unwrapped

# Where credentials of machines come from.
METADATA_HOSTS = {"169.254.169.254", "169.254.170.2", "169.254.170.23", "fd00:ec2::254", "fd00:ec2::23"}
# What a module may ask and wait for after its first recorded write, before it is taken to wait for something that will not happen.
MAXIMAL_WAITS = 60
MAXIMAL_READS = 2000
THROTTLED = {"Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequestsException", "SlowDown", "InternalError"}
# Where among an event's arguments a path stands that changes, and the open directory to which it is relative, if it has one.
FILE_EVENTS: dict[str, tuple[tuple[int, int | None], ...]] = {
    "os.remove": ((0, 1),),
    "os.rmdir": ((0, 1),),
    "os.mkdir": ((0, 2),),
    "os.chmod": ((0, 2),),
    "os.chown": ((0, 3),),
    "os.truncate": ((0, None),),
    "os.rename": ((0, 2), (1, 3)),
    "os.link": ((1, 3),),
    "os.symlink": ((1, 2),),
}
PROCESS_EVENTS = {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.startfile"}


class StopError(BaseException):
    """Ends a module that cannot go on without what is only planned; passes by its error handling."""


class RefusedError(BaseException):
    """Something tried to get around the guard."""


class Guard:
    """What one task of a plan reads and would write."""

    def __init__(self, state: State, log: Callable[[str, str, str], None]) -> None:
        self.state = state
        self.reads: list[tuple[Read, dict[str, Any]]] = []
        self.recorded: list[tuple[Write, Trace]] = []
        self.reads_before: list[int] = []
        """How many of the reads were made before each of the recorded writes."""
        self.writes: list[Write] = []
        """What this task adds to the state: its recorded writes, and those that AWS makes by itself after them."""
        self.met_planned = False
        """Whether an answer told of something that is only planned."""
        self.invalid = False
        """Whether a call was refused for its parameters, which an apply would be as well."""
        self._log = log
        self._inside = threading.local()
        self._waits = 0
        self._reads_since_write = 0
        self._throttled = False
        self._sleep = time.sleep

    # ---- The upper lock ----

    def call(self, client: Any, operation_name: str, parameters: dict[str, Any], send: Callable[..., Any]) -> Any:
        """Answer one AWS call of the module; `send` is botocore's own way."""
        try:
            return self._answer(client, operation_name, parameters, send)
        except importlib.import_module("botocore.exceptions").ParamValidationError:
            self.invalid = not holds(plain(parameters))
            raise

    def _answer(self, client: Any, operation_name: str, parameters: dict[str, Any], send: Callable[..., Any]) -> Any:
        service = client.meta.service_model.service_name
        kind = operations.classify(service, operation_name)
        if kind == operations.SESSION:
            with self._allowed():
                return send(client, operation_name, parameters)
        if kind == operations.READ:
            return self._read(client, operation_name, parameters, send)
        return self._write(client, operation_name, parameters, send)

    def _read(self, client: Any, operation_name: str, parameters: dict[str, Any], send: Callable[..., Any]) -> Any:
        if self.recorded:
            self._reads_since_write += 1
            if self._reads_since_write > MAXIMAL_READS:
                raise StopError("it goes on asking for what is only planned")
        model = client.meta.service_model.operation_model(operation_name)
        resolved = self._resolved(client, parameters)
        read = Read(client.meta.service_model.service_name, client.meta.region_name or "", model, plain(resolved or parameters))
        if resolved is None:
            raise self._not_found(client, read)
        answer = self._ask(client, read, resolved, send)
        trace = self.state.lay_over(read, answer)
        self.met_planned = self.met_planned or bool(trace.inserted or trace.changes)
        self.reads.append((read, plain(answer)))  # a copy, since modules change what they get
        return answer

    def _ask(self, client: Any, read: Read, parameters: dict[str, Any], send: Callable[..., Any]) -> dict[str, Any]:
        """What AWS answers, or what it would answer of things that are only planned."""
        real = requests.without_placeholders(parameters)
        error: Any = None
        self._throttled = False
        if self.state.deleted(read):
            raise self._not_found(client, read)
        if real is not None:
            try:
                with self._allowed():
                    return send(client, read.operation.name, real)
            except client.exceptions.ClientError as failure:
                code = str(failure.response.get("Error", {}).get("Code", ""))
                self._throttled = code in THROTTLED
                if not is_not_found(code):
                    raise
                error = failure
        planned = self.state.planned(read)
        if planned:
            self.met_planned = True
            answer = synthesis(planned).structure(read.shape, planned.noun) if read.shape else {}
            return answered({**answer, **births.default_answer(read, planned)})
        if self.state.written(read) or (lists(read.shape) and (real is None or self.state.knows(read))):
            return answered(Synthesis(read.service, read.region, "", {}).structure(read.shape, ""))
        if read.operation.name in births.ABSENT and self.state.knows(read):
            raise self._not_found(client, read)
        if read.shape is None or (read.service == "s3" and self.state.knows(read)):
            return answered({})
        raise error or self._not_found(client, read)

    def _resolved(self, client: Any, parameters: dict[str, Any]) -> dict[str, Any] | None:
        """A request that names a KMS key by an alias that is planned names the key itself, as AWS reads it; None when the alias goes."""
        alias = str(parameters.get("KeyId", ""))
        resolved: dict[str, Any] | None = parameters
        if client.meta.service_model.service_name == "kms" and "alias/" in alias:
            for write in self.state.concerning("kms", client.meta.region_name or ""):
                if write.operation in ("CreateAlias", "DeleteAlias") and alias.endswith(write.parameters["AliasName"]):
                    resolved = None if write.deletes else {**parameters, "KeyId": write.parameters["TargetKeyId"]}
        return resolved

    def _not_found(self, client: Any, read: Read) -> Exception:
        self.met_planned = True
        code = births.ABSENT.get(read.operation.name) or not_found_code(read.service, read.operation)
        answer = {"Error": {"Code": code, "Message": "It is only planned."}, "ResponseMetadata": {"HTTPStatusCode": 404}}
        kind: type[Exception] = client.exceptions.from_code(code)
        return kind(answer, read.operation.name)

    def _write(self, client: Any, operation_name: str, parameters: dict[str, Any], send: Callable[..., Any]) -> Any:
        model = client.meta.service_model.operation_model(operation_name)
        service, region = client.meta.service_model.service_name, client.meta.region_name or ""
        seed = self.state.seed(service, region, operation_name, plain(parameters))
        fields = plain(parameters)
        response = births.answer_to(operation_name, fields, answer_to(service, region, model, fields, seed), self.reads)
        write = Write(service, home(service, region), operation_name, fields, plain(response), seed)
        trace = Trace()
        for read, answer in self.reads:
            if read.service == service and home(read.service, read.region) == write.region:
                lay_over(write, View(read, plain(answer)), trace)
        self._inside.answer = response
        try:
            answer = send(client, operation_name, parameters)  # botocore validates it, and `answer_instead` answers
        finally:
            self._inside.answer = None
        self.recorded.append((write, trace))
        self.reads_before.append(len(self.reads))
        added = [write, *self._implied(write)]
        self.state.add(added)
        self.writes += added
        self._reads_since_write = 0
        self._log(service, operation_name, region)
        return answer

    def _implied(self, write: Write) -> Iterator[Write]:
        here = ((write.region, *implied) for implied in births.implied(write))
        for number, (region, operation, parameters, response) in enumerate([*here, *births.elsewhere(write)]):
            yield Write(write.service, region, operation, parameters, response, f"{write.seed}.{number}")

    def answer_instead(self) -> tuple[Any, dict[str, Any]] | None:
        """The answer to the write that botocore is about to send; None for a read."""
        response = getattr(self._inside, "answer", None)
        if response is None:
            return None
        http = importlib.import_module("botocore.awsrequest").AWSResponse("https://planned.invalid/", 200, {}, None)
        return http, answered(response)

    # ---- The lower locks ----

    @contextmanager
    def _allowed(self) -> Iterator[None]:
        self._inside.allowed = True
        try:
            yield
        finally:
            self._inside.allowed = False

    def require_allowed(self, host: str) -> None:
        """Raise RefusedError unless a read is under way, or credentials are looked up on the machine itself."""
        if not getattr(self._inside, "allowed", False) and host.strip("[]") not in METADATA_HOSTS:
            raise RefusedError(f"A request to {host} that is not a reviewed AWS read was refused: nothing else leaves a plan.")

    def require_harmless(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Python's audit hook: StopError for a file that would be written or a program that would be started."""
        if event == "open":
            path, _mode, flags = arguments
            writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC)
            if writes and isinstance(path, (str, bytes)) and not _is_scratch(os.fsdecode(path)):
                raise StopError(f"it would write {os.fsdecode(path)}")
        elif event in FILE_EVENTS:
            for place, base in FILE_EVENTS[event]:
                path = arguments[place]
                if isinstance(path, (str, bytes)) and not _is_scratch(_whole(os.fsdecode(path), -1 if base is None else arguments[base])):
                    raise StopError(f"it would change {os.fsdecode(path)}")
        elif event in PROCESS_EVENTS:
            raise StopError("it would start a program")

    # ---- Waiting ----

    def sleep(self, seconds: float) -> None:
        """Nothing that was only planned will happen, so there is nothing to wait for; what AWS slows down is waited for as ever."""
        if not self.recorded or self._throttled or getattr(self._inside, "allowed", False):
            self._sleep(seconds)
            return
        self._waits += 1
        if self._waits > MAXIMAL_WAITS:
            raise StopError("it waits for what is only planned")

    def waits(self, arguments: Mapping[str, Any]) -> bool:
        """Whether a botocore waiter shall wait."""
        return not self.recorded and not holds(plain(arguments))


def answer_to(service: str, region: str, model: Any, parameters: dict[str, Any], seed: str) -> dict[str, Any]:
    """What AWS would answer to a write."""
    if model.output_shape is None:
        return {}
    noun = split(model.name)[1]
    first = Synthesis(service, region, seed, unwrapped(noun, parameters)).structure(model.output_shape, noun)
    fields = Write(service, region, model.name, parameters, plain(first), seed).fields
    return Synthesis(service, region, seed, births.known(service, noun, fields)).structure(model.output_shape, noun)


def lists(shape: Any) -> bool:
    """Whether an answer is a list of things, which may be empty."""
    return shape is not None and any(part.type_name == "list" for part in shape.members.values())


def answered(response: dict[str, Any]) -> dict[str, Any]:
    metadata = {"HTTPStatusCode": 200, "RequestId": "planned", "HTTPHeaders": {}, "RetryAttempts": 0}
    return {**response, "ResponseMetadata": metadata}


def _whole(path: str, directory: int) -> str:
    """A path as it is without the open directory to which it is relative, as those tell it who remove a whole folder."""
    return os.path.join(os.readlink(f"/proc/self/fd/{directory}"), path) if directory >= 0 else path  # noqa: PTH115, PTH118  # as below


def _is_scratch(path: str) -> bool:
    path = os.path.abspath(path)  # noqa: PTH100  # runs within an audit hook: the fewer events it makes, the better
    return path.startswith(("/dev/", "/proc/self/", tempfile.gettempdir() + "/", os.path.expanduser("~/.aws/")))  # noqa: PTH111


def install(guard: Guard, harmless: bool) -> None:
    """Put the guard into this process, until the end of its task; with `harmless`, files and programs are locked too."""
    client = importlib.import_module("botocore.client").BaseClient
    send, request = client._make_api_call, client._make_request
    patch(client, "_make_api_call", lambda self, operation_name, api_params: guard.call(self, operation_name, api_params, send))
    patch(client, "_make_request", lambda self, *arguments: guard.answer_instead() or request(self, *arguments))

    waiter = importlib.import_module("botocore.waiter").Waiter
    wait = waiter.wait
    patch(waiter, "wait", lambda self, **arguments: wait(self, **arguments) if guard.waits(arguments) else None)
    patch(time, "sleep", guard.sleep)

    connection = importlib.import_module("http.client").HTTPConnection
    put_request = connection.putrequest

    def putrequest(self: Any, method: str, url: str, *arguments: Any, **options: Any) -> Any:
        guard.require_allowed(urlsplit(url).hostname or self.host)
        return put_request(self, method, url, *arguments, **options)

    patch(connection, "putrequest", putrequest)
    if harmless:
        sys.dont_write_bytecode = True
        tempfile.gettempdir()
        watch_events(guard.require_harmless)

# SPDX-License-Identifier: GPL-3.0-or-later
"""The process that makes the AWS calls of a stack's tasks, with clients and connections that last as long as the run.

A task lives for a few calls, and what they cost it is mostly that everything is new to it: the connection and its TLS, and the parts of
botocore that build requests and read answers. So a task asks this process, which calls with a client of its own that is made of the same
arguments in the same environment, and hands over what AWS has answered. `worker_calls` puts that into the task's own botocore.

What cannot be handed over is called by the task itself, as ever: what is streamed, what a client does to which its module has added
handlers, and what this process does not come to send.
"""

from __future__ import annotations

import importlib
import json
import os
import pickle
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from .worker_calls import CLIENT_CREDENTIALS, Answer, CallLog, Recorder, changes_of_handlers, nothing_to_check, record_with
from .worker_read_ahead import Read, ReadAhead, is_read, may_be_ahead
from .worker_results import Watch, digest_of, may_be_kept

LENGTH = struct.Struct("!I")


@dataclass(frozen=True)
class Asking:
    """Who asks: the module and its mode, for the log of calls, and what tells this task from others."""

    module: str
    mode: str
    task: bytes


@dataclass(frozen=True)
class Comparing:
    """A task whose module need not run, if all that it asked in the run before is answered as then."""

    asking: Asking
    asked: list[tuple[bytes, str]]


# ---- In a task ----


class Line:
    """A task's line to the process that calls for it; one for each thread that calls."""

    def __init__(self, directory: int, name: str, asking: Asking, watch: Watch | None = None) -> None:
        self._watch = watch
        self._address = f"/proc/self/fd/{directory}/{name}"
        self._asking = asking
        self._current = threading.local()

    def call(self, client: str, operation: str, parameters: Mapping[str, Any], *, writes: bool) -> Answer | None:
        """What became of a call; None when the task has to make it."""
        try:
            message = framed((client, operation, parameters))
        except Exception:  # what cannot be handed over
            return None
        try:
            connection = self._connection()
        except OSError:
            return None
        try:
            connection.sendall(message)
            answer: Answer | None = received(connection)
        except BaseException as error:  # also what a module's own alarm raises: the answer to come is not that of the next call
            connection.close()
            del self._current.connection
            if not isinstance(error, (OSError, EOFError)):
                raise
            # Whether it was sent is unknown: a read can be made again.
            lost = importlib.import_module("botocore.exceptions").ConnectionClosedError
            return Answer(failure=lost(endpoint_url="the AWS worker's process for calls")) if writes else None
        if self._watch:
            self._watch.heard(message[LENGTH.size :], answer.parsed if answer else None, answer.digest if answer else "")
        return answer

    def close(self) -> None:
        """Give up the line of this thread."""
        if hasattr(self._current, "connection"):
            self._current.connection.close()
            del self._current.connection

    def _connection(self) -> socket.socket:
        if not hasattr(self._current, "connection"):
            connection = socket.socket(socket.AF_UNIX)
            try:
                connection.connect(self._address)
                connection.sendall(framed(self._asking))
            except OSError:
                connection.close()
                raise
            self._current.connection = connection
        found: socket.socket = self._current.connection
        return found


def framed(content: Any) -> bytes:
    """A message, as `received` reads it."""
    text = pickle.dumps(content)
    return LENGTH.pack(len(text)) + text


def received(connection: socket.socket) -> Any:
    """The next message; raises EOFError when the other side is gone."""
    (size,) = LENGTH.unpack(exactly(connection, LENGTH.size))
    return pickle.loads(exactly(connection, size))  # noqa: S301  # both sides are forks of the same server


def exactly(connection: socket.socket, size: int) -> bytes:
    """As many bytes; raises EOFError when the other side is gone."""
    content = connection.recv(size, socket.MSG_WAITALL)
    if len(content) != size:
        raise EOFError
    return content


# ---- In the process that calls ----


class GoneError(Exception):
    """The task that wanted a call has ended."""


class Caller:
    """Makes calls, for tasks and ahead of them."""

    def __init__(self, calls: int, reads: int | None, stack: str, former: list[Read], is_stale: Callable[[], bool]) -> None:
        self._calls = calls
        self._reads = reads
        self._stack = stack
        self._ahead = ReadAhead(former, self._read_ahead, is_stale)
        self._making = threading.Lock()
        self._clients: dict[str, Any] = {}
        self._recorder = _Sender(CallLog(calls, "read ahead", "ahead"))
        self._errors = importlib.import_module("botocore.exceptions")

    def serve(self, listener: socket.socket) -> None:
        """Begin to read ahead, and answer those who ask, for ever."""
        record_with(self._recorder)
        self._ahead.start()
        while True:
            connection, _address = listener.accept()
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError, EOFError):
            first: Asking | Comparing = received(connection)
            asking = first.asking if isinstance(first, Comparing) else first
            self._recorder.log, self._recorder.connection = CallLog(self._calls, asking.module, asking.mode), connection
            if isinstance(first, Comparing):
                connection.sendall(framed(self._is_as_before(first)))
                return
            while True:
                connection.sendall(framed(self._answer(asking, *received(connection))))

    def _answer(self, asking: Asking, client: str, operation: str, parameters: Mapping[str, Any]) -> Answer | None:
        service = service_of(client)
        if asking.mode == "check" and not is_read(service, operation):
            return None
        read = self._foreseeable(service, operation, client, parameters)
        if read is None or self._ahead.waits(read.key(), asking.task):
            return self._call(client, operation, parameters)
        self._tell(read)
        return self._ahead.answer(read.key()) or _digested(read, self._call(client, operation, parameters))

    def _foreseeable(self, service: str, operation: str, client: str, parameters: Mapping[str, Any]) -> Read | None:
        """The call as one that the next run is told of; None when it is none."""
        if self._reads is None or not may_be_ahead(service, operation, parameters) or holds_credentials(client):
            return None
        read = Read(self._stack, service, operation, client, dict(parameters))
        try:
            read.line()
        except (TypeError, ValueError):  # parameters that cannot be kept
            return None
        return read

    def _is_as_before(self, comparing: Comparing) -> bool:
        """Whether all is answered as it was. If so the next run is told of these reads; else the task shall have the answers."""
        answers: list[tuple[Read, Answer]] = []
        for message, digest in comparing.asked:
            # Of a file that nobody but this user can have written: `worker_results.load` looks at that.
            client, operation, parameters = pickle.loads(message)  # noqa: S301
            read = self._foreseeable(service_of(client), operation, client, parameters)
            answer = read and (self._ahead.answer(read.key()) or self._read_ahead(read))
            if read and answer:
                answers.append((read, answer))
            if not answer or answer.digest != digest:
                break
        else:
            for read, _answer in answers:
                self._tell(read)
            return True
        for read, answer in reversed(answers):
            self._ahead.give_back(read.key(), answer)
        return False

    def _tell(self, read: Read) -> None:
        """Tell the next run of a read."""
        if self._reads is not None:
            os.write(self._reads, read.line())

    def _read_ahead(self, read: Read) -> Answer | None:
        answer = _digested(read, self._call(read.client, read.operation, read.parameters))
        return answer if _is_useful(answer) else None

    def _call(self, client_made_of: str, operation: str, parameters: Mapping[str, Any]) -> Answer | None:
        recorder = self._recorder
        recorder.sent = False
        try:
            client = self._client(client_made_of)
            if client is None:
                return None
            return Answer(200, client._make_api_call(operation, parameters))
        except GoneError:
            raise EOFError from None
        except (self._errors.EndpointConnectionError, self._errors.ConnectTimeoutError):
            return None
        except Exception as error:
            response = getattr(error, "response", None) or {}
            status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            if status >= 300:
                return Answer(status, response, recorder.error_code)
            # Whether a call that was sent has had an effect is unknown, unless it is a read.
            return Answer(failure=_portable(error)) if recorder.sent and not is_read(service_of(client_made_of), operation) else None

    def _client(self, made_of: str) -> Any:
        """A client like the one of a task; None when the task's has other handlers."""
        with self._making:
            if made_of not in self._clients:
                about = dict(parsed(made_of))
                handlers, profile = about.pop("handlers"), about.pop("profile")
                config, environment = about.pop("config"), about.pop("environment")
                about |= {name: os.environ[variable] for name, variable in environment.items()}
                boto3, botocore = importlib.import_module("boto3"), importlib.import_module("botocore.config")
                session = boto3.session.Session(profile_name=profile)
                client = session.client(**about, config=botocore.Config(**config) if config is not None else None)
                same = changes_of_handlers(client) == handlers
                client.meta.events.register_last("after-call", self._recorder.learn)
                self._clients[made_of] = client if same else None
            return self._clients[made_of]


@cache  # a run has few clients, and each call asks
def parsed(made_of: str) -> Mapping[str, Any]:
    """What a client is made of."""
    about: dict[str, Any] = json.loads(made_of)
    return about


def service_of(made_of: str) -> str:
    """The service of a client that is made of this."""
    return str(parsed(made_of)["service_name"])


def holds_credentials(made_of: str) -> bool:
    """Whether a client was given credentials of its own, which must not be kept."""
    return any(name in parsed(made_of) for name in CLIENT_CREDENTIALS)


class _Sender(Recorder):
    """What botocore takes for its history recorder, in each thread that calls."""

    def __init__(self, log: CallLog) -> None:
        super().__init__(log, nothing_to_check)
        self.connection: socket.socket | None = None
        """That of the task for which this thread calls."""
        self.sent = False
        self.error_code: str | None = None

    def record(self, event_type: str, payload: Any, source: str = "BOTOCORE") -> None:
        if event_type == "HTTP_REQUEST":
            if self.connection and _is_closed(self.connection):
                raise GoneError
            self.sent = True
        super().record(event_type, payload, source)

    def learn(self, context: Mapping[str, Any], **_others: Any) -> None:
        """After a call: by which code botocore chooses an error's class, if not by the one in the answer."""
        self.error_code = context.get("error_code_override")


def _is_useful(answer: Answer | None) -> bool:
    """Whether others can use it too: whoever is slowed down, or meets an error of AWS' own, tries again by itself."""
    return bool(answer and answer.parsed is not None and not answer.failure and answer.status < 500 and not answer.throttled)


def _digested(read: Read, answer: Answer | None) -> Answer | None:
    """An answer with what tells it from another one, where the next run may make use of that."""
    if answer is None or answer.parsed is None or not _is_useful(answer) or not may_be_kept(read.service, read.operation):
        return answer
    return replace(answer, digest=digest_of(answer.parsed, answer.status))


def _is_closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def _portable(error: Exception) -> Exception:
    """The error itself, if another process can have it."""
    try:  # some can be written and not be read again
        pickle.loads(pickle.dumps(error))  # noqa: S301  # of this process
    except Exception:
        http_error: Any = importlib.import_module("botocore.exceptions").HTTPClientError
        return http_error(error=str(error))
    return error

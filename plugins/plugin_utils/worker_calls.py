# SPDX-License-Identifier: GPL-3.0-or-later
"""The AWS calls of a task: counted for the run's report, refused where they would take data away that nobody gave up, and handed over to
the process that calls for all tasks of the stack.

Stands in for botocore's history recorder, which botocore tells of every call before it sends it, and of every answer; and for those parts
of botocore's clients between the two that a call has no need of once it is answered. Nothing is wrapped, so what modules report of a
failure, down to the traceback, is what it would be without.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Protocol

from . import worker_protocol, worker_read_ahead
from .patches import patch
from .planning import operations
from .planning.guard import THROTTLED

CLIENT_OPTIONS = ("service_name", "region_name", "api_version", "use_ssl", "verify", "endpoint_url")
CREDENTIAL_VARIABLES = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN")
CLIENT_CREDENTIALS = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token", "aws_account_id")

Check = Callable[[str, str, Mapping[str, Any]], None]
"""Raises what a call of a service and operation with these parameters is refused by."""


class CallLog:
    """Appends one JSON line for each call to a file that all tasks of the run share."""

    def __init__(self, descriptor: int, task: str, mode: str) -> None:
        self._descriptor = descriptor
        self.has_sent = False
        """Whether a request that is logged here was sent."""
        self._about = {"task": task, "mode": mode}

    def write(self, service: str, operation: str, region: str, seconds: float, status: int | str) -> None:
        line = {"service": service, "operation": operation, "region": region, "seconds": round(seconds, 4), "status": status, **self._about}
        # One write in append mode: lines of tasks that run side by side do not mix.
        os.write(self._descriptor, (json.dumps(line) + "\n").encode())


@dataclass(frozen=True)
class Answer:
    """What became of a call that another process made: what AWS answered, with the HTTP status; or the error that came in its stead."""

    status: int = 0
    parsed: Mapping[str, Any] | None = None
    error_code: str | None = None
    """By which botocore chooses the error's class, if not by the one in the answer."""
    failure: Exception | None = None
    digest: str = ""
    """Of a read that the next run may make ahead: what the answer says."""

    @property
    def throttled(self) -> bool:
        return self.parsed is not None and self.parsed.get("Error", {}).get("Code") in THROTTLED


class Line(Protocol):
    """The way to the process that calls for this one."""

    def call(self, client: str, operation: str, parameters: Mapping[str, Any], *, writes: bool) -> Answer | None:
        """What became of a call; None when it has to be made here."""


@dataclass
class _Call:
    service: str = ""
    operation: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    region: str = ""
    started: float = 0.0
    is_new: bool = True
    """Whether it has not been tried to have it made elsewhere."""
    answer: Answer | None = None


class Recorder(threading.local):
    """What botocore takes for its history recorder."""

    def __init__(self, log: CallLog, check: Check) -> None:
        self.log = log
        self._check = check
        self.call = _Call(is_new=False)

    def record(self, event_type: str, payload: Any, source: str = "BOTOCORE") -> None:
        """Called by botocore; raises what `check` raises, before anything is sent."""
        call = self.call
        if event_type == "API_CALL":
            self.call = _Call(payload["service"], payload["operation"], payload["params"])
            self._check(payload["service"], payload["operation"], payload["params"])
        elif event_type == "HTTP_REQUEST":
            self.log.has_sent = True
            call.started, call.region = time.monotonic(), worker_read_ahead.signed_region(payload["headers"])
        elif event_type == "HTTP_RESPONSE":
            self.log.write(call.service, call.operation, call.region, time.monotonic() - call.started, payload["status_code"])


def record_with(recorder: Recorder) -> None:
    """Have botocore tell the recorder of every call that this process makes from now on."""
    for module in ("botocore.client", "botocore.endpoint"):
        patch(importlib.import_module(module), "history_recorder", recorder)


# ---- Calls that another process makes ----


class HandOver:
    """Hands calls over, and their answers to botocore's clients. `planned`: only reads leave this process."""

    def __init__(self, recorder: Recorder, line: Line, *, planned: bool) -> None:
        self._recorder = recorder
        self._line = line
        self._planned = planned

    def install(self) -> None:
        """Put this into botocore, for all clients that are made from now on."""
        module: Any = importlib.import_module("botocore.client")
        _remember_how_clients_are_made(module.BaseClient)
        instead: dict[str, Callable[..., Any]] = {
            "_resolve_endpoint_ruleset": lambda *_arguments, **_options: ("", None, None),
            "_convert_to_request_dict": self._request,
        }
        patch(module.BaseClient, "_emit_api_params", _InPlaceOf(module.BaseClient._emit_api_params, self._begin))
        for name, function in instead.items():
            patch(module.BaseClient, name, _InPlaceOf(getattr(module.BaseClient, name), self._while_answered(function)))
        handlers = SimpleNamespace(emit_until_response=self._response, emit=self._end)

        def events(meta: Any) -> Any:
            return handlers if self._recorder.call.answer else vars(meta)["events"]

        patch(module.ClientMeta, "events", property(events, lambda meta, value: vars(meta).update(events=value)))

    def _begin(self, client: Any) -> Callable[..., Any] | None:
        """A call has begun: have it made elsewhere, if that can be. Also looked up where an address is signed, which is no call."""
        call = self._recorder.call
        if not call.is_new:
            return None
        call.is_new = False
        model = client.meta.service_model.operation_model(call.operation)
        streamed = model.has_streaming_input or model.has_streaming_output or model.has_event_stream_input or model.has_event_stream_output
        reads = worker_read_ahead.is_read(call.service, call.operation)
        made_of = None if streamed or (self._planned and not reads) else _made_of(client)
        call.answer = self._line.call(made_of, call.operation, call.parameters, writes=not reads) if made_of else None
        if call.answer and call.answer.failure:
            failure, call.answer = call.answer.failure, None
            raise failure
        return (lambda api_params, **_options: api_params) if call.answer else None

    def _while_answered(self, function: Callable[..., Any]) -> Callable[[Any], Callable[..., Any] | None]:
        return lambda _client: function if self._recorder.call.answer else None

    def _request(self, *, context: dict[str, Any], **_options: Any) -> dict[str, Any]:
        answer = self._recorder.call.answer
        if answer and answer.error_code:
            context["error_code_override"] = answer.error_code
        return {"context": context, "headers": {}, "url": "", "body": b""}

    def _response(self, _event: str, **_options: Any) -> tuple[None, tuple[Any, Any]]:
        answer = self._recorder.call.answer or Answer()
        return None, (SimpleNamespace(status_code=answer.status), answer.parsed)

    def _end(self, _event: str, **_options: Any) -> None:
        self._recorder.call.answer = None


class _InPlaceOf:
    """A method of botocore's clients; or, while there is an answer already, what stands in for it.

    Which of the two it is, is decided when the method is looked up: a function that decided when it is called would be a line in the
    tracebacks of modules.
    """

    def __init__(self, own: Any, instead: Callable[[Any], Callable[..., Any] | None]) -> None:
        self._own = own
        self._instead = instead

    def __get__(self, client: Any, kind: type | None = None) -> Any:
        return (client is not None and self._instead(client)) or self._own.__get__(client, kind)


def _remember_how_clients_are_made(base: Any) -> None:
    begin = base.__init__

    def begin_and_remember(client: Any, *arguments: Any, **options: Any) -> None:
        begin(client, *arguments, **options)
        # Seen from below, since a function around those that make clients would be a line in the tracebacks of modules.
        maker = sys._getframe(2)
        if maker.f_code.co_name == "create_client" and "use_ssl" in maker.f_locals:
            client._worker_made_by = dict(maker.f_locals)

    patch(base, "__init__", begin_and_remember)


def _made_of(client: Any) -> str | None:
    """What a client was made of, as JSON; None when another process cannot make the same."""
    made_by = vars(client).get("_worker_made_by")
    if made_by is None or logging.getLogger("botocore.endpoint").isEnabledFor(logging.DEBUG):
        return None
    session, config = made_by["self"], made_by["config"]
    explicit = getattr(made_by["credentials"], "method", None) == "explicit" and made_by["aws_access_key_id"] is None
    if explicit or session.user_agent_name != "Boto3":
        return None
    about = {name: made_by[name] for name in CLIENT_OPTIONS}
    about["environment"] = {}
    for name in CLIENT_CREDENTIALS:
        if made_by[name] is not None:  # most come from the environment, by way of a module's arguments
            variable = next((known for known in CREDENTIAL_VARIABLES if os.environ.get(known) == made_by[name]), None)
            if variable:
                about["environment"][name] = variable
            else:
                about[name] = made_by[name]
    about["config"] = config and dict(config._user_provided_options)
    about["profile"] = session.instance_variables().get("profile")
    about["handlers"] = changes_of_handlers(client)
    try:
        return json.dumps(about)
    except (TypeError, ValueError):
        return None


def changes_of_handlers(client: Any) -> int:
    """How often handlers were added to a client, and before to its session, or removed; clients that are made alike have the same."""
    count: int = client.meta.events._emitter._handlers.changes
    return count


# ---- Calls that are refused ----


def fresh_check(directory: int, check: Check) -> Check:
    """A check that has nothing answered ahead any more, in the whole run, from the first call that may change something."""

    def check_and_mark(service: str, operation: str, parameters: Mapping[str, Any]) -> None:
        check(service, operation, parameters)
        if worker_read_ahead.may_change(service, operation):
            worker_protocol.mark_stale(directory)

    return check_and_mark


def deletion_check(approved: tuple[str, ...]) -> Check:
    """A check that refuses every call that takes data away, unless the resource's name or id is approved."""

    def check(service: str, operation: str, parameters: Mapping[str, Any]) -> None:
        loss = operations.stateful(service, operation, parameters)
        if loss is None or operations.is_approved(loss[1], approved):
            return
        kind, name = loss[0].kind, loss[1]
        option = json.dumps({"approved_deletions": [*approved, name]})
        message = (
            f"This would delete the {kind} {name!r} with the data in it, which nobody has approved. If that is what you want, "
            f"run it again with -e '{option}'"
        )
        client_error = importlib.import_module("botocore.exceptions").ClientError
        raise client_error({"Error": {"Code": "DeletionNotApproved", "Message": message}}, operation)

    return check


def nothing_to_check(_service: str, _operation: str, _parameters: Mapping[str, Any]) -> None:
    """The check of a planned task: its writes are never sent."""

# SPDX-License-Identifier: GPL-3.0-or-later
"""What AWS answers when it is overloaded: throttling and internal errors, in the words of each service's protocol.

https://docs.aws.amazon.com/general/latest/gr/api-retries.html and the "Common Errors" page of each service's API reference.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import botocore.session

THROTTLED, BROKEN = "throttled", "broken"
_MESSAGES = {THROTTLED: "Rate exceeded", BROKEN: "An internal error has occurred"}
_STATUS = {400: "400 Bad Request", 429: "429 Too Many Requests", 500: "500 Internal Server Error", 503: "503 Service Unavailable"}
# Service (as in a signature's scope) -> (status, code) of a throttled call, where it is not that of the protocol.
_THROTTLED_CODES = {
    "ec2": (503, "RequestLimitExceeded"),
    "s3": (503, "SlowDown"),
    "sqs": (400, "RequestThrottled"),
}


@dataclass(frozen=True)
class Answer:
    """One HTTP answer."""

    status: str
    content_type: str
    body: bytes


@dataclass
class Faults:
    """How badly the API behaves: seconds that every call takes longer, and the share of calls that fail without any effect.

    The choice of calls is a function of `seed` and of the order in which calls come.
    """

    latency_seconds: float = 0.0
    share: float = 0.0
    kinds: tuple[str, ...] = (THROTTLED, BROKEN)
    seed: int = 1
    _random: random.Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311 - a repeatable choice, no secret

    def next(self) -> str | None:
        """The fault of the next call, if it gets one."""
        return self._random.choice(self.kinds) if self._random.random() < self.share else None


def answer(kind: str, service: str, environ: dict[str, Any]) -> Answer:
    """The error that `service` reports for a request, in the form in which that request was made."""
    if kind == THROTTLED:
        status, code = _THROTTLED_CODES.get(service) or _throttled(service, environ)
    else:
        status, code = 500, "InternalError" if service in ("ec2", "s3") else "InternalFailure"
    message = _MESSAGES[kind]
    if _names_its_target(environ) or _is_rest_json(service):
        return Answer(_STATUS[status], "application/x-amz-json-1.1", json.dumps({"__type": code, "message": message}).encode())
    if service == "ec2":
        text = (
            f"<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors><RequestID>0</RequestID></Response>"
        )
    elif service == "s3":
        text = f"<Error><Code>{code}</Code><Message>{message}</Message><RequestId>0</RequestId></Error>"
    else:
        blame = "Sender" if kind == THROTTLED else "Receiver"
        error = f"<Error><Type>{blame}</Type><Code>{code}</Code><Message>{message}</Message></Error>"
        text = f"<ErrorResponse>{error}<RequestId>0</RequestId></ErrorResponse>"
    return Answer(_STATUS[status], "text/xml", b'<?xml version="1.0" encoding="UTF-8"?>\n' + text.encode())


def _throttled(service: str, environ: dict[str, Any]) -> tuple[int, str]:
    if _is_rest_json(service):
        return 429, "TooManyRequestsException"
    return 400, "ThrottlingException" if _names_its_target(environ) else "Throttling"


def _names_its_target(environ: dict[str, Any]) -> bool:
    """Whether the request is of a protocol that has JSON for everything."""
    return "HTTP_X_AMZ_TARGET" in environ


@cache
def _is_rest_json(service: str) -> bool:
    """Whether a service, by its name in a signature's scope, has paths and methods for its operations, and JSON for the rest."""
    session = botocore.session.get_session()
    named = (name for name in session.get_available_services() if name.replace("-", "") == service.replace("-", ""))
    return any(session.get_service_model(name).metadata["protocol"] == "rest-json" for name in named)

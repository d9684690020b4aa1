# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The REST API of AWX: requests, pages, and its refusals in words."""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urljoin
from urllib.request import HTTPRedirectHandler, HTTPSHandler, OpenerDirector, Request, build_opener

ROOT = "/api/v2/"
PAGE_SIZE = 200  # the most that AWX gives


class AwxError(Exception):
    """What AWX refused, or that it cannot be reached; the text says which request it was."""


class _NoRedirects(HTTPRedirectHandler):
    """A token goes to the server that it is for, and to no other that one names."""

    def redirect_request(self, *_arguments: Any, **_options: Any) -> None:
        return None


@dataclass
class Api:
    """One server. Nothing of it is remembered but the fields that its kinds take."""

    host: str
    token: str = ""
    username: str = ""
    password: str = ""
    validate_certs: bool = True
    timeout_seconds: int = 30
    _fields: dict[str, dict[str, Any]] = field(default_factory=dict)
    _opener: OpenerDirector = field(init=False)

    def __post_init__(self) -> None:
        # Once for hundreds of requests: reading the trusted authorities takes longer than a request.
        context = ssl.create_default_context()
        if not self.validate_certs:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self._opener = build_opener(HTTPSHandler(context=context), _NoRedirects())

    def all(self, path: str, **filters: Any) -> list[dict[str, Any]]:
        """Every object of a list, over all of its pages."""
        return list(self._pages(f"{path}?{urlencode({'page_size': PAGE_SIZE, 'order_by': 'id', **filters})}"))

    def _pages(self, path: str) -> Iterator[dict[str, Any]]:
        following: str | None = path
        while following:
            page = self.get(following)
            yield from page["results"]
            following = page["next"]

    def get(self, path: str) -> dict[str, Any]:
        return self._request("GET", path)

    def post(self, path: str, data: Mapping[str, Any]) -> dict[str, Any]:
        return self._request("POST", path, data)

    def patch(self, path: str, data: Mapping[str, Any]) -> dict[str, Any]:
        return self._request("PATCH", path, data)

    def delete(self, path: str) -> None:
        self._request("DELETE", path)

    def fields(self, path: str) -> dict[str, Any]:
        """What may be written of a kind, as the server itself says."""
        if path not in self._fields:
            actions = self._request("OPTIONS", path).get("actions", {})
            if "POST" not in actions:
                raise AwxError(f"{self.host} does not let this user create anything in {path}. Use the token of an administrator.")
            self._fields[path] = actions["POST"]
        return self._fields[path]

    def _request(self, method: str, path: str, data: Mapping[str, Any] | None = None) -> dict[str, Any]:
        address = urljoin(self.host.rstrip("/") + ROOT, path)
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        elif self.username:
            headers["Authorization"] = f"Basic {base64.b64encode(f'{self.username}:{self.password}'.encode()).decode()}"
        body = json.dumps(data).encode() if data is not None else None
        try:
            request = Request(address, data=body, method=method, headers=headers)  # noqa: S310  # the module takes http and https alone
            answer = self._opener.open(request, timeout=self.timeout_seconds).read()
        except HTTPError as error:
            raise AwxError(f"{method} {address} was refused with {error.code}: {_words(error.read())}") from error
        except (URLError, OSError) as error:
            raise AwxError(f"{method} {address} got no answer: {getattr(error, 'reason', error)}") from error
        try:
            return json.loads(answer) if answer else {}
        except ValueError as error:
            raise AwxError(f"{method} {address} did not answer in JSON; is that AWX?") from error


def _words(body: bytes) -> str:
    """A refusal of AWX, which comes as one text, or as texts by field."""
    try:
        told = json.loads(body)
    except ValueError:
        return body.decode(errors="replace").strip()[:300] or "no reason given"
    return "; ".join(_flat(told))


def _flat(told: Any, name: str = "") -> Iterator[str]:
    if isinstance(told, dict):
        for key, value in told.items():
            yield from _flat(value, "" if key in {"detail", "error", "__all__", "non_field_errors"} else key)
    elif isinstance(told, list):
        for value in told:
            yield from _flat(value, name)
    else:
        yield f"{name}: {told}" if name else str(told)

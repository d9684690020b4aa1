# SPDX-License-Identifier: GPL-3.0-or-later
"""A server that speaks the read part of Contentful's Content Management API: pages, orders, limits of number and size, faults, files.

https://www.contentful.com/developers/docs/references/content-management-api/
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support.servers import serving

TOKEN = "CFPAT-a-token-of-no-one"
DEFAULT_PER_PAGE, MOST_PER_PAGE = 100, 1000
MOST_BYTES = 7340032
MESSAGES = {
    400: "The query you sent was invalid.",
    401: "The access token you sent could not be found or is invalid.",
    404: "The resource could not be found.",
    429: "You have exceeded the rate limit of the Organization this Space belongs to.",
}


class Contentful:
    """What the server has, how it behaves, and what it was asked."""

    def __init__(self, space: str = "space1", environment: str = "master") -> None:
        self.space, self.environment = space, environment
        self.collections: dict[str, list[dict[str, Any]]] = {
            name: []
            for name in ("content_types", "tags", "editor_interfaces", "entries", "assets", "locales", "webhook_definitions", "roles")
        }
        self.files: dict[str, bytes] = {}  # path -> content
        self.most_bytes = MOST_BYTES
        self.requests_at_once = 0  # then one is refused, whatever the time; 0: any number
        self.faults: list[int] = []  # statuses with which the next requests are answered
        self.after_page: Callable[[str], None] = lambda _name: None
        self.asked: Counter[int] = Counter()  # status -> answers
        self.tokens_at_files: list[str | None] = []
        self.url = ""
        self._lock, self._since_refusal = threading.Lock(), 0

    def add(self, collection: str, number: int, **fields: Any) -> None:
        """Give a collection that many more items, of which every two were made in the same moment."""
        items = self.collections[collection]
        for index in range(len(items), len(items) + number):
            sys = {
                "id": f"{collection}-{index:05}",
                "type": "Item",
                "createdAt": f"2026-01-01T00:{index // 2 // 60:02}:{index // 2 % 60:02}Z",
            }
            items.append({"sys": sys, **fields})

    def add_asset(self, name: str, content: bytes, size: int | None = None) -> None:
        """An asset with a file in one language, of which it tells the size."""
        path = f"/{self.space}/{name}"
        self.files[path] = content
        described = {"url": f"{self.url.removeprefix('http:')}{path}", "details": {"size": len(content) if size is None else size}}
        self.add("assets", 1, fields={"file": {"en-US": described}})

    def answer(self, path: str, query: dict[str, list[str]], token: str | None) -> tuple[int, dict[str, str], bytes]:
        with self._lock:
            status, headers, body = self._answer(path, query, token)
            self.asked[status] += 1
        if status != 200 and not body:
            body = json.dumps({"sys": {"type": "Error"}, "message": MESSAGES.get(status, "Fault")}).encode()
        return status, headers, body

    def _answer(self, path: str, query: dict[str, list[str]], token: str | None) -> tuple[int, dict[str, str], bytes]:
        if self.faults:
            return self.faults.pop(0), {}, b""
        if path in self.files:
            self.tokens_at_files.append(token)
            return 200, {}, self.files[path]
        if self._too_many():
            return 429, {"X-Contentful-RateLimit-Reset": "1"}, b""
        if token != f"Bearer {TOKEN}":
            return 401, {}, b""
        below = {f"/spaces/{self.space}/environments/{self.environment}/{name}": name for name in self.collections}
        name = (below | {f"/spaces/{self.space}/{name}": name for name in ("webhook_definitions", "roles")}).get(path)
        if name is None:
            return 404, {}, b""
        return self._page(name, query)

    def _too_many(self) -> bool:
        self._since_refusal += 1
        if not 0 < self.requests_at_once < self._since_refusal:
            return False
        self._since_refusal = 0
        return True

    def _page(self, name: str, query: dict[str, list[str]]) -> tuple[int, dict[str, str], bytes]:
        limit, skip = (int(query.get(key, [str(default)])[0]) for key, default in (("limit", DEFAULT_PER_PAGE), ("skip", 0)))
        if not 0 <= limit <= MOST_PER_PAGE:
            return 400, {}, b""
        items = list(self.collections[name])
        if query.get("order") == ["sys.createdAt,sys.id"]:
            items.sort(key=lambda item: (item["sys"]["createdAt"], item["sys"]["id"]))
        page = {"sys": {"type": "Array"}, "total": len(items), "skip": skip, "limit": limit, "items": items[skip : skip + limit]}
        body = json.dumps(page).encode()
        if len(body) > self.most_bytes:
            return 400, {}, json.dumps({"message": f"Response size too big. Maximum allowed response size: {self.most_bytes}B."}).encode()
        self.after_page(name)
        return 200, {}, body


@contextmanager
def speaking(contentful: Contentful) -> Iterator[Contentful]:
    """Serve it on loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            status, headers, body = contentful.answer(parts.path, parse_qs(parts.query), self.headers.get("Authorization"))
            self.send_response(status)
            for key, value in headers.items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: Any) -> None:
            """What was asked is counted."""

    with serving(Handler) as port:
        contentful.url = f"http://127.0.0.1:{port}"
        yield contentful

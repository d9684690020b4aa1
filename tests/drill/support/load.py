# SPDX-License-Identifier: GPL-3.0-or-later
"""Visitors at a steady rate: each request begins when its time has come, on a connection of its own, however slow the others are.

Where they visit several pages, they do it in turns.
"""

from __future__ import annotations

import asyncio
import ssl
import statistics
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 10
MOST_SECONDS = 900


@dataclass
class Load:
    """What the visitors saw."""

    urls: tuple[str, ...]
    authority: str
    per_second: int
    sent: int = 0
    seconds: list[float] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        ordered = sorted(self.seconds) or [0.0]
        late = ordered[int(len(ordered) * 0.99)] if len(ordered) > 1 else ordered[0]
        return (
            f"{self.sent} requests, {self.per_second}/s, {sum(self.failures.values())} failed {dict(self.failures)}; "
            f"median {statistics.median(ordered) * 1000:.0f} ms, 99 % within {late * 1000:.0f} ms, slowest {ordered[-1] * 1000:.0f} ms"
        )

    async def run(self, ended: threading.Event) -> None:
        """Send requests until the event is set, or for MOST_SECONDS, and await the last of them."""
        context = ssl.create_default_context(cafile=self.authority)
        began, under_way = time.monotonic(), set()
        while not ended.is_set() and (due := began + self.sent / self.per_second) < began + MOST_SECONDS:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            task = asyncio.create_task(self._visit(self.urls[self.sent % len(self.urls)], context))
            self.sent += 1
            under_way.add(task)
            task.add_done_callback(under_way.discard)
        await asyncio.gather(*under_way)

    async def _visit(self, url: str, context: ssl.SSLContext) -> None:
        began = time.monotonic()
        try:
            status = await asyncio.wait_for(self._fetch(url, context), TIMEOUT_SECONDS)
        except (OSError, EOFError, ValueError) as error:  # TimeoutError and errors of TLS are OSErrors
            self.failures[f"{type(error).__name__} {error}".strip()] += 1
            return
        self.seconds.append(time.monotonic() - began)
        if status != 200:
            self.failures[str(status)] += 1

    async def _fetch(self, url: str, context: ssl.SSLContext) -> int:
        """The status of the page, once all of it has come."""
        place = urlsplit(url)
        reader, writer = await asyncio.open_connection(place.hostname, place.port, ssl=context)
        try:
            writer.write(f"GET {place.path or '/'} HTTP/1.1\r\nHost: {place.netloc}\r\nConnection: close\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            length = next((int(line.split(b":")[1]) for line in head.splitlines() if line.lower().startswith(b"content-length:")), None)
            body = await (reader.read() if length is None else reader.readexactly(length))
            if not body:
                raise EOFError("no content")
            return int(head.split()[1])
        finally:
            writer.close()


@contextmanager
def steady_load(url: str | tuple[str, ...], authority: str, per_second: int) -> Iterator[Load]:
    """Visitors of a page, or of several, while the block runs; what they saw is whole when it is left."""
    load, ended = Load((url,) if isinstance(url, str) else url, authority, per_second), threading.Event()
    visitors = threading.Thread(target=lambda: asyncio.run(load.run(ended)), daemon=True)
    visitors.start()
    try:
        yield load
    finally:
        ended.set()
        visitors.join(timeout=TIMEOUT_SECONDS * 2)

# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Everything in an environment of a Contentful space, read through the Content Management API and written into one archive.

https://www.contentful.com/developers/docs/references/content-management-api/
The archive holds C(export.json), in the form that Contentful's own import tool reads, and the files of the assets. It has no times
of its own, so that the same content makes the same archive, byte for byte.
"""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import time
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urlsplit

from ansible.module_utils.urls import open_url

Document = dict[str, Any]

MOST_PER_PAGE = 1000  # the API gives no more at once
ATTEMPTS = 10  # of one request that is refused for its number, or fails on the other side
ROUNDS = 3  # of one collection that changes while it is read
TIMEOUT_SECONDS = 60
TOO_BIG = "response size too big"  # with 400: the API sends no more than 7 MB at once
TOO_MANY = 429
RESET_HEADER = "X-Contentful-RateLimit-Reset"  # seconds until the next request is taken
LONGEST_WAIT_SECONDS = 60.0
# Key in export.json -> path below the space, or below its environment.
OF_THE_ENVIRONMENT = {
    "contentTypes": "content_types",
    "tags": "tags",
    "editorInterfaces": "editor_interfaces",
    "entries": "entries",
    "assets": "assets",
    "locales": "locales",
}
OF_THE_SPACE = {"webhooks": "webhook_definitions", "roles": "roles"}
MEANINGS = {
    401: "the token is not valid",
    403: "the token may not read it",
    404: "there is no such space or environment, or the token may not see it",
}


class ContentfulError(Exception):
    """What could not be read, and why; never with the token."""


class Space:
    """One environment of a space. token: of the Content Management API, with the right to read everything."""

    def __init__(self, url: str, space: str, environment: str, token: str) -> None:
        self._space = f"{url.rstrip('/')}/spaces/{space}"
        self._environment = f"{self._space}/environments/{environment}"
        self._scheme = urlsplit(url).scheme
        self._headers = {"Authorization": f"Bearer {token}"}

    def export(self) -> Document:
        """All of it: key of export.json -> list of what the API returns. Raises ContentfulError."""
        found = {key: self._collection(f"{self._environment}/{path}") for key, path in OF_THE_ENVIRONMENT.items()}
        return found | {key: self._collection(f"{self._space}/{path}") for key, path in OF_THE_SPACE.items()}

    def file(self, url: str, size: int | None) -> bytes:
        """An asset's file. url: as its asset names it, mostly without a scheme; size: bytes that it must have."""
        whole = f"{self._scheme}:{url}" if url.startswith("//") else url
        content = self._read(whole, {})  # the token is nothing for the servers of files
        if size is not None and len(content) != size:
            raise ContentfulError(f"{whole}: {len(content)} bytes came, and its asset says {size}.")
        return content

    def _collection(self, url: str) -> list[Document]:
        """All pages, as of one moment: what is made or deleted between two of them would be missed or come twice."""
        for _round in range(ROUNDS):
            items, totals = self._pages(url)
            if totals == {len(items)} and len({_identity(item) for item in items}) == len(items):
                return items
        raise ContentfulError(f"{url}: was changed by others each of the {ROUNDS} times that it was read. Try again when nobody edits.")

    def _pages(self, url: str) -> tuple[list[Document], set[int]]:
        """The items of all pages, and the totals that the pages gave."""
        items: list[Document] = []
        totals: set[int] = set()
        limit = MOST_PER_PAGE
        while True:
            query = urlencode({"order": "sys.createdAt,sys.id", "limit": limit, "skip": len(items)})
            try:
                page = self._json(f"{url}?{query}")
            except _TooBigError as error:
                if limit == 1:
                    raise ContentfulError(f"{url}: item {len(items) + 1} alone is more than the API sends at once.") from error
                limit = max(1, limit // 2)
                continue
            items += page["items"]
            totals.add(page["total"])
            if not page["items"] or len(items) >= page["total"]:
                return items, totals

    def _json(self, url: str) -> Document:
        content = self._read(url, self._headers)
        try:
            page = json.loads(content)
            return {"items": list(page["items"]), "total": int(page.get("total", len(page["items"])))}
        except (ValueError, KeyError, TypeError) as error:
            raise ContentfulError(f"{url}: the answer is no collection of Contentful's.") from error

    def _read(self, url: str, headers: dict[str, str]) -> bytes:
        """The answer's body. What is refused for the number of requests, and faults of the other side, are tried again."""
        reason = ""
        for attempt in range(ATTEMPTS):
            try:
                with open_url(url, headers=headers, timeout=TIMEOUT_SECONDS, unredirected_headers=list(headers)) as response:
                    return bytes(response.read())
            except HTTPError as error:
                body = error.read().decode(errors="replace")
                if error.code == 400 and TOO_BIG in body.lower():
                    raise _TooBigError from error
                if error.code != TOO_MANY and error.code < 500:
                    raise ContentfulError(f"{url}: {MEANINGS.get(error.code, _message(body))} ({error.code}).") from error
                reason = f"{_message(body)} ({error.code})"
                wait = _seconds(error.headers.get(RESET_HEADER)) if error.code == TOO_MANY else 0.0
            except (URLError, TimeoutError, ConnectionError, EOFError) as error:
                reason, wait = str(getattr(error, "reason", error)), 0.0
            time.sleep(min(max(wait, 0.2 * 2**attempt), LONGEST_WAIT_SECONDS))
        raise ContentfulError(f"{url}: failed {ATTEMPTS} times, the last time with: {reason}.")


class _TooBigError(Exception):
    """The API would have to send more at once than it does."""


def _identity(item: Document) -> str:
    """What an item is known by; editor interfaces have the same id as one another and differ in their content types."""
    of_type = item["sys"].get("contentType", {}).get("sys", {}).get("id", "") if item["sys"].get("type") == "EditorInterface" else ""
    return f"{item['sys'].get('id', '')} {of_type}"


def _message(body: str) -> str:
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return "the server gave no reason"


def _seconds(text: str | None) -> float:
    try:
        return float(text or 1)
    except ValueError:
        return 1.0


def files(export: Document) -> Iterator[tuple[str, str, int | None]]:
    """What the assets name, in all their languages: path in the archive, URL, size in bytes. Raises ContentfulError."""
    found: dict[str, tuple[str, int | None]] = {}
    for asset in export["assets"]:
        for described in (asset.get("fields") or {}).get("file", {}).values():
            if not (url := described.get("url")):
                continue  # still in the making: nothing was processed yet
            path = PurePosixPath("assets") / urlsplit(url).path.lstrip("/")
            if ".." in path.parts:
                raise ContentfulError(f"Asset {asset['sys']['id']}: its file {url} leads out of the archive.")
            known, _size = found.setdefault(str(path), (url, described.get("details", {}).get("size")))
            if known != url:
                raise ContentfulError(f"{url} and {known} are two files of the same path.")
    yield from ((path, url, size) for path, (url, size) in sorted(found.items()))


def write_archive(target: IO[bytes], space: Space, export: Document) -> None:
    """Write the archive. Raises ContentfulError."""
    with gzip.GzipFile(filename="", mode="wb", fileobj=target, mtime=0) as packed, tarfile.open(fileobj=packed, mode="w|") as archive:
        _add(archive, "export.json", json.dumps(export, indent=2, sort_keys=True, ensure_ascii=False).encode() + b"\n")
        for path, url, size in files(export):
            _add(archive, path, space.file(url, size))


def _add(archive: tarfile.TarFile, path: str, content: bytes) -> None:
    entry = tarfile.TarInfo(path)
    entry.size, entry.mode = len(content), 0o600
    archive.addfile(entry, io.BytesIO(content))

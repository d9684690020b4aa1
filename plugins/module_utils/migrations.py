# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a release does to the database: files of its archive, migrations/<number>_<words>.<kind>.sql.

An C(expand) adds what the release needs, and the release before it does not mind. A C(contract) takes away what only older ones need.
"""

from __future__ import annotations

import hashlib
import re
import tarfile
from typing import IO, Any

FOLDER = "migrations/"
FILE = re.compile(r"migrations/([0-9]{4}_[a-z0-9_]+)\.(expand|contract)\.sql")
LARGEST_BYTES = 100_000  # the longest argument of a command is not much longer

Migration = dict[str, Any]


class MigrationError(Exception):
    """An archive whose migrations cannot be used; the text says which and why."""


def migrations_in(archive: IO[bytes]) -> list[Migration]:
    """The migrations of an archive (.tar.gz) in their order: name, kind, sha256, sql."""
    found = []
    try:
        with tarfile.open(fileobj=archive, mode="r:gz") as content:
            for member in content:
                path = member.name.removeprefix("./")
                if member.isreg() and path.startswith(FOLDER):
                    found.append(_migration(path, (content.extractfile(member) or archive).read()))
    except (tarfile.TarError, OSError, EOFError) as error:
        raise MigrationError(f"it is no archive (.tar.gz): {error}") from error
    return sorted(found, key=lambda one: (one["name"], one["kind"] == "contract"))


def _migration(path: str, content: bytes) -> Migration:
    match = FILE.fullmatch(path)
    if not match:
        raise MigrationError(f"{path} is called neither migrations/0001_some_words.expand.sql nor migrations/0001_some_words.contract.sql")
    if len(content) > LARGEST_BYTES:
        raise MigrationError(f"{path} has {len(content)} bytes, more than {LARGEST_BYTES}: data belong into the application")
    return {"name": match[1], "kind": match[2], "sha256": hashlib.sha256(content).hexdigest(), "sql": content.decode()}


def file_name(migration: Migration) -> str:
    """What a migration is called."""
    return f"{migration['name']}.{migration['kind']}"

# SPDX-License-Identifier: GPL-3.0-or-later
import hashlib
import json
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.indivillage.infra.plugins.module_utils import contentful as library
from ansible_collections.indivillage.infra.plugins.modules import contentful_export

from tests.support.contentful import TOKEN, Contentful, speaking
from tests.support.module_runs import Run

Export = Callable[..., dict[str, Any]]


@pytest.fixture
def space() -> Iterator[Contentful]:
    with speaking(Contentful()) as space:
        space.add("content_types", 2)
        space.add("entries", 7, fields={"title": {"en-US": "Ünïcode"}})
        space.add("locales", 1)
        space.add("roles", 1)
        space.add_asset("logo/logo.png", b"\x89PNG logo")
        yield space


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that were slept, without having been."""
    found: list[float] = []
    monkeypatch.setattr(library.time, "sleep", found.append)
    return found


@pytest.fixture
def export(run: Run, space: Contentful, tmp_path: Path) -> Export:
    def call(**options: Any) -> dict[str, Any]:
        given = {"dest": str(tmp_path / "content.tar.gz"), "space_id": "space1", "management_token": TOKEN, "api_url": space.url}
        return run(contentful_export, **(given | options))

    return call


def content(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as archive:
        return {member.name: archive.extractfile(member).read() for member in archive if member.isfile()}  # type: ignore[union-attr]


def test_all_of_it_stands_in_the_archive(export: Export, space: Contentful, tmp_path: Path) -> None:
    result = export()
    found = content(tmp_path / "content.tar.gz")
    exported = json.loads(found["export.json"])
    assert exported["entries"] == space.collections["entries"]
    assert {key: len(items) for key, items in exported.items()} | {"files": 1} == result["counts"]
    assert found["assets/space1/logo/logo.png"] == b"\x89PNG logo"
    assert result["sha256"] == hashlib.sha256((tmp_path / "content.tar.gz").read_bytes()).hexdigest()
    assert result["size"] == (tmp_path / "content.tar.gz").stat().st_size
    assert (tmp_path / "content.tar.gz").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["content.tar.gz"]


def test_the_same_content_changes_nothing_and_a_check_writes_nothing(export: Export, space: Contentful, tmp_path: Path) -> None:
    assert export(check=True)["changed"] is True
    assert list(tmp_path.iterdir()) == []
    first = export()
    assert (export(check=True)["changed"], export()["changed"]) == (False, False)
    space.add("entries", 1)
    before = (tmp_path / "content.tar.gz").read_bytes()
    assert export(check=True)["changed"] is True
    assert (tmp_path / "content.tar.gz").read_bytes() == before
    assert export()["sha256"] != first["sha256"]


def test_pages_follow_one_another_in_an_order_that_holds(export: Export, space: Contentful, tmp_path: Path) -> None:
    space.add("entries", 2500)
    assert export()["counts"]["entries"] == 2507
    identifiers = [entry["sys"]["id"] for entry in json.loads(content(tmp_path / "content.tar.gz")["export.json"])["entries"]]
    assert len(set(identifiers)) == 2507


def test_pages_that_are_too_big_are_halved(export: Export, space: Contentful) -> None:
    space.most_bytes = 2000
    space.add("entries", 30, fields={"text": {"en-US": "x" * 300}})
    assert export()["counts"]["entries"] == 37
    assert space.asked[400] >= 3


def test_an_item_that_is_too_big_by_itself_is_named(export: Export, space: Contentful) -> None:
    space.add("entries", 1, fields={"text": {"en-US": "x" * 3000}})
    space.most_bytes = 2000
    assert "/entries: item 8 alone is more than the API sends at once" in export()["msg"]


def test_it_waits_as_long_as_the_api_asks(export: Export, space: Contentful, waits: list[float]) -> None:
    space.faults = [429, 429, 503]
    assert export()["changed"] is True
    assert len(waits) == 3
    assert waits[0] >= 1.0


def test_a_limit_of_requests_is_kept_to(export: Export, space: Contentful, waits: list[float]) -> None:
    space.requests_at_once = 3
    assert export()["counts"]["entries"] == 7
    assert len(waits) == space.asked[429] == 2
    assert min(waits) >= 1.0


def test_a_fault_that_stays_is_told_after_ten_attempts(export: Export, space: Contentful, waits: list[float], tmp_path: Path) -> None:
    (tmp_path / "content.tar.gz").write_bytes(b"the former one")
    space.faults = [503] * 10
    assert "/content_types?" in (message := export()["msg"])
    assert "failed 10 times, the last time with: Fault (503)" in message
    assert len(waits) == 10
    assert (tmp_path / "content.tar.gz").read_bytes() == b"the former one"
    assert [path.name for path in tmp_path.iterdir()] == ["content.tar.gz"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"management_token": "wrong"}, "the token is not valid (401)"),
        ({"environment_id": "staging"}, "there is no such space or environment, or the token may not see it (404)"),
        ({"dest": "/nowhere/content.tar.gz"}, "dest: the directory /nowhere does not exist"),
    ],
)
def test_what_is_wrong_is_said_at_once(export: Export, waits: list[float], options: dict[str, Any], told: str) -> None:
    result = export(**options)
    assert told in result["msg"]
    assert TOKEN not in json.dumps(result)
    assert waits == []


def test_a_collection_that_changes_meanwhile_is_read_anew(export: Export, space: Contentful) -> None:
    space.add("entries", 1500)

    def delete_once(name: str) -> None:
        if name == "entries":
            del space.collections["entries"][0]  # which moves the second page by one
            space.after_page = lambda _name: None

    space.after_page = delete_once
    assert export()["counts"]["entries"] == 1506


def test_one_that_always_changes_is_refused(export: Export, space: Contentful) -> None:
    space.add("entries", 1500)
    space.after_page = lambda name: space.add("entries", 1) if name == "entries" else None
    assert "was changed by others each of the 3 times" in export()["msg"]


def test_a_file_of_another_size_is_refused(export: Export, space: Contentful) -> None:
    space.add_asset("cut.png", b"half", size=8)
    assert "cut.png: 4 bytes came, and its asset says 8" in export()["msg"]


def test_a_file_that_leads_out_of_the_archive_is_refused(export: Export, space: Contentful) -> None:
    space.add_asset("../../etc/passwd", b"x")
    assert "leads out of the archive" in export()["msg"]


def test_files_are_asked_for_without_the_token(export: Export, space: Contentful) -> None:
    export()
    assert space.tokens_at_files == [None]


def test_editor_interfaces_share_an_id(export: Export, space: Contentful) -> None:
    for name in ("page", "post"):
        of_type = {"sys": {"id": name}}
        interface = {"id": "default", "type": "EditorInterface", "createdAt": "2026-01-01T00:00:00Z", "contentType": of_type}
        space.collections["editor_interfaces"].append({"sys": interface})
    assert export()["counts"]["editorInterfaces"] == 2

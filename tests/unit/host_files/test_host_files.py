# SPDX-License-Identifier: GPL-3.0-or-later
"""The module that keeps the files of a host, run in this process on a temporary folder."""

from __future__ import annotations

import grp
import json
import os
import pwd
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.indivillage.infra.plugins.modules import host_files

ME = {"owner": pwd.getpwuid(os.getuid()).pw_name, "group": grp.getgrgid(os.getgid()).gr_name}


def run(capsys: pytest.CaptureFixture[str], *files: dict[str, Any], check: bool = False, **options: Any) -> dict[str, Any]:
    """Run the module; return its result."""
    arguments = {"files": [{**ME, **entry} for entry in files], "_ansible_check_mode": check, **options}
    with patch_module_args(arguments), pytest.raises(SystemExit):
        host_files.main()
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    return result


def test_a_missing_file_is_written_with_its_folder_and_mode(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a/b/file"
    result = run(capsys, {"path": str(path), "content": "text\n", "mode": "0600", "effect": "ssh"})
    assert (result["changed"], result["effects"], result["paths"]) == (True, ["ssh"], [str(path)])
    assert path.read_text() == "text\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert not run(capsys, {"path": str(path), "content": "text\n", "mode": "0600", "effect": "ssh"})["changed"]


def test_a_plan_tells_the_text_before_and_after_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changed, missing = tmp_path / "changed", tmp_path / "folder/missing"
    changed.write_text("old\n")
    files = [{"path": str(path), "content": "new\n"} for path in (changed, missing)]
    result = run(capsys, *files, check=True)
    assert [(diff["before"], diff["after"]) for diff in result["diff"]] == [("old\n", "new\n"), ("", "new\n")]
    assert result["created"] == [str(missing)]
    assert changed.read_text() == "old\n"
    assert not missing.parent.exists()


def test_only_the_effects_of_what_changed_are_returned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [{"path": str(tmp_path / name), "content": name, "effect": f"restart {name}"} for name in ("a", "b", "c")]
    files[2].pop("effect")
    run(capsys, *files)
    (tmp_path / "b").write_text("drifted")
    (tmp_path / "c").write_text("drifted")
    result = run(capsys, *files)
    assert result["effects"] == ["restart b"]
    assert result["paths"] == [str(tmp_path / "b"), str(tmp_path / "c")]


def test_a_mode_that_drifted_is_a_change(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "file"
    entry = {"path": str(path), "content": "x", "mode": "0640", "effect": "e"}
    run(capsys, entry)
    path.chmod(0o666)
    planned = run(capsys, entry, check=True)
    assert (planned["changed"], planned["effects"]) == (True, ["e"])
    assert path.stat().st_mode & 0o777 == 0o666
    assert run(capsys, entry)["changed"]
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_text_that_its_validator_refuses_never_takes_the_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "file"
    path.write_text("good\n")
    result = run(capsys, {"path": str(path), "content": "bad\n", "validate": "grep -q good %s"})
    assert result["failed"]
    assert "refused by 'grep -q good %s'" in result["msg"]
    assert path.read_text() == "good\n"
    assert os.listdir(tmp_path) == ["file"]  # noqa: PTH208 nothing is left over


def test_a_link_is_made_moved_and_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    link = tmp_path / "current"
    assert run(capsys, {"path": str(link), "link": "releases/1"})["changed"]
    result = run(capsys, {"path": str(link), "link": "releases/2"})
    assert (result["diff"][0]["before"], result["diff"][0]["after"]) == ("releases/1", "releases/2")
    assert str(link.readlink()) == "releases/2"
    assert not run(capsys, {"path": str(link), "link": "releases/2"})["changed"]


def test_a_file_replaces_a_link_and_not_what_the_link_points_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target, path = tmp_path / "target", tmp_path / "file"
    target.write_text("theirs")
    path.symlink_to(target)
    assert run(capsys, {"path": str(path), "content": "ours"})["changed"]
    assert (target.read_text(), path.read_text(), path.is_symlink()) == ("theirs", "ours", False)


def test_a_folder_in_the_way_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = run(capsys, {"path": str(tmp_path), "content": "x"})
    assert result["failed"]
    assert f"{tmp_path}: a directory is in the way" in result["msg"]


def test_files_that_are_no_longer_listed_are_removed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept, stale, foreign = (tmp_path / name for name in ("kept.crt", "stale.crt", "foreign.txt"))
    for path in (kept, stale, foreign):
        path.write_text("x")
    options: dict[str, Any] = {"purge": [f"{tmp_path}/*.crt"], "purge_effect": "trust"}
    entry = {"path": str(kept), "content": "x"}
    run(capsys, entry)
    planned = run(capsys, entry, check=True, **options)
    assert (planned["effects"], stale.exists()) == (["trust"], True)
    assert run(capsys, entry, **options)["paths"] == [str(stale)]
    assert (kept.exists(), stale.exists(), foreign.exists()) == (True, False, True)
    assert not run(capsys, entry, **options)["changed"]


@pytest.mark.parametrize("entry", [{"path": "/x"}, {"path": "/x", "content": "a", "link": "b"}])
def test_a_file_is_either_text_or_a_link(entry: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert "content, link" in run(capsys, entry)["msg"].replace("|", ", ")

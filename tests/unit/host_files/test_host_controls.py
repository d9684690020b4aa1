# SPDX-License-Identifier: GPL-3.0-or-later
"""The module that brings a host to its controls, run in this process on a temporary folder."""

from __future__ import annotations

import getpass
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.indivillage.infra.plugins.module_utils import host_demands
from ansible_collections.indivillage.infra.plugins.modules import host_controls

EFFECTS = ("first", "second")


@pytest.fixture(autouse=True)
def _own_notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_controls, "PENDING", tmp_path / "pending/effects.json")
    monkeypatch.delenv("SUDO_USER", raising=False)


class Host:
    """A folder that stands for a host, and the module run on it."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys
        self.log = folder / "log"

    def run(self, *controls: dict[str, Any], check: bool = False, **options: Any) -> dict[str, Any]:
        with pytest.raises(SystemExit):
            self.start(*controls, check=check, **options)
        result: dict[str, Any] = json.loads(self._capsys.readouterr().out)
        return result

    def start(self, *controls: dict[str, Any], check: bool = False, **options: Any) -> None:
        effects = {name: f"echo {name} >> {self.log}" for name in EFFECTS}
        arguments = {
            "controls": [{"id": f"T {number}", "title": "a test", **control} for number, control in enumerate(controls, 1)],
            "effects": effects,
            "_ansible_check_mode": check,
            **options,
        }
        with patch_module_args(arguments):
            host_controls.main()

    def file(self, text: str, mode: int = 0o644, name: str = "settings") -> Path:
        path = self.folder / name
        path.write_text(text)
        path.chmod(mode)
        return path

    @property
    def effects(self) -> list[str]:
        return self.log.read_text().split() if self.log.exists() else []


@pytest.fixture
def host(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Host:
    return Host(tmp_path, capsys)


def test_each_setting_is_told_with_its_control_and_the_rest_of_the_file_stays(host: Host) -> None:
    path = host.file("# a comment\nPASS_MAX_DAYS\t99999\nOTHER 1\nPASS_MAX_DAYS 5\n")
    control = {"settings": [{"path": str(path), "separator": " ", "values": {"PASS_MAX_DAYS": 365, "UMASK": "027"}, "effect": "second"}]}
    planned = host.run(control, check=True)
    assert planned["changes"] == {"T 1": [f"{path}: PASS_MAX_DAYS: 5 -> 365", f"{path}: UMASK: (missing) -> 027"]}
    assert path.read_text().startswith("# a comment\nPASS_MAX_DAYS\t99999")
    assert host.run(control)["changes"] == planned["changes"]
    assert path.read_text() == "# a comment\nPASS_MAX_DAYS 365\nOTHER 1\nUMASK 027\n"
    assert host.effects == ["second"]
    assert not host.run(control)["changed"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("deny=3\n", "deny=3\n"),  # however it is written, the value is right
        ("deny  =  3\n", "deny  =  3\n"),
        ("# deny = 3\n", "# deny = 3\ndeny = 3\n"),
        ("deny = 3\ndeny = 3\n", "deny = 3\n"),
        ("deny = 30\n", "deny = 3\n"),
        ("deny_more = 1", "deny_more = 1\ndeny = 3\n"),
        ("", "deny = 3\n"),
    ],
)
def test_a_value_is_set_once(before: str, after: str) -> None:
    assert host_demands.with_values(before, {"deny": "3"}, " = ") == after


def test_a_bare_key_and_one_with_spaces_in_its_value(host: Host) -> None:
    path = host.file("remember = 5\n")
    control = {"settings": [{"path": str(path), "values": {"enforce_for_root": "", "remember": "24", "net": "1 2"}}]}
    assert host.run(control)["changed"]
    assert path.read_text() == "remember = 24\nenforce_for_root\nnet = 1 2\n"
    assert not host.run(control)["changed"]


def test_a_text_that_its_validator_refuses_changes_nothing(host: Host) -> None:
    path = host.file("a = 1\n")
    result = host.run({"settings": [{"path": str(path), "values": {"a": "2"}, "validate": "grep -q nothing %s"}]})
    assert result["failed"]
    assert path.read_text() == "a = 1\n"


def test_a_line_takes_the_place_of_another_or_stands_before_it(host: Host) -> None:
    path = host.file("one\n# auth required wheel\nauth wheel old\nsession x\n")
    line = {"path": str(path), "line": "auth wheel new", "instead_of": "^auth wheel", "before": "^session"}
    assert host.run({"lines": [line]})["changes"] == {"T 1": [f"{path}: auth wheel old -> auth wheel new"]}
    assert path.read_text() == "one\n# auth required wheel\nauth wheel new\nsession x\n"
    assert not host.run({"lines": [line]})["changed"]
    path.write_text("one\nsession x\n")
    host.run({"lines": [line]})
    assert path.read_text() == "one\nauth wheel new\nsession x\n"


def test_modes_are_made_narrower_and_never_wider(host: Host) -> None:
    wide, narrow, link = host.file("", 0o666, "wide.log"), host.file("", 0o600, "narrow.log"), host.folder / "link.log"
    link.symlink_to(wide)
    control = {"permissions": [{"paths": [f"{host.folder}/*.log"], "at_most": "0640"}]}
    assert host.run(control, check=True)["changes"] == {"T 1": [f"{wide}: mode: {me()} 0666 -> {me()} 0640"]}
    assert stat.S_IMODE(wide.stat().st_mode) == 0o666
    host.run(control)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (wide, narrow)] == [0o640, 0o600]
    assert not host.run(control)["changed"]
    control["permissions"][0]["at_most"] = "0000"
    host.run(control)
    assert stat.S_IMODE(narrow.stat().st_mode) == 0


def test_files_at_any_depth_but_those_that_are_let_alone(host: Host) -> None:
    folder = host.folder / "log.d/deep"
    folder.mkdir(parents=True)
    for name in ("a.log", "history.log"):
        (folder / name).touch(mode=0o644)
    control = {"permissions": [{"paths": [str(host.folder / "log.d")], "recurse": True, "but": "^history", "at_most": "0600"}]}
    assert host.run(control)["changes"] == {"T 1": [f"{folder}/a.log: mode: {me()} 0644 -> {me()} 0600"]}


def me() -> str:
    import grp

    return f"{getpass.getuser()}:{grp.getgrgid(os.getgid()).gr_name}"


def test_a_file_that_must_not_be_there_goes(host: Host) -> None:
    path = host.file("", name="cron.deny")
    assert host.run({"no_files": [str(path)]}, check=True)["changed"]
    assert path.exists()
    host.run({"no_files": [str(path)]})
    assert not path.exists()
    assert not host.run({"no_files": [str(path)]})["changed"]


def test_effects_run_once_in_their_own_order(host: Host) -> None:
    files = [
        {"path": str(host.folder / name), "content": "x", **owner(), "effect": effect}
        for name, effect in zip("abc", ("second", "first", "second"), strict=True)
    ]
    assert host.run({"files": files}, check=True)["effects"] == ["first", "second"]
    assert host.effects == []
    assert host.run({"files": files})["effects"] == ["first", "second"]
    assert host.effects == ["first", "second"]


def owner() -> dict[str, str]:
    name, _, group = me().partition(":")
    return {"owner": name, "group": group}


def test_a_plan_tells_whole_files_links_and_modes_and_writes_nothing(host: Host) -> None:
    file, link, wide = host.folder / "new/file", host.folder / "new/link", host.file("x\n", 0o666, "wide")
    files = [
        {"path": str(file), "content": "one\ntwo\n"},
        {"path": str(link), "link": "file"},
        {"path": str(wide), "content": "x\n", "effect": "first"},
    ]
    control = {"files": [{**one, **owner()} for one in files]}
    planned = host.run(control, check=True)
    assert planned["changes"] == {
        "T 1": [f"{file}: new text", f"{link}: (nothing) -> file", f"{wide}: {me()} 0666 -> {me()} 0644"],
    }
    assert [(diff["before"], diff["after"]) for diff in planned["diff"]] == [
        ("", "one\ntwo\n"),
        ("", "file\n"),
        (f"{me()} 0666\n", f"{me()} 0644\n"),
    ]
    assert (planned["effects"], file.parent.exists(), stat.S_IMODE(wide.stat().st_mode)) == (["first"], False, 0o666)
    assert host.run(control)["changes"] == planned["changes"]
    assert not host.run(control)["changed"]


def test_a_plan_tells_packages_and_changes_none(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[str, list[str]]] = []
    monkeypatch.setattr(host_demands.host_packages, "installed", lambda _module, _names: {"telnet", "sudo"})
    for verb in ("install", "remove"):
        monkeypatch.setattr(host_demands.host_packages, verb, lambda _module, names, verb=verb: calls.append((verb, list(names))))
    control = {"packages": ["auditd", "sudo"], "absent": ["telnet", "ftp"]}
    planned = host.run(control, check=True)
    assert planned["changes"] == {"T 1": ["package auditd: (missing) -> installed", "package telnet: installed -> (removed)"]}
    assert calls == []
    assert host.run(control)["changes"] == planned["changes"]
    assert sorted(calls) == [("install", ["auditd"]), ("remove", ["telnet"])]


def test_what_a_file_calls_for_is_noted_before_it_is_written(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that is killed just then would otherwise never reload what reads the file."""
    file = {"path": str(host.folder / "a"), "content": "x", **owner(), "effect": "second"}

    def killed(*_arguments: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(host_demands.host_files, "put", killed)
        host.start({"files": [file]})
    assert json.loads(host_controls.PENDING.read_text()) == ["second"]
    assert host.run({"files": [file]})["effects"] == ["second"]


def test_what_a_killed_run_still_owed_is_made_up_for(host: Host) -> None:
    host_controls.PENDING.parent.mkdir()
    host_controls.PENDING.write_text('["second", "of another version"]')
    assert host.run(check=True)["effects"] == ["second"]
    assert host_controls.PENDING.exists()
    assert host.run()["changed"]
    assert host.effects == ["second"]
    assert not host.run()["changed"]


def test_an_effect_that_fails_is_owed_until_it_succeeds(host: Host) -> None:
    file = {"path": str(host.folder / "a"), "content": "x", **owner(), "effect": "second"}
    failed = host.run({"files": [file]}, effects={"second": "echo no luck >&2; false"})
    assert failed["failed"]
    assert "no luck" in failed["msg"]
    assert host.run({"files": [file]})["effects"] == ["second"]


def test_an_effect_that_nobody_declared_is_named_before_it_is_missed(host: Host) -> None:
    result = host.run({"files": [{"path": str(host.folder / "a"), "content": "x", **owner(), "effect": "third"}]})
    assert result["msg"] == "the effect 'third' is none of effects: first, second"


def test_what_a_command_left_behind_is_looked_for(host: Host) -> None:
    path = host.file("auth pam_unix.so nullok\n")
    for demand, effects in (
        ({"contains": "^auth"}, []),
        ({"contains": "faillock"}, ["second"]),
        ({"lacks": "nullok"}, ["second"]),
        ({"lacks": "faillock"}, []),
    ):
        assert host.run({"assured": [{"path": str(path), "effect": "second", **demand}]}, check=True)["effects"] == effects


def test_an_excepted_control_is_left_out_and_said_so(host: Host) -> None:
    path = host.file("a = 1\n")
    control = {"settings": [{"path": str(path), "values": {"a": "2"}}]}
    result = host.run(control, {}, excepted=["T 1"])
    assert not result["changed"]
    assert [one["state"] for one in result["controls"]] == ["excepted", "met"]


def test_a_container_has_the_files_but_shows_no_kernel(host: Host, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    kernel = tmp_path / "sys"
    (kernel / "net").mkdir(parents=True)
    (kernel / "net/forward").write_text("1\n")
    monkeypatch.setattr(host_demands, "KERNEL_SETTINGS", kernel)
    control = {"needs_kernel": True, "kernel": {"net.forward": 0, "-net.unknown": 1}}
    monkeypatch.setattr(host_demands, "kernel_is_ours", lambda: False)
    result = host.run(control)
    assert (result["changed"], result["controls"][0]["state"]) == (False, "unshown")
    monkeypatch.setattr(host_demands, "kernel_is_ours", lambda: True)
    assert host.run(control, check=True)["changes"] == {"T 1": ["kernel: net.forward: 1 -> 0"]}
    assert host.run(control)["controls"][0]["state"] == "met"
    assert (kernel / "net/forward").read_text() == "0"


def test_whoever_would_lock_themselves_out_is_told_before_anything_is_written(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", "nobody")
    path = host.file("a = 1\n")
    control = {"settings": [{"path": str(path), "values": {"a": "2"}}]}
    result = host.run(control, login_groups=["admin"])
    assert "nobody, by whom Ansible has come, is in none of the groups that may log in (admin): nothing was written." in result["msg"]
    assert path.read_text() == "a = 1\n"
    assert host.run(control, login_groups=["admin", "nogroup"])["changed"]

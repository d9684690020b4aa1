# SPDX-License-Identifier: GPL-3.0-or-later
"""The module that has packages installed, with a stand-in for dpkg and apt."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args
from ansible_collections.indivillage.infra.plugins.modules import host_packages

KNOWN = "nginx installed\ngunicorn config-files\nzstd half-configured\n"


class Commands:
    """Answers dpkg-query from a text and remembers what else was run."""

    def __init__(self, refused: str = "") -> None:
        self.refused = refused
        self.run: list[list[str]] = []

    def __call__(self, command: list[str], **_options: Any) -> tuple[int, str, str]:
        if command[0] == "dpkg-query":
            return 1, KNOWN, "dpkg-query: no packages found matching redis"
        self.run.append(command)
        return (100, "", "E: Unable to locate package redis") if self.refused in command else (0, "", "")


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> Commands:
    fake = Commands()
    monkeypatch.setattr(AnsibleModule, "run_command", fake)
    return fake


def run(capsys: pytest.CaptureFixture[str], *names: str, check: bool = False) -> dict[str, Any]:
    with patch_module_args({"name": list(names), "_ansible_check_mode": check}), pytest.raises(SystemExit):
        host_packages.main()
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    return result


def test_what_is_installed_costs_no_apt(commands: Commands, capsys: pytest.CaptureFixture[str]) -> None:
    assert not run(capsys, "nginx")["changed"]
    assert commands.run == []


def test_removed_half_configured_and_unknown_packages_count_as_missing(commands: Commands, capsys: pytest.CaptureFixture[str]) -> None:
    result = run(capsys, "nginx", "gunicorn", "zstd", "redis")
    assert result["installed"] == ["gunicorn", "zstd", "redis"]
    assert "update" in commands.run[0]
    assert commands.run[1][-3:] == ["gunicorn", "zstd", "redis"]
    assert "--no-install-recommends" in commands.run[1]


def test_a_plan_names_the_packages_and_runs_nothing(commands: Commands, capsys: pytest.CaptureFixture[str]) -> None:
    result = run(capsys, "redis", check=True)
    assert (result["changed"], result["diff"]["after"]) == (True, "redis\n")
    assert commands.run == []


def test_apts_own_words_end_the_task(commands: Commands, capsys: pytest.CaptureFixture[str]) -> None:
    commands.refused = "install"
    result = run(capsys, "redis")
    assert result["failed"]
    assert "Unable to locate package redis" in result["msg"]

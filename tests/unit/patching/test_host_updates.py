# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read of apt and of changelogs, and the module on a host that is made up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args
from ansible_collections.indivillage.infra.plugins.module_utils.host_updates import Update, archive_pattern, mended, reboot_reasons, updates
from ansible_collections.indivillage.infra.plugins.modules import host_updates

SIMULATION = """
Inst libc6 [2.41-12] (2.41-12+deb13u1 Debian-Security:13/stable-security [amd64])
Inst tzdata [2025a-1] (2025b-1 Debian:13.1/stable, Debian:13-updates/stable-updates [all])
Inst libssl3t64 [3.5.1-1] (3.5.1-1+deb13u1 Debian:13.2/stable, Debian-Security:13/stable-security [amd64])
Inst linux-image-6.12.48-amd64 (6.12.48-1 Debian-Security:13/stable-security [amd64])
Conf libc6 (2.41-12+deb13u1 Debian-Security:13/stable-security [amd64])
"""
CHANGELOG = """openssl (3.5.1-1+deb13u1) trixie-security; urgency=high

  * CVE-2025-9230 (out of bounds), CVE-2025-9231
  * Again for CVE-2025-9230

 -- Somebody <nobody@example.com>  Tue, 30 Sep 2025 20:00:00 +0200

openssl (3.5.1-1) unstable; urgency=medium

  * Fixes CVE-2025-4575
"""


def test_updates_are_those_of_installed_packages_with_where_they_come_from() -> None:
    assert updates(SIMULATION) == [
        Update("libc6", "2.41-12", "2.41-12+deb13u1", True),
        Update("libssl3t64", "3.5.1-1", "3.5.1-1+deb13u1", True),
        Update("tzdata", "2025a-1", "2025b-1", False),
    ]


def test_a_downloaded_file_is_named_after_the_version() -> None:
    assert archive_pattern(Update("perl:amd64", "5", "1:5.40-2", True)) == "perl_1%3a5.40-2_*.deb"


def test_what_an_update_mends_stands_above_the_installed_version() -> None:
    assert mended(CHANGELOG.splitlines(), "3.5.1-1") == ["CVE-2025-9230", "CVE-2025-9231"]


def test_a_boot_is_needed_for_what_lies_below_everything_or_asks_for_it(tmp_path: Path) -> None:
    marker = tmp_path / "reboot-required"
    assert reboot_reasons(["tzdata", "curl"], marker) == []
    assert reboot_reasons(["libc6:amd64", "curl"], marker) == ["libc6:amd64 was updated"]
    marker.touch()
    assert reboot_reasons([], marker) == [f"{marker} is there"]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """run(**options) -> the result and apt's commands; two files are downloaded, one with a changelog, and there is no debsecan."""
    for name in ("libssl3t64_3.5.1-1+deb13u1_amd64.deb", "libc6_2.41-12+deb13u1_amd64.deb"):
        (tmp_path / name).touch()
    monkeypatch.setattr(host_updates, "DOWNLOADED", tmp_path)
    monkeypatch.setattr(host_updates, "REBOOT_MARKER", tmp_path / "none")
    monkeypatch.setattr(AnsibleModule, "get_bin_path", lambda *_given, **_options: None)
    commands: list[list[str]] = []

    def command(_module: AnsibleModule, words: list[str], **_options: Any) -> tuple[int, str, str]:
        commands.append(words)
        if words[0] == "sh":
            return 0, CHANGELOG if "libssl" in words[-1] else "", ""
        return 0, SIMULATION if "--simulate" in words else "", ""

    monkeypatch.setattr(AnsibleModule, "run_command", command)

    def call(*, check: bool = False, **options: Any) -> tuple[dict[str, Any], list[list[str]]]:
        commands.clear()
        with patch_module_args(options | {"_ansible_check_mode": check, "_ansible_remote_tmp": str(tmp_path)}), pytest.raises(SystemExit):
            host_updates.main()
        return json.loads(capsys.readouterr().out.splitlines()[-1]), [words for words in commands if words[0] == "apt-get"]

    return call


def test_security_updates_alone_are_installed_with_their_versions(run: Any) -> None:
    result, commands = run()
    assert ["--download-only" in words for words in commands] == [False, False, True, False, False]
    assert commands[-2][-2:] == ["libc6=2.41-12+deb13u1", "libssl3t64=3.5.1-1+deb13u1"]
    assert "--only-upgrade" in commands[-2]
    assert (result["changed"], result["left"], result["reboot"]) == (True, ["tzdata"], ["libc6 was updated", "libssl3t64 was updated"])
    assert {update["name"]: update["cves"] for update in result["updates"]} == {
        "libc6": None,
        "libssl3t64": ["CVE-2025-9230", "CVE-2025-9231"],
    }
    assert (result["open_cves"], result["open_cves_unknown"]) == (None, "debsecan is not installed")


def test_all_updates_on_demand(run: Any) -> None:
    result, commands = run(scope="all")
    assert (commands[-2][-1], result["left"]) == ("tzdata=2025b-1", [])


def test_a_check_installs_nothing_and_reads_no_index(run: Any) -> None:
    result, commands = run(check=True)
    assert result["changed"] is True
    assert ["--simulate" in words for words in commands] == [True]

# SPDX-License-Identifier: GPL-3.0-or-later
"""The module that installs packages of a mirror, with stand-ins for dpkg, apt and gpgv; Molecule's scenario agents has the real ones."""

from __future__ import annotations

import functools
import hashlib
import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args
from ansible_collections.indivillage.infra.plugins.module_utils import host_files, mirrored_package
from ansible_collections.indivillage.infra.plugins.modules import host_mirrored_package

PACKAGE = b"a package"
FINGERPRINT = "0123456789ABCDEF0123456789ABCDEF01234567"


class Commands:
    """A host: knows whether the package is installed, and believes signatures of one key."""

    def __init__(self) -> None:
        self.version = ""
        self.signer = FINGERPRINT
        self.refused = ""
        self.run: list[str] = []
        self.warnings: list[str] = []

    def __call__(self, command: list[str], **_options: Any) -> tuple[int, str, str]:
        self.run.append(command[0])
        if command[0] == "dpkg-query":
            if command[-1] == "gpgv":
                return 0, "gpgv installed\n", ""
            return (0, f"installed {self.version}", "") if self.version else (1, "", "no packages found")
        if command[0] == "gpgv":
            return 0, f"[GNUPG:] GOODSIG 1 maker\n[GNUPG:] VALIDSIG 2 0 {self.signer}\n", ""
        if command[0] == "dpkg-deb":
            return 0, "agent", ""
        if self.refused:
            return 100, "", self.refused
        if "install" in command:
            self.version = "1.0"
        return 0, "", ""


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Commands:
    fake = Commands()
    monkeypatch.setattr(AnsibleModule, "run_command", fake)
    # In a process that has controller code as well, warnings are printed instead of returned.
    monkeypatch.setattr(AnsibleModule, "warn", lambda _module, warning, **_named: fake.warnings.append(warning))
    monkeypatch.setattr(AnsibleModule, "set_fs_attributes_if_different", lambda *_arguments, **_named: False)
    monkeypatch.setattr(mirrored_package, "FOLDER", tmp_path / "folder")
    monkeypatch.setattr(host_files, "read", lambda path: path.read_text() if path.exists() else None)
    return fake


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[dict[str, str]]:
    files = tmp_path / "mirror"
    files.mkdir()
    for name in ("agent.deb", "agent.deb.sig", "key.gpg"):
        (files / name).write_bytes(PACKAGE)
    handler = functools.partial(Silent, directory=str(files))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        yield {
            "url": f"{url}/agent.deb",
            "sha256": hashlib.sha256(PACKAGE).hexdigest(),
            "key_url": f"{url}/key.gpg",
            "key_fingerprint": "0123 4567 89ab cdef 0123  4567 89ab cdef 0123 4567",
        }
        server.shutdown()


class Silent(http.server.SimpleHTTPRequestHandler):
    """Serves files and does not tell."""

    def log_message(self, *_arguments: Any) -> None:
        """Say nothing."""


@dataclass
class Site:
    """A host, a mirror, and runs of the module with it."""

    host: Commands
    mirror: dict[str, str]
    folder: Path
    capsys: pytest.CaptureFixture[str]

    @property
    def report(self) -> Path:
        return self.folder / "reports/agent.json"

    @property
    def leftovers(self) -> list[str]:
        return [path.name for path in (self.folder / "folder", self.report) if path.exists()]

    def run(self, mirror: dict[str, str] | None = None, *, check: bool = False) -> dict[str, Any]:
        mirror = self.mirror if mirror is None else mirror
        arguments = {"name": "agent", "mirror": mirror, "declared_in": "agent_package", "report": str(self.report)}
        with patch_module_args({**arguments, "_ansible_check_mode": check}), pytest.raises(SystemExit):
            host_mirrored_package.main()
        result: dict[str, Any] = json.loads(self.capsys.readouterr().out)
        return result


@pytest.fixture
def site(host: Commands, mirror: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Site:
    return Site(host, mirror, tmp_path, capsys)


def test_a_plan_fetches_nothing_an_apply_installs_and_the_next_run_does_nothing(site: Site) -> None:
    planned = site.run(check=True)
    assert (planned["changed"], planned["available"], site.host.run, site.leftovers) == (True, True, ["dpkg-query"], [])
    assert site.run()["changed"]
    told = json.loads(site.report.read_text())
    assert (told["state"], told["version"], told["key_fingerprint"]) == ("installed", "1.0", FINGERPRINT)
    assert site.leftovers == ["agent.json"]
    site.host.run.clear()
    assert not site.run()["changed"]
    assert not site.run(check=True)["changed"]
    assert set(site.host.run) == {"dpkg-query"}


def test_another_version_on_the_host_is_replaced(site: Site) -> None:
    site.run()
    site.host.version = "0.9"
    assert site.run(check=True)["changed"]
    assert site.run()["changed"]
    assert site.host.version == "1.0"


def test_without_a_mirror_it_is_loud_and_the_report_says_why(site: Site) -> None:
    result = site.run({})
    assert (result["changed"], result["available"]) == (True, False)
    assert "agent is NOT installed" in site.host.warnings[0]
    told = json.loads(site.report.read_text())
    assert told == {"package": "agent", "state": "skipped", "reason": "no mirror is declared in agent_package"}
    again = site.run({})
    assert not again["changed"]
    assert len(site.host.warnings) == 2
    assert site.host.run == []


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("url", "file:///etc/agent.deb", "agent_package.url must be a URL that begins with https://"),
        ("sha256", "", "agent_package.sha256 must be 64 hexadecimal digits"),
        ("sha256", "g" * 64, "agent_package.sha256 must be 64 hexadecimal digits"),
        ("sha256", "0" * 64, "has the checksum"),
        ("key_url", "", "agent_package.key_url must be a URL"),
        ("key_fingerprint", "0123", "agent_package.key_fingerprint must be 40 hexadecimal digits"),
        ("key_fingerprint", "F" * 40, f"is signed by the key {FINGERPRINT}"),
    ],
)
def test_what_is_declared_wrongly_is_refused_and_leaves_nothing(site: Site, key: str, value: str, words: str) -> None:
    assert words in site.run({**site.mirror, key: value})["msg"]
    assert "apt-get" not in site.host.run
    assert site.leftovers == []


def test_what_apt_refuses_leaves_nothing(site: Site) -> None:
    site.host.refused = "E: unmet dependencies"
    assert "unmet dependencies" in site.run()["msg"]
    assert site.leftovers == []


def test_an_armoured_key_is_unwrapped() -> None:
    armoured = b"-----BEGIN PGP PUBLIC KEY BLOCK-----\r\nVersion: 1\r\n\r\nYSBr\r\nZXk=\r\n=abcd\r\n-----END PGP PUBLIC KEY BLOCK-----\r\n"
    assert mirrored_package._without_armour(armoured) == b"a key"
    assert mirrored_package._without_armour(b"\x99binary") == b"\x99binary"

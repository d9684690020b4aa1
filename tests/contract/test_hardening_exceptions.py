# SPDX-License-Identifier: GPL-3.0-or-later
"""An exception that says nothing to the role, or has no last day to come, ends the run before a host is touched."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLAY = [
    {
        "name": "Harden",
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "roles": [{"role": "indivillage.infra.hardening"}],
    }
]
GOOD = {"control": "IV 2.1", "reason": "x", "owner": "ada", "expires": "9999-12-31"}


def harden(directory: Path, exception: dict[str, str]) -> tuple[int, str]:
    """Exit code and output of the role on this machine, which never gets beyond its checks: it has no port by which to log in."""
    (directory / "play.yml").write_text(json.dumps(PLAY))
    variables = {"hardening_exceptions": [exception], "hardening_tier": "web", "hardening_firewall_ports": []}
    playbook = str(Path(sys.executable).with_name("ansible-playbook"))
    command = [playbook, "--check", "-i", "localhost,", str(directory / "play.yml"), "-e", json.dumps(variables)]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    return finished.returncode, " ".join((finished.stdout + finished.stderr).split())


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"control": "CIS 99.9"}, "CIS 99.9 is no control of this role"),
        ({"expires": "next year"}, "IV 2.1 expires on no day of the form YYYY-MM-DD"),
        ({"expires": "2030-13-01"}, "IV 2.1 expires on no day of the form YYYY-MM-DD"),
        ({"expires": "2030-1-1"}, "IV 2.1 expires on no day of the form YYYY-MM-DD"),
        ({"expires": "2020-01-31"}, "the exceptions of IV 2.1 have expired (2020-01-31)"),
        ({"owner": None}, "owner"),
    ],
)
def test_an_exception_that_cannot_be_is_refused_first(tmp_path: Path, wrong: dict[str, str | None], message: str) -> None:
    exception = {name: value for name, value in {**GOOD, **wrong}.items() if value is not None}

    code, said = harden(tmp_path, exception)

    assert code != 0
    assert message in said
    assert "no entry lets port 22 in" not in said, "the run has gone on"


@pytest.mark.parametrize("control", ["IV 2.1", "IV 1.1", "CIS 3.3.1"])
def test_a_right_one_is_not(tmp_path: Path, control: str) -> None:
    code, said = harden(tmp_path, {**GOOD, "control": control})

    assert code != 0
    assert "no entry lets port 22 in" in said

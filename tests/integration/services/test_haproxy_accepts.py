# SPDX-License-Identifier: GPL-3.0-or-later
"""HAProxy itself checks the generated configuration, in the sandbox's own image."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from sandbox import pki
from sandbox.engine import Podman
from sandbox.services import haproxy
from sandbox.services.haproxy import Balancer
from sandbox.services.load_balancers import IMAGE
from tests.unit.services.samples import BALANCER, HTTPS

pytestmark = pytest.mark.sandbox


def why_not() -> str:
    """Why HAProxy cannot be asked here; empty when it can."""
    if not shutil.which("podman"):
        return "podman is not installed"
    if subprocess.run(["podman", "image", "exists", IMAGE], check=False).returncode:
        return f"the image {IMAGE} is not built: python -m sandbox build-images haproxy"
    return ""


def run(folder: Path, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a command in a HAProxy container that has the folder as /etc/haproxy and no network."""
    options = ["--rm", "--network=none", f"--volume={folder}/etc/haproxy:/etc/haproxy", *Podman().run_options(systemd=False)]
    return subprocess.run(["podman", "run", *options, IMAGE, *command], capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    if reason := why_not():
        pytest.skip(reason)
    return tmp_path


def write(folder: Path, balancer: Balancer) -> None:
    files = haproxy.files(balancer) | {haproxy.SERVER_STATE_FILE: haproxy.server_states(balancer.target_groups)}
    for path, text in files.items():
        target = folder / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)


def test_everything_the_generator_knows_is_accepted(folder: Path) -> None:
    pem = "".join(pki.issue(["sandbox.example"], folder))
    listener = replace(HTTPS, certificates=tuple(replace(certificate, pem=pem) for certificate in HTTPS.certificates))
    write(folder, replace(BALANCER, listeners=(BALANCER.listeners[0], listener)))
    answer = run(folder, ["haproxy", "-c", "-f", haproxy.CONFIGURATION_FILE])
    assert answer.returncode == 0, answer.stderr
    assert "web/i-0b is DOWN, changed from server-state" in answer.stderr
    assert "web/i-0a is DOWN" not in answer.stderr


def test_a_worker_survives_servers_that_start_down(folder: Path) -> None:
    """HAProxy 3.0 dies of a state file in which a server is down without a failed check; ours must not be such a file."""
    write(folder, replace(BALANCER, listeners=()))
    answer = run(folder, ["timeout", "4", "haproxy", "-W", "-db", "-f", haproxy.CONFIGURATION_FILE])
    assert "Segmentation fault" not in answer.stderr
    assert answer.returncode == 124, answer.stderr

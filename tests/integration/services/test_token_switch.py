# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Redis takes another token as it runs, with the sandbox's own configuration: nobody who knows either one is refused meanwhile."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from ansible_collections.indivillage.infra.plugins.modules import redis_token

from sandbox import pki
from sandbox.engine import Podman
from sandbox.services import caches
from sandbox.services.caches import Cache
from sandbox.services.data_stores import FOLDER
from sandbox.settings import IMAGE_REPOSITORY
from tests.integration.emulator.support import wait_until
from tests.support.servers import free_port, needs_podman
from tests.unit.services.test_caches import CACHE, Recorder, world

pytestmark = [
    pytest.mark.sandbox,
    needs_podman,
]

OLD, NEW = "a-token-of-sixteen", "another-token-here"


@dataclass
class Server(Recorder):
    """The engine of one container with Redis, at a port of loopback."""

    container: str
    port: int

    def __post_init__(self) -> None:
        super().__init__()

    def write(self, _name: str, path: str, text: str) -> None:
        """Write a file of the container."""
        self._podman("exec", "--interactive", self.container, "sh", "-c", 'cat > "$0"', path, text=text)

    def execute(self, name: str, command: list[str], *, text: str = "") -> str:
        """Run a command in it."""
        super().execute(name, command, text=text)
        return self._podman("exec", "--interactive", self.container, *command, text=text)

    def _podman(self, *arguments: str, text: str = "") -> str:
        return subprocess.run(["podman", *arguments], input=text, capture_output=True, text=True, check=True, timeout=60).stdout

    def takes(self, token: str) -> bool:
        return redis_token.accepted("localhost", self.port, token)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    image, folder, port = f"{IMAGE_REPOSITORY}/redis:latest", tmp_path / "files", free_port()
    if subprocess.run(["podman", "image", "exists", image], check=False).returncode:
        pytest.skip(f"the image {image} is not built: python -m sandbox build-images redis")
    folder.mkdir()
    certificate, key = pki.issue(["localhost"], tmp_path)
    (spec,) = caches.desired(world(replace(CACHE, certificate=certificate, private_key=key)))
    for path, text in spec.files.items():
        (folder / Path(path).name).write_text(text)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    options = ["--rm", "--detach", f"--publish=127.0.0.1:{port}:6379", f"--volume={folder}:{FOLDER}", *Podman().run_options(systemd=False)]
    started = subprocess.run(["podman", "run", *options, image, *spec.command], capture_output=True, text=True, check=True, timeout=60)
    one = Server(started.stdout.strip(), port)
    try:
        wait_until(lambda: _answers(lambda: one.takes(OLD)), 30)
        yield one
    finally:
        subprocess.run(["podman", "rm", "--force", "--time=0", one.container], capture_output=True, check=True, timeout=60)


def _answers(question: Callable[[], bool]) -> bool:
    try:
        return question()
    except OSError:
        return False


def test_both_tokens_are_taken_and_then_the_new_one_alone(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caches, "_configured", {})

    def follow(cache: Cache) -> None:
        (spec,) = caches.desired(world(cache))
        caches.after(world(cache), spec, server, server)  # type: ignore[arg-type]

    running = replace(CACHE, status="available")
    follow(running)
    assert (server.takes(OLD), server.takes(NEW)) == (True, False)
    follow(replace(running, auth_tokens=(NEW, OLD)))
    assert (server.takes(OLD), server.takes(NEW)) == (True, True)
    follow(replace(running, auth_tokens=(NEW,)))
    assert (server.takes(OLD), server.takes(NEW)) == (False, True)
    assert not [call for call in server.calls if call[0] == "restart"]


def test_who_cannot_be_asked_is_not_taken_for_one_that_refuses() -> None:
    with pytest.raises(OSError, match="refused"):
        redis_token.accepted("localhost", free_port(), OLD)

# SPDX-License-Identifier: GPL-3.0-or-later
"""Bringing the sandbox up and taking it down. Both may be called at any time, after any crash, any number of times."""

from __future__ import annotations

import contextlib
import fcntl
import json
import shutil
import time
from collections.abc import Callable, Iterator
from typing import Any

from sandbox import firewall, host, images, pki, processes
from sandbox.engine import Podman
from sandbox.model import World
from sandbox.observe import EmulatorControl
from sandbox.settings import Settings

READY_SECONDS = 60.0
ALIVE_SECONDS = 10.0
REBUILD = "the AWS state of this sandbox is gone, since the emulator kept it in its process: `make site` builds it again"


class SandboxError(Exception):
    """The sandbox did not come up; the text says which part and where its log is."""


def up(settings: Settings) -> None:
    """Bring everything up that is not, and wait until emulator and reconciler answer.

    Raises HostError, BuildError or SandboxError.
    """
    host.check_rights()
    host.check_commands()
    if other := processes.other_sandbox(settings):
        raise SandboxError(
            f"another sandbox runs on this machine, its state lies in {other}: take it down first (SANDBOX_STATE_DIR={other})"
        )
    with _alone(settings):
        _up(settings)


@contextlib.contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Let one `up` or `down` wait for another."""
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    with (settings.state_dir / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _up(settings: Settings) -> None:
    emulator = processes.running(settings, processes.EMULATOR)
    if not emulator:
        host.check_port(settings.emulator_port, "SANDBOX_EMULATOR_PORT")
    if not processes.running(settings, processes.SUPERVISOR):
        _check_page_port(settings)
    if not emulator and settings.pid_file(processes.EMULATOR).exists():
        say(f"the emulator has died: {REBUILD}")
    settings.save()
    images.build(images.SITE_IMAGES, settings)
    pki.prepare(settings.pki_dir)
    host.prepare_kernel(settings)
    if not firewall.present():
        firewall.apply(firewall.render(World(), (), settings.emulator_port))
    if not emulator:
        say("emulator: starting")
        processes.start(
            settings, processes.EMULATOR, processes.command(settings, "sandbox.emulator", "--port", str(settings.emulator_port))
        )
    _wait(settings, processes.EMULATOR, lambda: version(settings) is not None)
    say(f"emulator: answers on {settings.endpoint}")
    started = time.time()
    if not processes.running(settings, processes.SUPERVISOR):
        say("reconciler: starting")
        processes.start(settings, processes.SUPERVISOR, processes.command(settings, "sandbox.reconciler", "--supervise"))
    _wait(settings, processes.SUPERVISOR, lambda: _reconciler_answers(settings, started))
    say("reconciler: at work")


def down(settings: Settings) -> None:
    """Remove everything but the built images: processes, containers, networks, baked images, firewall, kernel settings, files."""
    host.check_rights()
    with _alone(settings):
        _down(settings)
    say("the sandbox is gone; the images it was built from are kept, `make sandbox-clean` removes them too")


def _down(settings: Settings) -> None:
    say("ending the sandbox's processes")
    processes.stop_all(settings)
    if processes.other_sandbox(settings):
        say("another sandbox runs on this machine: containers, networks and firewall are its own and stay")
    else:
        _remove_containers()
    host.restore_kernel(settings)
    shutil.rmtree(settings.state_dir, ignore_errors=True)


def _remove_containers() -> None:
    if shutil.which("podman"):
        engine = Podman()
        names = [container.name for container in engine.list()]
        if names:
            say(f"removing {len(names)} containers")
            engine.remove(*names, seconds=0)
        for network in engine.networks():
            engine.remove_network(network.name)
        baked = engine.baked_images()
        if baked:
            say(f"removing {len(baked)} baked images")
            engine.remove_image(*baked)
    if shutil.which("nft"):
        firewall.remove()


def clean(settings: Settings) -> None:
    """`down`, and the built images too."""
    down(settings)
    engine = Podman()
    built = [recipe.image for recipe in images.RECIPES.values() if images.label(recipe.image)]
    if built:
        engine.remove_image(*built)
    say(f"removed {len(built)} images")


def version(settings: Settings) -> int | None:
    """Version of the emulator's state, None when it does not answer."""
    try:
        return EmulatorControl(settings.endpoint).get("version")["version"]
    except (OSError, KeyError, ValueError):
        return None


def reconciler_status(settings: Settings) -> dict[str, Any]:
    """What the reconciler wrote last; empty when it gave no sign of life for some seconds."""
    path = settings.state_dir / "reconciler.json"
    status = json.loads(path.read_text()) if path.exists() else {}
    return status if status.get("time", 0) > time.time() - ALIVE_SECONDS else {}


def say(message: str) -> None:
    """One line of progress."""
    print(message, flush=True)


def _check_page_port(settings: Settings) -> None:
    """The page's port may be taken by a load balancer's container that outlived its reconciler; anybody else is in the way."""
    if not any(container.kind == "load_balancer" for container in Podman().list()):
        host.check_port(settings.page_port, "SANDBOX_PAGE_PORT")


def _reconciler_answers(settings: Settings, since: float) -> bool:
    status = reconciler_status(settings)
    return bool(status) and status["emulator"] and status["time"] >= since


def _wait(settings: Settings, process: str, ready: Callable[[], bool]) -> None:
    until = time.monotonic() + READY_SECONDS
    while not ready():
        if time.monotonic() > until:
            log = settings.log_file(process)
            end = "\n".join(log.read_text().splitlines()[-15:]) if log.exists() else "(no log)"
            raise SandboxError(f"the sandbox's {process} does not answer after {READY_SECONDS:.0f} s; the end of {log}:\n{end}")
        time.sleep(0.2)

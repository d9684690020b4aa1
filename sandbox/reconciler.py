# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m sandbox.reconciler`: keeps the containers, the firewall and the metadata service equal to the emulator's state.

Level-triggered: every pass compares what is with what shall be, so it does not matter what was missed, or why a container died. A pass
runs when the emulator's version moved, when a container's process is gone, when the last pass left something undone, and now and then
anyway. Two processes guard each other: the supervisor starts the reconciler again when it dies; a reconciler without its supervisor
becomes the supervisor.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from sandbox import firewall, processes
from sandbox.engine import Podman
from sandbox.metadata import AwsSource, MetadataService
from sandbox.model import Action, ContainerSpec, EngineError, Image, Service, World
from sandbox.observe import EmulatorControl, RegionClients, observe
from sandbox.plan import Actual, instance_spec, internet_client, plan
from sandbox.services import SERVICES
from sandbox.settings import REGIONS, Settings, load

TICK_SECONDS = 0.25
AFTER_SECONDS = 1.0
# Observing costs the emulator time that a running playbook wants too: a third of it at most, however slow the machine is.
LEAST_REST_SECONDS = 0.7
REST_PER_OBSERVATION = 2.0
LONGEST_REST_SECONDS = 10.0
FULL_PASS_SECONDS = 30.0
WORKERS = 4
# Within a stage order does not matter. The firewall is replaced before the first stage that starts something.
NETWORK_VERBS = ("remove_network", "create_network")
ENDING_VERBS = ("remove", "stop", "restart")
STAGES = (("remove",), NETWORK_VERBS, ("create", "start", "stop", "kill", "restart"), ("bake", "fail_image", "drop_image"))
EXPECTED_ERRORS = (EngineError, firewall.FirewallError, ClientError, BotoCoreError, OSError, KeyError)


class Reconciler:
    """One pass after another; all it must remember between two processes is in `applied` (see `_Applied`)."""

    def __init__(self, settings: Settings, services: Iterable[Service] = SERVICES) -> None:
        self._settings = settings
        self._services = tuple(services)
        self._engine = Podman()
        self._control = EmulatorControl(settings.endpoint)
        self._regions = [RegionClients(settings.endpoint, region) for region in REGIONS]
        self._metadata = MetadataService(AwsSource({clients.region: clients for clients in self._regions}))
        self._applied = _Applied(settings.state_dir / "reboots.json")
        self._status = _Status(settings)
        self._pool = ThreadPoolExecutor(max_workers=WORKERS)
        self._said: dict[str, str] = {}
        self._world = World()
        self._specs: dict[str, ContainerSpec] = {}
        self._service_of: dict[str, Service] = {}
        self._firewall = ""
        self._observation_seconds = 0.0
        self._pids: dict[str, int] = {}

    def run(self) -> None:
        """Reconcile until this process ends or has lost its supervisor."""
        seen: Any = None
        supervisor = os.getppid()
        last_pass = last_after = float("-inf")
        retry_seconds = LEAST_REST_SECONDS
        undone = True
        while os.getppid() == supervisor:
            now = time.monotonic()
            version = None
            with self._noting("emulator"):
                version = self._control.get("version")
            due = version != seen or undone or self._lost_containers() or now - last_pass > FULL_PASS_SECONDS
            rest = self._rest(retry_seconds if version == seen else LEAST_REST_SECONDS)
            if version is not None and due and now - last_pass >= rest:
                undone = not self._pass()
                retry_seconds = min(2 * retry_seconds, LONGEST_REST_SECONDS) if undone else LEAST_REST_SECONDS
                seen, last_pass = version, time.monotonic()
            if version is not None and now - last_after >= AFTER_SECONDS:
                self._after()
                last_after = time.monotonic()
            self._status.write(emulator=version is not None, settled=not undone and version == seen, errors=sorted(self._said.values()))
            time.sleep(TICK_SECONDS)

    def _rest(self, least: float) -> float:
        """Seconds between two passes.

        An observation that was long since this process was stopped meanwhile says nothing about the machine.
        """
        return max(least, min(REST_PER_OBSERVATION * self._observation_seconds, LONGEST_REST_SECONDS))

    # --- a pass ---

    def _pass(self) -> bool:
        """Observe, plan, act. Whether everything that was to be done was done."""
        with self._noting("pass"):
            return self._reconcile()
        return False

    def _reconcile(self) -> bool:
        started = time.monotonic()
        self._world = observe(self._regions, self._control, self._services)
        self._observation_seconds = time.monotonic() - started
        self._metadata.update(self._world)
        self._service_of = {}
        wanted: list[ContainerSpec] = []
        for service in self._services:
            specs = service.desired(self._world)
            wanted += specs
            self._service_of |= {spec.name: service for spec in specs}
        specs = [*wanted, *(instance_spec(self._world, instance) for instance in self._world.instances), internet_client()]
        self._specs = {spec.name: spec for spec in specs}
        containers = self._engine.list()
        actual = Actual(containers, self._engine.networks(), self._engine.baked_images(), self._applied.counts)
        actions = plan(self._world, wanted, actual)
        if any(action.verb in ENDING_VERBS for action in actions):
            # Load balancers let go of a machine before its groups do and before it ends, else requests under way hang until they time out.
            self._after()
        self._apply_firewall()
        failed = [action for stage in STAGES for action in self._stage(stage, actions)]
        if actions:
            containers = self._engine.list()
        self._pids = {container.name: container.pid for container in containers if container.running}
        self._applied.forget(self._specs.keys())
        return not failed

    def _apply_firewall(self) -> None:
        text = firewall.render(self._world, self._specs.values(), self._settings.emulator_port)
        if text != self._firewall or not firewall.present():
            firewall.apply(text)
            self._firewall = text

    def _stage(self, verbs: tuple[str, ...], actions: Iterable[Action]) -> list[Action]:
        """Do the actions of a stage; those that failed. Networks come one after another, since one may take the range of another."""
        chosen = [action for action in actions if action.verb in verbs]
        results = map(self._do, chosen) if verbs == NETWORK_VERBS else self._pool.map(self._do, chosen)
        return [action for action, done in zip(chosen, results, strict=True) if not done]

    def _do(self, action: Action) -> bool:
        started = time.monotonic()
        with self._noting(f"{action.verb} {action.target}"):
            self._act(action)
            log(f"{action.verb} {action.target}: {action.why} ({time.monotonic() - started:.1f} s)")
            return True
        return False

    def _act(self, action: Action) -> None:
        match action.verb:
            case "create_network" if action.vpc:
                self._engine.create_network(action.vpc)
            case "remove_network":
                self._engine.remove_network(action.target)
            case "create" if action.spec:
                self._engine.create(action.spec)
                self._applied.set(action.target, action.reboots)
            case "start":
                self._engine.start(action.target)
                self._applied.set(action.target, action.reboots)
            case "stop":
                self._engine.stop(action.target)
            case "kill":
                self._engine.kill(action.target)
            case "restart":
                # Noted first: a process that dies in between must not restart the machine twice.
                self._applied.set(action.target, action.reboots)
                self._engine.restart(action.target)
            case "remove":
                self._engine.remove(action.target)
            case "bake" if action.image:
                self._engine.bake(action.target, action.image.container_image)
                self._finish_image(action.image, "available")
            case "fail_image" if action.image:
                self._finish_image(action.image, "failed")
            case "drop_image":
                self._engine.remove_image(action.target)

    def _finish_image(self, image: Image, state: str) -> None:
        self._control.put(f"images/{image.region}/{image.id}", {"state": state})

    # --- between passes ---

    def _lost_containers(self) -> bool:
        """Whether a container's first process is gone; asking /proc costs nothing, asking podman does."""
        return any(not Path(f"/proc/{pid}").exists() for pid in self._pids.values())

    def _after(self) -> None:
        running = [spec for name, spec in self._specs.items() if name in self._pids and name in self._service_of]
        list(self._pool.map(self._after_one, running))

    def _after_one(self, spec: ContainerSpec) -> None:
        with self._noting(f"after {spec.name}"):
            self._service_of[spec.name].after(self._world, spec, self._engine, self._control)

    @contextmanager
    def _noting(self, what: str) -> Iterator[None]:
        """Keep going after a failure; log it once, until `what` works again or fails in another way."""
        try:
            yield
        except Exception as error:
            # A fault in one part must not keep the others from being repaired; only one that nobody foresaw needs its trace.
            expected = isinstance(error, EXPECTED_ERRORS)
            message = f"{what}: {f'{type(error).__name__}: {error}' if expected else traceback.format_exc()}"
            if self._said.get(what) != message:
                log(f"FAILED {message}")
            self._said[what] = message
        else:
            self._said.pop(what, None)


class _Applied:
    """Which RebootInstances calls were carried out, kept in a file so that a new process does not carry them out again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.counts: dict[str, int] = json.loads(path.read_text()) if path.exists() else {}

    def set(self, name: str, count: int) -> None:
        """The container satisfies that many calls. Zero needs no note."""
        if self.counts.get(name, 0) != count:
            self.counts[name] = count
            _replace(self._path, self.counts)

    def forget(self, known: Iterable[str]) -> None:
        """Drop the notes on containers that are gone."""
        known = set(known)
        if self.counts.keys() - known:
            self.counts = {name: count for name, count in self.counts.items() if name in known}
            _replace(self._path, self.counts)


class _Status:
    """What `python -m sandbox status` and `up` read; written when it changes and every few seconds as a sign of life."""

    EVERY_SECONDS = 2.0

    def __init__(self, settings: Settings) -> None:
        self._path = settings.state_dir / "reconciler.json"
        self._last: dict[str, Any] = {}
        self._written = float("-inf")

    def write(self, **status: Any) -> None:
        """Note the status."""
        now = time.monotonic()
        if status != self._last or now - self._written > self.EVERY_SECONDS:
            _replace(self._path, {"pid": os.getpid(), "time": time.time(), **status})
            self._last, self._written = status, now


def _replace(path: Path, content: Any) -> None:
    """Write JSON so that a reader sees the old or the new file, never half of one."""
    new = path.with_suffix(".new")
    new.write_text(json.dumps(content, indent=1))
    new.replace(path)


def log(message: str) -> None:
    """One line with the time, to the log that standard output is."""
    print(time.strftime("%H:%M:%S"), message, flush=True)


def supervise(settings: Settings) -> None:
    """Keep a reconciler running, for ever."""
    settings.pid_file(processes.SUPERVISOR).write_text(f"{os.getpid()}\n")
    while True:
        worker = subprocess.Popen(processes.command(settings, "sandbox.reconciler"))
        settings.pid_file(processes.RECONCILER).write_text(f"{worker.pid}\n")
        log(f"reconciler {worker.pid} started")
        code = worker.wait()
        log(f"reconciler {worker.pid} ended with {code}; starting another")
        time.sleep(TICK_SECONDS)


def main() -> int:
    """Run as the reconciler, or with --supervise as its supervisor."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.reconciler", description="Started by `python -m sandbox up`.")
    parser.add_argument("--state-dir", required=True)
    parser.add_argument("--supervise", action="store_true")
    arguments = parser.parse_args()
    settings = load()
    if not arguments.supervise:
        Reconciler(settings).run()
        log("the supervisor is gone; this process takes its place")
        os.execv(sys.executable, processes.command(settings, "sandbox.reconciler", "--supervise"))  # noqa: S606 - no shell is meant
    supervise(settings)
    return 0


if __name__ == "__main__":
    sys.exit(main())

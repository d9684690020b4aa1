# SPDX-License-Identifier: GPL-3.0-or-later
"""Have third parties judge a host before and after the role hardening: `make bench-hardening`, on Debian 13 and 12.

Prints scores of all rules, of those that a container can show (host-only), and of those with the exceptions of exceptions.yml, each of
which is named. Containers without systemd's own kernel get no marks for kernel settings: `judges.KERNEL_FAMILIES`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from sandbox import engine
from tests.bench.hardening import judges
from tests.bench.hardening.judges import Score

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "build" / "judges"
EXCEPTIONS = Path(__file__).with_name("exceptions.yml")
# profile: all rules, host-only (per cent, at least); the best that peers reach is in the documentation
PROFILES = {"cis_level1_server": (85, 93), "cis_level2_server": (0, 88), "anssi_bp28_intermediary": (0, 90)}
LYNIS_AT_LEAST = 78


@dataclass(frozen=True)
class Judged:
    """What the judges say of one host."""

    scores: dict[str, Score]
    lynis: int


@contextmanager
def host(release: str) -> Iterator[str]:
    """A container as the sandbox's instances are, with the judges beside it."""
    name = f"bench-hardening-{release}"
    subprocess.run(["podman", "rm", "--force", "--time", "0", name], capture_output=True, check=False)
    command = [*engine.Podman().instance_command(), "--name", name, "--hostname", name, "--volume", f"{FOLDER}:{judges.PLACE}:ro"]
    subprocess.run([*command, f"localhost/indivillage/debian:{release}"], check=True, capture_output=True)
    try:
        judges.run(name, "ip", "route", "add", "blackhole", "169.254.0.0/16")
        judges.run(name, "systemctl", "is-system-running", "--wait")
        yield name
    finally:
        subprocess.run(["podman", "rm", "--force", "--time", "0", name], capture_output=True, check=False)


def judged(name: str, release: str) -> Judged:
    """Have all judges look at a host."""
    return Judged({profile: judges.openscap(name, release, profile) for profile in PROFILES}, judges.lynis(name))


def harden(name: str, release: str) -> float:
    """Apply base and hardening to a host; the seconds that it took."""
    playbook = FOLDER / "harden.yml"
    roles = [f"indivillage.infra.{role}" for role in ("base", "hardening")]
    playbook.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "roles": roles}]))
    variables = {
        "ansible_connection": "containers.podman.podman",
        "ansible_python_interpreter": "/usr/bin/python3",
        "hardening_debian_release": int(release),
    }
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", f"{name},", "-e", json.dumps(variables), str(playbook)]
    environment = os.environ | {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "AWS_EC2_METADATA_DISABLED": "true"}
    started = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stdout[-3000:] + done.stderr[-1000:])
    return time.monotonic() - started


def release(number: str, excepted: dict[str, str]) -> list[str]:
    """Judge a release before and after; what misses a goal."""
    with host(number) as name:
        before = judged(name, number)
        seconds = [harden(name, number), harden(name, number)]
        judges.run(name, "systemctl", "start", "aidecheck.service")  # as every instance does a quarter of an hour after its boot
        after = judged(name, number)
    missed = []
    print(f"\nDebian {number}: first run {seconds[0]:.0f} s, second {seconds[1]:.0f} s; Lynis {before.lynis} -> {after.lynis}", flush=True)
    print("| profile | before: all | host-only | after: all | host-only | with exceptions |\n|---|---|---|---|---|---|")
    for profile, (least, least_of_host) in PROFILES.items():
        bare, hardened = before.scores[profile], after.scores[profile]
        figures = [bare.share(), bare.share(host_only=True), hardened.share(), hardened.share(host_only=True)]
        with_exceptions = hardened.share(without=excepted, host_only=True)
        print(f"| {profile} | {' | '.join(f'{figure:.1f} %' for figure in [*figures, with_exceptions])} |")
        missed += [f"Debian {number}: {profile} {figures[2]:.1f} % of all rules, at least {least} %"] if figures[2] < least else []
        missed += (
            [f"Debian {number}: {profile} {figures[3]:.1f} % host-only, at least {least_of_host} %"] if figures[3] < least_of_host else []
        )
    missed += [f"Debian {number}: Lynis {after.lynis}, at least {LYNIS_AT_LEAST}"] if after.lynis < LYNIS_AT_LEAST else []
    failing = sorted({rule for score in after.scores.values() for rule in score.failed if not judges.KERNEL_FAMILIES.match(rule)})
    print("Fails, and why:")
    for rule in failing:
        print(f"  {rule}: {excepted.get(rule, 'NO REASON GIVEN')}")
    return missed + [f"Debian {number}: {rule} fails without a reason in {EXCEPTIONS.name}" for rule in failing if rule not in excepted]


def main() -> int:
    """Judge; 1 when a goal is missed, or a rule fails that nobody has excepted."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.hardening", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--release", choices=["12", "13"], nargs="+", default=["13", "12"])
    options = parser.parse_args()
    versions = judges.fetch(FOLDER)
    print("Judges: " + ", ".join(f"{name} {version}" for name, version in versions.items()))
    excepted = yaml.safe_load(EXCEPTIONS.read_text())
    missed = [line for number in options.release for line in release(number, excepted)]
    print(*(["", "Missed:", *missed] if missed else ["", "All goals are met."]), sep="\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())

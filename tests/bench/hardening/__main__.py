# SPDX-License-Identifier: GPL-3.0-or-later
"""Have third parties judge a host before and after the role hardening: `make bench-hardening`, on Debian 13 and 12.

Prints scores of all rules, of those that a container can show (host-only), and of those with the exceptions of exceptions.yml, each of
which is named. Containers get no marks for settings of the kernel, which is not theirs: `judges.KERNEL_FAMILIES`.
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
from tests.bench.hardening import judges, yardstick
from tests.bench.hardening.judges import Lynis, Score, SshAudit

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "build" / "judges"
EXCEPTIONS = Path(__file__).with_name("exceptions.yml")
RELEASES = {"12", "13"}
# profile: all rules, host-only (per cent, at least); the best that peers reach is in the documentation
PROFILES = {"cis_level1_server": (85, 93), "cis_level2_server": (0, 88), "anssi_bp28_intermediary": (0, 90)}
LYNIS_AT_LEAST = 78
TIMES_AT_MOST = 10
# The one thing that ssh-audit may warn of: clients that know no key exchange of this decade.
WARNS_OF = "does not provide protection against post-quantum attacks"


@dataclass(frozen=True)
class Judged:
    """What the judges say of one host."""

    scores: dict[str, Score]
    lynis: Lynis
    ssh: SshAudit

    def findings(self) -> list[str]:
        """What OpenSCAP and Lynis find wrong, but for what the kernel would have to show."""
        rules = {rule for score in self.scores.values() for rule in score.failed if not judges.KERNEL_FAMILIES.match(rule)}
        return sorted(rules | self.lynis.suggested)


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
    scores = {profile: judges.openscap(name, release, profile) for profile in PROFILES}
    return Judged(scores, judges.lynis(name), judges.ssh_audit(name))


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


def asking(name: str) -> float:
    """The seconds that a shell script takes to ask a host what the role asks."""
    started = time.monotonic()
    judges.run(name, "sh", "-c", yardstick.script())
    return time.monotonic() - started


def release(number: str, excepted: dict[str, str]) -> tuple[list[str], list[str]]:
    """Judge a release before and after; what misses a goal, and what is found on the hardened host."""
    with host(number) as name:
        before = judged(name, number)
        seconds = [harden(name, number), harden(name, number)]
        times = seconds[1] / asking(name)
        judges.run(name, "systemctl", "start", "aidecheck.service")  # as every instance does a quarter of an hour after its boot
        after = judged(name, number)
    print(f"\nDebian {number}: first run {seconds[0]:.0f} s, second {seconds[1]:.0f} s; Lynis {before.lynis.index} -> {after.lynis.index}")
    print(f"The second run takes {times:.1f} times as long as a shell script that asks the same")
    print("| profile | before: all | host-only | after: all | host-only | all, with exceptions | host-only, with exceptions |")
    print("|---|---|---|---|---|---|---|")
    for profile in PROFILES:
        bare, hardened = before.scores[profile], after.scores[profile]
        figures = [bare.share(), bare.share(host_only=True), hardened.share(), hardened.share(host_only=True)]
        figures += [hardened.share(without=excepted), hardened.share(without=excepted, host_only=True)]
        print(f"| {profile} | {' | '.join(f'{figure:.1f} %' for figure in figures)} |")
    for when, said in (("before", before.ssh), ("after", after.ssh)):
        verdict = f"departs from our policy in {', '.join(said.departures)}" if said.departures else "meets our policy"
        print(f"ssh-audit {when}: {len(said.failures)} fail, {len(said.warnings)} warn; {verdict}")
    print("Found on the hardened host, and why it stays:")
    for finding in after.findings():
        print(f"  {finding}: {excepted.get(finding, 'NO REASON GIVEN')}")
    return [f"Debian {number}: {line}" for line in missed(after, times, excepted)], after.findings()


def missed(after: Judged, times: float, excepted: dict[str, str]) -> Iterator[str]:
    """The goals that a hardened host misses. times: how much longer a run that changes nothing takes than a shell script."""
    for profile, (least, least_of_host) in PROFILES.items():
        score = after.scores[profile]
        for what, share, goal in (("all rules", score.share(), least), ("host-only rules", score.share(host_only=True), least_of_host)):
            if share < goal:
                yield f"{profile} {share:.1f} % of {what}, at least {goal} %"
    if times > TIMES_AT_MOST:
        yield f"a run that changes nothing takes {times:.1f} times as long as a shell script that asks the same, at most {TIMES_AT_MOST}"
    if after.lynis.index < LYNIS_AT_LEAST:
        yield f"Lynis {after.lynis.index}, at least {LYNIS_AT_LEAST}"
    for note in sorted(after.ssh.failures | {note for note in after.ssh.warnings if not note.endswith(WARNS_OF)}):
        yield f"ssh-audit: {note}"
    for field, found in after.ssh.departures.items():
        yield f"ssh-audit: {judges.SSH_AUDIT_POLICY} has other {field} than {', '.join(found)}"
    for finding in after.findings():
        if finding not in excepted:
            yield f"{finding} is found without a reason in {EXCEPTIONS.name}"


def exceptions() -> dict[str, str]:
    """What may be found, with the reason."""
    return {finding: entry["why"] for entry in yaml.safe_load(EXCEPTIONS.read_text()) for finding in entry["findings"]}


def main() -> int:
    """Judge; 1 when a goal is missed, or a rule fails that nobody has excepted."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.hardening", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--release", choices=sorted(RELEASES), nargs="+", default=sorted(RELEASES, reverse=True))
    options = parser.parse_args()
    versions = judges.fetch(FOLDER)
    print("Judges: " + ", ".join(f"{name} {version}" for name, version in versions.items()))
    excepted = exceptions()
    results = [release(number, excepted) for number in options.release]
    lines = [line for missing, _found in results for line in missing]
    if set(options.release) == RELEASES:
        unneeded = excepted.keys() - {finding for _missing, found in results for finding in found}
        lines += [f"{finding} is found nowhere any more: take it out of {EXCEPTIONS.name}" for finding in sorted(unneeded)]
    print(*(["", "Missed:", *lines] if lines else ["", "All goals are met."]), sep="\n")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())

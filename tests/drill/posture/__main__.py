# SPDX-License-Identifier: GPL-3.0-or-later
"""Have Prowler judge an environment's whole declaration in the emulator: no critical or high finding stays unexplained.

    python -m tests.drill.posture [--environment NAME ...]     build/posture/<environment>.json has every finding

exceptions.yml says why a finding is no fault, and until when that holds; one that has expired, or that nothing needs, is a problem.
So is what the scanner could not read, unless it is explained there, and a service that an environment has and the scan leaves out.
All of it runs in a network of its own that has nothing but loopback, since a scanner may ask whom it likes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from tests.drill.plan.environments import Declaration, declarations
from tests.drill.posture.judgement import Exceptions, Exemption, judge
from tests.drill.posture.scanner import DIRECTORY, PROGRAM, Scan, scan
from tests.drill.support.emulator import running
from tests.drill.support.runs import ROOT

ALONE = "POSTURE_ALONE"
EXCEPTIONS = Path(__file__).with_name("exceptions.yml")


def main() -> int:
    """Do what the module's documentation says; the exit code."""
    known = {declaration.name: declaration for declaration in declarations()}
    parser = argparse.ArgumentParser(prog="python -m tests.drill.posture", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--environment", choices=known, nargs="+", default=["development", "staging", "production"])
    options = parser.parse_args()
    if not PROGRAM.is_file():
        parser.error("there is no scanner: type scripts/setup posture first")
    if ALONE not in os.environ:
        return _in_a_network_of_its_own()
    results = [drill(known[name], Exceptions.read(EXCEPTIONS)) for name in options.environment]
    return 0 if all(results) else 1


def _in_a_network_of_its_own() -> int:
    command = ["unshare", "--net", *([] if os.geteuid() == 0 else ["--map-root-user"]), "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    return subprocess.run(
        [*command, sys.executable, "-m", "tests.drill.posture", *sys.argv[1:]], cwd=ROOT, env=os.environ | {ALONE: "1"}, check=False
    ).returncode


def drill(declaration: Declaration, exceptions: Exceptions) -> bool:
    """Provision one environment and have it judged; whether there is nothing to be done."""
    # The scanner asks for much that the emulator does not know.
    with running(log=DIRECTORY / f"{declaration.name}.log") as emulator, tempfile.TemporaryDirectory() as directory:
        print(f"{declaration.name}: apply ...", file=sys.stderr, flush=True)
        project = declaration.prepare(emulator, Path(directory) / "state")
        project.apply(*(declaration.approval(project.plan()) if declaration.needs_approval else ()))
        used = set(emulator.calls().services)
        print(f"{declaration.name}: scan ...", file=sys.stderr, flush=True)
        seen = scan(emulator.endpoint, declaration.regions, exceptions.unused_services, Path(directory) / "scan")
    exemptions = exceptions.of(declaration.name)
    problems = [f"not scanned, though {declaration.name} has it: {name}" for name in sorted(used & set(exceptions.unused_services))]
    problems += judge([*seen.findings, *seen.unread], exemptions, datetime.now(UTC).date())
    if not seen.passed:
        problems.append("the scanner found nothing to judge")
    file = DIRECTORY / f"{declaration.name}.json"
    file.write_text(json.dumps([asdict(finding) for finding in [*seen.findings, *seen.unread]], indent=2) + "\n", encoding="utf-8")
    print(_table(declaration.name, seen, exemptions))
    print(f"{file.relative_to(ROOT)}: {len(problems)} problems", *problems, sep="\n  ", flush=True)
    return not problems


def _table(environment: str, seen: Scan, exemptions: list[Exemption]) -> str:
    """A line per service: checks that judged something, their results by resource, and reads that failed."""
    failed = Counter(finding.service for finding in seen.findings)
    explained = Counter(finding.service for finding in seen.findings if any(exemption.covers(finding) for exemption in exemptions))
    unread = Counter(finding.service for finding in seen.unread)
    columns = ("checks", "passed", "failed", "explained", "unread")
    rows: dict[str, tuple[int, ...]] = {
        service: (len(seen.checks.get(service, ())), seen.passed.get(service, 0), failed[service], explained[service], unread[service])
        for service in sorted(seen.checks.keys() | unread.keys())
    }
    rows["together"] = tuple(map(sum, zip(*rows.values(), strict=True)))
    lines = [f"{environment:<22}" + "".join(f"{column:>10}" for column in columns)]
    lines += [f"  {service:<20}" + "".join(f"{number:>10}" for number in numbers) for service, numbers in rows.items()]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())

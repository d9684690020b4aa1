# SPDX-License-Identifier: GPL-3.0-or-later
"""Have Prowler judge an environment's whole declaration in the emulator: no critical or high finding stays unexplained.

    python -m tests.drill.posture [--environment NAME]     build/posture/<environment>.json has every finding

exceptions.yml says why a finding is none of ours, and until when that holds; one that has expired, or that nothing needs, is a problem.
All of it runs in a network of its own that has nothing but loopback, since a scanner may ask whom it likes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import yaml

from tests.drill.plan.environments import Declaration, declarations
from tests.drill.posture.judgement import Exemption, Finding, judge
from tests.drill.support.emulator import DrillEmulator, running
from tests.drill.support.runs import ROOT

DIRECTORY = ROOT / "build" / "posture"
SCANNER = DIRECTORY / "venv" / "bin" / "prowler"
ALONE = "POSTURE_ALONE"
TIMEOUT_SECONDS = 1800
SEVERITIES = ("critical", "high")


def main() -> int:
    """Do what the module's documentation says; the exit code."""
    known = {declaration.name: declaration for declaration in declarations()}
    parser = argparse.ArgumentParser(prog="python -m tests.drill.posture", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--environment", choices=known, default="production")
    declaration = known[parser.parse_args().environment]
    if not SCANNER.is_file():
        parser.error("there is no scanner: type scripts/setup posture first")
    if ALONE not in os.environ:
        return _in_a_network_of_its_own()
    with running() as emulator, tempfile.TemporaryDirectory() as directory:
        _provision(declaration, emulator, Path(directory))
        findings = scan(declaration, emulator, Path(directory) / "scan")
    return _tell(declaration.name, findings)


def _in_a_network_of_its_own() -> int:
    command = ["unshare", "--net", *([] if os.geteuid() == 0 else ["--map-root-user"]), "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    return subprocess.run(
        [*command, sys.executable, "-m", "tests.drill.posture", *sys.argv[1:]], cwd=ROOT, env=os.environ | {ALONE: "1"}, check=False
    ).returncode


def _provision(declaration: Declaration, emulator: DrillEmulator, state_dir: Path) -> None:
    print(f"{declaration.name}: plan and apply ...", file=sys.stderr, flush=True)
    project = declaration.prepare(emulator, state_dir / "state")
    project.apply(*declaration.approval(project.plan()))


def scan(declaration: Declaration, emulator: DrillEmulator, directory: Path) -> list[Finding]:
    """What the scanner holds against the account."""
    print(f"{declaration.name}: scan ...", file=sys.stderr, flush=True)
    command = [str(SCANNER), "aws", "--region", *declaration.regions, "--status", "FAIL", "--severity", *SEVERITIES]
    command += ["--output-formats", "json-ocsf", "--output-directory", str(directory), "--output-filename", "findings"]
    command += ["--no-banner", "--no-color", "--ignore-exit-code-3", "--log-level", "CRITICAL"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | {
        "AWS_ENDPOINT_URL": emulator.endpoint,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ACCESS_KEY_ID": "LOCALEMULATORONLY",
        "AWS_SECRET_ACCESS_KEY": "no-secret-of-anyone",
        "AWS_DEFAULT_REGION": declaration.regions[0],
        "HOME": str(directory),
    }
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False)
    files = sorted(directory.glob("*.ocsf.json"))
    if done.returncode or not files:
        raise RuntimeError(f"the scanner ended with {done.returncode}: {(done.stdout + done.stderr)[-3000:]}")
    return [_finding(told) for told in json.loads(files[0].read_text()) if told["status_code"] == "FAIL"]


def _finding(told: dict[str, Any]) -> Finding:
    return Finding(told["metadata"]["event_code"], told["resources"][0]["uid"], told["severity"].lower(), told["status_detail"])


def _tell(environment: str, findings: list[Finding]) -> int:
    exemptions = [Exemption(**entry) for entry in yaml.safe_load(Path(__file__).with_name("exceptions.yml").read_text())["exceptions"]]
    today: date = datetime.now(UTC).date()
    problems = judge(findings, exemptions, today)
    file = DIRECTORY / f"{environment}.json"
    file.write_text(json.dumps([vars(finding) for finding in findings], indent=2) + "\n", encoding="utf-8")
    print(f"{environment}: {len(findings)} critical and high findings, {len(exemptions)} explanations, {len(problems)} problems")
    print(*problems, sep="\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

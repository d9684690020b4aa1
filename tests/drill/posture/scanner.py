# SPDX-License-Identifier: GPL-3.0-or-later
"""Prowler: start it on an emulated account, and read what it says."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.drill.posture.judgement import Finding
from tests.drill.support.runs import ROOT

DIRECTORY = ROOT / "build" / "posture"
PROGRAM = DIRECTORY / "venv" / "bin" / "prowler"
TIMEOUT_SECONDS = 1200
SEVERITIES = ("critical", "high")
# A line of its log: what of the scanner says it, and what. Of the message the first line is enough.
_ERROR = re.compile(
    r'^\{"timestamp": "[^"]*", "filename": "(\S+)", "level": "(?:ERROR|CRITICAL)", "module": "(\w+)", "message": "(.*?)(?:"\})?$',
    re.MULTILINE,
)
_REGION = re.compile(r"^[a-z]{2}(?:-[a-z]+)+-\d -- ")


@dataclass(frozen=True)
class Scan:
    """What a scan said: every critical and high finding, how often each service passed, and its checks that judged something."""

    findings: list[Finding]
    passed: dict[str, int]
    checks: dict[str, set[str]]
    unread: list[Finding]


def scan(endpoint: str, regions: Sequence[str], without: Iterable[str], directory: Path) -> Scan:
    """Scan all services but some, in these regions. Raises RuntimeError if the scanner does not come to its end."""
    directory.mkdir()
    command = [str(PROGRAM), "aws", "--region", *regions, "--excluded-service", *without, "--severity", *SEVERITIES]
    command += ["--output-formats", "json-ocsf", "--output-directory", str(directory), "--output-filename", "findings"]
    # What the emulator does not know it will not know the next time either.
    command += ["--aws-retries-max-attempts", "0", "--log-level", "ERROR", "--log-file", str(directory / "log")]
    command += ["--no-banner", "--no-color", "--ignore-exit-code-3"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ACCESS_KEY_ID": "LOCALEMULATORONLY",
        "AWS_SECRET_ACCESS_KEY": "no-secret-of-anyone",
        "AWS_DEFAULT_REGION": regions[0],
        "HOME": str(directory),
    }
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False)
    (file,) = directory.glob("*.ocsf.json") if done.returncode == 0 else (None,)
    if file is None:
        raise RuntimeError(f"the scanner ended with {done.returncode}: {(done.stdout + done.stderr)[-3000:]}")
    return read(json.loads(file.read_text()), (directory / "log").read_text())


def read(told: list[dict[str, Any]], log: str) -> Scan:
    """Findings in the Open Cybersecurity Schema Framework, and a log."""
    result = Scan([], {}, {}, sorted(set(_unread(log)), key=lambda one: one.resource))
    for entry in told:
        (resource,) = entry["resources"]
        service, check = resource["group"]["name"], entry["metadata"]["event_code"]
        if entry["status_code"] == "PASS":
            result.passed[service] = result.passed.get(service, 0) + 1
        elif entry["status_code"] == "FAIL":
            severity = entry["severity"].lower()
            # A check of high severity may hold something of a lower one against a resource.
            if severity in SEVERITIES:
                result.findings.append(Finding(service, check, _named(resource), severity, entry["status_detail"]))
        else:
            continue  # asks for a person's judgement
        result.checks.setdefault(service, set()).add(check)
    return result


def _named(resource: dict[str, Any]) -> str:
    names = [label.removeprefix("Name:") for label in resource["labels"] if label.startswith("Name:")]
    return " ".join([resource["uid"], *names])


def _unread(log: str) -> Iterator[Finding]:
    """What the scanner could not read, and checks that broke: the place in the scanner and the message, once for all regions."""
    for place, module, message in _ERROR.findall(log):
        yield Finding(module.removesuffix("_service"), "unread", f"{place} {_REGION.sub('', message)}", "unread", "not seen")

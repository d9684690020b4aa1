# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings against the explanations that there are for them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True)
class Finding:
    """What a scanner holds against one resource, or (check and severity "unread") what it could not see.

    `resource` is the ARN, with a blank and the resource's Name behind it if it has one: what is ours has one, and many an ARN says nothing.
    """

    service: str
    check: str
    resource: str
    severity: str
    text: str


@dataclass(frozen=True)
class Exemption:
    """Why findings of a check about resources that match the pattern as a whole are no fault, and the last day that it holds.

    An exemption that names environments is for these only.
    """

    check: str
    resource: str
    reason: str
    until: date
    environments: tuple[str, ...] = ()

    def covers(self, finding: Finding) -> bool:
        return self.check == finding.check and re.fullmatch(self.resource, finding.resource) is not None


@dataclass(frozen=True)
class Exceptions:
    """A file of exemptions, and of the scanner's services that no environment has: these are not scanned."""

    exemptions: tuple[Exemption, ...]
    unused_services: tuple[str, ...]

    @classmethod
    def read(cls, file: Path) -> Exceptions:
        content: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
        exemptions = [Exemption(**entry | {"environments": tuple(entry.get("environments", ()))}) for entry in content["exceptions"]]
        return cls(tuple(exemptions), tuple(content["unused_services"].split()))

    def of(self, environment: str) -> list[Exemption]:
        return [exemption for exemption in self.exemptions if not exemption.environments or environment in exemption.environments]


def judge(findings: Iterable[Finding], exemptions: Sequence[Exemption], today: date) -> list[str]:
    """What is to be done: findings without an explanation, explanations whose time is over, and those that nothing needs."""
    problems, used = [], set()
    for finding in findings:
        covering = [exemption for exemption in exemptions if exemption.covers(finding)]
        used.update(covering)
        if not any(today <= exemption.until for exemption in covering):
            expired = f" (explained until {max(exemption.until for exemption in covering)})" if covering else ""
            problems.append(f"{finding.severity}: {finding.check}: {finding.resource}: {finding.text}{expired}")
    problems += [f"nothing needs: {unused.check}: {unused.resource}" for unused in exemptions if unused not in used]
    return problems

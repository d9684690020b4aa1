# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings against the explanations that there are for them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date


@dataclass
class Finding:
    """What a scanner holds against one resource."""

    check: str
    resource: str
    severity: str
    text: str


@dataclass(frozen=True)
class Exemption:
    """Why findings of a check about resources whose ARN matches the pattern as a whole are none of ours, and the last day that it holds."""

    check: str
    resource: str
    reason: str
    until: date

    def covers(self, finding: Finding) -> bool:
        return self.check == finding.check and re.fullmatch(self.resource, finding.resource) is not None


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

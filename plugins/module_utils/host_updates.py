# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host's packages can be updated to, which vulnerabilities that mends, and whether it has to be rebooted."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

# One line of `apt-get --simulate`: Inst name [version now] (version then label:release/suite, ... [architecture])
_INSTALL = re.compile(r"^Inst (?P<name>\S+) \[(?P<now>\S+)\] \((?P<then>\S+) (?P<origins>.*) \[\S+\]\)")
_ENTRY = re.compile(r"^\S+ \((?P<version>[^)]+)\) ")
_CVE = re.compile(r"\bCVE-\d{4}-\d{4,}\b")
SECURITY_LABEL = "Debian-Security:"
# What every process has loaded or stands on: only a boot replaces all of it.
_BELOW_EVERYTHING = re.compile(r"linux-image-.*|libc6|systemd|libsystemd0|dbus|libssl3.*")


@dataclass(frozen=True)
class Update:
    """One package and the version that it can be brought to."""

    name: str
    now: str
    then: str
    security: bool


def updates(simulation: str) -> list[Update]:
    """The updates that a simulated upgrade names, sorted by package; packages that it would add are not among them."""
    found = (match for line in simulation.splitlines() if (match := _INSTALL.match(line)))
    all_of_them = (Update(one["name"], one["now"], one["then"], SECURITY_LABEL in one["origins"]) for one in found)
    return sorted(all_of_them, key=lambda update: update.name)


def mended(changelog: Iterable[str], now: str) -> list[str]:
    """The vulnerabilities that a Debian changelog names above the entry of the version that was installed."""
    found: set[str] = set()
    for line in changelog:
        entry = _ENTRY.match(line)
        if entry and entry["version"] == now:
            break
        found |= set(_CVE.findall(line))
    return sorted(found)


def archive_pattern(update: Update) -> str:
    """What the file of an update is called among those that apt has downloaded."""
    return f"{update.name.partition(':')[0]}_{update.then.replace(':', '%3a')}_*.deb"


def reboot_reasons(updated: Iterable[str], marker: Path) -> list[str]:
    """Why the host has to be rebooted: packages below everything, or a package's own wish; empty when it need not."""
    reasons = [f"{name} was updated" for name in updated if _BELOW_EVERYTHING.fullmatch(name.partition(":")[0])]
    return reasons + ([f"{marker} is there"] if marker.exists() else [])

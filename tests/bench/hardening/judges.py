# SPDX-License-Identifier: GPL-3.0-or-later
"""The judges of a hardened host, unpacked beside it: nothing is installed on the host that is judged.

OpenSCAP with the datastreams of Debian's package ssg-debian, and Lynis, both from Debian unstable: the stable releases have no CIS
profile for their own kind. ssh-audit comes from requirements.txt: Debian's does not know yet which key exchanges a quantum computer
breaks. The scores follow the versions, which are printed with them.
"""

from __future__ import annotations

import gzip
import json
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sandbox import images

PACKAGES = ("openscap-scanner", "openscap-common", "ssg-debian", "lynis")
VERSIONS = ("openscap-scanner", "ssg-debian", "lynis")
HERE = Path(__file__).parent
SSH_AUDIT_POLICY = "ssh_audit_policy.txt"
PLACE = "/judges"  # where a host finds them
RULE = "xccdf_org.ssgproject.content_rule_"
# The content calls a host with these no machine, and judges hardly any of its rules: a container would get marks for nothing.
APPLICABILITY = {
    ">/.dockerenv<": ">/nowhere<",
    ">/run/.containerenv<": ">/nowhere<",
    "<linux:name>linux-base<": "<linux:name>dpkg<",
}
# What a container on its machine's kernel cannot show, whoever hardened it; `host-only` scores leave these families out.
KERNEL_FAMILIES = re.compile(
    r"sysctl_|kernel_module_|partition_for_|mount_option_|grub2_|audit_rules_|service_auditd_enabled|service_chronyd_enabled|all_apparmor_profiles"
)


@dataclass(frozen=True)
class Score:
    """What a profile's rules say of a host: names of rules."""

    passed: frozenset[str]
    failed: frozenset[str]

    def share(self, *, without: Iterable[str] = (), host_only: bool = False) -> float:
        """Per cent of rules that pass, of those that pass or fail, without the excepted ones that fail."""

        def counted(rules: frozenset[str]) -> set[str]:
            return {rule for rule in rules if not (host_only and KERNEL_FAMILIES.match(rule))}

        passed, failed = counted(self.passed), counted(self.failed) - set(without)
        return 100 * len(passed) / (len(passed) + len(failed))


def fetch(folder: Path) -> dict[str, str]:
    """Unpack the judges into a folder; their versions by package."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    root = folder / "root"
    images.extract(PACKAGES, images.UNSTABLE, root)
    for release in ("12", "13"):
        text = (root / f"usr/share/xml/scap/ssg/content/ssg-debian{release}-ds.xml").read_text()
        for before, after in APPLICABILITY.items():
            if before not in text:
                raise AssertionError(f"ssg-debian{release}-ds.xml has no {before}: look how it tells containers now")
            text = text.replace(before, after)
        (folder / f"debian{release}.xml").write_text(text)
    requirements = HERE / "requirements.txt"
    install = ["install", "--quiet", "--disable-pip-version-check", "--require-hashes", "--target", str(folder / "ssh-audit")]
    subprocess.run([sys.executable, "-m", "pip", *install, "-r", str(requirements)], check=True, capture_output=True)
    shutil.copy(HERE / SSH_AUDIT_POLICY, folder)
    versions = {name: _version(root / f"usr/share/doc/{name}") for name in VERSIONS}
    return versions | dict(re.findall(r"^([\w-]+)==(\S+)", requirements.read_text(), re.MULTILINE))


def _version(documents: Path) -> str:
    """The version of a package that is only unpacked, from its changelog."""
    (changelog,) = documents.glob("changelog.Debian*.gz")
    with gzip.open(changelog, "rt") as text:
        return text.readline().partition("(")[2].partition(")")[0]


def run(host: str, *command: str) -> str:
    """Run a command on a host; what it prints, whatever it thinks of it."""
    return subprocess.run(["podman", "exec", host, *command], capture_output=True, text=True, check=False).stdout


def openscap(host: str, release: str, profile: str) -> Score:
    """Judge a host by a profile."""
    root = f"{PLACE}/root"
    script = f"""
        export OSCAP_SCHEMA_PATH={root}/usr/share/openscap/schemas OSCAP_XSLT_PATH={root}/usr/share/openscap/xsl
        export OSCAP_CPE_PATH={root}/usr/share/openscap/cpe
        libraries={root}/usr/lib/x86_64-linux-gnu; place=$(mktemp -d); cd $place
        oscap="$libraries/ld-linux-x86-64.so.2 --library-path $libraries {root}/usr/bin/oscap"
        $oscap xccdf eval --profile {profile} {PLACE}/debian{release}.xml
        rm -rf $place
    """
    results: dict[str, set[str]] = defaultdict(set)
    for name, result in re.findall(r"^Rule\s+(\S+)\s*\nResult\s+(\S+)", run(host, "sh", "-c", script), re.MULTILINE):
        results[result].add(name.removeprefix(RULE))
    if not results["pass"]:
        raise AssertionError(f"OpenSCAP has judged nothing on {host}")
    return Score(frozenset(results["pass"]), frozenset(results["fail"] | results["error"]))


@dataclass(frozen=True)
class Lynis:
    """What Lynis says of a host."""

    index: int
    """Its hardening index, of 100."""
    suggested: frozenset[str]
    """The tests that suggest or warn."""


def lynis(host: str) -> Lynis:
    """Have Lynis look at a host."""
    root, report = f"{PLACE}/root", "/opt/lynis/report.dat"
    script = f"""
        rm -rf /opt/lynis; mkdir /opt/lynis; cp -r {root}/usr/share/lynis/. {root}/usr/sbin/lynis /opt/lynis; cd /opt/lynis
        cp -r {root}/etc/lynis/default.prf {root}/etc/lynis/plugins .
        sh ./lynis audit system --quick --quiet --profile ./default.prf --log-file ./log --report-file {report}
        cat {report}; cd /; rm -rf /opt/lynis
    """
    said = run(host, "sh", "-c", script)
    found = re.search(r"^hardening_index=(\d+)", said, re.MULTILINE)
    if not found:
        raise AssertionError(f"Lynis has judged nothing on {host}")
    return Lynis(int(found.group(1)), frozenset(re.findall(r"^(?:suggestion|warning)\[\]=([A-Z]+-\d+)", said, re.MULTILINE)))


@dataclass(frozen=True)
class SshAudit:
    """What ssh-audit says of a host's sshd: algorithms with their notes, and the fields in which it departs from our policy."""

    failures: frozenset[str]
    warnings: frozenset[str]
    departures: dict[str, list[str]]


def ssh_audit(host: str) -> SshAudit:
    """Have ssh-audit talk to a host's sshd. Without its test of rates: the sshd's own limits would shut it out."""
    command = ["env", f"PYTHONPATH={PLACE}/ssh-audit", "python3", "-B", "-m", "ssh_audit.ssh_audit", "--json", "--skip-rate-test"]
    found = json.loads(run(host, *command, "127.0.0.1"))
    notes: dict[str, set[str]] = {"fail": set(), "warn": set()}
    for algorithm in [one for kind in ("kex", "key", "enc", "mac") for one in found[kind]]:
        for level, said in notes.items():
            said |= {f"{algorithm['algorithm']} {note}" for note in algorithm.get("notes", {}).get(level, [])}
    policy = json.loads(run(host, *command, "--policy", f"{PLACE}/{SSH_AUDIT_POLICY}", "127.0.0.1"))
    departures = {error["mismatched_field"]: error["actual"] for error in policy["errors"]}
    if bool(departures) == policy["passed"]:
        raise AssertionError(f"ssh-audit does not say whether {host} meets the policy: {policy}")
    return SshAudit(frozenset(notes["fail"]), frozenset(notes["warn"]), departures)

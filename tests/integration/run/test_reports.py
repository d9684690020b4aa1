# SPDX-License-Identifier: GPL-3.0-or-later
"""Runbooks that read and report."""

from __future__ import annotations

import json

import pytest
from ansible_collections.indivillage.infra.plugins.module_utils.releases import Releases, event, name_of

from tests.integration.run.conftest import PREFIX, Site

pytestmark = pytest.mark.emulator

BUCKET = f"{PREFIX}-operations"


def test_what_costs_without_being_used_is_reported_in_every_form(site: Site) -> None:
    address = site.emulator.client("ec2").allocate_address(Domain="vpc")["PublicIp"]

    done = site.run("playbooks/report_cost.yml", "-e", f"plan_directory={site.folder}")

    assert done.returncode == 0, done.stdout + done.stderr
    found = f"{address} (1 Public IPv4 address)"
    assert f"us-east-1  {found}: belongs to nothing" in done.stdout
    folder = site.folder / "costs/sandbox"
    assert f"| 3.65 | us-east-1 | {found} | belongs to nothing |" in (folder / "report.md").read_text()
    assert f"<td>{found}</td>" in (folder / "report.html").read_text()


def test_evidence_is_collected_signed_and_proven_and_a_forgery_is_told(site: Site) -> None:
    kms, s3 = site.emulator.client("kms"), site.emulator.client("s3")
    key = kms.create_key(KeyUsage="SIGN_VERIFY", KeySpec="ECC_NIST_P256")["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName=f"alias/{PREFIX}-evidence", TargetKeyId=key)

    planned = site.run("playbooks/collect_evidence.yml", "--check")
    assert (planned.returncode, bundles(site)) == (2, set()), planned.stdout + planned.stderr
    done = site.run("playbooks/collect_evidence.yml")
    assert done.returncode == 0, done.stdout + done.stderr

    assert bundles(site) >= {"runs.json", "access.json", "images.json", "controls.json", "manifest.json", "manifest.sig"}
    proven = site.run("playbooks/verify_evidence.yml")
    assert (proven.returncode, "1 bundles are as they were signed." in proven.stdout) == (0, True), proven.stdout
    (forged,) = (
        one["Key"] for one in s3.list_objects_v2(Bucket=BUCKET, Prefix="evidence/")["Contents"] if one["Key"].endswith("access.json")
    )
    s3.put_object(Bucket=BUCKET, Key=forged, Body=b"{}")
    refused = site.run("playbooks/verify_evidence.yml")
    assert (refused.returncode, f"s3://{BUCKET}/{forged} is not what was signed." in refused.stdout) == (2, True), refused.stdout


def bundles(site: Site) -> set[str]:
    """The names of all files of bundles."""
    found = site.emulator.client("s3").list_objects_v2(Bucket=BUCKET, Prefix="evidence/")
    return {one["Key"].rpartition("/")[2] for one in found.get("Contents", [])}


def test_a_release_is_marked_and_shown_with_the_reason(site: Site) -> None:
    sha256 = "0123456789abcdef" * 4
    releases = Releases(site.emulator.client("dynamodb"), f"{PREFIX}-deployments", "sandbox")
    made = {"author": "ada@example.com", "commit": "0" * 40, "built": "2026-01-02T03:04:05Z"}
    judged = {"verdict": "good", "events": [event("deployed", "20260102T030405Z-1a2b3c", "ada", "")]}
    releases.put({"release": name_of(sha256), "sha256": sha256, "artifact": f"s3://{BUCKET}/releases/{sha256}.tar.gz"} | made | judged)

    marked = site.run("playbooks/mark_release.yml", *answers(release_name=name_of(sha256), release_verdict="bad", reason="it leaks"))
    assert marked.returncode == 0, marked.stdout + marked.stderr
    shown = site.run("playbooks/show_releases.yml")
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert "running: that of the image" in shown.stdout
    row = " ".join(shown.stdout.partition(name_of(sha256))[2].split())
    assert row.startswith("bad 2026-01-02T03:04:05Z ada@example.com 000000000000 marked as bad"), row
    assert "it leaks" in row


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"release_name": "fedcba987654", "release_verdict": "bad", "reason": "it leaks"}, "fedcba987654"),
        ({"release_name": "0123456789ab", "release_verdict": "bad"}, "Somebody will want to know why"),
        ({"release_name": "0123456789ab", "release_verdict": "middling", "reason": "it leaks"}, "one of good, bad"),
    ],
    ids=["unknown", "no reason", "no verdict"],
)
def test_a_verdict_that_cannot_be_meant_is_refused(site: Site, given: dict[str, str], words: str) -> None:
    refused = site.run("playbooks/mark_release.yml", *answers(**given))
    assert (refused.returncode, words in " ".join(refused.stdout.split())) == (2, True), refused.stdout


def answers(**given: object) -> tuple[str, ...]:
    """The options that give a runbook its inputs."""
    return ("-e", json.dumps(given))

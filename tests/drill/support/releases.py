# SPDX-License-Identifier: GPL-3.0-or-later
"""What drills of releases have in common: archives that are built for them, deployments under load, and what the site runs."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import time
from dataclasses import dataclass
from typing import Any

from tests.drill.support.load import Load
from tests.drill.support.results import PER_SECOND, VISITED, Section
from tests.drill.support.running import PREFIX, serves_whole
from tests.e2e.driver import ROOT, Site
from tests.support.tiers import named_release

BUCKET = f"{PREFIX}-operations"
APPLICATION = ROOT / "roles/app_tier/files/reference_app"
# What every release of the drill does to the database, so that none is older than what has been taken away.
EXPAND, CONTRACT = "migrations/0001_drill.expand.sql", "migrations/0001_drill.contract.sql"
MIGRATIONS = {
    EXPAND: "CREATE TABLE drill_of_releases (kept int, former int);",
    CONTRACT: "ALTER TABLE drill_of_releases DROP COLUMN former;",
}
# The declared patience with a release that does not start would only make the drill longer.
QUICK = {"app_release_ready_attempts": "10"}


@dataclass
class Drill:
    """The site, and what is measured on it."""

    site: Site
    section: Section

    def build(self, mark: str, **files: str) -> str:
        """Have an archive of the reference application with a mark in the bucket of builds; its checksum. What has no text is left out."""
        files = {name: text for name, text in (MIGRATIONS | files).items() if text}
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
            for path in sorted(APPLICATION.rglob("*")):
                name = str(path.relative_to(APPLICATION))
                if path.is_file() and "__pycache__" not in name and name not in files:
                    archive.add(path, name)
            for name, text in (files | {"MARK": f"{mark} {time.time()}"}).items():
                member = tarfile.TarInfo(name)
                member.size = len(text)
                archive.addfile(member, io.BytesIO(text.encode()))
        sha256 = hashlib.sha256(buffer.getvalue()).hexdigest()
        self.site.client("s3").put_object(Bucket=BUCKET, Key=f"builds/{sha256}.tar.gz", Body=buffer.getvalue())
        return sha256

    @staticmethod
    def deployment(sha256: str, **others: str) -> tuple[str, ...]:
        """The options of a deployment."""
        inputs = {
            "release_sha256": sha256,
            "release_artifact": f"s3://{BUCKET}/builds/{sha256}.tar.gz",
            "release_author": "drill@example.com",
            "release_commit": "0" * 40,
            "release_built": "2026-01-02T03:04:05Z",
        } | others
        return ("-e", json.dumps(inputs))

    def measured(self, what: str, playbook: str, *options: str) -> tuple[Any, Load]:
        """Run a playbook while visitors come; a row of the table comes of it."""
        visit = (f"{self.site.url}{VISITED}", self.site.ca, PER_SECOND)
        return self.section.measure(what, visit, lambda: self.site.play(playbook, *options))

    @property
    def named(self) -> str:
        """The release that the parameter names; empty when there is none."""
        return named_release(self.site.client)

    def running(self) -> set[str]:
        """The releases that the instances of the tier run."""
        return {self.on_host(instance["InstanceId"]) for instance in self.site.instances("app")}

    def on_host(self, instance_id: str) -> str:
        link = self.site.run("podman", "exec", f"indivillage-{instance_id}", "readlink", "/opt/indivillage/current").stdout
        return link.strip().rpartition("/")[2]

    def verdict(self, release: str) -> str:
        item = self.site.client("dynamodb").get_item(
            TableName=f"{PREFIX}-deployments", Key={"environment": {"S": "sandbox/releases"}, "run_id": {"S": release}}
        )
        return str(item["Item"]["verdict"]["S"])

    def serves_whole(self) -> bool:
        """Whether every instance of the tier is behind the load balancer, and Auto Scaling works."""
        return serves_whole(self.site, "app")

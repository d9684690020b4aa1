# SPDX-License-Identifier: GPL-3.0-or-later
"""Runbooks that read and report."""

from __future__ import annotations

import pytest

from tests.integration.run.conftest import Site

pytestmark = pytest.mark.emulator


def test_what_costs_without_being_used_is_reported_in_every_form(site: Site) -> None:
    address = site.emulator.client("ec2").allocate_address(Domain="vpc")["PublicIp"]

    done = site.run("playbooks/report_cost.yml", "-e", f"plan_directory={site.folder}")

    assert done.returncode == 0, done.stdout + done.stderr
    found = f"{address} (1 Public IPv4 address)"
    assert f"us-east-1  {found}: belongs to nothing" in done.stdout
    folder = site.folder / "costs/sandbox"
    assert f"| 3.65 | us-east-1 | {found} | belongs to nothing |" in (folder / "report.md").read_text()
    assert f"<td>{found}</td>" in (folder / "report.html").read_text()

# SPDX-License-Identifier: GPL-3.0-or-later
"""Which pages there are."""

from __future__ import annotations

from scripts.pages import alerts, awx, controls, costs, dashboards, environments, resources, runbooks, topology
from scripts.pages.inventory import ENVIRONMENTS


def pages() -> dict[str, str]:
    """Path below the repository -> text."""
    maps = {f"docs/topology/{environment}.svg": topology.drawing(environment) for environment in ENVIRONMENTS}
    return {
        "docs/alerts.md": alerts.page(),
        "docs/controls/README.md": controls.page(),
        "docs/controls/hosts.md": controls.hosts_page(),
        "docs/costs.md": costs.page(),
        "docs/dashboards.md": dashboards.page(),
        "docs/environments.md": environments.page(),
        "docs/resources.md": resources.page(),
        "docs/runbooks.md": runbooks.page(),
        **maps,
        **awx.files(),
    }

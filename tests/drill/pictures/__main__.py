# SPDX-License-Identifier: GPL-3.0-or-later
"""Draw Grafana's dashboards as a running site fills them: docs/pictures/<dashboard>.svg. `make pictures`, after `make site`.

There is no Grafana here: its package cannot be had everywhere. Its dashboards are asked of the role's own filter, their expressions of the
site's Prometheus, and drawn in their places on Grafana's grid. Panels of CloudWatch, which the sandbox has not, say so.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

from ansible_collections.indivillage.infra.plugins.plugin_utils.dashboards import grafana_dashboard

from scripts.pages.inventory import stacks
from tests.drill.alerts.watch import Watch
from tests.drill.support.running import running_site
from tests.e2e.driver import ROOT

DIRECTORY = ROOT / "docs/pictures"
DRAWER = (ROOT / "build/pictures/venv/bin/python", ROOT / "tests/drill/pictures/draw.py")
SPAN_SECONDS, STEP_SECONDS = 30 * 60, 30


def main() -> int:
    """Do what the module's documentation says; the exit code."""
    watch = Watch(running_site())
    until = time.time()
    for dashboard in _dashboards():
        for panel in dashboard["panels"]:
            for target in panel.get("targets", ()):
                if target["datasource"]["type"] == "prometheus":
                    asked = target["expr"]
                    target["series"] = (
                        watch.query(asked) if target["instant"] else watch.series(asked, until - SPAN_SECONDS, until, STEP_SECONDS)
                    )
        path = DIRECTORY / f"{dashboard['uid']}.svg"
        subprocess.run([*DRAWER, path], input=json.dumps(dashboard), text=True, check=True)
        print(path.relative_to(ROOT))
    return 0


def _dashboards() -> list[dict[str, Any]]:
    stack = next(stack for stack in stacks("sandbox") if stack.kind == "primary")
    said = stack.options["grafana"]
    drawn = (said["grafana_alerts"], stack.shared["name_prefix"], stack.environment, stack.region)
    return [grafana_dashboard(dashboard, *drawn) for dashboard in said["grafana_dashboards"]]


if __name__ == "__main__":
    sys.exit(main())

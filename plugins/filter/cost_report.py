# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter of report_cost.yml; the work is done by plugin_utils/cost_report.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.indivillage.infra.plugins.plugin_utils import cost_report as report


def cost_report(usages: Mapping[str, Mapping[str, Any]], environment: str) -> dict[str, Any]:
    """All forms of the report."""
    judged = report.judge(usages)
    return {
        "lines": report.text(judged, environment),
        "markdown": report.markdown(judged, environment),
        "html": report.html(judged, environment),
        "usd": round(judged.usd, 2),
    }


class FilterModule:
    """Makes the function a filter, under the same name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by name."""
        return {"cost_report": cost_report}

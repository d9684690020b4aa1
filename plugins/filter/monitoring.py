# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filters of the monitoring role; the work is done by plugin_utils/monitoring.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.indivillage.infra.plugins.plugin_utils import monitoring


def cloudwatch_alarms(*arguments: Any) -> list[dict[str, Any]]:
    """See cloudwatch_alarms.yml."""
    try:
        return monitoring.cloudwatch_alarms(*arguments)
    except monitoring.MonitoringError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Makes the functions of plugin_utils/monitoring.py filters, under the same names."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"cloudwatch_alarms": cloudwatch_alarms, "cloudwatch_dashboard": monitoring.cloudwatch_dashboard}

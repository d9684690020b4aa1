# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filters of the roles that watch; the work is done by plugin_utils/monitoring.py, dashboards.py, prometheus.py and
alertmanager.py."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.indivillage.infra.plugins.plugin_utils import alertmanager, dashboards, monitoring, prometheus

FUNCTIONS: tuple[Callable[..., Any], ...] = (
    alertmanager.alertmanager_configuration,
    monitoring.cloudwatch_alarms,
    dashboards.cloudwatch_dashboard,
    dashboards.grafana_dashboard,
    prometheus.prometheus_rules,
)


def _telling(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, whose faults of the catalogue become errors of the filter."""

    @functools.wraps(function)
    def told(*arguments: Any) -> Any:
        try:
            return function(*arguments)
        except monitoring.MonitoringError as error:
            raise AnsibleFilterError(str(error)) from error

    return told


class FilterModule:
    """Makes the functions filters, under the same names."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {function.__name__: _telling(function) for function in FUNCTIONS}

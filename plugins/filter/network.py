# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filters of the network roles; the work is done by plugin_utils/network.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.indivillage.infra.plugins.plugin_utils import network


def _as_filter(function: Callable[..., Any]) -> Callable[..., Any]:
    def apply(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except network.NetworkPlanError as error:
            raise AnsibleFilterError(str(error)) from error

    return apply


class FilterModule:
    """Makes the functions of plugin_utils/network.py filters, under the same names."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        functions = (network.subnet_plan, network.network_acl_entries, network.security_group_rules)
        return {function.__name__: _as_filter(function) for function in functions}

# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter of the role cloudwatch_agent; the work is done by plugin_utils/cloudwatch_agent.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.indivillage.infra.plugins.plugin_utils.cloudwatch_agent import faults
from ansible_collections.indivillage.infra.plugins.plugin_utils.validation import plain


def cloudwatch_agent_faults(configuration: Any) -> list[str]:
    """See cloudwatch_agent_faults.yml."""
    return [f"{path} {text}" for path, text in faults(plain(configuration))]


class FilterModule:
    """Makes the function a filter."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"cloudwatch_agent_faults": cloudwatch_agent_faults}

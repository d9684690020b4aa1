# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the modules of web ACLs share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

DENIED_RULE = "incident-denied"
"""The rule that incidents put into a web ACL; it is nobody's declaration."""
# Behind all that is declared: every rule before it either stops a request as well or only counts.
DENIED_RULE_PRIORITY = 1_000_000
# What an update would reset when it is left out, though it is none of these modules'.
KEPT = (
    *("AssociationConfig", "CaptchaConfig", "ChallengeConfig", "CustomResponseBodies", "DataProtectionConfig"),
    *("OnSourceDDoSProtectionConfig", "TokenDomains"),
)


def visibility(name: str) -> dict[str, Any]:
    """Metrics and samples of a web ACL or of one of its rules."""
    return {"SampledRequestsEnabled": True, "CloudWatchMetricsEnabled": True, "MetricName": name}


def listed(call: Callable[..., Any], key: str, scope: str) -> Iterator[dict[str, Any]]:
    """All that a listing of a scope holds; botocore knows no pages of these answers."""
    marker: dict[str, str] = {}
    while True:
        page = call(Scope=scope, **marker)
        yield from page[key]
        if not page.get("NextMarker"):
            return
        marker = {"NextMarker": page["NextMarker"]}

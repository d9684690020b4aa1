# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How targets of load balancers are."""

from __future__ import annotations

from typing import Any


def target_health(client: Any, arn: str) -> dict[str, dict[str, str]]:
    """The targets of a target group by id: C(State), and C(Reason) and C(Description) where AWS gives them."""
    described = client.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
    return {target["Target"]["Id"]: target["TargetHealth"] for target in described}

#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: reservation_coverage_info
version_added: 0.3.0
short_description: Tell how much of what runs is reserved, and how much of that is used
description:
  - Asks Cost Explorer, month by month. Each call costs one cent.
options:
  months:
    description: How many whole months are looked at, this one not among them.
    type: int
    default: 3
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
attributes:
  check_mode:
    description: It only reads.
    support: full
  diff_mode:
    description: It changes nothing.
    support: none
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: See whether the reservations fit
  indivillage.infra.reservation_coverage_info:
    months: 6
"""

RETURN = r"""
months:
  description: One entry for each month, the oldest first. A share is null where nothing ran, or nothing was reserved.
  returned: always
  type: list
  elements: dict
  sample: [{month: 2026-10, running_hours: 4464, covered_percentage: 66.7, used_percentage: 98.2, unused_cost: 4.2}]
"""

import datetime

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import aws_client, reporting


def period(months: int, today: datetime.date) -> dict[str, str]:
    """The whole months before this one."""
    end = today.replace(day=1)
    first = end.year * 12 + end.month - 1 - months
    return {"Start": datetime.date(first // 12, first % 12 + 1, 1).isoformat(), "End": end.isoformat()}


def main() -> None:
    """Ask for both, and put them together by month."""
    module = AnsibleAWSModule(argument_spec={"months": {"type": "int", "default": 3}}, supports_check_mode=True)
    client = aws_client(module, "ce")
    asked = {"TimePeriod": period(module.params["months"], datetime.datetime.now(datetime.UTC).date()), "Granularity": "MONTHLY"}
    with reporting(module, "read the reservations"):
        coverage = client.get_reservation_coverage(**asked)["CoveragesByTime"]
        usage = {one["TimePeriod"]["Start"]: one["Total"] for one in client.get_reservation_utilization(**asked)["UtilizationsByTime"]}
    months = []
    for one in coverage:
        hours, used = one["Total"]["CoverageHours"], usage.get(one["TimePeriod"]["Start"], {})
        running, reserved = float(hours["TotalRunningHours"]), float(used.get("PurchasedHours") or 0)
        months.append(
            {
                "month": one["TimePeriod"]["Start"][:7],
                "running_hours": running,
                "covered_percentage": round(float(hours["CoverageHoursPercentage"]), 1) if running else None,
                "used_percentage": round(float(used["UtilizationPercentage"]), 1) if reserved else None,
                "unused_cost": round(float(used.get("RICostForUnusedHours") or 0), 2),
            }
        )
    module.exit_json(changed=False, months=months)


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: resource_usage_info
version_added: 0.3.0
short_description: Tell how much of what costs by the hour is used
description:
  - Lists volumes, addresses, NAT gateways, application load balancers, instances, databases and caches of a region, with what CloudWatch
    measured of them. The filter P(indivillage.infra.cost_report#filter) judges it.
  - The instances of an Auto Scaling group are told as one, by the group's metrics. Their memory is known where the CloudWatch agent runs.
options:
  days:
    description: How far back the measurements go. At most 63, for as long as CloudWatch keeps hourly figures of every kind.
    type: int
    default: 14
  agent_namespace:
    description: The namespace of the CloudWatch agent's metrics.
    type: str
    default: CWAgent
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
- name: Read how much is used
  indivillage.infra.resource_usage_info:
    days: 28
  register: usage
"""

RETURN = r"""
resources:
  description:
    - One entry for each, by kind and name. C(sizes) counts its types or classes, or GiB of a volume. C(old_enough) tells whether it
      existed during all of the days.
    - A measure is null where CloudWatch has nothing. Percentages and connections are the highest of all hours, free memory in bytes is the
      lowest, bytes and requests are sums.
  returned: always
  type: list
  elements: dict
  sample:
    - {kind: volume, name: vol-0a1b, attached: false, old_enough: true, sizes: {"": 20}, measures: {}}
    - kind: instance
      name: group indivillage-production-web
      attached: true
      old_enough: true
      sizes: {t3.large: 2}
      measures: {cpu_percent: 23.5, memory_percent: null}
days:
  description: How far back the measurements go.
  returned: always
  type: int
  sample: 14
"""

import datetime

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import aws_client, reporting
from ansible_collections.indivillage.infra.plugins.module_utils.resource_usage import measured, resources

SERVICES = ("ec2", "elbv2", "rds", "elasticache")
MOST_DAYS = 63


def main() -> None:
    """List what there is, and measure it."""
    module = AnsibleAWSModule(
        argument_spec={"days": {"type": "int", "default": 14}, "agent_namespace": {"default": "CWAgent"}},
        supports_check_mode=True,
    )
    days = module.params["days"]
    if not 1 <= days <= MOST_DAYS:
        module.fail_json(msg=f"days is {days}: give 1 to {MOST_DAYS}.")
    now = datetime.datetime.now(datetime.UTC)
    with reporting(module, "read how much is used"):
        found = resources({service: aws_client(module, service) for service in SERVICES}, module.params["agent_namespace"])
        told = measured(aws_client(module, "cloudwatch"), found, now - datetime.timedelta(days=days), now)
    module.exit_json(changed=False, resources=told, days=days)


if __name__ == "__main__":
    main()

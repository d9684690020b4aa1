#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: asg_processes
version_added: 0.1.0
short_description: Say what Auto Scaling leaves alone in a group for a while
description:
  - Suspends exactly the named processes of a group and resumes all others, so that a member can be taken out of the load balancer without
    being replaced, and none joins or leaves meanwhile.
  - M(amazon.aws.autoscaling_group) can do the same, but only together with the whole declaration of the group.
options:
  name:
    description: Name of the Auto Scaling group.
    type: str
    required: true
  suspended:
    description: Names of the processes that are suspended from now on.
    type: list
    elements: str
    required: true
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Let nobody replace what is taken out for a restart
  indivillage.infra.asg_processes:
    name: indivillage-production-app
    suspended: [AlarmNotification, AZRebalance, HealthCheck, ReplaceUnhealthy, ScheduledActions]

- name: Let Auto Scaling do its work again
  indivillage.infra.asg_processes:
    name: indivillage-production-app
    suspended: []
"""

RETURN = r"""
suspended:
  description: Names of the processes that had been suspended before.
  returned: always
  type: list
  elements: str
  sample: []
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.indivillage.infra.plugins.module_utils.auto_scaling import groups_named
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import aws_client, reporting


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec={"name": {"required": True}, "suspended": {"type": "list", "elements": "str", "required": True}},
        supports_check_mode=True,
    )
    name, wanted = module.params["name"], set(module.params["suspended"])
    autoscaling = aws_client(module, "autoscaling")
    with reporting(module, f"set the suspended processes of {name}"):
        group = groups_named(autoscaling, [name])[name]
        current = {process["ProcessName"] for process in group.get("SuspendedProcesses", [])}
        if not module.check_mode:
            if wanted - current:
                autoscaling.suspend_processes(AutoScalingGroupName=name, ScalingProcesses=sorted(wanted - current))
            if current - wanted:
                autoscaling.resume_processes(AutoScalingGroupName=name, ScalingProcesses=sorted(current - wanted))
    module.exit_json(changed=wanted != current, suspended=sorted(current))


if __name__ == "__main__":
    main()

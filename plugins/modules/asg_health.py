#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: asg_health
version_added: 0.1.0
short_description: Wait until Auto Scaling groups serve with all of their capacity
description:
  - Waits until each group has its desired number of instances in service, and every target group behind it finds each of them healthy.
  - Fails with every instance and target that is not, and the reason AWS gives. Changes nothing.
  - Does not wait in check mode.
options:
  names:
    description: Names of the Auto Scaling groups.
    type: list
    elements: str
    required: true
  wait_timeout_seconds:
    description: How long to wait.
    type: int
    default: 900
extends_documentation_fragment:
  - indivillage.infra.aws_resource.watch
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Wait until both tiers serve
  indivillage.infra.asg_health:
    names: [indivillage-production-web, indivillage-production-app]
    wait_timeout_seconds: 600
"""

RETURN = r"""
ailing:
  description: One sentence for each thing that is not as it should be. Can only hold something in check mode.
  returned: always
  type: list
  elements: str
  sample: []
"""

from collections.abc import Iterator
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import ResourceError, aws_client, reporting, wait_until
from ansible_collections.indivillage.infra.plugins.module_utils.target_groups import target_health


def ailing(names: list[str], autoscaling: Any, elbv2: Any) -> list[str]:
    """One sentence for each group, instance and target that does not serve."""
    found = autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=names)["AutoScalingGroups"]
    groups = {group["AutoScalingGroupName"]: group for group in found}
    sentences = [f"there is no Auto Scaling group {name}" for name in names if name not in groups]
    for name in names:
        if name in groups:
            sentences += [f"{name}: {sentence}" for sentence in _group_sentences(groups[name], elbv2)]
    return sentences


def _group_sentences(group: dict[str, Any], elbv2: Any) -> Iterator[str]:
    serving = set()
    for instance in group["Instances"]:
        if (instance["LifecycleState"], instance["HealthStatus"]) == ("InService", "Healthy"):
            serving.add(instance["InstanceId"])
        else:
            yield f"{instance['InstanceId']} is {instance['LifecycleState']} and {instance['HealthStatus']}"
    if len(serving) != group["DesiredCapacity"]:
        yield f"{len(serving)} of {group['DesiredCapacity']} instances are in service"
    for arn in group.get("TargetGroupARNs", []):
        health = target_health(elbv2, arn)
        for instance_id in sorted(serving):
            state = health.get(instance_id, {"State": "not registered"})
            if state["State"] != "healthy":
                reason = state.get("Description") or state.get("Reason") or "no reason given"
                yield f"{instance_id} is {state['State']} in target group {arn.split('/')[1]} ({reason})"


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec={
            "names": {"type": "list", "elements": "str", "required": True},
            "wait_timeout_seconds": {"type": "int", "default": 900},
            "poll_seconds": {"type": "int", "default": 5},
        },
        supports_check_mode=True,
    )
    names = module.params["names"]
    autoscaling, elbv2 = aws_client(module, "autoscaling"), aws_client(module, "elbv2")
    sentences: list[str] = []

    def well() -> bool:
        sentences[:] = ailing(names, autoscaling, elbv2)
        return not sentences or module.check_mode

    with reporting(module, "see every instance healthy"):
        try:
            wait_until(well, f"{', '.join(names)} to serve", module.params["wait_timeout_seconds"], module.params["poll_seconds"])
        except ResourceError as timeout:
            raise ResourceError(f"{timeout} {'; '.join(sentences)}.") from timeout
    module.exit_json(changed=False, ailing=sentences)


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: asg_sides
version_added: 0.2.0
short_description: Double an Auto Scaling group for a release, and keep one of the two sides
description:
  - With O(state=open) every member is marked as one that is left for a release, and as many more are launched. The marked ones are the old
    side, the others the new one. Which release a host runs, and how requests are shared out, is not this module's business.
  - The mark is the tag C(LeftFor) of the instances and names the release. It and O(release) say which side stays. When the mark is what
    the environment runs, the new one does; in every other case the old one does.
  - With O(state=joined) those that stay are in the first target group and healthy there, and the others are not in it any more. At no time
    is that group without healthy targets. With O(state=closed) the second one is empty, the others are terminated, the capacity is that
    of those that stay, and nobody is marked.
  - Each state can be asked for at any time, also after a run that was killed within another one. A group that nobody has doubled is
    left alone.
  - In check mode nothing is written and nothing waited for.
options:
  name:
    description: Name of the Auto Scaling group.
    type: str
    required: true
  target_group:
    description: Name of the target group that Auto Scaling registers members with; O(name) when left out.
    type: str
  next_target_group:
    description: Name of the target group for those that are tried; O(name) with C(-next) when left out.
    type: str
  release:
    description: With O(state=open) the release that members are left for; otherwise the one that the environment runs, which may be empty.
    type: str
    required: true
  state:
    description: How far it is to be.
    type: str
    choices: [open, joined, closed]
    required: true
  wait_timeout_seconds:
    description: How long each thing that is waited for may take.
    type: int
    default: 900
extends_documentation_fragment:
  - indivillage.infra.aws_resource.watch
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
attributes:
  check_mode:
    description: Tells whether something would be done.
    support: full
  diff_mode:
    description: Returns the members before, and those that stay.
    support: full
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Have as many instances again
  indivillage.infra.asg_sides:
    name: indivillage-production-app
    release: 9f86d081884c
    state: open

- name: Keep the side that runs what the environment runs
  indivillage.infra.asg_sides:
    name: indivillage-production-app
    release: "{{ current_release }}"
    state: closed
"""

RETURN = r"""
doubled:
  description: Whether there had been two sides, or something was left of them.
  returned: always
  type: bool
  sample: true
stay:
  description: Ids of the instances that stay; with O(state=open) those that were there before.
  returned: always
  type: list
  elements: str
  sample: [i-0123456789abcdef0]
go:
  description: Ids of the instances that go; with O(state=open) those that were launched.
  returned: always
  type: list
  elements: str
  sample: [i-0fedcba9876543210]
"""

from contextlib import suppress
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import ResourceError, aws_client, reporting, wait_until
from ansible_collections.indivillage.infra.plugins.module_utils.target_groups import target_health

MARK = "LeftFor"


class Tier:
    """An Auto Scaling group as it was at the last look: states and marks of its members, by id. One that is missing has none."""

    def __init__(self, params: dict[str, Any], autoscaling: Any, ec2: Any, elbv2: Any) -> None:
        self.params = params
        self.name: str = params["name"]
        self.autoscaling = autoscaling
        self.ec2 = ec2
        self.elbv2 = elbv2
        self.home = self._arn(params["target_group"] or self.name)
        self.next = self._arn(params["next_target_group"] or f"{self.name}-next")
        self.look()

    def _arn(self, name: str) -> str:
        with suppress(self.elbv2.exceptions.TargetGroupNotFoundException):
            return str(self.elbv2.describe_target_groups(Names=[name])["TargetGroups"][0]["TargetGroupArn"])
        return ""

    def look(self) -> None:
        """See what there is now."""
        found = self.autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[self.name])["AutoScalingGroups"]
        group = found[0] if found else {}
        self.desired, self.least, self.most = (int(group.get(key, 0)) for key in ("DesiredCapacity", "MinSize", "MaxSize"))
        states = {instance["InstanceId"]: instance["LifecycleState"] for instance in group.get("Instances", [])}
        self.ending = {name for name, state in states.items() if state.startswith("Terminat")}
        self.members = {name: state for name, state in states.items() if name not in self.ending}
        self.marks = self._marks()

    def _marks(self) -> dict[str, str]:
        ids = sorted(self.members)
        answer = self.ec2.describe_instances(InstanceIds=ids)["Reservations"] if ids else []
        return {
            instance["InstanceId"]: tag["Value"]
            for reservation in answer
            for instance in reservation["Instances"]
            for tag in instance.get("Tags", [])
            if tag["Key"] == MARK
        }

    def targets(self, group: str) -> dict[str, str]:
        """State of every target of a target group, by id; none of one that is missing."""
        if not group:
            return {}
        return {name: health["State"] for name, health in target_health(self.elbv2, group).items()}

    @property
    def is_open(self) -> bool:
        """Whether there are two sides, or something is left of them."""
        return bool(self.marks or self.targets(self.next))

    @property
    def is_left(self) -> bool:
        """Whether the environment runs what the marked ones are left for."""
        return self.params["release"] in self.marks.values()

    @property
    def sides(self) -> tuple[list[str], list[str]]:
        """(those that stay, those that go)."""
        if self.is_left:
            stay = self.members.keys() - self.marks.keys()
        elif self.marks:
            stay = self.members.keys() & self.marks.keys()
        else:  # none of the marked ones lives any more: those on which nobody has tried a release took their places
            stay = self.members.keys() & self.targets(self.home).keys()
        stay = stay or set(self.members)
        return sorted(stay), sorted(self.members.keys() - stay)

    # -- states -----------------------------------------------------------------------------------------------------

    def permit_opening(self) -> None:
        """ResourceError when the group cannot have twice as many members."""
        if not (self.home and self.next):
            raise ResourceError("there is no target group for the new side: site.yml makes it.")
        size = len(self.marks or self.members)
        if not 0 < 2 * size <= self.most:
            raise ResourceError(
                f"it has {size} instances and may have {self.most}; a release that is tried beside the one that runs needs room for as "
                "many again. Raise max (scale_tier.yml, and aws_compute_tiers of the inventory), or deploy with release_strategy=rolling."
            )

    def open(self) -> None:
        if not self.marks:
            self.ec2.create_tags(Resources=sorted(self.members), Tags=[{"Key": MARK, "Value": self.params["release"]}])
            self.look()
        size = len(self.marks)
        if self.desired < 2 * size:
            self._resize(2 * size)
        self._await(lambda: len(self._launched()) >= size, f"{size} more instances to be healthy")

    def _launched(self) -> list[str]:
        self.look()
        states = self.targets(self.home)
        return [
            name
            for name, state in self.members.items()
            if name not in self.marks and state == "InService" and states.get(name) == "healthy"
        ]

    def join(self) -> None:
        stay, go = self.sides
        if self.is_left:  # otherwise those that stay have never left
            there = self.targets(self.home)
            if missing := [name for name in stay if there.get(name, "draining") == "draining"]:
                self.elbv2.register_targets(TargetGroupArn=self.home, Targets=[{"Id": name} for name in missing])
            self._await(lambda: self._healthy(stay), f"{', '.join(stay)} to be healthy behind the load balancer")
        self._deregister(self.home, go)

    def _healthy(self, names: list[str]) -> bool:
        states = self.targets(self.home)
        return all(states.get(name) == "healthy" for name in names)

    def close(self) -> None:
        self._deregister(self.next, list(self.targets(self.next)))
        self._await(lambda: not self.targets(self.next), "the target group of the new side to be empty")
        self._await(self._ended, "the instances that go to be terminated")
        if self.marks:
            self.ec2.delete_tags(Resources=sorted(self.marks), Tags=[{"Key": MARK}])

    def _ended(self) -> bool:
        """Terminate those that go, and say whether nobody is left but those that stay."""
        self.look()
        stay, go = self.sides
        capacity = max(self.least, len(stay))
        for name in go:
            self._terminate(name, fewer=self.desired > capacity)
        if not go and self.desired > capacity:  # Auto Scaling has not launched all of them yet; it may be about to
            self._resize(capacity)
            return False
        return not go and not self.ending

    # -- details ----------------------------------------------------------------------------------------------------

    def _terminate(self, name: str, *, fewer: bool) -> None:
        """End a member; left for the next look when Auto Scaling is at work on it."""
        busy = (self.autoscaling.exceptions.ScalingActivityInProgressFault, self.autoscaling.exceptions.ResourceContentionFault)
        with suppress(*busy):
            self.autoscaling.terminate_instance_in_auto_scaling_group(InstanceId=name, ShouldDecrementDesiredCapacity=fewer)
            self.desired -= fewer

    def _resize(self, capacity: int) -> None:
        self.autoscaling.update_auto_scaling_group(AutoScalingGroupName=self.name, DesiredCapacity=capacity)
        self.desired = capacity

    def _deregister(self, group: str, names: list[str]) -> None:
        there = [name for name, state in self.targets(group).items() if name in names and state != "draining"]
        if there:
            self.elbv2.deregister_targets(TargetGroupArn=group, Targets=[{"Id": name} for name in there])

    def _await(self, probe: Any, what: str) -> None:
        wait_until(probe, what, self.params["wait_timeout_seconds"], self.params["poll_seconds"])


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec={
            **{name: {"required": True} for name in ("name", "release")},
            **{name: {} for name in ("target_group", "next_target_group")},
            "state": {"choices": ["open", "joined", "closed"], "required": True},
            "wait_timeout_seconds": {"type": "int", "default": 900},
            "poll_seconds": {"type": "int", "default": 5},
        },
        supports_check_mode=True,
    )
    state = module.params["state"]
    with reporting(module, f"have the two sides of {module.params['name']} {state}"):
        tier = Tier(module.params, *(aws_client(module, service) for service in ("autoscaling", "ec2", "elbv2")))
        stay, go = tier.sides
        before = sorted(tier.members)
        if state == "open":
            tier.permit_opening()
        doubled = tier.is_open
        changed = state == "open" or doubled
        if changed and not module.check_mode:
            {"open": tier.open, "joined": tier.join, "closed": tier.close}[state]()
            if state == "open":
                stay, go = sorted(tier.marks), sorted(tier.members.keys() - tier.marks.keys())
    after = before if state == "open" else stay
    diff = {"before": {"instances": before}, "after": {"instances": after}}
    module.exit_json(changed=changed, doubled=doubled, stay=stay, go=go, diff=diff)


if __name__ == "__main__":
    main()

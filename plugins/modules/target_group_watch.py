#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: target_group_watch
version_added: 0.2.0
short_description: Watch for a while how a target group serves
description:
  - Fails as soon as a target that was there at the beginning is not healthy any more, or when its targets have answered more requests with
    an error (5xx) than allowed. Errors are those of CloudWatch's metric C(HTTPCode_Target_5XX_Count), counted from the beginning of the
    minute in which the watch begins.
  - CloudWatch tells of a minute some time after it. The watch lasts longer by O(metrics_delay_seconds), so that it sees all of its window.
  - Changes nothing. Does not wait in check mode.
options:
  load_balancer:
    description: Name of the application load balancer.
    type: str
    required: true
  target_group:
    description: Name of the target group.
    type: str
    required: true
  seconds:
    description: How long.
    type: int
    required: true
  errors:
    description: So many errors are allowed.
    type: int
    default: 10
  metrics_delay_seconds:
    description: How much later CloudWatch tells of a minute.
    type: int
    default: 120
extends_documentation_fragment:
  - indivillage.infra.aws_resource.watch
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: See how the next release serves its share
  indivillage.infra.target_group_watch:
    load_balancer: indivillage-production-internal
    target_group: indivillage-production-app-next
    seconds: 600
"""

RETURN = r"""
requests:
  description: How many requests the target group has got meanwhile, as far as CloudWatch tells.
  returned: always
  type: int
errors:
  description: How many its targets answered with an error.
  returned: always
  type: int
bad:
  description: Whether the targets are to blame. Not so when one of them is gone.
  returned: when the watch ended badly
  type: bool
"""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import ResourceError, aws_client, reporting
from ansible_collections.indivillage.infra.plugins.module_utils.target_groups import target_health

PERIOD_SECONDS = 60


class BadError(Exception):
    """Why the watch ended badly. `blamed`: the targets are to blame."""

    def __init__(self, text: str, *, blamed: bool) -> None:
        super().__init__(text)
        self.blamed = blamed


class Watch:
    """What is watched, and since when."""

    def __init__(self, params: dict[str, Any], elbv2: Any, cloudwatch: Any) -> None:
        self.params = params
        self.elbv2 = elbv2
        self.cloudwatch = cloudwatch
        try:
            (balancer,) = elbv2.describe_load_balancers(Names=[params["load_balancer"]])["LoadBalancers"]
            (group,) = elbv2.describe_target_groups(Names=[params["target_group"]])["TargetGroups"]
        except (elbv2.exceptions.LoadBalancerNotFoundException, elbv2.exceptions.TargetGroupNotFoundException) as error:
            raise ResourceError(f"there is no load balancer {params['load_balancer']}, or no target group of that name") from error
        self.group = group["TargetGroupArn"]
        self.dimensions = [
            {"Name": "TargetGroup", "Value": self.group.rpartition(":")[2]},
            {"Name": "LoadBalancer", "Value": balancer["LoadBalancerArn"].partition(":loadbalancer/")[2]},
        ]
        self.began = datetime.now(UTC).replace(second=0, microsecond=0)
        self.there = self._states().keys()
        if not self.there:
            raise ResourceError("the target group is empty, so that there is nothing to be seen")

    def look(self) -> tuple[int, int]:
        """(requests, errors) up to now; BadError when that is enough."""
        states = self._states()
        gone = sorted(name for name in self.there if states.get(name, "unused") in {"unused", "draining"})
        if gone:
            raise BadError(f"{', '.join(gone)} left {self.params['target_group']}", blamed=False)
        ailing = sorted(name for name in self.there if states[name] != "healthy")
        if ailing:
            raise BadError(f"{', '.join(ailing)} became unhealthy in {self.params['target_group']}", blamed=True)
        requests, errors = self._sum("RequestCount"), self._sum("HTTPCode_Target_5XX_Count")
        if errors > self.params["errors"]:
            raise BadError(
                f"{errors} of {requests} requests to {self.params['target_group']} ended with an error of the release (5xx); "
                f"{self.params['errors']} are allowed",
                blamed=True,
            )
        return requests, errors

    def _states(self) -> dict[str, str]:
        return {name: health["State"] for name, health in target_health(self.elbv2, self.group).items()}

    def _sum(self, metric: str) -> int:
        points = self.cloudwatch.get_metric_statistics(
            Namespace="AWS/ApplicationELB",
            MetricName=metric,
            Dimensions=self.dimensions,
            StartTime=self.began,
            EndTime=datetime.now(UTC) + timedelta(seconds=PERIOD_SECONDS),
            Period=PERIOD_SECONDS,
            Statistics=["Sum"],
        )["Datapoints"]
        return int(sum(point["Sum"] for point in points))


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec={
            "load_balancer": {"required": True},
            "target_group": {"required": True},
            "seconds": {"type": "int", "required": True},
            "errors": {"type": "int", "default": 10},
            "metrics_delay_seconds": {"type": "int", "default": 120},
            "poll_seconds": {"type": "int", "default": 5},
        },
        supports_check_mode=True,
    )
    params = module.params
    if module.check_mode:
        module.exit_json(changed=False, requests=0, errors=0)
    with reporting(module, f"watch {params['target_group']}"):
        watch = Watch(params, aws_client(module, "elbv2"), aws_client(module, "cloudwatch"))
        end = time.monotonic() + params["seconds"] + params["metrics_delay_seconds"]
        try:
            while time.monotonic() < end:
                watch.look()
                time.sleep(params["poll_seconds"])
            requests, errors = watch.look()
        except BadError as bad:
            module.fail_json(msg=f"{bad}.", bad=bad.blamed)
    module.exit_json(changed=False, requests=requests, errors=errors)


if __name__ == "__main__":
    main()

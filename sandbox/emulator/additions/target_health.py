# SPDX-License-Identifier: GPL-3.0-or-later
"""Target health as the load balancers' real checks see it.

https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_TargetHealth.html
moto 5.2.5 calls every registered target healthy. Here a target is `unused` until a listener uses its group, `initial`
until the first verdict, then what the reconciler reports; without a reconciler moto's answer stands.
"""

from __future__ import annotations

import functools
from typing import Any

from moto.elbv2.models import ELBv2Backend, FakeTargetGroup, elbv2_backends

from sandbox.emulator.additions.patching import wrap
from sandbox.emulator.runtime import runtime

_EXPLANATIONS = {
    "initial": ("Elb.RegistrationInProgress", "Target registration is in progress"),
    "unhealthy": ("Target.FailedHealthChecks", "Health checks failed"),
    "healthy": (None, None),
}


@functools.cache
def install() -> None:
    @wrap(FakeTargetGroup, "health_for")
    def health_for(original: Any, self: Any, target: dict[str, Any], ec2_backend: Any) -> Any:
        health = original(self, target, ec2_backend)
        if health.status != "healthy" or runtime.standalone:
            return health
        if not elbv2_backends[self.account_id][self.region_name]._any_listener_using(self.arn):
            health.status, health.reason = "unused", "Target.NotInUse"
            health.description = "Target group is not configured to receive traffic from the load balancer"
            return health
        health.status = runtime.target_health.get(self.arn, {}).get(target["Id"], "initial")
        health.reason, health.description = _EXPLANATIONS[health.status]
        return health

    @wrap(ELBv2Backend, "delete_target_group")
    def delete_target_group(original: Any, self: Any, target_group_arn: str) -> Any:
        runtime.target_health.pop(target_group_arn, None)
        return original(self, target_group_arn)

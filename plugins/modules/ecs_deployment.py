#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ecs_deployment
version_added: 0.2.0
short_description: Replace the tasks of ECS services with new ones of the same kind
description:
  - Tasks read secrets as they start, so new ones have what these hold now. Waits until the new ones run and the others are gone.
  - Services that do not exist are left out.
options:
  cluster:
    description: Name of the cluster.
    type: str
    required: true
  services:
    description: Names of the services.
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
attributes:
  check_mode:
    description: Tells whether there is a service.
    support: full
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Have the workers read their secrets anew
  indivillage.infra.ecs_deployment:
    cluster: indivillage-production
    services: [indivillage-production-worker]
"""

RETURN = r"""
services:
  description: Names of the services whose tasks are new.
  returned: always
  type: list
  elements: str
  sample: [indivillage-production-worker]
"""

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.indivillage.infra.plugins.module_utils import planning
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import ResourceError, aws_client, reporting, wait_until


def is_done(services: list[dict[str, Any]]) -> bool:
    """Whether the newest tasks alone run; ResourceError when they do not stay up."""
    deployments = [deployment for service in services for deployment in service["deployments"]]
    failed = [deployment for deployment in deployments if deployment.get("rolloutState") == "FAILED"]
    if failed:
        raise ResourceError(f"new tasks do not stay up: {failed[0].get('rolloutStateReason', 'ECS does not say why')}")
    return len(deployments) == len(services) and all(deployment.get("rolloutState") == "COMPLETED" for deployment in deployments)


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec={
            "cluster": {"required": True},
            "services": {"type": "list", "elements": "str", "required": True},
            "wait_timeout_seconds": {"type": "int", "default": 900},
            "poll_seconds": {"type": "int", "default": 5},
        },
        supports_check_mode=True,
    )
    params, client = module.params, aws_client(module, "ecs")

    def described(names: list[str]) -> list[dict[str, Any]]:
        found = client.describe_services(cluster=params["cluster"], services=names)["services"] if names else []
        return [service for service in found if service.get("status") == "ACTIVE"]

    with reporting(module, f"replace the tasks of {', '.join(params['services'])}"):
        names = [service["serviceName"] for service in described(params["services"])]
        for name in names if planning.active or not module.check_mode else ():
            client.update_service(cluster=params["cluster"], service=name, forceNewDeployment=True)
        if not module.check_mode:
            wait_until(lambda: is_done(described(names)), "the new tasks", params["wait_timeout_seconds"], params["poll_seconds"])
    module.exit_json(changed=bool(names), services=names)


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ecs_cluster
version_added: 0.3.0
short_description: Manage an ECS cluster without servers of its own
description:
  - Creates, changes and deletes one cluster with its Fargate capacity, Container Insights and tags.
  - Use it instead of M(community.aws.ecs_cluster), which knows neither Container Insights nor tags.
options:
  name:
    description: Name of the cluster.
    type: str
    required: true
  container_insights:
    description: What CloudWatch records of the tasks.
    type: str
    choices: [disabled, enabled, enhanced]
    default: enabled
  capacity_providers:
    description: Where tasks may run.
    type: list
    elements: str
    choices: [FARGATE, FARGATE_SPOT]
    default: [FARGATE]
  default_strategy:
    description: The share of tasks that each capacity provider gets, for what is started without a strategy of its own.
    type: dict
    default: {FARGATE: 1}
extends_documentation_fragment:
  - indivillage.infra.aws_resource
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.tags
  - amazon.aws.boto3
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Make the cluster of the workers, on spare capacity
  indivillage.infra.ecs_cluster:
    name: indivillage-staging
    capacity_providers: [FARGATE, FARGATE_SPOT]
    default_strategy: {FARGATE_SPOT: 1}
    tags:
      Project: indivillage
"""

RETURN = r"""
resource:
  description: The cluster. Empty after a deletion. In check mode as it would become.
  returned: always
  type: dict
  contains:
    name:
      description: Name of the cluster.
      type: str
      sample: indivillage-staging
    arn:
      description: ARN of the cluster.
      type: str
      returned: when the cluster exists
      sample: arn:aws:ecs:us-east-1:123456789012:cluster/indivillage-staging
  sample: {name: indivillage-staging, container_insights: enabled, capacity_providers: [FARGATE], default_strategy: {FARGATE: 1}}
"""

from typing import Any, ClassVar

from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import (
    READ_BACK_SECONDS,
    Properties,
    Resource,
    run,
    wait_until,
)
from ansible_collections.indivillage.infra.plugins.module_utils.ecs import as_strategy, pairs, read_strategy, read_tags, shares


class Cluster(Resource):
    service = "ecs"
    kind = "ECS cluster"
    options: ClassVar[dict[str, Any]] = {
        "name": {"required": True},
        "container_insights": {"choices": ["disabled", "enabled", "enhanced"], "default": "enabled"},
        "capacity_providers": {"type": "list", "elements": "str", "choices": ["FARGATE", "FARGATE_SPOT"], "default": ["FARGATE"]},
        "default_strategy": {"type": "dict", "default": {"FARGATE": 1}},
    }
    properties = ("container_insights", "capacity_providers", "default_strategy")
    exact = frozenset({"default_strategy"})

    def find(self) -> Properties | None:
        found = [cluster for cluster in self._described() if cluster["status"] != "INACTIVE"]
        if not found:
            return None
        cluster = found[0]
        settings = {setting["name"]: setting["value"] for setting in cluster.get("settings", [])}
        return {
            "name": self.name,
            "arn": cluster["clusterArn"],
            "status": cluster["status"],
            "container_insights": settings.get("containerInsights", "disabled"),
            "capacity_providers": cluster.get("capacityProviders", []),
            "default_strategy": read_strategy(cluster.get("defaultCapacityProviderStrategy")),
            "tags": read_tags(cluster.get("tags")),
        }

    def _described(self) -> list[dict[str, Any]]:
        return list(self.client.describe_clusters(clusters=[self.name], include=["SETTINGS", "TAGS"])["clusters"])

    def declared(self) -> Properties:
        return {**super().declared(), "default_strategy": shares(self.params["default_strategy"])}

    def create(self, wanted: Properties, tags: dict[str, str]) -> None:
        self.client.create_cluster(
            clusterName=self.name,
            settings=self._settings(wanted),
            capacityProviders=wanted["capacity_providers"],
            defaultCapacityProviderStrategy=as_strategy(wanted["default_strategy"]),
            tags=pairs(tags),
        )

    def update(self, current: Properties, changes: Properties) -> None:
        if "container_insights" in changes:
            self.client.update_cluster(cluster=self.name, settings=self._settings(changes))
        if changes.keys() & {"capacity_providers", "default_strategy"}:
            whole = {**current, **changes}
            self.client.put_cluster_capacity_providers(
                cluster=self.name,
                capacityProviders=whole["capacity_providers"],
                defaultCapacityProviderStrategy=as_strategy(whole["default_strategy"]),
            )

    @staticmethod
    def _settings(properties: Properties) -> list[dict[str, str]]:
        return [{"name": "containerInsights", "value": properties["container_insights"]}]

    def delete(self, current: Properties) -> None:
        self.client.delete_cluster(cluster=self.name)

    def tag(self, current: Properties, add: dict[str, str], remove: list[str]) -> None:
        if remove:
            self.client.untag_resource(resourceArn=current["arn"], tagKeys=remove)
        if add:
            self.client.tag_resource(resourceArn=current["arn"], tags=pairs(add))

    def settle(self, current: Properties) -> Properties:
        """A cluster takes nothing while its capacity providers are being attached."""
        if current["status"] == "ACTIVE":
            return current
        wait_until(lambda: [cluster["status"] for cluster in self._described()] == ["ACTIVE"], f"{self} to be active", READ_BACK_SECONDS)
        return self.find() or current


def main() -> None:
    run(Cluster)


if __name__ == "__main__":
    main()

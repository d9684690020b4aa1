# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One rule of a listener that takes every request, before all others, for a while. No inventory declares such a rule: site.yml ends it."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import Properties, Resource, ResourceError

EVERYTHING = [{"Field": "path-pattern", "PathPatternConfig": {"Values": ["*"]}}]


class ListenerRule(Resource):
    """A rule, known by its priority; a subclass says which action it is and what of it is compared."""

    service = "elbv2"
    taggable = False
    options: ClassVar[dict[str, Any]] = {
        "name": {"required": True},
        "port": {"type": "int", "default": 443},
        "priority": {"type": "int", "default": 1},
    }
    action: ClassVar[str]
    """Type of the action."""

    def read(self, action: dict[str, Any]) -> Properties:
        """The compared properties of an action as AWS describes it."""
        raise NotImplementedError

    def actions(self, wanted: Properties) -> list[dict[str, Any]]:
        """The actions of a rule with these properties."""
        raise NotImplementedError

    def find(self) -> Properties | None:
        for rule in self._rules():
            if rule["Priority"] != str(self.params["priority"]):
                continue
            found = [action for action in rule["Actions"] if action["Type"] == self.action]
            if not found:
                raise ResourceError(f"rule {rule['Priority']} of the listener does something else; it is not this module's to change")
            return {"name": self.name, "arn": rule["RuleArn"], **self.read(found[0])}
        return None

    def create(self, wanted: Properties, tags: dict[str, str]) -> None:
        actions, priority = self.actions(wanted), self.params["priority"]
        self.client.create_rule(ListenerArn=self._listener(), Priority=priority, Conditions=EVERYTHING, Actions=actions)

    def update(self, current: Properties, changes: Properties) -> None:
        self.client.modify_rule(RuleArn=current["arn"], Actions=self.actions({**current, **changes}))

    def delete(self, current: Properties) -> None:
        self.client.delete_rule(RuleArn=current["arn"])

    def _rules(self) -> list[dict[str, Any]]:
        """The rules of the listener; a load balancer that is not there has none that would have to go."""
        try:
            listener = self._listener()
        except ResourceError:
            if self.params["state"] == "absent":
                return []
            raise
        return list(self.client.describe_rules(ListenerArn=listener)["Rules"])

    def _listener(self) -> str:
        try:
            (balancer,) = self.client.describe_load_balancers(Names=[self.name])["LoadBalancers"]
        except self.client.exceptions.LoadBalancerNotFoundException as error:
            raise ResourceError("there is no load balancer of that name in this region") from error
        listeners = self.client.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
        found = [str(listener["ListenerArn"]) for listener in listeners if listener["Port"] == self.params["port"]]
        if not found:
            raise ResourceError(f"the load balancer does not listen on port {self.params['port']}")
        return found[0]

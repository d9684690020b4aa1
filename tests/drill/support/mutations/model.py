# SPDX-License-Identifier: GPL-3.0-or-later
"""What a mutation is: one change behind the project's back, and what a plan has to say of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from tests.integration.emulator.support import RunningEmulator

PREFIX = "indivillage-sandbox"
GLOBAL, PRIMARY, DR = "sandbox-global", "sandbox-us-east-1", "sandbox-us-west-2"
REGIONS = {PRIMARY: "us-east-1", DR: "us-west-2"}


@dataclass(frozen=True)
class Account:
    """The account that is changed; everything is found by the names that the project gave it."""

    emulator: RunningEmulator
    region: str = "us-east-1"

    def client(self, service: str) -> Any:
        return _client(self.emulator, service, self.region)

    def one(self, service: str, operation: str, key: str, **arguments: Any) -> Any:
        """The only element of an answer's list."""
        (element,) = getattr(self.client(service), operation)(**arguments)[key]
        return element

    def by_tag(self, operation: str, key: str, name: str) -> Any:
        """The EC2 resource with that name; the prefix is added."""
        return self.one("ec2", operation, key, Filters=[{"Name": "tag:Name", "Values": [f"{PREFIX}-{name}"]}])

    @property
    def vpc_id(self) -> str:
        return str(self.by_tag("describe_vpcs", "Vpcs", "vpc")["VpcId"])

    def subnet_id(self, name: str) -> str:
        return str(self.by_tag("describe_subnets", "Subnets", name)["SubnetId"])

    def group_id(self, name: str) -> str:
        return str(self.by_tag("describe_security_groups", "SecurityGroups", f"{name}-sg")["GroupId"])

    def route_table(self, name: str) -> Any:
        return self.by_tag("describe_route_tables", "RouteTables", name)

    def acl(self, tier: str) -> Any:
        return self.by_tag("describe_network_acls", "NetworkAcls", tier)

    def endpoint(self, service: str) -> Any:
        return self.by_tag("describe_vpc_endpoints", "VpcEndpoints", service)

    def key_id(self, purpose: str) -> str:
        return str(self.client("kms").describe_key(KeyId=f"alias/{PREFIX}-{purpose}")["KeyMetadata"]["KeyId"])

    def queue_url(self, name: str) -> str:
        return str(self.client("sqs").get_queue_url(QueueName=f"{PREFIX}-{name}")["QueueUrl"])

    def balancer_arn(self, name: str) -> str:
        return str(self.one("elbv2", "describe_load_balancers", "LoadBalancers", Names=[f"{PREFIX}-{name}"])["LoadBalancerArn"])

    def listener(self, balancer: str, port: int) -> Any:
        found = self.client("elbv2").describe_listeners(LoadBalancerArn=self.balancer_arn(balancer))["Listeners"]
        (listener,) = [listener for listener in found if listener["Port"] == port]
        return listener

    def target_group_arn(self, tier: str) -> str:
        return str(self.one("elbv2", "describe_target_groups", "TargetGroups", Names=[f"{PREFIX}-{tier}"])["TargetGroupArn"])

    def certificate_arn(self, name: str) -> str:
        acm = self.client("acm")
        for summary in acm.list_certificates()["CertificateSummaryList"]:
            arn = str(summary["CertificateArn"])
            tags = {tag["Key"]: tag["Value"] for tag in acm.list_tags_for_certificate(CertificateArn=arn)["Tags"]}
            if tags.get("Name") == f"{PREFIX}-{name}":
                return arn
        raise LookupError(name)


@cache
def _client(emulator: RunningEmulator, service: str, region: str) -> Any:
    return emulator.client(service, region)


@dataclass(frozen=True)
class Mutation:
    """One change; `plan` is what must be planned for it: {(task, item): API operation among the calls of that entry}.

    `place` is the task and item that it belongs to. A `reason` explains why a plan does not see it; then `plan` is empty.
    """

    id: str
    resource: str
    what: str
    apply: Callable[[Account], None] = field(repr=False)
    place: tuple[str, str]
    plan: dict[tuple[str, str], str]
    arguments: tuple[str, ...]
    field: str
    reason: str
    host: str
    alone: bool

    @property
    def task(self) -> str:
        return self.place[0]

    def do(self, emulator: RunningEmulator) -> None:
        self.apply(Account(emulator, REGIONS.get(self.host, "us-east-1")))


ALL: list[Mutation] = []


def mutation(
    resource: str,
    what: str,
    task: str = "",
    item: str = "",
    *,
    operation: str = "",
    argument: str | tuple[str, ...] = (),
    field: str = "",
    also: dict[tuple[str, str], str] | None = None,
    reason: str = "",
    host: str = PRIMARY,
    alone: bool = False,
    name: str = "",
) -> Callable[[Callable[[Account], None]], Callable[[Account], None]]:
    """Register a mutation, whose id is the function's name, or `name`.

    `resource` is the type of what is changed and `what` the change in words. `task`, `item` and `operation` say where the plan must show
    it and with which API operation, `field` names a field that must be among the changes; `also` has further tasks that must follow.
    `argument` names the arguments of the task that this proves. `alone`: it shares an account only with such ones of other resources.
    """

    def register(function: Callable[[Account], None]) -> Callable[[Account], None]:
        plan = {(task, item): operation} if task and not reason else {}
        ALL.append(
            Mutation(
                id=name or function.__name__,
                resource=resource,
                what=what,
                apply=function,
                place=(task, item),
                plan=plan | (also or {}),
                arguments=(argument,) if isinstance(argument, str) else argument,
                field=field,
                reason=reason,
                host=host,
                alone=alone,
            )
        )
        return function

    return register

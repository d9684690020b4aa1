# SPDX-License-Identifier: GPL-3.0-or-later
"""Application Load Balancers: one HAProxy container each, its real health checks reported back as target health."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import http.client
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

from sandbox import settings
from sandbox.model import Clients, ContainerSpec, Control, Engine, Kind, World
from sandbox.services import haproxy
from sandbox.services.addresses import LOAD_BALANCER_SLOTS, assign
from sandbox.services.haproxy import Balancer, Certificate, Listener, Rule, Target, TargetGroup

NAME = "load_balancers"
KIND: Kind = "load_balancer"
Answers = dict[str, tuple[int, int]]
IMAGE = f"{settings.IMAGE_REPOSITORY}/haproxy:latest"
HTTPS_PORT = 443
ANSWERS_SECONDS = 5.0  # between two data points; AWS has one a minute
STATS_TIMEOUT_SECONDS = 2.0
# What a container needs before its first configuration: HAProxy refuses to start without the files that it names.
COMMAND = (
    "sh",
    "-c",
    f"touch {haproxy.SERVER_STATE_FILE}; exec haproxy -W -db -f {haproxy.CONFIGURATION_FILE}",
)
RELOAD = f"haproxy -c -q -f {haproxy.CONFIGURATION_FILE} && kill -USR2 1"


@dataclass(frozen=True)
class LoadBalancer:
    """An application load balancer of one region, with everything that its configuration is made of."""

    arn: str
    name: str
    region: str
    created: str
    scheme: str
    dns_name: str
    vpc_id: str
    subnet_ids: tuple[str, ...]
    security_group_ids: tuple[str, ...]
    listeners: tuple[Listener, ...] = ()
    target_groups: tuple[TargetGroup, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)

    @property
    def container(self) -> str:
        """Name of its container: load balancers of two regions may have the same name."""
        return settings.container_name(f"{self.name}-{self.region}")


# --- observe -----------------------------------------------------------------------------------------------------------------------


def observe(clients: Clients, control: Control) -> tuple[LoadBalancer, ...]:
    """The application load balancers of a region."""
    elbv2 = clients.client("elbv2")
    found = elbv2.get_paginator("describe_load_balancers").paginate().build_full_result()["LoadBalancers"]
    return tuple(_load_balancer(elbv2, clients.region, balancer, control) for balancer in found if balancer["Type"] == "application")


def _load_balancer(elbv2: Any, region: str, balancer: Mapping[str, Any], control: Control) -> LoadBalancer:
    arn = balancer["LoadBalancerArn"]
    listeners = tuple(_listener(elbv2, entry, control) for entry in elbv2.describe_listeners(LoadBalancerArn=arn)["Listeners"])
    used = {
        group_arn
        for listener in listeners
        for rule in listener.rules
        for action in rule.actions
        for group_arn in _target_group_arns(action)
    }
    groups = elbv2.describe_target_groups(TargetGroupArns=sorted(used))["TargetGroups"] if used else []
    return LoadBalancer(
        arn=arn,
        name=balancer["LoadBalancerName"],
        region=region,
        created=balancer["CreatedTime"].isoformat(),
        scheme=balancer["Scheme"],
        dns_name=balancer["DNSName"],
        vpc_id=balancer["VpcId"],
        subnet_ids=tuple(zone["SubnetId"] for zone in balancer["AvailabilityZones"]),
        security_group_ids=tuple(sorted(balancer.get("SecurityGroups", []))),
        listeners=listeners,
        target_groups=tuple(_target_group(elbv2, group) for group in sorted(groups, key=_group_name)),
        attributes=_attributes(elbv2.describe_load_balancer_attributes(LoadBalancerArn=arn)),
    )


def _group_name(group: Mapping[str, Any]) -> str:
    return str(group["TargetGroupName"])


def _attributes(answer: Mapping[str, Any]) -> dict[str, str]:
    return {attribute["Key"]: attribute["Value"] for attribute in answer["Attributes"]}


def _target_group_arns(action: Mapping[str, Any]) -> list[str]:
    shares = action.get("ForwardConfig", {}).get("TargetGroups", [])
    return [share["TargetGroupArn"] for share in shares] or ([action["TargetGroupArn"]] if "TargetGroupArn" in action else [])


def _listener(elbv2: Any, listener: Mapping[str, Any], control: Control) -> Listener:
    arn = listener["ListenerArn"]
    default = [entry["CertificateArn"] for entry in listener.get("Certificates", [])]
    others = elbv2.describe_listener_certificates(ListenerArn=arn)["Certificates"] if default else []
    certificate_arns = dict.fromkeys([*default, *(entry["CertificateArn"] for entry in others)])
    return Listener(
        port=listener["Port"],
        protocol=listener["Protocol"],
        ssl_policy=listener.get("SslPolicy", ""),
        certificates=tuple(_certificate(certificate_arn, control) for certificate_arn in certificate_arns),
        rules=tuple(
            Rule(rule["Priority"], tuple(rule["Conditions"]), tuple(sorted(rule["Actions"], key=_order)))
            for rule in elbv2.describe_rules(ListenerArn=arn)["Rules"]
        ),
    )


def _order(action: Mapping[str, Any]) -> int:
    return int(action.get("Order", 1))


def _certificate(arn: str, control: Control) -> Certificate:
    parts = control.get(f"certificates/{quote(arn, safe='')}")
    return Certificate(
        arn, "\n".join(parts[name].strip() for name in ("certificate", "chain", "private_key") if parts[name].strip()) + "\n"
    )


def _target_group(elbv2: Any, group: Mapping[str, Any]) -> TargetGroup:
    arn = group["TargetGroupArn"]
    described = elbv2.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
    targets = [
        Target(entry["Target"]["Id"], "", entry["Target"]["Port"], entry["TargetHealth"]["State"])
        for entry in described
        if entry["TargetHealth"]["State"] in {"initial", "healthy", "unhealthy"}
    ]
    return TargetGroup(
        arn=arn,
        name=group["TargetGroupName"],
        protocol=group["Protocol"],
        health_protocol=group["HealthCheckProtocol"],
        health_port=str(group["HealthCheckPort"]),
        health_path=group.get("HealthCheckPath") or "/",
        health_timeout_seconds=group["HealthCheckTimeoutSeconds"],
        healthy_threshold=int(group["HealthyThresholdCount"]),
        unhealthy_threshold=int(group["UnhealthyThresholdCount"]),
        matcher=group.get("Matcher", {}).get("HttpCode", "200"),
        targets=tuple(sorted(targets, key=_target_id)),
        attributes=_attributes(elbv2.describe_target_group_attributes(TargetGroupArn=arn)),
    )


def _target_id(target: Target) -> str:
    return target.id


# --- desired -----------------------------------------------------------------------------------------------------------------------


def desired(world: World) -> Sequence[ContainerSpec]:
    """One container per load balancer; the oldest public one of the primary region is the site's page."""
    placed = _placed(world)
    addresses = assign(
        ((balancer.container, subnet) for balancer in placed if (subnet := world.subnet(balancer.subnet_ids[0]))), LOAD_BALANCER_SLOTS
    )
    public = [balancer for balancer in placed if balancer.scheme == "internet-facing" and balancer.region == settings.PRIMARY_REGION]
    page_port = settings.load().page_port
    return [
        ContainerSpec(
            name=balancer.container,
            kind=KIND,
            image=IMAGE,
            vpc_id=balancer.vpc_id,
            address=addresses[balancer.container],
            hostname=balancer.name[:63],
            aliases=(balancer.dns_name, *((settings.DOMAIN,) if balancer in public[:1] else ())),  # as a record of the zone would say
            security_group_ids=balancer.security_group_ids,
            files=(files := haproxy.files(configured(world, balancer))),
            published=((page_port, HTTPS_PORT),) if balancer in public[:1] else (),
            command=COMMAND,
        ).sealed(volatile_files=tuple(files))
        for balancer in placed
        if balancer.container in addresses
    ]


def _placed(world: World) -> list[LoadBalancer]:
    return sorted(world.services.get(NAME, ()), key=_age)


def _age(balancer: LoadBalancer) -> tuple[str, str]:
    return balancer.created, balancer.name


def configured(world: World, balancer: LoadBalancer) -> Balancer:
    """What the configuration is made of: targets get the addresses of their instances."""
    vpc = world.vpc(balancer.vpc_id)
    groups = [replace(group, targets=tuple(_addressed(world, target) for target in group.targets)) for group in balancer.target_groups]
    return Balancer(balancer.name, vpc.gateway if vpc else "127.0.0.1", balancer.listeners, tuple(groups), balancer.attributes)


def _addressed(world: World, target: Target) -> Target:
    if not target.id.startswith("i-"):
        return replace(target, address=target.id)
    instance = world.instance(target.id)
    return replace(target, address=instance.address if instance else "")


# --- after -------------------------------------------------------------------------------------------------------------------------

# What this process has told the containers and the emulator; lost with the process, then told again.
_configured: dict[str, str] = {}
_reported: dict[str, dict[str, str]] = {}
_counted: dict[str, Answers] = {}  # container -> what HAProxy had counted when it was told last
_told: dict[str, float] = {}  # container -> when that was


def after(world: World, spec: ContainerSpec, engine: Engine, control: Control) -> None:
    """Reload the configuration when it changed, and report the health that HAProxy sees."""
    balancer = next(found for found in _placed(world) if found.container == spec.name)
    rows = _statistics(spec.address)
    if rows is None:
        return
    content = hashlib.sha256(repr(sorted(spec.files.items())).encode()).hexdigest()
    if _configured.get(spec.name) != content:
        _tell_answers(balancer, rows, control)
        _reload(configured(world, balancer), spec, engine)
        _configured[spec.name], _counted[spec.name] = content, {}
        return
    if time.monotonic() - _told.get(spec.name, 0.0) >= ANSWERS_SECONDS:
        _tell_answers(balancer, rows, control)
    report = {group.arn: health(group, rows) for group in _known(balancer.target_groups)}
    changed = {arn: states for arn, states in report.items() if _reported.get(arn) != states}
    if changed:
        control.put("target-health", changed)
        _reported.update(changed)


def answers(groups: Sequence[TargetGroup], rows: Sequence[Mapping[str, str]]) -> Answers:
    """What the targets of each group have answered since HAProxy started: ARN -> (requests, errors)."""
    counted = {}
    for group in groups:
        servers = [row for row in rows if row["pxname"] == group.name and row["svname"] != "BACKEND"]
        requests, errors = (sum(int(row.get(f"hrsp_{kind}xx") or 0) for row in servers for kind in kinds) for kinds in ("12345", "5"))
        counted[group.arn] = (requests, errors)
    return counted


def _tell_answers(balancer: LoadBalancer, rows: Sequence[Mapping[str, str]], control: Control) -> None:
    """Data points of what was answered since the last ones. What a replaced HAProxy still answers is counted by nobody."""
    before, now = _counted.get(balancer.container), answers(balancer.target_groups, rows)
    _counted[balancer.container], _told[balancer.container] = now, time.monotonic()
    if before is None:  # what was counted before this process is told already, or lost with the former one
        return
    new = {arn: tuple(after - was for after, was in zip(counted, before.get(arn, (0, 0)), strict=True)) for arn, counted in now.items()}
    points = {
        arn: {"load_balancer": balancer.arn, "requests": requests, "errors": errors}
        for arn, (requests, errors) in new.items()
        if requests > 0
    }
    if points:
        control.put(f"target-answers/{balancer.region}", points)


def _known(groups: Sequence[TargetGroup]) -> list[TargetGroup]:
    """The groups with the states that were reported last; the world may be older."""
    return [
        replace(
            group,
            targets=tuple(replace(target, state=_reported.get(group.arn, {}).get(target.id, target.state)) for target in group.targets),
        )
        for group in groups
    ]


def _reload(balancer: Balancer, spec: ContainerSpec, engine: Engine) -> None:
    """Write the files, check them and let HAProxy's master start new workers; the old ones finish what they have."""
    for path, text in spec.files.items():
        engine.write(spec.name, path, text)
    engine.write(spec.name, haproxy.SERVER_STATE_FILE, haproxy.server_states(_known(balancer.target_groups)))
    engine.execute(spec.name, ["sh", "-c", RELOAD])


def _statistics(address: str) -> list[dict[str, str]] | None:
    """HAProxy's statistics, one row per server; None when it does not answer (yet)."""
    connection = http.client.HTTPConnection(address, haproxy.STATS_PORT, timeout=STATS_TIMEOUT_SECONDS)
    with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
        connection.request("GET", "/;csv")
        return list(csv.DictReader(connection.getresponse().read().decode().removeprefix("# ").splitlines()))
    return None


def health(group: TargetGroup, rows: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """State of every target of a group by its row; a target without a row keeps its state.

    HAProxy calls a target without a verdict down, so a failing one stays initial for as many seconds as its threshold has checks.
    """
    found = {row["svname"]: row for row in rows if row["pxname"] == group.name}
    return {target.id: _state(group, target, found.get(target.id)) for target in group.targets}


def _state(group: TargetGroup, target: Target, row: Mapping[str, str] | None) -> str:
    if row is None or "INI" in row["check_status"]:
        return target.state
    if row["status"].startswith("UP"):
        return "healthy"
    checked_long_enough = int(row["lastchg"] or 0) >= group.unhealthy_threshold * haproxy.CHECK_INTERVAL_SECONDS
    return "unhealthy" if target.state != "initial" or checked_long_enough else "initial"

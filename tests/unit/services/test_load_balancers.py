# SPDX-License-Identifier: GPL-3.0-or-later
"""Load balancer containers and the health that comes back from them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sandbox import settings
from sandbox.model import Container, ContainerSpec, Instance, Subnet, Vpc, World
from sandbox.services import haproxy, load_balancers
from sandbox.services.load_balancers import LoadBalancer
from tests.unit.services.samples import HTTP, WEB, forward, rule

PUBLIC = LoadBalancer(
    arn="arn:public",
    name="indivillage-sandbox-public",
    region="us-east-1",
    created="2026-01-01T00:00:00",
    scheme="internet-facing",
    dns_name="public.us-east-1.elb.amazonaws.com",
    vpc_id="vpc-1",
    subnet_ids=("subnet-a", "subnet-b"),
    security_group_ids=("sg-1",),
    listeners=(HTTP, replace(HTTP, port=8080, rules=(rule("default", forward((WEB, 1))),))),
    target_groups=(WEB,),
)
INTERNAL = replace(PUBLIC, arn="arn:internal", name="indivillage-sandbox-internal", scheme="internal", dns_name="internal.elb")


def instance(name: str, address: str) -> Instance:
    return Instance(name, "us-east-1", "running", "ami-1", "t3.micro", "vpc-1", "subnet-a", "us-east-1a", address, f"{name}.internal", ())


def world(*balancers: LoadBalancer) -> World:
    return World(
        vpcs=(Vpc("vpc-1", "us-east-1", "10.10.0.0/16"),),
        subnets=(Subnet("subnet-a", "vpc-1", "10.10.0.0/24", "us-east-1a"), Subnet("subnet-b", "vpc-1", "10.10.1.0/24", "us-east-1b")),
        instances=(instance("i-0a", "10.10.10.4"), instance("i-0b", "10.10.11.4")),
        services={"load_balancers": balancers},
    )


def test_every_balancer_is_a_container_and_the_oldest_public_one_is_the_page() -> None:
    younger = replace(PUBLIC, arn="arn:second", name="aaa", created="2026-01-02T00:00:00", dns_name="second.elb")
    specs = {spec.name: spec for spec in load_balancers.desired(world(younger, INTERNAL, PUBLIC))}
    assert {name: bool(spec.published) for name, spec in specs.items()} == {
        "indivillage-aaa-us-east-1": False,
        "indivillage-indivillage-sandbox-internal-us-east-1": False,
        "indivillage-indivillage-sandbox-public-us-east-1": True,
    }
    spec = specs["indivillage-indivillage-sandbox-public-us-east-1"]
    assert spec.published[0][1] == 443
    assert spec.aliases == (PUBLIC.dns_name, settings.DOMAIN)
    assert specs["indivillage-aaa-us-east-1"].aliases == ("second.elb",)
    assert spec.security_group_ids == ("sg-1",)
    assert len({found.address for found in specs.values()}) == 3


def test_instances_come_and_go_without_a_new_container() -> None:
    (before,) = load_balancers.desired(world(PUBLIC))
    fewer = replace(PUBLIC, target_groups=(replace(WEB, targets=WEB.targets[:1]),))
    (after,) = load_balancers.desired(world(fewer))
    assert before.digest == after.digest
    assert before.files != after.files
    assert "server i-0a 10.10.10.4:443" in after.files[haproxy.CONFIGURATION_FILE]


def row(name: str, status: str, check: str = "L7OK", seconds: str = "10") -> dict[str, str]:
    return {"pxname": WEB.name, "svname": name, "status": status, "check_status": check, "lastchg": seconds}


@pytest.mark.parametrize(
    ("known", "found", "state"),
    [
        ("initial", row("i-0a", "UP"), "healthy"),
        ("unhealthy", row("i-0a", "UP 1/2"), "healthy"),
        ("healthy", row("i-0a", "DOWN", "L7STS"), "unhealthy"),
        ("healthy", row("i-0a", "UP", "INI"), "healthy"),
        ("unhealthy", row("i-0a", "UP", "* INI"), "unhealthy"),
        ("initial", row("i-0a", "DOWN", "L4CON", "9"), "initial"),
        ("initial", row("i-0a", "DOWN", "L4CON", "10"), "unhealthy"),
        ("healthy", row("i-other", "DOWN"), "healthy"),
    ],
)
def test_health(known: str, found: dict[str, str], state: str) -> None:
    group = replace(WEB, targets=(replace(WEB.targets[0], state=known),))
    assert load_balancers.health(group, [found]) == {"i-0a": state}


class FakeEngine:
    """Records what is done to containers."""

    def __init__(self) -> None:
        self.written: dict[str, str] = {}
        self.executed: list[tuple[str, ...]] = []

    def write(self, _name: str, path: str, text: str) -> None:
        self.written[path] = text

    def execute(self, _name: str, command: Any, *, text: str = "") -> str:
        self.executed.append(tuple(command))
        return text

    def list(self) -> tuple[Container, ...]:
        return ()


class FakeControl:
    """Records what is reported."""

    def __init__(self) -> None:
        self.puts: list[tuple[str, Any]] = []

    def put(self, path: str, body: Any) -> None:
        self.puts.append((path, body))


def step(spec: ContainerSpec, balancer: LoadBalancer, engine: FakeEngine, control: FakeControl) -> None:
    load_balancers.after(world(balancer), spec, engine, control)  # type: ignore[arg-type]


def test_a_running_balancer_is_configured_once_and_health_reported_when_it_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load_balancers, "_configured", {})
    monkeypatch.setattr(load_balancers, "_reported", {})
    rows: list[dict[str, str]] | None = None
    monkeypatch.setattr(load_balancers, "_statistics", lambda _address: rows)
    engine, control = FakeEngine(), FakeControl()
    group = replace(WEB, targets=WEB.targets[:2])
    balancer = replace(PUBLIC, target_groups=(group,))
    (spec,) = load_balancers.desired(world(balancer))

    step(spec, balancer, engine, control)
    assert not engine.executed, "nothing can be told to a server that does not answer yet"
    rows = [row("i-0a", "UP"), row("i-0b", "DOWN", "L7STS")]
    step(spec, balancer, engine, control)
    assert engine.executed == [("sh", "-c", load_balancers.RELOAD)]
    assert set(engine.written) == {*spec.files, haproxy.SERVER_STATE_FILE}
    step(spec, balancer, engine, control)
    step(spec, balancer, engine, control)
    assert control.puts == [("target-health", {WEB.arn: {"i-0a": "healthy", "i-0b": "unhealthy"}})]
    assert len(engine.executed) == 1
    rows = [row("i-0a", "DOWN", "L4TOUT"), row("i-0b", "DOWN", "L7STS")]
    step(spec, balancer, engine, control)
    assert control.puts[-1] == ("target-health", {WEB.arn: {"i-0a": "unhealthy", "i-0b": "unhealthy"}})


def counted(name: str, good: int, errors: int) -> dict[str, str]:
    return row(name, "UP") | {"hrsp_2xx": str(good), "hrsp_5xx": str(errors), "hrsp_other": ""}


def test_what_targets_answer_is_told_as_it_grows_and_begins_anew_with_a_new_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_configured", "_reported", "_counted", "_told"):
        monkeypatch.setattr(load_balancers, name, {})
    rows: list[dict[str, str]] = []
    now = 0.0
    monkeypatch.setattr(load_balancers, "_statistics", lambda _address: rows)
    monkeypatch.setattr("sandbox.services.load_balancers.time.monotonic", lambda: now)
    engine, control = FakeEngine(), FakeControl()
    balancer = replace(PUBLIC, target_groups=(replace(WEB, targets=WEB.targets[:2]),))

    def told(*counts: tuple[int, int]) -> list[tuple[int, int]]:
        nonlocal rows, now
        rows = [counted(name, *count) for name, count in zip(("i-0a", "i-0b"), counts, strict=True)]
        now += load_balancers.ANSWERS_SECONDS
        control.puts.clear()
        (spec,) = load_balancers.desired(world(balancer))
        step(spec, balancer, engine, control)
        bodies = [body for path, body in control.puts if path == "target-answers/us-east-1"]
        assert all(point["load_balancer"] == PUBLIC.arn for body in bodies for point in body.values())
        return [(point["requests"], point["errors"]) for body in bodies for point in body.values()]

    assert told((700, 70), (700, 70)) == [], "the first configuration of this process: HAProxy begins anew"
    assert told((10, 1), (20, 2)) == [(33, 3)]
    assert told((10, 1), (20, 2)) == []
    assert told((12, 1), (20, 5)) == [(5, 3)]
    balancer = replace(balancer, target_groups=(replace(WEB, targets=WEB.targets[:1]),))
    rows = []
    assert told((13, 1), (20, 5)) == [(1, 0)], "before the counters are gone"
    assert told((4, 4), (0, 0)) == [(8, 4)]

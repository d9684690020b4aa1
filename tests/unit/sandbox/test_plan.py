# SPDX-License-Identifier: GPL-3.0-or-later
from dataclasses import replace

import pytest
import worlds

from sandbox.engine import Network, create_options
from sandbox.model import Container, ContainerSpec, Image, Vpc, World
from sandbox.plan import INTERNET, Actual, instance_spec, internet_client, plan
from sandbox.settings import baked_image, container_name, network_name

NETWORKS = tuple(Network(network_name(vpc.id), vpc.id, vpc.cidr) for vpc in (worlds.VPC, INTERNET))


def container(spec: ContainerSpec) -> Container:
    return Container(spec.name, spec.kind, "running", spec.image, spec.digest, spec.vpc_id, 1)


def settled(world: World, *, reboots: dict[str, int] | None = None, baked_images: frozenset[str] = frozenset()) -> Actual:
    specs = [*(instance_spec(world, instance) for instance in world.instances), internet_client()]
    return Actual(tuple(container(spec) for spec in specs), NETWORKS, baked_images, reboots or {})


def steps(world: World, actual: Actual, services: tuple[ContainerSpec, ...] = ()) -> list[tuple[str, str]]:
    return [(action.verb, action.target) for action in plan(world, services, actual)]


def with_state(actual: Actual, name: str, state: str) -> Actual:
    return replace(actual, containers=tuple(replace(c, state=state) if c.name == name else c for c in actual.containers))


WEB = container_name(worlds.WEB_1.id)


def test_an_empty_machine_gets_networks_then_containers() -> None:
    assert steps(worlds.world(), Actual()) == [
        ("create_network", network_name(worlds.VPC.id)),
        ("create_network", "indivillage-internet"),
        ("create", container_name("i-bastion")),
        ("create", WEB),
        ("create", "indivillage-internet-client"),
    ]


def test_only_the_gateway_of_its_vpc_answers_an_instance_for_names() -> None:
    created = {action.target: action.spec for action in plan(worlds.world(), (), Actual()) if action.spec}
    assert created[WEB].resolver == worlds.VPC.gateway
    assert create_options(created[WEB])[-2:] == ["--dns", "none"]
    assert created["indivillage-internet-client"].resolver == ""
    assert "--dns" not in create_options(created["indivillage-internet-client"])


def test_a_settled_machine_is_left_alone() -> None:
    world = worlds.world()
    assert steps(world, settled(world)) == []


@pytest.mark.parametrize(
    ("wanted", "container_state", "step"),
    [
        ("running", "exited", "start"),
        ("pending", "exited", "start"),
        ("stopped", "running", "stop"),
        ("stopping", "running", "stop"),
        ("stopped", "exited", None),
    ],
)
def test_containers_follow_the_state_of_their_instance(wanted: str, container_state: str, step: str | None) -> None:
    world = worlds.world(instances=(worlds.BASTION, replace(worlds.WEB_1, state=wanted)))
    actual = with_state(settled(world), WEB, container_state)
    assert steps(world, actual) == ([(step, WEB)] if step else [])


def test_a_terminated_instance_loses_its_container() -> None:
    actual = settled(worlds.world())
    assert steps(worlds.world(instances=(worlds.BASTION,)), actual) == [("remove", WEB)]


@pytest.mark.parametrize("state", ["created", "removing"])
def test_what_was_cut_short_is_begun_anew(state: str) -> None:
    world = worlds.world()
    assert steps(world, with_state(settled(world), WEB, state)) == [("remove", WEB), ("create", WEB)]


def test_a_changed_service_is_made_anew_but_its_security_groups_may_change() -> None:
    world = worlds.world()
    spec = ContainerSpec("indivillage-db", "database", "image", worlds.VPC.id, "10.10.0.250", "db").sealed()
    actual = settled(world)
    actual = replace(actual, containers=(*actual.containers, container(spec)))
    assert steps(world, actual, (replace(spec, security_group_ids=("sg-web",)).sealed(),)) == []
    assert steps(world, actual, (replace(spec, environment={"A": "1"}).sealed(),)) == [("remove", spec.name), ("create", spec.name)]


def test_reboots_are_carried_out_once() -> None:
    world = worlds.world(instances=(worlds.BASTION, replace(worlds.WEB_1, reboots=2)))
    assert steps(world, settled(world, reboots={WEB: 1})) == [("restart", WEB)]
    assert steps(world, settled(world, reboots={WEB: 2})) == []


def test_networks_of_unknown_vpcs_go_before_new_ones_come() -> None:
    stale = Network("indivillage-vpc-old", "vpc-old", worlds.VPC.cidr)
    actions = steps(worlds.world(), Actual(networks=(stale, NETWORKS[1])))
    assert actions[:2] == [("remove_network", stale.name), ("create_network", network_name(worlds.VPC.id))]


def test_a_container_whose_vpc_is_gone_is_removed_though_its_instance_is_still_listed() -> None:
    world = worlds.world()
    orphan = replace(world, vpcs=(Vpc("vpc-other", "us-east-1", "10.11.0.0/16"),))
    assert ("remove", WEB) in steps(orphan, settled(world))
    assert ("create", WEB) not in steps(orphan, Actual())


def test_a_deregistered_image_leaves_its_instances_running_but_starts_none() -> None:
    world = worlds.world(images=())
    assert steps(world, settled(worlds.world())) == []
    assert ("create", WEB) not in steps(world, Actual(networks=NETWORKS))


def test_images_are_baked_while_pending_and_dropped_with_their_ami() -> None:
    pending = Image("ami-1", "us-east-1", "web", "pending", baked_image("ami-1"), source_instance_id="i-web-1")
    world = worlds.world(images=(worlds.IMAGE, pending))
    assert steps(world, settled(world)) == [("bake", WEB)]
    available = worlds.world(images=(worlds.IMAGE, replace(pending, state="available")))
    baked = frozenset({baked_image("ami-1"), baked_image("ami-2")})
    assert steps(available, settled(available, baked_images=baked)) == [("drop_image", baked_image("ami-2"))]


def test_an_image_in_use_is_kept_though_its_ami_is_gone() -> None:
    world = worlds.world()
    actual = settled(world, baked_images=frozenset({baked_image("ami-2")}))
    actual = replace(actual, containers=tuple(replace(c, image=baked_image("ami-2")) for c in actual.containers))
    assert steps(world, actual) == []


def test_an_image_whose_instance_is_gone_has_failed() -> None:
    orphan = Image("ami-1", "us-east-1", "web", "pending", baked_image("ami-1"), source_instance_id="i-gone")
    world = worlds.world(images=(worlds.IMAGE, orphan))
    assert steps(world, settled(world)) == [("fail_image", "ami-1")]


def test_a_region_without_power_has_its_machines_killed_and_started_again() -> None:
    world = worlds.world(outages=frozenset({"us-east-1"}))
    killed = [("kill", container_name("i-bastion")), ("kill", WEB)]
    assert steps(world, settled(world)) == killed
    assert [step for step in steps(world, Actual()) if step[0] == "create"] == [("create", "indivillage-internet-client")]
    dark = with_state(settled(worlds.world()), WEB, "exited")
    assert steps(world, dark) == killed[:1]
    assert steps(worlds.world(), dark) == [("start", WEB)]

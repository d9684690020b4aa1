# SPDX-License-Identifier: GPL-3.0-or-later
"""What CloudFront sends is rotated by the playbook's own tasks, with real web servers in two regions: killed at every step, taken back."""

from __future__ import annotations

import http.client
import json
import ssl
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.drill.roles.rotation import rotations
from tests.integration.emulator.support import RunningEmulator, start
from tests.support.background import repeated
from tests.support.edge import ACCEPTED, HEADER, SENT, lay_edge
from tests.support.playbooks import ROOT
from tests.support.servers import free_port
from tests.support.tier_servers import certificate, nginx, running, tiers

pytestmark = pytest.mark.emulator

REGIONS = ("us-east-1", "us-west-2")
FIRST = "First1aB2cD3eF4gH5iJ6kL7mN8oP9qR"
PORT = "{{ hostvars[item if item is string else item[0]].origin_port if item is defined else 443 }}"
# In place of a host's own: nginx is what a file says, and before it reads its settings anew the real program reads the secret.
SYSTEMCTL = """#!{python}
import importlib.util, os, pathlib, signal, sys
if sys.argv[1] == "show":
    print("LoadState=loaded\\nActiveState=active\\nSubState=running")
elif sys.argv[1] == "reload":
    spec = importlib.util.spec_from_file_location("host_secrets", "{root}/roles/host_secrets/files/host_secrets.py")
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    keys = '{{"AccessKeyId": "host", "SecretAccessKey": "host", "Token": "host"}}'
    program.metadata = lambda path: {{"placement/region": "{region}", "iam/security-credentials/": "web"}}.get(path, keys)
    program.CONFIGURATION = pathlib.Path("{home}/host-secrets.json")
    program.shutil.chown = lambda path, user, group: None
    program.main("nginx.service")
    if (pid := pathlib.Path("{home}/pid")).exists():
        os.kill(int(pid.read_text()), signal.SIGHUP)
else:
    sys.exit(f"unexpected: {{sys.argv}}")
"""


@dataclass
class Origin:
    """A host of the web tier."""

    home: Path
    region: str
    port: int = field(default_factory=free_port)

    @property
    def systemctl(self) -> Path:
        return self.home / "bin" / "systemctl"

    def prepare(self, endpoint: str) -> None:
        """What roles put on it, and the commands of this machine that stand for its own."""
        self.systemctl.parent.mkdir(parents=True)
        self.systemctl.write_text(SYSTEMCTL.format(python=sys.executable, root=ROOT, region=self.region, home=self.home))
        interpreter = self.home / "python"
        interpreter.write_text(f'#!/bin/sh\nPATH="{self.systemctl.parent}:$PATH" exec "{sys.executable}" "$@"\n')
        for program in (self.systemctl, interpreter):
            program.chmod(0o755)
        declared = yaml.safe_load((ROOT / "inventories/_base/group_vars/hosts.yml").read_text())["edge_secrets"]
        files = [entry | {"path": path, "secret_name": ACCEPTED} for entry, path in zip(declared, self.files, strict=True)]
        (self.home / "host-secrets.json").write_text(json.dumps({"endpoint_url": endpoint, "files": files}))
        certificate(self.home)

    @property
    def files(self) -> list[str]:
        return [f"{self.home}/origin-value", f"{self.home}/origin-other"]

    def ask(self, value: str) -> int:
        context = ssl.create_default_context(cafile=str(self.home / "certificate.pem"))
        context.check_hostname = False
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=context, timeout=20)
        connection.request("GET", "/", headers={HEADER: value})
        status = connection.getresponse().status
        connection.close()
        return status

    def accepts(self, value: str) -> bool:
        """Nothing is behind it, so that whoever is let in gets 502."""
        return self.ask(value) == 502


@dataclass
class World:
    """CloudFront, which asks origins of two regions all the time with the value that it has been given."""

    emulator: RunningEmulator
    folder: Path
    origins: dict[str, Origin]
    answers: Counter[int] = field(default_factory=Counter)
    seen: set[str] = field(default_factory=lambda: {FIRST})
    output: list[str] = field(default_factory=list)

    def value(self) -> str:
        text = self.emulator.client("secretsmanager").get_secret_value(SecretId=SENT)["SecretString"]
        found = str(json.loads(text)["value"])
        self.seen.add(found)
        return found

    def stages(self) -> set[str]:
        return rotations.stages(self.emulator, SENT)

    def sent(self) -> str:
        """What CloudFront sends."""
        client = self.emulator.client("cloudfront")
        (summary,) = client.list_distributions()["DistributionList"]["Items"]
        config = client.get_distribution_config(Id=summary["Id"])["DistributionConfig"]
        (headers,) = [origin["CustomHeaders"]["Items"] for origin in config["Origins"]["Items"] if origin["CustomHeaders"]["Quantity"]]
        return str(headers[0]["HeaderValue"])

    def visit(self) -> None:
        value = self.sent()
        self.seen.add(value)
        self.answers.update(origin.ask(value) for origin in self.origins.values())

    def accepting(self, value: str) -> list[bool]:
        return [origin.accepts(value) for origin in self.origins.values()]

    def rotate(self, *options: str, dies_after: int = 0, **answers: Any) -> subprocess.CompletedProcess[str]:
        """Rotate it."""
        given = {
            "rotate_secret": "origin",
            "secret_rotation_origin_url": f"https://127.0.0.1:{PORT}/",
            "secret_replica_regions": [REGIONS[1]],
        }
        done = rotations.rotate(self.emulator, self.folder, *options, dies_after=dies_after, **(given | answers))
        self.output += [done.stdout, done.stderr]
        return done


def write_hosts(folder: Path, origins: dict[str, Origin]) -> None:
    hosts = {
        name: {
            **{"ansible_connection": "local", "ansible_become": False, "ansible_python_interpreter": str(origin.home / "python")},
            **{
                "host_stack": f"sandbox-{origin.region}",
                "instance_region": origin.region,
                "instance_availability_zone": f"{origin.region}a",
            },
            **{"instance_alias": name, "instance_id": f"i-{name}", "instance_health": "healthy", "instance_role": "web"},
            "origin_port": origin.port,
        }
        for name, origin in origins.items()
    }
    (folder / "hosts.yml").write_text(yaml.safe_dump({"all": {"children": {"role_web": {"hosts": hosts}}}}))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder, root = tmp_path_factory.mktemp("origins"), tiers()
    for emulator in start():
        lay_edge(emulator.client, FIRST)
        origins = {f"web-{number}": Origin(folder / f"web-{number}", region) for number, region in enumerate(REGIONS)}
        write_hosts(folder, origins)
        with ExitStack() as servers:
            for origin in origins.values():
                origin.prepare(emulator.endpoint)
                subprocess.run([origin.systemctl, "reload", "nginx.service"], check=True)
                options = {"web_tier_origin_header": HEADER, "web_tier_origin_files": origin.files}
                command = nginx(origin.home, root, origin.port, free_port(), "master_process on; user root;", **options)
                process = servers.enter_context(running(command, origin.home / "web.log", origin.port))
                (origin.home / "pid").write_text(str(process.pid))
            world = World(emulator, folder, origins)
            with repeated(world.visit, 0.1):
                yield world


def test_an_environment_without_an_edge_is_refused_in_one_sentence(world: World) -> None:
    version = world.emulator.version
    refused = world.rotate(stack_without=["aws_edge"])
    assert refused.returncode != 0
    assert "sandbox has no edge" in refused.stdout, refused.stdout[-3000:]
    assert refused.stdout.count("FAILED!") + refused.stdout.count("[ERROR]") <= 2
    assert world.emulator.version == version


def test_a_plan_writes_nothing(world: World) -> None:
    version = world.emulator.version
    planned = world.rotate("--check")
    assert planned.returncode in {0, 2}, planned.stdout[-4000:]
    assert (world.emulator.version, world.stages()) == (version, {"AWSCURRENT"})


def test_it_is_rotated_in_both_regions(world: World) -> None:
    done = world.rotate("-vvv")
    assert done.returncode == 0, done.stdout[-6000:]
    assert (world.value(), world.stages()) == (world.sent(), {"AWSCURRENT", "AWSPREVIOUS"})
    assert world.value() != FIRST
    assert (world.accepting(FIRST), world.accepting(world.value())) == ([False, False], [True, True])


# Its changes: 1 next value, 2 written for origins, 3 and 4 read by them, 5 promoted, 6 sent, 7 the former one is gone, 8 and 9 as 3 and 4,
# 10 the end.
@pytest.mark.parametrize("changes", range(1, 10))
def test_a_run_that_was_killed_is_completed_by_the_next(world: World, changes: int) -> None:
    former = world.value()
    killed = world.rotate(dies_after=changes)
    assert killed.returncode < 0, killed.stdout[-4000:]
    assert world.accepting(world.value()) == [True, True], "who reads the secret, as the next site.yml would, is let in at any moment"
    under_way = world.value() if changes >= 5 else None
    done = world.rotate()
    assert done.returncode == 0, done.stdout[-6000:]
    assert "AWSPENDING" not in world.stages()
    assert under_way in {None, world.value()}, "it went on where it was, and began no other one"
    assert world.sent() == world.value() != former
    assert (world.accepting(former), world.accepting(world.value())) == ([False, False], [True, True])


@pytest.mark.parametrize("changes", [4, 5, 8])
def test_a_rotation_that_is_under_way_is_taken_back(world: World, changes: int) -> None:
    former = world.value()
    assert world.rotate(dies_after=changes).returncode < 0
    refused = world.rotate(rotate_undo=True)
    assert "Somebody will want to know why" in refused.stdout
    back = world.rotate(rotate_undo=True, reason="a test")
    assert back.returncode == 0, back.stdout[-6000:]
    assert (world.value(), world.sent()) == (former, former)
    assert "AWSPENDING" not in world.stages()
    assert world.accepting(former) == [True, True]
    assert "No rotation of" in world.rotate(rotate_undo=True, reason="a test").stdout


def test_an_origin_that_does_not_read_it_ends_the_run_before_cloudfront_sends_it(world: World) -> None:
    former, origin = world.value(), world.origins["web-1"]
    works = origin.systemctl.read_text()
    origin.systemctl.write_text(works.replace('program.main("nginx.service")', 'sys.exit("cannot be read")'))
    failed = world.rotate()
    assert failed.returncode != 0
    assert (world.value(), world.sent()) == (former, former)
    origin.systemctl.write_text(works)
    assert world.rotate().returncode == 0
    assert world.sent() == world.value() != former


def test_cloudfront_was_never_refused_and_no_value_was_told(world: World) -> None:
    assert set(world.answers) == {502}
    assert world.answers[502] > 100
    told = "".join(world.output)
    assert [value for value in world.seen if value in told] == []

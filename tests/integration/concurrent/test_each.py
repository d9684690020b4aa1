# SPDX-License-Identifier: GPL-3.0-or-later
"""The action each gives what a loop gives, to callbacks and to later tasks, and has several items under way at a time."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
import requests
import yaml

from tests.support.servers import moto

pytestmark = pytest.mark.emulator

ROOT = Path(__file__).parents[3]
PLAYBOOK = str(Path(sys.executable).parent / "ansible-playbook")
WORKER, LOCAL = "indivillage.infra.aws_worker", "local"
FORKED = {"ANSIBLE_CALLBACKS_ENABLED": "indivillage.infra.instances_source"}  # so that each task has a process of its own
TRUST = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}'
CALLER = "<Arn>arn:aws:iam::1:root</Arn><UserId>1</UserId><Account>1</Account><AccountAliases/>"

Task = dict[str, Any]
Play = list[Task]
Run = Callable[..., subprocess.CompletedProcess[str]]


def as_loop(name: str, module: str, items: Any, arguments: Any, *, when: Any = None, label: str | None = None, **keywords: Any) -> Task:
    task = {"name": name, module: arguments, "loop": items, **keywords}
    return task | ({"when": when} if when else {}) | ({"loop_control": {"label": label}} if label else {})


def as_each(name: str, module: str, items: Any, arguments: Any, *, when: Any = None, label: str | None = None, **keywords: Any) -> Task:
    options = {"module": module, "items": items, "arguments": arguments}
    options |= ({"when": when} if when else {}) | ({"label": label} if label else {})
    return {"name": name, "indivillage.infra.each": options, **keywords}


def tasks(write: Callable[..., Task]) -> Play:
    """One of each kind, written as loops or as what shall be the same."""
    return [
        {"name": "VPC", "amazon.aws.ec2_vpc_net": {"name": "x", "cidr_block": "10.0.0.0/16"}, "register": "vpc"},
        write(
            "changed, and not",
            "amazon.aws.ec2_vpc_subnet",
            "{{ [1, 2, 3, 1] }}" if write is as_loop else [1, 2, 3, 1],
            {"vpc_id": "{{ vpc.vpc.id }}", "cidr": "{{ cidr }}", "tags": {"Name": "{{ item | string }}"}},
            label="subnet {{ item }}",
            vars={"cidr": "10.0.{{ item }}.0/24"},
            register="subnets",
        ),
        {"name": "registered", "ansible.builtin.debug": {"var": "subnets.results | map(attribute='subnet.cidr_block')"}},
        {"name": "registered as a whole", "ansible.builtin.debug": {"msg": "{{ subnets.keys() | sort }} {{ subnets.msg }}"}},
        write(
            "some fail",
            "amazon.aws.ec2_vpc_subnet",
            ["10.0.9.0/24", "10.0.99.0/99", "10.1.0.0/16"],
            {"vpc_id": "{{ vpc.vpc.id }}", "cidr": "{{ item }}"},
            ignore_errors=True,
            register="failed",
        ),
        {"name": "their results", "ansible.builtin.debug": {"msg": "{{ failed.results | map(attribute='failed') }} {{ failed.msg }}"}},
        write("crash", "ansible.builtin.ping", ["pong", "crash"], {"data": "{{ item }}"}, ignore_errors=True),
        write("unknown argument", "ansible.builtin.ping", [1], {"dat": "{{ item }}"}, ignore_errors=True),
        write("undefined", "ansible.builtin.ping", [{"a": 1}, {}], {"data": "{{ item.a }}"}, ignore_errors=True),
        write("condition", "ansible.builtin.ping", [1, 2, 3], {"data": "{{ item }}"}, when=["item != 2"], register="some"),
        {
            "name": "skipped",
            "ansible.builtin.debug": {"msg": "{{ some.results | map(attribute='skipped', default=false) }} {{ some.msg }}"},
        },
        write("bad condition", "ansible.builtin.ping", [1], {"data": "{{ item }}"}, when=["item.b.c == 2"], ignore_errors=True),
        write("all skipped", "ansible.builtin.ping", [1, 2], {"data": "{{ item }}"}, when="item > 5", register="nothing"),
        {"name": "nothing", "ansible.builtin.debug": {"msg": "{{ nothing.msg }} {{ nothing.skipped }}"}},
        write("no items", "ansible.builtin.ping", [], {"data": "{{ item }}"}, register="empty"),
        {"name": "empty", "ansible.builtin.debug": {"msg": "{{ empty.results }} {{ empty.skipped }} {{ empty.skip_reason }}"}},
        write("hidden", "ansible.builtin.ping", ["secret-1", "secret-2"], {"data": "{{ item }}"}, no_log=True),
        write("hidden failure", "ansible.builtin.ping", ["secret-1"], {"dat": "{{ item }}"}, no_log=True, ignore_errors=True),
        write("omitted", "ansible.builtin.ping", [1, 2], {"data": "{{ omit if item == 1 else item }}"}),
        write("defaults", "ansible.builtin.ping", [1], {}, module_defaults={"ansible.builtin.ping": {"data": "default"}}),
        write(
            "differences", "ansible.builtin.file", ["a", "b"], {"path": "{{ playbook_dir }}/{{ item }}", "state": "touch", "mode": "0600"}
        ),
        write("warnings", "amazon.aws.iam_role", ["r", "s"], {"name": "{{ item }}", "assume_role_policy_document": TRUST}),
        write(
            "environment", "amazon.aws.aws_caller_info", [1], {}, environment={"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, ignore_errors=True
        ),
        write("handlers", "ansible.builtin.file", ["c"], {"path": "{{ playbook_dir }}/{{ item }}", "state": "touch"}, notify="Handle"),
        write("judged", "ansible.builtin.file", ["c"], {"path": "{{ playbook_dir }}/{{ item }}", "state": "touch"}, changed_when=False),
    ]


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with moto() as address:
        yield address


@pytest.fixture
def run(endpoint: str, tmp_path: Path) -> Run:
    def run(play: Play, connection: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run tasks on an emulated account that is empty and gives out the same ids each time."""
        requests.post(f"{endpoint}/moto-api/reset", timeout=10)
        requests.post(f"{endpoint}/moto-api/seed?a=42", timeout=10)
        defaults = f"collections_path = {ROOT}/collections\ncallbacks_enabled = indivillage.infra.warm_start"
        (tmp_path / "ansible.cfg").write_text(f"[defaults]\n{defaults}\n[connection]\npipelining = true\n")
        for name in "abc":
            (tmp_path / name).unlink(missing_ok=True)
        handler = {"name": "Handle", "ansible.builtin.debug": {"msg": "handled"}}
        head = {"name": "Test", "hosts": "all", "gather_facts": False, "connection": connection, "handlers": [handler]}
        (tmp_path / "play.yml").write_text(yaml.safe_dump([{**head, "tasks": play}], width=10_000))
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "ANSIBLE_"))}
        environment |= {
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ACCESS_KEY_ID": "LOCALEMULATORONLY",
            "AWS_SECRET_ACCESS_KEY": "no-secret-of-anyone",
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": endpoint,
            "ANSIBLE_CONFIG": str(tmp_path / "ansible.cfg"),
            "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_DISPLAY_FAILED_STDERR": "0",
        }
        return subprocess.run(
            [PLAYBOOK, "-i", "stack,", "-e", f"ansible_python_interpreter={sys.executable}", str(tmp_path / "play.yml"), *arguments],
            cwd=ROOT,
            env={**environment, **variables},
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
        )

    return run


def told(finished: subprocess.CompletedProcess[str]) -> list[str]:
    """What a run printed, without what differs from run to run and without the excerpts of the play's source."""
    assert "PLAY RECAP" in finished.stdout, finished.stdout + finished.stderr
    text = finished.stdout + finished.stderr
    for pattern, replacement in (
        (r"(?m)^\s*Origin: .*\n(\n(\s*\d+.*|\s+\^.*)\n(\s*\d* .*\n)*)?", ""),
        (r"(?m)^(\s*\d+ .*|\s+\^ column \d+|task path: .*)\n", ""),
        (r"/tmp/ansible_[\w.]+_payload_\w+/ansible_[\w.]+_payload\.zip/|/[^\s\"]*/site-packages/", "<code>/"),
        (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.\d]*(Z|\+00:00)?", "<time>"),
        (r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), [\w :]+ GMT", "<time>"),
        (r"\"(request_id|x-amzn-requestid)\": \"[^\"]+\"", r'"\1": "<any>"'),
        (r"\"([am]time)\": [\d.]+", r'"\1": <time>'),
        (r"\n+", "\n"),
    ):
        text = re.sub(pattern, replacement, text)
    return text.splitlines()


@pytest.mark.parametrize("arguments", [("--diff", "-v"), ("--check", "-v")])
def test_a_loop_and_each_are_told_and_registered_alike(run: Run, arguments: tuple[str, ...]) -> None:
    # In order, and no read ahead of its task, so that the emulator's ids are the same.
    arguments = ("-e", "stack_read_ahead=false", *arguments)
    loop = told(run(tasks(as_loop), WORKER, *arguments, **FORKED))
    assert told(run(tasks(as_loop), WORKER, *arguments)) == loop
    for settings in ({}, FORKED):
        assert told(run(tasks(as_each), WORKER, "-e", "stack_concurrency=1", *arguments, **settings)) == loop


def test_on_another_connection_it_is_a_loop(run: Run) -> None:
    def some(write: Callable[..., Task]) -> Play:
        return [
            write(
                "mixed", "ansible.builtin.ping", [1, "crash", 3], {"data": "{{ item }}"}, when="item != 1", ignore_errors=True, register="x"
            ),
            {"name": "x", "ansible.builtin.debug": {"msg": "{{ x.results | map(attribute='failed', default=false) }} {{ x.msg }}"}},
            write("hidden", "ansible.builtin.ping", ["secret"], {"data": "{{ item }}"}, no_log=True),
        ]

    each = told(run(some(as_each), LOCAL, "-v"))

    assert each == told(run(some(as_loop), LOCAL, "-v"))
    assert not any("secret" in line for line in each)


def test_what_it_does_not_do_is_refused(run: Run) -> None:
    ping = {"module": "ansible.builtin.ping", "items": [1]}
    refused = run(
        [
            {"name": "until", "indivillage.infra.each": ping, "until": "true", "ignore_errors": True},
            {"name": "copy", "indivillage.infra.each": {**ping, "module": "ansible.builtin.copy"}, "ignore_errors": True},
            {"name": "none", "indivillage.infra.each": {**ping, "module": "ansible.builtin.nothing"}, "ignore_errors": True},
            {"name": "option", "indivillage.infra.each": {**ping, "item": [1]}, "ignore_errors": True},
        ],
        WORKER,
    )

    for message in (
        "each does not support the keyword 'until': use the module in a loop",
        "ansible.builtin.copy does its work on the control node: use it in a loop",
        "There is no module 'ansible.builtin.nothing'",
        "Unsupported parameters",
    ):
        assert message in refused.stdout


class SlowCaller(BaseHTTPRequestHandler):
    """Says who calls, after a while, and how many ask at the same time."""

    seconds = 0.4
    lock = threading.Lock()
    now = most = begun = 0

    def do_POST(self) -> None:
        request = self.rfile.read(int(self.headers["Content-Length"])).decode()
        action = parse_qs(request)["Action"][0]
        answer = f"<{action}Response><{action}Result>{CALLER}</{action}Result></{action}Response>".encode()
        with SlowCaller.lock:
            SlowCaller.now += 1
            SlowCaller.begun += 1
            SlowCaller.most = max(SlowCaller.most, SlowCaller.now)
        time.sleep(SlowCaller.seconds)
        with SlowCaller.lock:
            SlowCaller.now -= 1
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        with suppress(BrokenPipeError):  # whoever asked was ended meanwhile
            self.wfile.write(answer)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def slow() -> Iterator[str]:
    SlowCaller.now = SlowCaller.most = SlowCaller.begun = 0
    server = ThreadingHTTPServer(("127.0.0.1", 0), SlowCaller)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(("options", "variable", "most"), [({}, "3", 3), ({"concurrency": 5}, "3", 5)])
def test_as_many_items_as_asked_for_are_under_way(run: Run, slow: str, options: dict[str, Any], variable: str, most: int) -> None:
    task = as_each("ask", "amazon.aws.aws_caller_info", list(range(12)), {}, register="answers")
    task["indivillage.infra.each"] |= options
    play = [task, {"name": "order", "ansible.builtin.debug": {"msg": "{{ answers.results | map(attribute='item') }}"}}]

    finished = run(play, WORKER, "-e", f"stack_concurrency={variable}", AWS_ENDPOINT_URL=slow)

    assert finished.returncode == 0, finished.stdout
    assert SlowCaller.most == most
    shown = [int(number) for number in re.findall(r"item=(\d+)", finished.stdout)]
    assert shown == list(range(12)), "told in the order of the items"


def test_a_time_limit_ends_the_items_under_way(run: Run, slow: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SlowCaller, "seconds", 20)
    # On a busy machine the worker's server alone takes longer to start than that: the first task waits for it.
    limited = as_each("ask", "amazon.aws.aws_caller_info", list(range(12)), {}, timeout=8, ignore_errors=True)
    play = [{"name": "start the server", "ansible.builtin.ping": {}}, limited]

    finished = run(play, WORKER, "-e", "stack_concurrency=2", AWS_ENDPOINT_URL=slow, AWS_MAX_ATTEMPTS="1")

    assert "Timed out after 8 second" in finished.stdout
    assert (SlowCaller.most, SlowCaller.begun) == (2, 2), "none is begun after those that were under way"

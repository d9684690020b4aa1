# SPDX-License-Identifier: GPL-3.0-or-later
"""The aws_worker connection gives what the local connection gives, faster, and leaves nothing behind."""

import json
import os
import pickle
import re
import signal
import subprocess
import sys
import time
import types
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests
import yaml

from tests.support.servers import moto

pytestmark = pytest.mark.emulator

ROOT = Path(__file__).parents[3]
PLAYBOOK = str(Path(sys.executable).parent / "ansible-playbook")
WORKER, LOCAL = "indivillage.infra.aws_worker", "local"
FORKED = {"ANSIBLE_CALLBACKS_ENABLED": "indivillage.infra.instances_source"}  # so that each task has a process of its own
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}

Task = dict[str, Any]
Run = Callable[..., subprocess.CompletedProcess[str]]


def task(module: str, **parameters: Any) -> Task:
    """A task of a play; parameters that start with an underscore are keywords of the task itself."""
    keywords = {name.removeprefix("_"): value for name, value in parameters.items() if name.startswith("_")}
    arguments = {name: value for name, value in parameters.items() if not name.startswith("_")}
    return {"name": module, module: arguments, **keywords}


# One of each kind: creation, loops, no change, failures of the module, of its arguments and of its code, secrets, warnings.
TOPOLOGY = [
    task("amazon.aws.ec2_vpc_net", name="x", cidr_block="10.0.0.0/16", tags={"a": "1"}, _register="vpc"),
    task("amazon.aws.ec2_vpc_net", name="x", cidr_block="10.0.0.0/16", tags={"a": "1"}),
    task("amazon.aws.ec2_vpc_subnet", vpc_id="{{ vpc.vpc.id }}", cidr="10.0.{{ item }}.0/24", _loop=[1, 2], _register="subnets"),
    task("amazon.aws.ec2_vpc_igw", vpc_id="{{ vpc.vpc.id }}"),
    task(
        "amazon.aws.ec2_security_group",
        name="g",
        description="d",
        vpc_id="{{ vpc.vpc.id }}",
        rules=[{"proto": "tcp", "ports": [80], "cidr_ip": "10.0.0.0/8"}],
        _diff=True,
    ),
    task("amazon.aws.ec2_vpc_net", name="y", cidr_block="10.0.0.0/99", _ignore_errors=True),
    task("amazon.aws.ec2_vpc_net", nam="y", _ignore_errors=True),
    task("amazon.aws.iam_role", name="r", assume_role_policy_document=json.dumps(TRUST), create_instance_profile=True),
    task("amazon.aws.kms_key", alias="k", enable_key_rotation=True),
    task("amazon.aws.s3_bucket", name="b-x-1", versioning=True),
    task("community.aws.sqs_queue", name="q"),
    task("community.aws.sns_topic", name="t", display_name="t"),
    task("community.aws.ssm_parameter", name="/a/b", value="hidden", string_type="SecureString"),
    task("community.aws.secretsmanager_secret", name="s", secret="hidden", _no_log=True),
    task("indivillage.infra.log_group", name="/l", retention_days=30, _ignore_errors=True),
    task("amazon.aws.rds_instance", id="db", _ignore_errors=True),
    task("amazon.aws.aws_caller_info"),
    task("amazon.aws.aws_caller_info", _environment={"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, _ignore_errors=True),
    task("ansible.builtin.command", cmd="sh -c 'echo out; echo err >&2; pwd; umask; exit 3'", _ignore_errors=True),
    task("ansible.builtin.command", cmd="sh -c 'echo $GREETING'", _environment={"GREETING": "it's {{ 1 + 1 }} \"o'clock\" $HOME"}),
    task("ansible.builtin.stat", path="/etc/hostname"),
    task("ansible.builtin.ping", data="crash", _ignore_errors=True),
    task("ansible.builtin.tempfile", _register="temporary"),
    task("ansible.builtin.file", path="{{ temporary.path }}", state="absent"),
    task("ansible.builtin.copy", content="x", dest="{{ playbook_dir }}/copied", mode="0600"),
    task("ansible.builtin.setup", gather_subset=["!all", "!min", "env"]),
]


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with moto() as address:
        yield address


@pytest.fixture
def environment(endpoint: str, tmp_path: Path) -> dict[str, str]:
    """For ansible: an emulated account that is empty and gives out the same ids each time."""
    requests.post(f"{endpoint}/moto-api/reset", timeout=10)
    requests.post(f"{endpoint}/moto-api/seed?a=42", timeout=10)
    defaults = f"collections_path = {ROOT}/collections\ncallbacks_enabled = indivillage.infra.warm_start"
    (tmp_path / "ansible.cfg").write_text(f"[defaults]\n{defaults}\n[connection]\npipelining = true\n")
    return {
        **os.environ,
        "AWS_ENDPOINT_URL": endpoint,
        "ANSIBLE_CONFIG": str(tmp_path / "ansible.cfg"),
        "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
        "ANSIBLE_LOCAL_TEMP": str(tmp_path / "local"),
        "ANSIBLE_REMOTE_TEMP": str(tmp_path / "remote"),
    }


def command(directory: Path, tasks: list[Task], connection: str, *arguments: str, hosts: int = 1) -> list[str]:
    """Write a playbook and return the command that runs it."""
    play = {
        "name": "Test",
        "hosts": "all",
        "gather_facts": False,
        "connection": connection,
        "vars": {"ansible_python_interpreter": "{{ ansible_playbook_python }}"},
        "tasks": tasks,
    }
    (directory / "play.yml").write_text(yaml.safe_dump([play]))
    inventory = "".join(f"stack-{number}," for number in range(hosts))
    return [PLAYBOOK, "-i", inventory, str(directory / "play.yml"), *arguments]


@pytest.fixture
def run(tmp_path: Path, environment: dict[str, str]) -> Run:
    def run(
        tasks: list[Task], connection: str = WORKER, *arguments: str, hosts: int = 1, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command(tmp_path, tasks, connection, *arguments, hosts=hosts),
            cwd=ROOT,
            env={**environment, **variables},
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
        )

    return run


def results(finished: subprocess.CompletedProcess[str]) -> list[Any]:
    """The registered result of every task, without what differs from run to run."""
    assert finished.stdout.startswith("{"), finished.stdout + finished.stderr
    text = finished.stdout
    for pattern, replacement in (
        (r"/tmp/ansible_[\w.]+_payload_\w+/ansible_[\w.]+_payload\.zip/", "<code>/"),
        (re.escape(str(ROOT / "collections")) + "/", "<code>/"),
        (r"/[^\s\"]*/site-packages/", "<code>/"),
        (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.\d]*(Z|\+00:00)?", "<time>"),
        (r"\d:\d\d:\d\d\.\d+", "<duration>"),
        (r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), [\w :]+ GMT", "<time>"),
        (r"\"(request_id|x-amzn-requestid|atime|ctime|mtime|_|SHLVL)\": [^,\n]+", r'"\1": "<any>"'),
        (r"\"\d{10}\.\d+\"", '"<time>"'),
        (r"(object at|pid) (0x)?[0-9a-f]+", r"\1 <any>"),
        (r"ansible\.\w{8}\b", "<temporary>"),
        (r"ansible-tmp-[\d.-]+", "<temporary>"),
    ):
        text = re.sub(pattern, replacement, text)
    report, _end = json.JSONDecoder().raw_decode(text)
    play = report["plays"][0]
    return [{**result, "duration": None} for entry in play["tasks"] for result in entry["hosts"].values()]


def workers(environment: dict[str, str]) -> list[int]:
    """The processes that belong to a run, by the temporary folder in their environment."""
    marker = f"ANSIBLE_LOCAL_TEMP={environment['ANSIBLE_LOCAL_TEMP']}".encode()
    found = []
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and marker in (process / "environ").read_bytes():
                found.append(int(process.name))
        except OSError:
            continue
    return found


def await_none(environment: dict[str, str], seconds: float = 5) -> None:
    deadline = time.monotonic() + seconds
    while workers(environment) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert workers(environment) == []


@pytest.mark.parametrize("settings", [FORKED, {}], ids=["forks", "threads"])
def test_same_results_as_the_local_connection(run: Run, endpoint: str, environment: dict[str, str], settings: dict[str, str]) -> None:
    locally = results(run(TOPOLOGY, LOCAL, ANSIBLE_DISPLAY_TRACEBACK="always", **FORKED))
    requests.post(f"{endpoint}/moto-api/reset", timeout=10)
    requests.post(f"{endpoint}/moto-api/seed?a=42", timeout=10)
    warmly = results(run(TOPOLOGY, WORKER, ANSIBLE_DISPLAY_TRACEBACK="always", **settings))
    assert len(warmly) == len(locally)
    for number, (warm, local) in enumerate(zip(warmly, locally, strict=True)):
        assert warm == local, f"task {number}"
    assert sum("exception" in result for result in warmly) >= 4, "failures with their tracebacks were compared too"
    await_none(environment)


def shown(finished: subprocess.CompletedProcess[str]) -> tuple[int, list[str]]:
    """How many tasks the worker ran, and why it left others."""
    left = re.findall(r"AWS WORKER leaves this task to the local connection: (.*)", finished.stdout)
    return len(re.findall(r"AWS WORKER: ", finished.stdout)), left


def test_what_the_run_before_has_read_is_read_ahead_until_something_changes(run: Run, endpoint: str, tmp_path: Path) -> None:
    vpcs = [task("amazon.aws.ec2_vpc_net", name=f"v{number}", cidr_block=f"10.{number}.0.0/16") for number in range(6)]
    question = task("amazon.aws.ec2_vpc_net_info", filters={"tag:Name": "v0"})
    callbacks = "indivillage.infra.api_calls,indivillage.infra.warm_start"
    settings = {"ANSIBLE_CALLBACKS_ENABLED": callbacks, "ANSIBLE_HOME": str(tmp_path / "home"), "HOME": str(tmp_path)}

    def ahead(finished: subprocess.CompletedProcess[str]) -> int:
        assert finished.returncode == 0, finished.stdout + finished.stderr
        (said,) = re.findall(r"^API calls: \d+ reads(?: \((\d+) ahead of their tasks\))?", finished.stdout, re.MULTILINE)
        return int(said or 0)

    first = run([*vpcs, question], **settings)
    assert ahead(first) == 0
    second = run([*vpcs, question], **settings)
    assert ahead(second) >= 6
    assert all(not result["changed"] for result in results(second))
    assert ahead(run([*vpcs, question], WORKER, "-e", "stack_read_ahead=false", **settings)) == 0

    # Something else has been done to one of them meanwhile, and a task of the run does more: both are seen.
    ec2 = boto3.client("ec2", endpoint_url=endpoint, region_name="us-east-1")
    (found,) = ec2.describe_vpcs(Filters=[{"Name": "tag:Name", "Values": ["v0"]}])["Vpcs"]
    ec2.create_tags(Resources=[found["VpcId"]], Tags=[{"Key": "by", "Value": "hand"}])
    vpcs[3]["amazon.aws.ec2_vpc_net"]["tags"] = {"new": "1"}
    tag = task("amazon.aws.ec2_tag", resource=found["VpcId"], tags={"then": "2"})
    *_others, tagged, asked = results(run([*vpcs, tag, question], **settings))
    assert tagged["changed"]
    assert asked["vpcs"][0]["tags"] == {"Name": "v0", "by": "hand", "then": "2"}


def test_a_result_is_that_of_the_run_before_only_where_all_is_answered_as_then(
    run: Run, endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"ANSIBLE_HOME": str(tmp_path / "home"), "HOME": str(tmp_path)}
    vpcs = [
        task("amazon.aws.ec2_vpc_net", name=f"k{number}", cidr_block=f"10.{number}.0.0/16", _register=f"k{number}") for number in range(3)
    ]
    subnets = {
        "name": "subnets",
        "indivillage.infra.each": {
            "module": "amazon.aws.ec2_vpc_subnet",
            "items": [1, 2, 3],
            "arguments": {"vpc_id": "{{ k1.vpc.id }}", "cidr": "10.1.{{ item }}.0/24", "tags": {"Name": "{{ item }}"}},
        },
    }
    tasks = [*vpcs, task("amazon.aws.ec2_vpc_net_info", filters={"tag:Name": "k1"}), subnets]

    def said(*options: str) -> list[Any]:
        finished = run(tasks, WORKER, *options, **settings)
        assert finished.returncode == 0, finished.stdout + finished.stderr
        return results(finished)

    def await_kept() -> None:
        """Wait until the server, which outlives the run for a moment, has kept the result of each module."""
        (file,) = (tmp_path / "home/reads").glob("*.results")
        deadline = time.monotonic() + 20
        while len(pickle.loads(file.read_bytes())[1]) != 3 + 1 + 3:  # noqa: S301  # made by this test
            assert time.monotonic() < deadline
            time.sleep(0.05)

    # What is kept is of the server's own package.
    package = types.ModuleType("aws_worker")
    package.__path__ = [str(ROOT / "plugins/plugin_utils")]
    monkeypatch.setitem(sys.modules, "aws_worker", package)

    said()
    ran = said("-e", "stack_read_ahead=false")
    assert said() == ran
    await_kept()
    assert said() == ran  # told by the run before
    await_kept()

    planned = said("--check", "-e", "stack_read_ahead=false")
    assert [said("--check") for _time in range(3)] == [planned] * 3

    # Something else is done to one of them meanwhile.
    ec2 = boto3.client("ec2", endpoint_url=endpoint, region_name="us-east-1")
    (vpc,) = ec2.describe_vpcs(Filters=[{"Name": "tag:Name", "Values": ["k1"]}])["Vpcs"]
    ec2.create_tags(Resources=[vpc["VpcId"]], Tags=[{"Key": "by", "Value": "hand"}])
    ec2.delete_tags(Resources=[vpc["VpcId"]], Tags=[{"Key": "Name"}])
    ec2.create_tags(Resources=[vpc["VpcId"]], Tags=[{"Key": "Name", "Value": "k1"}])
    subnet = ec2.describe_subnets(Filters=[{"Name": "cidr-block", "Values": ["10.1.2.0/24"]}])["Subnets"][0]
    ec2.create_tags(Resources=[subnet["SubnetId"]], Tags=[{"Key": "Name", "Value": "other"}])
    planned = said("--check")
    assert planned == said("--check", "-e", "stack_read_ahead=false")
    assert planned[3]["vpcs"][0]["tags"] == {"Name": "k1", "by": "hand"}
    applied = said()
    assert [item["changed"] for item in applied[4]["results"]] == [False, True, False]
    assert said() == said("-e", "stack_read_ahead=false")


def test_what_a_process_has_run_before_is_not_seen_by_the_next_task(
    run: Run, endpoint: str, tmp_path: Path, environment: dict[str, str]
) -> None:
    """Collections tell AWS their names, which they keep in code that both have in common."""
    ask, other = task("amazon.aws.ec2_vpc_net_info"), task("community.aws.ec2_customer_gateway_info")
    failing = task("amazon.aws.ec2_vpc_net", name="y", cidr_block="10.0.0.0/99", _ignore_errors=True)
    settings = {"ANSIBLE_HOME": str(tmp_path / "home"), "HOME": str(tmp_path)}
    tasks = [ask, other, ask, failing, other, ask]

    mixed = run(tasks, **settings)
    await_none(environment)  # the server outlives the run for a moment, and keeps what was read
    (file,) = (path for path in (tmp_path / "home/reads").iterdir() if not path.suffix)
    reads = [json.loads(line) for line in file.read_text().splitlines()]
    agents = {(operation, json.loads(client)["config"]["user_agent"].split()[-1].split("/")[0]) for _, _, operation, client, _ in reads}
    assert {("DescribeVpcs", "amazon.aws"), ("DescribeCustomerGateways", "community.aws")} <= agents
    assert len(dict(agents)) == len(agents), "each asks under one name"
    requests.post(f"{endpoint}/moto-api/reset", timeout=10)
    requests.post(f"{endpoint}/moto-api/seed?a=42", timeout=10)
    assert results(mixed) == results(run(tasks, LOCAL))


def test_a_plan_told_by_the_run_before_depends_on_what_earlier_tasks_plan(run: Run, tmp_path: Path) -> None:
    settings = {"ANSIBLE_HOME": str(tmp_path / "home"), "HOME": str(tmp_path)}
    ask = task("amazon.aws.ec2_vpc_net_info", filters={"tag:Name": "planned"})

    def planned(name: str, *options: str) -> list[Any]:
        make = task("amazon.aws.ec2_vpc_net", name=name, cidr_block="10.77.0.0/16")
        finished = run([make, ask], WORKER, "--check", *options, **settings)
        assert finished.returncode == 0, finished.stdout + finished.stderr
        return results(finished)

    first = planned("planned")
    assert [len(answer["vpcs"]) for answer in (first[1], planned("planned")[1], planned("other")[1], planned("planned")[1])] == [1, 1, 0, 1]
    assert planned("planned") == first == planned("planned", "-e", "stack_read_ahead=false")


def test_what_it_cannot_run_goes_the_local_way(run: Run, tmp_path: Path) -> None:
    script = tmp_path / "script.sh"
    script.write_text("#!/bin/sh\necho script\n")
    tasks = [
        task("ansible.builtin.command", cmd="true"),
        task("ansible.builtin.command", cmd="true", _environment={"PYTHONPATH": "/nowhere"}),
        task("ansible.builtin.command", cmd="true", _vars={"ansible_python_interpreter": "/usr/bin/python3"}),
        task("ansible.builtin.command", cmd="true", _vars={"ansible_aws_worker_pipelining": False}),
        {"name": "raw", "ansible.builtin.raw": "echo raw"},
        {"name": "script", "ansible.builtin.script": str(script)},
    ]
    finished = run(tasks, WORKER, "-vvv", ANSIBLE_STDOUT_CALLBACK="default")
    ran, left = shown(finished)
    assert (ran, left) == (1, ["an environment that changes the interpreter"])
    assert "changed=6 " in finished.stdout, finished.stdout


def test_sets_have_the_same_order_in_every_run(run: Run) -> None:
    """Modules pass sets on to AWS as lists, as this one does: the second plan must not have them in another order."""
    subnets = "{{ subnets.results | map(attribute='subnet.id') }}"
    tasks = [
        *TOPOLOGY[:1],
        task("amazon.aws.ec2_vpc_subnet", vpc_id="{{ vpc.vpc.id }}", cidr="10.0.{{ item }}.0/24", _loop=[*range(6)], _register="subnets"),
        task("amazon.aws.ec2_transit_gateway_vpc_attachment", name="x", transit_gateway="tgw-0123456789abcdef0", subnets=subnets),
    ]

    def planned() -> list[str]:
        finished = run(tasks, WORKER, "--check")
        assert finished.returncode == 0, finished.stdout
        (call, *_tags) = json.loads(finished.stdout)["plays"][0]["tasks"][-1]["hosts"]["stack-0"]["plan"]["calls"]
        return list(call["parameters"]["SubnetIds"])

    first, second = planned(), planned()

    assert len(first) == 6
    assert first == second
    environment = run([task("ansible.builtin.command", cmd="env")])
    assert environment.returncode == 0
    assert "PYTHONHASHSEED" not in environment.stdout, "the environment of a task is the user's"


def test_an_order_that_somebody_asks_for_is_kept(run: Run) -> None:
    finished = run([task("ansible.builtin.command", cmd="env")], WORKER, "-vvv", ANSIBLE_STDOUT_CALLBACK="default", PYTHONHASHSEED="7")
    assert shown(finished) == (1, []), finished.stdout
    assert "PYTHONHASHSEED=7" in finished.stdout


def test_asynchronous_tasks_work(run: Run) -> None:
    finished = run([task("ansible.builtin.command", cmd="echo later", _async=30, _poll=1)])
    assert finished.returncode == 0, finished.stdout
    assert '"stdout": "later"' in finished.stdout


def test_code_that_differs_from_what_is_loaded_is_not_run_warm(run: Run, tmp_path: Path) -> None:
    (tmp_path / "module_utils").mkdir()
    (tmp_path / "library").mkdir()
    (tmp_path / "module_utils/mine.py").write_text("VALUE = 1\n")
    (tmp_path / "library/own.py").write_text(
        "from ansible.module_utils.basic import AnsibleModule\nfrom ansible.module_utils.mine import VALUE\n"
        "AnsibleModule({}).exit_json(value=VALUE)\n"
    )
    finished = run(
        [task("own", _register="own"), task("ansible.builtin.assert", that="own.value == 1")],
        WORKER,
        "-vvv",
        ANSIBLE_STDOUT_CALLBACK="default",
    )
    assert finished.returncode == 0, finished.stdout
    ran, left = shown(finished)
    assert ran == 0
    assert left
    assert left[0].endswith("is not what the worker has loaded")


def test_hosts_run_side_by_side_on_one_server(run: Run, environment: dict[str, str]) -> None:
    report = task("ansible.builtin.command", cmd="sh -c 'ps -o ppid= -p $PPID; date +%s; sleep 6; date +%s'")
    finished = run([report], WORKER, "-f", "5", hosts=5)
    reports = [result["stdout"].split() for result in json.loads(finished.stdout)["plays"][0]["tasks"][0]["hosts"].values()]
    servers, starts, ends = zip(*reports, strict=True)
    assert len(set(servers)) == 1, "every module is a child of the same server"
    assert max(map(int, starts)) < min(map(int, ends)), "all of them ran at the same time"
    await_none(environment)


@pytest.mark.parametrize(("keywords", "seconds"), [({}, 4), ({"_throttle": 1}, 12)], ids=["free", "throttled"])
def test_hosts_whose_tasks_are_threads_wait_side_by_side(run: Run, keywords: dict[str, Any], seconds: int) -> None:
    report = task("ansible.builtin.wait_for", timeout=4, **keywords)
    tasks = [task("ansible.builtin.ping"), report]
    finished = run(tasks, WORKER, "-f", "2" if not keywords else "5", hosts=2 if not keywords else 3)
    times = json.loads(finished.stdout)["plays"][0]["tasks"][1]["task"]["duration"]
    begun, ended = (datetime.fromisoformat(times[moment]) for moment in ("start", "end"))
    assert seconds - 0.5 < (ended - begun).total_seconds() < seconds + 3.5


def test_no_more_hosts_than_forks_are_under_way(run: Run) -> None:
    finished = run([task("ansible.builtin.ping"), task("ansible.builtin.wait_for", timeout=3)], WORKER, "-f", "2", hosts=5)
    times = json.loads(finished.stdout)["plays"][0]["tasks"][1]["task"]["duration"]
    assert (datetime.fromisoformat(times["end"]) - datetime.fromisoformat(times["start"])).total_seconds() > 8.5, "three times two hosts"


def test_tasks_that_come_and_go_all_the_time_leave_each_other_alone(run: Run) -> None:
    each = {"module": "ansible.builtin.ping", "items": "{{ range(300) | list }}"}
    finished = run([{"name": "Come and go", "indivillage.infra.each": each, "ignore_errors": True}], WORKER, hosts=2)
    hosts = json.loads(finished.stdout)["plays"][0]["tasks"][0]["hosts"].values()
    assert [[one.get("ping", one) for one in result["results"]] for result in hosts] == [["pong"] * 300] * 2


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_nothing_is_left_when_the_run_is_killed(how: signal.Signals, tmp_path: Path, environment: dict[str, str]) -> None:
    tasks = [task("amazon.aws.aws_caller_info"), task("ansible.builtin.wait_for", timeout=300)]  # a process that rests, and one at work
    with subprocess.Popen(
        command(tmp_path, tasks, WORKER), cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        deadline = time.monotonic() + 60
        # The run, the server, the process that calls, the one that rests and the one at work.
        while not list(tmp_path.glob("local/*/aws_worker.sock")) or len(workers(environment)) < 5:
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.1)
        (folder,) = tmp_path.glob("local/*/")
        assert folder.stat().st_mode & 0o777 == 0o700
        process.send_signal(how)
        process.wait(timeout=30)
    await_none(environment, 10)
    assert not list(tmp_path.glob("local/*/aws_worker.sock"))


def test_a_task_whose_time_is_up_is_ended(run: Run, environment: dict[str, str]) -> None:
    finished = run(
        [task("ansible.builtin.wait_for", timeout=120, _timeout=3, _ignore_errors=True), task("ansible.builtin.command", cmd="true")]
    )
    assert finished.returncode == 0, finished.stdout
    await_none(environment)


def test_a_server_that_is_killed_fails_the_task_and_the_next_one_starts_another(tmp_path: Path, environment: dict[str, str]) -> None:
    tasks = [task("ansible.builtin.wait_for", timeout=300, _ignore_unreachable=True), task("ansible.builtin.command", cmd="true")]
    with subprocess.Popen(command(tmp_path, tasks, WORKER), cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 60
        while not (servers := server_processes(environment)):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        time.sleep(1)
        os.kill(servers[0], signal.SIGKILL)
        output, _errors = process.communicate(timeout=60)
    assert "The AWS worker ended during this task" in output
    assert "does not start" not in output
    assert process.returncode == 0, output
    await_none(environment)


def server_processes(environment: dict[str, str]) -> list[int]:
    """The server, once it has left the process group of the interpreter that loaded it, which ends as soon as it is ready."""
    return [pid for pid in workers(environment) if b"\0-P\0-\0" in Path(f"/proc/{pid}/cmdline").read_bytes() and os.getpgid(pid) != pid]

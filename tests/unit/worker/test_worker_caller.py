# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls that another process makes look to a module as if its own client had made them."""

import http.server
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import boto3
import pytest
from ansible_collections.indivillage.infra.plugins.plugin_utils import worker_caller
from ansible_collections.indivillage.infra.plugins.plugin_utils.worker_caller import Answer, Asking, Line, framed, received

from tests.support.servers import moto, serving

UTILS = Path(__file__).parents[3] / "plugins/plugin_utils"
# A task's process and the one that calls for it, as the server makes them; `plain` is botocore alone.
SCRIPT = r"""
import json, logging, os, socket, sys, threading, traceback, types
package = types.ModuleType("aws_worker")
package.__path__ = [sys.argv[1]]
sys.modules["aws_worker"] = package
from aws_worker import worker_botocore, worker_calls
from aws_worker.worker_caller import Asking, Caller, Line
from aws_worker.worker_protocol import end_with
mode, place = sys.argv[2:4]
worker_botocore.share()
import boto3, botocore.config
if mode != "plain":
    directory = os.open(place, os.O_RDONLY)
    calls = os.open(place + "/calls", os.O_RDWR | os.O_CREAT | os.O_APPEND)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(place + "/caller")
    listener.listen()
    task = os.getpid()
    if os.fork() == 0:
        end_with(task)
        kept = os.open(place + "/reads", os.O_RDWR | os.O_CREAT | os.O_APPEND)
        Caller(calls, kept, "stack", [], lambda: False).serve(listener)
    recorder = worker_calls.Recorder(worker_calls.CallLog(calls, "task", "itself"), worker_calls.nothing_to_check)
    worker_calls.record_with(recorder)
    line = Line(directory, "caller", Asking("module", "handed over", b"task"))
    worker_calls.HandOver(recorder, line, planned=mode == "planned").install()
session = boto3.Session(region_name="us-east-1")
config = botocore.config.Config(retries={"total_max_attempts": 1}, user_agent_extra="module")
ec2, s3, iam, sqs, kms = (session.client(name, config=config) for name in ("ec2", "s3", "iam", "sqs", "kms"))
own = session.client("ec2")
own.meta.events.register("before-call.ec2.DescribeVpcs", lambda **_event: (types.SimpleNamespace(status_code=200), {"Vpcs": "mine"}))
nowhere = session.client("ec2", endpoint_url="http://127.0.0.1:9", config=config)
elsewhere = session.client("ec2", region_name="eu-west-1")
known = {name: os.environ[name.upper()] for name in ("aws_access_key_id", "aws_secret_access_key")}
as_modules_do = session.client("iam", **known)
given = session.client("ec2", aws_access_key_id="LOCALEMULATORONLY", aws_secret_access_key="a-secret-that-is-given")

def signed():
    return s3.generate_presigned_url("get_object", Params={"Bucket": "one", "Key": "a"}).partition("?")[0]

def logged():
    logging.getLogger("botocore.endpoint").setLevel(logging.DEBUG)
    return iam.list_role_tags(RoleName="one")["Tags"]

def waited():
    s3.get_waiter("bucket_exists").wait(Bucket="one")

QUESTIONS = {
    "list": lambda: ec2.describe_vpcs()["Vpcs"],
    "pages": lambda: ec2.get_paginator("describe_subnets").paginate(PaginationConfig={"PageSize": 5}).build_full_result(),
    "region": lambda: elsewhere.describe_availability_zones(),
    "credentials": lambda: given.describe_vpcs()["Vpcs"],
    "of the environment": lambda: as_modules_do.list_roles()["Roles"],
    "document": lambda: iam.get_role(RoleName="one"),
    "time": lambda: repr(kms.describe_key(KeyId="alias/one")["KeyMetadata"]["CreationDate"]),
    "decoded": lambda: ec2.get_console_output(InstanceId=sys.argv[4])["Output"],
    "location": lambda: s3.get_bucket_location(Bucket="one"),
    "names": lambda: s3.list_objects_v2(Bucket="one")["Contents"][0]["Key"],
    "stream": lambda: s3.get_object(Bucket="one", Key="a b+c")["Body"].read().decode(),
    "checksum": lambda: s3.put_bucket_tagging(Bucket="one", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]}),
    "written": lambda: iam.tag_role(RoleName="one", Tags=[{"Key": "a", "Value": "b"}]),
    "signed": signed,
    "waiter": waited,
    "queue": lambda: sqs.get_queue_url(QueueName="absent"),
    "modelled": lambda: iam.get_role(RoleName="absent"),
    "generic": lambda: ec2.describe_vpcs(VpcIds=["vpc-absent"]),
    "invalid": lambda: ec2.describe_vpcs(NoSuchParameter=1),
    "handler": lambda: own.describe_vpcs(),
    "nowhere": lambda: nowhere.describe_vpcs(),
    "logged": logged,
}
answers = {}
for name, ask in QUESTIONS.items():
    try:
        answers[name] = ask()
    except Exception as error:
        answers[name] = [type(error).__name__, isinstance(error, sqs.exceptions.QueueDoesNotExist), traceback.format_exc()]
print(json.dumps(answers, default=repr))
"""
ROLE = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
CHANGING = re.compile(r'"(RequestId|x-amz-request-id|x-amzn-requestid|date|server|x-amzn-RequestId|HostId|x-amz-id-2)": "[^"]*"')


@pytest.fixture(scope="module")
def account() -> Iterator[dict[str, str]]:
    """The environment of an account with something of each kind, and the id of its instance."""
    with moto() as endpoint:
        environment = {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": "LOCALEMULATORONLY",
            "AWS_SECRET_ACCESS_KEY": "no-secret-of-anyone",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }
        with pytest.MonkeyPatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            session = boto3.Session(region_name="us-east-1")
            session.client("iam").create_role(RoleName="one", AssumeRolePolicyDocument=json.dumps(ROLE), Tags=[{"Key": "a", "Value": "b"}])
            kms, s3, ec2 = session.client("kms"), session.client("s3"), session.client("ec2")
            kms.create_alias(AliasName="alias/one", TargetKeyId=kms.create_key()["KeyMetadata"]["KeyId"])
            s3.create_bucket(Bucket="one")
            s3.put_object(Bucket="one", Key="a b+c", Body=b"content")
            image = ec2.describe_images()["Images"][0]["ImageId"]
            instance = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]
        yield {**environment, "instance": instance}


def answers(account: dict[str, str], mode: str, place: Path) -> dict[str, Any]:
    command = [sys.executable, "-", str(UTILS), mode, str(place), account["instance"]]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=account, text=True) as task:
        assert task.stdin
        assert task.stdout
        task.stdin.write(SCRIPT)
        task.stdin.close()
        text = task.stdout.readline()  # not to the end, which the process that calls has open
    return dict(json.loads(CHANGING.sub(r'"\1": ""', text)))


def made(place: Path) -> dict[str, list[str]]:
    lines = [json.loads(line) for line in (place / "calls").read_text().splitlines()]
    return {mode: [line["operation"] for line in lines if line["mode"] == mode] for mode in ("handed over", "itself")}


def test_answers_errors_and_tracebacks_are_those_of_a_client_of_its_own(account: dict[str, str], tmp_path: Path) -> None:
    plain = answers(account, "plain", tmp_path)
    handed_over = answers(account, "handed over", tmp_path)
    assert {name: handed_over[name] for name in plain} == plain
    assert (plain["stream"], plain["names"], plain["handler"]) == ("content", "a b+c", {"Vpcs": "mine"})
    assert [plain[name][0] for name in ("queue", "modelled", "generic", "invalid", "nowhere")] == [
        *("QueueDoesNotExist", "NoSuchEntityException", "ClientError", "ParamValidationError", "EndpointConnectionError"),
    ]
    assert plain["queue"][1]
    who = made(tmp_path)
    assert who["itself"] == ["GetObject", "ListRoleTags"]  # a stream, and what is logged; what goes nowhere has no answer to log
    assert who["handed over"] == [
        *(
            "DescribeVpcs",
            "DescribeSubnets",
            "DescribeAvailabilityZones",
            "DescribeVpcs",
            "ListRoles",
            "GetRole",
            "DescribeKey",
            "GetConsoleOutput",
        ),
        *("GetBucketLocation", "ListObjectsV2", "PutBucketTagging", "TagRole", "HeadBucket", "GetQueueUrl", "GetRole", "DescribeVpcs"),
    ]

    kept = (tmp_path / "reads").read_text()
    assert "DescribeAvailabilityZones" in kept
    assert "ListRoles" in kept
    assert "a-secret-that-is-given" not in kept
    assert account["AWS_SECRET_ACCESS_KEY"] not in kept


def test_of_a_planned_task_nothing_but_reads_is_handed_over(account: dict[str, str], tmp_path: Path) -> None:
    answers(account, "planned", tmp_path)
    assert made(tmp_path)["itself"] == ["GetObject", "PutBucketTagging", "TagRole", "ListRoleTags"]


@pytest.fixture
def line(tmp_path: Path) -> Iterator[tuple[Line, socket.socket]]:
    """A line, and who listens at its other end."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "caller"))
        listener.listen()
        yield Line(os.open(tmp_path, os.O_RDONLY), "caller", Asking("module", "apply", b"task")), listener


def hang_up(listener: socket.socket) -> None:
    """When the call has come."""
    connection, _address = listener.accept()
    with connection:
        assert received(connection).module == "module"
        received(connection)


def test_a_read_whose_answer_is_lost_is_made_again_and_a_write_is_not(line: tuple[Line, socket.socket]) -> None:
    to, listener = line
    for writes in (False, True):
        threading.Thread(target=hang_up, args=(listener,), daemon=True).start()
        answer = to.call("{}", "DescribeVpcs", {}, writes=writes)
        assert (answer is not None and type(answer.failure).__name__) == (writes and "ConnectionClosedError")


def answer_late(listener: socket.socket, go: threading.Event) -> None:
    """The first call after it has been given up, on a connection that is closed by then, and the second at once."""
    for wait in (True, False):
        connection, _address = listener.accept()
        with connection, suppress(OSError):
            received(connection)
            _client, operation, _parameters = received(connection)
            if wait:
                go.wait(20)
            connection.sendall(framed(Answer(200, {"of": operation})))


def test_a_call_that_was_given_up_leaves_no_answer_for_the_next(line: tuple[Line, socket.socket]) -> None:
    to, listener = line
    go = threading.Event()
    threading.Thread(target=answer_late, args=(listener, go), daemon=True).start()

    def give_up(*_arguments: object) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worker_caller, "received", give_up)
        with pytest.raises(KeyboardInterrupt):
            to.call("{}", "First", {}, writes=False)
    go.set()
    assert to.call("{}", "Second", {}, writes=False) == Answer(200, {"of": "Second"})
    to._connection().close()


def test_without_anybody_who_calls_a_task_calls_itself(tmp_path: Path) -> None:
    assert Line(os.open(tmp_path, os.O_RDONLY), "none", Asking("module", "apply", b"task")).call("{}", "X", {}, writes=True) is None


def test_what_cannot_be_handed_over_is_called_by_the_task(line: tuple[Line, socket.socket]) -> None:
    assert line[0].call("{}", "PutObject", {"Body": threading.Lock()}, writes=True) is None


def test_the_end_of_a_task_is_seen_between_two_messages_and_after_one() -> None:
    here, there = socket.socketpair()
    with here, there:
        assert not worker_caller._is_closed(here)
        there.sendall(framed("asked"))
        assert not worker_caller._is_closed(here)
        assert received(here) == "asked"
        there.close()
        assert worker_caller._is_closed(here)


class Throttled(http.server.BaseHTTPRequestHandler):
    """An API that slows everybody down."""

    times: ClassVar[list[float]] = []

    def do_POST(self) -> None:
        self.times.append(time.monotonic())
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(503)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


def test_a_call_is_not_tried_again_for_a_task_that_has_ended(tmp_path: Path, account: dict[str, str]) -> None:
    script = (
        SCRIPT.partition("session = boto3.Session")[0]
        + """
config = botocore.config.Config(retries={"total_max_attempts": 20, "mode": "standard"})
print("asking", flush=True)
boto3.Session(region_name="us-east-1").client("ec2", endpoint_url=sys.argv[4], config=config).create_vpc(CidrBlock="10.0.0.0/16")
""".replace("end_with(task)", "threading.Timer(15, os._exit, (0,)).start()")  # it has to outlive the task
    )
    with serving(Throttled) as port:
        command = [sys.executable, "-c", script, str(UTILS), "handed over", str(tmp_path), f"http://127.0.0.1:{port}"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=account, text=True) as task:
            assert task.stdout
            assert task.stdout.readline() == "asking\n"
            limit = time.monotonic() + 20
            while len(Throttled.times) < 2 and time.monotonic() < limit:
                time.sleep(0.01)
            task.kill()
            task.wait()
            before = len(Throttled.times)
            time.sleep(5)
    assert 2 <= before <= len(Throttled.times) <= before + 1

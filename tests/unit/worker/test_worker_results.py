# SPDX-License-Identifier: GPL-3.0-or-later
"""Which results the next run may have, and by what it tells that they are still right."""

import dataclasses
import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.indivillage.infra.plugins.plugin_utils import worker_results
from ansible_collections.indivillage.infra.plugins.plugin_utils.planning.state import State, Write
from ansible_collections.indivillage.infra.plugins.plugin_utils.worker_protocol import PAYLOAD_CALL, Received, Request
from ansible_collections.indivillage.infra.plugins.plugin_utils.worker_results import Result, Watch

PAYLOAD = b"wrapper\n" + PAYLOAD_CALL + b"module_fqn='m',\ndate_time=datetime.datetime(2026, 1, 1),\nparams='{\"name\": \"one\"}',\n"
RESULT = Result(b"{}", [(b"question", "answer")], frozenset(), 0, [], [])


def received(payload: bytes = PAYLOAD, digest: str = "code", **request: Any) -> Received:
    about = {"environment": {"HOME": "/nowhere", "AWS_REGION": "us-east-1"}, "directory": "/", "umask": 0o22, "payload": payload}
    with socket.socket() as connection:
        return Received(connection, Request(**(about | request)), digest, 1, 2, 3, 0)


def test_a_task_is_told_by_all_that_it_depends_on_and_not_by_the_moment(tmp_path: Path) -> None:
    config = tmp_path / "config"
    told = [
        received(),
        received(digest="other code"),
        received(PAYLOAD.replace(b"one", b"two")),
        received(environment={"HOME": "/nowhere", "AWS_REGION": "us-west-2"}),
        received(directory="/tmp"),
        received(umask=0),
        received(approved=("one",)),
    ]
    assert len({worker_results.key_of(task) for task in told}) == len(told)
    assert worker_results.key_of(received(PAYLOAD.replace(b"2026", b"2027"))) == worker_results.key_of(received())
    assert worker_results.key_of(received(batch="of this run")) == worker_results.key_of(received())

    configured = received(environment={"AWS_CONFIG_FILE": str(config)})
    without = worker_results.key_of(configured)
    config.write_text("[default]\nregion = us-east-1\n")
    assert worker_results.key_of(configured) != without


@pytest.mark.parametrize(
    ("source", "steady"),
    [
        ("import json\nimport time\n", True),
        ("    wait_timeout = time.time() + wait_timeout\n", True),
        ("path = os.path.join('a', 'b')\n", True),
        ("# At random, for the secrets of uuid.\n", True),
        ("import datetime\n", False),
        ("from random import choice\n", False),
        ("    import uuid\n", False),
        ("    CallerReference=f'{name}-{time.time()}',\n", False),
        ("home = os.environ['HOME']\n", False),
        ("if os.path.exists(path):\n", False),
    ],
)
def test_code_that_tells_the_time_or_takes_chances_is_not_steady(source: str, steady: bool) -> None:
    assert worker_results.is_steady(["x = 1\n", source]) is steady


def test_an_answer_is_told_by_what_it_says() -> None:
    def said(status: int = 200, request: str = "1", **answer: Any) -> str:
        return worker_results.digest_of({**answer, "ResponseMetadata": {"RequestId": request}}, status)

    assert said(a=1, b=[2]) == said(b=[2], a=1, request="2")
    assert len({said(a=1), said(a=2), said(a=1, b=2), said(a=1, status=404)}) == 4


def kept(said: dict[str, Any], watch: Watch | None = None, *, check: bool = False) -> Result | None:
    watch = watch or Watch(("/own/",))
    watch.output.append(json.dumps(said) + "\n")
    return watch.result(State(), 0, [], [], check=check)


def test_the_result_of_a_module_that_only_read_is_kept() -> None:
    watch = Watch(("/own/",))
    watch.heard(b"question", {"Vpcs": [], "ResponseMetadata": {"RequestId": "r-1"}}, "digest")
    found = kept({"changed": False, "vpcs": []}, watch)
    assert found == Result(b'{"changed": false, "vpcs": []}\n', [(b"question", "digest")], frozenset(), 0, [], [])


def test_what_changed_something_failed_or_may_be_another_one_next_time_is_not_kept() -> None:
    assert kept({"changed": True}) is None
    assert kept({"changed": True}, check=True)
    assert kept({"changed": False, "failed": True}, check=True) is None
    assert kept({"changed": False, "text": "x" * worker_results.MAXIMAL_OUTPUT_BYTES}) is None
    assert Watch(()).result(State(), 0, [], [], check=False) is None

    with_id = Watch(())
    with_id.heard(b"question", {"ResponseMetadata": {"RequestId": "r-1"}}, "digest")
    assert kept({"changed": False, "response_metadata": {"request_id": "r-1"}}, with_id) is None

    secret = Watch(())
    secret.heard(b"question", {"SecretString": "x"}, "")
    assert kept({"changed": False}, secret) is None


@pytest.mark.parametrize(
    ("event", "arguments", "steady"),
    [
        ("open", ("/own/code.py", "r", os.O_RDONLY), True),
        ("open", (7, "wb", os.O_WRONLY), True),
        ("os.scandir", (7,), True),
        ("os.stat", ("/etc/hostname",), True),
        ("open", ("/etc/hostname", "r", os.O_RDONLY), False),
        ("os.remove", ("/tmp/x", -1), False),
        ("subprocess.Popen", ("sh", ["sh"], None, None), False),
    ],
)
def test_a_module_that_looks_at_this_machine_is_not_steady(event: str, arguments: tuple[Any, ...], steady: bool) -> None:
    watch = Watch(("/own/",))
    watch._look(event, arguments)
    assert (kept({"changed": False}, watch) is not None) is steady


def write(name: str, region: str = "us-east-1") -> Write:
    return Write("sqs", region, "CreateQueue", {"QueueName": name}, {}, name)


def test_of_planned_writes_those_count_that_a_task_may_have_seen_in_whatever_order() -> None:
    places = {("sqs", "us-east-1")}
    one, two, elsewhere = write("one"), write("two"), write("one", "us-west-2")
    digests = [State(writes).digest(places) for writes in ([], [one], [two], [one, one], [one, two])]
    assert len(set(digests)) == len(digests)
    assert State([two, one]).digest(places) == State([one, two]).digest(places) == State([one, elsewhere, two]).digest(places)
    assert State([one, two]).digest(places, 1) == State([one]).digest(places)
    assert State([dataclasses.replace(one, response={"QueueUrl": "x"})]).digest(places) != State([one]).digest(places)

    state = State([one])
    list(state.concerning("sqs", "us-east-1"))
    state.seed("iam", "us-east-1", "CreateRole", {})
    assert state.touched == {("sqs", "us-east-1"), ("iam", "")}


def test_a_result_is_given_up_when_several_runs_had_no_use_for_it(tmp_path: Path) -> None:
    file = tmp_path / "results"
    worker_results.keep(file, {}, {b"plan": RESULT, b"rare": RESULT})
    for _time in range(3):  # an apply after each plan
        worker_results.keep(file, worker_results.load(file), {b"apply": RESULT})
        worker_results.keep(file, worker_results.load(file), {b"plan": worker_results.load(file)[b"plan"]})
    assert set(worker_results.load(file)) == {b"plan", b"apply"}


def test_results_are_kept_for_their_owner_alone_with_former_ones_and_for_the_same_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "reads" / f"one{worker_results.SUFFIX}"
    assert worker_results.load(file) == {}
    results = {bytes([number]): RESULT for number in range(8)}
    worker_results.keep(file, {}, results)
    assert worker_results.load(file) == results
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    worker_results.keep(file, results, {})  # of a run that ended early
    assert worker_results.load(file) == results

    other = dataclasses.replace(RESULT, output=b"other")
    worker_results.keep(file, results, {b"a": RESULT, b"\0": other})
    once = dataclasses.replace(RESULT, unused=1)
    assert worker_results.load(file) == {**dict.fromkeys(results, once), b"a": RESULT, b"\0": other}

    kept = file.read_bytes()
    assert worker_results.load(file)
    file.write_bytes(kept[:-5])
    assert worker_results.load(file) == {}
    file.write_bytes(kept)
    file.chmod(0o620)  # somebody else may have written it
    assert worker_results.load(file) == {}
    file.chmod(0o600)
    monkeypatch.setattr(worker_results, "state_of_the_code", lambda: b"other code")
    assert worker_results.load(file) == {}

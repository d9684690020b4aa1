# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a module in this process against moto: half a second a call, no server, no Ansible run."""

import json
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import boto3
import botocore.client
import botocore.endpoint
import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.indivillage.infra.plugins.module_utils import planning
from ansible_collections.indivillage.infra.plugins.plugin_utils import worker_botocore
from ansible_collections.indivillage.infra.plugins.plugin_utils.planning.guard import Guard
from ansible_collections.indivillage.infra.plugins.plugin_utils.planning.outcome import Outcome
from ansible_collections.indivillage.infra.plugins.plugin_utils.planning.state import State
from moto import mock_aws
from moto.core.botocore_stubber import BotocoreStubber

from tests.support.module_runs import Calls, Run

REGION = "us-east-1"


@pytest.fixture(autouse=True, scope="session")
def quick_clients() -> None:
    """Each run of a module makes its clients anew; here they share what botocore would read and compute again, as under the worker."""
    worker_botocore.share()


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty account, and no way out of this process."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "MOTO_EC2_LOAD_DEFAULT_AMIS": "false",
        "MOTO_IAM_LOAD_MANAGED_POLICIES": "false",  # the sandbox's emulator, which other tests import, wants them; they cost seconds
    }.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_ENDPOINT_URL", "AWS_URL", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    with mock_aws():
        yield


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """run(module, check=False, **options) -> the module's result; a failed module gives a result with failed: true."""

    def call(module: ModuleType, /, *, check: bool = False, **options: Any) -> dict[str, Any]:
        arguments = options | {"_ansible_check_mode": check, "_ansible_diff": True, "_ansible_remote_tmp": "/tmp"}
        capsys.readouterr()
        with patch_module_args(arguments), pytest.raises(SystemExit):
            module.main()
        return json.loads(capsys.readouterr().out.splitlines()[-1])

    return call


@pytest.fixture
def plan(run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """plan(module, **options) -> the result in check mode as under the worker's write guard; later calls see what earlier ones planned."""
    return _planning(run, monkeypatch, State())


@pytest.fixture
def plan_of(run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """plan_of(module, **options) -> what the worker tells of that task, as the only one of a plan unless it is given what is `known`."""

    def call(module: ModuleType, /, *, known: State | None = None, **options: Any) -> dict[str, Any]:
        result = _planning(run, monkeypatch, known or State())(module, **options)
        assert not result.get("failed"), result["msg"]
        return dict(result["plan"])

    return call


def _planning(run: Run, monkeypatch: pytest.MonkeyPatch, state: State) -> Run:
    client = botocore.client.BaseClient

    def call(module: ModuleType, /, **options: Any) -> dict[str, Any]:
        guard, send, request = Guard(state, lambda *_call: None), client._make_api_call, client._make_request
        with monkeypatch.context() as patch:
            patch.setattr(client, "_make_api_call", lambda *arguments: guard.call(*arguments, send))
            patch.setattr(client, "_make_request", lambda *arguments: guard.answer_instead() or request(*arguments))
            patch.setattr(planning, "active", True)
            result = run(module, check=True, **options)
        if not result.get("failed"):
            Outcome(guard, f"indivillage.infra.{module.__name__.rpartition('.')[2]}", options).finish(result)
        return result

    return call


@pytest.fixture
def life_cycle(run: Run, plan_of: Run) -> Callable[..., None]:
    """Drive a module through the whole life of a resource and check that every report is true.

    A check must announce exactly what the next run then does, and must not have done it; so must a plan.
    """

    def drive(
        module: ModuleType,
        key: dict[str, Any],
        first: dict[str, Any],
        second: dict[str, Any],
        actions: tuple[str, str] = ("create", "change"),
    ) -> None:
        def changed(expected: bool, *, check: bool, **options: Any) -> dict[str, Any]:
            result = run(module, check=check, **options)
            assert not result.get("failed"), result["msg"]
            assert result["changed"] is expected, result["diff"]
            return result

        for declaration, action in zip((first, second), actions, strict=True):
            options = key | declaration
            assert plan_of(module, **options)["action"] == action
            planned = changed(True, check=True, **options)
            applied = changed(True, check=False, **options)
            assert planned["diff"] == applied["diff"]
            changed(False, check=True, **options)
            changed(False, check=False, **options)
            assert plan_of(module, **options)["action"] == "none"
        absent = key | {"state": "absent"}
        assert plan_of(module, **absent)["action"] == "delete"
        changed(True, check=True, **absent)
        changed(True, check=False, **absent)
        changed(False, check=True, **absent)
        changed(False, check=False, **absent)

    return drive


@pytest.fixture
def vpc_id() -> str:
    return boto3.client("ec2").create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    made, send = Calls(), botocore.client.BaseClient._make_api_call

    def call(client: Any, operation: str, parameters: dict[str, Any]) -> Any:
        made.note(operation)
        return send(client, operation, parameters)

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", call)
    return made


@pytest.fixture
def throttle(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], Iterator[int]]:
    """throttle(body) has every other request refused with this answer; an iterator whose next value is the number of requests."""

    def start(body: bytes) -> Iterator[int]:
        attempts, answer = iter(range(1000)), BotocoreStubber.process_request

        def every_other(self: BotocoreStubber, request: Any) -> Any:
            return answer(self, request) if next(attempts) % 2 else (503, {}, body)

        monkeypatch.setattr(BotocoreStubber, "process_request", every_other)
        monkeypatch.setattr(botocore.endpoint.time, "sleep", lambda _: None)
        return attempts

    return start

# SPDX-License-Identifier: GPL-3.0-or-later
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from ansible_collections.indivillage.infra.plugins.modules import rds_parameter_group
from botocore.stub import Stubber
from moto.rds.models import RDSBackend

NAME = "indivillage-test-db-param-group"
Run = Callable[..., dict[str, Any]]


def parameters() -> dict[str, dict[str, Any]]:
    found = boto3.client("rds").describe_db_parameters(DBParameterGroupName=NAME)["Parameters"]
    return {item["ParameterName"]: item for item in found}


def test_life_cycle(life_cycle: Callable[..., None]) -> None:
    life_cycle(
        rds_parameter_group,
        {"name": NAME, "family": "postgres17", "description": "PostgreSQL of the test"},
        {"parameters": {"rds.force_ssl": True, "max_connections": 100}, "tags": {"Project": "indivillage"}},
        {"parameters": {"rds.force_ssl": 1, "max_connections": 200, "work_mem": 4096}, "tags": {"Owner": "platform"}},
    )


def test_more_parameters_than_one_call_takes(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    original = RDSBackend.modify_db_parameter_group

    def modify(self: RDSBackend, name: str, values: list[Any]) -> Any:
        sizes.append(len(values))
        return original(self, name, values)

    monkeypatch.setattr(RDSBackend, "modify_db_parameter_group", modify)
    run(rds_parameter_group, name=NAME, family="postgres17", parameters={f"parameter_{n}": n for n in range(45)})
    assert sizes == [20, 20, 5]
    assert len(parameters()) == 45


def test_dynamic_parameters_apply_at_once_and_others_at_the_next_restart(run: Run) -> None:
    run(rds_parameter_group, name=NAME, family="postgres17")
    client = boto3.client("rds")
    client.modify_db_parameter_group(
        DBParameterGroupName=NAME,
        Parameters=[{"ParameterName": "work_mem", "ParameterValue": "1", "ApplyType": "dynamic", "ApplyMethod": "immediate"}],
    )
    run(rds_parameter_group, name=NAME, family="postgres17", parameters={"work_mem": 4096, "shared_buffers": 16384})
    assert {name: item["ApplyMethod"] for name, item in parameters().items()} == {
        "work_mem": "immediate",
        "shared_buffers": "pending-reboot",
    }


def test_a_parameter_no_longer_listed_goes_back_to_its_default() -> None:
    """The emulator cannot reset parameters, so botocore's own model checks the call."""
    client = boto3.client("rds")
    group = rds_parameter_group.ParameterGroup(_Module(), client)
    current = {"parameters": {"work_mem": "1", "max_connections": "100"}}
    with Stubber(client) as stub:
        stub.add_response(
            "describe_db_parameters",
            {"Parameters": [{"ParameterName": "work_mem", "ApplyType": "dynamic"}]},
            {"DBParameterGroupName": NAME},
        )
        stub.add_response(
            "reset_db_parameter_group",
            {},
            {"DBParameterGroupName": NAME, "Parameters": [{"ParameterName": "work_mem", "ApplyMethod": "immediate"}]},
        )
        group.update(current, {"parameters": {"max_connections": "100"}})
        stub.assert_no_pending_responses()


class _Module:
    params: dict[str, Any] = {"name": NAME}  # noqa: RUF012 - stands for a module's arguments


def test_an_undeclared_parameter_made_by_hand_is_a_difference(run: Run) -> None:
    run(rds_parameter_group, name=NAME, family="postgres17", parameters={"max_connections": 100})
    boto3.client("rds").modify_db_parameter_group(
        DBParameterGroupName=NAME, Parameters=[{"ParameterName": "work_mem", "ParameterValue": "1", "ApplyMethod": "immediate"}]
    )
    result = run(rds_parameter_group, check=True, name=NAME, family="postgres17", parameters={"max_connections": 100})
    assert result["diff"]["before"] == {"parameters": {"max_connections": "100", "work_mem": "1"}}


def test_the_family_cannot_change(run: Run) -> None:
    run(rds_parameter_group, name=NAME, family="postgres16")
    result = run(rds_parameter_group, name=NAME, family="postgres17")
    assert "family is 'postgres16' and is declared as 'postgres17'" in result["msg"]


def test_the_family_is_required(run: Run) -> None:
    assert "family" in run(rds_parameter_group, name=NAME)["msg"]

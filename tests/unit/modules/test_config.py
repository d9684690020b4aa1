# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS Config: recorder, delivery channel, rules and conformance packs, in the account and in plans."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import boto3
import pytest
from ansible_collections.indivillage.infra.plugins.modules import (
    config_conformance_pack,
    config_delivery_channel,
    config_recorder,
    config_rule,
)
from ansible_collections.indivillage.infra.plugins.plugin_utils.planning.state import State

from sandbox.emulator.additions import config_recording

Run = Callable[..., dict[str, Any]]
Plan = Callable[..., dict[str, Any]]
RECORDER: dict[str, Any] = {
    "name": "recorder",
    "role_arn": "arn:aws:iam::123456789012:role/config",
    "global_types": True,
    "tags": {"Project": "site"},
}
CHANNEL: dict[str, Any] = {"name": "channel", "bucket": "site-logs", "prefix": "config", "frequency": "Six_Hours"}
RULE: dict[str, Any] = {
    "name": "keys",
    "identifier": "ACCESS_KEYS_ROTATED",
    "parameters": {"maxAccessKeyAge": 90},
    "tags": {"Project": "site"},
}
PACK: dict[str, Any] = {
    "name": "data",
    "rules": [
        {"name": "encrypted", "identifier": "RDS_STORAGE_ENCRYPTED"},
        {"name": "closed", "identifier": "RDS_INSTANCE_PUBLIC_ACCESS_CHECK"},
    ],
    "tags": {"Project": "site"},
}


@pytest.fixture(autouse=True, scope="module")
def all_of_config_exists() -> None:
    config_recording.install()


@pytest.fixture
def recorder(run: Run) -> None:
    run(config_recorder, **RECORDER)


@pytest.fixture
def channel(run: Run, recorder: None) -> None:
    run(config_delivery_channel, **CHANNEL)


def calls(planned: dict[str, Any]) -> list[str]:
    return [call["operation"] for call in planned["calls"]]


def test_a_recorder_through_its_life(life_cycle: Callable[..., None]) -> None:
    first = {**RECORDER, "tags": {"Project": "site", "Old": "1"}}
    second = {"global_types": False, "role_arn": "arn:aws:iam::123456789012:role/other", "tags": {"Project": "site"}}
    life_cycle(config_recorder, {"name": "recorder"}, first, second)


@pytest.mark.usefixtures("channel")
def test_a_recorder_is_started_and_stopped(run: Run, plan_of: Plan) -> None:
    started = {"name": "recorder", "recording": True}
    planned = plan_of(config_recorder, **started)
    assert (planned["action"], calls(planned)) == ("change", ["StartConfigurationRecorder"])
    assert planned["changes"] == [{"field": "recording", "before": False, "after": True}]
    assert run(config_recorder, **started)["changed"]
    assert boto3.client("config").describe_configuration_recorder_status()["ConfigurationRecordersStatus"][0]["recording"]
    assert plan_of(config_recorder, **started)["action"] == "none"
    assert calls(plan_of(config_recorder, name="recorder", recording=False)) == ["StopConfigurationRecorder"]
    assert not run(config_recorder, **RECORDER)["changed"], "what is not declared is left alone"


@pytest.mark.usefixtures("channel")
def test_a_recorder_that_records_can_be_deleted(run: Run) -> None:
    run(config_recorder, name="recorder", recording=True)
    assert run(config_recorder, name="recorder", state="absent")["changed"]
    assert run(config_delivery_channel, name="channel", state="absent")["changed"]


@pytest.mark.usefixtures("recorder")
def test_a_channel_through_its_life(life_cycle: Callable[..., None]) -> None:
    life_cycle(
        config_delivery_channel, {"name": "channel"}, CHANNEL, {**CHANNEL, "bucket": "others", "prefix": "", "frequency": "One_Hour"}
    )


@pytest.mark.usefixtures("recorder")
def test_a_rule_through_its_life(life_cycle: Callable[..., None]) -> None:
    second = {"parameters": {"maxAccessKeyAge": "60"}, "description": "shorter", "frequency": "One_Hour", "tags": {"Project": "other"}}
    life_cycle(config_rule, {"name": "keys"}, RULE, {**RULE, **second})


@pytest.mark.usefixtures("recorder")
def test_another_rule_of_the_name_replaces_it(run: Run) -> None:
    run(config_rule, **RULE)
    assert run(config_rule, name="keys", identifier="ENCRYPTED_VOLUMES")["changed"]
    (rule,) = boto3.client("config").describe_config_rules()["ConfigRules"]
    assert rule["Source"]["SourceIdentifier"] == "ENCRYPTED_VOLUMES"


def test_a_pack_through_its_life(life_cycle: Callable[..., None]) -> None:
    second = {"rules": PACK["rules"][:1], "tags": {"Project": "other"}}
    life_cycle(config_conformance_pack, {"name": "data"}, PACK, second)


def test_the_order_of_its_rules_makes_no_other_pack(run: Run) -> None:
    run(config_conformance_pack, **PACK)
    assert not run(config_conformance_pack, **{**PACK, "rules": PACK["rules"][::-1]})["changed"]


def test_a_pack_that_could_not_be_made_says_why_and_is_made_again(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run(config_conformance_pack, **PACK)
    find = config_conformance_pack.Pack.find

    def failed(pack: Any) -> Any:
        return {**find(pack), "status": "CREATE_FAILED", "made": False, "reason": "no such rule"}

    with monkeypatch.context() as patch:
        patch.setattr(config_conformance_pack.Pack, "find", failed)
        result = run(config_conformance_pack, **PACK)
    assert result["failed"]
    assert "AWS could not make its rules: no such rule" in result["msg"]
    assert not run(config_conformance_pack, **PACK)["changed"]


@pytest.mark.usefixtures("channel")
@pytest.mark.parametrize(
    ("case", "field"),
    [
        ((config_delivery_channel, CHANNEL, {"frequency": "One_Hour"}), "configSnapshotDeliveryProperties.deliveryFrequency"),
        ((config_rule, RULE, {"parameters": {"maxAccessKeyAge": "30"}}), "InputParameters.maxAccessKeyAge"),
        ((config_rule, RULE, {"tags": {"Project": "other"}}), "Tags.Project"),
        ((config_conformance_pack, PACK, {"rules": PACK["rules"][:1]}), "Tags.Template"),
        ((config_recorder, RECORDER, {"global_types": False}), "recordingGroup.includeGlobalResourceTypes"),
        ((config_recorder, RECORDER, {"tags": {"Project": "other"}}), "Tags.Project"),
    ],
)
def test_a_whole_life_is_planned(run: Run, plan_of: Plan, case: tuple[ModuleType, dict[str, Any], dict[str, Any]], field: str) -> None:
    module, options, other = case
    if module in (config_rule, config_conformance_pack):
        assert plan_of(module, **options)["action"] == "create"
        assert run(module, **options)["changed"]
    assert plan_of(module, **options)["action"] == "none"
    changed = plan_of(module, **{**options, **other})
    assert changed["action"] == "change"
    assert field in [change["field"] for change in changed["changes"]], changed
    assert plan_of(module, name=options["name"], state="absent")["action"] == "delete"
    assert plan_of(module, **options)["action"] == "none", "nothing was written"


def test_all_of_it_is_planned_in_an_empty_region(plan_of: Plan) -> None:
    known = State()
    tasks = [
        (config_recorder, RECORDER),
        (config_delivery_channel, CHANNEL),
        (config_recorder, {"name": "recorder", "recording": True}),
        (config_rule, RULE),
        (config_conformance_pack, PACK),
    ]
    planned = [plan_of(module, known=known, **options) for module, options in tasks]
    assert [entry["action"] for entry in planned] == ["create", "create", "change", "create", "create"]
    assert calls(planned[2]) == ["StartConfigurationRecorder"]


@pytest.mark.parametrize(
    ("module", "options", "told"),
    [
        (config_recorder, {"name": "x"}, "role_arn is needed"),
        (config_recorder, {"name": "second", "role_arn": "x"}, "AWS allows no second"),
        (config_recorder, {"name": "recorder", "recording": True}, "Delivery channel is not available"),
        (config_delivery_channel, {"name": "x"}, "missing: bucket"),
        (config_delivery_channel, {"name": "x", "bucket": "b", "frequency": "Hourly"}, "One_Hour"),
        (config_rule, {"name": "x"}, "missing: identifier"),
        (config_rule, {"name": "x", "identifier": "ACCESS_KEYS_ROTATED"}, "maxAccessKeyAge"),
        (config_conformance_pack, {"name": "x", "rules": []}, "has no resources"),
    ],
)
@pytest.mark.usefixtures("recorder")
def test_nonsense_is_told(run: Run, module: ModuleType, options: dict[str, Any], told: str) -> None:
    result = run(module, **options)
    assert result["failed"]
    assert told in result["msg"], result["msg"]


def test_what_needs_a_recorder_says_so(run: Run) -> None:
    assert "has no recorder yet" in run(config_delivery_channel, **CHANNEL)["msg"]

# SPDX-License-Identifier: GPL-3.0-or-later
"""What the CloudWatch agent would refuse is found and named, and nothing else is."""

from __future__ import annotations

import copy
from typing import Any

import jsonschema
import pytest
from ansible_collections.indivillage.infra.plugins.filter.cloudwatch_agent import cloudwatch_agent_faults
from ansible_collections.indivillage.infra.plugins.plugin_utils.cloudwatch_agent import agent_problems, faults
from ansible_collections.indivillage.infra.plugins.plugin_utils.cloudwatch_agent_schema import CONFIGURATION, RETENTION
from ansible_collections.indivillage.infra.plugins.plugin_utils.validation_monitoring import RETENTION_DAYS

SOUND: dict[str, Any] = {
    "agent": {"metrics_collection_interval": 60, "run_as_user": "cwagent", "debug": False, "service.name": "example"},
    "metrics": {
        "namespace": "example/production",
        "append_dimensions": {"InstanceId": "${aws:InstanceId}"},
        "aggregation_dimensions": [["InstanceId"], []],
        "metrics_collected": {
            "mem": {"measurement": ["used_percent", "mem_available"]},
            "disk": {
                "measurement": [{"name": "used_percent", "rename": "full"}],
                "resources": ["/"],
                "drop_device": True,
            },
            "cpu": {"measurement": ["usage_idle"], "totalcpu": True, "append_dimensions": {"d1": "foo"}},
        },
    },
    "logs": {
        "logs_collected": {
            "files": {"collect_list": [{"file_path": "/var/log/dpkg.log", "retention_in_days": 30, "timezone": "UTC"}]},
            "journald": {
                "collect_list": [
                    {
                        "log_group_name": "/aws/ec2/example-web",
                        "log_stream_name": "{instance_id}",
                        "units": ["nginx.service"],
                        "filters": [{"type": "exclude", "expression": "debug"}],
                    }
                ]
            },
        }
    },
}
MEASURED = "metrics.metrics_collected"
JOURNAL = "logs.logs_collected.journald.collect_list"

# path of what is set, the wrong value (None: taken away), the path that is named, words of the message
WRONG = [
    (f"{MEASURED}.mem.measurment", ["used"], f"{MEASURED}.mem.measurment", "no key that the agent knows there. Did you mean measurement?"),
    ("metric", {}, "metric", "Did you mean metrics?"),
    ("traces", {}, "traces", "Known are: agent, logs, metrics."),
    ("agent.metrics_collection_interval", "60", "agent.metrics_collection_interval", "is '60', but must be a whole number"),
    ("agent.metrics_collection_interval", True, "agent.metrics_collection_interval", "is True, but must be a whole number"),
    ("agent.metrics_collection_interval", 0, "agent.metrics_collection_interval", "cannot be 0, it must be 1 or more, up to 172800"),
    ("agent.debug", "yes", "agent.debug", "must be true or false"),
    ("agent.run_as_user", "", "agent.run_as_user", "cannot be ''"),
    (f"{MEASURED}.mem", ["used"], f"{MEASURED}.mem", "must be a dictionary"),
    (f"{MEASURED}.mem.measurement", "used", f"{MEASURED}.mem.measurement", "must be a list"),
    (f"{MEASURED}.mem.measurement", [], f"{MEASURED}.mem.measurement", "is empty"),
    (f"{MEASURED}.mem.measurement", ["used_percentage"], f"{MEASURED}.mem.measurement[0]", "Did you mean used_percent?"),
    (f"{MEASURED}.mem.measurement", ["used", 1], f"{MEASURED}.mem.measurement[1]", "is 1, but must be a text or a dictionary"),
    (f"{MEASURED}.mem.measurement", [{"rename": "full"}], f"{MEASURED}.mem.measurement[0].name", "is missing"),
    (f"{MEASURED}.mem.measurement", None, f"{MEASURED}.mem.measurement", "is missing"),
    (f"{MEASURED}.swap", {"measurement": ["used"], "resources": ["/"]}, f"{MEASURED}.swap.resources", "no key"),
    (f"{MEASURED}.cpu.append_dimensions", {"d1": 1}, f"{MEASURED}.cpu.append_dimensions.d1", "must be a text"),
    ("metrics.append_dimensions.InstanceId", "i-1", "metrics.append_dimensions.InstanceId", "Known are: ${aws:InstanceId}"),
    ("metrics.metrics_collected", None, "metrics.metrics_collected", "is missing"),
    ("metrics.metrics_collected", {}, "metrics.metrics_collected", "is empty"),
    (JOURNAL, [{"units": ["nginx"]}], f"{JOURNAL}[0].log_group_name", "is missing"),
    (JOURNAL, [{"log_group_name": "a b"}], f"{JOURNAL}[0].log_group_name", "it must match"),
    (JOURNAL, [{"log_group_name": "a", "retention_in_days": 31}], f"{JOURNAL}[0].retention_in_days", "cannot be 31"),
    (JOURNAL, [{"log_group_name": "a", "filters": [{"type": "drop", "expression": "x"}]}], f"{JOURNAL}[0].filters[0].type", "'drop'"),
]


def changed(path: str, value: Any) -> dict[str, Any]:
    """The sound configuration with one value set, or taken away."""
    configuration = copy.deepcopy(SOUND)
    *folders, key = path.split(".")
    place = configuration
    for folder in folders:
        place = place[folder]
    if value is None:
        del place[key]
    else:
        place[key] = value
    return configuration


def test_what_the_agent_takes_is_sound() -> None:
    assert list(faults(SOUND)) == []


@pytest.mark.parametrize(("path", "value", "named", "words"), WRONG, ids=[f"{case[0]}={case[1]}" for case in WRONG])
def test_a_fault_is_told_once_with_its_key(path: str, value: Any, named: str, words: str) -> None:
    told = cloudwatch_agent_faults(changed(path, value))
    assert len(told) == 1
    assert told[0].startswith(f"{named} ")
    assert words in told[0]


def test_the_schema_is_json_schema_and_judges_as_its_reference_does() -> None:
    jsonschema.Draft202012Validator.check_schema(CONFIGURATION)
    judge = jsonschema.Draft202012Validator(CONFIGURATION)
    assert judge.is_valid(SOUND)
    assert [case[0] for case in WRONG if judge.is_valid(changed(*case[:2]))] == []


def test_days_of_retention_are_those_of_the_log_groups() -> None:
    assert set(RETENTION["enum"]) == {-1, *RETENTION_DAYS}


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"cloudwatch_agent_metrics": SOUND["metrics"]["metrics_collected"]}, []),
        ({"cloudwatch_agent_metrics": {"mem": {"measurement": "used"}}}, ["mem.measurement is 'used', but must be a list"]),
        ({"cloudwatch_agent_log_streams": [{"tier": "web", "log_group_name": "made", "unit": []}]}, ["[0].unit is no key"]),
        ({"cloudwatch_agent_log_streams": [{"tier": "web", "log_group_name": "other"}]}, ["other, which nobody makes"]),
    ],
)
def test_preflight_tells_faults_with_the_variable(values: dict[str, Any], told: list[str]) -> None:
    problems = list(agent_problems({"aws_monitoring_log_groups": [{"name": "made"}], **values}))
    assert len(problems) == len(told)
    for problem, words in zip(problems, told, strict=True):
        assert words in problem.text
        assert problem.variable in values

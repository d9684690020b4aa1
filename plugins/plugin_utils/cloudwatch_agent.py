# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the CloudWatch agent would refuse of its configuration, told before a host hears of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.indivillage.infra.plugins.plugin_utils.cloudwatch_agent_schema import (
    CONFIGURATION,
    JOURNAL,
    METRICS_COLLECTED,
    Schema,
)
from ansible_collections.indivillage.infra.plugins.plugin_utils.validation_problems import Problem, suggest

TYPES: Mapping[str, tuple[type, str]] = {
    "object": (Mapping, "a dictionary"),
    "array": (list, "a list"),
    "string": (str, "a text"),
    "integer": (int, "a whole number"),
    "boolean": (bool, "true or false"),
}
METRICS, STREAMS = "cloudwatch_agent_metrics", "cloudwatch_agent_log_streams"


def faults(value: Any, schema: Schema = CONFIGURATION, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield each key that the schema does not allow, as a path from the top, and what is wrong with it."""
    if "anyOf" in schema:
        fitting = [option for option in schema["anyOf"] if _is(value, option["type"])]
        if fitting:
            yield from faults(value, fitting[0], path)
        else:
            yield path, f"is {value!r}, but must be {' or '.join(TYPES[option['type']][1] for option in schema['anyOf'])}"
    elif not _is(value, schema["type"]):
        yield path, f"is {value!r}, but must be {TYPES[schema['type']][1]}"
    elif schema["type"] == "object":
        yield from _faults_of_table(value, schema, path)
    elif schema["type"] == "array":
        if len(value) < schema.get("minItems", 0):
            yield path, "is empty; leave it out"
        for index, part in enumerate(value):
            yield from faults(part, schema["items"], f"{path}[{index}]")
    else:
        yield from _faults_of_value(value, schema, path)


def _is(value: Any, kind: str) -> bool:
    return isinstance(value, TYPES[kind][0]) and not (kind == "integer" and isinstance(value, bool))


def _faults_of_table(value: Mapping[str, Any], schema: Schema, path: str) -> Iterator[tuple[str, str]]:
    known = schema.get("properties", {})
    start = f"{path}." if path else ""
    for key, part in value.items():
        if key in known:
            yield from faults(part, known[key], start + key)
        elif schema["additionalProperties"]:
            yield from faults(part, schema["additionalProperties"], start + key)
        else:
            yield start + key, f"is no key that the agent knows there. {suggest(key, known, 'Known')}"
    for key in schema.get("required", []):
        if key not in value:
            yield start + key, "is missing"
    if len(value) < schema.get("minProperties", 0):
        yield path or "the configuration", "is empty; leave it out"


def _faults_of_value(value: Any, schema: Schema, path: str) -> Iterator[tuple[str, str]]:
    if value not in schema.get("enum", [value]):
        yield path, f"cannot be {value!r}. {suggest(str(value), [str(one) for one in schema['enum']], 'Known')}"
    elif "pattern" in schema and not re.search(schema["pattern"], value):
        yield path, f"cannot be {value!r}, it must match {schema['pattern']}"
    elif not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        yield path, f"cannot be {value!r}, it must be {schema['minimum']} or more" + f", up to {schema['maximum']}" * ("maximum" in schema)


def agent_problems(values: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what is wrong with what the inventory declares for the agents of hosts, in the values of a stack."""
    if METRICS in values:
        for path, text in faults(values[METRICS], METRICS_COLLECTED):
            yield Problem(METRICS, f"would be refused by the agent: {path} {text}.", "Mend it.")
    groups = [group["name"] for group in values.get("aws_monitoring_log_groups") or []]
    for index, entry in enumerate(values.get(STREAMS) or []):
        for path, text in faults({key: part for key, part in entry.items() if key != "tier"}, JOURNAL, f"[{index}]"):
            yield Problem(STREAMS, f"would be refused by the agent: {path} {text}.", "Mend it.")
        name = entry.get("log_group_name")
        if name not in groups:
            yield Problem(STREAMS, f"writes into the log group {name}, which nobody makes.", "Name one of aws_monitoring_log_groups.")

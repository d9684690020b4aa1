# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/alerts.md: what is watched, where it goes off in each environment, who is told, and what to do."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.indivillage.infra.plugins.plugin_utils.monitoring import PERIOD_SECONDS, is_of_cloudwatch, metrics_of
from ansible_collections.indivillage.infra.plugins.plugin_utils.prometheus import budget, burn_rates, minutes_of, number, runbook_of

from scripts.pages.environments import REAL
from scripts.pages.inventory import stacks

HEAD = """\
# Alerts

Made from the catalogue (`inventories/_base/group_vars/monitoring.yml`, `alerting.yml`) by `python -m scripts.pages`; do not edit. One
entry is watched by CloudWatch, by Prometheus, or by both with the same threshold. Thresholds stand as development / staging / production
where they differ.
"""
COMPARED = {"Greater": ">", "Less": "<"}
CHANNEL_KINDS = {"pagerduty": "PagerDuty", "slack": "Slack", "mail": "mail"}


def _said(environment: str) -> dict[str, Any]:
    stack = next(stack for stack in stacks(environment) if stack.kind == "primary")
    found: dict[str, Any] = json.loads(json.dumps(stack.options["prometheus"] | stack.options["alertmanager"], default=str))
    return found


def page() -> str:
    """The whole page."""
    said = {environment: _said(environment) for environment in REAL}
    production = said["production"]
    lines = [HEAD, *_routes(production), "\n## What is watched\n"]
    lines += [
        "| alert | severity | what it means | watched by | goes off | owner | objective | runbook |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for index, entry in enumerate(production["prometheus_alerts"]):
        lines.append(_entry(entry, [said[environment]["prometheus_alerts"][index] for environment in REAL]))
    lines += ["\n## Objectives\n", *_objectives(said)]
    return "\n".join(lines) + "\n"


def _entry(entry: Mapping[str, Any], everywhere: list[Mapping[str, Any]]) -> str:
    watchers = [name for name, watches in (("CloudWatch", is_of_cloudwatch(entry)), ("Prometheus", entry.get("prometheus"))) if watches]
    name = f"{entry['name']} ({entry['layer'].removeprefix('aws_')})"
    page = runbook_of(entry)
    cells = [name, entry["severity"], entry["description"], ", ".join(watchers), _condition(entry, everywhere), entry["owner"]]
    return f"| {' | '.join(cells)} | {entry.get('slo') or ''} | [{page}](runbooks/{page}.md) |"


def _condition(entry: Mapping[str, Any], everywhere: list[Mapping[str, Any]]) -> str:
    if entry.get("all_of") or entry.get("any_of"):
        return " and ".join(entry["all_of"]) if entry.get("all_of") else " or ".join(entry["any_of"])
    if entry.get("threshold") is None:
        return "outside its usual band"
    limits = list(dict.fromkeys(number(one["threshold"]) for one in everywhere))
    sign = next(sign for word, sign in COMPARED.items() if entry["comparison"].startswith(word))
    waits = minutes_of(entry) if entry.get("prometheus") else _cloudwatch_minutes(entry)
    return f"{sign} {' / '.join(limits)}, {number(waits)} min"


def _cloudwatch_minutes(entry: Mapping[str, Any]) -> float:
    return float(metrics_of(entry)[0].get("period_seconds", PERIOD_SECONDS) * entry["evaluation_periods"] / 60)


def _routes(said: Mapping[str, Any]) -> Iterator[str]:
    """Who is told of what."""
    yield from ("## Who is told\n", "| severity | channels | when | when nobody ends it |", "|---|---|---|---|")
    for severity, route in said["alertmanager_routes"].items():
        later = route.get("unresolved")
        cells = [
            severity,
            _channels(route["channels"], said) or "the dashboard shows it",
            _hours(route, said),
            f"after {number(later['minutes'])} min: {_channels(later['channels'], said)}" if later else "",
        ]
        yield f"| {' | '.join(cells)} |"
    yield "\nOutside its hours a message is held until they begin. PagerDuty's own policy says who is called next when nobody acknowledges."


def _channels(names: list[str], said: Mapping[str, Any]) -> str:
    channels = [said["alertmanager_channels"][name] for name in names]
    return ", ".join(
        f"{CHANNEL_KINDS[channel['kind']]} {channel['to']}" if channel.get("to") else CHANNEL_KINDS[channel["kind"]] for channel in channels
    )


def _hours(route: Mapping[str, Any], said: Mapping[str, Any]) -> str:
    if not route.get("hours"):
        return "at any time" if route["channels"] else ""
    hours = said["alertmanager_hours"][route["hours"]]
    return f"{', '.join(hours['weekdays'])} {hours['from']}-{hours['to']} {hours['time_zone']}"


def _objectives(said: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    yield from ("| objective | what it promises | " + " | ".join(said) + " | burns |", "|---|---|" + "---|" * len(said) + "---|")
    for index, slo in enumerate(said["production"]["prometheus_slos"]):
        values = [number(one["prometheus_slos"][index]["objective"]) + " %" for one in said.values()]
        rates = [
            f"{severity}: {number(rate * budget(slo) * 100)} % over {long} and {short}" for severity, rate, long, short in burn_rates(slo)
        ]
        yield f"| {slo['name']} | {slo['description']} | {' | '.join(values)} | {'<br>'.join(rates)} |"
    yield "\nThe last column is production's: alerts `<objective>-burns` fire when the share of errors is above that over both times, for "
    yield "six minutes ([what to do](runbooks/slo-burns.md)). A window is left out where not even a total failure burns so fast."

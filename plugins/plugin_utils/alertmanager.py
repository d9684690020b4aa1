# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who is told of an alert, and when, as Alertmanager's configuration. Secrets stay in files of their own, which it names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.indivillage.infra.plugins.plugin_utils.monitoring import MonitoringError

Entry = Mapping[str, Any]

SEVERITIES = ("critical", "high", "medium", "low")
# How long alerts of a group are gathered, how soon news of the group follows, and after what time it is told again.
TIMES = {"critical": ("10s", "1m", "1h"), "high": ("30s", "5m", "4h"), "medium": ("1m", "10m", "12h"), "low": ("1m", "10m", "24h")}
GROUPED_BY = ("alertname", "region")
UNCLASSIFIED = "high"  # whom an alert without a severity reaches, at any hour
# PagerDuty knows other words.
PAGERDUTY_SEVERITY = '{{ if eq .CommonLabels.severity "critical" }}critical{{ else }}error{{ end }}'
TEXT = "{{ range .Alerts }}{{ .Annotations.summary }} {{ .Labels.instance }} {{ .Annotations.runbook_url }}\n{{ end }}"


def alertmanager_configuration(  # noqa: PLR0917 - a filter's arguments come in order
    routes: Mapping[str, Entry],
    channels: Mapping[str, Entry],
    hours: Mapping[str, Entry],
    mail: Entry,
    catalogue: Sequence[Entry],
    secrets: str,
) -> dict[str, Any]:
    """The whole configuration. secrets: the folder whose files are called as the channels' C(secret) is."""
    if problems := [text for _key, text, _fix in route_faults(routes, channels, hours)]:
        raise MonitoringError(f"Alerts have no way: {'; '.join(problems)}.")
    told = {name: parts for severity, route in routes.items() for name, parts in _receivers(severity, route)}
    escalated = [_route(severity, routes[severity], unresolved=True) for severity in SEVERITIES if routes[severity].get("unresolved")]
    return {
        "global": {**_mail_settings(mail, secrets), "resolve_timeout": "5m"},
        "route": {
            "receiver": UNCLASSIFIED,
            "group_by": list(GROUPED_BY),
            "routes": [*escalated, *(_route(severity, routes[severity]) for severity in SEVERITIES)],
        },
        "receivers": [_receiver(name, [channels[channel] for channel in parts], secrets) for name, parts in told.items()],
        "time_intervals": [{"name": name, "time_intervals": [_interval(one)]} for name, one in hours.items()],
        "inhibit_rules": list(_inhibitions(catalogue)),
    }


def route_faults(routes: Mapping[str, Entry], channels: Mapping[str, Entry], hours: Mapping[str, Entry]) -> Iterator[tuple[str, str, str]]:
    """What is wrong with ways that name what is not there: the key below C(alertmanager_routes), what, and how to mend it."""
    for severity in SEVERITIES:
        if severity not in routes:
            yield severity, f"has no way for alerts of severity {severity}", "Name its channels; an empty list tells nobody."
    for severity, route in routes.items():
        if severity not in SEVERITIES:
            yield severity, f"has a way for the severity {severity}, which no alert has", f"Severities are {', '.join(SEVERITIES)}."
        for channel in [*route["channels"], *(route.get("unresolved") or {}).get("channels", [])]:
            if channel not in channels:
                known = ", ".join(channels) or "none"
                yield severity, f"tells {severity} to {channel}, which is no channel", f"Name some of alertmanager_channels: {known}."
        if route.get("hours") and route["hours"] not in hours:
            known = ", ".join(hours) or "none"
            yield (
                severity,
                f"tells {severity} in the hours {route['hours']}, which nobody declares",
                f"Name one of alertmanager_hours: {known}.",
            )


def _receivers(severity: str, route: Entry) -> Iterator[tuple[str, Sequence[str]]]:
    yield severity, route["channels"]
    if route.get("unresolved"):
        yield f"{severity}-unresolved", route["unresolved"]["channels"]


def _route(severity: str, route: Entry, *, unresolved: bool = False) -> dict[str, Any]:
    wait, interval, repeat = TIMES[severity]
    found = {
        "receiver": f"{severity}-unresolved" if unresolved else severity,
        "matchers": [f'escalation="{severity}"' if unresolved else f'severity="{severity}"'],
        **{"group_wait": wait, "group_interval": interval, "repeat_interval": repeat},
    }
    if unresolved:
        found["group_by"] = [*GROUPED_BY, "unresolved"]
    return {**found, "active_time_intervals": [route["hours"]]} if route.get("hours") else found


def _receiver(name: str, channels: Sequence[Entry], secrets: str) -> dict[str, Any]:
    found: dict[str, Any] = {"name": name}
    for channel in channels:
        key, settings = _settings(channel, secrets)
        found.setdefault(key, []).append({"send_resolved": True, **settings})
    return found


def _settings(channel: Entry, secrets: str) -> tuple[str, dict[str, Any]]:
    """A channel as Alertmanager calls it, and what it wants to know of it."""
    if channel["kind"] == "pagerduty":
        address = {"url": channel["url"]} if channel.get("url") else {}
        return "pagerduty_configs", {"routing_key_file": f"{secrets}/{channel['secret']}", "severity": PAGERDUTY_SEVERITY, **address}
    if channel["kind"] == "slack":
        return "slack_configs", {"api_url_file": f"{secrets}/{channel['secret']}", "channel": channel["to"], "text": TEXT}
    return "email_configs", {"to": channel["to"]}


def _mail_settings(mail: Entry, secrets: str) -> dict[str, Any]:
    settings = {"smtp_smarthost": mail["smarthost"], "smtp_from": mail["from"], "smtp_require_tls": mail.get("require_tls", True)}
    if not mail.get("user"):
        return settings
    return {**settings, "smtp_auth_username": mail["user"], "smtp_auth_password_file": f"{secrets}/{mail['secret']}"}


def _interval(hours: Entry) -> dict[str, Any]:
    return {
        "weekdays": list(hours["weekdays"]),
        "times": [{"start_time": hours["from"], "end_time": hours["to"]}],
        "location": hours["time_zone"],
    }


def _inhibitions(catalogue: Sequence[Entry]) -> Iterator[dict[str, Any]]:
    """While an alert fires, those are not told that it explains: they have the same value of a label."""
    for entry in catalogue:
        silences = (entry.get("prometheus") or {}).get("silences")
        if silences:
            name = entry["name"]
            if silences.get("alerts"):
                others = [f'alertname=~"{"|".join(silences["alerts"])}"']
            else:
                others = [f'alertname!="{name}"', f'unresolved!="{name}"']  # its own escalation is told
            yield {
                "source_matchers": [f'alertname="{name}"'],
                "target_matchers": [*others, f'{silences["same"]}!=""'],
                "equal": [silences["same"]],
            }
    # An objective's faster burning says what the slower ones say.
    for worse, milder in zip(SEVERITIES, ("high|medium|low", "medium|low", "low"), strict=False):
        yield {
            "source_matchers": ['alertname=~".+-burns"', f'severity="{worse}"'],
            "target_matchers": ['alertname=~".+-burns"', f'severity=~"{milder}"'],
            "equal": ["slo", "alertname"],
        }

# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom Alertmanager tells, judged by amtool, at every hour of a week."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from ansible_collections.indivillage.infra.plugins.plugin_utils.alertmanager import alertmanager_configuration

from scripts.pages.inventory import ENVIRONMENTS
from tests.support.monitoring_tools import alerting, run, write

MAIL = {"smarthost": "smtp.example.com:587", "from": "alerts@example.com", "user": "alerts", "secret": "smtp"}
SECRETS = "/etc/prometheus/alertmanager-secrets"
MONDAY = datetime(2026, 11, 23, tzinfo=ZoneInfo("Asia/Kolkata"))
# What is promised: by severity the channels, and whether they wait for business hours, Monday to Friday 09:00 to 18:00 in India.
PROMISED = {
    "critical": ({"pagerduty", "slack", "mail"}, False),
    "high": ({"slack", "mail"}, True),
    "medium": ({"slack"}, True),
    "low": (set(), False),
}
KINDS = {"pagerduty_configs": "pagerduty", "slack_configs": "slack", "email_configs": "mail"}


@cache
def configuration(environment: str) -> dict[str, Any]:
    said = alerting(environment)
    parts = (said["alertmanager_channels"], said["alertmanager_hours"], MAIL, said["alertmanager_alerts"], SECRETS)
    return alertmanager_configuration(said["alertmanager_routes"], *parts)


def receiver(file: Path, *labels: str) -> str:
    """The receiver that amtool finds for an alert with these labels."""
    result = run("amtool", "config", "routes", "test", f"--config.file={file}", *labels)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def kinds(found: dict[str, Any], name: str) -> set[str]:
    (settings,) = (one for one in found["receivers"] if one["name"] == name)
    return {KINDS[key] for key in settings if key != "name"}


def is_told(found: dict[str, Any], name: str, moment: datetime) -> bool:
    """Whether the receiver's route speaks at that moment, by the intervals that it names."""
    (route,) = (one for one in found["route"]["routes"] if one["receiver"] == name)
    named = route.get("active_time_intervals")
    intervals = {one["name"]: one["time_intervals"] for one in found["time_intervals"]}
    return named is None or any(_holds(interval, moment) for one in named for interval in intervals[one])


def _holds(interval: dict[str, Any], moment: datetime) -> bool:
    days = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
    local = moment.astimezone(ZoneInfo(interval["location"]))
    ranges = [[days.index(day) for day in one.split(":")] for one in interval["weekdays"]]
    on_day = any(found[0] <= local.weekday() <= found[-1] for found in ranges)
    return on_day and any(one["start_time"] <= local.strftime("%H:%M") < one["end_time"] for one in interval["times"])


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_amtool_accepts_it(environment: str, tmp_path: Path) -> None:
    result = run("amtool", "check-config", write(tmp_path / "alertmanager.yml", configuration(environment)))

    assert result.returncode == 0, result.stdout + result.stderr
    assert "SUCCESS" in result.stdout


@pytest.mark.parametrize("severity", PROMISED)
def test_every_severity_reaches_whom_it_should_at_every_hour_of_the_week(severity: str, tmp_path: Path) -> None:
    found = configuration("production")
    name = receiver(write(tmp_path / "alertmanager.yml", found), f"severity={severity}", "alertname=x", "region=us-east-1")
    channels, waits = PROMISED[severity]

    assert kinds(found, name) == channels
    for hour in range(7 * 24):
        moment = (MONDAY + timedelta(hours=hour)).astimezone(UTC)
        in_business_hours = hour < 5 * 24 and 9 <= hour % 24 < 18
        assert is_told(found, name, moment) == (in_business_hours or not waits), (severity, moment)
    assert is_told(found, name, MONDAY.replace(hour=17, minute=59))
    assert is_told(found, name, MONDAY.replace(hour=8, minute=59)) == (not waits)


@pytest.mark.parametrize(("severity", "channels"), [("critical", {"pagerduty", "mail"}), ("high", {"mail"}), ("medium", {"mail"})])
def test_what_nobody_ends_is_told_to_others(severity: str, channels: set[str], tmp_path: Path) -> None:
    found = configuration("production")
    file = write(tmp_path / "alertmanager.yml", found)

    name = receiver(file, "alertname=unresolved", f"severity={severity}", f"escalation={severity}", "unresolved=host-down")

    assert name == f"{severity}-unresolved"
    assert kinds(found, name) == channels
    said = {one["to"] for one in next(one for one in found["receivers"] if one["name"] == name)["email_configs"]}
    assert said == {"ops-alerts@indivillage.com" if severity == "medium" else "engineering-manager@indivillage.com"}


def test_an_alert_without_severity_is_told_nevertheless(tmp_path: Path) -> None:
    file = write(tmp_path / "alertmanager.yml", configuration("production"))

    assert kinds(configuration("production"), receiver(file, "alertname=x")) == {"slack", "mail"}


def test_no_secret_is_in_it() -> None:
    found = configuration("production")
    configs = [config for one in found["receivers"] for parts in one.values() if isinstance(parts, list) for config in parts]
    files = [value for config in configs for key, value in config.items() if key.endswith("_file")]
    assert set(files) == {f"{SECRETS}/pagerduty", f"{SECRETS}/slack"}
    assert found["global"]["smtp_auth_password_file"] == f"{SECRETS}/smtp"

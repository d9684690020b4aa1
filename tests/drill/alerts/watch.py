# SPDX-License-Identifier: GPL-3.0-or-later
"""The monitoring host of a running site, and who is told: receivers on the host that speak as PagerDuty, Slack and a mail server do."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest
import yaml

from tests.e2e.driver import ROOT, Site

RECEIVERS = ROOT / "molecule/monitoring/world.py"
ROUTES, RULES = "/etc/prometheus/alertmanager.yml", "/etc/prometheus/rules/catalogue.yml"
ALL_DAY = [{"weekdays": ["sunday:saturday"]}]
DISK_MINUTES = 1
ASK = 'curl --silent --insecure --fail --user "prometheus:$(cat /run/host-secrets/scrape-password)" "https://localhost:{port}{path}"'
BEGIN_ANEW = f"""
systemctl stop prometheus prometheus-alertmanager && find /var/lib/prometheus/metrics2 -mindepth 1 -delete || exit 1
rm -f /var/lib/prometheus/alertmanager/nflog && systemctl start prometheus prometheus-alertmanager || exit 1
for _ in $(seq 60); do {ASK.format(port=9090, path="/-/ready")} >/dev/null && exit 0; sleep 1; done
exit 1
"""
PARTS = (
    "prometheus",
    "prometheus-alertmanager",
    "prometheus-blackbox-exporter",
    "prometheus-postgres-exporter",
    "prometheus-redis-exporter",
)


@dataclass(frozen=True)
class Message:
    """What one receiver was told, and when, in seconds since the epoch."""

    at: float
    receiver: str
    text: str

    @property
    def firing(self) -> bool:
        """Not the news that something has ended."""
        return '"event_action": "trigger"' in self.text if self.receiver == "pagerduty" else "[FIRING" in self.text


class Watch:
    """Asks the monitoring host."""

    def __init__(self, site: Site) -> None:
        self.site = site
        found = site.instances("monitoring")
        if not found:
            pytest.fail("no monitoring host runs: docs/monitoring.md says how an environment gets one, then `make site`")
        self.container = f"indivillage-{found[0]['InstanceId']}"

    def execute(self, *command: str) -> str:
        """What a command on the host answers."""
        return self.site.must("podman", "exec", self.container, *command)

    def write(self, path: str, text: str) -> None:
        """A file of the host, which keeps its owner and mode."""
        self.execute("python3", "-c", "import sys; open(sys.argv[1], 'w').write(sys.argv[2])", path, text)

    def ask(self, path: str, port: int = 9090) -> Any:
        """An answer of an API on the host."""
        return json.loads(self.execute("sh", "-c", ASK.format(port=port, path=path)))

    def silences(self) -> list[dict[str, Any]]:
        """Alertmanager's silences, those that have ended included."""
        return list(self.ask("/api/v2/silences", 9093))

    def held(self) -> list[dict[str, Any]]:
        """The alerts of which Alertmanager tells, or would if they were not silenced: some minutes longer than Prometheus knows of them."""
        return list(self.ask("/api/v2/alerts", 9093))

    def query(self, expression: str) -> list[Any]:
        """The samples of an expression now."""
        return list(self.ask(f"/api/v1/query?query={quote(expression)}")["data"]["result"])

    def series(self, expression: str, since: float, until: float, step: float) -> list[Any]:
        """The samples of an expression in a time, in seconds since the epoch, every `step` seconds."""
        return list(self.ask(f"/api/v1/query_range?query={quote(expression)}&start={since}&end={until}&step={step}")["data"]["result"])

    def targets(self) -> dict[tuple[str, str], str]:
        """Job and instance of each target, and its health."""
        found = self.ask("/api/v1/targets?state=active")["data"]["activeTargets"]
        return {(target["labels"]["job"], target["labels"]["instance"]): target["health"] for target in found}

    def forget(self) -> None:
        """Have Prometheus and Alertmanager begin anew, but for silences.

        What failed in the hours before a drill would spend budgets, and keep alerts on, during it. What was told an hour before, and ended
        when there were no receivers any more, would be told to nobody again.
        """
        self.execute("sh", "-c", BEGIN_ANEW)

    def told(self) -> list[Message]:
        """Everything that receivers were told."""
        lines = [json.loads(line) for line in self.execute("cat", "/run/told").splitlines()]
        return [Message(line["at"], line["receiver"], json.dumps(line["said"])) for line in lines]

    def notified(self, alert: str, since: float) -> dict[str, float]:
        """Receiver -> seconds from `since` until it was first told that the alert fires."""
        found: dict[str, float] = {}
        for message in self.told():
            if message.at >= since and message.firing and alert in message.text:
                found.setdefault(message.receiver, message.at - since)
        return found


@contextmanager
def receivers(watch: Watch) -> Iterator[None]:
    """Who is told, at any hour; a disk that is nearly full is told after a minute. All of it goes as it came."""
    before = {path: watch.execute("cat", path) for path in (ROUTES, RULES)}
    routes, rules = yaml.safe_load(before[ROUTES]), yaml.safe_load(before[RULES])
    for hours in routes["time_intervals"]:
        hours["time_intervals"] = ALL_DAY
    for rule in (rule for group in rules["groups"] for rule in group["rules"] if rule.get("alert") == "host-disk-full"):
        rule["for"] = f"{DISK_MINUTES}m"
    try:
        watch.write("/run/receivers.py", RECEIVERS.read_text())
        watch.execute("systemd-run", "--quiet", "--unit=drill-receivers", "python3", "/run/receivers.py", "receivers")
        watch.write(ROUTES, yaml.safe_dump(routes))
        watch.write(RULES, yaml.safe_dump(rules))
        watch.execute("systemctl", "reload", "prometheus", "prometheus-alertmanager")
        yield
    finally:
        for path, text in before.items():
            watch.write(path, text)
        watch.execute(
            "sh",
            "-c",
            "systemctl reload prometheus prometheus-alertmanager; systemctl stop drill-receivers; rm -f /run/told /run/receivers.py",
        )


def until(condition: Callable[[], Any], seconds: float, every: float = 2) -> Any:
    """What the condition answers as soon as it is true, or at the end."""
    deadline = time.monotonic() + seconds
    while not (found := condition()) and time.monotonic() < deadline:
        time.sleep(every)
    return found

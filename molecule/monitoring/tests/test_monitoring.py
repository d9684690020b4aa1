# SPDX-License-Identifier: GPL-3.0-or-later
"""A monitoring host as those see it who rely on it: pages are asked, instances found, rules fire, and people are told, or not."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import testinfra
import yaml
from testinfra.host import Host

PASSWORD = "scrape-password-of-the-test"  # noqa: S105 - of this test alone
CURL = "curl --silent --show-error --insecure --max-time 15"
UNITS = {"prometheus": 9090, "prometheus-alertmanager": 9093, "prometheus-blackbox-exporter": 9115}
ALERTMANAGER = "/etc/prometheus/alertmanager.yml"


@pytest.fixture(scope="module")
def host() -> Host:
    return testinfra.get_host("podman://molecule-monitoring")


def ask(host: Host, port: int, path: str, body: Any = None) -> Any:
    sent = f"--header 'Content-Type: application/json' --data '{json.dumps(body)}'" if body is not None else ""
    return json.loads(host.check_output(f"{CURL} --user prometheus:{PASSWORD} {sent} 'https://127.0.0.1:{port}{path}'") or "null")


def query(host: Host, expression: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ask(host, 9090, f"/api/v1/query?query={quote(expression)}")["data"]["result"]
    return found


def told(host: Host, receiver: str, word: str) -> list[Any]:
    """What a receiver was told that has the word in it."""
    lines = [json.loads(line) for line in host.file("/run/told").content_string.splitlines()]
    return [line["said"] for line in lines if line["receiver"] == receiver and word in json.dumps(line["said"])]


def soon(what: Callable[[], Any], seconds: int = 40) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := what()) and time.monotonic() < deadline:
        time.sleep(1)
    return found


@pytest.mark.parametrize("unit", UNITS)
def test_a_unit_runs_without_root_is_enabled_and_sandboxed(host: Host, unit: str) -> None:
    assert host.service(unit).is_running
    assert host.service(unit).is_enabled
    pid = host.check_output(f"systemctl show --property MainPID --value {unit}")
    assert host.check_output(f"ps -o user= -p {pid}") == "prometheus"
    text = host.check_output(f"systemd-analyze security {unit}.service --no-pager")
    level = re.search(r"exposure level for \S+: ([\d.]+)", text)
    assert level, text
    assert float(level[1]) <= 3.0
    for path in ("/usr/probe", "/etc/prometheus/probe"):
        touched = host.run(f"setpriv --reuid prometheus --regid prometheus --clear-groups touch /proc/{pid}/root{path}")
        assert "Read-only file system" in touched.stderr, path


@pytest.mark.parametrize("unit", UNITS)
def test_nobody_gets_in_without_tls_and_a_password(host: Host, unit: str) -> None:
    port = UNITS[unit]
    assert host.run(f"{CURL} http://127.0.0.1:{port}/metrics").stdout.startswith("Client sent an HTTP request to an HTTPS server")
    assert host.run(f"{CURL} --tls-max 1.2 https://127.0.0.1:{port}/metrics").rc == 35
    for user, status in (("", "401"), ("--user prometheus:wrong", "401"), (f"--user prometheus:{PASSWORD}", "200")):
        assert (
            host.check_output(f"{CURL} {user} --output /dev/null --write-out '%{{http_code}}' https://127.0.0.1:{port}/metrics") == status
        )


def test_secrets_are_read_by_the_service_alone_and_stand_in_no_configuration(host: Host) -> None:
    for name in ("scrape-password", "alertmanager-secrets/pagerduty", "alertmanager-secrets/slack", "prometheus-web.yml"):
        file = host.file(f"/etc/prometheus/{name}")
        assert (file.user, file.group, file.mode) == ("root", "prometheus", 0o640), name
    found = host.run(f"grep -rlE '{PASSWORD}|key-of-' /etc/prometheus /etc/default /etc/systemd").stdout.split()
    assert sorted(found) == [
        f"/etc/prometheus/{name}" for name in ("alertmanager-secrets/pagerduty", "alertmanager-secrets/slack", "scrape-password")
    ]


def test_what_runs_on_the_host_is_read_and_instances_are_found_by_asking_ec2(host: Host) -> None:
    assert soon(lambda: len([one for one in query(host, "up") if one["value"][1] == "1"]) == 4)
    assert {one["metric"]["job"] for one in query(host, "up==1")} == {"prometheus", "alertmanager", "blackbox_exporter", "probe"}
    (node,) = soon(lambda: query(host, 'up{job="node"}'))
    assert {key: node["metric"][key] for key in ("instance", "tier", "region")} == {
        **{"instance": "i-0123456789abcdef0", "tier": "web", "region": "us-east-1"}
    }


def test_every_metric_that_rules_may_name_is_exposed(host: Host) -> None:
    metrics = Path(__file__).resolve().parents[3] / "plugins/plugin_utils/metrics.yml"
    said = yaml.safe_load(metrics.read_text(encoding="utf-8"))["prometheus"]
    for source, port, path in (("prometheus", 9090, "/metrics"), ("alertmanager", 9093, "/metrics")):
        text = host.check_output(f"{CURL} --user prometheus:{PASSWORD} https://127.0.0.1:{port}{path}")
        missing = [name for name in said[source] if not re.search(rf"^(?:# TYPE )?{name}\b", text, re.MULTILINE)]
        assert missing == [], source
    target = "https%3A%2F%2Flocalhost%3A8443%2F"
    text = host.check_output(f"{CURL} --user prometheus:{PASSWORD} 'https://127.0.0.1:9115/probe?module=page&target={target}'")
    assert [name for name in said["blackbox_exporter"] if not re.search(rf"^{name} ", text, re.MULTILINE)] == []
    exporter = "prometheus-node-exporter --web.listen-address=127.0.0.1:9199 --collector.systemd"
    host.check_output(f"systemd-run --unit exporter-of-the-test {exporter}")
    try:
        address = "http://127.0.0.1:9199/metrics"
        text = soon(lambda: host.run(f"{CURL} {address}").stdout)
        assert [name for name in said["node_exporter"] if not re.search(rf"^{name}[{{ ]", text, re.MULTILINE)] == []
    finally:
        host.check_output("systemctl stop exporter-of-the-test")


def test_the_objective_is_recorded(host: Host) -> None:
    assert soon(lambda: [one["value"][1] for one in query(host, "slo:error_ratio:5m")] == ["0"])


def test_dashboards_ask_what_prometheus_answers_and_a_missing_grafana_is_told(host: Host) -> None:
    dashboard = json.loads(host.file("/etc/grafana/site/dashboards/operations.json").content_string)
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    assert expressions == ['ALERTS{alertstate="firing", severity=~"critical"}', "probe_success"]
    assert soon(lambda: query(host, "probe_success"))
    for expression in expressions:
        assert ask(host, 9090, f"/api/v1/query?query={quote(expression)}")["status"] == "success"
    settings = host.file("/etc/grafana/site/grafana.ini")
    assert (settings.user, settings.mode) == ("root", 0o644)
    assert host.run(f"grep -r '{PASSWORD}' /etc/grafana").rc == 1
    report = json.loads(host.file("/var/lib/indivillage/packages/grafana.json").content_string)
    assert (report["state"], report["reason"]) == ("skipped", "no mirror is declared in grafana_package")
    assert not host.package("grafana").is_installed


# --- people are told ---


@pytest.fixture(scope="module")
def patient(host: Host) -> Iterator[Callable[[str], None]]:
    """Lets Alertmanager wait for seconds instead of minutes, and have business hours on one day; its own settings come back."""
    before = host.file(ALERTMANAGER).content_string

    def business_day(name: str) -> None:
        settings = yaml.safe_load(before)
        for route in (settings["route"], *settings["route"]["routes"]):
            route |= {"group_wait": "1s", "group_interval": "1s"}
        whole_day = {"weekdays": [name], "times": [{"start_time": "00:00", "end_time": "24:00"}], "location": "UTC"}
        settings["time_intervals"] = [{"name": "business", "time_intervals": [whole_day]}]
        write(host, yaml.safe_dump(settings))

    yield business_day
    write(host, before)


def write(host: Host, text: str) -> None:
    """Give Alertmanager these settings, and wait until it has taken them over."""
    before = loaded(host)
    host.run_expect([0], f"cat >{ALERTMANAGER} <<'END'\n{text.rstrip()}\nEND\n")
    host.check_output("systemctl reload prometheus-alertmanager")
    assert soon(lambda: loaded(host) > before)


def loaded(host: Host) -> float:
    """When Alertmanager last took over its settings."""
    text = host.check_output(f"{CURL} --user prometheus:{PASSWORD} https://127.0.0.1:9093/metrics")
    found = re.search(r"^alertmanager_config_last_reload_success_timestamp_seconds (\S+)$", text, re.MULTILINE)
    assert found, text
    return float(found[1])


def day(offset: int) -> str:
    return (datetime.now(UTC) + timedelta(days=offset)).strftime("%A").lower()


def alert(host: Host, name: str, severity: str) -> None:
    ask(host, 9093, "/api/v2/alerts", [{"labels": {"alertname": name, "severity": severity}, "annotations": {"summary": f"about {name}"}}])


@pytest.fixture
def broken_page(host: Host) -> Iterator[None]:
    host.check_output("touch /run/page-is-broken")
    yield
    host.check_output("rm -f /run/page-is-broken")


def firing(host: Host) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ask(host, 9093, "/api/v2/alerts?filter=alertname%3Dpage-unreachable")
    return found


def test_a_rule_that_fires_reaches_everybody_who_has_to_know_and_its_end_as_well(host: Host, patient: Callable[[str], None]) -> None:
    patient(day(3))  # what is critical waits for no hours
    host.check_output("touch /run/page-is-broken")
    try:
        page = soon(lambda: told(host, "pagerduty", "page-unreachable"))[0]
        assert (page["routing_key"], page["event_action"], page["payload"]["severity"]) == ("key-of-pagerduty", "trigger", "critical")
        chat = soon(lambda: told(host, "slack", "page-unreachable"))[0]
        assert chat["channel"] == "#incidents"
        assert "A page or the API cannot be reached from outside https://localhost:8443/" in json.dumps(chat)
        assert "page-unreachable.md" in json.dumps(chat)
        mail = soon(lambda: told(host, "mail", "page-unreachable"))[0]
        assert "To: ops@example.com" in mail
        assert query(host, 'ALERTS{alertname="page-unreachable",alertstate="firing"}')[0]["metric"]["severity"] == "critical"
    finally:
        host.check_output("rm -f /run/page-is-broken")
    assert soon(lambda: [said for said in told(host, "pagerduty", "page-unreachable") if said["event_action"] == "resolve"])


def test_a_silence_holds_it(host: Host, patient: Callable[[str], None], broken_page: None) -> None:
    now = datetime.now(UTC)
    times = {"startsAt": now.isoformat(), "endsAt": (now + timedelta(minutes=5)).isoformat()}
    matcher = {"name": "alertname", "value": "page-unreachable", "isRegex": False, "isEqual": True}
    silence = ask(host, 9093, "/api/v2/silences", {**times, "matchers": [matcher], "createdBy": "test", "comment": "maintenance"})[
        "silenceID"
    ]
    before = len(told(host, "slack", "page-unreachable"))
    try:
        assert soon(lambda: [one for one in firing(host) if one["status"]["state"] == "suppressed"])[0]["status"]["silencedBy"] == [silence]
        time.sleep(4)
        assert len(told(host, "slack", "page-unreachable")) == before
    finally:
        host.check_output(f"{CURL} --user prometheus:{PASSWORD} --request DELETE https://127.0.0.1:9093/api/v2/silence/{silence}")
    assert soon(lambda: len(told(host, "slack", "page-unreachable")) > before), "the silence has ended, the trouble has not"


@pytest.mark.parametrize(("severity", "channels"), [("high", ["slack", "mail"]), ("medium", ["slack"])])
def test_what_can_wait_is_held_until_business_hours(host: Host, patient: Callable[[str], None], severity: str, channels: list[str]) -> None:
    patient(day(3))
    alert(host, f"late-{severity}", severity)
    time.sleep(4)
    assert [told(host, receiver, f"late-{severity}") for receiver in ("pagerduty", "slack", "mail")] == [[], [], []]

    patient(day(0))

    for receiver in channels:
        assert soon(partial(told, host, receiver, f"late-{severity}")), receiver
    assert [receiver for receiver in ("pagerduty", "slack", "mail") if told(host, receiver, f"late-{severity}")] == channels


def test_what_is_low_is_told_to_nobody(host: Host, patient: Callable[[str], None]) -> None:
    patient(day(0))
    alert(host, "faint", "low")
    assert soon(lambda: [one for one in ask(host, 9093, "/api/v2/alerts") if one["labels"]["alertname"] == "faint"])
    time.sleep(4)
    assert [told(host, receiver, "faint") for receiver in ("pagerduty", "slack", "mail")] == [[], [], []]

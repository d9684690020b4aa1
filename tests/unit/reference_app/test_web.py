# SPDX-License-Identifier: GPL-3.0-or-later
"""Pages, JSON and status codes of the reference application."""

from __future__ import annotations

import logging
from typing import Any
from urllib.parse import urlsplit

import pytest

from roles.app_tier.files.reference_app.reference import metrics
from roles.app_tier.files.reference_app.reference.aws import Instance
from roles.app_tier.files.reference_app.reference.checks import Result
from roles.app_tier.files.reference_app.reference.settings import Settings, SettingsError
from roles.app_tier.files.reference_app.reference.web import create_app
from scripts.pages.inventory import stacks

ENVIRONMENT = {
    "APP_RELEASE": "r1",
    "AWS_REGION": "us-east-1",
    "DATABASE_SECRET_ID": "/db",
    "CACHE_SECRET_ID": "/cache",
    "BUCKET_NAME": "bucket",
    "QUEUE_NAME": "queue",
    "TLS_CA_FILE": "/ca.pem",
}


class FakeChecks:
    """Answers every question with the given results."""

    def __init__(self, database: Result) -> None:
        self.results = {"database": database, "cache": Result(True, "Redis 7", 2)}
        self.names = self.results.keys()
        self.asked: list[str] = []

    def status(self, *names: str) -> dict[str, Result]:
        self.asked.append("status")
        return {name: self.results[name] for name in names or self.names}

    def round_trip(self) -> dict[str, Result]:
        self.asked.append("round_trip")
        return self.results


def client(checks: FakeChecks) -> Any:
    return create_app(ENVIRONMENT, checks, lambda: Instance("ip-10-0-0-4", "i-1", "us-east-1a")).test_client()  # type: ignore[arg-type]


UP = Result(True, "PostgreSQL 17", 3)
DOWN = Result(False, "failed: <b>OperationalError</b>", 3000)


def test_every_page_that_monitoring_asks_for_is_there() -> None:
    probes = stacks("sandbox")[0].options["prometheus"]["prometheus_probes"]
    answers = {url: client(FakeChecks(UP)).get(urlsplit(url).path).status_code for urls in probes.values() for url in urls}
    assert len(answers) == 6
    assert set(answers.values()) == {200}


@pytest.mark.parametrize(("name", "code"), [("cache", 200), ("database", 503), ("unknown", 404)])
def test_one_backend_is_asked_alone(name: str, code: int) -> None:
    answer = client(FakeChecks(DOWN)).get(f"/api/status/{name}")
    assert answer.status_code == code
    assert code == 404 or list(answer.get_json()["components"]) == [name]


def test_status_tells_who_serves_and_what_answered() -> None:
    answer = client(FakeChecks(UP)).get("/api/status")
    assert answer.status_code == 200
    assert answer.get_json() == {
        "host": "ip-10-0-0-4",
        "instance_id": "i-1",
        "zone": "us-east-1a",
        "release": "r1",
        "components": {
            "database": {"ok": True, "detail": "PostgreSQL 17", "milliseconds": 3},
            "cache": {"ok": True, "detail": "Redis 7", "milliseconds": 2},
        },
        "ok": True,
    }
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [("get", "/health", 200), ("get", "/ready", 503), ("get", "/api/status", 200), ("post", "/api/round-trip", 503), ("get", "/", 200)],
)
def test_a_dead_backend_fails_what_depends_on_it_and_nothing_else(method: str, path: str, code: int) -> None:
    assert getattr(client(FakeChecks(DOWN)), method)(path).status_code == code


def test_health_asks_no_backend() -> None:
    checks = FakeChecks(DOWN)
    client(checks).get("/health")
    assert checks.asked == []


def test_the_page_shows_a_dead_backend_in_red_and_escapes_its_text() -> None:
    text = client(FakeChecks(DOWN)).get("/").get_data(as_text=True)
    assert '<tr class="bad">' in text
    assert "Not every backend answered." in text
    assert "&lt;b&gt;OperationalError" in text
    assert "us-east-1a" in text
    assert "style=" not in text  # the content policy of the web tier would refuse it
    assert "<script" not in text


def test_the_button_writes_and_reads_back() -> None:
    checks = FakeChecks(UP)
    assert "All backends gave back what was written." in client(checks).post("/").get_data(as_text=True)
    assert checks.asked == ["round_trip"]


def test_a_round_trip_cannot_be_started_by_a_link() -> None:
    assert client(FakeChecks(UP)).get("/api/round-trip").status_code == 405


def test_requests_are_logged_with_the_client_that_the_web_tier_saw(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    client(FakeChecks(UP)).get("/api/status", headers={"X-Forwarded-For": "203.0.113.9, 10.0.1.4", "X-Request-Id": "abc"})
    fields = caplog.records[-1].fields  # type: ignore[attr-defined]
    assert (fields["client"], fields["request_id"], fields["status"], fields["path"]) == ("203.0.113.9", "abc", 200, "/api/status")


def test_the_style_sheet_is_served() -> None:
    with client(FakeChecks(UP)).get("/static/page.css") as answer:
        assert answer.mimetype == "text/css"
        assert answer.headers["Cache-Control"] == "max-age=3600"


def test_missing_settings_are_named_all_at_once() -> None:
    with pytest.raises(SettingsError, match=r"BUCKET_NAME, QUEUE_NAME, TLS_CA_FILE, AWS_REGION; .*/etc/indivillage/app.env"):
        Settings.from_environment(dict.fromkeys(("APP_RELEASE", "DATABASE_SECRET_ID", "CACHE_SECRET_ID"), "x"))


METRICS_ENVIRONMENT = ENVIRONMENT | {"METRICS_PORT": "8444"}


@pytest.mark.parametrize(
    ("port", "path", "code"),
    [("8443", "/metrics", 404), ("8444", "/metrics", 200), ("8444", "/", 404), ("8444", "/health", 404), ("8443", "/health", 200)],
)
def test_metrics_are_answered_at_their_own_port_and_nothing_else_is(
    monkeypatch: pytest.MonkeyPatch, port: str, path: str, code: int
) -> None:
    monkeypatch.setattr(metrics, "exposition", lambda: b"app_requests_total 1\n")
    app = create_app(METRICS_ENVIRONMENT, FakeChecks(UP), lambda: Instance("h", "i-1", "a"))  # type: ignore[arg-type]
    headers = {"Host": f"localhost:{8887 - int(port) + 8000}"}  # what a client says counts for nothing
    assert app.test_client().get(path, headers=headers, environ_overrides={"SERVER_PORT": port}).status_code == code


def test_without_a_port_there_are_no_metrics() -> None:
    assert client(FakeChecks(UP)).get("/metrics").status_code == 404


def test_answers_are_counted_by_route_and_probes_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[tuple[str, str, int]] = []
    monkeypatch.setattr(metrics, "count", lambda method, route, status, seconds: counted.append((method, route, status)))
    asked = client(FakeChecks(DOWN))
    for path in ("/", "/ready", "/health", "/a/path/of/a/visitor"):
        asked.get(path)
    assert counted == [("GET", "/", 200), ("GET", "/ready", 503), ("GET", "none", 404)]

# SPDX-License-Identifier: GPL-3.0-or-later
"""The pages and the JSON of the reference application."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from flask import Flask, Response, g, jsonify, render_template, request

from .aws import Clients, Identity, Instance, Secrets
from .checks import Checks, Result
from .components import Bucket, Cache, Component, Database, Queue
from .settings import Settings

logger = logging.getLogger("reference.web")


def backends(settings: Settings) -> dict[str, Component]:
    """Make the four backends; none of them is contacted yet."""
    clients = Clients()
    secrets = Secrets(clients)
    return {
        "database": Database(secrets, settings.database_secret_id, settings.ca_file),
        "cache": Cache(secrets, settings.cache_secret_id, settings.ca_file),
        "bucket": Bucket(clients, settings.bucket_name),
        "queue": Queue(clients, settings.queue_name),
    }


def create_app(environment: Mapping[str, str], checks: Checks | None = None, identity: Callable[[], Instance] | None = None) -> Flask:
    """Build the WSGI application. Tests hand in checks and an identity of their own."""
    settings = Settings.from_environment(environment)
    checks = checks or Checks(backends(settings))
    identity = identity or Identity(environment)
    app = Flask(__name__)

    def report(results: Mapping[str, Result]) -> dict[str, Any]:
        return {
            **asdict(identity()),
            "release": settings.release,
            "components": {name: asdict(result) for name, result in results.items()},
            "ok": all(result.ok for result in results.values()),
        }

    @app.get("/health")
    def health() -> Response:
        return jsonify(status="ok")

    @app.get("/ready")
    def ready() -> tuple[Response, int]:
        content = report(checks.status())
        return jsonify(content), 200 if content["ok"] else 503

    @app.get("/api/status")
    def status() -> Response:
        return jsonify(report(checks.status()))

    @app.post("/api/round-trip")
    def round_trip() -> tuple[Response, int]:
        content = report(checks.round_trip())
        return jsonify(content), 200 if content["ok"] else 503

    @app.route("/", methods=["GET", "POST"])
    def page() -> str:
        is_trip = request.method == "POST"
        return render_template("page.html", **report(checks.round_trip() if is_trip else checks.status()), is_round_trip=is_trip)

    @app.before_request
    def start_clock() -> None:
        g.start = time.monotonic()

    @app.after_request
    def log(response: Response) -> Response:
        if request.path != "/health":  # load balancers ask every few seconds
            fields = {
                "method": request.method,
                "path": request.path,
                "status": response.status_code,
                "milliseconds": round((time.monotonic() - g.start) * 1000),
                "client": request.headers.get("X-Forwarded-For", request.remote_addr or "").partition(",")[0],
                "request_id": request.headers.get("X-Request-Id", ""),
            }
            logger.info("request", extra={"fields": fields})
        response.headers["Cache-Control"] = "max-age=3600" if request.endpoint == "static" else "no-store"
        return response

    return app

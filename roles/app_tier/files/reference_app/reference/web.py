# SPDX-License-Identifier: GPL-3.0-or-later
"""The pages and the JSON of the reference application."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from flask import Flask, Response, abort, g, jsonify, render_template, request

from . import metrics
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

    # Load balancers ask for the one, visitors of the API for the other.
    @app.get("/health")
    @app.get("/api/health")
    def health() -> Response:
        return jsonify(status="ok")

    @app.get("/ready")
    def ready() -> tuple[Response, int]:
        content = report(checks.status())
        return jsonify(content), 200 if content["ok"] else 503

    @app.get("/api/status")
    def status() -> Response:
        return jsonify(report(checks.status()))

    @app.get("/api/status/<name>")
    def status_of_one(name: str) -> tuple[Response, int]:
        if name not in checks.names:
            abort(404)
        content = report(checks.status(name))
        return jsonify(content), 200 if content["ok"] else 503

    @app.post("/api/round-trip")
    def round_trip() -> tuple[Response, int]:
        content = report(checks.round_trip())
        return jsonify(content), 200 if content["ok"] else 503

    # The site's other pages, which monitoring asks for, stand for themselves here.
    @app.route("/", methods=["GET", "POST"])
    @app.get("/<any(services, impact, 'case-studies', contact):_>")
    def page(_: str = "") -> str:
        is_trip = request.method == "POST"
        return render_template("page.html", **report(checks.round_trip() if is_trip else checks.status()), is_round_trip=is_trip)

    @app.get("/metrics")
    def exposition() -> Response:
        return Response(metrics.exposition(), content_type=metrics.CONTENT_TYPE)

    @app.before_request
    def start_clock() -> None:
        g.start = time.monotonic()
        # Load balancers bring visitors to the other port. The server, and no header, says at which one a request has come.
        is_private = bool(settings.metrics_port) and request.environ["SERVER_PORT"] == settings.metrics_port
        if is_private != (request.path == "/metrics"):
            abort(404)

    @app.after_request
    def log(response: Response) -> Response:
        if request.path not in {"/health", "/metrics"}:  # load balancers and Prometheus ask every few seconds
            seconds = time.monotonic() - g.start
            metrics.count(request.method, str(request.url_rule or "none"), response.status_code, seconds)
            fields = {
                "method": request.method,
                "path": request.path,
                "status": response.status_code,
                "milliseconds": round(seconds * 1000),
                "client": request.headers.get("X-Forwarded-For", request.remote_addr or "").partition(",")[0],
                "request_id": request.headers.get("X-Request-Id", ""),
            }
            logger.info("request", extra={"fields": fields})
        response.headers["Cache-Control"] = "max-age=3600" if request.endpoint == "static" else "no-store"
        return response

    return app

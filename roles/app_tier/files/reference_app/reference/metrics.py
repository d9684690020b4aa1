# SPDX-License-Identifier: GPL-3.0-or-later
"""What Prometheus reads of the application. Each worker counts in files (PROMETHEUS_MULTIPROC_DIR); whoever is asked adds them up."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest, multiprocess

REQUESTS = Counter("app_requests", "Requests that were answered, by route and status.", ["method", "route", "status"])
SECONDS = Histogram(
    "app_request_duration_seconds",
    "Time until the answer, by route.",
    ["route"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def count(method: str, route: str, status: int, seconds: float) -> None:
    """Note one answer. The route is that of the application and never a visitor's path, of which there are too many."""
    REQUESTS.labels(method, route, str(status)).inc()
    SECONDS.labels(route).observe(seconds)


def exposition() -> bytes:
    """The metrics of all workers, as text."""
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)
    text: bytes = generate_latest(registry)
    return text

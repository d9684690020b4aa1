# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure what provisioning costs: `make bench`, or `python -m tests.bench --quick` for one look in a few minutes.

Everything is measured side by side in one run, each repetition in turn, and told as the median. Processor time is user and system time
of all processes but the emulator; the emulator's calls are counted, so that no ratio is won by doing less.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import boto3
from ansible_collections.indivillage.infra.plugins.plugin_utils.planning import operations
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

from tests.bench import scenarios
from tests.bench.scenarios import Bench, Row
from tests.drill.support.emulator import DrillEmulator, running
from tests.integration.emulator.support import REPOSITORY

LAYERS = "aws_identity,aws_keys,aws_network,aws_security_groups,aws_storage,aws_messaging"
SCENARIOS: dict[str, Callable[[Bench], list[Row]]] = {
    name: getattr(scenarios, name) for name in ("roles", "regions", "stack", "production", "memory")
}
Key = tuple[str, str]  # means, work
FAR = "worker, 100 ms"
# What is compared: its name, a figure of one row, the row it is divided by, and the goal. Aims lie below.
RATIOS: list[tuple[str, str, Key, Key, float, float]] = [
    ("first apply, CPU against local", "cpu", ("worker", "first apply"), ("local", "first apply"), 0.20, 0.10),
    ("first apply, wall against local", "wall", ("worker", "first apply"), ("local", "first apply"), 0.25, 0.10),
    ("no change, CPU against local", "cpu", ("worker", "no change"), ("local", "no change"), 0.12, 0.05),
    ("no change, wall against local", "wall", ("worker", "no change"), ("local", "no change"), 0.12, 0.05),
    ("plan, wall against no change", "wall", ("worker", "plan"), ("worker", "no change"), 1.1, 1.1),
    ("first apply, CPU against direct calls", "cpu", ("worker", "first apply"), ("direct", "first apply"), 8, 4),
    ("no change, CPU against direct calls", "cpu", ("worker", "no change"), ("direct", "no change"), 8, 4),
    ("two regions, wall against us-east-1", "wall", (FAR, "two regions"), (FAR, "us-east-1 alone"), 1.3, 1.3),
    ("two regions, wall against us-west-2", "wall", (FAR, "two regions"), (FAR, "us-west-2 alone"), 1.3, 1.3),
]
LIMITS: list[tuple[str, str, Key, float, float]] = [
    ("no change of the sandbox after an apply, with 100 ms, wall s", "wall", (FAR, "no change after an apply, whole sandbox"), 20, 20),
    ("no change of the sandbox again, with 100 ms, wall s", "wall", (FAR, "no change, whole sandbox"), 20, 20),
    ("first plan of production, wall s", "wall", ("worker", "first plan, production"), 30, 10),
    ("plan of production again, wall s", "wall", ("worker", "plan again, production"), 30, 10),
    ("server and children at ten forks, MiB", "worker_memory", ("worker", "ten forks"), 600, 600),
]


def main() -> None:
    """Measure and print two tables."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("--repeat", type=int, default=5, help="repetitions, of which the median counts (default 5)")
    parser.add_argument("--quick", action="store_true", help="every measurement once")
    parser.add_argument("--only", choices=SCENARIOS, nargs="+", default=list(SCENARIOS), help="some of the measurements")
    options = parser.parse_args()
    rows: dict[Key, list[Row]] = {}
    # It complains of what it does not know; whoever doubts a figure reads it there.
    log = REPOSITORY / "build" / "bench" / "emulator.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with running(log=log) as emulator, tempfile.TemporaryDirectory() as directory:
        _warm(emulator)
        for repetition in range(1 if options.quick else options.repeat):
            for name in options.only:
                print(f"{name}, repetition {repetition + 1} ...", file=sys.stderr)
                place = Path(directory, f"{name}-{repetition}")
                place.mkdir()
                for row in SCENARIOS[name](Bench(emulator, place, LAYERS)):
                    rows.setdefault((row.means, row.work), []).append(row)
    print("\n".join([*_measured(rows), "", *_judged(rows)]))


def _warm(emulator: DrillEmulator) -> None:
    """Ask each service something: the emulator reads a service's model when it is first asked, which AWS has not to do."""
    session = boto3.session.Session(aws_access_key_id="LOCALEMULATORONLY", aws_secret_access_key="no-secret", region_name="us-east-1")
    for service in operations.SERVICES:
        client = session.client(service, endpoint_url=emulator.endpoint, config=Config(retries={"total_max_attempts": 1}))
        model = client.meta.service_model
        shapes = {name: model.operation_model(name).input_shape for name in model.operation_names}
        questions = [name for name, shape in shapes.items() if not (shape and shape.required_members)]
        question = next((name for name in questions if operations.classify(service, name) == operations.READ), None)
        if question:
            with suppress(ClientError, ResponseParserError):  # what it does not know
                client._make_api_call(question, {})


def figure(rows: list[Row], name: str) -> float:
    """The median of one of Usage's figures."""
    return statistics.median(getattr(row.usage, name) for row in rows)


def _measured(rows: dict[Key, list[Row]]) -> list[str]:
    lines = [
        "| means | work | CPU s | wall s | memory MiB | of it the worker's | reads | writes |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for (means, work), found in rows.items():
        figures = [f"{figure(found, name):.1f}" for name in ("cpu", "wall")] + [
            f"{figure(found, name):.0f}" for name in ("memory", "worker_memory")
        ]
        lines.append(f"| {means} | {work} | {' | '.join(figures)} | {found[-1].reads} | {found[-1].writes} |")
    return lines


def _judged(rows: dict[Key, list[Row]]) -> list[str]:
    lines = ["| measure | found | goal | aim |", "| --- | --- | --- | --- |"]
    for title, name, of, to, goal, aim in RATIOS:
        if of in rows and to in rows:
            lines.append(_judgement(title, figure(rows[of], name) / figure(rows[to], name), goal, aim))
    lines += [_judgement(title, figure(rows[of], name), goal, aim) for title, name, of, goal, aim in LIMITS if of in rows]
    return lines


def _judgement(title: str, found: float, goal: float, aim: float) -> str:
    return f"| {title} | {found:.3g}{'' if found <= goal else ' (missed)'} | {goal:g} | {aim:g} |"


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: GPL-3.0-or-later
"""Provision the whole declaration of environments, each in an empty account of its own, and see that what was planned came true.

    python -m tests.drill.topology [--environment NAME ...]     plan, apply, plan, apply again, destroy; build/topology/<environment>.json
    python -m tests.drill.topology up --environment NAME        the same, but nothing is destroyed: the account's URL is printed last
    python -m tests.drill.topology down --environment NAME      end that account

Every environment must plan from empty exactly what apply then changes, plan nothing afterwards, change nothing the second time, and when it
is destroyed leave nothing but the final snapshots that it is told to leave.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ansible_collections.indivillage.infra.plugins.plugin_utils.plan_report import load

from tests.drill.plan.environments import Declaration, declarations
from tests.drill.support.emulator import DrillEmulator, running, staying
from tests.drill.support.judgement import told
from tests.drill.support.runs import ROOT, Project, Run
from tests.drill.support.snapshot import remains

DIRECTORY = ROOT / "build" / "topology"
PR_SET_CHILD_SUBREAPER = 36


class Drill:
    """One environment in one account: its runs, their cost, and what was wrong with them."""

    def __init__(self, declaration: Declaration, emulator: DrillEmulator, state_dir: Path) -> None:
        self._declaration = declaration
        self._emulator = emulator
        self._project: Project = declaration.prepare(emulator, state_dir)
        self._empty = self._project.snapshot()
        self.runs: dict[str, dict[str, Any]] = {}
        self.problems: list[str] = []

    def rounds(self) -> None:
        """Plan the empty account, apply, plan again, apply again."""
        planned = self._run("plan of the empty account", check=True)
        applied = self._run("first apply", *self._declaration.approval(planned))
        self.problems += told(planned.planned if planned.plan else set(), applied.changes)
        again = self._run("plan afterwards", check=True)
        self.problems += [f"planned after the apply: {' / '.join(change)}" for change in sorted(again.planned if again.plan else set())]
        second = self._run("second apply")
        self.problems += [f"changed by the second apply: {' / '.join(change)}" for change in sorted(second.changes)]

    def destroy(self) -> None:
        """Take protection off as an operator would, destroy, and look at what remains."""
        print(f"{self._declaration.name}: destroy ...", file=sys.stderr, flush=True)
        for region in self._declaration.regions:
            _unprotect(self._emulator, region)
        people = {"destroy_environment": self._declaration.name, "destroy_confirmed_by": "Grace"}
        released = {"aws_operations_deletion_protection": False}
        plan = {"plan_directory": str(self._project.plan_directory)}
        planned = self._project.run_playbook("playbooks/destroy.yml", "--check", **released, **plan)
        approval = {"approved_plan": load(self._project.plan_file).digest} if self._declaration.needs_approval else {}
        done = self._project.run_playbook("playbooks/destroy.yml", **people, **released, **approval)
        history = self._project.run_playbook("playbooks/remove_history.yml", **people, **released)
        for what, run, wanted in (("plan of the destruction", planned, 2), ("destroy", done, 0), ("remove_history", history, 0)):
            if run.returncode != wanted:
                self.problems.append(f"{what} ended with {run.returncode}: {run.stdout[-3000:]}")
        left = remains(self._project.snapshot(), self._empty)  # which does not look for snapshots of databases
        self.problems += [f"destroy left: {kind}: {count}" for kind, count in left.items()]
        rds = self._emulator.client("rds", self._declaration.regions[0])
        kept = rds.describe_db_snapshots(SnapshotType="manual")["DBSnapshots"]
        if bool(kept) != (self._declaration.name != "sandbox"):
            self.problems.append(f"destroy left {len(kept)} snapshots of databases")

    def _run(self, what: str, *options: str, check: bool = False) -> Run:
        print(f"{self._declaration.name}: {what} ...", file=sys.stderr, flush=True)
        self._emulator.reset_calls()
        started, before = time.monotonic(), _cpu_seconds()
        run = self._project.run(*options, check=check)
        wall = time.monotonic() - started
        calls = self._emulator.calls()
        self.runs[what] = {
            "wall_seconds": round(wall, 1),
            "cpu_seconds": round(_cpu_seconds() - before, 1),
            "reads": calls.reads,
            "writes": calls.writes,
            "changes": len(run.planned if check and run.plan else run.changes),
        }
        self.problems += [f"{what}: {failure}" for failure in run.failures]
        if run.returncode not in ({0, 2} if check else {0}):
            self.problems.append(f"{what} ended with {run.returncode}: {run.output[-2000:]}")
        if check and calls.writes:
            self.problems.append(f"{what} wrote: {calls.log[:5]}")
        return run

    def summary(self) -> dict[str, Any]:
        """What build/topology holds."""
        counts: Counter[str] = Counter()
        for kind, number in self._project.snapshot().counts.items():
            counts[kind.partition(" ")[2]] += number
        return {
            "environment": self._declaration.name,
            "endpoint": self._emulator.endpoint,
            "regions": self._declaration.regions,
            "resources": dict(sorted(counts.items())),
            "runs": self.runs,
            "problems": self.problems,
        }


def _unprotect(emulator: DrillEmulator, region: str) -> None:
    rds, elbv2 = emulator.client("rds", region), emulator.client("elbv2", region)
    for database in rds.describe_db_instances()["DBInstances"]:
        rds.modify_db_instance(DBInstanceIdentifier=database["DBInstanceIdentifier"], DeletionProtection=False, ApplyImmediately=True)
    off = [{"Key": "deletion_protection.enabled", "Value": "false"}]
    for balancer in elbv2.describe_load_balancers()["LoadBalancers"]:
        elbv2.modify_load_balancer_attributes(LoadBalancerArn=balancer["LoadBalancerArn"], Attributes=off)


def _cpu_seconds() -> float:
    """Of all processes that have ended below this one; the emulator has not."""
    with suppress(ChildProcessError):
        for _attempt in range(100):  # the worker's server ends a moment after its run
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                time.sleep(0.01)
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


@contextmanager
def account(name: str, stays: bool) -> Iterator[DrillEmulator]:
    """An empty account, for this drill or for longer."""
    if stays:
        yield staying(DIRECTORY / f"{name}.log")
    else:
        with running() as emulator:
            yield emulator


def drill(declaration: Declaration, *, stays: bool = False) -> bool:
    """One environment; whether all was as it must be."""
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    with account(declaration.name, stays) as emulator, tempfile.TemporaryDirectory() as directory:
        one = Drill(declaration, emulator, Path(directory))
        one.rounds()
        summary = one.summary()
        if not stays:
            one.destroy()
    file = DIRECTORY / f"{declaration.name}.json"
    file.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    print(_table(summary), flush=True)
    print(f"{file.relative_to(ROOT)}: {len(one.problems)} problems", *one.problems[:20], sep="\n  ", flush=True)
    if stays:
        print(emulator.endpoint, flush=True)
    return not one.problems


def _table(summary: dict[str, Any]) -> str:
    lines = [f"{summary['environment']}: {sum(summary['resources'].values())} resources of {len(summary['resources'])} types"]
    for what, run in summary["runs"].items():
        lines.append(
            f"  {what:<26} {run['wall_seconds']:>7} s wall {run['cpu_seconds']:>7} s CPU {run['reads']:>6} reads "
            f"{run['writes']:>5} writes {run['changes']:>5} changes"
        )
    return "\n".join(lines)


def end(name: str) -> bool:
    """End the account of an environment that was left running."""
    file = DIRECTORY / f"{name}.json"
    if not file.is_file():
        print(f"{file.relative_to(ROOT)} is not there: no account of {name} was left running.", file=sys.stderr)
        return False
    with suppress(OSError):  # ended already
        DrillEmulator(json.loads(file.read_text())["endpoint"]).discard()
    return True


def main() -> int:
    """Do what the module's documentation says; the exit code."""
    known = {declaration.name: declaration for declaration in declarations()}
    parser = argparse.ArgumentParser(prog="python -m tests.drill.topology", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("action", choices=["drill", "up", "down"], nargs="?", default="drill")
    parser.add_argument("--environment", choices=known, nargs="+", default=["development", "staging", "production"])
    options = parser.parse_args()
    if options.action != "drill" and len(options.environment) != 1:
        parser.error(f"{options.action} needs one --environment")
    if options.action == "down":
        return 0 if end(options.environment[0]) else 1
    # What outlives its parent, as the worker's server does, becomes a child of this process, so that its time is counted.
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    results = [drill(known[name], stays=options.action == "up") for name in options.environment]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: GPL-3.0-or-later
"""What of an environment costs without being used, and what would do with half: the judgement of resource_usage_info, and its reports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.indivillage.infra.plugins.plugin_utils.costs import Thing, cost, described, table
from jinja2 import Environment, FileSystemLoader, StrictUndefined

Resource = Mapping[str, Any]

IDLE_CPU_PERCENT = 5  # what an instance does that only watches itself
# The half of an instance has half the processors or half the memory, never less: below this a peak still leaves a fifth free.
HALF_PERCENT = 40
# ElastiCache itself holds two to four connections to watch a node (its documentation of CurrConnections).
CACHE_OWN_CONNECTIONS = 4
SIZES = ("nano", "micro", "small", "medium", "large", "xlarge", "2xlarge")
MEMORY_GIB = {"micro": 1, "small": 2, "medium": 4, "large": 8, "xlarge": 16, "2xlarge": 32}
"""Memory of the database classes of the price table, by size (t3 and m5 alike)."""
GIB = 2**30
INSTANCES = ("instance", "spot_instance")
SIZED = (*INSTANCES, "database", "database_multi_az", "cache_node")
PRICED_AS = {
    **{"volume": "volume", "address": "public_ipv4", "nat_gateway": "nat_gateway", "load_balancer": "application_load_balancer"},
    **{kind: kind for kind in SIZED},
}


@dataclass(frozen=True)
class Finding:
    """One resource that costs more than it has to."""

    region: str
    resource: str
    why: str
    advice: str
    usd: float
    """What following the advice saves a month."""


@dataclass(frozen=True)
class Judged:
    """What came of one region or more."""

    findings: tuple[Finding, ...]
    """What saves most stands first."""
    unmeasured: tuple[str, ...]
    """Of which nobody can tell, and what is missing."""
    young: int
    """How many are too new to be judged."""
    seen: int
    days: int

    @property
    def usd(self) -> float:
        return sum(finding.usd for finding in self.findings)


def judge(usages: Mapping[str, Mapping[str, Any]]) -> Judged:
    """The results of resource_usage_info by region."""
    findings: list[Finding] = []
    unmeasured: list[str] = []
    young = seen = 0
    for region, usage in usages.items():
        for resource in usage["resources"]:
            seen += 1
            if not resource["old_enough"]:
                young += 1
                continue
            missing = [name for name, value in resource["measures"].items() if value is None]
            if missing:
                unmeasured.append(f"{_named(resource)} in {region}: no {', '.join(name.replace('_', ' ') for name in missing)}")
            findings += _findings(region, resource)
    findings.sort(key=lambda finding: (-finding.usd, finding.region, finding.resource))
    return Judged(tuple(findings), tuple(unmeasured), young, seen, max((usage["days"] for usage in usages.values()), default=0))


def _named(resource: Resource) -> str:
    sizes = ", ".join(f"{count:g} {described(Thing(PRICED_AS[resource['kind']], size))}" for size, count in resource["sizes"].items())
    return f"{resource['name']} ({sizes})"


def _findings(region: str, resource: Resource) -> Iterator[Finding]:
    things = [Thing(PRICED_AS[resource["kind"]], size, count) for size, count in resource["sizes"].items()]
    now = cost(things).usd
    if why := _idle(resource):
        yield Finding(region, _named(resource), why, "remove it, if nobody knows what it is for", now)
    elif why := _half_would_do(resource):
        smaller = {size: _smaller(thing) for thing, size in zip(things, resource["sizes"], strict=True)}
        if all(smaller.values()):  # a size that the price table does not have is nothing to advise
            then = cost(Thing(thing.kind, smaller[thing.size] or "", thing.count) for thing in things).usd
            yield Finding(region, _named(resource), why, f"take {', '.join(str(size) for size in smaller.values())}", now - then)


def _idle(resource: Resource) -> str:
    """Why it is of no use; empty if it is, or if nobody can tell."""
    kind, measures = resource["kind"], resource["measures"]
    cpu, connections = measures.get("cpu_percent"), measures.get("connections")
    reasons = {
        "belongs to nothing": not resource["attached"],
        "sent nothing": measures.get("bytes") == 0,
        "had no request": measures.get("requests") == 0,
        "had no connection": kind.startswith("database") and connections == 0,
        "had no connection but those of AWS": kind == "cache_node" and connections is not None and connections <= CACHE_OWN_CONNECTIONS,
        f"never used more than {cpu} % of its processors": kind in INSTANCES and cpu is not None and cpu < IDLE_CPU_PERCENT,
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def _half_would_do(resource: Resource) -> str:
    """What it used at most, if a resource of half the size had carried that; empty if not, or if nobody can tell."""
    measures = resource["measures"]
    if resource["kind"] not in SIZED:
        return ""
    cpu, memory = measures.get("cpu_percent"), measures.get("memory_percent")
    if (free := measures.get("free_memory_bytes")) is not None:
        (size,) = resource["sizes"]
        gib = MEMORY_GIB.get(size.rpartition(".")[2])
        memory = None if gib is None else round(100 * (1 - free / (gib * GIB)), 1)
    if cpu is None or memory is None or max(cpu, memory) >= HALF_PERCENT:
        return ""
    return f"never used more than {cpu:g} % of its processors and {memory:g} % of its memory"


def _smaller(thing: Thing) -> str | None:
    """The next smaller size of the same family that the price table has; None when there is none."""
    family, _, size = thing.size.rpartition(".")
    place = SIZES.index(size) if size in SIZES else 0
    smaller = f"{family}.{SIZES[place - 1]}" if place else ""
    return smaller if smaller in table().prices[thing.kind].by_size else None


def text(judged: Judged, environment: str) -> list[str]:
    """The report for a terminal, a line each."""
    lines = [_verdict(judged, environment)]
    lines += [f"  {finding.usd:8.2f}  {finding.region}  {finding.resource}: {finding.why}; {finding.advice}" for finding in judged.findings]
    return lines + _notes(judged)


def markdown(judged: Judged, environment: str) -> str:
    """The report as Markdown."""
    lines = [f"# Costs of {environment} that buy nothing", "", _verdict(judged, environment), ""]
    if judged.findings:
        lines += ["| USD a month | region | what | why | advice |", "| ---: | --- | --- | --- | --- |"]
        for one in judged.findings:
            cells = (f"{one.usd:.2f}", one.region, one.resource, one.why, one.advice)
            lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
        lines.append("")
    return "\n".join([*lines, *(f"- {note}" for note in _notes(judged)), ""])


def html(judged: Judged, environment: str) -> str:
    """The report as one page that needs nothing else."""
    # Names come from AWS: they are text and never become part of the page's own code.
    page = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return page.get_template("cost_html.j2").render(
        title=f"Costs of {environment} that buy nothing",
        verdict=_verdict(judged, environment),
        findings=judged.findings,
        notes=_notes(judged),
    )


def _verdict(judged: Judged, environment: str) -> str:
    if not judged.findings:
        return f"{environment}: none of {judged.seen} resources was idle or half empty in the last {judged.days} days."
    count = len(judged.findings)
    return (
        f"{environment}: {count} of {judged.seen} resources could save {judged.usd:.2f} USD a month, by what they did in the last"
        f" {judged.days} days."
    )


def _notes(judged: Judged) -> list[str]:
    notes = [f"Not measured: {one}" for one in judged.unmeasured]
    if judged.young:
        notes.append(f"Too new to be judged: {judged.young}")
    return [*notes, f"Prices: {table().source}, of {table().date}."]

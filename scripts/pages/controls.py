# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/controls: what frameworks ask for, the task that does it, the test that proves it; and the controls of hosts, one by one."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import yaml

from scripts.pages.inventory import ENVIRONMENTS, ROOT, stacks

DATA = ROOT / "docs/controls/controls.yml"

HEAD = """\
# Controls

What this estate does that a framework asks for, the task that does it, and the test that proves it. Made from `controls.yml` by
`python -m scripts.pages`; do not edit. A test holds every task and test named here to what exists. The last column says whose stacks
have all of a measure's roles; how far they go there is in [environments.md](../environments.md): only production has a second region.

It is evidence for an auditor, no certificate: frameworks also ask for policies, people and habits, which no tool provides.
The controls of hosts are listed one by one in [hosts.md](hosts.md).
"""

ROLE = ROOT / "roles/hardening"
HOSTS_HEAD = """\
# Controls of hosts

Each control of the role [hardening](../../roles/hardening/README.md), with its number in the CIS benchmark for Debian 13, or one of our
own (`IV`). Made from the role's `vars/main` by `python -m scripts.pages`; do not edit. By the same numbers a host's report names the
state of each (`hardening_report`), a plan tells what it would change, and `hardening_exceptions` leaves it out. A container *shows* what
needs no kernel of its own; of the others it has the files.
"""


@dataclass(frozen=True)
class Measure:
    """One thing that the estate does.

    controls: framework -> its controls. tasks: role -> names of tasks; empty where the project itself does it. proofs: tests as pytest
    names them.
    """

    text: str
    controls: dict[str, tuple[str, ...]]
    tasks: dict[str, tuple[str, ...]]
    proofs: tuple[str, ...]

    @property
    def environments(self) -> list[str]:
        return [name for name in ENVIRONMENTS if self.tasks.keys() <= _roles(name) | NOT_OF_A_STACK]


# Run by playbooks of their own, whatever an environment consists of.
NOT_OF_A_STACK = frozenset({"aws_operations", "aws_removal", "cloudwatch_agent", "hardening", "ssm_agent"})


@functools.cache
def _data() -> dict[str, Any]:
    return dict(yaml.safe_load(DATA.read_text(encoding="utf-8")))


@functools.cache
def _roles(environment: str) -> frozenset[str]:
    return frozenset(role for stack in stacks(environment) for role in stack.layers)


@dataclass(frozen=True)
class HostControl:
    """One control of hosts. task, tags: what brings hosts to it."""

    number: str
    title: str
    task: str
    tags: tuple[str, ...]
    needs_kernel: bool


def host_variables() -> dict[str, Any]:
    """The variables of the role hardening, as its files have them."""
    data: dict[str, Any] = {}
    for file in sorted((ROLE / "vars/main").glob("*.yml")):
        data |= yaml.safe_load(file.read_text(encoding="utf-8"))
    return data


def control_data() -> list[dict[str, Any]]:
    """All controls of hosts with all that they say, in the order of the files."""
    return [control for value in host_variables().values() if isinstance(value, list) for control in value if isinstance(control, dict)]


def host_controls() -> list[HostControl]:
    """All controls of hosts, in the order of their numbers."""
    data = host_variables()
    (block,) = yaml.safe_load((ROLE / "tasks/controls.yml").read_text(encoding="utf-8"))
    found = [
        HostControl(entry["id"], entry["title"], task["name"], tuple(task["tags"]), entry.get("needs_kernel", False))
        for task in block["block"]
        for entry in data[task["indivillage.infra.host_controls"]["controls"].strip("{} ")]
    ]
    return sorted(found, key=lambda control: (control.number.split()[0], _order(control.number.split()[1])))


def hosts_page() -> str:
    """The page of the controls of hosts."""
    lines = [HOSTS_HEAD, "| control | what | done by | tags | a container |", "|---|---|---|---|---|"]
    for control in host_controls():
        tags = ", ".join(f"`{tag}`" for tag in control.tags)
        shown = "has the files" if control.needs_kernel else "shows it"
        lines.append(f"| {control.number} | {control.title} | {control.task} | {tags} | {shown} |")
    return "\n".join(lines) + "\n"


def measures() -> list[Measure]:
    return [
        Measure(
            entry["measure"],
            {framework: tuple(str(control) for control in found) for framework, found in entry["controls"].items()},
            {role: tuple(tasks) for role, tasks in entry["by"].items()},
            tuple(entry["proof"]),
        )
        for entry in _data()["measures"]
    ]


def page() -> str:
    """The whole page."""
    found, frameworks = measures(), _data()["frameworks"]
    lines = [HEAD, "| framework | |", "|---|---|", *(f"| {short} | {name} |" for short, name in frameworks.items())]
    lines += ["\n## Measures\n", "| # | what | controls | done by | proved by | where |", "|---|---|---|---|---|---|"]
    for number, measure in enumerate(found, 1):
        controls = "<br>".join(f"{framework} {', '.join(names)}" for framework, names in measure.controls.items())
        tasks = "<br>".join(f"[{role}](../../roles/{role}/README.md): {task}" for role, names in measure.tasks.items() for task in names)
        proofs = "<br>".join(_proof(proof) for proof in measure.proofs)
        where = "everywhere" if measure.environments == list(ENVIRONMENTS) else ", ".join(measure.environments)
        lines.append(f"| {number} | {measure.text} | {controls} | {tasks or 'the project itself'} | {proofs} | {where} |")
    lines.append("\n## Controls\n")
    for framework, name in frameworks.items():
        by_control: dict[str, list[int]] = {}
        for number, measure in enumerate(found, 1):
            for control in measure.controls.get(framework, ()):
                by_control.setdefault(control, []).append(number)
        lines += [f"### {name}\n", "| control | measures |", "|---|---|"]
        lines += [f"| {control} | {', '.join(map(str, by_control[control]))} |" for control in sorted(by_control, key=_order)] + [""]
    lines += ["## Elsewhere\n", "| control | why |", "|---|---|"]
    lines += [f"| {entry['control']} | {entry['why']} |" for entry in _data()["elsewhere"]]
    return "\n".join(lines) + "\n"


def _proof(proof: str) -> str:
    path, _, name = proof.partition("::")
    return f"[{name.removeprefix('test_').replace('_', ' ')}](../../{path})"


def _order(control: str) -> list[tuple[int, str]]:
    """Numbers in their order, whatever stands around them."""
    parts = control.replace("(", ".").replace(")", "").split(".")
    return [(int(part), "") if part.isdigit() else (0, part) for part in parts]

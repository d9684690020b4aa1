# SPDX-License-Identifier: GPL-3.0-or-later
"""Every task that runs a module by indivillage.infra.each gives it arguments that the module documents.

ansible-lint checks the arguments of ordinary tasks; those below C(arguments) are only seen when the task runs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
EACH = "indivillage.infra.each"
FILES = sorted([*ROOT.glob("roles/*/tasks/**/*.yml"), *ROOT.glob("roles/*/handlers/*.yml"), *ROOT.glob("playbooks/*.yml")])


def blocks(value: Any) -> Iterator[dict[str, Any]]:
    """Every mapping of a file that uses the action, however deep in blocks and plays."""
    if isinstance(value, dict):
        if EACH in value:
            yield value
        for inner in value.values():
            yield from blocks(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from blocks(inner)


USES = [
    pytest.param(task, id=f"{path.relative_to(ROOT)}: {task['name']}")
    for path in FILES
    for task in blocks(yaml.safe_load(path.read_text(encoding="utf-8")))
]


@cache
def documented() -> dict[str, Any]:
    """The options of every module in use, by the module's name."""
    modules = sorted({use.values[0][EACH]["module"] for use in USES} | {EACH})  # type: ignore[index]
    command = [str(Path(sys.executable).with_name("ansible-doc")), "--json", "-t", "module", *modules]
    environment = os.environ | {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
    found = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=120)
    return {name: entry["doc"]["options"] for name, entry in json.loads(found.stdout).items()}


def faults(arguments: Mapping[str, Any], options: Mapping[str, Any], where: str = "") -> Iterator[str]:
    """What is wrong with arguments, as far as it can be told before templates are evaluated."""
    names = {alias: name for name, option in options.items() for alias in (name, *option.get("aliases", []))}
    yield from (f"{where}{name}: unknown" for name in arguments if name not in names)
    given = {names[name] for name in arguments if name in names}
    yield from (f"{where}{name}: missing" for name, option in options.items() if option.get("required") and name not in given)
    for name, value in arguments.items():
        option = options.get(names.get(name, ""), {})
        values = value if isinstance(value, list) else [value]
        for one in values:
            if isinstance(one, dict) and option.get("suboptions"):
                yield from faults(one, option["suboptions"], f"{where}{name}.")
            elif option.get("choices") and not (isinstance(one, str) and "{{" in one) and one not in option["choices"]:
                yield f"{where}{name}: {one!r} is none of {', '.join(map(str, option['choices']))}"
        if option.get("type") in {"int", "bool", "float"} and isinstance(value, (dict, list)):
            yield f"{where}{name}: a {option['type']} is wanted"


def test_there_are_uses() -> None:
    assert len(USES) > 15


@pytest.mark.parametrize("task", USES)
def test_the_module_documents_what_it_is_given(task: dict[str, Any]) -> None:
    use = task[EACH]
    assert list(faults(use, documented()[EACH])) == []
    assert list(faults(use.get("arguments", {}), documented()[use["module"]])) == []


@pytest.mark.parametrize("task", USES)
def test_the_task_has_no_keyword_that_each_refuses(task: dict[str, Any]) -> None:
    assert not {"until", "retries", "loop", "async", "loop_control"} & set(task)
    assert "item" not in str(task.get("when", "")), "the task's own condition does not see the item: put it into the action"


def test_faults_are_found() -> None:
    options = {
        "name": {"required": True, "aliases": ["id"]},
        "state": {"choices": ["present", "absent"]},
        "rules": {"type": "list", "suboptions": {"port": {"type": "int", "required": True}}},
    }
    assert list(faults({"id": "x", "state": "{{ state }}", "rules": [{"port": 1}]}, options)) == []
    assert list(faults({"nam": "x", "state": "gone", "rules": [{"prt": 1}]}, options)) == [
        "nam: unknown",
        "name: missing",
        "state: 'gone' is none of present, absent",
        "rules.prt: unknown",
        "rules.port: missing",
    ]

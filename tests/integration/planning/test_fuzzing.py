# SPDX-License-Identifier: GPL-3.0-or-later
"""Any module of the AWS collections, with any parameters, writes nothing in a plan. PLAN_FUZZ_TASKS sets how many are tried."""

from __future__ import annotations

import ast
import importlib
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.planning.conftest import Account, Task, task

pytestmark = pytest.mark.emulator

TASKS = int(os.environ.get("PLAN_FUZZ_TASKS", "30"))
SEED = int(os.environ.get("PLAN_FUZZ_SEED", "20260101"))
LEFT_OUT = {"ec2_metadata_facts"}  # asks the machine it runs on
TEXTS = ("x", "x-plan", "x-plan-test", "10.77.0.0/16", "present", "arn:aws:iam::123456789012:role/x", "vpc-planned-0a1b2c3d", "{}", "1")


def modules() -> Iterator[tuple[str, dict[str, Any]]]:
    """Each module with its documented options."""
    for collection in ("amazon.aws", "community.aws"):
        directory = Path(importlib.import_module(f"ansible_collections.{collection}").__path__[0]) / "plugins/modules"
        for path in sorted(directory.glob("*.py")):
            for statement in ast.parse(path.read_text()).body:
                target = statement.targets[0] if isinstance(statement, ast.Assign) else None
                if isinstance(target, ast.Name) and target.id == "DOCUMENTATION" and path.stem not in LEFT_OUT:
                    assert isinstance(statement, ast.Assign)
                    documentation = yaml.safe_load(ast.literal_eval(statement.value))
                    yield f"{collection}.{path.stem}", documentation.get("options") or {}


def value(chance: random.Random, option: dict[str, Any], depth: int = 0) -> Any:
    if option.get("choices"):
        return chance.choice(list(option["choices"]))
    kind = option.get("type", "str")
    if kind == "list":
        inner = {**option, "type": option.get("elements", "str")}
        return [value(chance, inner, depth + 1) for _ in range(chance.randint(0, 2))]
    if kind == "dict":
        inner_options = option.get("suboptions")
        return arguments(chance, inner_options, depth + 1) if inner_options and depth < 3 else {"x": chance.choice(TEXTS)}
    return {"bool": chance.random() < 0.5, "int": chance.randint(0, 100), "float": chance.random()}.get(kind, chance.choice(TEXTS))


def arguments(chance: random.Random, options: dict[str, Any], depth: int = 0) -> dict[str, Any]:
    return {name: value(chance, one, depth) for name, one in options.items() if one.get("required") or chance.random() < 0.3}


def tasks(count: int, seed: int) -> list[Task]:
    chance = random.Random(seed)  # noqa: S311  # the same tasks for the same seed
    known = list(modules())
    result = []
    for number in range(count):
        module, options = chance.choice(known)
        keywords = {"_ignore_errors": True, "_timeout": 10, "_name": f"{number} {module}"}
        given = {name: item for name, item in arguments(chance, options).items() if not name.startswith("_")}
        result.append(task(module, **{**given, **keywords}))
    return result


def test_no_module_with_any_parameters_writes_in_a_plan(account: Account) -> None:
    iam, ec2, s3 = (account.client(service) for service in ("iam", "ec2", "s3"))
    iam.create_role(RoleName="x", AssumeRolePolicyDocument="{}")
    s3.create_bucket(Bucket="x-plan-test")
    ec2.create_key_pair(KeyName="x")
    before = account.writes
    for region in ("us-east-1", "eu-west-1"):
        plan = account.run(tasks(TASKS // 2, SEED + len(region)), "--check", AWS_REGION=region)
        assert len(plan.tasks) == TASKS // 2
    assert account.writes == before

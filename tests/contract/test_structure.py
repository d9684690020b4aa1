# SPDX-License-Identifier: GPL-3.0-or-later
"""The shape that the documentation promises: roles, playbooks and files that any of us can open and know."""

from __future__ import annotations

import configparser
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir() if path.is_dir())
OURS = "indivillage.infra."
PLAYBOOKS = sorted((ROOT / "playbooks").glob("*.yml"))


def tracked() -> list[Path]:
    """List the files that git knows or would take, links left out."""
    names = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    return [ROOT / name for name in names if (ROOT / name).is_file() and not (ROOT / name).is_symlink()]


def specification(role: str) -> dict[str, dict[str, dict[str, object]]]:
    """Read a role's argument specification: entry point -> {"options": {...}}."""
    specs: dict[str, dict[str, dict[str, object]]] = yaml.safe_load((ROOT / "roles" / role / "meta/argument_specs.yml").read_text())[
        "argument_specs"
    ]
    return specs


def twice(node: yaml.Node) -> list[str]:
    """Where a mapping has a key twice, also once by a merge, which Ansible warns of in every run: line and key."""
    if isinstance(node, yaml.SequenceNode):
        return [found for item in node.value for found in twice(item)]
    if not isinstance(node, yaml.MappingNode):
        return []
    own = [(key.start_mark.line + 1, key.value) for key, _value in node.value if key.tag != "tag:yaml.org,2002:merge"]
    merged = [key.value for merge, value in node.value if merge.tag == "tag:yaml.org,2002:merge" for key, _value in value.value]
    keys = [*merged, *(key for _line, key in own)]
    return [f"{line}: {key}" for line, key in own if keys.count(key) > 1] + [found for _key, value in node.value for found in twice(value)]


def test_no_mapping_has_a_key_twice() -> None:
    folders = ("roles", "playbooks", "runbooks", "inventories", "plugins", "molecule", "awx")
    files = [path for path in tracked() if path.suffix == ".yml" and path.relative_to(ROOT).parts[0] in folders]
    found = {str(path.relative_to(ROOT)): twice(node) for path in files if (node := yaml.compose(path.read_text(), yaml.SafeLoader))}
    assert len(found) > 300
    assert {path: lines for path, lines in found.items() if lines} == {}
    merged = "base: &base {one: 1, two: 2}\nother:\n  <<: *base\n  two: 3\n"
    node = yaml.compose(merged, yaml.SafeLoader)
    assert node and twice(node) == ["4: two"]


@pytest.mark.parametrize("role", ROLES)
def test_role_has_what_every_role_has(role: str) -> None:
    for name in ("README.md", "meta/main.yml", "meta/argument_specs.yml", "tasks/main.yml"):
        assert (ROOT / "roles" / role / name).is_file(), f"roles/{role}/{name} is missing"


@pytest.mark.parametrize("role", ROLES)
def test_role_defaults_are_declared_and_named_after_the_role(role: str) -> None:
    path = ROOT / "roles" / role / "defaults/main.yml"
    defaults = yaml.safe_load(path.read_text()) if path.is_file() else {}
    declared = {option for entry in specification(role).values() for option in entry.get("options", {})}
    for name in defaults or {}:
        assert name.startswith(f"{role}_"), f"{path}: {name} does not start with {role}_"
        assert name in declared, f"{path}: {name} is not in meta/argument_specs.yml"
    for name in declared:
        assert name.startswith(f"{role}_"), f"roles/{role}/meta/argument_specs.yml: {name} does not start with {role}_"


@pytest.mark.parametrize("role", ROLES)
def test_role_files_stay_short(role: str) -> None:
    base = ROOT / "roles" / role
    limits = {"tasks": 80, "defaults": 100, "handlers": 80}
    for folder, limit in limits.items():
        for path in (base / folder).rglob("*.yml"):
            length = len(path.read_text().splitlines())
            allowed = 50 if path.name == "main.yml" and folder == "tasks" else limit
            # near, not exact: a file may exceed by a tenth before it must be split
            assert length <= allowed * 1.1, f"{path.relative_to(ROOT)} has {length} lines; split it (limit {allowed})"


@pytest.mark.parametrize("playbook", PLAYBOOKS, ids=lambda path: path.stem)
def test_playbook_is_named_short_and_explained(playbook: Path) -> None:
    text = playbook.read_text()
    # these two speak of the whole environment
    assert re.fullmatch(r"[a-z]+(_[a-z]+)+|destroy|prune", playbook.stem), f"{playbook.name}: call it verb_noun"
    assert len(text.splitlines()) <= 66, f"{playbook.name} is longer than a playbook should be (60 lines)"
    for word in ("Purpose:", "Inputs:", "Effect:", "Undo:"):
        assert f"# {word}" in text, f"{playbook.name}: the head comment lacks {word}"


def test_site_only_imports_playbooks_that_exist() -> None:
    plays = yaml.safe_load((ROOT / "site.yml").read_text())
    for play in plays:
        assert play.keys() - {"vars"} == {"name", "ansible.builtin.import_playbook"}
        assert (ROOT / play["ansible.builtin.import_playbook"]).is_file()


def parts_of_roles(value: Any) -> set[tuple[str, str]]:
    """The roles of ours that a document uses, each with the tasks that it names."""
    if isinstance(value, list):
        return {found for one in value for found in parts_of_roles(one)}
    if not isinstance(value, dict):
        return set()
    found = {found for one in value.values() for found in parts_of_roles(one)}
    name = str(value.get("name"))
    return found | ({(name.removeprefix(OURS), value["tasks_from"])} if "tasks_from" in value and name.startswith(OURS) else set())


def test_every_part_of_a_role_that_is_used_exists() -> None:
    """Those of tasks that are included when a run comes to them would be missed only then."""
    files = [*ROOT.glob("roles/**/*.yml"), *PLAYBOOKS, *ROOT.glob("molecule/**/*.yml")]
    used = {found for path in files for found in parts_of_roles(yaml.safe_load(path.read_text()))}
    assert len(used) > 70
    assert [(role, tasks) for role, tasks in sorted(used) if not (ROOT / f"roles/{role}/tasks/{tasks}.yml").is_file()] == []


def test_no_error_is_swallowed() -> None:
    for path in [*ROOT.glob("roles/**/*.yml"), *PLAYBOOKS, *ROOT.glob("molecule/**/*.yml")]:
        assert not re.search(r"^\s*(- )?ignore_(errors|unreachable)\s*:", path.read_text(), re.MULTILINE), path


def test_tracked_files_name_no_folder_of_a_machine() -> None:
    # assembled, so that this file does not find itself
    folders = re.compile(r"(?<![\w./-])/(?:" + "|".join(["wo" + "rk", "ro" + "ot", "ho" + "me/[a-z]"]) + r")/")
    for path in tracked():
        if path.name == "LICENSE":
            continue
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        found = folders.search(text)
        assert not found, f"{path.relative_to(ROOT)} names {found.group(0)}" if found else ""


def test_every_make_target_is_explained() -> None:
    text = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    assert phony
    targets = set(re.findall(r"^([a-z0-9-]+):.*## ", text, re.MULTILINE))
    assert targets == set(phony.group(1).split())


def test_make_drill_runs_every_drill() -> None:
    text = (ROOT / "Makefile").read_text()
    whole = re.search(r"^drill: ([a-z0-9 -]+) ##", text, re.MULTILINE)
    assert whole
    assert sorted(whole.group(1).split()) == sorted(re.findall(r"^(drill-[a-z0-9-]+):", text, re.MULTILINE))


def test_the_callbacks_that_end_a_run_come_last() -> None:
    settings = configparser.ConfigParser()
    settings.read(ROOT / "ansible.cfg")
    enabled = [name.strip() for name in settings["defaults"]["callbacks_enabled"].split(",")]
    assert enabled[-2:] == ["indivillage.infra.exit_code", "indivillage.infra.plan"]

# SPDX-License-Identifier: GPL-3.0-or-later
"""Where an inventory's files declare variables."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.indivillage.infra.plugins.plugin_utils.validation_sources import COMMAND_LINE, Declaration, read_declarations


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    base = tmp_path / "_base"
    (base / "group_vars").mkdir(parents=True)
    (base / "group_vars" / "names.yml").write_text("---\n# what\nproject_name: x\n")
    directory = tmp_path / "production"
    (directory / "group_vars" / "all").mkdir(parents=True)
    (directory / "group_vars" / "all" / "00_base").symlink_to("../../../_base/group_vars")
    (directory / "group_vars" / "all" / "10_environment.yml").write_text(
        "project_name: y\nsecret: !vault |\n  $ANSIBLE_VAULT;1.1\nproject_name: z\n"
    )
    (directory / "group_vars" / "all" / "notes.txt").write_text("no: variables\n")
    (directory / "group_vars" / "all" / ".swp.yml").write_text("no: variables\n")
    (directory / "group_vars" / "primary.yml").write_text("zones: [a]\n")
    (directory / "host_vars").mkdir()
    (directory / "host_vars" / "one.yml").write_text("size: 3\n")
    (directory / "hosts.yml").write_text(
        "stacks:\n  vars:\n    inline: 1\n  children:\n    primary:\n      hosts:\n        one:\n          direct: 2\n        two:\n"
    )
    return directory


def test_every_declaration_has_scope_file_and_line(inventory: Path) -> None:
    found = {(item.name, item.scope, item.path.name, item.line) for item in read_declarations(inventory) if item.path}

    assert found == {
        ("project_name", "all", "names.yml", 3),
        ("project_name", "all", "10_environment.yml", 1),
        ("secret", "all", "10_environment.yml", 2),
        ("project_name", "all", "10_environment.yml", 4),
        ("zones", "primary", "primary.yml", 1),
        ("size", "one", "one.yml", 1),
        ("inline", "stacks", "hosts.yml", 3),
        ("direct", "one", "hosts.yml", 8),
    }


def test_the_environment_comes_after_the_base(inventory: Path) -> None:
    base, first, second = [item for item in read_declarations(inventory) if item.name == "project_name"]

    assert base.order < first.order
    assert (first.earlier_line, second.earlier_line) == (0, 1)


def test_the_place_is_the_file_to_edit(inventory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(inventory.parent)
    places = [item.place() for item in read_declarations(inventory) if item.name == "project_name"]

    assert places[0] == "_base/group_vars/names.yml:3"
    assert Declaration("x", COMMAND_LINE).place() == "extra variables (-e)"


@pytest.mark.parametrize("content", ["{", "- a\n- b\n", "", "text", "a: [1\n", "\x00"])
def test_a_file_that_holds_no_mapping_declares_nothing(tmp_path: Path, content: str) -> None:
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars" / "all.yml").write_text(content)
    (tmp_path / "hosts.yml").write_text(content)

    assert read_declarations(tmp_path) == []


def test_a_directory_without_variables_declares_nothing(tmp_path: Path) -> None:
    assert read_declarations(tmp_path) == []

# SPDX-License-Identifier: GPL-3.0-or-later
"""An image's name changes exactly when its content does."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.indivillage.infra.plugins.filter.content_digest import content_digest


@pytest.fixture
def role(tmp_path: Path) -> Path:
    (tmp_path / "base/tasks").mkdir(parents=True)
    (tmp_path / "base/tasks/main.yml").write_text("---\n")
    (tmp_path / "base/script").write_text("#!/bin/sh\n")
    return tmp_path / "base"


def test_it_is_stable_and_short(role: Path) -> None:
    assert content_digest([str(role)], {"a": 1, "b": 2}) == content_digest([str(role)], {"b": 2, "a": 1})
    assert len(content_digest([str(role)])) == 12


def test_every_content_counts(role: Path) -> None:
    digests = {content_digest([str(role)])}
    (role / "tasks/main.yml").write_text("--- \n")
    digests.add(content_digest([str(role)]))
    (role / "tasks/main.yml").rename(role / "tasks/other.yml")
    digests.add(content_digest([str(role)]))
    (role / "script").chmod(0o755)
    digests.add(content_digest([str(role)]))
    digests.add(content_digest([str(role)], {"base": "ami-1"}))
    digests.add(content_digest([str(role)], {"base": "ami-2"}))
    assert len(digests) == 6


def test_leftovers_do_not_count(role: Path) -> None:
    before = content_digest([str(role)])
    (role / "__pycache__").mkdir()
    (role / "__pycache__/x.cpython-313.pyc").write_text("x")
    (role / "README.md").write_text("for people")
    assert content_digest([str(role)]) == before


def test_a_role_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(AnsibleFilterError, match="no_such_role"):
        content_digest([str(tmp_path / "no_such_role")])

# SPDX-License-Identifier: GPL-3.0-or-later
"""What a new machine may lack is said in one line, with what to type."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)


@pytest.fixture
def bare_path(tmp_path: Path) -> str:
    """A PATH with a shell and the basic tools, and without anything that the sandbox needs."""
    for tool in ("sh", "cat", "tr", "sort", "sed", "dirname", "awk", "cut", "sha256sum"):
        found = shutil.which(tool)
        assert found
        (tmp_path / tool).symlink_to(found)
    script(tmp_path / "apt-get", "exit 99")
    return str(tmp_path)


def test_a_python_that_is_too_old_is_refused_with_what_to_do(tmp_path: Path) -> None:
    old = tmp_path / "python3.11"
    script(old, 'case "$*" in *--version*) echo Python 3.11.2;; *) exit 1;; esac')
    result = run(str(ROOT / "scripts/find-python"), PYTHON=str(old))
    assert result.returncode == 1
    assert result.stdout == ""
    assert "Python 3.11.2" in result.stderr
    assert ">= 3.12" in result.stderr
    assert "make PYTHON=" in result.stderr


def test_no_python_at_all_names_the_packages(bare_path: str) -> None:
    result = run(str(ROOT / "scripts/find-python"), PATH=bare_path, HOME="/nonexistent", PYENV_ROOT="/nonexistent", PYTHON="")
    assert result.returncode == 1
    assert "python3.13-venv" in result.stderr


def test_a_suitable_python_is_found_without_help() -> None:
    result = run(str(ROOT / "scripts/find-python"), PYTHON="")
    assert result.returncode == 0, result.stderr
    version = run(result.stdout.strip(), "-c", "import sys; print(sys.version_info >= (3, 12))")
    assert version.stdout.strip() == "True"


def test_the_environment_is_not_made_with_itself() -> None:
    """make and an activated environment have it on their path, and it is removed before it is made anew."""
    result = run(str(ROOT / "scripts/find-python"), PYTHON="", PATH=f"{ROOT}/.venv/bin:{os.environ['PATH']}:{ROOT}/.venv/bin")
    assert result.returncode == 0, result.stderr
    assert not result.stdout.startswith(f"{ROOT}/.venv")


def test_no_other_version_than_the_one_asked_for_is_found() -> None:
    result = run(str(ROOT / "scripts/find-python"), "2.7", PYTHON="")
    assert (result.returncode, result.stdout) == (1, "")
    assert "Python 2.7 with venv is missing" in result.stderr


def test_a_user_without_rights_gets_the_line_to_type(bare_path: str) -> None:
    script(Path(bare_path) / "id", "echo 1000")
    result = run(str(ROOT / "scripts/setup"), "system", PATH=bare_path)
    assert result.returncode == 1
    assert "sudo apt-get install --yes --no-install-recommends" in result.stderr
    assert "podman" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_a_system_without_apt_names_the_packages(bare_path: str) -> None:
    (Path(bare_path) / "apt-get").unlink()
    result = run(str(ROOT / "scripts/setup"), "system", PATH=bare_path)
    assert result.returncode == 1
    assert "podman" in result.stderr
    assert "package manager" in result.stderr


def test_a_failing_installation_shows_what_apt_said(bare_path: str) -> None:
    script(Path(bare_path) / "id", "echo 0")
    script(Path(bare_path) / "apt-get", 'case "$1" in update) ;; *) echo "E: no space left"; exit 100;; esac')
    script(Path(bare_path) / "rm", ":")
    result = run(str(ROOT / "scripts/setup"), "system", PATH=bare_path)
    (ROOT / ".setup.log").unlink()
    assert result.returncode == 1
    assert "no space left" in result.stderr

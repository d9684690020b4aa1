# SPDX-License-Identifier: GPL-3.0-or-later
"""Versions are named in several files, because several tools read them; they are the same everywhere."""

from __future__ import annotations

import json
import re
from importlib import metadata
from pathlib import Path

import ansible_collections
import pytest
import yaml
from ansible_collections.indivillage.infra.plugins.plugin_utils import core_version
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[2]


def required_collections() -> dict[str, str]:
    """Read the collections of requirements.yml: name -> exact version."""
    entries = yaml.safe_load((ROOT / "requirements.yml").read_text())["collections"]
    return {entry["name"]: str(entry["version"]) for entry in entries}


def packaged_version(collection: str) -> str:
    """Read a collection's version from the installed ansible package."""
    for base in ansible_collections.__path__:
        manifest = Path(base, *collection.split("."), "MANIFEST.json")
        if manifest.is_file():
            return str(json.loads(manifest.read_text())["collection_info"]["version"])
    raise AssertionError(f"{collection} is not in the installed ansible package")


@pytest.mark.parametrize("collection", required_collections())
def test_required_collections_are_those_of_the_pinned_ansible_package(collection: str) -> None:
    assert packaged_version(collection) == required_collections()[collection]


def test_galaxy_dependencies_equal_requirements() -> None:
    assert yaml.safe_load((ROOT / "galaxy.yml").read_text())["dependencies"] == required_collections()


@pytest.mark.parametrize(
    "name", ["requirements", "requirements-dev", "tests/bench/hardening/requirements", "tests/drill/pictures/requirements"]
)
def test_locked_requirements_have_hashes_and_no_index_lines(name: str) -> None:
    text = (ROOT / f"{name}.txt").read_text()
    assert "://" not in text
    assert not re.search(r"^--(index|extra-index|find-links|trusted)", text, re.MULTILINE)
    pins = re.findall(r"^([a-z0-9][\w.-]*)==(\S+)(.*)$", text, re.MULTILINE | re.IGNORECASE)
    assert pins
    assert text.count("--hash=sha256:") >= len(pins)


def test_installed_packages_are_the_locked_ones() -> None:
    locked = dict(re.findall(r"^([\w.-]+)==([^\s\\]+)", (ROOT / "requirements-dev.txt").read_text(), re.MULTILINE))
    wrong = {name: metadata.version(name) for name, version in locked.items() if metadata.version(name) != version}
    assert wrong == {}


def test_changelog_names_the_version_of_galaxy_or_is_unreleased() -> None:
    assert re.search(r"^## (Unreleased|\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)


def test_inner_workings_of_ansible_core_are_used_on_the_versions_that_the_collection_requires() -> None:
    required = SpecifierSet(yaml.safe_load((ROOT / "meta/runtime.yml").read_text())["requires_ansible"])
    assert {f"2.{minor}" for minor in range(100) if f"2.{minor}.0" in required} == set(core_version.SUPPORTED)
    assert metadata.version("ansible-core") in required

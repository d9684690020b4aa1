# SPDX-License-Identifier: GPL-3.0-or-later
"""The pages that are made from the inventories are those of these inventories."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest

from scripts.pages import environments, topology
from scripts.pages.files import pages
from scripts.pages.inventory import ENVIRONMENTS, ROOT, stacks


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    return pages()


def test_they_are_up_to_date(made: dict[str, str]) -> None:
    stale = [name for name, text in made.items() if not (ROOT / name).is_file() or (ROOT / name).read_text() != text]
    assert stale == [], "made anew by: .venv/bin/python -m scripts.pages"


def test_every_module_is_tried_by_mutations_or_says_what_proves_it(made: dict[str, str]) -> None:
    rows = [line.strip("|").split("|") for line in made["docs/resources.md"].splitlines() if line.startswith("| `")]
    assert [module for module, *_others, drill in rows if drill.strip() in {"0", "1"}] == []


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_security_group_and_every_pair_is_on_the_map(made: dict[str, str], environment: str) -> None:
    root = ET.fromstring(made[f"docs/topology/{environment}.svg"])  # noqa: S314  # made here
    texts = ["".join(element.itertext()) for element in root.iter("{http://www.w3.org/2000/svg}text")]
    paths = [element for element in root.iter("{http://www.w3.org/2000/svg}path") if element.get("class") == "flow"]
    regional = [stack for stack in stacks(environment) if stack.kind != "global"]
    for stack in regional:
        assert stack.value("aws_network_cidr") in " ".join(texts)
        for group in stack.value("aws_security_groups_groups"):
            assert texts.count(group.replace("_", " ")) == len(regional)
    pairs = {
        (flow["source"], flow["destination"])
        for flow in regional[0].value("aws_security_groups_flows")
        if flow["destination"] != "internet"
    }
    assert len(paths) == len(pairs) * len(regional)


def test_a_group_without_a_place_is_named() -> None:
    stack = next(stack for stack in stacks("production") if stack.kind == "primary")
    groups = {"aws_security_groups_groups": [*stack.value("aws_security_groups_groups"), "reports"]}
    crowded = replace(stack, options={**stack.options, "aws_security_groups": {**stack.options["aws_security_groups"], **groups}})
    with pytest.raises(topology.NoPlaceError, match="'reports' has no place on the map"):
        list(topology._region(crowded, 0))


def test_a_difference_is_told_and_what_is_alike_is_not() -> None:
    values = [{"a": 1, "b": {"c": 2}}, {"a": 1, "b": {"c": 3, "d": 4}}, environments.NO_ROLE]
    rows = dict(environments._differing("x", values))
    assert rows == {"x.b.c": [2, 3, environments.NO_ROLE], "x.b.d": [environments.UNSET, 4, environments.NO_ROLE]}

# SPDX-License-Identifier: GPL-3.0-or-later
"""What readers of a plan get to see: on a terminal, in a pull request, on a page.

The golden files are what the sample looks like. After a wanted change: PLAN_GOLDEN=write pytest tests/unit/plan, and read the difference.
"""

from __future__ import annotations

import dataclasses
import os
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from ansible_collections.indivillage.infra.plugins.plugin_utils import plan_html, plan_markdown, plan_sections, plan_text
from ansible_collections.indivillage.infra.plugins.plugin_utils.plan_report import Bill, Change, Entry, Note, Plan

from tests.unit.plan.samples import STACK, WEB_1, WEB_2, configured, failed, sample, subnet

GOLDEN = Path(__file__).parent / "golden"


def assert_golden(name: str, text: str) -> None:
    if os.environ.get("PLAN_GOLDEN") == "write":
        (GOLDEN / name).write_text(text)
    assert text == (GOLDEN / name).read_text()


@pytest.mark.parametrize(("name", "plan"), [("changes", sample()), ("failed", failed()), ("nothing", Plan("sandbox", unchanged=41))])
def test_golden_texts(name: str, plan: Plan) -> None:
    assert_golden(f"{name}.txt", plan_text.render(plan, 100) + "\n")
    assert_golden(f"{name}.md", plan_markdown.render(plan))


def test_hosts_with_the_same_plan_are_read_once() -> None:
    plan = Plan("sandbox", entries=[configured(WEB_1), configured(WEB_2)])
    (section,) = plan_sections.sections(plan)
    assert section.hosts == [WEB_1, WEB_2]
    assert plan_text.render(plan).count("Write the settings of nginx") == 1
    assert plan.totals["change"] == 2, "what is read once is still done twice"


def test_the_bill_is_one_sentence_everywhere_and_a_number_for_each_role() -> None:
    plan = dataclasses.replace(sample(), bills=[Bill(STACK, "aws_network", 1234.56), Bill(WEB_1, "web_tier", -3, list("abcdefgh"))])
    sentence = plan_sections.cost(plan)
    assert sentence.startswith("Cost: about +1,232 USD a month, by prices of ")
    assert sentence.endswith("; not priced: a, b, c, d, e, f and 2 more.")
    assert sentence in plan_text.render(plan, 400)
    assert sentence in plan_markdown.render(plan)
    assert sentence in plan_html.render(plan)
    assert re.search(r"^\| `sandbox-us-east-1` aws_network \|.*\| \+1,235 USD \|$", plan_markdown.render(plan), re.MULTILINE)
    assert "+1,235 USD a month</span>" in plan_html.render(plan)
    plan = dataclasses.replace(plan, bills=[])
    assert plan_sections.cost(plan).startswith("Cost: the month's bill stays about as it is, by prices of ")
    assert plan_sections.cost(Plan("sandbox", unchanged=3)) == ""


def test_hosts_that_are_read_once_are_billed_each() -> None:
    plan = Plan("sandbox", entries=[configured(WEB_1), configured(WEB_2)], bills=[Bill(WEB_1, "web_tier", 2), Bill(WEB_2, "web_tier", 2)])
    (section,) = plan_sections.sections(plan)
    assert section.roles[0].usd == 4


def test_a_terminal_gets_lines_of_its_width_and_an_item_each_when_fields_matter() -> None:
    many = [subnet(f"us-east-1{letter}") for letter in "abcdefghijklmnopqrstuvwxyz"]
    text = plan_text.render(Plan("sandbox", entries=many), 80)
    assert max(map(len, text.splitlines()[:-1])) <= 80
    assert re.search(r"\+   Make the subnets: 26: us-east-1a, us-east-1b, .* and \d+ more$", text, re.MULTILINE)
    changed = [dataclasses.replace(entry, action="change", changes=[Change("MapPublicIpOnLaunch", False, True)]) for entry in many]
    assert plan_text.render(Plan("sandbox", entries=changed), 80).count("MapPublicIpOnLaunch: false -> true") == 26


def test_a_change_without_fields_shows_its_calls() -> None:
    entry = dataclasses.replace(subnet("us-east-1a"), action="change")
    assert "ec2:CreateSubnet(CidrBlock=10.10.10.0/24, VpcId=vpc-planned-1a2b3c4d" in plan_text.render(Plan("sandbox", entries=[entry]))
    assert "`ec2:CreateSubnet(CidrBlock=10.10.10.0/24" in plan_markdown.render(Plan("sandbox", entries=[entry]))


def long_plan(number: int) -> Plan:
    return Plan("sandbox", entries=[dataclasses.replace(subnet(str(n)), role=f"role_{n % 50}", task=f"Make {n}") for n in range(number)])


def test_a_pull_request_takes_what_fits() -> None:
    text = plan_markdown.render(long_plan(3000))
    assert len(text) < 65536
    assert text.count("<details>") == text.count("</details>")
    assert text.endswith("see plan.html.**\n")
    assert "see plan.html" not in plan_markdown.render(long_plan(30))


class Page(HTMLParser):
    """What of a page a browser would fetch or run."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.references: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.references += [value or "" for name, value in attrs if name in ("src", "href", "action", "style") or name.startswith("on")]
        if tag not in ("meta", "input", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open[-1] in ("option", "li", "p") and self.open[-1] != tag:
            self.open.pop()
        assert self.open.pop() == tag, f"</{tag}> closes another element"


def test_the_page_needs_nothing_else_and_holds_everything() -> None:
    text = plan_html.render(sample())
    page = Page(text)
    assert page.open == []
    assert page.references == []
    assert "url(" not in text
    assert "@import" not in text
    assert "default-src 'none'" in text, "a browser would refuse to fetch anything"
    assert page.tags.count("details") == len(sample().entries)
    for word in (
        sample().digest,
        "MasterUserPassword",
        "sha256:44556677",
        "vpc-planned-1a2b3c4d",
        "+worker_processes 2;",
        "No instances yet.",
    ):
        assert word in text
    for part in ("prefers-color-scheme: dark", "@media print", 'name="host"', 'name="role"', 'name="action"'):
        assert part in text
    assert "NOT A WHOLE PLAN" in plan_html.render(failed())
    assert "<form>" not in plan_html.render(Plan("sandbox", unchanged=3))


def test_names_from_elsewhere_are_text_on_the_page() -> None:
    evil = '"><script>alert(1)</script>'
    entry = Entry(
        evil, evil, evil, evil, evil, "change", evil, [{"service": evil, "operation": evil, "region": evil, "parameters": {evil: evil}}]
    )
    entry = dataclasses.replace(entry, changes=[Change(evil, f"{evil}\n{evil}", evil)], reason=evil, stateful=evil)
    text = plan_html.render(Plan(evil, evil, [entry], notes=[Note(evil, evil)]))
    assert Page(text).tags.count("script") == 1
    assert "<script>alert" not in text


def test_names_from_elsewhere_are_text_in_a_pull_request() -> None:
    plan = Plan("sandbox", entries=[dataclasses.replace(subnet("x"), task="a <b>*c*", resource="`|x`")], notes=[Note(STACK, "<img>")])
    text = plan_markdown.render(plan)
    assert "<b>" not in text
    assert "<img>" not in text
    assert "`` `|x` ``" in text

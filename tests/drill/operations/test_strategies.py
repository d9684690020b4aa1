# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases tried beside the one that runs, under load, on real hosts. Run on a site that serves: make site && make drill-operations.

The tests run in this order, each on the state the former left. Each planned operation is done DRILL_TIMES in a row.
"""

from __future__ import annotations

import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.drill.support.releases import APPLICATION, QUICK, Drill
from tests.drill.support.results import PER_SECOND, TIMES, VISITED, under_load
from tests.drill.support.running import PREFIX
from tests.e2e.driver import BIN, ROOT, Site, wait
from tests.support.tiers import request_shares

CANARY_PERCENT = 10
CANARY = {"release_strategy": "blue_green", "release_canary_percentage": str(CANARY_PERCENT)} | {
    f"release_{window}_minutes": "1" for window in ("canary", "gate")
}
BLUE_GREEN = CANARY | {"release_canary_percentage": "0"}
CANARY_SHARES, NEW_ALONE = ({"app": 100 - share, "app-next": share} for share in (CANARY_PERCENT, 100))
# Of some hundred requests that are drawn one by one, so far from the declared share are next to none.
TOLERANCE_PERCENT = 5
FEWEST_REQUESTS = 150
MARKED = "/* of the new release */"
# Starts, is ready, and answers every visitor of the page with an error.
FAILING = f"""
import os

from reference.web import create_app

reference = create_app(os.environ)


def application(environ, start_response):
    if environ["PATH_INFO"] == "/{VISITED}":
        start_response("500 Internal Server Error", [("Content-Type", "text/plain")])
        return [b"wrong"]
    return reference(environ, start_response)
"""


@dataclass
class Sides:
    """Who is where in the app tier."""

    drill: Drill

    def members(self) -> set[str]:
        return {instance["InstanceId"] for instance in self.drill.site.instances("app")}

    def shares(self) -> dict[str, int]:
        return request_shares(self.drill.site.client)

    def is_one(self) -> bool:
        """Whether there is one side that serves whole, and nothing is left of another."""
        elbv2 = self.drill.site.client("elbv2")
        (group,) = elbv2.describe_target_groups(Names=[f"{PREFIX}-app-next"])["TargetGroups"]
        tried = elbv2.describe_target_health(TargetGroupArn=group["TargetGroupArn"])["TargetHealthDescriptions"]
        return self.drill.serves_whole() and not tried and not self.shares() and len(self.members()) == 2


@dataclass
class Sample:
    """Pages that were asked for while the requests were shared out, by whether they came from the new release."""

    sides: Sides
    seen: Counter[bool] = field(default_factory=Counter)

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Ask for pages, one after another, as long as this lasts."""
        ended = threading.Event()
        asker = threading.Thread(target=self._ask, args=(ended,), daemon=True)
        asker.start()
        try:
            yield
        finally:
            ended.set()
            asker.join()

    def _ask(self, ended: threading.Event) -> None:
        while not ended.wait(0.2):
            while self.sides.shares() == CANARY_SHARES and not ended.is_set():
                batch = Counter(MARKED in self.sides.drill.site.fetch(f"/{VISITED}").stdout for _ in range(10))
                if self.sides.shares() == CANARY_SHARES:  # and not only at its beginning
                    self.seen += batch

    @property
    def percent(self) -> float:
        return 100 * self.seen[True] / max(1, self.seen.total())


@pytest.fixture(scope="module")
def drill(site: Site) -> Iterator[Drill]:
    """The site that runs."""
    words = (
        "Two instances of the app tier, and two more for a release that is tried beside the one that runs: a tenth of the requests for a "
        "minute where it says canary, then all of them, watched for a minute."
    )
    with under_load("Strategies of releases", words, __file__) as section:
        yield Drill(site, section)


@pytest.fixture
def sides(drill: Drill) -> Sides:
    return Sides(drill)


def marked(drill: Drill, mark: str) -> str:
    """A release whose page tells that it is the new one; its checksum."""
    page = (APPLICATION / "reference" / VISITED).read_text()
    return drill.build(mark, **{f"reference/{VISITED}": f"{MARKED}\n{page}"})


@pytest.mark.parametrize("number", range(1, TIMES + 1))
def test_a_canary_gets_its_share_and_then_everything_without_a_failed_request(drill: Drill, sides: Sides, number: int) -> None:
    before = sides.members()
    sha256 = drill.build(f"plain {number}")  # so that the pages of the former release have no mark
    assert drill.site.play("playbooks/deploy_release.yml", *drill.deployment(sha256)).returncode == 0
    assert sides.members() == before
    sha256, sample = marked(drill, f"canary {number}"), Sample(sides)
    with sample.taken():
        result, load = drill.measured(f"canary {number}", "playbooks/deploy_release.yml", *drill.deployment(sha256, **CANARY))
    assert result.returncode == 0, result.stdout[-6000:]
    assert (drill.named, drill.running(), drill.verdict(sha256[:12])) == (sha256[:12], {sha256[:12]}, "good")
    assert (sides.is_one(), sides.members() & before) == (True, set())
    assert (sum(load.failures.values()), load.sent > PER_SECOND) == (0, True), load
    print(f"\n{sample.percent:.1f} % of {sample.seen.total()} requests went to the canary")
    assert sample.seen.total() >= FEWEST_REQUESTS
    assert abs(sample.percent - CANARY_PERCENT) <= TOLERANCE_PERCENT, sample.seen


@pytest.mark.parametrize("number", range(1, TIMES + 1))
def test_the_former_release_comes_back_beside_it_without_a_failed_request(drill: Drill, sides: Sides, number: int) -> None:
    left, before = drill.named, sides.members()
    inputs = BLUE_GREEN | {"reason": "a drill"}
    options = [word for name, value in inputs.items() if "canary" not in name for word in ("-e", f"{name}='{value}'")]
    result, load = drill.measured(f"rollback beside it {number}", "playbooks/roll_back_release.yml", *options)
    assert result.returncode == 0, result.stdout[-6000:]
    assert (drill.verdict(left), drill.verdict(drill.named), drill.running()) == ("bad", "good", {drill.named})
    assert (sides.is_one(), sides.members() & before, drill.named != left) == (True, set(), True)
    assert (sum(load.failures.values()), load.sent > PER_SECOND) == (0, True), load


@pytest.mark.parametrize("number", range(1, TIMES + 1))
def test_a_canary_that_answers_with_errors_gets_no_more_than_its_share_and_is_taken_back(drill: Drill, sides: Sides, number: int) -> None:
    before, named = sides.members(), drill.named
    sha256 = drill.build(f"failing {number}", **{"wsgi.py": FAILING})
    result, load = drill.measured(f"failing canary {number}", "playbooks/deploy_release.yml", *drill.deployment(sha256, **CANARY))
    assert result.returncode == 2, result.stdout[-6000:]
    told = " ".join(result.stdout.split())
    assert ("ended with an error of the release" in told, "is known as bad from now on" in told) == (True, True)
    assert (drill.named, drill.running(), drill.verdict(sha256[:12])) == (named, {named}, "bad")
    assert (sides.is_one(), sides.members()) == (True, before), "no host that was there has been touched"
    # Its share of the requests of a minute at most: it is found out before the window ends.
    assert set(load.failures) == {"500"}, load
    assert 10 < load.failures["500"] <= PER_SECOND * 60 * (CANARY_PERCENT + TOLERANCE_PERCENT) / 100, load


@pytest.mark.parametrize("number", range(1, TIMES + 1))
def test_a_release_that_does_not_start_is_asked_nothing(drill: Drill, sides: Sides, number: int) -> None:
    before, named = sides.members(), drill.named
    sha256 = drill.build(f"broken beside it {number}", **{"wsgi.py": 'raise RuntimeError("broken")\n'})
    result, load = drill.measured(
        f"broken release beside it {number}", "playbooks/deploy_release.yml", *drill.deployment(sha256, **CANARY, **QUICK)
    )
    assert result.returncode == 2, result.stdout[-6000:]
    assert (drill.named, drill.running(), drill.verdict(sha256[:12])) == (named, {named}, "bad")
    assert (sides.is_one(), sides.members()) == (True, before)
    assert (sum(load.failures.values()), load.sent > PER_SECOND) == (0, True), load


def killed(drill: Drill, sides: Sides, sha256: str, shares: dict[str, int]) -> None:
    """A deployment that is killed as soon as the requests are shared out like this."""
    command = [str(BIN / "ansible-playbook"), "playbooks/deploy_release.yml", "-i", "inventories/sandbox"]
    command += drill.deployment(sha256, **CANARY)
    run = subprocess.Popen(command, cwd=ROOT, env=drill.site.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait(f"shares {shares}", lambda: sides.shares() == shares, 600, every=0.5)
    run.kill()
    run.wait()
    assert (drill.verdict(sha256[:12]), len(sides.members())) == ("deploying", 4)


def test_a_canary_that_is_killed_is_taken_back_by_the_way_back(drill: Drill, sides: Sides) -> None:
    before, named, sha256 = sides.members(), drill.named, marked(drill, "killed and undone")
    killed(drill, sides, sha256, CANARY_SHARES)
    result, load = drill.measured("way back from a killed canary", "playbooks/roll_back_release.yml", "-e", "reason='a drill'")
    assert result.returncode == 0, result.stdout[-6000:]
    assert (drill.named, drill.running(), drill.verdict(sha256[:12])) == (named, {named}, "bad")
    assert (sides.is_one(), sides.members()) == (True, before)
    assert sum(load.failures.values()) == 0, load


def test_a_run_that_is_killed_with_everything_on_the_new_side_begins_anew(drill: Drill, sides: Sides) -> None:
    before, sha256 = sides.members(), marked(drill, "killed and repeated")
    killed(drill, sides, sha256, NEW_ALONE)
    result, load = drill.measured("repetition of a killed run", "playbooks/deploy_release.yml", *drill.deployment(sha256, **CANARY))
    assert result.returncode == 0, result.stdout[-6000:]
    assert (drill.named, drill.running(), drill.verdict(sha256[:12])) == (sha256[:12], {sha256[:12]}, "good")
    assert (sides.is_one(), sides.members() & before) == (True, set())
    assert sum(load.failures.values()) == 0, load


def test_the_same_again_changes_nobody(drill: Drill, sides: Sides) -> None:
    before, result = sides.members(), repeated(drill)
    assert result.returncode == 0, result.stdout[-6000:]
    assert (sides.is_one(), sides.members()) == (True, before)


def repeated(drill: Drill) -> Any:
    return drill.site.play("playbooks/deploy_release.yml", "-e", f"release_sha256='{drill.named}'", "-e", "release_strategy=blue_green")


def test_the_provisioning_of_the_tiers_ends_a_run_that_was_killed(drill: Drill, sides: Sides) -> None:
    before, named, sha256 = sides.members(), drill.named, marked(drill, "killed and provisioned")
    killed(drill, sides, sha256, CANARY_SHARES)
    result, load = drill.measured("provisioning after a killed canary", "playbooks/provision_compute.yml")
    assert result.returncode == 0, result.stdout[-6000:]
    assert (drill.named, drill.running()) == (named, {named})
    assert (sides.is_one(), sides.members()) == (True, before)
    assert sum(load.failures.values()) == 0, load


def test_nothing_is_planned_afterwards(drill: Drill, sides: Sides) -> None:
    for playbook, tags in (("provision_foundation", ("--tags", "aws_load_balancing")), ("provision_compute", ())):
        result = drill.site.play(f"playbooks/{playbook}.yml", "--check", *tags)
        assert result.returncode == 0, result.stdout[-6000:]

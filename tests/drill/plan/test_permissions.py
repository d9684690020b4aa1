# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs as roles that have the committed policies and nothing else, in an account that enforces them; from nothing to nothing again.

The tests follow one another in one account. With RECORD_CALLS=1 the roles may do everything, and what they did is added to
policies/: for when the project calls AWS in a way it did not before.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.indivillage.infra.plugins.plugin_utils.planning import operations
from botocore.exceptions import ClientError

from tests.drill.plan.environments import CHANGED, WHOLE
from tests.drill.support.mutations.catalogue import batches
from tests.drill.support.mutations.model import Mutation
from tests.integration.emulator.support import REPOSITORY
from tests.support.permissions import RECORD, Account, Principal, Record, account, allowed, committed, enforced, keep, needless, without

pytestmark = pytest.mark.emulator

SITE = "tests/drill/permissions/site.yml"
DECLARED: dict[str, Any] = WHOLE | {"aws_compute_rollout_warmup_seconds": 1}


@dataclass(frozen=True)
class Site:
    """The account, and a session of each role."""

    account: Account
    deploy: Principal
    plan: Principal
    remove: Principal

    def provision(self, **variables: Any) -> None:
        self.succeed(SITE, self.deploy, **DECLARED | variables)

    def succeed(self, playbook: str, principal: Principal, *options: str, codes: tuple[int, ...] = (0,), **variables: Any) -> None:
        run = self.account.run(playbook, principal, *options, **variables)
        assert run.returncode in codes, run.stdout[-8000:] + run.stderr[-2000:]


@pytest.fixture(scope="module")
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with account(tmp_path_factory.mktemp("permissions")) as made:
        roles = {name: made.role(name, allowed(name)) for name in ("deploy", "plan", "remove")}
        yield Site(made, **roles)
        if RECORD and not request.session.testsfailed:
            keep(with_reads({name: made.calls(name) for name in roles}))


def with_reads(records: dict[str, Record]) -> dict[str, Record]:
    """Whatever state an account is in, a planner reads no more than what deploying and removing read there."""
    reads = {
        call: needed
        for record in records.values()
        for call, needed in record.items()
        if operations.classify(*call.split(":")) == operations.READ
    }
    return records | {"plan": records["plan"] | reads}


def test_a_planner_plans_an_empty_account(site: Site) -> None:
    site.succeed(SITE, site.plan, "--check", codes=(0, 2), **DECLARED)


def test_the_removing_role_takes_away_what_runs_are_recorded_in(site: Site) -> None:
    site.succeed("playbooks/begin_run.yml", site.deploy)
    site.succeed("playbooks/remove_history.yml", site.remove, destroy_environment="sandbox")


def test_the_deploy_role_provisions_an_empty_account(site: Site) -> None:
    site.provision()


def test_the_deploy_role_reads_instances_into_the_inventory(site: Site, tmp_path: Path) -> None:
    inventory = tmp_path / "sandbox"
    shutil.copytree(REPOSITORY / "inventories/sandbox", inventory)
    source = yaml.safe_load((inventory / "instances.yml").read_text())
    keys = {"access_key": site.deploy.access_key, "secret_key": site.deploy.secret_key, "session_token": site.deploy.token}
    (inventory / "instances.yml").write_text(yaml.safe_dump(source | keys | {"cache": False}))
    done = subprocess.run(
        [str(Path(sys.executable).with_name("ansible-inventory")), "-i", str(inventory), "--graph", "role_web"],
        cwd=REPOSITORY,
        env=site.account.surroundings(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "i-" in done.stdout


def test_the_deploy_role_carries_out_another_declaration_and_takes_it_back(site: Site) -> None:
    site.provision(**CHANGED)
    site.provision()


def test_the_deploy_role_collects_evidence(site: Site) -> None:
    site.succeed("playbooks/collect_evidence.yml", site.deploy)


def test_a_planner_plans_what_stands_and_lists_what_is_ours(site: Site) -> None:
    site.succeed(SITE, site.plan, "--check", codes=(0, 2), **DECLARED | CHANGED)
    site.succeed("playbooks/show_runs.yml", site.plan)
    site.succeed("playbooks/list_owned.yml", site.plan)
    site.succeed("playbooks/report_cost.yml", site.plan)
    site.succeed("playbooks/verify_evidence.yml", site.plan)


@enforced
@pytest.mark.parametrize("sid", ["SqsQueues", "SqsRead"])
def test_a_run_without_a_statement_fails_and_says_what_is_missing(site: Site, sid: str) -> None:
    site.account.give("deploy", without(committed("deploy"), sid))
    run = site.account.run("playbooks/provision_foundation.yml", site.deploy, "--tags", "aws_messaging", aws_messaging_wait_seconds=5)
    site.account.give("deploy", committed("deploy"))
    told = " ".join(run.stdout.split())
    assert run.returncode == 2
    assert "is not authorized to perform: sqs:" in told


@enforced
def test_a_planner_can_write_nothing(site: Site) -> None:
    with pytest.raises(ClientError, match="is not authorized to perform: sqs:CreateQueue"):
        site.account.client("sqs", site.plan).create_queue(QueueName="indivillage-sandbox-planned")


def test_the_deploy_role_takes_a_route_table_from_a_subnet_that_nothing_declares(site: Site) -> None:
    """No mutation: the subnet stays, and has to be taken away by who has made it."""
    ec2 = site.account.emulator.client("ec2")
    (table,) = ec2.describe_route_tables(Filters=[{"Name": "tag:Name", "Values": ["indivillage-sandbox-public"]}])["RouteTables"]
    subnet = ec2.create_subnet(VpcId=table["VpcId"], CidrBlock="10.10.200.0/24")["Subnet"]["SubnetId"]
    ec2.associate_route_table(RouteTableId=table["RouteTableId"], SubnetId=subnet)
    site.succeed("playbooks/provision_foundation.yml", site.deploy, "--tags", "aws_network")
    left = ec2.describe_route_tables(Filters=[{"Name": "association.subnet-id", "Values": [subnet]}])["RouteTables"]
    ec2.delete_subnet(SubnetId=subnet)
    assert left == []


# They have most of the mutations; the others need one after another, not other calls.
LARGEST = sorted(batches(), key=len, reverse=True)[:3]


@pytest.mark.parametrize("batch", LARGEST, ids=lambda batch: f"{batch[0].id}-and-{len(batch) - 1}-more")
def test_the_deploy_role_may_put_right_what_was_changed_behind_its_back(site: Site, batch: list[Mutation]) -> None:
    """Whether that succeeds is test_mutations' matter: batches pile up here, and not all of it can be put right on an emulator."""
    for mutation in batch:
        with suppress(ValueError):  # what it looks for was mutated before
            mutation.do(site.account.emulator)
    run = site.account.run(SITE, site.deploy, **DECLARED)
    assert re.findall(r"is not authorized to perform: \S+(?: on resource: \S+)?", " ".join(run.stdout.split())) == []


@enforced
def test_no_statement_is_more_than_runs_need(site: Site) -> None:
    """After all that needs any: some statements are there for what was changed behind the project's back."""
    for role in ("deploy", "plan"):
        demands = [demand for needed in site.account.calls(role).values() for demand in needed]
        assert needless(committed(role), demands) == set()


def test_the_removing_role_empties_the_environment(site: Site) -> None:
    site.succeed("playbooks/destroy.yml", site.remove, destroy_environment="sandbox", aws_removal_final_snapshots=False)

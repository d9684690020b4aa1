# SPDX-License-Identifier: GPL-3.0-or-later
"""playbooks/configure_awx.yml and its module against a server that speaks AWX's API."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import awx_server, playbooks
from tests.support.awx_server import TOKEN, Awx

ROOT = Path(__file__).parents[3]
OURS = "production - site - apply"


@pytest.fixture(scope="module")
def configured() -> Iterator[Awx]:
    """A server that was configured from nothing."""
    with awx_server.running() as awx:
        done = configure(awx)
        assert done.returncode == 0, done.stdout + done.stderr
        yield awx


@pytest.fixture
def awx(configured: Awx) -> Iterator[Awx]:
    """The same server; whatever a test has changed, the declaration stands again afterwards."""
    configured.writes.clear()
    right = configured.snapshot()
    yield configured
    if configured.snapshot() != right:
        assert configure(configured).returncode == 0


def configure(awx: Awx, *options: str, token: str = TOKEN, configuration: dict[str, Any] | None = None) -> subprocess.CompletedProcess[str]:
    """Run the playbook; with a configuration, the module alone with that one."""
    arguments = ["playbooks/configure_awx.yml", *options]
    if configuration is not None:
        arguments = ["-m", "indivillage.infra.awx_configuration", "-a", json.dumps(configuration), "localhost", "-c", "local", *options]
    program = "ansible-playbook" if configuration is None else "ansible"
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "CONTROLLER_"))}
    environment = {
        **inherited,
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
        "CONTROLLER_HOST": awx.url,
        "CONTROLLER_OAUTH_TOKEN": token,
    }
    command = [str(Path(sys.executable).with_name(program)), *arguments, "-i", "localhost,"]
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=playbooks.TIMEOUT_SECONDS, check=False
    )


def plan(awx: Awx) -> subprocess.CompletedProcess[str]:
    with tempfile.TemporaryDirectory() as directory:
        return configure(awx, "--check", "--diff", "-e", f"plan_directory={directory}")


def changed(done: subprocess.CompletedProcess[str]) -> int:
    assert done.returncode in {0, 2}, done.stdout + done.stderr  # 2: a plan that would change something
    (number,) = re.findall(r"localhost +: ok=\d+ +changed=(\d+)", done.stdout)
    return int(number)


def test_everything_is_there(configured: Awx) -> None:
    template = configured.named("job_templates", OURS)
    assert configured.objects["projects"][template["project"]]["name"] == "infrastructure - production"
    assert (template["allow_simultaneous"], template["timeout"], template["playbook"]) == (False, 10800, "site.yml")
    assert configured.linked("job_templates", OURS, "credentials") == {"production - apply", "production - hosts"}
    assert configured.linked("job_templates", OURS, "labels") == {"indivillage-infra", "production"}
    assert {one["variable"] for one in configured.surveys["job_templates", template["id"]]["spec"]} == {
        *("approved_plan", "approved_deletions", "reason"),
    }
    schedule = configured.named("schedules", "development - detect_drift - nightly")
    assert schedule["enabled"] is False
    assert configured.named("schedules", "production - detect_drift - nightly")["enabled"] is True


def test_a_workflow_waits_for_an_approval_and_looks_after_a_failure(configured: Awx) -> None:
    workflow = configured.named("workflow_job_templates", "production - site")
    kind = "workflow_job_template_nodes"
    nodes = {one["identifier"]: one for one in configured.objects[kind].values() if one["workflow_job_template"] == workflow["id"]}
    names = {one["id"]: name for name, one in nodes.items()}

    def after(identifier: str, edge: str) -> list[str]:
        return [names[number] for number in configured.links.get((kind, nodes[identifier]["id"], edge), ())]

    assert after("plan", "success_nodes") == ["approval"]
    assert after("approval", "success_nodes") == ["apply"]
    assert (after("apply", "success_nodes"), after("apply", "failure_nodes")) == (["verify"], ["look"])
    approval = configured.objects["workflow_approval_templates"][nodes["approval"]["unified_job_template"]]
    assert approval["timeout"] == 14400


def test_nobody_may_start_what_needs_an_approval_directly(configured: Awx) -> None:
    template = configured.named("job_templates", OURS)
    execute = template["id"] * 10 + 1
    assert all(execute not in roles for roles in configured.grants.values())


def test_no_credential_has_got_a_value(configured: Awx) -> None:
    assert [one["inputs"] for one in configured.objects["credentials"].values()] == [{}] * len(configured.objects["credentials"])


def test_a_second_run_writes_nothing_and_its_plan_is_empty(awx: Awx) -> None:
    before = awx.snapshot()
    assert changed(plan(awx)) == 0
    assert changed(configure(awx)) == 0
    assert awx.writes == []
    assert awx.snapshot() == before


def test_a_plan_of_an_empty_server_names_all_and_writes_nothing() -> None:
    with awx_server.running() as empty:
        planned = plan(empty)
        assert changed(planned) == 1
        assert "job_template production - site - apply" in planned.stdout
        assert empty.writes == []
        assert TOKEN not in planned.stdout + planned.stderr


def test_what_was_changed_behind_its_back_is_named_and_put_right(awx: Awx) -> None:
    right = awx.snapshot()
    template = awx.named("job_templates", OURS)
    template["timeout"] = 1
    template["extra_vars"] = "stack_without: [aws_audit]"
    credentials = awx.links["job_templates", template["id"], "credentials"]
    credentials ^= {awx.named("credentials", f"production - {part}")["id"] for part in ("apply", "plan")}
    awx.surveys["job_templates", template["id"]]["spec"][0]["required"] = False
    workflow = awx.named("workflow_job_templates", "production - prune")
    nodes = {
        one["identifier"]: one
        for one in awx.objects["workflow_job_template_nodes"].values()
        if one["workflow_job_template"] == workflow["id"]
    }
    edges = awx.links["workflow_job_template_nodes", nodes["plan"]["id"], "success_nodes"]
    edges.clear()
    edges.add(nodes["apply"]["id"])  # past the approval
    awx.grants[awx.named("teams", "developers")["id"]].add(template["id"] * 10 + 1)

    planned = plan(awx)
    assert changed(planned) == 1
    assert awx.writes == []
    for line in (
        "-        timeout: 1",
        "+        timeout: 10800",
        "-        - production - plan",
        "+        - production - apply",
        "aws_audit",
        "execute on",
    ):
        assert line in planned.stdout, planned.stdout
    told = {
        line.strip()
        for line in planned.stdout.splitlines()
        if re.match(r"[-+ ] +'?(job_template|workflow|team|schedule|project|inventory)", line)
    }
    wanted = {f"job_template {OURS}:", "'workflow node production - prune: plan':", "team developers:"}
    assert {line.lstrip("-+ ") for line in told if line.endswith(":")} == wanted, planned.stdout
    mended = configure(awx)
    assert changed(mended) == 1
    assert awx.snapshot() == right


def test_a_secret_that_was_typed_into_awx_stays_and_is_never_shown(awx: Awx) -> None:
    right = awx.snapshot()
    settings = awx.named("notification_templates", "operations")["notification_configuration"]
    settings["password"] = "a-password-of-the-relay"
    assert changed(configure(awx)) == 0
    settings["sender"] = "somebody@example.com"
    done = configure(awx, "--diff", "-vvv")
    assert changed(done) == 1
    assert "somebody@example.com" in done.stdout
    assert "a-password-of-the-relay" not in done.stdout
    now = awx.named("notification_templates", "operations")["notification_configuration"]
    assert (now["sender"], now["password"]) == ("awx@indivillage.com", "a-password-of-the-relay")
    now["password"] = ""
    assert awx.snapshot() == right


def test_what_carries_our_label_and_is_declared_no_more_goes(awx: Awx) -> None:
    right = awx.snapshot()
    project, inventory = awx.named("projects", "infrastructure - staging"), awx.named("inventories", "staging")
    former = awx.create("job_templates", {"name": "former", "project": project["id"], "inventory": inventory["id"], "playbook": "site.yml"})
    awx.links["job_templates", former["id"], "labels"] = {awx.named("labels", "indivillage-infra")["id"]}
    template = awx.named("job_templates", OURS)
    awx.create(
        "schedules",
        {"name": "at night", "rrule": "DTSTART:20260101T000000Z RRULE:FREQ=DAILY;INTERVAL=1", "unified_job_template": template["id"],
         "extra_data": {"approved_plan": "sha256:0"}},
    )  # fmt: skip
    assert changed(configure(awx)) == 1
    assert [line for line in awx.writes if not line.startswith("DELETE")] == []
    assert awx.snapshot() == right


def test_what_is_foreign_is_never_touched(awx: Awx) -> None:
    other = awx.create("organizations", {"name": "Another"})
    project = awx.create("projects", {"name": "infrastructure - production", "organization": other["id"], "scm_branch": "theirs"})
    inventory = awx.create("inventories", {"name": "production", "organization": other["id"]})
    label = awx.create("labels", {"name": "indivillage-infra", "organization": other["id"]})
    same = awx.create(
        "job_templates", {"name": OURS, "project": project["id"], "inventory": inventory["id"], "playbook": "theirs.yml", "timeout": 7}
    )
    awx.links["job_templates", same["id"], "labels"] = {label["id"]}
    ours = awx.named("projects", "infrastructure - staging")
    unlabelled = awx.create(
        "job_templates",
        {"name": "by hand", "project": ours["id"], "inventory": awx.named("inventories", "staging")["id"], "playbook": "site.yml"},
    )
    team = awx.named("teams", "developers")
    awx.grants[team["id"]].add(unlabelled["id"] * 10 + 1)
    before = awx.snapshot()

    assert changed(configure(awx)) == 0
    assert awx.writes == []
    assert awx.snapshot() == before
    for kind, found in (("job_templates", same), ("job_templates", unlabelled), ("projects", project), ("inventories", inventory)):
        awx.delete(kind, found)
    awx.grants[team["id"]].discard(unlabelled["id"] * 10 + 1)
    del awx.objects["labels"][label["id"]]
    del awx.objects["organizations"][other["id"]]


@pytest.mark.parametrize("number", [1, 9, 60, 250])
def test_a_refusal_half_way_is_clear_and_the_next_run_completes_it(configured: Awx, number: int) -> None:
    with awx_server.running() as awx:
        awx.fail_at = (number, 400, {"name": ["This one is not wanted."]})
        refused = configure(awx)
        assert refused.returncode == 2
        assert "was refused with 400: name: This one is not wanted." in refused.stdout
        assert len(awx.writes) == number, "it went on after the refusal"
        awx.fail_at = None
        assert changed(configure(awx)) == 1
        assert changed(configure(awx)) == 0
        assert len(awx.objects["job_templates"]) == len(configured.objects["job_templates"])
        assert [len(one) for one in awx.grants.values()] == [len(one) for one in configured.grants.values()]


def test_a_wrong_token_is_told_and_never_shown(awx: Awx) -> None:
    refused = configure(awx, "-vvv", token="a-secret-that-is-wrong")
    assert refused.returncode == 2
    assert "was refused with 401: Authentication credentials were not provided." in refused.stdout
    assert "a-secret-that-is-wrong" not in refused.stdout + refused.stderr
    assert awx.writes == []


def test_a_server_that_is_not_there_is_told() -> None:
    with awx_server.running() as awx:
        gone = awx
    refused = configure(gone)
    assert refused.returncode == 2
    assert "got no answer" in refused.stdout


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "reference": (
        {"controller_projects": [{"name": "p", "organization": "IndiVillage", "credential": "none"}]},
        "project 'p': There is no credential 'none'",
    ),
    "field": (
        {"aap_teams": [{"name": "t", "organization": "IndiVillage", "size": 3}]},
        "knows no field size. Its fields are description, name",
    ),
    "secret": (
        {"controller_credentials": [{"name": "c", "credential_type": "Machine", "inputs": {"password": "x"}}]},
        "inputs holds secrets",
    ),
    "list": ({"controller_temlates": []}, "configuration has controller_temlates, which nothing would read."),
    "type": ({"aap_organizations": [{"name": "IndiVillage", "max_hosts": "many"}]}, "max_hosts: A valid integer is required."),
}


@pytest.mark.parametrize(("configuration", "message"), FAULTS.values(), ids=FAULTS)
def test_a_faulty_declaration_is_one_clear_error(awx: Awx, configuration: dict[str, Any], message: str) -> None:
    given = {"organization": "IndiVillage", "label": "none", "configuration": configuration}
    refused = configure(awx, configuration=given)
    assert refused.returncode == 2
    assert message in refused.stdout.replace("\n", " ")

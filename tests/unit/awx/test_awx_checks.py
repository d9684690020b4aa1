# SPDX-License-Identifier: GPL-3.0-or-later
"""Each fault of the declaration of AWX is found, alone, and named with its file and key."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.indivillage.infra.plugins.plugin_utils import awx_checks
from ansible_collections.indivillage.infra.plugins.plugin_utils.awx_checks import Declaration
from ansible_collections.indivillage.infra.plugins.plugin_utils.awx_rrule import rule_problems
from ansible_collections.indivillage.infra.plugins.plugin_utils.catalogue import read_catalogue, read_runbooks

ROOT = Path(__file__).parents[3]
RUNBOOKS = read_runbooks(read_catalogue(ROOT), ROOT)
DECLARED = awx_checks.read(ROOT)
LABEL = "indivillage-infra"
Lists = dict[str, list[dict[str, Any]]]
APPLY, PLAN, WORKFLOW = "production - site - apply", "production - site - plan", "production - site"
NIGHTLY = "production - detect_drift - nightly"


def entry(lists: Lists, variable: str, name: str) -> dict[str, Any]:
    (found,) = [one for one in lists[variable] if one["name"] == name]
    return found


def template(lists: Lists, name: str = APPLY) -> dict[str, Any]:
    return entry(lists, "controller_templates", name)


def question(lists: Lists, template_name: str, variable: str) -> dict[str, Any]:
    (found,) = [one for one in template(lists, template_name)["survey_spec"]["spec"] if one["variable"] == variable]
    return found


def node(lists: Lists, identifier: str) -> dict[str, Any]:
    nodes = entry(lists, "controller_workflows", WORKFLOW)["simplified_workflow_nodes"]
    (found,) = [one for one in nodes if one["identifier"] == identifier]
    return found


def schedule(lists: Lists) -> dict[str, Any]:
    return entry(lists, "controller_schedules", NIGHTLY)


def lacks_a_question(lists: Lists) -> None:
    spec = template(lists, "production - destroy - apply")["survey_spec"]
    spec["spec"] = [one for one in spec["spec"] if one["variable"] != "destroy_environment"]


def plan_is_gone(lists: Lists) -> None:
    lists["controller_templates"].remove(template(lists, "development - site - plan"))
    nodes = entry(lists, "controller_workflows", "development - site")["simplified_workflow_nodes"]
    del nodes[0]
    for role in lists["controller_roles"]:
        role["job_templates"] = [name for name in role.get("job_templates", []) if name != "development - site - plan"]


def elsewhere(lists: Lists) -> None:
    lists["controller_inventories"].append({"name": "sandbox", "organization": "IndiVillage"})
    template(lists, "staging - report_reservations").update(inventory="sandbox")


def node_twice(lists: Lists) -> None:
    entry(lists, "controller_workflows", WORKFLOW)["simplified_workflow_nodes"].append(node(lists, "look"))


def unanswered(lists: Lists) -> None:
    question(lists, "production - report_reservations", "reservation_months").update(required=True)
    entry(lists, "controller_schedules", "production - report_reservations - monthly").update(extra_data={})


MAIL = "operations"
FAULTS: dict[str, tuple[Callable[[Lists], object], str]] = {
    "no such project": (
        lambda lists: template(lists).update(project="infrastrcture"),
        "awx/made/job_templates.yml: controller_templates['production - site - apply'].project names 'infrastrcture', which is no project.",
    ),
    "no such credential": (
        lambda lists: template(lists).update(credentials=["production - all"]),
        "controller_templates['production - site - apply'].credentials names 'production - all', which is no credential.",
    ),
    "no such label": (lambda lists: template(lists)["labels"].append("old"), ".labels names 'old', which is no label."),
    "without our label": (lambda lists: template(lists).update(labels=["production"]), ".labels lacks indivillage-infra."),
    "twice": (
        lambda lists: lists["aap_teams"].append(lists["aap_teams"][0]),
        "awx/organization.yml: aap_teams['operators'] is there twice.",
    ),
    "no such playbook": (
        lambda lists: template(lists).update(playbook="playbooks/sit.yml"),
        ".playbook names 'playbooks/sit.yml', which is no file.",
    ),
    "playbook of no runbook": (
        lambda lists: template(lists).update(playbook="playbooks/begin_run.yml"),
        ".playbook is that of no runbook.",
    ),
    "another environment": (
        elsewhere,
        ".inventory is 'sandbox', where report_reservations may not run.",
    ),
    "no timeout": (lambda lists: template(lists).update(timeout=0), ".timeout is missing."),
    "two at a time": (lambda lists: template(lists).update(allow_simultaneous=True), ".allow_simultaneous lets two jobs write at a time."),
    "any variable": (
        lambda lists: template(lists).update(ask_variables_on_launch=True),
        ".ask_variables_on_launch lets anything be given.",
    ),
    "a question too many": (
        lambda lists: question(lists, APPLY, "reason").update(variable="raeson"),
        ".survey_spec.raeson is no input of site.",
    ),
    "a question too few": (
        lacks_a_question,
        "controller_templates['production - destroy - apply'].survey_spec.destroy_environment has to be asked for.",
    ),
    "asked twice": (
        lambda lists: template(lists)["survey_spec"]["spec"].append(question(lists, APPLY, "reason")),
        ".survey_spec.reason is asked twice.",
    ),
    "no such question": (
        lambda lists: question(lists, APPLY, "reason").update(type="string"),
        ".survey_spec.reason has the type 'string'.",
    ),
    "no choice": (lambda lists: question(lists, APPLY, "reason").update(type="multiselect"), ".survey_spec.reason offers no choice."),
    "min above max": (lambda lists: question(lists, APPLY, "reason").update(min=9, max=3), ".survey_spec.reason has a min above its max."),
    "default is no choice": (
        lambda lists: question(lists, "production - verify_site", "verify_replacement").update(default="perhaps"),
        ".survey_spec.verify_replacement has the default 'perhaps', which is no choice.",
    ),
    "survey without questions": (
        lambda lists: template(lists).update(survey_enabled=False),
        ".survey_enabled and survey_spec do not agree.",
    ),
    "no twin": (plan_is_gone, "controller_templates['development - site - apply'] applies site, and nothing plans it."),
    "no template of a node": (
        lambda lists: node(lists, "verify").update(unified_job_template="verify"),
        "controller_workflows['production - site'].simplified_workflow_nodes.verify names 'verify', which is no template.",
    ),
    "an edge to nowhere": (lambda lists: node(lists, "apply").update(failure_nodes=["lok"]), "nodes.apply.failure_nodes leads to 'lok'"),
    "a circle": (
        lambda lists: node(lists, "verify").update(success_nodes=["apply"]),
        "simplified_workflow_nodes goes in a circle: apply -> verify -> apply.",
    ),
    "past the approval": (
        lambda lists: node(lists, "plan").update(success_nodes=["approval", "apply"]),
        "simplified_workflow_nodes.apply reaches 'production - site - apply' without an approval.",
    ),
    "on after a refusal": (
        lambda lists: node(lists, "approval").update(failure_nodes=["apply"], success_nodes=[]),
        "simplified_workflow_nodes.apply reaches 'production - site - apply' without an approval.",
    ),
    "waits for ever": (
        lambda lists: node(lists, "approval")["approval_node"].update(timeout=0),
        "simplified_workflow_nodes.approval waits for ever.",
    ),
    "neither": (lambda lists: node(lists, "look").pop("unified_job_template"), "nodes.look runs no template, or also waits for somebody."),
    "one identifier": (node_twice, "has two nodes of one identifier."),
    "a rule": (lambda lists: schedule(lists).update(rrule="DTSTART:20260101T053000Z RRULE:FREQ=DAILY"), ".rrule lacks INTERVAL"),
    "an answer too many": (lambda lists: schedule(lists).update(extra_data={"last": 3}), ".extra_data.last is nothing that"),
    "an answer too few": (
        unanswered,
        "controller_schedules['production - report_reservations - monthly'].extra_data.reservation_months is missing.",
    ),
    "a scheduled apply": (
        lambda lists: schedule(lists).update(unified_job_template=APPLY, extra_data={"approved_plan": "sha256:0"}),
        ".unified_job_template starts 'production - site - apply' without an approval.",
    ),
    "on or off": (lambda lists: schedule(lists).pop("enabled"), ".enabled is missing."),
    "an apply for anybody": (
        lambda lists: lists["controller_roles"][0]["job_templates"].append(APPLY),
        "controller_roles['operators'].job_templates lets operators start 'production - site - apply' without an approval.",
    ),
    "no such team": (lambda lists: lists["controller_roles"][0].update(team="operator"), ".team names 'operator', which is no team."),
    "no such template": (lambda lists: lists["controller_roles"][0]["workflows"].append("x"), "names 'x', which is none of the workflows."),
    "a secret": (
        lambda lists: entry(lists, "controller_notifications", MAIL)["notification_configuration"].update(password="x"),
        "awx/notifications.yml: controller_notifications['operations'].notification_configuration.password is a secret in a file.",
    ),
    "a credential's inputs": (
        lambda lists: lists["controller_credentials"][0].update(inputs={}),
        "controller_credentials['development - plan'].inputs holds secrets.",
    ),
}


def faults_of(lists: Lists) -> list[str]:
    return [str(problem) for problem in awx_checks.find_problems(Declaration(lists, DECLARED.files), RUNBOOKS, ROOT, LABEL)]


def test_the_declaration_is_without_a_fault() -> None:
    assert DECLARED.problems == []
    assert faults_of(copy.deepcopy(DECLARED.lists)) == []


@pytest.mark.parametrize(("change", "message"), FAULTS.values(), ids=FAULTS)
def test_each_fault_is_named_alone(change: Callable[[Lists], object], message: str) -> None:
    lists = copy.deepcopy(DECLARED.lists)
    change(lists)
    (found,) = faults_of(lists)
    assert message in found


def test_a_list_that_awx_does_not_have_or_that_stands_twice_is_named(tmp_path: Path) -> None:
    (tmp_path / "awx").mkdir()
    (tmp_path / "awx/a.yml").write_text("aap_teams: []\ncontroller_temlates: []\n")
    (tmp_path / "awx/b.yml").write_text("aap_teams: []\n")
    unknown, twice = map(str, awx_checks.read(tmp_path).problems)
    assert unknown.startswith("awx/a.yml: controller_temlates is no list of AWX.")
    assert twice == "awx/b.yml: aap_teams is in awx/a.yml too. Keep a list in one file."


START = "DTSTART;TZID=Asia/Kolkata:20260101T053000"


@pytest.mark.parametrize(
    "rule",
    [
        f"{START} RRULE:FREQ=DAILY;INTERVAL=1",
        "DTSTART:20260101T053000Z RRULE:FREQ=MONTHLY;INTERVAL=1;BYDAY=TU;BYSETPOS=2",
        f"{START} RRULE:FREQ=WEEKLY;INTERVAL=1;BYDAY=SA RRULE:FREQ=WEEKLY;INTERVAL=1;BYDAY=SU EXRULE:FREQ=MONTHLY;INTERVAL=1;BYMONTHDAY=1",
        f"{START} RRULE:FREQ=DAILY;INTERVAL=1;UNTIL=20270101T000000Z",
    ],
)
def test_a_rule_that_awx_takes_is_taken(rule: str) -> None:
    assert list(rule_problems(rule)) == []


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("RRULE:FREQ=DAILY;INTERVAL=1", "has no DTSTART"),
        ("DTSTART:20260101T053000 RRULE:FREQ=DAILY;INTERVAL=1", "without a time zone"),
        ("DTSTART;TZID=Asia/Kolkatta:20260101T053000 RRULE:FREQ=DAILY;INTERVAL=1", "the time zone 'Asia/Kolkatta', which does not exist"),
        (START, "has no RRULE"),
        (f"{START} RRULE:FREQ=DAILY", "lacks INTERVAL"),
        (f"{START} RRULE:FREQ=MONTHLY;INTERVAL=1;BYDAY=2TU", "has a number in BYDAY=2TU"),
        (f"{START} RRULE:FREQ=SECONDLY;INTERVAL=9", "would run every few seconds"),
        (f"{START} RRULE:FREQ=DAILY;INTERVAL=1;COUNT=1000", "999 is the most"),
        (f"{START} RRULE:FREQ=DAILY;INTERVAL=1;COUNT=3;UNTIL=20270101T000000Z", "has both COUNT and UNTIL"),
        (f"{START} RRULE:FREQ=DAYLY;INTERVAL=1", "cannot be read"),
        (f"{START} RULE:FREQ=DAILY;INTERVAL=1 RRULE:FREQ=DAILY;INTERVAL=1", "which belongs to no rule"),
    ],
)
def test_a_rule_that_awx_refuses_is_named(rule: str, message: str) -> None:
    (found,) = rule_problems(rule)
    assert message in found

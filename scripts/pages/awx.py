# SPDX-License-Identifier: GPL-3.0-or-later
"""awx/made: surveys, job templates, workflows, schedules and grants, made from the manifests and awx/access.yml."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import yaml
from ansible_collections.indivillage.infra.plugins.plugin_utils.catalogue import read_catalogue, read_runbooks
from ansible_collections.indivillage.infra.plugins.plugin_utils.runbooks import APPROVED_PLAN, Input, Runbook

from scripts.pages.environments import REAL
from scripts.pages.inventory import ROOT

HEAD = "---\n# Made from runbooks/ and awx/access.yml by `python -m scripts.pages`; do not edit.\n"
PLAN = "playbooks/plan_runbook.yml"
# How a survey asks for each type. A list is typed with commas, as on a command line.
QUESTIONS = {"str": "text", "list": "text", "int": "integer", "float": "float", "bool": "multiplechoice"}
LONGEST = 1024


def files() -> dict[str, str]:
    """Path below the repository -> text."""
    lists = {
        "job_templates": ("controller_templates", list(_job_templates())),
        "workflows": ("controller_workflows", list(_workflows())),
        "schedules": ("controller_schedules", list(_schedules())),
        "roles": ("controller_roles", list(_roles())),
    }
    return {f"awx/made/{name}.yml": HEAD + _text({variable: entries}) for name, (variable, entries) in lists.items()}


class _Dumper(yaml.SafeDumper):
    """As yamllint wants it: the items of a list one step in, nothing by reference."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(data: Any) -> str:
    return str(yaml.dump(data, Dumper=_Dumper, sort_keys=False, width=130, allow_unicode=True))


@functools.cache
def _settings() -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / "awx/access.yml").read_text(encoding="utf-8")))


@functools.cache
def _offered() -> tuple[tuple[str, Runbook], ...]:
    """Each environment of AWS with each of its runbooks; the sandbox has no AWX."""
    found = read_runbooks(read_catalogue()).values()
    return tuple((environment, runbook) for environment in REAL for runbook in found if environment in runbook.environments)


def _name(environment: str, runbook: str, part: str = "") -> str:
    return " - ".join(filter(None, (environment, runbook, part)))


# ---- Job templates -----------------------------------------------------------------------------------------------------------------


def _job_templates() -> Iterator[dict[str, Any]]:
    for environment, runbook in _offered():
        if runbook.plan:
            yield _job_template(environment, runbook, "plan")
        yield _job_template(environment, runbook, "apply" if runbook.plan else "")


def _job_template(environment: str, runbook: Runbook, part: str) -> dict[str, Any]:
    planning = part == "plan"
    writes = runbook.writes and not planning
    connects = runbook.connects and not planning
    severity = _settings()["awx_notifications"][runbook.severity]
    return {
        "name": _name(environment, runbook.name, part),
        "description": f"{runbook.title}: the plan alone, which changes nothing." if planning else f"{runbook.title}.",
        "organization": _settings()["awx_organization"],
        "job_type": "run",
        "project": f"infrastructure - {environment}",
        "playbook": PLAN if planning else runbook.playbook,
        "inventory": environment,
        "execution_environment": _settings()["awx_execution_environment"],
        "credentials": [_name(environment, "apply" if writes else "plan"), *([_name(environment, "hosts")] if connects else [])],
        "extra_vars": {"planned_runbook": runbook.name} if planning else {},
        "allow_simultaneous": not writes,
        "timeout": runbook.timeout_minutes * 60,
        "job_slice_count": 1 if planning else runbook.slices,
        "diff_mode": planning,
        "ask_variables_on_launch": False,
        "ask_limit_on_launch": False,
        **_survey(
            runbook, [given for given in runbook.inputs.values() if not (planning and given.name == APPROVED_PLAN)], environment, planning
        ),
        "labels": [_settings()["awx_label"], environment],
        "notification_templates_started": [],
        "notification_templates_success": severity if writes and environment == "production" else [],
        "notification_templates_error": severity,
    }


def _survey(runbook: Runbook, asked: list[Input], environment: str, planning: bool) -> dict[str, Any]:
    questions = [_question(given, given.required and not planning, environment in runbook.approval) for given in asked]
    spec = {"name": runbook.title, "description": runbook.purpose, "spec": questions} if questions else {}
    return {"survey_enabled": bool(questions), "survey_spec": spec}


def _question(given: Input, required: bool, approval: bool) -> dict[str, Any]:
    choices = ["true", "false"] if given.type == "bool" else [str(choice) for choice in given.choices]
    kind = "multiplechoice" if choices else QUESTIONS[given.type]
    question: dict[str, Any] = {
        "question_name": given.name.replace("_", " ").capitalize(),
        "question_description": given.description + (f" It is {given.pattern_help.rstrip('.')}." if given.pattern_help else ""),
        "required": required or (given.name == APPROVED_PLAN and approval),
        "type": "password" if given.secret else kind,
        "variable": given.name,
        "new_question": True,
    }
    if choices:
        question["choices"] = choices
    else:
        # Limits of a text are its length; a list's are the playbook's to check.
        limited = given.type != "list"
        floor, top = (0, LONGEST) if QUESTIONS[given.type] == "text" else (-(2**31), 2**31 - 1)
        question["min"] = given.minimum if limited and given.minimum is not None else floor
        question["max"] = given.maximum if limited and given.maximum is not None else top
    if given.default is not None:
        question["default"] = str(given.default).lower() if given.type == "bool" else given.default
    return question


# ---- Workflows ---------------------------------------------------------------------------------------------------------------------


def _workflows() -> Iterator[dict[str, Any]]:
    for environment, runbook in _offered():
        if runbook.plan:
            asked = [given for given in runbook.inputs.values() if given.name != APPROVED_PLAN]  # the plan hands it on
            told = _settings()["awx_notifications"][runbook.severity]
            yield {
                "name": _name(environment, runbook.name),
                "description": f"{runbook.title}: {', '.join(_parts(environment, runbook))}.",
                "organization": _settings()["awx_organization"],
                "allow_simultaneous": False,
                "ask_variables_on_launch": False,
                **_survey(runbook, asked, environment, planning=False),
                "labels": [_settings()["awx_label"], environment],
                "notification_templates_started": told if environment == "production" else [],
                "notification_templates_success": told if environment == "production" else [],
                "notification_templates_error": told,
                "notification_templates_approvals": _settings()["awx_approval_notifications"] if environment in runbook.approval else [],
                "simplified_workflow_nodes": list(_nodes(environment, runbook)),
            }


def _parts(environment: str, runbook: Runbook) -> list[str]:
    approval = ["approval"] if environment in runbook.approval else []
    return ["plan", *approval, "apply", *(["verify"] if runbook.verify else [])]


def _nodes(environment: str, runbook: Runbook) -> Iterator[dict[str, Any]]:
    templates = {
        "plan": _name(environment, runbook.name, "plan"),
        "apply": _name(environment, runbook.name, "apply"),
        "verify": _name(environment, "verify_site"),
    }
    parts = _parts(environment, runbook)
    for part, following in zip(parts, [*parts[1:], ""], strict=True):
        node: dict[str, Any] = {"identifier": part, "all_parents_must_converge": False}
        if part == "approval":
            node["approval_node"] = {
                "name": f"Approve {_name(environment, runbook.name)}",
                "description": f"Read the plan in the output of {templates['plan']}; what is applied is that plan and no other.",
                "timeout": _settings()["awx_approval_timeout_seconds"],
            }
        else:
            node["unified_job_template"] = templates[part]
        # A failed plan has changed nothing, and a refused approval has not either.
        after_failure = ["look"] if part in {"apply", "verify"} else []
        yield {**node, "success_nodes": [following] if following else [], "failure_nodes": after_failure, "always_nodes": []}
    look = {"identifier": "look", "all_parents_must_converge": False, "unified_job_template": _name(environment, runbook.on_failure)}
    yield {**look, "success_nodes": [], "failure_nodes": [], "always_nodes": []}


# ---- Schedules and grants ----------------------------------------------------------------------------------------------------------


def _schedules() -> Iterator[dict[str, Any]]:
    for environment, runbook in _offered():
        for schedule in runbook.schedules:
            yield {
                "name": _name(environment, runbook.name, schedule.name),
                "description": schedule.description,
                # A runbook with a plan is scheduled as its workflow.
                "unified_job_template": _name(environment, runbook.name),
                "rrule": schedule.rrule,
                "enabled": environment in schedule.environments,
                "extra_data": dict(schedule.answers),
            }


def _roles() -> Iterator[dict[str, Any]]:
    for team, access in _settings()["awx_access"].items():
        templates, workflows = [], []
        for environment, runbook in _offered():
            effects = access.get(environment, [])
            if runbook.plan and "reads" in effects:
                templates.append(_name(environment, runbook.name, "plan"))
            if runbook.effect in effects:
                if runbook.plan:
                    workflows.append(_name(environment, runbook.name))
                # What needs an approval is started as its workflow, which asks for one.
                if environment not in runbook.approval:
                    templates.append(_name(environment, runbook.name, "apply" if runbook.plan else ""))
        yield {"team": team, "role": "execute", "job_templates": templates, "workflows": workflows}
    approved = [_name(environment, runbook.name) for environment, runbook in _offered() if environment in runbook.approval]
    yield {"team": _settings()["awx_approvers"], "role": "approval", "workflows": approved}

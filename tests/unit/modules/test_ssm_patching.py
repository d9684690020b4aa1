# SPDX-License-Identifier: GPL-3.0-or-later
"""Patch baselines, maintenance windows, documents and associations through their whole lives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import boto3
import pytest
from ansible_collections.indivillage.infra.plugins.modules import ssm_association, ssm_document, ssm_maintenance_window, ssm_patch_baseline

from sandbox.emulator.additions import systems_manager

Run = Callable[..., dict[str, Any]]
RULE = {"filters": {"PRIORITY": ["Required", "Important"], "PRODUCT": ["*"]}, "compliance_level": "HIGH"}
WEB, APP = ({"name": name, "tags": {"PatchGroup": [f"site-{name}"]}} for name in ("web", "app"))
INSTALL = {"name": "install", "document": "AWS-RunPatchBaseline", "targets": ["web"], "parameters": {"Operation": ["Install"]}}
WINDOW = {"name": "patching", "schedule": "cron(0 2 ? * TUE *)", "duration_hours": 2}
SESSION = {"schemaVersion": "1.0", "sessionType": "Standard_Stream", "inputs": {"idleSessionTimeout": "20"}}
INVENTORY = {"document": "AWS-GatherSoftwareInventory", "schedule": "rate(12 hours)", "targets": {"Environment": ["staging"]}}


@pytest.fixture(autouse=True, scope="module")
def all_of_ssm() -> None:
    systems_manager.install()


# --- baselines ---


def test_baseline_life_cycle(life_cycle: Callable[..., None]) -> None:
    first = {"approval_rules": [RULE], "patch_groups": ["web", "old"], "tags": {"Project": "site", "Old": "1"}}
    second = {
        **{"approval_rules": [{**RULE, "compliance_level": "CRITICAL"}], "rejected_patches": ["nginx"], "description": "other"},
        **{"patch_groups": ["web", "app"], "tags": {"Project": "site"}},
    }
    life_cycle(ssm_patch_baseline, {"name": "debian"}, first, second)


def test_a_group_that_was_taken_away_is_given_back(run: Run) -> None:
    declared = {"name": "debian", "approval_rules": [RULE], "patch_groups": ["web"]}
    baseline_id = run(ssm_patch_baseline, **declared)["resource"]["baseline_id"]
    ssm = boto3.client("ssm")
    ssm.deregister_patch_baseline_for_patch_group(BaselineId=baseline_id, PatchGroup="web")

    assert run(ssm_patch_baseline, **declared)["diff"]["after"] == {"patch_groups": ["web"]}
    assert ssm.get_patch_baseline_for_patch_group(PatchGroup="web", OperatingSystem="DEBIAN")["BaselineId"] == baseline_id


# --- windows ---


def test_window_life_cycle(life_cycle: Callable[..., None]) -> None:
    first = {"targets": [WEB], "tasks": [INSTALL], "tags": {"Project": "site", "Old": "1"}}
    second = {
        **{"schedule": "cron(0 3 ? * TUE *)", "cutoff_hours": 1, "enabled": False, "tags": {"Project": "site"}},
        **{"targets": [WEB, APP], "tasks": [{**INSTALL, "max_concurrency": "50%"}, {**INSTALL, "name": "more", "targets": ["app"]}]},
    }
    life_cycle(ssm_maintenance_window, WINDOW, first, second)


def test_a_target_that_changes_takes_its_tasks_along_and_leaves_others_alone(run: Run) -> None:
    other = {**INSTALL, "name": "more", "targets": ["app"]}
    window_id = run(ssm_maintenance_window, **WINDOW, targets=[WEB, APP], tasks=[INSTALL, other])["resource"]["window_id"]
    ssm = boto3.client("ssm")

    def tasks() -> dict[str, str]:
        return {one["Name"]: one["WindowTaskId"] for one in ssm.describe_maintenance_window_tasks(WindowId=window_id)["Tasks"]}

    before = tasks()
    moved = {**WEB, "tags": {"PatchGroup": ["another"]}}
    assert run(ssm_maintenance_window, **WINDOW, targets=[moved, APP], tasks=[INSTALL, other])["changed"]
    assert not run(ssm_maintenance_window, **WINDOW, targets=[moved, APP], tasks=[INSTALL, other])["changed"]
    assert tasks()["more"] == before["more"]
    assert tasks()["install"] != before["install"]


def test_a_task_that_was_added_by_hand_goes(run: Run) -> None:
    declared = {**WINDOW, "targets": [WEB], "tasks": [INSTALL]}
    window_id = run(ssm_maintenance_window, **declared)["resource"]["window_id"]
    boto3.client("ssm").register_task_with_maintenance_window(
        WindowId=window_id, TaskType="RUN_COMMAND", TaskArn="AWS-RunShellScript", Name="evil", MaxConcurrency="1", MaxErrors="0"
    )

    assert run(ssm_maintenance_window, **declared)["changed"]
    assert not run(ssm_maintenance_window, **declared)["changed"]


def test_a_task_names_targets_of_its_window(run: Run) -> None:
    assert "names the targets web, which it does not have" in run(ssm_maintenance_window, **WINDOW, tasks=[INSTALL])["msg"]


# --- documents ---


def test_document_life_cycle(life_cycle: Callable[..., None]) -> None:
    first = {"content": SESSION, "tags": {"Project": "site", "Old": "1"}}
    second = {"content": {**SESSION, "inputs": {"idleSessionTimeout": "10"}}, "tags": {"Project": "site"}}
    life_cycle(ssm_document, {"name": "SSM-SessionManagerRunShell", "type": "Session"}, first, second)


def test_an_older_version_that_became_the_default_is_put_right(run: Run) -> None:
    declared = {"name": "run", "type": "Session", "content": SESSION}
    run(ssm_document, name="run", type="Session", content={**SESSION, "inputs": {}})
    run(ssm_document, **declared)
    boto3.client("ssm").update_document_default_version(Name="run", DocumentVersion="1")

    assert run(ssm_document, **declared)["changed"]
    assert not run(ssm_document, **declared)["changed"]


def test_a_declaration_that_is_taken_back_finds_the_version_that_said_so(run: Run) -> None:
    first, second = (
        {"name": "run", "type": "Session", "content": {**SESSION, "inputs": {"idleSessionTimeout": minutes}}} for minutes in "57"
    )
    for declared in (first, second, first, second):
        assert run(ssm_document, **declared)["changed"]
        assert not run(ssm_document, **declared)["changed"]


# --- associations ---


def test_association_life_cycle(life_cycle: Callable[..., None]) -> None:
    first = {**INVENTORY, "parameters": {"applications": ["Enabled"]}, "tags": {"Project": "site", "Old": "1"}}
    second = {**INVENTORY, "schedule": "rate(1 day)", "max_errors": "10%", "tags": {"Project": "site"}}
    life_cycle(ssm_association, {"name": "inventory"}, first, second)


def test_a_change_says_the_rest_of_an_association_again(run: Run) -> None:
    run(ssm_association, name="inventory", parameters={"applications": ["Enabled"]}, **INVENTORY)

    run(ssm_association, name="inventory", parameters={"applications": ["Enabled"]}, **{**INVENTORY, "schedule": "rate(1 day)"})

    (found,) = boto3.client("ssm").list_associations()["Associations"]
    assert (found["ScheduleExpression"], found["AssociationName"]) == ("rate(1 day)", "inventory")
    assert not run(ssm_association, name="inventory", parameters={"applications": ["Enabled"]}, **{**INVENTORY, "schedule": "rate(1 day)"})[
        "changed"
    ]

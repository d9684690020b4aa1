# SPDX-License-Identifier: GPL-3.0-or-later
"""Vaults, plans and restore tests of AWS Backup through their whole lives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import boto3
import pytest
from ansible_collections.indivillage.infra.plugins.modules import backup_plan, backup_restore_testing_plan, backup_vault

from sandbox.emulator.additions import backups

Run = Callable[..., dict[str, Any]]
KEY, OTHER = (f"arn:aws:kms:us-east-1:123456789012:key/{number}" for number in (1, 2))
ROLE = "arn:aws:iam::123456789012:role/backup"
COPY = {"vault_arn": "arn:aws:backup:us-west-2:123456789012:backup-vault:v", "delete_after_days": 365}
DAILY = {"name": "daily", "vault": "v", "schedule": "cron(0 8 * * ? *)", "delete_after_days": 30}
DATA = {"name": "data", "role_arn": ROLE, "tags": {"Environment": "staging", "Tier": "data"}}
VAULTS = ["arn:aws:backup:us-east-1:123456789012:backup-vault:v"]
RDS = {"name": "databases", "resource_type": "RDS", "role_arn": ROLE}


@pytest.fixture(autouse=True, scope="module")
def all_of_backup() -> None:
    backups.install()


# --- vaults ---


def test_vault_life_cycle(life_cycle: Callable[..., None]) -> None:
    first = {"tags": {"Project": "site", "Old": "1"}}
    second = {"lock": {"min_retention_days": 30, "max_retention_days": 400}, "tags": {"Project": "site"}}
    life_cycle(backup_vault, {"name": "v", "kms_key_arn": KEY}, first, second)


def test_a_lock_can_be_lifted_until_it_is_final(run: Run) -> None:
    run(backup_vault, name="v", kms_key_arn=KEY, lock={"min_retention_days": 30})
    assert not run(backup_vault, name="v", kms_key_arn=KEY, lock={"min_retention_days": 30})["changed"]

    assert run(backup_vault, name="v", kms_key_arn=KEY)["diff"]["after"] == {"lock": {}}
    assert not run(backup_vault, name="v", kms_key_arn=KEY)["changed"]


def test_an_empty_lock_is_none(run: Run) -> None:
    assert run(backup_vault, name="v", kms_key_arn=KEY, lock={})["resource"]["lock"] == {}
    run(backup_vault, name="v", kms_key_arn=KEY, lock={"max_retention_days": 400})
    assert run(backup_vault, name="v", kms_key_arn=KEY, lock={})["diff"]["after"] == {"lock": {}}


def test_a_lock_becomes_final_only_when_that_is_said(run: Run) -> None:
    run(backup_vault, name="v", kms_key_arn=KEY, lock={"min_retention_days": 30})
    final = {"min_retention_days": 30, "changeable_for_days": 3}

    result = run(backup_vault, name="v", kms_key_arn=KEY, lock=final)

    assert result["diff"]["after"]["lock"]["final"] is True
    assert not run(backup_vault, name="v", kms_key_arn=KEY, lock=final)["changed"]


def test_a_vault_keeps_its_key(run: Run) -> None:
    run(backup_vault, name="v", kms_key_arn=KEY)
    assert "kms_key_arn is" in run(backup_vault, name="v", kms_key_arn=OTHER)["msg"]


# --- plans ---


def test_plan_life_cycle(life_cycle: Callable[..., None]) -> None:
    first = {"rules": [DAILY], "selections": [DATA], "tags": {"Project": "site", "Old": "1"}}
    weekly = {
        **DAILY,
        "name": "weekly",
        "schedule": "cron(0 12 ? * SUN *)",
        "delete_after_days": 365,
        "cold_after_days": 30,
        "copies": [COPY],
    }
    second = {
        **{"rules": [weekly, {**DAILY, "start_window_minutes": 120}], "tags": {"Project": "site"}},
        "selections": [{**DATA, "tags": {"Tier": "data"}}],
    }
    life_cycle(backup_plan, {"name": "p"}, first, second)


@pytest.mark.parametrize("change", ["rule", "selection added", "selection removed"])
def test_what_was_changed_in_a_plan_is_put_right(run: Run, change: str) -> None:
    declared = {"name": "p", "rules": [DAILY], "selections": [DATA]}
    plan_id = run(backup_plan, **declared)["resource"]["plan_id"]
    client = boto3.client("backup")

    def rule() -> dict[str, Any]:
        (found,) = client.get_backup_plan(BackupPlanId=plan_id)["BackupPlan"]["Rules"]
        return {key: value for key, value in found.items() if key != "RuleId"}

    before = rule()
    if change == "rule":
        changed = before | {"Lifecycle": {"DeleteAfterDays": 1}}
        client.update_backup_plan(BackupPlanId=plan_id, BackupPlan={"BackupPlanName": "p", "Rules": [changed]})
    elif change == "selection added":
        client.create_backup_selection(BackupPlanId=plan_id, BackupSelection={"SelectionName": "x", "IamRoleArn": ROLE, "Resources": ["*"]})
    else:
        (selection,) = client.list_backup_selections(BackupPlanId=plan_id)["BackupSelectionsList"]
        client.delete_backup_selection(BackupPlanId=plan_id, SelectionId=selection["SelectionId"])

    assert run(backup_plan, **declared)["changed"]
    assert not run(backup_plan, **declared)["changed"]
    assert rule() == before
    assert [one["SelectionName"] for one in client.list_backup_selections(BackupPlanId=plan_id)["BackupSelectionsList"]] == ["data"]


# --- restore tests ---


def test_restore_test_life_cycle(life_cycle: Callable[..., None]) -> None:
    first = {"schedule": "cron(0 12 ? * MON#1 *)", "vault_arns": VAULTS, "selections": [RDS], "tags": {"Project": "site", "Old": "1"}}
    second = {
        **{"schedule": "cron(0 13 ? * MON#1 *)", "vault_arns": VAULTS, "window_days": 7, "tags": {"Project": "site"}},
        "selections": [{**RDS, "validation_hours": 4, "tags": {"Tier": "data"}}, {**RDS, "name": "volumes", "resource_type": "EBS"}],
    }
    life_cycle(backup_restore_testing_plan, {"name": "monthly"}, first, second)

# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes to vaults, backup plans and restore tests."""

from __future__ import annotations

from typing import Any

from tests.drill.support.mutations.model import DR, PREFIX, Account, mutation

VAULT = "Make the vault"
PLANS = "Make the backup plans"
RESTORE = "Prove that backups can be restored"
NAME = "indivillage_sandbox"


@mutation("backup vault", "locked", VAULT, operation="DeleteBackupVaultLockConfiguration", argument="lock")
def vault_locked(account: Account) -> None:
    account.client("backup").put_backup_vault_lock_configuration(BackupVaultName=f"{PREFIX}-backups", MinRetentionDays=5)


@mutation("backup vault", "tag removed", VAULT, operation="TagResource", argument="tags", host=DR)
def vault_tag_removed(account: Account) -> None:
    arn = f"arn:aws:backup:{account.region}:123456789012:backup-vault:{PREFIX}-backups"
    account.client("backup").untag_resource(ResourceArn=arn, TagKeyList=["Project"])


def _plan(account: Account) -> Any:
    return account.one("backup", "list_backup_plans", "BackupPlansList")


@mutation("backup plan", "kept a day", PLANS, "data", operation="UpdateBackupPlan", argument="rules", field="Rules")
def plan_forgets(account: Account) -> None:
    backup, plan_id = account.client("backup"), _plan(account)["BackupPlanId"]
    plan = backup.get_backup_plan(BackupPlanId=plan_id)["BackupPlan"]
    rules = [{**{key: rule[key] for key in rule if key != "RuleId"}, "Lifecycle": {"DeleteAfterDays": 1}} for rule in plan["Rules"]]
    backup.update_backup_plan(BackupPlanId=plan_id, BackupPlan={"BackupPlanName": plan["BackupPlanName"], "Rules": rules})


@mutation("backup plan", "backs nothing up", PLANS, "data", operation="CreateBackupSelection", argument="selections", alone=True)
def plan_backs_nothing_up(account: Account) -> None:
    backup, plan_id = account.client("backup"), _plan(account)["BackupPlanId"]
    for selection in backup.list_backup_selections(BackupPlanId=plan_id)["BackupSelectionsList"]:
        backup.delete_backup_selection(BackupPlanId=plan_id, SelectionId=selection["SelectionId"])


@mutation("backup plan", "tag removed", PLANS, "data", operation="TagResource", argument="tags", alone=True)
def plan_tag_removed(account: Account) -> None:
    account.client("backup").untag_resource(ResourceArn=_plan(account)["BackupPlanArn"], TagKeyList=["Project"])


def _change_test(account: Account, **changed: Any) -> None:
    backup = account.client("backup")
    plan = backup.get_restore_testing_plan(RestoreTestingPlanName=NAME)["RestoreTestingPlan"]
    kept = {key: plan[key] for key in ("ScheduleExpression", "StartWindowHours", "RecoveryPointSelection")}
    backup.update_restore_testing_plan(RestoreTestingPlanName=NAME, RestoreTestingPlan=kept | changed)


@mutation("restore testing plan", "once a year", RESTORE, operation="UpdateRestoreTestingPlan", argument="schedule", alone=True)
def restore_test_once_a_year(account: Account) -> None:
    _change_test(account, ScheduleExpression="cron(0 14 1 1 ? *)")


@mutation("restore testing plan", "of old backups", RESTORE, operation="UpdateRestoreTestingPlan", argument=("window_days", "vault_arns"),
          alone=True)  # fmt: skip
def restore_test_of_old_backups(account: Account) -> None:
    chosen = {"Algorithm": "LATEST_WITHIN_WINDOW", "IncludeVaults": ["*"], "RecoveryPointTypes": ["SNAPSHOT"], "SelectionWindowDays": 365}
    _change_test(account, RecoveryPointSelection=chosen)


@mutation("restore testing plan", "restores nothing", RESTORE, operation="CreateRestoreTestingSelection", argument="selections", alone=True)
def restore_test_of_nothing(account: Account) -> None:
    account.client("backup").delete_restore_testing_selection(RestoreTestingPlanName=NAME, RestoreTestingSelectionName="data")


@mutation("restore testing plan", "tag removed", RESTORE, operation="TagResource", argument="tags")
def restore_test_tag_removed(account: Account) -> None:
    backup = account.client("backup")
    arn = backup.get_restore_testing_plan(RestoreTestingPlanName=NAME)["RestoreTestingPlan"]["RestoreTestingPlanArn"]
    backup.untag_resource(ResourceArn=arn, TagKeyList=["Project"])

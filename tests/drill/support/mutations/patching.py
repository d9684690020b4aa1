# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes to patch baselines, maintenance windows, associations and session preferences."""

from __future__ import annotations

import json
from typing import Any

from tests.drill.support.mutations.model import DR, PREFIX, Account, mutation

BASELINE = "Say which patches are approved"
WINDOWS = "Make the maintenance windows"
ASSOCIATIONS = "Apply documents again and again"
SESSION_LOGS = "Make the log group of the sessions"
SESSIONS = "Set what holds for every session"
DOCUMENT = "SSM-SessionManagerRunShell"


def _baseline(account: Account) -> str:
    identities = account.client("ssm").describe_patch_baselines(Filters=[{"Key": "OWNER", "Values": ["Self"]}])["BaselineIdentities"]
    (baseline,) = [one for one in identities if one["BaselineName"] == f"{PREFIX}-debian"]
    return str(baseline["BaselineId"])


@mutation("patch baseline", "approves nothing", BASELINE, operation="UpdatePatchBaseline", argument="approval_rules", alone=True)
def baseline_approves_nothing(account: Account) -> None:
    account.client("ssm").update_patch_baseline(BaselineId=_baseline(account), ApprovalRules={"PatchRules": []})


@mutation("patch baseline", "a package rejected", BASELINE, operation="UpdatePatchBaseline", argument="rejected_patches", alone=True)
def baseline_rejects(account: Account) -> None:
    account.client("ssm").update_patch_baseline(BaselineId=_baseline(account), RejectedPatches=["openssl"])


@mutation("patch baseline", "a tier taken away", BASELINE, operation="RegisterPatchBaselineForPatchGroup", argument="patch_groups", host=DR)
def baseline_without_a_tier(account: Account) -> None:
    account.client("ssm").deregister_patch_baseline_for_patch_group(BaselineId=_baseline(account), PatchGroup=f"{PREFIX}-web")


@mutation("patch baseline", "tag removed", BASELINE, operation="AddTagsToResource", argument="tags")
def baseline_tag_removed(account: Account) -> None:
    account.client("ssm").remove_tags_from_resource(ResourceType="PatchBaseline", ResourceId=_baseline(account), TagKeys=["Project"])


@mutation("patch baseline", "description changed", BASELINE, operation="UpdatePatchBaseline", argument="description", field="Description")
def baseline_described(account: Account) -> None:
    account.client("ssm").update_patch_baseline(BaselineId=_baseline(account), Description="changed")


def _window(account: Account) -> str:
    return str(account.one("ssm", "describe_maintenance_windows", "WindowIdentities")["WindowId"])


@mutation("maintenance window", "moved into the day", WINDOWS, "patching", operation="UpdateMaintenanceWindow", argument="schedule",
          field="Schedule")  # fmt: skip
def window_moved(account: Account) -> None:
    account.client("ssm").update_maintenance_window(WindowId=_window(account), Schedule="cron(0 12 * * ? *)")


@mutation("maintenance window", "description changed", WINDOWS, "patching", operation="UpdateMaintenanceWindow", argument="description",
          field="Description", host=DR)  # fmt: skip
def window_described(account: Account) -> None:
    account.client("ssm").update_maintenance_window(WindowId=_window(account), Description="changed")


@mutation("maintenance window", "open for a day, to its end", WINDOWS, "patching", operation="UpdateMaintenanceWindow",
          argument=("duration_hours", "cutoff_hours"), alone=True)  # fmt: skip
def window_open_for_a_day(account: Account) -> None:
    account.client("ssm").update_maintenance_window(WindowId=_window(account), Duration=24, Cutoff=0)


@mutation("maintenance window", "switched off", WINDOWS, "patching", operation="UpdateMaintenanceWindow", alone=True)
def window_switched_off(account: Account) -> None:
    account.client("ssm").update_maintenance_window(WindowId=_window(account), Enabled=False)


@mutation("maintenance window", "a task deregistered", WINDOWS, "patching", operation="RegisterTaskWithMaintenanceWindow", argument="tasks",
          alone=True)  # fmt: skip
def window_does_less(account: Account) -> None:
    ssm, window = account.client("ssm"), _window(account)
    task = ssm.describe_maintenance_window_tasks(WindowId=window)["Tasks"][0]
    ssm.deregister_task_from_maintenance_window(WindowId=window, WindowTaskId=task["WindowTaskId"])


@mutation("maintenance window", "another's instances are targets", WINDOWS, "patching", operation="DeregisterTargetFromMaintenanceWindow",
          argument="targets", alone=True)  # fmt: skip
def window_of_a_stranger(account: Account) -> None:
    account.client("ssm").register_target_with_maintenance_window(
        WindowId=_window(account), ResourceType="INSTANCE", Name="stranger", Targets=[{"Key": "tag:Project", "Values": ["another"]}]
    )


@mutation("maintenance window", "tag removed", WINDOWS, "patching", operation="AddTagsToResource", argument="tags", host=DR)
def window_tag_removed(account: Account) -> None:
    account.client("ssm").remove_tags_from_resource(ResourceType="MaintenanceWindow", ResourceId=_window(account), TagKeys=["Project"])


def _association(account: Account, name: str) -> Any:
    named = [{"key": "AssociationName", "value": f"{PREFIX}-{name}"}]
    return account.one("ssm", "list_associations", "Associations", AssociationFilterList=named)


@mutation("association", "once a month", ASSOCIATIONS, "inventory", operation="UpdateAssociation",
          argument=("schedule", "parameters", "targets"))  # fmt: skip
def association_once_a_month(account: Account) -> None:
    found = _association(account, "inventory")
    account.client("ssm").update_association(
        AssociationId=found["AssociationId"],
        AssociationName=found["AssociationName"],
        Name=found["Name"],
        ScheduleExpression="rate(30 days)",
        MaxConcurrency="50%",
        MaxErrors="50%",
    )


@mutation("association", "deleted", ASSOCIATIONS, "agent", operation="CreateAssociation", argument=("name", "document"))
def association_deleted(account: Account) -> None:
    account.client("ssm").delete_association(AssociationId=_association(account, "agent")["AssociationId"])


@mutation("association", "tag removed", ASSOCIATIONS, "agent", operation="AddTagsToResource", argument="tags", host=DR)
def association_tag_removed(account: Account) -> None:
    key = {"ResourceType": "Association", "ResourceId": _association(account, "agent")["AssociationId"]}
    account.client("ssm").remove_tags_from_resource(**key, TagKeys=["Project"])


@mutation("log group", "retention of session records changed", SESSION_LOGS, operation="PutRetentionPolicy", argument="retention_days")
def session_records_go_after_a_day(account: Account) -> None:
    account.client("logs").put_retention_policy(logGroupName=f"/aws/ssm/{PREFIX}-sessions", retentionInDays=1)


@mutation("log group", "session records lose their key", SESSION_LOGS, operation="AssociateKmsKey", argument="kms_key_arn", host=DR)
def session_records_without_key(account: Account) -> None:
    account.client("logs").disassociate_kms_key(logGroupName=f"/aws/ssm/{PREFIX}-sessions")


@mutation("log group", "session records lose a tag", SESSION_LOGS, operation="TagResource", argument="tags", host=DR)
def session_records_tag_removed(account: Account) -> None:
    arn = f"arn:aws:logs:{account.region}:123456789012:log-group:/aws/ssm/{PREFIX}-sessions"
    account.client("logs").untag_resource(resourceArn=arn, tagKeys=["Project"])


@mutation("SSM document", "sessions are not recorded", SESSIONS, operation="UpdateDocument", argument="content")
def sessions_not_recorded(account: Account) -> None:
    content = json.dumps({"schemaVersion": "1.0", "sessionType": "Standard_Stream", "inputs": {}})
    ssm = account.client("ssm")
    ssm.update_document(Name=DOCUMENT, Content=content, DocumentFormat="JSON", DocumentVersion="$LATEST")
    ssm.update_document_default_version(Name=DOCUMENT, DocumentVersion="2")


@mutation("SSM document", "tag removed", SESSIONS, operation="AddTagsToResource", argument="tags", host=DR)
def document_tag_removed(account: Account) -> None:
    account.client("ssm").remove_tags_from_resource(ResourceType="Document", ResourceId=DOCUMENT, TagKeys=["Project"])

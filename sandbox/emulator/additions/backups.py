# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans of AWS Backup that change, their selections, vaults that hold something, and restore testing.

https://docs.aws.amazon.com/aws-backup/latest/devguide/API_UpdateBackupPlan.html
https://docs.aws.amazon.com/aws-backup/latest/devguide/API_CreateBackupSelection.html
https://docs.aws.amazon.com/aws-backup/latest/devguide/API_CreateRestoreTestingPlan.html
moto 5.2.5 has none of these calls, keeps deleted plans under their names, does not know tags of what is not a vault in the Resource Groups
Tagging API, and reads ARNs with a slash at their end. No backup is ever made, so vaults have no recovery points.
"""

from __future__ import annotations

import functools
import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote

from moto.backup import urls
from moto.backup.exceptions import AlreadyExistsException, ResourceNotFoundException
from moto.backup.models import BackupBackend, Plan
from moto.backup.responses import BackupResponse
from moto.core.resource_tagging import TaggedResource
from moto.core.utils import unix_time

from sandbox.emulator.additions.patching import add, wrap

Thing = dict[str, Any]


@functools.cache
def install() -> None:
    for path in (
        "restore-testing/plans/?",
        "restore-testing/plans/(?P<name>.+)/?",
        "backup-vaults/(?P<name>[^/]+)/recovery-points/",
        "restore-jobs/?",
    ):
        urls.url_paths[f"{{0}}/{path}$"] = BackupResponse.dispatch

    @wrap(BackupBackend, "__init__")
    def init(original: Any, self: Any, *arguments: Any, **named: Any) -> None:
        original(self, *arguments, **named)
        self.selections, self.restore_plans = {}, {}

    @wrap(BackupBackend, "delete_backup_plan")
    def delete_backup_plan(original: Any, self: Any, backup_plan_id: str) -> Any:
        told = original(self, backup_plan_id)
        del self.plans[backup_plan_id]
        return told

    @wrap(BackupBackend, "iter_tagged_resources")
    def iter_tagged_resources(original: Any, self: Any) -> Iterator[TaggedResource]:
        yield from original(self)
        arns = [(plan.backup_plan_arn, "backup-plan") for plan in self.plans.values()]
        arns += [(plan["RestoreTestingPlanArn"], "restore-testing-plan") for plan in self.restore_plans.values()]
        for arn, kind in arns:
            yield TaggedResource(arn, self.tagger.get_tag_dict_for_resource(arn), f"backup:{kind}")

    @wrap(BackupResponse, "list_tags")
    def list_tags(_original: Any, self: Any) -> str:
        arn = unquote(self.path.removeprefix("/tags/").rstrip("/"))
        return json.dumps({"Tags": self.backup_backend.list_tags(arn)})

    @add(BackupResponse, "update_backup_plan")
    def update_backup_plan(self: Any) -> str:
        plan = self.backup_backend.get_backup_plan(_parts(self)[2], None)
        # What a rule leaves out is what it is in a plan that is new.
        plan.backup_plan = Plan(json.loads(self.body)["BackupPlan"], plan.creator_request_id, self.backup_backend).backup_plan
        return json.dumps(plan.to_dict())

    @add(BackupResponse, "list_recovery_points_by_backup_vault")
    def list_recovery_points_by_backup_vault(self: Any) -> str:
        self.backup_backend.describe_backup_vault(_parts(self)[1])
        return json.dumps({"RecoveryPoints": []})

    @add(BackupResponse, "list_restore_jobs")
    def list_restore_jobs(_self: Any) -> str:
        return json.dumps({"RestoreJobs": []})

    _install_selections()
    _install_restore_tests()


def _parts(response: Any) -> list[str]:
    """The parts of the request's path."""
    return [unquote(part) for part in response.path.strip("/").split("/")]


def _found(things: dict[str, Thing], name: str) -> Thing:
    if name not in things:
        raise ResourceNotFoundException(f"{name} does not exist")
    return things[name]


def _install_selections() -> None:
    def of_plan(response: Any) -> dict[str, Thing]:
        plan_id = _parts(response)[2]
        response.backup_backend.get_backup_plan(plan_id, None)
        kept: dict[str, Thing] = response.backup_backend.selections.setdefault(plan_id, {})
        return kept

    @add(BackupResponse, "create_backup_selection")
    def create_backup_selection(self: Any) -> str:
        known, selection = of_plan(self), json.loads(self.body)["BackupSelection"]
        if any(one["SelectionName"] == selection["SelectionName"] for one in known.values()):
            raise AlreadyExistsException(f"{selection['SelectionName']} exists")
        selection_id = str(uuid.uuid4())
        known[selection_id] = selection
        return json.dumps({"SelectionId": selection_id, "BackupPlanId": _parts(self)[2], "CreationDate": unix_time()})

    @add(BackupResponse, "list_backup_selections")
    def list_backup_selections(self: Any) -> str:
        listed = [
            {"SelectionId": key, "SelectionName": one["SelectionName"], "IamRoleArn": one["IamRoleArn"], "BackupPlanId": _parts(self)[2]}
            for key, one in of_plan(self).items()
        ]
        return json.dumps({"BackupSelectionsList": listed})

    @add(BackupResponse, "get_backup_selection")
    def get_backup_selection(self: Any) -> str:
        selection_id = _parts(self)[4]
        return json.dumps({"BackupSelection": _found(of_plan(self), selection_id), "SelectionId": selection_id})

    @add(BackupResponse, "delete_backup_selection")
    def delete_backup_selection(self: Any) -> str:
        _found(of_plan(self), _parts(self)[4])
        del of_plan(self)[_parts(self)[4]]
        return "{}"


def _install_restore_tests() -> None:
    def plans(response: Any) -> dict[str, Thing]:
        kept: dict[str, Thing] = response.backup_backend.restore_plans
        return kept

    def plan(response: Any) -> Thing:
        return _found(plans(response), _parts(response)[2])

    def answer(told: Callable[[Any], Thing]) -> Callable[[Any], str]:
        return lambda self: json.dumps(told(self))

    def create(self: Any) -> Thing:
        body, backend = json.loads(self.body), self.backup_backend
        given = body["RestoreTestingPlan"]
        name = given["RestoreTestingPlanName"]
        if name in plans(self):
            raise AlreadyExistsException(f"{name} exists")
        arn = f"arn:aws:backup:{backend.region_name}:{backend.account_id}:restore-testing-plan:{name}-{uuid.uuid4()}"
        made = {**given, "RestoreTestingPlanArn": arn, "CreationTime": unix_time()}
        plans(self)[name] = {"plan": made, "selections": {}, "RestoreTestingPlanArn": arn}
        backend.tag_resource(arn, body.get("Tags", {}))
        return made

    def change(self: Any) -> Thing:
        plan(self)["plan"] |= json.loads(self.body)["RestoreTestingPlan"]
        return {**plan(self)["plan"], "UpdateTime": unix_time()}

    def remove(self: Any) -> Thing:
        if plan(self)["selections"]:
            raise AlreadyExistsException("The plan has selections.")
        self.backup_backend.tagger.delete_all_tags_for_resource(plan(self)["RestoreTestingPlanArn"])
        del plans(self)[_parts(self)[2]]
        return {}

    def select(self: Any) -> Thing:
        given = json.loads(self.body)["RestoreTestingSelection"]
        made = {**given, "RestoreTestingPlanName": _parts(self)[2], "CreationTime": unix_time()}
        plan(self)["selections"][given["RestoreTestingSelectionName"]] = made
        return {**made, "RestoreTestingPlanArn": plan(self)["RestoreTestingPlanArn"]}

    def unselect(self: Any) -> Thing:
        _found(plan(self)["selections"], _parts(self)[4])
        del plan(self)["selections"][_parts(self)[4]]
        return {}

    for name, told in {
        "create_restore_testing_plan": create,
        "get_restore_testing_plan": lambda self: {"RestoreTestingPlan": plan(self)["plan"]},
        "list_restore_testing_plans": lambda self: {"RestoreTestingPlans": [one["plan"] for one in plans(self).values()]},
        "update_restore_testing_plan": change,
        "delete_restore_testing_plan": remove,
        "create_restore_testing_selection": select,
        "list_restore_testing_selections": lambda self: {"RestoreTestingSelections": list(plan(self)["selections"].values())},
        "get_restore_testing_selection": lambda self: {"RestoreTestingSelection": _found(plan(self)["selections"], _parts(self)[4])},
        "delete_restore_testing_selection": unselect,
    }.items():
        add(BackupResponse, name)(answer(told))

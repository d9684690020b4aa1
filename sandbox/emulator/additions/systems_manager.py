# SPDX-License-Identifier: GPL-3.0-or-later
"""Patch baselines and maintenance windows that change, associations, and tags of all of these.

https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetPatchBaseline.html
https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_UpdateMaintenanceWindow.html
https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetMaintenanceWindowTask.html
https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_CreateAssociation.html
moto 5.2.5 has no calls that read or change a baseline, change a window, or read a task; refuses tags of baselines; gives a group back to
the baseline that it was taken from; and knows no associations. Nothing of it is ever run.
"""

from __future__ import annotations

import functools
import uuid
from collections.abc import Iterator
from typing import Any

from moto.core.exceptions import ServiceException
from moto.core.resource_tagging import TaggedResource
from moto.core.responses import ActionResult, EmptyResult
from moto.ssm.exceptions import DoesNotExistException
from moto.ssm.models import FakeMaintenanceWindow, SimpleSystemManagerBackend
from moto.ssm.responses import SimpleSystemManagerResponse

from sandbox.emulator.additions.patching import add, wrap

BASELINE = {
    "Description": "description",
    "ApprovalRules": "approval_rules",
    "ApprovedPatches": "approved_patches",
    "RejectedPatches": "rejected_patches",
    "Name": "name",
}
WINDOW = {
    "Name": "name",
    "Description": "description",
    "Schedule": "schedule",
    "ScheduleTimezone": "schedule_timezone",
    "Duration": "duration",
    "Cutoff": "cutoff",
    "Enabled": "enabled",
}


class SsmError(ServiceException):
    """A refusal with AWS's error code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@functools.cache
def install() -> None:
    _install_tags()
    _install_baselines()
    _install_windows()
    _install_associations()


def _install_tags() -> None:
    @wrap(SimpleSystemManagerBackend, "__init__")
    def init(original: Any, self: Any, *arguments: Any, **named: Any) -> None:
        original(self, *arguments, **named)
        self.associations = {}

    @wrap(SimpleSystemManagerBackend, "_validate_resource_type_and_id")
    def validate(original: Any, self: Any, resource_type: str, resource_id: str) -> str:
        known = {"PatchBaseline": self.baselines, "Association": self.associations}
        if resource_type in known and resource_id in known[resource_type]:
            return resource_id
        checked: str = original(self, resource_type, resource_id)
        return checked

    @wrap(SimpleSystemManagerBackend, "iter_tagged_resources")
    def iter_tagged_resources(original: Any, self: Any) -> Iterator[TaggedResource]:
        yield from original(self)
        for kind, path, things in (
            ("PatchBaseline", "patchbaseline", self.baselines),
            ("MaintenanceWindow", "maintenancewindow", self.windows),
            ("Association", "association", self.associations),
        ):
            for name in things:
                arn = f"arn:aws:ssm:{self.region_name}:{self.account_id}:{path}/{name}"
                yield TaggedResource(arn, dict(self._resource_tags[kind][name]), f"ssm:{path}")


def _install_baselines() -> None:
    def baseline(response: Any) -> Any:
        found = response.ssm_backend.baselines.get(response._get_param("BaselineId"))
        if found is None:
            raise DoesNotExistException(response._get_param("BaselineId"))
        return found

    def groups(response: Any, found: Any) -> list[str]:
        known = response.ssm_backend.patch_groups.items()
        return [name for name, group in known if group.associations.get(found.operating_system) == found.id]

    def told(response: Any, found: Any) -> ActionResult:
        fields = found.to_json()
        named = {"Name": fields["BaselineName"], "Description": fields["BaselineDescription"], "PatchGroups": groups(response, found)}
        return ActionResult(fields | named)

    @add(SimpleSystemManagerResponse, "get_patch_baseline")
    def get_patch_baseline(self: Any) -> ActionResult:
        return told(self, baseline(self))

    @add(SimpleSystemManagerResponse, "update_patch_baseline")
    def update_patch_baseline(self: Any) -> ActionResult:
        found = baseline(self)
        for parameter, attribute in BASELINE.items():
            if (value := self._get_param(parameter)) is not None:
                setattr(found, attribute, value)
        return told(self, found)

    @wrap(SimpleSystemManagerResponse, "delete_patch_baseline")
    def delete_patch_baseline(original: Any, self: Any) -> Any:
        found = self.ssm_backend.baselines.get(self._get_param("BaselineId"))
        if found and groups(self, found):
            raise SsmError("ResourceInUseException", "Baseline has patch groups registered")
        return original(self) if found else ActionResult({"BaselineId": self._get_param("BaselineId")})

    @wrap(SimpleSystemManagerBackend, "deregister_patch_baseline_for_patch_group")
    def deregister(original: Any, self: Any, baseline_id: str, patch_group: str) -> Any:
        answer = original(self, baseline_id, patch_group)
        self.patch_groups.pop(patch_group, None)
        return answer


def _install_windows() -> None:
    @wrap(FakeMaintenanceWindow, "to_json")
    def to_json(original: Any, self: Any) -> dict[str, Any]:
        return {**original(self), "Enabled": getattr(self, "enabled", True)}

    @add(SimpleSystemManagerResponse, "update_maintenance_window")
    def update_maintenance_window(self: Any) -> ActionResult:
        window = self.ssm_backend.get_maintenance_window(self._get_param("WindowId"))
        for parameter, attribute in WINDOW.items():
            if (value := self._get_param(parameter)) is not None:
                setattr(window, attribute, value)
        return ActionResult(window.to_json())

    @add(SimpleSystemManagerResponse, "get_maintenance_window_task")
    def get_maintenance_window_task(self: Any) -> ActionResult:
        window = self.ssm_backend.get_maintenance_window(self._get_param("WindowId"))
        task = window.tasks.get(self._get_param("WindowTaskId"))
        if task is None:
            raise DoesNotExistException(self._get_param("WindowTaskId"))
        return ActionResult(task.to_json())


def _install_associations() -> None:
    def association(response: Any) -> dict[str, Any]:
        found = response.ssm_backend.associations.get(response._get_param("AssociationId"))
        if found is None:
            raise SsmError("AssociationDoesNotExist", "The specified association does not exist.")
        kept: dict[str, Any] = found
        return kept

    def given(response: Any) -> dict[str, Any]:
        names = ("Name", "AssociationName", "ScheduleExpression", "Targets", "Parameters", "MaxConcurrency", "MaxErrors")
        return {name: value for name in names if (value := response._get_param(name)) is not None}

    @add(SimpleSystemManagerResponse, "create_association")
    def create_association(self: Any) -> ActionResult:
        made = {**given(self), "AssociationId": str(uuid.uuid4())}
        self.ssm_backend.associations[made["AssociationId"]] = made
        tags = {tag["Key"]: tag["Value"] for tag in self._get_param("Tags", [])}
        self.ssm_backend.add_tags_to_resource("Association", made["AssociationId"], tags)
        return ActionResult({"AssociationDescription": made})

    @add(SimpleSystemManagerResponse, "list_associations")
    def list_associations(self: Any) -> ActionResult:
        wanted = {one["key"]: one["value"] for one in self._get_param("AssociationFilterList", [])}
        found = [one for one in self.ssm_backend.associations.values() if all(one.get(key) == value for key, value in wanted.items())]
        return ActionResult({"Associations": found})

    @add(SimpleSystemManagerResponse, "describe_association")
    def describe_association(self: Any) -> ActionResult:
        return ActionResult({"AssociationDescription": association(self)})

    @add(SimpleSystemManagerResponse, "update_association")
    def update_association(self: Any) -> ActionResult:
        found = association(self)
        kept = found["AssociationId"], found["Name"]
        found.clear()
        found.update(given(self), AssociationId=kept[0])
        found.setdefault("Name", kept[1])
        return ActionResult({"AssociationDescription": found})

    @add(SimpleSystemManagerResponse, "delete_association")
    def delete_association(self: Any) -> EmptyResult:
        del self.ssm_backend.associations[association(self)["AssociationId"]]
        return EmptyResult()

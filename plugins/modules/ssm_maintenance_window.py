#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ssm_maintenance_window
version_added: 0.3.0
short_description: Manage a maintenance window with what it does
description:
  - Creates, changes and deletes one maintenance window of Systems Manager with its targets, its Run Command tasks and its tags. A target or
    task that differs is registered anew.
options:
  name:
    description: Name of the window.
    type: str
    required: true
  description:
    description: What it is for.
    type: str
    default: Managed by Ansible
  schedule:
    description: When it opens, as V(cron(0 2 ? * TUE *\)). Needed unless O(state=absent).
    type: str
  timezone:
    description: The time zone of O(schedule).
    type: str
    default: Etc/UTC
  duration_hours:
    description: How long it is open. Needed unless O(state=absent).
    type: int
  cutoff_hours:
    description: How long before its end nothing new begins.
    type: int
    default: 0
  enabled:
    description: Whether it opens.
    type: bool
    default: true
  targets:
    description: Groups of instances, all of them.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the target.
        type: str
        required: true
      tags:
        description: Key of a tag to the values that instances may have.
        type: dict
        required: true
  tasks:
    description: What is done, all of it.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the task.
        type: str
        required: true
      document:
        description: Name of the command document.
        type: str
        required: true
      targets:
        description: Names of O(targets).
        type: list
        elements: str
        required: true
      parameters:
        description: Parameters of the document, each a list.
        type: dict
        default: {}
      priority:
        description: Tasks with a lower number begin earlier.
        type: int
        default: 1
      max_concurrency:
        description: How many instances, or which share, at a time.
        type: str
        default: "1"
      max_errors:
        description: After how many failures, or which share, no other instance is begun.
        type: str
        default: "0"
      timeout_seconds:
        description: How long an instance may take to begin.
        type: int
        default: 600
extends_documentation_fragment:
  - indivillage.infra.aws_resource
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.tags
  - amazon.aws.boto3
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Patch the web tier on Tuesdays, one instance after another
  indivillage.infra.ssm_maintenance_window:
    name: indivillage-staging-patching
    schedule: cron(0 2 ? * TUE *)
    duration_hours: 1
    targets: [{name: web, tags: {PatchGroup: [indivillage-staging-web]}}]
    tasks:
      - {name: install, document: AWS-RunPatchBaseline, targets: [web], parameters: {Operation: [Install], RebootOption: [RebootIfNeeded]}}
"""

RETURN = r"""
resource:
  description: The window. Empty after a deletion. In check mode as it would become.
  returned: always
  type: dict
  contains:
    window_id:
      description: Id of the window.
      type: str
      returned: when the window exists
      sample: mw-0123456789abcdef0
  sample: {name: indivillage-staging-patching, schedule: "cron(0 2 ? * TUE *)", duration_hours: 1}
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from ansible_collections.amazon.aws.plugins.module_utils.tagging import ansible_dict_to_boto3_tag_list, boto3_tag_list_to_ansible_dict
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import Properties, Resource, ResourceError, run

FIELDS = {
    "description": "Description",
    "schedule": "Schedule",
    "timezone": "ScheduleTimezone",
    "duration_hours": "Duration",
    "cutoff_hours": "Cutoff",
    "enabled": "Enabled",
}
TARGET_IDS = "WindowTargetIds"


class Window(Resource):
    service = "ssm"
    kind = "maintenance window"
    options: ClassVar[dict[str, Any]] = {
        "name": {"required": True},
        "description": {"default": "Managed by Ansible"},
        "schedule": {},
        "timezone": {"default": "Etc/UTC"},
        "duration_hours": {"type": "int"},
        "cutoff_hours": {"type": "int", "default": 0},
        "enabled": {"type": "bool", "default": True},
        "targets": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {"name": {"required": True}, "tags": {"type": "dict", "required": True}},
        },
        "tasks": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "name": {"required": True},
                "document": {"required": True},
                "targets": {"type": "list", "elements": "str", "required": True},
                "parameters": {"type": "dict", "default": {}},
                "priority": {"type": "int", "default": 1},
                "max_concurrency": {"default": "1"},
                "max_errors": {"default": "0"},
                "timeout_seconds": {"type": "int", "default": 600},
            },
        },
    }
    constraints: ClassVar[dict[str, Any]] = {"required_if": [("state", "present", ("schedule", "duration_hours"))]}
    properties = (*FIELDS, "targets", "tasks")

    def declared(self) -> Properties:
        wanted = super().declared()
        known = {target["name"] for target in wanted["targets"]}
        for task in wanted["tasks"]:
            if unknown := set(task["targets"]) - known:
                raise ResourceError(f"the task {task['name']} names the targets {', '.join(sorted(unknown))}, which it does not have")
        return wanted

    def find(self) -> Properties | None:
        named = [{"Key": "Name", "Values": [self.name]}]
        pages = self.client.get_paginator("describe_maintenance_windows").paginate(Filters=named)
        window_id = next((one["WindowId"] for page in pages for one in page["WindowIdentities"] if one["Name"] == self.name), None)
        if window_id is None:
            return None
        window = self.client.get_maintenance_window(WindowId=window_id)
        tags = self.client.list_tags_for_resource(ResourceType="MaintenanceWindow", ResourceId=window_id)["TagList"]
        targets = self._registered_targets(window_id)
        defaults = {"description": "", "timezone": "Etc/UTC"}
        return {
            "name": self.name,
            "window_id": window_id,
            **{key: window.get(name) or defaults.get(key, window.get(name)) for key, name in FIELDS.items()},
            "targets": [target for _id, target in targets],
            "tasks": [task for _id, task in self._registered_tasks(window_id, targets)],
            "tags": boto3_tag_list_to_ansible_dict(tags),
        }

    def create(self, wanted: Properties, tags: dict[str, str]) -> None:
        fields = {name: wanted[key] for key, name in FIELDS.items() if key != "enabled"}
        window_id = self.client.create_maintenance_window(
            Name=self.name,
            AllowUnassociatedTargets=False,
            Tags=ansible_dict_to_boto3_tag_list(tags),
            **fields,
        )["WindowId"]
        if not wanted["enabled"]:
            self.client.update_maintenance_window(WindowId=window_id, Enabled=False)
        self._register(window_id, wanted["targets"], wanted["tasks"])

    def update(self, current: Properties, changes: Properties) -> None:
        window_id = current["window_id"]
        fields = {name: changes[key] for key, name in FIELDS.items() if key in changes}
        if fields:
            self.client.update_maintenance_window(WindowId=window_id, **fields)
        if not changes.keys() & {"targets", "tasks"}:
            return
        wanted = {**current, **changes}
        targets = self._registered_targets(window_id)
        moved = {target["name"] for _id, target in targets if target not in wanted["targets"]}
        kept_tasks = []
        for task_id, task in self._registered_tasks(window_id, targets):
            if task in wanted["tasks"] and not moved & set(task["targets"]):
                kept_tasks.append(task)
            else:
                self.client.deregister_task_from_maintenance_window(WindowId=window_id, WindowTaskId=task_id)
        kept_targets = {}
        for target_id, target in targets:
            if target["name"] in moved:
                self.client.deregister_target_from_maintenance_window(WindowId=window_id, WindowTargetId=target_id)
            else:
                kept_targets[target["name"]] = target_id
        self._register(
            window_id,
            [target for target in wanted["targets"] if target["name"] not in kept_targets],
            [task for task in wanted["tasks"] if task not in kept_tasks],
            kept_targets,
        )

    def delete(self, current: Properties) -> None:
        self.client.delete_maintenance_window(WindowId=current["window_id"])

    def tag(self, current: Properties, add: dict[str, str], remove: list[str]) -> None:
        key = {"ResourceType": "MaintenanceWindow", "ResourceId": current["window_id"]}
        if remove:
            self.client.remove_tags_from_resource(**key, TagKeys=remove)
        if add:
            self.client.add_tags_to_resource(**key, Tags=ansible_dict_to_boto3_tag_list(add))

    def _registered_targets(self, window_id: str) -> list[tuple[str, Properties]]:
        pages = self.client.get_paginator("describe_maintenance_window_targets").paginate(WindowId=window_id)
        return [
            (
                target["WindowTargetId"],
                {
                    "name": target.get("Name") or target["WindowTargetId"],
                    "tags": {one["Key"].removeprefix("tag:"): one["Values"] for one in target["Targets"]},
                },
            )
            for page in pages
            for target in page["Targets"]
        ]

    def _registered_tasks(self, window_id: str, targets: list[tuple[str, Properties]]) -> list[tuple[str, Properties]]:
        names = {target_id: target["name"] for target_id, target in targets}
        found = []
        for page in self.client.get_paginator("describe_maintenance_window_tasks").paginate(WindowId=window_id):
            for one in page["Tasks"]:
                task = self.client.get_maintenance_window_task(WindowId=window_id, WindowTaskId=one["WindowTaskId"])
                found.append((one["WindowTaskId"], self._read(task, names)))
        return found

    def _register(self, window_id: str, targets: list[Properties], tasks: list[Properties], known: Mapping[str, str] | None = None) -> None:
        ids = dict(known or {})
        for target in targets:
            ids[target["name"]] = self.client.register_target_with_maintenance_window(
                WindowId=window_id,
                ResourceType="INSTANCE",
                Name=target["name"],
                Targets=[{"Key": f"tag:{key}", "Values": values} for key, values in sorted(target["tags"].items())],
            )["WindowTargetId"]
        for task in tasks:
            command = {"Parameters": task["parameters"], "TimeoutSeconds": task["timeout_seconds"]}
            self.client.register_task_with_maintenance_window(
                WindowId=window_id,
                Name=task["name"],
                TaskType="RUN_COMMAND",
                TaskArn=task["document"],
                Targets=[{"Key": TARGET_IDS, "Values": [ids[name] for name in task["targets"]]}],
                Priority=task["priority"],
                MaxConcurrency=task["max_concurrency"],
                MaxErrors=task["max_errors"],
                TaskInvocationParameters={"RunCommand": command},
            )

    @staticmethod
    def _read(task: Mapping[str, Any], names: Mapping[str, str]) -> Properties:
        command = (task.get("TaskInvocationParameters") or {}).get("RunCommand") or {}
        return {
            "name": task.get("Name") or "",
            "document": task["TaskArn"],
            "targets": [names.get(value, value) for one in task.get("Targets") or [] for value in one["Values"]],
            "parameters": command.get("Parameters") or {},
            "priority": task.get("Priority"),
            "max_concurrency": task.get("MaxConcurrency"),
            "max_errors": task.get("MaxErrors"),
            "timeout_seconds": command.get("TimeoutSeconds"),
        }


def main() -> None:
    run(Window)


if __name__ == "__main__":
    main()

# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Gather what plugin_utils/validation.py looks at: the stacks' variables, the declared options, the inventory's files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.module_utils.common.yaml import yaml_load
from ansible.plugins.action import ActionBase
from ansible.utils.vars import load_extra_vars
from ansible_collections.indivillage.infra.plugins.plugin_utils.catalogue import FOREIGN, ROOT, read_catalogue
from ansible_collections.indivillage.infra.plugins.plugin_utils.validation import Catalogue, Stack, find_problems, plain
from ansible_collections.indivillage.infra.plugins.plugin_utils.validation_problems import report
from ansible_collections.indivillage.infra.plugins.plugin_utils.validation_sources import COMMAND_LINE, Declaration, read_declarations

# Ansible's own variables that do not begin with ansible_.
MAGIC = {
    *("groups", "group_names", "hostvars", "inventory_dir", "inventory_file", "inventory_hostname", "inventory_hostname_short"),
    *("omit", "playbook_dir", "play_hosts", "role_names"),
}


class ActionModule(ActionBase):
    """Check the variables of all stacks of a play in one task; see the module's documentation."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return a failed result that names every problem, or an unchanged one."""
        super().run(tmp, task_vars)
        variables = task_vars or {}
        _result, arguments = self.validate_argument_spec({"stacks": {"type": "list", "elements": "str"}})
        names = arguments["stacks"] or variables["ansible_play_hosts_all"]
        catalogue = read_catalogue()
        stacks = [self._stack(name, catalogue, variables) for name in names]
        everywhere = {name: self._network(name, variables) for name in variables["groups"].get("stacks", names)}
        directory = variables.get("inventory_dir")
        declarations = read_declarations(Path(directory)) if directory else []
        declarations += [Declaration(name, COMMAND_LINE) for name in load_extra_vars(self._loader) if not name.startswith(FOREIGN[2:])]
        problems = find_problems(stacks, catalogue, declarations, everywhere)
        if problems:
            environment = next(
                (str(stack.values["environment_name"]) for stack in stacks if "environment_name" in stack.values), "the environment"
            )
            return {"failed": True, "msg": report(problems, environment)}
        return {"changed": False, "msg": f"Checked {sum(len(stack.values) for stack in stacks)} variables of {len(stacks)} stacks."}

    def _stack(self, name: str, catalogue: Catalogue, variables: Mapping[str, Any]) -> Stack:
        raw = variables["hostvars"].raw_get(name)
        templar = self._templar.copy_with_new_env(available_variables={**raw, "hostvars": variables["hostvars"]})
        values: dict[str, Any] = {}
        failures: dict[str, str] = {}
        for key, value in raw.items():
            if key in MAGIC or key.startswith(FOREIGN):
                continue
            try:
                values[key] = plain(templar.template(value)) if catalogue.find(key) else None
            except AnsibleError as error:
                failures[key] = str(error)
        layers = values.get("stack_layers")
        layers = [str(layer) for layer in layers] if isinstance(layers, list) else []
        groups = sorted(raw.get("group_names", []), key=lambda group: -len(variables["groups"].get(group, [])))
        return Stack(name, groups, layers, values, failures, self._defaults(layers))

    def _defaults(self, layers: list[str]) -> dict[str, Any]:
        """The roles' defaults; those that are made of other variables are known by their names alone."""
        defaults: dict[str, Any] = {}
        for layer in layers:
            path = ROOT / "roles" / layer / "defaults" / "main.yml"
            content = yaml_load(path.read_text(encoding="utf-8")) if path.is_file() else None
            defaults.update({key: None if isinstance(value, str) and "{{" in value else value for key, value in (content or {}).items()})
        return defaults

    def _network(self, name: str, variables: Mapping[str, Any]) -> Any:
        raw = variables["hostvars"].raw_get(name)
        try:
            templar = self._templar.copy_with_new_env(available_variables=raw)
            return templar.template(raw.get("aws_network_cidr")) if "aws_network" in templar.template(raw.get("stack_layers", [])) else None
        except AnsibleError:
            return None  # told where that stack itself is checked

# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every variable that this project declares, read from its files."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.yaml import yaml_load
from ansible_collections.indivillage.infra.plugins.plugin_utils import runbooks
from ansible_collections.indivillage.infra.plugins.plugin_utils.validation import Catalogue

ROOT = Path(__file__).resolve().parents[2]
# Not declared by anybody here: private names, Ansible's own, and what AWX gives each of its jobs.
FOREIGN = ("__", "ansible_", "awx_", "tower_")


@cache  # playbooks of one run ask for it one after another
def read_catalogue(root: Path = ROOT) -> Catalogue:
    """Read every name that may be set: the shared schema, what runbooks ask for, and the argument specifications of all roles."""
    roles: dict[str, dict[str, Any]] = {}
    for path in sorted((root / "roles").glob("*/meta/argument_specs.yml")):
        entries = _load(path)["argument_specs"].values()
        roles[path.parts[-3]] = {name: option for entry in entries for name, option in (entry.get("options") or {}).items()}
    schema = _load(root / "inventories" / "_base" / "schema.yml")
    connection = frozenset(constants.COMMON_CONNECTION_VARS) | {"ansible_python_interpreter"}
    shared = {**runbooks.own_inputs(root), **schema["shared_variables"]}
    return Catalogue(shared, roles, schema["host_variables"], connection)


def read_runbooks(catalogue: Catalogue, root: Path = ROOT) -> dict[str, runbooks.Runbook]:
    """Every runbook; an input without a body is the variable of that name."""
    known = {name: found for name in catalogue.names if (found := catalogue.find(name)) is not None}
    return runbooks.read(root, known)


@cache
def usable_runbooks() -> dict[str, runbooks.Runbook]:
    """Every runbook, for a task: manifests that cannot be used end it with all their faults."""
    try:
        return read_runbooks(read_catalogue())
    except runbooks.RunbookError as error:
        raise AnsibleActionFail(f"The manifests of the runbooks cannot be used:\n{error}") from error


def _load(path: Path) -> Any:
    return yaml_load(path.read_text(encoding="utf-8"))

# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Check the declaration of AWX; see the module of the same name for what it finds."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.common.yaml import yaml_load
from ansible.plugins.action import ActionBase
from ansible_collections.indivillage.infra.plugins.plugin_utils import awx_checks
from ansible_collections.indivillage.infra.plugins.plugin_utils.catalogue import ROOT, usable_runbooks
from ansible_collections.indivillage.infra.plugins.plugin_utils.validation_problems import report


class ActionModule(ActionBase):
    """Read awx/ and runbooks/ of this repository."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the lists, or a failed result that names every problem."""
        super().run(tmp, task_vars)
        self.validate_argument_spec({})
        settings = yaml_load((ROOT / awx_checks.FOLDER / awx_checks.SETTINGS).read_text(encoding="utf-8"))
        declaration = awx_checks.read(ROOT)
        problems = awx_checks.find_problems(declaration, usable_runbooks(), ROOT, settings["awx_label"])
        if problems:
            return {"failed": True, "msg": report(problems, "AWX")}
        return {
            "changed": False,
            "configuration": declaration.lists,
            "organization": settings["awx_organization"],
            "label": settings["awx_label"],
        }

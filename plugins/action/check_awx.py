# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Check the declaration of AWX; see the module of the same name for what it finds."""

from __future__ import annotations

from typing import Any

import yaml
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.indivillage.infra.plugins.plugin_utils import awx_checks
from ansible_collections.indivillage.infra.plugins.plugin_utils.catalogue import ROOT, read_catalogue, read_runbooks
from ansible_collections.indivillage.infra.plugins.plugin_utils.runbooks import RunbookError


class ActionModule(ActionBase):
    """Read awx/ and runbooks/ of this repository."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the lists, or a failed result that names every problem."""
        super().run(tmp, task_vars)
        self.validate_argument_spec({})
        settings = yaml.safe_load((ROOT / awx_checks.FOLDER / awx_checks.SETTINGS).read_text(encoding="utf-8"))
        declaration = awx_checks.read(ROOT)
        try:
            problems = awx_checks.find_problems(declaration, read_runbooks(read_catalogue()), ROOT, settings["awx_label"])
        except RunbookError as error:
            raise AnsibleActionFail(f"The manifests of the runbooks cannot be used:\n{error}") from error
        if problems:
            count = "One problem" if len(problems) == 1 else f"{len(problems)} problems"
            lines = [f"{number}. {problem}" for number, problem in enumerate(problems, start=1)]
            return {"failed": True, "msg": "\n".join([f"{count} in the declaration of AWX; nothing was changed.", *lines])}
        return {
            "changed": False,
            "configuration": declaration.lists,
            "organization": settings["awx_organization"],
            "label": settings["awx_label"],
        }

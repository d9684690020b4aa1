# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""End a run's record and lease before the run itself ends; see the module of the same name."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.indivillage.infra.plugins.plugin_utils import run_client


class ActionModule(ActionBase):
    """Have the keeper write what it knows, release the lease and end."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the record; empty when this run has none, as in check mode."""
        super().run(tmp, task_vars)
        self.validate_argument_spec({})
        line = None if self._task.check_mode else run_client.connect()
        if line is None:
            return {"changed": False, "record": {}}
        answer = line.ask({"end": "succeeded"})
        line.close()
        if answer["problems"]:
            raise AnsibleActionFail(f"The record or the lease of this run could not be written: {'; '.join(answer['problems'])}")
        return {"changed": False, "record": answer["record"]}

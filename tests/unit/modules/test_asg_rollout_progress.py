# SPDX-License-Identifier: GPL-3.0-or-later
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
from ansible.utils.display import Display
from ansible_collections.indivillage.infra.plugins.action.asg_rollout import ActionModule


def test_progress_is_shown_and_the_file_of_it_is_no_part_of_what_the_task_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan's digest covers what each task is given: a name that differs each time would have no approved plan ever fit."""
    shown: list[str] = []
    monkeypatch.setattr(Display, "display", lambda _self, line, **_options: shown.append(line))
    given = {"names": ["shop-web"], "poll_seconds": 1}
    action = ActionModule(MagicMock(args=given, async_val=0), MagicMock(), MagicMock(), MagicMock(), MagicMock(), MagicMock())

    def execute(module_args: dict[str, Any], task_vars: object) -> dict[str, Any]:
        Path(module_args["progress_file"]).write_text("shop-web: 50 of 100 percent\n")
        return {"changed": True, "invocation": {"module_args": dict(module_args)}}

    monkeypatch.setattr(action, "_execute_module", execute)
    assert action.run(task_vars={}) == {"changed": True, "invocation": {"module_args": given}}
    assert shown == ["  shop-web: 50 of 100 percent"]

# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Show how far the module of the same name has come, while it runs: a rollout takes minutes."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

SECONDS_BETWEEN_LOOKS = 0.5


class ActionModule(ActionBase):
    """Run the module with a file of its progress, and show each line that it gets."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the module's result."""
        super().run(tmp, task_vars)
        with tempfile.NamedTemporaryFile(mode="w", prefix="rollout-") as progress:
            ended = threading.Event()
            teller = threading.Thread(target=tell, args=(Path(progress.name), ended), daemon=True)
            teller.start()
            try:
                result = dict(self._execute_module(module_args={**self._task.args, "progress_file": progress.name}, task_vars=task_vars))
            finally:
                ended.set()
                teller.join()
        # The name is another one each time, and a plan's digest covers what a task is given.
        result.get("invocation", {}).get("module_args", {}).pop("progress_file", None)
        return result


def tell(progress: Path, ended: threading.Event) -> None:
    """Show every line of the file, until the end and once after it."""
    with progress.open(encoding="utf-8") as lines:
        while True:
            last = ended.wait(SECONDS_BETWEEN_LOOKS)
            for line in lines:
                Display().display(f"  {line.rstrip()}")
            if last:
                return

# Copyright: IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Says what a run asked of the AWS API, and what to do about a permission that it lacked."""

from __future__ import annotations

DOCUMENTATION = r"""
name: api_calls
type: aggregate
short_description: Print the AWS API calls of a run
version_added: 0.2.0
author:
  - IndiVillage platform team (@indivillage)
description:
  - Ends a run with what its tasks asked of the AWS API, as the connection P(indivillage.infra.aws_worker#connection) has counted it.
    Calls over another connection, and those of inventory plugins, are not counted.
  - Names operations, numbers and times; parameters and answers are never recorded.
  - Where AWS refused a call, says which of the project's policies allows it, or that none does.
options:
  report:
    description:
      - V(line) prints one line with reads, writes, time and the slowest call; V(table) also one for each operation; V(nothing) nothing.
      - A run without any AWS call prints nothing.
    type: str
    choices: [line, table, nothing]
    default: line
    env:
      - name: ANSIBLE_API_CALLS
    ini:
      - section: callback_api_calls
        key: report
  file:
    description:
      - Where to write the same as JSON. From such records C(scripts/generate-policy) makes the least-privilege policies.
      - A relative path starts at the folder from which the run was started.
    type: path
    env:
      - name: ANSIBLE_API_CALLS_FILE
    ini:
      - section: callback_api_calls
        key: file
notes:
  - List it in C(callbacks_enabled) before P(indivillage.infra.plan#callback), which ends a check run.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import ansible.constants as C  # noqa: N812  # the name that all of Ansible uses
from ansible.plugins.callback import CallbackBase
from ansible_collections.indivillage.infra.plugins.plugin_utils import api_calls, iam_policy
from ansible_collections.indivillage.infra.plugins.plugin_utils.worker_protocol import CALLS_NAME

if TYPE_CHECKING:
    from ansible.executor.stats import AggregateStats
    from ansible.executor.task_result import CallbackTaskResult

POLICIES = Path(__file__).resolve().parents[2] / "policies"


class CallbackModule(CallbackBase):
    """Reads the run's call log when the run is over."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "indivillage.infra.api_calls"
    CALLBACK_NEEDS_ENABLED = True

    def v2_runner_on_failed(self, result: CallbackTaskResult, ignore_errors: bool = False) -> None:
        self._advise(result)

    def v2_runner_item_on_failed(self, result: CallbackTaskResult) -> None:
        self._advise(result)

    def _advise(self, result: CallbackTaskResult) -> None:
        advice = iam_policy.advice(str(result.result.get("msg", "")), POLICIES)
        if advice:
            self._display.warning(advice)

    def v2_playbook_on_stats(self, stats: AggregateStats) -> None:
        tallies = api_calls.read(Path(C.DEFAULT_LOCAL_TMP) / CALLS_NAME)
        report, file = self.get_option("report"), self.get_option("file")
        if file:
            Path(file).write_text(json.dumps(api_calls.document(tallies), indent=1) + "\n")
        if not tallies or report == "nothing":
            return
        if report == "table":
            for line in api_calls.table(tallies):
                self._display.display(line)
        self._display.display(api_calls.summary(tallies))

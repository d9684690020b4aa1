# Copyright: IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Makes a plan of what a run in check mode says."""

from __future__ import annotations

DOCUMENTATION = r"""
name: plan
type: aggregate
short_description: Print and keep the plan of a run in check mode
version_added: 0.2.0
author:
  - IndiVillage platform team (@indivillage)
description:
  - "In check mode, collects what every task would change and ends the run with a plan: printed, and written as C(plan.json), C(plan.md)
    for a pull request and C(plan.html), one page that needs nothing else. Without C(--check) it does nothing at all."
  - "The exit code of a check run is 0 when there is nothing to do, 2 when there is, and 1 when any task failed or a host could not be
    reached: then the plan is not whole, and says so."
  - The values of tasks with C(no_log) never appear; of the secrets among a module's parameters only a hash does.
  - The files lie in a folder called like the environment (variable C(environment_name)) below O(plan_directory).
options:
  plan_directory:
    description:
      - Where plans are kept. A relative path starts at the folder from which the run was started.
      - The variable is read from C(-e) alone, since callbacks know no host's variables.
    type: path
    default: .plans
    vars:
      - name: plan_directory
notes:
  - List it last in C(callbacks_enabled). It ends the run in order to set the exit code, so what stands behind it does not hear of the end.
  - Needs one of the ansible-core versions that the connection P(indivillage.infra.aws_worker#connection) supports.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ansible.constants as C  # noqa: N812  # the name that all of Ansible uses
from ansible import context
from ansible.playbook.block import Block
from ansible.plugins.callback import CallbackBase
from ansible_collections.indivillage.infra.plugins.plugin_utils import plan_html, plan_markdown, plan_report, plan_text
from ansible_collections.indivillage.infra.plugins.plugin_utils.plan_collect import Collector, Place, label_of
from ansible_collections.indivillage.infra.plugins.plugin_utils.plan_report import Failure, Plan

if TYPE_CHECKING:
    from ansible.executor.stats import AggregateStats
    from ansible.executor.task_result import CallbackTaskResult
    from ansible.playbook import Playbook
    from ansible.playbook.play import Play
    from ansible.playbook.task import Task

ROOT = Path(__file__).resolve().parents[2]
LOG_WIDTH = 120  # characters, where the output goes to no terminal
EACH = "indivillage.infra.each"
COLORS = {plan_report.NOTHING_TO_DO: C.COLOR_OK, plan_report.CHANGES: C.COLOR_CHANGED, plan_report.FAILED: C.COLOR_ERROR}
# What of a result that no_log censors may be used: what is done, and the plan, of which only names of fields and operations are shown.
UNCENSORED = ("changed", "failed", "skipped", "skip_reason", "skipped_reason", "false_condition", "plan", "results", "ansible_loop_var")


def fail_closed[**Arguments](method: Callable[Arguments, None]) -> Callable[Arguments, None]:
    """Let what this plugin cannot take in make the plan a failed one; Ansible would warn, go on, and show a plan that lacks it."""

    @wraps(method)
    def guarded(*arguments: Arguments.args, **options: Arguments.kwargs) -> None:
        try:
            method(*arguments, **options)
        except Exception as error:
            callback: Any = arguments[0]
            callback.problems.append(f"{method.__name__}: {error!r}")

    return guarded


class CallbackModule(CallbackBase):
    """Collects results, and renders them when the last playbook is over."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "indivillage.infra.plan"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self.disabled = not context.CLIARGS.get("check")
        self.problems: list[str] = []
        self._collector = Collector([str(ROOT), str(Path.cwd()), str(Path.home())])
        self._modules: dict[str, str] = {}  # task -> module
        self._hosts: dict[str, None] = {}  # in reading order
        self._environment = "unnamed"
        self._playbooks = 0
        self._play = ""
        if not self.disabled:
            # What a module was given becomes part of its result, with secrets masked by the module itself.
            os.environ["ANSIBLE_INJECT_INVOCATION"] = "true"

    # ---- What Ansible tells ------------------------------------------------------------------------------------------------------

    def v2_playbook_on_start(self, playbook: Playbook) -> None:
        self._playbooks += 1

    @fail_closed
    def v2_playbook_on_play_start(self, play: Play) -> None:
        self._play = play.get_name()
        variables = play.get_variable_manager()
        hosts = variables._inventory.get_hosts(play.hosts)
        if hosts and not self._hosts:
            self._environment = variables.get_vars(host=hosts[0], include_hostvars=False).get("environment_name", self._environment)
            for file in self._files:  # however this run ends, an older plan must not be taken for its own
                file.unlink(missing_ok=True)
        self._hosts |= dict.fromkeys(host.get_name() for host in hosts)

    def v2_playbook_on_no_hosts_matched(self) -> None:
        self._collector.note("", f"{self._play}: no host matches, so nothing of it is planned")

    def v2_playbook_on_task_start(self, task: Task, is_conditional: bool) -> None:
        if str(task.resolved_action).startswith("ansible.builtin."):
            # Copy, template and their like say what they would write in diff mode alone, whether or not the command line asks for it.
            task.diff = True
        # What is run for each item; its results carry the item's arguments in place of the task's own.
        self._modules[task._uuid] = str(task.args["module"] if task.resolved_action == EACH else task.resolved_action or task.action)

    def v2_playbook_on_handler_task_start(self, task: Task) -> None:
        self.v2_playbook_on_task_start(task, is_conditional=False)

    @fail_closed
    def v2_runner_on_ok(self, result: CallbackTaskResult) -> None:
        self._add("ok", result)

    @fail_closed
    def v2_runner_on_skipped(self, result: CallbackTaskResult) -> None:
        self._add("skipped", result)

    @fail_closed
    def v2_runner_on_failed(self, result: CallbackTaskResult, ignore_errors: bool = False) -> None:
        self._add("rescued" if ignore_errors or is_rescued(result.task) else "failed", result)

    @fail_closed
    def v2_runner_on_unreachable(self, result: CallbackTaskResult) -> None:
        self._collector.fail(self._place(result), f"The host cannot be reached: {result.result.get('msg', 'no reason given')}")

    @fail_closed
    def v2_runner_item_on_ok(self, result: CallbackTaskResult) -> None:
        self._add("ok", result, item=True)

    @fail_closed
    def v2_runner_item_on_skipped(self, result: CallbackTaskResult) -> None:
        self._add("skipped", result, item=True)

    @fail_closed
    def v2_runner_item_on_failed(self, result: CallbackTaskResult) -> None:
        self._add("rescued" if result.task.ignore_errors or is_rescued(result.task) else "failed", result, item=True)

    def v2_playbook_on_stats(self, stats: AggregateStats) -> None:
        failed = bool(stats.failures or stats.dark)
        if self._playbooks < len(context.CLIARGS["args"]) and not failed:
            return
        plan = self._plan()
        if failed and not plan.failed:
            plan.failed.append(Failure("", "", "", "", "Ansible counts failures that no task has reported: see the recap above."))
        try:
            self._report(plan)
        except Exception as error:
            self._display.error(f"The plan cannot be written to {self._directory}: {error!r}")
            raise SystemExit(plan_report.FAILED) from error
        raise SystemExit(plan.exit_code)

    # ---- What it makes of it -----------------------------------------------------------------------------------------------------

    def _add(self, outcome: str, result: CallbackTaskResult, item: bool = False) -> None:
        if item:
            self._collector.add(self._place(result), outcome, visible(result), label_of(result.result))
        elif result.task.loop is None or not result.result.get("results"):  # a loop's items were told one by one
            self._collector.add(self._place(result), outcome, visible(result))

    def _place(self, result: CallbackTaskResult) -> Place:
        return place_of(result, self._modules[result.task._uuid])

    def _plan(self) -> Plan:
        plan = self._collector.plan(self._environment, commit(), self._hosts)
        if not self._hosts:
            plan.failed.append(Failure("", "", "", "", "No play has a host: nothing was looked at."))
        plan.failed += [
            Failure("", "", "", "", f"The plan could not take in what Ansible told: {problem}") for problem in dict.fromkeys(self.problems)
        ]
        return plan

    @property
    def _directory(self) -> Path:
        return Path(self.get_option("plan_directory")) / self._environment

    @property
    def _files(self) -> tuple[Path, Path, Path]:
        return self._directory / plan_report.FILE_NAME, self._directory / "plan.md", self._directory / "plan.html"

    def _report(self, plan: Plan) -> None:
        document, markdown, page = self._files
        plan_report.save(plan, document)
        plan_report.write_private(markdown, plan_markdown.render(plan))
        plan_report.write_private(page, plan_html.render(plan))
        width = self._display.columns if sys.stdout.isatty() else LOG_WIDTH
        self._display.display(f"\n{plan_text.render(plan, width)}", color=COLORS[plan.exit_code])
        self._display.display(f"Written to {', '.join(map(str, self._files))}")


def place_of(result: CallbackTaskResult, module: str) -> Place:
    """Where a result comes from; the module is the one that does the task's work."""
    task = result.task
    role = task._role.get_name().rpartition(".")[2] if task._role else ""
    no_log = bool(task.no_log) or "censored" in result.result
    return Place(result.host.get_name(), role, task.name or task.action, module, no_log, never_changes=task.changed_when == [False])


def visible(result: CallbackTaskResult) -> Mapping[str, Any]:
    """The result as callbacks get it; of a censored one, what may be used of it all the same."""
    if "censored" not in result.result:
        return result.result
    # Not public, since nobody but a plan needs to know what a censored task would do; a test holds it to the supported ansible-core.
    kept = _kept(result._CallbackTaskResult__utr.as_result_dict(for_callback=True))
    if isinstance(kept.get("results"), list):
        kept["results"] = [_kept(one) for one in kept["results"]]
    return kept


def _kept(data: Mapping[str, Any]) -> dict[str, Any]:
    return {key: data[key] for key in UNCENSORED if key in data}


def is_rescued(task: Task) -> bool:
    """Whether the run goes on by a rescue when this task fails."""
    child, parent = task, task._parent
    while parent is not None:
        if isinstance(parent, Block) and parent.rescue and any(part._uuid == child._uuid for part in parent.block):
            return True
        child, parent = parent, parent._parent
    return False


def commit() -> str:
    """The commit of the checkout, with a plus sign when files differ from it; empty when this is no checkout."""
    with suppress(OSError, subprocess.CalledProcessError):
        head, dirty = (
            subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=True).stdout.strip()
            for words in (("rev-parse", "HEAD"), ("status", "--porcelain", "--untracked-files=no"))
        )
        return head + ("+" if dirty else "")
    return ""

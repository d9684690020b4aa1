# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan callback in real runs of small playbooks on this machine: what it prints, writes, hides, and how the run ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from ansible_collections.indivillage.infra.plugins.plugin_utils import plan_report

ROOT = Path(__file__).parents[3]
# A module that returns what it is told to, as a guarded module would.
MODULE = """
from ansible.module_utils.basic import AnsibleModule
module = AnsibleModule({"result": {"type": "dict", "default": {}}, "secret": {"no_log": True}, "item": {}}, supports_check_mode=True)
module.exit_json(**module.params["result"])
"""
PLANNED = """
    changed: true
    plan:
      action: replace
      resource: database site
      calls: [{service: rds, operation: DeleteDBInstance, region: us-east-1, parameters: {Password: hunter2hunter2}}]
      changes: [{field: Password, before: hunter1hunter1, after: hunter2hunter2}]
      certain: true
      stateful: database
"""


@dataclass
class Run:
    """How a run ended."""

    returncode: int
    output: str
    files: dict[str, str]
    """Texts by name."""
    _plan: plan_report.Plan | None

    @property
    def plan(self) -> plan_report.Plan:
        assert self._plan, self.output
        return self._plan


@pytest.fixture
def command(tmp_path: Path) -> Callable[..., tuple[list[str], dict[str, str]]]:
    """command(<tasks of a play as YAML>, ..., options=()) -> the command line and environment of a run, a playbook for each."""
    (tmp_path / "ansible.cfg").touch()
    (tmp_path / "library").mkdir()
    (tmp_path / "library/planned.py").write_text(MODULE)
    hosts = "".join(f"    {name}: {{ansible_connection: local, ansible_python_interpreter: {sys.executable}}}\n" for name in ("one", "two"))
    gone = "    gone: {ansible_connection: ssh, ansible_host: 127.0.0.1, ansible_port: 9}\n"
    (tmp_path / "hosts.yml").write_text(f"all:\n  vars: {{environment_name: trial}}\n  hosts:\n{hosts}{gone}")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")} | {
        "ANSIBLE_CONFIG": str(tmp_path / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections"),
        "ANSIBLE_CALLBACKS_ENABLED": "ansible.posix.profile_roles,indivillage.infra.plan",
        "ANSIBLE_LIBRARY": str(tmp_path / "library"),
        "ANSIBLE_NOCOLOR": "1",
    }

    def build(*plays: str, hosts: str = "one:two", options: tuple[str, ...] = ("--check",)) -> tuple[list[str], dict[str, str]]:
        names = []
        for number, tasks in enumerate(plays):
            (tmp_path / f"{number}.yml").write_text(f"- hosts: {hosts}\n  gather_facts: false\n  tasks:\n{tasks}\n")
            names.append(str(tmp_path / f"{number}.yml"))
        program = str(Path(sys.executable).parent / "ansible-playbook")
        return [program, "-i", str(tmp_path / "hosts.yml"), "-e", f"plan_directory={tmp_path / 'plans'}", *options, *names], environment

    return build


@pytest.fixture
def run(command: Callable[..., tuple[list[str], dict[str, str]]], tmp_path: Path) -> Callable[..., Run]:
    """run(<tasks>, ...) -> how that run ended."""

    def call(*plays: str, **options: object) -> Run:
        line, environment = command(*plays, **options)
        done = subprocess.run(line, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
        directory = tmp_path / "plans/trial"
        files = {path.name: path.read_text() for path in sorted(directory.iterdir())} if directory.exists() else {}
        plan = plan_report.load(directory / "plan.json") if files else None
        return Run(done.returncode, done.stdout + done.stderr, files, plan)

    return call


def task(name: str, result: str = "{changed: true}", **keywords: str) -> str:
    words = "".join(f"    {key}: {value}\n" for key, value in keywords.items())
    return f"  - name: {name}\n    planned:\n      result: {result}\n{words}"


FAILING = "  - name: Fail\n    ansible.builtin.fail: {msg: on purpose}\n"


def test_changes_are_printed_kept_and_told_by_the_exit_code(run: Callable[..., Run]) -> None:
    done = run(task("Change it") + task("Leave it", "{changed: false}"))
    assert done.returncode == 2
    assert list(done.files) == ["plan.html", "plan.json", "plan.md"]
    assert [(entry.host, entry.task) for entry in done.plan.entries] == [("one", "Change it"), ("two", "Change it")]
    assert done.plan.unchanged == 2
    assert len(done.plan.inputs) == 4, "what each task was given is part of the digest"
    order = [done.output.index(text) for text in ("PLAY RECAP", "ROLES RECAP", "PLAN of trial", "Written to")]
    assert order == sorted(order), "the recap and other callbacks come first"
    again = run(task("Change it") + task("Leave it", "{changed: false}"), options=("--check", "--forks", "1"))
    assert again.plan.digest == done.plan.digest
    assert run(task("Change it") + task("Leave it", "{changed: false, more: 1}")).plan.digest != done.plan.digest


def test_nothing_to_do_is_0(run: Callable[..., Run]) -> None:
    done = run(task("Leave it", "{changed: false}"))
    assert (done.returncode, done.plan.entries) == (0, [])
    assert "Nothing to do: 2 tasks and items are as declared." in done.output


@pytest.mark.parametrize(
    ("tasks", "hosts", "message"),
    [
        (task("Change it") + FAILING, "one", "on purpose"),
        (task("Change it"), "one:gone", "The host cannot be reached"),
        (task("Odd", "{changed: true, plan: no-plan}"), "one", "The plan could not take in what Ansible told"),
    ],
)
def test_a_plan_that_is_not_whole_is_1_and_says_so(run: Callable[..., Run], tasks: str, hosts: str, message: str) -> None:
    done = run(tasks, hosts=hosts)
    assert done.returncode == 1
    assert "NOT A WHOLE PLAN" in done.output
    assert message in done.output
    assert message in done.plan.failed[0].message
    assert "NOT A WHOLE PLAN" in done.files["plan.md"]


def test_a_rescue_is_told_and_is_no_failure(run: Callable[..., Run]) -> None:
    block = "  - rescue: [{ansible.builtin.debug: {}}]\n    block: [{name: Fail, ansible.builtin.fail: {msg: on purpose}}]\n"
    done = run(block, hosts="one")
    assert done.returncode == 0, done.output
    assert [note.text for note in done.plan.notes] == ["Fail: it failed, and the run went on by its rescue: on purpose"]


def test_applying_is_as_it_was(run: Callable[..., Run]) -> None:
    assert [run(tasks, options=()).returncode for tasks in (task("Change it"), FAILING)] == [0, 2]
    done = run(task("Change it"), options=())
    assert "PLAN of" not in done.output
    assert done.files == {}


def test_the_last_of_several_playbooks_makes_the_plan(run: Callable[..., Run]) -> None:
    done = run(task("First"), task("Second"), hosts="one")
    assert done.returncode == 2
    assert [entry.task for entry in done.plan.entries] == ["First", "Second"]


def test_errors_of_the_playbook_itself_end_as_ansible_ends_them(run: Callable[..., Run]) -> None:
    done = run("  - no.such.action: {}\n")
    assert done.returncode == 4
    assert done.files == {}


def test_an_interrupted_check_leaves_no_plan_and_no_older_one(
    command: Callable[..., tuple[list[str], dict[str, str]]], tmp_path: Path
) -> None:
    (tmp_path / "plans/trial").mkdir(parents=True)
    (tmp_path / "plans/trial/plan.json").touch()
    line, environment = command("  - name: Wait\n    ansible.builtin.pause: {seconds: 60}\n", hosts="one")
    with subprocess.Popen(line, env=environment, cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        # Ansible hangs, or waits for the task, when it is interrupted while a task's process starts or hands something over: let it pause.
        while "Pausing for" not in process.stdout.readline():
            pass
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert process.returncode == 99
    assert list((tmp_path / "plans/trial").iterdir()) == []


def test_no_log_hides_values_and_nothing_else(run: Callable[..., Run]) -> None:
    loop = {"no_log": "true", "loop": "[hunter3hunter3]"}
    listing = "{changed: true, results: [{ansible_loop_var: item, item: hunter4hunter4, changed: true, plan: {action: delete}}]}"
    once = f"  - name: Hidden\n    planned:\n      result:{PLANNED.replace(chr(10), chr(10) + '    ')}\n    no_log: true\n"
    condition = {"no_log": "true", "when": "false"}
    done = run(
        once + task("Hidden loop", **loop) + task("Hidden list", listing, no_log="true") + task("Left out", **condition), hosts="one"
    )
    assert done.returncode == 2, done.output
    first, second, third = done.plan.entries
    assert (first.action, first.stateful, first.changes[0].field, first.calls[0]["operation"]) == (
        "replace",
        "database",
        "Password",
        "DeleteDBInstance",
    )
    assert (second.task, second.action) == ("Hidden loop", "change")
    assert (third.task, third.action) == ("Hidden list", "delete")
    for text in (done.output, *done.files.values()):
        assert "hunter" not in text


def test_the_digest_covers_what_files_would_hold_with_and_without_diff(run: Callable[..., Run], tmp_path: Path) -> None:
    def copy(text: str, *options: str) -> plan_report.Plan:
        tasks = f"  - ansible.builtin.copy: {{content: {text}, dest: {tmp_path}/new, mode: '0644'}}\n"
        return run(tasks, hosts="one", options=("--check", *options)).plan

    plan = copy("one")
    assert [change.after for change in plan.entries[0].changes] == ["one"]
    assert plan.digest == copy("one", "--diff").digest
    assert plan.digest != copy("two").digest


def test_a_plan_of_no_host_at_all_is_none(run: Callable[..., Run]) -> None:
    done = run(task("Change it"), hosts="one:&two")
    assert done.returncode == 1
    assert "one:&two: no host matches, so nothing of it is planned" in done.output
    assert "No play has a host: nothing was looked at." in done.output

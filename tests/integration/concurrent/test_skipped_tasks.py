# SPDX-License-Identifier: GPL-3.0-or-later
"""A task that is skipped is told without a fork, with the result, the events and the registered value that the fork would give."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
PLAYBOOK = str(Path(sys.executable).parent / "ansible-playbook")
WARM = "indivillage.infra.warm_start"

# Prints every event of a task with all that callbacks can know of it.
EVENTS = """\
import json
from ansible.plugins.callback import CallbackBase

class CallbackModule(CallbackBase):
    CALLBACK_VERSION, CALLBACK_TYPE, CALLBACK_NAME, CALLBACK_NEEDS_ENABLED = 2.0, "aggregate", "events", True

    def v2_on_any(self, *arguments, **_options):
        for result in arguments:
            if hasattr(result, "task_fields"):
                told = {"host": result.host.name, "fields": dict(result.task_fields), "result": dict(result.result)}
                print("EVENT", json.dumps(told, default=str, sort_keys=True), flush=True)
"""


def debug(name: str, when: Any, **keywords: Any) -> dict[str, Any]:
    return {"name": name, "ansible.builtin.debug": {"msg": "{{ 'ran on ' ~ inventory_hostname }}"}, "when": when, **keywords}


TASKS = [
    debug("false", False),
    debug("one of several", ["true", "inventory_hostname == 'a'", "missing.thing is defined"], register="seen"),
    {"name": "registered", "ansible.builtin.debug": {"var": "seen"}},
    {"name": "registered as a whole", "ansible.builtin.debug": {"msg": "{{ seen.keys() | sort }}"}},
    debug("by a variable", "wanted | bool", vars={"wanted": "{{ inventory_hostname == 'b' }}"}),
    debug("by a fact", "fact is defined"),
    {"name": "fact", "ansible.builtin.set_fact": {"fact": 1}, "when": "inventory_hostname == 'a'"},
    debug("by the fact", "fact | default(0) == 1"),
    debug("by the connection", "ansible_connection == 'ssh'"),
    debug("undefined", "missing.thing == 1", ignore_errors=True),
    debug("nonsense", "1 +", ignore_errors=True),
    debug("not a truth", "'a' ~ inventory_hostname", ignore_errors=True),
    debug("warned of", "{{ inventory_hostname == 'b' }}"),
    debug("arguments undefined", False, vars={"x": "{{ missing }}"}, environment={"A": "{{ missing }}"}),
    debug("hidden", "inventory_hostname == 'b'", no_log=True),
    debug("loop", "item > 1", loop=[1, 2]),
    debug("loop that is undefined", False, loop="{{ missing }}"),
    debug("empty loop", False, loop=[]),
    debug("delegated", False, delegate_to="b"),
    debug("delegated to nobody known", False, delegate_to="{{ missing }}", ignore_errors=True),
    debug("once", "inventory_hostname == 'b'", run_once=True),
    debug("tries again", False, until="false", retries=2, delay=0),
    debug("judged", "inventory_hostname == 'b'", changed_when=True, failed_when="missing", ignore_errors=True),
    debug("notifies", "inventory_hostname == 'b'", changed_when=True, notify="Handle"),
    debug("another user", False, become=True, become_user="{{ missing }}"),
    {"name": "block", "when": "inventory_hostname == 'b'", "block": [debug("in a block", True), debug("and false there", False)]},
    {"name": "include", "ansible.builtin.include_tasks": "included.yml", "when": "inventory_hostname == 'b'"},
    {"name": "import", "ansible.builtin.import_tasks": "included.yml", "when": "inventory_hostname == 'b'"},
    {"name": "group", "ansible.builtin.group_by": {"key": "g_{{ inventory_hostname }}"}, "when": "inventory_hostname == 'b'"},
    debug("by the group", "'g_b' in groups"),
    {"name": "fails", "ansible.builtin.fail": {"msg": "failed"}, "when": "inventory_hostname == 'b'", "ignore_errors": True},
]
HANDLERS = [{"name": "Handle", "ansible.builtin.debug": {"msg": "handled"}, "when": "inventory_hostname == 'a'"}]

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def run(
        tasks: list[dict[str, Any]], *callbacks: str, arguments: tuple[str, ...] = (), **variables: str
    ) -> subprocess.CompletedProcess[str]:
        (tmp_path / "plugins").mkdir(exist_ok=True)
        (tmp_path / "plugins/events.py").write_text(EVENTS)
        enabled = ",".join((*callbacks, "events"))
        settings = f"collections_path = {ROOT}/collections\ncallback_plugins = {tmp_path}/plugins\ncallbacks_enabled = {enabled}\n"
        (tmp_path / "ansible.cfg").write_text(f"[defaults]\n{settings}")
        (tmp_path / "included.yml").write_text(yaml.safe_dump([debug("included", "inventory_hostname == 'a'")]))
        head = {"name": "Test", "hosts": "all", "gather_facts": False, "handlers": HANDLERS, "vars": {"ansible_connection": "local"}}
        (tmp_path / "play.yml").write_text(yaml.safe_dump([{**head, "tasks": tasks}], width=10_000))
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "ANSIBLE_"))}
        environment |= {"ANSIBLE_CONFIG": str(tmp_path / "ansible.cfg"), "ANSIBLE_HOME": str(tmp_path / "home"), "ANSIBLE_NOCOLOR": "1"}
        environment |= variables
        command = [PLAYBOOK, "-i", "a,b,", str(tmp_path / "play.yml"), *arguments]
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=180)

    return run


def told(run: subprocess.CompletedProcess[str]) -> list[str]:
    """What a run said, in an order that does not depend on which host was quicker, and without what is another in each run."""
    said = re.sub(r'"(start|end|delta)": "[^"]*"', r'"\1": ""', run.stdout + run.stderr)
    return sorted(said.splitlines())


@pytest.mark.parametrize("arguments", [(), ("--check", "--diff"), ("-vvv",)], ids=["run", "check", "verbose"])
def test_nothing_that_is_said_is_another(run: Run, arguments: tuple[str, ...]) -> None:
    forked, warm = run(TASKS, arguments=arguments), run(TASKS, WARM, arguments=arguments)
    assert forked.stdout.count("skipping: [") > 20
    assert forked.returncode == warm.returncode == 0, forked.stdout + forked.stderr
    assert told(warm) == told(forked)


def test_skipped_tasks_that_are_not_shown_say_nothing(run: Run) -> None:
    tasks = [debug("warned of", "{{ inventory_hostname == 'c' }}")]
    forked, warm = (run(tasks, *callbacks, ANSIBLE_DISPLAY_SKIPPED_HOSTS="false") for callbacks in ((), (WARM,)))
    assert told(warm) == told(forked)


def test_a_failure_ends_the_run_as_ever(run: Run) -> None:
    tasks = [debug("skipped", False), debug("undefined", "missing.thing"), debug("never", True)]
    forked, warm = run(tasks), run(tasks, WARM)
    assert forked.returncode == warm.returncode == 2
    assert told(warm) == told(forked)


def test_a_skipped_task_needs_no_process(run: Run, tmp_path: Path) -> None:
    noted = tmp_path / "pids"
    note = f"lookup('ansible.builtin.pipe', 'echo $PPID >> {noted}; echo no') == 'yes'"
    main = [{"name": "main", "ansible.builtin.debug": {"msg": "{{ lookup('ansible.builtin.pipe', 'ps -o ppid= -p $PPID') }}"}}]
    done = run([*main, debug("skipped", note), debug("loop", note, loop=[1])], WARM)
    (process,) = set(re.findall(r'"msg": " *(\d+)"', done.stdout))
    pids = noted.read_text().split()
    assert pids.count(process) == 4, "twice on each host: to know that it is skipped, and to tell it"
    assert len(set(pids) - {process}) == 2, "the condition of a loop's item is each task's own"

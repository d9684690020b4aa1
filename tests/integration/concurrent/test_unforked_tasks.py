# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks that Ansible's own process does give the results, the events and the registered values that a process of each would give."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.indivillage.infra.plugins.plugin_utils import turns

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


LOOP = {"loop_var": "thing", "label": "thing {{ thing }}", "extended": True}
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
    debug("said", True, register="said"),
    {
        "name": "set",
        "ansible.builtin.set_fact": {
            "given": {"a": [1, "{{ said.msg }}"]},
            "kept": "{{ inventory_hostname }}",
            "kept_list": [1],
            "cacheable": True,
        },
    },
    {"name": "what was set", "ansible.builtin.debug": {"msg": "{{ given.a[1] }} {{ kept }} {{ ansible_facts.kept }}"}},
    {"name": "set in turn", "ansible.builtin.set_fact": {"given": "{{ given | combine({item: item}) }}"}, "loop": ["x", "y"]},
    {"name": "projected", "ansible.builtin.debug": {"var": "given"}, "register": {"taken": "_task.result.given"}},
    *(
        {
            "name": f"change {name} in a template",
            "ansible.builtin.debug": {"msg": f"{{{{ {name}.append(1) }}}} {{{{ {name} }}}}"},
            "loop": [1, 2],
        }
        for name in ("declared", "given.a", "hostvars.a.given.a", "ansible_facts.kept_list")
    ),
    {
        "name": "unchanged",
        "ansible.builtin.debug": {"msg": "{{ declared }} {{ given.a }} {{ hostvars.a.given.a }} {{ ansible_facts.kept_list }}"},
    },
    {"name": "holds", "ansible.builtin.assert": {"that": ["given.x == 'x'", "taken is defined"], "success_msg": "yes"}},
    {
        "name": "does not hold",
        "ansible.builtin.assert": {"that": "given.x == 'y'", "fail_msg": "no"},
        "ignore_errors": True,
        "register": "no",
    },
    {"name": "failed", "ansible.builtin.debug": {"msg": "{{ no is failed }} {{ no.msg }} {{ no.assertion }}"}},
    {"name": "items", "ansible.builtin.debug": {"msg": "{{ item }}"}, "loop": ["{{ missing }}"], "ignore_errors": True},
    {"name": "many", "ansible.builtin.debug": {"msg": "{{ thing }} {{ ansible_loop.index }}"}, "loop": [3, 4], "loop_control": LOOP},
    {"name": "some hidden", "ansible.builtin.debug": {"msg": "secret"}, "no_log": True, "loop": [1]},
    {"name": "judged", "ansible.builtin.debug": {"msg": "x"}, "changed_when": "inventory_hostname == 'a'", "notify": "Handle"},
    {"name": "judged as failed", "ansible.builtin.debug": {"msg": "x"}, "failed_when": "inventory_hostname == 'a'", "ignore_errors": True},
    {"name": "no option", "ansible.builtin.set_fact": {}, "ignore_errors": True},
    {"name": "no such option", "ansible.builtin.assert": {"tat": True}, "ignore_errors": True},
    {"name": "once for all", "ansible.builtin.set_fact": {"shared": "{{ inventory_hostname }}"}, "run_once": True},
    {"name": "shared", "ansible.builtin.debug": {"var": "shared"}},
    {"name": "of others", "ansible.builtin.debug": {"msg": "{{ hostvars['b'].kept }} {{ groups.all }}"}},
    {"name": "another's", "ansible.builtin.set_fact": {"of_b": 1}, "delegate_to": "b", "delegate_facts": True},
    {"name": "include each", "ansible.builtin.include_tasks": "included.yml", "loop": [1, 2], "vars": {"number": "{{ item }}"}},
    {"name": "include none", "ansible.builtin.include_tasks": "{{ missing }}.yml", "ignore_errors": True},
    {
        "name": "arguments",
        "ansible.builtin.validate_argument_spec": {"argument_spec": {"n": {"type": "int"}}, "provided_arguments": {"n": "x"}},
        "ignore_errors": True,
    },
    {
        "block": [{"name": "fails in a block", "ansible.builtin.fail": {"msg": "{{ kept }}"}, "when": "inventory_hostname == 'b'"}],
        "rescue": [{"name": "rescued", "ansible.builtin.debug": {"msg": "{{ ansible_failed_task.name }} {{ ansible_failed_result.msg }}"}}],
        "always": [{"name": "always", "ansible.builtin.debug": {"msg": "always"}}],
    },
    {"name": "old", "ansible.builtin.debug": {"msg": "{{ lookup('ansible.builtin.env', 'HOME') | bool }}"}},
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
        head = {
            "name": "Test",
            "hosts": "all",
            "gather_facts": False,
            "handlers": HANDLERS,
            "vars": {"ansible_connection": "local", "declared": [0, "{{ inventory_hostname }}"]},
        }
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
    said = re.sub(r"(?m)^(included: \S+ for )b, a\b", r"\1a, b", said)
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
    main = [{"name": "main", "ansible.builtin.debug": {"msg": "{{ lookup('ansible.builtin.pipe', 'echo $PPID') }}"}}]
    skipped = {"name": "skipped", "ansible.builtin.command": "true", "when": note}
    done = run([*main, skipped, {**skipped, "loop": [1]}], WARM)
    (process,) = set(re.findall(r'"msg": " *(\d+)"', done.stdout))
    pids = noted.read_text().split()
    assert pids.count(process) == 4, "twice on each host: to know that it is skipped, and to tell it"
    assert len(set(pids) - {process}) == 2, "the condition of a loop's item is each task's own"


def test_what_is_evaluated_needs_no_process(run: Run) -> None:
    process = "{{ lookup('ansible.builtin.pipe', 'echo $PPID') }}"
    done = run(
        [{"name": "fact", "ansible.builtin.set_fact": {"fact": process}}, {"name": "say", "ansible.builtin.debug": {"var": "fact"}}], WARM
    )
    assert len(set(re.findall(r'"fact": "(\d+)"', done.stdout))) == 1, "the command line's, on both hosts"


def test_no_fork_has_what_belongs_to_a_task_of_this_process() -> None:
    began = time.monotonic()
    turns.no_fork.acquire()
    threading.Timer(0.3, turns.no_fork.release).start()
    child = os.fork()
    if child == 0:
        os._exit(turns.no_fork.locked())
    _pid, status = os.waitpid(child, 0)
    assert time.monotonic() - began > 0.25
    assert (status, turns.no_fork.locked()) == (0, False)

# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that is lost is a failure that a rescue sees, and a run with one host at a time goes on."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

from tests.support import playbooks

LOCAL = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
PLAY = {
    "hosts": "all",
    "serial": 1,
    "gather_facts": False,
    "tasks": [
        {
            "block": [
                {
                    "indivillage.infra.reach": {"module": "ansible.builtin.command", "arguments": {"argv": ["{{ program }}"]}},
                    "register": "ran",
                    "changed_when": False,
                },
                {"ansible.builtin.debug": {"msg": "REACHED {{ inventory_hostname }}, lost: {{ ran.lost }}"}},
            ],
            "rescue": [
                {
                    "ansible.builtin.debug": {
                        "msg": "RESCUED {{ inventory_hostname }}, lost: {{ ansible_failed_result.lost }}, {{ ansible_failed_result.msg }}"
                    }
                }
            ],
        }
    ],
}


def test_a_lost_host_fails_and_the_run_goes_on(tmp_path: Path) -> None:
    with socket.socket() as closed:  # bound and never listening: nobody else gets the port, and nobody answers there
        closed.bind(("127.0.0.1", 0))
        lost = {"ansible_host": "127.0.0.1", "ansible_port": closed.getsockname()[1], "ansible_ssh_retries": 0, "program": "true"}
        hosts = {"a-lost": lost, "b-fails": LOCAL | {"program": "false"}, "c-there": LOCAL | {"program": "true"}}
        (tmp_path / "hosts.json").write_text(json.dumps({"all": {"hosts": hosts}}))
        (tmp_path / "play.yml").write_text(json.dumps([PLAY]))
        done = subprocess.run(
            [str(Path(sys.executable).with_name("ansible-playbook")), str(tmp_path / "play.yml"), "-i", str(tmp_path / "hosts.json")],
            cwd=playbooks.ROOT,
            env=playbooks.surroundings("http://127.0.0.1:1", tmp_path),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    told = " ".join(done.stdout.split())
    assert done.returncode == 0, done.stdout + done.stderr
    assert "RESCUED a-lost, lost: True" in told
    assert "the host cannot be reached: " in told
    assert "RESCUED b-fails, lost: False" in told
    assert "REACHED c-there, lost: False" in told

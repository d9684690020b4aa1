# SPDX-License-Identifier: GPL-3.0-or-later
"""Silences of runs, set and ended in a real Alertmanager behind TLS and a password."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.urls import open_url

from scripts.pages.inventory import ROOT
from tests.integration.emulator.support import wait_until
from tests.support.monitoring_tools import programs, write
from tests.support.playbooks import surroundings
from tests.support.servers import free_port

PASSWORD = "scrape-password-of-the-test"
HASH = "$2b$04$abcdefghijklmnopqrstuu1n83LWwcFyQVAia3WBhD22NwYmPZI4i"
TIER = {"environment": "staging", "tier": "web"}
RUN = "run 20260102T030405Z-1a2b3c"


@dataclass(frozen=True)
class Watcher:
    """A running Alertmanager."""

    url: str
    password_file: Path

    def ask(self, path: str, body: Any = None) -> Any:
        answer = open_url(
            f"{self.url}/api/v2/{path}",
            method="POST" if body is not None else "GET",
            data=json.dumps(body) if body is not None else None,
            headers={"Content-Type": "application/json"},
            validate_certs=False,
            force_basic_auth=True,
            url_username="prometheus",
            url_password=PASSWORD,
        )
        return json.loads(answer.read() or b"null")

    def silences(self, state: str = "active") -> list[dict[str, Any]]:
        return [one for one in self.ask("silences") if one["status"]["state"] == state]

    def run(self, *, check: bool = False, **options: Any) -> dict[str, Any]:
        """The module's result."""
        given = {
            **{"url": self.url, "username": "prometheus", "password_file": str(self.password_file), "validate_certs": False},
            **{"comment": RUN, "matchers": TIER, "minutes": 30, "_ansible_check_mode": check, "_ansible_remote_tmp": "/tmp"},
            **options,
        }
        module = [sys.executable, "-m", "ansible_collections.indivillage.infra.plugins.modules.alertmanager_silence"]
        environment = os.environ | {"PYTHONPATH": str(ROOT / "collections")}
        arguments = json.dumps({"ANSIBLE_MODULE_ARGS": given})
        done = subprocess.run(module, input=arguments, env=environment, capture_output=True, text=True, check=False)
        assert done.stdout, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found


@pytest.fixture(scope="module")
def watcher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watcher]:
    folder, port = tmp_path_factory.mktemp("alertmanager"), free_port()
    made = ["openssl", "req", "-x509", "-noenc", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-subj", "/CN=host"]
    subprocess.run([*made, "-keyout", folder / "key.pem", "-out", folder / "certificate.pem"], check=True, capture_output=True)
    web = {
        "tls_server_config": {"cert_file": f"{folder}/certificate.pem", "key_file": f"{folder}/key.pem", "min_version": "TLS13"},
        "basic_auth_users": {"prometheus": HASH},
    }
    settings = {"route": {"receiver": "nobody"}, "receivers": [{"name": "nobody"}]}
    (folder / "password").write_text(f"{PASSWORD}\n")
    # Debian's reads its templates below /usr/share, and is not installed here.
    apart = [
        "unshare",
        "--mount",
        *([] if os.geteuid() == 0 else ["--map-root-user"]),
        "sh",
        "-c",
        'mount --bind "$0" /usr/share && exec "$@"',
    ]
    command = [
        *apart,
        f"{programs().parent}/share",
        f"{programs()}/prometheus-alertmanager",
        f"--config.file={write(folder / 'alertmanager.yml', settings)}",
        f"--web.config.file={write(folder / 'web.yml', web)}",
        f"--web.listen-address=127.0.0.1:{port}",
        f"--storage.path={folder}/data",
        "--cluster.listen-address=",
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    found = Watcher(f"https://127.0.0.1:{port}", folder / "password")

    def answers() -> bool:
        assert process.poll() is None, "Alertmanager has ended"
        with suppress(OSError):
            return bool(found.ask("status"))
        return False

    try:
        wait_until(answers, seconds=60)
        yield found
    finally:
        process.terminate()
        process.wait(timeout=30)


@pytest.fixture(autouse=True)
def ended(watcher: Watcher) -> Iterator[None]:
    yield
    for silence in watcher.silences():
        watcher.run(state="absent", comment=silence["comment"], matchers={one["name"]: one["value"] for one in silence["matchers"]})
    assert watcher.silences() == []


def test_a_silence_is_set_once_and_ended_once(watcher: Watcher) -> None:
    planned = watcher.run(check=True)
    assert (planned["changed"], planned["silence"]["id"], watcher.silences()) == (True, "", [])

    first, second = watcher.run(), watcher.run()

    (silence,) = watcher.silences()
    assert (first["changed"], second["changed"]) == (True, False)
    assert first["silence"] == second["silence"]
    assert (silence["id"], silence["comment"]) == (first["silence"]["id"], RUN)
    assert {one["name"]: one["value"] for one in silence["matchers"]} == TIER
    left = datetime.fromisoformat(silence["endsAt"]) - datetime.now(UTC)
    assert timedelta(minutes=29) < left <= timedelta(minutes=30), "what a killed run leaves ends by itself"

    assert watcher.run(state="absent", check=True)["changed"]
    assert watcher.silences() != []
    assert (watcher.run(state="absent")["changed"], watcher.run(state="absent")["changed"]) == (True, False)
    assert watcher.silences() == []


def test_alerts_of_the_tier_are_held_and_others_are_told(watcher: Watcher) -> None:
    watcher.ask("alerts", [{"labels": {"alertname": "host-down", **TIER, "tier": tier}} for tier in ("web", "app")])
    watcher.run()

    def states() -> dict[str, str]:
        return {one["labels"]["tier"]: one["status"]["state"] for one in watcher.ask("alerts")}

    wait_until(lambda: states() == {"web": "suppressed", "app": "active"}, seconds=20)
    watcher.run(state="absent")
    wait_until(lambda: states() == {"web": "active", "app": "active"}, seconds=20)


def test_one_that_soon_ends_gets_all_of_its_time_again(watcher: Watcher) -> None:
    short = watcher.run(minutes=10)
    longer = watcher.run(minutes=60)

    (silence,) = watcher.silences()
    assert longer["changed"]
    assert silence["id"] == longer["silence"]["id"]
    assert short["silence"]["ends_at"] < longer["silence"]["ends_at"]


def test_another_run_s_silence_is_left_alone(watcher: Watcher) -> None:
    watcher.run(comment="another run")
    watcher.run()

    assert watcher.run(state="absent")["changed"]
    assert [one["comment"] for one in watcher.silences()] == ["another run"]


def test_what_killed_runs_have_left_ends_too_if_that_is_asked_for(watcher: Watcher) -> None:
    for comment in ("run 20260101T000000Z-0a0a0a", "somebody's own", RUN):
        watcher.run(comment=comment)
    watcher.run(comment="run 20260101T000000Z-0b0b0b", matchers={**TIER, "tier": "app"})

    assert watcher.run(state="absent", and_those="run ", check=True)["changed"]
    assert len(watcher.silences()) == 4
    assert watcher.run(state="absent", and_those="run ")["changed"]
    assert sorted(one["comment"] for one in watcher.silences()) == ["run 20260101T000000Z-0b0b0b", "somebody's own"]
    assert not watcher.run(state="absent", and_those="run ")["changed"]

    for wrong in (watcher.run(state="absent", and_those=""), watcher.run(and_those="run ")):
        assert wrong["msg"].startswith("and_those is given without state=absent, or is empty")
    assert len(watcher.silences()) == 2


# --- as runs do it ---


def play(watcher: Watcher, folder: Path, state: str, hosts: tuple[str, ...] = ("i-1",)) -> subprocess.CompletedProcess[str]:
    """A play over a stack, whose inventory has the monitoring host, or has none."""
    folder.joinpath("hosts.yml").write_text(
        json.dumps(
            {
                "stacks": {"hosts": {"staging-us-east-1": {"ansible_connection": "local", "environment_name": "staging"}}},
                "role_monitoring": {"hosts": {host: {"ansible_connection": "local", "ansible_become": False} for host in hosts}},
            }
        )
    )
    said = {
        "alertmanager_silence_tier": "web",
        "alertmanager_silence_state": state,
        "alertmanager_silence_password_file": str(watcher.password_file),
        "alertmanager_port": int(watcher.url.rpartition(":")[2]),
    }
    tasks = [
        {"ansible.builtin.set_fact": {"__run_id": "20260102T030405Z-1a2b3c", "__run_who": "somebody", "cacheable": True}},
        {"ansible.builtin.include_role": {"name": "indivillage.infra.alertmanager", "tasks_from": "silence"}, "vars": said},
    ]
    folder.joinpath("play.yml").write_text(json.dumps([{"hosts": "stacks", "gather_facts": False, "tasks": tasks}]))
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(folder / "hosts.yml"), str(folder / "play.yml")]
    return subprocess.run(command, cwd=ROOT, env=surroundings("", folder), capture_output=True, text=True, check=False)


def test_a_run_sets_its_silence_on_the_monitoring_host_and_ends_it(watcher: Watcher, tmp_path: Path) -> None:
    done = play(watcher, tmp_path, "present")

    assert done.returncode == 0, done.stdout + done.stderr
    (silence,) = watcher.silences()
    assert (silence["comment"], silence["createdBy"]) == (RUN, "somebody")
    assert {one["name"]: one["value"] for one in silence["matchers"]} == TIER
    assert "changed=0" in play(watcher, tmp_path, "present").stdout

    watcher.run(comment="run 20260101T000000Z-0a0a0a")  # of a run that was killed
    assert play(watcher, tmp_path, "absent").returncode == 0
    assert watcher.silences() == []


def test_a_run_goes_on_where_there_is_no_monitoring_host_or_it_does_not_answer(watcher: Watcher, tmp_path: Path) -> None:
    without = play(watcher, tmp_path, "present", hosts=())
    assert without.returncode == 0, without.stdout + without.stderr
    assert watcher.silences() == []
    lost = play(Watcher(f"https://127.0.0.1:{free_port()}", watcher.password_file), tmp_path, "present")
    assert lost.returncode == 0, lost.stdout + lost.stderr
    assert "Alerts of the web tier are told as ever: Alertmanager at https://localhost" in lost.stdout


Change = Callable[[Watcher, Path], dict[str, Any]]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda _watcher, folder: {"password_file": str(folder / "nothing")}, "password_file cannot be read"),
        (lambda _watcher, folder: {"password_file": write(folder / "password", "wrong").as_posix()}, "with 401"),
        (lambda _watcher, _folder: {"url": f"https://127.0.0.1:{free_port()}"}, "cannot be reached"),
        (lambda _watcher, _folder: {"validate_certs": True}, "cannot be reached"),
        (lambda _watcher, _folder: {"matchers": {}}, "would silence everything"),
        (lambda _watcher, _folder: {"matchers": {"tier": ""}}, "would silence everything"),
    ],
)
def test_what_cannot_be_done_is_told(watcher: Watcher, tmp_path: Path, change: Change, words: str) -> None:
    result = watcher.run(**change(watcher, tmp_path))

    assert result["failed"]
    assert words in result["msg"]
    assert PASSWORD not in json.dumps(result)
    assert watcher.silences() == []

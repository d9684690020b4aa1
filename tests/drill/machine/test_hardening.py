# SPDX-License-Identifier: GPL-3.0-or-later
"""What the hardening of a host comes to on a kernel of its own, before and after a reboot: `make drill-machine`.

Settings of the kernel, blocked modules, the audit trail, AppArmor and mounts: a container has its machine's. The tests run in this order.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts.pages.controls import control_data, host_variables
from tests.drill.machine.machine import Machine, machine
from tests.e2e.driver import BIN, ROOT, recap

ROLE = ROOT / "roles/hardening"
DEFAULTS: dict[str, Any] = yaml.safe_load((ROLE / "defaults/main.yml").read_text())
SETTINGS = {key: value for name, values in host_variables().items() if name.endswith("_settings") for key, value in values.items()}
PACKAGES = [package for control in control_data() for package in control.get("packages", [])]
PACKAGES += yaml.safe_load((ROOT / "roles/base/defaults/main.yml").read_text())["base_packages"]


@pytest.fixture(scope="module", params=["13", "12"])
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine of each release that is supported."""
    with machine(request.param, PACKAGES, tmp_path_factory.mktemp("machine")) as made:
        print(f"\nDebian {made.must('cat /etc/debian_version')}, Linux {made.must('uname -r')}")
        yield made


def harden(host: Machine, *options: str, **variables: Any) -> subprocess.CompletedProcess[str]:
    """Apply the roles base and hardening, as site.yml does."""
    playbook, inventory = host.folder / "harden.yml", host.folder / "hosts.yml"
    roles = ["indivillage.infra.base", "indivillage.infra.hardening"]
    playbook.write_text(json.dumps([{"hosts": "all", "become": True, "gather_facts": False, "roles": roles}]))
    settings = {
        "ansible_host": "127.0.0.1",
        "ansible_port": host.port,
        "ansible_user": "admin",
        "ansible_ssh_private_key_file": str(host.key),
        "ansible_ssh_common_args": f"-o UserKnownHostsFile={host.folder / 'known_hosts'}",
        "hardening_debian_release": int(host.must("cut -d. -f1 /etc/debian_version")),
    }
    inventory.write_text(json.dumps({"all": {"hosts": {"machine": settings | variables}}}))
    environment = os.environ | {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "AWS_EC2_METADATA_DISABLED": "true"}
    command = [str(BIN / "ansible-playbook"), "-i", str(inventory), str(playbook), "--diff", *options]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def changed(done: subprocess.CompletedProcess[str]) -> int:
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
    return recap(done.stdout)["machine"]["changed"]


def changes_nothing(done: subprocess.CompletedProcess[str]) -> bool:
    """Whether it changed nothing; else what it did is shown."""
    if changed(done):
        print(done.stdout)
    return changed(done) == 0


def states(host: Machine) -> dict[str, str]:
    """Control -> what the host's report says of it."""
    report = json.loads(host.must(f"cat {DEFAULTS['hardening_report']}"))
    return {control["id"]: control["state"] for control in report["controls"]}


def test_every_control_is_met_and_none_is_unshown(host: Machine) -> None:
    assert changed(harden(host)) > 0
    assert {control: state for control, state in states(host).items() if state != "met"} == {}


def test_a_plan_is_empty_and_a_second_run_changes_nothing(host: Machine) -> None:
    assert changes_nothing(harden(host, "--check"))
    assert changes_nothing(harden(host))


def test_it_comes_back_from_a_reboot_as_it_was(host: Machine) -> None:
    before = host.must("cat /proc/sys/kernel/random/boot_id")
    print(f"reboot: {host.reboot():.0f} s")
    assert host.must("cat /proc/sys/kernel/random/boot_id") != before
    assert host.must("systemctl --failed --no-legend") == ""
    assert {"apparmor=1", "audit=1"} <= set(host.must("cat /proc/cmdline").split())
    assert "policy drop" in host.must("nft list table inet hardening")
    assert changes_nothing(harden(host))
    assert {control: state for control, state in states(host).items() if state != "met"} == {}


def test_the_kernel_has_every_setting(host: Machine) -> None:
    wanted = {key.lstrip("-"): str(value) for key, value in SETTINGS.items()}
    found = {key: " ".join(host.run(f"sysctl -n {key}").stdout.split()) for key in wanted}
    optional = {key.lstrip("-") for key in SETTINGS if key.startswith("-")}
    wrong = {key: value for key, value in found.items() if value != wanted[key] and not (key in optional and value == "")}
    assert wrong == {}


@pytest.mark.parametrize("module", DEFAULTS["hardening_blocked_modules"])
def test_a_blocked_module_cannot_be_loaded(host: Machine, module: str) -> None:
    assert host.run(f"modprobe {module}").returncode != 0
    assert module.replace("-", "_") not in host.must("cut -d' ' -f1 /proc/modules").split()


def test_what_is_recorded_is_recorded_and_cannot_be_taken_back(host: Machine) -> None:
    status = dict(line.split(" ", 1) for line in host.must("auditctl -s").splitlines() if " " in line)
    assert (status["enabled"], status["lost"]) == ("2", "0")
    host.must("touch /etc/sudoers && sync")
    assert "/etc/sudoers" in host.must("ausearch --input-logs --key actions --interpret")
    assert "privileged" in host.must("auditctl -l")
    host.run("auditctl -D")
    assert "privileged" in host.must("auditctl -l")


def test_a_changed_rule_of_the_audit_trail_waits_for_the_next_boot(host: Machine) -> None:
    commands = [*DEFAULTS["hardening_privileged_commands"], "/usr/bin/kmod"]
    assert changed(harden(host, hardening_privileged_commands=commands)) > 0
    recorded = re.compile(r"path=/usr/bin/kmod .*key=privileged")
    assert not recorded.search(host.must("auditctl -l"))
    assert changes_nothing(harden(host, hardening_privileged_commands=commands))
    host.reboot()
    assert recorded.search(host.must("auditctl -l"))


def test_apparmor_confines(host: Machine) -> None:
    assert host.must("cat /sys/module/apparmor/parameters/enabled") == "Y"
    assert int(host.must("aa-status --enforced")) > 0


@pytest.mark.parametrize("place", ["/tmp", "/dev/shm"])
def test_nothing_runs_from_what_everybody_may_write(host: Machine, place: str) -> None:
    assert {"nosuid", "nodev", "noexec"} <= set(host.must(f"findmnt --noheadings --output OPTIONS {place}").split(","))
    host.must(f"cp /usr/bin/true {place}/program")
    assert host.run(f"{place}/program").returncode != 0


def test_programs_that_ran_are_accounted(host: Machine) -> None:
    host.must("/usr/bin/true")
    assert Path("/var/log/account/pacct").name in host.must("ls /var/log/account")
    assert "true" in host.must("lastcomm --file /var/log/account/pacct | cut -d' ' -f1 | sort -u")

# SPDX-License-Identifier: GPL-3.0-or-later
"""A bastion forwards what a jump needs and refuses everything else; tried with a real key from the host to itself."""

from __future__ import annotations

import pytest
import testinfra
from testinfra.host import Host

SSH = "ssh -i /run/key -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o ConnectTimeout=5 admin@127.0.0.1"


@pytest.fixture(scope="module")
def host() -> Host:
    bastion = testinfra.get_host("podman://molecule-bastion")
    bastion.check_output("ssh-keygen -q -t ed25519 -N '' -f /run/key && install -d -m 700 -o admin /home/admin/.ssh")
    bastion.check_output("install -m 600 -o admin /run/key.pub /home/admin/.ssh/authorized_keys")
    return bastion


def test_no_unit_failed(host: Host) -> None:
    assert host.check_output("systemctl is-system-running") == "running"
    assert host.service("ssh").is_running
    assert host.service("ssh").is_enabled


def test_the_login_user_logs_in_and_may_administer(host: Host) -> None:
    assert host.check_output(f"{SSH} sudo id -un") == "root"


def test_a_jump_to_ssh_works(host: Host) -> None:
    """What ProxyJump does: a forward of standard input and output to another host's port 22."""
    jump = host.run(f"timeout 5 {SSH} -W 127.0.0.1:22 </dev/null")
    assert jump.stdout.startswith("SSH-2.0-"), jump


def test_a_login_through_the_bastion_works(host: Host) -> None:
    through = "-o ProxyCommand='" + SSH.replace(" admin@", " -W %h:%p admin@") + "'"
    assert host.check_output(SSH.replace(" admin@", f" {through} admin@") + " sudo id -un 2>/dev/null") == "root"


def test_a_forward_to_another_port_is_refused(host: Host) -> None:
    jump = host.run(f"timeout 5 {SSH} -W 127.0.0.1:80 </dev/null")
    assert "administratively prohibited" in jump.stderr, jump


def test_a_forward_to_the_database_is_open(host: Host) -> None:
    jump = host.run(f"timeout 5 {SSH} -W 127.0.0.1:5432 </dev/null")
    assert "Connection refused" in jump.stderr, jump  # sshd tried; nothing listens here


def test_a_remote_forward_is_refused(host: Host) -> None:
    attempt = host.run(f"timeout 5 {SSH} -o ExitOnForwardFailure=yes -R 9999:127.0.0.1:22 true")
    assert attempt.rc != 0
    assert "remote port forwarding failed" in attempt.stderr


def test_no_agent_is_lent_to_the_bastion(host: Host) -> None:
    seen = host.check_output(f"eval $(ssh-agent) >/dev/null; {SSH} -A 'echo agent=$SSH_AUTH_SOCK'; ssh-agent -k >/dev/null")
    assert seen == "agent="


def test_nothing_else_is_forwarded(host: Host) -> None:
    settings = host.check_output("sshd -T").splitlines()
    for setting in ("x11forwarding no", "permittunnel no", "allowtcpforwarding local"):
        assert setting in settings, setting


def test_a_session_is_limited(host: Host) -> None:
    assert host.check_output(f"{SSH} 'ulimit -Hu'") == "512"

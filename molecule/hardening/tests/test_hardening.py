# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that was hardened, on each Debian release: it is closed, it still works, and it takes back what locks everybody out."""

from __future__ import annotations

import json
import re

import pytest
import testinfra
from testinfra.host import Host

SSH = "ssh -i /home/admin/.ssh/key -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o BatchMode=yes"

UNITS = [
    *("acct.service", "apparmor.service", "auditd.service", "chrony.service", "nftables.service", "ssh.service", "sysstat.service"),
    *("aidecheck.timer", "sysstat-collect.timer"),
]
MODES = {
    "/etc/cron.daily": 0o700,
    "/etc/shadow": 0o640,
    "/etc/ssh/sshd_config": 0o600,
    "/etc/sudoers.d/60-hardening": 0o440,
    "/var/log/dpkg.log": 0o640,
}


@pytest.fixture(scope="module", params=["molecule-hardening-13", "molecule-hardening-12"])
def host(request: pytest.FixtureRequest) -> Host:
    host = testinfra.get_host(f"podman://{request.param}")
    host.check_output(
        'su admin -c \'mkdir -p -m 700 ~/.ssh; test -e ~/.ssh/key || ssh-keygen -q -t ed25519 -N "" -f ~/.ssh/key; '
        "cp ~/.ssh/key.pub ~/.ssh/authorized_keys'"
    )
    return host


def settings_of_ssh(host: Host) -> dict[str, str]:
    return dict(line.split(" ", 1) for line in host.check_output("sshd -T").splitlines() if " " in line)


def test_no_unit_failed(host: Host) -> None:
    assert host.check_output("systemctl --failed --no-legend") == ""


@pytest.mark.parametrize("unit", UNITS)
def test_what_must_run_is_enabled(host: Host, unit: str) -> None:
    assert host.check_output(f"systemctl is-enabled {unit}") == "enabled"


@pytest.mark.parametrize("package", ["telnet", "rsync", "ufw", "systemd-timesyncd", "rpcbind"])
def test_what_nobody_needs_is_not_there(host: Host, package: str) -> None:
    assert not host.package(package).is_installed


@pytest.mark.parametrize(("unit", "exposure"), [("aidecheck.service", 20), ("hardening-take-back.service", 25)])
def test_its_own_units_are_sandboxed(host: Host, unit: str, exposure: int) -> None:
    """Tenths, of 10; or systemd-analyze fails."""
    host.check_output(f"systemd-analyze security --no-pager --threshold={exposure} {unit}")


def test_files_are_compared_with_the_database(host: Host) -> None:
    host.check_output("systemctl start aidecheck.service")  # makes it
    host.check_output("touch /etc/changed-behind-its-back")
    assert host.run("systemctl start aidecheck.service").rc != 0
    assert "/etc/changed-behind-its-back" in host.check_output("journalctl --unit aidecheck.service --output cat")
    host.check_output("rm /etc/changed-behind-its-back && systemctl reset-failed aidecheck.service")


def test_ssh_takes_keys_of_the_named_group_only(host: Host) -> None:
    settings = settings_of_ssh(host)
    for name, value in {
        "allowgroups": "admin",
        "authenticationmethods": "publickey",
        "disableforwarding": "yes",
        "kbdinteractiveauthentication": "no",
        "maxauthtries": "3",
        "passwordauthentication": "no",
        "permitrootlogin": "no",
        "requiredrsasize": "3072",
    }.items():
        assert settings[name] == value, name
    assert not re.search("sha1|nistp|chacha|umac|arcfour|cbc", " ".join(settings[name] for name in ("kexalgorithms", "ciphers", "macs")))


def test_no_password_is_asked_for(host: Host) -> None:
    attempt = host.run("ssh -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o BatchMode=yes admin@127.0.0.1 true")
    assert attempt.rc != 0
    assert "(publickey)" in attempt.stderr


def test_who_has_a_key_logs_in_copies_files_and_becomes_root(host: Host) -> None:
    assert host.check_output(f"{SSH} admin@127.0.0.1 sudo -n id -un 2>/dev/null") == "root"
    host.check_output(f"echo put /etc/hostname by-sftp | {SSH.replace('ssh ', 'sftp ', 1)} -b - admin@127.0.0.1 2>/dev/null")
    assert host.file("/home/admin/by-sftp").exists
    assert "id -un" in host.file("/var/log/sudo.log").content_string


def test_ten_log_in_at_once(host: Host) -> None:
    assert host.check_output(f"for i in $(seq 10); do {SSH} admin@127.0.0.1 echo in 2>/dev/null & done; wait").split() == ["in"] * 10


def test_nothing_is_forwarded(host: Host) -> None:
    attempt = host.run(f"{SSH} -o ExitOnForwardFailure=yes -W 127.0.0.1:22 admin@127.0.0.1 < /dev/null")
    assert attempt.rc != 0
    assert "prohibited" in attempt.stderr


def test_the_firewall_lets_in_what_the_tier_serves(host: Host) -> None:
    rules = host.check_output("nft list table inet hardening")
    assert "policy drop" in rules
    assert "tcp dport 443 ip saddr 10.0.0.0/8 accept" in rules
    assert "8443" not in rules
    assert re.search(r'169\.254\.169\.254 tcp dport 80 meta skuid != ("root"|0) reject', rules)


@pytest.fixture
def neighbour(host: Host) -> Host:
    """The other host of this scenario."""
    return testinfra.get_host(f"podman://molecule-hardening-{'12' if host.backend.get_pytest_id().endswith('13') else '13'}")


def test_each_port_of_the_table_answers_and_no_other(host: Host, neighbour: Host) -> None:
    address = host.interface("eth0").addresses[0]
    for port in (443, 8443):
        unit = f"probe-{port}.service"
        host.check_output(f"systemctl is-active --quiet {unit} || systemd-run --quiet --unit {unit} python3 -m http.server {port}")
        host.check_output(f"timeout 10 sh -c 'until ss -tln | grep -q :{port}; do sleep 0.1; done'")
    reached = {port: neighbour.run(f"timeout 3 bash -c '</dev/tcp/{address}/{port}'").rc == 0 for port in (22, 443, 8443, 9100)}
    assert reached == {22: True, 443: True, 8443: False, 9100: False}


def test_packages_still_install(host: Host) -> None:
    """As administrators and Ansible install them: over ssh, by sudo, with temporary folders of their own."""
    install = "sudo -n apt-get --quiet --quiet --yes install --no-install-recommends file"
    host.check_output(f"{SSH} admin@127.0.0.1 {install} >/dev/null 2>&1")
    assert host.check_output("file --brief /etc/hostname").startswith("ASCII")


def test_security_updates_install_themselves_and_nothing_unsigned_does(host: Host) -> None:
    """As far as it is declared: the sandbox's image turns apt's timers off."""
    allowed = host.check_output("unattended-upgrade --dry-run --debug 2>&1 | grep '^Allowed origins are'")
    assert re.fullmatch(r"Allowed origins are: origin=Debian,codename=\w+-security,label=Debian-Security", allowed)
    settings = host.check_output("apt-config dump").splitlines()
    for setting in ('APT::Get::AllowUnauthenticated "false";', 'APT::Periodic::Unattended-Upgrade "1";'):
        assert setting in settings, setting


def test_a_session_has_its_own_temporary_folder(host: Host) -> None:
    folder, mode = host.check_output(f"{SSH} admin@127.0.0.1 'echo $TMPDIR; stat --format %a $TMPDIR' 2>/dev/null").splitlines()
    assert folder.endswith(f"/user/{host.user('admin').uid}")
    assert mode == "700"


def test_the_load_is_recorded_and_not_for_everybody(host: Host) -> None:
    host.check_output("systemctl start sysstat-collect.service")
    record = host.file(host.check_output("ls /var/log/sysstat/sa[0-9]*").split()[-1])
    assert record.size > 0
    assert record.mode == 0o640


def test_who_fails_too_often_is_locked_out_for_a_while(host: Host) -> None:
    host.check_output("apt-get --quiet --quiet --yes install --no-install-recommends pamtester >/dev/null 2>&1")
    host.check_output("id guest >/dev/null 2>&1 || useradd --create-home guest; faillock --user guest --reset")
    # A hash that is quick to compare: the one of a new password takes seconds and a gibibyte, six times.
    host.check_output('usermod --password "$(openssl passwd -6 Some-42-Long-Words)" guest')
    right, wrong = (f"echo '{word}' | pamtester other guest authenticate" for word in ("Some-42-Long-Words", "wrong"))
    assert host.run(right).rc == 0
    assert [host.run(wrong).rc == 0 for _attempt in range(3)] == [False] * 3
    assert host.run(right).rc != 0


def test_files_of_a_session_are_not_for_others(host: Host) -> None:
    """What the group may is its own matter: each account's group is its own."""
    assert host.check_output(f"{SSH} admin@127.0.0.1 'umask' 2>/dev/null").endswith("7")
    assert host.check_output("su - admin -c umask").endswith("7")


def test_weak_passwords_are_refused(host: Host) -> None:
    host.check_output("id guest >/dev/null 2>&1 || useradd --create-home guest")
    refused = host.run("echo guest:short1A- | chpasswd")
    assert refused.rc != 0
    assert "BAD PASSWORD" in refused.stdout + refused.stderr


@pytest.mark.parametrize(("path", "mode"), list(MODES.items()))
def test_modes(host: Host, path: str, mode: int) -> None:
    assert host.file(path).mode & ~mode == 0


def test_kernel_settings_wait_in_the_files_of_a_container(host: Host) -> None:
    text = host.check_output("systemd-analyze cat-config sysctl.d")
    for setting in ("kernel.kptr_restrict = 2", "net.ipv4.conf.all.rp_filter = 1", "kernel.kexec_load_disabled = 1"):
        assert text.count(setting) == 1, setting


def test_the_report_tells_each_control(host: Host) -> None:
    report = json.loads(host.file("/var/lib/indivillage/hardening.json").content_string)
    states = {control["id"]: control["state"] for control in report["controls"]}
    assert (states["CIS 5.1.4"], states["CIS 1.5"], states["IV 2.1"]) == ("met", "unshown", "excepted")
    assert [exception["control"] for exception in report["exceptions"]] == ["IV 2.1"]


def test_what_lets_nobody_in_is_taken_back(host: Host) -> None:
    """The last test: the host is open afterwards."""
    host.check_output("systemctl start hardening-take-back.service")
    assert host.file("/etc/ssh/sshd_config.refused").exists
    assert "AllowGroups" not in host.file("/etc/ssh/sshd_config").content_string
    assert host.run("nft list table inet hardening").rc != 0
    assert host.service("ssh").is_running

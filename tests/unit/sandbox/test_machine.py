# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings, podman options, requirements of the machine, processes, status: what stands between the pure parts and the machine."""

import os
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import worlds

from sandbox import cli, engine, host, lifecycle, processes, settings, status
from sandbox.model import Container, ContainerSpec
from sandbox.plan import instance_spec
from sandbox.settings import Settings

WITHOUT_SYS_RESOURCE = "CapEff:\t000001fffeffffff\n"
WITH_ALL = "Name: x\nCapEff:\t000001ffffffffff\n"


@pytest.fixture
def chosen(tmp_path: Path) -> Settings:
    return Settings(tmp_path / "state", 4566, 8443)


# --- settings


@pytest.fixture
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    for name in ("SANDBOX_EMULATOR_PORT", "SANDBOX_PAGE_PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SANDBOX_STATE_DIR", str(tmp_path))
    return monkeypatch


def test_settings_are_remembered_and_the_environment_wins(clean_environment: pytest.MonkeyPatch) -> None:
    assert settings.load().endpoint == "http://127.0.0.1:4566"
    clean_environment.setenv("SANDBOX_EMULATOR_PORT", "5000")
    settings.load().save()
    clean_environment.delenv("SANDBOX_EMULATOR_PORT")
    assert settings.load().endpoint == "http://127.0.0.1:5000"
    clean_environment.setenv("SANDBOX_EMULATOR_PORT", "6000")
    assert settings.load().endpoint == "http://127.0.0.1:6000"


@pytest.mark.parametrize("value", ["web", "0", "65536", "-1"])
def test_a_port_that_is_none_is_refused_by_name(
    clean_environment: pytest.MonkeyPatch, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    clean_environment.setenv("SANDBOX_PAGE_PORT", value)
    assert cli.main(["url"]) == 1
    assert capsys.readouterr().err.startswith(f"sandbox: SANDBOX_PAGE_PORT='{value}' is not a port number")


@pytest.mark.parametrize(("command", "text"), [("url", "https://localhost:8443/"), ("endpoint", "http://127.0.0.1:4566")])
@pytest.mark.usefixtures("clean_environment")
def test_commands_for_scripts_print_one_line(command: str, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([command]) == 0
    assert capsys.readouterr().out == f"{text}\n"


def test_bridge_names_fit_linux() -> None:
    assert settings.bridge_name(worlds.VPC.id) == "iv01234567"
    assert len(settings.bridge_name(settings.INTERNET_ID)) <= 15


# --- podman


def test_limits_are_named_only_where_they_cannot_be_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox.engine.resource.getrlimit", lambda _number: (10, 20000))
    assert engine.limit_options(WITH_ALL, 32768) == ()
    assert engine.limit_options(WITHOUT_SYS_RESOURCE, 32768) == ("--ulimit=nofile=20000:20000", "--ulimit=nproc=20000:20000")
    assert engine.limit_options(WITHOUT_SYS_RESOURCE, 500)[1] == "--ulimit=nproc=500:500"


def test_unlimited_processes_are_as_many_as_the_kernel_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox.engine.resource.getrlimit", lambda _number: (-1, -1))
    assert engine.limit_options(WITHOUT_SYS_RESOURCE, 32768)[1] == "--ulimit=nproc=32768:32768"


def test_a_spec_becomes_options() -> None:
    spec = ContainerSpec(
        "indivillage-lb",
        "load_balancer",
        "image",
        "vpc-1",
        "10.10.0.250",
        "lb",
        aliases=("a", "b"),
        environment={"K": "v"},
        published=((8443, 443),),
    )
    assert engine.create_options(spec) == [
        *("--name", "indivillage-lb", "--hostname", "lb", "--network", "indivillage-vpc-1", "--ip", "10.10.0.250"),
        *("--label", "indivillage.sandbox=load_balancer", "--label", "indivillage.vpc=vpc-1", "--label", "indivillage.digest="),
        *("--network-alias", "a", "--network-alias", "b", "--env", "K=v"),
        *("--dns-option=timeout:1", "--dns-option=attempts:3", "--publish", "127.0.0.1:8443:443"),
    ]


# --- this machine


def test_missing_programs_are_one_line_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "HELPER_DIRECTORIES", ())
    monkeypatch.setattr("sandbox.host.shutil.which", lambda name: None if name in {"nft", "crun", "runc"} else f"/usr/bin/{name}")
    with pytest.raises(host.HostError, match=r"sudo apt-get install --yes aardvark-dns netavark nftables runc$"):
        host.check_commands()


def test_somebody_who_is_not_root_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch, chosen: Settings) -> None:
    monkeypatch.setattr("sandbox.host.os.geteuid", lambda: 1000)
    with pytest.raises(host.HostError, match=r"needs root.*sudo"):
        lifecycle.up(chosen)
    assert not chosen.state_dir.exists()


def test_a_taken_port_is_refused_with_its_variable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(host.HostError, match=f"port {port} of 127.0.0.1 is taken.*set SANDBOX_PAGE_PORT"):
            host.check_port(port, "SANDBOX_PAGE_PORT")
    host.check_port(port, "SANDBOX_PAGE_PORT")


@pytest.fixture
def unweighed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Newer cgroups, which are fair by themselves."""
    monkeypatch.setattr(host, "CONTAINERS_WEIGHT", tmp_path / "unified/containers/cpu.shares")


@pytest.fixture
def weight(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The weight of all containers on a machine with cgroups of version 1 and without systemd, before the first container."""
    group = tmp_path / "cpu"
    group.mkdir()
    (group / "cpu.shares").write_text("1024")
    monkeypatch.setattr(host, "CONTAINERS_WEIGHT", group / "containers/cpu.shares")
    monkeypatch.setattr(host, "SYSTEMD", tmp_path / "none")
    return group / "containers/cpu.shares"


def test_containers_get_their_share_of_a_busy_machine(weight: Path) -> None:
    assert host._minimums()[str(weight)] == 16384
    assert weight.parent.is_dir()


@pytest.mark.parametrize("absent", ["CONTAINERS_WEIGHT", "SYSTEMD"])
def test_where_systemd_or_newer_cgroups_share_fairly_nothing_is_weighed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, weight: Path, absent: str
) -> None:
    monkeypatch.setattr(host, absent, {"SYSTEMD": tmp_path, "CONTAINERS_WEIGHT": tmp_path / "unified/containers/cpu.shares"}[absent])
    assert host._minimums() == host.KERNEL_MINIMUMS
    assert not weight.parent.exists()


@pytest.mark.usefixtures("unweighed")
def test_kernel_settings_are_raised_and_put_back(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, chosen: Settings) -> None:
    values = {
        "fs/inotify/max_user_instances": "128\n",
        "net/ipv4/conf/all/arp_notify": "0\n",
        "net/bridge/bridge-nf-call-iptables": "0\n",
    }
    for name, value in values.items():
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(value)
    monkeypatch.setattr(host, "_sysctl", lambda name: tmp_path / name)
    chosen.save()
    for _ in range(2):  # the second time must not take the raised values for the original ones
        host.prepare_kernel(chosen)
        assert [(tmp_path / name).read_text() for name in values] == ["2048", "1", "1"]
    host.restore_kernel(chosen)
    assert [(tmp_path / name).read_text() for name in values] == ["128", "0", "0"]


@pytest.mark.usefixtures("unweighed")
def test_kernel_settings_that_suffice_are_left_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, chosen: Settings) -> None:
    values = {"fs/inotify/max_user_instances": "8192", "net/ipv4/conf/all/arp_notify": "1", "net/bridge/bridge-nf-call-iptables": "1"}
    for name, value in values.items():
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(value)
    monkeypatch.setattr(host, "_sysctl", lambda name: tmp_path / name)
    chosen.save()
    host.prepare_kernel(chosen)
    host.restore_kernel(chosen)
    assert {name: (tmp_path / name).read_text() for name in values} == values


# --- processes


def fake_module(directory: Path, chosen: Settings) -> subprocess.Popen[bytes]:
    """A process whose command line is that of the emulator of this sandbox."""
    package = directory / "sandbox"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "emulator.py").write_text("import time\ntime.sleep(60)\n")
    return subprocess.Popen([sys.executable, "-m", "sandbox.emulator", "--state-dir", str(chosen.state_dir)], cwd=directory)


def test_processes_are_found_and_ended_without_their_pid_file(tmp_path: Path, chosen: Settings) -> None:
    process = fake_module(tmp_path, chosen)
    until = time.monotonic() + 10
    while b"sandbox.emulator" not in Path(f"/proc/{process.pid}/cmdline").read_bytes() and time.monotonic() < until:
        time.sleep(0.02)
    other = Settings(tmp_path / "other", 1, 2)
    assert processes.other_sandbox(other) is not None
    processes.stop_all(other)
    assert process.poll() is None, "a process of another sandbox was ended"
    processes.stop_all(chosen)
    assert process.wait(5) != 0


def test_a_pid_file_of_another_process_is_not_believed(chosen: Settings) -> None:
    chosen.save()
    chosen.pid_file("emulator").write_text(f"{os.getpid()}\n")
    assert processes.running(chosen, "emulator") == 0
    assert processes.running(chosen, "reconciler") == 0


def test_real_credentials_do_not_reach_the_sandbox(monkeypatch: pytest.MonkeyPatch, chosen: Settings) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    environment = processes.environment(chosen)
    assert {key: value for key, value in environment.items() if key.startswith("AWS_")} == {"AWS_EC2_METADATA_DISABLED": "true"}


# --- status


def test_the_table_shows_what_runs_and_what_does_not() -> None:
    world = worlds.world()
    web = instance_spec(world, worlds.WEB_1)
    containers = [Container(web.name, "instance", "running", web.image, web.digest, web.vpc_id)]
    database = ContainerSpec("indivillage-db", "database", "localhost/indivillage/postgresql", worlds.VPC.id, "10.10.0.250", "db")
    lines = [line.split() for line in status.table(status.rows(world, [database], containers, {"i-web-1": "healthy"}))]
    assert lines == [
        list(status.HEADINGS),
        ["instance", "bastion", "i-bastion", "10.10.0.4", "debian", "running", "none", "-"],
        ["instance", "web-1", "i-web-1", "10.10.10.4", "debian", "running", "running", "healthy"],
        ["database", "db", "-", "10.10.0.250", "postgresql", "-", "none", "-"],
    ]


def test_status_of_a_sandbox_that_is_down(chosen: Settings) -> None:
    assert status.report(chosen) == ("the sandbox is down; `make sandbox-up` brings it up", False)


def test_status_says_plainly_that_a_dead_emulator_took_its_state_along(chosen: Settings) -> None:
    chosen.save()
    with socket.socket() as probe:  # a port that nobody listens on
        probe.bind(("127.0.0.1", 0))
        text, well = status.report(replace(chosen, emulator_port=probe.getsockname()[1]))
    assert not well
    assert "emulator    DEAD: the AWS state of this sandbox is gone" in text
    assert "`make site` builds it again" in text


def test_hosts_are_found_by_id_name_and_alias() -> None:
    web = replace(worlds.WEB_1, id="i-0123456789abcdef0", tags={"Name": "web-1", "Role": "web"})
    world = worlds.world(instances=(web,))
    assert web.alias == "web-us-east-1b-cdef0"
    assert [status.find_instance(world, host) for host in (web.id, web.name, web.alias)] == [web] * 3


def test_ambiguous_and_unknown_hosts_are_answered_with_what_there_is() -> None:
    web = replace(worlds.WEB_1, tags={"Name": "web", "Role": "web"})
    twins = worlds.world(instances=(web, replace(web, id="i-web-2")))
    there = r"there are: i-web-1 \(web-us-east-1b-web-1\), i-web-2 \(web-us-east-1b-web-2\)"
    with pytest.raises(LookupError, match=f"several instances are named web; {there}"):
        status.find_instance(twins, "web")
    with pytest.raises(LookupError, match=f"no instance is named db; {there}"):
        status.find_instance(twins, "db")

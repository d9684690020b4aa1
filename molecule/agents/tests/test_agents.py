# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts with the agents, on each Debian release: metrics over TLS and with a password, packages of a mirror, and what is refused."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
import testinfra
from testinfra.host import Host

METRICS = "https://127.0.0.1:9100/metrics"
USER = "--user prometheus:secret"
SCENARIO = Path(__file__).parents[1]


@pytest.fixture(scope="module", params=["molecule-agents-13", "molecule-agents-12"])
def host(request: pytest.FixtureRequest) -> Host:
    return testinfra.get_host(f"podman://{request.param}")


def code(host: Host, arguments: str) -> str:
    return host.run(f"curl --silent --insecure --output /dev/null --write-out '%{{http_code}}' {arguments}").stdout


def exposure(host: Host, unit: str) -> float:
    told = re.search(r"Overall exposure level for .*: ([0-9.]+)", host.check_output(f"systemd-analyze security --no-pager {unit}"))
    assert told
    return float(told.group(1))


def report(host: Host, package: str) -> dict[str, str]:
    state: dict[str, str] = json.loads(host.file(f"/var/lib/indivillage/packages/{package}.json").content_string)
    return state


def is_all(host: Host) -> bool:
    """The other host's mirror lacks the SSM agent."""
    return host.check_output("uname -n") == "molecule-agents-13"


def test_no_unit_failed(host: Host) -> None:
    assert host.check_output("systemctl --failed --no-legend") == ""


@pytest.mark.parametrize(
    "arguments", [METRICS, f"--user prometheus:wrong {METRICS}", f"--user nobody: {METRICS}", "https://127.0.0.1:9100/"]
)
def test_metrics_are_not_for_everybody(host: Host, arguments: str) -> None:
    assert code(host, arguments) == "401"


def test_metrics_do_not_go_out_in_plain_text_or_over_old_tls(host: Host) -> None:
    assert code(host, f"{USER} {METRICS.replace('https', 'http')}") == "400"
    assert code(host, f"{USER} --tls-max 1.2 {METRICS}") == "000"


def test_who_has_the_password_sees_the_machine(host: Host) -> None:
    host.check_output("echo 'example_metric 42' >/var/lib/prometheus/node-exporter/example.prom")
    told = host.check_output(f"curl --silent --insecure --fail {USER} {METRICS}")
    succeeded = dict(re.findall(r'^node_scrape_collector_success\{collector="(.+)"\} (.)$', told, re.MULTILINE))
    assert {name: value for name, value in succeeded.items() if value != "1"} == {}
    assert {"cpu", "filesystem", "meminfo", "systemd", "textfile", "timex"} <= succeeded.keys()
    assert not {"infiniband", "nfs", "zfs", "wifi"} & succeeded.keys()
    for line in (
        "node_memory_MemAvailable_bytes ",
        "example_metric 42",
        'node_systemd_unit_state{name="prometheus-node-exporter.service",state="active"',
    ):
        assert line in told


def test_the_certificate_is_the_instances_own(host: Host) -> None:
    told = host.check_output("openssl s_client -connect 127.0.0.1:9100 </dev/null 2>/dev/null | openssl x509 -noout -ext subjectAltName")
    assert host.check_output("uname -n") in told


def test_hashes_of_passwords_are_for_the_exporter_alone(host: Host) -> None:
    file = host.file("/etc/prometheus/node-exporter-web.yml")
    assert (file.user, file.group, file.mode) == ("root", "prometheus", 0o640)


@pytest.mark.parametrize(("unit", "most"), [("prometheus-node-exporter", 2.0), ("amazon-cloudwatch-agent", 3.5)])
def test_units_are_sandboxed(host: Host, unit: str, most: float) -> None:
    assert exposure(host, unit) <= most


def test_the_cloudwatch_agent_works_as_its_own_user_and_reads_the_journal(host: Host) -> None:
    process = host.check_output("systemctl show --property MainPID --value amazon-cloudwatch-agent")
    assert host.check_output(f"stat --format %U /proc/{process}") == "cwagent"
    assert json.loads(host.file("/opt/aws/amazon-cloudwatch-agent/logs/record.json").content_string)["MESSAGE"]
    configuration = json.loads(host.file("/opt/aws/amazon-cloudwatch-agent/etc/amazon-cloudwatch-agent.json").content_string)
    assert set(configuration["metrics"]["metrics_collected"]) == {"mem", "swap", "disk"}
    assert [stream["log_group_name"] for stream in configuration["logs"]["logs_collected"]["journald"]["collect_list"]] == [
        "/aws/ec2/example-web"
    ]


def test_the_ssm_agent_can_do_what_sessions_and_patches_need(host: Host) -> None:
    if is_all(host):
        assert host.service("amazon-ssm-agent").is_running
        assert host.file("/usr/local/bin/with-other-rights").mode == 0o4755
        assert exposure(host, "amazon-ssm-agent") < 9
    else:
        assert not host.package("amazon-ssm-agent").is_installed


def test_the_host_says_what_it_has_and_what_it_lacks(host: Host) -> None:
    declared = json.loads(host.file("/srv/mirror/declarations.json").content_string)
    name = "amazon-cloudwatch-agent"
    assert report(host, name) == {"package": name, "state": "installed", "version": "1.0", **declared[name]}
    name = "amazon-ssm-agent"
    assert report(host, name)["state"] == ("installed" if is_all(host) else "skipped")
    if not is_all(host):
        assert report(host, name)["reason"] == "no mirror is declared in ssm_agent_package"


def test_what_is_wrong_with_a_mirror_or_a_configuration_is_refused_and_changes_nothing() -> None:
    hosts = [testinfra.get_host(f"podman://molecule-agents-{release}") for release in (13, 12)]
    state = "dpkg-query --show 'amazon-*'; cat /var/lib/indivillage/packages/*; sha256sum /opt/aws/amazon-cloudwatch-agent/etc/*.json"
    before = [host.check_output(state) for host in hosts]
    command = ["ansible-playbook", "--inventory", os.environ["MOLECULE_INVENTORY_FILE"], str(SCENARIO / "refusals.yml")]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert [host.check_output(state) for host in hosts] == before
    assert not any(host.file("/var/cache/indivillage-packages").exists for host in hosts)


def test_a_boot_makes_a_new_key(host: Host) -> None:
    """What the first boot from a baked image does: /run is empty then."""
    before = host.file("/run/instance-certificate/prometheus/certificate.pem").sha256sum
    host.check_output("systemctl stop prometheus-node-exporter instance-certificate@prometheus && rm -rf /run/instance-certificate")
    host.check_output("systemctl start prometheus-node-exporter")
    assert host.file("/run/instance-certificate/prometheus/certificate.pem").sha256sum != before

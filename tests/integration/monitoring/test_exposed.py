# SPDX-License-Identifier: GPL-3.0-or-later
"""What rules rest on is there: real exporters expose each metric that rules may name, and Prometheus finds instances by asking EC2."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.indivillage.infra.plugins.plugin_utils.prometheus import exposed

from scripts.pages.inventory import ROOT
from tests.integration.emulator.support import RunningEmulator, base_image, make_network, start, wait_until
from tests.support.monitoring_tools import programs, run, write
from tests.support.servers import free_port

pytestmark = pytest.mark.emulator

# Of roles/node_exporter: what the rules need of its collectors.
COLLECTORS = ("cpu", "filesystem", "meminfo", "netdev", "systemd", "timex", "vmstat")
ENVIRONMENT = "staging"


@contextmanager
def running(program: str, port: int, *arguments: str, environment: dict[str, str] | None = None) -> Iterator[str]:
    """A real program on loopback: its address, once it answers."""
    command = [str(programs() / program), f"--web.listen-address=127.0.0.1:{port}", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    try:
        wait_until(lambda: process.poll() is not None or listens(port), seconds=60)
        assert process.poll() is None, f"{program} has ended"
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=30)


def listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def is_ready(address: str) -> bool:
    """Whether Prometheus answers questions, which it does some time after it listens."""
    try:
        return bool(read(f"{address}/-/ready"))
    except urllib.error.HTTPError:
        return False


def read(address: str) -> str:
    with urllib.request.urlopen(address, timeout=10) as answer:
        return str(answer.read().decode())


def test_the_node_exporter_exposes_what_rules_name() -> None:
    """But for units, which need systemd: those are looked at in Molecule's scenario monitoring."""
    wanted = exposed()["node_exporter"] - {"node_systemd_unit_state"}
    collectors = [f"--collector.{name}" for name in COLLECTORS if name != "systemd"]
    with running("prometheus-node-exporter", free_port(), "--collector.disable-defaults", *collectors) as address:
        text = read(f"{address}/metrics")
    assert sorted(name for name in wanted if not re.search(rf"^{name}[{{ ]", text, re.MULTILINE)) == []


@pytest.mark.parametrize(("service", "metric"), [("nginx", "nginx_up"), ("postgres", "pg_up"), ("redis", "redis_up")])
def test_an_exporter_says_that_its_service_does_not_answer(service: str, metric: str) -> None:
    """What they say of one that does answer is looked at in the sandbox, end to end."""
    nobody = free_port()
    arguments = [f"--nginx.scrape-uri=http://127.0.0.1:{nobody}/status"] if service == "nginx" else []
    environment = {
        "postgres": {"DATA_SOURCE_URI": f"127.0.0.1:{nobody}/postgres", "DATA_SOURCE_USER": "monitoring", "DATA_SOURCE_PASS": "none"},
        "redis": {"REDIS_ADDR": f"rediss://127.0.0.1:{nobody}", "REDIS_PASSWORD": "none"},
    }.get(service, {})
    with running(f"prometheus-{service}-exporter", free_port(), *arguments, environment=environment) as address:
        assert re.search(rf"^{metric}(\{{[^}}]*\}})? 0$", read(f"{address}/metrics"), re.MULTILINE)


class StatusPage(BaseHTTPRequestHandler):
    """What nginx says of itself."""

    def do_GET(self) -> None:
        text = b"Active connections: 1 \nserver accepts handled requests\n 1 1 1 \nReading: 0 Writing: 1 Waiting: 0 \n"
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def test_the_exporter_of_nginx_exposes_what_panels_name() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), StatusPage) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        argument = f"--nginx.scrape-uri=http://127.0.0.1:{server.server_port}/status"
        with running("prometheus-nginx-exporter", free_port(), argument) as address:
            text = read(f"{address}/metrics")
        server.shutdown()
    assert sorted(name for name in exposed()["nginx_exporter"] if not re.search(rf"^{name}(\{{[^}}]*\}})? 1$", text, re.MULTILINE)) == []


@pytest.fixture(scope="module")
def emulator() -> Iterator[RunningEmulator]:
    yield from start("--standalone")


def configuration(**options: Any) -> dict[str, Any]:
    """What the role prometheus writes, with these options."""
    loader = DataLoader()
    role = ROOT / "roles/prometheus"
    variables = loader.load_from_file(str(role / "defaults/main.yml"), trusted_as_template=True)
    variables |= loader.load_from_file(str(role / "vars/main.yml"), trusted_as_template=True)
    found: dict[str, Any] = Templar(loader, variables | options).template(variables["__prometheus_configuration"])
    return found


def test_promtool_accepts_the_whole_configuration(tmp_path: Path) -> None:
    options = {
        "prometheus_environment": ENVIRONMENT,
        "prometheus_regions": ["us-east-1", "us-west-2"],
        "prometheus_exporters": [{"name": "node", "port": 9100}, {"name": "nginx", "port": 9113, "tier": "web"}],
        "prometheus_local_exporters": [{"name": "postgres", "port": 9187}],
        "prometheus_probes": {"site": ["https://example.com/"], "api": ["https://example.com/api/health"]},
        "prometheus_remote_write": [{"url": "https://aps.example.com/api/v1/remote_write", "sigv4": {"region": "us-east-1"}}],
    }
    file = write(tmp_path / "prometheus.yml", json.loads(json.dumps(configuration(**options))))

    result = run("promtool", "check", "config", "--syntax-only", file)

    assert result.returncode == 0, result.stdout + result.stderr
    written = yaml.safe_load(file.read_text())
    jobs = {job["job_name"]: job for job in written["scrape_configs"]}
    local = {"postgres"}
    assert all(job["scheme"] == "https" and job["basic_auth"]["password_file"] for name, job in jobs.items() if name not in local)
    assert jobs["postgres"]["static_configs"] == [{"targets": ["127.0.0.1:9187"]}], "what is not encrypted never leaves the host"
    assert not any("static_configs" in jobs[name] for name in ("node", "nginx"))


def test_instances_come_and_go_as_ec2_tells(emulator: RunningEmulator, tmp_path: Path) -> None:
    options = {
        "prometheus_environment": ENVIRONMENT,
        "prometheus_regions": ["us-east-1"],
        "prometheus_aws_endpoint_url": emulator.endpoint,
        "prometheus_discovery_interval_seconds": 1,
    }
    written = json.loads(json.dumps(configuration(**options)))
    written |= {"rule_files": [], "alerting": {}}
    (written["scrape_configs"],) = ([job] for job in written["scrape_configs"] if job["job_name"] == "node")
    written["scrape_configs"][0]["basic_auth"]["password_file"] = "/dev/null"
    file = write(tmp_path / "prometheus.yml", written)
    keys = {"AWS_ACCESS_KEY_ID": "sandbox", "AWS_SECRET_ACCESS_KEY": "sandbox", "AWS_EC2_METADATA_DISABLED": "true"}
    with running(
        *("prometheus", free_port(), f"--config.file={file}", f"--storage.tsdb.path={tmp_path}/metrics"), environment=keys
    ) as address:

        def targets() -> dict[str, dict[str, str]]:
            found = json.loads(read(f"{address}/api/v1/targets?state=active"))["data"]["activeTargets"]
            return {target["scrapeUrl"]: target["labels"] for target in found}

        wait_until(lambda: is_ready(address), seconds=60)
        assert targets() == {}
        ours, _foreign, _builder = launch(emulator, ENVIRONMENT), launch(emulator, "production"), launch(emulator, ENVIRONMENT, "builder")
        began = time.monotonic()
        (found,) = wait_until(lambda: targets().items(), seconds=60)
        assert time.monotonic() - began <= 60

        url, labels = found
        assert url == f"https://{ours['PrivateIpAddress']}:9100/metrics"
        assert labels == {"instance": ours["InstanceId"], "job": "node", "name": "web-1", "tier": "web", "region": "us-east-1"}
        assert '"node"' in read(f"{address}/metrics").partition("prometheus_sd_discovered_targets{")[2][:80]

        emulator.client("ec2").terminate_instances(InstanceIds=[ours["InstanceId"]])
        wait_until(lambda: targets() == {}, seconds=60)


def launch(emulator: RunningEmulator, environment: str, role: str = "web") -> dict[str, Any]:
    tags = [{"Key": key, "Value": value} for key, value in {"Environment": environment, "Name": "web-1", "Role": role}.items()]
    (instance,) = emulator.client("ec2").run_instances(
        ImageId=base_image(emulator),
        MinCount=1,
        MaxCount=1,
        SubnetId=make_network(emulator).subnet_ids[0],
        TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
    )["Instances"]
    found: dict[str, Any] = instance
    return found

# SPDX-License-Identifier: GPL-3.0-or-later
"""Real faults on a running site, and how long until somebody is told. Run on a site that serves: make site && make drill-alerts.

What was measured is written into docs/drills-alerts.md. DRILL_QUIET_MINUTES shortens the quiet time. The machine must have nothing else to
do: its processors are those of every host, and a busy one is told of.
"""

from __future__ import annotations

import datetime
import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.drill.alerts import page
from tests.drill.alerts.mounts import disk
from tests.drill.alerts.watch import PARTS, Watch, receivers, until
from tests.drill.support.load import steady_load
from tests.drill.support.running import PREFIX, running_site, serves_whole
from tests.e2e.driver import ROOT, Site, wait

QUIET_SECONDS = 60 * float(os.environ.get("DRILL_QUIET_MINUTES", "10"))
VISITORS_PER_SECOND = 5
DISCOVERY_SECONDS = 60
# Who hears of which severity: inventories/_base/group_vars/alerting.yml.
TOLD = {"critical": {"pagerduty", "slack", "mail"}, "high": {"slack", "mail"}, "medium": {"slack"}}

FOUND = page.Findings()


@pytest.fixture(scope="module")
def site() -> Site:
    return running_site()


@pytest.fixture(scope="module")
def watch(site: Site) -> Iterator[Watch]:
    """The monitoring host with receivers; what was measured is written down when the drill has ended."""
    found = Watch(site)
    found.forget()
    wait("every target to be up", lambda: set(found.targets().values()) == {"up"}, 120)
    with receivers(found):
        # What fired before there was anybody to tell, the failed messages included.
        wait("nothing to fire", lambda: not firing(found) and not found.held(), 900, every=10)
        yield found
    page.write(FOUND)


def test_nobody_is_told_of_anything_while_all_is_well(site: Site, watch: Watch) -> None:
    spent = {part: cpu_seconds(watch, part) for part in PARTS}
    began = time.time()
    with visitors(site) as load:
        time.sleep(QUIET_SECONDS)
    seconds = time.time() - began
    FOUND.footprint = {
        part: (memory_mib(site, watch.container, part), (cpu_seconds(watch, part) - spent[part]) / seconds) for part in PARTS
    }
    FOUND.exporters = exporters(watch)
    FOUND.quiet_minutes, FOUND.load = seconds / 60, str(load)
    FOUND.false_alerts = firing(watch, f"{QUIET_SECONDS:.0f}s")
    assert (FOUND.false_alerts, [message for message in watch.told() if message.at >= began and message.firing]) == ([], [])


def test_a_new_instance_is_found_within_a_minute(site: Site, watch: Watch) -> None:
    autoscaling, group = site.client("autoscaling"), f"{PREFIX}-web"
    before = {instance["InstanceId"] for instance in site.instances("web")}
    autoscaling.set_desired_capacity(AutoScalingGroupName=group, DesiredCapacity=len(before) + 1)
    try:
        wait("the instance to run", lambda: len(site.instances("web")) > len(before), 60)
        began = time.monotonic()
        (new,) = {instance["InstanceId"] for instance in site.instances("web")} - before
        wait("Prometheus to find it", lambda: ("node", new) in watch.targets(), DISCOVERY_SECONDS * 2)
        FOUND.discovery_seconds = time.monotonic() - began
        wait("it to tell its metrics", lambda: watch.targets().get(("node", new)) == "up", 120)
        FOUND.metrics_seconds = time.monotonic() - began
    finally:
        autoscaling.set_desired_capacity(AutoScalingGroupName=group, DesiredCapacity=len(before))
    wait("the instance that is one too many to go", lambda: len(site.instances("web")) == len(before), 120)
    assert FOUND.discovery_seconds <= DISCOVERY_SECONDS


def test_a_run_that_takes_hosts_out_of_service_is_silent_about_its_tier_and_nothing_stays_behind(site: Site, watch: Watch) -> None:
    before = {silence["id"] for silence in watch.silences()}
    inputs = {"patch_tier": "web", "patch_critical": True, "reason": "drill", "host_patching_busy": {}}

    done = site.play("playbooks/patch_hosts.yml", "-e", json.dumps(inputs))

    assert done.returncode == 0, done.stdout[-3000:]
    (silence,) = [silence for silence in watch.silences() if silence["id"] not in before]
    assert silence["comment"].startswith("run ")
    assert {one["name"]: one["value"] for one in silence["matchers"]} == {"environment": "sandbox", "tier": "web"}
    assert silence["status"]["state"] == "expired"


def test_a_slow_api_reaches_whom_it_shall(site: Site, watch: Watch) -> None:
    with ExitStack() as faults:
        for instance in site.instances("app"):
            since = enter(faults, slowed(site, f"indivillage-{instance['InstanceId']}", "indivillage-app"))
        measure(watch, "api-slow", "medium", since, 1200)  # probes come once a minute, and two of them must be slow
    assert FOUND.untold("api-slow") == []
    assert not watch.notified("api-slow", since).keys() - TOLD["medium"], "who shall sleep is not woken"


def test_faults_of_hosts_and_of_tls_reach_whom_they_shall(site: Site, watch: Watch, tmp_path: Path) -> None:
    web, app = (f"indivillage-{site.instances(tier)[0]['InstanceId']}" for tier in ("web", "app"))
    with ExitStack() as faults, visitors(site):
        faults.enter_context(nobody_is_replaced(site))
        began = {
            "application-down": ("high", enter(faults, stopped(site, app, "indivillage-app"))),
            "nginx-down": ("high", enter(faults, stopped(site, web, "nginx"))),
            "host-disk-full": ("critical", enter(faults, filled(site, app, tmp_path))),
            "page-unreachable": ("critical", enter(faults, broken_tls(site))),
        }
        for alert, (severity, since) in began.items():
            measure(watch, alert, severity, since, 480)
    wait("every part to work again", lambda: site.fetch().returncode == 0 and whole(site), 180)
    assert FOUND.untold(*began) == []


def test_a_database_that_is_gone_and_the_errors_that_come_of_it_reach_whom_they_shall(site: Site, watch: Watch) -> None:
    with ExitStack() as faults:
        since = enter(faults, stopped_database(site))
        faults.enter_context(visitors(site, "ready"))
        expected = {"database-down": "critical", "application-error-share": "high"}
        for alert, severity in expected.items():
            measure(watch, alert, severity, since, 360)
    wait("the database to answer", lambda: site.fetch("/ready", "--fail").returncode == 0, 120)
    assert FOUND.untold(*expected) == []


def firing(watch: Watch, over: str = "") -> list[str]:
    """The alerts that fire now, or have fired in a time before."""
    fired = 'ALERTS{alertstate="firing"}'
    return sorted(sample["metric"]["alertname"] for sample in watch.query(f"max_over_time({fired}[{over}])" if over else fired))


def whole(site: Site) -> bool:
    return all(serves_whole(site, tier) for tier in ("web", "app"))


def measure(watch: Watch, alert: str, severity: str, since: float, seconds: float) -> None:
    """Wait until everybody is told who shall be, and note after how many seconds."""
    until(lambda: watch.notified(alert, since).keys() >= TOLD[severity], seconds)
    told = watch.notified(alert, since)
    print(f"{severity} {alert}: {told}")
    FOUND.alerts.append(page.Alert(alert, severity, told, frozenset(TOLD[severity])))


def enter(stack: ExitStack, fault: Any) -> float:
    """Make a fault; the moment at which it was there."""
    stack.enter_context(fault)
    return time.time()


# ---- Faults --------------------------------------------------------------------------------------------------------------------------


@contextmanager
def nobody_is_replaced(site: Site) -> Iterator[None]:
    """Else Auto Scaling mends what is broken, before anybody has to be told."""
    autoscaling, groups = site.client("autoscaling"), [f"{PREFIX}-{tier}" for tier in ("web", "app")]
    for group in groups:
        autoscaling.suspend_processes(AutoScalingGroupName=group, ScalingProcesses=["ReplaceUnhealthy"])
    try:
        yield
    finally:
        for group in groups:
            autoscaling.resume_processes(AutoScalingGroupName=group, ScalingProcesses=["ReplaceUnhealthy"])


@contextmanager
def stopped(site: Site, container: str, unit: str) -> Iterator[None]:
    site.must("podman", "exec", container, "systemctl", "stop", unit)
    try:
        yield
    finally:
        site.must("podman", "exec", container, "systemctl", "start", unit)


@contextmanager
def slowed(site: Site, container: str, unit: str) -> Iterator[None]:
    """A service stands still for most of each second: nearly half of its answers take more than half a second, and none more than one."""
    pid = site.must("podman", "exec", container, "systemctl", "show", "--property=MainPID", "--value", unit).strip()
    loop = 'while pkill -STOP -P "$0" && sleep 0.9 && pkill -CONT -P "$0" && sleep 0.05; do :; done'
    goes_on = f"--property=ExecStopPost=/usr/bin/pkill -CONT -P {pid}"
    site.must("podman", "exec", container, "systemd-run", "--quiet", "--unit=drill-slow", goes_on, "sh", "-c", loop, pid)
    try:
        yield
    finally:
        site.must("podman", "exec", container, "systemctl", "stop", "drill-slow")


@contextmanager
def filled(site: Site, container: str, folder: Path) -> Iterator[None]:
    # A unit with mounts of its own hears of later ones on a host, whose systemd shares them; in a container it sees those of its beginning.
    exporter_anew = ("podman", "exec", container, "systemctl", "restart", "prometheus-node-exporter")
    try:
        with disk(container, "/srv/drill", folder):
            site.must(*exporter_anew)
            # It ends when the disk is full.
            site.run("podman", "exec", container, "dd", "if=/dev/zero", "of=/srv/drill/full", "bs=1M", "status=none")
            yield
    finally:
        site.must(*exporter_anew)  # which lets go of the disk


@contextmanager
def broken_tls(site: Site) -> Iterator[None]:
    """The public load balancer has a certificate that nobody trusts."""
    elbv2, acm, pki = site.client("elbv2"), site.client("acm"), ROOT / ".sandbox/pki"
    (balancer,) = elbv2.describe_load_balancers(Names=[f"{PREFIX}-public"])["LoadBalancers"]
    listeners = elbv2.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
    (arn,) = {one["CertificateArn"] for listener in listeners for one in listener.get("Certificates", [])}
    certificate, key = self_signed()
    acm.import_certificate(CertificateArn=arn, Certificate=certificate, PrivateKey=key)
    try:
        yield
    finally:
        files = {"Certificate": "public.pem", "PrivateKey": "public.key", "CertificateChain": "ca.pem"}
        acm.import_certificate(CertificateArn=arn, **{name: (pki / file).read_bytes() for name, file in files.items()})


def self_signed() -> tuple[bytes, bytes]:
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
    builder = builder.not_valid_before(now).not_valid_after(now + datetime.timedelta(days=30))
    text = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return text, key.private_bytes(*form)


@contextmanager
def stopped_database(site: Site) -> Iterator[None]:
    """PostgreSQL has ended, and what would start it again within seconds sleeps."""
    reconciler = int((ROOT / ".sandbox/reconciler.pid").read_text())
    os.kill(reconciler, signal.SIGSTOP)
    try:
        site.must("podman", "stop", "--time", "5", "indivillage-indivillage-sandbox-db-us-east-1")
        yield
    finally:
        os.kill(reconciler, signal.SIGCONT)


# ---- Looking on ----------------------------------------------------------------------------------------------------------------------


def visitors(site: Site, path: str = "") -> Any:
    """A load that goes through every tier."""
    return steady_load(f"{site.url}{path}", site.ca, VISITORS_PER_SECOND)


# Of a unit's first process, since systemd counts nothing where cgroups are of the first version. Each of these is one process.
PROCESS = 'cd /proc/"$(systemctl show --property=MainPID --value "$1")"'
MEMORY_KIB = f"{PROCESS} && sed -n 's/^VmRSS:[^0-9]*\\([0-9]*\\).*/\\1/p' status"
TICKS = f"{PROCESS} && cut -d' ' -f14,15 stat"  # none of them has a blank in its name


def memory_mib(site: Site, container: str, unit: str) -> float:
    return int(site.must("podman", "exec", container, "sh", "-c", MEMORY_KIB, "sh", unit)) / 2**10


def cpu_seconds(watch: Watch, unit: str) -> float:
    return sum(map(int, watch.execute("sh", "-c", TICKS, "sh", unit).split())) / os.sysconf("SC_CLK_TCK")


def exporters(watch: Watch) -> dict[str, float]:
    """Exporter -> MiB on the host where it takes most."""
    most: dict[str, float] = {}
    for tier, units in {"web": ("prometheus-node-exporter", "prometheus-nginx-exporter"), "app": ("prometheus-node-exporter",)}.items():
        for instance in watch.site.instances(tier):
            for unit in units:
                mib = memory_mib(watch.site, f"indivillage-{instance['InstanceId']}", unit)
                most[unit] = max(most.get(unit, 0.0), mib)
    return most

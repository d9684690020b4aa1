# SPDX-License-Identifier: GPL-3.0-or-later
"""From nothing to the served page, and what may happen to it afterwards. The tests run in this order, each on the state the former left."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from ansible_collections.indivillage.infra.plugins.plugin_utils.prometheus import exposed

from sandbox.settings import bridge_name
from tests.drill.alerts.watch import Watch
from tests.e2e.driver import ROOT, Site, recap, wait


def test_without_an_emulator_a_run_says_what_to_start(site: Site) -> None:
    result = site.play("site.yml")
    assert result.returncode != 0
    assert "make sandbox-up" in result.stdout
    assert "Traceback" not in result.stdout


def test_make_site_serves_the_page(site: Site) -> None:
    output = site.must("make", "site", timeout=1500)
    assert f"Open {site.url}" in output
    assert all(counters["failed"] == counters["unreachable"] == 0 for counters in recap(output).values()), output[-3000:]


def test_the_page_is_valid_and_every_backend_answers(site: Site) -> None:
    page = site.fetch()
    assert page.returncode == 0, page.stdout
    assert "IndiVillage" in page.stdout
    status = json.loads(site.fetch("/api/status").stdout)
    assert status["ok"], status
    assert set(status["components"]) == {"database", "cache", "bucket", "queue"}
    assert {instance["InstanceId"] for instance in site.instances("app")} >= {status["instance_id"]}
    written = json.loads(site.fetch("/api/round-trip", "--request", "POST").stdout)
    assert written["ok"], written


def test_old_tls_and_plain_http_are_not_served(site: Site) -> None:
    assert site.fetch("/", "--tls-max", "1.2").returncode == 35  # handshake failure
    without_trust = site.run("curl", "--silent", "--max-time", "20", site.url)
    assert without_trust.returncode == 60  # the certificate is validated, so an unknown authority fails


def test_status_shows_every_part(site: Site) -> None:
    table = site.sandbox("status")
    for role in ("bastion", "web", "app", "monitoring"):
        for instance in site.instances(role):
            assert instance["InstanceId"] in table
            assert instance["PrivateIpAddress"] in table
    assert "healthy" in table


def test_all_that_is_to_be_watched_answers_and_tells_every_metric_that_rules_may_name(site: Site) -> None:
    watch = Watch(site)
    wait("every target to be up", lambda: set(watch.targets().values()) == {"up"}, 120)
    hosts = {instance["InstanceId"] for role in ("bastion", "web", "app", "monitoring") for instance in site.instances(role)}
    assert {instance for job, instance in watch.targets() if job == "node"} == hosts
    wait("every metric", lambda: untold(watch) == set(), 60, every=5)
    wait("every page that is watched", lambda: {sample["value"][1] for sample in watch.query("probe_success")} == {"1"}, 120, every=5)


def untold(watch: Watch) -> set[str]:
    """The metrics that rules may name, and that no target has told."""
    return {metric for metrics in exposed().values() for metric in metrics if not watch.query(f"count({metric})")}


@pytest.mark.parametrize("role", ["bastion", "web", "app", "monitoring"])
def test_every_host_has_metrics_for_who_has_a_password_and_says_what_it_lacks(site: Site, role: str) -> None:
    for instance in site.instances(role):
        host = ("podman", "exec", f"indivillage-{instance['InstanceId']}")
        answer = site.must(*host, "curl", "--silent", "--insecure", "--write-out", "%{http_code}", "https://127.0.0.1:9100/metrics")
        assert answer.endswith("401")
        for package in ("amazon-cloudwatch-agent", "amazon-ssm-agent"):
            report = json.loads(site.must(*host, "cat", f"/var/lib/indivillage/packages/{package}.json"))
            assert report["state"] == "skipped", report


def test_second_run_changes_nothing(site: Site) -> None:
    before = site.version()
    result = site.play("site.yml")
    assert result.returncode == 0, result.stdout[-6000:]
    hosts = recap(result.stdout)
    assert len(hosts) >= 8
    assert {host: counters["changed"] for host, counters in hosts.items() if counters["changed"]} == {}
    assert site.version() - before < 200  # reads are not counted; tokens and round trips are


def test_prune_finds_nothing_that_is_declared_no_more(site: Site) -> None:
    """It plans the provisioning alone, while hosts are there that this says nothing of."""
    pruned = site.play("playbooks/prune.yml", "--check")
    assert pruned.returncode == 0, pruned.stdout[-6000:]
    assert "Nothing to do" in pruned.stdout


def test_a_plan_names_what_was_changed_behind_its_back_on_hosts_and_in_aws(site: Site) -> None:
    ec2 = site.client("ec2")
    (group,) = ec2.describe_security_groups(GroupNames=["indivillage-sandbox-app-sg"])["SecurityGroups"]
    rule = next(rule for rule in group["IpPermissionsEgress"] if rule.get("FromPort") == 5432)
    ec2.revoke_security_group_egress(GroupId=group["GroupId"], IpPermissions=[rule])
    web = site.instances("web")[0]["InstanceId"]
    site.must("podman", "exec", f"indivillage-{web}", "sh", "-c", "echo '# by hand' >> /etc/nginx/nginx.conf")
    before = site.version()

    planned = site.play("site.yml", "--check")
    assert planned.returncode == 2, planned.stdout[-6000:]
    assert site.version() == before
    plan = json.loads((ROOT / ".plans/sandbox/plan.json").read_text())
    named = sorted((entry["host"], entry["role"], entry["action"]) for entry in plan["entries"])
    assert ("sandbox-us-east-1", "aws_security_groups", "change") in named
    assert (web, "web_tier", "change") in named
    assert {host for host, _role, _action in named} == {"sandbox-us-east-1", web}
    assert {role for _host, role, _action in named} == {"aws_security_groups", "web_tier"}

    applied = site.play("site.yml", "--tags", "aws_security_groups,web_tier")
    assert applied.returncode == 0, applied.stdout[-6000:]
    assert {host for host, counters in recap(applied.stdout).items() if counters["changed"]} == {"sandbox-us-east-1", web}


def mistaken(tmp_path: Path, text: str, where: str = "group_vars/all") -> Path:
    """A copy of the inventories in which sandbox has one more file of variables."""
    shutil.copytree(ROOT / "inventories", tmp_path / "inventories", symlinks=True)
    path = tmp_path / "inventories/sandbox" / where / "99_mistake.yml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"---\n{text}\n")
    return tmp_path / "inventories/sandbox"


@pytest.mark.parametrize(
    ("text", "where", "expected"),
    [
        (
            "aws_networc_cidr: 10.10.0.0/16\naws_network_nat_gateways: [1]\naws_network_cidr: 10.10.0.0/33\navailability_zones: [a]",
            "group_vars/primary",
            ["aws_networc_cidr", "99_mistake.yml", "aws_network_nat_gateways", "10.10.0.0/33", "availability_zones", "two"],
        ),
        ("aws_network_cidr: 10.11.0.0/16", "group_vars/primary", ["aws_network_cidr", "overlap"]),
        ("aws_images_base_name: debian-99-*", "group_vars/all", ["debian-99-*", "aws_images_base_name"]),
        ("aws_account_id: '210987654321'", "group_vars/all", ["210987654321", "123456789012", "aws_account_id"]),
    ],
    ids=["four faults", "overlapping", "no such image", "wrong account"],
)
def test_bad_input_is_refused_before_anything_is_written(site: Site, tmp_path: Path, text: str, where: str, expected: list[str]) -> None:
    before = site.version()
    result = site.play("site.yml", inventory=mistaken(tmp_path, text, where))
    assert result.returncode != 0
    assert "Traceback" not in result.stdout
    for word in expected:
        assert word in result.stdout, result.stdout[-3000:]
    assert site.version() == before


def test_an_inventory_that_is_none_is_refused(site: Site, tmp_path: Path) -> None:
    for inventory in (tmp_path / "missing", tmp_path):
        result = site.play("site.yml", inventory=inventory)
        assert result.returncode != 0, result.stdout
        assert str(inventory) in result.stdout


def test_missing_credentials_are_named(site: Site, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "inventories", tmp_path / "inventories", symlinks=True)
    settings = tmp_path / "inventories/development/group_vars/all/10_environment.yml"
    settings.write_text(settings.read_text().replace("CHANGE_ME", '"123456789012"'))
    result = site.run(
        "ansible-playbook", "site.yml", "-i", str(tmp_path / "inventories/development"),
        AWS_EC2_METADATA_DISABLED="true", AWS_CONFIG_FILE=os.devnull, AWS_SHARED_CREDENTIALS_FILE=os.devnull,
    )  # fmt: skip
    assert result.returncode != 0
    assert "credentials" in result.stdout.lower()
    assert "aws sso login" in result.stdout
    assert "Traceback" not in result.stdout


def test_a_terminated_app_instance_is_replaced_and_serves_from_its_image(site: Site) -> None:
    victim = site.healthy("app")[0]
    site.client("ec2").terminate_instances(InstanceIds=[victim])
    started = time.monotonic()
    wait("two healthy app targets without the victim", lambda: len(set(site.healthy("app")) - {victim}) == 2, 60)
    newcomer = (set(site.healthy("app")) - {victim}).pop()
    print(f"replaced after {time.monotonic() - started:.0f} s by {newcomer}")
    answers = {json.loads(site.fetch("/api/status").stdout)["instance_id"] for _ in range(8)}
    assert answers == set(site.healthy("app"))
    assert victim not in answers


def test_scaling_out_and_in_spreads_over_zones_and_keeps_targets_true(site: Site) -> None:
    scaling = site.client("autoscaling")
    scaling.set_desired_capacity(AutoScalingGroupName="indivillage-sandbox-web", DesiredCapacity=3)
    wait("three healthy web targets", lambda: len(site.healthy("web")) == 3, 60)
    assert len({instance["Placement"]["AvailabilityZone"] for instance in site.instances("web")}) == 3
    scaling.set_desired_capacity(AutoScalingGroupName="indivillage-sandbox-web", DesiredCapacity=2)
    wait("two healthy web targets", lambda: len(site.healthy("web")) == 2 == len(site.instances("web")), 60)
    assert set(site.healthy("web")) == {instance["InstanceId"] for instance in site.instances("web")}


def test_stopping_starting_and_rebooting_reach_the_machine(site: Site) -> None:
    ec2 = site.client("ec2")
    bastion = site.instances("bastion")[0]["InstanceId"]

    def boot_id() -> str:
        result = site.run("podman", "exec", f"indivillage-{bastion}", "stat", "--format=%Y", "/proc/1")
        return result.stdout if result.returncode == 0 else ""

    first = boot_id()
    assert first
    ec2.reboot_instances(InstanceIds=[bastion])
    wait("the bastion's reboot", lambda: boot_id() not in ("", first))
    ec2.stop_instances(InstanceIds=[bastion])
    wait("the bastion to stop", lambda: not boot_id())
    ec2.start_instances(InstanceIds=[bastion])
    wait("the bastion to start", boot_id)
    wait("a login on the bastion", lambda: site.run("python", "-m", "sandbox", "ssh", bastion, "true").returncode == 0)


def test_a_killed_reconciler_and_killed_containers_are_repaired(site: Site) -> None:
    pid = int((ROOT / ".sandbox/reconciler.pid").read_text())
    victim = site.instances("web")[0]["InstanceId"]
    first_process = site.must("podman", "inspect", "--format", "{{.State.Pid}}", f"indivillage-{victim}").strip()
    os.kill(pid, signal.SIGKILL)
    os.kill(int(first_process), signal.SIGKILL)
    wait("the killed instance to run again", lambda: site.run("podman", "exec", f"indivillage-{victim}", "true").returncode == 0)
    wait("two healthy web targets", lambda: len(site.healthy("web")) == 2)
    assert site.fetch().returncode == 0


def test_a_network_acl_and_egress_rules_are_enforced(site: Site) -> None:
    ec2 = site.client("ec2")
    app = site.instances("app")[0]
    database = site.client("rds").describe_db_instances()["DBInstances"][0]["Endpoint"]

    def reaches() -> bool:
        command = ["podman", "exec", f"indivillage-{app['InstanceId']}", "timeout", "2", "bash", "-c"]
        return site.run(*command, f"exec 3<>/dev/tcp/{database['Address']}/{database['Port']}").returncode == 0

    assert reaches()
    acl = ec2.describe_network_acls(Filters=[{"Name": "association.subnet-id", "Values": [app["SubnetId"]]}])["NetworkAcls"][0][
        "NetworkAclId"
    ]
    entry = {"NetworkAclId": acl, "RuleNumber": 1, "Egress": True}
    denied = {"Protocol": "6", "RuleAction": "deny", "CidrBlock": "0.0.0.0/0", "PortRange": {"From": 5432, "To": 5432}}
    ec2.create_network_acl_entry(**entry, **denied)
    wait("the network ACL to block", lambda: not reaches())
    ec2.delete_network_acl_entry(**entry)
    wait("the network ACL to open", reaches)

    group = next(g["GroupId"] for g in app["SecurityGroups"] if g["GroupName"].endswith("-app-sg"))
    rules = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissionsEgress"]
    rule = next(rule for rule in rules if rule.get("FromPort") == 5432)
    ec2.revoke_security_group_egress(GroupId=group, IpPermissions=[rule])
    wait("the missing egress rule to block", lambda: not reaches())
    ec2.authorize_security_group_egress(GroupId=group, IpPermissions=[rule])
    wait("the egress rule to open", reaches)


def test_hosts_follow_their_gateway_when_others_come_and_go(site: Site) -> None:
    """A bridge takes the lowest hardware address of its ports, so that the gateway's changes with them."""
    instance = site.instances("app")[0]
    bridge = bridge_name(instance["VpcId"])
    address = Path(f"/sys/class/net/{bridge}/address")

    def reaches_its_gateway() -> bool:
        command = ("curl", "--silent", "--output", "/dev/null", "--max-time", "3", "http://169.254.169.254/")
        return site.run("podman", "exec", f"indivillage-{instance['InstanceId']}", *command).returncode == 0

    assert reaches_its_gateway()
    before = address.read_text()
    site.must("ip", "link", "add", "ivlowest", "address", "00:00:5e:00:53:01", "type", "veth", "peer", "name", "ivlowest2")
    try:
        site.must("ip", "link", "set", "ivlowest", "master", bridge)
        assert address.read_text() != before
        assert reaches_its_gateway()
    finally:
        site.must("ip", "link", "delete", "ivlowest")
    assert address.read_text() == before
    assert reaches_its_gateway()


def test_the_metadata_service_answers_only_with_a_token(site: Site) -> None:
    instance = site.instances("app")[0]
    name = f"indivillage-{instance['InstanceId']}"
    base = "http://169.254.169.254/latest"

    def inside(*arguments: str) -> str:
        return site.must("podman", "exec", name, "curl", "--silent", "--max-time", "5", *arguments)

    assert inside("--output", "/dev/null", "--write-out", "%{http_code}", f"{base}/meta-data/instance-id") == "401"
    token = inside("--request", "PUT", "--header", "X-aws-ec2-metadata-token-ttl-seconds: 60", f"{base}/api/token")
    header = f"X-aws-ec2-metadata-token: {token}"
    assert inside("--header", header, f"{base}/meta-data/instance-id") == instance["InstanceId"]
    zone = inside("--header", header, f"{base}/meta-data/placement/availability-zone")
    assert zone == instance["Placement"]["AvailabilityZone"]
    role = inside("--header", header, f"{base}/meta-data/iam/security-credentials/").strip()
    credentials = json.loads(inside("--header", header, f"{base}/meta-data/iam/security-credentials/{role}"))
    assert role == "indivillage-sandbox-app"
    assert credentials["Code"] == "Success"
    found = site.run("podman", "exec", name, "grep", "-rlE", "aws_secret_access_key|AWS_SECRET_ACCESS_KEY", "/etc/indivillage")
    assert found.stdout.strip() == "", "a host keeps keys"


def test_an_instance_refresh_rolls_every_instance(site: Site) -> None:
    scaling = site.client("autoscaling")
    before = set(site.healthy("web"))
    preferences = {"MinHealthyPercentage": 50, "InstanceWarmup": 0}
    scaling.start_instance_refresh(AutoScalingGroupName="indivillage-sandbox-web", Preferences=preferences)

    def finished() -> bool:
        refresh = scaling.describe_instance_refreshes(AutoScalingGroupName="indivillage-sandbox-web")["InstanceRefreshes"][0]
        assert refresh["Status"] not in ("Failed", "Cancelled"), refresh
        assert site.fetch().returncode == 0, "the page went away during the refresh"
        return bool(refresh["Status"] == "Successful")

    wait("the refresh to finish", finished, 180)
    wait("two healthy web targets", lambda: len(site.healthy("web")) == 2)
    assert not before & set(site.healthy("web"))


def test_after_all_that_a_run_changes_nothing_on_baked_hosts_and_the_site_is_proved(site: Site) -> None:
    result = site.play("playbooks/verify_site.yml")
    assert result.returncode == 0, result.stdout[-5000:]


def test_down_leaves_nothing(site: Site) -> None:
    site.sandbox("down")
    label = ("--filter", "label=indivillage.sandbox")
    assert site.must("podman", "ps", "--all", "--quiet", *label) == ""
    assert "indivillage" not in site.must("podman", "network", "ls", "--format", "{{.Name}}")
    assert "indivillage/ami" not in site.must("podman", "images", "--format", "{{.Repository}}")
    assert "indivillage" not in site.must("nft", "list", "tables")
    assert not (ROOT / ".sandbox").exists()
    with pytest.raises(OSError):
        site.version()
    processes = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert not [line for line in processes.splitlines() if "-m sandbox" in line and str(ROOT / ".sandbox") in line]

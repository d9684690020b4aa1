# SPDX-License-Identifier: GPL-3.0-or-later
"""Incidents: the timeline, what contains an instance, an address or an identity, and what a run that was killed leaves."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from ansible_collections.indivillage.infra.plugins.module_utils import incidents
from ansible_collections.indivillage.infra.plugins.module_utils.incident_review import elapsed, review
from ansible_collections.indivillage.infra.plugins.modules import (
    address_block,
    ec2_isolation,
    ec2_network_acl,
    host_evidence,
    iam_revocation,
    iam_role_policies,
    incident,
    incident_entry,
    network_denials,
    wafv2_web_acl,
    web_denials,
)

from sandbox.emulator.additions import auto_scaling_groups, network_interfaces
from tests.support.module_runs import Run

ROOT = Path(__file__).parents[3]
TABLE, BUCKET, NAME = "site-incidents", "site-operations", "2026-03-01-web-probe"
SEVERITIES = {
    "critical": {"respond_minutes": 15, "escalations": [{"after_minutes": 60, "when": "not resolved", "to": "CTO"}]},
    "high": {"respond_minutes": 30, "escalations": []},
}
HERE = {"environment_name": "test", "table": TABLE}


@pytest.fixture(autouse=True, scope="module")
def additions() -> None:
    network_interfaces.install()
    auto_scaling_groups.install()  # who leaves a group leaves its target groups


@pytest.fixture
def table() -> None:
    boto3.client("dynamodb").create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": "environment", "KeyType": "HASH"}, {"AttributeName": "entry", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("environment", "entry")],
        BillingMode="PAY_PER_REQUEST",
    )
    boto3.client("s3").create_bucket(Bucket=BUCKET)


@pytest.fixture
def declare(run: Run, table: None) -> Callable[..., dict[str, Any]]:
    def call(**options: Any) -> dict[str, Any]:
        given = {"state": "open", "title": "Probe", "severity": "high", "severities": SEVERITIES} | options
        return run(incident, **HERE, name=NAME, **given)

    return call


# --- the timeline ---


def test_an_incident_is_declared_once_and_reclassified_when_something_differs(declare: Callable[..., dict[str, Any]]) -> None:
    first = declare(classification="intrusion", commander="ada")
    assert first["changed"]
    assert (first["incident"]["severity"], first["incident"]["class"], first["incident"]["closed"]) == ("high", "intrusion", "")
    assert first["incident"]["respond_by"] == incidents.later(first["incident"]["declared"], 30)
    assert not declare(classification="intrusion", commander="ada")["changed"]
    assert not declare(title=None, severity=None)["changed"], "what nobody says stays"

    second = declare(severity="critical")
    assert [entry["kind"] for entry in second["timeline"]].count("reclassified") == 1
    assert second["incident"]["respond_by"] == incidents.later(first["incident"]["declared"], 15), "since it was declared"
    assert second["incident"]["escalations"][0]["to"] == "CTO"


def test_the_time_to_respond_counts_from_when_it_was_declared(
    declare: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = itertools.count()

    def later_each_time() -> str:
        return f"2026-03-01T00:00:{next(seconds):02}Z"

    for module in (incident, incidents):
        monkeypatch.setattr(module, "now", later_each_time)
    found = declare()["incident"]
    assert found["respond_by"] == incidents.later(found["declared"], 30)


def test_notes_are_kept_once_each(declare: Callable[..., dict[str, Any]]) -> None:
    declare(note="one")
    declare(note="one")
    notes = [entry["text"] for entry in declare(note="two")["timeline"] if entry["kind"] == "note"]
    assert notes == ["one", "two"]


def test_the_topic_of_the_severity_hears_of_it_once(declare: Callable[..., dict[str, Any]]) -> None:
    topic = boto3.client("sns").create_topic(Name="site-high")["TopicArn"]
    told = [entry["text"] for _time in range(2) for entry in declare(topic_prefix=topic.removesuffix("high"))["timeline"]]
    assert told.count("Told site-high") == 2, "one entry, seen twice"


def test_a_plan_writes_nothing_and_says_what_it_would(declare: Callable[..., dict[str, Any]], run: Run) -> None:
    planned = declare(check=True, note="one")
    assert planned["added"][0].startswith("Declared as high")
    assert run(incident, **HERE, name=NAME)["failed"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"title": None}, "it is new, so it needs title"),
        ({"severity": "dire"}, "severity is 'dire', which is none of critical, high"),
    ],
)
def test_a_new_incident_says_what_it_lacks(declare: Callable[..., dict[str, Any]], options: dict[str, Any], words: str) -> None:
    assert words in declare(**options)["msg"]


def test_what_is_not_open_takes_no_entry(declare: Callable[..., dict[str, Any]], run: Run) -> None:
    entry = {**HERE, "incident": NAME, "key": "one", "kind": "note", "text": "one"}
    assert "Declare it first" in run(incident_entry, **entry)["msg"]
    declare()
    assert run(incident_entry, **entry)["changed"]
    assert not run(incident_entry, **entry | {"text": "another"})["changed"]
    run(incident, **HERE, name=NAME, state="closed", summary="It is over.", bucket=BUCKET)
    assert "is closed" in run(incident_entry, **entry | {"key": "two"})["msg"]
    assert "is closed" in declare()["msg"]


def test_closing_again_gives_the_review_that_is_kept(declare: Callable[..., dict[str, Any]], run: Run) -> None:
    declare()
    first = run(incident, **HERE, name=NAME, state="closed", summary="It is over.", bucket=BUCKET)
    again = run(incident, **HERE, name=NAME, state="closed", summary="Something else.", bucket=BUCKET)
    assert (first["changed"], again["changed"]) == (True, False)
    assert again["review"] == first["review"]
    assert "It is over." in again["review"]["text"]


def test_evidence_that_is_not_what_it_was_is_refused(declare: Callable[..., dict[str, Any]], run: Run, tmp_path: Path) -> None:
    declare()
    file = tmp_path / "memory.tar.gz"
    file.write_bytes(b"memory")
    entry = {**HERE, "incident": NAME, "key": "evidence", "kind": "evidence", "text": "memory", "bucket": BUCKET}
    refused = run(incident_entry, **entry, files=[{"path": str(file), "sha256": "0" * 64}])
    assert "has not the digest" in refused["msg"]
    kept = run(incident_entry, **entry, files=[{"path": str(file), "sha256": hashlib.sha256(b"memory").hexdigest()}])
    record = boto3.client("s3").get_object(Bucket=BUCKET, Key=f"incidents/{NAME}/evidence/custody.json")["Body"].read()
    assert hashlib.sha256(record).hexdigest() == kept["record"]["sha256"]


def test_the_review_tells_of_an_answer_that_was_late_and_of_what_is_still_in_force() -> None:
    def entry(minute: int, kind: str, text: str, **details: Any) -> dict[str, Any]:
        moment = f"2026-03-01T10:{minute:02}:00.000+00:00"
        return {"key": text, "at": moment, "kind": kind, "text": text, "by": "arn:aws:sts::1:assumed-role/deploy/ada", "details": details}

    state = {"title": "Probe", "severity": "critical", "class": "intrusion", "commander": "ada"}
    state["respond_by"] = "2026-03-01T10:15:00.000+00:00"
    entries = [
        entry(0, "declared", "Declared", **state),
        entry(20, "isolated", "Isolated i-1 | web", instance_id="i-1", snapshots=[]),
        entry(59, "closed", "Closed", summary="It is over.", cause="", actions=[]),
    ]
    text = review(NAME, entries, [{"network": "203.0.113.7/32", "until": "2026-03-02T10:00:00.000+00:00"}])
    assert "after 20 min 00 s: **late**" in text
    assert "| 2026-03-01 10:20:00 | 20 min 00 s | Isolated i-1 \\| web | assumed-role/deploy/ada |" in text
    assert "`203.0.113.7/32` is blocked until 2026-03-02 10:00:00" in text
    assert "instance `i-1` is quarantined" in text
    assert elapsed("2026-03-01T10:00:00+00:00", "2026-03-01T13:05:00+00:00") == "3 h 05 min"


# --- an instance ---


class Killed(BaseException):
    """The end of a run between two writes."""


@pytest.fixture
def attacked(vpc_id: str) -> str:
    """A member of a group of two behind a target group; the network has a quarantine group."""
    ec2 = boto3.client("ec2")
    subnet = ec2.create_subnet(VpcId=vpc_id, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    ec2.create_security_group(VpcId=vpc_id, GroupName="quarantine", Description="quarantine")
    group = ec2.create_security_group(VpcId=vpc_id, GroupName="web", Description="web")["GroupId"]
    target = boto3.client("elbv2").create_target_group(Name="web", Protocol="HTTPS", Port=443, VpcId=vpc_id)["TargetGroups"][0]
    ec2.create_launch_template(
        LaunchTemplateName="web", LaunchTemplateData={"ImageId": "ami-12345678", "InstanceType": "t3.micro", "SecurityGroupIds": [group]}
    )
    tags = {"Project": "site", "Role": "web", "Tier": "web"}
    boto3.client("autoscaling").create_auto_scaling_group(
        AutoScalingGroupName="web",
        LaunchTemplate={"LaunchTemplateName": "web", "Version": "$Latest"},
        MinSize=2,
        MaxSize=2,
        VPCZoneIdentifier=subnet,
        TargetGroupARNs=[target["TargetGroupArn"]],
        Tags=[{"Key": key, "Value": value, "PropagateAtLaunch": True} for key, value in tags.items()],
    )
    found = ec2.describe_instances(Filters=[{"Name": "vpc-id", "Values": [vpc_id]}])["Reservations"]
    return str(found[0]["Instances"][0]["InstanceId"])


def isolate(run: Run, instance_id: str, **options: Any) -> dict[str, Any]:
    given = {"incident": NAME, "security_group": "quarantine", "tags": {"Project": "site"}, "wait_timeout_seconds": 60, "poll_seconds": 1}
    return run(ec2_isolation, instance_id=instance_id, **given | options)


def test_an_isolation_that_was_killed_anywhere_is_completed_by_the_same_again(
    run: Run, attacked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = ec2_isolation.Isolation.step
    planned: list[str] = []
    done: list[str] = []

    def one_step_and_no_more(self: ec2_isolation.Isolation, text: str, write: Callable[[], Any]) -> None:
        step(self, text, write)
        done.append(text)
        raise Killed

    while left := isolate(run, attacked, check=True)["steps"]:
        planned.append(left[0])
        with monkeypatch.context() as patched, pytest.raises(Killed):
            patched.setattr(ec2_isolation.Isolation, "step", one_step_and_no_more)
            isolate(run, attacked)
    last = isolate(run, attacked)
    assert done == planned, "each run went on where the one before was killed"
    assert len(done) == len(set(done)) > 4
    assert (last["changed"], last["steps"]) == (False, [])
    assert (last["instance"]["role"], last["instance"]["group"], len(last["snapshots"])) == ("web", "web", 1)


def test_an_instance_of_others_and_one_of_another_incident_are_left_alone(run: Run, attacked: str) -> None:
    assert "none of this environment's" in isolate(run, attacked, tags={"Project": "other"})["msg"]
    assert "has no security group other" in isolate(run, attacked, security_group="other")["msg"]
    assert isolate(run, attacked)["changed"]
    assert f"evidence of incident '{NAME}' already" in isolate(run, attacked, incident="another")["msg"]
    assert "there is none of that id" in isolate(run, "i-0123456789abcdef0")["msg"]


# --- addresses ---


def test_an_address_is_blocked_until_its_time_is_over(
    declare: Callable[..., dict[str, Any]], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare()
    first = run(address_block, **HERE, incident=NAME, block=["203.0.113.7", "2001:db8::/64"], hours=1)
    assert first["networks"] == ["2001:db8::/64", "203.0.113.7/32"]
    again = run(address_block, **HERE, incident=NAME, block=["203.0.113.7/32"], hours=1)
    assert (again["changed"], again["blocked"][1]["until"]) == (False, first["blocked"][1]["until"])
    assert run(address_block, **HERE, incident=NAME, unblock=["2001:db8::/64"])["removed"] == ["2001:db8::/64"]
    monkeypatch.setattr(address_block, "now", lambda: incidents.later(incidents.now(), 61))
    over = run(address_block, **HERE)
    assert (over["expired"], over["networks"]) == (["203.0.113.7/32"], [])
    assert not run(address_block, **HERE)["changed"]


@pytest.mark.parametrize(
    ("network", "words"),
    [
        ("10.2.3.0/24", "10.2.3.0/24 is, or has a part, in 10.2.0.0/16"),
        ("203.0.113.7/24", "203.0.113.7/24 has host bits set"),
        ("11.0.0.0/8", "is wider than /16"),
        ("0.0.0.0/0", "is wider than /16"),
        ("attacker", "attacker is no address"),
    ],
)
def test_a_block_that_would_do_harm_is_refused(declare: Callable[..., dict[str, Any]], run: Run, network: str, words: str) -> None:
    declare()
    refused = run(address_block, **HERE, incident=NAME, block=["198.51.100.1", network], own_networks=["10.2.0.0/16"])
    assert words in refused["msg"]
    assert run(address_block, **HERE)["networks"] == [], "nothing of it is done"


def test_a_network_acl_refuses_in_both_directions_and_its_declaration_does_not_mind(run: Run, vpc_id: str) -> None:
    declared = {"vpc_id": vpc_id, "name": "public", "ingress": [{"number": 100, "cidr": "0.0.0.0/0", "from_port": 443}], "egress": []}
    run(ec2_network_acl, **declared)

    def entries() -> set[tuple[bool, int, str]]:
        (acl,) = boto3.client("ec2").describe_network_acls(Filters=[{"Name": "tag:Name", "Values": ["public"]}])["NetworkAcls"]
        return {(one["Egress"], one["RuleNumber"], one["CidrBlock"]) for one in acl["Entries"] if one["RuleNumber"] < 20}

    assert run(network_denials, name="public", networks=["203.0.113.7/32", "198.51.100.0/24"], check=True)["changed"]
    assert entries() == set()
    assert run(network_denials, name="public", networks=["203.0.113.7/32", "198.51.100.0/24"])["changed"]
    assert not run(network_denials, name="public", networks=["198.51.100.0/24", "203.0.113.7/32"])["changed"]
    assert not run(ec2_network_acl, **declared)["changed"]
    run(network_denials, name="public", networks=["192.0.2.1/32", "198.51.100.0/24"])
    assert {cidr for _egress, _number, cidr in entries()} == {"192.0.2.1/32", "198.51.100.0/24"}
    many = [f"192.0.2.{number}/32" for number in range(20)]
    assert "it can refuse 19 networks, and not 20" in run(network_denials, name="public", networks=many)["msg"]
    run(network_denials, name="public", networks=[])
    assert entries() == set()
    own = [{"number": 7, "action": "deny", "protocol": "all", "cidr": "0.0.0.0/0"}]
    assert "is for blocked addresses" in run(ec2_network_acl, **declared | {"ingress": own})["msg"]


def test_a_web_acl_refuses_and_its_declaration_does_not_mind(run: Run) -> None:
    declared = {"name": "edge", "scope": "REGIONAL", "rules": [{"name": "rate", "priority": 40, "rate_limit": 3000}]}
    denied = {"name": "edge", "scope": "REGIONAL", "networks": ["203.0.113.7/32", "2001:db8::/64"]}
    wafv2 = boto3.client("wafv2")

    def rules() -> dict[str, Any]:
        (summary,) = wafv2.list_web_acls(Scope="REGIONAL")["WebACLs"]
        acl = wafv2.get_web_acl(Name="edge", Scope="REGIONAL", Id=summary["Id"])["WebACL"]
        return {rule["Name"]: rule for rule in acl["Rules"]}

    assert "there is no web ACL" in run(web_denials, **denied)["msg"]
    run(wafv2_web_acl, **declared)
    assert run(web_denials, **denied)["changed"]
    assert not run(web_denials, **denied)["changed"]
    sets = [part["IPSetReferenceStatement"]["ARN"] for part in rules()["incident-denied"]["Statement"]["OrStatement"]["Statements"]]
    assert sorted(sets) == sorted(item["ARN"] for item in wafv2.list_ip_sets(Scope="REGIONAL")["IPSets"])
    assert rules()["incident-denied"]["Action"] == {"Block": {}}

    assert not run(wafv2_web_acl, **declared)["changed"]
    declared["rules"] = [{"name": "rate", "priority": 40, "rate_limit": 2000}]
    assert run(wafv2_web_acl, **declared)["changed"]
    assert set(rules()) == {"rate", "incident-denied"}, "a change of the declaration keeps the block"

    assert run(web_denials, **denied | {"networks": []})["changed"]
    assert (set(rules()), wafv2.list_ip_sets(Scope="REGIONAL")["IPSets"]) == ({"rate"}, [])


# --- identities ---


def test_a_users_keys_password_and_sessions_are_taken_away_once(run: Run) -> None:
    iam = boto3.client("iam")
    iam.create_user(UserName="eve")
    iam.create_login_profile(UserName="eve", Password="correct-horse")
    iam.create_access_key(UserName="eve")
    given = {"principal": "user/eve", "before": "2026-03-01T02:03:04Z"}
    planned = run(iam_revocation, **given, check=True)["steps"]
    assert [key["Status"] for key in iam.list_access_keys(UserName="eve")["AccessKeyMetadata"]] == ["Active"]
    assert run(iam_revocation, **given)["steps"] == planned
    assert len(planned) == 3
    assert [key["Status"] for key in iam.list_access_keys(UserName="eve")["AccessKeyMetadata"]] == ["Inactive"]
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        iam.get_login_profile(UserName="eve")
    earlier = run(iam_revocation, principal="user/eve", before="2026-02-01T00:00:00Z")
    assert (earlier["changed"], earlier["before"]) == (False, "2026-03-01T02:03:04+00:00"), "never loosened"
    assert run(iam_revocation, principal="user/eve", before="2026-03-02T00:00:00Z")["changed"]


def test_a_roles_declaration_leaves_its_revocation_alone(run: Run) -> None:
    iam = boto3.client("iam")
    iam.create_role(RoleName="web", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": []}))
    run(iam_revocation, principal="role/web", before="2026-03-01T02:03:04Z")
    assert not run(iam_role_policies, role="web", policies={})["changed"]
    assert iam.list_role_policies(RoleName="web")["PolicyNames"] == [incidents.REVOCATION_POLICY]


@pytest.mark.parametrize(
    ("principal", "before", "words"),
    [
        ("group/people", "2026-03-01T02:03:04Z", "neither user/<name> nor role/<name>"),
        ("user/nobody", "2026-03-01T02:03:04Z", "there is none of that name"),
        ("user/nobody", "yesterday", "which is no moment"),
    ],
)
def test_whose_access_is_revoked_has_to_be_known(run: Run, principal: str, before: str, words: str) -> None:
    assert words in run(iam_revocation, principal=principal, before=before)["msg"]


# --- a host ---


def test_what_runs_on_an_instance_needs_no_variable_of_a_stack() -> None:
    specification = yaml.safe_load((ROOT / "roles/aws_incidents/meta/argument_specs.yml").read_text())["argument_specs"]["collect"]
    assert "{{" not in json.dumps(specification)


def test_a_process_s_memory_is_in_the_archive_with_its_digest(run: Run, tmp_path: Path) -> None:
    marker = "a-secret-of-the-intruder"
    program = f"import sys; kept = '-'.join({marker.split('-')!r}) * 50; print(len(kept), flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with tarfile.open(tmp_path / "whole.tar", "w") as tar:
            archive = host_evidence.Archive(tar)
            memory = host_evidence.private_memory(Path(f"/proc/{process.pid}"), 64 << 20)
            archive.add("memory.bin", memory)
        described = host_evidence.describe(Path(f"/proc/{process.pid}"))
        process.kill()
    assert marker.encode() * 2 in memory
    assert archive.digests["memory.bin"] == hashlib.sha256(memory).hexdigest()
    assert (described["pid"], described["exe"]) == (process.pid, str(Path(sys.executable).resolve()))
    assert "environ" not in described


def test_the_archive_says_what_it_holds_and_what_could_not_be_read(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_evidence, "COMMANDS", {"nothing.txt": ["no-such-command"]})
    monkeypatch.setattr(host_evidence, "processes", lambda: iter([Path(f"/proc/{os.getpid()}")]))
    path = tmp_path / "evidence.tar.gz"
    assert run(host_evidence, path=str(path), memory_mib=1, check=True)["files"] == []
    assert not path.exists()
    result = run(host_evidence, path=str(path), memory_mib=1, journal_hours=1)
    assert result["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (path.stat().st_mode & 0o777, result["bytes"]) == (0o600, path.stat().st_size)
    assert "nothing.txt: no-such-command is not there" in result["unread"]
    with tarfile.open(path) as tar:
        manifest = json.load(tar.extractfile("manifest.json"))  # type: ignore[arg-type]
        for name, digest in manifest["sha256"].items():
            assert hashlib.sha256(tar.extractfile(name).read()).hexdigest() == digest  # type: ignore[union-attr]
    assert {"processes.json", "proc/version", f"memory/{os.getpid()}.bin"} <= manifest["sha256"].keys()

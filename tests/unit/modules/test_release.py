# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules that keep releases and their verdicts, and that keep Auto Scaling from members, on moto."""

from __future__ import annotations

import hashlib
import io
from typing import Any

import boto3
import pytest
from ansible_collections.indivillage.infra.plugins.modules import asg_processes, release, release_info

from tests.support.module_runs import Run

CONTENT = b"an archive"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
NAME = SHA256[:12]
PLACE = {"environment_name": "staging", "runs_table": "deployments"}
MADE = {
    "artifact": "s3://operations/builds/42.tar.gz",
    "author": "ada@example.com",
    "commit": "0123456789" * 4,
    "built": "2026-01-02T03:04:05Z",
}


@pytest.fixture(autouse=True)
def account(aws: None) -> None:
    """A table of runs, and a bucket with a build in it."""
    boto3.client("dynamodb").create_table(
        TableName="deployments",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "environment", "KeyType": "HASH"}, {"AttributeName": "run_id", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("environment", "run_id")],
    )
    boto3.client("s3").create_bucket(Bucket="operations")
    boto3.client("s3").put_object(Bucket="operations", Key="builds/42.tar.gz", Body=CONTENT)


@pytest.fixture
def judge(run: Run) -> Any:
    """judge(verdict, **options) -> the result of module release for the release of CONTENT."""

    def call(verdict: str, /, **options: Any) -> dict[str, Any]:
        given = {"bucket": "operations", "release": SHA256, "verdict": verdict, "what": "tried"} | PLACE | options
        return run(release, **given)

    return call


def kept() -> set[str]:
    found = boto3.client("s3").list_objects_v2(Bucket="operations", Prefix="releases/").get("Contents", [])
    return {entry["Key"] for entry in found}


def test_a_new_release_is_copied_with_its_provenance(judge: Any) -> None:
    result = judge("known", **MADE)
    assert result["document"] == {"release": NAME, "sha256": SHA256, "artifact": f"s3://operations/releases/{SHA256}.tar.gz"} | {
        name: MADE[name] for name in ("author", "commit", "built")
    }
    held = boto3.client("s3").get_object(Bucket="operations", Key=f"releases/{SHA256}.tar.gz")
    assert (held["Body"].read(), held["Metadata"]["commit"]) == (CONTENT, MADE["commit"])
    again = judge("known", release=NAME)
    assert (again["changed"], again["document"]) == (False, result["document"])


def test_a_check_compares_the_checksum_and_writes_nothing(judge: Any, run: Run) -> None:
    assert judge("known", check=True, **MADE)["changed"] is True
    assert (kept(), run(release_info, **PLACE)["releases"]) == (set(), [])


@pytest.mark.parametrize("check", [True, False])
def test_another_content_is_refused(judge: Any, check: bool) -> None:
    boto3.client("s3").put_object(Bucket="operations", Key="builds/42.tar.gz", Body=b"another")
    assert "it is another release than the one that was asked for" in judge("known", check=check, **MADE)["msg"]
    assert kept() == set()


def test_an_artifact_by_url_is_fetched_and_compared(judge: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    address = "https://builds.example.com/42.tar.gz"
    monkeypatch.setattr(release, "open_url", lambda url, **_options: io.BytesIO({address: CONTENT}[url]))
    assert judge("known", **MADE | {"artifact": address})["release"]["source"] == address
    assert kept() == {f"releases/{SHA256}.tar.gz"}


def test_an_artifact_that_is_not_there_is_told(judge: Any) -> None:
    message = judge("known", **MADE | {"artifact": "s3://operations/builds/43.tar.gz"})["msg"]
    assert message.startswith("s3://operations/builds/43.tar.gz cannot be fetched: ")


def test_an_unknown_release_needs_its_provenance(judge: Any) -> None:
    assert f"staging knows no release {NAME}. The first time it takes" in judge("known")["msg"]
    assert "release_commit" in judge("known", **MADE | {"commit": ""})["msg"]
    assert f"staging knows no release {NAME}: " in judge("bad")["msg"]


def test_a_release_that_is_bad_is_refused_until_it_is_marked_as_good(judge: Any) -> None:
    judge("known", **MADE)
    judge("bad", by="eve", why="leaks memory")
    assert "is known as bad: tried at " in judge("known", **MADE)["msg"]
    judge("good")
    assert not judge("known", **MADE).get("failed")


def test_the_way_back_and_the_table(judge: Any, run: Run) -> None:
    judge("known", **MADE)
    judge("good", what="deployed", by="ada", why="first")
    boto3.client("s3").put_object(Bucket="operations", Key="builds/43.tar.gz", Body=b"second")
    second = {"release": hashlib.sha256(b"second").hexdigest()}
    judge("known", **MADE | {"artifact": "s3://operations/builds/43.tar.gz"} | second)
    judge("good", what="deployed", **second)
    result = run(release_info, **PLACE, back_from=second["release"][:12])
    assert (result["target"]["release"], result["left"], len(result["table"])) == (NAME, second["release"][:12], 3)
    assert "there is no release ffffffffffff" in run(release_info, **PLACE, back_from=NAME, release="f" * 12)["msg"]


class Groups:
    """As much of Auto Scaling as the module calls."""

    def __init__(self, *suspended: str) -> None:
        self.suspended = set(suspended)

    def describe_auto_scaling_groups(self, **_names: Any) -> dict[str, Any]:
        return {"AutoScalingGroups": [{"SuspendedProcesses": [{"ProcessName": name} for name in sorted(self.suspended)]}]}

    def suspend_processes(self, **given: Any) -> None:
        self.suspended |= set(given["ScalingProcesses"])

    def resume_processes(self, **given: Any) -> None:
        assert given["ScalingProcesses"], "AWS takes an empty list for all of them"
        self.suspended -= set(given["ScalingProcesses"])


@pytest.mark.parametrize(
    ("before", "wanted"),
    [((), ["HealthCheck"]), (("AZRebalance",), ["HealthCheck"]), (("HealthCheck",), []), ((), []), (("Launch",), ["Launch"])],
)
def test_exactly_the_named_processes_are_suspended(
    run: Run, monkeypatch: pytest.MonkeyPatch, before: tuple[str], wanted: list[str]
) -> None:
    groups = Groups(*before)
    monkeypatch.setattr(asg_processes, "aws_client", lambda *_given: groups)
    options = {"name": "one", "suspended": wanted}
    changed = set(before) != set(wanted)
    assert run(asg_processes, check=True, **options)["changed"] is changed
    assert groups.suspended == set(before)
    assert run(asg_processes, **options)["changed"] is changed
    assert groups.suspended == set(wanted)
    assert run(asg_processes, **options)["changed"] is False


def test_a_group_that_is_not_there_is_told(run: Run) -> None:
    assert "there is no Auto Scaling group of that name" in run(asg_processes, name="none", suspended=[])["msg"]

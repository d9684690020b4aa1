# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules that keep releases and their verdicts, and that keep Auto Scaling from members, on moto."""

from __future__ import annotations

import hashlib
import io
import tarfile
from typing import Any

import boto3
import pytest
from ansible_collections.indivillage.infra.plugins.modules import asg_processes, release, release_info, release_migrations

from tests.support.module_runs import Run


def archive(**files: str) -> bytes:
    """A release with these files below migrations/, by their names without .sql and with __ for the first dot."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w:gz") as content:
        for name, text in {"wsgi__py": "", **files}.items():
            path = name.replace("__", ".") if name == "wsgi__py" else f"migrations/{name.replace('__', '.')}.sql"
            member = tarfile.TarInfo(f"./{path}")
            member.size = len(text)
            content.addfile(member, io.BytesIO(text.encode()))
    return written.getvalue()


CONTENT = archive()
SECOND = archive(**{"0001_visits__expand": "SELECT 1", "0001_visits__contract": "SELECT 2"})
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
    boto3.client("s3").put_object(Bucket="operations", Key="builds/43.tar.gz", Body=SECOND)
    second = {"release": hashlib.sha256(SECOND).hexdigest()}
    judge("known", **MADE | {"artifact": "s3://operations/builds/43.tar.gz"} | second)
    judge("good", what="deployed", **second)
    result = run(release_info, **PLACE, back_from=second["release"][:12])
    assert (result["target"]["release"], result["left"], len(result["table"])) == (NAME, second["release"][:12], 3)
    assert "there is no release ffffffffffff" in run(release_info, **PLACE, back_from=NAME, release="f" * 12)["msg"]


@pytest.fixture
def second(judge: Any) -> str:
    """A release with migrations; its name."""
    boto3.client("s3").put_object(Bucket="operations", Key="builds/43.tar.gz", Body=SECOND)
    sha256 = hashlib.sha256(SECOND).hexdigest()
    judge("known", **MADE | {"artifact": "s3://operations/builds/43.tar.gz", "release": sha256})
    return sha256[:12]


def test_a_release_says_what_it_does_to_the_database(judge: Any, run: Run, second: str) -> None:
    found = judge("known", release=second)
    assert found["release"]["migrations"] == ["0001_visits.expand", "0001_visits.contract"]
    place = {"artifact": found["document"]["artifact"], "sha256": found["document"]["sha256"]}
    (expand,) = run(release_migrations, kind="expand", **place)["migrations"]
    assert (expand["name"], expand["sql"]) == ("0001_visits", "SELECT 1")
    assert expand["sha256"] == hashlib.sha256(b"SELECT 1").hexdigest()
    assert [one["sql"] for one in run(release_migrations, kind="contract", **place)["migrations"]] == ["SELECT 2"]
    assert "its checksum is" in run(release_migrations, kind="expand", **place | {"sha256": "0" * 64})["msg"]


def test_no_release_runs_that_lacks_what_was_taken_away(judge: Any, run: Run, second: str) -> None:
    judge("known", **MADE)
    judge("good", what="deployed", **{"release": NAME})
    judge("good", what="deployed", release=second)
    assert run(release_info, **PLACE, back_from=second)["target"]["release"] == NAME
    judge("good", release=second, contracted=["0001_visits.contract"])
    for refused in (run(release_info, **PLACE, back_from=second), judge("known", release=NAME)):
        assert "it does not know 0001_visits.contract" in refused["msg"]
    assert not judge("known", release=second).get("failed")
    third = archive(**{"0009_other__expand": "SELECT 9"})
    boto3.client("s3").put_object(Bucket="operations", Key="builds/44.tar.gz", Body=third)
    given = {"artifact": "s3://operations/builds/44.tar.gz", "release": hashlib.sha256(third).hexdigest()}
    assert "it does not know 0001_visits.contract" in judge("known", **MADE | given)["msg"]
    assert f"releases/{given['release']}.tar.gz" not in kept()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"no archive", "it is no archive (.tar.gz)"),
        (archive(first="SELECT 1"), "migrations/first.sql is called neither"),
        (archive(**{"0001_large__expand": "-" * 200_000}), "has 200000 bytes, more than 100000"),
    ],
)
def test_an_archive_whose_migrations_cannot_be_used_is_no_release(judge: Any, content: bytes, words: str) -> None:
    boto3.client("s3").put_object(Bucket="operations", Key="builds/42.tar.gz", Body=content)
    assert words in judge("known", **MADE | {"release": hashlib.sha256(content).hexdigest()})["msg"]
    assert kept() == set()


class Groups:
    """As much of Auto Scaling as the module calls."""

    def __init__(self, *suspended: str) -> None:
        self.suspended = set(suspended)

    def describe_auto_scaling_groups(self, **_names: Any) -> dict[str, Any]:
        processes = [{"ProcessName": name} for name in sorted(self.suspended)]
        return {"AutoScalingGroups": [{"AutoScalingGroupName": "one", "SuspendedProcesses": processes}]}

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
    assert "there is no Auto Scaling group none in this region" in run(asg_processes, name="none", suspended=[])["msg"]

# SPDX-License-Identifier: GPL-3.0-or-later
"""A bucket through its whole life, and each thing that somebody may change on it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import botocore.client
import botocore.endpoint
import botocore.handlers
import pytest
from ansible_collections.indivillage.infra.plugins.module_utils import aws_resource
from ansible_collections.indivillage.infra.plugins.modules import s3_bucket
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError
from moto.s3.models import S3Backend

from sandbox.emulator.additions import s3_bucket_owners, s3_replication

Run = Callable[..., dict[str, Any]]
NAME = "indivillage-test-uploads"
ACCOUNT = "123456789012"
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:alias/storage"
POLICY = {
    "Version": "2012-10-17",
    "Statement": [{"Sid": "A", "Effect": "Deny", "Principal": {"AWS": "*"}, "Action": "s3:*", "Resource": [f"arn:aws:s3:::{NAME}"]}],
}
LIFECYCLE = {
    "id": "retention",
    "expiration_days": 30,
    "noncurrent_version_expiration_days": 30,
    "abort_incomplete_multipart_upload_days": 7,
}
CORS = {"allowed_origins": ["https://a", "https://b"], "allowed_methods": ["GET", "PUT"], "allowed_headers": ["*"], "max_age_seconds": 3000}
REPLICATION = {"role_arn": f"arn:aws:iam::{ACCOUNT}:role/copies", "destination_bucket": "indivillage-test-replica"}
COMPLETE: dict[str, Any] = {
    "expected_owner": ACCOUNT,
    "versioning": True,
    "encryption": {"algorithm": "aws:kms", "key_id": KEY, "bucket_key": True},
    "block_public_access": True,
    "object_ownership": "BucketOwnerEnforced",
    "policy": POLICY,
    "logging": {"target_bucket": "indivillage-test-logs", "target_prefix": "s3/uploads/"},
    "lifecycle_rules": [{**LIFECYCLE, "transitions": [{"transition_days": 30, "storage_class": "standard_ia"}]}],
    "cors_rules": [CORS],
    "replication": {**REPLICATION, "destination_kms_key_arn": KEY, "storage_class": "glacier", "delete_markers": True},
    "tags": {"Project": "site", "Name": NAME},
}
NOTHING: dict[str, Any] = {
    "versioning": False,
    "encryption": {"algorithm": "AES256"},
    "block_public_access": False,
    "object_ownership": "ObjectWriter",
    "policy": {},
    "logging": {"target_bucket": ""},
    "lifecycle_rules": [],
    "cors_rules": [],
    "replication": {},
    "tags": {},
}


@pytest.fixture(autouse=True, scope="module")
def owners_and_replicas_are_told() -> None:
    s3_bucket_owners.install()
    s3_replication.install()


@pytest.fixture
def s3() -> Any:
    """The client; S3 may deliver logs into a bucket, and another bucket takes replicas."""
    client = boto3.client("s3")
    for name in ("indivillage-test-logs", "indivillage-test-replica"):
        client.create_bucket(Bucket=name)
    delivery = {"Effect": "Allow", "Principal": {"Service": "logging.s3.amazonaws.com"}, "Action": "s3:PutObject"}
    statement = {**delivery, "Resource": "arn:aws:s3:::indivillage-test-logs/*"}
    client.put_bucket_policy(Bucket="indivillage-test-logs", Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    return client


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """The operations that were asked of S3 since."""
    counted: Counter[str] = Counter()
    send = botocore.client.BaseClient._make_api_call

    def call(client: Any, operation: str, parameters: dict[str, Any]) -> Any:
        counted[operation] += 1
        return send(client, operation, parameters)

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", call)
    return counted


def test_life_cycle(s3: Any, life_cycle: Callable[..., None]) -> None:
    life_cycle(s3_bucket, {"name": NAME}, COMPLETE, NOTHING)


def test_what_the_api_is_told(s3: Any, run: Run) -> None:
    run(s3_bucket, name=NAME, **COMPLETE)

    def told(operation: str) -> dict[str, Any]:
        return {key: value for key, value in getattr(s3, operation)(Bucket=NAME).items() if key != "ResponseMetadata"}

    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": KEY}
    rule = {"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": True}
    assert told("get_bucket_encryption") == {"ServerSideEncryptionConfiguration": {"Rules": [rule]}}
    assert told("get_bucket_lifecycle_configuration")["Rules"] == [
        {
            "ID": "retention",
            "Status": "Enabled",
            "Filter": {"Prefix": ""},
            "Expiration": {"Days": 30},
            "Transitions": [{"Days": 30, "StorageClass": "STANDARD_IA"}],
            "NoncurrentVersionExpiration": {"NoncurrentDays": 30},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
        }
    ]
    assert json.loads(told("get_bucket_policy")["Policy"]) == POLICY
    assert told("get_bucket_replication")["ReplicationConfiguration"] == {
        "Role": REPLICATION["role_arn"],
        "Rules": [
            {
                "ID": "replication",
                "Priority": 1,
                "Status": "Enabled",
                "Filter": {"Prefix": ""},
                "DeleteMarkerReplication": {"Status": "Enabled"},
                "SourceSelectionCriteria": {"SseKmsEncryptedObjects": {"Status": "Enabled"}},
                "Destination": {
                    "Bucket": "arn:aws:s3:::indivillage-test-replica",
                    "StorageClass": "GLACIER",
                    "EncryptionConfiguration": {"ReplicaKmsKeyID": KEY},
                },
            }
        ],
    }


def test_only_what_is_declared_is_asked_once(s3: Any, run: Run, calls: Counter[str]) -> None:
    run(s3_bucket, name=NAME, versioning=True, policy=POLICY)
    calls.clear()
    assert not run(s3_bucket, name=NAME, versioning=True, policy=POLICY)["changed"]
    assert calls == {"HeadBucket": 1, "GetBucketVersioning": 1, "GetBucketPolicy": 1}


def test_a_new_bucket_is_told_nothing_that_it_knows(s3: Any, run: Run, calls: Counter[str]) -> None:
    run(s3_bucket, name=NAME, **{option: value for option, value in NOTHING.items() if option not in ("object_ownership", "encryption")})
    assert [operation for operation in calls if not operation.startswith(("Get", "Head"))] == ["CreateBucket"]


def test_a_check_of_a_new_bucket_asks_only_whether_it_is_there(s3: Any, run: Run, calls: Counter[str]) -> None:
    assert run(s3_bucket, check=True, name=NAME, **COMPLETE)["changed"]
    assert calls == {"HeadBucket": 1}


OPEN = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}]})
LATER = {"ID": "soon", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 1}}


def _one_kind_of_public_access(s3: Any) -> None:
    s3.put_public_access_block(Bucket=NAME, PublicAccessBlockConfiguration={"BlockPublicAcls": True})


def _another_lifecycle_rule(s3: Any) -> None:
    rules = s3.get_bucket_lifecycle_configuration(Bucket=NAME)["Rules"]
    s3.put_bucket_lifecycle_configuration(Bucket=NAME, LifecycleConfiguration={"Rules": [*rules, LATER]})


def _without_an_action(action: str) -> Callable[[Any], None]:
    def change(s3: Any) -> None:
        (rule,) = s3.get_bucket_lifecycle_configuration(Bucket=NAME)["Rules"]
        del rule[action]
        s3.put_bucket_lifecycle_configuration(Bucket=NAME, LifecycleConfiguration={"Rules": [rule]})

    return change


def _encrypted_by(**rule: Any) -> Callable[[Any], None]:
    return lambda s3: s3.put_bucket_encryption(Bucket=NAME, ServerSideEncryptionConfiguration={"Rules": [rule]})


def _replicated_to(**changed: Any) -> Callable[[Any], None]:
    def change(s3: Any) -> None:
        configuration = s3.get_bucket_replication(Bucket=NAME)["ReplicationConfiguration"]
        configuration["Rules"][0] |= changed
        s3.put_bucket_replication(Bucket=NAME, ReplicationConfiguration=configuration)

    return change


KMS = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": KEY}
BEHIND_ITS_BACK: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "versioning suspended": (
        "versioning",
        lambda s3: [
            s3.delete_bucket_replication(Bucket=NAME),
            s3.put_bucket_versioning(Bucket=NAME, VersioningConfiguration={"Status": "Suspended"}),
        ],
    ),
    "encryption removed": ("encryption", lambda s3: s3.delete_bucket_encryption(Bucket=NAME)),
    "encryption of another kind": ("encryption", _encrypted_by(ApplyServerSideEncryptionByDefault={"SSEAlgorithm": "AES256"})),
    "another key": ("encryption", _encrypted_by(ApplyServerSideEncryptionByDefault={**KMS, "KMSMasterKeyID": "x"}, BucketKeyEnabled=True)),
    "no bucket key": ("encryption", _encrypted_by(ApplyServerSideEncryptionByDefault=KMS, BucketKeyEnabled=False)),
    "public access allowed": ("block_public_access", lambda s3: s3.delete_public_access_block(Bucket=NAME)),
    "public access allowed in part": ("block_public_access", _one_kind_of_public_access),
    "ownership removed": ("object_ownership", lambda s3: s3.delete_bucket_ownership_controls(Bucket=NAME)),
    "ownership changed": (
        "object_ownership",
        lambda s3: s3.put_bucket_ownership_controls(Bucket=NAME, OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]}),
    ),
    "policy removed": ("policy", lambda s3: s3.delete_bucket_policy(Bucket=NAME)),
    "policy changed": ("policy", lambda s3: s3.put_bucket_policy(Bucket=NAME, Policy=OPEN)),
    "log switched off": ("logging", lambda s3: s3.put_bucket_logging(Bucket=NAME, BucketLoggingStatus={})),
    "lifecycle removed": ("lifecycle_rules", lambda s3: s3.delete_bucket_lifecycle(Bucket=NAME)),
    "lifecycle rule added": ("lifecycle_rules", _another_lifecycle_rule),
    "objects kept": ("lifecycle_rules", _without_an_action("Expiration")),
    "objects not moved": ("lifecycle_rules", _without_an_action("Transitions")),
    "old versions kept": ("lifecycle_rules", _without_an_action("NoncurrentVersionExpiration")),
    "unfinished uploads kept": ("lifecycle_rules", _without_an_action("AbortIncompleteMultipartUpload")),
    "CORS removed": ("cors_rules", lambda s3: s3.delete_bucket_cors(Bucket=NAME)),
    "CORS changed": (
        "cors_rules",
        lambda s3: s3.put_bucket_cors(Bucket=NAME, CORSConfiguration={"CORSRules": [{"AllowedOrigins": ["*"], "AllowedMethods": ["PUT"]}]}),
    ),
    "replication removed": ("replication", lambda s3: s3.delete_bucket_replication(Bucket=NAME)),
    "replication of deletions stopped": ("replication", _replicated_to(DeleteMarkerReplication={"Status": "Disabled"})),
    "replication elsewhere": ("replication", _replicated_to(Destination={"Bucket": "arn:aws:s3:::another"})),
    "replication suspended": ("replication", _replicated_to(Status="Disabled")),
    "tags removed": ("tags", lambda s3: s3.delete_bucket_tagging(Bucket=NAME)),
    "tags changed": (
        "tags",
        lambda s3: s3.put_bucket_tagging(
            Bucket=NAME, Tagging={"TagSet": [{"Key": "Project", "Value": "another"}, {"Key": "x", "Value": "y"}]}
        ),
    ),
}


def operations(result: dict[str, Any]) -> list[str]:
    return [call["operation"] for call in result["plan"]["calls"]]


@pytest.mark.parametrize("change", BEHIND_ITS_BACK)
def test_what_somebody_changed_is_planned_and_put_right(s3: Any, run: Run, plan: Run, change: str) -> None:
    option, do = BEHIND_ITS_BACK[change]
    run(s3_bucket, name=NAME, **COMPLETE)
    do(s3)

    planned = plan(s3_bucket, name=NAME, **COMPLETE)
    applied = run(s3_bucket, name=NAME, **COMPLETE)

    assert not applied.get("failed"), applied
    assert planned["diff"] == applied["diff"]
    changed = {option, "replication"} if option == "versioning" else {option}  # which cannot be without versions
    assert set(applied["diff"]["after"]) == changed
    api = s3.meta.method_to_api_mapping
    assert set(operations(planned)) == {api[f"put_{s3_bucket.PARTS[name].noun}"] for name in changed}
    assert planned["plan"]["action"] == "change"
    assert planned["plan"]["changes"]
    assert not plan(s3_bucket, name=NAME, **COMPLETE)["changed"]


@pytest.mark.parametrize("option", ["policy", "lifecycle_rules", "cors_rules", "replication", "logging"])
def test_what_is_declared_as_nothing_is_removed_and_all_else_stays(s3: Any, run: Run, plan: Run, option: str, calls: Counter[str]) -> None:
    run(s3_bucket, name=NAME, **COMPLETE)
    changed = {**COMPLETE, option: NOTHING[option]}
    planned = plan(s3_bucket, name=NAME, **changed)
    assert planned["plan"]["action"] == "change"
    assert plan(s3_bucket, name=NAME, **changed)["plan"]["action"] == "none"
    calls.clear()

    assert set(run(s3_bucket, name=NAME, **changed)["diff"]["after"]) == {option}

    assert [operation for operation in calls if not operation.startswith(("Get", "Head"))] == operations(planned)
    assert not run(s3_bucket, name=NAME, **changed)["changed"]


def test_a_new_bucket_is_planned_with_its_fields_and_known_to_later_tasks(s3: Any, plan: Run) -> None:
    result = plan(s3_bucket, name=NAME, region="us-west-2", **COMPLETE)

    assert (result["plan"]["action"], result["plan"]["resource"]) == ("create", f"bucket {NAME}")
    assert operations(result)[0] == "CreateBucket"
    fields = {change["field"].partition(".")[0] for change in result["plan"]["changes"]}
    assert fields == {
        *("CreateBucketConfiguration", "Tagging", "PublicAccessBlockConfiguration", "OwnershipControls"),
        *("ServerSideEncryptionConfiguration", "Policy", "VersioningConfiguration", "BucketLoggingStatus"),
        *("LifecycleConfiguration", "CORSConfiguration", "ReplicationConfiguration"),
    }
    assert not plan(s3_bucket, name=NAME, region="us-west-2", **COMPLETE)["changed"]
    gone = plan(s3_bucket, name=NAME, region="us-west-2", state="absent")["plan"]
    assert (gone["action"], gone["stateful"]) == ("delete", "bucket")
    assert not plan(s3_bucket, name=NAME, region="us-west-2", state="absent")["changed"]


def test_a_policy_that_s3_writes_differently_is_the_same(s3: Any, run: Run) -> None:
    run(s3_bucket, name=NAME, policy=POLICY)
    policy = json.loads(json.dumps(POLICY))
    policy["Statement"][0]["Resource"] = f"arn:aws:s3:::{NAME}"
    s3.put_bucket_policy(Bucket=NAME, Policy=json.dumps(policy))
    assert not run(s3_bucket, name=NAME, policy=POLICY)["changed"]


@pytest.mark.parametrize("form", [{"Prefix": ""}, {"Filter": {"Prefix": ""}}])
def test_rules_for_all_objects_are_the_same_however_they_say_it(s3: Any, run: Run, form: dict[str, Any]) -> None:
    run(s3_bucket, name=NAME)
    rule = {"ID": "retention", "Status": "Enabled", "Expiration": {"Days": 3}, **form}
    s3.put_bucket_lifecycle_configuration(Bucket=NAME, LifecycleConfiguration={"Rules": [rule]})
    assert not run(s3_bucket, name=NAME, lifecycle_rules=[{"id": "retention", "expiration_days": 3}])["changed"]


def test_a_key_that_is_not_declared_stays(s3: Any, run: Run) -> None:
    run(s3_bucket, name=NAME, encryption={"algorithm": "aws:kms", "key_id": KEY, "bucket_key": False})
    run(s3_bucket, name=NAME, encryption={"algorithm": "aws:kms", "bucket_key": True})
    assert run(s3_bucket, name=NAME, encryption=COMPLETE["encryption"])["changed"] is False
    assert run(s3_bucket, name=NAME, encryption={"algorithm": "AES256"})["changed"]


def test_tags_are_left_alone_unless_they_are_declared(s3: Any, run: Run) -> None:
    run(s3_bucket, name=NAME, tags={"Project": "site"})
    assert not run(s3_bucket, name=NAME)["changed"]
    assert not run(s3_bucket, name=NAME, tags={}, purge_tags=False)["changed"]
    assert run(s3_bucket, name=NAME, tags={"b": "c"}, purge_tags=False)["changed"]
    assert s3.get_bucket_tagging(Bucket=NAME)["TagSet"] == [{"Key": "Project", "Value": "site"}, {"Key": "b", "Value": "c"}]


# --- whose bucket it is, and where ---


@pytest.mark.parametrize("region", ["us-east-1", "us-west-2"])
def test_a_bucket_is_made_in_its_region(s3: Any, run: Run, region: str) -> None:
    assert run(s3_bucket, name=NAME, region=region)["resource"]["region"] == region
    assert s3.get_bucket_location(Bucket=NAME)["LocationConstraint"] == (None if region == "us-east-1" else region)


@pytest.mark.parametrize("check", [True, False])
def test_a_bucket_in_another_region_is_refused(s3: Any, run: Run, check: bool) -> None:
    run(s3_bucket, name=NAME, region="us-west-2")
    result = run(s3_bucket, check=check, name=NAME, region="us-east-1")
    assert result["failed"]
    assert "region is 'us-west-2' and is declared as 'us-east-1'" in result["msg"]


@pytest.mark.parametrize("state", ["present", "absent"])
@pytest.mark.parametrize("check", [True, False])
def test_the_bucket_of_another_account_is_refused(s3: Any, run: Run, check: bool, state: str) -> None:
    credentials = boto3.client("sts").assume_role(RoleArn="arn:aws:iam::111111111111:role/x", RoleSessionName="other")["Credentials"]
    other = boto3.client(
        "s3",
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
    )
    other.create_bucket(Bucket=NAME)
    result = run(s3_bucket, check=check, name=NAME, state=state, expected_owner=ACCOUNT)
    assert result["failed"]
    assert result["msg"].startswith(f"Could not read bucket '{NAME}': The name belongs to another AWS account")


def refuse_creation(monkeypatch: pytest.MonkeyPatch, code: str, *, first: bool) -> None:
    """CreateBucket makes the bucket, as another run does at the same moment, and says so; or somebody else has it."""
    send = botocore.client.BaseClient._make_api_call

    def call(client: Any, operation: str, parameters: dict[str, Any]) -> Any:
        if operation != "CreateBucket":
            return send(client, operation, parameters)
        if first:
            send(client, operation, parameters)
        raise client.exceptions.from_code(code)({"Error": {"Code": code, "Message": "x"}}, operation)

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", call)


def test_a_bucket_that_another_run_makes_at_the_same_moment_is_taken(s3: Any, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_creation(monkeypatch, "BucketAlreadyOwnedByYou", first=True)
    result = run(s3_bucket, name=NAME, versioning=True)
    assert (result["changed"], result.get("failed")) == (True, None)
    assert s3.get_bucket_versioning(Bucket=NAME)["Status"] == "Enabled"


def test_a_name_that_somebody_else_takes_at_the_same_moment_is_one_clear_error(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_creation(monkeypatch, "BucketAlreadyExists", first=False)
    result = run(s3_bucket, name=NAME)
    assert result["failed"]
    assert result["msg"].startswith(f"Could not create bucket '{NAME}': The name belongs to another AWS account")


# --- an API that is busy ---


def busy(monkeypatch: pytest.MonkeyPatch, times: int, status: int, code: str, methods: tuple[str, ...]) -> Iterator[int]:
    """Answer the first calls as a busy S3 does; what is left of the number."""
    answers = iter(range(times))

    class Raw:
        @staticmethod
        def stream() -> Iterator[bytes]:
            yield f"<Error><Code>{code}</Code><Message>Busy</Message><RequestId>0</RequestId></Error>".encode()

    def before_send(request: Any, **_: Any) -> AWSResponse | None:
        if request.method not in methods or next(answers, None) is None:
            return None
        return AWSResponse(request.url, status, {}, Raw)

    monkeypatch.setattr(botocore.handlers, "BUILTIN_HANDLERS", [("before-send", before_send), *botocore.handlers.BUILTIN_HANDLERS])
    monkeypatch.setattr(botocore.endpoint.time, "sleep", lambda _: None)
    return answers


def test_throttled_calls_are_repeated_also_side_by_side(s3: Any, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run(s3_bucket, name=NAME, **COMPLETE)
    answers = busy(monkeypatch, 8, 503, "SlowDown", ("GET",))
    result = run(s3_bucket, name=NAME, **COMPLETE)
    assert (result["changed"], result.get("failed")) == (False, None)
    assert next(answers, "used up") == "used up"


def test_endless_throttling_ends_with_a_clear_error(s3: Any, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run(s3_bucket, name=NAME, **COMPLETE)
    busy(monkeypatch, 10000, 503, "SlowDown", ("GET",))
    result = run(s3_bucket, name=NAME, **COMPLETE)
    assert result["failed"]
    assert result["msg"].startswith(f"Could not read bucket '{NAME}': An error occurred (SlowDown)")


@pytest.mark.parametrize(("status", "code"), [(409, "OperationAborted"), (404, "NoSuchBucket")])
def test_a_write_waits_for_other_changes_and_for_a_bucket_that_is_not_known_yet(
    s3: Any, run: Run, monkeypatch: pytest.MonkeyPatch, status: int, code: str
) -> None:
    run(s3_bucket, name=NAME)
    answers = busy(monkeypatch, 3, status, code, ("PUT",))
    result = run(s3_bucket, name=NAME, **COMPLETE)
    assert (result["changed"], result.get("failed")) == (True, None)
    assert next(answers, "used up") == "used up"


def test_a_change_that_s3_accepts_and_does_not_make_fails(s3: Any, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run(s3_bucket, name=NAME)
    monkeypatch.setattr(aws_resource, "READ_BACK_SECONDS", 0)
    monkeypatch.setattr(S3Backend, "put_bucket_versioning", lambda *_, **__: None)
    result = run(s3_bucket, name=NAME, versioning=True)
    assert result["failed"]
    assert "still reports {'versioning': False}" in result["msg"]


# --- deletion ---


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("left", ["an object", "a version of a deleted object"])
def test_a_bucket_that_is_not_empty_is_not_deleted(s3: Any, run: Run, check: bool, left: str) -> None:
    run(s3_bucket, name=NAME, versioning=True)
    s3.put_object(Bucket=NAME, Key="a", Body=b"1")
    if left != "an object":
        s3.delete_object(Bucket=NAME, Key="a")
    result = run(s3_bucket, check=check, name=NAME, state="absent")
    assert result["failed"]
    assert "force_empty: true deletes them all" in result["msg"]
    assert s3.list_object_versions(Bucket=NAME)["Versions"]


def test_force_deletes_every_version_with_the_bucket(s3: Any, run: Run) -> None:
    run(s3_bucket, name=NAME, versioning=True)
    for content in (b"1", b"2"):
        s3.put_object(Bucket=NAME, Key="a", Body=content)
    s3.delete_object(Bucket=NAME, Key="a")
    s3.create_multipart_upload(Bucket=NAME, Key="unfinished")
    forced = {"name": NAME, "state": "absent", "force_empty": True}
    assert run(s3_bucket, check=True, **forced)["changed"]
    assert run(s3_bucket, **forced)["changed"]
    with pytest.raises(ClientError):
        s3.head_bucket(Bucket=NAME)
    assert not run(s3_bucket, **forced)["changed"]


# --- nonsense ---


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"encryption": {"algorithm": "AES256", "key_id": KEY}}, "AES256 is S3's own key"),
        ({"replication": {"role_arn": "r"}}, "destination_bucket"),
        ({"replication": {"storage_class": "glacier"}}, "role_arn"),
        ({"lifecycle_rules": [{"id": "x"}]}, "one of the following is required"),
        ({"lifecycle_rules": [{"id": "x", "transitions": [{"transition_days": 3, "storage_class": "GLACIER"}]}]}, "storage_class"),
    ],
)
def test_nonsense_is_refused_before_anything_is_written(run: Run, calls: Counter[str], options: dict[str, Any], told: str) -> None:
    result = run(s3_bucket, name=NAME, **options)
    assert result["failed"]
    assert told in result["msg"]
    assert set(calls) <= {"HeadBucket"}

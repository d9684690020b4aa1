# SPDX-License-Identifier: GPL-3.0-or-later
"""The emulator's own decisions, without a server: requests, policies, placement, sizes and versions."""

from __future__ import annotations

import datetime
import io
from types import SimpleNamespace
from typing import Any

import pytest

from sandbox.emulator.additions.auto_scaling_groups import launches_spot, next_subnet, scale_in_order
from sandbox.emulator.additions.caches import full_version
from sandbox.emulator.additions.instances import with_root_device
from sandbox.emulator.additions.patching import add, replace_property, wrap
from sandbox.emulator.additions.postgresql_parameters import PARAMETERS
from sandbox.emulator.additions.s3_bucket_policies import applies
from sandbox.emulator.runtime import Runtime
from sandbox.emulator.server import describe_request

SIGNATURE = "AWS4-HMAC-SHA256 Credential=sandbox/20260101/{}/{}/aws4_request, SignedHeaders=host, Signature=0"


def request(service: str, **environ: Any) -> dict[str, Any]:
    return {"HTTP_AUTHORIZATION": SIGNATURE.format("us-west-2", service), "REQUEST_METHOD": "POST", "PATH_INFO": "/"} | environ


def test_a_query_request_names_its_action_and_keeps_its_body() -> None:
    body = b"Action=RunInstances&Version=2016-11-15&UserData=%00"
    environ = request(
        "ec2",
        CONTENT_TYPE="application/x-www-form-urlencoded; charset=utf-8",
        CONTENT_LENGTH=str(len(body)),
        **{"wsgi.input": io.BytesIO(body + b"next request")},
    )
    assert describe_request(environ) == ("ec2", "us-west-2", "RunInstances")
    assert environ["wsgi.input"].read() == body


def test_a_json_request_names_its_target_and_a_rest_request_its_method() -> None:
    assert describe_request(request("dynamodb", HTTP_X_AMZ_TARGET="DynamoDB_20120810.PutItem"))[2] == "PutItem"
    assert describe_request(request("s3", REQUEST_METHOD="PUT")) == ("s3", "us-west-2", "PUT")
    assert describe_request({"REQUEST_METHOD": "GET"}) == ("", "", "GET")


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({}, True),
        ({"Bool": {"aws:SecureTransport": "false"}}, False),
        ({"Bool": {"aws:SecureTransport": ["true"]}}, True),
        ({"NumericLessThan": {"s3:TlsVersion": 1.2}}, False),
        ({"NumericLessThan": {"s3:TlsVersion": 1.4}, "Bool": {"aws:SecureTransport": "false"}}, False),
        ({"StringEquals": {"aws:SourceVpce": "vpce-1"}}, False),
        ({"ArnLike": {"aws:SecureTransport": "true"}}, False),
    ],
)
def test_a_policy_statement_applies_when_all_its_conditions_are_known_and_true(condition: dict[str, Any], expected: bool) -> None:
    assert applies({"Effect": "Deny", "Condition": condition}) is expected


def test_a_member_goes_to_the_emptiest_subnet() -> None:
    assert next_subnet(["a", "b", "c"], []) == "a"
    assert next_subnet(["a", "b", "c"], ["a", "c", "a"]) == "b"
    assert next_subnet(["a", "b"], ["gone", "gone", "a"]) == "b"


def member(name: str, zone: str, minute: int, *, protected: bool = False) -> Any:
    launched = datetime.datetime(2026, 1, 1, 0, minute, tzinfo=datetime.UTC)
    return SimpleNamespace(
        name=name, availability_zone=zone, protected_from_scale_in=protected, instance=SimpleNamespace(launch_time=launched, lifecycle=None)
    )


def test_members_leave_the_fullest_zone_first_and_there_the_oldest() -> None:
    states = [member("a1", "a", 5), member("b1", "b", 1), member("a2", "a", 3), member("b2", "b", 9), member("a3", "a", 4, protected=True)]
    assert [state.name for state in scale_in_order(states)] == ["a2", "b1", "a1", "b2", "a3"]


def test_spot_share_of_a_mixed_group() -> None:
    mixed = {"InstancesDistribution": {"OnDemandBaseCapacity": 1, "OnDemandPercentageAboveBaseCapacity": 50}}
    members: list[Any] = []
    group = SimpleNamespace(desired_capacity=3, active_instances=lambda: members)
    chosen = []
    for minute in range(3):
        spot = launches_spot(group, mixed)
        chosen.append(spot)
        state = member(str(minute), "a", minute)
        state.instance.lifecycle = "spot" if spot else None
        members.append(state)
    assert chosen == [False, False, True]
    assert launches_spot(group, {}) is False


@pytest.mark.parametrize(
    ("mappings", "expected"),
    [
        ([], [("/dev/xvda", 8, True)]),
        ([{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 20, "DeleteOnTermination": False}}], [("/dev/xvda", 20, False)]),
        ([{"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 5}}], [("/dev/xvda", 8, True), ("/dev/sdf", 5, None)]),
    ],
)
def test_every_instance_has_a_root_device(mappings: list[dict[str, Any]], expected: list[tuple[str, int, bool | None]]) -> None:
    found = with_root_device(mappings, "/dev/xvda")
    assert [(one["DeviceName"], one["Ebs"]["VolumeSize"], one["Ebs"].get("DeleteOnTermination")) for one in found] == expected


@pytest.mark.parametrize(
    ("engine", "given", "full"),
    [
        ("redis", None, "7.1.0"),
        ("redis", "7.1", "7.1.0"),
        ("redis", "7.x", "7.1.0"),
        ("redis", "7.0", "7.0.0"),
        ("redis", "6.2.6", "6.2.6"),
    ],
)
def test_engine_versions_are_complete(engine: str, given: str | None, full: str) -> None:
    assert full_version(engine, given) == full


def test_engine_parameters_are_complete() -> None:
    assert PARAMETERS["rds.force_ssl"]["ParameterValue"] == "1"
    assert {entry["ApplyType"] for entry in PARAMETERS.values()} == {"static", "dynamic"}
    assert all(entry["ParameterName"] == name for name, entry in PARAMETERS.items())


def test_the_version_counts_changes() -> None:
    runtime = Runtime()
    runtime.changed()
    runtime.changed()
    assert runtime.version == 2


def test_a_patch_that_no_longer_fits_says_so() -> None:
    class Library:
        @property
        def size(self) -> int:
            return 1

        def call(self, number: int) -> int:
            return number

    @wrap(Library, "call")
    def doubled(original: Any, self: Any, number: int) -> int:
        return 2 * int(original(self, number))

    replace_property(Library, "size", lambda _self: 5)
    assert (Library().call(4), Library().size) == (8, 5)
    with pytest.raises(AttributeError):
        wrap(Library, "gone")
    with pytest.raises(AttributeError, match="has call already: this addition is no longer needed"):
        add(Library, "call")
    with pytest.raises(TypeError, match="is no property any more"):
        replace_property(Library, "call", lambda _self: None)

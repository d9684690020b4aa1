# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine itself, driven through small resources and through log_group."""

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import boto3
import botocore.endpoint
import botocore.handlers
import pytest
from ansible_collections.indivillage.infra.plugins.module_utils import aws_resource
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import (
    Properties,
    Resource,
    ResourceError,
    differences,
    wait_until,
)
from ansible_collections.indivillage.infra.plugins.modules import log_group
from botocore.awsrequest import AWSResponse
from hypothesis import given
from hypothesis import strategies as st
from moto.logs.models import LogsBackend

Run = Callable[..., dict[str, Any]]


class Plain(Resource):
    ordered = frozenset({"steps"})
    exact = frozenset({"whole"})


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["a", "b", "steps", "whole"]), VALUES, max_size=4))
def test_nothing_differs_from_itself(state: Properties) -> None:
    assert differences(Plain, state, state) == {}


@pytest.mark.parametrize(
    ("wanted", "current", "different"),
    [
        ({"a": 1}, {"a": 1.0}, False),
        ({"a": True}, {"a": 1}, False),
        ({"a": [1, 10, 2]}, {"a": [10.0, 2.0, 1.0]}, False),
        ({"a": "1"}, {"a": 1}, True),
        ({"a": ["x", "y"]}, {"a": ["y", "x"]}, False),
        ({"a": ["x"]}, {"a": ["x", "y"]}, True),
        ({"steps": ["x", "y"]}, {"steps": ["y", "x"]}, True),
        ({"a": {"x": 1}}, {"a": {"x": 1, "default": 2}}, False),
        ({"a": {"x": 1}}, {"a": {"x": 2}}, True),
        ({"a": {"x": {"y": [1]}}}, {"a": {"x": {"y": [2], "z": 1}}}, True),
        ({"a": [{"x": 1}]}, {"a": [{"x": 1, "default": 2}]}, False),
        ({"a": {"x": None, "y": 1}}, {"a": {"y": 1}}, False),
        ({"whole": {"x": 1}}, {"whole": {"x": 1, "y": 2}}, True),
        ({"a": 1}, {"a": None}, True),
        ({"a": 1}, {}, False),
    ],
)
def test_differences(wanted: Properties, current: Properties, different: bool) -> None:
    assert bool(differences(Plain, wanted, current)) is different


def test_wait_names_what_did_not_happen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws_resource.time, "sleep", lambda _: None)
    with pytest.raises(ResourceError, match=r"Waited 0 seconds for the moon, which did not happen\."):
        wait_until(lambda: False, "the moon", 0)


def test_a_throttled_call_is_repeated(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = throttle(monkeypatch, times=3)
    assert run(log_group, name="/test")["changed"]
    assert next(answers, "used up") == "used up"


def test_endless_throttling_ends_with_a_clear_error(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    throttle(monkeypatch, times=1000)
    result = run(log_group, name="/test")
    assert result["failed"]
    assert result["msg"].startswith("Could not read log group '/test': An error occurred (ThrottlingException)")


def throttle(monkeypatch: pytest.MonkeyPatch, times: int) -> Iterator[int]:
    """Answer the first calls as an overloaded AWS does."""
    answers = iter(range(times))

    def before_send(request: Any, **_: Any) -> AWSResponse | None:
        if next(answers, None) is None:
            return None
        body = b'{"__type": "ThrottlingException", "message": "Rate exceeded"}'
        return AWSResponse(request.url, 400, {}, _Raw(body))

    monkeypatch.setattr(botocore.handlers, "BUILTIN_HANDLERS", [("before-send", before_send), *botocore.handlers.BUILTIN_HANDLERS])
    monkeypatch.setattr(botocore.endpoint.time, "sleep", lambda _: None)
    return answers


class _Raw:
    def __init__(self, body: bytes) -> None:
        self.body = body

    def stream(self) -> Iterator[bytes]:
        yield self.body


def test_a_change_that_aws_accepts_and_does_not_make_fails(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run(log_group, name="/test", retention_days=30)
    monkeypatch.setattr(aws_resource, "READ_BACK_SECONDS", 0)
    monkeypatch.setattr(LogsBackend, "put_retention_policy", lambda *_, **__: None)
    result = run(log_group, name="/test", retention_days=90)
    assert result["failed"]
    assert "AWS accepted the change, yet after 0 seconds still reports {'retention_days': 30}" in result["msg"]


class _Bucket(Resource):
    """A resource whose region cannot change and which holds something of value."""

    service = "s3"
    kind = "test bucket"
    options: ClassVar[dict[str, Any]] = {"name": {"required": True}, "place": {}}
    properties = ("place",)
    immutable = frozenset({"place"})

    def find(self) -> Properties:
        return {"place": "here", "tags": {}}


def test_an_immutable_property_is_refused_with_both_values(run: Run) -> None:
    for check in (True, False):
        result = run(_Main(_Bucket), check=check, name="b", place="there")
        assert result["failed"]
        assert "AWS cannot change this on the existing test bucket 'b': place is 'here' and is declared as 'there'." in result["msg"]


class _Main:
    def __init__(self, resource: type[Resource]) -> None:
        self.resource = resource

    def main(self) -> None:
        aws_resource.run(self.resource)


def test_tags_of_aws_itself_are_never_touched(run: Run) -> None:
    run(log_group, name="/test", tags={"Project": "indivillage"})
    arn = run(log_group, name="/test")["resource"]["arn"]
    boto3.client("logs").tag_resource(resourceArn=arn, tags={"aws:cloudformation:stack-name": "other"})
    assert not run(log_group, name="/test", tags={"Project": "indivillage"})["changed"]


def test_tag_values_are_compared_as_text(run: Run) -> None:
    assert run(log_group, name="/test", tags={"Port": 443})["changed"]
    assert not run(log_group, name="/test", tags={"Port": 443})["changed"]

# SPDX-License-Identifier: GPL-3.0-or-later
"""How requests choose things, and how values compare."""

import json
from typing import Any
from urllib.parse import quote

import pytest
from ansible_collections.indivillage.infra.plugins.plugin_utils.planning import requests

SUBNET = {
    "SubnetId": "subnet-1",
    "VpcId": "vpc-1",
    "CidrBlock": "10.0.1.0/24",
    "MapPublicIpOnLaunch": False,
    "Tags": [{"Key": "Name", "Value": "x-web-a"}],
    "Attachments": [{"VpcId": "vpc-9"}],
}


def filters(**values: str) -> dict[str, Any]:
    return {"Filters": [{"Name": name.replace("__", ":").replace("_", "-"), "Values": [value]} for name, value in values.items()]}


@pytest.mark.parametrize(
    ("parameters", "wanted"),
    [
        ({}, True),
        ({"SubnetIds": ["subnet-1", "subnet-2"], "MaxResults": 5}, True),
        ({"SubnetIds": ["subnet-2"]}, False),
        (filters(vpc_id="vpc-1"), True),
        (filters(vpc_id="vpc-2"), False),
        (filters(tag__Name="x-*"), True),
        (filters(tag__Name="y-*"), False),
        (filters(cidr="10.0.1.0/24", vpc_id="vpc-1"), True),
        (filters(map_public_ip_on_launch="false"), True),
        ({"Filters": [{"Name": "attachment.vpc-id", "Values": ["vpc-9"]}]}, True),
        (filters(never_heard_of="x"), False),
    ],
)
def test_which_things_a_request_asks_for(parameters: dict[str, Any], wanted: bool) -> None:
    assert requests.wants(parameters, SUBNET, "Subnet") is wanted


def test_names_and_prefixes() -> None:
    group = {"logGroupName": "/a/b"}
    assert requests.wants({"logGroupNamePrefix": "/a"}, group, "LogGroup")
    assert not requests.wants({"logGroupNamePrefix": "/c"}, group, "LogGroup")
    alias = {"AliasName": "alias/x", "TargetKeyId": "k1"}
    assert requests.wants({"KeyId": "k1"}, alias, "AliasListEntry")
    assert not requests.wants({"KeyId": "k2"}, alias, "AliasListEntry")


def test_a_request_is_stripped_of_what_is_only_planned() -> None:
    planned = "subnet-planned-0a1b2c3d"
    assert requests.without_placeholders({"SubnetIds": ["subnet-1", planned]}) == {"SubnetIds": ["subnet-1"]}
    assert requests.without_placeholders({"SubnetIds": [planned]}) is None
    assert requests.without_placeholders({"VpcId": planned}) is None
    assert requests.without_placeholders({"Filters": [{"Name": "vpc-id", "Values": [planned]}]}) is None
    assert requests.without_placeholders({"A": 1}) == {"A": 1}


DOCUMENT = {"Version": "2012-10-17", "Statement": [{"Action": ["a", "b"], "Effect": "Allow"}]}
SAME_DOCUMENT = {"Statement": [{"Effect": "Allow", "Action": ["b", "a"]}], "Version": "2012-10-17"}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (json.dumps(DOCUMENT), SAME_DOCUMENT),
        (quote(json.dumps(DOCUMENT)), json.dumps(SAME_DOCUMENT)),
        ({"Action": ["a"]}, {"Action": "a"}),
        (None, False),
        (None, []),
        ("60", 60),
        ("true", True),
        ("subnet-2,subnet-1", "subnet-1,subnet-2"),
    ],
)
def test_values_that_mean_the_same(before: Any, after: Any) -> None:
    assert requests.alike(before, after)


@pytest.mark.parametrize(("before", "after"), [(0, None), (None, True), ("a", "b"), ({"Action": ["a", "b"]}, {"Action": "a"})])
def test_values_that_differ(before: Any, after: Any) -> None:
    assert not requests.alike(before, after)


def test_differences_name_fields_at_every_depth() -> None:
    before = {"A": {"B": 1, "C": 2}, "Attributes": [{"Key": "x.y", "Value": "1"}, {"Key": "z", "Value": "1"}]}
    after = {"A": {"B": 1, "C": 3}, "Attributes": [{"Key": "x.y", "Value": "2"}, {"Key": "z", "Value": "1"}]}
    assert list(requests.differences("R", before, after)) == [("R.A.C", 2, 3), ("R.Attributes.x.y", "1", "2")]
    assert list(requests.differences("E", {"Value": False}, {"Value": True})) == [("E", False, True)]
    assert list(requests.differences("Tags", [{"Key": "a", "Value": "1"}], [])) == [("Tags.a", "1", None)]


def test_a_write_keeps_what_it_does_not_name() -> None:
    assert requests.merged({"a": 1, "b": {"c": 1}}, {"b": {"d": 2}}) == {"a": 1, "b": {"c": 1, "d": 2}}
    attributes = [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "1"}]
    assert requests.merged(attributes, [{"Key": "b", "Value": "2"}]) == [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]
    groups = [{"VpcSecurityGroupId": "sg-1", "Status": "active"}]
    assert requests.merged(groups, [{"VpcSecurityGroupId": "sg-1"}]) == groups

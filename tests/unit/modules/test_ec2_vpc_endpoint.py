# SPDX-License-Identifier: GPL-3.0-or-later
import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from ansible_collections.indivillage.infra.plugins.modules import ec2_vpc_endpoint

GATEWAY, INTERFACE = "com.amazonaws.us-east-1.s3", "com.amazonaws.us-east-1.ssm"
Run = Callable[..., dict[str, Any]]


def tables(vpc_id: str, count: int) -> list[str]:
    ec2 = boto3.client("ec2")
    return [ec2.create_route_table(VpcId=vpc_id)["RouteTable"]["RouteTableId"] for _ in range(count)]


def subnets(vpc_id: str) -> list[str]:
    ec2 = boto3.client("ec2")
    (network,) = ec2.describe_vpcs(VpcIds=[vpc_id])["Vpcs"]
    base = network["CidrBlock"].rsplit(".", 2)[0]
    return [ec2.create_subnet(VpcId=vpc_id, CidrBlock=f"{base}.{number}.0/24")["Subnet"]["SubnetId"] for number in (1, 2)]


def group(vpc_id: str, name: str) -> str:
    return str(boto3.client("ec2").create_security_group(VpcId=vpc_id, GroupName=name, Description=name)["GroupId"])


def endpoint() -> dict[str, Any]:
    (found,) = [point for point in boto3.client("ec2").describe_vpc_endpoints()["VpcEndpoints"] if point["State"] != "deleted"]
    return dict(found)


def test_life_cycle_of_a_gateway(life_cycle: Callable[..., None], vpc_id: str) -> None:
    one, two = tables(vpc_id, 2)
    life_cycle(
        ec2_vpc_endpoint,
        {"vpc_id": vpc_id, "service": GATEWAY},
        {"route_table_ids": [one, two], "tags": {"Project": "indivillage"}},
        {"route_table_ids": [one], "tags": {"Owner": "platform"}},
    )


def test_life_cycle_of_an_interface(life_cycle: Callable[..., None], vpc_id: str) -> None:
    first, second = subnets(vpc_id)
    life_cycle(
        ec2_vpc_endpoint,
        {"vpc_id": vpc_id, "service": INTERFACE, "endpoint_type": "Interface"},
        {"subnet_ids": [first], "security_group_ids": [group(vpc_id, "one")]},
        {"subnet_ids": [first, second], "security_group_ids": [group(vpc_id, "two")]},
    )


def policy(account: str) -> dict[str, Any]:
    condition = {"StringEquals": {"aws:PrincipalAccount": account}}
    statement = {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*", "Condition": condition}
    return {"Version": "2012-10-17", "Statement": [statement]}


def test_what_it_lets_through(life_cycle: Callable[..., None], vpc_id: str) -> None:
    life_cycle(
        ec2_vpc_endpoint, {"vpc_id": vpc_id, "service": GATEWAY}, {"policy": policy("111111111111")}, {"policy": policy("222222222222")}
    )


def test_a_policy_that_somebody_widened_is_set_right(run: Run, vpc_id: str) -> None:
    declared = {"vpc_id": vpc_id, "service": GATEWAY, "policy": policy("111111111111")}
    run(ec2_vpc_endpoint, **declared)
    boto3.client("ec2").modify_vpc_endpoint(VpcEndpointId=endpoint()["VpcEndpointId"], PolicyDocument=json.dumps(policy("*")))
    assert run(ec2_vpc_endpoint, **declared)["changed"]
    assert json.loads(endpoint()["PolicyDocument"]) == policy("111111111111")


def test_what_is_not_declared_is_left_alone(run: Run, vpc_id: str) -> None:
    table, other = tables(vpc_id, 2)
    run(ec2_vpc_endpoint, vpc_id=vpc_id, service=GATEWAY, route_table_ids=[table], tags={"Project": "indivillage"})
    boto3.client("ec2").modify_vpc_endpoint(VpcEndpointId=endpoint()["VpcEndpointId"], AddRouteTableIds=[other])
    assert not run(ec2_vpc_endpoint, vpc_id=vpc_id, service=GATEWAY)["changed"]
    assert sorted(endpoint()["RouteTableIds"]) == sorted([table, other])


def test_one_that_was_deleted_is_made_again(run: Run, vpc_id: str) -> None:
    first = run(ec2_vpc_endpoint, vpc_id=vpc_id, service=GATEWAY)["resource"]["vpc_endpoint_id"]
    boto3.client("ec2").delete_vpc_endpoints(VpcEndpointIds=[first])
    again = run(ec2_vpc_endpoint, vpc_id=vpc_id, service=GATEWAY)
    assert again["changed"]
    assert again["resource"]["vpc_endpoint_id"] != first


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"subnet_ids": ["subnet-1"]}, "the type Gateway has no subnet_ids"),
        ({"endpoint_type": "Interface", "route_table_ids": ["rtb-1"]}, "the type Interface has no route_table_ids"),
    ],
)
def test_what_the_type_does_not_have_is_refused(run: Run, options: dict[str, Any], message: str) -> None:
    result = run(ec2_vpc_endpoint, vpc_id="vpc-1", service=GATEWAY, **options)
    assert result["failed"]
    assert message in result["msg"]

# SPDX-License-Identifier: GPL-3.0-or-later
"""The result of a module that could not run to its end."""

from ansible_collections.indivillage.infra.plugins.plugin_utils.planning import placeholders, returns

MODULE = '''
RETURN = r"""
vpc:
  type: dict
  contains:
    id: {type: str}
    cidr_block: {type: str}
    tags: {type: dict}
    is_default: {type: bool}
    owner: {type: str}
subnets:
  type: list
  contains:
    id: {type: str}
"""
'''


def test_known_values_come_first_and_the_rest_are_placeholders() -> None:
    known = returns.facts([{"VpcId": "vpc-1", "CidrBlock": "10.0.0.0/16", "Tags": [{"Key": "a", "Value": "1"}]}, {"cidr_block": "other"}])
    result = returns.result(returns.documented(MODULE), known, "ec2", "us-east-1", "seed")
    vpc = result["vpc"]
    assert (vpc["id"], vpc["cidr_block"], vpc["tags"]) == ("vpc-1", "10.0.0.0/16", {"a": "1"})
    assert placeholders.holds(vpc["owner"])
    assert placeholders.holds(result["subnets"][0]["id"])
    assert placeholders.outward(result["subnets"][0]["id"]).startswith("planned-") or "subnet" in result["subnets"][0]["id"]


def test_a_module_without_documentation_returns_nothing() -> None:
    assert returns.documented("x = 1\n") == {}

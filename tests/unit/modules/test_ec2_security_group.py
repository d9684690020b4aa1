# SPDX-License-Identifier: GPL-3.0-or-later
"""A security group through its whole life, its rules one by one, and what others do to them meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from ansible_collections.indivillage.infra.plugins.modules import ec2_security_group

from sandbox.emulator.additions import security_group_rules
from tests.support.module_runs import EC2_THROTTLES, Calls, Plans, Run, fields, operations

WORLD = "0.0.0.0/0"
HTTPS = {"peer": WORLD, "from_port": 443, "description": "visitors"}
HTTP = {"peer": WORLD, "from_port": 80, "description": "redirected"}
EVERYWHERE = {"all 0.0.0.0/0": ""}


@pytest.fixture(autouse=True, scope="module")
def rules_are_as_on_aws() -> None:
    security_group_rules.install()


@pytest.fixture
def ec2() -> Any:
    return boto3.client("ec2")


@pytest.fixture
def other(ec2: Any, vpc_id: str) -> str:
    return str(ec2.create_security_group(GroupName="other", Description="other", VpcId=vpc_id)["GroupId"])


@pytest.fixture
def manage(run: Run, vpc_id: str) -> Run:
    """manage(check=False, **options) -> the result of the group x, which must not be a failure."""

    def call(**options: Any) -> dict[str, Any]:
        result = run(ec2_security_group, **{"vpc_id": vpc_id, "name": "x", "description": "d", **options})
        assert not result.get("failed"), result["msg"]
        return result

    return call


@pytest.fixture
def plans(manage: Run, monkeypatch: pytest.MonkeyPatch) -> Plans:
    return Plans("indivillage.infra.ec2_security_group", manage, monkeypatch)


def group(name: str = "x") -> dict[str, Any]:
    groups = boto3.client("ec2").describe_security_groups()["SecurityGroups"]
    return dict(next(found for found in reversed(groups) if found["GroupName"] == name))


def permission(peer: str, port: int, description: str = "") -> dict[str, Any]:
    about = {"Description": description} if description else {}
    who = {"UserIdGroupPairs": [{"GroupId": peer, **about}]} if peer.startswith("sg-") else {"IpRanges": [{"CidrIp": peer, **about}]}
    return {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, **who}


def let_in(peer: str, port: int, description: str = "") -> None:
    """What somebody does by hand."""
    boto3.client("ec2").authorize_security_group_ingress(GroupId=group()["GroupId"], IpPermissions=[permission(peer, port, description)])


def shut_out(peer: str, port: int) -> None:
    boto3.client("ec2").revoke_security_group_ingress(GroupId=group()["GroupId"], IpPermissions=[permission(peer, port)])


# --- the whole life ---


def test_life_cycle(life_cycle: Callable[..., None], vpc_id: str, other: str) -> None:
    first = {"ingress": [HTTPS, {"peer": other, "from_port": 5432, "description": "queries"}], "egress": [], "tags": {"Old": "1"}}
    second = {
        "ingress": [HTTP, {"peer": other, "from_port": 5432, "description": "more"}, {"peer": "::/0", "from_port": 1, "to_port": 9}],
        "egress": [{"peer": WORLD, "protocol": "all"}, {"peer": other, "protocol": "udp", "from_port": 53}],
        "tags": {"Project": "site"},
    }
    life_cycle(ec2_security_group, {"vpc_id": vpc_id, "name": "x", "description": "d"}, first, second)


def test_no_change_asks_once(manage: Run, other: str, calls: Calls) -> None:
    declared: dict[str, Any] = {
        "ingress": [HTTPS, {"peer": other, "from_port": 5432}],
        "egress": [{"peer": other, "protocol": "icmp"}],
        "tags": {"Project": "site"},
    }
    manage(**declared)
    calls.names.clear()

    result = manage(**declared)

    assert calls.names == ["DescribeSecurityGroups"]
    assert (result["changed"], result["resource"]) == (
        False,
        {
            "group_id": group()["GroupId"],
            "description": "d",
            "ingress": {"tcp/443 0.0.0.0/0": "visitors", f"tcp/5432 {other}": ""},
            "egress": {f"icmp {other}": ""},
            "tags": {"Project": "site"},
        },
    )


def test_a_new_group_has_no_rules_but_those_declared(manage: Run, calls: Calls) -> None:
    manage(tags={"Project": "site"})
    look = "DescribeSecurityGroups"
    assert calls.names == [look, "CreateSecurityGroup", look, "RevokeSecurityGroupEgress", look]
    assert (group()["IpPermissions"], group()["IpPermissionsEgress"], group()["Tags"]) == ([], [], [{"Key": "Project", "Value": "site"}])


def test_what_is_not_declared_is_left_alone(manage: Run) -> None:
    manage(ingress=[HTTPS], egress=[HTTPS], tags={"Project": "site"})
    assert not manage()["changed"]
    assert manage(ingress=[])["diff"] == {"before": {"ingress": {"tcp/443 0.0.0.0/0": "visitors"}}, "after": {"ingress": {}}}
    assert len(group()["IpPermissionsEgress"]) == 1


def test_a_group_that_was_only_begun_is_completed(manage: Run, ec2: Any, vpc_id: str) -> None:
    ec2.create_security_group(GroupName="x", Description="d", VpcId=vpc_id)
    result = manage(ingress=[HTTPS], egress=[])
    assert result["diff"] == {
        "before": {"ingress": {}, "egress": EVERYWHERE},
        "after": {"ingress": {"tcp/443 0.0.0.0/0": "visitors"}, "egress": {}},
    }


def test_throttled_calls_are_repeated(manage: Run, throttle: Callable[[bytes], Iterator[int]]) -> None:
    attempts = throttle(EC2_THROTTLES)
    manage(ingress=[HTTPS, HTTP], egress=[])
    assert next(attempts) == 2 * len(["look", "create", "look", "authorize", "revoke", "look"])


# --- rules ---


def test_only_what_differs_is_written_and_new_rules_come_first(manage: Run, other: str, calls: Calls) -> None:
    kept = {"peer": other, "from_port": 5432, "description": "queries"}
    manage(ingress=[HTTPS, kept], egress=[])
    calls.names.clear()

    result = manage(ingress=[HTTP, kept], egress=[])

    assert calls.writes == ["AuthorizeSecurityGroupIngress", "RevokeSecurityGroupIngress"]
    assert result["diff"]["before"] == {"ingress": {"tcp/443 0.0.0.0/0": "visitors", f"tcp/5432 {other}": "queries"}}
    assert result["diff"]["after"] == {"ingress": {"tcp/80 0.0.0.0/0": "redirected", f"tcp/5432 {other}": "queries"}}
    assert len(group()["IpPermissions"]) == 2


@pytest.mark.parametrize("description", ["guests", ""])
def test_another_description_leaves_the_rule_itself_alone(manage: Run, other: str, calls: Calls, description: str) -> None:
    both = [{"peer": peer, "from_port": 443, "description": "visitors"} for peer in (WORLD, other)]
    manage(ingress=both, egress=both)
    calls.names.clear()

    result = manage(ingress=[{**rule, "description": description} for rule in both], egress=both)

    assert calls.writes == ["UpdateSecurityGroupRuleDescriptionsIngress"]
    assert result["resource"]["ingress"] == {"tcp/443 0.0.0.0/0": description, f"tcp/443 {other}": description}
    assert set(result["resource"]["egress"].values()) == {"visitors"}


def test_rules_of_others_are_revoked_whatever_their_kind(manage: Run, ec2: Any, other: str, calls: Calls) -> None:
    manage(ingress=[HTTPS], egress=[])
    names = ec2.create_managed_prefix_list(PrefixListName="x", MaxEntries=1, AddressFamily="IPv4")["PrefixList"]["PrefixListId"]
    ports = {"FromPort": 1, "ToPort": 9}
    ec2.authorize_security_group_ingress(
        GroupId=group()["GroupId"],
        IpPermissions=[
            {"IpProtocol": "tcp", **ports, "PrefixListIds": [{"PrefixListId": names}]},
            {"IpProtocol": "udp", **ports, "Ipv6Ranges": [{"CidrIpv6": "::/0"}]},
            {"IpProtocol": "icmp", "FromPort": 8, "ToPort": -1, "IpRanges": [{"CidrIp": WORLD}]},
            {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": other, "Description": "by hand"}]},
        ],
    )
    calls.names.clear()

    result = manage(ingress=[HTTPS], egress=[])

    assert calls.writes == ["RevokeSecurityGroupIngress"]
    assert result["diff"]["before"]["ingress"].keys() - result["diff"]["after"]["ingress"].keys() == {
        f"tcp/1-9 {names}", "udp/1-9 ::/0", "icmp/8--1 0.0.0.0/0", f"all {other}"
    }  # fmt: skip
    assert len(group()["IpPermissions"]) == 1


def test_a_group_of_another_account_is_told_with_it_and_revoked(manage: Run, ec2: Any, other: str) -> None:
    foreign = {"UserId": "999999999999", "GroupId": other}
    manage(ingress=[], egress=[])
    ec2.authorize_security_group_ingress(
        GroupId=group()["GroupId"], IpPermissions=[{"IpProtocol": "tcp", "FromPort": 1, "ToPort": 1, "UserIdGroupPairs": [foreign]}]
    )
    declared = [{"peer": f"999999999999/{other}", "from_port": 1}]
    assert not manage(ingress=declared, egress=[])["changed"]
    assert manage(ingress=[], egress=[])["diff"]["before"] == {"ingress": {f"tcp/1 999999999999/{other}": ""}}


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"peer": "10.1.2.3/8", "from_port": 1}, "ingress: the peer '10.1.2.3/8' is no network, and no id of a security group (sg-...)"),
        ({"peer": "web", "from_port": 1}, "the peer 'web' is no network"),
        ({"peer": WORLD}, "protocol is tcp but all of the following are missing: from_port"),
        ({"peer": WORLD, "from_port": 2, "to_port": 1}, "ingress: tcp/2-1 has ports that are none"),
        ({"peer": WORLD, "from_port": 65536}, "tcp/65536 has ports that are none: they go from 0 to 65535"),
        ({"peer": WORLD, "protocol": "all", "from_port": 1}, "all has ports. Leave them out, or name the protocol."),
        ({"peer": WORLD, "from_port": 443, "description": "b"}, "tcp/443 0.0.0.0/0 is declared twice, as 'visitors' and as 'b'."),
    ],
)
def test_nonsense_is_refused_before_a_write(run: Run, vpc_id: str, calls: Calls, rule: dict[str, Any], message: str) -> None:
    for check in (True, False):
        result = run(ec2_security_group, check=check, vpc_id=vpc_id, name="x", description="d", ingress=[HTTPS, rule])
        assert result["failed"]
        assert message in result["msg"]
    assert calls.writes == []


# --- what others do meanwhile ---


def test_a_rule_that_somebody_adds_meanwhile_is_described(manage: Run, calls: Calls) -> None:
    manage(ingress=[], egress=[])
    calls.before["AuthorizeSecurityGroupIngress"] = lambda: let_in(WORLD, 443, "by hand")
    calls.names.clear()

    result = manage(ingress=[HTTPS], egress=[])

    assert calls.writes == ["AuthorizeSecurityGroupIngress", "UpdateSecurityGroupRuleDescriptionsIngress"]
    assert result["resource"]["ingress"] == {"tcp/443 0.0.0.0/0": "visitors"}


def test_a_rule_that_somebody_takes_away_meanwhile_is_no_fault(manage: Run, calls: Calls) -> None:
    manage(ingress=[HTTPS, HTTP], egress=[])
    calls.before["RevokeSecurityGroupIngress"] = lambda: shut_out(WORLD, 443)
    calls.names.clear()

    result = manage(ingress=[], egress=[])

    assert calls.writes == ["RevokeSecurityGroupIngress"] * 2
    assert result["resource"]["ingress"] == {}


def test_a_group_that_is_not_there_is_not_waited_for(run: Run, vpc_id: str) -> None:
    rules = [{"peer": "sg-0123456789abcdef0", "from_port": 1}]
    result = run(ec2_security_group, vpc_id=vpc_id, name="x", description="d", ingress=rules)
    assert "Could not create security group 'x' of" in result["msg"]
    assert "InvalidGroup.NotFound" in result["msg"]


# --- the group itself ---


def test_its_description_is_for_ever(run: Run, manage: Run, vpc_id: str) -> None:
    manage()
    result = run(ec2_security_group, vpc_id=vpc_id, name="x", description="e")
    assert (
        f"AWS cannot change this on the existing security group 'x' of {vpc_id}: description is 'd' and is declared as 'e'" in result["msg"]
    )
    assert "missing: description" in run(ec2_security_group, vpc_id=vpc_id, name="x")["msg"]


def test_a_group_of_that_name_in_another_vpc_and_one_that_a_wildcard_finds_are_others(manage: Run, ec2: Any, vpc_id: str) -> None:
    far = ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    ec2.create_security_group(GroupName="a*", Description="?", VpcId=far)
    ec2.create_security_group(GroupName="ab", Description="?", VpcId=vpc_id)
    assert manage(name="a*")["diff"]["before"] == {}


def test_the_default_group_is_closed(manage: Run, ec2: Any, vpc_id: str, calls: Calls) -> None:
    default = {"name": "default", "description": "default VPC security group", "ingress": [], "egress": []}
    own = group("default")
    itself = [{"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": own["GroupId"]}]}]  # as AWS makes it
    ec2.authorize_security_group_ingress(GroupId=own["GroupId"], IpPermissions=itself)
    calls.names.clear()

    result = manage(**default)

    assert calls.writes == ["RevokeSecurityGroupIngress", "RevokeSecurityGroupEgress"]
    assert result["diff"]["before"] == {"ingress": {f"all {own['GroupId']}": ""}, "egress": EVERYWHERE}
    assert not manage(**default)["changed"]
    assert own["VpcId"] == vpc_id


@pytest.mark.parametrize("check", [True, False])
def test_the_default_group_is_never_deleted(run: Run, vpc_id: str, calls: Calls, check: bool) -> None:
    result = run(ec2_security_group, check=check, vpc_id=vpc_id, name="default", state="absent")
    assert "every VPC has it, and AWS never deletes it. Declare it without rules instead." in result["msg"]
    assert calls.writes == []


# --- plans ---


def test_a_plan_makes_a_group_of_what_is_only_planned(plans: Plans) -> None:
    rules = {"ingress": [{"peer": "sg-facade0000000001", "from_port": 5432, "description": "queries"}], "egress": []}
    result, entry = plans.plan(name="x", **rules, tags={"Project": "site"})
    again, _entry = plans.plan(name="x", **rules, tags={"Project": "site"})

    assert (entry["action"], entry["resource"], entry["certain"]) == ("create", "security group x", True)
    assert operations(entry) == ["CreateSecurityGroup", "AuthorizeSecurityGroupIngress", "RevokeSecurityGroupEgress"]
    assert fields(entry)["IpPermissions.tcp/5432.sg-facade0000000001"] == (None, "allowed")
    assert result["resource"]["group_id"].startswith("sg-")
    assert not again["changed"]
    assert again["resource"] == result["resource"]


def test_a_plan_makes_groups_that_name_each_other(plans: Plans) -> None:
    ids = {name: plans.plan(name=name, ingress=[], egress=[])[0]["resource"]["group_id"] for name in ("a", "b")}
    for _time in range(2):
        for own, peer in (("a", "b"), ("b", "a")):
            result, _entry = plans.plan(name=own, ingress=[{"peer": ids[peer], "from_port": 1}], egress=[])
            assert result["resource"]["ingress"] == {f"tcp/1 {ids[peer]}": ""}
    assert not result["changed"]


def test_a_plan_names_what_somebody_changed(plans: Plans, manage: Run, ec2: Any, other: str) -> None:
    declared: dict[str, Any] = {"ingress": [HTTPS, {"peer": other, "from_port": 5432, "description": "queries"}], "egress": []}
    manage(**declared, tags={"Project": "site"})
    let_in("192.0.2.0/24", 22)
    shut_out(WORLD, 443)
    shut_out(other, 5432)
    let_in(other, 5432, "by hand")
    ec2.delete_tags(Resources=[group()["GroupId"]], Tags=[{"Key": "Project"}])

    _result, entry = plans.plan(**declared, tags={"Project": "site"})
    again, _entry = plans.plan(**declared, tags={"Project": "site"})

    assert operations(entry) == [
        "AuthorizeSecurityGroupIngress",
        "UpdateSecurityGroupRuleDescriptionsIngress",
        "RevokeSecurityGroupIngress",
        "CreateTags",
    ]
    assert fields(entry) == {
        "IpPermissions.tcp/443.0.0.0.0/0": (None, "allowed"),
        f"IpPermissions.tcp/5432.{other}.Description": ("by hand", "queries"),
        "IpPermissions.tcp/22.192.0.2.0/24": ("allowed", None),
        "Tags.Project": (None, "site"),
    }
    assert not again["changed"]
    assert len(group()["IpPermissions"]) == 2


def test_a_plan_closes_the_default_group_of_a_planned_vpc(plans: Plans, ec2: Any) -> None:
    with plans.guarded():
        vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    default = {"vpc_id": vpc, "name": "default", "description": "default VPC security group", "ingress": [], "egress": []}
    result, entry = plans.plan(**default)
    again, _entry = plans.plan(**default)
    assert operations(entry) == ["RevokeSecurityGroupEgress"]
    assert (result["changed"], again["changed"]) == (True, False)


# --- the emulator's part ---


def test_a_rule_by_reference_is_one_whatever_its_description(manage: Run, other: str, ec2: Any) -> None:
    manage(ingress=[{"peer": other, "from_port": 1, "description": "a"}], egress=[])
    with pytest.raises(ec2.exceptions.ClientError, match=r"InvalidPermission\.Duplicate"):
        let_in(other, 1, "b")

# SPDX-License-Identifier: GPL-3.0-or-later
"""The guard on botocore's real clients and models, with a made-up account behind it and no network."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import botocore.client
import pytest
from ansible_collections.indivillage.infra.plugins.plugin_utils.planning import guard as guards
from ansible_collections.indivillage.infra.plugins.plugin_utils.planning.guard import Guard, RefusedError, StopError
from ansible_collections.indivillage.infra.plugins.plugin_utils.planning.outcome import Outcome
from ansible_collections.indivillage.infra.plugins.plugin_utils.planning.state import State
from botocore.exceptions import ClientError, ParamValidationError

Answers = dict[str, Any]


class Account:
    """What AWS would answer; every call that reaches it is noted."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answers: dict[str, Answers | Exception] = {}
        self.asked: list[str] = []
        self.state = State()
        self.guard = self.task()
        send = botocore.client.BaseClient._make_api_call

        def call(client: Any, operation: str, parameters: dict[str, Any]) -> Any:
            return self.guard.call(client, operation, parameters, lambda *arguments: self._send(send, *arguments))

        monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", call)
        monkeypatch.setattr(botocore.client.BaseClient, "_make_request", lambda _client, *_rest: self.guard.answer_instead())

    def task(self) -> Guard:
        """Another task of the same run."""
        self.guard = Guard(self.state, lambda *_call: None)
        return self.guard

    def _send(self, send: Callable[..., Any], client: Any, operation: str, parameters: dict[str, Any]) -> Any:
        if getattr(self.guard._inside, "answer", None) is not None:
            return send(client, operation, parameters)
        self.asked.append(operation)
        answer = self.answers.get(operation, {})
        if isinstance(answer, Exception):
            raise answer
        return json.loads(json.dumps(answer))

    def client(self, service: str) -> Any:
        return boto3.client(service, region_name="us-east-1", aws_access_key_id="none", aws_secret_access_key="none")

    def plan(self, module: str = "amazon.aws.x", **parameters: Any) -> dict[str, Any]:
        """The plan of a task that ran to its end and said that it changed something."""
        result: dict[str, Any] = {"changed": True}
        Outcome(self.guard, module, parameters).finish(result)
        entry: dict[str, Any] = result["plan"]
        return entry


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Account:
    return Account(monkeypatch)


def fields(plan: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    return {change["field"]: (change["before"], change["after"]) for change in plan["changes"]}


def absent(code: str, operation: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": ""}}, operation)


VPC = {"VpcId": "vpc-0a1b2c3d4e5f60718", "CidrBlock": "10.0.0.0/16", "Tags": [{"Key": "a", "Value": "1"}]}


def test_reads_are_sent_and_nothing_else(account: Account) -> None:
    ec2 = account.client("ec2")
    account.answers["DescribeVpcs"] = {"Vpcs": [VPC]}
    assert ec2.describe_vpcs()["Vpcs"] == [VPC]
    ec2.create_tags(Resources=[VPC["VpcId"]], Tags=[{"Key": "a", "Value": "2"}])
    ec2.delete_vpc(VpcId=VPC["VpcId"])
    account.client("sqs").receive_message(QueueUrl="https://x/1/q")
    assert account.asked == ["DescribeVpcs"]


def test_what_was_created_is_found_by_id_filter_and_tag_by_later_tasks(account: Account) -> None:
    made = account.client("ec2").create_vpc(
        CidrBlock="10.1.0.0/16", TagSpecifications=[{"ResourceType": "vpc", "Tags": [{"Key": "Name", "Value": "x"}]}]
    )["Vpc"]
    account.task()
    ec2 = account.client("ec2")
    assert [vpc["VpcId"] for vpc in ec2.describe_vpcs(VpcIds=[made["VpcId"]])["Vpcs"]] == [made["VpcId"]]
    assert "DescribeVpcs" not in account.asked
    assert ec2.describe_vpcs(Filters=[{"Name": "tag:Name", "Values": ["x"]}])["Vpcs"][0]["CidrBlock"] == "10.1.0.0/16"
    assert ec2.describe_vpcs(Filters=[{"Name": "tag:Name", "Values": ["y"]}])["Vpcs"] == []
    groups = ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [made["VpcId"]]}])["SecurityGroups"]
    assert [group["GroupName"] for group in groups] == ["default"]


def test_two_equal_creations_are_two_things(account: Account) -> None:
    ec2 = account.client("ec2")
    assert ec2.allocate_address(Domain="vpc")["AllocationId"] != ec2.allocate_address(Domain="vpc")["AllocationId"]


def test_ids_are_the_same_in_every_run(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    first = account.client("ec2").create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    account.state = State()
    account.task()
    assert account.client("ec2").create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"] == first


def test_tags_go_to_the_thing_that_is_tagged_and_not_to_another_of_its_name(account: Account) -> None:
    iam, tags = account.client("iam"), [{"Key": "a", "Value": "1"}]
    account.answers["GetInstanceProfile"] = {"InstanceProfile": {"InstanceProfileName": "app", "Tags": tags}}
    account.answers["GetRole"] = {"Role": {"RoleName": "app", "Tags": tags}}
    account.answers["ListRoleTags"] = {"Tags": tags}
    iam.tag_role(RoleName="app", Tags=[{"Key": "a", "Value": "2"}])
    account.task()
    iam = account.client("iam")
    assert iam.get_role(RoleName="app")["Role"]["Tags"] == [{"Key": "a", "Value": "2"}]
    assert iam.list_role_tags(RoleName="app")["Tags"] == [{"Key": "a", "Value": "2"}]
    assert iam.get_instance_profile(InstanceProfileName="app")["InstanceProfile"]["Tags"] == tags


def test_a_subnet_that_one_acl_lets_go_can_be_taken_by_another(account: Account) -> None:
    ec2, subnet = account.client("ec2"), "subnet-0a1b2c3d4e5f60718"
    link = {"NetworkAclAssociationId": "aclassoc-0a1b2c3d4e5f60718", "NetworkAclId": "acl-0a1b2c3d4e5f60718", "SubnetId": subnet}
    account.answers["DescribeNetworkAcls"] = {
        "NetworkAcls": [{"NetworkAclId": link["NetworkAclId"], "Associations": [link], "Entries": []}]
    }
    ec2.replace_network_acl_association(AssociationId=link["NetworkAclAssociationId"], NetworkAclId="acl-0ffffffffffffffff")
    account.task()
    ec2 = account.client("ec2")
    (left,) = ec2.describe_network_acls(NetworkAclIds=[link["NetworkAclId"]])["NetworkAcls"]
    assert left["Associations"] == []
    (found,) = ec2.describe_network_acls(Filters=[{"Name": "association.subnet-id", "Values": [subnet]}])["NetworkAcls"]
    assert found["Associations"] == [{**link, "NetworkAclId": "acl-0ffffffffffffffff"}]


def test_an_instance_that_is_started_runs(account: Account) -> None:
    ec2 = account.client("ec2")
    instance = {"InstanceId": "i-0a1b2c3d4e5f60718", "State": {"Code": 80, "Name": "stopped"}}
    account.answers["DescribeInstances"] = {"Reservations": [{"Instances": [instance]}]}
    ec2.describe_instances()
    started = ec2.start_instances(InstanceIds=[instance["InstanceId"]])["StartingInstances"]
    assert [one["InstanceId"] for one in started] == [instance["InstanceId"]]
    assert ec2.describe_instances()["Reservations"][0]["Instances"][0]["State"]["Name"] == "running"
    assert fields(account.plan(name="x")) == {"State.Name": ("stopped", "running")}


def test_changes_of_tags_and_fields_are_named_with_before_and_after(account: Account) -> None:
    ec2 = account.client("ec2")
    subnet = {"SubnetId": "subnet-0a1b2c3d4e5f60718", "MapPublicIpOnLaunch": False, "Tags": [{"Key": "a", "Value": "1"}]}
    account.answers["DescribeSubnets"] = {"Subnets": [subnet]}
    ec2.describe_subnets()
    ec2.create_tags(Resources=[subnet["SubnetId"]], Tags=[{"Key": "a", "Value": "2"}, {"Key": "b", "Value": "3"}])
    ec2.modify_subnet_attribute(SubnetId=subnet["SubnetId"], MapPublicIpOnLaunch={"Value": True})
    assert ec2.describe_subnets()["Subnets"][0]["MapPublicIpOnLaunch"] is True
    plan = account.plan(name="x")
    assert plan["action"] == "change"
    assert fields(plan) == {"Tags.a": ("1", "2"), "Tags.b": (None, "3"), "MapPublicIpOnLaunch": (False, True)}
    assert [call["operation"] for call in plan["calls"]] == ["CreateTags", "ModifySubnetAttribute"]


def test_a_write_of_what_is_there_already_is_no_effect(account: Account) -> None:
    logs = account.client("logs")
    account.answers["DescribeLogGroups"] = {"logGroups": [{"logGroupName": "/x", "retentionInDays": 30}]}
    logs.describe_log_groups()
    logs.put_retention_policy(logGroupName="/x", retentionInDays=30)
    result: dict[str, Any] = {"changed": False}
    Outcome(account.guard, "amazon.aws.x", {}).finish(result)
    assert result["changed"] is False
    assert result["plan"]["calls"] == []


def test_a_module_that_says_nothing_is_overruled_by_a_write_with_effect(account: Account) -> None:
    iam = account.client("iam")
    account.answers["GetAccountPasswordPolicy"] = {"PasswordPolicy": {"MinimumPasswordLength": 8}}
    iam.get_account_password_policy()
    iam.update_account_password_policy(MinimumPasswordLength=20)
    result: dict[str, Any] = {"changed": False}
    Outcome(account.guard, "amazon.aws.x", {}).finish(result)
    assert result["changed"] is True
    assert result["plan"]["changes"] == [{"field": "MinimumPasswordLength", "before": 8, "after": 20}]


def test_rules_of_security_groups(account: Account) -> None:
    ec2 = account.client("ec2")
    rule = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}
    group = {"GroupId": "sg-0a1b2c3d4e5f60718", "GroupName": "g", "IpPermissions": [rule]}
    account.answers["DescribeSecurityGroups"] = {"SecurityGroups": [group]}
    ec2.describe_security_groups()
    ec2.revoke_security_group_ingress(GroupId=group["GroupId"], IpPermissions=[rule])
    ec2.authorize_security_group_ingress(GroupId=group["GroupId"], IpPermissions=[{**rule, "FromPort": 443, "ToPort": 443}])
    found = ec2.describe_security_groups()["SecurityGroups"][0]["IpPermissions"]
    assert [permission["FromPort"] for permission in found] == [443]
    assert fields(account.plan()) == {
        "IpPermissions.tcp/80.10.0.0.0/8": ("allowed", None),
        "IpPermissions.tcp/443.10.0.0.0/8": (None, "allowed"),
    }


def test_policies_are_compared_by_what_they_say(account: Account) -> None:
    iam = account.client("iam")
    document = {"Version": "2012-10-17", "Statement": [{"Action": ["a", "b"]}]}
    account.answers["GetRole"] = {"Role": {"RoleName": "r", "AssumeRolePolicyDocument": document}}
    iam.get_role(RoleName="r")
    iam.update_assume_role_policy(RoleName="r", PolicyDocument='{"Statement":[{"Action":["b","a"]}],"Version":"2012-10-17"}')
    assert account.plan()["calls"] == []
    iam.update_assume_role_policy(RoleName="r", PolicyDocument='{"Statement":[{"Action":["c"]}],"Version":"2012-10-17"}')
    assert fields(account.plan()) == {"AssumeRolePolicyDocument.Statement": ([{"Action": ["a", "b"]}], [{"Action": ["c"]}])}


def test_two_things_that_have_a_name_in_common_are_told_apart_by_the_other(account: Account) -> None:
    """The policy of each key is called default."""
    kms, former, other = account.client("kms"), "11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"
    account.answers["GetKeyPolicy"] = {"Policy": '{"Statement": []}', "PolicyName": "default"}
    kms.put_key_policy(KeyId=former, PolicyName="default", Policy='{"Statement": [{"Sid": "new"}]}')
    account.task()
    kms = account.client("kms")
    assert "new" in kms.get_key_policy(KeyId=former, PolicyName="default")["Policy"]
    assert "new" not in kms.get_key_policy(KeyId=other, PolicyName="default")["Policy"]


def test_writes_that_are_taken_back_are_seen_no_more(account: Account) -> None:
    account.answers["DescribeVpcs"] = {"Vpcs": []}
    for number in range(3):
        account.client("ec2").create_vpc(CidrBlock=f"10.{number}.0.0/16")
    account.client("iam").create_group(GroupName="g")
    one = account.state.writes[0]
    count = sum(write.operation == "CreateVpc" or write.service == "ec2" for write in account.state.writes)

    account.state.forget_from(1)
    assert account.state.writes == [one]
    assert list(account.state.concerning("ec2", "us-east-1")) == [one]
    assert account.state.concerning("iam", "") == []
    account.state.add([one])
    assert len(account.state.concerning("ec2", "us-east-1")) == 2 < count


def test_a_certificate_is_imported_in_place_of_another_and_stays_a_certificate(account: Account) -> None:
    """What is written as text has the name of what is read as a structure."""
    acm, arn = account.client("acm"), "arn:aws:acm:us-east-1:123456789012:certificate/5815a8eb"
    account.answers["DescribeCertificate"] = {"Certificate": {"CertificateArn": arn, "DomainName": "shop.example"}}
    account.answers["GetCertificate"] = {"Certificate": "former", "CertificateChain": "chain"}
    for _time in range(2):
        assert acm.describe_certificate(CertificateArn=arn)["Certificate"]["DomainName"] == "shop.example"
        acm.get_certificate(CertificateArn=arn)
        acm.import_certificate(CertificateArn=arn, Certificate=b"new", PrivateKey=b"key", CertificateChain=b"chain")
    plan = account.plan(name_tag="shop", private_key="key")
    assert (plan["action"], plan["certain"], plan["resource"]) == ("change", True, "certificate shop")


def test_what_was_deleted_is_gone(account: Account) -> None:
    account.answers["DescribeDBInstances"] = {"DBInstances": [{"DBInstanceIdentifier": "x"}, {"DBInstanceIdentifier": "y"}]}
    rds = account.client("rds")
    rds.delete_db_instance(DBInstanceIdentifier="x", SkipFinalSnapshot=True)
    assert [one["DBInstanceIdentifier"] for one in rds.describe_db_instances()["DBInstances"]] == ["y"]
    with pytest.raises(rds.exceptions.DBInstanceNotFoundFault):
        rds.describe_db_instances(DBInstanceIdentifier="x")
    plan = account.plan(state="absent")
    assert (plan["action"], plan["stateful"]) == ("delete", "database")


def test_a_list_from_which_one_thing_was_deleted_has_the_others(account: Account) -> None:
    versions = [{"VersionId": "v1", "IsDefaultVersion": False}, {"VersionId": "v2", "IsDefaultVersion": True}]
    account.answers["ListPolicyVersions"] = {"Versions": versions}
    iam, arn = account.client("iam"), "arn:aws:iam::123456789012:policy/people"
    iam.delete_policy_version(PolicyArn=arn, VersionId="v1")
    assert [one["VersionId"] for one in iam.list_policy_versions(PolicyArn=arn)["Versions"]] == ["v2"]


def test_deletion_and_creation_of_the_same_kind_is_a_replacement(account: Account) -> None:
    rds = account.client("rds")
    rds.delete_db_instance(DBInstanceIdentifier="x", SkipFinalSnapshot=True)
    rds.create_db_instance(DBInstanceIdentifier="x", DBInstanceClass="db.t3.micro", Engine="postgres")
    plan = account.plan()
    assert (plan["action"], plan["stateful"]) == ("replace", "database")


def test_something_named_alike_of_another_kind_is_not_found(account: Account) -> None:
    cache = account.client("elasticache")
    cache.create_cache_subnet_group(CacheSubnetGroupName="x", CacheSubnetGroupDescription="x", SubnetIds=["subnet-1"])
    account.answers["DescribeReplicationGroups"] = absent("ReplicationGroupNotFoundFault", "DescribeReplicationGroups")
    with pytest.raises(ClientError, match="ReplicationGroupNotFoundFault"):
        cache.describe_replication_groups(ReplicationGroupId="x")


def test_what_a_new_bucket_does_not_have_is_said_as_aws_says_it(account: Account) -> None:
    s3 = account.client("s3")
    s3.create_bucket(Bucket="b")
    account.answers["GetBucketPolicy"] = absent("NoSuchBucket", "GetBucketPolicy")
    with pytest.raises(ClientError, match="NoSuchBucketPolicy"):
        s3.get_bucket_policy(Bucket="b")
    s3.put_bucket_policy(Bucket="b", Policy='{"a": 1}')
    assert s3.get_bucket_policy(Bucket="b")["Policy"] == '{"a": 1}'


def test_secrets_are_never_reported(account: Account) -> None:
    account.client("rds").create_db_instance(
        DBInstanceIdentifier="x", DBInstanceClass="c", Engine="postgres", MasterUsername="u", MasterUserPassword="correct-horse"
    )
    account.client("secretsmanager").create_secret(Name="s", SecretString="correct-horse")
    account.client("ssm").put_parameter(Name="p", Value="given-as-secret")
    outcome = Outcome(account.guard, "amazon.aws.x", {})
    outcome.secrets = frozenset({"given-as-secret"})
    result: dict[str, Any] = {"changed": True}
    outcome.finish(result)
    told = json.dumps(result, default=str)
    assert "correct-horse" not in told
    assert "given-as-secret" not in told
    assert told.count("sha256:") >= 3


def test_botocore_validates_what_is_not_sent(account: Account) -> None:
    with pytest.raises(ParamValidationError):
        account.client("ec2").create_vpc(CidrBlok="10.0.0.0/16")
    assert account.guard.invalid
    assert not Outcome(account.guard, "amazon.aws.x", {"a": "vpc-planned-0a1b2c3d"}).interrupted()


def test_a_stopped_module_is_uncertain_and_a_question_changes_nothing(account: Account) -> None:
    account.client("ec2").create_vpc(CidrBlock="10.0.0.0/16")
    stopped = Outcome(account.guard, "amazon.aws.ec2_vpc_net", {}).stop("it waits")
    assert stopped["changed"] is True
    assert (stopped["plan"]["certain"], stopped["plan"]["reason"]) == (False, "it waits")
    account.task()
    asked = Outcome(account.guard, "amazon.aws.ec2_vpc_net_info", {"ids": ["vpc-planned-0a1b2c3d"]}).stop("it is not there")
    assert asked["changed"] is False


# ---- The lower locks -------------------------------------------------------------------------------------------------------------


def test_no_request_leaves_outside_a_read(account: Account) -> None:
    with pytest.raises(RefusedError, match=r"iam\.amazonaws\.com"):
        account.guard.require_allowed("iam.amazonaws.com")
    account.guard.require_allowed("169.254.169.254")
    with account.guard._allowed():
        account.guard.require_allowed("iam.amazonaws.com")
    with pytest.raises(RefusedError):
        account.guard.require_allowed("iam.amazonaws.com")


def test_files_and_programs_are_locked_but_for_scratch(account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    check = account.guard.require_harmless
    check("open", (str(tmp_path / "x"), "w", os.O_WRONLY | os.O_CREAT))
    check("open", ("/etc/hostname", "r", os.O_RDONLY))
    scratch, etc = (os.open(path, os.O_RDONLY) for path in (tmp_path, "/etc"))
    check("os.remove", ("x", scratch))
    check("os.rmdir", (str(tmp_path / "y"), -1))
    check("os.symlink", ("/etc/hostname", "z", scratch))
    for event, arguments in (
        ("open", ("/etc/hostname", "w", os.O_WRONLY | os.O_TRUNC)),
        ("os.remove", ("/etc/hostname", -1)),
        ("os.remove", ("hostname", etc)),
        ("os.rename", (str(tmp_path / "x"), "/etc/hostname", -1, -1)),
        ("os.symlink", (str(tmp_path / "x"), "hostname", etc)),
        ("os.mkdir", ("here", 0o777, -1)),
        ("subprocess.Popen", ("sh", [], None, None)),
    ):
        with pytest.raises(StopError):
            check(event, arguments)
    os.close(scratch)
    os.close(etc)


def test_nothing_is_waited_for_after_a_recorded_write_and_not_for_ever(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    account.guard._sleep = slept.append
    account.guard.sleep(1)
    account.client("ec2").create_vpc(CidrBlock="10.0.0.0/16")
    for _ in range(guards.MAXIMAL_WAITS):
        account.guard.sleep(1)
    assert slept == [1]
    assert not account.guard.waits({})
    with pytest.raises(StopError):
        account.guard.sleep(1)


REVISION = "arn:aws:ecs:us-east-1:123456789012:task-definition/worker:1"
CONTAINER = {"name": "worker", "image": "worker:1", "essential": True}
FAMILY = {
    "taskDefinition": {
        "family": "worker",
        "taskDefinitionArn": REVISION,
        "revision": 1,
        "status": "ACTIVE",
        "cpu": "256",
        "containerDefinitions": [{**CONTAINER, "cpu": 0, "portMappings": []}],
    },
    "tags": [{"key": "Project", "value": "site"}],
}


def register(account: Account, **changes: Any) -> None:
    request = {"family": "worker", "cpu": "256", "containerDefinitions": [CONTAINER], "tags": FAMILY["tags"]} | changes
    account.client("ecs").register_task_definition(**request)


def test_a_family_is_described_by_the_revision_that_is_planned(account: Account) -> None:
    account.answers["DescribeTaskDefinition"] = FAMILY
    ecs = account.client("ecs")
    ecs.describe_task_definition(taskDefinition="worker")
    register(account, containerDefinitions=[{**CONTAINER, "image": "worker:2"}])

    plan = account.plan()
    account.task()
    found = account.client("ecs").describe_task_definition(taskDefinition="worker", include=["TAGS"])

    assert plan["action"] == "change"
    assert fields(plan) == {"containerDefinitions.worker.image": ("worker:1", "worker:2")}
    assert found["taskDefinition"]["containerDefinitions"][0]["image"] == "worker:2"
    assert found["taskDefinition"]["taskDefinitionArn"] != REVISION
    assert found["tags"] == FAMILY["tags"]


def test_another_family_and_a_revision_by_its_number_stay_as_they_are(account: Account) -> None:
    account.answers["DescribeTaskDefinition"] = FAMILY
    register(account, cpu="512")
    account.task()
    found = account.client("ecs").describe_task_definition(taskDefinition=REVISION)
    assert found["taskDefinition"] == FAMILY["taskDefinition"]


def test_a_first_revision_is_created(account: Account) -> None:
    account.answers["DescribeTaskDefinition"] = absent("ClientException", "DescribeTaskDefinition")
    register(account)
    plan = account.plan()
    account.task()
    found = account.client("ecs").describe_task_definition(taskDefinition="worker", include=["TAGS"])
    assert plan["action"] == "create"
    assert found["taskDefinition"]["cpu"] == "256"
    assert "planned-" in found["taskDefinition"]["taskDefinitionArn"]


def test_a_policy_that_is_planned_has_its_first_version(account: Account) -> None:
    document = {"Version": "2012-10-17", "Statement": []}
    account.answers["GetPolicyVersion"] = account.answers["GetPolicy"] = absent("NoSuchEntity", "GetPolicy")
    arn = account.client("iam").create_policy(PolicyName="people", PolicyDocument=json.dumps(document))["Policy"]["Arn"]
    account.task()
    iam = account.client("iam")
    policy = iam.get_policy(PolicyArn=arn)["Policy"]
    version = iam.get_policy_version(PolicyArn=arn, VersionId=policy["DefaultVersionId"])["PolicyVersion"]
    assert version["Document"] in (document, json.dumps(document))

# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan names what an apply changes, field by field, and nothing but reads leaves it."""

from __future__ import annotations

import json

import pytest

from tests.integration.planning.conftest import Account, Results, task
from tests.integration.planning.topology import QUESTIONS, topology, trust

pytestmark = pytest.mark.emulator

NAMES = [one["name"] for one in topology()]
WRITING = set(NAMES) - QUESTIONS


@pytest.fixture(scope="module")
def empty(account: Account) -> Results:
    """The plan of an empty account."""
    return account.run(topology(), "--check", "--diff")


@pytest.fixture(scope="module")
def applied(account: Account, empty: Results) -> Account:
    """The account after an apply of what was planned."""
    assert account.writes == [], "the plan wrote"
    done = account.run(topology())
    assert done.failed == {}
    assert done.changed == WRITING
    return account


def test_a_plan_of_an_empty_account_names_everything_and_writes_nothing(account: Account, empty: Results) -> None:
    assert account.writes == []
    assert empty.failed == {}
    assert empty.changed == WRITING
    results = [one for name in WRITING for one in empty[name].get("results", [empty[name]])]
    uncertain = {one["plan"]["resource"]: one["plan"]["reason"] for one in results if not one["plan"]["certain"]}
    assert uncertain == {}
    assert "hidden-" not in empty.output


def test_placeholders_pass_from_task_to_task(empty: Results) -> None:
    vpc = empty["ec2_vpc_net"]["vpc"]["id"]
    assert vpc.startswith("vpc-planned-")
    assert empty["ec2_vpc_subnet"]["results"][0]["subnet"]["vpc_id"] == vpc
    assert [found["id"] for found in empty["ec2_vpc_net_info"]["vpcs"] if found["tags"].get("Name") == "x"] == [vpc]
    assert empty["await"]["resource"]["name"] == "x"
    (balancer,) = empty["elb_application_lb_info"]["load_balancers"]
    assert balancer["vpc_id"] is not None


def test_a_plan_after_an_apply_is_empty(applied: Account) -> None:
    before = applied.writes
    again = applied.run(topology(), "--check")
    assert again.failed == {}
    assert again.changed == set()
    assert applied.writes == before


def test_what_was_changed_behind_its_back_is_named_with_its_fields(applied: Account) -> None:
    ec2, iam, s3, sqs = (applied.client(service) for service in ("ec2", "iam", "s3", "sqs"))
    (vpc,) = ec2.describe_vpcs(Filters=[{"Name": "tag:Name", "Values": ["x"]}])["Vpcs"]
    ec2.create_tags(Resources=[vpc["VpcId"]], Tags=[{"Key": "a", "Value": "2"}])
    ec2.modify_vpc_attribute(VpcId=vpc["VpcId"], EnableDnsHostnames={"Value": False})
    (group,) = ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": ["x"]}])["SecurityGroups"]
    extra = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    ec2.authorize_security_group_ingress(GroupId=group["GroupId"], IpPermissions=[extra])
    iam.update_assume_role_policy(RoleName="x", PolicyDocument=json.dumps(trust("lambda")))
    iam.delete_account_password_policy()
    s3.put_bucket_versioning(Bucket="x-plan-test", VersioningConfiguration={"Status": "Suspended"})
    sqs.set_queue_attributes(QueueUrl=sqs.get_queue_url(QueueName="x")["QueueUrl"], Attributes={"VisibilityTimeout": "7"})
    balancing = applied.client("elbv2")
    (target,) = balancing.describe_target_groups(Names=["x"])["TargetGroups"]
    balancing.modify_target_group(TargetGroupArn=target["TargetGroupArn"], HealthCheckPath="/other")
    applied.client("rds").modify_db_instance(DBInstanceIdentifier="x", BackupRetentionPeriod=3, ApplyImmediately=True)
    applied.client("logs").put_retention_policy(logGroupName="/x", retentionInDays=1)
    applied.client("dynamodb").delete_table(TableName="x")
    before = applied.writes

    plan = applied.run(topology(), "--check", "--diff")

    assert applied.writes == before
    assert plan.failed == {}
    assert plan.fields("ec2_vpc_net") == {"Tags.a": ("2", "1"), "EnableDnsHostnames": (False, True)}
    assert plan["ec2_vpc_net"]["vpc"]["id"] == vpc["VpcId"]
    assert plan.fields("ec2_security_group") == {"IpPermissions.tcp/22.0.0.0.0/0": ("allowed", None)}
    assert set(plan.fields("iam_role")) == {"AssumeRolePolicyDocument.Statement"}
    assert plan.fields("s3_bucket") == {"Status": ("Suspended", "Enabled")}
    assert plan.fields("sqs_queue")["Attributes.VisibilityTimeout"] == ("7", "60")
    assert plan.fields("elb_target_group") == {"HealthCheckPath": ("/other", "/health")}
    assert plan.fields("rds_instance") == {"BackupRetentionPeriod": (3, 7)}
    assert plan.fields("cloudwatchlogs_log_group") == {"retentionInDays": (1, 30)}
    assert plan.plan("dynamodb_table")["action"] == "create"
    changed = "ec2_vpc_net ec2_security_group iam_role iam_password_policy s3_bucket sqs_queue elb_target_group rds_instance"
    assert plan.changed == {*changed.split(), "cloudwatchlogs_log_group", "dynamodb_table"}
    assert plan["rds_instance"]["diff"] == {"before": {"BackupRetentionPeriod": 3}, "after": {"BackupRetentionPeriod": 7}}


def test_what_takes_data_away_is_marked_in_a_plan_and_refused_by_an_apply(applied: Account) -> None:
    gone = [
        task("amazon.aws.rds_instance", db_instance_identifier="x", state="absent", skip_final_snapshot=True, wait=False),
        task("amazon.aws.s3_bucket", name="x-plan-test", state="absent"),
        task("community.aws.sqs_queue", name="x", state="absent"),
    ]
    gone = [{**one, "ignore_errors": True} for one in gone]
    plan = applied.run(gone, "--check")
    assert [plan.plan(one["name"])["action"] for one in gone] == ["delete"] * 3
    assert [plan.plan(one["name"])["stateful"] for one in gone] == ["database", "bucket", "queue"]

    before = applied.writes
    refused = applied.run(gone)
    assert set(refused.failed) == {"rds_instance", "s3_bucket", "sqs_queue"}
    assert """-e '{"approved_deletions": ["x"]}'""" in refused.failed["rds_instance"]
    assert applied.writes == before

    approved = applied.run(gone, "-e", '{"approved_deletions": ["x"]}')
    assert set(approved.failed) == {"s3_bucket"}
    assert applied.client("rds").describe_db_instances()["DBInstances"] == []


def test_two_stacks_plan_side_by_side_and_do_not_mix(account: Account) -> None:
    region = "{{ 'eu-west-1' if inventory_hostname == 'stack-0' else 'eu-central-1' }}"
    tasks = [
        task("amazon.aws.ec2_vpc_net", name="z", cidr_block="10.9.0.0/16", region=region, _register="vpc"),
        task("amazon.aws.ec2_vpc_subnet", vpc_id="{{ vpc.vpc.id }}", cidr="10.9.0.0/24", region=region),
        task("amazon.aws.ec2_vpc_subnet_info", region=region, filters={"vpc-id": "{{ vpc.vpc.id }}"}),
    ]
    before = account.writes
    plan = account.run(tasks, "--check", hosts=2)
    assert plan.failed == {}
    assert [subnet["cidr_block"] for subnet in plan["ec2_vpc_subnet_info"]["subnets"]] == ["10.9.0.0/24"]
    assert account.writes == before


def test_what_an_apply_would_refuse_is_refused_by_the_plan(account: Account) -> None:
    tasks = [
        task("amazon.aws.ec2_vpc_net", name="w", cidr_block="10.8.0.0/16", _register="vpc"),
        task("amazon.aws.ec2_vpc_subnet", vpc_id="{{ vpc.vpc.id }}", cidr="10.8.0.0/24", ipv6_only="perhaps", _ignore_errors=True),
        task("amazon.aws.ec2_launch_template", template_name="w", instance_type="t3.micro", _ignore_errors=True),
        task("amazon.aws.rds_instance", db_instance_identifier="w", _ignore_errors=True),
    ]
    plan = account.run(tasks, "--check")
    assert set(plan.failed) == {"ec2_vpc_subnet", "ec2_launch_template", "rds_instance"}


@pytest.mark.parametrize("keyword", [{"vars": {"ansible_aws_worker_pipelining": False}}, {"environment": {"PYTHONHASHSEED": "1"}}])
def test_what_cannot_run_under_the_guard_is_not_planned(account: Account, keyword: dict[str, object]) -> None:
    one = {**task("amazon.aws.iam_password_policy", state="present", min_pw_length=30), **keyword, "ignore_unreachable": True}
    before = account.writes
    refused = account.run([one], "--check")
    assert "write guard" in refused.failed["iam_password_policy"]
    assert account.writes == before

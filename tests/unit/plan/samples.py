# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan that has one of everything."""

from __future__ import annotations

from ansible_collections.indivillage.infra.plugins.plugin_utils.plan_report import Bill, Change, Entry, Failure, Input, Note, Plan

STACK, DR, WEB_1, WEB_2 = "sandbox-us-east-1", "sandbox-us-west-2", "i-0aaa", "i-0bbb"


def call(service: str, operation: str, **parameters: object) -> dict[str, object]:
    return {"service": service, "operation": operation, "region": "us-east-1", "parameters": parameters}


def subnet(zone: str) -> Entry:
    name = f"indivillage-sandbox-web-{zone}"
    calls = [call("ec2", "CreateSubnet", CidrBlock="10.10.10.0/24", VpcId="vpc-planned-1a2b3c4d", ClientToken=f"token-{zone}")]
    return Entry(STACK, "aws_network", "Make the subnets", zone, "amazon.aws.ec2_vpc_subnet", "create", f"subnet {name}", calls)


def configured(host: str) -> Entry:
    text = Change("/etc/nginx/nginx.conf", "worker_processes 1;\nevents {}\n", "worker_processes 2;\nevents {}\n")
    return Entry(host, "web_tier", "Write the settings of nginx", "", "indivillage.infra.host_files", "change", changes=[text])


def sample() -> Plan:
    vpc = Entry(
        STACK,
        "aws_network",
        "Make the VPC",
        "",
        "amazon.aws.ec2_vpc_net",
        "change",
        "vpc vpc-0123",
        [call("ec2", "CreateTags", Resources=["vpc-0123"], Tags=[{"Key": "Owner", "Value": "web"}])],
        [Change("Tags.Owner", None, "web"), Change("EnableDnsSupport", False, True)],
    )
    database = Entry(
        STACK,
        "aws_database",
        "Run the database",
        "",
        "amazon.aws.rds_instance",
        "replace",
        "database indivillage-sandbox-db",
        [call("rds", "DeleteDBInstance", DBInstanceIdentifier="indivillage-sandbox-db"), call("rds", "CreateDBInstance")],
        [Change("StorageEncrypted", False, True), Change("MasterUserPassword", "sha256:00112233", "sha256:44556677")],
        stateful="database",
    )
    alarm = Entry(DR, "", "Remove the alarm", "", "amazon.aws.cloudwatch_metric_alarm", "delete", "alarm indivillage-sandbox-cpu")
    packages = Entry(WEB_1, "web_tier", "Install nginx", "", "indivillage.infra.host_packages", "create")
    packages.changes.append(Change("packages", "", "nginx\n"))
    command = Entry(
        WEB_1, "base", "Trust the authorities", "", "ansible.builtin.command", "change", certain=False, reason="it has no check mode"
    )
    route = Entry(
        STACK,
        "aws_network",
        "Send the subnets to the internet",
        "",
        "amazon.aws.ec2_vpc_route_table",
        "change",
        "route subnet indivillage-sandbox-web-us-east-1a",
        changes=[Change("Routes.0.0.0.0/0", None, "igw-0123")],
    )
    return Plan(
        environment="sandbox",
        commit="0123456789abcdef0123456789abcdef01234567",
        entries=[
            vpc,
            subnet("us-east-1a"),
            subnet("us-east-1b"),
            route,
            database,
            alarm,
            packages,
            configured(WEB_1),
            command,
            configured(WEB_2),
        ],
        inputs=[Input(STACK, "aws_network", "Make the VPC", "", "aa"), Input(STACK, "aws_keys", "Keep the key", "", "bb")],
        unchanged=41,
        bills=[Bill(STACK, "aws_database", 12.5, ["iops of database x"]), Bill(DR, "", -0.1)],
        notes=[Note("", "Nothing is proved in check mode."), Note(DR, "No instances yet.")],
    )


def failed() -> Plan:
    plan = sample()
    plan.failed = [Failure(STACK, "aws_cache", "Run the cache", "", "UnauthorizedOperation: not allowed\nto read")]
    return plan

# SPDX-License-Identifier: GPL-3.0-or-later
"""One of every AWS resource that the roles make, by the modules that they use, each referring to others by what those return."""

from __future__ import annotations

import json
from typing import Any

from tests.integration.planning.conftest import Task, task


def trust(service: str) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Principal": {"Service": f"{service}.amazonaws.com"}, "Action": "sts:AssumeRole"}
    return {"Version": "2012-10-17", "Statement": [statement]}


VPC, SUBNETS, GROUP = "{{ vpc.vpc.id }}", "{{ subnets.results | map(attribute='subnet.id') }}", "{{ group.resource.group_id }}"
PERMISSIONS = {"Version": "2012-10-17", "Statement": [{"Sid": "a", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}
BUCKET_POLICY = {
    "Version": "2012-10-17",
    "Statement": [{"Sid": "a", "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::x-plan-test/*"}],
}
EVERY = [80, 443]


def topology() -> list[Task]:
    return [
        task(
            "amazon.aws.ec2_vpc_net",
            name="x",
            cidr_block="10.0.0.0/16",
            dns_support=True,
            dns_hostnames=True,
            tags={"a": "1"},
            _register="vpc",
        ),
        task(
            "amazon.aws.ec2_vpc_subnet",
            vpc_id=VPC,
            cidr="10.0.{{ item.0 }}.0/24",
            az="us-east-1{{ item.1 }}",
            tags={"Name": "x-{{ item.1 }}"},
            _loop=[[1, "a"], [2, "b"]],
            _register="subnets",
        ),
        task("amazon.aws.ec2_vpc_igw", vpc_id=VPC, tags={"Name": "x"}, _register="gateway"),
        task("amazon.aws.ec2_vpc_net_info", filters={"tag:Name": "x"}, _register="found"),
        task(
            "amazon.aws.ec2_vpc_route_table",
            vpc_id="{{ found.vpcs[0].vpc_id }}",
            routes=[{"dest": "0.0.0.0/0", "gateway_id": "igw"}],
            subnets=SUBNETS,
            tags={"Name": "x"},
            _register="table",
        ),
        task(
            "indivillage.infra.ec2_security_group",
            name="x",
            description="x",
            vpc_id=VPC,
            ingress=[{"from_port": port, "peer": "10.0.0.0/8"} for port in EVERY],
            egress=[],
            _register="group",
        ),
        task(
            "indivillage.infra.ec2_network_acl",
            vpc_id=VPC,
            name="x",
            subnet_ids=SUBNETS,
            ingress=[{"number": 100, "cidr": "10.0.0.0/8", "from_port": 80}],
            egress=[{"number": 100, "cidr": "0.0.0.0/0", "protocol": "all"}],
        ),
        task(
            "amazon.aws.ec2_vpc_endpoint",
            vpc_id=VPC,
            service="com.amazonaws.us-east-1.s3",
            route_table_ids=["{{ table.route_table.id }}"],
            tags={"Name": "x"},
        ),
        task("indivillage.infra.kms_key", alias="x", rotation=True, _register="key"),
        task(
            "amazon.aws.iam_role",
            name="x",
            assume_role_policy_document=json.dumps(trust("ec2")),
            managed_policies=["arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"],
            create_instance_profile=False,
            tags={"a": "1"},
        ),
        task("amazon.aws.iam_policy", iam_type="role", iam_name="x", policy_name="x", policy_json=json.dumps(PERMISSIONS)),
        task("amazon.aws.iam_instance_profile", name="x", role="x"),
        task("amazon.aws.iam_password_policy", state="present", min_pw_length=20, require_symbols=True),
        task(
            "amazon.aws.s3_bucket",
            name="x-plan-test",
            versioning=True,
            encryption="AES256",
            policy=json.dumps(BUCKET_POLICY),
            tags={"a": "1"},
        ),
        task("community.aws.s3_lifecycle", name="x-plan-test", rule_id="r", expiration_days=30),
        task("community.aws.s3_cors", name="x-plan-test", rules=[{"allowed_origins": ["*"], "allowed_methods": ["GET"]}], state="present"),
        task("community.aws.sqs_queue", name="x", visibility_timeout=60, tags={"a": "1"}),
        task("community.aws.sns_topic", name="x", display_name="x"),
        task("amazon.aws.cloudwatchlogs_log_group", log_group_name="/x", retention=30),
        task("indivillage.infra.log_group", name="/y", retention_days=30, tags={"a": "1"}),
        task("indivillage.infra.ec2_flow_log", resource_id=VPC, log_group_name="/y", role_arn="arn:aws:iam::123456789012:role/x"),
        task("indivillage.infra.json_secret", name="x", fields={"user": "x"}, generate=["password"], reveal=["password"]),
        task("community.aws.ssm_parameter", name="/x", value="hidden-value", string_type="SecureString"),
        task("community.aws.dynamodb_table", name="x", hash_key_name="id", billing_mode="PAY_PER_REQUEST"),
        task("amazon.aws.rds_subnet_group", name="x", description="x", subnets=SUBNETS, state="present"),
        task(
            "amazon.aws.rds_instance",
            db_instance_identifier="x",
            engine="postgres",
            db_instance_class="db.t3.micro",
            allocated_storage=20,
            master_username="x",
            master_user_password="{{ 'hidden' ~ '-password' }}",
            force_update_password=False,
            db_subnet_group_name="x",
            vpc_security_group_ids=[GROUP],
            backup_retention_period=7,
            wait=False,
        ),
        task("indivillage.infra.rds_parameter_group", name="x", family="postgres16", description="x", parameters={"log_connections": "1"}),
        task("community.aws.elasticache_subnet_group", name="x", description="x", subnets=SUBNETS, state="present"),
        task(
            "indivillage.infra.elasticache_replication_group",
            name="x",
            node_type="cache.t3.micro",
            num_cache_clusters=1,
            automatic_failover=False,
            subnet_group_name="x",
            snapshot_retention_days=7,
        ),
        task("indivillage.infra.elasticache_replication_group", name="x", wait=True, _name="await", _register="cache"),
        task(
            "community.aws.elb_target_group",
            name="x",
            vpc_id=VPC,
            protocol="http",
            port=80,
            health_check_protocol="http",
            health_check_path="/health",
            target_type="instance",
            modify_targets=False,
            state="present",
            _register="target",
        ),
        task(
            "amazon.aws.elb_application_lb",
            name="x",
            subnets=SUBNETS,
            security_groups=[GROUP],
            idle_timeout=60,
            listeners=[{"Protocol": "HTTP", "Port": 80, "DefaultActions": [{"Type": "forward", "TargetGroupName": "x"}]}],
            wait=False,
        ),
        task("amazon.aws.elb_application_lb_info", names=["x"], _register="balancers"),
        task(
            "amazon.aws.ec2_launch_template",
            template_name="x-plan",
            image_id="ami-12c6146b",
            instance_type="t3.micro",
            security_group_ids=[GROUP],
        ),
        task(
            "indivillage.infra.autoscaling_group",
            name="x",
            launch_template="x-plan",
            min_size=0,
            max_size=2,
            desired_capacity=0,
            subnet_ids=SUBNETS,
            target_group_arns=["{{ target.target_group_arn }}"],
            metrics=["GroupMinSize"],
        ),
        task(
            "community.aws.autoscaling_policy",
            name="x",
            asg_name="x",
            policy_type="TargetTrackingScaling",
            target_tracking_config={"target_value": 50, "predefined_metric_spec": {"predefined_metric_type": "ASGAverageCPUUtilization"}},
        ),
    ]


# What only asks, and what only waits for another task's resource.
QUESTIONS = {"ec2_vpc_net_info", "elb_application_lb_info", "await"}

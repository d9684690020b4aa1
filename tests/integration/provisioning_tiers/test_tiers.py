# SPDX-License-Identifier: GPL-3.0-or-later
"""What the provisioning roles of the tiers make, seen through the API."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.integration.provisioning_tiers.conftest import Result, Site
from tests.integration.provisioning_tiers.foundation import PREFIX

pytestmark = pytest.mark.emulator
One = Callable[..., Any]


def by_name(items: list[dict[str, Any]], key: str) -> dict[str, dict[str, Any]]:
    return {item[key].removeprefix(f"{PREFIX}-"): item for item in items}


def tags(items: list[dict[str, str]]) -> dict[str, str]:
    return {item["Key"]: item["Value"] for item in items}


def secret(site: Site, component: str) -> dict[str, Any]:
    value = site.client("secretsmanager").get_secret_value(SecretId=f"/indivillage/sandbox/{component}/credentials")
    return dict(json.loads(value["SecretString"]))


def test_database(site: Site, one: One) -> None:
    database = one("rds", "describe_db_instances", "DBInstances")
    assert database["DBInstanceIdentifier"] == f"{PREFIX}-db"
    assert database["Engine"] == "postgres"
    assert database["EngineVersion"].startswith("17")
    assert database["StorageType"] == "gp3"
    assert database["StorageEncrypted"]
    assert not database["PubliclyAccessible"]
    assert database["BackupRetentionPeriod"] == 7
    subnets = {subnet["SubnetIdentifier"] for subnet in database["DBSubnetGroup"]["Subnets"]}
    assert subnets == {site.foundation.subnets[f"data-{zone}"] for zone in "abc"}
    assert [group["VpcSecurityGroupId"] for group in database["VpcSecurityGroups"]] == [site.foundation.groups["database"]]
    assert tags(database["TagList"]).items() >= {"Project": "indivillage", "Tier": "data", "Stack": "sandbox-us-east-1"}.items()


def test_database_parameters(site: Site) -> None:
    found = site.client("rds").describe_db_parameters(DBParameterGroupName=f"{PREFIX}-db-param-group", Source="user")["Parameters"]
    parameters = {item["ParameterName"]: item["ParameterValue"] for item in found}
    assert parameters.items() >= {"rds.force_ssl": "1", "ssl_min_protocol_version": "TLSv1.3"}.items()


def test_database_credentials(site: Site, one: One) -> None:
    credentials = secret(site, "database")
    endpoint = one("rds", "describe_db_instances", "DBInstances")["Endpoint"]
    assert len(credentials.pop("password")) == 32
    assert credentials == {
        "username": "indivillage_admin",
        "engine": "postgres",
        "dbname": "indivillage",
        "host": endpoint["Address"],
        "port": 5432,
    }


def test_the_database_has_the_password_of_the_secret(site: Site) -> None:
    status, database = site.emulator.control("GET", f"databases/us-east-1/{PREFIX}-db")
    assert status == 200
    assert database["master_password"] == secret(site, "database")["password"]
    administrator = site.client("secretsmanager").get_secret_value(SecretId="/indivillage/sandbox/administration/database")["SecretString"]
    assert json.loads(administrator) == {"username": "indivillage_admin", "password": database["master_password"]}


def test_cache(site: Site, one: One) -> None:
    cache = one("elasticache", "describe_replication_groups", "ReplicationGroups")
    assert cache["ReplicationGroupId"] == f"{PREFIX}-cache"
    assert cache["TransitEncryptionEnabled"]
    assert cache["AtRestEncryptionEnabled"]
    assert cache["AuthTokenEnabled"]
    credentials = secret(site, "cache")
    assert credentials["host"] == cache["NodeGroups"][0]["PrimaryEndpoint"]["Address"]
    assert credentials["port"] == 6379
    status, answer = site.emulator.control("GET", f"caches/us-east-1/{PREFIX}-cache")
    assert (status, answer["auth_tokens"]) == (200, [credentials["auth_token"]])


def test_load_balancers(site: Site) -> None:
    balancers = by_name(site.client("elbv2").describe_load_balancers()["LoadBalancers"], "LoadBalancerName")
    for name, scheme, tier in (("public", "internet-facing", "public"), ("internal", "internal", "app")):
        balancer = balancers[name]
        assert balancer["Scheme"] == scheme
        assert {zone["SubnetId"] for zone in balancer["AvailabilityZones"]} == {site.foundation.subnets[f"{tier}-{zone}"] for zone in "abc"}
        assert balancer["SecurityGroups"] == [site.foundation.groups[f"{name}-load-balancer"]]
        attributes = tags(site.client("elbv2").describe_load_balancer_attributes(LoadBalancerArn=balancer["LoadBalancerArn"])["Attributes"])
        assert attributes["routing.http.drop_invalid_header_fields.enabled"] == "true"
        assert (attributes["access_logs.s3.enabled"], attributes["access_logs.s3.bucket"]) == ("true", f"{PREFIX}-logs")


def test_listeners(site: Site) -> None:
    elbv2, acm = site.client("elbv2"), site.client("acm")
    balancers = by_name(elbv2.describe_load_balancers()["LoadBalancers"], "LoadBalancerName")
    groups = by_name(elbv2.describe_target_groups()["TargetGroups"], "TargetGroupName")
    domains = {"public": "localhost", "internal": "internal.sandbox.indivillage.internal"}
    for name, tier in (("public", "web"), ("internal", "app")):
        listeners = {
            item["Port"]: item for item in elbv2.describe_listeners(LoadBalancerArn=balancers[name]["LoadBalancerArn"])["Listeners"]
        }
        assert set(listeners) == ({80, 443} if name == "public" else {443})
        assert listeners[443]["SslPolicy"] == "ELBSecurityPolicy-TLS13-1-3-2021-06"
        assert listeners[443]["DefaultActions"][0]["TargetGroupArn"] == groups[tier]["TargetGroupArn"]
        certificate = acm.describe_certificate(CertificateArn=listeners[443]["Certificates"][0]["CertificateArn"])["Certificate"]
        assert certificate["DomainName"] == domains[name]
        if name == "public":
            redirect = listeners[80]["DefaultActions"][0]["RedirectConfig"]
            assert (redirect["Protocol"], redirect["Port"], redirect["StatusCode"]) == ("HTTPS", "443", "HTTP_301")


def test_target_groups(site: Site) -> None:
    groups = by_name(site.client("elbv2").describe_target_groups()["TargetGroups"], "TargetGroupName")
    for tier, port in (("web", 443), ("app", 8443)):
        group = groups[tier]
        assert (group["Protocol"], group["Port"], group["HealthCheckProtocol"]) == ("HTTPS", port, "HTTPS")
        assert (group["HealthCheckPath"], group["Matcher"]["HttpCode"]) == ("/health", "200")
        assert (group["HealthyThresholdCount"], group["UnhealthyThresholdCount"]) == (2, 3)


def test_launch_templates(site: Site) -> None:
    ec2 = site.client("ec2")
    for tier, size in (("web", 20), ("app", 30), ("monitoring", 40)):
        (version,) = ec2.describe_launch_template_versions(LaunchTemplateName=f"{PREFIX}-{tier}")["LaunchTemplateVersions"]
        data = version["LaunchTemplateData"]
        assert data["ImageId"] == site.foundation.images[tier]
        assert data["MetadataOptions"]["HttpTokens"] == "required"
        assert data["MetadataOptions"]["HttpPutResponseHopLimit"] == 1
        assert data["SecurityGroupIds"] == [site.foundation.groups[tier]]
        assert data["IamInstanceProfile"]["Arn"].endswith(f"/{PREFIX}-{tier}")
        (device,) = data["BlockDeviceMappings"]
        assert device["Ebs"].items() >= {"VolumeType": "gp3", "VolumeSize": size, "Encrypted": True, "DeleteOnTermination": True}.items()


def test_auto_scaling_groups(site: Site) -> None:
    autoscaling = site.client("autoscaling")
    groups = by_name(autoscaling.describe_auto_scaling_groups()["AutoScalingGroups"], "AutoScalingGroupName")
    assert set(groups) == {"web", "app", "monitoring"}
    for tier, group in groups.items():
        alone = tier == "monitoring"
        subnets = {site.foundation.subnets[f"{'app' if alone else tier}-{zone}"] for zone in "abc"}
        assert (group["MinSize"], group["MaxSize"], group["DesiredCapacity"]) == ((1, 2, 1) if alone else (2, 6, 2))
        assert set(group["VPCZoneIdentifier"].split(",")) == subnets
        assert (group["HealthCheckType"], len(group["TargetGroupARNs"])) == (("EC2", 0) if alone else ("ELB", 1))
        assert group["TerminationPolicies"] == ["OldestLaunchTemplate", "OldestInstance"]
        distribution = group["MixedInstancesPolicy"]["InstancesDistribution"]
        assert distribution["OnDemandPercentageAboveBaseCapacity"] == 0  # the sandbox runs on spot capacity only
        assert len({instance["AvailabilityZone"] for instance in group["Instances"]}) == group["DesiredCapacity"]
        propagated = {tag["Key"]: tag["Value"] for tag in group["Tags"] if tag["PropagateAtLaunch"]}
        assert propagated.items() >= {"Tier": tier, "Role": tier, "Environment": "sandbox", "Project": "indivillage"}.items()
    policies = by_name(autoscaling.describe_policies()["ScalingPolicies"], "PolicyName")
    assert {name: policy["TargetTrackingConfiguration"]["TargetValue"] for name, policy in policies.items()} == {
        "web-cpu": 70,
        "app-cpu": 70,
        "web-requests": 1000,
    }
    label = policies["web-requests"]["TargetTrackingConfiguration"]["PredefinedMetricSpecification"]["ResourceLabel"]
    assert label.startswith(f"app/{PREFIX}-public/")
    assert f"/targetgroup/{PREFIX}-web/" in label


def test_bastion(site: Site) -> None:
    found = site.client("ec2").describe_instances(Filters=[{"Name": "tag:Role", "Values": ["bastion"]}])["Reservations"]
    (instance,) = [instance for reservation in found for instance in reservation["Instances"]]
    assert instance["SubnetId"] == site.foundation.subnets["public-a"]
    assert [group["GroupId"] for group in instance["SecurityGroups"]] == [site.foundation.groups["bastion"]]
    assert instance["MetadataOptions"]["HttpTokens"] == "required"
    assert instance["PublicIpAddress"]


def test_no_output_shows_a_secret(site: Site) -> None:
    for value in (secret(site, "database")["password"], secret(site, "cache")["auth_token"], "PRIVATE KEY"):
        assert value not in site.output


def test_a_new_image_reaches_its_tier_and_no_other(site: Site) -> None:
    before = {tier: members(site, tier) for tier in ("web", "app")}
    image = site.foundation.publish_image("web", "two")
    result = site.run("provision_compute.yml", "-e", "aws_compute_rollout_warmup_seconds=1")
    assert result.returncode == 0, result.output
    assert {instance["ImageId"] for instance in members(site, "web").values()} == {image}
    assert not members(site, "web").keys() & before["web"].keys()
    assert members(site, "app").keys() == before["app"].keys()
    assert site.run("provision_compute.yml").changed == 0


def rolled_out(site: Site, *options: str) -> Result:
    """Roll an image of the web tier out by hand."""
    return site.run("roll_out_image.yml", "-e", "rollout_tier=web", "-e", "aws_compute_rollout_warmup_seconds=1", *options)


def proof(site: Site, image: str) -> str:
    """How an image is marked."""
    (found,) = site.client("ec2").describe_images(ImageIds=[image])["Images"]
    return next((tag["Value"] for tag in found["Tags"] if tag["Key"] == "Proof"), "")


def parameter(site: Site) -> str:
    return str(site.client("ssm").get_parameter(Name="/indivillage/sandbox/images/web")["Parameter"]["Value"])


def test_the_former_image_comes_back_and_the_other_one_by_its_id(site: Site) -> None:
    current = parameter(site)
    version = site.emulator.version
    plan = rolled_out(site, "-e", "rollout_image=previous", "--check")
    assert (plan.returncode, site.emulator.version) == (2, version), plan.output

    result = rolled_out(site, "-e", "rollout_image=previous")
    assert result.returncode == 0, result.output
    assert "Successful, 100 % of the instances replaced" in result.told
    former = parameter(site)
    assert former != current
    assert {instance["ImageId"] for instance in members(site, "web").values()} == {former}
    assert (proof(site, former), proof(site, current)) == ("passed", "refused")
    assert site.run("provision_compute.yml").changed == 0, "what is promoted and what runs agree"

    assert rolled_out(site, "-e", f"rollout_image={current}").returncode == 0
    assert (parameter(site), proof(site, current), proof(site, former)) == (current, "passed", "passed")
    assert rolled_out(site, "-e", "rollout_image=current").changed == 0


def test_a_rollout_during_an_alarm_is_taken_back(site: Site) -> None:
    cloudwatch, current = site.client("cloudwatch"), parameter(site)
    metric = {"MetricName": "errors", "Namespace": "test", "Period": 60, "EvaluationPeriods": 1, "Statistic": "Sum"}
    cloudwatch.put_metric_alarm(AlarmName=f"{PREFIX}-errors", ComparisonOperator="GreaterThanThreshold", Threshold=1, **metric)
    now = datetime.now(UTC)
    cloudwatch.put_metric_data(Namespace="test", MetricData=[{"MetricName": "errors", "Timestamp": now - timedelta(minutes=1), "Value": 2}])
    status, states = site.emulator.control("PUT", "alarms/us-east-1", {"at": now.isoformat()})
    assert (status, states[f"{PREFIX}-errors"]) == (200, "ALARM")
    alarms = json.dumps({"aws_compute_rollout_alarms": [f"{PREFIX}-errors"], "aws_compute_poll_seconds": 1})
    result = rolled_out(site, "-e", "rollout_image=previous", "-e", alarms)
    assert result.returncode == 2, result.output
    assert f"the alarm {PREFIX}-errors is in alarm" in result.told
    assert parameter(site) == current
    assert {instance["ImageId"] for instance in members(site, "web").values()} == {current}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("-e", "rollout_tier=database", "-e", "rollout_image=current"), "and not one of web, app."),
        (("-e", "rollout_image=newest"), "and not current, previous, or the id of an image."),
        (
            ("-e", "rollout_image=ami-00000000000000000"),
            "is no proven image of the web tier. There are, newest first: ami-",
        ),
    ],
    ids=["no tier", "no word", "no image"],
)
def test_an_image_that_cannot_be_meant_is_refused_before_anything_is_written(site: Site, options: tuple[str, ...], expected: str) -> None:
    version = site.emulator.version
    result = rolled_out(site, *options)
    assert result.returncode == 2
    assert expected in result.told, result.output
    assert site.emulator.version - version < 10, "the lease and the record alone"


def members(site: Site, tier: str) -> dict[str, dict[str, Any]]:
    """The running instances of a tier by id."""
    filters = [{"Name": "tag:Role", "Values": [tier]}, {"Name": "instance-state-name", "Values": ["running"]}]
    found = site.client("ec2").describe_instances(Filters=filters)["Reservations"]
    return {instance["InstanceId"]: instance for reservation in found for instance in reservation["Instances"]}


def test_a_capacity_that_scaling_chose_is_kept(site: Site) -> None:
    autoscaling = site.client("autoscaling")
    autoscaling.set_desired_capacity(AutoScalingGroupName=f"{PREFIX}-app", DesiredCapacity=3)
    assert site.run("provision_compute.yml").returncode == 0
    (group,) = autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[f"{PREFIX}-app"])["AutoScalingGroups"]
    assert group["DesiredCapacity"] == 3


def answers(**given: object) -> tuple[str, ...]:
    """The options that give a runbook its inputs."""
    return ("-e", json.dumps(given))


def sizes(site: Site, tier: str) -> tuple[int, int, int]:
    """Least, greatest and wanted number of a tier's instances."""
    (group,) = site.client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[f"{PREFIX}-{tier}"])["AutoScalingGroups"]
    return group["MinSize"], group["MaxSize"], group["DesiredCapacity"]


def test_a_tier_is_scaled_at_once_and_the_plan_says_what_it_costs(site: Site) -> None:
    given, before, version = answers(scale_tier="web", scale_min=3, scale_desired=4), sizes(site, "web"), site.emulator.version
    plan = site.run("scale_tier.yml", *given, "--check")
    assert (plan.returncode, site.emulator.version, "a month" in plan.told) == (2, version, True), plan.output
    result = site.run("scale_tier.yml", *given)
    assert result.returncode == 0, result.output
    assert sizes(site, "web") == (3, before[1], 4)
    assert len(members(site, "web")) == 4
    assert "The declaration says" in result.told
    assert site.run("scale_tier.yml", *given).changed == 0
    back = site.run("scale_tier.yml", *answers(scale_tier="web", scale_min=before[0], scale_desired=before[2]))
    assert (back.returncode, sizes(site, "web")) == (0, before), back.output


def test_the_database_is_resized_at_once_if_its_downtime_is_accepted(site: Site, one: One) -> None:
    wanted, version = "db.t3.large", site.emulator.version
    plan = site.run("resize_database.yml", *answers(resize_class=wanted, resize_accept_downtime=True), "--check")
    assert (plan.returncode, site.emulator.version, "a month" in plan.told) == (2, version, True), plan.output
    refused = site.run("resize_database.yml", *answers(resize_class=wanted))
    assert (refused.returncode, "resize_accept_downtime" in refused.told) == (2, True), refused.output
    assert one("rds", "describe_db_instances", "DBInstances")["DBInstanceClass"] == "db.t3.medium"
    given = answers(resize_class=wanted, resize_storage_gib=40, resize_accept_downtime=True)
    result = site.run("resize_database.yml", *given)
    assert result.returncode == 0, result.output
    database = one("rds", "describe_db_instances", "DBInstances")
    assert (database["DBInstanceClass"], database["AllocatedStorage"]) == (wanted, 40)
    assert site.run("resize_database.yml", *given).changed == 0


@pytest.mark.parametrize(
    ("playbook", "given", "words"),
    [
        ("scale_tier.yml", {"scale_tier": "web", "scale_min": 5, "scale_max": 3}, "scale"),
        ("scale_tier.yml", {"scale_tier": "bastion", "scale_min": 2}, "one of web, app"),
        ("resize_database.yml", {"resize_storage_gib": 20, "resize_class": "m5.large"}, "a class of RDS"),
        ("resize_database.yml", {"resize_storage_gib": 20, "resize_accept_downtime": True}, "40"),
    ],
    ids=["more at least than at most", "no tier", "no class", "less storage"],
)
def test_a_size_that_cannot_be_meant_is_refused(site: Site, playbook: str, given: dict[str, object], words: str) -> None:
    before = sizes(site, "web")
    result = site.run(playbook, *answers(**given))
    assert (result.returncode, words in result.told, sizes(site, "web")) == (2, True, before), result.output


def test_a_tier_without_an_image_is_refused_before_anything_is_written(site: Site) -> None:
    ssm, name = site.client("ssm"), "/indivillage/sandbox/images/app"
    ssm.delete_parameter(Name=name)
    version = site.emulator.version
    result = site.run("provision_compute.yml")
    assert result.returncode != 0
    assert f"no image is registered for app ({name} in Parameter Store)" in result.told
    assert site.emulator.version == version
    ssm.put_parameter(Name=name, Value=site.foundation.images["app"], Type="String")

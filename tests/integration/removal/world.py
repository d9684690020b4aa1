# SPDX-License-Identifier: GPL-3.0-or-later
"""A small account that has something of every kind, made by plain API calls in seconds."""

from __future__ import annotations

import json
from typing import Any

from tests.integration.emulator.support import RunningEmulator, base_image

TAGS = {"Project": "indivillage", "Environment": "sandbox", "ManagedBy": "ansible"}
REGION = "us-east-1"
ACCOUNT_ID = "123456789012"
TRUST = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
)

PERMISSIONS = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}]})


def tag_list(**more: str) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in (TAGS | more).items()]


def tagged(kind: str, **more: str) -> list[dict[str, Any]]:
    """TagSpecifications of EC2."""
    return [{"ResourceType": kind, "Tags": tag_list(**more)}]


class World:
    """What was made; `ids` by kind, as the census names kinds and ids, for what stands by itself."""

    def __init__(self, emulator: RunningEmulator) -> None:
        self.emulator = emulator
        self.ids: dict[str, set[str]] = {}
        self.parts: dict[str, set[str]] = {}
        self._network()
        self._running()
        self._containers()
        self._balancing()
        self._stores()
        self._identities()
        self._watching()

    def client(self, service: str) -> Any:
        return self.emulator.client(service, REGION)

    def _own(self, kind: str, identifier: str) -> str:
        self.ids.setdefault(kind, set()).add(identifier)
        return identifier

    def _network(self) -> None:
        ec2 = self.client("ec2")
        self.vpc = self._own("ec2:vpc", ec2.create_vpc(CidrBlock="10.77.0.0/16", TagSpecifications=tagged("vpc"))["Vpc"]["VpcId"])
        self.subnets = [
            self._own(
                "ec2:subnet",
                ec2.create_subnet(
                    VpcId=self.vpc,
                    CidrBlock=f"10.77.{number}.0/24",
                    AvailabilityZone=f"{REGION}{zone}",
                    TagSpecifications=tagged("subnet"),
                )["Subnet"]["SubnetId"],
            )
            for number, zone in enumerate("ab")
        ]
        gateway = ec2.create_internet_gateway(TagSpecifications=tagged("internet-gateway"))["InternetGateway"]["InternetGatewayId"]
        ec2.attach_internet_gateway(InternetGatewayId=self._own("ec2:internet-gateway", gateway), VpcId=self.vpc)
        table = ec2.create_route_table(VpcId=self.vpc, TagSpecifications=tagged("route-table"))["RouteTable"]["RouteTableId"]
        ec2.associate_route_table(RouteTableId=self._own("ec2:route-table", table), SubnetId=self.subnets[0])
        network_acl = ec2.create_network_acl(VpcId=self.vpc, TagSpecifications=tagged("network-acl"))["NetworkAcl"]["NetworkAclId"]
        (default,) = ec2.describe_network_acls(Filters=[{"Name": "association.subnet-id", "Values": [self.subnets[0]]}])["NetworkAcls"]
        association = next(one for one in default["Associations"] if one["SubnetId"] == self.subnets[0])["NetworkAclAssociationId"]
        ec2.replace_network_acl_association(AssociationId=association, NetworkAclId=self._own("ec2:network-acl", network_acl))
        self.groups = [
            self._own(
                "ec2:security-group",
                ec2.create_security_group(
                    VpcId=self.vpc, GroupName=name, Description=name, TagSpecifications=tagged("security-group", Name=name)
                )["GroupId"],
            )
            for name in ("one", "two")
        ]
        for group, other in (self.groups, reversed(self.groups)):  # each names the other, as tiers do
            pairs = [{"GroupId": other}]
            permission = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "UserIdGroupPairs": pairs}
            ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[permission])
        address = ec2.allocate_address(Domain="vpc", TagSpecifications=tagged("elastic-ip"))["AllocationId"]
        nat = ec2.create_nat_gateway(
            SubnetId=self.subnets[0], AllocationId=self._own("ec2:elastic-ip", address), TagSpecifications=tagged("natgateway")
        )
        self._own("ec2:natgateway", nat["NatGateway"]["NatGatewayId"])
        endpoint = ec2.create_vpc_endpoint(
            VpcId=self.vpc,
            VpcEndpointType="Interface",
            ServiceName=f"com.amazonaws.{REGION}.ssm",
            SubnetIds=self.subnets,
            SecurityGroupIds=self.groups[:1],
            TagSpecifications=tagged("vpc-endpoint"),
        )
        self._own("ec2:vpc-endpoint", endpoint["VpcEndpoint"]["VpcEndpointId"])

    def _running(self) -> None:
        ec2, image = self.client("ec2"), base_image(self.emulator)
        launch = {"ImageId": image, "InstanceType": "t3.micro", "SecurityGroupIds": self.groups[:1]}
        (instance,) = ec2.run_instances(
            **launch, MinCount=1, MaxCount=1, SubnetId=self.subnets[0], TagSpecifications=[*tagged("instance"), *tagged("volume")]
        )["Instances"]
        self.instance = self._own("ec2:instance", instance["InstanceId"])
        template = ec2.create_launch_template(
            LaunchTemplateName="tier", LaunchTemplateData=launch, TagSpecifications=tagged("launch-template")
        )["LaunchTemplate"]["LaunchTemplateId"]
        tags = [{**tag, "PropagateAtLaunch": True} for tag in tag_list()]
        self.client("autoscaling").create_auto_scaling_group(
            AutoScalingGroupName=self._own("autoscaling:autoScalingGroup", "tier"),
            LaunchTemplate={"LaunchTemplateId": self._own("ec2:launch-template", template), "Version": "1"},
            MinSize=2,
            MaxSize=2,
            VPCZoneIdentifier=",".join(self.subnets),
            Tags=tags,
        )
        found = ec2.describe_instances(Filters=[{"Name": "tag:aws:autoscaling:groupName", "Values": ["tier"]}])["Reservations"]
        self.parts["ec2:instance"] = {item["InstanceId"] for reservation in found for item in reservation["Instances"]}
        volumes = ec2.describe_volumes(Filters=[{"Name": "attachment.instance-id", "Values": [self.instance]}])["Volumes"]
        self.parts["ec2:volume"] = {volume["VolumeId"] for volume in volumes}
        volume = ec2.create_volume(Size=1, AvailabilityZone=f"{REGION}a", TagSpecifications=tagged("volume"))["VolumeId"]
        self.volume = self._own("ec2:volume", volume)
        ec2.create_key_pair(KeyName=self._own("ec2:key-pair", "key"), TagSpecifications=tagged("key-pair"))

    def _containers(self) -> None:
        ecs, tags = self.client("ecs"), [{"key": key, "value": value} for key, value in TAGS.items()]
        self.client("ecr").create_repository(repositoryName=self._own("ecr:repository", "world/worker"), tags=tag_list())
        ecs.create_cluster(clusterName=self._own("ecs:cluster", "world"), tags=tags)
        container = {"name": "worker", "image": "world/worker:1", "memory": 512}
        for _revision in range(2):
            family = self._own("ecs:task-definition", "worker")
            ecs.register_task_definition(family=family, containerDefinitions=[container], tags=tags)
        self.parts["ecs:task-definition"] = {"worker:1"}
        ecs.create_service(
            cluster="world", serviceName=self._own("ecs:service", "worker"), taskDefinition="worker", desiredCount=1, tags=tags
        )

    def _balancing(self) -> None:
        elbv2 = self.client("elbv2")
        (balancer,) = elbv2.create_load_balancer(Name="front", Subnets=self.subnets, SecurityGroups=self.groups[:1], Tags=tag_list())[
            "LoadBalancers"
        ]
        (group,) = elbv2.create_target_group(Name="tier", Protocol="HTTP", Port=80, VpcId=self.vpc, Tags=tag_list())["TargetGroups"]
        action = {"Type": "forward", "TargetGroupArn": group["TargetGroupArn"]}
        elbv2.create_listener(
            LoadBalancerArn=balancer["LoadBalancerArn"], Protocol="HTTP", Port=80, DefaultActions=[action], Tags=tag_list()
        )
        self._own("elasticloadbalancing:loadbalancer", "front")
        self.target_group = self._own("elasticloadbalancing:targetgroup", "tier"), group["TargetGroupArn"]

    def _stores(self) -> None:
        key = self.client("kms").create_key(Tags=[{"TagKey": tag["Key"], "TagValue": tag["Value"]} for tag in tag_list()])["KeyMetadata"]
        self.client("kms").create_alias(AliasName="alias/data", TargetKeyId=key["KeyId"])
        self.key = self._own("kms:key", key["KeyId"]), key["Arn"]
        rds = self.client("rds")
        rds.create_db_subnet_group(
            DBSubnetGroupName=self._own("rds:subgrp", "data"), DBSubnetGroupDescription="data", SubnetIds=self.subnets, Tags=tag_list()
        )
        rds.create_db_parameter_group(
            DBParameterGroupName=self._own("rds:pg", "data"), DBParameterGroupFamily="postgres17", Description="data", Tags=tag_list()
        )
        rds.create_db_instance(
            DBInstanceIdentifier=self._own("rds:db", "data"),
            Engine="postgres",
            DBInstanceClass="db.t3.micro",
            AllocatedStorage=20,
            MasterUsername="admin1",
            MasterUserPassword="not-a-secret",
            DBSubnetGroupName="data",
            StorageEncrypted=True,
            KmsKeyId=key["Arn"],
            CopyTagsToSnapshot=True,
            Tags=tag_list(),
        )
        self.parts["rds:snapshot"] = {item["DBSnapshotIdentifier"] for item in rds.describe_db_snapshots()["DBSnapshots"]}
        elasticache = self.client("elasticache")
        elasticache.create_cache_subnet_group(
            CacheSubnetGroupName=self._own("elasticache:subnetgroup", "cache"), CacheSubnetGroupDescription="c", SubnetIds=self.subnets
        )
        elasticache.create_replication_group(
            ReplicationGroupId=self._own("elasticache:replicationgroup", "cache"),
            ReplicationGroupDescription="cache",
            NumCacheClusters=1,
            CacheSubnetGroupName="cache",
            Tags=tag_list(),
        )
        s3, name = self.client("s3"), self._own("s3:bucket", "indivillage-world")
        s3.create_bucket(Bucket=name)
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": tag_list()})
        for content in (b"one", b"two"):
            s3.put_object(Bucket=name, Key="file", Body=content)
        s3.delete_object(Bucket=name, Key="file")
        s3.create_multipart_upload(Bucket=name, Key="unfinished")
        self.client("sqs").create_queue(QueueName=self._own("sqs:queue", "jobs"), tags=TAGS)
        self.client("sns").create_topic(Name=self._own("sns:topic", "alarms"), Tags=tag_list())
        self.client("secretsmanager").create_secret(
            Name=self._own("secretsmanager:secret", "/world/secret"), SecretString="x", Tags=tag_list()
        )
        self.client("ssm").put_parameter(Name=self._own("ssm:parameter", "/world/parameter"), Value="x", Type="String", Tags=tag_list())
        self.client("logs").create_log_group(logGroupName=self._own("logs:log-group", "/world/log"), tags=TAGS)
        self.client("dynamodb").create_table(
            TableName=self._own("dynamodb:table", "locks"),
            AttributeDefinitions=[{"AttributeName": "key", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "key", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
            Tags=tag_list(),
        )

    def _watching(self) -> None:
        self.client("accessanalyzer").create_analyzer(
            analyzerName=self._own("access-analyzer:analyzer", "outside"), type="ACCOUNT", tags=TAGS
        )
        self.client("ec2").modify_ebs_default_kms_key_id(KmsKeyId=self.key[1])
        self._own("ec2:ebs-default-key", self.key[0])

    def _identities(self) -> None:
        iam = self.client("iam")
        iam.create_role(RoleName=self._own("iam:role", "worker"), AssumeRolePolicyDocument=TRUST, Tags=tag_list())
        iam.put_role_policy(RoleName="worker", PolicyName="own", PolicyDocument=PERMISSIONS)
        iam.attach_role_policy(RoleName="worker", PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess")
        iam.create_instance_profile(InstanceProfileName="worker")  # as amazon.aws.iam_role makes it: without tags
        iam.add_role_to_instance_profile(InstanceProfileName="worker", RoleName="worker")
        iam.create_group(GroupName=self._own("iam:group", "indivillage-sandbox-people"))
        iam.attach_group_policy(GroupName="indivillage-sandbox-people", PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess")
        iam.create_open_id_connect_provider(Url=f"https://{self._own('iam:oidc-provider', 'tokens.example')}", Tags=tag_list())
        sso = self.client("sso-admin")
        here = {"InstanceArn": sso.list_instances()["Instances"][0]["InstanceArn"]}
        name = self._own("sso:permissionSet", "world-people")
        arn = sso.create_permission_set(**here, Name=name, Tags=tag_list())["PermissionSet"]["PermissionSetArn"]
        everybody = {"TargetType": "AWS_ACCOUNT", "TargetId": ACCOUNT_ID, "PrincipalType": "GROUP", "PrincipalId": "people"}
        sso.create_account_assignment(**here, PermissionSetArn=arn, **everybody)
        iam.create_instance_profile(InstanceProfileName=self._own("iam:instance-profile", "tier"), Tags=tag_list())
        iam.add_role_to_instance_profile(InstanceProfileName="tier", RoleName="worker")

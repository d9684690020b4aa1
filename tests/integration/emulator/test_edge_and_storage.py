# SPDX-License-Identifier: GPL-3.0-or-later
"""Load balancer attributes, certificates, buckets, tags and account settings against the running emulator."""

from __future__ import annotations

import datetime
import json
import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.integration.emulator.support import Network, RunningEmulator

pytestmark = pytest.mark.emulator


def self_signed(name: str) -> tuple[bytes, bytes]:
    """(certificate, private key) in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM), key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def test_load_balancers_and_target_groups_have_all_their_attributes(emulator: RunningEmulator, network: Network) -> None:
    elbv2, name = emulator.client("elbv2"), f"lb-{uuid.uuid4().hex[:8]}"
    created = elbv2.create_load_balancer(Name=name, Subnets=list(network.subnet_ids))["LoadBalancers"][0]
    assert created["Scheme"] == "internet-facing"
    balancer = created["LoadBalancerArn"]
    attributes = {a["Key"]: a["Value"] for a in elbv2.describe_load_balancer_attributes(LoadBalancerArn=balancer)["Attributes"]}
    assert attributes["idle_timeout.timeout_seconds"] == "60"
    assert attributes["routing.http2.enabled"] == "true"
    elbv2.modify_load_balancer_attributes(LoadBalancerArn=balancer, Attributes=[{"Key": "idle_timeout.timeout_seconds", "Value": "120"}])
    group = elbv2.create_target_group(Name=name, Protocol="HTTP", Port=80, VpcId=network.vpc_id)["TargetGroups"][0]["TargetGroupArn"]
    attributes = {a["Key"]: a["Value"] for a in elbv2.describe_target_group_attributes(TargetGroupArn=group)["Attributes"]}
    assert attributes["stickiness.lb_cookie.duration_seconds"] == "86400"


def test_targets_of_a_group_without_listener_are_unused(emulator: RunningEmulator, network: Network) -> None:
    elbv2 = emulator.client("elbv2")
    group = elbv2.create_target_group(Name=f"t-{uuid.uuid4().hex[:8]}", Protocol="HTTP", Port=80, VpcId=network.vpc_id, TargetType="ip")
    arn = group["TargetGroups"][0]["TargetGroupArn"]
    elbv2.register_targets(TargetGroupArn=arn, Targets=[{"Id": "10.0.0.9"}])
    (target,) = elbv2.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
    assert target["TargetHealth"]["State"] == "unused"
    assert emulator.control("PUT", "target-health", {arn: {"10.0.0.9": "fine"}})[0] == 400


def test_an_imported_certificate_comes_back_as_it_went_in(emulator: RunningEmulator) -> None:
    acm = emulator.client("acm")
    certificate, key = self_signed("internal.example")
    chain, _ = self_signed("Example CA")
    arn = acm.import_certificate(Certificate=certificate, PrivateKey=key, CertificateChain=chain)["CertificateArn"]
    found = acm.get_certificate(CertificateArn=arn)
    assert (found["Certificate"], found["CertificateChain"]) == (certificate.decode(), chain.decode())
    status, answer = emulator.control("GET", f"certificates/{arn}")
    assert (status, answer) == (200, {"certificate": certificate.decode(), "chain": chain.decode(), "private_key": key.decode()})
    assert emulator.control("GET", "certificates/arn:aws:acm:us-east-1:123456789012:certificate/absent")[0] == 404


def bucket(emulator: RunningEmulator) -> str:
    name = f"bucket-{uuid.uuid4().hex}"
    emulator.client("s3").create_bucket(Bucket=name)
    return name


def policy(name: str, condition: dict[str, dict[str, str]] | None) -> str:
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [f"arn:aws:s3:::{name}", f"arn:aws:s3:::{name}/*"],
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement | ({"Condition": condition} if condition else {})]})


@pytest.mark.parametrize(
    ("condition", "allowed"),
    [
        ({"Bool": {"aws:SecureTransport": "false"}}, True),
        ({"NumericLessThan": {"s3:TlsVersion": "1.2"}}, True),
        ({"StringNotEquals": {"s3:x-amz-server-side-encryption": "aws:kms"}}, True),
        ({"Bool": {"aws:SecureTransport": "true"}}, False),
        (None, False),
    ],
)
def test_conditions_of_bucket_policies(emulator: RunningEmulator, condition: dict[str, dict[str, str]] | None, allowed: bool) -> None:
    s3, name = emulator.client("s3"), bucket(emulator)
    s3.put_object(Bucket=name, Key="a", Body=b"1")
    s3.put_bucket_policy(Bucket=name, Policy=policy(name, condition))
    if allowed:
        assert s3.get_object(Bucket=name, Key="a")["Body"].read() == b"1"
    else:
        with pytest.raises(ClientError, match="Forbidden"):
            s3.get_object(Bucket=name, Key="a")


def test_notification_filters_keep_their_names_and_work(emulator: RunningEmulator) -> None:
    s3, sqs, name = emulator.client("s3"), emulator.client("sqs"), bucket(emulator)
    queue = sqs.create_queue(QueueName=name[:40])["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    rules = [{"Name": "Prefix", "Value": "uploads/"}, {"Name": "Suffix", "Value": ""}]
    configuration = {"Id": "files", "QueueArn": arn, "Events": ["s3:ObjectCreated:*"], "Filter": {"Key": {"FilterRules": rules}}}
    s3.put_bucket_notification_configuration(Bucket=name, NotificationConfiguration={"QueueConfigurations": [configuration]})
    assert s3.get_bucket_notification_configuration(Bucket=name)["QueueConfigurations"] == [configuration]
    s3.put_object(Bucket=name, Key="other/a", Body=b"1")
    s3.put_object(Bucket=name, Key="uploads/a", Body=b"1")
    messages = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
    keys = [record["s3"]["object"]["key"] for message in messages for record in json.loads(message["Body"]).get("Records", [])]
    assert keys == ["uploads%2Fa"]


def test_a_bucket_has_an_owner(emulator: RunningEmulator) -> None:
    s3, name = emulator.client("s3"), bucket(emulator)
    assert s3.head_bucket(Bucket=name, ExpectedBucketOwner="123456789012")["BucketRegion"] == "us-east-1"
    with pytest.raises(ClientError, match="Forbidden"):
        s3.head_bucket(Bucket=name, ExpectedBucketOwner="111111111111")


def test_replication_rules_are_read_back_as_they_were_written(emulator: RunningEmulator) -> None:
    s3, name = emulator.client("s3"), bucket(emulator)
    rules = [
        {
            "ID": "all",
            "Priority": 1,
            "Status": "Enabled",
            "Filter": {"Prefix": ""},
            "DeleteMarkerReplication": {"Status": "Enabled"},
            "SourceSelectionCriteria": {"SseKmsEncryptedObjects": {"Status": "Enabled"}},
            "Destination": {
                "Bucket": "arn:aws:s3:::copies",
                "StorageClass": "GLACIER",
                "EncryptionConfiguration": {"ReplicaKmsKeyID": "arn:aws:kms:us-west-2:123456789012:alias/copies"},
            },
        },
        {
            "ID": "some",
            "Priority": 2,
            "Status": "Disabled",
            "Filter": {"Prefix": "a/"},
            "DeleteMarkerReplication": {"Status": "Disabled"},
            "Destination": {"Bucket": "arn:aws:s3:::copies"},
        },
    ]
    configuration = {"Role": "arn:aws:iam::123456789012:role/copies", "Rules": rules}
    with pytest.raises(ClientError, match="Versioning must be 'Enabled'"):
        s3.put_bucket_replication(Bucket=name, ReplicationConfiguration=configuration)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_replication(Bucket=name, ReplicationConfiguration=configuration)
    assert s3.get_bucket_replication(Bucket=name)["ReplicationConfiguration"] == configuration
    s3.delete_bucket_replication(Bucket=name)
    with pytest.raises(ClientError, match="ReplicationConfigurationNotFoundError"):
        s3.get_bucket_replication(Bucket=name)


def test_tags_carry_the_resource_types_of_aws(emulator: RunningEmulator, network: Network) -> None:
    ec2 = emulator.client("ec2")
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    gateway = ec2.create_nat_gateway(SubnetId=network.subnet_ids[0], AllocationId=address)["NatGateway"]["NatGatewayId"]
    ec2.create_tags(Resources=[address, gateway], Tags=[{"Key": "Name", "Value": "nat"}])
    found = ec2.describe_tags(Filters=[{"Name": "resource-id", "Values": [address, gateway]}])["Tags"]
    assert {tag["ResourceId"]: tag["ResourceType"] for tag in found} == {address: "elastic-ip", gateway: "natgateway"}


def test_account_settings(emulator: RunningEmulator) -> None:
    ec2 = emulator.client("ec2", "us-west-2")
    assert ec2.get_ebs_default_kms_key_id()["KmsKeyId"] == "alias/aws/ebs"
    key = emulator.client("kms", "us-west-2").create_key()["KeyMetadata"]["Arn"]
    ec2.modify_ebs_default_kms_key_id(KmsKeyId=key)
    assert ec2.get_ebs_default_kms_key_id()["KmsKeyId"] == key
    ec2.enable_ebs_encryption_by_default()
    volume = ec2.create_volume(AvailabilityZone="us-west-2a", Size=1)["VolumeId"]
    (found,) = ec2.describe_volumes(VolumeIds=[volume])["Volumes"]
    assert (found["Encrypted"], found["KmsKeyId"]) == (True, key)
    ec2.modify_instance_metadata_defaults(HttpTokens="required", HttpPutResponseHopLimit=1)
    assert ec2.get_instance_metadata_defaults()["AccountLevel"] == {"HttpTokens": "required", "HttpPutResponseHopLimit": 1}


def test_a_record_that_was_deleted_can_be_made_again(emulator: RunningEmulator) -> None:
    route53 = emulator.client("route53")
    zone = route53.create_hosted_zone(Name="again.example", CallerReference=uuid.uuid4().hex)["HostedZone"]["Id"]

    def change(action: str, kind: str, value: str) -> None:
        record = {"Name": "www.again.example", "Type": kind, "TTL": 60, "ResourceRecords": [{"Value": value}]}
        route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": [{"Action": action, "ResourceRecordSet": record}]})

    change("CREATE", "A", "192.0.2.1")
    change("CREATE", "TXT", '"behind it"')
    change("DELETE", "A", "192.0.2.1")
    change("CREATE", "A", "192.0.2.1")
    found = route53.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    assert {"A", "TXT"} <= {record["Type"] for record in found}
    with pytest.raises(ClientError, match="already exists"):
        change("CREATE", "A", "192.0.2.1")


def test_records_that_stand_can_be_exchanged_in_one_change_there_and_back(emulator: RunningEmulator) -> None:
    route53 = emulator.client("route53")
    zone = route53.create_hosted_zone(Name="pair.example", CallerReference=uuid.uuid4().hex)["HostedZone"]["Id"]

    def records(first: str, second: str) -> list[dict[str, Any]]:
        common = {"Name": "www.pair.example", "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": "192.0.2.1"}]}
        return [{**common, "SetIdentifier": name, "Failover": role} for name, role in (("one", first), ("two", second))]

    def change(*batches: tuple[str, list[dict[str, Any]]]) -> None:
        changes = [{"Action": action, "ResourceRecordSet": record} for action, batch in batches for record in batch]
        route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})

    here, there = records("PRIMARY", "SECONDARY"), records("SECONDARY", "PRIMARY")
    change(("CREATE", here))
    change(("DELETE", here), ("CREATE", there))
    change(("DELETE", there), ("CREATE", here))
    found = route53.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    roles = {record["SetIdentifier"]: record["Failover"] for record in found if "Failover" in record}
    assert roles == {"one": "PRIMARY", "two": "SECONDARY"}

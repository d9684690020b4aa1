# SPDX-License-Identifier: GPL-3.0-or-later
"""What a second region copies from the first, against the running emulator."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.integration.emulator.support import RunningEmulator

pytestmark = pytest.mark.emulator

PRIMARY, DR = "us-east-1", "us-west-2"


def unique(prefix: str) -> str:
    return f"{prefix}-{uuid.uuid4().hex[:8]}"


def subnet_group(emulator: RunningEmulator, region: str) -> str:
    ec2, name = emulator.client("ec2", region), unique("subnets")
    vpc = ec2.create_vpc(CidrBlock="10.77.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.77.{number}.0/24", AvailabilityZone=f"{region}{zone}")["Subnet"]["SubnetId"]
        for number, zone in enumerate("ab")
    ]
    emulator.client("rds", region).create_db_subnet_group(DBSubnetGroupName=name, DBSubnetGroupDescription="x", SubnetIds=subnets)
    return name


# --- read replicas ---


def create_source(emulator: RunningEmulator, **parameters: Any) -> dict[str, Any]:
    wanted = {
        "DBInstanceIdentifier": unique("db"),
        "DBInstanceClass": "db.t4g.micro",
        "Engine": "postgres",
        "EngineVersion": "17.6",
        "AllocatedStorage": 20,
        "StorageType": "gp3",
        "StorageEncrypted": True,
        "MasterUsername": "indivillage",
        "MasterUserPassword": "correct-horse-battery",
        "BackupRetentionPeriod": 7,
        "DBSubnetGroupName": subnet_group(emulator, PRIMARY),
        "Tags": [{"Key": "Name", "Value": "source"}],
        "DeletionProtection": False,
    }
    return dict(emulator.client("rds").create_db_instance(**wanted | parameters)["DBInstance"])


def database(emulator: RunningEmulator, name: str, region: str = PRIMARY) -> dict[str, Any]:
    return dict(emulator.client("rds", region).describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0])


def test_a_replica_in_the_region_of_its_source(standalone: RunningEmulator) -> None:
    source, name, rds = create_source(standalone), unique("replica"), standalone.client("rds")

    rds.create_db_instance_read_replica(DBInstanceIdentifier=name, SourceDBInstanceIdentifier=source["DBInstanceIdentifier"])
    replica = database(standalone, name)

    assert replica["ReadReplicaSourceDBInstanceIdentifier"] == source["DBInstanceIdentifier"]
    assert database(standalone, source["DBInstanceIdentifier"])["ReadReplicaDBInstanceIdentifiers"] == [name]
    assert (replica["BackupRetentionPeriod"], replica["TagList"], replica["StatusInfos"][0]["Status"]) == (0, [], "replicating")
    assert (replica["KmsKeyId"], replica["Engine"], replica["StorageThroughput"]) == (source["KmsKeyId"], "postgres", 125)
    assert (replica["DBInstanceArn"], replica["DbiResourceId"]) != (source["DBInstanceArn"], source["DbiResourceId"])


def test_a_replica_in_another_region(standalone: RunningEmulator) -> None:
    source, name, rds = create_source(standalone), unique("replica"), standalone.client("rds", DR)
    key = standalone.client("kms", DR).create_key()["KeyMetadata"]["Arn"]

    wanted = {"DBInstanceIdentifier": name, "SourceDBInstanceIdentifier": source["DBInstanceArn"], "SourceRegion": PRIMARY}
    with pytest.raises(ClientError, match="needs a KmsKeyId"):
        rds.create_db_instance_read_replica(**wanted)
    rds.create_db_instance_read_replica(**wanted, KmsKeyId=key, DBSubnetGroupName=subnet_group(standalone, DR), DeletionProtection=True)
    replica = database(standalone, name, DR)

    assert (replica["KmsKeyId"], replica["ReadReplicaSourceDBInstanceIdentifier"]) == (key, source["DBInstanceArn"])
    assert replica["DBInstanceArn"].split(":")[3] == replica["AvailabilityZone"][:-1] == DR
    assert database(standalone, source["DBInstanceIdentifier"])["ReadReplicaDBInstanceIdentifiers"] == [replica["DBInstanceArn"]]

    rds.modify_db_instance(DBInstanceIdentifier=name, DeletionProtection=False)
    rds.delete_db_instance(DBInstanceIdentifier=name, SkipFinalSnapshot=True)
    assert database(standalone, source["DBInstanceIdentifier"])["ReadReplicaDBInstanceIdentifiers"] == []


@pytest.mark.parametrize(
    ("changes", "given", "message"),
    [
        ({"BackupRetentionPeriod": 0}, {}, "Automated backups are not enabled"),
        ({}, {"DBSubnetGroupName": "any"}, "stands in the source's subnet group"),
    ],
)
def test_what_aws_does_not_copy(standalone: RunningEmulator, changes: dict[str, Any], given: dict[str, Any], message: str) -> None:
    source = create_source(standalone, **changes)["DBInstanceIdentifier"]
    with pytest.raises(ClientError, match=message):
        standalone.client("rds").create_db_instance_read_replica(
            DBInstanceIdentifier=unique("replica"), SourceDBInstanceIdentifier=source, **given
        )


@pytest.mark.parametrize("end", ["promote_read_replica", "delete_db_instance"])
def test_a_replica_without_its_source_is_a_database(standalone: RunningEmulator, end: str) -> None:
    source, name, rds = create_source(standalone)["DBInstanceIdentifier"], unique("replica"), standalone.client("rds")
    rds.create_db_instance_read_replica(DBInstanceIdentifier=name, SourceDBInstanceIdentifier=source)

    if end == "promote_read_replica":
        rds.promote_read_replica(DBInstanceIdentifier=name)
        assert database(standalone, source)["ReadReplicaDBInstanceIdentifiers"] == []
    else:
        rds.delete_db_instance(DBInstanceIdentifier=source, SkipFinalSnapshot=True)
    assert not database(standalone, name).get("ReadReplicaSourceDBInstanceIdentifier")
    rds.delete_db_instance(DBInstanceIdentifier=name, SkipFinalSnapshot=True)


# --- copies of secrets ---


def test_who_names_no_version_of_a_secret_gets_the_current_one(standalone: RunningEmulator) -> None:
    name, here = unique("secret"), standalone.client("secretsmanager")
    first = here.create_secret(Name=name, SecretString="one", AddReplicaRegions=[{"Region": DR}])["VersionId"]
    second = here.put_secret_value(SecretId=name, SecretString="two", VersionStages=["AWSPENDING"])["VersionId"]
    assert here.get_secret_value(SecretId=name)["SecretString"] == "one"
    here.update_secret_version_stage(SecretId=name, VersionStage="AWSCURRENT", RemoveFromVersionId=first, MoveToVersionId=second)
    for region in ("us-east-1", DR):
        assert standalone.client("secretsmanager", region).get_secret_value(SecretId=name)["SecretString"] == "two"


def test_a_copy_of_a_secret_has_the_key_of_its_region(standalone: RunningEmulator) -> None:
    name, here, there = unique("secret"), standalone.client("secretsmanager"), standalone.client("secretsmanager", DR)
    here.create_secret(Name=name, SecretString="one", KmsKeyId="alias/here", AddReplicaRegions=[{"Region": DR, "KmsKeyId": "alias/there"}])
    here.put_secret_value(SecretId=name, SecretString="two")
    (status,) = here.describe_secret(SecretId=name)["ReplicationStatus"]
    copy = there.describe_secret(SecretId=name)

    assert (status["Region"], status["KmsKeyId"], status["Status"]) == (DR, "alias/there", "InSync")
    assert (copy["KmsKeyId"], copy["PrimaryRegion"]) == ("alias/there", PRIMARY)
    assert "ReplicationStatus" not in copy
    assert there.get_secret_value(SecretId=name)["SecretString"] == "two"

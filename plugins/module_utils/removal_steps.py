# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How kinds are deleted that need more than the one call of C(removal_kinds).

Each function does everything that its resource needs, may be repeated after it was cut off anywhere, and lets AWS's errors pass: whoever
calls it knows which of them say that the resource is gone, and which that something still uses it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import batched
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.botocore import is_boto3_error_code
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import ResourceError, wait_until
from ansible_collections.indivillage.infra.plugins.module_utils.cloudfront import delete_distribution

OBJECTS_PER_CALL = 1000  # the limit of DeleteObjects
REVISIONS_PER_CALL = 10  # the limit of DeleteTaskDefinitions


@dataclass(frozen=True)
class Removal:
    """One resource to be removed, and how."""

    kind: str
    arn: str
    id: str
    final_snapshot: bool = True
    recovery_days: int = 30
    """Days in which a key, and a secret, can be brought back; a secret goes at once when it is 0, a key after AWS's shortest time."""
    alongside: frozenset[str] = field(default_factory=frozenset)
    """Ids of what is removed in the same run."""
    wait_timeout_seconds: float = 1800
    poll_seconds: float = 5


Step = Callable[[Any, Removal], None]


def _wait_gone(removal: Removal, left: Callable[[], Any]) -> None:
    wait_until(lambda: not left(), f"{removal.id} to be gone", removal.wait_timeout_seconds, removal.poll_seconds)


def wait_for(client: Any, waiter: str, removal: Removal, **arguments: Any) -> None:
    """Wait with one of the client's own waiters, which raises botocore's WaiterError when the removal's time is up."""
    attempts = max(1, int(removal.wait_timeout_seconds / removal.poll_seconds))
    client.get_waiter(waiter).wait(**arguments, WaiterConfig={"Delay": removal.poll_seconds, "MaxAttempts": attempts})


def _pages(client: Any, operation: str, key: str, **arguments: Any) -> Iterator[Any]:
    for page in client.get_paginator(operation).paginate(**arguments):
        yield from page.get(key, [])


# ---- What runs ---------------------------------------------------------------------------------------------------------------------


def scaling_group(client: Any, removal: Removal) -> None:
    """Delete an Auto Scaling group with its instances, policies and schedules."""
    find = partial(client.describe_auto_scaling_groups, AutoScalingGroupNames=[removal.id])
    groups = find()["AutoScalingGroups"]
    if groups and not groups[0].get("Status"):  # it has one only while it is being deleted
        client.delete_auto_scaling_group(AutoScalingGroupName=removal.id, ForceDelete=True)
    _wait_gone(removal, lambda: find()["AutoScalingGroups"])


def image(client: Any, removal: Removal) -> None:
    """Deregister an image and delete the snapshots that were made for it."""
    for found in client.describe_images(Filters=[{"Name": "image-id", "Values": [removal.id]}])["Images"]:
        client.deregister_image(ImageId=removal.id)
        for mapping in found.get("BlockDeviceMappings", []):
            if snapshot_id := mapping.get("Ebs", {}).get("SnapshotId"):
                try:
                    client.delete_snapshot(SnapshotId=snapshot_id)
                except is_boto3_error_code(["InvalidSnapshot.NotFound", "InvalidSnapshot.InUse"]):
                    continue  # another image has been made of it


def container_service(client: Any, removal: Removal) -> None:
    """Delete an ECS service and wait until its last task has ended; the ARN names its cluster."""
    cluster, name = removal.arn.split("/")[1:]
    for found in client.describe_services(cluster=cluster, services=[name])["services"]:
        if found["status"] == "ACTIVE":
            client.delete_service(cluster=cluster, service=name, force=True)
        wait_for(client, "services_inactive", removal, cluster=cluster, services=[name])


def task_definition(client: Any, removal: Removal) -> None:
    """Deregister and delete every revision of a family."""
    for arn in _pages(client, "list_task_definitions", "taskDefinitionArns", familyPrefix=removal.id, status="ACTIVE"):
        client.deregister_task_definition(taskDefinition=arn)
    revisions = _pages(client, "list_task_definitions", "taskDefinitionArns", familyPrefix=removal.id, status="INACTIVE")
    for some in batched(list(revisions), REVISIONS_PER_CALL):
        for refused in client.delete_task_definitions(taskDefinitions=list(some))["failures"][:1]:
            raise ResourceError(f"the revision {refused['arn']} stays: {refused['reason']}")


# ---- What watches ------------------------------------------------------------------------------------------------------------------


def alarm(client: Any, removal: Removal) -> None:
    """Delete an alarm, and before it the alarms over it that are removed too: AWS keeps what others go by."""
    parents = [one["AlarmName"] for one in _pages(client, "describe_alarms", "CompositeAlarms", ParentsOfAlarmName=removal.id)]
    for name in parents:
        if name in removal.alongside:
            client.delete_alarms(AlarmNames=[name])
    client.delete_alarms(AlarmNames=[removal.id])


def budget(client: Any, removal: Removal) -> None:
    """Delete a budget of the account that its ARN names."""
    client.delete_budget(AccountId=removal.arn.split(":")[4], BudgetName=removal.id)


def event_rule(client: Any, removal: Removal) -> None:
    """Delete a rule with its targets."""
    targets = [target["Id"] for target in _pages(client, "list_targets_by_rule", "Targets", Rule=removal.id)]
    if targets:
        client.remove_targets(Rule=removal.id, Ids=targets)
    client.delete_rule(Name=removal.id)


def patch_baseline(client: Any, removal: Removal) -> None:
    """Delete a patch baseline; its groups go by AWS's own again."""
    for group in client.get_patch_baseline(BaselineId=removal.id).get("PatchGroups") or []:
        client.deregister_patch_baseline_for_patch_group(BaselineId=removal.id, PatchGroup=group)
    client.delete_patch_baseline(BaselineId=removal.id)


# ---- What keeps data ---------------------------------------------------------------------------------------------------------------


def database(client: Any, removal: Removal) -> None:
    """Delete a database, and its automated backups when no final snapshot is wanted. Of a replica AWS makes none."""
    found = client.describe_db_instances(DBInstanceIdentifier=removal.id)["DBInstances"][0]
    if found["DBInstanceStatus"] != "deleting":
        snapshot = removal.final_snapshot and not found.get("ReadReplicaSourceDBInstanceIdentifier")
        final = {"FinalDBSnapshotIdentifier": f"{removal.id}-final-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}"}
        client.delete_db_instance(
            DBInstanceIdentifier=removal.id,
            SkipFinalSnapshot=not snapshot,
            DeleteAutomatedBackups=not removal.final_snapshot,
            **(final if snapshot else {}),
        )
    wait_for(client, "db_instance_deleted", removal, DBInstanceIdentifier=removal.id)


def backup_plan(client: Any, removal: Removal) -> None:
    """Delete a backup plan with its selections; the backups stay."""
    for selection in _pages(client, "list_backup_selections", "BackupSelectionsList", BackupPlanId=removal.id):
        client.delete_backup_selection(BackupPlanId=removal.id, SelectionId=selection["SelectionId"])
    client.delete_backup_plan(BackupPlanId=removal.id)


def restore_testing_plan(client: Any, removal: Removal) -> None:
    """Delete a restore testing plan with its selections."""
    name = removal.id[:-37]  # AWS has added a UUID
    for selection in _pages(client, "list_restore_testing_selections", "RestoreTestingSelections", RestoreTestingPlanName=name):
        client.delete_restore_testing_selection(
            RestoreTestingPlanName=name, RestoreTestingSelectionName=selection["RestoreTestingSelectionName"]
        )
    client.delete_restore_testing_plan(RestoreTestingPlanName=name)


def backup_vault(client: Any, removal: Removal) -> None:
    """Delete a vault with every backup in it; AWS refuses those that a lock still keeps."""
    held = partial(_pages, client, "list_recovery_points_by_backup_vault", "RecoveryPoints", BackupVaultName=removal.id)
    for point in held():
        client.delete_recovery_point(BackupVaultName=removal.id, RecoveryPointArn=point["RecoveryPointArn"])
    _wait_gone(removal, lambda: list(held()))
    client.delete_backup_vault(BackupVaultName=removal.id)


def cache(client: Any, removal: Removal) -> None:
    """Delete a replication group with its nodes; what a cache holds can be made again, so there is no final snapshot."""
    if client.describe_replication_groups(ReplicationGroupId=removal.id)["ReplicationGroups"][0]["Status"] != "deleting":
        client.delete_replication_group(ReplicationGroupId=removal.id, RetainPrimaryCluster=False)
    wait_for(client, "replication_group_deleted", removal, ReplicationGroupId=removal.id)


def bucket(client: Any, removal: Removal) -> None:
    """Empty a bucket of every version, delete marker and unfinished upload, and delete it."""
    for upload in _pages(client, "list_multipart_uploads", "Uploads", Bucket=removal.id):
        client.abort_multipart_upload(Bucket=removal.id, Key=upload["Key"], UploadId=upload["UploadId"])
    for page in client.get_paginator("list_object_versions").paginate(Bucket=removal.id):
        for some in batched([*page.get("Versions", []), *page.get("DeleteMarkers", [])], OBJECTS_PER_CALL):
            objects = [{"Key": item["Key"], "VersionId": item["VersionId"]} for item in some]
            answer = client.delete_objects(Bucket=removal.id, Delete={"Objects": objects, "Quiet": True})
            for refused in answer.get("Errors", [])[:1]:
                raise ResourceError(f"the object {refused['Key']} stays: {refused['Code']}, {refused['Message']}")
    client.delete_bucket(Bucket=removal.id)


def image_repository(client: Any, removal: Removal) -> None:
    """Delete a repository with its images."""
    client.delete_repository(repositoryName=removal.id, force=True)


def secret(client: Any, removal: Removal) -> None:
    """Delete a secret, at once or after its recovery window, and before it its copies in other regions."""

    def regions() -> list[str]:
        return [status["Region"] for status in client.describe_secret(SecretId=removal.arn).get("ReplicationStatus", [])]

    if copies := regions():
        client.remove_regions_from_replication(SecretId=removal.arn, RemoveReplicaRegions=copies)
        _wait_gone(removal, regions)
    window = {"RecoveryWindowInDays": removal.recovery_days} if removal.recovery_days else {"ForceDeleteWithoutRecovery": True}
    client.delete_secret(SecretId=removal.arn, **window)


def key(client: Any, removal: Removal) -> None:
    """Schedule the end of a key, and free its aliases, which AWS would keep until then."""
    metadata = client.describe_key(KeyId=removal.arn)["KeyMetadata"]
    if metadata["KeyState"] == "PendingDeletion":
        return
    for alias in _pages(client, "list_aliases", "Aliases", KeyId=metadata["KeyId"]):
        client.delete_alias(AliasName=alias["AliasName"])
    client.schedule_key_deletion(KeyId=metadata["KeyId"], PendingWindowInDays=max(removal.recovery_days, 7))


def queue(client: Any, removal: Removal) -> None:
    """Delete a queue with its messages."""
    client.delete_queue(QueueUrl=client.get_queue_url(QueueName=removal.id)["QueueUrl"])


# ---- The edge ----------------------------------------------------------------------------------------------------------------------

DISTRIBUTIONS = "Z2FDTNDATAQYW2"  # the zone that every distribution is in


def is_own_record(record: dict[str, Any], zone_name: str) -> bool:
    """Whether a record is one that role aws_edge makes, or that Route 53 has made with the zone; records carry no tags."""
    name, kind = record["Name"].replace("\\052", "*"), record["Type"]
    if name == zone_name and kind in ("NS", "SOA", "CAA"):
        return True
    if alias := record.get("AliasTarget"):
        target = alias["DNSName"].rstrip(".")
        origin = re.fullmatch(rf"origin(-[a-z0-9-]+)?\.{re.escape(zone_name)}", name)
        return alias["HostedZoneId"] == DISTRIBUTIONS or bool(origin and target.endswith(".elb.amazonaws.com"))
    values = [item["Value"].rstrip(".") for item in record.get("ResourceRecords", [])]
    return kind == "CNAME" and name.startswith("_") and all(value.endswith(".acm-validations.aws") for value in values)


def foreign_records(client: Any, zone_id: str) -> list[str]:
    """The records of a zone that are somebody else's, in words."""
    zone_name = client.get_hosted_zone(Id=zone_id)["HostedZone"]["Name"]
    records = _pages(client, "list_resource_record_sets", "ResourceRecordSets", HostedZoneId=zone_id)
    return sorted(f"{record['Name']} {record['Type']}" for record in records if not is_own_record(record, zone_name))


def zone(client: Any, removal: Removal) -> None:
    """Delete a zone with the records that are ours; one that has others stays as it is."""
    if foreign := foreign_records(client, removal.id):
        raise ResourceError(
            f"it has records that are not this project's: {', '.join(foreign)}. Delete them first, or take the zone's tags away."
        )
    name = client.get_hosted_zone(Id=removal.id)["HostedZone"]["Name"]
    for record in list(_pages(client, "list_resource_record_sets", "ResourceRecordSets", HostedZoneId=removal.id)):
        if record["Name"] != name or record["Type"] not in ("NS", "SOA"):
            changes = [{"Action": "DELETE", "ResourceRecordSet": record}]
            client.change_resource_record_sets(HostedZoneId=removal.id, ChangeBatch={"Changes": changes})
    client.delete_hosted_zone(Id=removal.id)


def distribution(client: Any, removal: Removal) -> None:
    """Switch a distribution off, wait until no place of the world serves it any more, and delete it."""
    delete_distribution(client, removal.id, removal.wait_timeout_seconds, removal.poll_seconds)


def access_control(client: Any, removal: Removal) -> None:
    """Delete an origin access control in its current version."""
    client.delete_origin_access_control(Id=removal.id, IfMatch=client.get_origin_access_control(Id=removal.id)["ETag"])


def headers_policy(client: Any, removal: Removal) -> None:
    """Delete a response headers policy in its current version."""
    client.delete_response_headers_policy(Id=removal.id, IfMatch=client.get_response_headers_policy(Id=removal.id)["ETag"])


def web_acl(client: Any, removal: Removal) -> None:
    """Delete a web ACL; load balancers that it protects are let go before, distributions are gone."""
    place, _type, name, identifier = removal.arn.split(":", 5)[5].split("/")
    scope = "CLOUDFRONT" if place == "global" else "REGIONAL"
    if scope == "REGIONAL":
        for arn in client.list_resources_for_web_acl(WebACLArn=removal.arn, ResourceType="APPLICATION_LOAD_BALANCER")["ResourceArns"]:
            client.disassociate_web_acl(ResourceArn=arn)
    token = client.get_web_acl(Name=name, Scope=scope, Id=identifier)["LockToken"]
    client.delete_web_acl(Name=name, Scope=scope, Id=identifier, LockToken=token)


# ---- The network -------------------------------------------------------------------------------------------------------------------


def endpoint(client: Any, removal: Removal) -> None:
    """Delete a VPC endpoint and wait until its network interfaces are gone with it."""
    for refused in client.delete_vpc_endpoints(VpcEndpointIds=[removal.id]).get("Unsuccessful", []):
        if "NotFound" not in refused["Error"]["Code"]:
            raise ResourceError(f"{refused['Error']['Code']}: {refused['Error']['Message']}")
    filters = [{"Name": "vpc-endpoint-id", "Values": [removal.id]}]
    _wait_gone(
        removal,
        lambda: [
            item for item in _pages(client, "describe_vpc_endpoints", "VpcEndpoints", Filters=filters) if item["State"].lower() != "deleted"
        ],
    )


def transit_gateway(client: Any, removal: Removal) -> None:
    """Delete a transit gateway with its route tables, and wait until it is gone."""
    filters = [{"Name": "transit-gateway-id", "Values": [removal.id]}]

    def states() -> list[str]:
        found = [item["State"] for item in _pages(client, "describe_transit_gateways", "TransitGateways", Filters=filters)]
        return [state for state in found if state != "deleted"]

    if states() not in ([], ["deleting"]):
        client.delete_transit_gateway(TransitGatewayId=removal.id)
    _wait_gone(removal, states)


def transit_attachment(client: Any, removal: Removal) -> None:
    """Delete the attachment of a VPC, or that of another transit gateway, and wait until it is gone."""
    filters = [{"Name": "transit-gateway-attachment-id", "Values": [removal.id]}]

    def left() -> list[dict[str, Any]]:
        found = _pages(client, "describe_transit_gateway_attachments", "TransitGatewayAttachments", Filters=filters)
        return [item for item in found if item["State"] not in ("deleted", "rejected", "failed")]

    for attachment in left():
        if attachment["State"] == "deleting":
            continue
        if attachment["ResourceType"] == "vpc":
            client.delete_transit_gateway_vpc_attachment(TransitGatewayAttachmentId=removal.id)
        else:
            client.delete_transit_gateway_peering_attachment(TransitGatewayAttachmentId=removal.id)
    _wait_gone(removal, left)


def internet_gateway(client: Any, removal: Removal) -> None:
    """Detach an internet gateway from its VPC and delete it."""
    for gateway in client.describe_internet_gateways(InternetGatewayIds=[removal.id])["InternetGateways"]:
        for attachment in gateway["Attachments"]:
            client.detach_internet_gateway(InternetGatewayId=removal.id, VpcId=attachment["VpcId"])
    client.delete_internet_gateway(InternetGatewayId=removal.id)


def security_group(client: Any, removal: Removal) -> None:
    """Delete a security group, and before it the rules by which groups that are removed too refer to it."""
    referred = (
        [{"Name": "ip-permission.group-id", "Values": [removal.id]}],
        [{"Name": "egress.ip-permission.group-id", "Values": [removal.id]}],
    )
    referring = {
        group["GroupId"] for some in referred for group in _pages(client, "describe_security_groups", "SecurityGroups", Filters=some)
    }
    for group_id in referring & (removal.alongside | {removal.id}):
        filters = [{"Name": "group-id", "Values": [group_id]}]
        for rule in _pages(client, "describe_security_group_rules", "SecurityGroupRules", Filters=filters):
            if rule.get("ReferencedGroupInfo", {}).get("GroupId") == removal.id:
                revoke = client.revoke_security_group_egress if rule["IsEgress"] else client.revoke_security_group_ingress
                try:
                    revoke(GroupId=group_id, SecurityGroupRuleIds=[rule["SecurityGroupRuleId"]])
                except is_boto3_error_code(["InvalidGroup.NotFound", "InvalidPermission.NotFound", "InvalidSecurityGroupRuleId.NotFound"]):
                    continue  # gone with its group, or by that one's own removal
    client.delete_security_group(GroupId=removal.id)


# ---- Identities --------------------------------------------------------------------------------------------------------------------


def role(client: Any, removal: Removal) -> None:
    """Delete a role with its own policies, and the instance profile that was made with it under the same name."""
    for profile in _pages(client, "list_instance_profiles_for_role", "InstanceProfiles", RoleName=removal.id):
        if profile["InstanceProfileName"] == removal.id:
            instance_profile(client, Removal("iam:instance-profile", profile["Arn"], removal.id))
    for policy in _pages(client, "list_attached_role_policies", "AttachedPolicies", RoleName=removal.id):
        client.detach_role_policy(RoleName=removal.id, PolicyArn=policy["PolicyArn"])
    for name in _pages(client, "list_role_policies", "PolicyNames", RoleName=removal.id):
        client.delete_role_policy(RoleName=removal.id, PolicyName=name)
    client.delete_role(RoleName=removal.id)


def instance_profile(client: Any, removal: Removal) -> None:
    """Delete an instance profile; the role in it stays."""
    for held in client.get_instance_profile(InstanceProfileName=removal.id)["InstanceProfile"]["Roles"]:
        client.remove_role_from_instance_profile(InstanceProfileName=removal.id, RoleName=held["RoleName"])
    client.delete_instance_profile(InstanceProfileName=removal.id)


def group(client: Any, removal: Removal) -> None:
    """Delete a group; its people stay, without what it gave them."""
    for user in _pages(client, "get_group", "Users", GroupName=removal.id):
        client.remove_user_from_group(GroupName=removal.id, UserName=user["UserName"])
    for given in _pages(client, "list_attached_group_policies", "AttachedPolicies", GroupName=removal.id):
        client.detach_group_policy(GroupName=removal.id, PolicyArn=given["PolicyArn"])
    for name in _pages(client, "list_group_policies", "PolicyNames", GroupName=removal.id):
        client.delete_group_policy(GroupName=removal.id, PolicyName=name)
    client.delete_group(GroupName=removal.id)


def permission_set(client: Any, removal: Removal) -> None:
    """Take a permission set from everybody who has it, wherever, and delete it."""
    (instance,) = client.list_instances()["Instances"]
    this = {"InstanceArn": instance["InstanceArn"], "PermissionSetArn": removal.arn}

    def assignments() -> list[dict[str, str]]:
        accounts = _pages(client, "list_accounts_for_provisioned_permission_set", "AccountIds", **this)
        return [
            found
            for account in accounts
            for found in _pages(client, "list_account_assignments", "AccountAssignments", AccountId=account, **this)
        ]

    for found in assignments():
        principal = {"PrincipalType": found["PrincipalType"], "PrincipalId": found["PrincipalId"]}
        client.delete_account_assignment(**this, TargetType="AWS_ACCOUNT", TargetId=found["AccountId"], **principal)
    _wait_gone(removal, assignments)
    client.delete_permission_set(**this)


def policy(client: Any, removal: Removal) -> None:
    """Delete a managed policy with its earlier versions."""
    for version in _pages(client, "list_policy_versions", "Versions", PolicyArn=removal.arn):
        if not version["IsDefaultVersion"]:
            client.delete_policy_version(PolicyArn=removal.arn, VersionId=version["VersionId"])
    client.delete_policy(PolicyArn=removal.arn)


# ---- What watches the account ------------------------------------------------------------------------------------------------------


def recorder(client: Any, removal: Removal) -> None:
    """Stop a recorder of AWS Config and delete it."""
    client.stop_configuration_recorder(ConfigurationRecorderName=removal.id)
    client.delete_configuration_recorder(ConfigurationRecorderName=removal.id)


def scans(client: Any, removal: Removal) -> None:
    """Have Inspector scan nothing of an account any more."""
    answer = client.disable(accountIds=[removal.id], resourceTypes=["EC2", "ECR", "LAMBDA", "LAMBDA_CODE"])
    for failed in answer.get("failedAccounts", []):
        raise ResourceError(f"Inspector goes on scanning: {failed['errorCode']}, {failed['errorMessage']}")


STEPS: dict[str, Step] = {
    "autoscaling:autoScalingGroup": scaling_group,
    "backup:backup-plan": backup_plan,
    "backup:backup-vault": backup_vault,
    "backup:restore-testing-plan": restore_testing_plan,
    "budgets:budget": budget,
    "cloudfront:distribution": distribution,
    "cloudfront:origin-access-control": access_control,
    "cloudfront:response-headers-policy": headers_policy,
    "cloudwatch:alarm": alarm,
    "config:configuration-recorder": recorder,
    "ec2:image": image,
    "ec2:internet-gateway": internet_gateway,
    "ec2:security-group": security_group,
    "ec2:transit-gateway": transit_gateway,
    "ec2:transit-gateway-attachment": transit_attachment,
    "ec2:vpc-endpoint": endpoint,
    "ecr:repository": image_repository,
    "ecs:service": container_service,
    "ecs:task-definition": task_definition,
    "elasticache:replicationgroup": cache,
    "events:rule": event_rule,
    "iam:group": group,
    "iam:instance-profile": instance_profile,
    "iam:policy": policy,
    "iam:role": role,
    "inspector2:scans": scans,
    "kms:key": key,
    "rds:db": database,
    "rds:replica": database,
    "route53:hostedzone": zone,
    "s3:bucket": bucket,
    "secretsmanager:secret": secret,
    "sqs:queue": queue,
    "sso:permissionSet": permission_set,
    "ssm:patchbaseline": patch_baseline,
    "wafv2:webacl": web_acl,
}

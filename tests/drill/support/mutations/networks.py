# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes to networks, their rules and their logs."""

from __future__ import annotations

import json
from typing import Any

from tests.drill.support.mutations.model import DR, PREFIX, PRIMARY, Account, mutation

WORLD = "0.0.0.0/0"
VPC = "Make the VPC"
SUBNETS = "Make the subnets"
GATEWAY = "Make the internet gateway"
ADDRESSES = "Allocate the addresses that are missing"
NAT = "Start the NAT gateways"
ROUTES = "Give each tier its way out, or none"
ACLS = "Make the network ACLs"
GATEWAY_ENDPOINTS = "Reach S3 and DynamoDB without the internet"
ENDPOINT_GROUP = "Make the security group of the interface endpoints"
INTERFACE_ENDPOINTS = "Reach other AWS services without the internet"
LOG_GROUP = "Make the log group of the flow logs"
FLOW_LOG = "Record all traffic of the VPC"
GROUPS = "Let each security group have its flows, and nothing else"
DEFAULT_GROUP = "Close the default security group"
DEFAULT_ACL = "Close the default network ACL"
EVERYBODY = {"Version": "2008-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}]}


def retag(account: Account, resource: str, **tags: str) -> None:
    account.client("ec2").create_tags(Resources=[resource], Tags=[{"Key": key, "Value": value} for key, value in tags.items()])


def untag(account: Account, resource: str, *keys: str) -> None:
    account.client("ec2").delete_tags(Resources=[resource], Tags=[{"Key": key} for key in keys])


# --- VPC and subnets ---


@mutation("VPC", "tag removed", VPC, operation="CreateTags", argument="tags", field="Tags.Project")
def vpc_tag_removed(account: Account) -> None:
    untag(account, account.vpc_id, "Project")


@mutation("VPC", "host names switched off", VPC, operation="ModifyVpcAttribute", argument="dns_hostnames", host=DR)
def vpc_without_host_names(account: Account) -> None:
    account.client("ec2").modify_vpc_attribute(VpcId=account.vpc_id, EnableDnsHostnames={"Value": False})


@mutation("VPC", "name resolution switched off", VPC, operation="ModifyVpcAttribute", argument="dns_support")
def vpc_without_name_resolution(account: Account) -> None:
    account.client("ec2").modify_vpc_attribute(VpcId=account.vpc_id, EnableDnsSupport={"Value": False})


@mutation("subnet", "tag changed", SUBNETS, "web-a 10.10.10.0/24", operation="CreateTags", argument="tags", field="Tags.Tier")
def subnet_tier_changed(account: Account) -> None:
    retag(account, account.subnet_id("web-a"), Tier="app")


@mutation(
    "subnet", "public addresses on launch", SUBNETS, "app-b 10.10.21.0/24", operation="ModifySubnetAttribute", field="MapPublicIpOnLaunch"
)
def subnet_gives_public_addresses(account: Account) -> None:
    account.client("ec2").modify_subnet_attribute(SubnetId=account.subnet_id("app-b"), MapPublicIpOnLaunch={"Value": True})


@mutation("internet gateway", "tag added", GATEWAY, operation="DeleteTags", argument="tags")
def gateway_tag_added(account: Account) -> None:
    retag(account, account.by_tag("describe_internet_gateways", "InternetGateways", "igw")["InternetGatewayId"], Owner="somebody")


@mutation("internet gateway", "tag removed", GATEWAY, operation="CreateTags", argument="tags", field="Tags.Stack", host=DR)
def gateway_tag_removed(account: Account) -> None:
    untag(account, account.by_tag("describe_internet_gateways", "InternetGateways", "igw")["InternetGatewayId"], "Stack")


# --- NAT gateways and addresses ---


@mutation("NAT gateway", "tag changed", NAT, "a", operation="CreateTags", argument="tags", field="Tags.Environment")
def nat_tag_changed(account: Account) -> None:
    retag(account, account.by_tag("describe_nat_gateways", "NatGateways", "nat-a")["NatGatewayId"], Environment="production")


def _delete_nat_gateway(account: Account) -> None:
    """With its interface gone, its address is free."""
    account.client("ec2").delete_nat_gateway(NatGatewayId=account.by_tag("describe_nat_gateways", "NatGateways", "nat-a")["NatGatewayId"])


@mutation("NAT gateway", "deleted", NAT, "a", operation="CreateNatGateway", argument="allocation_id",
          also={(ROUTES, "private-all"): "ReplaceRoute"})  # fmt: skip
def nat_deleted(account: Account) -> None:
    _delete_nat_gateway(account)


@mutation("address", "tag removed", "Keep the tags of the addresses that exist", f"{PREFIX}-nat-a", operation="CreateTags", argument="tags")
def address_tag_removed(account: Account) -> None:
    untag(account, account.by_tag("describe_addresses", "Addresses", "nat-a")["AllocationId"], "Stack")


@mutation("address", "tag added", "Keep the tags of the addresses that exist", f"{PREFIX}-nat-a", operation="DeleteTags", argument="tags")
def address_tag_added(account: Account) -> None:
    retag(account, account.by_tag("describe_addresses", "Addresses", "nat-a")["AllocationId"], Owner="somebody")


def _release_address(account: Account) -> None:
    address = account.by_tag("describe_addresses", "Addresses", "nat-a")["AllocationId"]
    _delete_nat_gateway(account)
    account.client("ec2").release_address(AllocationId=address)


for _host, _name in ((PRIMARY, "address_released"), (DR, "standby_address_released")):
    mutation(
        "address",
        "released, with its gateway",
        ADDRESSES,
        "a",
        operation="AllocateAddress",
        argument="tags",
        host=_host,
        also={(NAT, "a"): "CreateNatGateway", (ROUTES, "private-all"): "ReplaceRoute"},
        name=_name,
    )(_release_address)


# --- routes ---


@mutation("route table", "route added", ROUTES, "public", operation="DeleteRoute", argument="routes")
def public_route_added(account: Account) -> None:
    gateway = account.by_tag("describe_internet_gateways", "InternetGateways", "igw")["InternetGatewayId"]
    table = account.route_table("public")["RouteTableId"]
    account.client("ec2").create_route(RouteTableId=table, DestinationCidrBlock="192.0.2.0/24", GatewayId=gateway)


@mutation("route table", "default route deleted", ROUTES, "private-all", operation="CreateRoute", argument="routes")
def private_default_route_deleted(account: Account) -> None:
    account.client("ec2").delete_route(RouteTableId=account.route_table("private-all")["RouteTableId"], DestinationCidrBlock=WORLD)


@mutation(
    "route table", "default route to the internet gateway", ROUTES, "private-all", operation="ReplaceRoute", argument="routes", host=DR
)
def private_route_to_the_gateway(account: Account) -> None:
    gateway = account.by_tag("describe_internet_gateways", "InternetGateways", "igw")["InternetGatewayId"]
    table = account.route_table("private-all")["RouteTableId"]
    account.client("ec2").replace_route(RouteTableId=table, DestinationCidrBlock=WORLD, GatewayId=gateway)


@mutation("route table", "way out of the data subnets", ROUTES, "data", operation="DeleteRoute", argument="routes", host=DR)
def data_route_added(account: Account) -> None:
    gateway = account.by_tag("describe_internet_gateways", "InternetGateways", "igw")["InternetGatewayId"]
    table = account.route_table("data")["RouteTableId"]
    account.client("ec2").create_route(RouteTableId=table, DestinationCidrBlock=WORLD, GatewayId=gateway)


@mutation("route table", "subnet taken away", ROUTES, "data", operation="AssociateRouteTable", argument="subnet_ids")
def data_subnet_disassociated(account: Account) -> None:
    association = account.route_table("data")["Associations"][0]["RouteTableAssociationId"]
    account.client("ec2").disassociate_route_table(AssociationId=association)


@mutation(
    "route table", "subnet given to another", ROUTES, "data", operation="ReplaceRouteTableAssociation", argument="subnet_ids", host=DR
)
def data_subnet_moved(account: Account) -> None:
    public = account.route_table("public")["RouteTableId"]
    association = account.route_table("data")["Associations"][0]["RouteTableAssociationId"]
    account.client("ec2").replace_route_table_association(AssociationId=association, RouteTableId=public)


@mutation("route table", "tag removed", ROUTES, "public", operation="CreateTags", argument="tags", field="Tags.ManagedBy", host=DR)
def route_table_tag_removed(account: Account) -> None:
    untag(account, account.route_table("public")["RouteTableId"], "ManagedBy")


# --- network ACLs ---


@mutation("network ACL", "entry added", ACLS, "data", operation="DeleteNetworkAclEntry", argument="ingress")
def acl_entry_added(account: Account) -> None:
    account.client("ec2").create_network_acl_entry(
        NetworkAclId=account.acl("data")["NetworkAclId"], RuleNumber=7, Protocol="-1", RuleAction="allow", Egress=False, CidrBlock=WORLD
    )


@mutation("network ACL", "entry deleted", ACLS, "app", operation="CreateNetworkAclEntry", argument="egress")
def acl_entry_deleted(account: Account) -> None:
    acl = account.acl("app")
    number = min(entry["RuleNumber"] for entry in acl["Entries"] if entry["Egress"])
    account.client("ec2").delete_network_acl_entry(NetworkAclId=acl["NetworkAclId"], RuleNumber=number, Egress=True)


@mutation("network ACL", "entry changed", ACLS, "public", operation="ReplaceNetworkAclEntry", argument="ingress", host=DR)
def acl_entry_changed(account: Account) -> None:
    acl = account.acl("public")
    entry = next(entry for entry in acl["Entries"] if not entry["Egress"] and entry["RuleNumber"] < 32767)
    account.client("ec2").replace_network_acl_entry(
        NetworkAclId=acl["NetworkAclId"],
        RuleNumber=entry["RuleNumber"],
        Protocol="-1",
        RuleAction="allow",
        Egress=False,
        CidrBlock=WORLD,
    )


@mutation("network ACL", "subnet given to another", ACLS, "data", operation="ReplaceNetworkAclAssociation", argument="subnet_ids", host=DR)
def acl_subnet_moved(account: Account) -> None:
    public = account.acl("public")["NetworkAclId"]
    association = account.acl("data")["Associations"][0]["NetworkAclAssociationId"]
    account.client("ec2").replace_network_acl_association(AssociationId=association, NetworkAclId=public)


@mutation("network ACL", "tag changed", ACLS, "web", operation="CreateTags", argument="tags", host=DR)
def acl_tag_changed(account: Account) -> None:
    retag(account, account.acl("web")["NetworkAclId"], Project="another")


@mutation("network ACL", "default one opened to others", DEFAULT_ACL, operation="ReplaceNetworkAclEntry", argument="ingress")
def default_acl_opened(account: Account) -> None:
    _open_default_acl(account, egress=False)


@mutation("network ACL", "default one opened to go out", DEFAULT_ACL, operation="ReplaceNetworkAclEntry", argument="egress", host=DR)
def default_acl_opened_to_go_out(account: Account) -> None:
    _open_default_acl(account, egress=True)


def _open_default_acl(account: Account, *, egress: bool) -> None:
    ec2 = account.client("ec2")
    filters = [{"Name": "vpc-id", "Values": [account.vpc_id]}, {"Name": "default", "Values": ["true"]}]
    (acl,) = ec2.describe_network_acls(Filters=filters)["NetworkAcls"]
    everything: dict[str, Any] = {"RuleNumber": 100, "Protocol": "-1", "RuleAction": "allow", "CidrBlock": WORLD}
    ec2.replace_network_acl_entry(NetworkAclId=acl["NetworkAclId"], Egress=egress, **everything)


# --- endpoints ---


@mutation("VPC endpoint", "tag removed", GATEWAY_ENDPOINTS, "s3", operation="CreateTags", argument="tags", field="Tags.Project")
def gateway_endpoint_tag_removed(account: Account) -> None:
    untag(account, account.endpoint("s3")["VpcEndpointId"], "Project")


@mutation("VPC endpoint", "tag changed", INTERFACE_ENDPOINTS, "ssm", operation="CreateTags", argument="tags", host=DR)
def interface_endpoint_tag_changed(account: Account) -> None:
    retag(account, account.endpoint("ssm")["VpcEndpointId"], Project="another")


@mutation("VPC endpoint", "deleted", INTERFACE_ENDPOINTS, "sqs", operation="CreateVpcEndpoint", argument="service")
def interface_endpoint_deleted(account: Account) -> None:
    account.client("ec2").delete_vpc_endpoints(VpcEndpointIds=[account.endpoint("sqs")["VpcEndpointId"]])


@mutation(
    "VPC endpoint", "route table taken away", GATEWAY_ENDPOINTS, "dynamodb", operation="ModifyVpcEndpoint", argument="route_table_ids"
)
def gateway_endpoint_loses_table(account: Account) -> None:
    endpoint, table = account.endpoint("dynamodb")["VpcEndpointId"], account.route_table("data")["RouteTableId"]
    account.client("ec2").modify_vpc_endpoint(VpcEndpointId=endpoint, RemoveRouteTableIds=[table])


@mutation(
    "VPC endpoint",
    "security group added",
    INTERFACE_ENDPOINTS,
    "secretsmanager",
    operation="ModifyVpcEndpoint",
    argument="security_group_ids",
)
def interface_endpoint_group_changed(account: Account) -> None:
    endpoint = account.endpoint("secretsmanager")["VpcEndpointId"]
    account.client("ec2").modify_vpc_endpoint(VpcEndpointId=endpoint, AddSecurityGroupIds=[account.group_id("bastion")])


@mutation("VPC endpoint", "subnet taken away", INTERFACE_ENDPOINTS, "ssm", operation="ModifyVpcEndpoint", argument="subnet_ids")
def interface_endpoint_subnet_removed(account: Account) -> None:
    endpoint = account.endpoint("ssm")["VpcEndpointId"]
    account.client("ec2").modify_vpc_endpoint(VpcEndpointId=endpoint, RemoveSubnetIds=[account.subnet_id("app-a")])


@mutation("VPC endpoint", "opened to everybody", GATEWAY_ENDPOINTS, "s3", operation="ModifyVpcEndpoint", argument="policy", host=DR)
def gateway_endpoint_opened(account: Account) -> None:
    account.client("ec2").modify_vpc_endpoint(VpcEndpointId=account.endpoint("s3")["VpcEndpointId"], PolicyDocument=json.dumps(EVERYBODY))


@mutation("VPC endpoint", "opened to everybody", INTERFACE_ENDPOINTS, "sqs", operation="ModifyVpcEndpoint", argument="policy")
def interface_endpoint_opened(account: Account) -> None:
    account.client("ec2").modify_vpc_endpoint(VpcEndpointId=account.endpoint("sqs")["VpcEndpointId"], PolicyDocument=json.dumps(EVERYBODY))


# --- flow logs ---


@mutation("flow log", "deleted", FLOW_LOG, operation="CreateFlowLogs", argument=("resource_id", "log_group_name"))
def flow_log_deleted(account: Account) -> None:
    ids = [log["FlowLogId"] for log in account.client("ec2").describe_flow_logs()["FlowLogs"]]
    account.client("ec2").delete_flow_logs(FlowLogIds=ids)


@mutation("flow log", "tag removed", FLOW_LOG, operation="CreateTags", argument="tags", host=DR)
def flow_log_tag_removed(account: Account) -> None:
    untag(account, account.client("ec2").describe_flow_logs()["FlowLogs"][0]["FlowLogId"], "Project")


def _log_group(account: Account) -> str:
    (group,) = account.client("logs").describe_log_groups(logGroupNamePrefix="/aws/vpc-flow-logs/")["logGroups"]
    return str(group["logGroupName"])


@mutation("log group", "retention changed", LOG_GROUP, operation="PutRetentionPolicy", argument="retention_days")
def log_retention_changed(account: Account) -> None:
    account.client("logs").put_retention_policy(logGroupName=_log_group(account), retentionInDays=1)


@mutation("log group", "key taken away", LOG_GROUP, operation="AssociateKmsKey", argument="kms_key_arn", host=DR)
def log_group_key_removed(account: Account) -> None:
    account.client("logs").disassociate_kms_key(logGroupName=_log_group(account))


@mutation("log group", "tag removed", LOG_GROUP, operation="TagResource", argument="tags", name="log_group_tag_removed", host=DR)
def log_group_tag_removed(account: Account) -> None:
    arn = f"arn:aws:logs:{account.region}:123456789012:log-group:{_log_group(account)}"
    account.client("logs").untag_resource(resourceArn=arn, tagKeys=["Project"])


# --- security groups ---


def _open(account: Account, group: str, port: int, *, egress: bool = False, cidr: str = WORLD) -> None:
    ec2 = account.client("ec2")
    call = ec2.authorize_security_group_egress if egress else ec2.authorize_security_group_ingress
    call(GroupId=group, IpPermissions=[{"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": [{"CidrIp": cidr}]}])


@mutation("security group", "rule added", GROUPS, "database", operation="RevokeSecurityGroupIngress", argument="ingress")
def database_open_to_the_world(account: Account) -> None:
    _open(account, account.group_id("database"), 5432)


@mutation("security group", "rule removed", GROUPS, "app", operation="AuthorizeSecurityGroupIngress", argument="ingress")
def app_closed_to_the_balancer(account: Account) -> None:
    group = account.by_tag("describe_security_groups", "SecurityGroups", "app-sg")
    account.client("ec2").revoke_security_group_ingress(GroupId=group["GroupId"], IpPermissions=[group["IpPermissions"][0]])


@mutation("security group", "egress rule added", GROUPS, "cache", operation="RevokeSecurityGroupEgress", argument="egress")
def cache_may_call_out(account: Account) -> None:
    _open(account, account.group_id("cache"), 443, egress=True)


@mutation("security group", "egress rule removed", GROUPS, "web", operation="AuthorizeSecurityGroupEgress", argument="egress")
def web_may_not_call_out(account: Account) -> None:
    group = account.by_tag("describe_security_groups", "SecurityGroups", "web-sg")
    rule = next(rule for rule in group["IpPermissionsEgress"] if rule["IpRanges"])
    account.client("ec2").revoke_security_group_egress(GroupId=group["GroupId"], IpPermissions=[rule])


@mutation("security group", "tag changed", GROUPS, "bastion", operation="CreateTags", argument="tags", host=DR)
def group_tag_changed(account: Account) -> None:
    retag(account, account.group_id("bastion"), Stack="another")


@mutation("security group", "rule described differently", GROUPS, "database",
          operation="UpdateSecurityGroupRuleDescriptionsIngress", argument="ingress", host=DR)  # fmt: skip
def database_rule_described_differently(account: Account) -> None:
    group = account.by_tag("describe_security_groups", "SecurityGroups", "database-sg")
    rule = group["IpPermissions"][0]
    rule["UserIdGroupPairs"] = [{**rule["UserIdGroupPairs"][0], "Description": "anybody"}]
    account.client("ec2").update_security_group_rule_descriptions_ingress(GroupId=group["GroupId"], IpPermissions=[rule])


@mutation("security group", "egress rule described differently", GROUPS, "web",
          operation="UpdateSecurityGroupRuleDescriptionsEgress", argument="egress", host=DR)  # fmt: skip
def web_egress_described_differently(account: Account) -> None:
    group = account.by_tag("describe_security_groups", "SecurityGroups", "web-sg")
    rule = next(rule for rule in group["IpPermissionsEgress"] if rule["IpRanges"])
    rule = {**rule, "UserIdGroupPairs": [], "IpRanges": [{**rule["IpRanges"][0], "Description": "anything"}]}
    account.client("ec2").update_security_group_rule_descriptions_egress(GroupId=group["GroupId"], IpPermissions=[rule])


@mutation("security group", "tag of the endpoints' removed", ENDPOINT_GROUP, operation="CreateTags", argument="tags", field="Tags.Project")
def endpoint_group_tag_removed(account: Account) -> None:
    untag(account, account.group_id("endpoints"), "Project")


@mutation("security group", "deleted", "Make the security groups that are missing, empty", "internal_load_balancer",
          operation="CreateSecurityGroup", argument=("name", "description", "vpc_id", "tags"), host=DR, alone=True,
          also={(GROUPS, "internal_load_balancer"): "AuthorizeSecurityGroupIngress", (GROUPS, "web"): "AuthorizeSecurityGroupEgress",
                (GROUPS, "app"): "AuthorizeSecurityGroupIngress",
                ("Make the load balancers", "internal"): "SetSecurityGroups"})  # fmt: skip
def group_deleted(account: Account) -> None:
    ec2, group = account.client("ec2"), account.group_id("internal-load-balancer")
    for name in ("web", "app"):  # rules that name it stand in the way
        found = account.by_tag("describe_security_groups", "SecurityGroups", f"{name}-sg")
        for key, revoke in (
            ("IpPermissions", ec2.revoke_security_group_ingress),
            ("IpPermissionsEgress", ec2.revoke_security_group_egress),
        ):
            rules = [rule for rule in found[key] if any(pair["GroupId"] == group for pair in rule["UserIdGroupPairs"])]
            if rules:
                revoke(GroupId=found["GroupId"], IpPermissions=rules)
    ec2.delete_security_group(GroupId=group)


@mutation("security group", "default group may call out", DEFAULT_GROUP, operation="RevokeSecurityGroupEgress", argument="egress", host=DR)
def default_group_may_call_out(account: Account) -> None:
    _open(account, _default_group(account), 443, egress=True)


@mutation("security group", "default group opened", DEFAULT_GROUP, operation="RevokeSecurityGroupIngress", argument=("name", "ingress"))
def default_group_opened(account: Account) -> None:
    _open(account, _default_group(account), 22)


def _default_group(account: Account) -> str:
    filters = [{"Name": "vpc-id", "Values": [account.vpc_id]}, {"Name": "group-name", "Values": ["default"]}]
    return str(account.one("ec2", "describe_security_groups", "SecurityGroups", Filters=filters)["GroupId"])

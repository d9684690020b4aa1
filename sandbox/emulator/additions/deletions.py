# SPDX-License-Identifier: GPL-3.0-or-later
"""What EC2 refuses to delete, and what it and Auto Scaling delete along.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteSecurityGroup.html
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteVpc.html
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteNatGateway.html
https://docs.aws.amazon.com/vpc/latest/userguide/subnet-deleting.html (a subnet leaves its route table and network ACL)
moto 5.2.5 deletes subnets and security groups that are in use, keeps their associations, which then hold route tables and network ACLs
for ever, leaves a VPC's default network ACL and a NAT gateway's network interface behind, lists tags of what is gone, does not say
which volumes end with their instance (API_VolumeAttachment).
"""

from __future__ import annotations

import functools
from typing import Any

from moto.autoscaling.models import AutoScalingBackend
from moto.core.responses import ActionResult
from moto.ec2.exceptions import DependencyViolationError
from moto.ec2.models import EC2Backend
from moto.ec2.models.elastic_block_store import VolumeAttachment
from moto.ec2.responses.tags import TagResponse

from sandbox.emulator.additions.patching import add, wrap


def _refuse(what: str, used: bool) -> None:
    if used:
        raise DependencyViolationError(f"The {what} has dependencies and cannot be deleted.")


@functools.cache
def install() -> None:
    add(VolumeAttachment, "delete_on_termination")(property(_ends_with_its_instance))

    @wrap(EC2Backend, "delete_subnet")
    def delete_subnet(original: Any, self: Any, subnet_id: str) -> Any:
        _refuse(f"subnet '{subnet_id}'", any(interface.subnet.id == subnet_id for interface in self.enis.values()))
        subnet = original(self, subnet_id)
        for table in self.route_tables.values():
            table._associations = {key: target for key, target in table._associations.items() if target != subnet_id}
        for network_acl in self.network_acls.values():
            network_acl._associations = {key: one for key, one in network_acl._associations.items() if one.subnet_id != subnet_id}
        return subnet

    @wrap(EC2Backend, "_delete_security_group")
    def delete_security_group(original: Any, self: Any, vpc_id: str | None, group_id: str) -> Any:
        in_use = any(group.id == group_id for interface in self.enis.values() for group in interface.group_set)
        _refuse(f"resource {group_id}", in_use or any(_refers(group, group_id) for group in _all_groups(self) if group.id != group_id))
        return original(self, vpc_id, group_id)

    @wrap(EC2Backend, "delete_vpc")
    def delete_vpc(original: Any, self: Any, vpc_id: str) -> Any:
        groups = [group for group in self.groups.get(vpc_id, {}).values() if not group.is_default]
        gateways = [gateway for gateway in self.internet_gateways.values() if gateway.vpc and gateway.vpc.id == vpc_id]
        acls = {key: network_acl for key, network_acl in self.network_acls.items() if network_acl.vpc_id == vpc_id}
        own = [network_acl for network_acl in acls.values() if str(network_acl.default).lower() != "true"]
        _refuse(f"vpc '{vpc_id}'", bool(groups or gateways or own))
        vpc = original(self, vpc_id)
        for key in acls:
            del self.network_acls[key]
        return vpc

    @wrap(EC2Backend, "delete_nat_gateway")
    def delete_nat_gateway(original: Any, self: Any, nat_gateway_id: str) -> Any:
        gateway = original(self, nat_gateway_id)
        for address in self.addresses:
            if address.eni is gateway._eni:
                address.eni = address.association_id = None
        self.enis.pop(gateway._eni.id, None)
        return gateway

    @wrap(AutoScalingBackend, "delete_auto_scaling_group")
    def delete_auto_scaling_group(original: Any, self: Any, group_name: str) -> Any:
        answer = original(self, group_name)
        self.policies = {name: policy for name, policy in self.policies.items() if policy.auto_scaling_group_name != group_name}
        return answer

    @wrap(TagResponse, "describe_tags")
    def describe_tags(original: Any, self: Any) -> ActionResult:
        tags = original(self).result["Tags"]
        return ActionResult({"Tags": [tag for tag in tags if _exists(self.ec2_backend, tag["resource_id"])]})


def _exists(backend: Any, identifier: str) -> bool:
    """Whether EC2 still has the resource; True for those that moto's deletion takes care of itself."""
    found: dict[str, Any] = {
        "eipalloc": (address.allocation_id for address in backend.addresses),
        "fl": backend.flow_logs,
        "igw": backend.internet_gateways,
        "key": (pair.id for pair in backend.key_pairs.values()),
        "lt": backend.launch_templates,
        "subnet": (name for subnets in backend.subnets.values() for name in subnets),
        "vpc": backend.vpcs,
    }
    prefix = identifier.partition("-")[0]
    return prefix not in found or identifier in found[prefix]


def _ends_with_its_instance(attachment: Any) -> bool:
    device = attachment.instance.block_device_mapping.get(attachment.device)
    return bool(device and device.delete_on_termination)


def _all_groups(backend: Any) -> list[Any]:
    return [group for groups in backend.groups.values() for group in groups.values()]


def _refers(group: Any, group_id: str) -> bool:
    """Whether a rule of the group names the other one."""
    return any((rule.source_group or {}).get("GroupId") == group_id for rule in [*group.ingress_rules, *group.egress_rules])

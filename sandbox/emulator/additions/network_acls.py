# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors of network ACLs, and entries for ICMP.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html (InvalidNetworkAclEntry.NotFound, InvalidAssociationID.NotFound)
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateNetworkAclEntry.html (IcmpTypeCode)
moto 5.2.5 fails with StopIteration where an entry or an association is not there, and forgets type and code.
"""

from __future__ import annotations

import functools
from typing import Any

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.network_acls import NetworkAclBackend
from moto.ec2.responses.network_acls import NetworkACLs

from sandbox.emulator.additions.patching import wrap


@functools.cache
def install() -> None:
    @wrap(NetworkAclBackend, "delete_network_acl_entry")
    def delete_network_acl_entry(original: Any, self: Any, network_acl_id: str, rule_number: int, egress: bool) -> Any:
        entries = self.get_network_acl(network_acl_id).network_acl_entries
        if not any((entry.rule_number, entry.egress) == (rule_number, egress) for entry in entries):
            raise EC2ClientError("InvalidNetworkAclEntry.NotFound", f"The entry {rule_number} of '{network_acl_id}' does not exist")
        return original(self, network_acl_id, rule_number, egress)

    @wrap(NetworkAclBackend, "replace_network_acl_association")
    def replace_network_acl_association(original: Any, self: Any, association_id: str, network_acl_id: str) -> Any:
        if not any(association_id in acl._associations for acl in self.network_acls.values()):
            raise EC2ClientError("InvalidAssociationID.NotFound", f"The association ID '{association_id}' does not exist")
        return original(self, association_id, self.get_network_acl(network_acl_id).id)

    for name in ("create_network_acl_entry", "replace_network_acl_entry"):

        @wrap(NetworkACLs, name)
        def write_network_acl_entry(original: Any, self: Any) -> Any:
            answer = original(self)
            entry = self.ec2_backend.get_network_acl(self._get_param("NetworkAclId")).network_acl_entries[-1]
            told = self._get_param("IcmpTypeCode") or {}
            entry.icmp_type, entry.icmp_code = told.get("Type"), told.get("Code")
            return answer

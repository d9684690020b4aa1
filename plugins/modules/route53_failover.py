#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: route53_failover
version_added: 0.1.0
short_description: Have one of a pair of failover records be the primary one
description:
  - Exchanges the roles of two failover records of a name in one change, since Route 53 takes no second primary record, not for a moment.
    Nothing else of the records changes.
options:
  zone:
    description: The hosted zone.
    type: str
    required: true
  record:
    description: The name of both records.
    type: str
    required: true
  type:
    description: Type of the records.
    type: str
    default: A
  primary:
    description: The set identifier of the record that Route 53 answers with, as long as it is healthy.
    type: str
    required: true
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Lead visitors to the other region
  indivillage.infra.route53_failover:
    zone: indivillage.com
    record: origin.indivillage.com
    primary: dr
"""

RETURN = r"""
primary:
  description: The record that was the primary one.
  returned: always
  type: str
  sample: primary
"""

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.indivillage.infra.plugins.module_utils import planning
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import ResourceError, aws_client, reporting


def zone_id(client: Any, name: str) -> str:
    """Id of the public zone of a name."""
    found = client.list_hosted_zones_by_name(DNSName=name)["HostedZones"]
    zones = [zone["Id"] for zone in found if zone["Name"].rstrip(".") == name and not zone["Config"].get("PrivateZone")]
    if len(zones) != 1:
        raise ResourceError(f"there are {len(zones)} public zones {name}.")
    return str(zones[0])


def failover_records(client: Any, zone: str, name: str, kind: str) -> dict[str, dict[str, Any]]:
    """The two failover records of a name, by set identifier."""
    pages = client.get_paginator("list_resource_record_sets").paginate(HostedZoneId=zone)
    records = [record for page in pages for record in page["ResourceRecordSets"]]
    found = {
        record["SetIdentifier"]: record
        for record in records
        if record["Name"].rstrip(".") == name and record["Type"] == kind and "Failover" in record
    }
    if sorted(record["Failover"] for record in found.values()) != ["PRIMARY", "SECONDARY"]:
        raise ResourceError(f"{name} has no pair of failover records of type {kind}, but {sorted(found) or 'none'}.")
    return found


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec={"zone": {"required": True}, "record": {"required": True}, "type": {"default": "A"}, "primary": {"required": True}},
        supports_check_mode=True,
    )
    name, wanted = module.params["record"], module.params["primary"]
    client = aws_client(module, "route53")
    with reporting(module, f"make {wanted} the primary record of {name}"):
        zone = zone_id(client, module.params["zone"])
        records = failover_records(client, zone, name, module.params["type"])
        if wanted not in records:
            raise ResourceError(f"there is no record {wanted}, but {', '.join(sorted(records))}.")
        before = next(identifier for identifier, record in records.items() if record["Failover"] == "PRIMARY")
        if before != wanted and (planning.active or not module.check_mode):
            exchanged = [
                record | {"Failover": "PRIMARY" if identifier == wanted else "SECONDARY"} for identifier, record in records.items()
            ]
            changes = [{"Action": "DELETE", "ResourceRecordSet": record} for record in records.values()]
            changes += [{"Action": "CREATE", "ResourceRecordSet": record} for record in exchanged]
            client.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})
    module.exit_json(changed=before != wanted, primary=before)


if __name__ == "__main__":
    main()

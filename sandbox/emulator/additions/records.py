# SPDX-License-Identifier: GPL-3.0-or-later
"""Records that were deleted, also by the same batch of changes, can be made again.

https://docs.aws.amazon.com/Route53/latest/APIReference/API_Change.html (CREATE)
moto 5.2.5 takes a record that once was for one that is, when any other record of the zone sorts behind it.
"""

from __future__ import annotations

import functools
from typing import Any

from moto.route53.models import Route53Backend

from sandbox.emulator.additions.patching import wrap


@functools.cache
def install() -> None:
    @wrap(Route53Backend, "change_resource_record_sets")
    def change_resource_record_sets(original: Any, self: Any, zoneid: str, change_list: list[dict[str, Any]]) -> None:
        zone = self.get_hosted_zone(zoneid)
        standing = {_key(record.name, record.type, record.set_identifier) for record in zone.rrsets}
        for value in change_list:
            record = value["ResourceRecordSet"]
            key = _key(record["Name"], record["Type"], record.get("SetIdentifier"))
            if value["Action"] == "DELETE":
                standing.discard(key)
            elif value["Action"] == "CREATE" and key not in standing:
                while value in zone.rr_changes:
                    zone.rr_changes.remove(value)
        original(self, zoneid, change_list)


def _key(name: str, kind: str, identifier: str | None) -> tuple[str, str, str]:
    return name.strip(".").lower(), kind, identifier or ""

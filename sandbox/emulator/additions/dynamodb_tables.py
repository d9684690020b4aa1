# SPDX-License-Identifier: GPL-3.0-or-later
"""TableId in DescribeTable.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TableDescription.html
moto 5.2.5 leaves it out; community.aws.dynamodb_table reads it after every call.
"""

from __future__ import annotations

import uuid
from typing import Any

from moto.dynamodb.models.table import Table

from sandbox.emulator.additions.patching import wrap


def install() -> None:
    @wrap(Table, "describe")
    def describe(original: Any, self: Any, base_key: str = "TableDescription") -> dict[str, Any]:
        description = original(self, base_key)
        description[base_key]["TableId"] = str(uuid.uuid5(uuid.NAMESPACE_URL, self.table_arn))
        return description

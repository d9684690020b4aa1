# SPDX-License-Identifier: GPL-3.0-or-later
"""TableId in DescribeTable, changes of a table's encryption, and conditional writes that are atomic.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TableDescription.html
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateTable.html
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.ConditionExpressions.html
moto 5.2.5 leaves the first out (community.aws.dynamodb_table reads it after every call) and takes the second without doing it; between a
condition and its write it lets other requests in, so that two clients could both win what only one may.
"""

from __future__ import annotations

import functools
import threading
import uuid
from typing import Any

from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.table import Table
from moto.dynamodb.responses import DynamoHandler

from sandbox.emulator.additions.patching import wrap


@functools.cache
def install() -> None:
    @wrap(Table, "describe")
    def describe(original: Any, self: Any, base_key: str = "TableDescription") -> dict[str, Any]:
        description = original(self, base_key)
        description[base_key]["TableId"] = str(uuid.uuid5(uuid.NAMESPACE_URL, self.table_arn))
        return description

    @wrap(DynamoHandler, "update_table")
    def update_table(original: Any, self: Any) -> Any:
        if wanted := self.body.get("SSESpecification"):
            table = self.dynamodb_backend.get_table(self.body["TableName"])
            key = table._get_default_encryption_key(self.current_account, self.region)
            table.sse_specification = {"KMSMasterKeyId": key} | wanted
        return original(self)

    writing = threading.RLock()  # a transaction calls the single writes

    for operation in ("put_item", "update_item", "delete_item", "transact_write_items"):

        @wrap(DynamoDBBackend, operation)
        def write(original: Any, *arguments: Any, **keywords: Any) -> Any:
            with writing:
                return original(*arguments, **keywords)

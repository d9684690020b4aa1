# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes to functions, to what hands them messages, and to who is told of new objects."""

from __future__ import annotations

import io
import zipfile
from typing import Any

from tests.drill.support.mutations.model import PREFIX, Account, mutation

FUNCTIONS = "Make the functions from their code"
SOURCES = "Let the functions work off their queues"
LOGS = "Make the log groups of the functions"
NOTIFICATIONS = "Tell the queues of new objects"
SCAN, PROCESSOR = f"{PREFIX}-malware-scan", f"{PREFIX}-file-processor"


def _configure(account: Account, name: str, **changes: Any) -> None:
    account.client("lambda").update_function_configuration(FunctionName=name, **changes)


def _arn(name: str) -> str:
    return f"arn:aws:lambda:us-east-1:123456789012:function:{name}"


def _source(account: Account, name: str) -> str:
    """The id of the mapping of a function's queue."""
    found = account.client("lambda").list_event_source_mappings()["EventSourceMappings"]
    (uuid,) = [mapping["UUID"] for mapping in found if mapping["FunctionArn"].endswith(f":{name}")]
    return str(uuid)


@mutation("function", "code exchanged", FUNCTIONS, "malware-scan", operation="UpdateFunctionCode", argument="source", alone=True)
def function_code_exchanged(account: Account) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as target:
        target.writestr("handler.py", "def handle(event, context): return {}")
    account.client("lambda").update_function_code(FunctionName=SCAN, ZipFile=packed.getvalue())


@mutation("function", "timeout raised", FUNCTIONS, "malware-scan", operation="UpdateFunctionConfiguration", argument="timeout_seconds",
          field="Timeout")  # fmt: skip
def function_timeout_raised(account: Account) -> None:
    _configure(account, SCAN, Timeout=900)


@mutation(
    "function", "calls traced no more", FUNCTIONS, "malware-scan", operation="UpdateFunctionConfiguration", field="TracingConfig.Mode"
)
def function_not_traced(account: Account) -> None:
    _configure(account, SCAN, TracingConfig={"Mode": "PassThrough"})


@mutation("function", "sent elsewhere", FUNCTIONS, "file-processor", operation="UpdateFunctionConfiguration", argument="environment",
          field="Environment.Variables.PROCESSED_BUCKET")  # fmt: skip
def function_writes_elsewhere(account: Account) -> None:
    _configure(account, PROCESSOR, Environment={"Variables": {"PROCESSED_BUCKET": "elsewhere"}})


@mutation("function", "concurrency taken away", FUNCTIONS, "file-processor", operation="PutFunctionConcurrency", alone=True,
          argument="reserved_concurrency")  # fmt: skip
def function_concurrency_taken_away(account: Account) -> None:
    account.client("lambda").delete_function_concurrency(FunctionName=PROCESSOR)


@mutation("function", "tag removed", FUNCTIONS, "file-processor", operation="TagResource", argument="tags", field="Tags.Project")
def function_tag_removed(account: Account) -> None:
    account.client("lambda").untag_resource(Resource=_arn(PROCESSOR), TagKeys=["Project"])


@mutation("event source mapping", "switched off", SOURCES, "malware-scan", operation="UpdateEventSourceMapping")
def mapping_switched_off(account: Account) -> None:
    account.client("lambda").update_event_source_mapping(UUID=_source(account, SCAN), Enabled=False)


@mutation("event source mapping", "batch grown", SOURCES, "file-processor", operation="UpdateEventSourceMapping", argument="batch_size",
          field="BatchSize")  # fmt: skip
def mapping_batch_grown(account: Account) -> None:
    account.client("lambda").update_event_source_mapping(UUID=_source(account, PROCESSOR), BatchSize=10)


@mutation(
    "event source mapping", "deleted", SOURCES, "malware-scan", operation="CreateEventSourceMapping", argument="queue_arn", alone=True
)
def mapping_deleted(account: Account) -> None:
    account.client("lambda").delete_event_source_mapping(UUID=_source(account, SCAN))


@mutation("log group", "records of functions forgotten", LOGS, "file-processor", operation="PutRetentionPolicy", argument="retention_days")
def function_log_forgotten(account: Account) -> None:
    account.client("logs").put_retention_policy(logGroupName=f"/aws/lambda/{PROCESSOR}", retentionInDays=1)


@mutation("bucket", "nobody told of new objects", NOTIFICATIONS, "uploads", operation="PutBucketNotificationConfiguration",
          argument=("queue_arn", "events"))  # fmt: skip
def bucket_tells_nobody(account: Account) -> None:
    account.client("s3").put_bucket_notification_configuration(Bucket=f"{PREFIX}-uploads", NotificationConfiguration={})

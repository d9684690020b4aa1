# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes to functions, to what hands them messages, and to who is told of new objects."""

from __future__ import annotations

import io
import zipfile
from functools import partial
from typing import Any

from tests.drill.support.mutations.model import PREFIX, Account, mutation

FUNCTIONS = "Make the functions from their code"
SOURCES = "Let the functions work off their queues"
LOGS = "Make the log groups of the functions"
NOTIFICATIONS = "Tell the queues of new objects"
SCAN, PROCESSOR = f"{PREFIX}-malware-scan", f"{PREFIX}-file-processor"


def _configure(account: Account, name: str, **changes: Any) -> None:
    account.client("lambda").update_function_configuration(FunctionName=name, **changes)


def _packed(code: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as target:
        target.writestr("handler.py", code)
    return packed.getvalue()


def _arn(name: str) -> str:
    return f"arn:aws:lambda:us-east-1:123456789012:function:{name}"


def _source(account: Account, name: str) -> str:
    """The id of the mapping of a function's queue."""
    found = account.client("lambda").list_event_source_mappings()["EventSourceMappings"]
    (uuid,) = [mapping["UUID"] for mapping in found if mapping["FunctionArn"].endswith(f":{name}")]
    return str(uuid)


@mutation("function", "code exchanged", FUNCTIONS, "malware-scan", operation="UpdateFunctionCode", argument="source", alone=True)
def function_code_exchanged(account: Account) -> None:
    account.client("lambda").update_function_code(FunctionName=SCAN, ZipFile=_packed("def handle(event, context): return {}"))


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


_FUNCTION_CHANGES: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
    # argument of the task, its field in the API, what is changed in words, the change
    ("runtime", "Runtime", "an older runtime", {"Runtime": "python3.9"}),
    ("role_arn", "Role", "another role", {"Role": f"arn:aws:iam::123456789012:role/{PREFIX}-web"}),
    ("memory_mib", "MemorySize", "more memory", {"MemorySize": 10240}),
    ("kms_key_arn", "KMSKeyArn", "variables encrypted with AWS's own key", {"KMSKeyArn": ""}),
    ("dead_letter_arn", "DeadLetterConfig.TargetArn", "what fails is forgotten", {"DeadLetterConfig": {"TargetArn": ""}}),
    ("log_group", "LoggingConfig.LogGroup", "writes its log elsewhere", {"LoggingConfig": {"LogGroup": "/elsewhere", "LogFormat": "JSON"}}),
    ("subnet_ids", "VpcConfig.SubnetIds", "outside of the network", {"VpcConfig": {"SubnetIds": [], "SecurityGroupIds": []}}),
)
for _argument, _field, _what, _changes in _FUNCTION_CHANGES:
    mutation(
        "function",
        _what,
        FUNCTIONS,
        "malware-scan",
        operation="UpdateFunctionConfiguration",
        argument=_argument,
        field=_field,
        name=f"function_{_argument}_changed",
    )(partial(_configure, name=SCAN, **_changes))


@mutation("function", "security group exchanged", FUNCTIONS, "malware-scan", operation="UpdateFunctionConfiguration",
          argument="security_group_ids")  # fmt: skip
def function_group_exchanged(account: Account) -> None:
    network = account.client("lambda").get_function_configuration(FunctionName=SCAN)["VpcConfig"]
    _configure(account, SCAN, VpcConfig={"SubnetIds": network["SubnetIds"], "SecurityGroupIds": [account.group_id("bastion")]})


@mutation("function", "architecture exchanged", FUNCTIONS, "file-processor", operation="UpdateFunctionCode",
          argument="architecture")  # fmt: skip
def function_architecture_exchanged(account: Account) -> None:
    client = account.client("lambda")
    client.update_function_code(FunctionName=PROCESSOR, ZipFile=_packed("def handle(event, context): return {}"), Architectures=["x86_64"])


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


@mutation("event source mapping", "more messages at once", SOURCES, "file-processor", operation="UpdateEventSourceMapping",
          argument="maximum_concurrency", field="ScalingConfig.MaximumConcurrency")  # fmt: skip
def mapping_more_at_once(account: Account) -> None:
    account.client("lambda").update_event_source_mapping(UUID=_source(account, PROCESSOR), ScalingConfig={"MaximumConcurrency": 1000})


@mutation("event source mapping", "tag removed", SOURCES, "malware-scan", operation="TagResource", argument="tags", field="Tags.Project")
def mapping_tag_removed(account: Account) -> None:
    arn = f"arn:aws:lambda:us-east-1:123456789012:event-source-mapping:{_source(account, SCAN)}"
    account.client("lambda").untag_resource(Resource=arn, TagKeys=["Project"])


@mutation(
    "event source mapping", "deleted", SOURCES, "malware-scan", operation="CreateEventSourceMapping", argument="queue_arn", alone=True
)
def mapping_deleted(account: Account) -> None:
    account.client("lambda").delete_event_source_mapping(UUID=_source(account, SCAN))


@mutation("log group", "records of functions forgotten", LOGS, "file-processor", operation="PutRetentionPolicy", argument="retention_days")
def function_log_forgotten(account: Account) -> None:
    account.client("logs").put_retention_policy(logGroupName=f"/aws/lambda/{PROCESSOR}", retentionInDays=1)


@mutation("log group", "records of functions lose their key", LOGS, "file-processor", operation="AssociateKmsKey", argument="kms_key_arn")
def function_log_key_removed(account: Account) -> None:
    account.client("logs").disassociate_kms_key(logGroupName=f"/aws/lambda/{PROCESSOR}")


@mutation("log group", "records of functions lose a tag", LOGS, "malware-scan", operation="TagResource", argument="tags")
def function_log_tag_removed(account: Account) -> None:
    arn = f"arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/{SCAN}"
    account.client("logs").untag_resource(resourceArn=arn, tagKeys=["Project"])


@mutation("bucket", "nobody told of new objects", NOTIFICATIONS, "uploads", operation="PutBucketNotificationConfiguration",
          argument=("queue_arn", "events"))  # fmt: skip
def bucket_tells_nobody(account: Account) -> None:
    account.client("s3").put_bucket_notification_configuration(Bucket=f"{PREFIX}-uploads", NotificationConfiguration={})


@mutation("bucket", "deletions told instead of new objects, to another queue", NOTIFICATIONS, "uploads",
          operation="PutBucketNotificationConfiguration", argument=("queue_arn", "events"))  # fmt: skip
def bucket_tells_another(account: Account) -> None:
    client, name = account.client("s3"), f"{PREFIX}-uploads"
    (told,) = client.get_bucket_notification_configuration(Bucket=name)["QueueConfigurations"]
    changed = told | {"QueueArn": f"arn:aws:sqs:us-east-1:123456789012:{PREFIX}-file-processing", "Events": ["s3:ObjectRemoved:*"]}
    client.put_bucket_notification_configuration(Bucket=name, NotificationConfiguration={"QueueConfigurations": [changed]})

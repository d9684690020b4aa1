# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is known of the runs of an environment: one document each in S3, and one line each in DynamoDB to find them by.

A record is a JSON object, see `RECORD`. It is written when its run begins, with the result `running`, and again when it ends. The bucket
keeps all versions. The table `<prefix>-deployments` has the environment as its partition and the run's id, which begins with its time, as
its sort key.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.indivillage.infra.plugins.module_utils.lease import KEY

Record = dict[str, Any]

RECORD = {
    "format": "1",
    "run_id": "id, which sorts by time",
    "environment": "whose lease the run held",
    "who": "user and machine, or AWX user and job",
    "awx": "job id, template, launch type, url; null outside of AWX",
    "commit": "of the checkout or AWX's project; empty when unknown",
    "dirty": "whether the checkout had uncommitted changes; null when unknown",
    "reason": "as given with -e reason=, else the playbook or job template",
    "inventory": "names of the inventory's sources, or the name that AWX gives it",
    "playbooks": "list of what was run",
    "limit": "text of --limit, or empty",
    "tags": "list of --tags",
    "skip_tags": "list of --skip-tags",
    "extra_vars": "list of the names given with -e; never their values",
    "token": "the lease's fencing token",
    "began": "UTC, ISO 8601",
    "ended": "the same; null while it runs",
    "seconds": "how long it took; null while it runs",
    "result": "running, succeeded, failed, cancelled, killed, stopped, refused, abandoned, released",
    "note": "one sentence on the result, or empty",
    "plan": "digest of the plan that was made under the lease to compare it with the approved one; null when none was asked for",
    "plays": "list of {name, seconds}",
    "changed": "list of {host, role, task, item}",
    "hosts": "name -> {ok, changed, failed, unreachable, skipped}",
}
"""The keys of a record and what they hold."""

# What the table holds of a record, in the order in which people read it.
_LINE = (
    "run_id",
    "who",
    "commit",
    "dirty",
    "reason",
    "playbooks",
    "limit",
    "tags",
    "plan",
    "began",
    "ended",
    "seconds",
    "result",
    "note",
    "token",
)
_COLUMNS = ("began", "who", "commit", "playbooks", "limit/tags", "plan", "result", "seconds", "changed", "run")
_SHORT_COMMIT, _SHORT_DIGEST, _WIDEST = 8, 12, 40


class RunHistory:
    """The records of all environments of an account."""

    def __init__(self, dynamodb: Any, s3: Any, table: str, bucket: str) -> None:
        self._dynamodb = dynamodb
        self._s3 = s3
        self._table = table
        self._bucket = bucket

    def put(self, record: Record) -> None:
        """Write a record, first the document and then the line that points at it."""
        self.put_document(document_name(record["environment"], record["run_id"]), json.dumps(record, indent=2, sort_keys=True))
        line = {name: record[name] for name in _LINE if record[name] is not None} | {"changed": len(record["changed"])}
        item = {name: _attribute(value) for name, value in line.items()} | {KEY: {"S": record["environment"]}}
        self._dynamodb.put_item(TableName=self._table, Item=item)

    def put_document(self, name: str, text: str) -> None:
        """Write one JSON document to the bucket."""
        self._s3.put_object(Bucket=self._bucket, Key=name, Body=text.encode(), ContentType="application/json")

    def place(self, environment: str, run_id: str) -> str:
        """The address of a run's document."""
        return f"s3://{self._bucket}/{document_name(environment, run_id)}"

    def last(self, environment: str, count: int) -> list[Record]:
        """The lines of the latest runs, the latest first."""
        answer = self._dynamodb.query(
            TableName=self._table,
            KeyConditionExpression="#key = :environment",
            ExpressionAttributeNames={"#key": KEY},
            ExpressionAttributeValues={":environment": {"S": environment}},
            ScanIndexForward=False,
            Limit=count,
            ConsistentRead=True,
        )
        return [{name: _value(attribute) for name, attribute in item.items()} for item in answer["Items"]]

    def whole(self, environment: str, run_id: str) -> Record | None:
        """The whole record of one run; None when there is none of that id."""
        try:
            answer = self._s3.get_object(Bucket=self._bucket, Key=document_name(environment, run_id))
        except self._s3.exceptions.NoSuchKey:
            return None
        record: Record = json.loads(answer["Body"].read())
        return record

    def close(self, environment: str, run_id: str, note: str) -> None:
        """Say of a run that can no longer do so itself that it ended, and why; nothing when it has said how it ended."""
        record = self.whole(environment, run_id)
        if record and record["result"] == "running":
            self.put({**record, "result": "abandoned", "note": note})


def document_name(environment: str, run_id: str) -> str:
    """Where in the bucket a run's record lies."""
    return f"runs/{environment}/{run_id}.json"


def plan_name(digest: str) -> str:
    """Where in the bucket a plan lies."""
    return f"plans/{digest}.json"


def _attribute(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, int | float):
        return {"N": str(value)}
    return {"L": [_attribute(part) for part in value]} if isinstance(value, list) else {"S": str(value)}


def _value(attribute: Mapping[str, Any]) -> Any:
    ((kind, value),) = attribute.items()
    if kind == "N":
        return float(value) if "." in value else int(value)
    return [_value(part) for part in value] if kind == "L" else value


def table(lines: Iterable[Record]) -> list[str]:
    """The lines of `last` as a table, one text a row, the first the heading."""
    rows = [_COLUMNS, *(_row(line) for line in lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _row(line: Record) -> tuple[str, ...]:
    selection = [*([f"-l {line['limit']}"] if line["limit"] else []), *([f"-t {','.join(line['tags'])}"] if line["tags"] else [])]
    cells = (
        line["began"],
        line["who"],
        (line["commit"][:_SHORT_COMMIT] + ("+" if line.get("dirty") else "")) or "-",
        " ".join(line["playbooks"]),
        " ".join(selection) or "-",
        line.get("plan", "-")[:_SHORT_DIGEST],
        line["result"],
        f"{line['seconds']:.0f}" if "seconds" in line else "-",
        str(line["changed"]),
        line["run_id"],
    )
    return tuple(cell if len(cell) <= _WIDEST else cell[: _WIDEST - 3] + "..." for cell in cells)

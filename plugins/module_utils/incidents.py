# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The incidents of an environment: their timelines and the addresses that are blocked, one item each in DynamoDB.

The table `<prefix>-incidents` has the environment as its partition. An entry of a timeline has the sort key `<incident>#<key>`, a blocked
address `block#<network>`. An entry is written once and never changed, so that a run that was killed can be repeated.
"""

from __future__ import annotations

import hashlib
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.botocore import is_boto3_error_code
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import ResourceError

PARTITION = "environment"
BLOCK = "block"  # no incident may have this name
REVOCATION_POLICY = "incident-revoked-sessions"
"""Name of the inline policy that refuses older sessions; what brings identities to their declaration leaves it alone."""
NAME = re.compile(r"[a-z0-9][a-z0-9-]{2,62}")
DECLARED, RECLASSIFIED, NOTIFIED, NOTE, CLOSED = "declared", "reclassified", "notified", "note", "closed"

Entry = dict[str, Any]


def now() -> str:
    """This moment, UTC, ISO 8601 with milliseconds, which sorts by time."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def later(moment: str, minutes: float) -> str:
    """The moment so many minutes after another one, in the same form."""
    return (datetime.fromisoformat(moment) + timedelta(minutes=minutes)).isoformat(timespec="milliseconds")


def digest(document: Any) -> str:
    """SHA-256 of a JSON document in its one canonical form, or of bytes."""
    data = document if isinstance(document, bytes) else json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    return hashlib.sha256(data).hexdigest()


class IncidentLog:
    """The table of one environment's incidents."""

    def __init__(self, dynamodb: Any, sts: Any, table: str, environment: str) -> None:
        self._dynamodb = dynamodb
        self._sts = sts
        self._table = table
        self._environment = environment

    def timeline(self, incident: str) -> list[Entry]:
        """The entries of an incident in their order; empty when nobody has declared it. ResourceError for what is no name."""
        if not NAME.fullmatch(incident) or incident == BLOCK:
            raise ResourceError(
                f"'{incident}' is no name of an incident: 3 to 63 lower-case letters, digits and hyphens, and not '{BLOCK}'."
            )
        return sorted(self._query(incident), key=lambda entry: (entry["at"], entry["key"]))

    def of_open(self, incident: str) -> list[Entry]:
        """The timeline of an incident that is open; ResourceError when it is not."""
        entries = self.timeline(incident)
        if not entries:
            raise ResourceError(
                f"{self._environment} has no incident '{incident}'. Declare it first, so that what is done is recorded: "
                f"playbooks/declare_incident.yml -e incident={incident} -e severity=<severity> -e title='<what happened>'"
            )
        if any(entry["kind"] == CLOSED for entry in entries):
            raise ResourceError(f"incident '{incident}' is closed. Declare another one.")
        return entries

    def append(self, incident: str, key: str, kind: str, text: str, details: Entry | None = None, *, at: str = "") -> bool:
        """Add an entry under its key, of that time or of now; False when there is one already, which stays as it is."""
        entry = {"key": key, "at": at or now(), "kind": kind, "text": text, "by": self._caller(), "details": details or {}}
        return self._put(f"{incident}#{key}", entry, "attribute_not_exists(entry)")

    def blocks(self) -> list[Entry]:
        """Every address that is or was to be blocked: network, incident, since, until, by the network."""
        return sorted(self._query(BLOCK), key=lambda block: str(block["network"]))

    def block(self, block: Entry) -> None:
        """Write a blocked address, or write it anew."""
        self._put(f"{BLOCK}#{block['network']}", block)

    def unblock(self, network: str) -> None:
        """Forget a blocked address."""
        self._dynamodb.delete_item(TableName=self._table, Key=self._key(f"{BLOCK}#{network}"))

    def _caller(self) -> str:
        return str(self._sts.get_caller_identity()["Arn"])

    def _key(self, entry: str) -> dict[str, Any]:
        return {PARTITION: {"S": self._environment}, "entry": {"S": entry}}

    def _put(self, entry: str, body: Entry, condition: str | None = None) -> bool:
        item = {**self._key(entry), "body": {"S": json.dumps(body, sort_keys=True)}}
        try:
            self._dynamodb.put_item(TableName=self._table, Item=item, **({"ConditionExpression": condition} if condition else {}))
        except is_boto3_error_code("ConditionalCheckFailedException"):
            return False
        return True

    def _query(self, start: str) -> list[Entry]:
        try:
            pages = self._dynamodb.get_paginator("query").paginate(
                TableName=self._table,
                KeyConditionExpression=f"{PARTITION} = :environment AND begins_with(entry, :start)",
                ExpressionAttributeValues={":environment": {"S": self._environment}, ":start": {"S": f"{start}#"}},
                ConsistentRead=True,
            )
            return [json.loads(item["body"]["S"]) for page in pages for item in page["Items"]]
        except is_boto3_error_code("ResourceNotFoundException"):  # before the first run of any kind
            return []


def standing(entries: list[Entry]) -> Entry:
    """What an incident is now: title, severity, class, commander, declared, respond_by, closed (empty while open)."""
    state: Entry = {"closed": ""}
    for entry in entries:
        if entry["kind"] in {DECLARED, RECLASSIFIED}:
            state |= entry["details"]
        if entry["kind"] == DECLARED:
            state["declared"] = entry["at"]
        if entry["kind"] == CLOSED:
            state["closed"] = entry["at"]
    return state

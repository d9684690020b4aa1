# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The releases of an environment: what each is made of, and what came of running it.

One item each in the table of the environment's runs, in a partition of their own beside them, see `ITEM`. Which release an environment
runs is not said here but by the parameter that its hosts read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

Release = dict[str, Any]

ITEM = {
    "release": "name: the first twelve digits of the checksum",
    "sha256": "checksum of the archive, 64 hexadecimal digits",
    "artifact": "where the environment's copy lies, s3://<bucket>/<key>",
    "source": "where it came from, https:// or s3://",
    "author": "who made it",
    "commit": "of what it was made",
    "built": "when it was made, UTC, ISO 8601",
    "migrations": "what it does to the database: names of the files of its folder migrations, without their ending",
    "contracted": "those that took something away which older releases need; there is no way back to a release without them",
    "verdict": "known (nobody has tried it), deploying (a run is at it, or was ended), good (it served), bad (it did not, or somebody said "
    "so), stopped (taken back for what was not its fault)",
    "events": "list of {at, what, run_id, by, why}, the latest last",
}
"""The keys of a release and what they hold."""

DOCUMENT = ("release", "sha256", "artifact", "author", "commit", "built")
"""What of it the parameter of the environment holds."""
NAME_LENGTH = 12
EVENTS_KEPT = 50
_COLUMNS = ("release", "verdict", "built", "author", "commit", "last event", "at", "by", "why")
_WIDEST = 48


class ReleaseError(Exception):
    """A release that cannot be had or must not run; the text says which, why, and what to do."""


class Releases:
    """The releases of one environment. dynamodb: a boto3 client."""

    def __init__(self, dynamodb: Any, table: str, environment: str) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._partition = f"{environment}/releases"

    def find(self, release: str) -> Release | None:
        """One release by its name; None when nobody has deployed it yet, or no run has made the table."""
        key = {"environment": {"S": self._partition}, "run_id": {"S": release}}
        try:
            item = self._dynamodb.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item")
        except self._dynamodb.exceptions.ResourceNotFoundException:
            return None
        return None if item is None else json.loads(item["document"]["S"])

    def all(self) -> list[Release]:
        """Every release, that of the latest event first; none when no run has made the table."""
        found: list[Release] = []
        start: dict[str, Any] = {}
        while True:
            try:
                answer = self._dynamodb.query(
                    TableName=self._table,
                    KeyConditionExpression="#key = :releases",
                    ExpressionAttributeNames={"#key": "environment"},
                    ExpressionAttributeValues={":releases": {"S": self._partition}},
                    ConsistentRead=True,
                    **start,
                )
            except self._dynamodb.exceptions.ResourceNotFoundException:
                return []
            found += [json.loads(item["document"]["S"]) for item in answer["Items"]]
            if "LastEvaluatedKey" not in answer:
                return sorted(found, key=last_event, reverse=True)
            start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}

    def put(self, release: Release) -> None:
        """Write one; the environment's lease keeps others from it."""
        item = {
            "environment": {"S": self._partition},
            "run_id": {"S": release["release"]},
            "verdict": {"S": release["verdict"]},
            "document": {"S": json.dumps(release, sort_keys=True)},
        }
        self._dynamodb.put_item(TableName=self._table, Item=item)


def name_of(sha256: str) -> str:
    """What a release with this checksum is called."""
    return sha256[:NAME_LENGTH]


def last_event(release: Release) -> str:
    """When something came of it last."""
    return str(release["events"][-1]["at"]) if release["events"] else ""


def judged(release: Release, verdict: str, event: Mapping[str, str]) -> Release:
    """The release with a verdict and the event that led to it."""
    return {**release, "verdict": verdict, "events": [*release["events"], dict(event)][-EVENTS_KEPT:]}


def event(what: str, run_id: str, by: str, why: str) -> dict[str, str]:
    """What happened to a release just now."""
    return {"at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}", "what": what, "run_id": run_id, "by": by, "why": why}


def refuse_bad(release: Release) -> None:
    """ReleaseError when the release is known as bad."""
    if release["verdict"] == "bad":
        why = release["events"][-1]
        raise ReleaseError(
            f"Release {release['release']} is known as bad: {why['what']} at {why['at']} by {why['by']} "
            f"({why['why'] or 'nobody said why'}). "
            "Should it run all the same: playbooks/mark_release.yml with release_verdict=good."
        )


def refuse_contracted(release: Release, known: Iterable[Release]) -> None:
    """ReleaseError when the database lacks what the release needs, since a newer one has taken it away."""
    gone = {name for other in known for name in other.get("contracted", [])} - set(release.get("migrations", []))
    if gone:
        raise ReleaseError(
            f"Release {release['release']} is older than what was done to the database: it does not know {', '.join(sorted(gone))}, "
            "which took away what it may need. Deploy one that does."
        )


def way_back(known: Iterable[Release], current: str, asked: str) -> tuple[Release, str]:
    """The release that a way back leads to, and the name of the one that it leaves.

    current: what the parameter names, empty while it names none. asked: the release to go back to, or empty. Unasked, a deployment that
    was ended on its way leads to what the parameter still names, everything else to what had served before that. ReleaseError when there
    is none, or the one that was asked for is unknown, bad, or never served.
    """
    releases = list(known)
    since = max((served(release) for release in releases if release["release"] == current), default="")
    # One that was killed and has been overtaken by another since is not under way any more.
    under_way = sorted(
        (release for release in releases if release["verdict"] == "deploying" and last_event(release) > since), key=last_event
    )
    left = under_way[-1]["release"] if under_way else current
    if asked:
        found = [release for release in releases if release["release"] == name_of(asked)]
        if not found:
            raise ReleaseError(f"there is no release {name_of(asked)}: playbooks/show_releases.yml lists those that there are.")
        refuse_bad(found[0])
        if not served(found[0]):
            raise ReleaseError(
                f"release {name_of(asked)} never served here, so there is no way back to it: playbooks/deploy_release.yml deploys it."
            )
    else:
        before = [release for release in releases if release["verdict"] == "good" and release["release"] != left]
        found = [release for release in before if release["release"] == current] or sorted(before, key=served, reverse=True)
        if not found:
            raise ReleaseError(
                f"there is no release to go back to: besides {left or 'that of the image'}, none that served is known as good. "
                "playbooks/show_releases.yml lists what there is."
            )
    refuse_contracted(found[0], releases)
    return found[0], left


def served(release: Release) -> str:
    """When it was last found to serve; empty when never."""
    return max((entry["at"] for entry in release["events"] if entry["what"] == "deployed"), default="")


def table(releases: Iterable[Release]) -> list[str]:
    """Releases as a table for people, one text a row, the first the heading."""
    rows = [_COLUMNS, *(_row(release) for release in releases)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _row(release: Release) -> tuple[str, ...]:
    last = release["events"][-1] if release["events"] else {"what": "-", "at": "-", "by": "-", "why": ""}
    cells = (
        release["release"],
        release["verdict"],
        release["built"],
        release["author"],
        release["commit"][:NAME_LENGTH],
        last["what"],
        last["at"][:19],
        last["by"],
        last["why"] or "-",
    )
    return tuple(cell if len(cell) <= _WIDEST else f"{cell[: _WIDEST - 3]}..." for cell in cells)

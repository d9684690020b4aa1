# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lease of an environment: whoever holds it may write, everybody else may only look.

One item of a DynamoDB table per environment. Every change of it is one conditional write, so DynamoDB decides between two writers. The
item stays when the lease is released: its token, a number that grows with each acquisition, tells a holder from all who came before it.
Times are those of DynamoDB's own clock (`ServerClock`), the same for all machines whatever their own clocks say.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

with suppress(ImportError):  # whoever makes the client reports the missing library
    from botocore.exceptions import ClientError

TERM_SECONDS = 90
"""How long a lease lasts after its last renewal: so long nobody can write when the holder's machine died."""
KEY = "environment"


@dataclass(frozen=True)
class Claim:
    """Who wants the lease: the run, its person or job and machine, the commit, and why."""

    run_id: str
    who: str
    commit: str
    reason: str


@dataclass(frozen=True)
class Holder(Claim):
    """Who has the lease. Times are seconds since 1970; the token grows with each acquisition."""

    since: int
    expires: int
    token: int


@dataclass(frozen=True)
class Acquired:
    """A lease that was got, and the dead run that it was taken from, if it was."""

    holder: Holder
    expired: Holder | None


class LeaseError(Exception):
    """The lease cannot be used at all; the text says why and what to do."""


class HeldError(LeaseError):
    """Somebody else holds the lease."""

    def __init__(self, environment: str, holder: Holder) -> None:
        super().__init__(f"{environment} is being changed by another run: {holder.run_id} of {holder.who}.")
        self.holder = holder


class LostError(LeaseError):
    """The lease that was held is another's, or nobody's, by now."""


class ServerClock:
    """Seconds since 1970 by the clock of the service that a client talks to, as its last answer gave it; ours before the first answer."""

    def __init__(self, client: Any) -> None:
        self._ahead = 0.0
        client.meta.events.register("after-call", self._learn)

    def __call__(self) -> float:
        return time.time() + self._ahead

    def _learn(self, http_response: Any, **_details: Any) -> None:
        date = http_response.headers.get("Date")
        if date:
            self._ahead = parsedate_to_datetime(date).timestamp() - time.time()


class LeaseTable:
    """The leases of all environments of an account; `clock` gives seconds since 1970, the same for all who use the table."""

    def __init__(self, client: Any, table: str, clock: Callable[[], float]) -> None:
        self._client = client
        self._table = table
        self._clock = clock

    def holder(self, environment: str) -> Holder | None:
        """Whoever has the lease, also when it has expired; None when it is free. LeaseError when there is no table."""
        try:
            answer = self._client.get_item(TableName=self._table, Key={KEY: {"S": environment}}, ConsistentRead=True)
        except ClientError as error:
            if error.response["Error"]["Code"] == "ResourceNotFoundException":
                raise LeaseError(f"There is no lease table {self._table}: run playbooks/begin_run.yml, which makes it.") from error
            raise
        return _holder(answer.get("Item", {}))

    def acquire(self, environment: str, claim: Claim) -> Acquired:
        """Take the lease when it is free or has expired; HeldError names the holder otherwise.

        May be repeated when it failed: it may have been taken all the same, by a call whose answer was lost.
        """
        before = self.holder(environment)  # also tells the clock what time it is
        now = int(self._clock())
        if before and before.expires >= now:
            if before.run_id == claim.run_id:
                return Acquired(before, None)
            raise HeldError(environment, before)
        values = {**asdict(claim), "since": now, "expires": now + TERM_SECONDS}
        try:
            answer = self._update(
                environment,
                f"SET {', '.join(f'#{name} = :{name}' for name in values)} ADD #token :one",
                "attribute_not_exists(#run_id) OR #expires < :since",
                {**values, "one": 1},
            )
        except LostError:
            rival = self.holder(environment)
            if rival is None:
                raise LeaseError(f"The lease of {environment} was taken and released by another run in this moment: try again.") from None
            if rival.run_id == claim.run_id:
                return Acquired(rival, before)
            raise HeldError(environment, rival) from None
        holder = _holder(answer["Attributes"])
        if holder is None:
            raise LeaseError(f"DynamoDB confirmed the lease of {environment} without saying whose it is.")
        return Acquired(holder, before)

    def renew(self, environment: str, holder: Holder) -> None:
        """Put the end of the lease off; LostError when it is not the holder's any more."""
        values: dict[str, str | int] = {"run_id": holder.run_id, "token": holder.token, "expires": int(self._clock()) + TERM_SECONDS}
        self._update(environment, "SET #expires = :expires", "#run_id = :run_id AND #token = :token", values)

    def release(self, environment: str, holder: Holder) -> None:
        """Free the lease; LostError when it is not the holder's any more. The token stays, so that it goes on growing."""
        names = [field.name for field in fields(Holder) if field.name != "token"]
        values: dict[str, str | int] = {"run_id": holder.run_id, "token": holder.token}
        self._update(environment, f"REMOVE {', '.join(f'#{name}' for name in names)}", "#run_id = :run_id AND #token = :token", values)

    def _update(self, environment: str, change: str, condition: str, values: Mapping[str, str | int]) -> Any:
        """One conditional write; LostError when its condition does not hold."""
        try:
            return self._client.update_item(
                TableName=self._table,
                Key={KEY: {"S": environment}},
                UpdateExpression=change,
                ConditionExpression=condition,
                ExpressionAttributeNames={f"#{name}": name for name in re.findall(r"#(\w+)", change + condition)},
                ExpressionAttributeValues={
                    f":{name}": {"N": str(value)} if isinstance(value, int) else {"S": value} for name, value in values.items()
                },
                ReturnValues="ALL_NEW",
            )
        except ClientError as error:
            if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
                raise LostError(f"The lease of {environment} is not this run's any more.") from error
            raise


def _holder(item: Mapping[str, Mapping[str, str]]) -> Holder | None:
    if "run_id" not in item:
        return None
    texts = {name: next(iter(value.values())) for name, value in item.items()}
    return Holder(
        run_id=texts["run_id"],
        who=texts["who"],
        commit=texts["commit"],
        reason=texts["reason"],
        since=int(texts["since"]),
        expires=int(texts["expires"]),
        token=int(texts["token"]),
    )


def moment(seconds: float) -> str:
    """A time as people read it, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def describe(holder: Holder, now: float) -> str:
    """Who holds a lease, since when and until when, one fact a line."""
    minutes, seconds = divmod(max(0, int(now) - holder.since), 60)
    left = holder.expires - int(now)
    expiry = f"in {left} s unless renewed" if left >= 0 else f"{-left} s ago"
    return "\n".join(
        [
            f"  who:     {holder.who}",
            f"  since:   {moment(holder.since)} ({minutes} min {seconds} s ago)",
            f"  commit:  {holder.commit or 'unknown'}",
            f"  reason:  {holder.reason}",
            f"  run:     {holder.run_id}",
            f"  expires: {moment(holder.expires)} ({expiry})",
        ]
    )

# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run and its keeper say to one another, over a Unix socket in the run's temporary directory, as one JSON object a line.

The run says, with any of these keys in one message:

    set    keys of the record to be replaced
    add    keys of the record, each a list, to be appended to
    plan   the plan that was made under the lease, as plan_report.to_json gives it; kept in the bucket, its digest in the record
    hello  answered with `run_id` and `token`
    end    the run's result, in the words of run_history; answered with `record`, `place` (where that lies) and `problems` when the record
           is written and the lease is free. The keeper ends after it.

`problems` is a list of sentences on what could not be written. Without being asked the keeper says `stop`, with the reason for which it
ends the run, and `over` when another of its clients has ended the record.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

SOCKET_NAME = "run_keeper.sock"


@dataclass(frozen=True)
class Settings:
    """What a keeper is started with: the run's environment variables, the region and names of what it writes to, the record so far."""

    variables: dict[str, str]
    region: str
    lease_table: str
    runs_table: str
    bucket: str
    record: dict[str, Any]


@dataclass(frozen=True)
class Begun:
    """What came of starting a keeper.

    held: who holds the lease, if somebody does. problem: why else there is none. Otherwise the fencing token, and the dead run from which
    the lease was taken, if it was, as lease.Holder has it.
    """

    token: int = 0
    expired: dict[str, Any] | None = None
    held: str = ""
    problem: str = ""

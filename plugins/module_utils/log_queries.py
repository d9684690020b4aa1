# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Saved queries of CloudWatch Logs Insights."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def queries(client: Any) -> Iterator[dict[str, Any]]:
    """Every saved query of the region; botocore cannot page through them."""
    answer = client.describe_query_definitions()
    yield from answer["queryDefinitions"]
    while answer.get("nextToken"):
        answer = client.describe_query_definitions(nextToken=answer["nextToken"])
        yield from answer["queryDefinitions"]

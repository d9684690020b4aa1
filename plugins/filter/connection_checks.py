# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Turn the table of flows into connections that can be tried from one host."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

Row = Mapping[str, str]


def connection_checks(  # noqa: PLR0917  # a filter takes the options that its documentation names
    flows: Iterable[Row],
    sources: Iterable[str],
    endpoints: Iterable[Row],
    listening: Mapping[str, Iterable[str]],
    ports: Mapping[str, int],
    refused: Iterable[Row] = (),
    own_address: str = "",
) -> list[dict[str, Any]]:
    """Every connection from a host of the source groups to every port that the endpoints' groups listen on.

    A connection is expected to be open when a flow allows it, and blocked otherwise; those in `refused` are expected to be blocked
    whatever the flows say. Raises AnsibleFilterError for a group or a port that the tables do not know.
    """
    groups = list(sources)
    allowed = {(flow["destination"], flow["port"]) for flow in flows if flow["source"] in groups}
    allowed -= {(row["destination"], row["port"]) for row in refused if row["source"] in groups}
    checks = []
    for endpoint in endpoints:
        group, host = endpoint["group"], endpoint["host"]
        if host == own_address:
            continue
        if group not in listening:
            raise AnsibleFilterError(f"The group {group} of {endpoint['name']} is not among the listening ones: {', '.join(listening)}.")
        for port in listening[group]:
            if port not in ports:
                raise AnsibleFilterError(f"{group} listens on {port}, which is no name among the ports: {', '.join(ports)}.")
            checks.append(
                {
                    "name": f"{groups[0]} -> {group}:{port} on {endpoint['name']}",
                    "host": host,
                    "port": int(ports[port]),
                    "expected": "open" if (group, port) in allowed else "blocked",
                }
            )
    return checks


class FilterModule:
    """Makes connection_checks a filter."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"connection_checks": connection_checks}

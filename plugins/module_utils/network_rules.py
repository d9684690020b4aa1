# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What rules of security groups and entries of network ACLs have in common: a protocol and its ports."""

from __future__ import annotations

from typing import Any, NamedTuple

PORTS = range(65536)
ALL = "all"
ANY = -1  # type or code of ICMP
DENIALS = range(1, 20)
"""Numbers of a network ACL's entries that refuse blocked addresses: before all that is declared, and as many as AWS takes at most."""

OPTIONS: dict[str, Any] = {
    "protocol": {"choices": ["tcp", "udp", "icmp", "icmpv6", ALL], "default": "tcp"},
    "from_port": {"type": "int"},
    "to_port": {"type": "int"},
}
REQUIRED_IF = [("protocol", protocol, ["from_port"]) for protocol in ("tcp", "udp")]


class Traffic(NamedTuple):
    """A protocol and its ports, or the type and the code of ICMP; its text tells it from any other."""

    protocol: str
    first: int | None
    last: int | None

    def __str__(self) -> str:
        if self.first is None or self[1:] == (ANY, ANY):
            return self.protocol
        return f"{self.protocol}/{self.first}" if self.first == self.last else f"{self.protocol}/{self.first}-{self.last}"


def traffic(protocol: str, from_port: int | None, to_port: int | None) -> Traffic:
    """What is declared by the options, with what they leave out; ValueError for what is none."""
    if protocol == ALL:
        if (from_port, to_port) != (None, None):
            raise ValueError(f"{ALL} has ports. Leave them out, or name the protocol.")
        return Traffic(protocol, None, None)
    if protocol.startswith("icmp"):
        return Traffic(protocol, ANY if from_port is None else from_port, ANY if to_port is None else to_port)
    first = from_port or 0  # that there is one, REQUIRED_IF sees to
    last = first if to_port is None else to_port
    found = Traffic(protocol, first, last)
    if first not in PORTS or last not in PORTS or first > last:
        raise ValueError(f"{found} has ports that are none: they go from {PORTS[0]} to {PORTS[-1]}, and from_port is not the greater one.")
    return found


def is_denial(entry: dict[str, Any]) -> bool:
    """Whether an entry of a network ACL, as AWS takes it, refuses a blocked address; it is nobody's declaration then."""
    return entry["RuleNumber"] in DENIALS and (entry["RuleAction"], entry["Protocol"]) == ("deny", "-1")

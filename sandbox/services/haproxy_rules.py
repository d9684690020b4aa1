# SPDX-License-Identifier: GPL-3.0-or-later
"""Conditions and actions of listener rules in HAProxy's language.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/listener-rules.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Place:
    """Where an action stands: its listener's protocol and port, and the file that holds the body of its fixed response."""

    protocol: str
    port: int
    body_file: str


# --- conditions --------------------------------------------------------------------------------------------------------------------


def conditions(declared: Iterable[Mapping[str, Any]]) -> str:
    """Conditions of a rule, all of which must hold; of each one's values one must match."""
    return "".join(f" {{ {_condition(condition)} }}" for condition in declared)


def _condition(condition: Mapping[str, Any]) -> str:
    match condition["Field"]:
        case "path-pattern":
            return f"path -m reg {_patterns(_values(condition, 'PathPatternConfig'))}"
        case "host-header":
            return f"req.hdr(host),host_only -m reg -i {_patterns(_values(condition, 'HostHeaderConfig'))}"
        case "http-header":
            header = condition["HttpHeaderConfig"]
            return f"req.fhdr({header['HttpHeaderName']}) -m reg -i {_patterns(header['Values'])}"
        case "http-request-method":
            return f"method {' '.join(condition['HttpRequestMethodConfig']['Values'])}"
        case "source-ip":
            return f"src {' '.join(condition['SourceIpConfig']['Values'])}"
        case "query-string":
            return f"query -m reg -i {' '.join(map(_query_pattern, condition['QueryStringConfig']['Values']))}"
        case other:
            raise ValueError(f"the sandbox's load balancer knows no condition {other!r}")


def _values(condition: Mapping[str, Any], config: str) -> list[str]:
    """The values of a condition in its short or its long form."""
    return condition.get(config, {}).get("Values") or condition.get("Values", [])


def _query_pattern(pair: Mapping[str, str]) -> str:
    key = wildcard(pair["Key"]) if pair.get("Key") else "[^=&]*"
    return f"'(^|&){key}={wildcard(pair['Value'])}(&|$)'"


def _patterns(values: Iterable[str]) -> str:
    return " ".join(f"'^{wildcard(value)}$'" for value in values)


def wildcard(pattern: str) -> str:
    """Regular expression of an AWS pattern (* any characters, ? one), without characters that HAProxy's parser would touch."""
    translated = {"*": ".*", "?": "."}
    return "".join(
        translated.get(char) or (char if (char.isalnum() and char.isascii()) or char in "/_-" else _escaped(char)) for char in pattern
    )


def _escaped(char: str) -> str:
    return "".join(f"\\x{byte:02X}" for byte in char.encode())


# --- actions -----------------------------------------------------------------------------------------------------------------------


def forward(action: Mapping[str, Any], names: Mapping[str, str]) -> tuple[int, list[tuple[str, str]]]:
    """(range to draw from, (backend, further condition) in order); the range is 0 when there is nothing to draw."""
    weighted = action.get("ForwardConfig", {}).get("TargetGroups") or [{"TargetGroupArn": action["TargetGroupArn"], "Weight": 1}]
    shares = [(names[share["TargetGroupArn"]], int(share.get("Weight", 1))) for share in weighted]
    shares = [(name, weight) for name, weight in shares if weight] or shares[:1]
    if len(shares) == 1:
        return 0, [(shares[0][0], "")]
    limits = [sum(weight for _, weight in shares[: index + 1]) for index in range(len(shares))]
    return limits[-1], [(name, f" {{ var(txn.draw) -m int lt {limit} }}") for (name, _), limit in zip(shares, limits, strict=True)]


def answer(action: Mapping[str, Any], place: Place, chosen: str) -> list[str]:
    """Lines of an action that the load balancer answers itself, under the condition that its rule was chosen."""
    if action["Type"] == "redirect":
        return _redirect(place, action["RedirectConfig"], chosen)
    if action["Type"] == "fixed-response":
        response = action["FixedResponseConfig"]
        content = f"content-type {response.get('ContentType') or 'text/plain'} file {place.body_file}"
        return [f"http-request return status {response['StatusCode']} {content} {chosen}"]
    return [f'http-request return status 501 content-type text/plain string "The sandbox has no action {action["Type"]}" {chosen}']


def _redirect(place: Place, redirect: Mapping[str, str], chosen: str) -> list[str]:
    """https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_RedirectActionConfig.html"""
    parts = {
        "#{protocol}": place.protocol.lower(),
        "#{host}": "%[req.hdr(host),host_only]",
        "#{port}": str(place.port),
        "#{path}": "%[path,regsub(^/,)]",
        "#{query}": "%[query]",
    }

    def filled(name: str, default: str) -> str:
        text = redirect.get(name) or default
        literal = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
        return re.sub(r"#\{\w+\}", lambda match: parts.get(match[0], match[0]), literal)

    scheme = filled("Protocol", "#{protocol}").lower()
    base = f"{scheme}://{filled('Host', '#{host}')}:{filled('Port', '#{port}')}{filled('Path', '/#{path}')}"
    code = redirect.get("StatusCode", "HTTP_302").removeprefix("HTTP_")
    query = redirect.get("Query", "#{query}")
    # A question mark only before a query: the original one may be empty.
    given = " { query -m len gt 0 }" if query == "#{query}" else ""
    noted = [f'http-request set-var-fmt(txn.query) "?{filled("Query", query)}" {chosen}{given}'] if query else []
    return [*noted, f'http-request redirect code {code} location "{base}%[var(txn.query)]" {chosen}']

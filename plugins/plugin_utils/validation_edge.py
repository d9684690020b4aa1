# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Faults of the edge that AWS would only tell half way through a run: names, certificates, origins, rules, countries, paths.

Values are taken as they come; a variable of the wrong type is somebody else's finding and is passed over here.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from ansible_collections.indivillage.infra.plugins.plugin_utils.validation_problems import Problem

CLOUDFRONT_REGION = "us-east-1"
MOST_ORIGINS = 2
RESERVED_ORIGINS = {"failover", "pages", "assets"}
RATES = range(10, 2_000_000_001)
FAILURES = range(1, 11)
TTLS = range(0, 2_147_483_648)
# https://docs.aws.amazon.com/waf/latest/developerguide/aws-managed-rule-groups-list.html
MANAGED_GROUPS = frozenset(
    f"AWSManagedRules{name}"
    for name in (
        *("CommonRuleSet", "AdminProtectionRuleSet", "KnownBadInputsRuleSet", "SQLiRuleSet", "LinuxRuleSet", "UnixRuleSet"),
        *("WindowsRuleSet", "PHPRuleSet", "WordPressRuleSet", "AmazonIpReputationList", "AnonymousIpList", "BotControlRuleSet"),
        *("ATPRuleSet", "ACFPRuleSet", "AntiDDoSRuleSet"),
    )
)
# https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/HTTPStatusCodes.html
ERRORS = frozenset({400, 403, 404, 405, 414, 416, 500, 501, 502, 503, 504})
# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
RETENTIONS = frozenset({1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653})
# ISO 3166-1: first letters with their second ones.
COUNTRIES = frozenset(
    first + second
    for first, seconds in re.findall(
        r"(\w):(\w+)",
        "A:DEFGILMOQRSTUWXZ B:ABDEFGHIJLMNOQRSTVWYZ C:ACDFGHIKLMNORUVWXYZ D:EJKMOZ E:CEGHRST F:IJKMOR G:ABDEFGHILMNPQRSTUWY H:KMNRTU "
        "I:DELMNOQRST J:EMOP K:EGHIMNPRWYZ L:ABCIKRSTUVY M:ACDEFGHKLMNOPQRSTUVWXYZ N:ACEFGILOPRUZ O:M P:AEFGHKLMNRSTWY Q:A R:EOSUW "
        "S:ABCDEGHIJKLMNORSTVXYZ T:CDFGHJKLMNORTVWZ U:AGMSYZ V:ACEGINU W:FS Y:ET Z:AMW",
    )
    for second in seconds
)


def edge_problems(values: Mapping[str, Any], layers: Collection[str]) -> Iterator[Problem]:
    """Yield what is wrong with the edge of a stack.

    values: the stack's variables. layers: its roles, which tell whether the domain has a zone.
    """
    if "aws_load_balancing" in layers:
        yield from _certificate_problems(values, zone="aws_edge" in layers)
    if "aws_edge" not in layers:
        return
    yield from _region_problems(values)
    yield from _name_problems(values)
    yield from _origin_problems(values)
    yield from _rule_problems(values)
    yield from _country_problems(values)
    yield from _path_problems(values)
    yield from _number_problems(values)
    yield from _header_problems(values)
    yield from _price_problems(values)


def _texts(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _entries(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _twice(items: list[Any]) -> list[Any]:
    return [item for item, count in Counter(item for item in items if isinstance(item, str | int)).items() if count > 1]


def _domain(values: Mapping[str, Any]) -> str:
    return str(values.get("aws_edge_domain") or values.get("domain_name") or "")


def _certificate_problems(values: Mapping[str, Any], zone: bool) -> Iterator[Problem]:
    variable, domain = "aws_load_balancing_certificates", _domain(values)
    given = values.get(variable)
    if given is None and not zone:
        yield Problem(
            variable,
            "is not set, and nothing proves to ACM whose the domain is: the stack has no aws_edge.",
            "Give certificates by arn or by files, or take aws_edge out of stack_without.",
        )
    for name, certificate in given.items() if isinstance(given, Mapping) else ():
        names = _texts(certificate.get("domain_names")) if isinstance(certificate, Mapping) else []
        if names and not zone:
            yield Problem(
                variable,
                f"requests a certificate for {name}, and nothing proves to ACM whose the domain is.",
                "Take aws_edge out of stack_without.",
            )
        for other in names:
            if other.removeprefix("*.") != domain:
                yield Problem(
                    variable,
                    f"requests {other} for {name}, for which the zone of {domain} has no proof.",
                    f"Request {domain} and *.{domain}, which covers every name in it.",
                )


def _region_problems(values: Mapping[str, Any]) -> Iterator[Problem]:
    region = values.get("primary_region")
    if isinstance(region, str) and region != CLOUDFRONT_REGION:
        yield Problem(
            "stack_parts",
            f"has aws_edge, and the primary region is {region}; CloudFront is managed in {CLOUDFRONT_REGION}.",
            f"Let primary_region be {CLOUDFRONT_REGION}, or leave aws_edge out.",
        )


def _name_problems(values: Mapping[str, Any]) -> Iterator[Problem]:
    variable, domain = "aws_edge_site_names", _domain(values)
    names = _texts(values.get(variable))
    for name in names:
        before = name.removesuffix(domain)
        if name != domain and (before == name or not before.endswith(".")):
            yield Problem(variable, f"has {name}, which is not in the zone {domain}.", f"Use {domain}, or one word and it: www.{domain}.")
        elif name != domain and before.rstrip(".") == domain.partition(".")[0]:
            yield Problem(variable, f"has {name}, which says {before.rstrip('.')} twice.", f"Use {domain}.")
        elif name != domain and not re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?\.", before):
            yield Problem(variable, f"has {name}, which the certificate for *.{domain} does not cover.", f"Use one word before {domain}.")
    yield from (Problem(variable, f"has {name} twice.", "Keep one of them.") for name in _twice(names))


def _origin_problems(values: Mapping[str, Any]) -> Iterator[Problem]:
    variable, origins = "aws_edge_origins", _entries(values.get("aws_edge_origins"))
    if isinstance(values.get(variable), list) and not 0 < len(origins) <= MOST_ORIGINS:
        yield Problem(variable, f"has {len(origins)} entries.", "Name one origin, or two, of which the second takes over from the first.")
    for key in ("name", "region"):
        for value in _twice([origin.get(key) for origin in origins]):
            yield Problem(variable, f"has two origins whose {key} is {value!r}.", f"Each origin needs a {key} of its own.")
    regions = [values.get("primary_region"), values.get("dr_region")]
    for origin in origins:
        name, region = origin.get("name"), origin.get("region")
        if isinstance(name, str) and (not re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", name) or name in RESERVED_ORIGINS):
            reserved = ", ".join(sorted(RESERVED_ORIGINS))
            yield Problem(variable, f"calls an origin {name!r}.", f"Use lower-case letters, digits and hyphens, and none of {reserved}.")
        if isinstance(region, str) and region not in regions:
            yield Problem(variable, f"has the origin {name} in {region}, where no stack is.", "Use primary_region or dr_region.")


def _rule_problems(values: Mapping[str, Any]) -> Iterator[Problem]:
    variable, rules = "aws_edge_firewall_rules", _entries(values.get("aws_edge_firewall_rules"))
    for key in ("name", "priority"):
        for value in _twice([rule.get(key) for rule in rules]):
            yield Problem(variable, f"has two rules whose {key} is {value!r}.", f"Each rule needs a {key} of its own.")
    for rule in rules:
        name, group, rate = rule.get("name"), rule.get("managed_group"), rule.get("rate_limit")
        if (group is None) == (rate is None):
            what = "neither managed_group nor rate_limit" if group is None else "both managed_group and rate_limit"
            yield Problem(variable, f"has {what} in the rule {name}.", "A rule has one of them.")
        if isinstance(group, str) and group not in MANAGED_GROUPS:
            close = difflib.get_close_matches(group, MANAGED_GROUPS, n=1)
            hint = f"Did you mean {close[0]}?" if close else f"AWS's groups are: {', '.join(sorted(MANAGED_GROUPS))}."
            yield Problem(variable, f"names the group {group!r} in the rule {name}, which AWS does not have.", hint)
        if isinstance(rate, int) and rate not in RATES:
            yield Problem(variable, f"limits {name} to {rate} requests.", f"AWS takes {RATES[0]} to {RATES[-1]}.")
        if rate is not None and rule.get("counted_rules"):
            yield Problem(
                variable, f"has counted_rules in the rule {name}, which counts requests itself.", "Only a managed_group has rules."
            )


def _country_problems(values: Mapping[str, Any]) -> Iterator[Problem]:
    allowed, denied = (_texts(values.get(f"aws_edge_{kind}_countries")) for kind in ("allowed", "denied"))
    if allowed and denied:
        yield Problem(
            "aws_edge_denied_countries", "is set together with aws_edge_allowed_countries.", "CloudFront knows one list of the two."
        )
    for kind, countries in (("allowed", allowed), ("denied", denied)):
        for country in countries:
            if country not in COUNTRIES:
                hint = (
                    f"Write {country.upper()}."
                    if country.upper() in COUNTRIES
                    else "Use the two capital letters of ISO 3166-1, such as IN."
                )
                yield Problem(f"aws_edge_{kind}_countries", f"has {country!r}, which is no country.", hint)


def _path_problems(values: Mapping[str, Any]) -> Iterator[Problem]:
    variable, paths = "aws_edge_paths", [str(entry.get("path")) for entry in _entries(values.get("aws_edge_paths"))]
    yield from (Problem(variable, f"has {path} twice.", "Keep one of them.") for path in _twice(paths))
    for number, path in enumerate(paths):
        if not path.startswith("/"):
            yield Problem(variable, f"has the path {path!r}.", "A path begins with /.")
        for earlier in paths[:number]:
            if earlier != path and earlier.endswith("*") and path.startswith(earlier[:-1]):
                yield Problem(variable, f"has {path} behind {earlier}, which fits first.", f"Write {path} before {earlier}.")
    health = values.get("aws_edge_health_path")
    if isinstance(health, str) and not health.startswith("/"):
        yield Problem("aws_edge_health_path", f"is {health!r}.", "A path begins with /.")


def _number_problems(values: Mapping[str, Any]) -> Iterator[Problem]:
    for variable, fit, words in (
        ("aws_edge_health_failures", FAILURES, "1 to 10"),
        ("aws_edge_validation_ttl_seconds", TTLS, f"0 to {TTLS[-1]}"),
        ("aws_edge_authority_ttl_seconds", TTLS, f"0 to {TTLS[-1]}"),
        ("aws_edge_hsts_seconds", TTLS, f"0 to {TTLS[-1]}"),
        ("aws_edge_firewall_log_retention_days", RETENTIONS, ", ".join(map(str, sorted(RETENTIONS)))),
    ):
        number = values.get(variable)
        if isinstance(number, int) and number not in fit:
            yield Problem(variable, f"is {number}.", f"AWS takes {words}.")
    errors = values.get("aws_edge_error_seconds")
    for code in errors if isinstance(errors, Mapping) else ():
        if not str(code).isdigit() or int(code) not in ERRORS:
            yield Problem("aws_edge_error_seconds", f"has the status {code}.", f"CloudFront takes {', '.join(map(str, sorted(ERRORS)))}.")


def _price_problems(values: Mapping[str, Any]) -> Iterator[Problem]:
    if values.get("aws_edge_shield_advanced_price_accepted") is True and values.get("aws_edge_shield_advanced") is not True:
        yield Problem(
            "aws_edge_shield_advanced_price_accepted",
            "accepts the price of Shield Advanced, which is off.",
            "Set aws_edge_shield_advanced to true as well (3000 USD a month, for a year), or remove the line.",
        )


def _header_problems(values: Mapping[str, Any]) -> Iterator[Problem]:
    header = values.get("aws_edge_origin_header")
    if isinstance(header, str) and (not re.fullmatch(r"[A-Za-z0-9-]+", header) or header.lower().startswith(("x-amz-", "x-edge-", "host"))):
        yield Problem(
            "aws_edge_origin_header", f"is {header!r}, which CloudFront does not add.", "Use a name of your own, such as X-Origin-Verify."
        )

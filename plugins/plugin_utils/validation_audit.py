# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Faults in what watches an account: what AWS would refuse, and what would look like a watch and be none.

Values are taken as they come; a variable of the wrong type is somebody else's finding and is passed over here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.indivillage.infra.plugins.plugin_utils.validation_account import entries, repeated
from ansible_collections.indivillage.infra.plugins.plugin_utils.validation_problems import Problem

FEATURES = (
    *("EBS_MALWARE_PROTECTION", "EKS_AUDIT_LOGS", "EKS_RUNTIME_MONITORING", "LAMBDA_NETWORK_LOGS", "RDS_LOGIN_EVENTS"),
    *("RUNTIME_MONITORING", "S3_DATA_EVENTS", "AI_PROTECTION", "AI_ANALYST"),
)
STANDARDS = (
    "aws-foundational-security-best-practices/v/1.0.0",
    "aws-resource-tagging-standard/v/1.0.0",
    "cis-aws-foundations-benchmark/v/1.4.0",
    "cis-aws-foundations-benchmark/v/3.0.0",
    "nist-800-171/v/2.0.0",
    "nist-800-53/v/5.0.0",
    "pci-dss/v/3.2.1",
    "pci-dss/v/4.0.1",
)
NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,80}")
IDENTIFIER = re.compile(r"[A-Z][A-Z0-9_]*")
LEAST_TRAIL_DAYS = 90  # what most questions after an incident reach back to
LOG_DAYS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096),
    *(1827, 2192, 2557, 2922, 3288, 3653),
)


def audit_problems(values: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what is wrong with the watch of a stack. values: the stack's variables with the roles' defaults."""
    services = values.get("aws_audit_services")
    services = [service for service in services if isinstance(service, str)] if isinstance(services, list) else []
    for name in repeated(iter(services)):
        yield Problem("aws_audit_services", f"names {name!r} twice.", "Keep one of them.")
    if values.get("stack_kind") == "global":
        return
    buckets = {str(bucket["name"]): bucket for bucket in entries(values.get("aws_storage_buckets"))}
    if services:
        yield from _bucket_problems(values.get("aws_audit_bucket"), buckets)
    if "guardduty" in services:
        yield from _feature_problems(values.get("aws_audit_detector_features"))
    if "inspector" in services:
        yield from _scan_problems(values.get("aws_audit_scanned"))
    if "security_hub" in services:
        yield from _standard_problems(values.get("aws_audit_standards"), services)
    if "config" in services:
        yield from _rule_problems(values)
    if "cloudtrail" in services and values.get("stack_kind") == "primary":
        yield from _trail_problems(values, buckets)


def _bucket_problems(wanted: Any, buckets: Mapping[str, Mapping[str, Any]]) -> Iterator[Problem]:
    if not isinstance(wanted, str) or not buckets:
        return
    if wanted not in buckets:
        yield Problem(
            "aws_audit_bucket", f"names {wanted!r}, which is no bucket of this stack.", f"Buckets are: {', '.join(sorted(buckets))}."
        )
    elif not buckets[wanted].get("receives_logs"):
        yield Problem("aws_audit_bucket", f"names {wanted!r}, whose policy lets nobody deliver.", "Name the bucket that has receives_logs.")


def _trail_problems(values: Mapping[str, Any], buckets: Mapping[str, Mapping[str, Any]]) -> Iterator[Problem]:
    yield from _retention_problems(values.get("aws_audit_trail_retention_days"), buckets.get(str(values.get("aws_audit_bucket")), {}))
    wanted = values.get("aws_audit_trail_data_buckets")
    for name in wanted if isinstance(wanted, list) and buckets else []:
        if str(name) not in buckets:
            text = f"names {name!r}, which is no bucket of this stack."
            yield Problem("aws_audit_trail_data_buckets", text, f"Buckets are: {', '.join(sorted(buckets))}.")
        elif buckets[str(name)].get("receives_logs"):
            text = f"names {name!r}, to which the trail delivers: each delivery would be an event of its own."
            yield Problem("aws_audit_trail_data_buckets", text, "Leave it out.")
    keys = values.get("aws_keys_keys")
    for variable, ability, what in (
        ("aws_audit_trail_key", "encrypts_trails", "CloudTrail"),
        ("aws_audit_log_key", "encrypts_log_groups", "CloudWatch"),
    ):
        yield from _key_problems(variable, values.get(variable), keys if isinstance(keys, list) else [], ability, what)


def _rule_problems(values: Mapping[str, Any]) -> Iterator[Problem]:
    rules, packs = entries(values.get("aws_audit_rules")), entries(values.get("aws_audit_packs"))
    yield from _named("aws_audit_rules", "rule", rules)
    yield from _named("aws_audit_packs", "pack", packs)
    for pack in packs:
        inner = entries(pack.get("rules"))
        if not inner:
            yield Problem("aws_audit_packs", f"has the pack {pack['name']!r} without a rule.", "Give it rules, or remove it.")
        yield from _named("aws_audit_packs", f"rule of {pack['name']}", inner)


def _named(variable: str, kind: str, items: list[Mapping[str, Any]]) -> Iterator[Problem]:
    for name in repeated(str(item["name"]) for item in items):
        yield Problem(variable, f"has two entries called {name!r} ({kind}).", "Give each a name of its own.")
    for item in items:
        name, identifier = str(item["name"]), item.get("identifier")
        if not NAME.fullmatch(name):
            yield Problem(variable, f"calls a {kind} {name!r}.", "Use letters, digits and hyphens; begin with a letter.")
        if isinstance(identifier, str) and not IDENTIFIER.fullmatch(identifier):
            fix = "AWS writes identifiers in capitals, such as ENCRYPTED_VOLUMES."
            yield Problem(variable, f"gives {name!r} the identifier {identifier!r}.", fix)
        parameters = item.get("parameters")
        wrong = (
            sorted(str(key) for key, value in parameters.items() if not isinstance(value, str)) if isinstance(parameters, Mapping) else []
        )
        if wrong:
            yield Problem(
                variable, f"gives {name!r} parameters that are no texts: {', '.join(wrong)}.", 'Write them in quotes, such as "90".'
            )


def _feature_problems(features: Any) -> Iterator[Problem]:
    variable = "aws_audit_detector_features"
    for name, value in features.items() if isinstance(features, Mapping) else ():
        if name not in FEATURES:
            yield Problem(variable, f"names {name!r}, which is no feature of GuardDuty.", f"Features are: {', '.join(FEATURES)}.")
        if not isinstance(value, bool):
            yield Problem(variable, f"gives {name!r} the value {value!r}.", "Write true or false.")


def _standard_problems(standards: Any, services: list[str]) -> Iterator[Problem]:
    if "config" not in services:
        fix = "Add config, or take security_hub off."
        yield Problem("aws_audit_services", "names security_hub without config, whose rules it judges by.", fix)
    if not isinstance(standards, list):
        return
    if not standards:
        yield Problem("aws_audit_standards", "is empty, so Security Hub would judge nothing.", "Name a standard, or take security_hub off.")
    for name in repeated(str(standard) for standard in standards):
        yield Problem("aws_audit_standards", f"names {name!r} twice.", "Keep one of them.")
    for standard in standards:
        if str(standard) not in STANDARDS:
            fix = f"Standards are: {', '.join(STANDARDS)}."
            yield Problem("aws_audit_standards", f"names {standard!r}, which is no standard of Security Hub.", fix)


def _scan_problems(scanned: Any) -> Iterator[Problem]:
    if not isinstance(scanned, list):
        return
    if not scanned:
        yield Problem("aws_audit_scanned", "is empty, so Inspector would scan nothing.", "Name a type, or take inspector off.")
    if "LAMBDA_CODE" in scanned and "LAMBDA" not in scanned:
        yield Problem("aws_audit_scanned", "names LAMBDA_CODE without LAMBDA.", "Add LAMBDA: AWS scans the code of what it scans.")


def _retention_problems(days: Any, bucket: Mapping[str, Any]) -> Iterator[Problem]:
    variable = "aws_audit_trail_retention_days"
    if not isinstance(days, int) or isinstance(days, bool):
        return
    if days < LEAST_TRAIL_DAYS:
        yield Problem(variable, f"cannot be {days}.", f"Keep what was done for {LEAST_TRAIL_DAYS} days at least.")
    elif days not in LOG_DAYS:
        possible = ", ".join(str(number) for number in LOG_DAYS if number >= LEAST_TRAIL_DAYS)
        yield Problem(variable, f"cannot be {days}.", f"CloudWatch takes {possible}.")
    limit = bucket.get("expire_days")
    if isinstance(limit, int) and days > limit:
        yield Problem(
            variable,
            f"is {days}, but the bucket deletes everything after {limit}.",
            "Raise expire_days of the bucket in aws_storage_buckets.",
        )


def _key_problems(variable: str, wanted: Any, keys: list[Any], ability: str, what: str) -> Iterator[Problem]:
    able = sorted(str(key["purpose"]) for key in keys if isinstance(key, Mapping) and "purpose" in key and key.get(ability) is True)
    if isinstance(wanted, str) and keys and wanted not in able:
        fix = f"Keys that {what} may use are: {', '.join(able) or 'none'} ({ability} in aws_keys_keys)."
        yield Problem(variable, f"names {wanted!r}, with which {what} may not encrypt.", fix)

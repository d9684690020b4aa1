# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter rules of bucket notifications.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_FilterRule.html
AWS takes the rule names in any case, allows empty values and returns `Prefix` and `Suffix`. moto 5.2.5 refuses both the
capital letter and the empty value, which makes every call of community.aws.s3_bucket_notification fail.
"""

from __future__ import annotations

import functools
from typing import Any

import xmltodict
from moto.s3.models import Notification
from moto.s3.responses import S3Response

from sandbox.emulator.additions.patching import wrap

_KINDS = ("TopicConfiguration", "QueueConfiguration", "CloudFunctionConfiguration")


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _take_rules(configuration: dict[str, Any]) -> list[dict[str, str]]:
    """Remove the filter from one notification and return its rules as AWS would give them back."""
    key_filter = (configuration.pop("Filter", None) or {}).get("S3Key") or {}
    return [{"Name": rule["Name"].capitalize(), "Value": rule["Value"] or ""} for rule in _listed(key_filter.get("FilterRule"))]


@functools.cache
def install() -> None:
    @wrap(S3Response, "_notification_config_from_body")
    def notification_config_from_body(original: Any, self: Any) -> dict[str, Any]:
        document = xmltodict.parse(self.body)
        root = document["NotificationConfiguration"] or {}
        rules = {kind: [_take_rules(entry) for entry in _listed(root.get(kind))] for kind in _KINDS}
        self.body = xmltodict.unparse(document)
        parsed = original(self)
        for kind in _KINDS:
            for entry, own_rules in zip(_listed(parsed.get(kind)), rules[kind], strict=True):
                if own_rules:
                    entry["Filter"] = {"S3Key": {"FilterRule": own_rules}}
        return parsed

    @wrap(Notification, "_key_matches")
    def key_matches(_original: Any, self: Any, key_name: str) -> bool:
        rules = {rule["Name"].lower(): rule["Value"] for rule in self.filters.get("S3Key", {}).get("FilterRule", [])}
        return key_name.startswith(rules.get("prefix", "")) and key_name.endswith(rules.get("suffix", ""))

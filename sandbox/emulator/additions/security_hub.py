# SPDX-License-Identifier: GPL-3.0-or-later
"""Security Hub: its standards, its settings, its tags; nothing is judged.

https://docs.aws.amazon.com/securityhub/1.0/APIReference/API_EnableSecurityHub.html
https://docs.aws.amazon.com/securityhub/1.0/APIReference/API_BatchEnableStandards.html
https://docs.aws.amazon.com/securityhub/latest/userguide/standards-reference.html
moto 5.2.5 enables a hub twice, and knows no standards, no change of its settings, and its tags at creation only.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

from moto.core.resource_tagging import TaggedResource
from moto.securityhub import urls
from moto.securityhub.exceptions import SecurityHubClientError
from moto.securityhub.models import SecurityHubBackend, securityhub_backends
from moto.securityhub.responses import SecurityHubResponse

from sandbox.emulator.additions.patching import add, add_paths, wrap
from sandbox.emulator.additions.tagging_api import list_tagged

_STANDARDS = {
    "aws-foundational-security-best-practices/v/1.0.0": True,
    "cis-aws-foundations-benchmark/v/1.4.0": False,
    "cis-aws-foundations-benchmark/v/3.0.0": False,
    "nist-800-53/v/5.0.0": False,
    "pci-dss/v/4.0.1": False,
}


@cache
def install() -> None:
    _install_hub()
    _install_standards()
    add_paths(
        urls, SecurityHubResponse, "/standards$", "/standards/get$", "/standards/register$", "/standards/deregister$", "/tags/(?P<arn>.+)$"
    )
    list_tagged(securityhub_backends, _tagged)


def _install_hub() -> None:
    @wrap(SecurityHubBackend, "enable_security_hub")
    def enable_security_hub(original: Any, self: Any, enable_default_standards: bool = True, tags: Any = None) -> Any:
        if self.enabled:
            raise SecurityHubClientError("ResourceConflictException", "Account is already subscribed to Security Hub")
        answer = original(self, enable_default_standards, dict(tags or {}))
        self.added_standards = {name for name, default in _STANDARDS.items() if default and enable_default_standards}
        self.added_controls = True
        return answer

    @wrap(SecurityHubBackend, "describe_hub")
    def describe_hub(original: Any, self: Any, hub_arn: str | None = None) -> Any:
        return {**original(self, hub_arn), "AutoEnableControls": self.added_controls}

    @add(SecurityHubResponse, "update_security_hub_configuration")
    def update_security_hub_configuration(self: Any) -> str:
        self.securityhub_backend.describe_hub()
        self.securityhub_backend.added_controls = json.loads(self.body)["AutoEnableControls"]
        return "{}"

    @add(SecurityHubResponse, "list_tags_for_resource")
    def list_tags_for_resource(self: Any) -> str:
        self.securityhub_backend.describe_hub()
        return json.dumps({"Tags": self.securityhub_backend.tags})

    @add(SecurityHubResponse, "tag_resource")
    def tag_resource(self: Any) -> str:
        self.securityhub_backend.tags.update(json.loads(self.body)["Tags"])
        return "{}"

    @add(SecurityHubResponse, "untag_resource")
    def untag_resource(self: Any) -> str:
        for key in self.querystring.get("tagKeys", []):
            self.securityhub_backend.tags.pop(key, None)
        return "{}"


def _install_standards() -> None:
    @add(SecurityHubResponse, "describe_standards")
    def describe_standards(self: Any) -> str:
        region = self.securityhub_backend.region_name
        told = [{"StandardsArn": _arn(region, name), "Name": name, "EnabledByDefault": default} for name, default in _STANDARDS.items()]
        return json.dumps({"Standards": told})

    @add(SecurityHubResponse, "get_enabled_standards")
    def get_enabled_standards(self: Any) -> str:
        self.securityhub_backend.describe_hub()
        return _subscriptions(self, self.securityhub_backend.added_standards)

    @add(SecurityHubResponse, "batch_enable_standards")
    def batch_enable_standards(self: Any) -> str:
        self.securityhub_backend.describe_hub()
        names = {request["StandardsArn"].partition("/")[2] for request in json.loads(self.body)["StandardsSubscriptionRequests"]}
        if not names <= _STANDARDS.keys():
            raise SecurityHubClientError("InvalidInputException", f"There is no standard {', '.join(sorted(names - _STANDARDS.keys()))}.")
        self.securityhub_backend.added_standards |= names
        return _subscriptions(self, names)

    @add(SecurityHubResponse, "batch_disable_standards")
    def batch_disable_standards(self: Any) -> str:
        names = {arn.partition("/")[2] for arn in json.loads(self.body)["StandardsSubscriptionArns"]}
        self.securityhub_backend.added_standards -= names
        return _subscriptions(self, names)


def _arn(region: str, name: str) -> str:
    return f"arn:aws:securityhub:{region}::standards/{name}"


def _subscriptions(response: Any, names: set[str]) -> str:
    backend = response.securityhub_backend
    told = [
        {
            "StandardsArn": _arn(backend.region_name, name),
            "StandardsSubscriptionArn": f"arn:aws:securityhub:{backend.region_name}:{backend.account_id}:subscription/{name}",
            "StandardsInput": {},
            "StandardsStatus": "READY",
        }
        for name in sorted(names)
    ]
    return json.dumps({"StandardsSubscriptions": told})


def _tagged(backend: Any) -> Iterator[TaggedResource]:
    if backend.enabled:
        arn = f"arn:aws:securityhub:{backend.region_name}:{backend.account_id}:hub/default"
        yield TaggedResource(arn, backend.tags, "securityhub:hub")

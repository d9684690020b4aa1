# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS Config: ARNs and tags of recorders, what is kept when a rule changes, and conformance packs, whose rules nobody evaluates.

https://docs.aws.amazon.com/config/latest/APIReference/API_PutConfigurationRecorder.html
https://docs.aws.amazon.com/config/latest/APIReference/API_PutConfigRule.html (tags are for new rules)
https://docs.aws.amazon.com/config/latest/APIReference/API_DescribeConfigRules.html
https://docs.aws.amazon.com/config/latest/APIReference/API_PutConformancePack.html
moto 5.2.5 knows neither ARN nor tags of a recorder, drops the tags of a rule that is changed, answers for an unknown rule with nothing
while there is none at all, says of no rule how it stands, has no conformance packs but those of organizations, and is no part of the
Resource Groups Tagging API.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from typing import Any

from moto.config.exceptions import NoSuchConfigRuleException
from moto.config.models import ConfigBackend, ConfigRule, config_backends
from moto.config.responses import ConfigResponse
from moto.core.exceptions import JsonRESTError
from moto.core.resource_tagging import TaggedResource
from moto.moto_api._internal import mock_random

from sandbox.emulator.additions.patching import add, wrap
from sandbox.emulator.additions.tagging_api import list_tagged

UNKNOWN = {"ComplianceType": "INSUFFICIENT_DATA"}  # what AWS says of a rule that it has not evaluated yet


class _Tagged:
    """What has an ARN and tags besides what moto keeps of it."""

    def __init__(self, arn: str, tags: list[dict[str, str]]) -> None:
        self.arn = arn
        self.tags = {tag["Key"]: tag["Value"] for tag in tags}


class _Pack(_Tagged):
    def __init__(self, arn: str, name: str, tags: list[dict[str, str]]) -> None:
        super().__init__(arn, tags)
        self.name = name
        self.asked = datetime.now(UTC)

    @property
    def detail(self) -> dict[str, Any]:
        return {"ConformancePackName": self.name, "ConformancePackArn": self.arn, "ConformancePackId": self.arn.rpartition("/")[2]}


def _kept(backend: Any, kind: str) -> dict[str, Any]:
    """What the additions keep in a backend, by name: it goes when moto resets the backend."""
    kept: dict[str, Any] = vars(backend).setdefault(f"added_{kind}", {})
    return kept


def _arn(backend: Any, path: str) -> str:
    return f"arn:aws:config:{backend.region_name}:{backend.account_id}:{path}"


@cache
def install() -> None:
    _install_recorders()
    _install_rules()
    _install_packs()
    list_tagged(config_backends, _tagged)


def _install_recorders() -> None:
    @wrap(ConfigResponse, "put_configuration_recorder")
    def put_configuration_recorder(original: Any, self: Any) -> str:
        name, backend = self._get_param("ConfigurationRecorder").get("name"), self.config_backend
        answer: str = original(self)
        arn = _arn(backend, f"configuration-recorder/{name}/{mock_random.get_random_hex(16)}")
        _kept(backend, "recorders").setdefault(name, _Tagged(arn, self._get_param("Tags") or []))
        return answer

    @wrap(ConfigBackend, "describe_configuration_recorders")
    def describe_configuration_recorders(original: Any, self: Any, names: Any) -> list[dict[str, Any]]:
        return [{**recorder, "arn": _kept(self, "recorders")[recorder["name"]].arn} for recorder in original(self, names)]

    @wrap(ConfigBackend, "delete_configuration_recorder")
    def delete_configuration_recorder(original: Any, self: Any, name: str) -> None:
        original(self, name)
        _kept(self, "recorders").pop(name, None)

    @wrap(ConfigBackend, "_match_arn")
    def match_arn(original: Any, self: Any, resource_arn: str) -> Any:
        added = [*_kept(self, "recorders").values(), *_kept(self, "packs").values()]
        return next((one for one in added if one.arn == resource_arn), None) or original(self, resource_arn)


def _install_rules() -> None:
    @wrap(ConfigRule, "modify_fields")
    def modify_fields(original: Any, self: Any, region: str, config_rule: dict[str, Any], tags: dict[str, str]) -> None:
        original(self, region, config_rule, getattr(self, "tags", None) or tags)

    @wrap(ConfigBackend, "describe_config_rules")
    def describe_config_rules(original: Any, self: Any, names: list[str] | None, next_token: str | None) -> dict[str, Any]:
        if names and not self.config_rules:
            raise NoSuchConfigRuleException(names[0])
        answer: dict[str, Any] = original(self, names, next_token)
        return answer

    @add(ConfigResponse, "describe_compliance_by_config_rule")
    def describe_compliance_by_config_rule(self: Any) -> str:
        rules = self.config_backend.config_rules
        return json.dumps({"ComplianceByConfigRules": [{"ConfigRuleName": name, "Compliance": UNKNOWN} for name in rules]})


def _install_packs() -> None:
    @add(ConfigResponse, "put_conformance_pack")
    def put_conformance_pack(self: Any) -> str:
        name, packs = self._get_param("ConformancePackName"), _kept(self.config_backend, "packs")
        try:
            rules = json.loads(self._get_param("TemplateBody"))["Resources"]
        except (TypeError, ValueError, KeyError):
            rules = {}
        if not rules:
            raise JsonRESTError("ConformancePackTemplateValidationException", "The template has no resources.")
        arn = _arn(self.config_backend, f"conformance-pack/{name}/conformance-pack-{mock_random.get_random_hex(8)}")
        packs.setdefault(name, _Pack(arn, name, self._get_param("Tags") or [])).asked = datetime.now(UTC)
        return json.dumps({"ConformancePackArn": packs[name].arn})

    @add(ConfigResponse, "describe_conformance_packs")
    def describe_conformance_packs(self: Any) -> str:
        return json.dumps({"ConformancePackDetails": [pack.detail for pack in _asked(self)]})

    @add(ConfigResponse, "describe_conformance_pack_status")
    def describe_conformance_pack_status(self: Any) -> str:
        told = [
            {**pack.detail, "ConformancePackState": "CREATE_COMPLETE", "StackArn": "", "LastUpdateRequestedTime": pack.asked.timestamp()}
            for pack in _asked(self, strict=False)
        ]
        return json.dumps({"ConformancePackStatusDetails": told})

    @add(ConfigResponse, "delete_conformance_pack")
    def delete_conformance_pack(self: Any) -> str:
        packs, name = _kept(self.config_backend, "packs"), self._get_param("ConformancePackName")
        if name not in packs:
            raise _no_pack(name)
        del packs[name]
        return ""


def _asked(response: Any, strict: bool = True) -> list[_Pack]:
    packs: dict[str, _Pack] = _kept(response.config_backend, "packs")
    names = response._get_param("ConformancePackNames") or list(packs)
    missing = [name for name in names if name not in packs]
    if missing and strict:
        raise _no_pack(missing[0])
    return [packs[name] for name in names if name in packs]


def _no_pack(name: str) -> JsonRESTError:
    return JsonRESTError("NoSuchConformancePackException", f"There is no conformance pack {name}.")


def _tagged(backend: Any) -> Iterator[TaggedResource]:
    for kind, name in (("recorders", "configuration-recorder"), ("packs", "conformance-pack")):
        for one in _kept(backend, kind).values():
            yield TaggedResource(one.arn, one.tags, f"config:{name}")
    for rule in backend.config_rules.values():
        yield TaggedResource(rule.config_rule_arn, rule.tags, "config:config-rule")

#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: wafv2_web_acl
version_added: 0.2.0
short_description: Manage a web ACL with AWS's managed rules and rate limits, its log and what it protects
description:
  - Creates, changes and deletes one web ACL. A request that no rule stops is let through.
  - The rule of M(indivillage.infra.web_denials) stays as it is.
  - The web ACL and every rule count their requests in CloudWatch and keep samples.
  - Use it instead of M(community.aws.wafv2_web_acl), which does not see that somebody has switched metrics or samples off, and instead of
    M(community.aws.wafv2_resources). Neither knows logging.
options:
  name:
    description: Name of the web ACL, and of its metric.
    type: str
    required: true
  scope:
    description: V(REGIONAL) for load balancers of the region, V(CLOUDFRONT) for distributions. The latter is managed in us-east-1 alone.
    type: str
    choices: [REGIONAL, CLOUDFRONT]
    required: true
  description:
    description: What it is for.
    type: str
  rules:
    description: The rules, all of them. Others are taken away.
    type: list
    elements: dict
    suboptions:
      name:
        description: Name of the rule, and of its metric.
        type: str
        required: true
      priority:
        description: The lower, the earlier it looks at a request. Every rule has its own.
        type: int
        required: true
      managed_group:
        description: A group of rules that AWS manages, such as V(AWSManagedRulesCommonRuleSet).
        type: str
      rate_limit:
        description: How many requests one address may make in O(rules[].window_seconds), V(10) to V(2000000000).
        type: int
      window_seconds:
        description: Over how long requests are counted for O(rules[].rate_limit).
        type: int
        choices: [60, 120, 300, 600]
        default: 300
      rate_by:
        description:
          - Whose requests O(rules[].rate_limit) counts, those of the V(address) that connects, or those of the first address in the header
            C(X-Forwarded-For). Behind CloudFront it is CloudFront that connects; requests without the header are not counted.
        type: str
        choices: [address, forwarded_address]
        default: address
      count_only:
        description: Whether the rule only counts what it would stop.
        type: bool
        default: false
      counted_rules:
        description: Rules of the managed group that only count what they would stop.
        type: list
        elements: str
        default: []
  log_destination_arn:
    description:
      - Log group, bucket or delivery stream that every request is written to; its name has to begin with C(aws-waf-logs-).
      - The empty string switches logging off.
    type: str
  log_redacts:
    description:
      - What of a request is not logged, all of it; V(query) is the query of its address, everything else a header's name.
      - WAF logs every header as it came, C(authorization) and C(cookie) included.
    type: list
    elements: str
    default: [authorization, cookie, query]
  resource_arns:
    description: Load balancers that it protects. Others that it protects are left alone. Distributions name their web ACL themselves.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - indivillage.infra.aws_resource
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.tags
  - amazon.aws.boto3
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Protect the public load balancer
  indivillage.infra.wafv2_web_acl:
    name: indivillage-staging-public
    scope: REGIONAL
    rules:
      - {name: common, priority: 10, managed_group: AWSManagedRulesCommonRuleSet, counted_rules: [SizeRestrictions_BODY]}
      - {name: rate, priority: 40, rate_limit: 3000}
    log_destination_arn: arn:aws:logs:us-east-1:123456789012:log-group:aws-waf-logs-indivillage-staging-public
    resource_arns: ["{{ load_balancer.load_balancer_arn }}"]
    tags:
      Project: indivillage
"""

RETURN = r"""
resource:
  description: The web ACL. Empty after a deletion. In check mode as it would become.
  returned: always
  type: dict
  contains:
    name:
      description: Its name.
      type: str
      sample: indivillage-staging-public
    web_acl_arn:
      description: Its ARN, by which distributions name it.
      type: str
      returned: when the web ACL exists
      sample: arn:aws:wafv2:us-east-1:123456789012:regional/webacl/indivillage-staging-public/12345678-1234-1234-1234-123456789012
    rules:
      description: The rules by name.
      type: dict
      sample: {rate: {priority: 40, rate_limit: 3000, window_seconds: 300, count_only: false}}
  sample: {name: indivillage-staging-public, scope: REGIONAL}
"""

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

from ansible_collections.amazon.aws.plugins.module_utils.botocore import is_boto3_error_code
from ansible_collections.amazon.aws.plugins.module_utils.tagging import ansible_dict_to_boto3_tag_list, boto3_tag_list_to_ansible_dict
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import (
    READ_BACK_SECONDS,
    Properties,
    Resource,
    ResourceError,
    run,
    wait_until,
)
from ansible_collections.indivillage.infra.plugins.module_utils.web_acls import DENIED_RULE, KEPT, listed, visibility

RATES = range(10, 2_000_000_001)
AGGREGATES = {"address": "IP", "forwarded_address": "FORWARDED_IP"}
FORWARDED = {"HeaderName": "X-Forwarded-For", "FallbackBehavior": "MATCH"}  # what is no address is stopped
QUERY = "query"  # among what is not logged; everything else there is a header
LOG_PREFIX = "aws-waf-logs-"


class WebAcl(Resource):
    service = "wafv2"
    kind = "web ACL"
    options: ClassVar[dict[str, Any]] = {
        "name": {"required": True},
        "scope": {"required": True, "choices": ["REGIONAL", "CLOUDFRONT"]},
        "description": {},
        "rules": {
            "type": "list",
            "elements": "dict",
            "options": {
                "name": {"required": True},
                "priority": {"type": "int", "required": True},
                "managed_group": {},
                "rate_limit": {"type": "int"},
                "window_seconds": {"type": "int", "choices": [60, 120, 300, 600], "default": 300},
                "rate_by": {"choices": list(AGGREGATES), "default": "address"},
                "count_only": {"type": "bool", "default": False},
                "counted_rules": {"type": "list", "elements": "str", "default": []},
            },
            "mutually_exclusive": [("managed_group", "rate_limit")],
            "required_one_of": [("managed_group", "rate_limit")],
        },
        "log_destination_arn": {},
        "log_redacts": {"type": "list", "elements": "str", "default": ["authorization", "cookie", "query"]},
        "resource_arns": {"type": "list", "elements": "str", "default": []},
    }
    properties = ("description", "default_action", "visibility", "rules", "log_destination_arn", "log_redacts", "resource_arns")
    exact = frozenset({"rules"})

    def declared(self) -> Properties:
        rules = self.params["rules"]
        if self.params["resource_arns"] and self.params["scope"] == "CLOUDFRONT":
            raise ResourceError("resource_arns: a distribution names its web ACL itself.")
        destination = self.params["log_destination_arn"]
        if destination and not destination.rpartition(":")[2].rpartition("/")[2].startswith(LOG_PREFIX):
            raise ResourceError(f"log_destination_arn is {destination}; AWS takes none whose name does not begin with {LOG_PREFIX}.")
        return {
            "description": self.params["description"],
            "default_action": "allow",
            "visibility": visibility(self.name),
            "rules": None if rules is None else self._declared_rules(rules),
            "log_destination_arn": destination,
            "log_redacts": sorted({name.lower() for name in self.params["log_redacts"]}) if destination else None,
            "resource_arns": self.params["resource_arns"],
        }

    @staticmethod
    def _declared_rules(rules: list[Properties]) -> Properties:
        """The rules by name, as they are compared; ResourceError for what AWS would refuse."""
        for key in ("name", "priority"):
            for value, count in Counter(rule[key] for rule in rules).items():
                if count > 1:
                    raise ResourceError(f"rules: {count} of them have the {key} {value!r}; each needs one of its own.")
        for rule in rules:
            if rule["rate_limit"] is not None and rule["rate_limit"] not in RATES:
                raise ResourceError(
                    f"rules: the rate_limit of {rule['name']} is {rule['rate_limit']}; AWS takes {RATES[0]} to {RATES[-1]}."
                )
            if rule["rate_limit"] is not None and rule["counted_rules"]:
                raise ResourceError(f"rules: {rule['name']} has counted_rules, which only a managed_group has.")
        return {
            rule["name"]: {
                "priority": rule["priority"],
                **({"managed_group": rule["managed_group"], "counted_rules": rule["counted_rules"]} if rule["managed_group"] else {}),
                **({key: rule[key] for key in ("rate_limit", "window_seconds", "rate_by")} if rule["rate_limit"] is not None else {}),
                "count_only": rule["count_only"],
                "metrics": True,
                "samples": True,
            }
            for rule in rules
        }

    def find(self) -> Properties | None:
        summary = next(
            (item for item in listed(self.client.list_web_acls, "WebACLs", self.params["scope"]) if item["Name"] == self.name), None
        )
        if summary is None:
            return None
        acl = self._acl(summary["Id"])["WebACL"]
        arn = acl["ARN"]
        return {
            "name": self.name,
            "id": acl["Id"],
            "web_acl_arn": arn,
            "scope": self.params["scope"],
            "description": acl.get("Description", ""),
            "default_action": next(iter(acl["DefaultAction"])).lower(),
            "visibility": acl["VisibilityConfig"],
            "rules": {rule["Name"]: read_rule(rule) for rule in acl["Rules"] if rule["Name"] != DENIED_RULE},
            **self._log(arn),
            "resource_arns": [resource for resource in self.params["resource_arns"] if self._protects(arn, resource)],
            "tags": boto3_tag_list_to_ansible_dict(self.client.list_tags_for_resource(ResourceARN=arn)["TagInfoForResource"]["TagList"]),
        }

    def _acl(self, identifier: str) -> Any:
        return self.client.get_web_acl(Name=self.name, Scope=self.params["scope"], Id=identifier)

    def _log(self, arn: str) -> Properties:
        """Where requests are logged to, and without what."""
        try:
            logging = self.client.get_logging_configuration(ResourceArn=arn)["LoggingConfiguration"]
        except is_boto3_error_code("WAFNonexistentItemException"):
            return {"log_destination_arn": "", "log_redacts": []}
        fields = logging.get("RedactedFields") or []
        return {
            "log_destination_arn": str(next(iter(logging["LogDestinationConfigs"]), "")).removesuffix(":*"),
            "log_redacts": sorted(field["SingleHeader"]["Name"].lower() if "SingleHeader" in field else QUERY for field in fields),
        }

    def _protects(self, arn: str, resource: str) -> bool:
        try:
            found = self.client.get_web_acl_for_resource(ResourceArn=resource).get("WebACL") or {}
        except is_boto3_error_code("WAFNonexistentItemException"):  # a load balancer that WAF does not know yet
            return False
        return bool(found.get("ARN") == arn)

    def create(self, wanted: Properties, tags: dict[str, str]) -> None:
        summary = self.client.create_web_acl(
            Name=self.name,
            Scope=self.params["scope"],
            **self._content(wanted, []),
            **({"Tags": ansible_dict_to_boto3_tag_list(tags)} if tags else {}),
        )["Summary"]
        self._connect(summary["ARN"], wanted, wanted)

    def update(self, current: Properties, changes: Properties) -> None:
        if changes.keys() & {"description", "default_action", "visibility", "rules"}:
            answer = self._acl(current["id"])
            self.client.update_web_acl(
                Name=self.name,
                Scope=self.params["scope"],
                Id=current["id"],
                LockToken=answer["LockToken"],
                **self._content({**current, **changes}, [rule for rule in answer["WebACL"]["Rules"] if rule["Name"] == DENIED_RULE]),
                **{key: answer["WebACL"][key] for key in KEPT if answer["WebACL"].get(key)},
            )
        self._connect(current["web_acl_arn"], changes, {**current, **changes})

    def _content(self, properties: Properties, kept: list[dict[str, Any]]) -> dict[str, Any]:
        description = properties.get("description")
        return {
            "DefaultAction": {"Allow": {}},
            "Rules": [written_rule(name, rule) for name, rule in (properties.get("rules") or {}).items()] + kept,
            "VisibilityConfig": visibility(self.name),
            **({"Description": description} if description else {}),
        }

    def _connect(self, arn: str, changes: Properties, wanted: Properties) -> None:
        """Log, and protect. AWS does not know a new web ACL everywhere at once."""
        if changes.keys() & {"log_destination_arn", "log_redacts"} and wanted.get("log_destination_arn"):
            fields: list[dict[str, Any]] = [
                {"QueryString": {}} if name == QUERY else {"SingleHeader": {"Name": name}} for name in wanted["log_redacts"]
            ]
            logging = {"ResourceArn": arn, "LogDestinationConfigs": [wanted["log_destination_arn"]], "RedactedFields": fields}
            self._once_known(partial(self.client.put_logging_configuration, LoggingConfiguration=logging))
        elif changes.get("log_destination_arn") == "" and self._log(arn)["log_destination_arn"]:
            self.client.delete_logging_configuration(ResourceArn=arn)
        for resource in changes.get("resource_arns", []):
            self._once_known(partial(self.client.associate_web_acl, WebACLArn=arn, ResourceArn=resource))

    def _once_known(self, call: Callable[[], Any]) -> None:
        def accepted() -> bool:
            try:
                call()
            except is_boto3_error_code("WAFUnavailableEntityException"):
                return False
            return True

        wait_until(accepted, f"AWS to know {self} everywhere", READ_BACK_SECONDS)

    def delete(self, current: Properties) -> None:
        for resource in current["resource_arns"]:
            self.client.disassociate_web_acl(ResourceArn=resource)
        token = self._acl(current["id"])["LockToken"]
        self.client.delete_web_acl(Name=self.name, Scope=self.params["scope"], Id=current["id"], LockToken=token)

    def tag(self, current: Properties, add: dict[str, str], remove: list[str]) -> None:
        if remove:
            self.client.untag_resource(ResourceARN=current["web_acl_arn"], TagKeys=remove)
        if add:
            self.client.tag_resource(ResourceARN=current["web_acl_arn"], Tags=ansible_dict_to_boto3_tag_list(add))


def written_rule(name: str, rule: Properties) -> dict[str, Any]:
    """A rule as the API takes it."""
    if "managed_group" in rule:
        counted = [{"Name": counted, "ActionToUse": {"Count": {}}} for counted in rule["counted_rules"]]
        group = {"VendorName": "AWS", "Name": rule["managed_group"], **({"RuleActionOverrides": counted} if counted else {})}
        acts = {"Statement": {"ManagedRuleGroupStatement": group}, "OverrideAction": {"Count" if rule["count_only"] else "None": {}}}
    else:
        rate = {
            "Limit": rule["rate_limit"],
            "EvaluationWindowSec": rule["window_seconds"],
            "AggregateKeyType": AGGREGATES[rule["rate_by"]],
            **({"ForwardedIPConfig": FORWARDED} if rule["rate_by"] == "forwarded_address" else {}),
        }
        acts = {"Statement": {"RateBasedStatement": rate}, "Action": {"Count" if rule["count_only"] else "Block": {}}}
    return {"Name": name, "Priority": rule["priority"], **acts, "VisibilityConfig": visibility(name)}


def read_rule(rule: dict[str, Any]) -> Properties:
    """A rule of the API in the words of this module; one that has none of them shows what it holds."""
    seen = rule["VisibilityConfig"]
    shared = {"priority": rule["Priority"], "metrics": seen["CloudWatchMetricsEnabled"], "samples": seen["SampledRequestsEnabled"]}
    group = rule["Statement"].get("ManagedRuleGroupStatement")
    rate = rule["Statement"].get("RateBasedStatement")
    if group and group["VendorName"] == "AWS" and group.keys() <= {"VendorName", "Name", "RuleActionOverrides"}:
        overrides = group.get("RuleActionOverrides", [])
        if all("Count" in override["ActionToUse"] for override in overrides):
            counted = [override["Name"] for override in overrides]
            return {**shared, "managed_group": group["Name"], "counted_rules": counted, "count_only": "Count" in rule["OverrideAction"]}
    if rate and rate.get("ForwardedIPConfig", FORWARDED) == FORWARDED and "ScopeDownStatement" not in rate:
        rate_by = next((word for word, key in AGGREGATES.items() if key == rate["AggregateKeyType"]), None)
        if rate_by and {"Block", "Count"} & rule["Action"].keys():
            limits = {"rate_limit": rate["Limit"], "window_seconds": rate.get("EvaluationWindowSec", 300), "rate_by": rate_by}
            return {**shared, **limits, "count_only": "Count" in rule["Action"]}
    return {**shared, **{key: rule[key] for key in ("Statement", "Action", "OverrideAction") if key in rule}}


def main() -> None:
    run(WebAcl)


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: cloudfront_distribution
version_added: 0.2.0
short_description: Manage a CloudFront distribution in front of load balancers and buckets
description:
  - Creates, changes and deletes one distribution. What a task leaves out is not compared; a list that it gives is all there is.
  - Visitors are redirected to HTTPS, and origins are asked by HTTPS alone.
  - It is known by its name, which stands in the distribution's comment.
  - AWS takes minutes to bring a change to every place of the world. The module waits for that when O(wait) is set, and before it deletes.
  - Use it instead of M(community.aws.cloudfront_distribution), which has no check mode, changes something each time, and knows neither the
    TLS 1.3 policies nor CloudFront's access to private buckets.
options:
  name:
    description: Its name.
    type: str
    required: true
  enabled:
    description: Whether it answers.
    type: bool
    default: true
  aliases:
    description: The site's names. The certificate has to have them.
    type: list
    elements: str
  certificate_arn:
    description: Certificate of ACM in us-east-1.
    type: str
  minimum_tls:
    description: Security policy for visitors, such as V(TLSv1.3_2025).
    type: str
    default: TLSv1.3_2025
  origins:
    description: Where CloudFront gets what it does not have.
    type: list
    elements: dict
    suboptions:
      id:
        description: What behaviours and groups call it.
        type: str
        required: true
      domain_name:
        description: Its name; for a bucket its regional one, C(<bucket>.s3.<region>.amazonaws.com).
        type: str
        required: true
      access_control_id:
        description: The origin access control of a bucket. An origin without one is a web server.
        type: str
      shield_region:
        description: Region whose cache stands between all others and the origin (Origin Shield). None when left out.
        type: str
  origin_groups:
    description: Pairs of origins, of which the second one is asked when the first one fails. Only reading requests are repeated.
    type: list
    elements: dict
    suboptions:
      id:
        description: What behaviours call it.
        type: str
        required: true
      primary:
        description: The origin that is asked first.
        type: str
        required: true
      secondary:
        description: The other one.
        type: str
        required: true
      status_codes:
        description: Answers that are a failure.
        type: list
        elements: int
        default: [500, 502, 503, 504]
  default_behaviour:
    description: What is done with requests that none of O(behaviours) is for.
    type: dict
    suboptions:
      origin:
        description: The origin or group that is asked.
        type: str
        required: true
      cache:
        description:
          - V(always) keeps answers for a day unless the origin says otherwise, whatever cookies and query a request has.
          - V(as_told) keeps what the origin says may be kept, for requests that are alike in their cookies, host and query.
          - V(never) keeps nothing.
        type: str
        choices: [always, as_told, never]
        default: as_told
      forward:
        description:
          - V(everything) of a request, its host name included, goes to the origin, or V(nothing) but what O(default_behaviour.cache) tells
            requests apart by.
        type: str
        choices: [everything, nothing]
        default: everything
      methods:
        description: V(reading) lets GET, HEAD and OPTIONS through, V(all) every method.
        type: str
        choices: [reading, all]
        default: reading
      headers_policy_id:
        description: The policy of the headers that are added to responses.
        type: str
  behaviours:
    description: The same for paths. The first one that fits counts.
    type: list
    elements: dict
    suboptions:
      path:
        description: The path, with C(*) for anything.
        type: str
        required: true
      origin:
        description: As in O(default_behaviour.origin).
        type: str
        required: true
      cache:
        description: As in O(default_behaviour.cache).
        type: str
        choices: [always, as_told, never]
        default: as_told
      forward:
        description: As in O(default_behaviour.forward).
        type: str
        choices: [everything, nothing]
        default: everything
      methods:
        description: As in O(default_behaviour.methods).
        type: str
        choices: [reading, all]
        default: reading
      headers_policy_id:
        description: As in O(default_behaviour.headers_policy_id).
        type: str
  error_seconds:
    description: How long CloudFront remembers that an origin has answered with an error, by status code.
    type: dict
  secret_header:
    description:
      - A header by which web servers can tell CloudFront from everybody else. Its value is read from Secrets Manager by this module, given
        to CloudFront, and shown nowhere.
      - Without O(origins) those get it that the distribution has.
    type: dict
    suboptions:
      name:
        description: Name of the header.
        type: str
        required: true
      secret_id:
        description: Name or ARN of a secret that is a JSON object, in O(secret_header.secret_region).
        type: str
        required: true
      field:
        description: The field of the secret.
        type: str
        required: true
      secret_region:
        description: Region of the secret, that of the module when left out.
        type: str
  web_acl_arn:
    description: Web ACL of scope CLOUDFRONT. The empty string takes it away.
    type: str
  price_class:
    description: Which places of the world serve.
    type: str
    choices: [PriceClass_100, PriceClass_200, PriceClass_All]
  http_version:
    description: What is offered beside HTTP/1.1.
    type: str
    choices: [http1.1, http2, http3, http2and3]
    default: http2and3
  ipv6:
    description: Whether visitors reach it by IPv6 too.
    type: bool
    default: true
  allowed_countries:
    description: Countries (ISO 3166-1, two letters) whose visitors are served; all when empty.
    type: list
    elements: str
  denied_countries:
    description: Countries whose visitors are not served.
    type: list
    elements: str
  wait:
    description: Whether to wait until every place of the world has the change.
    type: bool
    default: false
  wait_timeout_seconds:
    description: How long to wait, also for a distribution that is to be deleted.
    type: int
    default: 3600
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
- name: Start the distribution
  indivillage.infra.cloudfront_distribution:
    name: indivillage-staging-site
    aliases: [staging.indivillage.com]
    certificate_arn: "{{ certificate.resource.arn }}"
    origins:
      - {id: primary, domain_name: origin-primary.staging.indivillage.com}
      - id: assets
        domain_name: indivillage-staging-static-assets.s3.us-east-1.amazonaws.com
        access_control_id: "{{ access_control.resource.access_control_id }}"
    default_behaviour: {origin: primary, methods: all}
    behaviours:
      - {path: /static/*, origin: assets, cache: always, forward: nothing}
      - {path: /api/*, origin: primary, cache: never, methods: all}
    secret_header: {name: X-Origin-Verify, secret_id: /indivillage/staging/edge/origin, field: header}
    price_class: PriceClass_200

- name: Await it
  indivillage.infra.cloudfront_distribution:
    name: indivillage-staging-site
    wait: true
"""

RETURN = r"""
resource:
  description: The distribution. Empty after a deletion. In check mode as it would become.
  returned: always
  type: dict
  contains:
    distribution_id:
      description: Id of the distribution.
      type: str
      returned: when it exists
      sample: E1A2B3C4D5E6F7
    distribution_arn:
      description: ARN of the distribution.
      type: str
      returned: when it exists
      sample: arn:aws:cloudfront::123456789012:distribution/E1A2B3C4D5E6F7
    domain_name:
      description: The name that the site's names are aliases of.
      type: str
      returned: when it exists
      sample: d111111abcdef8.cloudfront.net
    status:
      description: Whether every place of the world has the last change.
      type: str
      returned: when it exists
      sample: Deployed
  sample: {name: indivillage-staging-site, status: InProgress}
"""

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from ansible_collections.amazon.aws.plugins.module_utils.tagging import ansible_dict_to_boto3_tag_list
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import Properties, Resource, ResourceError, run
from ansible_collections.indivillage.infra.plugins.module_utils.cloudfront import (
    CACHE_POLICIES,
    NO_LOGGING,
    NONE,
    ORIGIN_PARTS,
    await_deployed,
    delete_distribution,
    listed,
    pages,
    read_behaviour,
    read_group,
    read_headers,
    written,
    written_behaviour,
    written_origin,
)

HIDDEN = "(hidden)"
POLL_SECONDS = 10
BEHAVIOUR: dict[str, Any] = {
    "origin": {"required": True},
    "cache": {"choices": list(CACHE_POLICIES), "default": "as_told"},
    "forward": {"choices": ["everything", "nothing"], "default": "everything"},
    "methods": {"choices": ["reading", "all"], "default": "reading"},
    "headers_policy_id": {},
}


class Distribution(Resource):
    service = "cloudfront"
    kind = "distribution"
    options: ClassVar[dict[str, Any]] = {
        "name": {"required": True},
        "enabled": {"type": "bool", "default": True},
        "aliases": {"type": "list", "elements": "str"},
        "certificate_arn": {},
        "minimum_tls": {"default": "TLSv1.3_2025"},
        "origins": {
            "type": "list",
            "elements": "dict",
            "options": {
                "id": {"required": True},
                "domain_name": {"required": True},
                "access_control_id": {},
                "shield_region": {},
            },
        },
        "origin_groups": {
            "type": "list",
            "elements": "dict",
            "options": {
                "id": {"required": True},
                "primary": {"required": True},
                "secondary": {"required": True},
                "status_codes": {"type": "list", "elements": "int", "default": [500, 502, 503, 504]},
            },
        },
        "default_behaviour": {"type": "dict", "options": BEHAVIOUR},
        "behaviours": {"type": "list", "elements": "dict", "options": {"path": {"required": True}, **BEHAVIOUR}},
        "error_seconds": {"type": "dict"},
        "secret_header": {
            "type": "dict",
            "no_log": False,  # its value is none of the arguments
            "options": {
                "name": {"required": True},
                "secret_id": {"required": True, "no_log": False},
                "field": {"required": True},
                "secret_region": {"no_log": False},
            },
        },
        "web_acl_arn": {},
        "price_class": {"choices": ["PriceClass_100", "PriceClass_200", "PriceClass_All"]},
        "http_version": {"choices": ["http1.1", "http2", "http3", "http2and3"], "default": "http2and3"},
        "ipv6": {"type": "bool", "default": True},
        "allowed_countries": {"type": "list", "elements": "str"},
        "denied_countries": {"type": "list", "elements": "str"},
        "wait": {"type": "bool", "default": False},
        "wait_timeout_seconds": {"type": "int", "default": 3600},
    }
    constraints: ClassVar[dict[str, Any]] = {"mutually_exclusive": [("allowed_countries", "denied_countries")]}
    properties = (
        *("enabled", "aliases", "certificate", "origins", "origin_groups", "default_behaviour", "behaviours", "errors"),
        *("secret_headers", "web_acl_arn", "price_class", "http_version", "ipv6", "countries", "access_log"),
    )
    ordered = frozenset({"origins", "origin_groups", "behaviours", "errors"})
    exact = frozenset({"secret_headers"})
    tagged_first = True
    found_origins: Sequence[Properties] = ()

    # ---- What is declared, in the API's own form -----------------------------------------------------------------------------------

    def declared(self) -> Properties:
        given = self.params
        self._require_sound_origins()
        behaviours = given["behaviours"]
        return {
            "enabled": given["enabled"],
            "aliases": given["aliases"],
            "certificate": given["certificate_arn"] and self._certificate(),
            "origins": given["origins"] and sorted(map(written_origin, given["origins"]), key=lambda origin: origin["Id"]),
            "origin_groups": given["origin_groups"] and sorted(given["origin_groups"], key=lambda group: group["id"]),
            "default_behaviour": given["default_behaviour"] and written_behaviour(given["default_behaviour"]),
            "behaviours": None if behaviours is None else [{"PathPattern": item["path"], **written_behaviour(item)} for item in behaviours],
            "errors": self._errors(),
            "secret_headers": given["secret_header"] and self._secret_headers(),
            "web_acl_arn": given["web_acl_arn"],
            "price_class": given["price_class"],
            "http_version": given["http_version"],
            "ipv6": given["ipv6"],
            "countries": self._countries(),
            "access_log": NO_LOGGING,
        }

    def _require_sound_origins(self) -> None:
        known = {origin["id"] for origin in self.params["origins"] or []}
        groups = self.params["origin_groups"] or []
        if not known:
            return
        asked = {f"the group {group['id']}": member for group in groups for member in (group["primary"], group["secondary"])}
        known_to_behaviours = known | {group["id"] for group in groups}
        for behaviour in [*(self.params["behaviours"] or []), *filter(None, [self.params["default_behaviour"]])]:
            who = f"the behaviour of {behaviour.get('path', 'everything else')}"
            if behaviour["origin"] not in known_to_behaviours:
                asked[who] = behaviour["origin"]
            elif behaviour["methods"] != "reading" and behaviour["origin"] not in known:
                raise ResourceError(f"{who} lets all methods through to the group {behaviour['origin']}; AWS repeats only reads.")
        for who, origin in asked.items():
            if origin not in known:
                raise ResourceError(f"{who} asks the origin {origin!r}, and the origins are {', '.join(sorted(known))}.")

    def _certificate(self) -> Properties:
        return {
            "ACMCertificateArn": self.params["certificate_arn"],
            "SSLSupportMethod": "sni-only",
            "MinimumProtocolVersion": self.params["minimum_tls"],
            "CloudFrontDefaultCertificate": False,
        }

    def _countries(self) -> Properties | None:
        allowed, denied = self.params["allowed_countries"], self.params["denied_countries"]
        if allowed is None and denied is None:
            return None
        kind = "whitelist" if allowed else "blacklist" if denied else "none"
        return {"RestrictionType": kind, **listed(allowed or denied or [])}

    def _errors(self) -> list[Properties] | None:
        seconds = self.params["error_seconds"]
        if seconds is None:
            return None
        return [{"ErrorCode": int(code), "ErrorCachingMinTTL": int(seconds[code])} for code in sorted(seconds, key=int)]

    def _secret_headers(self) -> Properties:
        """The header that each web server among the origins gets, with its value."""
        header = self.params["secret_header"]
        value = self._secret(header)
        self.module.no_log_values.add(value)
        servers = [origin["Id"] for origin in self._origins() if not origin.get("OriginAccessControlId")]
        return {header["name"]: dict.fromkeys(servers, value)}

    def _origins(self) -> Sequence[Properties]:
        """The declared origins, or those that there are."""
        return [written_origin(origin) for origin in self.params["origins"]] if self.params["origins"] else self.found_origins

    def _secret(self, header: Mapping[str, str]) -> str:
        client = self.module.client("secretsmanager", region=header["secret_region"] or self.module.region)
        try:
            fields = json.loads(client.get_secret_value(SecretId=header["secret_id"])["SecretString"])
        except (ValueError, KeyError) as error:
            raise ResourceError(f"the secret {header['secret_id']} is no JSON object.") from error
        if not fields.get(header["field"]):
            raise ResourceError(f"the secret {header['secret_id']} has no field {header['field']}.")
        return str(fields[header["field"]])

    def shown(self, properties: Properties) -> Properties:
        if not properties.get("secret_headers"):
            return properties
        hidden = {name: dict.fromkeys(origins, HIDDEN) for name, origins in properties["secret_headers"].items()}
        return properties | {"secret_headers": hidden}

    # ---- What there is -------------------------------------------------------------------------------------------------------------

    def find(self) -> Properties | None:
        for summary in pages(self.client, "list_distributions", "DistributionList"):
            if summary["Comment"] == self.name:
                return self._read(summary["Id"])
        return None

    def _read(self, identifier: str) -> Properties:
        distribution = self.client.get_distribution(Id=identifier)["Distribution"]
        config, arn = distribution["DistributionConfig"], distribution["ARN"]
        tags = self.client.list_tags_for_resource(Resource=arn)["Tags"].get("Items", [])
        origins = self.found_origins = sorted(config["Origins"]["Items"], key=lambda origin: origin["Id"])
        groups = config.get("OriginGroups", NONE).get("Items", [])
        return {
            "name": self.name,
            "distribution_id": distribution["Id"],
            "distribution_arn": arn,
            "domain_name": distribution["DomainName"],
            "status": distribution["Status"],
            "enabled": config["Enabled"],
            "aliases": config.get("Aliases", NONE).get("Items", []),
            "certificate": config.get("ViewerCertificate", {}),
            "origins": [{key: value for key, value in origin.items() if key != "CustomHeaders"} for origin in origins],
            "origin_groups": sorted(map(read_group, groups), key=lambda group: group["id"]),
            "default_behaviour": read_behaviour(config["DefaultCacheBehavior"]),
            "behaviours": list(map(read_behaviour, config.get("CacheBehaviors", NONE).get("Items", []))),
            "errors": sorted(config.get("CustomErrorResponses", NONE).get("Items", []), key=lambda error: error["ErrorCode"]),
            "secret_headers": read_headers(origins),
            "web_acl_arn": config.get("WebACLId", ""),
            "price_class": config.get("PriceClass"),
            "http_version": str(config.get("HttpVersion", "")).lower(),
            "ipv6": config.get("IsIPV6Enabled"),
            "countries": config.get("Restrictions", {}).get("GeoRestriction", {}),
            "access_log": config.get("Logging", NO_LOGGING),
            "tags": {tag["Key"]: tag.get("Value", "") for tag in tags},
        }

    # ---- What is written -----------------------------------------------------------------------------------------------------------

    def create(self, wanted: Properties, tags: dict[str, str]) -> None:
        missing = [option for option in ("origins", "default_behaviour") if not wanted.get(option)]
        if missing:
            raise ResourceError(f"{' and '.join(missing)} are needed to create it.")
        config = {"CallerReference": f"{self.name}-{time.time_ns()}", "Comment": self.name, **written(wanted)}
        items = ansible_dict_to_boto3_tag_list(tags)
        self.client.create_distribution_with_tags(DistributionConfigWithTags={"DistributionConfig": config, "Tags": {"Items": items}})

    def update(self, current: Properties, changes: Properties) -> None:
        identifier = current["distribution_id"]
        answer = self.client.get_distribution_config(Id=identifier)
        whole = {"origins": current["origins"], "secret_headers": current["secret_headers"]} if changes.keys() & ORIGIN_PARTS else {}
        config = answer["DistributionConfig"] | written({**whole, **changes})
        self.client.update_distribution(Id=identifier, IfMatch=answer["ETag"], DistributionConfig=config)

    def settle(self, current: Properties) -> Properties:
        if not self.params["wait"] or current["status"] == "Deployed":
            return current
        await_deployed(self.client, current["distribution_id"], self.params["wait_timeout_seconds"], POLL_SECONDS)
        return self._read(current["distribution_id"])

    def delete(self, current: Properties) -> None:
        delete_distribution(self.client, current["distribution_id"], self.params["wait_timeout_seconds"], POLL_SECONDS)

    def tag(self, current: Properties, add: dict[str, str], remove: list[str]) -> None:
        if remove:
            self.client.untag_resource(Resource=current["distribution_arn"], TagKeys={"Items": remove})
        if add:
            items = ansible_dict_to_boto3_tag_list(add)
            self.client.tag_resource(Resource=current["distribution_arn"], Tags={"Items": items})


def main() -> None:
    run(Distribution)


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: cloudfront_response_headers_policy
version_added: 0.2.0
short_description: Manage the security headers that CloudFront adds to responses
description:
  - Creates, changes and deletes one response headers policy. Its headers win over those of the origin. CloudFront cannot tag it.
  - Use it instead of M(community.aws.cloudfront_response_headers_policy), which has no check mode.
options:
  name:
    description: Its name.
    type: str
    required: true
  comment:
    description: What it is for.
    type: str
    default: ""
  hsts_seconds:
    description: How long browsers insist on HTTPS, for the domain and all names in it (C(Strict-Transport-Security), with preload).
    type: int
    default: 31536000
  frame_option:
    description: Who may show the pages in a frame (C(X-Frame-Options)).
    type: str
    choices: [DENY, SAMEORIGIN]
    default: DENY
  referrer_policy:
    description: What browsers tell other sites about where a visitor comes from (C(Referrer-Policy)).
    type: str
    choices: [no-referrer, same-origin, strict-origin, strict-origin-when-cross-origin]
    default: strict-origin-when-cross-origin
  content_security_policy:
    description: Where pages may load from (C(Content-Security-Policy)). None when empty.
    type: str
    default: ""
  removed_headers:
    description: Headers of the origin that visitors do not get.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - indivillage.infra.aws_resource
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Have browsers protect the site's visitors
  indivillage.infra.cloudfront_response_headers_policy:
    name: indivillage-staging-security
    content_security_policy: "default-src 'self'"
    removed_headers: [Server]
  register: headers
"""

RETURN = r"""
resource:
  description: The policy. Empty after a deletion. In check mode as it would become.
  returned: always
  type: dict
  contains:
    policy_id:
      description: The id by which a distribution names it.
      type: str
      returned: when it exists
      sample: 12345678-1234-1234-1234-123456789012
  sample: {name: indivillage-staging-security, hsts_seconds: 31536000, frame_option: DENY}
"""

from typing import Any, ClassVar

from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import Properties, Resource, run
from ansible_collections.indivillage.infra.plugins.module_utils.cloudfront import listed, pages

REFERRERS = ["no-referrer", "same-origin", "strict-origin", "strict-origin-when-cross-origin"]
EVERYWHERE = {"IncludeSubdomains": True, "Preload": True, "Override": True}


class ResponseHeadersPolicy(Resource):
    service = "cloudfront"
    kind = "response headers policy"
    taggable = False
    options: ClassVar[dict[str, Any]] = {
        "name": {"required": True},
        "comment": {"default": ""},
        "hsts_seconds": {"type": "int", "default": 31536000},
        "frame_option": {"choices": ["DENY", "SAMEORIGIN"], "default": "DENY"},
        "referrer_policy": {"choices": REFERRERS, "default": REFERRERS[-1]},
        "content_security_policy": {"default": ""},
        "removed_headers": {"type": "list", "elements": "str", "default": []},
    }
    properties = ("comment", "security_headers", "removed_headers")
    exact = frozenset({"security_headers"})

    def declared(self) -> Properties:
        policy = self.params["content_security_policy"]
        headers: Properties = {
            "StrictTransportSecurity": {"AccessControlMaxAgeSec": self.params["hsts_seconds"], **EVERYWHERE},
            "FrameOptions": {"FrameOption": self.params["frame_option"], "Override": True},
            "ReferrerPolicy": {"ReferrerPolicy": self.params["referrer_policy"], "Override": True},
            "ContentTypeOptions": {"Override": True},
            **({"ContentSecurityPolicy": {"ContentSecurityPolicy": policy, "Override": True}} if policy else {}),
        }
        return {"comment": self.params["comment"], "security_headers": headers, "removed_headers": self.params["removed_headers"]}

    def find(self) -> Properties | None:
        for item in pages(self.client, "list_response_headers_policies", "ResponseHeadersPolicyList"):
            policy = item["ResponseHeadersPolicy"]
            config = policy["ResponseHeadersPolicyConfig"]
            if config["Name"] == self.name:
                return {
                    "name": self.name,
                    "policy_id": policy["Id"],
                    "comment": config.get("Comment", ""),
                    "security_headers": config.get("SecurityHeadersConfig", {}),
                    "removed_headers": [header["Header"] for header in config.get("RemoveHeadersConfig", {}).get("Items", [])],
                }
        return None

    def create(self, wanted: Properties, tags: dict[str, str]) -> None:
        self.client.create_response_headers_policy(ResponseHeadersPolicyConfig=self._config(wanted))

    def update(self, current: Properties, changes: Properties) -> None:
        self.client.update_response_headers_policy(
            Id=current["policy_id"], IfMatch=self._version(current), ResponseHeadersPolicyConfig=self._config({**current, **changes})
        )

    def delete(self, current: Properties) -> None:
        self.client.delete_response_headers_policy(Id=current["policy_id"], IfMatch=self._version(current))

    def _version(self, current: Properties) -> str:
        return str(self.client.get_response_headers_policy(Id=current["policy_id"])["ETag"])

    def _config(self, properties: Properties) -> dict[str, Any]:
        removed = [{"Header": header} for header in properties["removed_headers"]]
        return {
            "Name": self.name,
            "Comment": properties["comment"],
            "SecurityHeadersConfig": properties["security_headers"],
            **({"RemoveHeadersConfig": listed(removed)} if removed else {}),
        }


def main() -> None:
    run(ResponseHeadersPolicy)


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: elb_fixed_answer
version_added: 0.2.0
short_description: Have an application load balancer answer everything itself
description:
  - Gives a listener a rule before all others that answers each request with one page, or takes it away. Targets stay as they are.
  - M(amazon.aws.elb_application_lb) can do the same, but only together with the whole declaration of the load balancer.
options:
  status_code:
    description: Status of the answer.
    type: str
    default: "503"
  content_type:
    description: Type of the answer.
    type: str
    default: text/html
  content:
    description: The answer, up to 1024 bytes. Needed with O(state=present).
    type: str
    default: ""
  state:
    description: Whether the load balancer answers itself.
    type: str
    choices: [present, absent]
    default: present
extends_documentation_fragment:
  - indivillage.infra.aws_resource
  - indivillage.infra.aws_resource.listener_rule
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Show visitors that the site is being worked on
  indivillage.infra.elb_fixed_answer:
    name: indivillage-production-public
    content: <h1>We are back soon</h1>

- name: Let them in again
  indivillage.infra.elb_fixed_answer:
    name: indivillage-production-public
    state: absent
"""

RETURN = r"""
resource:
  description: The rule. Empty after a deletion. In check mode as it would become.
  returned: always
  type: dict
  sample: {name: indivillage-production-public, status_code: "503", content_type: text/html}
"""

from typing import Any, ClassVar

from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import Properties, ResourceError, run
from ansible_collections.indivillage.infra.plugins.module_utils.listener_rules import ListenerRule

LONGEST_BYTES = 1024


class FixedAnswer(ListenerRule):
    kind = "fixed answer"
    action = "fixed-response"
    options: ClassVar[dict[str, Any]] = {
        **ListenerRule.options,
        "status_code": {"default": "503"},
        "content_type": {"default": "text/html"},
        "content": {"default": ""},
    }
    properties = ("status_code", "content_type", "content")

    def declared(self) -> Properties:
        size = len(self.params["content"].encode())
        if self.params["state"] == "present" and not 0 < size <= LONGEST_BYTES:
            raise ResourceError(f"its content has {size} bytes; a load balancer answers with 1 to {LONGEST_BYTES}")
        return super().declared()

    def read(self, action: dict[str, Any]) -> Properties:
        answer = action["FixedResponseConfig"]
        return {
            "status_code": answer["StatusCode"],
            "content_type": answer.get("ContentType", ""),
            "content": answer.get("MessageBody", ""),
        }

    def actions(self, wanted: Properties) -> list[dict[str, Any]]:
        answer = {"StatusCode": wanted["status_code"], "ContentType": wanted["content_type"], "MessageBody": wanted["content"]}
        return [{"Type": "fixed-response", "FixedResponseConfig": answer}]


def main() -> None:
    run(FixedAnswer)


if __name__ == "__main__":
    main()

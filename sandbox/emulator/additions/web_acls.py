# SPDX-License-Identifier: GPL-3.0-or-later
"""Web ACLs and what they protect.

https://docs.aws.amazon.com/waf/latest/APIReference/API_AssociateWebACL.html
https://docs.aws.amazon.com/waf/latest/APIReference/API_DeleteWebACL.html
https://docs.aws.amazon.com/waf/latest/APIReference/API_ListResourcesForWebACL.html
https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/supported-services.html
In moto 5.2.5 a resource may have several web ACLs, one that protects something can be deleted, nothing lists what one protects, and the
Resource Groups Tagging API does not know them.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from typing import Any

from moto.cloudfront.models import cloudfront_backends
from moto.core.resource_tagging import TaggedResource, make_tag_matcher
from moto.resourcegroupstaggingapi.models import ResourceGroupsTaggingAPIBackend
from moto.wafv2.exceptions import WAFv2ClientError
from moto.wafv2.models import GLOBAL_REGION, WAFV2Backend, wafv2_backends
from moto.wafv2.responses import WAFV2Response

from sandbox.emulator.additions.patching import add, wrap


class AssociatedItemError(WAFv2ClientError):
    def __init__(self) -> None:
        super().__init__("WAFAssociatedItemException", "AWS WAF couldn't perform the operation because your resource is being used.")


@functools.cache
def install() -> None:
    @wrap(WAFV2Backend, "associate_web_acl")
    def associate_web_acl(original: Any, self: Any, web_acl_arn: str, resource_arn: str) -> None:
        if web_acl_arn in self.wacls:
            self.disassociate_web_acl(resource_arn)
        original(self, web_acl_arn, resource_arn)

    @wrap(WAFV2Backend, "delete_web_acl")
    def delete_web_acl(original: Any, self: Any, name: str, scope: str, _id: str, lock_token: str) -> None:
        for arn, acl in self.wacls.items():
            if acl.id == _id and (acl.associated_resources or _distributions(self.account_id, arn)):
                raise AssociatedItemError
        original(self, name, scope, _id, lock_token)

    @add(WAFV2Response, "list_resources_for_web_acl")
    def list_resources_for_web_acl(self: Any) -> Any:
        acl = self.wafv2_backend.get_web_acl(json.loads(self.body)["WebACLArn"], None, None)
        return 200, {"Content-Type": "application/json"}, json.dumps({"ResourceArns": acl.associated_resources})

    @wrap(ResourceGroupsTaggingAPIBackend, "_get_resources_generator")
    def resources(original: Any, self: Any, tag_filters: Any = None, *rest: Any, **named: Any) -> Iterator[TaggedResource]:
        yield from original(self, tag_filters, *rest, **named)
        wanted = make_tag_matcher(tag_filters)
        for region in [self.region_name, *([GLOBAL_REGION] if self.region_name == "us-east-1" else [])]:
            backend = wafv2_backends[self.account_id][region]
            for arn in backend.wacls:
                tags = {tag["Key"]: tag["Value"] for tag in backend.tagging_service.list_tags_for_resource(arn)["Tags"]}
                if wanted(tags):
                    yield TaggedResource(arn, tags, "wafv2:webacl")


def _distributions(account_id: str, arn: str) -> list[str]:
    """The distributions that name the web ACL."""
    found = cloudfront_backends[account_id]["aws"].distributions.values()
    return [distribution.id for distribution in found if getattr(distribution.distribution_config, "WebACLId", "") == arn]

# SPDX-License-Identifier: GPL-3.0-or-later
"""Tags of permission sets.

https://docs.aws.amazon.com/singlesignon/latest/APIReference/API_ListTagsForResource.html
https://docs.aws.amazon.com/singlesignon/latest/APIReference/API_TagResource.html
https://docs.aws.amazon.com/singlesignon/latest/APIReference/API_UntagResource.html
moto 5.2.5 takes tags with a new permission set and never gives them back.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from moto.ssoadmin.responses import SSOAdminResponse

from sandbox.emulator.additions.patching import add


@cache
def install() -> None:
    @add(SSOAdminResponse, "list_tags_for_resource")
    def list_tags_for_resource(self: Any) -> str:
        return json.dumps({"Tags": _permission_set(self).tags or []})

    @add(SSOAdminResponse, "tag_resource")
    def tag_resource(self: Any) -> str:
        given = self._get_param("Tags")
        _keep(_permission_set(self), [tag["Key"] for tag in given], given)
        return "{}"

    @add(SSOAdminResponse, "untag_resource")
    def untag_resource(self: Any) -> str:
        _keep(_permission_set(self), self._get_param("TagKeys"), [])
        return "{}"


def _permission_set(response: Any) -> Any:
    return response.ssoadmin_backend._find_permission_set(response._get_param("InstanceArn"), response._get_param("ResourceArn"))


def _keep(permission_set: Any, without: list[str], more: list[dict[str, str]]) -> None:
    permission_set.tags = [tag for tag in permission_set.tags or [] if tag["Key"] not in without] + more

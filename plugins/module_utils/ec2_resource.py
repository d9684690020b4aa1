# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What resources of EC2 have in common: how they are tagged, and how those that have no name of their own are found in a VPC."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible_collections.amazon.aws.plugins.module_utils.tagging import ansible_dict_to_boto3_tag_list, boto3_tag_list_to_ansible_dict
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import Properties, Resource, ResourceError


def set_tags(client: Any, identifier: str, add: dict[str, str], remove: list[str]) -> None:
    """Set and remove tags of a thing that EC2 knows by its id."""
    if remove:
        client.delete_tags(Resources=[identifier], Tags=[{"Key": key} for key in remove])
    if add:
        client.create_tags(Resources=[identifier], Tags=ansible_dict_to_boto3_tag_list(add))


class Ec2Resource(Resource):
    """A resource that EC2 tags by its id."""

    service = "ec2"
    id_property: ClassVar[str]
    """The property that holds the id."""

    def tag(self, current: Properties, add: dict[str, str], remove: list[str]) -> None:
        set_tags(self.client, current[self.id_property], add, remove)


class NamedInVpc(Ec2Resource):
    """A resource that is found by its tag Name among those of its VPC, and has subnets.

    Its options are vpc_id, name, subnet_ids, and other_subnet_ids for those that other resources of its kind have.
    """

    def __init__(self, module: Any, client: Any) -> None:
        super().__init__(module, client)
        if module.params["tags"] is not None:
            self.params = {**module.params, "tags": {**module.params["tags"], "Name": module.params["name"]}}

    def __str__(self) -> str:
        return f"{super().__str__()} of {self.params['vpc_id']}"

    def declared(self) -> Properties:
        named = (self.module.params["tags"] or {}).get("Name", self.name)
        if named != self.name:
            kind = self.kind.rpartition(" ")[2]
            raise ResourceError(f"tags.Name is {named!r}, which is not the name that the {kind} is found by; leave it out.")
        subnets = self.params["subnet_ids"]
        return {**super().declared(), "subnet_ids": None if subnets is None else sorted(set(subnets))}

    def in_vpc(self, operation: str, key: str, identifier: str) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
        """All of the kind in the VPC, in one call, since another one may have a subnet that is wanted here; and the one of the name."""
        found: list[dict[str, Any]] = [
            thing
            for page in self.client.get_paginator(operation).paginate(Filters=[{"Name": "vpc-id", "Values": [self.params["vpc_id"]]}])
            for thing in page[key]
        ]
        own = [thing for thing in found if tags_of(thing).get("Name") == self.name]
        if len(own) > 1:
            ids = " and ".join(sorted(thing[identifier] for thing in own))
            raise ResourceError(f"{ids} have this name. Delete those that nothing uses, or change their tag Name.")
        return found, own[0] if own else None

    @property
    def left_to_others(self) -> set[str]:
        """The subnets that this resource may have, and does not look at: others take them."""
        return set(self.params["other_subnet_ids"]) - set(self.params["subnet_ids"] or [])

    def specification(self, kind: str, tags: dict[str, str]) -> list[dict[str, Any]]:
        """The tags of a new resource, as its creation takes them; kind is what EC2 calls it."""
        return [{"ResourceType": kind, "Tags": ansible_dict_to_boto3_tag_list({"Name": self.name, **tags})}]


def tags_of(thing: dict[str, Any]) -> dict[str, str]:
    """The tags of a thing as EC2 describes it."""
    return dict(boto3_tag_list_to_ansible_dict(thing.get("Tags", [])))

# SPDX-License-Identifier: GPL-3.0-or-later
"""Images: the sandbox's own base images, and CreateImage and CopyImage as AWS does them.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateImage.html
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CopyImage.html
moto 5.2.5 raises NotImplementedError for tags on the snapshots, accepts a name that exists already, makes images available
before anything has been committed, drops the tags and the key of a copy and does not say what a copy was made from.
"""

from __future__ import annotations

import functools
from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import ec2_backends
from moto.ec2.models.amis import Ami, AmiBackend
from moto.ec2.responses.amis import AmisResponse
from moto.ec2.utils import convert_tag_spec, random_ami_id
from moto.kms.models import kms_backends

from sandbox.emulator.additions.patching import replace_property, wrap
from sandbox.emulator.runtime import runtime
from sandbox.settings import ACCOUNT_ID, CONTAINER_IMAGE_TAG, INSTANCE_IMAGE, REGIONS, baked_image

BASE_IMAGES = {"debian-13-amd64-sandbox": INSTANCE_IMAGE}  # name -> container image that stands for it
ROOT_DEVICE = "/dev/xvda"  # as on Debian's own images


class DuplicateNameError(EC2ClientError):
    def __init__(self, name: str, ami_id: str) -> None:
        super().__init__("InvalidAMIName.Duplicate", f"AMI name {name} is already in use by AMI {ami_id}")


class ImageUnavailableError(EC2ClientError):
    def __init__(self, ami_id: str, state: str) -> None:
        super().__init__("InvalidAMIID.Unavailable", f"The image ID '{ami_id}' is not available: it is {state}")


def register_base_images() -> None:
    """Make the base images known in every region, as if this account had uploaded them."""
    for region in REGIONS:
        backend = ec2_backends[ACCOUNT_ID][region]
        for name, container_image in BASE_IMAGES.items():
            ami_id = random_ami_id()
            backend.amis[ami_id] = Ami(
                backend,
                ami_id,
                name=name,
                description="Debian for the sandbox",
                architecture="x86_64",
                virtualization_type="hvm",
                root_device_name=ROOT_DEVICE,
                root_device_type="ebs",
                hypervisor="xen",
                tags={CONTAINER_IMAGE_TAG: container_image},
            )


def _refuse_duplicate(backend: Any, name: str) -> None:
    for image in backend.amis.values():
        if image.name == name and image.owner_id == backend.account_id:
            raise DuplicateNameError(name, image.id)


def container_image(image: Any) -> str:
    """The container image behind an image: the one that its tag names, else its own."""
    return next((tag["value"] for tag in image.get_tags() if tag["key"] == CONTAINER_IMAGE_TAG), baked_image(image.id))


def _keep_root_device(image: Any, source: Any) -> Any:
    image.root_device_name = source.root_device_name if source else ROOT_DEVICE
    image.root_device_type = "ebs"
    return image


def _volumes(instance: Any) -> list[Any]:
    volumes = instance.ec2_backend.volumes
    return [volumes[device.volume_id] for device in instance.block_device_mapping.values() if device.volume_id in volumes]


def _encrypt_as(image: Any, volume: Any | None) -> None:
    """A snapshot of an encrypted volume is encrypted with the volume's key."""
    if volume is not None:
        key = kms_backends[image.ec2_backend.account_id][image.ec2_backend.region_name].describe_key(volume.kms_key_id or "alias/aws/ebs")
        image.ebs_snapshot.encrypted, image.ebs_snapshot.kms_key_id = True, key.arn


def _devices(image: Any) -> list[dict[str, Any]]:
    disk = {"SnapshotId": image.ebs_snapshot.id, "VolumeSize": 15, "DeleteOnTermination": False, "VolumeType": "standard"}
    return [{"DeviceName": image.root_device_name, "Ebs": disk | {"Encrypted": bool(image.ebs_snapshot.encrypted)}}]


@functools.cache
def install() -> None:
    replace_property(Ami, "block_device_mappings", _devices)

    @wrap(AmiBackend, "create_image")
    def create_image(original: Any, self: Any, instance_id: str, name: str, description: str, tag_specifications: list[Any]) -> Any:  # noqa: PLR0917 - moto's signature
        _refuse_duplicate(self, name)
        image = original(self, instance_id, name, description, [spec for spec in tag_specifications if spec["ResourceType"] != "snapshot"])
        image.ebs_snapshot.add_tags(convert_tag_spec(tag_specifications).get("snapshot", {}))
        _encrypt_as(image, next((volume for volume in _volumes(image.instance) if volume.encrypted), None))
        if not runtime.standalone:
            image.state = "pending"  # until the container has been committed
        return _keep_root_device(image, self.amis.get(image.instance.image_id))

    @wrap(AmiBackend, "copy_image")
    def copy_image(  # noqa: PLR0917 - moto's signature
        original: Any, self: Any, source_image_id: str, source_region: str, name: str | None = None, description: str | None = None
    ) -> Any:
        source = ec2_backends[self.account_id][source_region].describe_images(ami_ids=[source_image_id])[0]
        if source.state != "available":
            raise ImageUnavailableError(source_image_id, source.state)
        image = original(self, source_image_id, source_region, name, description)
        image.add_tag(CONTAINER_IMAGE_TAG, container_image(source))  # regions share one machine, so nothing is left to copy
        image.source_image_id, image.source_image_region = source_image_id, source_region
        return _keep_root_device(image, source)

    @wrap(AmisResponse, "copy_image")
    def copy_image_response(original: Any, self: Any) -> Any:
        answer: ActionResult = original(self)
        image = self.ec2_backend.amis[answer.result["ImageId"]]  # type: ignore[index]
        if self._get_param("CopyImageTags"):
            source = ec2_backends[self.current_account][image.source_image_region].amis[image.source_image_id]
            image.add_tags({tag["key"]: tag["value"] for tag in source.get_tags()})
        image.add_tags(convert_tag_spec(self._get_param("TagSpecifications", [])).get("image", {}))
        if self._get_param("Encrypted"):
            key = kms_backends[self.current_account][self.region].describe_key(self._get_param("KmsKeyId") or "alias/aws/ebs")
            image.ebs_snapshot.encrypted, image.ebs_snapshot.kms_key_id = True, key.arn
        return answer

    register_base_images()

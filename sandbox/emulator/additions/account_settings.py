# SPDX-License-Identifier: GPL-3.0-or-later
"""Account-wide EC2 settings: the EBS default key, encryption of new volumes, instance metadata defaults, and what may be made public.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_GetEbsDefaultKmsKeyId.html
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ResetEbsDefaultKmsKeyId.html
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyInstanceMetadataDefaults.html
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_EnableImageBlockPublicAccess.html
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_EnableSnapshotBlockPublicAccess.html
moto 5.2.5 can set the default key but neither tell it nor go back from it, knows no metadata defaults and nothing that keeps images and
snapshots from being made public, and creates plain volumes although encryption by default is on.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.models.elastic_block_store import EBSBackend
from moto.ec2.responses import EC2Response

from sandbox.emulator.additions.patching import add, wrap

_METADATA_DEFAULTS = ("HttpTokens", "HttpPutResponseHopLimit", "HttpEndpoint", "InstanceMetadataTags")
_OWNED_BY_AWS = "alias/aws/ebs"
# What is kept from being made public -> the parameter that says what is refused.
_SHARED = {"image": "ImageBlockPublicAccessState", "snapshot": "State"}


@cache
def install() -> None:
    @add(EC2Response, "get_ebs_default_kms_key_id")
    def get_ebs_default_kms_key_id(self: Any) -> ActionResult:
        return ActionResult({"KmsKeyId": self.ec2_backend.default_kms_key_id or _OWNED_BY_AWS})

    @add(EC2Response, "reset_ebs_default_kms_key_id")
    def reset_ebs_default_kms_key_id(self: Any) -> ActionResult:
        self.ec2_backend.default_kms_key_id = ""
        return ActionResult({"KmsKeyId": _OWNED_BY_AWS})

    @add(EC2Response, "get_instance_metadata_defaults")
    def get_metadata_defaults(self: Any) -> ActionResult:
        return ActionResult({"AccountLevel": getattr(self.ec2_backend, "instance_metadata_defaults", {})})

    @add(EC2Response, "modify_instance_metadata_defaults")
    def modify_metadata_defaults(self: Any) -> ActionResult:
        defaults = dict(getattr(self.ec2_backend, "instance_metadata_defaults", {}))
        defaults |= {name: value for name in _METADATA_DEFAULTS if (value := self._get_param(name)) is not None}
        self.ec2_backend.instance_metadata_defaults = {
            name: value for name, value in defaults.items() if value not in ("no-preference", -1, "-1")
        }
        return ActionResult({"Return": True})

    @wrap(EBSBackend, "create_volume")
    def create_volume(original: Any, self: Any, *, encrypted: bool = False, **named: Any) -> Any:
        return original(self, encrypted=encrypted or self.ebs_encryption_by_default, **named)

    for thing, parameter in _SHARED.items():
        _block_public_access(thing, parameter)


def _block_public_access(thing: str, parameter: str) -> None:
    """The three calls by which images, or snapshots, are kept from being made public."""
    attribute = f"{thing}_public_access"

    def answer(self: Any) -> ActionResult:
        return ActionResult({parameter: getattr(self.ec2_backend, attribute, "unblocked")})

    def enable(self: Any) -> ActionResult:
        setattr(self.ec2_backend, attribute, self._get_param(parameter))
        return answer(self)

    def disable(self: Any) -> ActionResult:
        setattr(self.ec2_backend, attribute, "unblocked")
        return answer(self)

    add(EC2Response, f"get_{thing}_block_public_access_state")(answer)
    add(EC2Response, f"enable_{thing}_block_public_access")(enable)
    add(EC2Response, f"disable_{thing}_block_public_access")(disable)

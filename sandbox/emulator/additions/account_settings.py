# SPDX-License-Identifier: GPL-3.0-or-later
"""Account-wide EC2 settings: the EBS default key, encryption of new volumes, and instance metadata defaults.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_GetEbsDefaultKmsKeyId.html
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyInstanceMetadataDefaults.html
moto 5.2.5 can set the default key but not tell it, knows no metadata defaults, and creates plain volumes although encryption
by default is on.
"""

from __future__ import annotations

from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.models.elastic_block_store import EBSBackend
from moto.ec2.responses import EC2Response

from sandbox.emulator.additions.patching import add, wrap

_METADATA_DEFAULTS = ("HttpTokens", "HttpPutResponseHopLimit", "HttpEndpoint", "InstanceMetadataTags")


def install() -> None:
    @add(EC2Response, "get_ebs_default_kms_key_id")
    def get_ebs_default_kms_key_id(self: Any) -> ActionResult:
        return ActionResult({"KmsKeyId": self.ec2_backend.default_kms_key_id or "alias/aws/ebs"})

    @add(EC2Response, "get_instance_metadata_defaults")
    def get_metadata_defaults(self: Any) -> ActionResult:
        return ActionResult({"AccountLevel": getattr(self.ec2_backend, "instance_metadata_defaults", {})})

    @add(EC2Response, "modify_instance_metadata_defaults")
    def modify_metadata_defaults(self: Any) -> ActionResult:
        defaults = dict(getattr(self.ec2_backend, "instance_metadata_defaults", {}))
        defaults |= {name: value for name in _METADATA_DEFAULTS if (value := self._get_param(name)) is not None}
        self.ec2_backend.instance_metadata_defaults = {name: value for name, value in defaults.items() if value != "no-preference"}
        return ActionResult({"Return": True})

    @wrap(EBSBackend, "create_volume")
    def create_volume(original: Any, self: Any, *, encrypted: bool = False, **named: Any) -> Any:
        return original(self, encrypted=encrypted or self.ebs_encryption_by_default, **named)

# SPDX-License-Identifier: GPL-3.0-or-later
"""CloudFront distributions as they were declared, and the policies and access controls that they name.

https://docs.aws.amazon.com/cloudfront/latest/APIReference/API_DistributionConfig.html
https://docs.aws.amazon.com/cloudfront/latest/APIReference/API_UpdateDistribution.html
https://docs.aws.amazon.com/cloudfront/latest/APIReference/API_DeleteDistribution.html
https://docs.aws.amazon.com/cloudfront/latest/APIReference/API_ResponseHeadersPolicyConfig.html
moto 5.2.5 forgets parts of a distribution (access controls of origins, origin groups' order, header policies), takes any version for the
current one, deletes what serves visitors and what distributions use, and has no response headers policies.
"""

from __future__ import annotations

import copy
import functools
import uuid
from typing import Any

from moto.cloudfront import urls
from moto.cloudfront.models import CloudFrontBackend, DistributionConfig, random_id
from moto.cloudfront.responses import CloudFrontResponse
from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult, EmptyResult

from sandbox.emulator.additions.patching import add, wrap

NONE = {"Quantity": 0}
# What AWS says of a part that was not declared.
ORIGIN = {
    "OriginPath": "",
    "CustomHeaders": NONE,
    "ConnectionAttempts": 3,
    "ConnectionTimeout": 10,
    "OriginShield": {"Enabled": False},
    "OriginAccessControlId": "",
}
BEHAVIOUR = {
    "TrustedSigners": {"Enabled": False, **NONE},
    "TrustedKeyGroups": {"Enabled": False, **NONE},
    "AllowedMethods": {"Quantity": 2, "Items": ["HEAD", "GET"], "CachedMethods": {"Quantity": 2, "Items": ["HEAD", "GET"]}},
    "SmoothStreaming": False,
    "Compress": False,
    "LambdaFunctionAssociations": NONE,
    "FunctionAssociations": NONE,
    "FieldLevelEncryptionId": "",
    "GrpcConfig": {"Enabled": False},
}
DISTRIBUTION = {
    "Aliases": NONE,
    "DefaultRootObject": "",
    "OriginGroups": NONE,
    "CacheBehaviors": NONE,
    "CustomErrorResponses": NONE,
    "Logging": {"Enabled": False, "IncludeCookies": False, "Bucket": "", "Prefix": ""},
    "PriceClass": "PriceClass_All",
    "ViewerCertificate": {"CloudFrontDefaultCertificate": True, "MinimumProtocolVersion": "TLSv1", "CertificateSource": "cloudfront"},
    "Restrictions": {"GeoRestriction": {"RestrictionType": "none", **NONE}},
    "WebACLId": "",
    "HttpVersion": "http2",
    "IsIPV6Enabled": True,
    "ContinuousDeploymentPolicyId": "",
    "Staging": False,
}


class CloudFrontError(ServiceException):
    """A refusal with AWS's error code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@functools.cache
def install() -> None:
    _install_configurations()
    _install_versions()
    _install_access_controls()
    _install_header_policies()


# --- distributions ----------------------------------------------------------------------------------------------------


def complete(config: dict[str, Any]) -> dict[str, Any]:
    """A declared configuration with what AWS adds to it."""
    whole = {**copy.deepcopy(DISTRIBUTION), **config}
    whole["DefaultCacheBehavior"] = {**copy.deepcopy(BEHAVIOUR), **whole["DefaultCacheBehavior"]}
    for part, defaults in (("Origins", ORIGIN), ("CacheBehaviors", BEHAVIOUR)):
        items = whole[part].get("Items") or []
        whole[part] = {"Quantity": len(items), "Items": [{**copy.deepcopy(defaults), **item} for item in items]} if items else NONE
    return whole


def _install_configurations() -> None:
    @wrap(DistributionConfig, "__init__")
    def init(_original: Any, self: Any, config: dict[str, Any]) -> None:
        whole = complete(config)
        known = {part["Id"] for name in ("Origins", "OriginGroups") for part in whole[name].get("Items") or []}
        for behaviour in [whole["DefaultCacheBehavior"], *(whole["CacheBehaviors"].get("Items") or [])]:
            if behaviour["TargetOriginId"] not in known:
                raise CloudFrontError("NoSuchOrigin", "One or more of your origins or origin groups do not exist.")
            written = {"POST", "PUT", "PATCH", "DELETE"} & set(behaviour["AllowedMethods"]["Items"])
            if written and behaviour["TargetOriginId"] not in {origin["Id"] for origin in whole["Origins"]["Items"]}:
                message = "The parameter AllowedMethods cannot include methods that write for a behavior associated with an origin group."
                raise CloudFrontError("InvalidArgument", message)
        vars(self).update(whole, caller_reference=whole["CallerReference"])


def _install_versions() -> None:
    def require(distribution: Any, version: Any) -> None:
        if version and version != distribution.etag:
            raise CloudFrontError("PreconditionFailed", "The request failed because it didn't meet the preconditions.")

    @wrap(CloudFrontBackend, "update_distribution")
    def update_distribution(original: Any, self: Any, dist_config: dict[str, Any], _id: str, if_match: Any) -> Any:
        if _id in self.distributions:
            require(self.distributions[_id], if_match)
        distribution, location, _etag = original(self, dist_config, _id, if_match)
        distribution.etag = random_id()
        return distribution, location, distribution.etag

    @wrap(CloudFrontBackend, "delete_distribution")
    def delete_distribution(original: Any, self: Any, distribution_id: str, if_match: Any) -> None:
        if distribution := self.distributions.get(distribution_id):
            require(distribution, if_match)
            if distribution.distribution_config.Enabled:
                raise CloudFrontError("DistributionNotDisabled", "The distribution you are trying to delete has not been disabled.")
        original(self, distribution_id, if_match)


def _users(backend: Any, member: str, value: str) -> bool:
    """Whether a distribution names something in an origin or a behaviour."""
    for distribution in backend.distributions.values():
        config = distribution.distribution_config
        parts = [*config.Origins.get("Items", []), *config.CacheBehaviors.get("Items", []), config.DefaultCacheBehavior]
        if any(part.get(member) == value for part in parts):
            return True
    return False


def _install_access_controls() -> None:
    @wrap(CloudFrontBackend, "delete_origin_access_control")
    def delete_origin_access_control(original: Any, self: Any, control_id: str) -> None:
        self.get_origin_access_control(control_id)
        if _users(self, "OriginAccessControlId", control_id):
            raise CloudFrontError("OriginAccessControlInUse", "Cannot delete the origin access control because it's in use.")
        original(self, control_id)


# --- response headers policies ----------------------------------------------------------------------------------------


def _policies(response: Any) -> dict[str, dict[str, Any]]:
    """Id -> policy, kept in the account's backend."""
    return vars(response.backend).setdefault("response_headers_policies", {})


def _policy(response: Any) -> dict[str, Any]:
    found = _policies(response).get(response._get_param("Id"))
    if found is None:
        raise CloudFrontError("NoSuchResponseHeadersPolicy", "The response headers policy does not exist.")
    version = response._get_param("IfMatch")
    if version and version != found["ETag"]:
        raise CloudFrontError("PreconditionFailed", "The request failed because it didn't meet the preconditions.")
    return found


def _keep(response: Any, identifier: str) -> ActionResult:
    config = response._get_param("ResponseHeadersPolicyConfig")
    for other, policy in _policies(response).items():
        if other != identifier and policy["ResponseHeadersPolicy"]["ResponseHeadersPolicyConfig"]["Name"] == config["Name"]:
            raise CloudFrontError("ResponseHeadersPolicyAlreadyExists", "A response headers policy with this name already exists.")
    policy = {"Id": identifier, "LastModifiedTime": "2026-01-01T00:00:00Z", "ResponseHeadersPolicyConfig": config}
    _policies(response)[identifier] = kept = {"ResponseHeadersPolicy": policy, "ETag": random_id()}
    return ActionResult(kept)


def _install_header_policies() -> None:
    for path in ("", "/(?P<policy_id>[^/]+)", "/(?P<policy_id>[^/]+)/config"):
        urls.url_paths[f"{{0}}/2020-05-31/response-headers-policy{path}$"] = CloudFrontResponse.dispatch

    @add(CloudFrontResponse, "create_response_headers_policy")
    def create(self: Any) -> ActionResult:
        return _keep(self, str(uuid.uuid4()))

    @add(CloudFrontResponse, "update_response_headers_policy")
    def update(self: Any) -> ActionResult:
        return _keep(self, _policy(self)["ResponseHeadersPolicy"]["Id"])

    @add(CloudFrontResponse, "get_response_headers_policy")
    def get(self: Any) -> ActionResult:
        return ActionResult(_policy(self))

    @add(CloudFrontResponse, "list_response_headers_policies")
    def list_all(self: Any) -> ActionResult:
        items = [{"Type": "custom", "ResponseHeadersPolicy": policy["ResponseHeadersPolicy"]} for policy in _policies(self).values()]
        return ActionResult({"ResponseHeadersPolicyList": {"MaxItems": 100, "Quantity": len(items), "Items": items}})

    @add(CloudFrontResponse, "delete_response_headers_policy")
    def delete(self: Any) -> EmptyResult:
        identifier = _policy(self)["ResponseHeadersPolicy"]["Id"]
        if _users(self.backend, "ResponseHeadersPolicyId", identifier):
            raise CloudFrontError("ResponseHeadersPolicyInUse", "Cannot delete the response headers policy because it is in use.")
        del _policies(self)[identifier]
        return EmptyResult()

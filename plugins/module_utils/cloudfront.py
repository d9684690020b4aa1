# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""CloudFront's own forms of lists, origins and behaviours, and how a distribution is taken out of service."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ansible_collections.indivillage.infra.plugins.module_utils import planning
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import Properties, wait_until

NONE: dict[str, Any] = {"Quantity": 0}
# https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/using-managed-cache-policies.html and -origin-request-policies.html
CACHE_POLICIES = {
    "always": "658327ea-f89d-4fab-a63d-7e88639e58f6",  # CachingOptimized
    "as_told": "4cc15a8a-d715-48a4-82b8-cc0b614638fe",  # UseOriginCacheControlHeaders-QueryStrings
    "never": "4135ea2d-6df8-44a3-9df3-4b5a84be39ad",  # CachingDisabled
}
ALL_OF_THE_VIEWER = "216adef6-5c7f-47e4-b989-5492eafa07d3"
READING = ["GET", "HEAD", "OPTIONS"]
ALL_METHODS = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"]
NO_LOGGING = {"Enabled": False, "IncludeCookies": False, "Bucket": "", "Prefix": ""}  # the former way, which needs buckets with ACLs
# What a behaviour has or has not; a task that declares none of it means none.
OPTIONAL = ("OriginRequestPolicyId", "ResponseHeadersPolicyId")


def listed(items: list[Any]) -> dict[str, Any]:
    """A list in CloudFront's form."""
    return {"Quantity": len(items), "Items": list(items)} if items else dict(NONE)


def pages(client: Any, operation: str, key: str) -> Iterator[dict[str, Any]]:
    """The items of all pages of an answer that CloudFront lists; botocore does not know the pages of each."""
    marker: dict[str, str] = {}
    while True:
        page = getattr(client, operation)(**marker)[key]
        yield from page.get("Items") or []
        if not page.get("NextMarker"):
            return
        marker = {"Marker": page["NextMarker"]}


def delete_distribution(client: Any, identifier: str, timeout_seconds: float, poll_seconds: float) -> None:
    """Disable a distribution, wait until no place of the world serves it any more, and delete it."""
    answer = client.get_distribution_config(Id=identifier)
    if answer["DistributionConfig"]["Enabled"]:
        disabled = {**answer["DistributionConfig"], "Enabled": False}
        client.update_distribution(Id=identifier, IfMatch=answer["ETag"], DistributionConfig=disabled)
    await_deployed(client, identifier, timeout_seconds, poll_seconds)
    client.delete_distribution(Id=identifier, IfMatch=client.get_distribution_config(Id=identifier)["ETag"])


def await_deployed(client: Any, identifier: str, timeout_seconds: float, poll_seconds: float) -> None:
    """Wait until every place of the world has a distribution's last change; a plan has none to wait for."""

    def deployed() -> bool:
        return bool(client.get_distribution(Id=identifier)["Distribution"]["Status"] == "Deployed")

    if not planning.active:
        wait_until(deployed, f"distribution {identifier} to be deployed everywhere", timeout_seconds, poll_seconds)


ORIGIN_PARTS = {"origins", "secret_headers"}


def written(properties: Properties) -> dict[str, Any]:
    """The parts of a distribution's configuration that hold the given properties."""
    headers = properties.get("secret_headers") or {}
    parts: dict[str, tuple[str, Any]] = {
        "enabled": ("Enabled", lambda value: value),
        "aliases": ("Aliases", listed),
        "certificate": ("ViewerCertificate", lambda value: value),
        "origins": (
            "Origins",
            lambda value: listed([{**origin, "CustomHeaders": written_headers(origin["Id"], headers)} for origin in value]),
        ),
        "origin_groups": ("OriginGroups", lambda value: listed(list(map(written_group, value)))),
        "default_behaviour": ("DefaultCacheBehavior", _without_empty),
        "behaviours": ("CacheBehaviors", lambda value: listed(list(map(_without_empty, value)))),
        "errors": ("CustomErrorResponses", listed),
        "web_acl_arn": ("WebACLId", lambda value: value),
        "price_class": ("PriceClass", lambda value: value),
        "http_version": ("HttpVersion", lambda value: value),
        "ipv6": ("IsIPV6Enabled", lambda value: value),
        "countries": ("Restrictions", lambda value: {"GeoRestriction": value}),
        "access_log": ("Logging", lambda value: value),
    }
    return {name: write(properties[key]) for key, (name, write) in parts.items() if properties.get(key) is not None}


def written_origin(origin: Properties) -> dict[str, Any]:
    """An origin as the API takes it, but for its headers; everything is said, so that nothing is left to what was there before."""
    shield = origin["shield_region"]
    server = {
        "HTTPPort": 80,
        "HTTPSPort": 443,
        "OriginProtocolPolicy": "https-only",
        "OriginSslProtocols": listed(["TLSv1.2"]),  # the least; CloudFront chooses TLS 1.3 by itself
        "OriginReadTimeout": 30,
        "OriginKeepaliveTimeout": 5,
    }
    bucket = bool(origin["access_control_id"])
    return {
        "Id": origin["id"],
        "DomainName": origin["domain_name"],
        "OriginPath": "",
        "ConnectionAttempts": 3,
        "ConnectionTimeout": 10,
        "OriginShield": {"Enabled": True, "OriginShieldRegion": shield} if shield else {"Enabled": False},
        "OriginAccessControlId": origin["access_control_id"] or "",
        **({"S3OriginConfig": {"OriginAccessIdentity": ""}} if bucket else {"CustomOriginConfig": server}),
    }


def written_behaviour(behaviour: Properties) -> dict[str, Any]:
    """A behaviour as the API takes it, without its path; everything is said here too."""
    methods = ALL_METHODS if behaviour["methods"] == "all" else READING
    return {
        "TargetOriginId": behaviour["origin"],
        "ViewerProtocolPolicy": "redirect-to-https",
        "AllowedMethods": {**listed(methods), "CachedMethods": listed(["GET", "HEAD"])},
        "CachePolicyId": CACHE_POLICIES[behaviour["cache"]],
        "OriginRequestPolicyId": ALL_OF_THE_VIEWER if behaviour["forward"] == "everything" else "",
        "ResponseHeadersPolicyId": behaviour["headers_policy_id"] or "",
        "Compress": True,
        "SmoothStreaming": False,
        "FieldLevelEncryptionId": "",
        "TrustedSigners": {"Enabled": False, **NONE},
        "TrustedKeyGroups": {"Enabled": False, **NONE},
        "LambdaFunctionAssociations": dict(NONE),
        "FunctionAssociations": dict(NONE),
    }


def read_behaviour(behaviour: dict[str, Any]) -> Properties:
    """A behaviour with a word for what it has not."""
    return {**dict.fromkeys(OPTIONAL, ""), **behaviour}


def _without_empty(behaviour: Properties) -> dict[str, Any]:
    return {key: value for key, value in behaviour.items() if value != "" or key not in OPTIONAL}


def written_group(group: Properties) -> dict[str, Any]:
    """A pair of origins as the API takes it."""
    return {
        "Id": group["id"],
        "FailoverCriteria": {"StatusCodes": listed(group["status_codes"])},
        "Members": listed([{"OriginId": group["primary"]}, {"OriginId": group["secondary"]}]),
    }


def read_group(group: dict[str, Any]) -> Properties:
    """A pair of origins in the words of this module: their order counts."""
    first, second = (member["OriginId"] for member in group["Members"]["Items"])
    return {"id": group["Id"], "primary": first, "secondary": second, "status_codes": group["FailoverCriteria"]["StatusCodes"]["Items"]}


def written_headers(origin: str, headers: Properties) -> dict[str, Any]:
    """The headers of one origin as the API takes them."""
    return listed([{"HeaderName": name, "HeaderValue": values[origin]} for name, values in headers.items() if origin in values])


def read_headers(origins: list[dict[str, Any]]) -> Properties:
    """Header -> origin -> value."""
    headers: Properties = {}
    for origin in origins:
        for header in origin.get("CustomHeaders", NONE).get("Items", []):
            headers.setdefault(header["HeaderName"], {})[origin["Id"]] = header["HeaderValue"]
    return headers

# SPDX-License-Identifier: GPL-3.0-or-later
"""Which call of the AWS API an HTTP request is, read by the service's own model."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from moto.core.parse import PROTOCOL_PARSERS, RequestParserError
from moto.core.request import Request, determine_request_protocol
from moto.core.routing import get_service_router
from moto.core.utils import get_service_model
from werkzeug.exceptions import NotFound

_CREDENTIAL = re.compile(r"Credential=([^/]+)/\d{8}/([^/]+)/([^/]+)/aws4_request")
# Requests are signed for a service's endpoint; botocore has another name for these.
_BOTOCORE_NAMES = {
    "access-analyzer": "accessanalyzer",
    "elasticloadbalancing": "elbv2",
    "monitoring": "cloudwatch",
    "sso": "sso-admin",
    "tagging": "resourcegroupstaggingapi",
}
# Calls about a whole account are signed like those about buckets; no bucket can be called so.
_S3_CONTROL = "/v20180820/"


@dataclass(frozen=True)
class ApiCall:
    """A signed request: service and operation by botocore's names, parameters in the shapes of the service's model."""

    service: str
    operation: str
    region: str
    access_key: str
    parameters: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def name(self) -> str:
        """Service and operation, as in `ec2:CreateVpc`."""
        return f"{self.service}:{self.operation}"


def read(environ: dict[str, Any]) -> ApiCall | None:
    """The call that a WSGI request makes, whose body stays readable; None when it is not signed or no service has such a call."""
    match = _CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", ""))
    if not match:
        return None
    access_key, region, signed_for = match.groups()
    service = _BOTOCORE_NAMES.get(signed_for, signed_for)
    if signed_for == "s3" and environ["PATH_INFO"].startswith(_S3_CONTROL):
        service = "s3control"
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    request = Request(environ | {"wsgi.input": io.BytesIO(body)})
    environ["wsgi.input"] = io.BytesIO(body)
    try:
        model, labels = get_service_router(service).match(request)
        protocol = determine_request_protocol(get_service_model(service), request.content_type)
        parameters = PROTOCOL_PARSERS[protocol](model).parse(
            {
                "method": request.method,
                "values": request.values,
                "headers": request.headers,
                "body": body,
                "url_path": request.path,
                "url_params": labels,
            }
        )
    except (NotFound, RequestParserError, NotImplementedError):
        return None
    return ApiCall(service, model.name, region, access_key, parameters)

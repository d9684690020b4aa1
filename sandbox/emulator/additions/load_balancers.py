# SPDX-License-Identifier: GPL-3.0-or-later
"""What every load balancer and target group has: a scheme, a DNS name that tells it, attributes.

https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_LoadBalancerAttribute.html
https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_TargetGroupAttribute.html
moto 5.2.5 leaves the scheme and several attributes out when they are not given; amazon.aws.elb_application_lb and
community.aws.elb_target_group read them after creation and fail.
"""

from __future__ import annotations

import functools
from typing import Any

from moto.elbv2.models import FakeLoadBalancer, FakeTargetGroup

from sandbox.emulator.additions.patching import wrap

APPLICATION_DEFAULTS = {
    "access_logs.s3.enabled": "false",
    "client_keep_alive.seconds": "3600",
    "connection_logs.s3.bucket": "",
    "connection_logs.s3.enabled": "false",
    "connection_logs.s3.prefix": "",
    "idle_timeout.timeout_seconds": "60",
    "load_balancing.cross_zone.enabled": "true",
    "routing.http.desync_mitigation_mode": "defensive",
    "routing.http.drop_invalid_header_fields.enabled": "false",
    "routing.http.preserve_host_header.enabled": "false",
    "routing.http.x_amzn_tls_version_and_cipher_suite.enabled": "false",
    "routing.http.xff_client_port.enabled": "false",
    "routing.http.xff_header_processing.mode": "append",
    "routing.http2.enabled": "true",
    "waf.fail_open.enabled": "false",
    "zonal_shift.config.enabled": "false",
}
HTTP_TARGET_GROUP_DEFAULTS = {
    "load_balancing.algorithm.anomaly_mitigation": "off",
    "stickiness.app_cookie.cookie_name": "",
    "stickiness.app_cookie.duration_seconds": "86400",
    "stickiness.lb_cookie.duration_seconds": "86400",
}


@functools.cache
def install() -> None:
    @wrap(FakeLoadBalancer, "__init__")
    def load_balancer(original: Any, self: Any, *arguments: Any, **named: Any) -> None:
        original(self, *arguments, **named)
        self.scheme = self.scheme or "internet-facing"
        if self.scheme == "internal":
            self.dns_name = f"internal-{self.dns_name}"
        if self.type == "application":
            self.attrs |= APPLICATION_DEFAULTS

    @wrap(FakeTargetGroup, "__init__")
    def target_group(original: Any, self: Any, *arguments: Any, **named: Any) -> None:
        original(self, *arguments, **named)
        if self.protocol in ("HTTP", "HTTPS"):
            self.attributes |= HTTP_TARGET_GROUP_DEFAULTS

# SPDX-License-Identifier: GPL-3.0-or-later
"""A load balancer that uses everything the configuration generator knows."""

from __future__ import annotations

from dataclasses import replace

from sandbox.services.haproxy import Balancer, Certificate, Listener, Rule, Target, TargetGroup

WEB = TargetGroup(
    arn="arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/indivillage-sandbox-web/1",
    name="indivillage-sandbox-web",
    protocol="HTTPS",
    health_protocol="HTTPS",
    health_port="traffic-port",
    health_path="/health",
    health_timeout_seconds=5,
    healthy_threshold=3,
    unhealthy_threshold=2,
    matcher="200-299,301",
    targets=(
        Target("i-0a", "10.10.10.4", 443, "healthy"),
        Target("i-0b", "10.10.11.4", 443, "unhealthy"),
        Target("i-0c", "10.10.12.4", 443, "initial"),
        Target("i-0d", "", 443, "initial"),
    ),
    attributes={"stickiness.enabled": "true", "stickiness.type": "lb_cookie", "slow_start.duration_seconds": "30"},
)
PLAIN = replace(
    WEB,
    arn=WEB.arn.replace("web", "app"),
    name="indivillage-sandbox-app",
    protocol="HTTP",
    health_protocol="HTTP",
    health_port="9000",
    matcher="200",
    targets=(Target("10.10.20.9", "10.10.20.9", 8080, "initial"),),
    attributes={"load_balancing.algorithm.type": "least_outstanding_requests"},
)


def rule(priority: str, action: dict[str, object], *conditions: dict[str, object]) -> Rule:
    return Rule(priority, conditions, (action,))


def forward(*shares: tuple[TargetGroup, int]) -> dict[str, object]:
    if len(shares) == 1:
        return {"Type": "forward", "TargetGroupArn": shares[0][0].arn}
    return {
        "Type": "forward",
        "ForwardConfig": {"TargetGroups": [{"TargetGroupArn": group.arn, "Weight": weight} for group, weight in shares]},
    }


def redirect(**configuration: str) -> dict[str, object]:
    return {"Type": "redirect", "RedirectConfig": configuration}


def fixed(status: str, body: str, kind: str = "text/plain") -> dict[str, object]:
    return {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": status, "MessageBody": body, "ContentType": kind}}


SECRET_HEADER: dict[str, object] = {
    "Field": "http-header",
    "HttpHeaderConfig": {"HttpHeaderName": "X-Origin-Verify", "Values": ["se'c\"re t#*"]},
}
HTTP = Listener(
    port=80,
    protocol="HTTP",
    ssl_policy="",
    certificates=(),
    rules=(rule("default", redirect(Protocol="HTTPS", Port="443", StatusCode="HTTP_301")),),
)
HTTPS = Listener(
    port=443,
    protocol="HTTPS",
    ssl_policy="ELBSecurityPolicy-TLS13-1-3-2021-06",
    certificates=(Certificate("arn:aws:acm:::certificate/one", "ONE"), Certificate("arn:aws:acm:::certificate/two", "TWO")),
    rules=(
        rule("default", forward((WEB, 1))),
        rule("20", fixed("503", "Down for\nmaintenance", "text/html"), {"Field": "path-pattern", "Values": ["/closed/*", "/shut?"]}),
        rule(
            "3", forward((WEB, 9), (PLAIN, 1)), {"Field": "host-header", "HostHeaderConfig": {"Values": ["*.Example.com"]}}, SECRET_HEADER
        ),
        rule(
            "30",
            redirect(Host="new.#{host}", Path="/moved/#{path}", Query="from=old&#{query}", StatusCode="HTTP_302"),
            {"Field": "query-string", "QueryStringConfig": {"Values": [{"Key": "version", "Value": "1*"}, {"Value": "old"}]}},
            {"Field": "http-request-method", "HttpRequestMethodConfig": {"Values": ["GET", "HEAD"]}},
            {"Field": "source-ip", "SourceIpConfig": {"Values": ["10.0.0.0/8"]}},
        ),
        rule("40", {"Type": "authenticate-oidc"}, {"Field": "path-pattern", "PathPatternConfig": {"Values": ["/login"]}}),
    ),
)
BALANCER = Balancer(
    name="indivillage-sandbox-public",
    gateway="10.10.0.1",
    listeners=(HTTP, HTTPS),
    target_groups=(PLAIN, WEB),
    attributes={
        "idle_timeout.timeout_seconds": "75",
        "routing.http2.enabled": "true",
        "routing.http.xff_header_processing.mode": "append",
        "routing.http.x_amzn_tls_version_and_cipher_suite.enabled": "true",
    },
)

# SPDX-License-Identifier: GPL-3.0-or-later
"""HAProxy configuration for an Application Load Balancer: pure functions from listeners, rules and target groups to text.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/introduction.html
Known differences: no WebSocket stickiness, no authentication actions (they answer 501), no fail-open when every target of a group
is unhealthy (the answer is 503), and health checks have an interval of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sandbox.services import haproxy_rules
from sandbox.services.haproxy_rules import Place

CONFIGURATION_FILE = "/etc/haproxy/haproxy.cfg"
SERVER_STATE_FILE = "/etc/haproxy/servers"
STATS_PORT = 8404
# Whatever a target group declares: the shortest interval that AWS allows for a healthy target, and a second for one that is down or in
# doubt, so that the sandbox answers in seconds where AWS takes minutes. Thresholds count as declared. The longer one also limits the TLS
# handshake of a check; a shorter limit would cut handshakes off on a busy machine.
CHECK_INTERVAL_SECONDS = 5
RETRY_INTERVAL_SECONDS = 1
# Connections of a replaced configuration, and so of deregistered targets, may last so long.
DRAIN_SECONDS = 30

State = str  # "initial", "healthy" or "unhealthy"


@dataclass(frozen=True)
class Target:
    """A registered target; `address` is empty while its instance has none."""

    id: str
    address: str
    port: int
    state: State = "initial"


@dataclass(frozen=True)
class TargetGroup:
    """A target group that some listener uses. `matcher` lists status codes and ranges: 200-299,301."""

    arn: str
    name: str
    protocol: str
    health_protocol: str
    health_port: str
    health_path: str
    health_timeout_seconds: int
    healthy_threshold: int
    unhealthy_threshold: int
    matcher: str
    targets: tuple[Target, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Rule:
    """A listener rule; `conditions` and `actions` as DescribeRules returns them. The default rule has the priority `default`."""

    priority: str
    conditions: tuple[Mapping[str, Any], ...]
    actions: tuple[Mapping[str, Any], ...]

    @property
    def order(self) -> int:
        """Place among the rules of a listener: ascending, the default last."""
        return int(self.priority) if self.priority.isdigit() else 1_000_000


@dataclass(frozen=True)
class Certificate:
    """A certificate with chain and key in PEM."""

    arn: str
    pem: str = field(repr=False)

    @property
    def file(self) -> str:
        """Where the load balancer keeps it."""
        return f"/etc/haproxy/certificates/{self.arn.rpartition('/')[2]}.pem"


@dataclass(frozen=True)
class Listener:
    """A listener; the first certificate is the default one, the others are chosen by server name."""

    port: int
    protocol: str
    ssl_policy: str
    certificates: tuple[Certificate, ...]
    rules: tuple[Rule, ...]


@dataclass(frozen=True)
class Balancer:
    """All that a configuration is made of."""

    name: str
    gateway: str
    listeners: tuple[Listener, ...]
    target_groups: tuple[TargetGroup, ...]
    attributes: Mapping[str, str] = field(default_factory=dict)

    def on(self, attribute: str) -> bool:
        """Whether a boolean load balancer attribute is set."""
        return self.attributes.get(attribute) == "true"


# --- files -------------------------------------------------------------------------------------------------------------------------


def files(balancer: Balancer) -> dict[str, str]:
    """Path -> text of everything that HAProxy reads."""
    certificates = {certificate.file: certificate.pem for listener in balancer.listeners for certificate in listener.certificates}
    bodies = {
        _body_file(listener, rule): action["FixedResponseConfig"].get("MessageBody", "")
        for listener in balancer.listeners
        for rule in listener.rules
        for action in rule.actions
        if action["Type"] == "fixed-response"
    }
    return {CONFIGURATION_FILE: configuration(balancer), **certificates, **bodies}


def configuration(balancer: Balancer) -> str:
    """The configuration file."""
    idle_seconds = balancer.attributes.get("idle_timeout.timeout_seconds", "60")
    sections = [
        _section("global", _global()),
        _section("defaults", _defaults(idle_seconds)),
        _section("frontend stats", _stats(balancer.gateway)),
        *(_section(f"frontend listener-{listener.port}", _frontend(balancer, listener)) for listener in balancer.listeners),
        *(_section(f"backend {group.name}", _backend(group)) for group in balancer.target_groups),
    ]
    return f"# Load balancer {balancer.name}. Written by the sandbox; changes are overwritten.\n" + "\n".join(sections)


def server_states(groups: Iterable[TargetGroup]) -> str:
    """The state file that gives every server its known health at (re)load, so that a target gets no request before it passed a check.

    A target without a verdict is down and needs one good check; an unhealthy one needs as many as its threshold says.
    """
    lines = ["1"]  # version of the format: "Server state file format" in HAProxy's management guide, show servers state
    for group in groups:
        for number, target in enumerate((target for target in group.targets if target.address), start=1):
            running = target.state == "healthy"
            good_checks = {"healthy": group.healthy_threshold + group.unhealthy_threshold - 1, "initial": group.healthy_threshold - 1}
            fields = {
                "be_id": 0,
                "be_name": group.name,
                "srv_id": number,
                "srv_name": target.id,
                "srv_addr": target.address,
                "srv_op_state": 2 if running else 0,
                "srv_admin_state": 0,
                "srv_uweight": 1,
                "srv_iweight": 1,
                "srv_time_since_last_change": 0,
                # Last check: L7OK and passed, or L4CON and failed. HAProxy 3.0 crashes on a server that is down without a failed check.
                "srv_check_status": 15 if running else 7,
                "srv_check_result": 3 if running else 2,
                "srv_check_health": good_checks.get(target.state, 0),
                "srv_check_state": 6,
                "srv_agent_state": 0,
                "bk_f_forced_id": 0,
                "srv_f_forced_id": 0,
                "srv_fqdn": "-",
                "srv_port": target.port,
                "srvrecord": "-",
                "srv_use_ssl": int(group.protocol == "HTTPS"),
                "srv_check_port": 0,
                "srv_check_addr": "-",
                "srv_agent_addr": "-",
                "srv_agent_port": 0,
            }
            if number == 1 and len(lines) == 1:
                lines.append("# " + " ".join(fields))
            lines.append(" ".join(map(str, fields.values())))
    return "\n".join(lines) + "\n"


def _section(title: str, lines: Iterable[str]) -> str:
    return title + "\n" + "".join(f"    {line}\n" for line in lines)


def _global() -> Iterator[str]:
    yield "user haproxy"
    yield "group haproxy"
    yield "log stdout format raw local0 notice"
    yield f"hard-stop-after {DRAIN_SECONDS}s"
    yield "maxconn 2000"
    yield f"server-state-file {SERVER_STATE_FILE}"
    yield "ssl-server-verify none"


def _defaults(idle_seconds: str) -> Iterator[str]:
    yield "mode http"
    yield "log global"
    yield "timeout connect 10s"
    yield f"timeout client {idle_seconds}s"
    yield f"timeout server {idle_seconds}s"
    yield "timeout http-request 60s"
    yield "load-server-state-from-file global"
    # Requests that never reached a target are safe to try on another one.
    yield "option redispatch"
    yield "retry-on conn-failure"


def _stats(gateway: str) -> Iterator[str]:
    """Health for the sandbox, which asks from the gateway's address."""
    yield f"bind :{STATS_PORT}"
    yield f"http-request deny unless {{ src {gateway} }}"
    yield "stats enable"
    yield "stats uri /"


# --- listeners ---------------------------------------------------------------------------------------------------------------------


def tls_versions(policy: str) -> tuple[str, str]:
    """(oldest, newest) TLS version of a security policy.

    https://docs.aws.amazon.com/elasticloadbalancing/latest/application/describe-ssl-policies.html
    """
    if match := re.match(r"ELBSecurityPolicy-TLS13-1-([0-3])-", policy):
        return f"TLSv1.{match[1]}", "TLSv1.3"
    if match := re.match(r"ELBSecurityPolicy-(?:TLS|FS)-1-([12])-", policy):
        return f"TLSv1.{match[1]}", "TLSv1.2"
    return "TLSv1.0", "TLSv1.2"


def _frontend(balancer: Balancer, listener: Listener) -> Iterator[str]:
    """The winning rule is noted first, since HAProxy takes all http-request lines before any use_backend line."""
    yield _bind(balancer, listener)
    rules = sorted(listener.rules, key=_rule_order)
    for number, rule in enumerate(rules):
        yield f"http-request set-var(txn.rule) int({number}) if !{{ var(txn.rule) -m found }}{haproxy_rules.conditions(rule.conditions)}"
    yield from _request_headers(balancer, listener)
    names = {group.arn: group.name for group in balancer.target_groups}
    answers: list[str] = []
    routes: list[str] = []
    for number, rule in enumerate(rules):
        chosen = f"if {{ var(txn.rule) -m int {number} }}"
        action = rule.actions[-1]
        if action["Type"] == "forward":
            draw, shares = haproxy_rules.forward(action, names)
            answers += [f"http-request set-var(txn.draw) rand({draw}) {chosen}"] if draw else []
            routes += [f"use_backend {name} {chosen}{limit}" for name, limit in shares]
        else:
            answers += haproxy_rules.answer(action, Place(listener.protocol, listener.port, _body_file(listener, rule)), chosen)
    yield from answers
    yield from routes


def _rule_order(rule: Rule) -> int:
    return rule.order


def _bind(balancer: Balancer, listener: Listener) -> str:
    if listener.protocol != "HTTPS":
        return f"bind :{listener.port}"
    oldest, newest = tls_versions(listener.ssl_policy)
    protocols = "h2,http/1.1" if balancer.on("routing.http2.enabled") else "http/1.1"
    certificates = " ".join(f"crt {certificate.file}" for certificate in listener.certificates)
    return f"bind :{listener.port} ssl {certificates} ssl-min-ver {oldest} ssl-max-ver {newest} alpn {protocols}"


def _request_headers(balancer: Balancer, listener: Listener) -> Iterator[str]:
    """https://docs.aws.amazon.com/elasticloadbalancing/latest/application/x-forwarded-headers.html"""
    client = "%[src]:%[src_port]" if balancer.on("routing.http.xff_client_port.enabled") else "%[src]"
    mode = balancer.attributes.get("routing.http.xff_header_processing.mode", "append")
    if mode == "append":
        earlier = "{ req.hdr(x-forwarded-for) -m found }"
        yield f'http-request set-header X-Forwarded-For "%[req.fhdr(x-forwarded-for)], {client}" if {earlier}'
        yield f"http-request set-header X-Forwarded-For {client} unless {earlier}"
    elif mode == "remove":
        yield "http-request del-header X-Forwarded-For"
    yield f"http-request set-header X-Forwarded-Proto {listener.protocol.lower()}"
    yield f"http-request set-header X-Forwarded-Port {listener.port}"
    trace = "Root=1-%[uuid(),bytes(0,8)]-%[uuid(),regsub(-,,g),bytes(0,24)]"
    yield f"http-request set-header X-Amzn-Trace-Id {trace} unless {{ req.hdr(x-amzn-trace-id) -m found }}"
    if balancer.on("routing.http.x_amzn_tls_version_and_cipher_suite.enabled") and listener.protocol == "HTTPS":
        yield "http-request set-header X-Amzn-Tls-Version %[ssl_fc_protocol]"
        yield "http-request set-header X-Amzn-Tls-Cipher-Suite %[ssl_fc_cipher]"


def _body_file(listener: Listener, rule: Rule) -> str:
    return f"/etc/haproxy/bodies/{listener.port}-{rule.priority}"


# --- target groups -----------------------------------------------------------------------------------------------------------------


def _backend(group: TargetGroup) -> Iterator[str]:
    least = group.attributes.get("load_balancing.algorithm.type") == "least_outstanding_requests"
    sticky = group.attributes.get("stickiness.enabled") == "true" and group.attributes.get("stickiness.type") == "lb_cookie"
    yield f"balance {'leastconn' if least else 'roundrobin'}"
    yield "option httpchk"
    yield f"timeout check {group.health_timeout_seconds}s"
    yield f"http-check send meth GET uri {group.health_path} ver HTTP/1.1 hdr Host {group.name} hdr User-Agent ELB-HealthChecker/2.0"
    yield f"http-check expect status {group.matcher}"
    if sticky:
        yield "cookie AWSALB insert indirect nocache httponly"
    for target in group.targets:
        if target.address:
            yield " ".join(_server(group, target, sticky=sticky))


def _server(group: TargetGroup, target: Target, *, sticky: bool) -> Sequence[str]:
    words = [f"server {target.id} {target.address}:{target.port}"]
    if group.protocol == "HTTPS":
        words.append("ssl verify none")  # AWS does not validate targets' certificates either
    retry = f"fastinter {RETRY_INTERVAL_SECONDS}s downinter {RETRY_INTERVAL_SECONDS}s"
    words.append(f"check inter {CHECK_INTERVAL_SECONDS}s {retry} rise {group.healthy_threshold} fall {group.unhealthy_threshold}")
    if group.health_port != "traffic-port":
        words.append(f"port {group.health_port}")
    words.append("check-ssl" if group.health_protocol == "HTTPS" else "no-check-ssl")
    slow_start = group.attributes.get("slow_start.duration_seconds", "0")
    if str(slow_start) != "0":
        words.append(f"slowstart {slow_start}s")
    if sticky:
        words.append(f"cookie {target.id}")
    return words

# SPDX-License-Identifier: GPL-3.0-or-later
"""HAProxy configuration from load balancers."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from sandbox.services import haproxy, haproxy_rules
from sandbox.services.haproxy import Balancer, Target
from tests.unit.services.samples import BALANCER, HTTP, PLAIN, WEB, forward, redirect, rule

CHOSEN = "if { var(txn.rule) -m int"


def section(balancer: Balancer, title: str) -> list[str]:
    """The lines of one section of the configuration."""
    _, _, rest = haproxy.configuration(balancer).partition(f"\n{title}\n")
    return [line.strip() for line in rest.split("\n\n")[0].splitlines()]


def only(default: dict[str, object]) -> list[str]:
    """The lines of a plain listener with one default action."""
    return section(replace(BALANCER, listeners=(replace(HTTP, rules=(rule("default", default),)),)), "frontend listener-80")


def test_tls_listeners_offer_their_certificates_in_order_and_the_policys_versions() -> None:
    bind = section(BALANCER, "frontend listener-443")[0]
    assert bind == (
        "bind :443 ssl crt /etc/haproxy/certificates/one.pem crt /etc/haproxy/certificates/two.pem"
        " ssl-min-ver TLSv1.3 ssl-max-ver TLSv1.3 alpn h2,http/1.1"
    )
    assert haproxy.files(BALANCER)["/etc/haproxy/certificates/two.pem"] == "TWO"


def test_http2_can_be_off() -> None:
    lines = section(replace(BALANCER, attributes={"routing.http2.enabled": "false"}), "frontend listener-443")
    assert lines[0].endswith("alpn http/1.1")


@pytest.mark.parametrize(
    ("policy", "versions"),
    [
        ("ELBSecurityPolicy-TLS13-1-3-2021-06", ("TLSv1.3", "TLSv1.3")),
        ("ELBSecurityPolicy-TLS13-1-2-2021-06", ("TLSv1.2", "TLSv1.3")),
        ("ELBSecurityPolicy-TLS13-1-2-Res-FIPS-2023-04", ("TLSv1.2", "TLSv1.3")),
        ("ELBSecurityPolicy-TLS-1-2-Ext-2018-06", ("TLSv1.2", "TLSv1.2")),
        ("ELBSecurityPolicy-FS-1-2-Res-2020-10", ("TLSv1.2", "TLSv1.2")),
        ("ELBSecurityPolicy-TLS-1-1-2017-01", ("TLSv1.1", "TLSv1.2")),
        ("ELBSecurityPolicy-2016-08", ("TLSv1.0", "TLSv1.2")),
    ],
)
def test_security_policies(policy: str, versions: tuple[str, str]) -> None:
    assert haproxy.tls_versions(policy) == versions


def test_rules_are_tried_by_priority_and_the_default_comes_last() -> None:
    lines = [line for line in section(BALANCER, "frontend listener-443") if "set-var(txn.rule)" in line]
    assert [re.search(r"int\((\d)\)", line)[1] for line in lines] == ["0", "1", "2", "3", "4"]  # type: ignore[index]
    assert "Example" in lines[0]
    assert "closed" in lines[1]
    assert lines[4] == "http-request set-var(txn.rule) int(4) if !{ var(txn.rule) -m found }"


def test_conditions_are_anded_and_their_values_ored() -> None:
    lines = section(BALANCER, "frontend listener-443")
    assert r"{ path -m reg '^/closed/.*$' '^/shut.$' }" in lines[2]
    assert r"{ query -m reg -i '(^|&)version=1.*(&|$)' '(^|&)[^=&]*=old(&|$)' } { method GET HEAD } { src 10.0.0.0/8 }" in lines[3]


def test_nothing_in_a_pattern_can_leave_its_quotes() -> None:
    hostile = "a'\" #$b\n{c}\\*?é"
    expression = haproxy_rules.wildcard(hostile)
    assert not set(expression) & set("'\" #$\n{}")
    assert re.fullmatch(expression.encode(), hostile.replace("*", "anything").replace("?", "x").encode())
    assert not re.fullmatch(haproxy_rules.wildcard("/a.b"), "/axb")


def test_an_unknown_condition_is_named() -> None:
    listener = replace(HTTP, rules=(rule("1", forward((WEB, 1)), {"Field": "moon-phase"}),))
    with pytest.raises(ValueError, match="no condition 'moon-phase'"):
        haproxy.configuration(replace(BALANCER, listeners=(listener,)))


def test_weights_are_shares_of_a_draw() -> None:
    lines = only(forward((WEB, 70), (PLAIN, 30)))
    assert f"http-request set-var(txn.draw) rand(100) {CHOSEN} 0 }}" in lines
    assert lines[-2:] == [
        f"use_backend {WEB.name} {CHOSEN} 0 }} {{ var(txn.draw) -m int lt 70 }}",
        f"use_backend {PLAIN.name} {CHOSEN} 0 }} {{ var(txn.draw) -m int lt 100 }}",
    ]


def test_a_group_without_weight_gets_nothing() -> None:
    lines = only(forward((WEB, 1), (PLAIN, 0)))
    assert lines[-1] == f"use_backend {WEB.name} {CHOSEN} 0 }}"
    assert not any("rand(" in line for line in lines)


def test_the_usual_redirect_keeps_host_path_and_query() -> None:
    noted, answer = only(redirect(Protocol="HTTPS", Port="443", StatusCode="HTTP_301"))[-2:]
    assert noted == f'http-request set-var-fmt(txn.query) "?%[query]" {CHOSEN} 0 }} {{ query -m len gt 0 }}'
    assert answer == (
        'http-request redirect code 301 location "https://%[req.hdr(host),host_only]:443/%[path,regsub(^/,)]%[var(txn.query)]"'
        f" {CHOSEN} 0 }}"
    )


def test_a_redirect_may_change_everything() -> None:
    configuration = {"Host": "new.example", "Path": "/50%/#{path}", "Port": "8443", "Query": "", "StatusCode": "HTTP_302"}
    answer = only(redirect(**configuration))[-1]
    assert 'location "http://new.example:8443/50%%/%[path,regsub(^/,)]%[var(txn.query)]"' in answer
    assert not any("txn.query) " in line for line in only(redirect(**configuration)))


def test_fixed_responses_are_sent_from_a_file() -> None:
    path = "/etc/haproxy/bodies/443-20"
    assert haproxy.files(BALANCER)[path] == "Down for\nmaintenance"
    line = f"http-request return status 503 content-type text/html file {path} {CHOSEN} 1 }}"
    assert line in section(BALANCER, "frontend listener-443")


def test_actions_that_the_sandbox_lacks_are_answered_so() -> None:
    assert any("status 501" in line and "authenticate-oidc" in line for line in section(BALANCER, "frontend listener-443"))


def test_targets_see_the_client_and_how_it_came() -> None:
    lines = section(BALANCER, "frontend listener-443")
    assert "http-request set-header X-Forwarded-Proto https" in lines
    assert "http-request set-header X-Forwarded-Port 443" in lines
    assert any("X-Forwarded-For" in line and "%[src]" in line for line in lines)
    removed = section(replace(BALANCER, attributes={"routing.http.xff_header_processing.mode": "remove"}), "frontend listener-443")
    assert "http-request del-header X-Forwarded-For" in removed


def test_targets_are_checked_as_their_group_says() -> None:
    lines = section(BALANCER, f"backend {WEB.name}")
    assert "http-check expect status 200-299,301" in lines
    assert lines[-3] == (
        "server i-0a 10.10.10.4:443 ssl verify none check inter 5s fastinter 1s downinter 1s rise 3 fall 2"
        " check-ssl slowstart 30s cookie i-0a"
    )
    assert not any("i-0d" in line for line in lines), "an instance without address gets no server"
    plain = section(BALANCER, f"backend {PLAIN.name}")
    assert plain[0] == "balance leastconn"
    assert plain[-1] == "server 10.10.20.9 10.10.20.9:8080 check inter 5s fastinter 1s downinter 1s rise 3 fall 2 port 9000 no-check-ssl"


def test_only_the_gateway_sees_the_statistics() -> None:
    assert section(BALANCER, "frontend stats")[1] == "http-request deny unless { src 10.10.0.1 }"


def test_servers_start_with_the_health_they_had() -> None:
    lines = haproxy.server_states([WEB]).splitlines()
    columns = lines[1].removeprefix("# ").split()
    rows = {row["srv_name"]: row for line in lines[2:] if (row := dict(zip(columns, line.split(), strict=True)))}
    assert lines[0] == "1"
    assert {name: row["srv_op_state"] for name, row in rows.items()} == {"i-0a": "2", "i-0b": "0", "i-0c": "0"}
    good_checks = {name: int(row["srv_check_health"]) for name, row in rows.items()}
    assert good_checks == {"i-0a": 4, "i-0b": 0, "i-0c": 2}, (
        "one good check of three is enough for a new target, an unhealthy one needs three"
    )
    assert rows["i-0c"]["srv_check_result"] == "2", "HAProxy crashes on a server that is down without a failed check"


def test_a_balancer_without_listeners_is_valid() -> None:
    assert "frontend listener" not in haproxy.configuration(Balancer("new", "10.10.0.1", (), ()))
    assert haproxy.server_states([replace(WEB, targets=(Target("i-0", "", 443),))]) == "1\n"

# SPDX-License-Identifier: GPL-3.0-or-later
"""Redis configuration and the life of a cache container."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sandbox.model import Subnet, Vpc, World
from sandbox.services import caches
from sandbox.services.caches import Cache

CACHE = Cache(
    id="indivillage-sandbox-cache",
    region="us-east-1",
    status="creating",
    created="2026-01-01T00:00:00",
    endpoints=("master.cache", "replica.cache", "cache-001.cache"),
    port=6379,
    vpc_id="vpc-1",
    subnet_ids=("subnet-a",),
    security_group_ids=("sg-1",),
    encrypted=True,
    auth_tokens=("a-token-of-sixteen",),
    parameters={"maxmemory-policy": "allkeys-lru", "reserved-memory-percent": "25"},
    certificate="CERTIFICATE",
    private_key="KEY",
)


def world(cache: Cache) -> World:
    return World(
        vpcs=(Vpc("vpc-1", "us-east-1", "10.10.0.0/16"),),
        subnets=(Subnet("subnet-a", "vpc-1", "10.10.30.0/24", "us-east-1a"),),
        services={"caches": (cache,)},
    )


def test_transit_encryption_leaves_no_plain_port() -> None:
    lines = caches.configuration(CACHE).splitlines()
    assert {"port 0", "tls-port 6379", "user default on ~* &* +@all >a-token-of-sixteen", 'maxmemory-policy "allkeys-lru"'} <= set(lines)
    assert not any("reserved-memory" in line for line in lines), "Redis knows no such setting"


def test_without_encryption_and_token_it_is_plain_redis() -> None:
    lines = caches.configuration(replace(CACHE, encrypted=False, auth_tokens=())).splitlines()
    assert "port 6379" in lines
    assert "protected-mode no" in lines
    assert not any(line.startswith(("tls-", "user")) for line in lines)


def test_one_server_has_the_names_of_all_endpoints() -> None:
    (spec,) = caches.desired(world(CACHE))
    assert spec.aliases == CACHE.endpoints
    assert CACHE.auth_tokens[0] not in repr(CACHE)


class Recorder:
    """Engine and control in one, recording what is done."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def write(self, _name: str, path: str, _text: str) -> None:
        self.calls.append(("write", path))

    def restart(self, name: str) -> None:
        self.calls.append(("restart", name))

    def execute(self, name: str, command: list[str], *, text: str = "") -> str:
        self.calls.append(("execute", name, command, text))
        return ""

    def put(self, path: str, body: Any) -> None:
        self.calls.append(("put", path, body))


def test_a_cache_is_available_once_it_answers_takes_tokens_as_it_runs_and_restarts_with_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caches, "_configured", {})
    ready = False
    monkeypatch.setattr(caches, "answers", lambda _cache, _address: ready)
    recorder = Recorder()

    def step(cache: Cache) -> None:
        (spec,) = caches.desired(world(cache))
        caches.after(world(cache), spec, recorder, recorder)  # type: ignore[arg-type]

    step(CACHE)
    assert recorder.calls == []
    ready = True
    step(CACHE)
    assert recorder.calls == [("put", "caches/us-east-1/indivillage-sandbox-cache", {"state": "available"})]
    recorder.calls.clear()
    step(replace(CACHE, status="available", auth_tokens=("another-token-here", "a-token-of-sixteen")))
    assert recorder.calls[-1][3] == "AUTH a-token-of-sixteen\nACL SETUSER default resetpass >another-token-here >a-token-of-sixteen\n"
    assert not [call for call in recorder.calls if call[0] == "restart"]
    step(replace(CACHE, status="available", parameters={"databases": "4"}))
    assert recorder.calls[-1] == ("restart", "indivillage-indivillage-sandbox-cache-us-east-1")


def test_a_server_that_does_not_listen_does_not_answer() -> None:
    assert caches.answers(replace(CACHE, encrypted=False, port=1), "127.0.0.1") is False

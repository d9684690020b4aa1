# SPDX-License-Identifier: GPL-3.0-or-later
import http.client
import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
import worlds

from sandbox.metadata import MetadataService, Tokens, answer
from sandbox.model import Instance, Vpc, World
from tests.support.servers import free_port

TTL = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
INSTANCE = replace(worlds.WEB_1, address="127.0.0.1", key_name="key", profile_arn="arn:aws:iam::123456789012:instance-profile/web-profile")
# The gateway of this network is 127.0.0.1, so that the service listens on loopback.
LOOPBACK = Vpc("vpc-loopback", "us-east-1", "127.0.0.0/8")


class Source:
    """What AWS would say."""

    asked = 0

    def user_data(self, instance: Instance) -> str | None:
        return "#!/bin/sh\n"

    def public_key(self, instance: Instance) -> str | None:
        return "ssh-ed25519 AAAA"

    def role(self, instance: Instance) -> str | None:
        return "arn:aws:iam::123456789012:role/web-role"

    def credentials(self, role_arn: str, instance: Instance) -> dict[str, str]:
        self.asked += 1
        return {"AccessKeyId": f"key of {role_arn} for {instance.id}"}


@pytest.fixture
def port() -> Iterator[int]:
    free = free_port()
    service = MetadataService(Source(), free)
    service.update(World(vpcs=(LOOPBACK,), instances=(INSTANCE,)))
    yield free
    service.update(World())


def ask(port: int, method: str, path: str, headers: dict[str, str]) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request(method, path, headers=headers)
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    return response.status, text


def token(port: int) -> dict[str, str]:
    status, text = ask(port, "PUT", "/latest/api/token", TTL)
    assert status == 200
    return {"X-aws-ec2-metadata-token": text}


def test_a_token_opens_the_metadata(port: int) -> None:
    assert ask(port, "GET", "/latest/meta-data/instance-id", token(port)) == (200, "i-web-1")


@pytest.mark.parametrize("headers", [{}, {"X-aws-ec2-metadata-token": "made-up"}])
def test_version_1_is_refused(port: int, headers: dict[str, str]) -> None:
    assert ask(port, "GET", "/latest/meta-data/instance-id", headers) == (401, "")


@pytest.mark.parametrize("seconds", ["", "0", "21601", "soon"])
def test_a_token_needs_a_life_time(port: int, seconds: str) -> None:
    assert ask(port, "PUT", "/latest/api/token", {"X-aws-ec2-metadata-token-ttl-seconds": seconds})[0] == 400


def test_unknown_paths_are_not_found(port: int) -> None:
    assert ask(port, "GET", "/latest/meta-data/spot/instance-action", token(port))[0] == 404
    assert ask(port, "PUT", "/latest/meta-data/instance-id", TTL)[0] == 404


def test_an_unknown_address_is_told_nothing() -> None:
    service = MetadataService(Source())
    service.update(World(instances=(replace(INSTANCE, address="10.10.10.9"),)))
    assert service.instance_at("127.0.0.1") is None


def test_tokens_are_bound_to_their_address_and_run_out(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("sandbox.metadata.time.monotonic", lambda: now)
    tokens = Tokens()
    made = tokens.make("10.0.0.1", 60)
    assert tokens.good(made, "10.0.0.1")
    assert not tokens.good(made, "10.0.0.2")
    now = 161.0
    assert not tokens.good(made, "10.0.0.1")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("meta-data/placement/availability-zone", "us-east-1b"),
        ("meta-data/placement/region", "us-east-1"),
        ("meta-data/local-ipv4", "127.0.0.1"),
        ("meta-data/hostname", "ip-10-10-10-4.ec2.internal"),
        ("meta-data/tags/instance/", "Name"),
        ("meta-data/tags/instance/Name", "web-1"),
        ("meta-data/public-keys/0/openssh-key", "ssh-ed25519 AAAA"),
        ("meta-data/iam/security-credentials/", "web-role"),
        ("meta-data/iam/security-credentials/another-role", None),
        ("user-data", "#!/bin/sh\n"),
        ("meta-data/instance-id/further", None),
    ],
)
def test_the_tree(path: str, text: str | None) -> None:
    assert answer(path, INSTANCE, Source()) == text


def test_role_credentials_are_asked_for_only_when_wanted() -> None:
    source = Source()
    assert "iam/" in str(answer("meta-data/", INSTANCE, source)).splitlines()
    answer("meta-data/iam/security-credentials/", INSTANCE, source)
    assert source.asked == 0
    document = json.loads(str(answer("meta-data/iam/security-credentials/web-role", INSTANCE, source)))
    assert document == {"AccessKeyId": "key of arn:aws:iam::123456789012:role/web-role for i-web-1"}


def test_an_instance_without_key_and_profile_has_no_such_branches() -> None:
    listing = str(answer("meta-data/", worlds.WEB_1, Source())).splitlines()
    assert "iam/" not in listing
    assert "public-keys/" not in listing


def test_the_identity_document_names_the_instance() -> None:
    document = json.loads(str(answer("dynamic/instance-identity/document", INSTANCE, Source())))
    assert (document["instanceId"], document["accountId"], document["region"]) == ("i-web-1", "123456789012", "us-east-1")

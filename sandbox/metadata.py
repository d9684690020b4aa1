# SPDX-License-Identifier: GPL-3.0-or-later
"""The instance metadata service, version 2 only: each VPC gateway answers an instance by the address it asks from.

The firewall redirects 169.254.169.254:80 to it. Without a token every GET is answered 401, as on AWS with HttpTokens=required.
"""

from __future__ import annotations

import base64
import datetime
import json
import secrets
import socket
import threading
import time
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol

from sandbox.model import Clients, Instance, Vpc, World
from sandbox.settings import ACCOUNT_ID, METADATA_PORT

MAX_TOKEN_SECONDS = 21600
CREDENTIAL_SECONDS = 3600
RENEW_SECONDS = 900
TOKEN_HEADER = "X-aws-ec2-metadata-token"  # noqa: S105 - the name of a header
IP_FREEBIND = 15
"""Linux's IP_FREEBIND, which Python's socket module does not name: bind an address before the bridge that carries it exists."""


class Source(Protocol):
    """What is asked of the AWS API only when an instance wants to know it."""

    def user_data(self, instance: Instance) -> str | None:
        """The user data, decoded; None when there is none."""

    def public_key(self, instance: Instance) -> str | None:
        """The OpenSSH public key of its key pair."""

    def role(self, instance: Instance) -> str | None:
        """ARN of the role in its instance profile."""

    def credentials(self, role_arn: str, instance: Instance) -> dict[str, str]:
        """Temporary credentials of the role, in the form of the metadata service."""


class AwsSource:
    """A source over the emulator's API. Credentials are kept until they are about to run out."""

    def __init__(self, regions: Mapping[str, Clients]) -> None:
        self._regions = regions
        self._credentials: dict[tuple[str, str], tuple[float, dict[str, str]]] = {}

    def user_data(self, instance: Instance) -> str | None:
        """The user data, decoded; None when there is none."""
        ec2 = self._regions[instance.region].client("ec2")
        value = ec2.describe_instance_attribute(InstanceId=instance.id, Attribute="userData").get("UserData", {}).get("Value")
        return base64.b64decode(value).decode(errors="replace") if value else None

    def public_key(self, instance: Instance) -> str | None:
        """The OpenSSH public key of its key pair."""
        if not instance.key_name:
            return None
        ec2 = self._regions[instance.region].client("ec2")
        pairs = ec2.describe_key_pairs(KeyNames=[instance.key_name], IncludePublicKey=True)["KeyPairs"]
        return pairs[0].get("PublicKey") if pairs else None

    def role(self, instance: Instance) -> str | None:
        """ARN of the role in its instance profile."""
        if not instance.profile_arn:
            return None
        iam = self._regions[instance.region].client("iam")
        roles = iam.get_instance_profile(InstanceProfileName=instance.profile_arn.rpartition("/")[2])["InstanceProfile"]["Roles"]
        return roles[0]["Arn"] if roles else None

    def credentials(self, role_arn: str, instance: Instance) -> dict[str, str]:
        """Temporary credentials of the role, in the form of the metadata service."""
        until, document = self._credentials.get((instance.id, role_arn), (0.0, {}))
        if until < time.time() + RENEW_SECONDS:
            sts = self._regions[instance.region].client("sts")
            answer = sts.assume_role(RoleArn=role_arn, RoleSessionName=instance.id, DurationSeconds=CREDENTIAL_SECONDS)["Credentials"]
            now = datetime.datetime.now(datetime.UTC)
            document = {
                "Code": "Success",
                "LastUpdated": _timestamp(now),
                "Type": "AWS-HMAC",
                "AccessKeyId": answer["AccessKeyId"],
                "SecretAccessKey": answer["SecretAccessKey"],
                "Token": answer["SessionToken"],
                "Expiration": _timestamp(answer["Expiration"]),
            }
            self._credentials[instance.id, role_arn] = (answer["Expiration"].timestamp(), document)
        return document


def answer(path: str, instance: Instance, source: Source) -> str | None:
    """The text under /latest/<path>, a listing for a directory, or None when there is nothing."""
    parts = [part for part in path.split("/") if part]
    if parts[:1] == ["user-data"]:
        return source.user_data(instance)
    tree: Any = {"meta-data": _meta_data(parts, instance, source), "dynamic": {"instance-identity": {"document": _identity(instance)}}}
    for part in parts:
        if not isinstance(tree, Mapping) or part not in tree:
            return None
        tree = tree[part]
    if isinstance(tree, Mapping):
        return "\n".join(f"{name}/" if isinstance(value, Mapping) else name for name, value in tree.items())
    return tree


def _meta_data(parts: list[str], instance: Instance, source: Source) -> dict[str, Any]:
    """The tree of meta-data; its branches that cost a call of the AWS API are grown only when `parts` leads there."""
    tree: dict[str, Any] = {
        "ami-id": instance.image_id,
        "hostname": instance.dns_name,
        "instance-id": instance.id,
        "instance-life-cycle": "on-demand",
        "instance-type": instance.instance_type,
        "local-hostname": instance.dns_name,
        "local-ipv4": instance.address,
        "placement": {"availability-zone": instance.availability_zone, "region": instance.region},
        "tags": {"instance": dict(instance.tags)},
    }
    if instance.public_address:
        tree["public-ipv4"] = instance.public_address
    if instance.key_name:
        wanted = parts[:2] == ["meta-data", "public-keys"]
        tree["public-keys"] = {"0": {"openssh-key": source.public_key(instance) if wanted else None}}
    if instance.profile_arn:
        tree["iam"] = _iam(parts, instance, source) if parts[:2] == ["meta-data", "iam"] else {}
    return tree


def _iam(parts: list[str], instance: Instance, source: Source) -> dict[str, Any]:
    role_arn = source.role(instance)
    if role_arn is None:
        return {}
    name = role_arn.rpartition("/")[2]
    asked = parts[2:] == ["security-credentials", name]
    info = {"Code": "Success", "InstanceProfileArn": instance.profile_arn, "InstanceProfileId": instance.profile_arn.rpartition("/")[2]}
    return {
        "info": json.dumps(info, indent=2),
        "security-credentials": {name: json.dumps(source.credentials(role_arn, instance), indent=2) if asked else ""},
    }


def _identity(instance: Instance) -> str:
    document = {
        "accountId": ACCOUNT_ID,
        "architecture": "x86_64",
        "availabilityZone": instance.availability_zone,
        "imageId": instance.image_id,
        "instanceId": instance.id,
        "instanceType": instance.instance_type,
        "pendingTime": instance.launch_time,
        "privateIp": instance.address,
        "region": instance.region,
        "version": "2017-09-30",
    }
    return json.dumps(document, indent=2)


def _timestamp(moment: datetime.datetime) -> str:
    return moment.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Tokens:
    """Session tokens: random, bound to the address that asked, gone with this process (clients ask again)."""

    def __init__(self) -> None:
        self._valid: dict[str, tuple[str, float]] = {}

    def make(self, address: str, seconds: int) -> str:
        """A token that is good for `seconds`."""
        now = time.monotonic()
        self._valid = {token: entry for token, entry in self._valid.items() if entry[1] > now}
        token = secrets.token_urlsafe(32)
        self._valid[token] = (address, now + seconds)
        return token

    def good(self, token: str, address: str) -> bool:
        """Whether the address made this token and it has not run out."""
        owner, until = self._valid.get(token, ("", 0.0))
        return owner == address and until > time.monotonic()


class MetadataService:
    """One listener per VPC gateway, over the instances of the last observed world."""

    def __init__(self, source: Source, port: int = METADATA_PORT) -> None:
        self.source = source
        self.tokens = Tokens()
        self._port = port
        self._instances: dict[str, Instance] = {}
        self._servers: dict[str, ThreadingHTTPServer] = {}

    def instance_at(self, address: str) -> Instance | None:
        """The instance that asks from this address."""
        return self._instances.get(address)

    def update(self, world: World) -> None:
        """Answer for the instances of this world, on the gateways of its VPCs."""
        self._instances = {instance.address: instance for instance in world.instances}
        self._listen(world.vpcs)

    def _listen(self, vpcs: Iterable[Vpc]) -> None:
        gateways = {vpc.gateway for vpc in vpcs}
        for gone in self._servers.keys() - gateways:
            server = self._servers.pop(gone)
            server.shutdown()
            server.server_close()
        for gateway in gateways - self._servers.keys():
            server = self._servers[gateway] = _Server((gateway, self._port), self)
            threading.Thread(target=server.serve_forever, name=f"metadata {gateway}", daemon=True).start()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], service: MetadataService) -> None:
        self.service = service
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        self.socket.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)
        super().server_bind()


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    server_version = "EC2ws"
    sys_version = ""
    timeout = 10

    def do_PUT(self) -> None:
        """Make a token."""
        seconds = self.headers.get(f"{TOKEN_HEADER}-ttl-seconds", "")
        if self.path != "/latest/api/token":
            self._send(HTTPStatus.NOT_FOUND)
        elif not seconds.isdigit() or not 1 <= int(seconds) <= MAX_TOKEN_SECONDS:
            self._send(HTTPStatus.BAD_REQUEST)
        else:
            token = self.server.service.tokens.make(self.client_address[0], int(seconds))
            self._send(HTTPStatus.OK, token, {f"{TOKEN_HEADER}-ttl-seconds": seconds})

    def do_GET(self) -> None:
        """Answer a path for the instance that asks."""
        address = self.client_address[0]
        service = self.server.service
        instance = service.instance_at(address)
        if not service.tokens.good(self.headers.get(TOKEN_HEADER, ""), address):
            self._send(HTTPStatus.UNAUTHORIZED)
        elif instance is None or not self.path.startswith("/latest/"):
            self._send(HTTPStatus.NOT_FOUND)
        else:
            text = answer(self.path.removeprefix("/latest/").partition("?")[0], instance, service.source)
            self._send(HTTPStatus.NOT_FOUND if text is None else HTTPStatus.OK, text or "")

    def _send(self, status: HTTPStatus, text: str = "", headers: Mapping[str, str] | None = None) -> None:
        body = text.encode()
        self.send_response(status)
        for name, value in {"Content-Type": "text/plain", "Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Nothing: instances ask often."""

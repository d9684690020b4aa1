#!/usr/bin/python3
# Ansible managed
"""Write the secrets that a service needs into memory, read from Secrets Manager with the instance's role: host-secrets <unit>.

systemd runs it, as root, each time before it starts a unit that /etc/host-secrets.json names: neither a disk nor an image ever holds one.
It needs nothing but Python, and says in one line why it could not.
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
import json
import os
import shutil
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

CONFIGURATION = Path("/etc/host-secrets.json")
METADATA = "http://169.254.169.254/latest"
SERVICE, TARGET = "secretsmanager", "secretsmanager.GetSecretValue"
SECONDS = 5


class SecretError(Exception):
    """A secret could not be read; the text says which and why."""


def ask(url: str, headers: dict[str, str], method: str = "GET", body: bytes | None = None) -> str:
    """The text that is answered."""
    request = urllib.request.Request(url, data=body, headers=headers, method=method)  # noqa: S310 - AWS's addresses, or the declared one
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310
        return answer.read().decode()


def metadata(path: str) -> str:
    """What the metadata service says, version 2."""
    token = ask(f"{METADATA}/api/token", {"X-aws-ec2-metadata-token-ttl-seconds": "60"}, "PUT")
    return ask(f"{METADATA}/meta-data/{path}", {"X-aws-ec2-metadata-token": token})


def signed(url: str, body: bytes, region: str, credentials: dict[str, str], now: datetime.datetime) -> dict[str, str]:
    """The headers of a request, signed by Signature Version 4."""
    moment, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
    headers = {
        "content-type": "application/x-amz-json-1.1",
        "host": urlsplit(url).netloc,
        "x-amz-date": moment,
        "x-amz-security-token": credentials["Token"],
        "x-amz-target": TARGET,
    }
    names, scope = ";".join(headers), f"{day}/{region}/{SERVICE}/aws4_request"
    canonical = "\n".join(
        ["POST", "/", "", *(f"{name}:{value}" for name, value in headers.items()), "", names, hashlib.sha256(body).hexdigest()]
    )
    text = "\n".join(["AWS4-HMAC-SHA256", moment, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{credentials['SecretAccessKey']}".encode()
    for part in (*scope.split("/"), text):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return {
        **headers,
        "authorization": f"AWS4-HMAC-SHA256 Credential={credentials['AccessKeyId']}/{scope}, SignedHeaders={names}, Signature={key.hex()}",
    }


def secret(name: str, endpoint: str, region: str, credentials: dict[str, str]) -> dict[str, Any]:
    """The fields of a secret."""
    url = (endpoint or f"https://{SERVICE}.{region}.amazonaws.com").rstrip("/") + "/"
    body = json.dumps({"SecretId": name}).encode()
    headers = signed(url, body, region, credentials, datetime.datetime.now(datetime.UTC))
    try:
        answer = ask(url, headers, "POST", body)
    except urllib.error.HTTPError as error:
        raise SecretError(f"{name} of {region} cannot be read: {error.read().decode(errors='replace')[:300]}") from error
    return dict(json.loads(json.loads(answer)["SecretString"]))


def write(path: Path, content: str, group: str) -> None:
    """A file that root writes and the group reads, whole at any moment."""
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
        file.write(content)
    new = Path(file.name)
    shutil.chown(new, "root", group)
    new.chmod(0o640)
    new.replace(path)


def main(unit: str) -> None:
    """Write the files of one unit."""
    os.umask(0o022)  # the unit's own would keep its service out of the folder
    wanted = json.loads(CONFIGURATION.read_text())
    region = metadata("placement/region")
    credentials = json.loads(metadata(f"iam/security-credentials/{metadata('iam/security-credentials/')}"))
    read: dict[str, dict[str, Any]] = {}
    for one in (one for one in wanted["files"] if unit in one["units"]):
        name, field = one["secret_name"], one["field"]
        read[name] = read.get(name) or secret(name, wanted["endpoint_url"], region, credentials)
        if field not in read[name]:
            raise SecretError(f"{name} of {region} has no field {field}")
        write(Path(one["path"]), one["text"].replace("%s", str(read[name][field])), one["group"])


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except (OSError, SecretError, ValueError, LookupError) as error:
        sys.exit(f"host-secrets: {error}")

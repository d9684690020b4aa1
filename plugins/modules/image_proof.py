#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: image_proof
version_added: 0.3.0
short_description: Prove on an instance that its image serves, and kept nothing of the builder
description:
  - "Runs on an instance that was launched from the image: waits until the units run and the health page answers, then looks for what
    the image's builder may have left behind: its host key, or a key by which somebody could log in to it."
  - Fails with everything that does not hold, not with the first of it. Changes nothing.
options:
  units:
    description: Units of systemd that run.
    type: list
    elements: str
    required: true
  health_url:
    description: Page that answers with 200, if there is one. The instance's certificate is its own and is not validated.
    type: str
    default: ""
  builder_host_key:
    description: SHA-256 fingerprint of the builder's host key, as C(ssh-keygen -l) tells it.
    type: str
    default: ""
  timeout_seconds:
    description: How long units and health page may take.
    type: int
    default: 60
attributes:
  check_mode:
    description: Changes nothing, ever.
    support: full
  diff_mode:
    description: Has no differences to show.
    support: none
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Prove the image of the web tier
  indivillage.infra.image_proof:
    units: [ssh.service, nginx.service]
    health_url: https://localhost/health
"""

RETURN = r"""
failures:
  description: What does not hold, one sentence each. Only in a result that failed.
  returned: failure
  type: list
  elements: str
  sample: ["nginx.service is failed"]
seconds:
  description: How long units and health page took.
  returned: success
  type: float
  sample: 1.2
"""

import base64
import hashlib
import http.client
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.urls import open_url

METADATA = "http://169.254.169.254/latest"
HOST_KEY = Path("/etc/ssh/ssh_host_ed25519_key.pub")
SECONDS_PER_REQUEST = 5


def request(url: str, method: str = "GET", headers: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Status and body of a page, whoever signed its certificate."""
    with open_url(url, method=method, headers=dict(headers or {}), timeout=SECONDS_PER_REQUEST, validate_certs=False) as answer:
        return answer.status, answer.read().decode()


def idle_units(module: AnsibleModule, units: Iterable[str]) -> Iterator[str]:
    """One sentence for each unit that does not run."""
    for unit in units:
        _, out, _ = module.run_command(["systemctl", "is-active", unit])
        if out.strip() != "active":
            yield f"{unit} is {out.strip() or 'unknown'}"


def ill(url: str) -> Iterator[str]:
    """A sentence when the health page does not answer with 200."""
    try:
        status, _ = request(url)
    except (OSError, http.client.HTTPException) as error:  # refusals of HTTP and TLS among them
        yield f"{url} does not answer well: {error}"
    else:
        if status != 200:
            yield f"{url} answers {status}"


def fingerprint(public_key: str) -> str:
    """An OpenSSH public key's fingerprint, as ssh-keygen tells it."""
    digest = hashlib.sha256(base64.b64decode(public_key.split()[1])).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def key_of_instance() -> str:
    """The public key with which the instance was launched."""
    _, token = request(f"{METADATA}/api/token", "PUT", {"X-aws-ec2-metadata-token-ttl-seconds": "60"})
    return request(f"{METADATA}/meta-data/public-keys/0/openssh-key", headers={"X-aws-ec2-metadata-token": token})[1]


def login_keys(root: Path = Path("/")) -> Iterator[tuple[Path, str]]:
    """Every key by which one can log in: the file and the line."""
    for path in sorted([*root.glob("root/.ssh/authorized_keys*"), *root.glob("home/*/.ssh/authorized_keys*")]):
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.strip() and not line.lstrip().startswith("#"):
                yield path, line


def traces(builder_host_key: str, known_key: str) -> Iterator[str]:
    """One sentence for each thing of the builder that its image still has."""
    if builder_host_key and fingerprint(HOST_KEY.read_text(encoding="utf-8")) == builder_host_key:
        yield f"{HOST_KEY} is the builder's"
    for path, line in login_keys():
        if known_key.split()[1] not in line.split():
            yield f"{path} has a key that is not the instance's own: {line.split()[-1]}"


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "units": {"type": "list", "elements": "str", "required": True},
            "health_url": {"type": "str", "default": ""},
            "builder_host_key": {"type": "str", "default": "", "no_log": False},  # a fingerprint
            "timeout_seconds": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    params, began = module.params, time.monotonic()
    while failures := [*idle_units(module, params["units"]), *(ill(params["health_url"]) if params["health_url"] else ())]:
        if time.monotonic() - began > params["timeout_seconds"]:
            break
        time.sleep(0.5)
    seconds = round(time.monotonic() - began, 1)
    try:
        failures += traces(params["builder_host_key"], key_of_instance())
    except (OSError, IndexError) as error:
        failures.append(f"the keys of the instance cannot be told: {error}")
    if failures:
        module.fail_json(msg="; ".join(failures), failures=failures)
    module.exit_json(changed=False, seconds=seconds)


if __name__ == "__main__":
    main()

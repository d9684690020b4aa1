#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: redis_token
version_added: 0.2.0
short_description: Ask a Redis server whether it takes a token
description:
  - Connects over verified TLS, shows the token and asks for a sign of life. Nothing is written.
  - A server that cannot be reached fails the task, so that it is not taken for one that refuses.
options:
  host:
    description: The server's name, which its certificate has.
    type: str
    required: true
  port:
    description: The server's port.
    type: int
    default: 6379
  token:
    description: The token.
    type: str
    required: true
attributes:
  check_mode:
    description: It asks all the same.
    support: full
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Prove that the former token opens nothing
  indivillage.infra.redis_token:
    host: "{{ credentials.host }}"
    token: "{{ former.auth_token }}"
  register: probe
  failed_when: probe.accepted
"""

RETURN = r"""
accepted:
  description: Whether the server takes it.
  returned: success
  type: bool
  sample: true
"""

import socket
import ssl

from ansible.module_utils.basic import AnsibleModule

SECONDS = 5.0


def accepted(host: str, port: int, token: str) -> bool:
    """Whether the server takes the token; OSError when it cannot be asked."""
    context = ssl.create_default_context()
    with socket.create_connection((host, port), timeout=SECONDS) as plain, context.wrap_socket(plain, server_hostname=host) as connection:
        parts = (b"AUTH", token.encode())
        connection.sendall(b"*2\r\n" + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts))
        answer = b""
        while not answer.endswith(b"\r\n"):
            received = connection.recv(1024)
            if not received:
                raise ConnectionError("it hung up")
            answer += received
    if answer.startswith((b"+OK", b"-WRONGPASS", b"-ERR invalid password")):
        return answer.startswith(b"+OK")
    raise ConnectionError(f"it answered {answer.decode(errors='replace').strip()}")


def main() -> None:
    module = AnsibleModule(
        argument_spec={"host": {"required": True}, "port": {"type": "int", "default": 6379}, "token": {"required": True, "no_log": True}},
        supports_check_mode=True,
    )
    try:
        takes = accepted(module.params["host"], module.params["port"], module.params["token"])
    except OSError as error:
        module.fail_json(msg=f"Could not ask Redis on {module.params['host']}: {error}")
    module.exit_json(changed=False, accepted=takes)


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: presigned_transfer
version_added: 0.2.0
short_description: Read or write one object by an address that somebody else has signed
description:
  - Streams a file to or from the address. The file never passes through memory or the control node.
options:
  url:
    description: The signed address.
    type: str
    required: true
  method:
    description: Whether the object is read or written.
    type: str
    choices: [get, put]
    required: true
  headers:
    description: What has to be sent with it.
    type: dict
    default: {}
  path:
    description: The file.
    type: path
    required: true
attributes:
  check_mode:
    description: Moves nothing.
    support: full
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Write the dump
  indivillage.infra.presigned_transfer:
    url: "{{ address.url }}"
    headers: "{{ address.headers }}"
    method: put
    path: /var/tmp/backup/database.dump
  no_log: true
"""

RETURN = r"""
bytes:
  description: How many bytes were moved.
  returned: when they were
  type: int
"""

import shutil
import urllib.error
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.urls import open_url

SECONDS = 60  # without a byte


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "url": {"required": True, "no_log": True},
            "method": {"choices": ["get", "put"], "required": True},
            "headers": {"type": "dict", "default": {}},
            "path": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    params, path = module.params, Path(module.params["path"])
    if module.check_mode:
        module.exit_json(changed=True)
    if not params["url"].startswith(("https://", "http://")):
        module.fail_json(msg="url is no address of the web.")
    try:
        if params["method"] == "put":
            size = path.stat().st_size
            with path.open("rb") as stream:
                headers = {**params["headers"], "Content-Length": str(size), "Content-Type": ""}
                with open_url(params["url"], data=stream, headers=headers, method="PUT", timeout=SECONDS):
                    pass
        else:
            path.touch(mode=0o600)
            with open_url(params["url"], timeout=SECONDS, decompress=False) as answer, path.open("wb") as stream:
                shutil.copyfileobj(answer, stream)
            size = path.stat().st_size
    except urllib.error.HTTPError as error:
        with error:
            module.fail_json(msg=f"Could not {params['method']} {path}: S3 says {error.code}: {error.read(500).decode(errors='replace')}")
    except OSError as error:
        module.fail_json(msg=f"Could not {params['method']} {path}: {error}")
    module.exit_json(changed=True, bytes=size)


if __name__ == "__main__":
    main()

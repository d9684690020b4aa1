#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: contentful_export
version_added: 0.1.0
short_description: Write the whole content of a Contentful space into one archive
description:
  - Reads content types, entries, assets with their files, locales, tags, editor interfaces, webhooks and roles through the Content
    Management API, page by page and no faster than the API allows.
  - The archive (tar, gzip) has C(export.json), which Contentful's import tool reads, and the files below C(assets). The same content
    makes the same archive, so nothing changes when nobody has edited anything.
  - A collection that somebody changes while it is read is read anew, so that nothing is missed between two pages.
  - The archive appears whole or not at all; what was there before stays until then.
options:
  dest:
    description: The archive. Its directory must exist.
    type: path
    required: true
  space_id:
    description: The space.
    type: str
    required: true
  environment_id:
    description: The environment of the space.
    type: str
    default: master
  management_token:
    description: A token of the Content Management API that may read everything. It is sent to O(api_url) alone.
    type: str
    required: true
  api_url:
    description: Where the API is. Spaces in the European Union have another address.
    type: str
    default: https://api.contentful.com
attributes:
  check_mode:
    description: Reads everything, and says whether the archive would change.
    support: full
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Export the content
  indivillage.infra.contentful_export:
    dest: /var/backups/content.tar.gz
    space_id: cfexampleapi
    management_token: "{{ contentful.management_token }}"
  no_log: true
"""

RETURN = r"""
sha256:
  description: Digest of the archive.
  returned: success
  type: str
  sample: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
size:
  description: Bytes of the archive.
  returned: success
  type: int
  sample: 10240
counts:
  description: How many of each there are, and how many files.
  returned: success
  type: dict
  sample: {contentTypes: 4, entries: 112, assets: 30, files: 31, locales: 2, tags: 0, editorInterfaces: 4, webhooks: 1, roles: 2}
"""

import os
import tempfile
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.indivillage.infra.plugins.module_utils.contentful import ContentfulError, Space, files, write_archive


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "dest": {"type": "path", "required": True},
            "space_id": {"required": True},
            "environment_id": {"default": "master"},
            "management_token": {"required": True, "no_log": True},
            "api_url": {"default": "https://api.contentful.com"},
        },
        supports_check_mode=True,
    )
    given = module.params
    dest = Path(given["dest"])
    if not dest.parent.is_dir():
        module.fail_json(msg=f"dest: the directory {dest.parent} does not exist.")
    space = Space(given["api_url"], given["space_id"], given["environment_id"], given["management_token"])
    # Beside its place, so that it gets there in one step; gone in any case.
    descriptor, name = tempfile.mkstemp(prefix=f".{dest.name}.", dir=module.tmpdir if module.check_mode else dest.parent)
    try:
        with os.fdopen(descriptor, "wb") as archive:
            export = space.export()
            write_archive(archive, space, export)
        sha256, size = module.sha256(name), Path(name).stat().st_size
        changed = sha256 != module.sha256(str(dest))
        if changed and not module.check_mode:
            Path(name).replace(dest)
    except ContentfulError as error:
        module.fail_json(msg=f"Could not export the space {given['space_id']}: {error}")
    except OSError as error:
        module.fail_json(msg=f"Could not write {dest}: {error}")
    finally:
        Path(name).unlink(missing_ok=True)
    counts = {key: len(items) for key, items in export.items()} | {"files": len(list(files(export)))}
    module.exit_json(changed=changed, sha256=sha256, size=size, counts=counts)


if __name__ == "__main__":
    main()

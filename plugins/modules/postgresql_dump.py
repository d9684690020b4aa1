#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: postgresql_dump
version_added: 0.2.0
short_description: Dump a PostgreSQL database, and say what a restore of the dump must hold
description:
  - Writes a dump in the custom format of C(pg_dump), and the rows and a digest of each table, all of one moment, while others write.
  - The digest is a sum over the rows. It reads each table once more; it costs the server about what the dump itself costs.
options:
  database:
    description: The database.
    type: str
    required: true
  path:
    description: The file to write. It appears for its owner alone.
    type: path
    required: true
extends_documentation_fragment:
  - indivillage.infra.postgresql
attributes:
  check_mode:
    description: Dumps nothing.
    support: full
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Dump the database
  indivillage.infra.postgresql_dump:
    host: db.example.com
    user: indivillage_admin
    password: "{{ credentials.password }}"
    database: indivillage
    path: /var/tmp/backup/database.dump
  no_log: true
"""

RETURN = r"""
sha256:
  description: Digest of the file.
  returned: when it was written
  type: str
bytes:
  description: Size of the file.
  returned: when it was written
  type: int
tables:
  description: By table its C(rows) and C(digest); sequences as well.
  returned: when it was written
  type: dict
  sample: {public.services: {rows: 12, digest: "-123456789"}}
server:
  description: The server's version.
  returned: when it was written
  type: str
  sample: "17.5"
seconds:
  description: How long it took.
  returned: when it was written
  type: float
"""

import hashlib
import time
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.indivillage.infra.plugins.module_utils.postgresql import CONNECTION, PostgresqlError, environment, session, tool


def main() -> None:
    module = AnsibleModule(
        argument_spec={**CONNECTION, "database": {"required": True}, "path": {"type": "path", "required": True}}, supports_check_mode=True
    )
    if module.check_mode:
        module.exit_json(changed=True)
    path, surroundings, began = Path(module.params["path"]), environment(module.params, module.params["database"]), time.monotonic()
    try:
        path.touch(mode=0o600)
        with session(surroundings) as moment:
            ((snapshot,),) = moment.ask("SELECT pg_export_snapshot();")
            ((server,),) = moment.ask("SHOW server_version;")
            tool(["pg_dump", "--format=custom", "--compress=6", f"--snapshot={snapshot}", f"--file={path}"], surroundings)
            tables = moment.content()
        with path.open("rb") as stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    except (PostgresqlError, OSError) as error:
        module.fail_json(msg=f"Could not dump {module.params['database']} of {module.params['host']}: {error}")
    seconds = round(time.monotonic() - began, 2)
    module.exit_json(changed=True, sha256=sha256, bytes=path.stat().st_size, tables=tables, server=server.split()[0], seconds=seconds)


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: postgresql_restore
version_added: 0.2.0
short_description: Restore a dump into a database of its own, and prove that nothing is missing
description:
  - Refuses a dump that has not its digest before the server is asked anything.
  - Makes the database and restores into it alone. What a run that was killed has left under the same name is made anew. A database
    that fails in any way is dropped; the others of the server are never touched.
  - Compares rows and digest of each table with what the dump must hold, and fails with each table that differs.
options:
  path:
    description: The dump.
    type: path
    required: true
  sha256:
    description: Digest that the dump must have.
    type: str
    required: true
  tables:
    description: What the dump must hold, as M(indivillage.infra.postgresql_dump) has returned it.
    type: dict
    required: true
  database:
    description: The database to make. Its name must end with C(_restored_) and letters or digits, so that it is nobody's live one.
    type: str
    required: true
  unless_exists:
    description: A database that says that this was done before. When the server has it, nothing is done.
    type: str
  jobs:
    description: How many tables are restored at once.
    type: int
    default: 2
extends_documentation_fragment:
  - indivillage.infra.postgresql
attributes:
  check_mode:
    description: Restores nothing.
    support: full
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Restore beside the live database
  indivillage.infra.postgresql_restore:
    host: db.example.com
    user: indivillage_admin
    password: "{{ credentials.password }}"
    path: /var/tmp/backup/database.dump
    sha256: "{{ backup.objects[0].sha256 }}"
    tables: "{{ backup.details.tables }}"
    database: indivillage_restored_20260301t020304z
  no_log: true
"""

RETURN = r"""
tables:
  description: What the restored database holds, by table.
  returned: when it was restored
  type: dict
seconds:
  description: How long it took, with the proof.
  returned: when it was restored
  type: float
"""

import hashlib
import re
import time
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.indivillage.infra.plugins.module_utils.postgresql import (
    CONNECTION,
    Content,
    PostgresqlError,
    differences,
    environment,
    exists,
    identifier,
    session,
    sql,
    tool,
)

RESTORED = re.compile(r"[a-z0-9_]+_restored_[a-z0-9]+")


def restore(module: AnsibleModule) -> Content:
    """Restore and prove; what the database holds. PostgresqlError for everything that is not as it must be."""
    params, name = module.params, module.params["database"]
    with Path(params["path"]).open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    if sha256 != params["sha256"]:
        raise PostgresqlError(
            f"the dump is corrupted: its SHA-256 is {sha256}, and was {params['sha256']}. Nothing was restored; take another."
        )
    server = environment(params, "postgres")
    drop = f"DROP DATABASE IF EXISTS {identifier(name)} WITH (FORCE)"
    if exists(name, server):
        sql(drop, server)
    try:
        sql(f"CREATE DATABASE {identifier(name)} TEMPLATE template0", server)
        there = environment(params, name)
        command = ["pg_restore", "--no-owner", "--exit-on-error", f"--jobs={params['jobs']}", f"--dbname={name}", params["path"]]
        tool(command, there)
        with session(there) as moment:
            found = moment.content()
    except PostgresqlError:
        sql(drop, server)
        raise
    different = differences(params["tables"], found)
    if different:
        sql(drop, server)
        raise PostgresqlError(f"it is not what was dumped: {'; '.join(different)}.")
    return found


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **CONNECTION,
            "path": {"type": "path", "required": True},
            "sha256": {"required": True},
            "tables": {"type": "dict", "required": True},
            "database": {"required": True},
            "unless_exists": {},
            "jobs": {"type": "int", "default": 2},
        },
        supports_check_mode=True,
    )
    name, began = module.params["database"], time.monotonic()
    if not RESTORED.fullmatch(name):
        module.fail_json(msg=f"database is {name}, which does not end with _restored_ and letters or digits.")
    if module.check_mode:
        module.exit_json(changed=True)
    done = module.params["unless_exists"]
    try:
        if done and exists(done, environment(module.params, "postgres")):
            module.exit_json(changed=False)
        tables = restore(module)
    except (PostgresqlError, OSError) as error:
        module.fail_json(msg=f"Could not restore {name} on {module.params['host']}: {error}")
    module.exit_json(changed=True, tables=tables, seconds=round(time.monotonic() - began, 2))


if __name__ == "__main__":
    main()

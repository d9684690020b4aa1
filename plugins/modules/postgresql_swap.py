#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: postgresql_swap
version_added: 0.2.0
short_description: Put a restored database in the place of the live one
description:
  - Both get their new names in one transaction. Sessions of the live one are ended just before; who asks in that moment is refused, and
    is served again within a second. A superuser's session is awaited for five seconds.
  - What the restored one holds belongs to the live one's owner then.
  - The former one stays, under another name and closed for sessions, until somebody drops it. The other way round brings it back.
  - When the former one is there under its new name, and the restored one is not, nothing is done.
options:
  database:
    description: The live database.
    type: str
    required: true
  restored:
    description: The database that takes its place.
    type: str
    required: true
  former:
    description: What the live one is called from then on.
    type: str
    required: true
extends_documentation_fragment:
  - indivillage.infra.postgresql
attributes:
  check_mode:
    description: Tells whether they would be swapped.
    support: full
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Go live with what was restored
  indivillage.infra.postgresql_swap:
    host: db.example.com
    user: indivillage_admin
    password: "{{ credentials.password }}"
    database: indivillage
    restored: indivillage_restored_20260301t020304z
    former: indivillage_before_20260301t020304z
  no_log: true
"""

RETURN = r"""
seconds:
  description: How long nobody could log in.
  returned: when they were swapped
  type: float
  sample: 0.08
"""

import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.indivillage.infra.plugins.module_utils.postgresql import (
    CONNECTION,
    PostgresqlError,
    environment,
    exists,
    identifier,
    literal,
    sql,
)

OWNER = "SELECT pg_get_userbyid(datdba), current_user FROM pg_database WHERE datname = {database}"

# Not those of superusers: vacuuming, which PostgreSQL ends by itself for the new name, and on AWS RDS' own. Nobody else may end them.
END = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
  WHERE datname IN ({databases}) AND usesysid IN (SELECT oid FROM pg_roles WHERE NOT rolsuper)"""


def swap(database: str, restored: str, former: str, server: dict[str, str]) -> None:
    """Swap; the live one is open again when that fails."""
    live = identifier(database)
    end = END.format(databases=f"{literal(database)}, {literal(restored)}")
    rename = f"ALTER DATABASE {live} RENAME TO {identifier(former)}; ALTER DATABASE {identifier(restored)} RENAME TO {live};"
    ((owner, administrator),) = sql(OWNER.format(database=literal(database)), server)
    if owner != administrator:  # the logins of the application work as the live one's owner
        sql(f"REASSIGN OWNED BY CURRENT_USER TO {identifier(owner)}", server | {"PGDATABASE": restored})
    sql(f"ALTER DATABASE {live} WITH ALLOW_CONNECTIONS false", server)
    try:
        sql(end, server)
        sql(f"BEGIN; {rename} COMMIT;", server)
    except PostgresqlError:
        sql(f"ALTER DATABASE {live} WITH ALLOW_CONNECTIONS true", server)
        raise


def to_do(database: str, restored: str, former: str, server: dict[str, str]) -> bool:
    """Whether they are still to be swapped; PostgresqlError when that cannot be told."""
    there = {name: exists(name, server) for name in (database, restored, former)}
    if there == {database: True, restored: False, former: True}:
        return False
    if there != {database: True, restored: True, former: False}:
        states = ", ".join(f"{name} is {'there' if is_there else 'missing'}" for name, is_there in there.items())
        raise PostgresqlError(f"{states}. Restore first, or take another name.")
    return True


def main() -> None:
    names = ("database", "restored", "former")
    module = AnsibleModule(argument_spec={**CONNECTION, **{name: {"required": True} for name in names}}, supports_check_mode=True)
    database, restored, former = (module.params[name] for name in names)
    server = environment(module.params, "postgres")
    try:
        needed = to_do(database, restored, former, server)
        began = time.monotonic()
        if needed and not module.check_mode:
            swap(database, restored, former, server)
    except PostgresqlError as error:
        module.fail_json(msg=f"Could not put {restored} in the place of {database}: {error}")
    module.exit_json(changed=needed, seconds=round(time.monotonic() - began, 3))


if __name__ == "__main__":
    main()

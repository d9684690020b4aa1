#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: postgresql_migrate
version_added: 0.2.0
short_description: Bring a database to what a release needs
description:
  - Applies each migration once, in their order, as the role that owns the database, and notes it in the table C(release_migrations) in
    the same transaction. One that is noted with another content is refused, and nothing is applied then.
  - A migration that waits for a lock gives up after a moment, so that nobody queues behind it, and is tried again.
  - A migration whose first line is C(-- outside a transaction) is one statement that takes no transaction, such as C(CREATE INDEX
    CONCURRENTLY IF NOT EXISTS). It has to bear being repeated.
options:
  database:
    description: The database.
    type: str
    required: true
  release:
    description: Name of the release, which is noted.
    type: str
    required: true
  migrations:
    description: The migrations.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Its number and words.
        type: str
        required: true
      kind:
        description: V(expand) or V(contract).
        type: str
        required: true
      sha256:
        description: Checksum of its content.
        type: str
        required: true
      sql:
        description: Its content.
        type: str
        required: true
  lock_timeout_seconds:
    description: How long it waits for a lock.
    type: float
    default: 2
  attempts:
    description: How often a migration is tried that does not get its locks.
    type: int
    default: 10
extends_documentation_fragment:
  - indivillage.infra.postgresql
attributes:
  check_mode:
    description: Tells what would be applied.
    support: full
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Have what the release needs
  indivillage.infra.postgresql_migrate:
    host: db.example.com
    user: indivillage_admin
    password: "{{ administrator.password }}"
    database: indivillage
    release: 9f86d081884c
    migrations: "{{ read.migrations }}"
"""

RETURN = r"""
applied:
  description: Names of those that were applied, or would be.
  returned: success
  type: list
  elements: str
  sample: [0001_visits.expand]
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.indivillage.infra.plugins.module_utils.migrations import Migration, file_name
from ansible_collections.indivillage.infra.plugins.module_utils.postgresql import (
    CONNECTION,
    PostgresqlError,
    environment,
    identifier,
    literal,
    sql,
    sql_when_free,
)

TABLE = """\
CREATE TABLE IF NOT EXISTS release_migrations (
  name text NOT NULL, kind text NOT NULL, sha256 text NOT NULL, release text NOT NULL, at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (name, kind))"""
OUTSIDE = "-- outside a transaction"


class Database:
    """The database, as its administrator sees it."""

    def __init__(self, params: dict[str, Any]) -> None:
        self.params = params
        self.server = environment(params, params["database"])

    def applied(self) -> dict[tuple[str, str], str]:
        """Name and kind of what is noted -> its checksum."""
        if sql("SELECT to_regclass('release_migrations') IS NULL", self.server) == [["t"]]:
            return {}
        return {(name, kind): sha256 for name, kind, sha256 in sql("SELECT name, kind, sha256 FROM release_migrations", self.server)}

    def missing(self) -> list[Migration]:
        """What is still to be applied; PostgresqlError when one is not what was applied."""
        noted = self.applied()
        for one in self.params["migrations"]:
            if noted.get((one["name"], one["kind"]), one["sha256"]) != one["sha256"]:
                raise PostgresqlError(f"{file_name(one)} was applied with another content. Leave it as it was, and add another one.")
        return [one for one in self.params["migrations"] if (one["name"], one["kind"]) not in noted]

    def apply(self, migrations: list[Migration]) -> None:
        """Apply them, each at once or not at all."""
        ((owner,),) = sql("SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()", self.server)
        self.begin = f"SET lock_timeout = '{self.params['lock_timeout_seconds'] * 1000:.0f}ms'; SET ROLE {identifier(owner)}"
        self._run(TABLE)
        for one in migrations:
            values = ", ".join(literal(text) for text in (one["name"], one["kind"], one["sha256"], self.params["release"]))
            note = f"INSERT INTO release_migrations (name, kind, sha256, release) VALUES ({values})"  # noqa: S608 - quoted
            outside = one["sql"].lstrip().startswith(OUTSIDE)
            try:
                self._run(*([one["sql"], note] if outside else [f"BEGIN; {one['sql']}\n; {note}; COMMIT"]))
            except PostgresqlError as error:
                raise PostgresqlError(f"{file_name(one)}: {error}") from error

    def _run(self, *statements: str) -> None:
        sql_when_free(self.begin, self.server, *statements, attempts=self.params["attempts"])


def main() -> None:
    keys = ("name", "kind", "sha256", "sql")
    options = {key: {"required": True} for key in keys}
    module = AnsibleModule(
        argument_spec={
            **CONNECTION,
            "database": {"required": True},
            "release": {"required": True},
            "migrations": {"type": "list", "elements": "dict", "required": True, "options": options},
            "lock_timeout_seconds": {"type": "float", "default": 2},
            "attempts": {"type": "int", "default": 10},
        },
        supports_check_mode=True,
    )
    database = Database(module.params)
    try:
        missing = database.missing()
        if missing and not module.check_mode:
            database.apply(missing)
    except PostgresqlError as error:
        module.fail_json(msg=f"Could not bring {module.params['database']} to what release {module.params['release']} needs: {error}")
    module.exit_json(changed=bool(missing), applied=[file_name(one) for one in missing])


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: postgresql_login
version_added: 0.2.0
short_description: Have one of several logins through which an application owns its database
description:
  - An application logs in as one role and works as another, O(owner), which cannot log in and owns everything in the database. So two
    logins can be valid side by side, and neither leaves anything behind that the other cannot use.
  - With O(state=present) the login has the password. The owner is made when it is missing, and gets what the administrator owns.
  - With O(state=absent) the login can no longer log in, and its sessions end. The role itself stays.
  - The server is told no password, only what SCRAM makes of it.
options:
  database:
    description: The application's database.
    type: str
    required: true
  owner:
    description: Role that owns it.
    type: str
    required: true
  name:
    description: Name of the login.
    type: str
    required: true
  login_password:
    description: Its password. Required with O(state=present).
    type: str
  state:
    description: Whether it can log in.
    type: str
    choices: [present, absent]
    default: present
extends_documentation_fragment:
  - indivillage.infra.postgresql
attributes:
  check_mode:
    description: Tells whether anything would be changed.
    support: full
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Have another login beside the one that the application uses
  indivillage.infra.postgresql_login:
    host: db.example.com
    user: indivillage_admin
    password: "{{ administrator.password }}"
    database: indivillage
    owner: indivillage_owner
    name: indivillage_b
    login_password: "{{ rotation.pending.password }}"
  no_log: true
"""

RETURN = r"""
clients:
  description: Addresses from which somebody is logged in through it, as the server sees them before anything is changed.
  returned: always
  type: list
  elements: str
  sample: [10.2.20.14]
"""

import base64
import hashlib
import hmac
import secrets
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.indivillage.infra.plugins.module_utils.postgresql import (
    CONNECTION,
    PostgresqlError,
    environment,
    identifier,
    literal,
    sql,
    sql_when_free,
)

ITERATIONS = 4096  # PostgreSQL's own number
ATTEMPTS = 20
# Whoever waits for a lock makes everybody wait who comes after him.
TAKE_OVER = "SET lock_timeout = '500ms'; REASSIGN OWNED BY CURRENT_USER TO {owner};"
OWNS = """\
SELECT 1 FROM pg_shdepend JOIN pg_roles ON pg_roles.oid = refobjid LEFT JOIN pg_database ON pg_database.oid = dbid
WHERE refclassid = 'pg_authid'::regclass AND rolname = current_user AND deptype = 'o'
AND coalesce(datname, current_database()) = current_database()
LIMIT 1"""


def verifier(password: str, salt: bytes) -> str:
    """What PostgreSQL keeps of a password: RFC 5803."""
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    texts = [base64.b64encode(part).decode() for part in (salt, stored, server)]
    return f"SCRAM-SHA-256${ITERATIONS}:{texts[0]}${texts[1]}:{texts[2]}"


class Login:
    """A login of an application's database, as an administrator sees it."""

    def __init__(self, params: dict[str, Any]) -> None:
        self.params = params
        self.server = environment(params, params["database"])
        self.name, self.owner = params["name"], params["owner"]

    def clients(self) -> list[str]:
        """Addresses of its sessions, but for the one that asks."""
        of_others = f"usename = {literal(self.name)} AND client_addr IS NOT NULL AND pid <> pg_backend_pid()"
        question = f"SELECT DISTINCT host(client_addr) FROM pg_stat_activity WHERE {of_others}"  # noqa: S608 - quoted
        return sorted(address for (address,) in sql(question, self.server))

    def is_there(self) -> bool:
        """Whether it can log in with the password, works as the owner, and the administrator owns nothing any more."""
        own = environment(self.params | {"user": self.name, "password": self.params["login_password"]}, self.params["database"])
        try:
            ((role,),) = sql("SELECT current_user", own)
        except PostgresqlError:
            return False
        return bool(role == self.owner) and not sql(OWNS, self.server)

    def make(self) -> None:
        """Have it, and the owner."""
        owner, name = identifier(self.owner), identifier(self.name)
        # Its maker may give the role away, and has to give it to himself before he may work as it.
        if not self._is_known(self.owner):
            sql(f"BEGIN; CREATE ROLE {owner} NOLOGIN; GRANT {owner} TO CURRENT_USER WITH INHERIT TRUE, SET TRUE; COMMIT;", self.server)
        if not self._is_known(self.name):
            sql(f"CREATE ROLE {name} NOLOGIN", self.server)
        secret = literal(verifier(self.params["login_password"], secrets.token_bytes(16)))
        sql(
            f"BEGIN; GRANT {owner} TO {name}; ALTER ROLE {name} SET role TO {literal(self.owner)};"
            f" ALTER ROLE {name} LOGIN PASSWORD {secret}; COMMIT;",
            self.server,
        )
        self._take_over()
        if not self.is_there():
            raise PostgresqlError("it was made, and cannot log in all the same.")

    def _take_over(self) -> None:
        """Let the owner have what the administrator owns."""
        sql_when_free(TAKE_OVER.format(owner=identifier(self.owner)), self.server, attempts=ATTEMPTS)

    def _is_known(self, role: str) -> bool:
        return bool(sql(f"SELECT 1 FROM pg_roles WHERE rolname = {literal(role)}", self.server))  # noqa: S608 - quoted

    def may_log_in(self) -> bool:
        """Whether it is there and can log in."""
        return bool(sql(f"SELECT 1 FROM pg_roles WHERE rolname = {literal(self.name)} AND rolcanlogin", self.server))  # noqa: S608 - quoted

    def close(self) -> None:
        """Let nobody log in, and end the sessions that there are."""
        end = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = {literal(self.name)}"  # noqa: S608 - quoted
        sql(f"ALTER ROLE {identifier(self.name)} NOLOGIN PASSWORD NULL", self.server)
        sql(end, self.server)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **CONNECTION,
            "database": {"required": True},
            "owner": {"required": True},
            "name": {"required": True},
            "login_password": {"no_log": True},
            "state": {"choices": ["present", "absent"], "default": "present"},
        },
        required_if=[("state", "present", ["login_password"])],
        supports_check_mode=True,
    )
    login, wanted = Login(module.params), module.params["state"] == "present"
    if login.name in {module.params["user"], login.owner} and not module.check_mode:
        module.fail_json(msg=f"name is {login.name}, which is the administrator or the owner: take another.")
    try:
        clients = login.clients()
        changed = not login.is_there() if wanted else login.may_log_in()
        if changed and not module.check_mode:
            (login.make if wanted else login.close)()
    except PostgresqlError as error:
        module.fail_json(msg=f"Could not bring login {login.name} of {login.params['database']} to {module.params['state']}: {error}")
    module.exit_json(changed=changed, clients=clients)


if __name__ == "__main__":
    main()

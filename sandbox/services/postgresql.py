# SPDX-License-Identifier: GPL-3.0-or-later
"""What an RDS for PostgreSQL instance means in PostgreSQL's own files: pure functions.

https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Appendix.PostgreSQL.CommonDBATasks.Parameters.html
Known differences: RDS parameters without a counterpart in PostgreSQL (`rds.*` but the one for TLS), formulas over the memory of the
instance class, and preloaded libraries that Debian's server package lacks are left out, each with a comment in the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

FORCE_TLS = "rds.force_ssl"
REPLICATION_USER = "rdsrepladmin"
SOURCE_SERVICE = "source"
SHIPPED_LIBRARIES = frozenset({"pg_stat_statements", "auto_explain", "pg_prewarm", "auth_delay"})
# Small enough for a laptop, unless a parameter group says otherwise; TLS 1.2 is RDS's own lower limit.
BASE = {
    "data_directory": "/rdsdbdata/db",
    "hba_file": "/run/indivillage/pg_hba.conf",
    "hot_standby": "on",
    "listen_addresses": "*",
    "unix_socket_directories": "/run/postgresql",
    "ssl": "on",
    "ssl_cert_file": "/run/indivillage/server.crt",
    "ssl_key_file": "/run/indivillage/server.key",
}
DEFAULTS = {
    "ssl_min_protocol_version": "TLSv1.2",
    "password_encryption": "scram-sha-256",
    "shared_buffers": "64MB",
    "max_connections": "100",
    "wal_keep_size": "256MB",
    "shared_preload_libraries": "pg_stat_statements",
    "timezone": "UTC",
}


def configuration(port: int, parameters: Mapping[str, str], *, replica: bool = False) -> str:
    """postgresql.conf. Numbers of a parameter group are in PostgreSQL's own units, which plain numbers have there too."""
    lines = ["# Written by the sandbox from the instance's parameter group."]
    own = BASE | {"port": str(port)} | ({"primary_conninfo": f"service={SOURCE_SERVICE}"} if replica else {})
    lines += [_setting(name, value) for name, value in own.items()]
    lines += _parameters(DEFAULTS | dict(parameters))
    return "\n".join(lines) + "\n"


def _parameters(parameters: Mapping[str, str]) -> Iterator[str]:
    for name, value in sorted(parameters.items()):
        if name in BASE or name == "port" or name.startswith("rds."):
            yield f"# {name}: managed by the sandbox"
        elif "{" in value:
            yield f"# {name}: {value} depends on the memory of an instance class"
        elif name == "shared_preload_libraries":
            wanted = [library.strip() for library in value.split(",") if library.strip()]
            yield from (f"# {name}: {library} is not installed" for library in wanted if library not in SHIPPED_LIBRARIES)
            yield _setting(name, ",".join(library for library in wanted if library in SHIPPED_LIBRARIES))
        else:
            yield _setting(name, value)


def _setting(name: str, value: str) -> str:
    quoted = value.replace("\\", "\\\\").replace("'", "''").replace("\n", " ")
    return f"{name} = '{quoted}'"


def host_access(parameters: Mapping[str, str]) -> str:
    """pg_hba.conf: the sandbox over the socket, everybody else by password, without TLS only where rds.force_ssl is off."""
    remote = "hostssl" if parameters.get(FORCE_TLS, "1") == "1" else "host"
    lines = (
        "local all rdsadmin trust",
        f"hostssl replication {REPLICATION_USER} all scram-sha-256",
        f"{remote} all rdsadmin,{REPLICATION_USER} all reject",
        f"{remote} all all all scram-sha-256",
    )
    return "\n".join(("# The socket's directory is open to the server's own user only.", *lines, ""))


def source_service(endpoint: str, address: str, port: int, password: str, replica: str) -> str:
    """pg_service.conf: how a replica reaches the server that it copies. Its certificate is checked, for the name of its endpoint."""
    settings = {
        "host": endpoint,
        "hostaddr": address,
        "port": str(port),
        "user": REPLICATION_USER,
        "password": password,
        "application_name": replica,
        "sslmode": "verify-full",
        "sslrootcert": "/run/indivillage/ca.crt",
        "connect_timeout": "5",
    }
    return "\n".join([f"[{SOURCE_SERVICE}]", *(f"{name}={value}" for name, value in settings.items()), ""])


def ensure_master(username: str, password: str, database: str, replication_password: str) -> str:
    """psql input, safe to repeat, that gives the instance its master user, as far as RDS lets one be a superuser, the user of its replicas,
    and its database. It works in a database that was made read-only by its parameters too."""
    role, database_name = _identifier(username), _identifier(database)
    lines = [
        "SET default_transaction_read_only = off;",
        _unless_exists("CREATE ROLE rds_superuser", "pg_roles WHERE rolname", "rds_superuser"),
        "GRANT pg_monitor, pg_signal_backend, pg_checkpoint, pg_maintain TO rds_superuser WITH ADMIN OPTION;",
        _unless_exists(f"CREATE ROLE {role}", "pg_roles WHERE rolname", username),
        f"ALTER ROLE {role} LOGIN CREATEDB CREATEROLE PASSWORD {_literal(password)};",
        f"GRANT rds_superuser TO {role};",
        _unless_exists(f"CREATE ROLE {REPLICATION_USER}", "pg_roles WHERE rolname", REPLICATION_USER),
        f"ALTER ROLE {REPLICATION_USER} LOGIN REPLICATION PASSWORD {_literal(replication_password)};",
    ]
    if database:
        lines.append(_unless_exists(f"CREATE DATABASE {database_name} OWNER {role}", "pg_database WHERE datname", database))
    return "\n".join(lines) + "\n"


def _unless_exists(statement: str, where: str, name: str) -> str:
    return f"SELECT {_literal(statement)} WHERE NOT EXISTS (SELECT FROM {where} = {_literal(name)}) \\gexec"  # noqa: S608 - every name is quoted


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"

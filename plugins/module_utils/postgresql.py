# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""PostgreSQL by its own tools, on a host that reaches the server: dumps, restores, and what tells whether two databases are equal."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

CONNECTION: dict[str, Any] = {
    "host": {"required": True},
    "port": {"type": "int", "default": 5432},
    "user": {"required": True},
    "password": {"required": True, "no_log": True},
    "ca_file": {"default": "system"},
}
"""Options of every module that speaks to a server; the server's certificate is always verified."""
PSQL = ("psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--field-separator=\t", "--set=ON_ERROR_STOP=1")
PAUSE_SECONDS = 1.0
# What makes the text of a row depend on the session.
SESSION = "SET TimeZone = 'UTC'; SET DateStyle = ISO; SET IntervalStyle = iso_8601; SET bytea_output = hex; SET extra_float_digits = 1;"
TABLES = """\
SELECT format('%I.%I', schemaname, tablename) FROM pg_tables
WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1;"""
# A sum over the rows, so that their order does not matter and nothing is sorted.
CONTENT = "SELECT count(*), coalesce(sum(('x' || substr(md5(t::text), 1, 16))::bit(64)::bigint::numeric), 0) FROM {table} t;"
SEQUENCES = "SELECT format('%I.%I', schemaname, sequencename), coalesce(last_value, 0) FROM pg_sequences ORDER BY 1;"

Content = dict[str, dict[str, Any]]


class PostgresqlError(Exception):
    """A tool that failed; the text is what it said."""


def environment(params: dict[str, Any], database: str) -> dict[str, str]:
    """What libpq reads: the password stands on no command line."""
    return os.environ | {
        "PGHOST": params["host"],
        "PGPORT": str(params["port"]),
        "PGUSER": params["user"],
        "PGPASSWORD": params["password"],
        "PGDATABASE": database,
        "PGSSLMODE": "verify-full",
        "PGSSLROOTCERT": params["ca_file"],
        "PGCONNECT_TIMEOUT": "15",
        "PGAPPNAME": "indivillage-recovery",
    }


def tool(command: list[str], surroundings: dict[str, str]) -> str:
    """Run a tool to its end; what it wrote."""
    try:
        done = subprocess.run(command, env=surroundings, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise PostgresqlError(f"{command[0]} is not there: install postgresql-client.") from error
    if done.returncode:
        raise PostgresqlError(f"{command[0]}: {done.stderr.strip() or f'ended with {done.returncode}'}")
    return done.stdout


def sql(statement: str, surroundings: dict[str, str], *more: str) -> list[list[str]]:
    """Run statements; the rows of their answers, each a list of texts. more: others of the same session, each text a transaction."""
    # psql takes what stands here for SQL alone, and none of it for a command of its own.
    return _rows(tool([*PSQL, *(f"--command={text}" for text in (statement, *more))], surroundings))


def sql_when_free(statement: str, surroundings: dict[str, str], *more: str, attempts: int) -> None:
    """`sql` that sets a lock_timeout: what is in use is waited for again and again, for a moment each time, since others wait behind."""
    for attempt in range(1, attempts + 1):
        try:
            sql(statement, surroundings, *more)
        except PostgresqlError as error:
            if "lock timeout" not in str(error) or attempt == attempts:
                raise
            time.sleep(PAUSE_SECONDS)
        else:
            return


def _rows(output: str) -> list[list[str]]:
    return [line.split("\t") for line in output.splitlines() if line]


def identifier(name: str) -> str:
    """A name as SQL takes it."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as SQL takes it."""
    return "'" + text.replace("'", "''") + "'"


def exists(database: str, surroundings: dict[str, str]) -> bool:
    """Whether the server has a database of that name."""
    return bool(sql(f"SELECT 1 FROM pg_database WHERE datname = {literal(database)}", surroundings))  # noqa: S608 - quoted


class Session:
    """One transaction that sees one moment, whatever others write meanwhile."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        if process.stdin is None or process.stdout is None or process.stderr is None:
            raise ValueError("the process has to be started with three pipes")
        self._questions, self._answers, self._errors = process.stdin, process.stdout, process.stderr

    def ask(self, statement: str) -> list[list[str]]:
        """The rows of the answer to one statement."""
        end = "end-of-the-answer"
        self._questions.write(f"{statement}\n\\echo {end}\n")
        self._questions.flush()
        lines: list[str] = []
        for line in self._answers:
            if line.rstrip("\n") == end:
                return _rows("".join(lines))
            lines.append(line)
        self._process.wait()
        raise PostgresqlError(f"psql: {self._errors.read().strip()}")

    def content(self) -> Content:
        """Rows and digest of each table, and the value of each sequence."""
        found: Content = {}
        for (table,) in self.ask(TABLES):
            ((rows, total),) = self.ask(CONTENT.format(table=table))
            found[table] = {"rows": int(rows), "digest": total}
        for sequence, value in self.ask(SEQUENCES):
            found[f"sequence {sequence}"] = {"rows": 1, "digest": value}
        return found


@contextmanager
def session(surroundings: dict[str, str]) -> Iterator[Session]:
    """A transaction that reads alone."""
    try:
        process = subprocess.Popen(PSQL, env=surroundings, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    except FileNotFoundError as error:
        raise PostgresqlError("psql is not there: install postgresql-client.") from error
    with process:
        try:
            one = Session(process)
            one.ask(f"{SESSION} BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;")
            yield one
        finally:
            process.kill()


def differences(wanted: Content, found: Content) -> list[str]:
    """One sentence for each table in which two databases differ."""
    sentences = [f"{name} is missing" for name in sorted(wanted.keys() - found.keys())]
    sentences += [f"{name} is too much" for name in sorted(found.keys() - wanted.keys())]
    for name in sorted(wanted.keys() & found.keys()):
        if wanted[name] != found[name]:
            sentences.append(f"{name} has {found[name]['rows']} rows and not {wanted[name]['rows']}, or others")
    return sentences

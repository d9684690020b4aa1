# SPDX-License-Identifier: GPL-3.0-or-later
"""What a release does to the database, on a real server: each once, whole or not at all, as the owner, and never in the way for long."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from ansible_collections.indivillage.infra.plugins.module_utils.postgresql import PostgresqlError
from ansible_collections.indivillage.infra.plugins.modules import postgresql_login, postgresql_migrate

from tests.integration.emulator.support import wait_until
from tests.integration.services.conftest import ADMINISTRATOR, Server
from tests.support.database_servers import MARKS

pytestmark = MARKS

Migrate = Callable[..., dict[str, Any]]


def migration(name: str, sql: str, kind: str = "expand") -> dict[str, str]:
    return {"name": name, "kind": kind, "sql": sql, "sha256": hashlib.sha256(sql.encode()).hexdigest()}


VISITS = migration("0001_visits", "CREATE TABLE visits (at timestamptz); INSERT INTO visits VALUES (now()); -- the first")
PLACE = migration("0002_place", "ALTER TABLE visits ADD COLUMN place text;")


@pytest.fixture
def migrate(server: Server, run_module: Callable[..., dict[str, Any]]) -> Migrate:
    def call(*migrations: dict[str, str], check: bool = False, **options: Any) -> dict[str, Any]:
        given = {**server.options(ADMINISTRATOR), "database": "app", "release": "9f86d081884c", "migrations": list(migrations)}
        return run_module(postgresql_migrate, check=check, **given, **options)

    return call


def test_each_is_applied_once_and_noted(server: Server, migrate: Migrate) -> None:
    assert migrate(VISITS, check=True)["applied"] == ["0001_visits.expand"]
    assert server.ask(ADMINISTRATOR, "SELECT to_regclass('visits') IS NULL") == [["t"]], "a check applies nothing"
    done = migrate(VISITS)
    assert done.get("applied") == ["0001_visits.expand"], done
    again = migrate(VISITS, PLACE)
    assert (again["changed"], again["applied"]) == (True, ["0002_place.expand"])
    assert migrate(VISITS, PLACE)["changed"] is migrate(VISITS, PLACE, check=True)["changed"] is False
    assert server.ask(ADMINISTRATOR, "SELECT count(*) FROM visits") == [["1"]]
    noted = server.ask(ADMINISTRATOR, "SELECT name, kind, release FROM release_migrations ORDER BY 1")
    assert noted == [["0001_visits", "expand", "9f86d081884c"], ["0002_place", "expand", "9f86d081884c"]]


def test_one_that_fails_leaves_nothing_and_can_be_mended(server: Server, migrate: Migrate) -> None:
    wrong = migration("0003_half", "CREATE TABLE half (n int); SELECT 1/0;")
    after = migration("0004_after", "CREATE TABLE after_half (n int);")
    refused = migrate(wrong, after)
    assert "0003_half.expand" in refused["msg"]
    assert "division by zero" in refused["msg"]
    assert server.ask(ADMINISTRATOR, "SELECT to_regclass('half') IS NULL, to_regclass('after_half') IS NULL") == [["t", "t"]]
    assert migrate(migration("0003_half", "CREATE TABLE half (n int);"), after)["changed"]


def test_one_that_was_changed_since_is_refused(migrate: Migrate) -> None:
    assert "0001_visits.expand was applied with another content" in migrate(migration("0001_visits", "SELECT 1"))["msg"]


def test_who_waits_for_a_lock_gives_up_and_tries_again(server: Server, migrate: Migrate) -> None:
    def hold() -> None:
        with suppress(PostgresqlError):  # somebody ends it
            server.ask(ADMINISTRATOR, "BEGIN; LOCK TABLE visits IN ACCESS SHARE MODE; SELECT pg_sleep(120); COMMIT")

    locks = "SELECT pid FROM pg_locks WHERE relation = 'visits'::regclass AND mode = 'AccessShareLock' AND granted"
    change = migration("0005_more", "ALTER TABLE visits ADD COLUMN more text;")
    holder = threading.Thread(target=hold)
    holder.start()
    ((pid,),) = wait_until(lambda: server.ask(ADMINISTRATOR, locks), 60)
    assert "lock timeout" in migrate(change, attempts=1, lock_timeout_seconds=0.1)["msg"]
    threading.Timer(1, server.ask, (ADMINISTRATOR, f"SELECT pg_terminate_backend({pid})")).start()
    assert migrate(change, lock_timeout_seconds=0.1)["changed"]
    holder.join()


def test_an_index_is_made_without_a_transaction(server: Server, migrate: Migrate) -> None:
    index = "-- outside a transaction\nCREATE INDEX CONCURRENTLY IF NOT EXISTS visits_by_time ON visits (at)"
    assert migrate(migration("0006_index", index))["changed"]
    assert not migrate(migration("0006_index", index))["changed"]
    assert server.ask(ADMINISTRATOR, "SELECT indexname FROM pg_indexes WHERE tablename = 'visits'") == [["visits_by_time"]]


def test_psql_is_told_no_command_of_its_own(migrate: Migrate) -> None:
    refused = migrate(migration("0007_shell", "\\! touch /tmp/told\n"))
    assert "syntax error" in refused["msg"]


def test_it_works_as_the_owner(server: Server, migrate: Migrate, run_module: Callable[..., dict[str, Any]]) -> None:
    login = {"name": "app_a", "login_password": "a-staple-a", "owner": "app_owner", "database": "app"}
    assert not run_module(postgresql_login, **server.options(ADMINISTRATOR), **login).get("failed")
    assert migrate(migration("0008_owned", "CREATE TABLE owned (n int)"))["changed"]
    owners = server.ask(ADMINISTRATOR, "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'")
    assert owners == [["app_owner"]]

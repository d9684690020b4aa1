# SPDX-License-Identifier: GPL-3.0-or-later
"""A restored database takes the live one's place on a real server, whoever is at work in both."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from ansible_collections.indivillage.infra.plugins.module_utils import postgresql
from ansible_collections.indivillage.infra.plugins.modules import postgresql_swap

from sandbox.model import EngineError
from sandbox.services.databases import PSQL
from tests.integration.emulator.support import wait_until
from tests.integration.services.conftest import ADMINISTRATOR, Server
from tests.support.database_servers import MARKS

pytestmark = MARKS

LIVE, RESTORED, FORMER = "app", "app_restored_1", "app_before_1"
LEAVE = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname LIKE 'app%'"
Swap = Callable[[], dict[str, Any]]


@pytest.fixture
def swap(server: Server, run_module: Callable[..., dict[str, Any]]) -> Iterator[Swap]:
    """The swap of a live database with a restored one, which are put back afterwards."""

    def call() -> dict[str, Any]:
        return run_module(postgresql_swap, **server.options(ADMINISTRATOR), database=LIVE, restored=RESTORED, former=FORMER)

    superuser(server, "postgres", f"CREATE DATABASE {RESTORED} OWNER {ADMINISTRATOR['username']}")
    try:
        yield call
    finally:
        if FORMER in databases(server):
            superuser(server, "postgres", f"DROP DATABASE {LIVE} WITH (FORCE)")
            superuser(server, "postgres", f"ALTER DATABASE {FORMER} WITH ALLOW_CONNECTIONS true")
            superuser(server, "postgres", f"ALTER DATABASE {FORMER} RENAME TO {LIVE}")
        superuser(server, "postgres", f"DROP DATABASE IF EXISTS {RESTORED} WITH (FORCE)")


def superuser(server: Server, database: str, statement: str) -> None:
    (container,) = server.servers.engine.list()
    server.servers.engine.execute(container.name, [*PSQL, f"--dbname={database}", f"--command={statement}"])


def databases(server: Server) -> set[str]:
    return {name for (name,) in server.ask(ADMINISTRATOR, "SELECT datname FROM pg_database", "postgres")}


def sessions(server: Server, user: str) -> int:
    """How many sessions a user has in the two databases."""
    found = server.ask(ADMINISTRATOR, "SELECT usename FROM pg_stat_activity WHERE datname LIKE 'app%'", "postgres")
    return found.count([user])


@contextmanager
def at_work(server: Server, user: str, work: Callable[[], object]) -> Iterator[None]:
    """Somebody's session of one of the databases, which may be ended, and is in the end."""

    def quietly() -> None:
        with suppress(EngineError, postgresql.PostgresqlError):
            work()

    thread = threading.Thread(target=quietly)
    thread.start()
    try:
        wait_until(lambda: sessions(server, user))
        yield
    finally:
        superuser(server, "postgres", LEAVE)
        thread.join(60)


def test_sessions_of_the_application_are_ended(server: Server, swap: Swap) -> None:
    with at_work(server, ADMINISTRATOR["username"], lambda: server.ask(ADMINISTRATOR, "SELECT pg_sleep(30)")):
        done = swap()
    assert done["changed"], done
    assert databases(server) >= {LIVE, FORMER}
    assert swap()["changed"] is False
    assert server.ask(ADMINISTRATOR, "SELECT 1") == [["1"]]


@pytest.mark.parametrize("database", [LIVE, RESTORED])
def test_a_superuser_is_awaited(server: Server, swap: Swap, database: str) -> None:
    with at_work(server, "rdsadmin", lambda: superuser(server, database, "SELECT pg_sleep(3)")):
        done = swap()
    assert done.get("changed"), done
    assert databases(server) >= {LIVE, FORMER}


def test_a_superuser_who_stays_ends_it_and_the_live_one_is_open_again(server: Server, swap: Swap) -> None:
    with at_work(server, "rdsadmin", lambda: superuser(server, RESTORED, "SELECT pg_sleep(300)")):
        refused = swap()
    assert "is being accessed by other users" in refused["msg"]
    assert FORMER not in databases(server)
    assert server.ask(ADMINISTRATOR, "SELECT 1") == [["1"]]
    assert swap()["changed"]

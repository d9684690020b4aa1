# SPDX-License-Identifier: GPL-3.0-or-later
"""The application's database login is changed on a real server while a client of it logs in all the time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from ansible_collections.indivillage.infra.plugins.module_utils import postgresql
from ansible_collections.indivillage.infra.plugins.modules import postgresql_login

from tests.integration.emulator.support import wait_until
from tests.integration.services.conftest import ADMINISTRATOR, Server
from tests.support.database_servers import MARKS

pytestmark = MARKS

FIRST, SECOND = ({"username": f"app_{letter}", "password": f"{letter}-staple-{letter}"} for letter in "ab")
WORK = "CREATE TABLE IF NOT EXISTS trips (n int); INSERT INTO trips VALUES (1); SELECT current_user;"


@dataclass(eq=False)
class Application(threading.Thread):
    """Logs in anew for each piece of work, with the login that it was given last."""

    server: Server
    login: dict[str, str]
    worked: int = 0
    failures: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(daemon=True)
        self.ended = threading.Event()

    def run(self) -> None:
        """Work until the end."""
        while not self.ended.is_set():
            try:
                self.server.ask(self.login, WORK)
                self.worked += 1
            except postgresql.PostgresqlError as error:
                self.failures.append(str(error))

    def work_some(self) -> None:
        """Return when it has worked three times more."""
        worked = self.worked
        wait_until(lambda: self.worked > worked + 3 or self.failures, 30)


@pytest.fixture
def login(server: Server, run_module: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """login(login, state, check, who) -> the result of the module; it did not fail."""

    def call(one: dict[str, str], state: str = "present", *, check: bool = False, who: dict[str, str] = ADMINISTRATOR) -> dict[str, Any]:
        secret = {"login_password": one["password"]} if state == "present" else {}
        options = {**server.options(who), "database": "app", "owner": "app_owner", "name": one["username"], "state": state, **secret}
        result = run_module(postgresql_login, check=check, **options)
        assert not result.get("failed"), result["msg"]
        return result

    return call


def test_logins_are_changed_without_a_refused_one(server: Server, login: Callable[..., dict[str, Any]]) -> None:
    application = Application(server, ADMINISTRATOR)
    application.start()
    application.work_some()
    try:
        assert login(FIRST, check=True)["changed"]
        assert not server.accepts(FIRST), "a check makes nothing"
        assert login(FIRST)["changed"]
        application.work_some()
        application.login = FIRST
        application.work_some()
        assert not login(FIRST, check=True)["changed"]
        assert not login(FIRST)["changed"]
        server.set_administrator("another-horse")
        administrator = ADMINISTRATOR | {"password": "another-horse"}
        application.work_some()
        assert not server.accepts(ADMINISTRATOR)

        assert login(SECOND, who=administrator)["changed"]
        application.work_some()
        application.login = SECOND
        application.work_some()
        assert login(FIRST, "absent", check=True, who=administrator)["changed"]
        assert server.accepts(FIRST)
        assert login(FIRST, "absent", who=administrator)["changed"]
        assert not login(FIRST, "absent", who=administrator)["changed"]
        application.work_some()
        assert not server.accepts(FIRST)
    finally:
        application.ended.set()
        application.join(30)
    assert application.failures == []
    assert application.worked > 15
    owners = server.ask(SECOND, "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'")
    assert owners == [["app_owner"]], "what one login makes belongs to all"


def test_no_password_reaches_the_server(server: Server, login: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    plain = postgresql.tool

    def tool(command: list[str], surroundings: dict[str, str]) -> str:
        told.append(" ".join(command))
        return plain(command, surroundings)

    monkeypatch.setattr(postgresql, "tool", tool)
    third = {"username": "app_c", "password": "c-staple-c"}
    login(third, who=ADMINISTRATOR | {"password": "another-horse"})
    assert any("SCRAM-SHA-256$4096" in command for command in told)
    assert not any(third["password"] in command for command in told)
    assert server.accepts(third)


def test_who_holds_a_lock_makes_it_wait_and_nobody_behind_it(server: Server, login: Callable[..., dict[str, Any]]) -> None:
    administrator = ADMINISTRATOR | {"password": "another-horse"}
    server.ask(administrator, "CREATE TABLE held (n int)")
    holder = threading.Thread(target=server.ask, args=(administrator, "BEGIN; LOCK TABLE held; SELECT pg_sleep(4); COMMIT"))
    holder.start()
    time.sleep(0.5)
    assert login(SECOND, who=administrator)["changed"]
    holder.join()
    assert server.ask(administrator, "SELECT tableowner FROM pg_tables WHERE tablename = 'held'") == [["app_owner"]]

# SPDX-License-Identifier: GPL-3.0-or-later
"""The four backends of the reference application, against fakes of the libraries that speak to them."""

from __future__ import annotations

from typing import Any
from unittest.mock import MagicMock

import psycopg2
import pytest
import redis

from roles.app_tier.files.reference_app.reference import components
from roles.app_tier.files.reference_app.reference.aws import Secrets


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> MagicMock:
    """Stand in for psycopg2.connect."""
    fake = MagicMock()
    monkeypatch.setattr(psycopg2, "connect", fake)
    return fake


@pytest.fixture
def make_redis(monkeypatch: pytest.MonkeyPatch) -> MagicMock:
    """Stand in for redis.Redis."""
    fake = MagicMock()
    monkeypatch.setattr(redis, "Redis", fake)
    return fake


def redis_client(**behaviour: Any) -> MagicMock:
    """Make a Redis client with the given attributes, which lets errors out of its with block."""
    made = MagicMock(**{"__exit__.return_value": False})
    made.__enter__.return_value.configure_mock(**behaviour)
    return made


class RotatedSecrets(Secrets):
    """A store whose secret changes when it is forgotten, as after a rotation."""

    def __init__(self) -> None:
        super().__init__(MagicMock())
        self.forgotten = 0

    def get(self, secret_id: str) -> dict[str, Any]:
        password = f"{secret_id}-{self.forgotten}"
        return {"host": "h", "port": 1, "username": "u", "password": password, "dbname": "d", "auth_token": password}

    def forget(self, secret_id: str) -> None:
        self.forgotten += 1


def connection(rows: list[Any]) -> MagicMock:
    """Make a psycopg2 connection whose cursor fetches the given rows."""
    made = MagicMock()
    made.__enter__.return_value = made
    cursor = made.cursor.return_value.__enter__.return_value
    cursor.fetchone.side_effect = rows
    cursor.connection.info.ssl_attribute.side_effect = {"protocol": "TLSv1.3"}.__getitem__
    return made


def statements(made: MagicMock) -> list[str]:
    return [call.args[0] for call in made.cursor.return_value.__enter__.return_value.execute.call_args_list]


def test_the_database_is_reached_over_verified_tls_and_within_a_time_limit(connect: MagicMock) -> None:
    connect.return_value = connection([("17.5 (Debian)",)])
    assert components.Database(RotatedSecrets(), "db", "/ca.pem").status() == "PostgreSQL 17.5 over TLSv1.3"
    arguments = connect.call_args.kwargs
    assert arguments["sslmode"] == "verify-full"
    assert arguments["sslrootcert"] == "/ca.pem"
    assert arguments["connect_timeout"] == 3
    assert "statement_timeout=3000" in arguments["options"]
    connect.return_value.close.assert_called_once()


def test_a_rotated_database_password_is_read_anew_once(connect: MagicMock) -> None:
    connect.side_effect = [
        psycopg2.OperationalError("password authentication failed"),
        connection([("17.5",)]),
    ]
    secrets = RotatedSecrets()
    components.Database(secrets, "db", "/ca.pem").status()
    assert [call.kwargs["password"] for call in connect.call_args_list] == ["db-0", "db-1"]


def test_a_dead_database_is_not_mistaken_for_a_rotation(connect: MagicMock) -> None:
    connect.side_effect = psycopg2.OperationalError("connection refused")
    secrets = RotatedSecrets()
    with pytest.raises(psycopg2.OperationalError):
        components.Database(secrets, "db", "/ca.pem").status()
    assert (connect.call_count, secrets.forgotten) == (1, 0)


def test_the_table_is_made_under_the_lock_and_only_once(connect: MagicMock) -> None:
    made = connection([("t1",), ("t2",)])
    connect.return_value = made
    database = components.Database(RotatedSecrets(), "db", "/ca.pem")
    database.round_trip("t1")
    first = statements(made)
    assert [text.split()[0] for text in first] == ["SELECT", "CREATE", "INSERT", "DELETE"]
    assert "pg_advisory_xact_lock" in first[0]
    database.round_trip("t2")
    assert [text.split()[0] for text in statements(made)[4:]] == ["INSERT", "DELETE"]


def test_a_database_that_gives_back_another_value_failed(connect: MagicMock) -> None:
    connect.return_value = connection([None])
    with pytest.raises(components.MismatchError):
        components.Database(RotatedSecrets(), "db", "/ca.pem").round_trip("t")


def test_the_cache_reads_a_rotated_token_anew(make_redis: MagicMock) -> None:
    refusing = redis_client(**{"info.side_effect": redis.AuthenticationError("WRONGPASS")})
    make_redis.side_effect = [refusing, redis_client(**{"info.return_value": {"redis_version": "7.0.15"}})]
    assert components.Cache(RotatedSecrets(), "cache", "/ca.pem").status() == "Redis 7.0.15 over TLSv1.3"
    assert [call.kwargs["password"] for call in make_redis.call_args_list] == ["cache-0", "cache-1"]
    assert make_redis.call_args.kwargs["ssl"] is True
    assert make_redis.call_args.kwargs["ssl_check_hostname"] is True
    assert make_redis.call_args.kwargs["socket_timeout"] == 3


def test_the_cache_compares_what_comes_back_and_removes_it(make_redis: MagicMock) -> None:
    make_redis.return_value = redis_client(**{"get.side_effect": ["t", "other"]})
    cache = components.Cache(RotatedSecrets(), "cache", "/ca.pem")
    assert "key" in cache.round_trip("t")
    with pytest.raises(components.MismatchError):
        cache.round_trip("t")
    assert make_redis.return_value.__enter__.return_value.delete.call_count == 2


def test_the_bucket_leaves_nothing_behind() -> None:
    client = MagicMock()
    client.get_object.return_value = {"Body": MagicMock(read=lambda: b"t")}
    components.Bucket(lambda _service: client, "b").round_trip("t")
    client.put_object.assert_called_once_with(Bucket="b", Key="round-trip/t", Body=b"t")
    client.delete_object.assert_called_once_with(Bucket="b", Key="round-trip/t")


def test_the_queue_gives_messages_of_others_back_and_deletes_its_own() -> None:
    client = MagicMock()
    client.get_queue_url.return_value = {"QueueUrl": "q"}
    client.receive_message.side_effect = [
        {},
        {"Messages": [{"Body": "theirs", "ReceiptHandle": "1"}, {"Body": "t", "ReceiptHandle": "2"}]},
    ]
    components.Queue(lambda _service: client, "tasks").round_trip("t")
    client.change_message_visibility.assert_called_once_with(QueueUrl="q", ReceiptHandle="1", VisibilityTimeout=0)
    client.delete_message.assert_called_once_with(QueueUrl="q", ReceiptHandle="2")


def test_the_queue_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    client = MagicMock()
    client.receive_message.return_value = {}
    monkeypatch.setattr(components, "QUEUE_SECONDS", 0.05)
    with pytest.raises(TimeoutError, match="did not come back"):
        components.Queue(lambda _service: client, "tasks").round_trip("t")

# SPDX-License-Identifier: GPL-3.0-or-later
"""The four backends. Each can say how it is and do a round trip: write a value, read it back, remove it.

Every call has a time limit, so a dead backend costs seconds and never a hanging request. Methods return a sentence for people and
raise whatever the backend's library raises; `checks.py` turns that into a result.
"""

from __future__ import annotations

import contextlib
import ssl
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeVar

import psycopg2
import redis

from .aws import Secrets

CONNECT_SECONDS = 3
ANSWER_SECONDS = 3
QUEUE_SECONDS = 6
SCHEMA_LOCK = 0x1D11
"""Key of the advisory lock: of all processes that start at once, one makes the table and the others wait."""

Answer = TypeVar("Answer")


class MismatchError(Exception):
    """A backend gave back something else than was written."""


class Component(Protocol):
    """A backend of the application."""

    def status(self) -> str:
        """Ask the backend for a sign of life."""

    def round_trip(self, token: str) -> str:
        """Write the token, read it back, remove it."""


def expect(token: str, found: object) -> None:
    """Raise MismatchError unless the token came back."""
    if found != token:
        raise MismatchError(f"wrote {token!r}, read {found!r}")


class Database:
    """PostgreSQL over verified TLS 1.3."""

    def __init__(self, secrets: Secrets, secret_id: str, ca_file: str) -> None:
        self._secrets = secrets
        self._secret_id = secret_id
        self._ca_file = ca_file
        self._has_table = False

    def status(self) -> str:
        with self._cursor() as cursor:
            cursor.execute("SELECT current_setting('server_version')")
            (server,) = cursor.fetchone()
            # Not of pg_stat_ssl: a login that takes another role on, as rotated ones do, may not see its own connection there.
            tls = cursor.connection.info.ssl_attribute("protocol")
        return f"PostgreSQL {server.split()[0]} over {tls}"

    def round_trip(self, token: str) -> str:
        with self._cursor() as cursor:
            if not self._has_table:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", (SCHEMA_LOCK,))
                cursor.execute("CREATE TABLE IF NOT EXISTS round_trips (token text PRIMARY KEY, at timestamptz NOT NULL DEFAULT now())")
            cursor.execute("INSERT INTO round_trips (token) VALUES (%s)", (token,))
        self._has_table = True
        with self._cursor() as cursor:
            cursor.execute("DELETE FROM round_trips WHERE token = %s RETURNING token", (token,))
            row = cursor.fetchone()
        expect(token, row and row[0])
        return "a row written, read and deleted"

    @contextlib.contextmanager
    def _cursor(self) -> Iterator[Any]:
        """Open a connection for one transaction, committed at the end."""
        try:
            connection = self._connect()
        except psycopg2.OperationalError as error:
            if "authentication failed" not in str(error):
                raise
            self._secrets.forget(self._secret_id)
            connection = self._connect()
        with contextlib.closing(connection), connection, connection.cursor() as cursor:
            yield cursor

    def _connect(self) -> Any:
        secret = self._secrets.get(self._secret_id)
        return psycopg2.connect(
            host=secret["host"],
            port=secret["port"],
            user=secret["username"],
            password=secret["password"],
            dbname=secret["dbname"],
            sslmode="verify-full",
            sslrootcert=self._ca_file,
            ssl_min_protocol_version="TLSv1.3",
            connect_timeout=CONNECT_SECONDS,
            tcp_user_timeout=ANSWER_SECONDS * 1000,
            options=f"-c statement_timeout={ANSWER_SECONDS * 1000}",
            application_name="reference",
        )


class Cache:
    """Redis over verified TLS 1.3, with its token."""

    def __init__(self, secrets: Secrets, secret_id: str, ca_file: str) -> None:
        self._secrets = secrets
        self._secret_id = secret_id
        self._ca_file = ca_file

    def status(self) -> str:
        version = self._ask(lambda client: client.info("server"))["redis_version"]
        return f"Redis {version} over TLSv1.3"

    def round_trip(self, token: str) -> str:
        def trip(client: Any) -> object:
            key = f"round-trip:{token}"
            client.set(key, token, ex=60)
            found = client.get(key)
            client.delete(key)
            return found

        expect(token, self._ask(trip))
        return "a key written, read and deleted"

    def _ask(self, question: Callable[[Any], Answer]) -> Answer:
        try:
            return self._ask_once(question)
        except redis.AuthenticationError:
            self._secrets.forget(self._secret_id)
            return self._ask_once(question)

    def _ask_once(self, question: Callable[[Any], Answer]) -> Answer:
        secret = self._secrets.get(self._secret_id)
        with redis.Redis(
            host=secret["host"],
            port=int(secret["port"]),
            password=secret["auth_token"],
            ssl=True,
            ssl_ca_certs=self._ca_file,
            ssl_check_hostname=True,
            ssl_min_version=ssl.TLSVersion.TLSv1_3,
            decode_responses=True,
            socket_connect_timeout=CONNECT_SECONDS,
            socket_timeout=ANSWER_SECONDS,
            retry=None,  # its own three retries would take longer than a reader waits
        ) as client:
            return question(client)


class Bucket:
    """An S3 bucket, with the credentials of the instance's role."""

    def __init__(self, clients: Callable[[str], Any], name: str) -> None:
        self._clients = clients
        self._name = name

    def status(self) -> str:
        self._clients("s3").head_bucket(Bucket=self._name)
        return f"bucket {self._name}"

    def round_trip(self, token: str) -> str:
        place = {"Bucket": self._name, "Key": f"round-trip/{token}"}
        client = self._clients("s3")
        client.put_object(**place, Body=token.encode())
        found = client.get_object(**place)["Body"].read().decode()
        client.delete_object(**place)
        expect(token, found)
        return "an object written, read and deleted"


class Queue:
    """An SQS queue, with the credentials of the instance's role."""

    def __init__(self, clients: Callable[[str], Any], name: str) -> None:
        self._clients = clients
        self._name = name

    def status(self) -> str:
        attributes = self._clients("sqs").get_queue_attributes(QueueUrl=self._url(), AttributeNames=["ApproximateNumberOfMessages"])
        return f"queue {self._name}, {attributes['Attributes']['ApproximateNumberOfMessages']} messages"

    def round_trip(self, token: str) -> str:
        """Send the token and wait for it. Messages of others are put back at once."""
        client, queue = self._clients("sqs"), {"QueueUrl": self._url()}
        client.send_message(**queue, MessageBody=token)
        deadline = time.monotonic() + QUEUE_SECONDS
        while time.monotonic() < deadline:
            for message in client.receive_message(**queue, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", []):
                receipt = {"ReceiptHandle": message["ReceiptHandle"]}
                if message["Body"] == token:
                    client.delete_message(**queue, **receipt)
                    return "a message sent, received and deleted"
                client.change_message_visibility(**queue, **receipt, VisibilityTimeout=0)
        raise TimeoutError(f"the message did not come back within {QUEUE_SECONDS} s")

    def _url(self) -> str:
        return str(self._clients("sqs").get_queue_url(QueueName=self._name)["QueueUrl"])

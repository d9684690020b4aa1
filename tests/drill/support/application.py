# SPDX-License-Identifier: GPL-3.0-or-later
"""The sandbox's AWS API, standing alone, with what drills need beside it.

One call at a time is answered, so that there is a moment between any two calls at which the whole account can be copied: by a fork of
this process that listens on a port of its own. Latency is waited for outside of that order, as many calls at once as there are.

Bodies are JSON. A copy has these calls too.

    GET    /drill/calls   -> {"reads": int, "writes": int, "faults": int, "services": [...], "log": [...]}; the log holds the writes that
                             had their effect, in order, as "<service> <region> <operation>"
    DELETE /drill/calls   -> {}; counts from nothing again
    PUT    /drill/faults  <- {"latency_seconds", "share", "kinds", "seed"}, see faults.Faults; what is left out has its default
    POST   /drill/copies  -> {"port": int}
    PUT    /drill/points  <- {"after_writes": [int], "directory": path}; after each of these writes the account is copied, and the directory
                             beside it, to <directory>-<number of writes>
    GET    /drill/points  -> {number of writes: {"port", "write": line of the log}}
    PUT    /drill/kill    <- {"after_writes": int, "group": process group}; which is killed (-9) before that write is answered
    DELETE /drill/process -> nothing; this process ends
    PUT    /drill/images  <- {"region", "owner", "name"}; a public image of another account -> {"image_id"}
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import socket
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from moto.ec2.models import ec2_backends
from moto.ec2.models.amis import Ami
from moto.ec2.utils import random_ami_id
from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import make_server

from sandbox.emulator import clock
from sandbox.emulator.additions.images import ROOT_DEVICE
from sandbox.emulator.runtime import runtime
from sandbox.emulator.server import Emulator, describe_request
from sandbox.settings import ACCOUNT_ID
from tests.drill.support import faults

HOST = "127.0.0.1"
READS = re.compile(r"(Describe|Get|List|Head|Lookup|Search|Simulate|BatchGet|Query|Scan|Select)|(GET|HEAD|OPTIONS)$")
# Reads by their meaning, whatever their names say.
OTHER_READS = frozenset({"AssumeRole", "Decrypt", "ReceiveMessage"})
# And those whose requests say no more than a method and a path.
READ_PATHS = frozenset(
    {
        "/status/batch/get",  # Inspector: BatchGetAccountStatus
        "/standards/get",  # Security Hub: GetEnabledStandards
    }
)


@dataclass
class Record:
    """What was called, and what has to happen at which write."""

    reads: int = 0
    faults: int = 0
    log: list[str] = field(default_factory=list)
    services: set[str] = field(default_factory=set)
    points: dict[int, str] = field(default_factory=dict)  # number of writes -> directory to copy with the account
    copies: dict[int, dict[str, Any]] = field(default_factory=dict)
    kill: tuple[int, int] | None = None  # number of writes, process group


class DrillEmulator:
    """The WSGI application."""

    def __init__(self) -> None:
        self._emulator = Emulator()
        self.record = Record()
        self.faults = faults.Faults()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path.startswith("/drill/"):
            body = json.loads(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)) or b"{}")
            with runtime.lock:
                answer = getattr(self, f"_{environ['REQUEST_METHOD']}_{path.removeprefix('/drill/')}".lower())(body)
            start_response("200 OK", [("Content-Type", "application/json")])
            return [json.dumps(answer).encode()]
        if path.startswith(("/sandbox/", "/moto-api")):
            return self._emulator(environ, start_response)
        # Read here: a caller that is slow, or dies while it sends, must not hold the others up.
        size, content = environ.get("CONTENT_LENGTH"), environ["wsgi.input"]
        body = content.read(int(size)) if size else content.read() if environ.get("wsgi.input_terminated") else b""
        environ["wsgi.input"] = io.BytesIO(body)
        time.sleep(self.faults.latency_seconds)
        with runtime.lock:
            return self._call(environ, start_response)

    def _call(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        service, region, operation = describe_request(environ)
        writes = not READS.match(operation) and operation not in OTHER_READS and environ["PATH_INFO"] not in READ_PATHS
        if fault := self.faults.next():
            self.record.faults += 1
            answer = faults.answer(fault, service, environ)
            start_response(answer.status, [("Content-Type", answer.content_type), ("Content-Length", str(len(answer.body)))])
            return [answer.body]
        if not writes:
            self.record.reads += 1
            return self._emulator(environ, start_response)
        status = ""

        def remember(line: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            nonlocal status
            status = line
            return start_response(line, headers, exc_info)

        answer_body = self._emulator(environ, remember)
        if status.startswith("2"):
            rest = f" {environ['PATH_INFO']}?{environ.get('QUERY_STRING', '')}" if operation == environ["REQUEST_METHOD"] else ""
            self.record.log.append(f"{service} {region} {operation}{rest}")
            self.record.services.add(service)
            self._after_write()
        return answer_body

    def _after_write(self) -> None:
        number = len(self.record.log)
        if number in self.record.points:
            directory = self.record.points.pop(number)
            shutil.copytree(directory, f"{directory}-{number}", dirs_exist_ok=True, ignore_dangling_symlinks=True)
            self.record.copies[number] = {"port": self._copy(), "write": self.record.log[-1]}
        if self.record.kill and self.record.kill[0] == number:
            os.killpg(self.record.kill[1], signal.SIGKILL)
            self.record.kill = None

    # --- the drills' own calls ---

    def _get_calls(self, _body: dict[str, Any]) -> dict[str, Any]:
        record = self.record
        return {
            "reads": record.reads,
            "writes": len(record.log),
            "faults": record.faults,
            "services": sorted(record.services),
            "log": record.log,
        }

    def _delete_calls(self, _body: dict[str, Any]) -> dict[str, Any]:
        self.record = Record(copies=self.record.copies)
        return {}

    def _put_faults(self, body: dict[str, Any]) -> dict[str, Any]:
        self.faults = faults.Faults(**body)
        return {}

    def _post_copies(self, _body: dict[str, Any]) -> dict[str, Any]:
        return {"port": self._copy()}

    def _put_points(self, body: dict[str, Any]) -> dict[str, Any]:
        self.record.points = dict.fromkeys(body["after_writes"], body["directory"])
        return {}

    def _get_points(self, _body: dict[str, Any]) -> dict[str, Any]:
        return {str(number): copy for number, copy in self.record.copies.items()}

    def _put_kill(self, body: dict[str, Any]) -> dict[str, Any]:
        self.record.kill = (body["after_writes"], body["group"])
        return {}

    def _delete_process(self, _body: dict[str, Any]) -> dict[str, Any]:
        os._exit(0)

    def _put_images(self, body: dict[str, Any]) -> dict[str, Any]:
        backend = ec2_backends[ACCOUNT_ID][body["region"]]
        image = Ami(backend, random_ami_id(), name=body["name"], root_device_name=ROOT_DEVICE, root_device_type="ebs", public=True)
        image.owner_id = body["owner"]
        backend.amis[image.id] = image
        return {"image_id": image.id}

    def _copy(self) -> int:
        """Fork; the child serves on a port of its own until its parent ends. Returns that port, in the parent."""
        listener = socket.socket()
        listener.bind((HOST, 0))
        listener.listen(128)
        port = int(listener.getsockname()[1])
        parent = os.getpid()
        if os.fork():
            listener.close()
            return port
        # Whatever else is open belongs to the parent and its callers, who wait for an end of file.
        for descriptor in {int(entry.name) for entry in Path("/proc/self/fd").iterdir()} - {0, 1, 2, listener.fileno()}:
            with suppress(OSError):  # the listing's own
                os.close(descriptor)
        runtime.lock = threading.RLock()  # the former one stays with this thread, which never returns
        self.record, self.faults = Record(), faults.Faults()
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
        self.serve(port, listener.fileno())
        os._exit(0)

    def serve(self, port: int, descriptor: int | None = None) -> None:
        """Start the clock and answer for ever, on a socket that listens already if its descriptor is given."""
        clock.start()
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
        make_server(HOST, port, self, threaded=True, request_handler=MotoRequestHandler, fd=descriptor).serve_forever()


def _end_with(process: int) -> None:
    """End this process when its parent has ended: polled, for the kernel's own signal follows threads, not processes."""
    while os.getppid() == process:
        time.sleep(0.5)
    os._exit(0)

# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of the aws_worker connection and its server that need no run of Ansible."""

import base64
import dataclasses
import io
import os
import shlex
import socket
import sys
import zipfile
import zlib
from functools import partial
from pathlib import Path

import pytest
from ansible.errors import AnsibleConnectionFailure
from ansible_collections.indivillage.infra.plugins.connection import aws_worker
from ansible_collections.indivillage.infra.plugins.plugin_utils import worker_protocol, worker_task
from ansible_collections.indivillage.infra.plugins.plugin_utils.worker_library import Library
from ansible_collections.indivillage.infra.plugins.plugin_utils.worker_protocol import ColdError

WRAPPER = "#!/usr/bin/python\nimport datetime\n_ANSIBALLZ_WRAPPER = True\ndef _ansiballz_main(**arguments):\n    print(sorted(arguments))\n"


def packed(files: dict[str, str]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def payload(files: dict[str, str], wrapper: str = WRAPPER, **changes: object) -> bytes:
    """A payload of the form that AnsiballZ makes."""
    arguments = {
        "ansible_module": "m",
        "module_fqn": "m",
        "profile": "legacy",
        "rlimit_nofile": 0,
        "params": "{}",
        "extensions": {},
        "zip_data": base64.b64encode(packed(files)).decode(),
        **changes,
    }
    lines = "\n".join(f"{name}={value!r}," for name, value in arguments.items())
    date = "date_time=datetime.datetime(2026, 1, 1),"
    return f'{wrapper}\n\nif __name__ == "__main__":\n    _ansiballz_main(\n{date}\n{lines}\n)\n'.encode()


# ---- What is kept from run to run ----------------------------------------------------------------------------------------------


def test_runs_like_this_one_are_known_by_what_was_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ansible makes a set of the tags, so that their order is another one in each run."""
    typed = {"args": ("site.yml",), "inventory": ("a", "b"), "tags": ("x", "y"), "skip_tags": (), "subset": None}

    def file(**other: object) -> Path:
        monkeypatch.setattr(aws_worker.context, "CLIARGS", typed | other)
        return aws_worker.reads_of_runs_like_this()

    assert file(tags=("y", "x")) == file()
    others: list[dict[str, object]] = [
        {"tags": ("x",)},
        {"skip_tags": ("z",)},
        {"inventory": ("b", "a")},
        {"subset": "s"},
        {"args": ("t.yml",)},
    ]
    assert len({file(), *(file(**other) for other in others)}) == 6


# ---- Which commands are taken ----------------------------------------------------------------------------------------------------


def pipelined(environment: str, interpreter: str = sys.executable, rest: str = "") -> str:
    return f"/bin/sh -c {shlex.quote(f'{environment} {interpreter}{rest}'.strip())}"


def test_the_environment_of_a_pipelined_module_is_read() -> None:
    value = """it's a "test" $HOME\nx=y"""
    assert aws_worker.interpreter_environment(pipelined(f"A=1 B={shlex.quote(value)}")) == {"A": "1", "B": value}
    assert aws_worker.interpreter_environment(pipelined("", rest=" && sleep 0")) == {}


@pytest.mark.parametrize(
    "command",
    [
        "echo hi",
        "/bin/sh -c 'unbalanced",
        pipelined("", interpreter="/usr/bin/python3.9"),
        pipelined("", rest=" /tmp/module.py"),
        pipelined("", rest=" && rm -rf /tmp/x"),
        f"/bin/sh -c 'sudo -u other {sys.executable}'",
    ],
)
def test_any_other_command_is_left_alone(command: str) -> None:
    assert aws_worker.interpreter_environment(command) is None


def test_another_core_version_stops_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    aws_worker.require_supported_core()
    monkeypatch.setattr(aws_worker.ansible_release, "__version__", "2.22.0")
    with pytest.raises(AnsibleConnectionFailure, match=r"2\.21.*2\.22\.0.*stack_connection"):
        aws_worker.require_supported_core()


# ---- Which payloads are taken ----------------------------------------------------------------------------------------------------


@pytest.fixture
def library(tmp_path: Path) -> Library:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins/on_disk.py").write_text("DISK = 1\n")
    loaded = {"ansible/module_utils/loaded.py": zlib.crc32(b"LOADED = 1\n")}
    return Library({"ansible_collections.a.b": tmp_path}, loaded)


GOOD = {
    "ansible/__init__.py": "made by AnsiballZ",
    "ansible_collections/__init__.py": "",
    "ansible/module_utils/loaded.py": "LOADED = 1\n",
    "ansible_collections/a/b/plugins/on_disk.py": "DISK = 1\n",
}


def prepare(data: bytes, library: Library, line: int) -> partial[None]:
    """Prepare a payload as it is received."""
    client, server = socket.socketpair()
    with client, server:
        worker_protocol.send_request(client, worker_protocol.Request({}, "/", 0o022, data), 1, 2)
        received = worker_protocol.receive_request(server)
    try:
        return worker_task.prepare(received, library, line)
    finally:
        received.close()


def test_a_payload_of_known_code_is_called_as_it_would_call_itself(library: Library, capsys: pytest.CaptureFixture[str]) -> None:
    data = payload(GOOD)
    prepare(data, library, worker_protocol.call_line(data))()
    assert capsys.readouterr().out.strip() == str(sorted(worker_task.PAYLOAD_ARGUMENTS))


@pytest.mark.parametrize(
    "changed",
    [
        {"ansible/module_utils/loaded.py": "LOADED = 2\n"},
        {"ansible_collections/a/b/plugins/on_disk.py": "DISK = 2\n"},
        {"ansible_collections/a/b/plugins/unknown.py": "x = 1\n"},
        {"ansible_collections/c/d/plugins/foreign.py": "x = 1\n"},
        {"zlib.py": "evil = True\n"},
    ],
)
def test_code_that_is_not_what_is_loaded_is_cold(library: Library, changed: dict[str, str]) -> None:
    data = payload({**GOOD, **changed})
    with pytest.raises(ColdError, match=next(iter(changed))):
        prepare(data, library, worker_protocol.call_line(data))


def test_code_is_compared_once_and_stays_what_was_compared(library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, line = payload(GOOD), worker_protocol.call_line(payload(GOOD))
    prepare(data, library, line)
    (tmp_path / "plugins/on_disk.py").write_text("DISK = 2\n")
    monkeypatch.setattr(Library, "require_same", lambda *_arguments: pytest.fail("compared again"))
    prepare(data, library, line)


def test_a_loaded_module_whose_file_changed_at_the_start_is_cold(library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ansible_collections.a.b.plugins.on_disk", worker_protocol)
    data = payload(GOOD)
    with pytest.raises(ColdError, match="on_disk"):
        prepare(data, library, worker_protocol.call_line(data))


@pytest.mark.parametrize("data", [b"", b"\x00\xff", b"#!/bin/sh\necho hi\n", payload(GOOD, wrapper="def _ansiballz_main(**a): ...\n")])
def test_what_ansiballz_has_not_packed_is_cold(data: bytes) -> None:
    with pytest.raises(ColdError, match="not a module that AnsiballZ"):
        worker_protocol.call_line(data)


def test_a_wrapper_of_another_form_is_cold(library: Library) -> None:
    data = payload(GOOD)
    with pytest.raises(ColdError, match="length"):
        prepare(data, library, worker_protocol.call_line(data) + 1)
    more = payload(GOOD, surprise=1)
    with pytest.raises(ColdError, match="arguments"):
        prepare(more, library, worker_protocol.call_line(more))


@pytest.mark.parametrize("name", ["PYTHONPATH", "PYTHONHASHSEED", "LD_PRELOAD", "LC_ALL", "LANG"])
def test_variables_that_an_interpreter_reads_at_its_start_are_cold(name: str) -> None:
    worker_task.require_same_start({**os.environ, "AWS_REGION": "x", "TZ": "UTC", "LANGUID": "x"})
    with pytest.raises(ColdError):
        worker_task.require_same_start({**os.environ, name: "other"})


# ---- How they talk ---------------------------------------------------------------------------------------------------------------


def test_a_request_arrives_whole_with_its_descriptors() -> None:
    client, server = socket.socketpair()
    reading, writing = os.pipe()
    request = worker_protocol.Request({"A": "ü\n"}, "/tmp", 0o022, b"begin\nzip_data=" + b"x" * 50_000)
    with client, server:
        worker_protocol.send_request(client, request, writing, writing)
        received = worker_protocol.receive_request(server)
    assert received.request == dataclasses.replace(request, payload=b"begin\nzip_data=")
    assert received.packed() == b"x" * 50_000
    os.write(received.stdout, b"out")
    received.close()
    os.close(writing)
    assert os.read(reading, 10) == b"out"
    os.close(reading)


def test_a_client_that_goes_away_is_noticed() -> None:
    client, server = socket.socketpair()
    with server:
        client.send(b"abc")
        client.close()
        with pytest.raises(EOFError):
            worker_protocol.receive_request(server)


def test_both_outputs_are_read_to_their_end() -> None:
    stdout, stdout_end = os.pipe()
    stderr, stderr_end = os.pipe()
    if os.fork() == 0:
        os.write(stderr_end, b"e" * 60_000)
        os.write(stdout_end, b"o" * 60_000)
        os.write(stderr_end, b"e" * 60_000)
        os._exit(0)
    os.close(stdout_end)
    os.close(stderr_end)
    assert aws_worker.read_to_end(stdout, stderr) == (b"o" * 60_000, b"e" * 120_000)
    os.wait()


def test_the_server_script_calls_on_the_line_of_the_payload() -> None:
    for line in (40, 266):
        assert worker_protocol.start_script(line).splitlines()[line - 1] == "        _ansiballz_main()"

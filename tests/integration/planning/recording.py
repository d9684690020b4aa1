# SPDX-License-Identifier: GPL-3.0-or-later
"""The emulator, which notes every call that reaches it: `python -m tests.integration.planning.recording FILE [emulator's arguments]`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication

from sandbox.emulator import api_call
from sandbox.emulator.__main__ import main


def note_calls(path: Path) -> None:
    """Append `service operation`, or the request of what is no such call, to a file, one a line."""
    answer = DomainDispatcherApplication.__call__

    def call(self: Any, environ: dict[str, Any], start_response: Any) -> Any:
        found = api_call.read(environ)
        with path.open("a") as calls:
            calls.write(f"{found.service} {found.operation}\n" if found else f"? {environ['REQUEST_METHOD']} {environ['PATH_INFO']}\n")
        return answer(self, environ, start_response)

    DomainDispatcherApplication.__call__ = call  # type: ignore[method-assign]


if __name__ == "__main__":
    note_calls(Path(sys.argv.pop(1)))
    sys.exit(main())

# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m tests.drill.support --port <port>`: the AWS API for drills on loopback; see application.py for what it can do."""

from __future__ import annotations

import argparse
import ctypes
import gc
import logging
import signal
import sys

from sandbox.emulator.additions import install_all
from sandbox.emulator.runtime import runtime
from tests.drill.support.application import DrillEmulator

PR_SET_PDEATHSIG = 1


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.drill.support", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="TCP port on loopback")
    parser.add_argument("--stay", action="store_true", help="do not end with whoever started it")
    options = parser.parse_args()
    if not options.stay:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    runtime.standalone = True
    install_all()
    # Copies share what was loaded until they change it.
    gc.collect()
    gc.freeze()
    DrillEmulator().serve(options.port)
    return 0


if __name__ == "__main__":
    sys.exit(main())

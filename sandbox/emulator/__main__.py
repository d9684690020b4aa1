# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m sandbox.emulator`: the AWS API of the sandbox on loopback and on each VPC's gateway address."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys

from sandbox.emulator import clock
from sandbox.emulator.additions import install_all
from sandbox.emulator.authorization import ROOT_ACCESS_KEY
from sandbox.emulator.runtime import runtime
from sandbox.emulator.server import Emulator, Listeners

LOG = logging.getLogger("emulator")


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sandbox.emulator", description=__doc__)
    parser.add_argument("--port", type=int, default=int(os.environ.get("SANDBOX_EMULATOR_PORT", "4566")), help="TCP port (default 4566)")
    parser.add_argument("--loopback", default="127.0.0.1", help="loopback address to listen on (default 127.0.0.1)")
    parser.add_argument("--state-dir", help="directory of the sandbox that this process belongs to; by it the sandbox finds its processes")
    parser.add_argument(
        "--standalone",
        action="store_true",
        default=os.environ.get("SANDBOX_EMULATOR_STANDALONE") == "1",
        help="no reconciler runs: databases, caches and images become available at once and targets count as healthy",
    )
    parser.add_argument(
        "--enforce-iam",
        action="store_true",
        help=f"refuse what the caller's policies do not allow; the access key {ROOT_ACCESS_KEY} may do everything (needs --standalone)",
    )
    options = parser.parse_args(arguments)
    if options.enforce_iam and not options.standalone:
        parser.error("--enforce-iam needs --standalone: the sandbox's own processes sign with keys that nobody made")
    if not options.loopback.startswith("127."):
        parser.error(f"--loopback must be a loopback address, not {options.loopback}")
    return options


def main(arguments: list[str] | None = None) -> int:
    options = parse_arguments(arguments)
    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    serve(options)
    return 0


def serve(options: argparse.Namespace) -> None:
    """Answer until SIGTERM or SIGINT."""
    runtime.standalone, runtime.enforce_iam = options.standalone, options.enforce_iam
    install_all()
    clock.start()
    emulator = Emulator()
    listeners = Listeners(emulator, options.loopback, options.port)
    if not options.standalone:
        emulator.after_network_change = listeners.follow_networks
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    LOG.info("AWS API on http://%s:%d; its state lives in this process only and is gone when it ends", options.loopback, options.port)
    try:
        listeners.main.serve_forever()
    except KeyboardInterrupt:
        LOG.info("stopped")


if __name__ == "__main__":
    sys.exit(main())

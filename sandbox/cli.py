# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands of `python -m sandbox`."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence

from sandbox import host, images, lifecycle, settings, status
from sandbox.engine import Podman
from sandbox.model import EngineError
from sandbox.observe import EmulatorControl

FAILURES = (host.HostError, images.BuildError, lifecycle.SandboxError, EngineError, LookupError, ValueError)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 when it went well, 1 with one message on standard error when not."""
    options = _parser().parse_args(arguments)
    try:
        chosen = settings.load()
        return options.command(chosen, options) or 0
    except FAILURES as error:
        print(f"sandbox: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description="A local cloud that site.yml runs against.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, function: object, text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(command=function)
        return command

    add("up", _up, "bring the sandbox up, or repair it; waits until it answers")
    add("down", _down, "remove it without a trace; built images are kept")
    add("clean", _clean, "remove it and the built images")
    add("status", _status, "show instances, services and their health")
    ssh = add("ssh", _ssh, "log in to an instance, or run a command on it")
    ssh.add_argument("host", help="instance id, alias or Name")
    ssh.add_argument("words", nargs=argparse.REMAINDER, metavar="command", help="command to run there")
    outage = add("outage", _outage, "take a region's API and machines away, as a loss of power does, or give them back")
    outage.add_argument("region", choices=settings.REGIONS)
    outage.add_argument("--end", action="store_true", help="give them back")
    add("url", _url, "print the page's address")
    add("ca", _ca, "print the CA file that validates the page")
    add("endpoint", _endpoint, "print the emulator's URL")
    build = add("build-images", _build_images, "build container images that are missing or out of date")
    build.add_argument("names", nargs="*", metavar="IMAGE", help=f"of {', '.join(images.RECIPES)}; all that the sandbox runs by default")
    add("run-command", _run_command, "print the podman command that starts a container like an instance's, as a JSON list")
    return parser


def _up(chosen: settings.Settings, _options: argparse.Namespace) -> None:
    lifecycle.up(chosen)


def _down(chosen: settings.Settings, _options: argparse.Namespace) -> None:
    lifecycle.down(chosen)


def _clean(chosen: settings.Settings, _options: argparse.Namespace) -> None:
    lifecycle.clean(chosen)


def _status(chosen: settings.Settings, _options: argparse.Namespace) -> int:
    text, well = status.report(chosen)
    print(text)
    return 0 if well else 1


def _ssh(chosen: settings.Settings, options: argparse.Namespace) -> None:
    if lifecycle.version(chosen) is None:
        raise lifecycle.SandboxError("the emulator does not answer; `make sandbox-status` says more")
    instance = status.find_instance(status.look(chosen), options.host)
    if not chosen.ssh_key_file.exists():
        raise lifecycle.SandboxError(f"there is no {chosen.ssh_key_file} yet; the role aws_keys writes it, so run `make site` first")
    command = ["ssh", "-i", str(chosen.ssh_key_file), "-o", "IdentitiesOnly=yes", "-o", f"HostKeyAlias={instance.id}"]
    command += ["-o", f"UserKnownHostsFile={chosen.known_hosts_file}", "-o", "StrictHostKeyChecking=accept-new"]
    command += [f"admin@{instance.address}", *options.words]
    sys.stdout.flush()
    os.execvp(command[0], command)  # noqa: S606 - no shell is meant


def _outage(chosen: settings.Settings, options: argparse.Namespace) -> None:
    if lifecycle.version(chosen) is None:
        raise lifecycle.SandboxError("the emulator does not answer; `make sandbox-status` says more")
    EmulatorControl(chosen.endpoint).put(f"outages/{options.region}", {"out": not options.end})


def _url(chosen: settings.Settings, _options: argparse.Namespace) -> None:
    print(chosen.page_url)


def _ca(chosen: settings.Settings, _options: argparse.Namespace) -> None:
    print(chosen.ca_file)


def _endpoint(chosen: settings.Settings, _options: argparse.Namespace) -> None:
    print(chosen.endpoint)


def _build_images(_chosen: settings.Settings, options: argparse.Namespace) -> int:
    return images.main(options.names)


def _run_command(_chosen: settings.Settings, _options: argparse.Namespace) -> None:
    print(json.dumps(Podman().instance_command()))

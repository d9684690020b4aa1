# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role hardening is measured by: a shell script that asks a host the same, one command for each question, and changes nothing."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from scripts.pages.controls import control_data


def listed(control: Mapping[str, Any], key: str) -> list[Any]:
    """The elements of a control's part; none when that is a template, which is not asked."""
    found = control.get(key) or []
    return [] if isinstance(found, str) else list(found)


def questions(control: Mapping[str, Any]) -> Iterator[str]:
    """A command for each thing that a control says of a host."""
    for file in listed(control, "files"):
        yield f"stat -c '%U %G %a' {file['path']}; sha256sum {file['path']}"
    for rule in listed(control, "permissions"):
        how = "find {} -printf '%p %u %g %m\\n'" if rule.get("recurse") else "stat -c '%n %U %G %a' {}"
        yield how.format(" ".join(rule["paths"]))
    for setting in listed(control, "settings"):
        yield from (f"grep -E {shlex.quote(rf'^\s*{key}')} {setting['path']}" for key in setting["values"])
    yield from (f"grep -F -- {shlex.quote(line['line'])} {line['path']}" for line in listed(control, "lines"))
    yield from (f"cat {assured['path']}" for assured in listed(control, "assured"))
    yield from (f"ls -d {path}" for path in listed(control, "no_files"))
    yield from (f"dpkg-query -W -f '${{Status}}\\n' {package}" for key in ("packages", "absent") for package in listed(control, key))
    yield from (f"systemctl is-enabled {unit}; systemctl is-active {unit}" for unit in listed(control, "units"))
    yield from (f"passwd --status {account}" for account in listed(control, "locked"))


def script() -> str:
    """The whole script; what it is told goes nowhere."""
    asked = [question for control in control_data() for question in questions(control)]
    return "\n".join(["exec >/dev/null 2>&1", *asked, "true"])

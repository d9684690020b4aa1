#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: secret_scan
version_added: 0.3.0
short_description: Look for private keys, AWS keys and passwords in a host's files
description:
  - Reads every regular file of the root's file system and names those that hold a private key, keys of AWS, a password, or the hash of
    one. File systems that are mounted below it are no part of an image and are left out.
  - Passwords are looked for in settings, and not below /usr, where the programs are whose text speaks of them.
  - What was found is told by path, line and rule; the secret itself is never returned.
options:
  root:
    description: Where to begin.
    type: path
    default: /
  allowed:
    description: Findings that are known and mean nothing.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Pattern of absolute paths; V(*) also matches a slash.
        type: str
        required: true
      rule:
        description: The rule.
        type: str
        choices: [private_key, aws_key, aws_secret, password, password_hash, password_in_url]
        required: true
      reason:
        description: Why it is no secret.
        type: str
        required: true
  max_file_mib:
    description: How much of each file is read, from its beginning.
    type: int
    default: 8
  timeout_seconds:
    description: The module fails when it has not seen every file by then.
    type: int
    default: 120
attributes:
  check_mode:
    description: Changes nothing, ever.
    support: full
  diff_mode:
    description: Has no differences to show.
    support: none
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Look for secrets
  indivillage.infra.secret_scan:
    allowed:
      - path: /usr/share/doc/*
        rule: private_key
        reason: examples of the packages
  register: secrets
"""

RETURN = r"""
findings:
  description: What was found and is not allowed.
  returned: always
  type: list
  elements: dict
  sample: [{path: /etc/app.env, line: 3, rule: password}]
allowed:
  description: What was found and is allowed.
  returned: always
  type: list
  elements: dict
  sample: [{path: /usr/share/doc/x/example.pem, line: 1, rule: private_key}]
files:
  description: Number of files that were read.
  returned: always
  type: int
  sample: 21034
"""

import fnmatch
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

MIB = 2**20
# The texts of programs are full of words like password and of addresses with one.
PROGRAMS = ("/usr/", "/var/lib/dpkg/", "/var/lib/apt/")


@dataclass(frozen=True)
class Rule:
    """What a secret looks like. Only a file that holds one of the needles, in small letters if it is of settings, is searched."""

    needles: tuple[bytes, ...]
    pattern: re.Pattern[bytes]
    settings: bool = False


RULES = {
    "private_key": Rule(
        (b"PRIVATE KEY",), re.compile(rb"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----\s+(?:[\w-]+: [^\n]*\n)*\s*[A-Za-z0-9+/=]{32}")
    ),
    "aws_key": Rule((b"AKIA", b"ASIA"), re.compile(rb"(?<![A-Za-z0-9+/=])(?:AKIA|ASIA)[A-Z2-7]{16}(?![A-Za-z0-9+/=])")),
    "aws_secret": Rule(
        (b"secret_access_key", b"SECRET_ACCESS_KEY"),
        re.compile(rb"""(?i)secret_access_key["']?\s*[=:]\s*["']?[A-Za-z0-9+/]{40}(?![A-Za-z0-9+/])"""),
    ),
    "password": Rule(
        (b"password", b"passwd", b"secret", b"token"),
        # A name that ends so, and a text; no expression, and not one that is filled in elsewhere: $name, {{ name }}, <name>, %s.
        re.compile(
            rb"""(?im)^[ \t]*(?:export[ \t]+)?["']?[\w.-]*(?:password|passwd|secret|token)["']?[ \t]*[=:][ \t]*"""
            rb"""(?:"[^"$<{%\n]{8,}"|'[^'$<{%\n]{8,}'|[^\s"'$<{%/#,;()\[\]]{8,}(?=\s|\Z))"""
        ),
        settings=True,
    ),
    "password_hash": Rule((b":$",), re.compile(rb"(?m)^[a-z_][\w.-]*:\$(?:[0-9][a-z]?|y|gy)\$"), settings=True),
    "password_in_url": Rule((b"://",), re.compile(rb"[a-z][a-z0-9+.-]*://[^\s:/@\"'<>{}$]*:[^\s:/@\"'<>{}$]+@[\w.-]+"), settings=True),
}


def files(root: str) -> Iterator[str]:
    """Every regular file of the root's own file system."""
    own = os.lstat(root).st_dev  # of folders only: in a container files may have a number of their own
    folders = [root]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    if entry.stat(follow_symlinks=False).st_dev == own:
                        folders.append(entry.path)
                elif entry.is_file(follow_symlinks=False):
                    yield entry.path


def search(path: str, content: bytes) -> Iterator[dict[str, Any]]:
    """What the rules find in a file, once for each rule."""
    small = b"" if path.startswith(PROGRAMS) else content.lower()
    for name, rule in RULES.items():
        text = small if rule.settings else content
        if any(needle in text for needle in rule.needles) and (match := rule.pattern.search(content)):
            yield {"path": path, "line": content.count(b"\n", 0, match.start()) + 1, "rule": name}


def read(path: str, limit: int) -> bytes:
    """The file's beginning; nothing of one that went away meanwhile."""
    try:
        with Path(path).open("rb") as stream:
            return stream.read(limit)
    except FileNotFoundError:
        return b""


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "root": {"type": "path", "default": "/"},
            "allowed": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "path": {"type": "str", "required": True},
                    "rule": {"type": "str", "choices": list(RULES), "required": True},
                    "reason": {"type": "str", "required": True},
                },
            },
            "max_file_mib": {"type": "int", "default": 8},
            "timeout_seconds": {"type": "int", "default": 120},
        },
        supports_check_mode=True,
    )
    deadline = time.monotonic() + module.params["timeout_seconds"]
    known = [(re.compile(fnmatch.translate(entry["path"])), entry["rule"]) for entry in module.params["allowed"]]
    findings: list[dict[str, Any]] = []
    allowed: list[dict[str, Any]] = []
    count = 0
    for path in files(module.params["root"]):
        if time.monotonic() > deadline:
            module.fail_json(msg=f"{count} files were read in {module.params['timeout_seconds']} seconds, and not all: last {path}")
        count += 1
        for found in search(path, read(path, module.params["max_file_mib"] * MIB)):
            is_known = any(rule == found["rule"] and pattern.match(path) for pattern, rule in known)
            (allowed if is_known else findings).append(found)
    module.exit_json(changed=False, findings=findings, allowed=allowed, files=count)


if __name__ == "__main__":
    main()

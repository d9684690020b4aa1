# SPDX-License-Identifier: GPL-3.0-or-later
"""A module that is packed once and run with many sets of arguments."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.common.json import Direction, get_module_encoder
from ansible.module_utils.common.text.converters import to_bytes


@dataclass(frozen=True)
class PackedModule:
    """What ansible-core pipes into an interpreter, around the line that holds the arguments."""

    command: str
    head: bytes
    tail: bytes
    profile: str  # how arguments and results are written as JSON
    settings: Mapping[str, Any]  # Ansible's own arguments, the same for all items

    @classmethod
    def from_payload(cls, command: str, payload: bytes, profile: str, settings: Mapping[str, Any]) -> PackedModule | None:
        """Take apart a payload that was made for no arguments but these settings; None when it has another form."""
        head, line, tail = payload.partition(_parameters_line(profile, settings))
        return cls(command, head, tail, profile, settings) if line else None

    def parameters(self, arguments: Mapping[str, Any]) -> bytes:
        """The line of the payload that holds these arguments."""
        return _parameters_line(self.profile, {**arguments, **self.settings})

    def payload(self, parameters: bytes) -> bytes:
        """The payload with this line."""
        return self.head + parameters + self.tail


def _parameters_line(profile: str, arguments: Mapping[str, Any]) -> bytes:
    encoder = get_module_encoder(profile, Direction.CONTROLLER_TO_MODULE)
    return to_bytes(f"params={json.dumps({'ANSIBLE_MODULE_ARGS': arguments}, cls=encoder)!r},")

# SPDX-License-Identifier: GPL-3.0-or-later
"""By what a resource can be recognised in what a module returned: the link between what a run saw and what an account holds."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

# An ARN, the id that AWS made (vpc-0a1b2c3d), or a key's id.
MADE_BY_AWS = re.compile(r"arn:[a-z-]+:[a-z0-9-]+:\S+|[a-z]+-[0-9a-f]{8,17}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|(mrk-)[0-9a-f]{32}")
# Fields whose value is a name that somebody chose; with the words of snake and camel case, url and path included.
NAME_FIELD = re.compile(r"(^|_)(name|identifier|id|url|arn|path)$")
CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
PLACEHOLDER = re.compile(r"planned-[0-9a-f]{8}")
# What tells about the caller or the module, and not about the resource.
FOREIGN_FIELDS = frozenset({"plan", "diff", "warnings", "deprecations", "exception", "ansible_facts", "response_metadata"})

FOREIGN_NAME = re.compile(r"^_ansible_|access_key|secret_key|session_token|security_token")


def declared_identities(module: str, result: Mapping[str, Any]) -> list[str]:
    """What tells the resources that a module manages, sorted: ARNs and ids as they are, names behind the module's own.

    The result may be given together with the module's parameters: some results name nothing.

    `amazon.aws.s3_bucket` that returns the name `logs` gives `s3_bucket logs`: other kinds may have a resource of that name too. Modules
    that only look (`*_info`) give nothing, since they name whatever is there, declared or not. No secret is named like any of it.
    """
    short = module.rpartition(".")[2]
    return [] if short.endswith(("_info", "_facts")) else sorted(set(_identities(short, result, "")))


def _identities(module: str, value: Any, field: str) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            name = CAMEL.sub("_", str(key)).lower()
            if name not in FOREIGN_FIELDS and not FOREIGN_NAME.search(name):
                yield from _identities(module, item, name)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _identities(module, item, field)
    elif isinstance(value, str) and not PLACEHOLDER.search(value):
        if MADE_BY_AWS.fullmatch(value):
            yield value
        elif value and NAME_FIELD.search(field):
            yield f"{module} {value}"

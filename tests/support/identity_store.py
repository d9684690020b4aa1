# SPDX-License-Identifier: GPL-3.0-or-later
"""The people of Identity Center, whom no role makes: they come from the company's directory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

GROUPS = ("Developers", "QA", "DevOps")


def make_groups(client: Callable[[str], Any]) -> None:
    """Make the groups that the environments give access to; `client` gives a service's client."""
    (instance,) = client("sso-admin").list_instances()["Instances"]
    for name in GROUPS:
        client("identitystore").create_group(IdentityStoreId=instance["IdentityStoreId"], DisplayName=name)

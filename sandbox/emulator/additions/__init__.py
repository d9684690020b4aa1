# SPDX-License-Identifier: GPL-3.0-or-later
"""What moto lacks, one topic per module, each with `install()`; see the modules' docstrings."""

from __future__ import annotations

from sandbox.emulator.additions import (
    account_settings,
    addresses,
    auto_scaling_groups,
    auto_scaling_health,
    caches,
    certificates,
    databases,
    dynamodb_tables,
    images,
    instance_refresh,
    instances,
    kms_keys,
    launch_templates,
    load_balancers,
    s3_bucket_policies,
    s3_notifications,
    tag_resource_types,
    target_health,
)

_ADDITIONS = (
    account_settings,
    addresses,
    auto_scaling_groups,
    auto_scaling_health,
    caches,
    certificates,
    databases,
    dynamodb_tables,
    images,
    instance_refresh,
    instances,
    kms_keys,
    launch_templates,
    load_balancers,
    s3_bucket_policies,
    s3_notifications,
    tag_resource_types,
    target_health,
)
_installed = False


def install_all() -> None:
    """Install every addition, once per process."""
    global _installed  # noqa: PLW0603 -- patching a library is a process-wide act
    if _installed:
        return
    for addition in _ADDITIONS:
        addition.install()
    _installed = True

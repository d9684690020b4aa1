# SPDX-License-Identifier: GPL-3.0-or-later
"""Roles that run things without servers, on an account that has what they stand on: planned, applied, applied again, removed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
from ansible_collections.indivillage.infra.plugins.module_utils.removal import remove
from ansible_collections.indivillage.infra.plugins.module_utils.removal_census import Owned, owned_resources
from ansible_collections.indivillage.infra.plugins.module_utils.removal_kinds import levels
from ansible_collections.indivillage.infra.plugins.module_utils.removal_steps import Removal

from tests.integration.emulator.support import RunningEmulator, start
from tests.integration.provisioning_tiers.conftest import STACK, Result, Site
from tests.integration.provisioning_tiers.foundation import PREFIX, TRUST, Foundation

ACCOUNT_ID = "123456789012"
REGION = "us-east-1"
GLOBAL = "sandbox-global"
TAGS = {"Project": "indivillage", "Environment": "sandbox", "ManagedBy": "ansible"}

_TASK = re.compile(r"TASK \[indivillage\.infra\.(\w+) : (.+?)\] \*")
_CHANGED = re.compile(r"^changed: \[[\w-]+\](?: => \(item=(.*?)\)(?= =>|$))?", re.MULTILINE)


def changes(result: Result, layer: str) -> set[tuple[str, str]]:
    """(task, item) of all that a run of a role has changed, or that a plan announces."""
    assert result.returncode in (0, 2), result.output
    found = set()
    for part in re.split(r"(?=^TASK \[)", result.output, flags=re.MULTILINE):
        task = _TASK.match(part)
        if task and task[1] == layer:
            found |= {(task[2], match[1] or "") for match in _CHANGED.finditer(part)}
    return found


@dataclass(frozen=True)
class Workload:
    """A role after a plan of nothing, a run, a second run and a plan of what stands."""

    site: Site
    layer: str
    stack: str
    planned: set[tuple[str, str]]
    applied: set[tuple[str, str]]
    again: set[tuple[str, str]]
    planned_again: set[tuple[str, str]]

    def client(self, service: str) -> Any:
        return self.site.client(service)

    def run(self, *options: str, **variables: Any) -> set[tuple[str, str]]:
        return changes(run(self.site, self.layer, "--limit", self.stack, *options, **variables), self.layer)

    def remove(self, *kinds: str) -> list[Owned]:
        """Remove all that the role has made of these kinds, in their order; what is left of them."""
        clients = cache(self.client)

        def ours() -> list[Owned]:
            scope = "global" if self.stack == GLOBAL else "regional"
            found = owned_resources(clients, scope, REGION, ACCOUNT_ID, TAGS | {"Stack": self.stack})
            return [resource for resource in found if resource.kind in kinds and not resource.part_of]

        found = ours()
        assert {resource.kind for resource in found} == set(kinds)
        for level in levels(kinds):
            for resource in found:
                if resource.kind in level:
                    step = Removal(resource.kind, resource.arn, resource.id, wait_timeout_seconds=30, poll_seconds=0.1)
                    assert remove(clients, step), resource
        return ours()


def run(site: Site, layer: str, *options: str, **variables: Any) -> Result:
    extra = {"stack_layers": [layer], **variables}
    return site.run("provision_foundation.yml", "--tags", layer, "-e", json.dumps(extra), *options)


@pytest.fixture(scope="package")
def site(tmp_path_factory: pytest.TempPathFactory) -> Any:
    for emulator in start("--standalone"):
        foundation = Foundation(emulator).lay()
        _complete(emulator, foundation)
        yield Site(emulator, foundation, tmp_path_factory.mktemp("sandbox"))


def _complete(emulator: RunningEmulator, foundation: Foundation) -> None:
    """What workloads need beside what tiers stand on."""
    ec2, kms, secrets = emulator.client("ec2"), emulator.client("kms"), emulator.client("secretsmanager")
    for group in ("worker", "functions"):
        name = f"{PREFIX}-{group}-sg"
        tags = [{"ResourceType": "security-group", "Tags": [{"Key": "Name", "Value": name}]}]
        foundation.groups[group] = ec2.create_security_group(
            GroupName=name, Description=group, VpcId=foundation.vpc_id, TagSpecifications=tags
        )["GroupId"]
    for role in ("malware-scan", "file-processor"):
        emulator.client("iam").create_role(RoleName=f"{PREFIX}-{role}", AssumeRolePolicyDocument=TRUST)
    for purpose in ("logs", "storage"):
        kms.create_alias(AliasName=f"alias/{PREFIX}-{purpose}", TargetKeyId=kms.create_key()["KeyMetadata"]["KeyId"])
    for component in ("database", "cache"):
        secrets.create_secret(Name=f"/indivillage/sandbox/{component}/credentials", SecretString="{}")


@pytest.fixture(scope="package")
def build(site: Site) -> Callable[..., Workload]:
    """build(layer, stack, **variables) -> the role's life so far."""

    def make(layer: str, stack: str = STACK, **variables: Any) -> Workload:
        runs = [run(site, layer, "--limit", stack, *options, **variables) for options in (("--check",), (), (), ("--check",))]
        return Workload(site, layer, stack, *(changes(result, layer) for result in runs))

    return make

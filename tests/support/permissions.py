# SPDX-License-Identifier: GPL-3.0-or-later
"""An account on the emulator in which roles may do only what their policies say, and runs of the project's playbooks as such a role."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from ansible_collections.indivillage.infra.plugins.plugin_utils import iam_policy
from ansible_collections.indivillage.infra.plugins.plugin_utils.iam_actions import table

from sandbox import pki
from sandbox.emulator.authorization import ROOT_ACCESS_KEY
from sandbox.emulator.iam_evaluation import allows
from tests.integration.emulator.support import REPOSITORY, RunningEmulator, start
from tests.support import playbooks
from tests.support.identity_store import make_groups

ACCOUNT_ID = "123456789012"
VALUES = iam_policy.values(ACCOUNT_ID, "indivillage", "sandbox", ["us-east-1", "us-west-2"])
EVERYTHING = [{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}]
TRUST = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]}
# Not called like the environment's own resources: a role that could change itself would have no bounds.
PATH = "/deploying/"

# One example of what each recorded call needed, a JSON line each.
DEMANDS = REPOSITORY / "tests/unit/footprint/demands.jsonl"

# Whose policies are committed.
ROLES = ("backup", "deploy", "plan", "recover", "remove", "respond", "rotate", "scale")

RECORD = os.environ.get("RECORD_CALLS") == "1"
enforced = pytest.mark.skipif(RECORD, reason="recording roles may do everything")
"""Whether roles may do everything, and what they do is what their policies allow from now on."""

Policies = Iterable[Mapping[str, Any]]
Record = dict[str, list[dict[str, Any]]]
"""Call -> what it has needed, as Account.calls gives it."""


def allowed(role: str) -> Policies:
    """What a role may do in a test of its policies."""
    return EVERYTHING if RECORD else committed(role)


def keep(records: Mapping[str, Record], *, exactly: bool = False) -> None:
    """Write the policies of what these roles have called, and an example of what each call needed for tests/unit/footprint.

    exactly: the tests do all that the role is for. What else it was recorded to call it no longer may, nor what a call may imply and has
    not asked for, since nothing gives it other parameters in another environment. Otherwise both stay: no test has runs with hosts.
    """
    known = iam_policy.load_calls(REPOSITORY / "policies")
    for role, record in records.items():
        called = [exact(call, needed) if exactly else call for call, needed in record.items()]
        known[role] = called if exactly else sorted({*known.get(role, ()), *called})
    iam_policy.save_calls(REPOSITORY / "policies", known)
    iam_policy.write(REPOSITORY / "policies", known)
    before = [json.loads(line) for line in DEMANDS.read_text().splitlines()]
    others = [one for one in before if not (exactly and one["role"] in records)]
    own = [{"role": role, "call": call, **one} for role, record in records.items() for call, needed in record.items() for one in needed]
    examples = {(one["role"], one["call"], one["permission"], one["resource"] == "*"): one for one in others + own}
    DEMANDS.write_text("".join(json.dumps(example, sort_keys=True) + "\n" for _, example in sorted(examples.items())))


def exact(call: str, needed: Iterable[Mapping[str, Any]]) -> str:
    """The call with what it has asked for of all that it may imply."""
    asked = {one["permission"] for one in needed} - set(table().permissions(call))
    return call + (iam_policy.WITH + (" ".join(sorted(asked)) or iam_policy.NOTHING) if call in table().implied else "")


def committed(role: str) -> list[dict[str, Any]]:
    """The policies of the repository for a role, filled in for the sandbox."""
    found = sorted((REPOSITORY / "policies").glob(f"{role}-[0-9].json"))
    return [iam_policy.fill(json.loads(file.read_text()), VALUES) for file in found]


def statements(policies: Policies) -> list[dict[str, Any]]:
    """All statements of policies."""
    return [statement for policy in policies for statement in policy["Statement"]]


def without(policies: Policies, sid: str) -> list[dict[str, Any]]:
    """The policies less the statement of that name."""
    return [{**policy, "Statement": [statement for statement in policy["Statement"] if statement["Sid"] != sid]} for policy in policies]


def lacking(policies: Policies, permission: str) -> list[dict[str, Any]]:
    """The policies less one permission, which they have to hold."""
    given = [action for statement in statements(policies) for action in statement["Action"]]
    assert permission in given, f"{permission} is not among {given}"
    return [
        {
            **policy,
            "Statement": [
                {**statement, "Action": actions}
                for statement in policy["Statement"]
                if (actions := [action for action in statement["Action"] if action != permission])
            ],
        }
        for policy in policies
    ]


def needless(policies: Policies, demands: Iterable[Mapping[str, Any]]) -> set[str]:
    """The names of the statements without which every demand would still be allowed: none is the only one to allow some demand."""
    alone = {statement["Sid"]: [{"Statement": [statement]}] for statement in statements(policies)}
    needed = set()
    for demand in demands:
        allowing = [sid for sid, policy in alone.items() if allows(policy, demand["permission"], demand["resource"], demand["context"])]
        needed |= set(allowing) if len(allowing) == 1 else set()
    return alone.keys() - needed


@dataclass(frozen=True)
class EnforcingEmulator(RunningEmulator):
    """An emulator whose plain clients are those of the account's root user."""

    def client(self, service: str, region: str = "us-east-1") -> Any:
        return boto3.client(
            service, region, endpoint_url=self.endpoint, aws_access_key_id=ROOT_ACCESS_KEY, aws_secret_access_key="no-secret-of-anyone"
        )


@dataclass(frozen=True)
class Principal:
    """A session of a role: the variables that AWS clients read."""

    access_key: str
    secret_key: str = field(repr=False)
    token: str = field(repr=False)

    @property
    def variables(self) -> dict[str, str]:
        return {"AWS_ACCESS_KEY_ID": self.access_key, "AWS_SECRET_ACCESS_KEY": self.secret_key, "AWS_SESSION_TOKEN": self.token}


@dataclass(frozen=True)
class Account:
    """The account, its emulator, and the sandbox's state directory with the certificates."""

    emulator: EnforcingEmulator
    state_dir: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    """Further environment variables of its runs."""

    def client(self, service: str, principal: Principal, region: str = "us-east-1") -> Any:
        """A client of a session."""
        return boto3.client(
            service,
            region,
            endpoint_url=self.emulator.endpoint,
            aws_access_key_id=principal.access_key,
            aws_secret_access_key=principal.secret_key,
            aws_session_token=principal.token,
        )

    def role(self, name: str, policies: Policies) -> Principal:
        """A session of a role with these policies and no others; the role is made if it is not there."""
        iam = self.emulator.client("iam")
        arn = f"arn:aws:iam::{ACCOUNT_ID}:role{PATH}{name}"
        if not any(role["RoleName"] == name for role in iam.list_roles(PathPrefix=PATH)["Roles"]):
            iam.create_role(RoleName=name, Path=PATH, AssumeRolePolicyDocument=json.dumps(TRUST))
        self.give(name, policies)
        session = self.emulator.client("sts").assume_role(RoleArn=arn, RoleSessionName=name)["Credentials"]
        return Principal(session["AccessKeyId"], session["SecretAccessKey"], session["SessionToken"])

    def give(self, name: str, policies: Policies) -> None:
        """Let a role have these policies and no others; its sessions go on."""
        iam = self.emulator.client("iam")
        for attached in iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:
            iam.detach_role_policy(RoleName=name, PolicyArn=attached["PolicyArn"])
            iam.delete_policy(PolicyArn=attached["PolicyArn"])
        for number, policy in enumerate(policies, 1):
            made = iam.create_policy(PolicyName=f"{name}-{number}", Path=PATH, PolicyDocument=json.dumps(policy))
            iam.attach_role_policy(RoleName=name, PolicyArn=made["Policy"]["Arn"])

    def calls(self, role: str) -> Record:
        """Every call that a role has made, with what it needed."""
        return self.emulator.control("GET", f"calls/{role}")[1]

    def run(self, playbook: str, principal: Principal, *options: str, **variables: Any) -> subprocess.CompletedProcess[str]:
        """Run a playbook, named from the repository's root, on the sandbox's stacks as a session of a role."""
        environment = {
            **principal.variables,
            "AWS_REGION": "{{ stack_region }}",
            "AWS_DEFAULT_REGION": "{{ stack_region }}",
            "AWS_ENDPOINT_URL": self.emulator.endpoint,
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        return subprocess.run(
            [
                *(str(Path(sys.executable).with_name("ansible-playbook")), playbook, "-i", "inventories/sandbox/hosts.yml", *options),
                *("-e", json.dumps({"aws_environment": environment, "plan_directory": str(self.state_dir / "plans"), **variables})),
            ],
            cwd=REPOSITORY,
            env=self.surroundings(),
            capture_output=True,
            text=True,
            check=False,
            timeout=1800,
            start_new_session=True,  # a run that loses its lease is interrupted; that must not reach the tests
        )

    def surroundings(self) -> dict[str, str]:
        """The environment of a run: nothing of the caller's own AWS or Ansible settings."""
        return {**playbooks.surroundings(self.emulator.endpoint, self.state_dir), **self.settings}


@contextmanager
def account(state_dir: Path) -> Iterator[Account]:
    """An empty account that enforces IAM policies."""
    pki.prepare(state_dir / "pki")
    for emulator in start("--standalone", "--enforce-iam"):
        enforcing = EnforcingEmulator(emulator.endpoint)
        make_groups(enforcing.client)
        yield Account(enforcing, state_dir)


@contextmanager
def account_of(role: str, request: pytest.FixtureRequest, state_dir: Path, *, exactly: bool = True) -> Iterator[Account]:
    """An empty account for the tests of a role. With RECORD_CALLS=1 the role's policies are what it did there, if no test has failed."""
    with account(state_dir) as made:
        yield made
        if RECORD and not request.session.testsfailed:
            keep({role: made.calls(role)}, exactly=exactly)

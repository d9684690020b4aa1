# SPDX-License-Identifier: GPL-3.0-or-later
"""What the dynamic inventory says about an instance: variables, groups, how to reach it, and which tiers are short of hosts."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleParserError
from ansible_collections.amazon.aws.plugins.module_utils.tagging import boto3_tag_list_to_ansible_dict

INSTANCE_STATES = frozenset({"pending", "running", "stopping", "stopped", "shutting-down", "terminated"})
# From bad to good: an instance behind several target groups is as healthy as the worst of them says.
TARGET_STATES = ("unhealthy", "unhealthy.draining", "draining", "unavailable", "unused", "initial", "healthy")
UNTRACKED = "none"

Record = dict[str, Any]


@dataclass(frozen=True)
class Settings:
    """The plugin's options after templating and checking."""

    account_id: str
    project_name: str
    environment_name: str
    regions: tuple[str, ...]
    states: tuple[str, ...]
    remote_user: str
    private_key_file: str
    known_hosts_file: str
    bastion_address: str
    minimum_hosts: dict[str, dict[str, int]]

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Settings:
        """Check the options; raises AnsibleParserError that names the option, its value and what is expected."""

        def require(name: str, valid: bool, expected: str) -> None:
            if not valid:
                raise AnsibleParserError(f"{name} is {options[name]!r}: it must be {expected}.", obj=options[name])

        for name in ("project_name", "environment_name", "remote_user", "known_hosts_file"):
            require(name, isinstance(options[name], str) and bool(options[name]), "a text that is not empty")
        account = str(options["account_id"])
        require("account_id", bool(re.fullmatch(r"\d{12}", account)), "the environment's AWS account id, twelve digits in quotes")
        regions, states, minimum = options["regions"], options["states"], options["minimum_hosts"]
        require("regions", _is_text_list(regions) and bool(regions), "a list of region names, at least one")
        require("states", _is_text_list(states) and INSTANCE_STATES.issuperset(states), f"a list out of {sorted(INSTANCE_STATES)}")
        require("bastion_address", options["bastion_address"] in {"public", "private"}, "public or private")
        require("minimum_hosts", _is_minimum(minimum), "a dictionary of regions, each with a dictionary of roles and numbers")
        unknown = sorted(set(minimum) - set(regions))
        require("minimum_hosts", not unknown, f"about the listed regions, which {', '.join(unknown)} is not")
        return cls(
            account_id=account,
            regions=tuple(regions),
            states=tuple(states),
            minimum_hosts={region: dict(roles) for region, roles in minimum.items()},
            private_key_file=_expand(options["private_key_file"]),
            known_hosts_file=_expand(options["known_hosts_file"]),
            **{name: str(options[name]) for name in ("project_name", "environment_name", "remote_user", "bastion_address")},
        )


def _is_text_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str) and all(isinstance(item, str) and item for item in value)


def _is_minimum(value: Any) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(roles, Mapping) and all(isinstance(count, int) and count >= 0 for count in roles.values()) for roles in value.values()
    )


def _expand(path: str) -> str:
    return str(Path(path).expanduser().resolve()) if path else ""


def instance_record(instance: Mapping[str, Any], health: str) -> Record:
    """The variables of one host, from its description by the EC2 API and its target health.

    Only what roles and operators use is kept: compact variables make every later task cheaper.
    """
    tags = boto3_tag_list_to_ansible_dict(instance.get("Tags", []))
    zone = instance["Placement"]["AvailabilityZone"]
    role = tags.get("Role", "")
    return {
        "instance_id": instance["InstanceId"],
        "instance_alias": f"{role or 'instance'}-{zone}-{instance['InstanceId'][-5:]}",
        "instance_region": zone[:-1],
        "instance_availability_zone": zone,
        "instance_tier": tags.get("Tier", ""),
        "instance_role": role,
        "instance_autoscaling_group": tags.get("aws:autoscaling:groupName", ""),
        "instance_image_id": instance["ImageId"],
        "instance_type": instance["InstanceType"],
        "instance_vpc_id": instance.get("VpcId", ""),
        "instance_subnet_id": instance.get("SubnetId", ""),
        "instance_private_ip": instance.get("PrivateIpAddress", ""),
        "instance_public_ip": instance.get("PublicIpAddress", ""),
        "instance_launched": instance["LaunchTime"].isoformat(),
        "instance_state": instance["State"]["Name"],
        "instance_health": health,
        "ec2_tags": tags,
    }


def worst_state(states: Iterable[str]) -> str:
    """The least healthy of an instance's target states; 'none' without any. A state unknown here counts as the worst."""
    ranks = {state: rank for rank, state in enumerate(TARGET_STATES)}
    return min(states, key=lambda state: ranks.get(state, -1), default=UNTRACKED)


def group_names(record: Record) -> list[str]:
    """The groups of one host."""
    named = {
        "tier": record["instance_tier"],
        "role": record["instance_role"],
        "region": record["instance_region"],
        "az": record["instance_availability_zone"],
        "asg": record["instance_autoscaling_group"],
        "image": record["instance_image_id"],
        "state": record["instance_state"],
        "health": record["instance_health"],
    }
    return ["instances", *(re.sub(r"\W", "_", f"{kind}_{value}", flags=re.ASCII) for kind, value in named.items() if value)]


def shortage(records: Iterable[Record], settings: Settings) -> list[str]:
    """One sentence for each role that has fewer running hosts in a region than its declared minimum."""
    running = Counter((record["instance_region"], record["instance_role"]) for record in records if record["instance_state"] == "running")
    return [
        f"{settings.environment_name} {region}: role {role} has {running[region, role]} running hosts, at least {wanted} are declared"
        for region, roles in settings.minimum_hosts.items()
        for role, wanted in roles.items()
        if running[region, role] < wanted
    ]


def bastions_by_region(records: Iterable[Record]) -> dict[str, Record]:
    """The oldest running bastion of each region: every run, and every host of a run, takes the same one."""
    running = [record for record in records if record["instance_role"] == "bastion" and record["instance_state"] == "running"]
    newest_first = sorted(running, key=lambda record: (record["instance_launched"], record["instance_id"]), reverse=True)
    return {record["instance_region"]: record for record in newest_first}


def connection_variables(record: Record, bastion: Record | None, settings: Settings) -> dict[str, str]:
    """How ssh reaches a host: at its own address if it is a bastion, else through its region's bastion.

    ProxyCommand and not ProxyJump: the latter's own connection takes no options, so it could neither use our key and known hosts
    nor check the bastion by its id.
    """
    is_bastion = record["instance_role"] == "bastion"
    own_options = _ssh_options(record, settings)
    if bastion and not is_bastion:
        quiet = ["-o", "BatchMode=yes", "-o", "ConnectTimeout=10"]
        login = f"{settings.remote_user}@{_address(bastion, settings)}"
        jump = ["ssh", "-W", "[%h]:%p", *_key_options(settings), *_ssh_options(bastion, settings), *quiet, login]
        own_options += ["-o", f"ProxyCommand={shlex.join(jump)}"]
    variables = {
        "ansible_host": _address(record, settings) if is_bastion else record["instance_private_ip"],
        "ansible_user": settings.remote_user,
        "ansible_ssh_common_args": shlex.join(own_options),
    }
    if settings.private_key_file:
        variables["ansible_ssh_private_key_file"] = settings.private_key_file
    return variables


def _address(bastion: Record, settings: Settings) -> str:
    return str(bastion["instance_private_ip" if settings.bastion_address == "private" else "instance_public_ip"])


def _key_options(settings: Settings) -> list[str]:
    return ["-i", settings.private_key_file, "-o", "IdentitiesOnly=yes"] if settings.private_key_file else []


def _ssh_options(record: Record, settings: Settings) -> list[str]:
    # The first key seen under an instance id is kept: ids are never handed out twice, addresses are.
    options = {
        "HostKeyAlias": record["instance_id"],
        "UserKnownHostsFile": f'"{settings.known_hosts_file}"',
        "StrictHostKeyChecking": "accept-new",
    }
    return [word for name, value in options.items() for word in ("-o", f"{name}={value}")]

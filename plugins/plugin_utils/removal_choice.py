# SPDX-License-Identifier: GPL-3.0-or-later
"""What prune may remove: what exists, is ours, and was named by no task of a plan that covers the whole environment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.indivillage.infra.plugins.module_utils.removal_kinds import KINDS
from ansible_collections.indivillage.infra.plugins.plugin_utils.plan_report import UNDIGESTED_ROLES, Plan

REMOVER = "aws_removal"  # the role
Resource = Mapping[str, Any]


class ChoiceError(Exception):
    """Nobody can say what is not declared; the text says why, and what to do."""


def undeclared(resources: Iterable[Resource], declared: Iterable[str], kept_kinds: Iterable[str]) -> list[Resource]:
    """The resources that nothing declares, without the kinds that are kept."""
    known, kept = set(declared), set(kept_kinds)
    return [resource for resource in resources if resource["kind"] not in kept and not is_declared(resource, known)]


def is_declared(resource: Resource, declared: set[str]) -> bool:
    """Whether a task has named the resource: by its ARN, by the id that AWS gave it, or by its name in a module of its kind."""
    kind = KINDS.get(resource["kind"])
    names = {f"{module} {resource['id']}" for module in (kind.modules if kind else ())}
    return bool(declared & {resource["arn"], resource["id"], *names})


def named_by(plan: Plan, host: str, resources: Iterable[Resource]) -> list[Resource]:
    """Those of the host's resources whose deletion is in the plan."""
    titles = {entry.item for entry in plan.entries if entry.host == host and entry.role == REMOVER and entry.action == "delete"}
    return [resource for resource in resources if resource["title"] in titles]


def require_whole(plan: Plan, layers: Mapping[str, Iterable[str]]) -> None:
    """Raise ChoiceError unless the plan has looked at every layer of every stack and found nothing to do.

    What a plan has skipped, or would only make, it cannot have seen: its resources would look as if nobody declared them.
    """
    if plan.failed:
        failures = "; ".join(f"{failure.host}: {failure.task}: {failure.message}" for failure in plan.failed)
        raise ChoiceError(f"What is declared cannot be told, because planning the environment failed: {failures}")
    changes = [entry for entry in plan.entries if entry.role not in UNDIGESTED_ROLES]
    if changes:
        first = changes[0]
        raise ChoiceError(
            f"{plan.environment} is not as it is declared: {len(changes)} changes are planned, {first.host}: {first.task!r} first. "
            "What a run has yet to make or change cannot be told from what nobody declares: apply first (site.yml), then prune."
        )
    seen = {(given.host, given.role) for given in plan.inputs}
    missing = [f"{layer} of {host}" for host, wanted in layers.items() for layer in wanted if (host, layer) not in seen]
    if missing:
        raise ChoiceError(
            f"The plan has not looked at {', '.join(missing)}, so their resources would look as if nobody declared them. "
            "Prune needs the whole environment: no --limit, no --tags, no --skip-tags."
        )
    if not plan.declared:
        raise ChoiceError("The plan names nothing that is declared. It was made without the AWS worker: leave stack_connection as it is.")

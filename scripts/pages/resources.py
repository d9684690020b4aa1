# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/resources.md: the modules that make what an environment consists of, and how each is proved."""

from __future__ import annotations

import ast
import functools
from dataclasses import dataclass
from pathlib import Path

import yaml

from scripts.pages.inventory import ROOT
from tests.drill.support.declared import Declared, declared
from tests.drill.support.mutations.catalogue import mutations

OWN = "indivillage.infra."
NO_TEST = "-"

# Modules of which no mutation can speak, and what does instead.
NO_MUTATIONS = {
    f"{OWN}active_region": "by a failover alone: `make drill-failover`",
    f"{OWN}asg_health": "makes nothing: it waits",
    f"{OWN}asg_rollout": "follows each mutation of a launch template",
    f"{OWN}lease_release": "makes nothing: it is an operator's to run",
    f"{OWN}owned_resource": "makes nothing: [test_removal](../tests/drill/test_removal.py) removes all by it",
    **dict.fromkeys(
        (f"{OWN}{name}" for name in ("address_block", "ec2_isolation", "host_evidence", "iam_revocation", "incident", "incident_entry")),
        "makes nothing declared: [test_incidents](../tests/integration/incidents/test_incidents.py)",
    ),
    **dict.fromkeys(
        (f"{OWN}{name}" for name in ("network_denials", "web_denials")),
        "makes nothing declared: [test_incidents](../tests/unit/modules/test_incidents.py)",
    ),
    **dict.fromkeys(
        (
            *(f"{OWN}{name}" for name in ("backup_catalogue", "bucket_backup", "bucket_restore", "configuration_export", "presigned_url")),
            *(f"{OWN}{name}" for name in ("postgresql_dump", "postgresql_restore", "postgresql_swap", "presigned_transfer")),
            *(f"{OWN}contentful_export", "amazon.aws.rds_instance_snapshot"),
        ),
        "makes backups alone: [test_backups](../tests/drill/backups/test_backups.py)",
    ),
    **dict.fromkeys(
        (f"{OWN}{name}" for name in ("ecs_deployment", "elasticache_token", "postgresql_login", "redis_token", "secret_rotation")),
        "makes nothing declared: [test_rotation](../tests/drill/roles/rotation/test_rotation.py)",
    ),
    **dict.fromkeys(
        (f"{OWN}{name}" for name in ("postgresql_migrate", "release_migrations")),
        "makes nothing declared: [test_migrations](../tests/integration/services/test_migrations.py)",
    ),
    f"{OWN}asg_sizes": "makes nothing declared: [test_sizes](../tests/unit/modules/test_sizes.py)",
    f"{OWN}asg_subnets": "by the rehearsal of a lost zone alone: [test_zone](../tests/integration/provisioning_tiers/test_zone.py)",
    f"{OWN}rds_size": "makes nothing declared: [test_sizes](../tests/unit/modules/test_sizes.py)",
    f"{OWN}image_proof": "makes nothing: it proves an instance of an image",
    f"{OWN}image_retention": "by the bake alone: [test_images](../tests/integration/images/test_images.py)",
    **dict.fromkeys((f"{OWN}{name}" for name in ("connectivity", "maintenance_window")), "makes nothing: it looks"),
    f"{OWN}package_sbom": "makes nothing: it lists a host's packages",
    f"{OWN}rds_replica_info": "makes nothing: it tells what a replica holds",
    f"{OWN}route53_failover": "by a failover alone",
    f"{OWN}secret_scan": "makes nothing: it reads a host's files",
    "amazon.aws.ec2_ami": "by the bake alone: [test_images](../tests/integration/images/test_images.py)",
    "amazon.aws.s3_object": "by the bake alone: [test_images](../tests/integration/images/test_images.py)",
    "community.aws.ec2_ami_copy": "by the bake alone: [test_images](../tests/integration/images/test_images.py)",
    "community.aws.ssm_parameter": "by the bake alone: [test_images](../tests/integration/images/test_images.py)",
}

HEAD = """\
# Resources, their modules, and what proves them

Made from the roles and the tests by `python -m scripts.pages`; do not edit. A module of this project is `indivillage.infra.*`
(`ansible-doc indivillage.infra.s3_bucket`). What proves a resource:

- **life cycle**: made, made again, changed, planned, deleted, refused and throttled in process, against the emulator; *Stubber* stands
  where the emulator has no such service and botocore's own stub answers instead;
- **drill**: provisioned from the whole declaration against the emulator, then changed behind the project's back so many times:
  the plan names each change and nothing else, a run puts it right ([plan-coverage.md](plan-coverage.md)). What makes nothing that lasts,
  or nothing but images, says what proves it instead.
"""


def page() -> str:
    """The whole page."""
    by_module: dict[str, list[Declared]] = {}
    for task in declared():
        by_module.setdefault(task.module, []).append(task)
    lines = [HEAD, "| module | makes | in | life cycle | drill |", "|---|---|---|---|---|"]
    for module, tasks in sorted(by_module.items(), key=lambda entry: (not entry[0].startswith(OWN), entry[0])):
        roles = ", ".join(dict.fromkeys(f"[{task.role}](../roles/{task.role}/README.md)" for task in tasks))
        names = {task.task for task in tasks}
        tried = sum(mutation.task in names for mutation in mutations())
        lines.append(f"| `{module}` | {_purpose(module)} | {roles} | {_life_cycles(module)} | {NO_MUTATIONS.get(module, tried)} |")
    return "\n".join(lines) + "\n"


def _purpose(module: str) -> str:
    if not module.startswith(OWN):
        return "the collection's own"
    tree = ast.parse((ROOT / "plugins/modules" / f"{module.removeprefix(OWN)}.py").read_text(encoding="utf-8"))
    (text,) = [
        node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "DOCUMENTATION" and isinstance(node.value, ast.Constant)
    ]
    return str(yaml.safe_load(str(text))["short_description"])


def _life_cycles(module: str) -> str:
    name = module.removeprefix(OWN)
    tests = [test for test in _unit_tests() if name in test.modules] if module.startswith(OWN) else []
    links = [f"[{Path(test.file).stem}](../{test.file})" + (", *Stubber*" if test.stubbed else "") for test in tests]
    return ", ".join(links) or NO_TEST


@dataclass(frozen=True)
class _UnitTest:
    """A file of tests, the modules that it imports, and whether it answers calls by botocore's stub."""

    file: str
    modules: frozenset[str]
    stubbed: bool


@functools.cache
def _unit_tests() -> tuple[_UnitTest, ...]:
    return tuple(_unit_test(file) for file in sorted((ROOT / "tests/unit").glob("*/test_*.py")))


def _unit_test(file: Path) -> _UnitTest:
    imports = [node for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(node, ast.ImportFrom)]
    modules = {name.name for node in imports if str(node.module).endswith("plugins.modules") for name in node.names}
    modules |= {str(node.module).rpartition(".")[2] for node in imports if ".plugins.modules." in str(node.module)}
    stubbed = any(node.module == "botocore.stub" for node in imports)
    return _UnitTest(str(file.relative_to(ROOT)), frozenset(modules), stubbed)

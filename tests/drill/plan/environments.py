# SPDX-License-Identifier: GPL-3.0-or-later
"""Every environment's full declaration, with what an operator would put in place of its CHANGE_ME, and one that is changed all over."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sandbox.settings import ACCOUNT_ID
from tests.drill.support.emulator import DrillEmulator
from tests.drill.support.mutations.model import PREFIX
from tests.drill.support.runs import ROOT, Project, Run

DEBIAN = ("136693071363", "debian-13-amd64-20260101-1")  # owner and name, as Debian publishes its images
TAGS = {
    "Project": "{{ project_name }}",
    "Environment": "{{ environment_name }}",
    "Stack": "{{ inventory_hostname }}",
    "ManagedBy": "ansible",
}


def _layers(kind: str) -> list[str]:
    """The layers of the sandbox's stacks of a kind."""
    return list(yaml.safe_load((ROOT / f"inventories/_base/stack_vars/{kind}.yml").read_text())["stack_parts"])


def of(**by_kind: Any) -> str:
    """The value of a variable that differs between kinds of stacks."""
    return f"{{{{ {by_kind!r}[stack_kind] }}}}"


# What only production has in its second region, declared for the sandbox: on its machine nothing would stand behind it.
STANDBY: dict[str, Any] = {
    "stack_parts": of(
        **{"global": _layers("global")},
        primary=_layers("primary"),
        dr=[*_layers("dr"), "aws_database", "aws_load_balancing", "aws_edge", "aws_images"],
    ),
    "secret_replica_regions": ["us-west-2"],
    "aws_storage_replica_region": of(**{"global": "", "dr": ""}, primary="us-west-2"),
    "aws_network_transit_peers": of(
        **{"global": []},
        primary=[{"region": "us-west-2", "cidr": "10.11.0.0/16", "stack": "sandbox-us-west-2"}],
        dr=[{"region": "us-east-1", "cidr": "10.10.0.0/16", "stack": "sandbox-us-east-1"}],
    ),
    "aws_network_transit_asn": of(**{"global": 64512}, primary=64512, dr=64513),
    "aws_database_replicas": of(
        **{"global": []},
        primary=[{"name": "replica"}],
        dr=[{"name": "dr-replica", "kms_key_id": f"alias/{PREFIX}-database", "backup_retention_days": 7}],
    ),
    "aws_edge_origins": [
        {"name": "primary", "region": "us-east-1", "assets_bucket": "static-assets"},
        {"name": "dr", "region": "us-west-2", "assets_bucket": "static-assets-replica"},
    ],
}
# And what the sandbox leaves out, since nobody would see it, or sign in to it.
WHOLE: dict[str, Any] = STANDBY | {
    "stack_without": [],
    "aws_database_monitoring_interval_seconds": 30,
    "aws_database_performance_insights": True,
    "aws_identity_github_subjects": ["repo:indivillage/indivillage-website:environment:sandbox"],
    "aws_identity_sso_enabled": True,
    "aws_edge_shield_advanced": True,
    "aws_edge_shield_advanced_price_accepted": True,
}
# A declaration that differs in every role from that.
CHANGED: dict[str, Any] = WHOLE | {
    "resource_tags": TAGS | {"CostCenter": "drill"},
    "administrator_cidrs": ["198.18.0.0/25"],
    "aws_account_image_sharing_blocked": False,
    "aws_account_snapshot_sharing": "unblocked",
    "aws_account_volume_encryption": False,
    "aws_backup_lock": {"min_retention_days": 10},
    "aws_backup_retention_days": 40,
    "aws_cache_snapshot_retention_days": 2,
    "aws_compute_cpu_target_percentage": 60,
    "aws_compute_tiers": {
        "web": {"instance_type": "t3.large", "min": 2, "max": 7, "desired": 2, "root_volume_gib": 20},
        "app": {"instance_type": "t3.medium", "min": 2, "max": 6, "desired": 3, "root_volume_gib": 30},
    },
    "aws_containers_desired_counts": {"worker": 2},
    "aws_containers_insights": "enhanced",
    "aws_containers_keep_images": 6,
    "aws_containers_release": "sandbox-1a2b3c4",
    "aws_cost_amounts": {"monthly": 500, "compute": 160, "database": 110, "storage": 60, "delivery": 30},
    "aws_cost_anomaly_amount": 60,
    "aws_database_backup_retention_days": 8,
    "aws_database_monitoring_interval_seconds": 60,
    "aws_database_parameters": {"max_connections": "120"},
    "aws_edge_authority_ttl_seconds": 1800,
    "aws_edge_content_security_policy": "default-src 'none'",
    "aws_edge_firewall_rules": [{"name": "rate", "priority": 40, "rate_limit": 2000}],
    "aws_edge_health_failures": 5,
    "aws_edge_price_class": "PriceClass_200",
    "aws_functions_scanner_host": "clamd.example",
    "aws_identity_app_uses_queues": ["tasks"],
    "aws_load_balancing_health_path": "/ready",
    "aws_load_balancing_idle_timeout_seconds": 50,
    "aws_load_balancing_tls_policy": "ELBSecurityPolicy-TLS13-1-2-2021-06",
    "aws_messaging_wait_seconds": 10,
    "aws_monitoring_log_retention_days": 60,
    "aws_monitoring_thresholds": {
        **{"database_cpu_percentage": 60, "database_connections": 70, "database_free_storage_gib": 6},
        **{"site_availability_percentage": 98, "site_latency_percentage": 60},
        **{"api_availability_percentage": 98, "api_latency_percentage": 80},
    },
    "aws_network_flow_log_retention_days": 60,
    "aws_patching_rejected_patches": ["nginx"],
    "aws_patching_session_idle_minutes": 10,
    "aws_storage_cors_max_age_seconds": 2000,
    "aws_storage_noncurrent_days": 31,
}


@dataclass(frozen=True)
class Declaration:
    """An environment and the regions of its stacks."""

    name: str
    regions: tuple[str, ...]
    needs_approval: bool = False

    def prepare(self, emulator: DrillEmulator, state_dir: Path) -> Project:
        """An account in which the environment can be provisioned."""
        project = Project(emulator, state_dir, self.name)
        project.prepare(self.regions)
        if self.name != "sandbox":
            for region in self.regions:
                emulator.add_image(region, *DEBIAN)
            # What whoever owns the account would put into the secret.
            channels = {"pagerduty": "key", "slack": "address", "smtp": "password"}
            project.variables |= {"aws_account_id": ACCOUNT_ID, "aws_monitoring_channel_secrets": channels}
        return project

    def approval(self, planned: Run) -> tuple[str, ...]:
        """The options with which that plan may be carried out."""
        return ("-e", f"approved_plan={planned.plan.digest}") if planned.plan and self.needs_approval else ()


def declarations() -> list[Declaration]:
    return [
        Declaration("sandbox", ("us-east-1", "us-west-2")),
        Declaration("development", ("us-east-1",)),
        Declaration("staging", ("us-east-1",)),
        Declaration("production", ("us-east-1", "us-west-2"), needs_approval=True),
    ]

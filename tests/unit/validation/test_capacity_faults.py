# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of databases, caches and tiers that AWS, or the company, would refuse."""

from __future__ import annotations

import copy
from typing import Any

import boto3
import pytest
from ansible_collections.indivillage.infra.plugins.plugin_utils.validation_capacity import capacity_problems, known_types
from hypothesis import given
from hypothesis import strategies as st

LAYERS = ("aws_database", "aws_cache", "aws_compute")
VALUES: dict[str, Any] = {
    "environment_name": "production",
    "stack_kind": "primary",
    "stack_region": "us-east-1",
    "availability_zones": ["a", "b", "c"],
    "aws_database_instance_class": "db.m5.large",
    "aws_database_multi_az": True,
    "aws_database_allocated_storage_gib": 100,
    "aws_database_max_allocated_storage_gib": 500,
    "aws_database_backup_retention_days": 30,
    "aws_database_backup_window": "03:00-05:00",
    "aws_database_maintenance_window": "sun:05:00-sun:06:00",
    "aws_database_replicas": [{"name": "replica"}],
    "aws_cache_node_type": "cache.m5.large",
    "aws_cache_replicas": 2,
    "aws_compute_bastion_instance_type": "t3.micro",
    "aws_compute_tiers": {"web": {"instance_type": "m5.large", "min": 3, "max": 10, "desired": 5}},
}
STANDBY = {"stack_kind": "dr", "stack_region": "us-west-2", "aws_database_primary_region": "us-east-1"}
COPY = {"name": "dr-replica", "kms_key_id": "alias/x", "backup_retention_days": 7}


def told(**changes: Any) -> list[tuple[str, str]]:
    found = list(capacity_problems({**copy.deepcopy(VALUES), **changes}, LAYERS))
    assert all(problem.fix for problem in found)
    return [(problem.variable, problem.text) for problem in found]


def tier(**changes: Any) -> dict[str, Any]:
    return {"web": {"instance_type": "m5.large", "min": 3, "max": 10, "desired": 5, **changes}}


def test_what_is_sound_has_no_problem() -> None:
    assert told() == []
    assert told(aws_database_primary_region=None, aws_database_zones=None) == [], "defaults of a role that are templates"
    assert told(**STANDBY, aws_database_replicas=[COPY]) == []
    assert (
        told(environment_name="development", aws_database_multi_az=False, aws_database_backup_retention_days=7, aws_cache_replicas=0) == []
    )
    assert told(**STANDBY, aws_database_replicas=[COPY], aws_cache_replicas=0, aws_compute_tiers=tier(min=0, desired=0)) == []


def test_layers_that_a_stack_does_not_have_are_passed_over() -> None:
    assert list(capacity_problems({**VALUES, "aws_database_instance_class": "db.none"}, ["aws_network"])) == []


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("aws_database_instance_class", "db.m5.larg", "'db.m5.larg', which does not exist"),
        ("aws_database_instance_class", "m5.large", "which does not exist"),
        ("aws_database_instance_class", "db.c5.large", "which does not exist"),
        ("aws_cache_node_type", "cache.t3.large", "which does not exist"),
        ("aws_compute_bastion_instance_type", "t3.mikro", "which does not exist"),
        ("aws_compute_tiers", tier(instance_type="db.m5.large"), "at web names the instance type"),
        ("aws_compute_tiers", tier(min=11), "min 11, which is more than desired 5"),
        ("aws_compute_tiers", tier(desired=11), "desired 11, which is more than max 10"),
        ("aws_compute_tiers", tier(min=-1), "min -1"),
        ("aws_compute_tiers", {"web": {"instance_type": "m5.large", "min": 4, "max": 3}}, "min 4, which is more than max 3"),
        ("aws_database_backup_retention_days", 29, "at least 30 days"),
        ("aws_database_backup_retention_days", 36, "0 to 35"),
        ("aws_database_backup_retention_days", 0, "has replicas"),
        ("aws_database_multi_az", False, "survives the loss of a zone"),
        ("aws_database_max_allocated_storage_gib", 50, "less than the 100 GiB"),
        ("aws_database_backup_window", "3-5", "no window"),
        ("aws_database_backup_window", "03:00-03:10", "10 minutes"),
        ("aws_database_backup_window", "sun:03:00-sun:04:00", "no window"),
        ("aws_database_maintenance_window", "son:05:00-son:06:00", "no window"),
        ("aws_database_maintenance_window", "05:00-06:00", "no window"),
        ("aws_database_maintenance_window", "sun:04:30-sun:05:30", "overlaps aws_database_backup_window"),
        ("aws_database_maintenance_window", "sun:23:00-mon:03:30", "overlaps"),
        ("aws_database_replicas", [{"name": f"replica-{number}"} for number in range(16)], "16 replicas"),
        ("aws_database_replicas", [{"name": "replica"}, {"name": "replica"}], "two replicas called 'replica'"),
        ("aws_database_replicas", [{"name": "Replica_1"}], "calls a replica 'Replica_1'"),
        ("aws_database_replicas", [{"name": "replica", "instance_class": "db.m5.huge"}], "at 'replica' names"),
        ("aws_database_replicas", [{"name": "replica", "backup_retention_days": 40}], "for 40 days"),
        ("aws_cache_replicas", 6, "AWS makes 0 to 5"),
        ("aws_cache_replicas", 0, "survives the loss of a zone"),
    ],
)
def test_a_fault_is_told_at_its_variable(variable: str, value: Any, words: str) -> None:
    found = told(**{variable: value})

    assert any(name == variable and words in text for name, text in found), found


@pytest.mark.parametrize(
    ("replicas", "words"),
    [
        ([{"name": "dr-replica"}], "without a key of us-west-2"),
        ([], "is empty in us-west-2, whose database is written in us-east-1"),
    ],
)
def test_a_standby_whose_copy_could_not_be_made(replicas: list[dict[str, Any]], words: str) -> None:
    ((variable, text),) = told(**STANDBY, aws_database_replicas=replicas)

    assert variable == "aws_database_replicas"
    assert words in text


@pytest.mark.parametrize("changes", [{"aws_database_multi_az": True}, {"aws_database_replicas": [{"name": "replica", "multi_az": True}]}])
def test_a_second_zone_that_there_is_not(changes: dict[str, Any]) -> None:
    found = told(**changes, aws_database_zones=["a"])
    assert any("wants a second zone, and there is 1" in text for _variable, text in found)


def test_the_types_of_instances_are_those_that_botocore_knows() -> None:
    shape = boto3.client("ec2", region_name="us-east-1").meta.service_model.shape_for("InstanceType")
    assert set(known_types("ec2")) == set(shape.enum)


NONSENSE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12) | st.sampled_from(["db.m5.large", "03:00-05:00", "a"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "min", "max", "web", "x"]), inner, max_size=3),
    max_leaves=6,
)


@given(variable=st.sampled_from(sorted(VALUES)), value=NONSENSE)
def test_no_nonsense_breaks_the_checks(variable: str, value: Any) -> None:
    told(**{variable: value})

# SPDX-License-Identifier: GPL-3.0-or-later
"""What the drills rest on: faults that AWS clients understand, snapshots that tell accounts apart, mutations that do not meet."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
import yaml
from botocore.parsers import create_parser

from tests.drill.support import faults, snapshot
from tests.drill.support.mutations.catalogue import batches, mutations
from tests.drill.support.runs import ROOT


@pytest.mark.parametrize(
    ("service", "code"),
    [
        ("ec2", "RequestLimitExceeded"),
        ("s3", "SlowDown"),
        ("iam", "Throttling"),
        ("kms", "ThrottlingException"),
        ("sqs", "RequestThrottled"),
        ("securityhub", "TooManyRequestsException"),
        ("accessanalyzer", "TooManyRequestsException"),
    ],
)
def test_clients_understand_a_throttled_call(service: str, code: str) -> None:
    model = boto3.client(service, region_name="us-east-1").meta.service_model
    environ = {"HTTP_X_AMZ_TARGET": "Any"} if model.metadata["protocol"] == "json" else {}
    answer = faults.answer(faults.THROTTLED, model.signing_name, environ)
    response = {"status_code": int(answer.status[:3]), "headers": {"content-type": answer.content_type}, "body": answer.body}
    parsed = create_parser(model.metadata["protocol"]).parse(response, None)
    assert parsed["Error"]["Code"] == code


def test_the_same_calls_fail_each_time() -> None:
    one, other = (faults.Faults(share=0.2, seed=7) for _ in range(2))
    chosen = [one.next() for _ in range(1000)]
    assert chosen == [other.next() for _ in range(1000)]
    assert 150 < sum(fault is not None for fault in chosen) < 250
    assert faults.Faults().next() is None


class Account:
    """An account with one VPC of the given id and tag, as far as snapshots ask."""

    def __init__(self, vpc_id: str, name: str) -> None:
        self._answers = {"describe_vpcs": {"Vpcs": [{"VpcId": vpc_id, "Tags": [{"Key": "Name", "Value": name}]}]}}
        self._answers["describe_route_tables"] = {"RouteTables": [{"RouteTableId": "rtb-1", "VpcId": vpc_id, "CreatedTime": vpc_id}]}

    def client(self, _service: str, _region: str) -> Any:
        return self

    def can_paginate(self, _operation: str) -> bool:
        return False

    def __getattr__(self, operation: str) -> Any:
        return lambda **_arguments: self._answers.get(operation, {})


def take(vpc_id: str, name: str) -> snapshot.Snapshot:
    return snapshot.take(Account(vpc_id, name).client, ["us-east-1"])


def test_accounts_that_were_built_alike_are_equal() -> None:
    assert take("vpc-0123456789abcdef0", "site").differences(take("vpc-0fedcba9876543210", "site")) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("arn:aws:route53:::hostedzone/57COPBDYUJDVEVKJBHY9N1", "arn:aws:route53:::hostedzone/PGFGVL4BH8434NP3I4C62S"),
        ("arn:aws:cloudfront::1:distribution/X9WR95JYL33LQ", "arn:aws:cloudfront::1:distribution/C51L92AX1MQ8C"),
        ("AV2EheAwhFlFX0KjgONZHhwtqwwNM2Cq", "59fn9MRL4fUd1fzCsCDR2llnCGvzitMr"),
        ("$2b$10$" + "X" * 53, "$2b$10$" + "Y" * 53),
    ],
)
def test_what_is_random_is_no_difference(one: str, other: str) -> None:
    told = {snapshot._normalise_text(text, re.compile("(?!)"), {}, "Value") for text in (one, other)}
    assert len(told) == 1
    assert snapshot._normalise_text("known", re.compile("(?!)"), {}, "Value") == "known"


def test_accounts_that_differ_are_told_apart() -> None:
    told = "\n".join(take("vpc-0123456789abcdef0", "site").differences(take("vpc-0123456789abcdef0", "other")))
    assert "== us-east-1 VPC: 1 and 1" in told
    assert '-    "Value": "site"' in told
    assert '+    "Value": "other"' in told


def test_mutations_of_a_batch_can_be_told_apart() -> None:
    for batch in batches():
        places = [(mutation.host, place, mutation.field) for mutation in batch for place in mutation.plan]
        assert len(set(places)) == len(places)
    tried = {mutation.id for batch in batches() for mutation in batch}
    assert tried | {mutation.id for mutation in mutations() if mutation.reason} == {mutation.id for mutation in mutations()}


def test_each_mutation_names_a_task_that_there_is() -> None:
    named = {task for mutation in mutations() for task, _item in (mutation.place, *mutation.plan) if task}
    assert named - set(task_names()) == set()


def task_names() -> Iterator[str]:
    """The names of what roles do; a block or an import does nothing itself."""

    def within(tasks: list[dict[str, Any]]) -> Iterator[str]:
        for task in tasks:
            for part in ("block", "rescue", "always"):
                yield from within(task.get(part, []))
            if "block" not in task and not any("import_" in key or "include_" in key for key in task):
                yield task["name"]

    for path in ROOT.glob("roles/*/tasks/*.yml"):
        yield from within(yaml.safe_load(path.read_text()) or [])

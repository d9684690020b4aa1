# SPDX-License-Identifier: GPL-3.0-or-later
"""What the validation says about identities."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.indivillage.infra.plugins.plugin_utils.validation_identity import identity_problems
from hypothesis import given
from hypothesis import strategies as st

DEVELOPERS = {"name": "developers", "managed_policies": ["ReadOnlyAccess"], "sso_groups": ["Developers"], "releases": True}
GOOD: dict[str, Any] = {
    "aws_identity_access": [DEVELOPERS],
    "aws_identity_boundary_services": ["s3", "sqs"],
    "aws_identity_github_subjects": [
        "repo:indivillage/website:environment:production",
        "repo:indivillage/website:ref:refs/heads/release/1",
    ],
    "aws_identity_sso_enabled": True,
    "aws_identity_sso_session": "PT4H",
    "aws_identity_sso_prefix": "production",
}


def told(**changes: Any) -> list[str]:
    return [str(problem) for problem in identity_problems(GOOD | changes)]


def developers(**changes: Any) -> dict[str, Any]:
    return {"aws_identity_access": [DEVELOPERS | changes]}


def subject(text: str) -> dict[str, Any]:
    return {"aws_identity_github_subjects": [text]}


def test_a_good_declaration_has_no_problem() -> None:
    assert told() == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (subject("repo:indivillage/*:ref:refs/heads/main"), "lets every repository of the organisation in with"),
        (subject("repo:indivillage/*"), "lets every repository of the organisation in with"),
        (subject("repo:indivillage/website:*"), "lets more than one job in with"),
        (subject("repo:indivillage/website:ref:refs/heads/*"), "lets more than one job in with"),
        (subject("repo:indivillage/website:pull_request"), "lets whoever opens a pull request in with"),
        (subject("indivillage/website"), "which is no subject of GitHub's tokens. Name one repository and one branch"),
        (subject("repo:indivillage/website"), "which is no subject of GitHub's tokens"),
        (subject("repo:indivillage/website:ref:refs/tags/v1"), "which is no subject of GitHub's tokens"),
        ({"aws_identity_boundary_services": ["s3", "iam"]}, "has 'iam', with which a role could give itself more"),
        ({"aws_identity_boundary_services": ["*"]}, "has '*', with which a role could give itself more"),
        ({"aws_identity_access": [DEVELOPERS, DEVELOPERS]}, "has 'developers' 2 times."),
        (developers(name="Developers"), "has 'Developers', which is no name for access."),
        (
            developers(name="developers-of-the-website"),
            "makes the permission set production-developers-of-the-website, which has more than 32",
        ),
        (developers(managed_policies=["arn:aws:iam::aws:policy/ReadOnlyAccess"]), "Give the name of one of AWS's own policies"),
        (developers(managed_policies=["AdministratorAccess"]), "gives developers AdministratorAccess, which no boundary holds."),
        (developers(managed_policies=[f"Policy{number}" for number in range(9)]), "gives developers 11 policies; AWS allows 10."),
        ({"aws_identity_sso_session": "4h"}, "is '4h'. AWS takes one hour to twelve, as in PT4H."),
        ({"aws_identity_sso_session": "PT30M"}, "is 'PT30M'."),
        ({"aws_identity_sso_session": "PT13H"}, "is 'PT13H'."),
    ],
)
def test_a_fault_is_told_with_its_remedy(changes: dict[str, Any], message: str) -> None:
    (problem,) = told(**changes)
    assert message in problem


VALUES = st.none() | st.booleans() | st.integers() | st.text("ab-/:*", max_size=5)


@given(st.dictionaries(st.sampled_from(sorted(GOOD)), VALUES | st.lists(VALUES, max_size=3), max_size=3))
def test_values_of_wrong_types_are_somebody_elses_finding(values: dict[str, Any]) -> None:
    told(**values)

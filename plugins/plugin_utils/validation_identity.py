# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Faults of access that AWS would take without a word: whoever is let in who should not be, and names it does not know.

Values are taken as they come; a variable of the wrong type is somebody else's finding and is passed over here.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.indivillage.infra.plugins.plugin_utils.validation_problems import Problem

ACCESS, SUBJECTS, BOUNDARY = "aws_identity_access", "aws_identity_github_subjects", "aws_identity_boundary_services"
SUBJECT = re.compile(r"repo:(?P<owner>[\w.-]+)/(?P<name>[\w.-]+):(environment:[\w.-]+|ref:refs/heads/[\w./-]+)", re.ASCII)
SUBJECT_HELP = (
    "Name one repository and one branch or environment: repo:<owner>/<repository>:environment:<name>, or :ref:refs/heads/<branch>."
)
NAME = re.compile(r"[a-z][a-z0-9-]*")
POLICY = re.compile(r"[\w+=,.@/-]+", re.ASCII)
SESSION = re.compile(r"PT(?:(\d+)H)?(?:(\d+)M)?")
LONGEST_NAME = 32  # of a permission set
ATTACHED = 10  # managed policies of a group, with the one that wants a second factor and those of this project
FORBIDDEN_SERVICES = ("*", "iam", "organizations", "account", "sso")


def identity_problems(values: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what is wrong with the identities of a stack; values are its variables with the roles' defaults."""
    access = values.get(ACCESS)
    people = [one for one in access if isinstance(one, Mapping) and isinstance(one.get("name"), str)] if isinstance(access, list) else []
    for name, times in Counter(one["name"] for one in people).items():
        if times > 1:
            yield Problem(ACCESS, f"has {name!r} {times} times.", "Give each kind of access a name of its own.")
    for one in people:
        yield from _access_problems(one, values)
    for subject in _texts(values.get(SUBJECTS)):
        yield from _subject_problems(subject)
    for service in _texts(values.get(BOUNDARY)):
        if service in FORBIDDEN_SERVICES:
            text = f"has {service!r}, with which a role could give itself more than its boundary."
            yield Problem(BOUNDARY, text, "Name the services that such roles need.")
    session = values.get("aws_identity_sso_session")
    if values.get("aws_identity_sso_enabled") is True and isinstance(session, str):
        yield from _session_problems(session)


def _texts(value: Any) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _access_problems(one: Mapping[str, Any], values: Mapping[str, Any]) -> Iterator[Problem]:
    name, policies = one["name"], _texts(one.get("managed_policies"))
    if not NAME.fullmatch(name):
        yield Problem(ACCESS, f"has {name!r}, which is no name for access.", "Use lower-case letters, digits and hyphens.")
    prefix = values.get("aws_identity_sso_prefix", values.get("environment_name"))
    if values.get("aws_identity_sso_enabled") is True and isinstance(prefix, str) and len(f"{prefix}-{name}") > LONGEST_NAME:
        text = f"makes the permission set {prefix}-{name}, which has more than {LONGEST_NAME} characters."
        yield Problem(ACCESS, text, "Shorten its name.")
    for policy in policies:
        if policy.startswith("arn:") or not POLICY.fullmatch(policy):
            yield Problem(ACCESS, f"gives {name} {policy!r}.", "Give the name of one of AWS's own policies, such as ReadOnlyAccess.")
    if "AdministratorAccess" in policies:
        text = f"gives {name} AdministratorAccess, which no boundary holds."
        yield Problem(ACCESS, text, "Give PowerUserAccess, and delegates: true to those who make roles.")
    given = len(policies) + 1 + sum(one.get(key) is True for key in ("releases", "delegates"))
    if given > ATTACHED:
        yield Problem(ACCESS, f"gives {name} {given} policies; AWS allows {ATTACHED}.", "Give fewer, wider ones.")


def _subject_problems(subject: str) -> Iterator[Problem]:
    if "*" in subject or "?" in subject:
        whom = "every repository of the organisation" if re.match(r"repo:[^/]+/\*", subject) else "more than one job"
        yield Problem(SUBJECTS, f"lets {whom} in with {subject!r}.", SUBJECT_HELP)
    elif subject.endswith(":pull_request"):
        yield Problem(SUBJECTS, f"lets whoever opens a pull request in with {subject!r}.", SUBJECT_HELP)
    elif not SUBJECT.fullmatch(subject):
        yield Problem(SUBJECTS, f"has {subject!r}, which is no subject of GitHub's tokens.", SUBJECT_HELP)


def _session_problems(session: str) -> Iterator[Problem]:
    match = SESSION.fullmatch(session)
    minutes = int(match[1] or 0) * 60 + int(match[2] or 0) if match else 0
    if not 60 <= minutes <= 720:
        yield Problem("aws_identity_sso_session", f"is {session!r}.", "AWS takes one hour to twelve, as in PT4H.")

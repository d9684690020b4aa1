# SPDX-License-Identifier: GPL-3.0-or-later
"""Which AWS calls may leave a plan."""

import re

import pytest
from ansible_collections.indivillage.infra.plugins.plugin_utils.planning import operations
from botocore.session import get_session

SESSION = get_session()
CHANGING = re.compile(
    r"(Create|Delete|Put|Update|Modify|Set|Start|Stop|Run|Terminate|Attach|Detach|Enable|Disable|Add|Remove|Tag|Untag|Invoke|Send|Receive)"
)


def test_the_reviewed_list_is_what_rules_and_botocore_say() -> None:
    """A newer botocore fails here: run operations.py, which writes the list anew, and review each line that it adds."""
    reviewed = [f"{service} {operation} {kind}" for service, rest in operations.reviewed().items() for operation, kind in rest.items()]
    assert reviewed == list(operations.proposed_lines())


def test_nothing_that_is_named_like_a_change_is_a_read() -> None:
    reads = [name for rest in operations.reviewed().values() for name, kind in rest.items() if kind == operations.READ]
    assert [name for name in reads if CHANGING.match(name) and not name.startswith(("Search", "Set"))] == []


@pytest.mark.parametrize(
    ("service", "operation", "kind"),
    [
        ("ec2", "DescribeVpcs", "read"),
        ("s3", "HeadBucket", "read"),
        ("dynamodb", "Query", "read"),
        ("logs", "FilterLogEvents", "read"),
        ("resourcegroupstaggingapi", "GetResources", "read"),
        ("sts", "AssumeRole", "session"),
        ("sts", "GetFederationToken", "write"),
        ("sqs", "ReceiveMessage", "write"),
        ("ecr", "GetAuthorizationToken", "write"),
        ("iam", "GenerateCredentialReport", "write"),
        ("lambda", "Invoke", "write"),
        ("ssm", "GetDeployablePatchSnapshotForInstance", "write"),
        ("kms", "Decrypt", "write"),
        ("ec2", "DescribeWhatIsNotKnownYet", "write"),
    ],
)
def test_classes(service: str, operation: str, kind: str) -> None:
    assert operations.classify(service, operation) == kind


def test_a_service_that_nobody_reviewed_is_denied_with_what_to_do() -> None:
    with pytest.raises(operations.UnknownServiceError, match=r"'braket'.*operations\.py"):
        operations.classify("braket", "GetDevice")


@pytest.mark.parametrize("call", sorted(operations.STATEFUL))
def test_what_takes_data_away_is_named_by_a_parameter_that_exists(call: tuple[str, str]) -> None:
    service, operation = call
    model = SESSION.get_service_model(service).operation_model(operation)
    assert operations.STATEFUL[call].parameter in model.input_shape.members
    assert operations.classify(service, operation) == operations.WRITE


def test_approval_is_by_name_id_or_the_end_of_an_arn() -> None:
    approved = ("db", "https://sqs.us-east-1.amazonaws.com/1/q")
    assert operations.is_approved("db", approved)
    assert operations.is_approved("arn:aws:rds:us-east-1:1:db:db", approved)
    assert operations.is_approved("https://sqs.us-east-1.amazonaws.com/1/q", approved)
    assert not operations.is_approved("other-db", approved)
    assert not operations.is_approved("db2", approved)
    assert not operations.is_approved("anything", ("",))

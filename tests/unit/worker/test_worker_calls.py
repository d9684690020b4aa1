# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of AWS calls, and the protection of what holds data."""

import json
import os
from pathlib import Path

import pytest
from ansible_collections.indivillage.infra.plugins.plugin_utils.worker_calls import CallLog, Recorder, deletion_check, nothing_to_check
from ansible_collections.indivillage.infra.plugins.plugin_utils.worker_protocol import plans_aws
from botocore.exceptions import ClientError

from tests.unit.worker.test_aws_worker import GOOD, payload


def test_a_call_is_one_line_without_its_parameters(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path / "calls", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    recorder = Recorder(CallLog(descriptor, "amazon.aws.ec2_vpc_net", "apply"), nothing_to_check)
    recorder.record("API_CALL", {"service": "ec2", "operation": "CreateVpc", "params": {"CidrBlock": "10.0.0.0/16"}})
    for status in (503, 200):
        authorization = b"AWS4-HMAC-SHA256 Credential=AKIA/20260101/eu-west-1/ec2/aws4_request, SignedHeaders=host"
        recorder.record("HTTP_REQUEST", {"headers": {"Authorization": authorization}})
        recorder.record("HTTP_RESPONSE", {"status_code": status})
    os.close(descriptor)
    lines = [json.loads(line) for line in (tmp_path / "calls").read_text().splitlines()]
    assert [line["status"] for line in lines] == [503, 200]
    about = {"service": "ec2", "operation": "CreateVpc", "region": "eu-west-1", "task": "amazon.aws.ec2_vpc_net", "mode": "apply"}
    assert {**lines[0], "seconds": 0, "status": 0} == {**about, "seconds": 0, "status": 0}


def test_a_deletion_needs_approval_and_says_how_to_give_it() -> None:
    with pytest.raises(ClientError, match=r"""the database 'db'.*-e '\{"approved_deletions": \["other", "db"\]\}'"""):
        deletion_check(("other",))("rds", "DeleteDBInstance", {"DBInstanceIdentifier": "db"})
    deletion_check(("db",))("rds", "DeleteDBInstance", {"DBInstanceIdentifier": "db"})
    deletion_check(())("ec2", "DeleteVpc", {"VpcId": "vpc-1"})


@pytest.mark.parametrize(
    ("module", "check", "planned"),
    [
        ("amazon.aws.plugins.modules.ec2_vpc_net", "true", True),
        ("indivillage.infra.plugins.modules.log_group", "true", True),
        ("amazon.aws.plugins.modules.ec2_vpc_net", "false", False),
        ("community.general.plugins.modules.x", "true", False),
    ],
)
def test_a_payload_tells_whether_it_plans_aws(module: str, check: str, planned: bool) -> None:
    parameters = f'{{"ANSIBLE_MODULE_ARGS": {{"name": "x", "_ansible_check_mode": {check}}}}}'
    assert plans_aws(payload(GOOD, module_fqn=f"ansible_collections.{module}", params=parameters)) is planned

# SPDX-License-Identifier: GPL-3.0-or-later
from collections.abc import Callable
from typing import Any

import boto3
from ansible_collections.indivillage.infra.plugins.modules import ssm_parameter_info


def test_values_and_gaps(run: Callable[..., dict[str, Any]]) -> None:
    names = [f"/indivillage/test/images/{number}" for number in range(12)]
    for name in names[:-1]:
        boto3.client("ssm").put_parameter(Name=name, Value=f"ami-{name[-2:]}", Type="String")
    result = run(ssm_parameter_info, names=names)
    assert (result["changed"], len(result["parameters"]), result["missing"]) == (False, 11, names[-1:])
    assert result["parameters"][names[0]] == "ami-/0"

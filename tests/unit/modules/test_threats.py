# SPDX-License-Identifier: GPL-3.0-or-later
"""GuardDuty, Security Hub and Inspector, in the account and in plans."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import boto3
import pytest
from ansible_collections.indivillage.infra.plugins.modules import guardduty_detector, inspector, securityhub

from sandbox.emulator.additions import detectors, security_hub

Run = Callable[..., dict[str, Any]]
Plan = Callable[..., dict[str, Any]]
TAGS = {"Project": "site"}
DETECTOR: dict[str, Any] = {"frequency": "ONE_HOUR", "features": {"S3_DATA_EVENTS": True, "EKS_AUDIT_LOGS": False}, "tags": TAGS}
FSBP, CIS = "aws-foundational-security-best-practices/v/1.0.0", "cis-aws-foundations-benchmark/v/3.0.0"
HUB: dict[str, Any] = {"standards": [FSBP, CIS], "tags": TAGS}
SWITCHED = ("change", "change")  # what a region has anyway is switched on, not made
SCANS: dict[str, Any] = {"account_id": "123456789012", "resource_types": ["EC2", "ECR"]}


@pytest.fixture(autouse=True, scope="module")
def the_services_are_whole() -> None:
    detectors.install()
    security_hub.install()


def calls(planned: dict[str, Any]) -> list[str]:
    return [call["operation"] for call in planned["calls"]]


def test_life_cycle_of_a_detector(life_cycle: Callable[..., None]) -> None:
    features = {"S3_DATA_EVENTS": False, "LAMBDA_NETWORK_LOGS": True}
    first = {**DETECTOR, "tags": {"Project": "site", "Old": "1"}}
    life_cycle(guardduty_detector, {}, first, {**DETECTOR, "enabled": False, "frequency": "SIX_HOURS", "features": features})


def test_life_cycle_of_a_hub(life_cycle: Callable[..., None]) -> None:
    second = {"standards": [FSBP, "pci-dss/v/4.0.1"], "auto_enable_controls": False, "tags": TAGS}
    life_cycle(securityhub, {}, {**HUB, "tags": {"Project": "site", "Old": "1"}}, second, SWITCHED)


def test_life_cycle_of_scans(life_cycle: Callable[..., None]) -> None:
    life_cycle(inspector, {"account_id": "123456789012"}, SCANS, {**SCANS, "resource_types": ["LAMBDA", "EC2"]}, SWITCHED)


def test_a_detector_that_is_there_is_taken_over(run: Run) -> None:
    guardduty = boto3.client("guardduty")
    identifier = guardduty.create_detector(Enable=False, Features=[{"Name": "RDS_LOGIN_EVENTS", "Status": "ENABLED"}])["DetectorId"]

    result = run(guardduty_detector, **DETECTOR)

    assert result["resource"]["id"] == identifier
    assert result["resource"]["arn"] == f"arn:aws:guardduty:us-east-1:123456789012:detector/{identifier}"
    assert result["resource"]["features"] == {"RDS_LOGIN_EVENTS": True, "S3_DATA_EVENTS": True, "EKS_AUDIT_LOGS": False}
    assert guardduty.list_detectors()["DetectorIds"] == [identifier]


def test_no_standard_is_enabled_that_nobody_declared(run: Run) -> None:
    run(securityhub, standards=[CIS])
    subscriptions = boto3.client("securityhub").get_enabled_standards()["StandardsSubscriptions"]
    assert [one["StandardsArn"] for one in subscriptions] == [f"arn:aws:securityhub:us-east-1::standards/{CIS}"]


def test_standards_that_are_not_declared_are_left_alone(run: Run) -> None:
    run(securityhub, standards=[CIS])
    assert not run(securityhub)["changed"]


def suspend(account: Any) -> None:
    guardduty = account("guardduty")
    guardduty.update_detector(DetectorId=guardduty.list_detectors()["DetectorIds"][0], Enable=False)


def blind(account: Any) -> None:
    guardduty = account("guardduty")
    features = [{"Name": "S3_DATA_EVENTS", "Status": "DISABLED"}]
    guardduty.update_detector(DetectorId=guardduty.list_detectors()["DetectorIds"][0], Features=features)


def without_standard(account: Any) -> None:
    hub = account("securityhub")
    hub.batch_disable_standards(StandardsSubscriptionArns=[f"arn:aws:securityhub:us-east-1:123456789012:subscription/{CIS}"])


def with_standard(account: Any) -> None:
    request = {"StandardsArn": "arn:aws:securityhub:us-east-1::standards/pci-dss/v/4.0.1"}
    account("securityhub").batch_enable_standards(StandardsSubscriptionRequests=[request])


def without_new_controls(account: Any) -> None:
    account("securityhub").update_security_hub_configuration(AutoEnableControls=False)


def untagged(account: Any) -> None:
    account("securityhub").untag_resource(ResourceArn="arn:aws:securityhub:us-east-1:123456789012:hub/default", TagKeys=["Project"])


def without_instances(account: Any) -> None:
    account("inspector2").disable(accountIds=["123456789012"], resourceTypes=["EC2"])


def with_functions(account: Any) -> None:
    account("inspector2").enable(accountIds=["123456789012"], resourceTypes=["LAMBDA"])


@pytest.mark.parametrize(
    ("case", "change", "expected"),
    [
        ((guardduty_detector, DETECTOR), suspend, ("UpdateDetector", "Status")),
        ((guardduty_detector, DETECTOR), blind, ("UpdateDetector", "Features.S3_DATA_EVENTS")),
        ((securityhub, HUB), without_standard, ("BatchEnableStandards", f"Standards.{CIS}")),
        ((securityhub, HUB), with_standard, ("BatchDisableStandards", "Standards.pci-dss/v/4.0.1")),
        ((securityhub, HUB), without_new_controls, ("UpdateSecurityHubConfiguration", "AutoEnableControls")),
        ((securityhub, HUB), untagged, ("TagResource", "Tags.Project")),
        ((inspector, SCANS), without_instances, ("Enable", "resourceState.EC2")),
        ((inspector, SCANS), with_functions, ("Disable", "resourceState.LAMBDA")),
    ],
)
def test_what_somebody_changed_is_planned_and_put_right(
    run: Run, plan_of: Plan, case: tuple[ModuleType, dict[str, Any]], change: Callable[[Any], None], expected: tuple[str, str]
) -> None:
    (module, options), (operation, field) = case, expected
    planned = plan_of(module, **options)
    assert planned["action"] in ("create", "change")
    assert run(module, **options)["changed"]
    assert plan_of(module, **options)["action"] == "none"
    change(boto3.client)

    planned = plan_of(module, **options)
    assert (planned["action"], calls(planned)) == ("change", [operation])
    assert field in [one["field"] for one in planned["changes"]], planned["changes"]
    assert run(module, **options)["changed"]
    assert plan_of(module, **options)["action"] == "none"
    assert plan_of(module, **{**options, "state": "absent"})["action"] == "delete"


def test_a_tag_of_a_detector_is_planned(run: Run, plan_of: Plan) -> None:
    run(guardduty_detector, **DETECTOR)
    planned = plan_of(guardduty_detector, **{**DETECTOR, "tags": {"Project": "other"}})
    assert calls(planned) == ["TagResource"]


@pytest.mark.parametrize(
    ("module", "options", "told"),
    [
        (guardduty_detector, {"features": {"S3_DATA": True}}, "S3_DATA is no feature. Features are: "),
        (guardduty_detector, {"features": {"S3_DATA_EVENTS": "often"}}, "it can be true or false"),
        (guardduty_detector, {"frequency": "DAILY"}, "SIX_HOURS"),
        (securityhub, {"standards": ["cis/v/3"]}, "cis/v/3 is no standard. Standards are: aws-foundational"),
        (inspector, {"account_id": "123456789012"}, "missing: resource_types"),
        (inspector, {"account_id": "123456789012", "resource_types": []}, "give state=absent"),
        (inspector, {"account_id": "123456789012", "resource_types": ["LAMBDA_CODE"]}, "needs LAMBDA"),
        (inspector, {"account_id": "123456789012", "resource_types": ["RDS"]}, "must be one or more of"),
    ],
)
def test_nonsense_is_told(run: Run, module: ModuleType, options: dict[str, Any], told: str) -> None:
    result = run(module, **options)
    assert result["failed"]
    assert told in result["msg"], result["msg"]


def test_what_inspector_refuses_is_told(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = {"accountId": "123456789012", "errorCode": "SSM_UNAVAILABLE", "errorMessage": "try again"}
    monkeypatch.setattr(inspector.Scans, "find", lambda _scans: None)
    original = inspector.Scans.__init__

    def begin(scans: Any, module: Any, client: Any) -> None:
        original(scans, module, client)
        scans.client.enable = lambda **_options: {"failedAccounts": [refused]}

    monkeypatch.setattr(inspector.Scans, "__init__", begin)
    assert "AWS did not enable EC2, ECR: SSM_UNAVAILABLE, try again" in run(inspector, **SCANS)["msg"]

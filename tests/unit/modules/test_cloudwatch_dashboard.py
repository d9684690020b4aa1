# SPDX-License-Identifier: GPL-3.0-or-later
"""A dashboard through its whole life."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import boto3
import pytest
from ansible_collections.indivillage.infra.plugins.modules import cloudwatch_dashboard
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.responses import ActionResult

from sandbox.emulator.additions import alarms

Run = Callable[..., dict[str, Any]]


@pytest.fixture(autouse=True, scope="module")
def dashboards_have_tags() -> None:
    alarms.install()


def body(*titles: str) -> dict[str, Any]:
    return {"widgets": [{"type": "text", "properties": {"markdown": title}} for title in titles]}


def test_life_cycle(life_cycle: Callable[..., None]) -> None:
    first = {"body": body("a"), "tags": {"Project": "site", "Old": "1"}}
    second = {"body": body("a", "b"), "tags": {"Project": "site"}}
    life_cycle(cloudwatch_dashboard, {"name": "main"}, first, second)


def test_widgets_have_an_order_and_their_keys_have_none(run: Run) -> None:
    run(cloudwatch_dashboard, name="main", body=body("a", "b"))

    assert run(cloudwatch_dashboard, name="main", body=body("b", "a"), check=True)["changed"]
    turned = {"widgets": [dict(reversed(widget.items())) for widget in body("a", "b")["widgets"]]}
    assert not run(cloudwatch_dashboard, name="main", body=turned)["changed"]


def test_a_widget_that_was_added_by_hand_goes(run: Run) -> None:
    run(cloudwatch_dashboard, name="main", body=body("a"))
    boto3.client("cloudwatch").put_dashboard(DashboardName="main", DashboardBody='{"widgets": []}')

    assert run(cloudwatch_dashboard, name="main", body=body("a"))["changed"]


def test_what_aws_cannot_draw_is_told(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    told = [{"DataPath": "/widgets/0", "Message": "Should have required property 'properties'"}]
    monkeypatch.setattr(CloudWatchResponse, "put_dashboard", lambda _self: ActionResult({"DashboardValidationMessages": told}))

    result = run(cloudwatch_dashboard, name="main", body=body("a"))

    assert result["failed"]
    assert "/widgets/0 Should have required property" in result["msg"]

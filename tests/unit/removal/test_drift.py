# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said of drift, and of its origin."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.indivillage.infra.plugins.plugin_utils.drift import since, summary
from ansible_collections.indivillage.infra.plugins.plugin_utils.plan_report import Entry, Plan

COMMIT = "0123456789abcdef"
RUN = {"run_id": "r1", "who": "ada", "commit": COMMIT, "result": "succeeded", "ended": "2026-01-02T03:04:05Z"}


def plan(*names: str) -> Plan:
    return Plan("staging", COMMIT, entries=[Entry("region", "role", "Task", name, "m", "change", resource=name) for name in names])


def test_no_drift_is_said_in_a_sentence() -> None:
    assert summary(plan(), None, RUN) == "staging is as it is declared."


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (RUN, "All of it was changed since the last run, r1 of ada, which ended at 2026-01-02T03:04:05Z"),
        ({**RUN, "commit": "fedcba9876543210"}, "Some of it may be new in the declaration"),
        ({**RUN, "result": "failed"}, "has left undone: it failed"),
        ({}, "No run is recorded"),
    ],
)
def test_the_last_run_tells_of_the_origin(run: dict[str, Any], words: str) -> None:
    assert words in since(plan("vpc a"), run)


def test_what_is_new_since_the_last_detection_is_said() -> None:
    text = summary(plan("vpc a", "vpc b"), plan("vpc a"), RUN)

    assert "- region: change vpc b" in text
    assert "Since the last detection:\n- region: role : Task (vpc b) is new" in text
    assert "All of it was there at the last detection." in summary(plan("vpc a"), plan("vpc a"), RUN)


def test_a_long_list_is_cut() -> None:
    assert "- and 5 more" in summary(plan(*map(str, range(25))), None, RUN)

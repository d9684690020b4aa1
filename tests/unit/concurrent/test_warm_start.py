# SPDX-License-Identifier: GPL-3.0-or-later
"""With a version of ansible-core that it has not been tested with, the callback leaves everything to Ansible."""

from __future__ import annotations

import runpy

import pytest
from ansible.executor.process.worker import WorkerProcess
from ansible_collections.indivillage.infra.plugins.callback import warm_start
from ansible_collections.indivillage.infra.plugins.plugin_utils import core_version

INNER = ("unforked_tasks", "KeptTemplates", "PackedCache")


def test_another_core_version_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    start = WorkerProcess.start
    assert all(hasattr(warm_start, name) for name in INNER)
    monkeypatch.setattr(core_version.ansible_release, "__version__", "2.22.0")
    loaded = runpy.run_path(warm_start.__file__)
    assert not set(INNER) & set(loaded)
    callback = loaded["CallbackModule"]()
    callback.v2_playbook_on_start(None)
    callback.v2_playbook_on_play_start(None)
    callback.v2_playbook_on_stats(None)
    assert WorkerProcess.start is start

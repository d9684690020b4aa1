# SPDX-License-Identifier: GPL-3.0-or-later
"""A packed module takes any arguments; what is kept of it belongs to one state of the code."""

import ast
import json
import os
import time
from pathlib import Path

import pytest
from ansible_collections.indivillage.infra.plugins.plugin_utils.packed_cache import PackedCache, fingerprint
from ansible_collections.indivillage.infra.plugins.plugin_utils.packed_module import PackedModule

SETTINGS: dict[str, object] = {"_ansible_check_mode": False}


def packed(settings: dict[str, object]) -> bytes:
    text = json.dumps({"ANSIBLE_MODULE_ARGS": settings})
    return f"head\nmodule_fqn='m',\nparams={text!r},\nzip_data='x',\n)\n".encode()


@pytest.mark.parametrize("value", ["plain", 'it\'s "quoted"', "two\nlines", "\\ back", "ünïcode ✓", "params='x',", ["a", {"b": None}]])
def test_arguments_arrive_as_they_were_given(value: object) -> None:
    module = PackedModule.from_payload("python", packed(SETTINGS), "legacy", SETTINGS)
    assert module

    payload = module.payload(module.parameters({"name": value})).decode()

    (line,) = [line for line in payload.split("\n") if line.startswith("params=")]
    given = json.loads(ast.literal_eval(line.removeprefix("params=").removesuffix(",")))
    assert given == {"ANSIBLE_MODULE_ARGS": {"name": value, **SETTINGS}}
    assert payload.startswith("head\nmodule_fqn='m',\n")
    assert payload.endswith("zip_data='x',\n)\n")


def test_a_payload_of_another_form_is_left_alone() -> None:
    assert PackedModule.from_payload("python", b"#!/bin/sh\n", "legacy", SETTINGS) is None
    assert PackedModule.from_payload("python", packed({"other": 1}), "legacy", SETTINGS) is None


def test_a_run_gets_what_the_one_before_has_packed(tmp_path: Path) -> None:
    kept, first, second = tmp_path / "packed/now", tmp_path / "first", tmp_path / "second"
    first.mkdir()
    for state, days in (("unused", 40), ("of-another-checkout", 20)):
        (tmp_path / "packed" / state).mkdir(parents=True)
        os.utime(tmp_path / "packed" / state, (0, time.time() - days * 24 * 3600))
    mine = "ansible_collections.amazon.aws.plugins.modules.ec2_vpc_net-ZIP_DEFLATED-none"
    for name in (mine, f"{mine}.lock", "ansible_collections.other.one.plugins.modules.x-ZIP_DEFLATED-none"):
        (first / name).write_text("packed")

    PackedCache(kept, first).take_over()
    PackedCache(kept, second).hand_over()

    assert [path.name for path in second.iterdir()] == [mine], "modules of other collections are not watched for changes"
    assert (second / mine).read_text() == "packed"
    assert {path.name for path in kept.parent.iterdir()} == {"now", "of-another-checkout"}
    assert kept.stat().st_mode & 0o777 == 0o700


def test_any_change_of_a_file_that_is_packed_is_another_state(tmp_path: Path) -> None:
    source = tmp_path / "plugins/module_utils/deep/x.py"
    source.parent.mkdir(parents=True)
    source.write_text("a = 1\n")
    before = fingerprint([tmp_path])
    (tmp_path / "README.md").write_text("no code")
    assert fingerprint([tmp_path]) == before
    source.write_text("a = 22\n")
    changed = fingerprint([tmp_path])
    (source.parent / "new.py").touch()

    assert len({before, changed, fingerprint([tmp_path])}) == 3

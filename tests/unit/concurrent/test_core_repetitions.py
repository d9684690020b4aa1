# SPDX-License-Identifier: GPL-3.0-or-later
"""What ansible-core does once instead of again and again comes to the same."""

from __future__ import annotations

import copy
import dataclasses
import datetime
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from ansible._internal._datatag._tags import Origin
from ansible._internal._templating import _jinja_bits, _jinja_plugins
from ansible.errors import AnsibleError, AnsibleUndefinedVariable
from ansible.executor import module_common
from ansible.module_utils._internal import _messages
from ansible.module_utils._internal._datatag import AnsibleTagHelper
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import EncryptedString
from ansible.template import Templar, trust_as_template
from ansible.vars import manager
from ansible_collections.indivillage.infra.plugins.plugin_utils import core_repetitions
from ansible_collections.indivillage.infra.plugins.plugin_utils.core_repetitions import PreparedVariables

ROOT = Path(__file__).parents[3]
PLAYBOOK = """
- hosts: localhost
  gather_facts: false
  vars: {a: 1, b: "{{ a + 1 }}"}
  tasks:
    - ansible.builtin.debug: {msg: "%s"}
"""


@pytest.fixture
def once(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it in place, for one test."""
    for owner, name in (
        (_jinja_plugins.JinjaPluginIntercept, "__init__"),
        (_jinja_bits, "_flatten_and_lazify_vars"),
        (manager, "_DEPRECATE_VARS"),
        (core_repetitions.dataloader, "copy"),
        (core_repetitions.arg_spec, "deepcopy"),
        (dataclasses, "fields"),
        (module_common.ModuleDepFinder, "__init__"),
        (core_repetitions.values, "transform_to_native_types"),
    ):
        monkeypatch.setattr(owner, name, getattr(owner, name))
    core_repetitions.hand_over.__wrapped__()


def test_what_was_parsed_is_copied_with_its_tags_and_not_shared(tmp_path: Path) -> None:
    file = tmp_path / "x.yml"
    file.write_text("a: &one [1, {b: '{{ c }}', d: 2026-11-29, e: 1.5}]\nf: *one\ng: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  00\nh:\n")
    parsed = DataLoader().load_from_file(str(file), unsafe=True)
    mine, other = core_repetitions.copied(parsed), copy.deepcopy(parsed)

    def same(left: Any, right: Any) -> None:
        assert type(left) is type(right)
        assert AnsibleTagHelper.tags(left) == AnsibleTagHelper.tags(right)
        if isinstance(left, dict):
            assert list(left) == list(right)
            for name in left:
                same(left[name], right[name])
        elif isinstance(left, list):
            assert len(left) == len(right)
            for one, another in zip(left, right, strict=True):
                same(one, another)
        elif not isinstance(left, EncryptedString):
            assert left == right

    same(mine, other)
    assert mine["a"] is mine["f"]
    mine["a"][1]["b"] = "changed"
    assert parsed["a"][1]["b"] == "{{ c }}"


@pytest.mark.usefixtures("once")
def test_checked_arguments_are_not_those_that_were_given() -> None:
    given = {"a": {"b": ["1", 2]}}
    checked = ArgumentSpecValidator({"a": {"type": "dict", "options": {"b": {"type": "list", "elements": "int"}}}}).validate(given)
    assert checked.validated_parameters == {"a": {"b": [1, 2]}}
    assert given == {"a": {"b": ["1", 2]}}


@pytest.mark.usefixtures("once")
def test_fields_are_those_of_each_class_and_its_instances_alone() -> None:
    @dataclasses.dataclass(frozen=True, slots=True)
    class Base:
        a: int

    @dataclasses.dataclass(frozen=True, slots=True)
    class Derived(Base):
        b: int = 2

    for given, names in ((Derived, ["a", "b"]), (Base(1), ["a"]), (Derived(1), ["a", "b"]), (Base, ["a"])):
        assert [field.name for field in dataclasses.fields(given)] == names
    assert pickle.loads(pickle.dumps(Origin(path="/x.yml"))) == Origin(path="/x.yml")  # noqa: S301  # written on this line
    with pytest.raises(TypeError):
        dataclasses.fields(1)  # type: ignore[arg-type]  # refused as ever: it is no dataclass


SHARED = "ansible_collections.a.b.plugins.module_utils.c"
CODE = b"""
import ansible.module_utils.basic
from . import d
try:
    from ansible.module_utils import urls
except ImportError:
    pass
"""


def test_imports_are_found_once_and_are_the_same(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    def found() -> list[Any]:
        finders = [module_common.ModuleDepFinder(SHARED, CODE, is_pkg_init=kind) for kind in (False, True)]
        finders.append(module_common.ModuleDepFinder(SHARED, CODE))
        assert finders[-1].tree.body, "a module's own code says in what its results are written"
        return [(finder.submodules, finder.optional_imports, finder.embeds, finder.is_pkg_init) for finder in finders]

    expected = found()
    assert expected[0][1] == {("ansible", "module_utils", "urls")}
    assert expected[0][0] != expected[1][0], "a package's own imports begin one level lower"
    request.getfixturevalue("once")
    parse = Mock(wraps=module_common._compile_module_ast)
    monkeypatch.setattr(module_common, "_compile_module_ast", parse)
    assert [found(), found(), parse.call_count] == [expected, expected, 2 + 2], "of what modules share each once, and each module"
    changed = module_common.ModuleDepFinder(SHARED, b"from ansible.module_utils import basic\n", is_pkg_init=False)
    assert (changed.submodules, changed.optional_imports) == ({("ansible", "module_utils", "basic")}, set())
    for _time in range(2):
        with pytest.raises(AnsibleError, match="Unable to compile"):
            module_common.ModuleDepFinder(SHARED, b"import (", is_pkg_init=False)


def test_prepared_variables_are_those_of_now() -> None:
    remembered, variables = PreparedVariables(), {f"v{number}": number for number in range(50)}
    first = remembered.of(variables)
    assert remembered.of(variables) is first
    variables["v7"] = 7 * 7
    assert remembered.of(variables)["v7"].value == 49
    variables["v1"] = True  # equal to what it was, and another value
    assert remembered.of(variables)["v1"].value is True
    del variables["v2"]
    variables["w"] = 1
    assert list(remembered.of(variables)) == list(variables)
    for number in range(20):
        remembered.of({"other": number})
    assert len(remembered._known) == core_repetitions.REMEMBERED
    assert remembered.of(variables)["w"].value == 1


@pytest.mark.usefixtures("once")
def test_templates_see_changes_and_keep_what_they_evaluated_to_themselves() -> None:
    counted: list[int] = []

    def count() -> int:
        counted.append(1)
        return len(counted)

    variables: dict[str, Any] = {f"v{number}": number for number in range(50)}
    variables |= {
        "count": count,
        "x": trust_as_template("{{ count() }}"),
        "y": trust_as_template("{{ v1 + 1 }}"),
    }
    templar = Templar(DataLoader(), variables)
    ask = trust_as_template("{{ x }} {{ y }}")
    assert [templar.template(ask) for _time in range(2)] == ["1 2", "2 2"]
    variables["v1"] = 41
    assert templar.template(ask) == "3 42"
    variables["v2"] = trust_as_template("{{ 'a' | upper }}")
    assert templar.template(trust_as_template("{{ [v2] | map('lower') | first ~ ('a' is match('a')) }}")) == "aTrue"
    with pytest.raises(AnsibleUndefinedVariable, match="nothing"):
        templar.template(trust_as_template("{{ nothing }}"))


@pytest.mark.parametrize("template", ["{{ vars.b }}", "{{ vars['b'] }}", "{{ vars | length > 5 }}", "{{ vars.nothing is defined }}"])
def test_the_variable_vars_says_the_same_and_that_it_is_deprecated(template: str, tmp_path: Path) -> None:
    (tmp_path / "x.yml").write_text(PLAYBOOK % template)
    command = [str(Path(sys.executable).with_name("ansible-playbook")), str(tmp_path / "x.yml"), "-i", "localhost,", "-c", "local"]

    def said(callbacks: str) -> tuple[str, bool]:
        environment = {
            "LANG": "C.UTF-8",
            "PATH": "/usr/bin:/bin",
            "HOME": str(tmp_path),
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections"),
        }
        environment |= {
            "ANSIBLE_CALLBACKS_ENABLED": callbacks,
            "ANSIBLE_DEPRECATION_WARNINGS": "true",
            "ANSIBLE_LOCALHOST_WARNING": "false",
        }
        done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout, 'The internal "vars" dictionary is deprecated' in done.stderr

    plain = said("indivillage.infra.exit_code")
    assert plain[1] is True
    assert said("indivillage.infra.warm_start") == plain


def test_results_are_told_in_plain_types(once: None, monkeypatch: pytest.MonkeyPatch) -> None:
    tag = Origin(path="/x.yml").tag
    warning = _messages.WarningSummary(event=_messages.Event(msg="Beware."))
    result = tag(
        {"a": [tag("text"), tag(1), tag(1.5), True, None, (1, tag("b"))], tag("k"): {"when": datetime.date(2026, 1, 2), "w": [warning]}}
    )
    result["secret"] = EncryptedString(ciphertext="$ANSIBLE_VAULT;1.1;AES256\n00")
    mine = core_repetitions.values.transform_to_native_types(result)
    monkeypatch.undo()
    theirs = core_repetitions.values.transform_to_native_types(result)

    def types(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: (type(name), types(part)) for name, part in value.items()}
        return [types(part) for part in value] if isinstance(value, (list, tuple)) else type(value)

    assert (mine, types(mine)) == (theirs, types(theirs))
    assert mine["secret"] == "<redacted>"
    assert mine["a"] is not result["a"]
    assert type(mine["a"][0]) is str

# SPDX-License-Identifier: GPL-3.0-or-later
"""A template that was compiled once is not compiled again, in no task and in no later run; what comes out of a vault is not kept."""

import multiprocessing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible._internal._datatag._tags import Origin, TrustedAsTemplate, VaultedValue
from ansible._internal._templating._jinja_bits import AnsibleEnvironment
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.indivillage.infra.plugins.plugin_utils import kept_templates
from ansible_collections.indivillage.infra.plugins.plugin_utils.kept_templates import IN_A_RUN, KEPT, KeptTemplates

Run = Callable[[str], KeptTemplates]
compile_template = AnsibleEnvironment.compile


@pytest.fixture
def compilations(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that Jinja itself compiles in this process."""
    texts = list[str]()

    def counted(self: AnsibleEnvironment, source: Any, *arguments: Any, **settings: Any) -> Any:
        texts.append(str(source))
        return compile_template(self, source, *arguments, **settings)

    monkeypatch.setattr(AnsibleEnvironment, "compile", counted)
    return texts


@pytest.fixture
def a_run(tmp_path: Path, compilations: list[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Begin a run that knows nothing of those before but what they have kept."""
    counted = AnsibleEnvironment.compile

    def begin(name: str) -> KeptTemplates:
        (tmp_path / name).mkdir()
        monkeypatch.setattr(AnsibleEnvironment, "compile", counted)
        run = KeptTemplates(tmp_path, tmp_path / name)
        run.hand_over()
        return run

    return begin


def rendered(text: str, **variables: Any) -> Any:
    trusted = TrustedAsTemplate().tag(Origin(path="/x.yml", line_num=1).tag(text))
    return Templar(loader=DataLoader(), variables=variables).template(trusted)


def test_a_template_is_compiled_once_in_all_runs(tmp_path: Path, a_run: Run, compilations: list[str]) -> None:
    first = a_run("first")
    assert [rendered("{{ a }}-{{ b | upper }}", a=number, b="x") for number in range(3)] == ["0-X", "1-X", "2-X"]
    child = multiprocessing.get_context("fork").Process(target=rendered, args=("{{ a + 1 }}",), kwargs={"a": 1})
    child.start()
    child.join()
    first.take_over()
    assert compilations == ["{{ a }}-{{ b | upper }}"], "the child has compiled the other"

    second = a_run("second")
    assert (rendered("{{ a }}-{{ b | upper }}", a=1, b="y"), rendered("{{ a + 1 }}", a=4)) == ("1-Y", 5)
    second.take_over()

    assert compilations == ["{{ a }}-{{ b | upper }}"]
    assert not (tmp_path / "second" / IN_A_RUN).exists(), "nothing new, nothing written"


def test_errors_are_those_of_a_template_that_was_just_compiled(tmp_path: Path, a_run: Run, compilations: list[str]) -> None:
    def error() -> str:
        with pytest.raises(Exception, match="nothing") as raised:
            rendered("{{ nothing.there }}")
        return repr(raised.value)

    plain = error()
    a_run("first")
    compilations.clear()

    assert [error(), error()] == [plain, plain]
    assert len(compilations) == 1


def test_what_comes_out_of_a_vault_is_not_written(tmp_path: Path, a_run: Run, compilations: list[str]) -> None:
    run = a_run("first")
    secret = VaultedValue(ciphertext="x").tag(TrustedAsTemplate().tag("hunter2 {{ 1 + 1 }}"))
    assert Templar(loader=DataLoader()).template(secret) == "hunter2 2"
    rendered("{{ 2 }}")
    run.take_over()

    assert b"hunter2" not in (tmp_path / KEPT).read_bytes()
    assert b"{{ 2 }}" in (tmp_path / KEPT).read_bytes()
    assert (tmp_path / "first" / IN_A_RUN).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("damage", [b"", b"\xff", b"cut off"])
def test_a_damaged_file_is_as_if_nothing_was_kept(tmp_path: Path, a_run: Run, compilations: list[str], damage: bytes) -> None:
    (tmp_path / KEPT).write_bytes(damage)
    run = a_run("first")
    assert rendered("{{ 1 }}") == 1
    with (tmp_path / "first" / IN_A_RUN).open("ab") as new:
        new.write(damage)  # of a process that was killed while it wrote
    run.take_over()

    a_run("second")

    assert rendered("{{ 1 }}") == 1
    assert compilations == ["{{ 1 }}"]


def test_a_disk_that_takes_nothing_fails_no_task(tmp_path: Path, a_run: Run, compilations: list[str]) -> None:
    a_run("first")
    (tmp_path / "first").rmdir()

    assert [rendered("{{ 1 }}"), rendered("{{ 1 }}")] == [1, 1]
    assert compilations == ["{{ 1 }}"]


def test_more_than_anybody_uses_is_dropped(a_run: Run, compilations: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    run = a_run("first")
    rendered("{{ 1 }}")
    run.take_over()
    monkeypatch.setattr(kept_templates, "MAXIMAL_BYTES", 1)

    a_run("second")
    rendered("{{ 1 }}")

    assert compilations == ["{{ 1 }}", "{{ 1 }}"]

# SPDX-License-Identifier: GPL-3.0-or-later
from dataclasses import replace
from pathlib import Path

import pytest

from sandbox import images
from sandbox.images import RECIPES, Source, bootstrap_command, debian_sources, recipe_digest, source_lines
from sandbox.settings import Settings

DEB822 = """\
Types: deb
# an older snapshot: http://mirror.example/old
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
 bookworm-backports
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
"""


def test_deb822_sources() -> None:
    assert debian_sources([("debian.sources", DEB822)], "bookworm") == (
        Source("http://mirror.example/debian", ("", "updates")),
        Source("http://mirror.example/debian-security", ("security",)),
    )


def test_one_line_sources() -> None:
    text = """\
    # deb http://mirror.example/debian bookworm main
deb http://mirror.example/debian bookworm main non-free-firmware  # the base
deb-src http://mirror.example/debian bookworm main
deb [arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] https://mirror.example/debian-security bookworm-security main
"""
    assert debian_sources([("sources.list", text)], "bookworm") == (
        Source("http://mirror.example/debian", ("",)),
        Source("https://mirror.example/debian-security", ("security",)),
    )


@pytest.mark.parametrize(
    "line",
    [
        "deb https://vendor.example/apt bookworm main",
        "deb [signed-by=/usr/share/keyrings/vendor.gpg] https://vendor.example/debian bookworm main",
        "deb https://vendor.example/linux/debian bookworm stable",
        "deb https://vendor.example/debian bookworm-pgdg main",
        "deb https://vendor.example/debian stable main",
        "deb http://mirror.example/ubuntu noble main",
    ],
)
def test_archives_that_are_not_debians_are_left_out(line: str) -> None:
    assert debian_sources([("vendor.list", line + "\n")], "bookworm") == ()


@pytest.mark.parametrize("change", ["Enabled: no\n", "Signed-By: /etc/apt/keyrings/vendor.gpg\n"])
def test_disabled_and_foreign_stanzas_are_left_out(change: str) -> None:
    stanza = "Types: deb\nURIs: http://mirror.example/debian\nSuites: bookworm\nComponents: main\n"
    assert debian_sources([("debian.sources", stanza)], "bookworm")
    assert not debian_sources([("debian.sources", stanza + change)], "bookworm")


def test_the_suite_is_exchanged() -> None:
    sources = (Source("http://m/debian", ("", "updates")), Source("http://m/debian-security", ("security",)))
    assert source_lines(sources, "trixie") == (
        "deb http://m/debian trixie main",
        "deb http://m/debian trixie-updates main",
        "deb http://m/debian-security trixie-security main",
    )


def test_apt_settings_of_the_mirror_go_into_the_image() -> None:
    command = bootstrap_command(RECIPES["debian-13"], ["deb http://m/debian trixie main"], ['Acquire::Check-Valid-Until "false"'])
    assert '--aptopt=Acquire::Check-Valid-Until "false"' in command
    assert command[-3:] == ["trixie", "-", "deb http://m/debian trixie main"]


def test_instances_get_their_overlay_before_the_clean_up() -> None:
    hooks = [part for part in bootstrap_command(RECIPES["debian-13"], [], []) if part.startswith("--customize-hook")]
    assert [hook.rpartition("/")[2] for hook in hooks] == ["", "instance.sh", "cleanup.sh"]
    assert hooks[0].startswith("--customize-hook=sync-in ")


def test_the_digest_covers_the_recipe_its_files_and_the_mirror(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "instance").mkdir()
    for name in ("cleanup.sh", "instance.sh", "instance/unit"):
        (tmp_path / name).write_text(name)
    monkeypatch.setattr(images, "HERE", tmp_path)
    recipe = RECIPES["debian-13"]
    first = recipe_digest(recipe, ["a"], [])
    assert recipe_digest(recipe, ["a"], []) == first
    digests = {first, recipe_digest(recipe, ["b"], []), recipe_digest(recipe, ["a"], ["x"])}
    digests.add(recipe_digest(replace(recipe, packages=("curl",)), ["a"], []))
    (tmp_path / "instance/unit").write_text("changed")
    digests.add(recipe_digest(recipe, ["a"], []))
    assert len(digests) == 5


def test_an_unknown_image_is_refused_before_anything_is_built(tmp_path: Path) -> None:
    with pytest.raises(images.BuildError, match="no such image: debian-14; there are debian-13"):
        images.build(["debian-14"], Settings(tmp_path, 1, 2))

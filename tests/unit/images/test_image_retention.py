# SPDX-License-Identifier: GPL-3.0-or-later
from typing import Any

from ansible_collections.indivillage.infra.plugins.modules.image_retention import Version, choose, newest


def image(name: str, second: int, role: str = "web") -> dict[str, Any]:
    return {"ImageId": name, "CreationDate": f"2026-01-01T00:00:{second:02}.000Z", "Tags": [{"Key": "Role", "Value": role}]}


def test_the_last_of_each_role_stay() -> None:
    images = [image("a", 1), image("b", 3), image("c", 2), image("d", 0, "app")]
    assert newest(images, 2) == {"b", "c", "d"}
    assert newest(images, 0) == set()


def test_what_a_version_of_somebody_elses_template_names_stays() -> None:
    versions = [Version("theirs", "1", "a", False), Version("theirs", "2", "b", True)]
    unused, outdated = choose([image("a", 1), image("b", 2), image("c", 3)], versions, set(), {"ours"}, set())
    assert ([one["ImageId"] for one in unused], outdated) == (["c"], [])


def test_of_our_templates_the_latest_the_default_and_what_groups_use_count() -> None:
    versions = [Version("ours", str(number), name, number == 2) for number, name in enumerate("abcde", 1)]
    images = [image(name, number) for number, name in enumerate("abcde")]
    unused, outdated = choose(images, versions, {("ours", "3")}, {"ours"}, set())
    assert [one["ImageId"] for one in unused] == ["a", "d"]
    assert [one.number for one in outdated] == ["1", "4"]


def test_versions_are_ordered_as_numbers() -> None:
    versions = [Version("ours", number, name, False) for number, name in (("9", "a"), ("10", "b"))]
    unused, _ = choose([image("a", 1), image("b", 2)], versions, set(), {"ours"}, set())
    assert [one["ImageId"] for one in unused] == ["a"]


def test_a_version_with_an_image_that_stays_is_left_alone() -> None:
    versions = [Version("ours", "1", "a", False), Version("ours", "2", "b", True), Version("ours", "0", "of-amazon", False)]
    assert choose([image("a", 1), image("b", 2)], versions, set(), {"ours"}, {"a"}) == ([], [])

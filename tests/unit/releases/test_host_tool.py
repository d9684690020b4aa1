# SPDX-License-Identifier: GPL-3.0-or-later
"""The tool that brings a host to its environment's release, on folders of its own."""

from __future__ import annotations

import hashlib
import importlib.machinery
import importlib.util
import io
import json
import os
import shutil
import tarfile
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest

TOOL = Path(__file__).parents[3] / "roles/app_tier/files/indivillage-release"
LOADER = importlib.machinery.SourceFileLoader("indivillage_release", str(TOOL))
SPEC = importlib.util.spec_from_loader(LOADER.name, LOADER)
assert SPEC
tool = importlib.util.module_from_spec(SPEC)
LOADER.exec_module(tool)


def archive(**files: str) -> bytes:
    """A .tar.gz of files by name; `__` stands for a dot."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as content:
        for name, text in files.items():
            member = tarfile.TarInfo(name.replace("__", "."))
            member.size, member.mode, member.uid = len(text), 0o600, os.getuid()
            content.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


class MissingError(Exception):
    """As botocore's ParameterNotFound."""


class Cloud:
    """A parameter and a bucket."""

    class exceptions:  # noqa: N801 as clients of boto3 call it
        ParameterNotFound = MissingError

    def __init__(self) -> None:
        self.parameter: dict[str, Any] | None = None
        self.objects: dict[str, bytes] = {}
        self.asked: list[str] = []

    def __call__(self, _service: str) -> Cloud:
        return self

    def get_parameter(self, **_name: str) -> dict[str, Any]:
        if self.parameter is None:
            raise MissingError
        return {"Parameter": {"Value": json.dumps(self.parameter)}}

    def head_object(self, **at: str) -> dict[str, int]:
        return {"ContentLength": len(self.objects[at["Key"]])}

    def download_file(self, _bucket: str, key: str, to: str) -> None:
        self.asked.append(key)
        Path(to).write_bytes(self.objects[key])

    def keep(self, content: bytes) -> dict[str, str]:
        """Have a release in the bucket; its document."""
        sha256 = hashlib.sha256(content).hexdigest()
        self.objects[f"releases/{sha256}"] = content
        return {"release": sha256[:12], "sha256": sha256, "artifact": f"s3://bucket/releases/{sha256}"}


@pytest.fixture
def cloud() -> Cloud:
    return Cloud()


@pytest.fixture
def host(tmp_path: Path, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A host as the role leaves it: its own release is there, and nothing is current yet."""
    monkeypatch.setattr(os, "chown", lambda *_owner, **_options: None)  # only root may
    home = tmp_path / "opt"
    (home / "releases/own").mkdir(parents=True)
    settings = {"own": "own", "parameter": "/a/b/app/release", "region": "us-east-1", "endpoint_url": ""}
    return tool.Host(settings, cloud, home, tmp_path / "release.env", tmp_path / "cache")


def names(host: Any) -> set[str]:
    return {folder.name for folder in (host.home / "releases").iterdir()}


def test_without_a_parameter_the_own_release_runs(host: Any) -> None:
    assert host.bring(host.wanted()) == {"changed": True, "release": "own", "former": ""}
    assert (host.current, host.name.read_text()) == ("own", 'APP_RELEASE="own"\n')
    assert host.bring(host.wanted())["changed"] is False


def test_the_parameters_release_is_fetched_once_and_runs(host: Any, cloud: Cloud) -> None:
    host.bring({})
    cloud.parameter = cloud.keep(archive(wsgi__py="application = 1"))
    release = cloud.parameter["release"]
    assert host.bring(host.wanted()) == {"changed": True, "release": release, "former": "own"}
    assert (host.home / "current/wsgi.py").read_text() == "application = 1"
    assert (host.home / "current/wsgi.py").stat().st_mode & 0o777 == 0o644, "the application's user reads it, and nobody writes it"
    assert host.name.read_text() == f'APP_RELEASE="{release}"\n'
    assert host.bring(host.wanted())["changed"] is False
    assert len(cloud.asked) == 1
    assert list(host.cache.iterdir()) == []


def test_a_check_says_what_would_be_done_and_does_nothing(host: Any, cloud: Cloud) -> None:
    host.bring({})
    document = cloud.keep(archive(a="1"))
    assert host.bring(document, check=True) == {"changed": True, "release": document["release"], "former": "own"}
    assert (host.current, names(host), cloud.asked) == ("own", {"own"}, [])


def test_fetching_alone_changes_nothing_that_runs(host: Any, cloud: Cloud) -> None:
    host.bring({})
    document = cloud.keep(archive(a="1"))
    assert host.bring(document, fetch_only=True)["changed"] is True
    assert (host.current, names(host)) == ("own", {"own", document["release"]})
    assert host.bring(document, fetch_only=True)["changed"] is False


def test_another_content_than_the_checksums_is_refused_and_leaves_nothing(host: Any, cloud: Cloud) -> None:
    host.bring({})
    document = cloud.keep(archive(a="1"))
    cloud.objects[document["artifact"].removeprefix("s3://bucket/")] = archive(a="2")
    with pytest.raises(tool.ReleaseError, match="has the checksum sha256:"):
        host.bring(document)
    assert (host.current, names(host), list(host.cache.iterdir())) == ("own", {"own"}, [])


def test_a_full_disk_is_told_before_anything_is_fetched(host: Any, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage(100, 90, 10))
    with pytest.raises(tool.ReleaseError, match="has 10 bytes left"):
        host.bring(cloud.keep(archive(a="1")))
    assert cloud.asked == []


def test_what_a_killed_run_left_half_unpacked_is_unpacked_anew(host: Any, cloud: Cloud) -> None:
    document = cloud.keep(archive(a="1"))
    half = host.home / "releases" / f"{document['release']}.new"
    half.mkdir()
    (half / "rubbish").write_text("")
    host.bring(document)
    assert [path.name for path in (host.home / "current/").iterdir()] == ["a"]


def single(name: str, kind: bytes, link: str = "", mode: int = 0o600) -> bytes:
    """An archive of one member without content."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as content:
        member = tarfile.TarInfo(name)
        member.type, member.linkname, member.mode = kind, link, mode
        content.addfile(member)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("member", "told"),
    [
        (("../escaped", tarfile.REGTYPE), r"has \.\./escaped, which leads out"),
        (("/escaped", tarfile.REGTYPE), "has /escaped, which leads out"),
        (("link", tarfile.SYMTYPE, "/etc/passwd"), "has link, which leads out"),
        (("folder/link", tarfile.SYMTYPE, "../../.."), "has folder/link, which leads out"),
        (("link", tarfile.LNKTYPE, "../secret"), "has link, which leads out"),
        (("device", tarfile.CHRTYPE), "has device, which is no file, folder or link"),
        (("pipe", tarfile.FIFOTYPE), "has pipe, which is no file, folder or link"),
    ],
)
def test_an_archive_that_reaches_out_of_its_folder_is_refused(host: Any, cloud: Cloud, member: tuple[Any, ...], told: str) -> None:
    with pytest.raises(tool.ReleaseError, match=told):
        host.bring(cloud.keep(single(*member)))
    assert names(host) == {"own"}


def test_nobody_may_write_and_nothing_runs_as_root_that_is_unpacked(host: Any, cloud: Cloud) -> None:
    document = cloud.keep(single("tool", tarfile.REGTYPE, mode=0o6777))
    host.bring(document)
    assert (host.home / "current/tool").stat().st_mode & 0o7777 == 0o755


@pytest.mark.filterwarnings("ignore:Python 3.14:DeprecationWarning")  # this one has them
def test_a_python_without_filters_unpacks_too(host: Any, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """Debian 12's."""
    monkeypatch.setattr(tool, "TRUSTED", {})
    document = cloud.keep(archive(a="1"))
    host.bring(document)
    assert (host.home / "current/a").read_text() == "1"


def test_the_last_five_releases_and_the_own_one_stay(host: Any, cloud: Cloud) -> None:
    documents = [cloud.keep(archive(a=str(number))) for number in range(7)]
    for number, document in enumerate(documents):
        host.bring(document)
        os.utime(host.folder(document["release"]), (number, number))
    host.bring(documents[-1])
    assert names(host) == {"own", *(document["release"] for document in documents[2:])}

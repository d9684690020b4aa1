# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that reads secrets on hosts: it signs as botocore does, writes for one unit, and says what is missing."""

from __future__ import annotations

import datetime
import grp
import importlib.util
import json
import os
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

ROOT = Path(__file__).resolve().parents[3]
NOW = datetime.datetime(2026, 3, 4, 5, 6, 7, tzinfo=datetime.UTC)
KEYS = {"AccessKeyId": "AKIDEXAMPLE", "SecretAccessKey": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "Token": "token-of-the-role"}
GROUP = grp.getgrgid(os.getgid()).gr_name


@pytest.fixture
def program() -> ModuleType:
    spec = importlib.util.spec_from_file_location("host_secrets", ROOT / "roles/host_secrets/files/host_secrets.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("url", ["https://secretsmanager.us-west-2.amazonaws.com/", "http://10.10.0.1:4566/"])
def test_it_signs_as_botocore_does(program: ModuleType, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    body = b'{"SecretId": "/indivillage/sandbox/monitoring/users"}'
    ours = program.signed(url, body, "us-west-2", KEYS, NOW)

    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda remove_tzinfo=True: NOW.replace(tzinfo=None))
    headers = {"Content-Type": ours["content-type"], "X-Amz-Target": ours["x-amz-target"]}
    theirs = AWSRequest("POST", url, headers=headers, data=body)
    SigV4Auth(Credentials(KEYS["AccessKeyId"], KEYS["SecretAccessKey"], KEYS["Token"]), "secretsmanager", "us-west-2").add_auth(theirs)

    assert theirs.headers["X-Amz-Date"] == ours["x-amz-date"]
    assert theirs.headers["Authorization"] == ours["authorization"]


@pytest.fixture
def asked(program: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """The names of the secrets that were asked for; a configuration for two units."""
    names: list[str] = []

    def secret(name: str, _endpoint: str, _region: str, credentials: dict[str, str]) -> dict[str, Any]:
        assert credentials == KEYS
        names.append(name)
        return {"prometheus": "$2b$10$hash", "password": "secret"}

    def entry(path: str, name: str, field: str, *units: str, text: str = "%s") -> dict[str, Any]:
        return {"path": str(tmp_path / path), "secret_name": name, "field": field, "group": GROUP, "units": units, "text": text}

    files = [
        entry("run/web.yml", "/users", "prometheus", "exporter.service", "other.service", text='users: {prometheus: "%s"}\n'),
        entry("run/again.yml", "/users", "prometheus", "exporter.service"),
        entry("run/password", "/scrape", "password", "other.service"),
        entry("run/none", "/scrape", "nothing", "third.service"),
    ]
    (tmp_path / "host-secrets.json").write_text(json.dumps({"endpoint_url": "", "files": files}))
    said = {"placement/region": "us-east-1", "iam/security-credentials/": "web", "iam/security-credentials/web": json.dumps(KEYS)}
    monkeypatch.setattr(program, "CONFIGURATION", tmp_path / "host-secrets.json")
    monkeypatch.setattr(program, "metadata", said.__getitem__)
    monkeypatch.setattr(program, "secret", secret)
    monkeypatch.setattr(program.shutil, "chown", lambda path, user, group: None)
    return names


def test_it_writes_what_the_unit_needs_and_nothing_else(program: ModuleType, asked: list[str], tmp_path: Path) -> None:
    program.main("exporter.service")

    assert {path.name for path in (tmp_path / "run").iterdir()} == {"web.yml", "again.yml"}
    assert (tmp_path / "run/web.yml").read_text() == 'users: {prometheus: "$2b$10$hash"}\n'
    assert (tmp_path / "run/web.yml").stat().st_mode & 0o777 == 0o640
    assert asked == ["/users"], "a secret is read once"


def test_a_field_that_is_not_there_is_named(program: ModuleType, asked: list[str], tmp_path: Path) -> None:
    with pytest.raises(program.SecretError, match="/scrape of us-east-1 has no field nothing"):
        program.main("third.service")
    assert asked == ["/scrape"]
    assert not (tmp_path / "run").exists()

# SPDX-License-Identifier: GPL-3.0-or-later
import json
import os
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.indivillage.infra.plugins.modules import secret_scan

# In pieces, so that no scanner takes this file for a find.
KEY = "-----BEGIN OPENSSH PRIV" + "ATE KEY-----\n" + "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAAB\n"
AWS_KEY = "AKI" + "A" + "QWERTYUIOPASDFGH"


def scan(capsys: pytest.CaptureFixture[str], root: Path, **options: Any) -> dict[str, Any]:
    """Run the module; its result."""
    with patch_module_args({"root": str(root), **options}), pytest.raises(SystemExit):
        secret_scan.main()
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    return result


def rules(path: str, text: str) -> list[str]:
    return [found["rule"] for found in secret_scan.search(path, text.encode())]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (KEY, "private_key"),
        (f"key = {AWS_KEY}\n", "aws_key"),
        ("aws_secret_" + "access_key = " + "a1B2" * 10 + "\n", "aws_secret"),
        ("DATABASE_PASS" + "WORD=correct-horse\n", "password"),
        ('  api_token: "0123456789"\n', "password"),
        ("admin:$" + "y$j9T$salt$hash:19000:0:99999:7:::\n", "password_hash"),
        ("postgresql://web:" + "correct@db.internal/site\n", "password_in_url"),
    ],
)
def test_secrets_are_found(text: str, rule: str) -> None:
    assert rules("/etc/some.conf", f"# a line before\n{text}") == [rule]


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN PRIV" + "ATE KEY-----\n",  # what a program looks for
        "AKI" + "A" * 30,  # a piece of base64
        "password = $PASSWORD_OF_SITE\n",
        "password: {{ lookup('env', 'PASSWORD') }}\n",
        "password = <your password here>\n",
        'connect(password=credentials["password"], host=host)\n',
        "    password=credentials['password'],\n",
        "root:*:19000:0:99999:7:::\nadmin:!:19000::::::\n",
        "https://user@example.com/path:with@sign\n",
        "# password = too short\nminlen = 14\n",
    ],
)
def test_what_only_looks_so_is_not(text: str) -> None:
    assert rules("/etc/some.conf", text) == []


def test_passwords_are_not_looked_for_in_programs() -> None:
    assert rules("/usr/lib/python3/x.py", "PASSWORD = 'correct-horse'\n") == []
    assert rules("/usr/lib/python3/x.py", KEY) == ["private_key"]


def test_files_are_named_and_secrets_are_not(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/id").write_text(f"# mine\n{KEY}")
    (tmp_path / "known").write_text(KEY)
    (tmp_path / "link").symlink_to(tmp_path / "deep/id")
    os.mkfifo(tmp_path / "pipe")
    allowed = [{"path": f"{tmp_path}/kno*", "rule": "private_key", "reason": "a test"}]
    result = scan(capsys, tmp_path, allowed=allowed)
    assert result["findings"] == [{"path": str(tmp_path / "deep/id"), "line": 2, "rule": "private_key"}]
    assert [found["path"] for found in result["allowed"]] == [str(tmp_path / "known")]
    assert result["files"] == 2
    assert "b3Blbn" not in str(result)


def test_only_the_beginning_of_a_large_file_is_read(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "large").write_text(" " * 2**20 + KEY)
    assert scan(capsys, tmp_path, max_file_mib=1)["findings"] == []


def test_a_scan_that_takes_too_long_fails(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    assert "not all" in scan(capsys, tmp_path, timeout_seconds=-1)["msg"]

# SPDX-License-Identifier: GPL-3.0-or-later
import subprocess
from pathlib import Path

import pytest
from ansible_collections.indivillage.infra.plugins.modules import image_proof


@pytest.fixture
def host_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host key of a host in a folder."""
    path = tmp_path / "etc/ssh/ssh_host_ed25519_key"
    path.parent.mkdir(parents=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    monkeypatch.setattr(image_proof, "HOST_KEY", path.with_suffix(".pub"))
    monkeypatch.setattr(image_proof.login_keys, "__defaults__", (tmp_path,))
    return path.with_suffix(".pub")


def told(host_key: Path) -> str:
    """The fingerprint, as ssh-keygen tells it."""
    out = subprocess.run(["ssh-keygen", "-l", "-f", str(host_key)], capture_output=True, text=True, check=True).stdout
    return out.split()[1]


def test_the_fingerprint_is_that_of_ssh_keygen(host_key: Path) -> None:
    assert image_proof.fingerprint(host_key.read_text()) == told(host_key)


def test_a_host_key_of_the_builder_is_a_trace(host_key: Path) -> None:
    assert list(image_proof.traces(told(host_key), "ssh-ed25519 AAAA")) == [f"{host_key} is the builder's"]
    assert list(image_proof.traces("SHA256:another", "ssh-ed25519 AAAA")) == []


def test_a_login_key_that_is_not_the_instances_is_a_trace(host_key: Path, tmp_path: Path) -> None:
    known = tmp_path / "root/.ssh/authorized_keys"
    known.parent.mkdir(parents=True)
    known.write_text('# cloud-init\nno-port-forwarding,command="echo no" ssh-ed25519 AAAA me\n')
    other = tmp_path / "home/admin/.ssh/authorized_keys"
    other.parent.mkdir(parents=True)
    other.write_text("ssh-ed25519 AAAA me\nssh-ed25519 BBBB builder\n")
    assert list(image_proof.traces("", "ssh-ed25519 AAAA")) == [f"{other} has a key that is not the instance's own: builder"]


def test_a_page_that_does_not_answer_is_told() -> None:
    (sentence,) = image_proof.ill("https://127.0.0.1:1/health")
    assert sentence.startswith("https://127.0.0.1:1/health does not answer well")

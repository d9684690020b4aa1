# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A package of a mirror: fetched, and believed only when checksum, signature and key are the declared ones."""

from __future__ import annotations

import base64
import binascii
import re
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible.module_utils.urls import fetch_url
from ansible_collections.indivillage.infra.plugins.module_utils.host_packages import ENVIRONMENT, install, installed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ansible.module_utils.basic import AnsibleModule

MIRROR_OPTIONS: dict[str, dict[str, Any]] = {
    "url": {"type": "str"},
    "sha256": {"type": "str"},
    "key_url": {"type": "str", "no_log": False},
    "key_fingerprint": {"type": "str", "no_log": False},
}
# What each of them must look like; the fingerprint after its spaces were taken out.
URL = (r"https?://\S+", "a URL that begins with https:// or http://")
FORMS = {
    "url": URL,
    "sha256": (r"[0-9a-f]{64}", "64 hexadecimal digits, as sha256sum prints them"),
    "key_url": URL,
    "key_fingerprint": (r"[0-9A-F]{40}", "40 hexadecimal digits, as gpg --show-keys prints them"),
}
FOLDER = Path("/var/cache/indivillage-packages")  # one for all, so that what a killed run has left goes with the next
ARMOUR = b"-----BEGIN PGP PUBLIC KEY BLOCK-----"
CHUNK = 1 << 20


def check_mirror(module: AnsibleModule, given: Mapping[str, str | None], source: str) -> dict[str, str]:
    """Return the declaration of a mirror in one form, empty if there is none; end the module if it is incomplete or misshapen."""
    mirror = {key: value.strip() for key, value in given.items() if value}
    if not mirror:
        return {}
    mirror["sha256"] = mirror.get("sha256", "").lower()
    mirror["key_fingerprint"] = mirror.get("key_fingerprint", "").replace(" ", "").upper()
    for key, (pattern, form) in FORMS.items():
        if not re.fullmatch(pattern, mirror.get(key, "")):
            module.fail_json(msg=f"{source}.{key} must be {form}, but is '{given.get(key) or ''}'. Leave {source} empty to do without.")
    return mirror


@contextmanager
def fetched(module: AnsibleModule, mirror: Mapping[str, str], source: str) -> Iterator[Path]:
    """Give the package's file while the context lasts; end the module before that if it is not what was declared."""
    if not installed(module, ["gpgv"]):
        install(module, ["gpgv"])
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(mode=0o700, parents=True)
    package = FOLDER / "package.deb"
    try:
        _fetch(module, mirror["url"], package)
        _check_sum(module, package, mirror, source)
        _check_signature(module, package, mirror, source)
        _check_name(module, package, mirror, source)
        yield package
    finally:
        shutil.rmtree(FOLDER)


def _refuse(module: AnsibleModule, text: str, fix: str) -> None:
    module.fail_json(msg=f"{module.params['name']}: {text}. Nothing was installed. {fix}")


def _fetch(module: AnsibleModule, url: str, path: Path) -> None:
    response, info = fetch_url(module, url, timeout=module.params["timeout_seconds"])
    if info["status"] != 200:
        _refuse(module, f"{url} cannot be fetched ({info['status']}, {info['msg']})", "See that the mirror answers this host.")
    with path.open("wb") as file:
        shutil.copyfileobj(response, file, CHUNK)


def _check_sum(module: AnsibleModule, package: Path, mirror: Mapping[str, str], source: str) -> None:
    digest = module.sha256(str(package))
    if digest != mirror["sha256"]:
        text = f"{mirror['url']} has the checksum {digest}, and {source}.sha256 says {mirror['sha256']}"
        _refuse(module, text, "Find out which of them is right.")


def _check_signature(module: AnsibleModule, package: Path, mirror: Mapping[str, str], source: str) -> None:
    signature, key = package.with_name("signature"), package.with_name("key")
    _fetch(module, mirror["url"] + ".sig", signature)
    _fetch(module, mirror["key_url"], key)
    key.write_bytes(_without_armour(key.read_bytes()))
    command = ["gpgv", "--status-fd", "1", "--homedir", str(FOLDER), "--keyring", str(key), str(signature), str(package)]
    code, out, err = module.run_command(command, environ_update=ENVIRONMENT)
    words = [line.split() for line in out.splitlines() if line.startswith("[GNUPG:] ")]
    # The last word is the fingerprint of the primary key, also where one of its subkeys has signed.
    signer = next((status[-1] for status in words if status[1] == "VALIDSIG"), "")
    if code or not signer or not any(status[1] == "GOODSIG" for status in words):
        told = "; ".join(err.strip().splitlines()) or "nothing"
        text = f"{mirror['url']}.sig is no valid signature of {mirror['url']} by the key of {mirror['key_url']} (gpgv says: {told})"
        _refuse(module, text, "Do not use this mirror until that is explained.")
    if signer != mirror["key_fingerprint"]:
        text = f"{mirror['url']} is signed by the key {signer}, and {source}.key_fingerprint says {mirror['key_fingerprint']}"
        _refuse(module, text, "Find out from the package's maker which of them is right.")


def _without_armour(key: bytes) -> bytes:
    """Return a key as gpgv of every Debian release reads it."""
    if ARMOUR not in key:
        return key
    body = key.partition(ARMOUR)[2].partition(b"-----END")[0].replace(b"\r", b"")
    lines = body.partition(b"\n\n")[2].split()
    try:
        return base64.b64decode(b"".join(line for line in lines if not line.startswith(b"=")))
    except binascii.Error:
        return b""  # gpgv says that it is no key


def _check_name(module: AnsibleModule, package: Path, mirror: Mapping[str, str], source: str) -> None:
    command = ["dpkg-deb", "--showformat=${Package}", "--show", str(package)]
    code, out, err = module.run_command(command, environ_update=ENVIRONMENT)
    if code or out.strip() != module.params["name"]:
        text = f"{mirror['url']} is no package of this name but '{out.strip() or err.strip()}'"
        _refuse(module, text, f"Mend {source}.url.")

#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds a mirror: packages of stand-ins for the agents of AWS, which do of the real ones what their units must allow, and signatures."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from pathlib import Path

MIRROR = Path("/srv/mirror")
URL = "http://127.0.0.1:8000"

UNIT = """[Unit]
Description=Stand-in for an agent of AWS

[Service]
ExecStart={command}
Restart=on-failure

[Install]
WantedBy=multi-user.target
"""

# As the real one: translates its configuration as root, gives its folders to its user, becomes that user, and reads the journal.
CLOUDWATCH_AGENT = """#!/usr/bin/python3
import json, os, pwd, signal, socket, subprocess
from pathlib import Path
top = Path("/opt/aws/amazon-cloudwatch-agent")
user = pwd.getpwnam(json.loads((top / "etc/amazon-cloudwatch-agent.json").read_text())["agent"]["run_as_user"])
(top / "etc/amazon-cloudwatch-agent.toml").write_text("")
for path in [*(top / "etc").rglob("*"), top / "etc", top / "logs"]:
    os.chown(path, user.pw_uid, user.pw_gid)
os.initgroups(user.pw_name, user.pw_gid)
os.setgid(user.pw_gid)
os.setuid(user.pw_uid)
socket.create_connection(("127.0.0.1", 8000)).close()
record = subprocess.run(["journalctl", "--lines=1", "--output=json"], capture_output=True, text=True, check=True).stdout
(top / "logs/record.json").write_text(record)
signal.pause()
"""
CLOUDWATCH_AGENT_PREINST = """#!/bin/sh
set -e
id cwagent >/dev/null 2>&1 || useradd --system --user-group --no-create-home --shell /usr/sbin/nologin cwagent
"""

# As the real one does for sessions and patches: works as another user, gets rights by sudo, and writes where packages write.
SSM_AGENT = """#!/bin/sh
set -e
runuser -u admin -- sudo -n cp --preserve=mode /usr/bin/su /usr/local/bin/with-other-rights
chmod u+s /usr/local/bin/with-other-rights
exec sleep infinity
"""

AGENTS = {
    "amazon-cloudwatch-agent": (
        "opt/aws/amazon-cloudwatch-agent/bin/start-amazon-cloudwatch-agent",
        CLOUDWATCH_AGENT,
        CLOUDWATCH_AGENT_PREINST,
    ),
    "amazon-ssm-agent": ("usr/bin/amazon-ssm-agent", SSM_AGENT, "#!/bin/sh\n"),
}


def write(path: Path, text: str, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def build(name: str, build_folder: Path) -> None:
    command, program, preinst = AGENTS[name]
    write(build_folder / command, program, 0o755)
    write(build_folder / f"usr/lib/systemd/system/{name}.service", UNIT.format(command=f"/{command}"))
    write(build_folder / "DEBIAN/preinst", preinst, 0o755)
    control = f"Package: {name}\nVersion: 1.0\nArchitecture: all\nMaintainer: nobody <nobody@example.test>\nDescription: Stand-in\n"
    write(build_folder / "DEBIAN/control", control)
    if "cloudwatch" in name:
        (build_folder / "opt/aws/amazon-cloudwatch-agent/etc").mkdir()
        (build_folder / "opt/aws/amazon-cloudwatch-agent/logs").mkdir()
    subprocess.run(["dpkg-deb", "--root-owner-group", "--build", str(build_folder), str(MIRROR / f"{name}.deb")], check=True)


def gpg(*arguments: str) -> str:
    return subprocess.run(["gpg", "--batch", "--passphrase", "", *arguments], capture_output=True, text=True, check=True).stdout


def make_key(owner: str) -> str:
    """Make a key and put it on the mirror, armoured; return its fingerprint."""
    gpg("--quick-gen-key", f"{owner} <{owner}@example.test>", "ed25519", "sign", "never")
    (MIRROR / f"{owner}.gpg").write_text(gpg("--armor", "--export", f"{owner}@example.test"))
    listing = gpg("--with-colons", "--fingerprint", f"{owner}@example.test").splitlines()
    return next(line.split(":")[9] for line in listing if line.startswith("fpr:"))


def main() -> None:
    os.environ["GNUPGHOME"] = str(home := Path("/srv/gnupg"))
    home.mkdir(mode=0o700)
    MIRROR.mkdir()
    fingerprints = {owner: make_key(owner) for owner in ("maker", "stranger")}
    told = {}
    for name in AGENTS:
        build(name, Path("/srv/build") / name)
        package = MIRROR / f"{name}.deb"
        gpg("--local-user", "maker@example.test", "--detach-sign", str(package))
        digest = hashlib.sha256(package.read_bytes()).hexdigest()
        told[name] = {
            "url": f"{URL}/{name}.deb",
            "sha256": digest,
            "key_url": f"{URL}/maker.gpg",
            "key_fingerprint": fingerprints["maker"],
        }
        # The same package, signed by somebody else.
        (MIRROR / f"strange-{name}.deb").write_bytes(package.read_bytes())
        gpg("--local-user", "stranger@example.test", "--detach-sign", str(MIRROR / f"strange-{name}.deb"))
    write(MIRROR / "declarations.json", json.dumps(told))


if __name__ == "__main__":
    main()

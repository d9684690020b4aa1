# SPDX-License-Identifier: GPL-3.0-or-later
"""The real programs of both tiers on loopback, as the roles configure them."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jinja2
import yaml

from scripts.pages.inventory import ROOT
from tests.support.servers import free_port
from tests.support.unpacked import unpacked

NAME = "internal.example.test"


def tiers() -> Path:
    """What hosts of both tiers run."""
    defaults = yaml.safe_load((ROOT / "roles/app_tier/defaults/main.yml").read_text())
    return unpacked("tiers", ("gunicorn", "nginx", *defaults["app_tier_packages"]))


def rendered(role: str, template: str, **options: Any) -> str:
    """A role's template with the role's defaults and these options."""
    loader = jinja2.FileSystemLoader(ROOT / "roles" / role / "templates")
    environment = jinja2.Environment(loader=loader, trim_blocks=True)  # noqa: S701 - settings of programs, which know no HTML
    environment.filters |= {
        "to_json": lambda some: json.dumps(list(some)),
        "regex_replace": lambda text, this, that: re.sub(this, that, str(text)),
    }
    defaults = yaml.safe_load((ROOT / "roles" / role / "defaults/main.yml").read_text())
    return environment.get_template(template).render(defaults | options)


def certificate(folder: Path) -> None:
    """A certificate for NAME and its key."""
    command = ["openssl", "req", "-x509", "-noenc", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-subj", f"/CN={NAME}"]
    files = ["-addext", f"subjectAltName=DNS:{NAME}", "-keyout", f"{folder}/key.pem", "-out", f"{folder}/certificate.pem"]
    subprocess.run([*command, *files], check=True, capture_output=True)


@contextmanager
def running(command: list[str], log: Path, port: int, environment: dict[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A program that listens on this port."""
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment)
    try:
        deadline = time.monotonic() + 60
        while True:
            assert process.poll() is None, log.read_text()
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield process
    finally:
        process.terminate()
        process.wait(timeout=30)


def run_from(root: Path, program: str) -> list[str]:
    """The command that runs an unpacked program with the libraries beside it."""
    loader = next((root / "usr/lib").glob("*-linux-gnu/ld-linux-*.so.*"))
    return [str(loader), "--library-path", str(loader.parent), f"{root}/{program}"]


def nginx(folder: Path, root: Path, port: int, app_port: int, how: str = "master_process off;", **options: Any) -> list[str]:
    """The command that runs nginx with the role's configuration and these options of the role, whose places are in the folder."""
    text = rendered(
        "web_tier",
        "nginx.conf.j2",
        **{"web_tier_port": port, "web_tier_status_port": free_port(), "web_tier_trusted_proxies": ["127.0.0.1/32"]},
        **{"web_tier_upstream_host": "127.0.0.1", "web_tier_upstream_port": app_port, "web_tier_upstream_tls_name": NAME},
        **options,
    )
    places = {
        "/dev/log": f"{folder}/journal",
        "/run/instance-certificate/www-data": str(folder),
        "/run/nginx": str(folder),
        "/var/cache/nginx": str(folder),
        "/etc/ssl/certs/ca-certificates.crt": f"{folder}/certificate.pem",
        "/etc/nginx/mime.types": f"{root}/etc/nginx/mime.types",
        "/etc/nginx/security-headers.conf": f"{folder}/security-headers.conf",
    }
    for place, here in places.items():
        assert place in text, place
        text = text.replace(place, here)
    (folder / "nginx.conf").write_text(text)
    (folder / "security-headers.conf").touch()
    (folder / "resolver.conf").write_text("resolver 127.0.0.1;\n")
    return [
        *run_from(root, "usr/sbin/nginx"),
        "-e",
        f"{folder}/early.log",
        "-c",
        f"{folder}/nginx.conf",
        "-g",
        f"daemon off; {how}",
    ]

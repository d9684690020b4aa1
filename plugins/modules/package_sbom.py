#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: package_sbom
version_added: 0.3.0
short_description: List a host's Debian packages as a bill of materials
description:
  - Returns the installed packages in CycloneDX's form, which scanners of vulnerabilities read. Changes nothing.
  - The same packages give the same text.
options:
  name:
    description: What the bill is of.
    type: str
    required: true
attributes:
  check_mode:
    description: Changes nothing, ever.
    support: full
  diff_mode:
    description: Has no differences to show.
    support: none
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: List the packages
  indivillage.infra.package_sbom:
    name: indivillage-production-web-1f2e3d4c5b6a
  register: packages
"""

RETURN = r"""
sbom:
  description: The bill of materials, CycloneDX 1.6 as JSON text.
  returned: always
  type: str
  sample: '{"bomFormat": "CycloneDX", "specVersion": "1.6"}'
packages:
  description: Number of packages.
  returned: always
  type: int
  sample: 412
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from ansible.module_utils.basic import AnsibleModule

FIELDS = ("db:Status-Abbrev", "Package", "Version", "Architecture", "source:Package", "source:Version")


def component(package: Mapping[str, str], release: Mapping[str, str]) -> dict[str, Any]:
    """One package as CycloneDX has it; its address follows the purl specification for Debian packages."""
    distribution, version = release["ID"], release.get("VERSION_ID", "")
    qualifiers = {"arch": package["Architecture"], "distro": f"{distribution}-{version}" if version else distribution}
    named = f"{quote(package['Package'], safe='')}@{quote(package['Version'], safe='')}"
    purl = f"pkg:deb/{quote(distribution)}/{named}?{urlencode(qualifiers)}"
    return {
        "type": "library",
        "bom-ref": purl,
        "name": package["Package"],
        "version": package["Version"],
        "purl": purl,
        "properties": [
            {"name": "indivillage:deb:source", "value": package["source:Package"]},
            {"name": "indivillage:deb:source-version", "value": package["source:Version"]},
        ],
    }


def bill(name: str, packages: Iterable[Mapping[str, str]], release: Mapping[str, str]) -> dict[str, Any]:
    """The bill of materials of a host of this release."""
    components = sorted((component(package, release) for package in packages), key=lambda one: str(one["bom-ref"]))
    system = {"type": "operating-system", "name": release["ID"], "version": release.get("VERSION_ID", "")}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "platform", "bom-ref": name, "name": name, "components": [system]}},
        "components": components,
    }


def os_release(text: str) -> dict[str, str]:
    """The values of an os-release file."""
    return {key: value.strip("\"'") for key, _, value in (line.partition("=") for line in text.splitlines()) if value}


def main() -> None:
    module = AnsibleModule(argument_spec={"name": {"type": "str", "required": True}}, supports_check_mode=True)
    layout = "\t".join(f"${{{field}}}" for field in FIELDS) + "\n"
    _, out, _ = module.run_command(["dpkg-query", "--show", f"--showformat={layout}"], check_rc=True)
    lines = (dict(zip(FIELDS, line.split("\t"), strict=True)) for line in out.splitlines())
    packages = [package for package in lines if package["db:Status-Abbrev"].startswith("ii")]
    release = os_release(Path("/etc/os-release").read_text(encoding="utf-8"))
    text = json.dumps(bill(module.params["name"], packages, release), indent=1, sort_keys=True)
    module.exit_json(changed=False, sbom=text, packages=len(packages))


if __name__ == "__main__":
    main()

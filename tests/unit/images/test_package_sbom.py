# SPDX-License-Identifier: GPL-3.0-or-later
from ansible_collections.indivillage.infra.plugins.modules.package_sbom import bill, os_release

RELEASE = os_release('ID=debian\nVERSION_ID="13"\nNAME="Debian GNU/Linux"\n')


def package(name: str, version: str, architecture: str = "amd64") -> dict[str, str]:
    return {"Package": name, "Version": version, "Architecture": architecture, "source:Package": name, "source:Version": version}


def test_a_package_has_the_address_that_scanners_know() -> None:
    (component,) = bill("image", [package("libstdc++6", "1:14.2.0-19+b1")], RELEASE)["components"]
    assert component["purl"] == "pkg:deb/debian/libstdc%2B%2B6@1%3A14.2.0-19%2Bb1?arch=amd64&distro=debian-13"
    assert component["bom-ref"] == component["purl"]


def test_the_same_packages_give_the_same_bill() -> None:
    one, two = package("a", "1"), package("b", "2", "all")
    assert bill("image", [one, two], RELEASE) == bill("image", [two, one], RELEASE)


def test_it_is_cyclonedx() -> None:
    made = bill("image", [package("a", "1")], RELEASE)
    assert (made["bomFormat"], made["specVersion"], made["version"]) == ("CycloneDX", "1.6", 1)
    assert made["metadata"]["component"]["components"] == [{"type": "operating-system", "name": "debian", "version": "13"}]
    assert {component["type"] for component in made["components"]} == {"library"}

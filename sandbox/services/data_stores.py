# SPDX-License-Identifier: GPL-3.0-or-later
"""What databases and caches have in common: a container with a lasting address, a certificate, and data that outlive every change."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sandbox import settings
from sandbox.model import ContainerSpec, Kind, World
from sandbox.services.addresses import assign

FOLDER = "/etc/indivillage"
START_SCRIPT = f"{FOLDER}/start.sh"


@dataclass(frozen=True, kw_only=True)
class DataStore:
    """A resource with a real server behind it; `endpoints` are its DNS names, certificate and key are PEM for them. `identity` tells one
    from another that was made later under the same id, where that matters."""

    id: str
    region: str
    status: str
    created: str
    endpoints: tuple[str, ...]
    port: int
    vpc_id: str
    subnet_ids: tuple[str, ...]
    security_group_ids: tuple[str, ...]
    parameters: Mapping[str, str]
    identity: str = ""
    certificate: str = field(repr=False)
    private_key: str = field(repr=False)

    @property
    def container(self) -> str:
        """Name of its container: stores of two regions may have the same id."""
        return settings.container_name(f"{self.id}-{self.region}")


def containers[Store: DataStore](
    world: World, stores: Iterable[Store], kind: Kind, *, server: str, slots: range, configuration: Callable[[Store], Mapping[str, str]]
) -> list[ContainerSpec]:
    """One container per store whose subnet exists, from the image and the start script that are named after its server.

    `configuration` gives a store's files by their names in FOLDER.
    """
    ordered = sorted(stores, key=lambda store: (store.created, store.id))
    addresses = assign([(store.container, subnet) for store in ordered if (subnet := world.subnet(store.subnet_ids[0]))], slots)
    script = (Path(__file__).parent / "containers" / f"{server}.sh").read_text()
    specs = []
    for store in ordered:
        if store.container not in addresses:
            continue
        files = {f"{FOLDER}/{name}": text for name, text in configuration(store).items()}
        files |= {f"{FOLDER}/server.crt": store.certificate, f"{FOLDER}/server.key": store.private_key, START_SCRIPT: script}
        spec = ContainerSpec(
            name=store.container,
            kind=kind,
            image=f"{settings.IMAGE_REPOSITORY}/{server}:latest",
            vpc_id=store.vpc_id,
            address=addresses[store.container],
            hostname=store.id[:63],
            aliases=store.endpoints,
            security_group_ids=store.security_group_ids,
            files=files,
            environment={"IDENTITY": store.identity} if store.identity else {},
            command=("bash", START_SCRIPT),
        )
        # Only the address, the names and the identity belong to the digest: a container made anew would have lost its data.
        specs.append(spec.sealed(volatile_files=tuple(files)))
    return specs

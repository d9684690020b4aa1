# SPDX-License-Identifier: GPL-3.0-or-later
"""The code that the worker's server has loaded before the first task, and how a payload is compared with it."""

from __future__ import annotations

import base64
import gc
import importlib
import importlib.machinery
import io
import marshal
import os
import pickle
import pkgutil
import re
import sys
import time
import types
import zipfile
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import worker_botocore
from .planning import operations
from .worker_protocol import ColdError, Received
from .worker_results import is_steady

PACKED = re.compile(rb"'([A-Za-z0-9+/=]*)',\n\)\s*")  # what follows in a payload on the name of the packed files
EMPTY = base64.b64encode(b"PK\5\6" + bytes(18)).decode()  # an archive without files
# The module itself, and what those of this collection share; what other collections share does not tell the time.
OWN_CODE = re.compile(r"ansible_collections/(\w+/\w+/plugins/modules|indivillage/infra/plugins)/.")
RESPAWN = "ansible/module_utils/common/respawn.py"
COMPILED: dict[tuple[str, str], types.CodeType | None] = {}
"""The code of modules, by their names and files."""
# Written by AnsiballZ itself in place of the files on disk; `load_packages` has made the same.
PAYLOAD_PACKAGES = {"ansible/__init__.py", "ansible/module_utils/__init__.py"}


@dataclass(frozen=True)
class Packed:
    """The packed files of tasks with the same code, which have been compared with what is loaded."""

    text: str  # as the wrapper takes them
    is_steady: bool  # whether the code comes to the same each time
    compiled: list[tuple[str, str]]  # the modules that were compiled with it, and their files


@dataclass(frozen=True)
class Library:
    """The code loaded before the first task."""

    roots: Mapping[str, Path]  # package name, such as ansible or ansible_collections.amazon.aws -> its directory
    checksums: Mapping[str, int]  # file name in a payload -> CRC of the source that is loaded
    packed: dict[str, Packed] = field(default_factory=dict)  # digest -> packed files that have been compared

    @property
    def paths(self) -> tuple[str, ...]:
        """Where code lies."""
        return (*map(str, self.roots.values()), sys.prefix, sys.base_prefix, "/proc/self/", os.devnull, "<")  # the last are no files

    def checksum(self, name: str) -> int | None:
        """The CRC of what an import of this payload file gives here; None when that is unknown."""
        if name in self.checksums:
            return self.checksums[name]
        if _module_name(name) in sys.modules:
            return None  # loaded, from a file that has changed meanwhile
        source = _source(self.roots, name)
        return zlib.crc32(source.read_bytes()) if source else None

    def source(self, module: str) -> Path | None:
        """The file of a module on this machine."""
        return _source(self.roots, module.replace(".", "/") + ".py")

    def text_of(self, received: Received) -> str:
        """The packed files of a task, as its wrapper takes them; raises ColdError unless they are what would be imported here.

        None of them is read after that, since all come from here, unless the module starts itself again with another interpreter. So
        they are left out, which the wrapper would unpack, add to and write to a temporary folder.

        Compared once. What is not loaded yet is compiled with it, so that later tasks run what was compared, whatever becomes of the
        files, and need not compile it again.
        """
        if received.digest not in self.packed:
            # An evaluation would take longer than all the rest of the preparation.
            packed = PACKED.fullmatch(received.packed())
            if not packed:
                raise ColdError("a wrapper with other arguments")
            archive = zipfile.ZipFile(io.BytesIO(base64.b64decode(packed[1])))
            self.require_same(archive)
            compiled: list[tuple[str, str]] = []
            for name in archive.namelist():
                module, source = _module_name(name), _source(self.roots, name)
                if source and module not in sys.modules:
                    importlib.machinery.SourceFileLoader(module, str(source)).get_code(module)
                    compiled.append((module, str(source)))
            steady = is_steady(archive.read(name).decode() for name in archive.namelist() if OWN_CODE.match(name))
            text = packed[1].decode("ascii") if RESPAWN in archive.namelist() else EMPTY
            self.packed[received.digest] = Packed(text, steady, compiled)
            gc.freeze()  # children do not touch the memory of this either
        return self.packed[received.digest].text

    def lesson(self, digest: str) -> bytes:
        """What was learnt of packed files, for a process that is a fork of this one from before."""
        packed = self.packed[digest]
        codes = {place: marshal.dumps(COMPILED[place]) for place in packed.compiled if COMPILED.get(place)}
        return pickle.dumps((digest, packed, codes))

    def learn(self, lesson: bytes) -> None:
        """Know what `lesson` tells."""
        digest, self.packed[digest], codes = pickle.loads(lesson)  # noqa: S301  # of the server
        COMPILED.update({place: marshal.loads(code) for place, code in codes.items()})  # noqa: S302  # of the server

    def require_same(self, archive: zipfile.ZipFile) -> None:
        """Raise ColdError unless every file of the payload is the one that would be imported here."""
        for entry in archive.infolist():
            is_package_marker = entry.file_size == 0 or entry.filename in PAYLOAD_PACKAGES
            if not is_package_marker and self.checksum(entry.filename) != entry.CRC:
                raise ColdError(f"{entry.filename} is not what the worker has loaded")


def _source(roots: Mapping[str, Path], name: str) -> Path | None:
    """The file on this machine that a payload's file was made from, if there is one."""
    for package, directory in roots.items():
        prefix = package.replace(".", "/") + "/"
        if name.startswith(prefix):
            source = directory / name.removeprefix(prefix)
            return source if source.is_file() else None
    return None


def _module_name(name: str) -> str:
    return name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def load_library(roots: Mapping[str, Path]) -> Library:
    """Import module_utils of ansible and of the collections, boto3, and the models of the services in use."""
    started = time.time()
    load_packages(roots)
    importlib.import_module("ansible.module_utils._internal._ansiballz._loader")
    profiles = importlib.import_module("ansible.module_utils._internal._json._profiles")
    load_all(profiles.__name__, Path(profiles.__path__[0]))  # what modules' arguments and results are written in
    for package, directory in roots.items():
        if package != "ansible":
            load_all(f"{package}.plugins.module_utils", directory / "plugins/module_utils")
            with suppress(ImportError):
                importlib.import_module(f"{package}.plugins.modules")  # no code, but all modules lie below it
    worker_botocore.share()
    _keep_code()
    checksums = {}
    for module in [name for name in sys.modules if name.startswith(("ansible.", "ansible_collections."))]:
        for name in (module.replace(".", "/") + ".py", module.replace(".", "/") + "/__init__.py"):
            source = _source(roots, name)
            # A file written since the start may differ from what was imported: it is left out, which makes its users cold.
            if source and source.stat().st_mtime < started:
                checksums[name] = zlib.crc32(source.read_bytes())
    load_services()
    return Library(roots, checksums)


def load_services() -> None:
    """Build a client of each service in use, which reads and parses what all later ones share; each process of a task would."""
    boto3 = importlib.import_module("boto3")
    # Nothing is sent. Without keys botocore would look for some, at last in the metadata service; the region is any that has all services.
    session = boto3.session.Session(aws_access_key_id="none", aws_secret_access_key="none", region_name="us-east-1")  # noqa: S106  # no secret
    loader = session._session.get_component("data_loader")
    for service in operations.SERVICES:
        with suppress(Exception):  # botocore may be older than it
            session.client(service)
        for kind in ("paginators-1", "waiters-2"):
            with suppress(Exception):  # few services have both
                loader.load_service_model(service, kind)


def _keep_code() -> None:
    """Have each file compiled once."""
    loader: Any = importlib.machinery.SourceFileLoader
    read = loader.get_code

    def get_code(self: Any, module: str) -> types.CodeType | None:
        place = module, self.path
        if place not in COMPILED:
            COMPILED[place] = read(self, module)
        return COMPILED[place]

    loader.get_code = get_code


def load_packages(roots: Mapping[str, Path]) -> None:
    """Make the packages above module_utils and modules as a payload holds them: without the control node's own code."""
    for package, directory in roots.items():
        parts = package.split(".")
        for depth in range(1, len(parts) + 1):
            name = ".".join(parts[:depth])
            if name in sys.modules:
                continue
            module = types.ModuleType(name)
            if depth == len(parts):
                module.__file__ = str(directory / "__init__.py")
                module.__path__ = [str(directory)]
            else:
                module.__path__ = []
            module.__spec__ = importlib.machinery.ModuleSpec(name, None, is_package=True)
            module.__spec__.submodule_search_locations = module.__path__
            sys.modules[name] = module
            if depth > 1:
                setattr(sys.modules[name.rpartition(".")[0]], parts[depth - 1], module)
    release = importlib.import_module("ansible.module_utils.ansible_release")
    ansible = sys.modules["ansible"]
    ansible.__dict__.update(__version__=release.__version__, __author__=release.__author__)


def load_all(package: str, directory: Path) -> None:
    """Import every module of a package.

    What cannot be imported here, or warns when it is imported, is left to the tasks that need it: they shall report that themselves.
    """
    messages = importlib.import_module("ansible.module_utils.common.warnings")
    if not directory.is_dir():
        return
    for module in pkgutil.walk_packages([str(directory)], f"{package}.", onerror=lambda _name: None):
        loaded = set(sys.modules)
        with suppress(Exception):
            importlib.import_module(module.name)
        if messages.get_warnings() or messages.get_deprecations():
            messages._global_warnings.clear()
            messages._global_deprecations.clear()
            for name in set(sys.modules) - loaded:
                del sys.modules[name]

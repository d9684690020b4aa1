# SPDX-License-Identifier: GPL-3.0-or-later
"""Container images of the sandbox, bootstrapped by mmdebstrap from the apt sources of this very machine: no image registry is needed.

The machine's sources are read, those that are not Debian's are left out, and the suite is exchanged for the image's. An image carries
the digest of its recipe as a label and is built only when that label is missing.

`python -m sandbox.images [NAME ...]` needs nothing but Python's standard library, so that it can run while a virtual environment is made.
"""

from __future__ import annotations

import hashlib
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from sandbox import host
from sandbox.settings import DIGEST_LABEL, IMAGE_REPOSITORY, Settings, load

HERE = Path(__file__).resolve().parent / "images"
PARALLEL_BUILDS = 2
UNSTABLE = "sid"
# The mirror's own peculiarities (a dated one fails the date checks); everything else on the machine is its own business.
APT_SETTINGS = ("Acquire::Check-Valid-Until", "Acquire::Check-Date", "Acquire::http::Proxy", "Acquire::https::Proxy")
# Documentation and translations are half of a small image; fsync protects a file system that is thrown away.
DPKG_OPTIONS = (
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/locale/*/LC_MESSAGES/*",
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
    "force-unsafe-io",
)
INSTANCE_PACKAGES = (
    "ca-certificates",
    "curl",
    "dbus",
    "iproute2",
    "libpam-systemd",
    "openssh-server",
    "openssh-sftp-server",
    "procps",
    "python3",
    "python3-apt",
    "sudo",
    "systemd",
    "systemd-sysv",
)


# The just-in-time compiler is two thirds of the server's size; PostgreSQL works without it when its files are missing.
POSTGRESQL_JIT = ("/usr/lib/*/libLLVM*", "/usr/lib/*/libz3*", "/usr/lib/postgresql/*/lib/llvmjit*", "/usr/lib/postgresql/*/lib/bitcode/*")


class BuildError(Exception):
    """An image could not be built; the text says which and why."""


@dataclass(frozen=True)
class Recipe:
    """One image: a Debian suite, packages without the `excluded` paths, and for instances an overlay: files and a setup script."""

    tag: str
    suite: str
    packages: tuple[str, ...]
    variant: str = "essential"
    overlay: str = ""
    excluded: tuple[str, ...] = ()
    command: tuple[str, ...] = ()

    @property
    def image(self) -> str:
        """Full name of the image."""
        return f"{IMAGE_REPOSITORY}/{self.tag}"


RECIPES = {
    "debian-13": Recipe("debian:13", "trixie", INSTANCE_PACKAGES, variant="minbase", overlay="instance", command=("/sbin/init",)),
    "debian-12": Recipe("debian:12", "bookworm", INSTANCE_PACKAGES, variant="minbase", overlay="instance", command=("/sbin/init",)),
    "haproxy": Recipe("haproxy:latest", "trixie", ("haproxy", "ca-certificates")),
    "postgresql": Recipe("postgresql:latest", "trixie", ("postgresql-17",), excluded=POSTGRESQL_JIT),
    "redis": Recipe("redis:latest", "bookworm", ("redis-server", "redis-tools")),
}
SITE_IMAGES = ("debian-13", "haproxy", "postgresql", "redis")
"""Images that a running sandbox needs; debian-12 is for role tests only."""


# --- apt sources: pure text work ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Source:
    """One Debian archive: its URI and its suites without the code name ('' is the release itself, else updates, security ...)."""

    uri: str
    pockets: tuple[str, ...]
    components: tuple[str, ...] = field(default=("main",))


def debian_sources(texts: Iterable[tuple[str, str]], codename: str) -> tuple[Source, ...]:
    """The Debian archives among (file name, content) pairs of apt source files, in both of apt's formats.

    `codename` is the release that this machine runs. Third-party archives are told apart by their suites, components and keys.
    """
    found: dict[Source, None] = {}
    for name, text in texts:
        for entry in _deb822_entries(text) if name.endswith(".sources") else _line_entries(text):
            pockets = tuple(pocket for suite in entry["suites"].split() if (pocket := _pocket(suite, codename)) is not None)
            components = tuple(entry["components"].split())
            if pockets and "main" in components and _is_debians(entry):
                for uri in entry["uris"].split():
                    found[Source(uri, pockets, ("main",))] = None
    return tuple(found)


def _pocket(suite: str, codename: str) -> str | None:
    if suite == codename:
        return ""
    prefix, _, pocket = suite.rstrip("/").partition("-")
    return pocket if prefix == codename and pocket in {"updates", "security"} else None


def _is_debians(entry: dict[str, str]) -> bool:
    if entry.get("signed-by"):
        return "debian-archive" in entry["signed-by"]
    return all("debian" in uri for uri in entry["uris"].split())


def _deb822_entries(text: str) -> Iterable[dict[str, str]]:
    for stanza in re.split(r"\n\s*\n", re.sub(r"^#.*\n?", "", text, flags=re.MULTILINE)):
        unfolded = re.sub(r"\n[ \t]+", " ", stanza)
        pairs = (line.split(":", 1) for line in unfolded.splitlines() if ":" in line)
        entry = {key.strip().lower(): value.strip() for key, value in pairs}
        enabled = entry.get("enabled", "yes").lower() not in {"no", "false", "0"}
        if enabled and "deb" in entry.get("types", "").split() and {"uris", "suites", "components"} <= entry.keys():
            yield entry


def _line_entries(text: str) -> Iterable[dict[str, str]]:
    pattern = re.compile(r"^deb\s+(?:\[(?P<options>[^]]*)\]\s*)?(?P<uris>\S+)\s+(?P<suites>\S+)\s+(?P<components>[^#\n]+)", re.MULTILINE)
    for match in pattern.finditer(text):
        entry = match.groupdict(default="")
        signed_by = re.search(r"signed-by=(\S+)", entry.pop("options"))
        yield entry | {"signed-by": signed_by.group(1) if signed_by else ""}


def source_lines(sources: Iterable[Source], suite: str) -> tuple[str, ...]:
    """One-line apt sources of the same archives for another suite."""
    return tuple(
        f"deb {source.uri} {suite}{'-' if pocket else ''}{pocket} {' '.join(source.components)}"
        for source in sources
        for pocket in source.pockets
        if not (suite == UNSTABLE and pocket)  # it has neither updates nor security
    )


# --- This machine ------------------------------------------------------------------------------------------------------------------


def machine_sources(suite: str) -> tuple[str, ...]:
    """Source lines for a suite; none on a machine that is not Debian, where mmdebstrap knows Debian's own archive."""
    release = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    apt = Path("/etc/apt")
    files = [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*.list")), *sorted((apt / "sources.list.d").glob("*.sources"))]
    texts = [(path.name, path.read_text()) for path in files if path.exists()]
    return source_lines(debian_sources(texts, release.get("VERSION_CODENAME", "").strip('"')), suite)


def machine_apt_options() -> tuple[str, ...]:
    dump = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=True).stdout
    return tuple(line.rstrip(";") for line in dump.splitlines() if line.split(" ", 1)[0] in APT_SETTINGS)


def recipe_digest(recipe: Recipe, sources: Sequence[str], apt_options: Sequence[str]) -> str:
    """Short digest of everything that goes into an image, short of the packages' versions."""
    digest = hashlib.sha256(repr((recipe, sources, apt_options, DPKG_OPTIONS)).encode())
    inputs = [HERE / "cleanup.sh"]
    if recipe.overlay:
        inputs += [HERE / f"{recipe.overlay}.sh", *sorted(path for path in (HERE / recipe.overlay).rglob("*") if path.is_file())]
    for path in inputs:
        digest.update(f"{path.relative_to(HERE)} {path.stat().st_mode & 0o111}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def bootstrap_command(recipe: Recipe, sources: Sequence[str], apt_options: Sequence[str], target: str = "-") -> list[str]:
    """The mmdebstrap command that makes the image's root file system: a folder, or a tar archive on its standard output."""
    command = ["mmdebstrap", f"--variant={recipe.variant}", "--include=" + ",".join(recipe.packages)]
    command += [f"--aptopt={option}" for option in ('APT::Install-Recommends "false"', 'Acquire::Languages "none"', *apt_options)]
    # As a file from a hook and not as --dpkgopt, with which mmdebstrap filters every archive of its own through Python.
    dpkg_options = "\n".join((*DPKG_OPTIONS, *(f"path-exclude={path}" for path in recipe.excluded)))
    command.append(f'--extract-hook=echo {shlex.quote(dpkg_options)} > "$1/etc/dpkg/dpkg.cfg.d/sandbox"')
    scripts = [HERE / "cleanup.sh"]
    if recipe.overlay:
        command.append(f"--customize-hook=sync-in {shlex.quote(str(HERE / recipe.overlay))} /")
        scripts.insert(0, HERE / f"{recipe.overlay}.sh")
    command += [f'--customize-hook=chroot "$1" sh -eu < {shlex.quote(str(script))}' for script in scripts]
    return [*command, recipe.suite, target, *sources]


def extract(packages: Sequence[str], suite: str, root: Path) -> None:
    """Unpack packages and what they need into a folder: none of their scripts runs, and nothing is installed on this machine."""
    recipe = Recipe("extracted", suite, tuple(packages), variant="extract")
    command = bootstrap_command(recipe, machine_sources(suite), machine_apt_options(), str(root))
    command = [part for part in command if "-hook=" not in part]  # they would run in the new root
    subprocess.run(command, check=True, capture_output=True)


def label(image: str) -> str:
    """Digest of the recipe that an image was built from, empty when there is no such image."""
    command = ["podman", "image", "inspect", "--format", f'{{{{index .Labels "{DIGEST_LABEL}"}}}}', image]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def build(names: Sequence[str], settings: Settings) -> None:
    """Build the named images, two at a time, leaving out those that are there. Progress goes to standard output.

    Raises BuildError with the end of the log of the first image that fails.
    """
    unknown = sorted(set(names) - RECIPES.keys())
    if unknown:
        raise BuildError(f"no such image: {', '.join(unknown)}; there are {', '.join(RECIPES)}")
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(max_workers=PARALLEL_BUILDS) as pool:
        for future in [pool.submit(_build_one, name, settings.log_file(f"image-{name}")) for name in names]:
            future.result()


def _build_one(name: str, log: Path) -> None:
    recipe = RECIPES[name]
    sources, apt_options = machine_sources(recipe.suite), machine_apt_options()
    digest = recipe_digest(recipe, sources, apt_options)
    if label(recipe.image) == digest:
        print(f"image {name}: up to date", flush=True)
        return
    started = time.monotonic()
    print(f"image {name}: bootstrapping Debian {recipe.suite} with {', '.join(recipe.packages[:3])} ... (log: {log})", flush=True)
    changes = [f"LABEL {DIGEST_LABEL}={digest}"]
    if recipe.command:
        changes.append("CMD " + str(list(recipe.command)).replace("'", '"'))
    importing = ["podman", "import", "--quiet", *(part for change in changes for part in ("--change", change)), "-", recipe.image]
    with (
        log.open("w") as output,
        subprocess.Popen(
            bootstrap_command(recipe, sources, apt_options), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=False
        ) as maker,
        subprocess.Popen(importing, stdin=maker.stdout, stdout=output, stderr=output) as importer,
    ):
        assert maker.stdout is not None and maker.stderr is not None  # noqa: S101 - both are pipes, for the type checker
        maker.stdout.close()
        for raw in maker.stderr:
            line = raw.decode(errors="replace")
            output.write(line)
            output.flush()
            if line.startswith("I: ") and line.rstrip().endswith("..."):
                print(f"image {name}: {line[3:].strip()} {time.monotonic() - started:.0f} s", flush=True)
        failed = maker.wait() or importer.wait()
    # The image's predecessor has lost its name; podman keeps it while a container uses it.
    subprocess.run(["podman", "image", "prune", "--force", "--filter", f"label={DIGEST_LABEL}"], capture_output=True, check=False)
    if failed:
        end = "\n".join(log.read_text().splitlines()[-15:])
        raise BuildError(f"image {name} could not be built; the end of {log}:\n{end}")
    print(f"image {name}: done in {time.monotonic() - started:.0f} s", flush=True)


def main(names: Sequence[str]) -> int:
    """Build the named images, or all that a running sandbox needs; 0 when it went well."""
    try:
        host.check_rights()
        host.check_commands()
        build(names or SITE_IMAGES, load())
    except (host.HostError, BuildError, ValueError) as error:
        print(f"sandbox: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

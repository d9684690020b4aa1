#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: release
version_added: 0.1.0
short_description: Keep a release of the application, and what came of it
description:
  - Gives a release a verdict and notes what led to it. One that nobody knows yet is fetched, compared with its checksum, and copied into
    the environment's bucket, where hosts find it for as long as they need it.
  - A release that is known as bad is not deployed, nor one that lacks what a newer one has taken away of the database.
  - In check mode an artifact is fetched and compared all the same; nothing is written.
options:
  environment_name:
    description: Whose release.
    type: str
    required: true
  runs_table:
    description: The DynamoDB table of the environment's runs, in which releases have a partition of their own.
    type: str
    required: true
  bucket:
    description: The S3 bucket that keeps the artifacts, below C(releases/).
    type: str
    required: true
  release:
    description: Name of the release, or its SHA-256 checksum. The name is the first twelve digits of the checksum.
    type: str
    required: true
  verdict:
    description:
      - V(deploying) from now on, V(good) since it serves, V(bad) since it does not, V(stopped) when a deployment ended for another reason.
      - V(known) keeps one that is still unknown, refuses one that is known as bad, and leaves the verdict of any other.
    type: str
    choices: [known, deploying, good, bad, stopped]
    required: true
  artifact:
    description: Where a release that nobody knows yet lies as .tar.gz, C(https://...) or C(s3://<bucket>/<key>).
    type: str
  author:
    description: Who made it.
    type: str
  commit:
    description: Of what it was made.
    type: str
  built:
    description: When it was made, UTC, such as V(2026-01-02T03:04:05Z).
    type: str
  contracted:
    description: Names of its migrations that take something away which older releases need. Those cannot be deployed from then on.
    type: list
    elements: str
    default: []
  what:
    description: What happened to it, in a few words.
    type: str
    required: true
  run_id:
    description: The run in which it happened.
    type: str
    default: ""
  by:
    description: Who did it.
    type: str
    default: ""
  why:
    description: The reason.
    type: str
    default: ""
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Keep a release
  indivillage.infra.release:
    environment_name: staging
    runs_table: indivillage-staging-deployments
    bucket: indivillage-staging-operations
    release: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    artifact: https://builds.example.com/site-42.tar.gz
    author: ada@example.com
    commit: 0123456789abcdef0123456789abcdef01234567
    built: "2026-01-02T03:04:05Z"
    verdict: known
    what: kept
"""

RETURN = r"""
release:
  description: All that is known of it.
  returned: success
  type: dict
  sample: {release: 9f86d081884c, verdict: known, commit: 0123456789abcdef0123456789abcdef01234567}
document:
  description: What of it the environment's parameter holds and hosts are told.
  returned: success
  type: dict
"""

import hashlib
import tempfile
from contextlib import closing, suppress
from typing import IO, Any

from ansible.module_utils.urls import open_url
from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import aws_client
from ansible_collections.indivillage.infra.plugins.module_utils.migrations import MigrationError, file_name, migrations_in
from ansible_collections.indivillage.infra.plugins.module_utils.releases import (
    DOCUMENT,
    Release,
    ReleaseError,
    Releases,
    event,
    judged,
    name_of,
    refuse_bad,
    refuse_contracted,
)

with suppress(ImportError):  # AnsibleAWSModule reports the missing library
    from botocore.exceptions import BotoCoreError, ClientError

PROVENANCE = ("artifact", "author", "commit", "built")
CHECKSUM_LENGTH = 64
CHUNK_BYTES = 1 << 20
TIMEOUT_SECONDS = 60


def address(text: str) -> tuple[str, str]:
    """Bucket and key of s3://bucket/key."""
    bucket, _, key = text.removeprefix("s3://").partition("/")
    return bucket, key


def fetched(source: str, sha256: str, s3: Any, to: IO[bytes]) -> None:
    """Write the artifact to a file and rewind it; ReleaseError when it cannot be had or is another."""
    try:
        if source.startswith("s3://"):
            bucket, key = address(source)
            stream = s3.get_object(Bucket=bucket, Key=key)["Body"]
        else:
            stream = open_url(source, timeout=TIMEOUT_SECONDS)
    except (OSError, ClientError) as error:  # urllib's errors are OSErrors
        raise ReleaseError(f"{source} cannot be fetched: {error}. Is release_artifact right, and may this machine read it?") from error
    digest = hashlib.sha256()
    with closing(stream):
        while chunk := stream.read(CHUNK_BYTES):
            digest.update(chunk)
            to.write(chunk)
    if digest.hexdigest() != sha256:
        raise ReleaseError(
            f"{source} has the checksum {digest.hexdigest()}, not {sha256}: it is another release than the one that was asked for. "
            "Correct release_sha256, or find out who changed the artifact."
        )
    to.seek(0)


def kept(params: dict[str, Any], s3: Any, known: list[Release], check: bool) -> Release:
    """A release that nobody knows yet, verified, its artifact in the environment's bucket unless this is a check. known: the others."""
    sha256, missing = params["release"], [name for name in PROVENANCE if not params[name]]
    if missing or len(sha256) != CHECKSUM_LENGTH:
        raise ReleaseError(
            f"{params['environment_name']} knows no release {name_of(sha256)}. "
            "The first time it takes release_sha256 with all 64 digits, and "
            f"{', '.join(f'release_{name}' for name in PROVENANCE)}; playbooks/show_releases.yml lists those that are known."
        )
    key = f"releases/{sha256}.tar.gz"
    with tempfile.TemporaryFile() as archive:
        fetched(params["artifact"], sha256, s3, archive)
        try:
            migrations = [file_name(one) for one in migrations_in(archive)]
        except MigrationError as error:
            raise ReleaseError(f"{params['artifact']} cannot be a release: {error}.") from error
        release = {
            "release": name_of(sha256),
            "sha256": sha256,
            "artifact": f"s3://{params['bucket']}/{key}",
            "source": params["artifact"],
            **{name: params[name] for name in ("author", "commit", "built")},
            "migrations": migrations,
            "verdict": "known",
            "events": [],
        }
        refuse_contracted(release, known)
        archive.seek(0)
        if not check:
            metadata = {name: params[name] for name in ("author", "commit", "built")}
            s3.put_object(Bucket=params["bucket"], Key=key, Body=archive, Metadata=metadata, ContentType="application/gzip")
    return release


def run(module: AnsibleAWSModule) -> dict[str, Any]:
    params = module.params
    releases = Releases(aws_client(module, "dynamodb"), params["runs_table"], params["environment_name"])
    found = releases.find(name_of(params["release"]))
    if params["verdict"] == "known" and found:
        refuse_bad(found)
        refuse_contracted(found, releases.all())
        return {"changed": False, "release": found, "document": {name: found[name] for name in DOCUMENT}}
    if params["verdict"] == "known":
        found = kept(params, aws_client(module, "s3"), releases.all(), module.check_mode)
    elif not found:
        raise ReleaseError(
            f"{params['environment_name']} knows no release {name_of(params['release'])}: "
            "playbooks/show_releases.yml lists those that it knows."
        )
    after = judged(found, params["verdict"], event(params["what"], params["run_id"], params["by"], params["why"]))
    if params["contracted"]:
        after["contracted"] = sorted({*after.get("contracted", []), *params["contracted"]})
    if not module.check_mode:
        releases.put(after)
    return {"changed": True, "release": after, "document": {name: after[name] for name in DOCUMENT}}


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec={
            **{name: {"required": True} for name in ("environment_name", "runs_table", "bucket", "release", "what")},
            "verdict": {"required": True, "choices": ["known", "deploying", "good", "bad", "stopped"]},
            **{name: {} for name in PROVENANCE},
            "contracted": {"type": "list", "elements": "str", "default": []},
            **{name: {"default": ""} for name in ("run_id", "by", "why")},
        },
        supports_check_mode=True,
    )
    try:
        result = run(module)
    except ReleaseError as error:
        module.fail_json(msg=str(error))
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg=f"Could not keep release {module.params['release']}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: GPL-3.0-or-later
"""What CloudFront proves itself with to the origins, in an account without the rest of the edge."""

from __future__ import annotations

import json

from ansible_collections.indivillage.infra.plugins.module_utils import cloudfront

from tests.support.tiers import PREFIX, Client

SENT, ACCEPTED, HEADER = "/indivillage/sandbox/edge/origin", "/indivillage/sandbox/edge/accepted", "X-Origin-Verify"


def lay_edge(client: Client, value: str, **encryption: str) -> None:
    """The secrets of a value and the distribution that sends it, as aws_edge makes them. encryption: options of the secrets."""
    secrets = client("secretsmanager")
    secrets.create_secret(Name=SENT, SecretString=json.dumps({"value": value}), **encryption)
    both = json.dumps({"value": value, "other": value})
    secrets.create_secret(Name=ACCEPTED, SecretString=both, AddReplicaRegions=[{"Region": "us-west-2"}], **encryption)
    servers = [
        {"id": "primary", "domain_name": "origin.example", "access_control_id": None, "shield_region": None},
        {"id": "assets", "domain_name": "assets.s3.us-east-1.amazonaws.com", "access_control_id": "E1", "shield_region": None},
    ]
    pages = {"origin": "primary", "cache": "never", "forward": "everything", "methods": "all", "headers_policy_id": None}
    config = cloudfront.written(
        {
            "enabled": True,
            "origins": list(map(cloudfront.written_origin, servers)),
            "secret_headers": {HEADER: {"primary": value}},
            "default_behaviour": cloudfront.written_behaviour(pages),
        }
    )
    config |= {"CallerReference": "test", "Comment": f"{PREFIX}-site"}
    tags = [{"Key": key, "Value": value} for key, value in {"Project": "indivillage", "Environment": "sandbox"}.items()]
    client("cloudfront").create_distribution_with_tags(DistributionConfigWithTags={"DistributionConfig": config, "Tags": {"Items": tags}})

# SPDX-License-Identifier: GPL-3.0-or-later
"""What sessions share in the worker leaves every client what it would be without."""

import json
import subprocess
import sys
from pathlib import Path

UTILS = Path(__file__).parents[3] / "plugins/plugin_utils"
SCRIPT = """
import json, sys
sys.path.insert(0, sys.argv[1])
import worker_botocore
if sys.argv[2] == "shared":
    worker_botocore.share()
import boto3, botocore.session
keys = {"aws_access_key_id": "none", "aws_secret_access_key": "none"}
first, second = (boto3.Session(region_name=region, **keys) for region in ("us-east-1", "eu-west-1"))
clients = [
    first.client("s3"), second.client("s3"), first.client("ec2"), second.client("ec2", endpoint_url="http://127.0.0.1:9"),
    first.client("iam"), second.client("sts"), botocore.session.Session().create_client("s3", region_name="us-east-1", **keys),
]
print(json.dumps({
    "clients": [
        [client.meta.region_name, client.meta.endpoint_url, [name for name in dir(client) if name[0] != "_"]] for client in clients
    ],
    "urls": [client.generate_presigned_url("get_object", {"Bucket": "b", "Key": "k"}).split("?")[0] for client in clients[:2]],
    "classes": len({type(client) for client in clients}),
    "pages": [clients[2].can_paginate("describe_vpcs"), clients[2].can_paginate("create_vpc"), clients[2].waiter_names[:2]],
}))
"""


def clients(how: str) -> dict[str, object]:
    command = [sys.executable, "-P", "-c", SCRIPT, str(UTILS), how]
    return dict(json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout))


def test_clients_are_the_same_and_their_classes_shared() -> None:
    shared, plain = clients("shared"), clients("plain")

    assert shared.pop("classes") == 5, "one of each service, and one of s3 without boto3's own methods"
    assert plain.pop("classes") == 7
    assert shared == plain

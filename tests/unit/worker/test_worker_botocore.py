# SPDX-License-Identifier: GPL-3.0-or-later
"""What sessions share in the worker leaves every client what it would be without."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

UTILS = Path(__file__).parents[3] / "plugins/plugin_utils"
SCRIPT = """
import json, sys
sys.path.insert(0, sys.argv[1])
import worker_botocore
if sys.argv[2] == "shared":
    worker_botocore.share()
import boto3, botocore.handlers, botocore.hooks, botocore.session
keys = {"aws_access_key_id": "none", "aws_secret_access_key": "none"}
first, second = (boto3.Session(region_name=region, **keys) for region in ("us-east-1", "eu-west-1"))
clients = [
    first.client("s3"), second.client("s3"), first.client("ec2"), second.client("ec2", endpoint_url="http://127.0.0.1:9"),
    first.client("iam"), second.client("sts"), botocore.session.Session().create_client("s3", region_name="us-east-1", **keys),
]
classes = len({type(client) for client in clients})

def added(**_event):
    pass

def counted(**_event):
    pass

clients[0].meta.events.register("before-call.s3.GetObject", added)
clients[1].meta.events.register_first("before-call.s3", counted, unique_id="once")
clients[1].meta.events.register_first("before-call.s3", counted, unique_id="once")
clients[2].meta.events.unregister("before-parameter-build.ec2.RunInstances", botocore.handlers.base64_encode_user_data)
botocore.handlers.BUILTIN_HANDLERS.append(("before-send", added))
session = botocore.session.Session()
session.register("before-call.s3.GetObject", counted)
clients += [
    session.create_client("s3", region_name="us-east-1", **keys), first.client("elbv2"), first.client("cloudwatch"),
    botocore.session.Session(include_builtin_handlers=False).create_client("logs", region_name="us-east-1", **keys),
]
botocore.handlers.BUILTIN_HANDLERS = [("before-send", counted), *botocore.handlers.BUILTIN_HANDLERS]
clients.append(first.client("sqs"))
clients.append(botocore.session.Session().create_client("sqs", region_name="us-east-1", **keys))

def handlers(client, event):
    events = client.meta.events
    found = events._emitter._handlers.prefix_search(events._alias_event_name(event))
    return [getattr(handler, "__qualname__", "") for handler in found]

moments = ("before-call", "before-send", "before-parameter-build", "before-sign", "needs-retry", "docs.*", "getattr", "request-created")
wheres = ("s3", "s3.GetObject", "s3.PutObject", "ec2.RunInstances", "iam.CreateRole", "elbv2", "monitoring.PutMetricData", "logs", "")
events = [f"{moment}.{where}" for moment in moments for where in wheres]
aliases = [name for old in botocore.hooks.EVENT_ALIASES for name in (old, f"before-call.{old}.X", f"{old}s.X", f"docs.*.{old}")]
tls = clients[0]._endpoint.http_session._manager.connection_from_url("https://localhost").conn_kw["ssl_context"]
print(json.dumps({
    "clients": [
        [client.meta.region_name, client.meta.endpoint_url, [name for name in dir(client) if name[0] != "_"]] for client in clients
    ],
    "urls": [client.generate_presigned_url("get_object", {"Bucket": "b", "Key": "k"}).split("?")[0] for client in clients[:2]],
    "classes": classes,
    "handlers": {event: [handlers(client, event) for client in clients] for event in events},
    "names": [clients[0].meta.events._alias_event_name(event) for event in [*events, *aliases]],
    "tls": [sorted(cipher["name"] for cipher in tls.get_ciphers()), tls.options, tls.verify_mode, tls.check_hostname],
    "pages": [clients[2].can_paginate("describe_vpcs"), clients[2].can_paginate("create_vpc"), clients[2].waiter_names[:2]],
}))
"""


def clients(how: str) -> dict[str, Any]:
    command = [sys.executable, "-P", "-c", SCRIPT, str(UTILS), how]
    return dict(json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout))


def test_clients_are_the_same_and_what_does_not_change_is_shared() -> None:
    shared, plain = clients("shared"), clients("plain")

    assert shared.pop("classes") == 5, "one of each service, and one of s3 without boto3's own methods"
    assert plain.pop("classes") == 7
    assert shared == plain
    called = shared["handlers"]["before-call.s3.GetObject"]
    assert called[:2] == [["added", *called[6]], ["counted", *called[6]]], "what a client adds is its own"

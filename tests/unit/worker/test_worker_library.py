# SPDX-License-Identifier: GPL-3.0-or-later
"""What the worker's server has loaded before the first task, no process of a task loads again."""

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
NAMED = re.compile(r"""client\((?:[\w.]+, *)?["']([a-z0-9-]+)["']""")
SCRIPT = """
import json, sys
import boto3, botocore.loaders
from ansible_collections.indivillage.infra.plugins.plugin_utils import worker_botocore, worker_library
worker_botocore.share()
worker_library.load_services()
read, found = botocore.loaders.JSONFileLoader.load_file, []

def load_file(self, path):
    content = read(self, path)
    if content is not None:
        found.append(path)
    return content

botocore.loaders.JSONFileLoader.load_file = load_file
session = boto3.Session(aws_access_key_id="none", aws_secret_access_key="none", region_name="eu-west-1")
for service in json.loads(sys.argv[1]):
    client = session.client(service)
    for name in client.waiter_names:
        client.get_waiter(name)
print(json.dumps(found))
"""


def test_models_of_the_services_that_modules_call_are_read_before_the_first_task() -> None:
    services = {name for path in (ROOT / "plugins/modules").glob("*.py") for name in NAMED.findall(path.read_text())}
    assert {"autoscaling", "cloudwatch", "elbv2", "s3"} <= services
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(sorted(services))],
        cwd=ROOT / "collections",
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert json.loads(result.stdout) == []

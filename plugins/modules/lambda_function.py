#!/usr/bin/python
# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: lambda_function
version_added: 0.3.0
short_description: Manage a Lambda function that is made of files on the control node
description:
  - Creates, changes and deletes one function with its code, configuration, reserved concurrency and tags.
  - The code is packed so that the same files give the same archive everywhere; it is sent only when it differs.
  - Calls are traced with X-Ray, and the log is written as JSON.
  - Use it instead of M(amazon.aws.lambda), which knows neither reserved concurrency nor the log group.
options:
  name:
    description: Name of the function.
    type: str
    required: true
  source:
    description: The directory whose files are its code.
    type: path
  handler:
    description: Module and function that are called.
    type: str
    default: handler.handle
  runtime:
    description: What runs the code.
    type: str
    default: python3.13
  architecture:
    description: The processor it runs on.
    type: str
    choices: [arm64, x86_64]
    default: arm64
  role_arn:
    description: The role it runs with.
    type: str
  memory_mib:
    description: Its memory; processors come with it.
    type: int
    default: 128
  timeout_seconds:
    description: How long a call may take.
    type: int
    default: 3
  environment:
    description: Environment variables.
    type: dict
    default: {}
  kms_key_arn:
    description: ARN of the KMS key that encrypts the environment variables. AWS's own when left out.
    type: str
  dead_letter_arn:
    description: The queue or topic that gets events of failed asynchronous calls. None when it is empty.
    type: str
    default: ""
  reserved_concurrency:
    description: How many calls may be under way, which are kept free for it. V(-1) shares what the account has.
    type: int
    default: -1
  log_group:
    description: The CloudWatch log group that has its output.
    type: str
  subnet_ids:
    description: The subnets in which it gets addresses; empty for a function that needs nothing in the VPC.
    type: list
    elements: str
    default: []
  security_group_ids:
    description: The security groups of those addresses.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - indivillage.infra.aws_resource
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.tags
  - amazon.aws.boto3
author:
  - IndiVillage platform team (@indivillage)
"""

EXAMPLES = r"""
- name: Make the function that scans uploaded files
  indivillage.infra.lambda_function:
    name: indivillage-staging-malware-scan
    source: "{{ role_path }}/files/malware_scan"
    role_arn: arn:aws:iam::123456789012:role/indivillage-staging-malware-scan
    timeout_seconds: 120
    reserved_concurrency: 5
    log_group: /aws/lambda/indivillage-staging-malware-scan
"""

RETURN = r"""
resource:
  description: The function. Empty after a deletion. In check mode as it would become.
  returned: always
  type: dict
  contains:
    name:
      description: Name of the function.
      type: str
      sample: indivillage-staging-malware-scan
    arn:
      description: ARN of the function.
      type: str
      returned: when the function exists
      sample: arn:aws:lambda:us-east-1:123456789012:function:indivillage-staging-malware-scan
    code_sha256:
      description: Digest of the code, as Lambda reports it.
      type: str
      sample: ql0RBVPvN0S9RZKTYKiIFrmH4OQpVnBkLyGvwoC3lcA=
  sample: {name: indivillage-staging-malware-scan, runtime: python3.13, timeout_seconds: 120}
"""

from pathlib import Path
from typing import Any, ClassVar

from ansible_collections.indivillage.infra.plugins.module_utils.aws_resource import Properties, Resource, ResourceError, run, wait_until
from ansible_collections.indivillage.infra.plugins.module_utils.packaging import archive, digest

READY_SECONDS = 300  # the first addresses in a VPC take AWS minutes
# Option -> the parameter of the function's configuration that holds it as it is.
PLAIN = {
    "handler": "Handler",
    "runtime": "Runtime",
    "role_arn": "Role",
    "memory_mib": "MemorySize",
    "timeout_seconds": "Timeout",
    "kms_key_arn": "KMSKeyArn",
}


class Function(Resource):
    service = "lambda"
    kind = "Lambda function"
    options: ClassVar[dict[str, Any]] = {
        "name": {"required": True},
        "source": {"type": "path"},
        "handler": {"default": "handler.handle"},
        "runtime": {"default": "python3.13"},
        "architecture": {"choices": ["arm64", "x86_64"], "default": "arm64"},
        "role_arn": {},
        "memory_mib": {"type": "int", "default": 128},
        "timeout_seconds": {"type": "int", "default": 3},
        "environment": {"type": "dict", "default": {}},
        "kms_key_arn": {"no_log": False},
        "dead_letter_arn": {"default": ""},
        "reserved_concurrency": {"type": "int", "default": -1},
        "log_group": {},
        "subnet_ids": {"type": "list", "elements": "str", "default": []},
        "security_group_ids": {"type": "list", "elements": "str", "default": []},
    }
    constraints: ClassVar[dict[str, Any]] = {
        "required_if": [("state", "present", ("source", "role_arn", "log_group"))],
        "required_together": [("subnet_ids", "security_group_ids")],
    }
    # No option switches these off; somebody else may.
    ALWAYS: ClassVar[Properties] = {"traced": True, "json_log": True}
    properties = (*(option for option in options if option not in {"name", "source"}), "code_sha256", *ALWAYS)
    exact = frozenset({"environment"})

    def declared(self) -> Properties:
        source = Path(self.params["source"])
        if not source.is_dir():
            raise ResourceError(f"There is no directory {source} with its code.")
        own = {key: self.params[key] for key in self.properties if key in self.params}
        environment = {name: str(value) for name, value in self.params["environment"].items()}
        return {**own, "environment": environment, "code_sha256": digest(archive(source)), **self.ALWAYS}

    def find(self) -> Properties | None:
        try:
            answer = self.client.get_function(FunctionName=self.name)
        except self.client.exceptions.ResourceNotFoundException:
            return None
        found = answer["Configuration"]
        network, log = found.get("VpcConfig") or {}, found.get("LoggingConfig") or {}
        return {
            "name": self.name,
            "arn": found["FunctionArn"],
            "code_sha256": found["CodeSha256"],
            **{option: found.get(name, "") for option, name in PLAIN.items()},
            "architecture": found.get("Architectures", ["x86_64"])[0],
            "environment": (found.get("Environment") or {}).get("Variables", {}),
            "dead_letter_arn": (found.get("DeadLetterConfig") or {}).get("TargetArn", ""),
            "reserved_concurrency": answer.get("Concurrency", {}).get("ReservedConcurrentExecutions", -1),
            "log_group": log.get("LogGroup", ""),
            "json_log": log.get("LogFormat") == "JSON",
            "traced": (found.get("TracingConfig") or {}).get("Mode") == "Active",
            "subnet_ids": network.get("SubnetIds", []),
            "security_group_ids": network.get("SecurityGroupIds", []),
            "tags": answer.get("Tags", {}),
        }

    def create(self, wanted: Properties, tags: dict[str, str]) -> None:
        self.client.create_function(
            FunctionName=self.name,
            Code={"ZipFile": archive(Path(self.params["source"]))},
            PackageType="Zip",
            Architectures=[wanted["architecture"]],
            Tags=tags,
            **self._configuration(wanted),
        )
        self._await()
        if wanted["reserved_concurrency"] >= 0:
            self._reserve(wanted["reserved_concurrency"])

    def update(self, current: Properties, changes: Properties) -> None:
        whole = {**current, **changes}
        self._await()
        if changes.keys() & {"code_sha256", "architecture"}:
            code = archive(Path(self.params["source"]))
            self.client.update_function_code(FunctionName=self.name, ZipFile=code, Architectures=[whole["architecture"]])
            self._await()
        if changes.keys() - {"code_sha256", "architecture", "reserved_concurrency"}:
            self.client.update_function_configuration(FunctionName=self.name, **self._configuration(whole))
            self._await()
        if "reserved_concurrency" in changes:
            self._reserve(changes["reserved_concurrency"])

    @staticmethod
    def _configuration(wanted: Properties) -> dict[str, Any]:
        return {
            **{name: wanted[option] for option, name in PLAIN.items() if option in wanted},
            "Environment": {"Variables": wanted["environment"]},
            "DeadLetterConfig": {"TargetArn": wanted["dead_letter_arn"]},
            "LoggingConfig": {"LogFormat": "JSON" if wanted["json_log"] else "Text", "LogGroup": wanted["log_group"]},
            "TracingConfig": {"Mode": "Active" if wanted["traced"] else "PassThrough"},
            "VpcConfig": {"SubnetIds": wanted["subnet_ids"], "SecurityGroupIds": wanted["security_group_ids"]},
        }

    def _reserve(self, number: int) -> None:
        if number >= 0:
            self.client.put_function_concurrency(FunctionName=self.name, ReservedConcurrentExecutions=number)
        else:
            self.client.delete_function_concurrency(FunctionName=self.name)

    def _await(self) -> None:
        """Lambda refuses a change while it is still at work on the last one."""

        def ready() -> bool:
            found = self.client.get_function_configuration(FunctionName=self.name)
            if "Failed" in (found.get("State"), found.get("LastUpdateStatus")):
                reason = found.get("LastUpdateStatusReason") or found.get("StateReason") or "it does not say why"
                raise ResourceError(f"AWS could not make it ready: {reason}")
            return found.get("State") != "Pending" and found.get("LastUpdateStatus", "Successful") == "Successful"

        if not self.module.check_mode:
            wait_until(ready, f"{self} to be ready", READY_SECONDS)

    def delete(self, current: Properties) -> None:
        self.client.delete_function(FunctionName=self.name)

    def tag(self, current: Properties, add: dict[str, str], remove: list[str]) -> None:
        if remove:
            self.client.untag_resource(Resource=current["arn"], TagKeys=remove)
        if add:
            self.client.tag_resource(Resource=current["arn"], Tags=add)


def main() -> None:
    run(Function)


if __name__ == "__main__":
    main()

# Copyright: IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Dynamic inventory of one environment's EC2 instances."""

from __future__ import annotations

DOCUMENTATION = r"""
name: ec2_instances
short_description: The EC2 instances of one environment as hosts, reached through their region's bastion
version_added: 0.1.0
author:
  - IndiVillage platform team (@indivillage)
description:
  - Lists the instances that carry the environment's C(Project) and C(Environment) tags in all of its regions.
    Built on P(amazon.aws.aws_ec2#inventory).
  - A host is named by its instance id. C(instance_alias) is a readable name such as C(web-us-east-1a-3f9c2), which stays the same
    for the life of the instance.
  - "Groups: C(instances), C(tier_*), C(role_*), C(region_*), C(az_*), C(asg_*), C(image_*), C(state_*), and C(health_*), which is
    the load balancers' word on the host (C(health_none) behind no load balancer). Characters that a group name may not have
    become an underscore."
  - "Host variables: C(instance_id), C(instance_alias), C(instance_region), C(instance_availability_zone), C(instance_tier),
    C(instance_role), C(instance_autoscaling_group), C(instance_image_id), C(instance_type), C(instance_vpc_id),
    C(instance_subnet_id), C(instance_private_ip), C(instance_public_ip), C(instance_launched), C(instance_state),
    C(instance_health), C(ec2_tags) and the connection variables of ssh."
  - Hosts other than bastions are reached through the oldest running bastion of their region. Each host's key is remembered under
    its instance id, so an address that AWS hands to another instance is never mistaken for the old host.
  - "Fails closed. When the credentials belong to another account than the declared one, are missing or refused, when the AWS API
    cannot be reached, or a region cannot be read, the command ends with one error and exit code 4, whatever C(ansible.cfg) says
    about sources that fail. An environment in which nothing runs yet is no error: it has no hosts."
  - "Tiers below O(minimum_hosts) are exported as the variable C(instances_shortage), a list of sentences, and do not stop the
    inventory, since provisioning has to start from nothing. Plays that need whole tiers include the role
    C(indivillage.infra.verify) with C(tasks_from: minimum_hosts), which stops on it."
  - "Every option may be a template over C(inventory_dir) and the variables of the inventory's own C(group_vars/all): facts such
    as the account id are written there once."
notes:
  - The file name must end with C(instances.yml) or C(instances.yaml).
  - "With O(cache) the list is kept per account, environment, endpoint, regions and states. C(meta: refresh_inventory) and
    C(--flush-cache) read anew and replace what is kept: run the former after anything that makes or removes instances.
    The caller's account is checked on every run, cached or not."
extends_documentation_fragment:
  - inventory_cache
  - amazon.aws.boto3
  - amazon.aws.common.plugins
  - amazon.aws.region.plugins
  - amazon.aws.assume_role.plugins
options:
  plugin:
    description: Marks the file as this plugin's.
    required: true
    choices: [indivillage.infra.ec2_instances]
  account_id:
    description: The environment's AWS account, twelve digits. The caller's account must be the same.
    type: raw
    required: true
  project_name:
    description: Value of the C(Project) tag.
    type: raw
    required: true
  environment_name:
    description: Value of the C(Environment) tag.
    type: raw
    required: true
  regions:
    description: List of the regions to read. A region that is not listed does not exist for this inventory.
    type: raw
    required: true
  states:
    description: List of the instance states to include, as C(describe-instances) names them.
    type: raw
    default: [running]
  remote_user:
    description: The user to log in as.
    type: raw
    default: admin
  private_key_file:
    description: Private key for hosts and bastions. Without it ssh's own configuration and agent decide.
    type: raw
    default: ''
  known_hosts_file:
    description: Where ssh remembers host keys. The folder is made when it is missing.
    type: raw
    default: ~/.ssh/known_hosts
  bastion_address:
    description: Address at which bastions are reached, V(public), or V(private) inside the network, as by a VPN or in the sandbox.
    type: raw
    default: public
  minimum_hosts:
    description: How many hosts must be there, by region and role, such as C({us-east-1{:} {web{:} 2, app{:} 2}}).
    type: raw
    default: {}
"""

EXAMPLES = r"""
# inventories/production/instances.yml
plugin: indivillage.infra.ec2_instances
account_id: "{{ aws_account_id }}"
project_name: "{{ project_name }}"
environment_name: "{{ environment_name }}"
regions: ["{{ primary_region }}", "{{ dr_region }}"]
known_hosts_file: "{{ inventory_dir }}/../../.cache/known_hosts"
minimum_hosts: "{{ {primary_region: {'bastion': 1, 'web': 2, 'app': 2}} }}"
cache: true
cache_plugin: ansible.builtin.jsonfile
cache_connection: .cache/inventory
cache_timeout: 300
"""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

with suppress(ImportError):  # require_aws_sdk() says what is missing
    import botocore.exceptions

from ansible.errors import AnsibleError, AnsibleParserError
from ansible.inventory.group import Group
from ansible.plugins.loader import vars_loader
from ansible_collections.amazon.aws.plugins.inventory.aws_ec2 import InventoryModule as AwsEc2Inventory
from ansible_collections.amazon.aws.plugins.plugin_utils.inventory import AWSInventoryBase
from ansible_collections.indivillage.infra.plugins.plugin_utils.instances import (
    Record,
    Settings,
    bastions_by_region,
    connection_variables,
    group_names,
    instance_record,
    shortage,
    worst_state,
)

PARSER_ERROR = 4  # the exit code of ansible's commands for an inventory that cannot be parsed
# The first call of a run: a wrong endpoint or an absent network shows here, within seconds.
QUICK_FAILURE = {"connect_timeout": 5, "read_timeout": 30, "retries": {"max_attempts": 2, "mode": "standard"}}


class InventoryModule(AwsEc2Inventory):
    NAME = "indivillage.infra.ec2_instances"
    INVENTORY_FILE_SUFFIXES = ("instances.yml", "instances.yaml")
    OWN_OPTIONS = tuple(Settings.__dataclass_fields__)

    class TemplatedOptions(AWSInventoryBase.TemplatedOptions):
        TEMPLATABLE_OPTIONS = (*AWSInventoryBase.TemplatedOptions.TEMPLATABLE_OPTIONS, *Settings.__dataclass_fields__, "cache_connection")

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        try:
            self._parse(inventory, loader, path, cache)
        except AnsibleError as error:
            # Not raised further: Ansible would try its other plugins on the file, report their complaints too,
            # and by its default settings go on without the hosts of this source.
            self.display.error(error)
            raise SystemExit(PARSER_ERROR) from error

    def _parse(self, inventory: Any, loader: Any, path: str, cache: bool) -> None:
        # The grandparent's parse(): it reads the options and credentials; aws_ec2's own one goes on to build its very large host variables.
        self._source = path
        AWSInventoryBase.parse(self, inventory, loader, path, cache=cache)
        self._settings = self._read_settings()
        self._require_account()
        was_cached, records = self.get_cached_result(path, cache)
        records = records if was_cached else self._read_records()
        self._add_to_inventory(records)
        self.update_cached_result(path, cache, records)

    def get_cache_key(self, path: str) -> str:
        settings = self._settings
        scope = (self._endpoint(), settings.project_name, settings.regions, settings.states)
        digest = hashlib.sha256(repr(scope).encode()).hexdigest()[:12]
        return f"{self.NAME}_{settings.account_id}_{settings.environment_name}_{digest}"

    def _endpoint(self) -> str:
        """The address that stands in for AWS; empty for AWS itself."""
        return self.get_option("endpoint_url") or os.environ.get("AWS_ENDPOINT_URL", "")

    def _read_config_data(self, path: str) -> Any:
        # Options are templates over group_vars/all: known before the options are read.
        directory = str(Path(path).absolute().parent)
        variables = vars_loader.get("ansible.builtin.host_group_vars").get_vars(self.loader, directory, [Group("all")])
        self.templar.available_variables = {**variables, "inventory_dir": directory}
        return super()._read_config_data(path)

    def _read_settings(self) -> Settings:
        options = {}
        for name in self.OWN_OPTIONS:
            try:
                options[name] = self.get_option(name)
            except AnsibleError as error:
                raise AnsibleParserError(f"Option {name} of {self._source} cannot be worked out from group_vars/all") from error
        return Settings.from_options(options)

    def _require_account(self) -> None:
        """Stop unless the credentials belong to the declared account."""
        with self._aws_errors("who the caller is"):
            actual = self.client("sts", region=self._settings.regions[0], config=QUICK_FAILURE).get_caller_identity()["Account"]
        declared = self._settings.account_id
        if actual != declared:
            raise AnsibleParserError(
                f"Wrong AWS account: the credentials in use belong to {actual}, but environment {self._settings.environment_name} "
                f"is declared for {declared} (account_id in {self._source}). Use credentials of {declared}, or correct the declaration.",
                obj=super().get_option("account_id"),
            )

    def _read_records(self) -> list[Record]:
        settings = self._settings
        filters = [
            {"Name": "tag:Project", "Values": [settings.project_name]},
            {"Name": "tag:Environment", "Values": [settings.environment_name]},
            {"Name": "instance-state-name", "Values": list(settings.states)},
        ]
        instances = self._get_instances_by_region(settings.regions, filters, strict_permissions=True)
        health = self._read_health(instances) if instances else {}
        records = [instance_record(instance, worst_state(health.get(instance["InstanceId"], ()))) for instance in instances]
        return sorted(records, key=lambda record: (record["instance_alias"], record["instance_id"]))

    def _read_health(self, instances: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
        """Target states by instance id, over all target groups in the instances' networks."""
        vpcs = {instance.get("VpcId") for instance in instances}
        states: dict[str, list[str]] = {}
        for client, region in self.all_clients("elbv2"):
            with self._aws_errors(f"target health in {region}"):
                for page in client.get_paginator("describe_target_groups").paginate():
                    for group in page["TargetGroups"]:
                        if group.get("TargetType") != "instance" or group.get("VpcId") not in vpcs:
                            continue
                        for target in client.describe_target_health(TargetGroupArn=group["TargetGroupArn"])["TargetHealthDescriptions"]:
                            states.setdefault(target["Target"]["Id"], []).append(target["TargetHealth"]["State"])
        return states

    def _add_to_inventory(self, records: Sequence[Record]) -> None:
        bastions = bastions_by_region(records)
        self.inventory.add_group("instances")
        self.inventory.set_variable("all", "instances_shortage", shortage(records, self._settings))
        for record in records:
            host = self.inventory.add_host(record["instance_id"])
            for group in group_names(record):
                self.inventory.add_host(host, group=self.inventory.add_group(group))
            connection = connection_variables(record, bastions.get(record["instance_region"]), self._settings)
            for name, value in {**record, **connection}.items():
                self.inventory.set_variable(host, name, value)
        if records:
            Path(self._settings.known_hosts_file).parent.mkdir(mode=0o700, parents=True, exist_ok=True)

    @contextmanager
    def _aws_errors(self, what: str) -> Iterator[None]:
        """Turn the SDK's errors into one sentence on what failed and what to do."""
        try:
            yield
        except botocore.exceptions.NoCredentialsError:
            raise AnsibleParserError(
                f"No AWS credentials found for environment {self._settings.environment_name} ({self._source}): "
                "sign in (aws sso login, and AWS_PROFILE), set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or use a machine with a role."
            ) from None
        except (botocore.exceptions.ConnectionError, botocore.exceptions.HTTPClientError):
            endpoint = self._endpoint()
            emulator, network = (
                "The emulator is not running: start it with `make sandbox-up`.",
                "Check the network, proxy and region names.",
            )
            hint = emulator if endpoint else network
            raise AnsibleParserError(f"Cannot reach {endpoint or 'the AWS API'} to ask {what} ({self._source}). {hint}") from None
        except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
            raise AnsibleParserError(f"The AWS API does not say {what} ({self._source})") from error

# SPDX-License-Identifier: GPL-3.0-or-later
"""RDS instances: readiness, the attributes of gp3 storage and Performance Insights, subnet groups and parameter groups.

https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DBInstance.html
https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DescribeDBParameters.html
https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Storage.html#gp3-storage (3000 IOPS and 125 MiB/s included)
moto 5.2.5 has every database available at once, leaves storage throughput and Performance Insights out, answers an empty
list for a parameter group that does not exist, knows no engine parameters and cannot reset them, takes no database back to
the engine's default group or to another port, and loses a subnet group that is changed.
"""

from __future__ import annotations

import functools
import secrets
import string
from typing import Any

from moto.core.responses import ActionResult
from moto.rds import utils
from moto.rds.exceptions import DBParameterGroupNotFoundError, RDSClientError
from moto.rds.models import DBInstance, RDSBackend
from moto.rds.responses import RDSResponse

from sandbox.emulator.additions.patching import add, wrap
from sandbox.emulator.additions.postgresql_parameters import PARAMETERS
from sandbox.emulator.runtime import runtime

GP3_IOPS = 3000
GP3_THROUGHPUT_MIBPS = 125
PERFORMANCE_INSIGHTS_DAYS = 7  # the free retention
_LIVE_ONLY = "The sandbox runs no {}: its databases start empty and alone. Try this with the emulator's --standalone, or on AWS."


@functools.cache
def install() -> None:
    _install_instances()
    _install_limits()
    _install_subnet_groups()
    _install_parameter_groups()


def _complete(database: Any, arguments: dict[str, Any]) -> None:
    """Attributes that moto leaves out, from what was asked for."""
    if database.storage_type == "gp3":
        database.iops = database.iops or GP3_IOPS
        database.storage_throughput = database.storage_throughput or GP3_THROUGHPUT_MIBPS
    for name in ("enable_performance_insights", "performance_insights_retention_period", "performance_insights_kms_key_id"):
        if arguments.get(name) is not None:
            setattr(database, name.removeprefix("enable_"), arguments[name])
    if getattr(database, "performance_insights", False):
        database.performance_insights_enabled = True
        if not hasattr(database, "performance_insights_retention_period"):
            database.performance_insights_retention_period = PERFORMANCE_INSIGHTS_DAYS
    else:
        database.performance_insights_enabled = False


def _install_instances() -> None:
    @wrap(DBInstance, "__init__")
    def init(original: Any, self: Any, backend: Any, **arguments: Any) -> None:
        original(self, backend, **arguments)
        self.dbi_resource_id = "db-" + "".join(secrets.choice(string.ascii_uppercase + string.digits) for _ in range(26))
        if self.db_cluster_identifier is None:
            _complete(self, arguments)
        if not runtime.standalone:
            self.status = "creating"

    @wrap(DBInstance, "update")
    def update(original: Any, self: Any, **arguments: Any) -> None:
        original(self, **arguments)
        self.port = arguments.get("db_port_number") or self.port
        if self.db_cluster_identifier is None:
            _complete(self, arguments)

    @wrap(RDSBackend, "modify_db_instance")
    def modify_db_instance(original: Any, self: Any, db_instance_identifier: str, db_kwargs: dict[str, Any]) -> Any:
        group = db_kwargs.get("db_parameter_group_name", "")
        if not group.startswith("default."):
            return original(self, db_instance_identifier, db_kwargs)
        rest = {name: value for name, value in db_kwargs.items() if name != "db_parameter_group_name"}
        database = original(self, db_instance_identifier, rest)
        database.db_parameter_group_name = group
        return database

    @wrap(utils, "get_overlap_between_two_date_ranges")
    def overlap(original: Any, *dates: Any) -> int:
        return int(original(*dates)) or -1  # moto counts windows that only touch as overlapping; AWS does not

    @wrap(RDSBackend, "start_db_instance")
    def start_db_instance(original: Any, self: Any, db_instance_identifier: str) -> Any:
        database = original(self, db_instance_identifier)
        if not runtime.standalone:
            database.status = "starting"
        return database


def _install_limits() -> None:
    for operation, thing in (
        ("restore_db_instance_from_db_snapshot", "restored databases"),
        ("restore_db_instance_to_point_in_time", "restored databases"),
    ):

        @wrap(RDSResponse, operation)
        def only_standalone(original: Any, self: Any, thing: str = thing) -> Any:
            if not runtime.standalone:
                raise RDSClientError("InvalidDBInstanceState", _LIVE_ONLY.format(thing))
            return original(self)


def _parameters(group: Any) -> list[dict[str, Any]]:
    """Parameters of a group as DescribeDBParameters lists them: the engine's, with the values that the group sets."""
    listed = dict(PARAMETERS) if str(group.family).startswith("postgres") else {}
    for name, entry in group.parameters.items():
        if "ParameterValue" in entry:
            listed[name] = listed.get(name, {"ParameterName": name, "IsModifiable": True}) | entry | {"Source": "user"}
    return [listed[name] for name in sorted(listed)]


def _install_subnet_groups() -> None:
    @wrap(RDSBackend, "modify_db_subnet_group")
    def modify_db_subnet_group(original: Any, self: Any, subnet_name: str, *arguments: Any, **options: Any) -> Any:
        self.subnet_groups[subnet_name] = changed = original(self, subnet_name, *arguments, **options)
        return changed


def _install_parameter_groups() -> None:
    @wrap(RDSBackend, "describe_db_parameter_groups")
    def describe_db_parameter_groups(original: Any, self: Any, arguments: dict[str, Any]) -> Any:
        groups = original(self, arguments)
        name = arguments.get("db_parameter_group_name")
        if name and not groups:
            raise DBParameterGroupNotFoundError(name)
        return groups

    @wrap(RDSResponse, "describe_db_parameters")
    def describe_db_parameters(_original: Any, self: Any) -> ActionResult:
        (group,) = self.backend.describe_db_parameter_groups({"db_parameter_group_name": self.params.get("DBParameterGroupName")})
        source = self.params.get("Source")
        return ActionResult({"Parameters": [entry for entry in _parameters(group) if source in (None, entry.get("Source"))]})

    @add(RDSResponse, "reset_db_parameter_group")
    def reset_db_parameter_group(self: Any) -> ActionResult:
        (group,) = self.backend.describe_db_parameter_groups({"db_parameter_group_name": self.params.get("DBParameterGroupName")})
        if self.params.get("ResetAllParameters"):
            group.parameters.clear()
        for parameter in self.params.get("Parameters", []):
            group.parameters.pop(parameter.original_dict()["ParameterName"], None)
        return ActionResult({"DBParameterGroupName": group.name})

# SPDX-License-Identifier: GPL-3.0-or-later
"""The sandbox's own calls beside the AWS API, for its reconciler: what real AWS does behind the scenes.

All bodies are JSON. An unknown resource answers 404 with {"error": ...}, a malformed body 400.

    GET /sandbox/version                      -> {"version": int, "started": ISO time, "process": id of the emulator's process}
    GET /sandbox/calls/<role or user>         -> {"service:Operation": [{"permission", "resource", "context"}]}: with --enforce-iam, each
                                                 call of that caller and all that it has needed
    GET /sandbox/reboots                      -> {instance id: number of RebootInstances calls}
    PUT /sandbox/target-health                <- {target group ARN: {instance id: "healthy"|"unhealthy"|"initial"}}
    PUT /sandbox/target-answers/<region>      <- {target group ARN: {"load_balancer": ARN, "requests": int, "errors": int}}: data
                                                 points of the metrics RequestCount and HTTPCode_Target_5XX_Count, since the last ones
    GET /sandbox/certificates/<ARN>           -> {"certificate", "chain", "private_key"} in PEM
    GET /sandbox/databases/<region>/<id>      -> {"master_username", "master_password", "db_name", "parameters": {name: value},
                                                  "replication_password", "source": null, or of a replica {"region", "id", "endpoint",
                                                  "port"}}
    PUT /sandbox/databases/<region>/<id>      <- {"state": "available"|"failed"}
    PUT /sandbox/replica-lag/<region>/<id>    <- {"seconds": float}: a data point of the metric ReplicaLag
    PUT /sandbox/alarms/<region>              <- {"at": ISO time}: compare the alarms with their data as of that time, not only each minute
                                              -> {alarm: state}
    GET /sandbox/outages                      -> {"regions": [region, ...]}
    PUT /sandbox/outages/<region>             <- {"out": bool}: from now on the region's API answers 503, and its machines have no power
    GET /sandbox/caches/<region>/<id>         -> {"auth_tokens": [token, ...], "parameters": {name: value}}
    PUT /sandbox/caches/<region>/<id>         <- {"state": "available"|"failed"}
    PUT /sandbox/images/<region>/<AMI id>     <- {"state": "available"|"failed"}
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

from moto.acm.models import acm_backends
from moto.cloudwatch.models import cloudwatch_backends
from moto.ec2.models import ec2_backends
from moto.elasticache.models import elasticache_backends
from moto.rds.models import rds_backends

from sandbox.emulator.additions import alarm_evaluation
from sandbox.emulator.additions.database_replicas import replication_password
from sandbox.emulator.runtime import runtime
from sandbox.settings import ACCOUNT_ID, REGIONS

Answer = dict[str, Any]
_TARGET_STATES = frozenset({"healthy", "unhealthy", "initial"})
_READINESS = frozenset({"available", "failed"})


class ControlError(Exception):
    """A request that cannot be served; `status` is the HTTP status to answer."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


def get_version() -> Answer:
    return {"version": runtime.version, "started": runtime.started, "process": os.getpid()}


def get_calls(caller: str) -> Answer:
    return {call: list(needed.values()) for call, needed in runtime.demands.get(caller, {}).items()}


def get_reboots() -> Answer:
    return dict(runtime.reboots)


def put_target_health(body: Answer) -> Answer:
    for arn, targets in body.items():
        unknown = set(targets.values()) - _TARGET_STATES
        if unknown:
            raise ControlError(HTTPStatus.BAD_REQUEST, f"{arn}: target states are {sorted(_TARGET_STATES)}, not {sorted(unknown)}")
    runtime.target_health.update({arn: dict(targets) for arn, targets in body.items()})
    return {}


def put_target_answers(region: str, body: Answer) -> Answer:
    """As Elastic Load Balancing does, but not once a minute."""
    points = []
    for arn, answers in body.items():
        balancer = str(answers.get("load_balancer")).partition(":loadbalancer/")[2]
        dimensions = [{"Name": "TargetGroup", "Value": arn.rpartition(":")[2]}, {"Name": "LoadBalancer", "Value": balancer}]
        for name, key in (("RequestCount", "requests"), ("HTTPCode_Target_5XX_Count", "errors")):
            points.append({"MetricName": name, "Dimensions": dimensions, "Value": _number(answers, key), "Unit": "Count"})
    cloudwatch_backends[ACCOUNT_ID][_region(region)].put_metric_data("AWS/ApplicationELB", points)
    return {}


def get_certificate(arn: str) -> Answer:
    region = (arn.split(":") + [""] * 4)[3]
    certificate = acm_backends[ACCOUNT_ID][_region(region)]._certificates.get(arn)
    if certificate is None:
        raise ControlError(HTTPStatus.NOT_FOUND, f"no certificate {arn}")
    return {
        "certificate": _text(certificate.cert),
        "chain": _text(certificate.chain),
        "private_key": _text(certificate.key),
    }


def get_database(region: str, name: str) -> Answer:
    database = _database(region, name)
    groups = rds_backends[ACCOUNT_ID][region].db_parameter_groups
    group = groups.get(database.db_parameter_group_name or "")  # it may have none of its own
    parameters = {key: entry["ParameterValue"] for key, entry in group.parameters.items() if "ParameterValue" in entry} if group else {}
    return {
        "master_username": database.master_username,
        "master_password": database._master_user_password,
        "db_name": database.db_name,
        "parameters": parameters,
        "replication_password": replication_password(database),
        "source": _source(region, database),
    }


def _source(region: str, replica: Any) -> Answer | None:
    if not replica.source_db_instance_identifier:
        return None
    source = rds_backends[ACCOUNT_ID][region].find_db_from_id(replica.source_db_instance_identifier)
    return {"region": source.region, "id": source.db_instance_identifier, "endpoint": source.address, "port": source.port}


def put_replica_lag(region: str, name: str, body: Answer) -> Answer:
    """As RDS does, but not once a minute."""
    _database(region, name)
    dimensions = [{"Name": "DBInstanceIdentifier", "Value": name}]
    point = {"MetricName": "ReplicaLag", "Dimensions": dimensions, "Value": _number(body, "seconds"), "Unit": "Seconds"}
    cloudwatch_backends[ACCOUNT_ID][region].put_metric_data("AWS/RDS", [point])
    return {}


def put_alarms(region: str, body: Answer) -> Answer:
    try:
        at = datetime.fromisoformat(body["at"]).astimezone(UTC).replace(tzinfo=None)
    except (KeyError, TypeError, ValueError) as error:
        raise ControlError(HTTPStatus.BAD_REQUEST, f'"at" must be a time as ISO 8601 writes it, not {body.get("at")!r}') from error
    return dict(alarm_evaluation.evaluate(_region(region), at))


def get_outages() -> Answer:
    return {"regions": sorted(runtime.unavailable)}


def put_outage(region: str, body: Answer) -> Answer:
    if not isinstance(body.get("out"), bool):
        raise ControlError(HTTPStatus.BAD_REQUEST, f'"out" must be true or false, not {body.get("out")!r}')
    (runtime.unavailable.add if body["out"] else runtime.unavailable.discard)(_region(region))
    runtime.changed()
    return {}


def put_database(region: str, name: str, body: Answer) -> Answer:
    _database(region, name).status = _readiness(body)
    runtime.changed()
    return {}


def get_cache(region: str, name: str) -> Answer:
    cache = _cache(region, name)
    groups = getattr(elasticache_backends[ACCOUNT_ID][region], "sandbox_parameter_groups", {})
    group = groups.get(cache.cache_parameter_group_name, {"parameters": {}})
    tokens = [token for token in (cache.auth_token, cache.former_auth_token) if token]
    return {"auth_tokens": tokens, "parameters": group["parameters"]}


def put_cache(region: str, name: str, body: Answer) -> Answer:
    state = _readiness(body)
    _cache(region, name).status = "available" if state == "available" else "create-failed"
    runtime.changed()
    return {}


def put_image(region: str, name: str, body: Answer) -> Answer:
    image = ec2_backends[ACCOUNT_ID][_region(region)].amis.get(name)
    if image is None:
        raise ControlError(HTTPStatus.NOT_FOUND, f"no image {name} in {region}")
    image.state = _readiness(body)
    runtime.changed()
    return {}


ROUTES: tuple[tuple[str, re.Pattern[str], Callable[..., Answer]], ...] = tuple(
    (method, re.compile(pattern), function)
    for method, pattern, function in (
        ("GET", r"version", get_version),
        ("GET", r"calls/(?P<caller>[^/]+)", get_calls),
        ("GET", r"reboots", get_reboots),
        ("PUT", r"target-health", put_target_health),
        ("PUT", r"target-answers/(?P<region>[^/]+)", put_target_answers),
        ("GET", r"certificates/(?P<arn>.+)", get_certificate),
        ("GET", r"databases/(?P<region>[^/]+)/(?P<name>[^/]+)", get_database),
        ("PUT", r"databases/(?P<region>[^/]+)/(?P<name>[^/]+)", put_database),
        ("PUT", r"replica-lag/(?P<region>[^/]+)/(?P<name>[^/]+)", put_replica_lag),
        ("PUT", r"alarms/(?P<region>[^/]+)", put_alarms),
        ("GET", r"outages", get_outages),
        ("PUT", r"outages/(?P<region>[^/]+)", put_outage),
        ("GET", r"caches/(?P<region>[^/]+)/(?P<name>[^/]+)", get_cache),
        ("PUT", r"caches/(?P<region>[^/]+)/(?P<name>[^/]+)", put_cache),
        ("PUT", r"images/(?P<region>[^/]+)/(?P<name>[^/]+)", put_image),
    )
)


def control_application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """WSGI application of the calls above."""
    try:
        with runtime.lock:
            status, answer = HTTPStatus.OK, _route(environ)
    except ControlError as error:
        status, answer = error.status, {"error": str(error)}
    start_response(f"{status.value} {status.phrase}", [("Content-Type", "application/json")])
    return [json.dumps(answer).encode()]


def _route(environ: dict[str, Any]) -> Answer:
    method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"].removeprefix("/sandbox/")
    for known_method, pattern, function in ROUTES:
        match = pattern.fullmatch(path)
        if match and method == known_method:
            arguments: dict[str, Any] = {key: unquote(value) for key, value in match.groupdict().items()}
            if method == "PUT":
                arguments["body"] = _body(environ)
            return function(**arguments)
    raise ControlError(HTTPStatus.NOT_FOUND, f"no call {method} /sandbox/{path}")


def _body(environ: dict[str, Any]) -> Answer:
    try:
        body = json.loads(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)))
    except ValueError as error:
        raise ControlError(HTTPStatus.BAD_REQUEST, f"the body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise ControlError(HTTPStatus.BAD_REQUEST, "the body must be a JSON object")
    return body


def _readiness(body: Answer) -> str:
    state = body.get("state")
    if state not in _READINESS:
        raise ControlError(HTTPStatus.BAD_REQUEST, f'"state" must be one of {sorted(_READINESS)}, not {state!r}')
    return str(state)


def _number(body: Answer, name: str) -> float:
    value = body.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ControlError(HTTPStatus.BAD_REQUEST, f'"{name}" must be a number, not {value!r}')
    return float(value)


def _region(region: str) -> str:
    if region not in REGIONS:
        raise ControlError(HTTPStatus.NOT_FOUND, f"the sandbox has the regions {list(REGIONS)}, not {region!r}")
    return region


def _database(region: str, name: str) -> Any:
    databases = rds_backends[ACCOUNT_ID][_region(region)].databases
    if name not in databases:
        raise ControlError(HTTPStatus.NOT_FOUND, f"no DB instance {name} in {region}")
    return databases[name]


def _cache(region: str, name: str) -> Any:
    groups = elasticache_backends[ACCOUNT_ID][_region(region)].replication_groups
    if name not in groups:
        raise ControlError(HTTPStatus.NOT_FOUND, f"no replication group {name} in {region}")
    return groups[name]


def _text(value: bytes | str | None) -> str:
    return value.decode() if isinstance(value, bytes) else value or ""

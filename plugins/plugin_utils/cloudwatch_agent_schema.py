# Copyright (c) IndiVillage platform team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the CloudWatch agent's configuration on a Linux host may say, in the vocabulary of JSON Schema.

Written after https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch-Agent-Configuration-File-Details.html.
What no host here needs (traces, OpenTelemetry, containers, GPUs, StatsD, collectd, procstat, Windows) is left out, and so refused.
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]


def table(*required: str, **properties: Schema) -> Schema:
    """An object of these keys and no others, those in front among them; two underscores stand for a dot."""
    named = {name.replace("__", "."): schema for name, schema in properties.items()}
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(required),
        "properties": named,
        "minProperties": int(not required),
    }


def many(items: Schema) -> Schema:
    """A list of at least one."""
    return {"type": "array", "items": items, "minItems": 1}


def one_of(*values: str | int) -> Schema:
    """One of these, all of the same type."""
    return {"type": "string" if isinstance(values[0], str) else "integer", "enum": list(values)}


def text(pattern: str = ".") -> Schema:
    """A text in which the pattern is found."""
    return {"type": "string", "pattern": pattern}


YES_OR_NO = {"type": "boolean"}
SECONDS = {"type": "integer", "minimum": 1, "maximum": 172800}
CREDENTIALS = table("role_arn", role_arn=text("^arn:"))
ENTITY = {"service__name": text(), "deployment__environment": text()}

# What each plugin measures. A name may have the plugin's in front: disk_used_percent is used_percent of disk.
CPU_STATES = ["active", "guest", "guest_nice", "idle", "iowait", "irq", "nice", "softirq", "steal", "system", "user"]
MEASUREMENTS = {
    "cpu": [f"{kind}_{state}" for kind in ("time", "usage") for state in CPU_STATES],
    "disk": ["free", "inodes_free", "inodes_total", "inodes_used", "total", "used", "used_percent"],
    "diskio": ["io_time", "iops_in_progress", "read_bytes", "read_time", "reads", "write_bytes", "write_time", "writes"],
    "mem": [
        "active",
        "available",
        "available_percent",
        "buffered",
        "cached",
        "free",
        "inactive",
        "shared",
        "total",
        "used",
        "used_percent",
    ],
    "net": ["bytes_recv", "bytes_sent", "drop_in", "drop_out", "err_in", "err_out", "packets_recv", "packets_sent"],
    "netstat": [
        "tcp_close",
        "tcp_close_wait",
        "tcp_closing",
        "tcp_established",
        "tcp_fin_wait1",
        "tcp_fin_wait2",
        "tcp_last_ack",
        "tcp_listen",
        "tcp_none",
        "tcp_syn_recv",
        "tcp_syn_sent",
        "tcp_time_wait",
        "udp_socket",
    ],
    "processes": ["blocked", "dead", "idle", "paging", "running", "sleeping", "stopped", "total", "total_threads", "wait", "zombies"],
    "swap": ["free", "used", "used_percent"],
}
# What a plugin can be told besides what all can.
RESOURCES = {"resources": many(text())}
TOLD = {
    "cpu": {**RESOURCES, "totalcpu": YES_OR_NO},
    "disk": {**RESOURCES, "drop_device": YES_OR_NO, "ignore_file_system_types": many(text())},
    "diskio": RESOURCES,
    "net": RESOURCES,
}


def plugin(name: str) -> Schema:
    """What is said of one plugin."""
    metric = one_of(*MEASUREMENTS[name], *(f"{name}_{measured}" for measured in MEASUREMENTS[name]))
    return table(
        "measurement",
        measurement=many({"anyOf": [metric, table("name", name=metric, rename=text(), unit=text())]}),
        append_dimensions={"type": "object", "additionalProperties": text()},
        drop_original_metrics=many(metric),
        metrics_collection_interval=SECONDS,
        **TOLD.get(name, {}),
    )


# -1 keeps records for ever; the others: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
RETENTION = one_of(-1, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)
STREAM = text("^[^:*]{1,512}$")
SOURCE = {
    "log_group_name": text("^[A-Za-z0-9._/#{}-]{1,512}$"),
    "log_stream_name": STREAM,
    "retention_in_days": RETENTION,
    "filters": many(table("type", "expression", type=one_of("include", "exclude"), expression=text())),
}
FILE = table(
    "file_path",
    file_path=text("^/"),
    auto_removal=YES_OR_NO,
    blacklist=text(),
    encoding=text(),
    log_group_class=one_of("STANDARD", "INFREQUENT_ACCESS"),
    multi_line_start_pattern=text(),
    publish_multi_logs=YES_OR_NO,
    timestamp_format=text(),
    timezone=one_of("UTC", "Local"),
    trim_timestamp=YES_OR_NO,
    **SOURCE,
    **ENTITY,
)
JOURNAL = table("log_group_name", units=many(text()), mode=one_of("native", "journalctl"), **SOURCE)

METRICS_COLLECTED = table(**{name: plugin(name) for name in MEASUREMENTS})
CONFIGURATION = table(
    agent=table(
        aws_sdk_log_level=text(),
        credentials=CREDENTIALS,
        debug=YES_OR_NO,
        logfile={"type": "string"},  # empty: to the standard error output
        metrics_collection_interval=SECONDS,
        omit_hostname=YES_OR_NO,
        region=text("^[a-z]{2}(-[a-z]+)+-[0-9]$"),
        run_as_user=text(),
        usage_data=YES_OR_NO,
        use_dualstack_endpoint=YES_OR_NO,
        user_agent=text(),
        **ENTITY,
    ),
    metrics=table(
        "metrics_collected",
        aggregation_dimensions=many({"type": "array", "items": text()}),
        append_dimensions=table(
            **{name: one_of(f"${{aws:{name}}}") for name in ("AutoScalingGroupName", "ImageId", "InstanceId", "InstanceType")}
        ),
        credentials=CREDENTIALS,
        endpoint_override=text(),
        force_flush_interval=SECONDS,
        namespace=text("^[A-Za-z0-9_./#:-]{1,255}$"),
        metrics_collected=METRICS_COLLECTED,
        **ENTITY,
    ),
    logs=table(
        "logs_collected",
        concurrency={"type": "integer", "minimum": 1},
        credentials=CREDENTIALS,
        endpoint_override=text(),
        force_flush_interval=SECONDS,
        log_stream_name=STREAM,
        logs_collected=table(
            files=table("collect_list", collect_list=many(FILE)), journald=table("collect_list", collect_list=many(JOURNAL))
        ),
        **ENTITY,
    ),
)

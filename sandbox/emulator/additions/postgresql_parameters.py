# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine parameters of RDS for PostgreSQL that DescribeDBParameters lists here: the ones people set.

https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Appendix.PostgreSQL.CommonDBATasks.Parameters.html
Values are in PostgreSQL's own units (`pg_settings.unit`), as on RDS: kB, 8kB blocks, ms, s.
"""

from __future__ import annotations

from typing import Any, Final

# name: (apply type, data type, allowed values, engine default or None)
_TABLE: Final[dict[str, tuple[str, str, str, str | None]]] = {
    "autovacuum": ("dynamic", "boolean", "0,1", "1"),
    "autovacuum_analyze_scale_factor": ("dynamic", "float", "0-100", "0.05"),
    "autovacuum_max_workers": ("static", "integer", "1-262143", "3"),
    "autovacuum_vacuum_scale_factor": ("dynamic", "float", "0-100", "0.1"),
    "checkpoint_timeout": ("dynamic", "integer", "30-86400", "300"),
    "client_encoding": ("dynamic", "string", "", None),
    "deadlock_timeout": ("dynamic", "integer", "1-2147483647", "1000"),
    "default_statistics_target": ("dynamic", "integer", "1-10000", "100"),
    "default_transaction_read_only": ("dynamic", "boolean", "0,1", "0"),
    "effective_cache_size": ("dynamic", "integer", "1-2147483647", None),
    "effective_io_concurrency": ("dynamic", "integer", "0-1000", "1"),
    "idle_in_transaction_session_timeout": ("dynamic", "integer", "0-2147483647", "86400000"),
    "lock_timeout": ("dynamic", "integer", "0-2147483647", None),
    "log_autovacuum_min_duration": ("dynamic", "integer", "-1-2147483647", "10000"),
    "log_checkpoints": ("dynamic", "boolean", "0,1", "1"),
    "log_connections": ("dynamic", "boolean", "0,1", "0"),
    "log_disconnections": ("dynamic", "boolean", "0,1", "0"),
    "log_error_verbosity": ("dynamic", "string", "terse,default,verbose", None),
    "log_hostname": ("dynamic", "boolean", "0,1", "0"),
    "log_lock_waits": ("dynamic", "boolean", "0,1", None),
    "log_min_duration_statement": ("dynamic", "integer", "-1-2147483647", None),
    "log_min_error_statement": ("dynamic", "string", "debug5,debug4,debug3,debug2,debug1,info,notice,warning,error,log,fatal,panic", None),
    "log_statement": ("dynamic", "string", "none,ddl,mod,all", None),
    "log_temp_files": ("dynamic", "integer", "-1-2147483647", None),
    "maintenance_work_mem": ("dynamic", "integer", "1024-2147483647", None),
    "max_connections": ("static", "integer", "6-8388607", "LEAST({DBInstanceClassMemory/9531392},5000)"),
    "max_parallel_workers_per_gather": ("dynamic", "integer", "0-1024", None),
    "max_wal_size": ("dynamic", "integer", "128-201326592", "2048"),
    "password_encryption": ("dynamic", "string", "md5,scram-sha-256", "scram-sha-256"),
    "pg_stat_statements.max": ("static", "integer", "100-2147483647", None),
    "pg_stat_statements.track": ("dynamic", "string", "none,top,all", None),
    "random_page_cost": ("dynamic", "float", "0-1.79769e+308", None),
    "rds.accepted_password_auth_method": ("dynamic", "string", "md5+scram,scram", "md5+scram"),
    "rds.force_ssl": ("dynamic", "boolean", "0,1", "1"),
    "rds.log_retention_period": ("dynamic", "integer", "1440-10080", "4320"),
    "rds.logical_replication": ("static", "boolean", "0,1", "0"),
    "shared_buffers": ("static", "integer", "16-1073741823", "{DBInstanceClassMemory/32768}"),
    "shared_preload_libraries": ("static", "list", "", "pg_stat_statements"),
    "ssl_min_protocol_version": ("dynamic", "string", "TLSv1.2,TLSv1.3", "TLSv1.2"),
    "statement_timeout": ("dynamic", "integer", "0-2147483647", None),
    "tcp_keepalives_idle": ("dynamic", "integer", "0-2147483647", "300"),
    "timezone": ("dynamic", "string", "", "UTC"),
    "track_activity_query_size": ("static", "integer", "100-1048576", "4096"),
    "track_io_timing": ("dynamic", "boolean", "0,1", "1"),
    "wal_buffers": ("static", "integer", "-1-262143", None),
    "work_mem": ("dynamic", "integer", "64-2147483647", None),
}

PARAMETERS: Final[dict[str, dict[str, Any]]] = {
    name: {
        "ParameterName": name,
        "ApplyType": apply_type,
        "DataType": data_type,
        "AllowedValues": allowed,
        "IsModifiable": True,
        "Source": "engine-default" if default is None else "system",
        "ApplyMethod": "pending-reboot",
    }
    | ({} if default is None else {"ParameterValue": default})
    for name, (apply_type, data_type, allowed, default) in _TABLE.items()
}

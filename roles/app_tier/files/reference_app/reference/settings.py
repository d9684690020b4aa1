# SPDX-License-Identifier: GPL-3.0-or-later
"""What the application is told by its environment. Names only; secrets and credentials are fetched at run time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


class SettingsError(Exception):
    """The environment lacks something that the application cannot do without."""


@dataclass(frozen=True)
class Settings:
    """Names of the backends and of the release.

    The region, the endpoint and whether there is a metadata service are read from the usual AWS_* variables by boto3 itself.
    """

    release: str
    database_secret_id: str
    cache_secret_id: str
    bucket_name: str
    queue_name: str
    ca_file: str
    metrics_port: str = ""  # where alone /metrics is answered, and nothing else; nowhere when empty

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read the settings; raise SettingsError naming every variable that is missing."""
        variables = {
            "release": "APP_RELEASE",
            "database_secret_id": "DATABASE_SECRET_ID",
            "cache_secret_id": "CACHE_SECRET_ID",
            "bucket_name": "BUCKET_NAME",
            "queue_name": "QUEUE_NAME",
            "ca_file": "TLS_CA_FILE",
        }
        missing = [variable for variable in (*variables.values(), "AWS_REGION") if not environment.get(variable)]
        if missing:
            raise SettingsError(f"not set: {', '.join(missing)}; they belong into /etc/indivillage/app.env, which the role app_tier writes")
        found = {field: environment[variable] for field, variable in variables.items()}
        return cls(**found, metrics_port=environment.get("METRICS_PORT", ""))

# SPDX-License-Identifier: GPL-3.0-or-later
"""Who asks for a secret and names no version gets the one in stage AWSCURRENT.

https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_UpdateSecretVersionStage.html
moto 5.2.5 goes on giving the version that was put last, wherever the stage was moved.
"""

from __future__ import annotations

import functools
from typing import Any

from moto.secretsmanager.models import SecretsManagerBackend

from sandbox.emulator.additions.patching import wrap


@functools.cache
def install() -> None:
    @wrap(SecretsManagerBackend, "update_secret_version_stage")
    def update_secret_version_stage(original: Any, self: Any, secret_id: str, version_stage: str, **versions: str | None) -> Any:
        answer = original(self, secret_id, version_stage, **versions)
        if version_stage == "AWSCURRENT":
            self.secrets[secret_id].set_default_version_id(versions["move_to_version_id"])
        return answer

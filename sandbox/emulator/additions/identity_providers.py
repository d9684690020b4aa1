# SPDX-License-Identifier: GPL-3.0-or-later
"""Audiences of identity providers that exist.

https://docs.aws.amazon.com/IAM/latest/APIReference/API_AddClientIDToOpenIDConnectProvider.html
https://docs.aws.amazon.com/IAM/latest/APIReference/API_RemoveClientIDFromOpenIDConnectProvider.html
moto 5.2.5 takes audiences when a provider is made and knows no call to change them.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from moto.core.responses import EmptyResult
from moto.iam.responses import IamResponse

from sandbox.emulator.additions.patching import add


@cache
def install() -> None:
    @add(IamResponse, "add_client_id_to_open_id_connect_provider")
    def add_client_id(self: Any) -> EmptyResult:
        return _change(self, lambda audiences, one: [*audiences, one])

    @add(IamResponse, "remove_client_id_from_open_id_connect_provider")
    def remove_client_id(self: Any) -> EmptyResult:
        return _change(self, lambda audiences, one: [audience for audience in audiences if audience != one])


def _change(response: Any, changed: Any) -> EmptyResult:
    provider = response.backend.get_open_id_connect_provider(response._get_param("OpenIDConnectProviderArn"))
    provider.client_id_list = changed(provider.client_id_list or [], response._get_param("ClientID"))
    return EmptyResult()

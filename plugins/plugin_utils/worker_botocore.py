# SPDX-License-Identifier: GPL-3.0-or-later
"""What botocore computes anew for every session from what never changes during a run: its files, rules and handlers.

Every module makes a session of its own, and with it most of a task's processor time went into listing botocore's directories, parsing
endpoint rules and building client classes that the server already had. Each function below lets botocore keep one such result for the
whole process, under a key that holds everything the result depends on. Nothing that depends on a task is kept: regions, credentials,
endpoints and clients are made by each task, as ever.
"""

from __future__ import annotations

import functools
import importlib
from typing import Any


def share() -> None:
    """Let all sessions of this process share what is the same for all of them; to be called once, before the first session."""
    _share_files()
    _share_event_names()
    _share_rules()
    _share_models()
    _share_client_classes()


def _share_files() -> None:
    """Loaders with the same search paths find and parse the same files."""
    loaders: Any = importlib.import_module("botocore.loaders")
    known: dict[tuple[str, ...], dict[Any, Any]] = {}
    loaders.Loader._cache = property(lambda self: known.setdefault(tuple(self._search_paths), {}), lambda _self, _value: None)


def _share_event_names() -> None:
    """Aliases of event names depend on the table of aliases alone, and whether a handler takes keywords on the handler alone."""
    hooks: Any = importlib.import_module("botocore.hooks")
    known: dict[int, tuple[Any, dict[str, str]]] = {}  # the table is kept, so that its identity stays its own

    def cache(self: Any) -> dict[str, str]:
        aliases = self._event_aliases
        return known.setdefault(id(aliases), (aliases, {}))[1]

    hooks.EventAliaser._alias_name_cache = property(cache, lambda _self, _value: None)
    hooks.accepts_kwargs = functools.cache(hooks.accepts_kwargs)


def _share_rules() -> None:
    """A rule set depends on the data that it is made of; loaders with the same paths give the very same objects."""
    provider: Any = importlib.import_module("botocore.endpoint_provider")
    make = provider.RuleSet
    known: dict[tuple[int, int], tuple[Any, Any, Any]] = {}

    def rule_set(*, rules: Any, partitions: Any, **others: Any) -> Any:
        key = (id(rules), id(partitions))
        if key not in known:
            known[key] = (make(rules=rules, partitions=partitions, **others), rules, partitions)
        return known[key][0]

    provider.RuleSet = rule_set


def _share_models() -> None:
    """A service model keeps what it has once read from the data that it is made of."""
    client: Any = importlib.import_module("botocore.client")
    make = client.ServiceModel
    known: dict[tuple[int, str], tuple[Any, Any]] = {}

    def service_model(description: Any, service_name: str) -> Any:
        key = (id(description), service_name)
        if key not in known:
            known[key] = (make(description, service_name=service_name), description)
        return known[key][0]

    client.ServiceModel = service_model


def _share_client_classes() -> None:
    """A client class depends on the service's model and on the handlers of its creation, which add methods to it."""
    client: Any = importlib.import_module("botocore.client")
    make = client.ClientCreator._create_client_class
    known: dict[tuple[Any, ...], tuple[Any, Any]] = {}

    def create(self: Any, service_name: str, service_model: Any) -> Any:
        event = f"creating-client-class.{service_model.service_id.hyphenize()}"
        emitter = self._event_emitter
        handlers = emitter._emitter._handlers.prefix_search(emitter._alias_event_name(event))
        key = (service_name, id(service_model), tuple((handler.__module__, handler.__qualname__) for handler in handlers))
        if key not in known:
            known[key] = (make(self, service_name, service_model), service_model)
        return known[key][0]

    client.ClientCreator._create_client_class = create

# SPDX-License-Identifier: GPL-3.0-or-later
"""What botocore computes anew for every session from what never changes during a run: its files, rules and handlers.

Every module makes a session of its own, and with it most of a task's processor time went into listing botocore's directories, parsing
endpoint rules and building client classes that the server already had. Each function below lets botocore keep one such result for the
whole process, under a key that holds everything the result depends on. Nothing that depends on a task is kept: regions, credentials,
endpoints and clients are made by each task, as ever.
"""

from __future__ import annotations

import copy
import functools
import importlib
from typing import Any


def share() -> None:
    """Let all sessions of this process share what is the same for all of them; to be called once, before the first session."""
    _share_files()
    _share_event_names()
    _share_handlers()
    _share_session_handlers()
    _defer_tls()
    _share_rules()
    _share_models()
    _share_client_classes()


def _share_files() -> None:
    """Loaders with the same search paths find and parse the same files."""
    loaders: Any = importlib.import_module("botocore.loaders")
    known: dict[tuple[str, ...], dict[Any, Any]] = {}
    loaders.Loader._cache = property(lambda self: known.setdefault(tuple(self._search_paths), {}), lambda _self, _value: None)


def _share_event_names() -> None:
    """Aliases of event names depend on the table of aliases alone, and whether a handler takes keywords on its function alone."""
    hooks: Any = importlib.import_module("botocore.hooks")
    known: dict[int, tuple[Any, dict[str, str]]] = {}  # the table is kept, so that its identity stays its own
    find = hooks.EventAliaser._alias_event_name

    def copied(self: Any) -> Any:
        return type(self)(copy.copy(self._emitter), self._event_aliases)

    def cache(self: Any) -> dict[str, str]:
        aliases = self._event_aliases
        return known.setdefault(id(aliases), (aliases, {}))[1]

    @functools.cache
    def parts(table: int) -> tuple[frozenset[str], tuple[str, ...]]:
        aliases = known[table][0]
        return frozenset(name for name in aliases if "." not in name), tuple(name for name in aliases if "." in name)

    def alias(self: Any, event: str) -> str:
        names = self._alias_name_cache
        if event not in names:
            single, several = parts(id(self._event_aliases))
            if single.isdisjoint(event.split(".")) and not any(name in event for name in several):
                names[event] = event  # as most; botocore would take the name apart once for each alias
        return str(names.get(event) or find(self, event))

    hooks.EventAliaser.__copy__ = copied
    hooks.EventAliaser._alias_name_cache = property(cache, lambda _self, _value: None)
    hooks.EventAliaser._alias_event_name = alias
    takes_keywords = functools.cache(hooks.accepts_kwargs)
    hooks.accepts_kwargs = lambda handler: takes_keywords(getattr(handler, "__func__", handler))


def _share_handlers() -> None:
    """A copy of the tree of handlers, which each client makes of its session's, has the nodes in common that neither changes."""
    trie: Any = importlib.import_module("botocore.hooks")._PrefixTrie
    append, remove = trie.append_item, trie.remove_item

    def copied(self: Any) -> Any:
        new = type(self)()
        new._root = self._root
        self._own, new._own = {}, {}  # by identity, the nodes that no other copy has
        new.changes = self.changes
        return new

    def own(self: Any, node: dict[str, Any]) -> dict[str, Any]:
        if id(node) in self._own:
            return node
        new = {**node, "children": dict(node["children"]), "values": copy.copy(node["values"])}
        self._own[id(new)] = new
        return new

    def own_path(self: Any, key: str) -> None:
        node = self._root = own(self, self._root)
        for part in key.split("."):
            if part not in node["children"]:
                return
            node["children"][part] = node = own(self, node["children"][part])

    def append_item(self: Any, key: str, *arguments: Any, **keywords: Any) -> None:
        self.changes += 1
        if hasattr(self, "_own"):
            own_path(self, key)
        append(self, key, *arguments, **keywords)

    def remove_item(self: Any, key: str, value: Any) -> None:
        self.changes += 1
        if hasattr(self, "_own"):
            own_path(self, key)
        remove(self, key, value)

    trie.__copy__, trie.append_item, trie.remove_item = copied, append_item, remove_item
    trie.changes = 0  # of handlers; tells whether somebody has added or removed one


def _share_session_handlers() -> None:
    """A new session has the tree of handlers that botocore's own make, and one of boto3 that with boto3's.

    What is added to botocore's list later is registered by each session.
    """
    session: Any = importlib.import_module("botocore.session").Session
    boto3_session: Any = importlib.import_module("boto3.session").Session
    handlers: Any = importlib.import_module("botocore.handlers")
    register, register_defaults = session._register_builtin_handlers, boto3_session._register_default_handlers
    own, emitter = list(handlers.BUILTIN_HANDLERS), session()._events._emitter
    defaults = boto3_session(botocore_session=session())._session._events._emitter

    def register_builtin_handlers(self: Any, events: Any) -> None:
        known, added = handlers.BUILTIN_HANDLERS[: len(own)], handlers.BUILTIN_HANDLERS[len(own) :]
        if events._emitter._handlers._root["children"] or known != own or any(len(handler) != 2 for handler in added):
            register(self, events)
            return
        events._emitter._handlers = copy.copy(emitter._handlers)
        for event, handler in added:
            self.register(event, handler)

    def register_default_handlers(self: Any) -> None:
        new = self._session._events._emitter
        if new._handlers._root is not emitter._handlers._root or new._unique_id_handlers != emitter._unique_id_handlers:
            register_defaults(self)  # somebody has changed them before
            return
        new._lookup_cache = {}
        new._handlers, new._unique_id_handlers = copy.copy(defaults._handlers), copy.copy(defaults._unique_id_handlers)

    session._register_builtin_handlers = register_builtin_handlers
    boto3_session._register_default_handlers = register_default_handlers


def _defer_tls() -> None:
    """What TLS needs is made with the first connection over TLS: of the three sessions that come with a client most make none."""
    http: Any = importlib.import_module("botocore.httpsession")
    arguments = http.URLLib3Session._get_pool_manager_kwargs

    class Pools(http.PoolManager):
        def connection_from_host(self, host: Any, port: Any = None, scheme: Any = "http", pool_kwargs: Any = None) -> Any:
            if scheme == "https" and self.connection_pool_kw["ssl_context"] is None:
                self.connection_pool_kw["ssl_context"] = http.create_urllib3_context()
            return super().connection_from_host(host, port, scheme, pool_kwargs)

    def pool_manager_arguments(self: Any, **others: Any) -> dict[str, Any]:
        if not others:  # those of a proxy are left to botocore
            self = copy.copy(self)
            self._get_ssl_context = lambda: None
        return dict(arguments(self, **others))

    http.PoolManager, http.URLLib3Session._get_pool_manager_kwargs = Pools, pool_manager_arguments


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

# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask all backends at once, and know after a fixed time which of them answered."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial

from .components import Component

DEADLINE_SECONDS = 10.0
"""More than a backend's own limits usually add up to; it bounds what has none, such as a name server that is silent."""

logger = logging.getLogger("reference.checks")


@dataclass(frozen=True)
class Result:
    """What one backend did: whether it answered, a sentence for people, and the milliseconds it took."""

    ok: bool
    detail: str
    milliseconds: int


class Checks:
    """The backends by name, asked side by side."""

    def __init__(self, components: Mapping[str, Component], deadline_seconds: float = DEADLINE_SECONDS) -> None:
        self._components = components
        self._deadline_seconds = deadline_seconds
        self._executor: ThreadPoolExecutor | None = None

    @property
    def names(self) -> Collection[str]:
        """What the backends are called."""
        return self._components.keys()

    def status(self, *names: str) -> dict[str, Result]:
        """Ask the backends of these names, or each of them, for a sign of life."""
        return self._ask({name: self._components[name].status for name in names or self._components})

    def round_trip(self) -> dict[str, Result]:
        """Write a value to each backend and read it back."""
        token = secrets.token_hex(16)
        return self._ask({name: partial(component.round_trip, token) for name, component in self._components.items()})

    def _ask(self, questions: Mapping[str, Callable[[], str]]) -> dict[str, Result]:
        if self._executor is None:  # made by the worker that uses it: threads do not survive gunicorn's fork
            self._executor = ThreadPoolExecutor(max_workers=8 * len(self._components), thread_name_prefix="check")
        futures: dict[str, Future[Result]] = {name: self._executor.submit(answer, name, ask) for name, ask in questions.items()}
        done, _ = wait(futures.values(), timeout=self._deadline_seconds)
        late = Result(False, f"no answer within {self._deadline_seconds:g} s", round(self._deadline_seconds * 1000))
        return {name: future.result() if future in done else late for name, future in futures.items()}


def answer(name: str, ask: Callable[[], str]) -> Result:
    """Ask one backend. The page names the kind of failure only; the journal has all of it."""
    start = time.monotonic()

    def milliseconds() -> int:
        return round((time.monotonic() - start) * 1000)

    try:
        return Result(True, ask(), milliseconds())
    except Exception as error:  # whatever a backend's library raises means that the backend failed
        logger.warning("backend failed", extra={"fields": {"component": name, "error": f"{type(error).__name__}: {error}".strip()}})
        return Result(False, f"failed: {type(error).__name__}", milliseconds())

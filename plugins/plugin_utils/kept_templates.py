# SPDX-License-Identifier: GPL-3.0-or-later
"""Templates as ansible-core 2.21 has compiled them, kept from task to task and from run to run.

Ansible compiles the templates of a task in the task's own process and then forgets them, so the same are compiled for every host and item
and again in the next run. Compiled code holds what the template's text says and no values: ansible-core has Jinja's folding of constants
switched off. It depends on that text, on ansible-core and Jinja, and on how filters and tests are declared; all of that but the text is
the state of the code for which they are kept. Texts that come out of a vault are compiled as ever and never written to disk.
"""

from __future__ import annotations

import marshal
import os
from contextlib import suppress
from pathlib import Path
from types import CodeType
from typing import Any

from ansible._internal._datatag._tags import VaultedValue
from ansible._internal._templating._jinja_bits import AnsibleEnvironment, _TemplateCompileContext
from ansible_collections.indivillage.infra.plugins.plugin_utils.whole_files import write_whole

IN_A_RUN = "compiled_templates"
KEPT = ".templates"  # hidden beside the packed modules of the same state of the code
MAXIMAL_BYTES = 16 << 20  # texts that nobody uses any more are dropped with all others when there is more
# What marshal raises of a file that was cut off or damaged: it is as if it, or what follows there, had never been kept.
UNREADABLE = (EOFError, ValueError, TypeError)

Key = tuple[str, bool]  # text, whether its backslashes are escaped


class KeptTemplates:
    """The compiled templates of one state of the code: read from a file at first, and kept with those of this run in the end."""

    def __init__(self, kept: Path, in_this_run: Path) -> None:
        self._kept = kept / KEPT
        self._new = in_this_run / IN_A_RUN  # each process of the run appends what it has compiled
        self._known: dict[Key, bytes | CodeType] = {}

    def hand_over(self) -> None:
        """Have this process, and all that it forks, compile only what is not known."""
        if self._kept.exists() and self._kept.stat().st_size < MAXIMAL_BYTES:
            with suppress(*UNREADABLE):
                self._known = marshal.loads(self._kept.read_bytes())  # noqa: S302  # in a directory that only its owner may enter
        compile_template, cache = AnsibleEnvironment.compile, self

        def compile_or_recall(self: AnsibleEnvironment, source: Any, *arguments: Any, **settings: Any) -> Any:
            context = _TemplateCompileContext.current(optional=True)
            plain = isinstance(source, str) and not VaultedValue.is_tagged_on(source)
            if arguments or settings or self.overlayed or not context or not plain:
                return compile_template(self, source, *arguments, **settings)
            key = (str(source), context.escape_backslashes)
            return cache.recall(key) or cache.remember(key, compile_template(self, source))

        AnsibleEnvironment.compile = compile_or_recall

    def recall(self, key: Key) -> CodeType | None:
        """The code of a template, if it was compiled before."""
        code = self._known.get(key)
        if isinstance(code, bytes):
            code = self._known[key] = marshal.loads(code)  # noqa: S302  # as above
        return code

    def remember(self, key: Key, code: CodeType) -> CodeType:
        """Keep the code of a template, and return it."""
        self._known[key] = code
        with suppress(OSError):  # a full disk is no reason for a task to fail
            descriptor = os.open(self._new, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                os.write(descriptor, marshal.dumps((key, marshal.dumps(code))))  # in one piece: processes side by side do not mix
            finally:
                os.close(descriptor)
        return code

    def take_over(self) -> None:
        """Keep what this run has compiled."""
        if not self._new.exists():
            return
        known = {key: code if isinstance(code, bytes) else marshal.dumps(code) for key, code in self._known.items()}
        with self._new.open("rb") as new, suppress(*UNREADABLE):
            while new.peek(1):
                key, code = marshal.load(new)  # noqa: S302  # written by this run's own processes
                known[key] = code
        write_whole(self._kept, [marshal.dumps(known)])

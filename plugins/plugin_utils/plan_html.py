# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan as one HTML page that needs nothing else: every value whole, filters by host, role and action, fit for print."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

from ansible_collections.indivillage.infra.plugins.plugin_utils import plan_sections
from ansible_collections.indivillage.infra.plugins.plugin_utils.plan_report import ACTIONS, Plan, title
from jinja2 import Environment, FileSystemLoader, StrictUndefined

TEMPLATE = "plan_html.j2"


def render(plan: Plan) -> str:
    """The plan as an HTML document."""
    # Whatever a resource is called, it is text: nothing from AWS or from a host becomes part of the page's own code.
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(
        whole=whole, **{name: getattr(plan_sections, name) for name in ("text_diff", "counts", "subject", "dollars")}
    )
    sections = plan_sections.sections(plan)
    return environment.get_template(TEMPLATE).render(
        plan=plan,
        sections=sections,
        verdict=plan_sections.verdict(plan),
        cost=plan_sections.cost(plan),
        actions=[action for action in (*ACTIONS, "none") if any(entry.action == action for entry in plan.entries)],
        hosts=[host for section in sections for host in section.hosts],
        roles=sorted({entry.role for entry in plan.entries}),
        notes=plan_sections.notes(plan),
        symbols=plan_sections.SYMBOLS,
        title=title,
    )


def whole(value: Any) -> str:
    """A value in full: text as it is, nothing as C((none)), all else as indented JSON."""
    if value is None:
        return "(none)"
    return value if isinstance(value, str) else _json(value)


_json = partial(json.dumps, indent=2, sort_keys=True, ensure_ascii=False, default=str)

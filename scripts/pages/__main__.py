# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the pages: `python -m scripts.pages`."""

from __future__ import annotations

from scripts.pages.files import pages
from scripts.pages.inventory import ROOT

for name, text in pages().items():
    path = ROOT / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    print(name)

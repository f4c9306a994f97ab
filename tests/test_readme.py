"""The README's table of systems is what the catalogue says.

FOLEYSTAGE_WRITE_TEXTS=1 writes it instead.
"""

from __future__ import annotations

import os
from pathlib import Path

from foleystage.core.listing import systems_table

README = Path(__file__).resolve().parents[1] / "README.md"
BEGIN, END = "<!-- systems -->\n", "\n<!-- /systems -->"


def test_table_of_systems_is_the_catalogues():
    text = README.read_text("utf-8")
    assert text.count(BEGIN) == 1 and text.count(END) == 1
    before, rest = text.split(BEGIN)
    stands, after = rest.split(END)
    table = systems_table()
    if os.environ.get("FOLEYSTAGE_WRITE_TEXTS"):
        README.write_text(f"{before}{BEGIN}{table}{END}{after}", "utf-8")
        return
    assert stands == table, "run this test with FOLEYSTAGE_WRITE_TEXTS=1"

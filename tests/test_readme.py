"""The README's table of systems is what the catalogue says, and its example runs.

FOLEYSTAGE_WRITE_TEXTS=1 writes the table instead.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from foleystage.core.listing import describe_systems

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
HEAD = ("system", "what it follows", "sound", "tasks", "licence", "weights")
BEGIN, END = "<!-- systems -->\n", "\n<!-- /systems -->"


def systems_table() -> str:
    """A Markdown table of what `foleystage models --json` says."""
    lines = [line(HEAD), "|" + "---|" * len(HEAD)]
    for row in describe_systems()["systems"]:
        generator = row["parts"][0]
        published = ", ".join(dict.fromkeys(file["source"] for file in generator["files"]))
        cells = (
            f"`{row['name']}`",
            ", ".join(dict.fromkeys(stream["meaning"] for stream in row["streams"])),
            f"{row['sample_rate'] / 1000:g} kHz {('mono', 'stereo')[row['channels'] - 1]}",
            ", ".join(f"`{task}`" for task in row["tasks"]),
            row["licence"]["terms"],
            "bundled" if row["bundled"] else published,
        )
        lines.append(line(cells))
    return "\n".join(lines)


def line(cells) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


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


@pytest.mark.slow
def test_the_example_runs(tmp_path, monkeypatch):
    shutil.copy(ROOT / "workflows" / "media" / "example.mp4", tmp_path / "clip.mp4")
    monkeypatch.chdir(tmp_path)
    (example,) = README.read_text("utf-8").split("```python\n")[1:]
    made = {}
    exec(example.partition("```")[0], made)
    assert made["takes"].waveforms.shape[:2] == (3, 1)

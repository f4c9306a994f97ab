"""What ComfyUI's start pays for the pack."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NEVER = ("transformers", "matplotlib", "scipy", "soundfile", "foleystage.core.training")


def loaded_by(module: Path) -> set[str]:
    """Dotted names that importing a file imports at once, the package's own as foleystage.*."""
    package = ("foleystage", *module.relative_to(ROOT).parent.parts)
    names = set()
    for line in ast.parse(module.read_text(encoding="utf-8")).body:
        if isinstance(line, ast.Import):
            names |= {alias.name for alias in line.names}
        elif isinstance(line, ast.ImportFrom):
            base = package[: len(package) - line.level + 1] if line.level else ()
            source = ".".join((*base, *(line.module.split(".") if line.module else ())))
            names |= {source, *(f"{source}.{alias.name}" for alias in line.names)}
    return names


def file_of(name: str) -> Path | None:
    path = ROOT.joinpath(*name.split(".")[1:])
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if name.startswith("foleystage.") and candidate.is_file():
            return candidate
    return None


def test_nodes_import_nothing_heavy():
    todo, visited, names = [ROOT / "nodes" / "extension.py"], set(), set()
    while todo:
        path = todo.pop()
        if path in visited:
            continue
        visited.add(path)
        found = loaded_by(path)
        names |= found
        todo += [p for p in map(file_of, found) if p is not None]
    assert len(visited) > 20
    assert not [n for n in names if n.startswith(NEVER)]

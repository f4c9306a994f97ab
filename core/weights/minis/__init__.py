"""The bundled weights: small models that this repository trained on its own synthetic scenes."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent


def mini_path(name: str) -> Path:
    """The bundled file of a name."""
    return FOLDER / f"{name}.safetensors"

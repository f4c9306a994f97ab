"""The bundled weights: small models that this repository trained on its own synthetic scenes."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from ..fill import fill_from

FOLDER = Path(__file__).parent


def mini_path(name: str) -> Path:
    """The bundled file of a name; a name that ends in .safetensors is a path of one's own."""
    return Path(name) if name.endswith(".safetensors") else FOLDER / f"{name}.safetensors"


def load_mini(module: nn.Module, name: str, *, prefix: str = "") -> nn.Module:
    """Load a bundled file, or one of one's own, into a module."""
    return fill_from(module, mini_path(name), prefix=prefix)

"""A folder of Stable Audio as diffusers keeps it, read as the public file of all its networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .codecs.oobleck_diffusers import public_tensors
from .errors import FoleyError
from .generators.stable_audio_checkpoint import recognise
from .generators.stable_audio_diffusers import public_network, public_timing
from .weights.fill import building
from .weights.load import read_weights
from .weights.schema import Unfit, read_json

_WEIGHTS = "diffusion_pytorch_model"
_TRANSFORMER = "transformer"
_WIDEST_HEAD = 1 << 12
_Names = Callable[[Mapping[str, Tensor]], dict[str, Tensor]]


def read_folder(
    folder: Path, *, dtype: torch.dtype | None = None
) -> tuple[dict[str, Tensor], list[Path]]:
    """The weights of transformer, projection_model and vae by their public names, and the files
    they are from, the transformer's first. dtype: of floating-point ones, None as stored.

    Raises:
        FoleyError: it is no such folder, or lacks a part of it; weights that the public file has no
            place for.
    """
    config = _read_config(folder / _TRANSFORMER / "config.json")
    head_dim = config.get("attention_head_dim")
    if type(head_dim) is not int or not 1 <= head_dim <= _WIDEST_HEAD:
        raise FoleyError(
            f"{folder.name}/{_TRANSFORMER}/config.json has no attention_head_dim: it is no "
            "transformer of Stable Audio; convert the weights files of this folder one by one."
        )
    names: dict[str, _Names] = {
        _TRANSFORMER: partial(public_network, head_dim=head_dim),
        "projection_model": public_timing,
        "vae": public_tensors,
    }
    tensors: dict[str, Tensor] = {}
    files: list[Path] = []
    for part, public in names.items():
        own = _weights_in(folder / part)
        stored: dict[str, Tensor] = {}
        for path in own:
            stored |= read_weights(path, dtype=dtype)
        with building(f"{folder.name}/{part}"):
            try:
                tensors |= public(stored)
            except KeyError as error:
                raise FoleyError(
                    f"{own[0].name} in {folder.name}/{part} does not fit Stable Audio at {error}: "
                    "it is of another model."
                ) from error
        files += own
    _check_heads(folder, tensors, head_dim)
    return tensors, files


def _check_heads(folder: Path, tensors: Mapping[str, Tensor], head_dim: int) -> None:
    """The public file does not say how wide heads are: they are as `recognise` takes them."""
    found = recognise({key: tuple(value.shape) for key, value in tensors.items()}, {})
    if found is None or found.head_dim != head_dim:
        raise FoleyError(
            f"{folder.name} is a Stable Audio that is not known here: only heads of 64 numbers, "
            "and all parts of version 1.0, can be converted."
        )


def _read_config(path: Path) -> dict[str, Any]:
    try:
        config = read_json(path)
    except (OSError, Unfit) as error:
        folder = path.parent.parent
        raise FoleyError(
            f"{folder.name} is no folder of Stable Audio as diffusers keeps it: there is no "
            f"{path.parent.name}/{path.name} that can be read; name a weights file, or such a "
            "folder."
        ) from error
    return config if isinstance(config, dict) else {}


def _weights_in(folder: Path) -> list[Path]:
    """The file of a part, or all of it where it is cut in pieces.

    Raises:
        FoleyError: there is none, or a piece is missing.
    """
    whole = [folder / f"{_WEIGHTS}{suffix}" for suffix in (".safetensors", ".bin")]
    pieces = sorted(folder.glob(f"{_WEIGHTS}-*-of-*.safetensors"))
    variants = sorted(folder.glob(f"{_WEIGHTS}.*.safetensors"))
    for path in (*whole, *variants[:1]):
        if path.is_file():
            return [path]
    if pieces and pieces[0].stem.rpartition("-")[2].lstrip("0") == str(len(pieces)):
        return pieces
    what = "misses a piece of its weights" if pieces else f"has no {whole[0].name}"
    raise FoleyError(f"{folder.parent.name}/{folder.name} {what}: download the whole model.")

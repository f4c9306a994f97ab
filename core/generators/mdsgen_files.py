"""MDSGen's weights files: what they hold, and the network of one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import FoleyError
from ..weights.files import read_metadata
from ..weights.fill import fill
from ..weights.load import read_shapes, read_weights
from .mdsgen import MDSGen
from .mdsgen_config import MDSGenConfig, mdsgen_config
from .mdsgen_mini import MDSGenMini, mdsgen_mini

# Tables of the public file that are computed here.
_COMPUTED = "relative_position_index"
_WIDTHS = {192: "t", 384: "s", 768: "b", 1024: "l"}
_CODECS = {8: "audioldm", 4: "image-vae"}


def mdsgen_plan(
    shapes: Mapping[str, tuple[int, ...]],
    name: str,
    *,
    size: str | None = None,
    codec: str | None = None,
) -> MDSGenConfig:
    """The figures of a file's network, from its shapes. name: of the file, for messages.

    Raises:
        FoleyError: no MDSGen, or not of the size or codec that is asked for.
    """
    patches, positions = shapes.get("x_embedder.proj.weight"), shapes.get("decoder_pos_embed")
    found = ("", "")
    if patches and positions:
        found = (_WIDTHS.get(positions[2], ""), _CODECS.get(patches[1], ""))
    if positions is None or not all(found) or positions[1] != mdsgen_config(*found).tokens:
        raise FoleyError(f"{name} is not a file of MDSGen T, S, B or L; use the right one.")
    if size is not None and size != found[0]:
        raise FoleyError(
            f"{name} holds MDSGen-{found[0].upper()}, not {size.upper()}; load it as "
            f"{found[0].upper()}."
        )
    if codec is not None and codec != found[1]:
        raise FoleyError(
            f"{name} was trained on latents of {found[1]}, so {codec} cannot make its sound; "
            f"choose the codec {found[1]}."
        )
    side = any(key.startswith("sideblocks.") for key in shapes)
    return replace(mdsgen_config(*found), side_block=side)


def load_mdsgen(
    path: Path | str,
    *,
    size: str | None = None,
    codec: str | None = None,
    dtype: torch.dtype | None = None,
    device: torch.device | str = "cpu",
    **factory: Any,
) -> MDSGen:
    """A published network, ready for inference. The side block is not read.

    Raises:
        FoleyError: as `mdsgen_plan`, and for a file that cannot be read.
    """
    shapes = {k: v for k, v in read_shapes(path).items() if _used(k)}
    config = mdsgen_plan(shapes, Path(path).name, size=size, codec=codec)
    tensors = read_mdsgen(path, dtype=dtype, device=device)
    return fill(MDSGen(config, device="meta", **factory), tensors, path)


def read_mdsgen(
    path: Path | str, *, dtype: torch.dtype | None = None, device: torch.device | str = "cpu"
) -> dict[str, Tensor]:
    """The weights of a published file that inference uses. dtype None: as stored."""
    return read_weights(path, dtype=dtype, device=device, keep=_used)


def _used(key: str) -> bool:
    return not (key.endswith(_COMPUTED) or key.startswith(("sideblocks.", "mask_token")))


def mini_figures(path: Path | str) -> MDSGenConfig:
    """The figures of a mini's file, which its metadata tell."""
    figures = json.loads(read_metadata(path).get("figures", "{}"))
    return mdsgen_mini(**{**figures, "side_block": False})


def load_mdsgen_mini(path: Path | str, *, device: torch.device | str = "cpu") -> MDSGenMini:
    """A mini, ready for inference; FoleyError for a file of another model."""
    tensors: dict[str, Tensor] = read_weights(path, dtype=torch.float32, device=device)
    return fill(MDSGenMini(mini_figures(path), device="meta"), tensors, path)

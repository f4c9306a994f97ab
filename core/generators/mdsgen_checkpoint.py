"""Checkpoints of MDSGen: the published ones, known by their shapes, and the bundled mini's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from ..weights.families import Shapes, count_blocks, holds, sized
from ..weights.schema import Size
from .base import CheckpointSpec
from .figures import Known, check_heads, read_figures, unfit
from .mdsgen import MDSGen
from .mdsgen_config import AUDIO_GRID, MDSGenConfig, Pooling, mdsgen_config
from .mdsgen_mini import MDSGenMini, mdsgen_mini
from .packed import MDSGEN_KINDS, pack

# Tables of the public file that are computed here.
_COMPUTED = "relative_position_index"
_SIZES = {192: "t", 384: "s", 768: "b", 1024: "l"}
_CODECS = {8: "audioldm", 4: "image-vae"}
# What sizes are read off, with the number of its axes.
_PATCHES, _POSITIONS, _FEATURES = "x_embedder.proj.weight", "decoder_pos_embed", "mlp_feat.0.weight"
_NEEDED = {_PATCHES: 4, _POSITIONS: 3, _FEATURES: 2}
# Of a mini; the width of a head where its file does not say it.
_HEAD = 32
RECORDED: Known = {
    "pooling": Pooling,
    "depth": Size,
    "hidden_dim": Size,
    "num_heads": Size,
    "learn_sigma": bool,
}


def recognise(shapes: Shapes, about: Mapping[str, str]) -> MDSGenConfig | None:
    """The config of a file's network, None for any other file. A mini's figures are in `about`."""
    found = sized(shapes, _NEEDED)
    if found is None:
        return None
    _, tokens, width = found[_POSITIONS]
    if found[_FEATURES][1] != AUDIO_GRID.video_dim:
        return _mini(shapes, about, width)
    size, codec = _SIZES.get(width), _CODECS.get(found[_PATCHES][1])
    if size is None or codec is None or tokens != mdsgen_config(size, codec).tokens:
        return None
    # The side block fills in masked tokens, in training alone.
    return replace(mdsgen_config(size, codec), side_block=False)


def _mini(shapes: Shapes, about: Mapping[str, str], width: int) -> MDSGenConfig | None:
    """Its config; FoleyError for figures that are not those of the file's weights."""
    depth = count_blocks(shapes, "blocks.")
    if not depth or not holds(shapes, width, depth):
        return None
    own = {"depth": depth, "hidden_dim": width, "num_heads": max(width // _HEAD, 1)}
    config = mdsgen_mini(**own | read_figures(about, RECORDED, "MDSGen"), side_block=False)
    if config.depth > depth or config.hidden_dim != width:
        raise unfit(
            "MDSGen",
            f"they claim {config.depth} blocks, {config.hidden_dim} wide, and the file has "
            f"{depth}, {width} wide",
        )
    check_heads("MDSGen", width, config.num_heads)
    return config


def _key(key: str) -> str | None:
    unused = key.endswith(_COMPUTED) or key.startswith(("sideblocks.", "mask_token"))
    return None if unused else key


def _build(config: MDSGenConfig, **made: Any) -> MDSGen:
    return (MDSGenMini if config.stream == "sync" else MDSGen)(config, **made)


def _variant(config: MDSGenConfig) -> str:
    """The published size, "" for the mini."""
    return "" if config.stream == "sync" else _SIZES.get(config.hidden_dim, "")


MDSGEN_CHECKPOINT = CheckpointSpec(
    "mdsgen",
    "MDSGen",
    recognise,
    _build,
    key=_key,
    pack=partial(pack, kinds=MDSGEN_KINDS),
    variant=_variant,
)

"""Checkpoints of MDSGen: the published ones, known by their shapes, and the bundled mini's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from ..weights.families import Shapes
from .base import CheckpointSpec
from .mdsgen import MDSGen
from .mdsgen_config import AUDIO_GRID, MDSGenConfig, mdsgen_config
from .mdsgen_mini import MDSGenMini, mdsgen_mini
from .packed import MDSGEN_KINDS, pack

# Tables of the public file that are computed here.
_COMPUTED = "relative_position_index"
_SIZES = {192: "t", 384: "s", 768: "b", 1024: "l"}
_CODECS = {8: "audioldm", 4: "image-vae"}


def recognise(shapes: Shapes, about: Mapping[str, str]) -> MDSGenConfig | None:
    """The config of a file's network, None for any other file. A mini's figures are in `about`."""
    patches, positions = shapes.get("x_embedder.proj.weight"), shapes.get("decoder_pos_embed")
    features = shapes.get("mlp_feat.0.weight")
    if patches is None or positions is None or features is None or len(positions) != 3:
        return None
    if features[1] != AUDIO_GRID.video_dim:
        figures = json.loads(about.get("figures", "{}"))
        return mdsgen_mini(**{**figures, "side_block": False})
    size, codec = _SIZES.get(positions[2]), _CODECS.get(patches[1])
    if size is None or codec is None or positions[1] != mdsgen_config(size, codec).tokens:
        return None
    # The side block fills in masked tokens, in training alone.
    return replace(mdsgen_config(size, codec), side_block=False)


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

"""Checkpoints of SpecMaskGIT and SpecMaskFoley: shapes say the network, the metadata the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from ..weights.families import Shapes, count_blocks, holds, sized
from ..weights.schema import Hertz, Size
from .base import CheckpointSpec
from .figures import Known, check_heads, read_figures, write_figures
from .mmaudio_checkpoint import WORDS, plain
from .packed import SPECMASKGIT_KINDS, pack
from .specmaskfoley import (
    SPECMASKFOLEY,
    Aligned,
    SpecMaskFoley,
    SpecMaskFoleyConfig,
    specmaskfoley_mini,
)
from .specmaskgit import SPECMASKGIT, SpecMaskGIT, SpecMaskGITConfig

_INNER = "blocks.0.mlp.fc1.weight"
# What sizes are read off, with the number of its axes.
_NEEDED = {
    "token_emb.weight": 2,
    "mask_token": 1,
    "pos_embed": 3,
    "words_proj.weight": 2,
    "head.weight": 2,
    _INNER: 2,
}
_PICTURE = "aligner.sync_proj.0.weight"
_OF_PICTURE = {_PICTURE: 3, "aligner.sync_proj.2.w1.weight": 3, "aligner.clip_proj.0.weight": 2}
RECORDED: Known = {
    "codec": str,
    "sample_rate": Hertz,
    "samples_per_latent": Hertz,
    "num_heads": Size,
    "step_columns": Size,
    "words": str,
}
_OF_BRANCH: Known = {**RECORDED, "alignment": Aligned}


def recognise(
    shapes: Shapes, about: Mapping[str, str], *, picture: bool
) -> SpecMaskGITConfig | None:
    """The config of a backbone alone, or with `picture` of one with its branch; None for any other
    file. Without metadata it is of the published rate, codec and heads."""
    shapes = {plain(key): shape for key, shape in shapes.items()}
    optional = {key: rank for key, rank in _OF_PICTURE.items() if picture and key in shapes}
    found = sized(shapes, {**_NEEDED, **optional})
    if found is None or (_PICTURE in shapes) != picture:
        return None
    rows, columns, hidden = found["pos_embed"]
    depth = count_blocks(shapes, "blocks.")
    if not holds(shapes, hidden, depth):
        return None
    figures: dict[str, Any] = {
        "codes": found["token_emb.weight"][0],
        "rows": rows,
        "columns": columns,
        "hidden_dim": hidden,
        "depth": depth,
        "mlp_ratio": found[_INNER][0] / hidden,
        "words_dim": found["words_proj.weight"][1],
    }
    title, known = ("SpecMaskFoley", _OF_BRANCH) if picture else ("SpecMaskGIT", RECORDED)
    figures |= read_figures(about, known, title)
    copied = count_blocks(shapes, "control.blocks.")
    config = _of_picture(found, figures, copied) if picture else replace(SPECMASKGIT, **figures)
    check_heads(title, hidden, config.num_heads)
    return config


def _of_picture(
    shapes: Shapes, figures: Mapping[str, Any], control_depth: int
) -> SpecMaskFoleyConfig:
    sync, inner = shapes[_PICTURE][1], shapes.get("aligner.sync_proj.2.w1.weight")
    # A sync stream of 3 numbers is the mini video encoder's.
    base = specmaskfoley_mini() if sync == specmaskfoley_mini().sync_dim else SPECMASKFOLEY
    return replace(
        base,
        **figures,
        control_depth=control_depth,
        projection="plain" if inner is None else "gated",
        projection_dim=base.projection_dim if inner is None else inner[0],
        sync_dim=sync,
        clip_dim=shapes.get("aligner.clip_proj.0.weight", (0, 0))[1],
    )


def record(config: SpecMaskGITConfig) -> dict[str, str]:
    """What a file's metadata has to say of its network."""
    branch = isinstance(config, SpecMaskFoleyConfig)
    return write_figures(config, _OF_BRANCH if branch else RECORDED)


def _key(key: str) -> str | None:
    return None if key.startswith(WORDS) else plain(key)


def _checkpoint(family: str, title: str, build: Any, *, picture: bool) -> CheckpointSpec:
    known = partial(recognise, picture=picture)
    packs = partial(pack, kinds=SPECMASKGIT_KINDS)
    # Many rows go through each layer at once, so the mini of 3 M is a third faster too.
    return CheckpointSpec(
        family, title, known, build, key=_key, pack=packs, least_packed=1e6, compiles=True
    )


SPECMASKGIT_CHECKPOINT = _checkpoint("specmaskgit", "SpecMaskGIT", SpecMaskGIT, picture=False)
SPECMASKFOLEY_CHECKPOINT = _checkpoint(
    "specmaskfoley", "SpecMaskFoley", SpecMaskFoley, picture=True
)

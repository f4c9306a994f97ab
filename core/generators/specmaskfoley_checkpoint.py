"""Checkpoints of SpecMaskGIT and SpecMaskFoley: shapes say the network, the metadata the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, get_args

from ..errors import FoleyError
from ..weights.families import Shapes
from .base import CheckpointSpec
from .figures import read_figures, write_figures
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

_NEEDED = ("token_emb.weight", "mask_token", "pos_embed", "words_proj.weight", "head.weight")
ALIGNMENTS = get_args(Aligned)
_PICTURE = "aligner.sync_proj.0.weight"
RECORDED: Mapping[str, type] = {
    "codec": str,
    "sample_rate": int,
    "samples_per_latent": int,
    "num_heads": int,
    "step_columns": int,
    "words": str,
}
_OF_BRANCH: Mapping[str, type] = {**RECORDED, "alignment": str}


def recognise(
    shapes: Shapes, about: Mapping[str, str], *, picture: bool
) -> SpecMaskGITConfig | None:
    """The config of a backbone alone, or with `picture` of one with its branch; None for any other
    file. Without metadata it is of the published rate, codec and heads."""
    shapes = {plain(key): shape for key, shape in shapes.items()}
    if any(key not in shapes for key in _NEEDED) or (_PICTURE in shapes) != picture:
        return None
    rows, columns, hidden = shapes["pos_embed"]
    figures: dict[str, Any] = {
        "codes": shapes["token_emb.weight"][0],
        "rows": rows,
        "columns": columns,
        "hidden_dim": hidden,
        "depth": _count(shapes, "blocks."),
        "mlp_ratio": shapes["blocks.0.mlp.fc1.weight"][0] / hidden,
        "words_dim": shapes["words_proj.weight"][1],
    }
    if picture:
        figures |= read_figures(about, _OF_BRANCH, "SpecMaskFoley")
        if figures.get("alignment", ALIGNMENTS[0]) not in ALIGNMENTS:
            raise FoleyError(
                f"The weights of SpecMaskFoley align features to '{figures['alignment']}', which "
                f"is not known: {', '.join(ALIGNMENTS)} are."
            )
    else:
        figures |= read_figures(about, RECORDED, "SpecMaskGIT")
    return replace(SPECMASKGIT, **figures) if not picture else _of_picture(shapes, figures)


def _of_picture(shapes: Shapes, figures: Mapping[str, Any]) -> SpecMaskFoleyConfig:
    sync, inner = shapes[_PICTURE][1], shapes.get("aligner.sync_proj.2.w1.weight")
    # A sync stream of 3 numbers is the mini video encoder's.
    base = specmaskfoley_mini() if sync == specmaskfoley_mini().sync_dim else SPECMASKFOLEY
    return replace(
        base,
        **figures,
        control_depth=_count(shapes, "control.blocks.", 2),
        projection="plain" if inner is None else "gated",
        projection_dim=base.projection_dim if inner is None else inner[0],
        sync_dim=sync,
        clip_dim=shapes.get("aligner.clip_proj.0.weight", (0, 0))[1],
    )


def _count(shapes: Shapes, prefix: str, place: int = 1) -> int:
    return len({key.split(".")[place] for key in shapes if key.startswith(prefix)})


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

"""Checkpoints of the MMAudio family: the config is read off the shapes."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from ..weights.families import Shapes, count_blocks, holds, sized
from .ac_foley import AC_FOLEY, ACFoley, ac_foley_mini
from .base import CheckpointSpec
from .mmaudio import MMAudio
from .mmaudio_config import L44, L44_V2, M44, S16, S44, MMAudioConfig
from .packed import MMAUDIO_KINDS, pack

SIZES = {
    "small_16k": S16,
    "small_44k": S44,
    "medium_44k": M44,
    "large_44k": L44,
    "large_44k_v2": L44_V2,
}

# Tables of the published class that are computed, not learned.
_COMPUTED = {"t_embed.freqs", "latent_rot", "clip_rot"}
# `generator.`: the minis' files hold their words beside the network.
_WRAPPERS = ("module.", "_orig_mod.", "generator.")
WORDS = "text."
# What sizes are read off, with the number of its axes.
_NEEDED = {
    "audio_input_proj.0.weight": 3,
    "empty_string_feat": 2,
    "empty_clip_feat": 2,
    "empty_sync_feat": 2,
    "sync_pos_emb": 4,
    "global_cond_mlp.w1.weight": 2,
    "fused_blocks.0.attn.q_norm.weight": 1,
}
_REFERENCE = "audio_feature_proj.0.weight"
_CONTEXT = "input_embed.proj.weight"  # FoleyGenEx's


def recognise(shapes: Shapes, about: Mapping[str, str], *, reference: bool) -> MMAudioConfig | None:
    """The config of a network of the family with or without a reference, None for any other file.

    The rate follows from the latent: 20 channels are 16 kHz, all else 44.1 kHz; a sync stream of 3
    numbers is the mini video encoder's.
    """
    shapes = {plain(key): shape for key, shape in shapes.items()}
    found = sized(shapes, _NEEDED)
    if found is None or _CONTEXT in shapes or (_REFERENCE in shapes) != reference:
        return None
    hidden, latent = found["audio_input_proj.0.weight"][:2]
    head = found["fused_blocks.0.attn.q_norm.weight"][0]
    fused = count_blocks(shapes, "fused_blocks.")
    depth = count_blocks(shapes, "joint_blocks.") + fused
    if hidden % head or not holds(shapes, hidden, depth):
        return None
    config = replace(
        _base(shapes, latent),
        latent_dim=latent,
        hidden_dim=hidden,
        num_heads=hidden // head,
        depth=depth,
        fused_depth=fused,
        clip_dim=found["empty_clip_feat"][-1],
        sync_dim=found["empty_sync_feat"][-1],
        sync_segment=found["sync_pos_emb"][-2],
        text_seq_len=found["empty_string_feat"][-2],
        text_dim=found["empty_string_feat"][-1],
    )
    inner = found["global_cond_mlp.w1.weight"][0]
    if config.mlp_dim == inner:
        return config
    return replace(config, mlp_ratio=4 / hidden, mlp_multiple=inner)


def _base(shapes: Shapes, latent: int) -> MMAudioConfig:
    mini = ac_foley_mini()
    if shapes["empty_sync_feat"][-1] == mini.sync_dim:
        return mini if _REFERENCE in shapes else replace(mini, reference_samples=0)
    if _REFERENCE in shapes:
        return AC_FOLEY
    if "clip_input_proj.2.w1.weight" in shapes:
        return L44_V2
    return S16 if latent == S16.latent_dim else L44


def plain(key: str) -> str:
    """A stored key without what training wrappers put before it."""
    for prefix in _WRAPPERS:
        key = key.removeprefix(prefix)
    return key


def _key(key: str) -> str | None:
    return None if key.startswith(WORDS) or plain(key) in _COMPUTED else plain(key)


def _size(config: MMAudioConfig) -> str:
    """The published size that a config is of, "" for none."""
    figures = operator.attrgetter("latent_dim", "hidden_dim", "depth", "v2")
    return next((size for size, of in SIZES.items() if figures(of) == figures(config)), "")


SHARED: dict[str, Any] = {
    "key": _key,
    "pack": partial(pack, kinds=MMAUDIO_KINDS),
    "compiles": True,
}
AC_FOLEY_CHECKPOINT = CheckpointSpec(
    "ac_foley", "AC-Foley", partial(recognise, reference=True), ACFoley, **SHARED
)
MMAUDIO_CHECKPOINT = CheckpointSpec(
    "mmaudio", "MMAudio", partial(recognise, reference=False), MMAudio, variant=_size, **SHARED
)

"""Networks of the MMAudio family from weights files: the figures are read off the shapes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import FoleyError
from ..weights.fill import fill
from ..weights.load import read_shapes, read_weights
from .ac_foley import AC_FOLEY, ACFoley
from .mmaudio import MMAudio
from .mmaudio_config import L44, L44_V2, S16, MMAudioConfig

Shapes = Mapping[str, tuple[int, ...]]

# Tables of the published class that are computed, not learned.
_COMPUTED = {"t_embed.freqs", "latent_rot", "clip_rot"}
_WRAPPERS = ("module.", "_orig_mod.")
_NEEDED = (
    "audio_input_proj.0.weight",
    "empty_string_feat",
    "empty_clip_feat",
    "empty_sync_feat",
    "sync_pos_emb",
    "global_cond_mlp.w1.weight",
    "fused_blocks.0.attn.q_norm.weight",
)


@dataclass(frozen=True)
class Plan:
    """What a weights file holds: the class of the network and its figures."""

    kind: type[MMAudio]
    config: MMAudioConfig

    def build(self, **made: Any) -> MMAudio:
        """The network; `operations`, `dtype` and `device` as of `MMAudio`."""
        return self.kind(self.config, **made)


def plan_of(path: Path | str) -> Plan:
    """What network a file holds, from its shapes alone.

    Raises:
        FoleyError: it cannot be read, or holds no network of the MMAudio family.
    """
    shapes = {_plain(k): v for k, v in read_shapes(path).items()}
    if any(key not in shapes for key in _NEEDED):
        raise FoleyError(
            f"{Path(path).name} holds no MMAudio or AC-Foley network; choose another file."
        )
    kind = ACFoley if "audio_feature_proj.0.weight" in shapes else MMAudio
    return Plan(kind, config_of(shapes))


def config_of(shapes: Shapes) -> MMAudioConfig:
    """Figures of a network of the family whose weights have these shapes.

    The rate follows from the latent: 20 channels are 16 kHz, all else 44.1 kHz.
    """
    hidden, latent = shapes["audio_input_proj.0.weight"][:2]
    base = _base(shapes, latent)
    fused = _count(shapes, "fused_blocks.")
    config = replace(
        base,
        latent_dim=latent,
        hidden_dim=hidden,
        num_heads=hidden // shapes["fused_blocks.0.attn.q_norm.weight"][0],
        depth=_count(shapes, "joint_blocks.") + fused,
        fused_depth=fused,
        clip_dim=shapes["empty_clip_feat"][-1],
        sync_dim=shapes["empty_sync_feat"][-1],
        sync_segment=shapes["sync_pos_emb"][-2],
        text_seq_len=shapes["empty_string_feat"][-2],
        text_dim=shapes["empty_string_feat"][-1],
    )
    inner = shapes["global_cond_mlp.w1.weight"][0]
    return (
        config
        if config.mlp_dim == inner
        else replace(config, mlp_ratio=4 / hidden, mlp_multiple=inner)
    )


def load_network(
    path: Path | str,
    *,
    dtype: torch.dtype | None = torch.float32,
    device: torch.device | str = "cpu",
    plan: Plan | None = None,
    **made: Any,
) -> MMAudio:
    """The network of a file, ready for inference; `operations` as of `MMAudio`.

    Raises:
        FoleyError: as `plan_of`, and for missing or unknown weights.
    """
    plan = plan or plan_of(path)
    tensors = read_network(path, dtype=dtype, device=device)
    return fill(plan.build(device="meta", **made), tensors, path)


def read_network(
    path: Path | str,
    *,
    dtype: torch.dtype | None = torch.float32,
    device: torch.device | str = "cpu",
) -> dict[str, Tensor]:
    """The tensors of a network's file under the names of `MMAudio`."""
    tensors = read_weights(
        path, dtype=dtype, device=device, keep=lambda k: _plain(k) not in _COMPUTED
    )
    return {_plain(key): value for key, value in tensors.items()}


def _base(shapes: Shapes, latent: int) -> MMAudioConfig:
    if "audio_feature_proj.0.weight" in shapes:
        return AC_FOLEY
    if "clip_input_proj.2.w1.weight" in shapes:
        return L44_V2
    return S16 if latent == S16.latent_dim else L44


def _count(shapes: Shapes, prefix: str) -> int:
    return len({key.split(".")[1] for key in shapes if key.startswith(prefix)})


def _plain(key: str) -> str:
    for prefix in _WRAPPERS:
        key = key.removeprefix(prefix)
    return key

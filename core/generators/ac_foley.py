"""AC-Foley (arXiv 2603.15597): MMAudio that also follows a reference sound.

The reference enters through one pooled vector beside the pooled clip and text; its frames take
no part in the attention (as in the public code and weights).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ..layers import Layers
from .mmaudio import MMAudio
from .mmaudio_config import L44, MMAudioConfig

AC_FOLEY = replace(L44, reference_samples=89088)


def ac_foley_mini(**figures: Any) -> MMAudioConfig:
    """The small relative on our own codec, encoder and vocabulary; any figure can be replaced.

    A take is a whole number of 0.16 s: 5 latents, 1 clip feature, 8 sync features.
    """
    config = MMAudioConfig(
        codec="foley_mini_codec",
        latent_dim=32,
        hidden_dim=128,
        num_heads=4,
        depth=6,
        fused_depth=3,
        sample_rate=32000,
        samples_per_latent=1024,
        time_scale=1000.0,
        clip_dim=96,
        sync_dim=3,
        text_dim=64,
        text_seq_len=8,
        mlp_ratio=2.0,
        mlp_multiple=64,
        clip_fps=6.25,
        sync_fps=50.0,
        sync_window=8,
        sync_interpolation="linear",
        seconds_step=0.16,
        reference_samples=61440,
        # Events are followed as they are; guided, they come out 5 to 10 dB too loud.
        always_conditioned=("sync",),
    )
    return replace(config, **figures)


class ACFoley(MMAudio):
    """MMAudio with a fourth optional stream, `audio` [B, Na, latent_dim].

    `audio` is the codec's latent of the reference, not normalised by latent_mean and latent_std.
    """

    pooled = 2

    def _extend(self, layers: Layers) -> None:
        c = self.config
        self.empty_audio_feat = layers.zeros(1, c.latent_dim)
        self.audio_feature_proj = self._projection(c.latent_dim, 7, 7, layers)
        self.audio_cond_proj = layers.Linear(c.hidden_dim, c.hidden_dim)

    def project(self, stream: str, value: Tensor) -> Tensor:
        if stream == "audio":
            return self.audio_feature_proj(value)
        return super().project(stream, value)

    def pool(self, projected: Mapping[str, Tensor]) -> Tensor:
        reference = self.audio_cond_proj(projected["audio"].mean(dim=1))
        return torch.cat((super().pool(projected), reference), dim=-1)

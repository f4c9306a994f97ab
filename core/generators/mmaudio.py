"""MMAudio (arXiv 2412.15322): a flow-matching transformer conditioned on clip, sync and text.

Key names, shapes and numbers are those of the public checkpoints, at any size.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import FoleyError
from ..layers import Layers
from .base import LATENT, Generator, Lengths, Prepared, Streams, draw_normal
from .mmaudio_config import MMAudioConfig
from .mmdit import (
    FinalLayer,
    GatedMLP,
    JointBlock,
    Projection,
    StreamBlock,
    TimeEmbedding,
    linear_or_conv,
    rotary_table,
    to_float32,
)


class MMAudio(Generator):
    """Velocity of the flow from noise (t = 0) to the normalised latent (t = 1).

    Streams, all optional: `clip` [B, Nc, clip_dim], `sync` [B, Ns, sync_dim] with Ns a multiple
    of the segment length, `text` [B, text_seq_len, text_dim].

    Args:
        config: figures of the network.
        rng: CPU generator; when given, the weights are initialised for training from scratch
            (`initialise`).
        made: as `Layers`: operations of Linear, Conv1d and RMSNorm, dtype, device.
    """

    pooled = 1
    """Vectors that enter the MLP of the global condition."""

    def __init__(
        self, config: MMAudioConfig, *, rng: torch.Generator | None = None, **made: Any
    ) -> None:
        super().__init__()
        self.config = c = config
        layers = Layers(**made)
        dim, inner = c.hidden_dim, c.mlp_dim

        self.sync_pos_emb = layers.zeros(1, 1, c.sync_segment, c.sync_dim)
        self.register_buffer("latent_mean", torch.zeros(1, 1, c.latent_dim, **layers.factory))
        self.register_buffer("latent_std", torch.ones(1, 1, c.latent_dim, **layers.factory))
        self.empty_string_feat = layers.zeros(c.text_seq_len, c.text_dim)
        self.empty_clip_feat = layers.zeros(1, c.clip_dim)
        self.empty_sync_feat = layers.zeros(1, c.sync_dim)

        self.audio_input_proj = self._projection(c.latent_dim, 7, 7, layers)
        self.clip_input_proj = self._projection(c.clip_dim, 1, 3, layers)
        self.sync_input_proj = self._projection(c.sync_dim, 7, 3, layers)
        self.text_input_proj = self._projection(c.text_dim, 1, 1, layers)
        self.clip_cond_proj = layers.Linear(dim, dim)
        self.text_cond_proj = layers.Linear(dim, dim)
        self.global_cond_mlp = GatedMLP(self.pooled * dim, dim, inner, 1, layers)
        self.t_embed = TimeEmbedding(dim, c.time_dim, c.time_scale, layers)

        joint = c.depth - c.fused_depth
        self.joint_blocks = nn.ModuleList(
            JointBlock(dim, c.num_heads, inner, layers, last=i == joint - 1) for i in range(joint)
        )
        self.fused_blocks = nn.ModuleList(
            StreamBlock(dim, c.num_heads, inner, 3, layers) for _ in range(c.fused_depth)
        )
        self.final_layer = FinalLayer(dim, c.latent_dim, layers)
        self._extend(layers)
        if rng is not None:
            self.initialise(rng)

    def _extend(self, layers: Layers) -> None:
        """Layers that a relative of this network adds."""

    def _projection(self, inputs: int, kernel: int, mlp_kernel: int, layers: Layers) -> Projection:
        dim, inner = self.config.hidden_dim, self.config.mlp_dim
        steps = [linear_or_conv(inputs, dim, kernel, layers)]
        if self.config.v2:
            steps.append(nn.SiLU())
        elif kernel > 1:
            steps.append(nn.SELU())
        return Projection(*steps, GatedMLP(dim, dim, inner, mlp_kernel, layers))

    @torch.no_grad()
    def initialise(self, rng: torch.Generator) -> None:
        """Weights for training from scratch, a pure function of the CPU generator's state.

        Xavier for matrices and kernels, zero for biases, nulls, adaptive norms and the last
        convolution: every block starts as the identity and the prediction as zero.
        """
        for name, parameter in self.named_parameters():
            zero = name.endswith("bias") or "adaLN_modulation" in name or "empty_" in name
            if zero or name == "final_layer.conv.weight":
                parameter.zero_()
            elif name.startswith("t_embed") or name == "sync_pos_emb":
                draw_normal(parameter, 0.02, rng)
            elif parameter.ndim == 1:
                parameter.fill_(1.0)
            else:
                kernel = math.prod(parameter.shape[2:])
                fans = kernel * (parameter.shape[0] + parameter.shape[1])
                draw_normal(parameter, math.sqrt(2.0 / fans), rng)

    def null(self, stream: str) -> Tensor:
        """The learned null `[1 or N, D]` of a stream."""
        self.check_stream(stream)
        return getattr(self, f"empty_{'string' if stream == 'text' else stream}_feat")

    def prepare(
        self,
        streams: Streams,
        seconds: float | None = None,
        *,
        lengths: Lengths | None = None,
        batch: int | None = None,
    ) -> Prepared:
        """Projected streams and the pooled condition.

        Args:
            streams: name -> `[B, N, D]`; missing ones are the learned nulls.
            seconds: length of the take; lengths of given streams follow their tensors.
            lengths: all lengths, instead of `seconds`.
            batch: number of takes when there is no stream.

        Returns:
            batched `clip` [B, Nc, H], `text` [B, Nt, H], `sync` [B, N, H] at the latent rate,
            `pooled` [B, H]; shared `latent_table` and `clip_table`, rotary tables.

        Raises:
            FoleyError: an unknown stream, a wrong shape, a take too short.
        """
        size = self.check_streams(streams) or batch or 1
        if "text" in streams and streams["text"].shape[1] != self.config.text_seq_len:
            raise FoleyError(
                f"The text has {streams['text'].shape[1]} tokens, but this model needs "
                f"{self.config.text_seq_len}; pad or cut it when encoding."
            )
        lengths = lengths or self.lengths(streams, seconds)
        like = next(iter(streams.values()), self.sync_pos_emb)
        latent, clip = lengths[LATENT], lengths["clip"]
        projected = {}
        for name in self.stream_names:
            value = streams.get(name)
            if value is None:
                projected[name] = self.project_null(name, size, lengths[name], like)
            else:
                projected[name] = self.project(name, value)
        sync = projected["sync"].transpose(1, 2)
        sync = F.interpolate(sync, size=latent, mode=self.config.sync_interpolation)
        head_dim = self.config.hidden_dim // self.config.num_heads
        return Prepared(
            batched={
                "clip": projected["clip"],
                "text": projected["text"],
                "sync": sync.transpose(1, 2),
                "pooled": self.global_cond_mlp(self.pool(projected)),
                **self._also(projected),
            },
            shared={
                "latent_table": rotary_table(latent, head_dim).to(like.device),
                "clip_table": rotary_table(clip, head_dim, latent / clip).to(like.device),
            },
        )

    def settled(self, prepared: Prepared) -> Prepared:
        """See `Generator.settled`: `rows` (of all frames of the batch) at which sync takes a new
        value, and `spread` [B, N], which of them each frame has.

        Resized sync repeats itself, and a missing one has a period of one segment; what depends on
        time and sync alone is then done once a value.
        """
        sync = prepared.batched["sync"]
        values: list[Tensor] = []
        spread: list[Tensor] = []
        first = 0
        for item in sync.detach():
            _, inverse = torch.unique(item, dim=0, return_inverse=True)
            order = torch.full((int(inverse.max()) + 1,), len(item), device=item.device)
            places = torch.arange(len(item), device=item.device)
            order = order.scatter_reduce(0, inverse, places, "amin")
            values.append(order + len(spread) * len(item))
            spread.append(inverse + first)
            first += len(order)
        found = {"rows": torch.cat(values), "spread": torch.stack(spread)}
        return Prepared(prepared.batched, {**prepared.shared, **found})

    def project(self, stream: str, value: Tensor) -> Tensor:
        """A raw stream `[B, N, D]` -> `[B, N, hidden]`."""
        if stream == "sync":
            segments = value.unflatten(1, (-1, self.config.sync_segment))
            value = (segments + self.sync_pos_emb.to(value)).flatten(1, 2)
        return getattr(self, f"{stream}_input_proj")(value)

    def project_null(self, stream: str, batch: int, length: int, like: Tensor) -> Tensor:
        """What stands for a missing stream, `[B, N, hidden]`."""
        return self.project(stream, self.null(stream).to(like).expand(batch, length, -1))

    def _also(self, projected: Streams) -> Streams:
        """What a relative of this network needs besides at every step."""
        return {}

    def pool(self, projected: Mapping[str, Tensor]) -> Tensor:
        """What the MLP of the global condition takes: pooled clip plus pooled text, `[B, H]`."""
        clip = self.clip_cond_proj(projected["clip"].mean(dim=1))
        return clip + self.text_cond_proj(projected["text"].mean(dim=1))

    def forward(self, x: Tensor, t: Tensor, prepared: Prepared) -> Tensor:
        """Velocity `[B, N, C]` of x `[B, N, C]` at flow times t, `[B]` or a scalar, in [0, 1]."""
        streams, tables = prepared.batched, prepared.shared
        latent = to_float32(self.audio_input_proj(x))  # [B, N, H]
        time = self.t_embed(t.to(x.device).expand(x.shape[0]), x.dtype)
        condition = (time + streams["pooled"])[:, None]  # [B, 1, H]
        spread = tables.get("spread")
        if spread is None:
            per_frame = condition + streams["sync"]  # [B, N, H]
        else:
            rows = tables["rows"]  # [R]
            per_frame = condition[rows // x.shape[1], 0] + streams["sync"].flatten(0, 1)[rows]
        per_frame, condition = F.silu(per_frame), F.silu(condition)

        clip, text = to_float32(streams["clip"]), to_float32(streams["text"])
        table = tables["latent_table"]
        conditions = (per_frame, condition, table, tables["clip_table"], spread)
        for block in self.joint_blocks:
            latent, clip, text = block(latent, clip, text, *conditions)
        for block in self.fused_blocks:
            latent = block(latent, per_frame, table, spread)
        # The public weights modulate the last layer by the global condition, not per frame.
        return self.final_layer(latent, condition)

    def normalize(self, latent: Tensor) -> Tensor:
        return (latent - self.latent_mean.to(latent)) / self.latent_std.to(latent)

    def unnormalize(self, latent: Tensor) -> Tensor:
        return latent * self.latent_std.to(latent) + self.latent_mean.to(latent)

"""MDSGen (arXiv 2410.02130): a masked diffusion transformer over a mel's latent picture.

The video enters as one vector beside the time (the Reducer, section 3.2); it enters blocks through
adaptive norms. Masking is for training alone (section 3.3). Key names and numbers are those of the
public checkpoint.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Iterable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import FoleyError
from ..layers import Layers
from .base import LATENT, LENGTH_SLACK, Generator, Lengths, Prepared, Streams, Window, draw_normal
from .mdsgen_blocks import (
    Block,
    FinalLayer,
    PatchEmbedding,
    TimeEmbedding,
    feature_layers,
    pooling_layers,
)
from .mdsgen_config import MDSGenConfig

_POSITION_BASE = 10000.0
_INIT_DEVIATION = 0.02


class MDSGen(Generator):
    """Noise in the scaled latent at diffusion times 0 to 999 (`sampling.dpm_solver`).

    Its one stream, `cavp` [B, 32, 512], may be absent: there is no learned null, the condition is
    then the time alone.

    Args:
        config: figures of the network.
        rng: CPU generator; when given, the weights are initialised for training from scratch.
        made: as `Layers`: operations of Linear, Conv1d, Conv2d and LayerNorm, dtype, device.
    """

    dynamics = "epsilon"
    config: MDSGenConfig

    def __init__(
        self, config: MDSGenConfig, *, rng: torch.Generator | None = None, **made: Any
    ) -> None:
        super().__init__()
        self.config = c = config
        self._bias: weakref.ref[Tensor] | None = None
        self._bias_key: tuple = ()
        layers = Layers(**made)
        dim, inner = c.hidden_dim, int(c.mlp_ratio * c.hidden_dim)

        self.pos_embed = layers.zeros(1, c.tokens, dim)
        self.decoder_pos_embed = layers.zeros(1, c.tokens, dim)
        self.x_embedder = PatchEmbedding(c.channels, dim, c.patch, layers)
        self.t_embedder = TimeEmbedding(dim, layers)
        self.blocks = nn.ModuleList(
            Block(dim, c.num_heads, inner, c.grid, layers) for _ in range(c.depth)
        )
        if c.side_block:
            self.mask_token = layers.zeros(1, 1, dim)
            self.sideblocks = nn.ModuleList([Block(dim, c.num_heads, inner, c.grid, layers)])
        self.final_layer = FinalLayer(dim, math.prod(c.patch) * c.out_channels, layers)
        self.mlp_feat = feature_layers(c.video_dim, dim, layers)
        self.conv1d_feat = pooling_layers(c.pooling, c.video_frames, dim, layers)
        if rng is not None:
            self.initialise(rng)

    def _places(self, device: torch.device) -> Tensor:
        """The time step of each token, `[N]`."""
        height, width = self.config.grid
        steps = torch.arange(self.config.time_steps, device=device)
        if self.config.time_first:
            return steps.repeat_interleave(width)
        return steps.repeat(height)

    @torch.no_grad()
    def initialise(self, rng: torch.Generator) -> None:
        """Weights for training from scratch, a pure function of the CPU generator's state.

        Xavier for matrices, zero for biases, adaptive norms and the last layer: every block starts
        as the identity and the prediction as zero. Positions start as sines and cosines.
        """
        for name, parameter in self.named_parameters():
            if name.endswith("bias") or "adaLN_modulation" in name or "final_layer" in name:
                parameter.zero_()
            elif name in ("mlp_feat.2.weight", "conv1d_feat.2.weight"):
                parameter.fill_(1.0)
            elif parameter.ndim < 2 or name.endswith(("bias_table", "mask_token")):
                draw_normal(parameter, _INIT_DEVIATION, rng)
            elif name.startswith("t_embedder"):
                draw_normal(parameter, _INIT_DEVIATION, rng)
            elif not name.endswith("pos_embed"):
                inputs = parameter[0].numel()
                draw_normal(parameter, math.sqrt(2.0 / (inputs + len(parameter))), rng)
        table = grid_positions(self.config.grid, self.config.hidden_dim)
        self.pos_embed.copy_(table[None])
        self.decoder_pos_embed.copy_(table[None])

    def lengths(self, streams: Streams, seconds: float | None = None) -> Lengths:
        return self.config.lengths(seconds)

    def quantizable(self) -> Iterable[nn.Module]:
        """The blocks; not the Reducer, whose convolution is over frames, not along them."""
        return self.blocks

    def null(self, stream: str) -> Tensor:
        """MDSGen learned none: its condition is dropped after the Reducer.

        Raises FoleyError.
        """
        self.check_stream(stream)
        raise FoleyError(f"MDSGen has no null '{stream}'; leave the stream out instead.")

    def normalize(self, latent: Tensor) -> Tensor:
        return latent * self.config.latent_scale

    def unnormalize(self, latent: Tensor) -> Tensor:
        return latent / self.config.latent_scale

    def given_stream(self, streams: Streams) -> Tensor | None:
        """Its one stream; None where it is absent.

        Raises:
            FoleyError: more than one window's features, another width, or values that are not
                finite.
        """
        c, name = self.config, self.config.stream
        self.check_streams(streams)
        if name not in streams:
            return None
        features = streams[name]
        count, most = features.shape[1], c.lengths()[name]
        if count > most + c.window_step * c.video_fps + LENGTH_SLACK:
            raise FoleyError(
                f"One take of this model is {c.trained_seconds:.2f} s, {most} '{name}' features, "
                f"but got {count}; make longer takes in windows, or a shorter one."
            )
        if not torch.isfinite(features).all():
            raise FoleyError(
                f"The '{name}' features hold values that are not numbers; encode the video again."
            )
        return features

    def features(self, stream: Tensor) -> Tensor:
        """What the Reducer takes `[B, video_frames, video_dim]` of its stream.

        Features of a shorter clip are repeated, as Diff-Foley's loader does. FoleyError for none.
        """
        c, count = self.config, stream.shape[1]
        if not count:
            raise FoleyError(
                f"This model needs '{c.stream}' features of {c.video_dim} numbers, {c.video_fps:g} "
                f"a second, but got {list(stream.shape)}; use the encoder it was trained with."
            )
        return stream.repeat(1, -(-c.video_frames // count), 1)[:, : c.video_frames]

    def reduce(self, features: Tensor) -> Tensor:
        """The Reducer: `[B, 32, 512]` to `[B, 1, D]`, or to `[B, T, D]` with pooling "none"."""
        reduced = self.conv1d_feat(self.mlp_feat(features))
        if self.config.pooling == "none":
            steps = self.config.time_steps
            reduced = F.interpolate(reduced.transpose(1, 2), steps, mode="linear").transpose(1, 2)
        return reduced

    def prepare(
        self,
        streams: Streams,
        seconds: float | None = None,
        *,
        lengths: Lengths | None = None,
        batch: int | None = None,
    ) -> Prepared:
        """Batched `video` [B, 1 or T, D], shared `bias` [blocks, H, N, N].

        Raises:
            FoleyError: features that do not fit, or a take of more than one window.
        """
        frames = (lengths or self.config.lengths(seconds))[LATENT]
        if frames != self.config.frames:
            raise FoleyError(
                f"One take of this model is {self.config.trained_seconds:.2f} s; make longer ones "
                "in windows."
            )
        stream = self.given_stream(streams)
        dtype = self.compute_dtype if stream is None else stream.dtype
        if stream is None:
            steps = self.config.time_steps if self.config.pooling == "none" else 1
            shape = (batch or 1, steps, self.config.hidden_dim)
            video = torch.zeros(shape, dtype=dtype, device=self.pos_embed.device)
        else:
            video = self.reduce(self.features(stream))
        return Prepared({"video": video}, {"bias": self._shared_bias(dtype)})

    @property
    def compute_dtype(self) -> torch.dtype:
        """The type of the weights, bfloat16 for 8-bit ones."""
        stored = self.final_layer.linear.weight.dtype
        return stored if stored.itemsize > 1 else torch.bfloat16

    def position_bias(self, dtype: torch.dtype | None = None) -> Tensor:
        """Relative position bias of all blocks, `[blocks, H, N, N]`. Differentiable."""
        return torch.stack([block.attn.rel_pos_bias(dtype) for block in self.blocks])

    def _shared_bias(self, dtype: torch.dtype) -> Tensor:
        """One table for all terms of a take: at full size it is larger than a block."""
        if torch.is_grad_enabled():
            return self.position_bias(dtype)
        tables = [block.attn.rel_pos_bias.relative_position_bias_table for block in self.blocks]
        versions = [(t.data_ptr(), 0 if t.is_inference() else t._version) for t in tables]
        key = (dtype, tables[0].device, *versions)
        bias = self._bias() if self._bias is not None and self._bias_key == key else None
        if bias is None:
            bias = self.position_bias(dtype)
            self._bias, self._bias_key = weakref.ref(bias), key
        return bias

    def forward(self, x: Tensor, t: Tensor, prepared: Prepared) -> Tensor:
        """Noise `[B, N, C]` in x `[B, N, C]` at diffusion times t, `[B]` or scalar, 0 to 999."""
        return self.frames_of(self.predict(x, t, prepared)[:, : self.config.channels])

    def predict(
        self, x: Tensor, t: Tensor, prepared: Prepared, *, kept: Tensor | None = None
    ) -> Tensor:
        """The whole output `[B, 2C, H, W]`: noise, then the learned-range variance.

        kept: in training, the tokens that the first blocks take, `[B, K]` (`training.masking`); the
        side block fills in the others.
        """
        picture = self.picture_of(x)
        video = prepared.batched["video"]
        dtype = video.dtype
        time = self.t_embedder(t.expand(len(x)), dtype)[:, None]
        activated = F.silu(time + video)
        places = self._places(x.device) if video.shape[1] > 1 else None
        bias = prepared.shared["bias"]
        # The residual stream keeps float32, or 16-bit errors would grow with guidance.
        tokens = self.x_embedder(picture.to(dtype)).float() + self.pos_embed.float()
        split = self.config.depth - self.config.decode_layer
        if kept is None:
            for block, table in zip(self.blocks[:split], bias[:split], strict=True):
                tokens = block(tokens, activated, table[None], places)
            tokens = tokens + self.decoder_pos_embed.float()
        else:
            tokens = self._masked(tokens, activated, bias[:split], places, kept)
        for block, table in zip(self.blocks[split:], bias[split:], strict=True):
            tokens = block(tokens, activated, table[None], places)
        return self._unpatched(self.final_layer(tokens, activated, places))

    def _masked(
        self, tokens: Tensor, activated: Tensor, bias: Tensor, places: Tensor | None, kept: Tensor
    ) -> Tensor:
        """The first blocks on the kept tokens, the side block on all (section 3.3)."""
        index = kept[..., None].expand(-1, -1, tokens.shape[-1])
        visible = tokens.gather(1, index)
        own = None if places is None else places[kept]
        for block, table in zip(self.blocks[: len(bias)], bias, strict=True):
            pairs = table[:, kept[:, :, None], kept[:, None, :]].transpose(0, 1)  # [B, H, K, K]
            visible = block(visible, activated, pairs, own)
        whole = self.mask_token.to(visible.dtype).expand_as(tokens).scatter(1, index, visible)
        whole = whole + self.decoder_pos_embed.float()
        side = self.sideblocks[0]
        table = side.attn.rel_pos_bias(bias.dtype)[None]
        filled = side(whole, activated, table, places)
        was_kept = torch.zeros_like(tokens[..., :1], dtype=torch.bool)
        was_kept = was_kept.scatter(1, kept[..., None], True)
        return torch.where(was_kept, whole, filled)

    def picture_of(self, latent: Tensor) -> Tensor:
        """Latent frames `[B, N, C]` to the picture `[B, channels, H, W]`."""
        c = self.config
        if latent.ndim != 3 or latent.shape[1:] != (c.frames, c.latent.dim):
            raise FoleyError(
                f"This model works on latents of [batch, {c.frames}, {c.latent.dim}] (codec "
                f"{c.codec}), but got {list(latent.shape)}."
            )
        picture = latent.unflatten(2, (c.channels, c.rows)).transpose(1, 2)  # [B, C, N, rows]
        return picture if c.time_first else picture.transpose(2, 3)

    def frames_of(self, picture: Tensor) -> Tensor:
        """The inverse of `picture_of`, for any number of channels."""
        picture = picture if self.config.time_first else picture.transpose(2, 3)
        return picture.transpose(1, 2).flatten(2)

    def _unpatched(self, patches: Tensor) -> Tensor:
        """`[B, N, patch * channels]` to `[B, channels, H, W]`."""
        (height, width), (down, across) = self.config.grid, self.config.patch
        patches = patches.unflatten(1, (height, width)).unflatten(3, (down, across, -1))
        return patches.permute(0, 5, 1, 3, 2, 4).flatten(4, 5).flatten(2, 3)

    def window(self, streams: Streams, seconds: float, start: float, stop: float) -> Window:
        """One window; features are read at its own times, between two frames as a blend."""
        c = self.config
        first = round(start * c.latent.rate)
        parts = {name: self._at(value, start) for name, value in streams.items()}
        return Window(parts, c.lengths(), slice(first, first + c.frames))

    def _at(self, features: Tensor, start: float) -> Tensor:
        """Features `[B, n, D]` at `video_frames` times from `start`; the last one is held."""
        times = start * self.config.video_fps + torch.arange(self.config.video_frames)
        below = (times + LENGTH_SLACK).floor()
        part = (times - below).clamp_min(0.0)
        last = features.shape[1] - 1
        low, high = (m.long().clamp_max(last).to(features.device) for m in (below, below + 1))
        if float(part.max()) < LENGTH_SLACK * 10:
            return features[:, low]
        return torch.lerp(features[:, low], features[:, high], part.to(features)[:, None])


def grid_positions(grid: tuple[int, int], dim: int) -> Tensor:
    """Sines and cosines of the places on a grid, `[N, dim]`: half for the second axis first."""
    height, width = grid
    down, across = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    quarter = dim // 4
    frequencies = _POSITION_BASE ** (-torch.arange(quarter, dtype=torch.float64) / quarter)
    halves = []
    for axis in (across, down):
        angles = axis.flatten()[:, None] * frequencies
        halves += [angles.sin(), angles.cos()]
    return torch.cat(halves, dim=1).float()

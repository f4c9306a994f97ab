"""Stable Audio Open's diffusion transformer: text to sound.

Source: Stable Audio Open (arXiv 2407.14358) and stable-audio-tools' published config. Attribute
names are the key names of the public file, but for the norms' gains (`gamma` there).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ..layers import Layers
from .base import (
    LATENT,
    LENGTH_SLACK,
    Generator,
    GeneratorConfig,
    LatentSpec,
    Lengths,
    Prepared,
    Streams,
    StreamSpec,
    draw_normal,
)
from .base import Dynamics as DynamicsName
from .mmdit import along_time, rotary_table
from .seconds import NumberConditioner

TEXT = "text"
_EPS = 1e-5
_WAVES = 128
_LEAST_ROTARY = 32


@dataclass(frozen=True)
class StableAudioConfig(GeneratorConfig):
    """Figures of one network, by the names of its published config where they have one.

    embed_dim, depth, num_heads, cond_token_dim, global_cond_dim, project_cond_tokens: see there.
    ff_mult: inner width of the feed-forward, in widths. text_tokens: that a prompt is padded to.
    start: whether it is told where in a recording a take starts, which is 0 here, beside how long
    it is. objective: "v" as published, or "flow" (stable-audio-open-small), whose time runs from
    noise at 1 to data at 0. normalized: whether it works on latents of which mean and deviation
    are taken out.
    """

    codec: str = "stable_audio_codec"
    io_channels: int = 64
    embed_dim: int = 1536
    depth: int = 24
    num_heads: int = 24
    cond_token_dim: int = 768
    global_cond_dim: int = 1536
    project_cond_tokens: bool = False
    ff_mult: int = 4
    text_tokens: int = 128
    start: bool = True
    objective: DynamicsName = "v"
    sample_rate: int = 44100
    samples_per_latent: int = 2048
    longest: float = 2097152 / 44100
    normalized: bool = False
    any_length = False
    window_step = 1.0

    @property
    def latent(self) -> LatentSpec:  # type: ignore[override]
        rate = self.sample_rate / self.samples_per_latent
        return LatentSpec(self.codec, self.io_channels, rate, self.sample_rate)

    @property
    def streams(self) -> tuple[StreamSpec, ...]:  # type: ignore[override]
        return (StreamSpec(TEXT, self.cond_token_dim, null="zeros", meaning="the prompt"),)

    @property
    def trained_seconds(self) -> float:  # type: ignore[override]
        return self.longest

    @property
    def head_dim(self) -> int:
        """Width of a head."""
        return self.embed_dim // self.num_heads

    @property
    def rotary_dim(self) -> int:
        """Features of a head that turn with the position."""
        return max(self.head_dim // 2, _LEAST_ROTARY)

    def seconds_told(self, latents: int) -> int:
        """What the network is told of the length of a take of so many latent frames."""
        # The last latent may stand for less: 10 s are 216 latents, which would last 10.03 s.
        return max(math.ceil((latents - 1) / self.latent.rate - LENGTH_SLACK), 1)

    @property
    def context_dim(self) -> int:
        """Width of what the text attention reads."""
        return self.embed_dim if self.project_cond_tokens else self.cond_token_dim


STABLE_AUDIO_OPEN = StableAudioConfig()


def stable_audio_mini(**figures: Any) -> StableAudioConfig:
    """The small relative on our own codec and vocabulary; any figure can be replaced."""
    config = StableAudioConfig(
        codec="foley_mini_codec",
        io_channels=32,
        embed_dim=192,
        depth=6,
        num_heads=3,
        project_cond_tokens=True,
        ff_mult=2,
        text_tokens=8,
        sample_rate=32000,
        samples_per_latent=1024,
        longest=8.0,
        normalized=True,
    )
    return replace(config, **figures)


class Attention(nn.Module):
    """Self-attention, fused; or with `context` its width, attention to another sequence, whose
    heads may be fewer."""

    def __init__(self, config: StableAudioConfig, layers: Layers, context: int = 0) -> None:
        super().__init__()
        self.dim, self.head_dim = config.embed_dim, config.head_dim
        if context:
            self.to_q = layers.Linear(self.dim, self.dim, bias=False)
            self.to_kv = layers.Linear(context, 2 * context, bias=False)
        else:
            self.to_qkv = layers.Linear(self.dim, 3 * self.dim, bias=False)
        self.to_out = layers.Linear(self.dim, self.dim, bias=False)

    def forward(self, x: Tensor, table: Tensor) -> Tensor:
        """x `[B, N, D]` to itself; table: of `rotary_table`."""
        q, k, v = (self._heads(part) for part in self.to_qkv(x).chunk(3, -1))
        return self._out(rotate_half(q, table), rotate_half(k, table), v)

    def keys_and_values(self, context: Tensor) -> tuple[Tensor, Tensor]:
        """Of `[B, M, context]`, each `[B, H, M, D / H]`: a head for each of the queries'."""
        k, v = (self._heads(part) for part in self.to_kv(context).chunk(2, -1))
        repeated = self.dim // self.head_dim // k.shape[1]
        return k.repeat_interleave(repeated, 1), v.repeat_interleave(repeated, 1)

    def attend(self, x: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """x `[B, N, D]` to what `keys_and_values` gave."""
        return self._out(self._heads(self.to_q(x)), k, v)

    def _heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (-1, self.head_dim)).transpose(1, 2)

    def _out(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        out = F.scaled_dot_product_attention(q, k.to(q), v.to(q))
        return self.to_out(out.transpose(1, 2).flatten(2))


class GLU(nn.Module):
    """Linear, halves a and g, a times SiLU of g."""

    def __init__(self, dim: int, inner: int, layers: Layers) -> None:
        super().__init__()
        self.proj = layers.Linear(dim, 2 * inner)

    def forward(self, x: Tensor) -> Tensor:
        a, g = self.proj(x).chunk(2, -1)
        return a * F.silu(g)


class FeedForward(nn.Module):
    """The public file counts a dropout between the two."""

    def __init__(self, config: StableAudioConfig, layers: Layers) -> None:
        super().__init__()
        dim, inner = config.embed_dim, config.embed_dim * config.ff_mult
        self.ff = nn.Sequential(
            GLU(dim, inner, layers), nn.Identity(), layers.Linear(inner, dim), nn.Identity()
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.ff(x)


class Block(nn.Module):
    """Self-attention, attention to the text, feed-forward, each behind its norm and added."""

    def __init__(self, config: StableAudioConfig, layers: Layers) -> None:
        super().__init__()
        self.pre_norm = gain_norm(config.embed_dim, layers)
        self.self_attn = Attention(config, layers)
        self.cross_attend_norm = gain_norm(config.embed_dim, layers)
        self.cross_attn = Attention(config, layers, config.context_dim)
        self.ff_norm = gain_norm(config.embed_dim, layers)
        self.ff = FeedForward(config, layers)

    def attend(self, x: Tensor, text: tuple[Tensor, Tensor], table: Tensor) -> Tensor:
        """Both attentions of x `[B, N, D]`."""
        x = x + self.self_attn(self.pre_norm(x), table)
        return x + self.cross_attn.attend(self.cross_attend_norm(x), *text)

    def feed(self, x: Tensor) -> Tensor:
        """The feed-forward of x."""
        return x + self.ff(self.ff_norm(x))


class Transformer(nn.Module):
    """The blocks, between two projections."""

    def __init__(self, config: StableAudioConfig, layers: Layers) -> None:
        super().__init__()
        dim, channels = config.embed_dim, config.io_channels
        self.project_in = layers.Linear(channels, dim, bias=False)
        self.layers = nn.ModuleList(Block(config, layers) for _ in range(config.depth))
        self.project_out = layers.Linear(dim, channels, bias=False)


class FourierFeatures(nn.Module):
    """A time in [0, 1] to cosines and sines of learned frequencies."""

    def __init__(self, layers: Layers) -> None:
        super().__init__()
        self.weight = layers.zeros(_WAVES, 1)

    def forward(self, t: Tensor) -> Tensor:
        """[B] -> [B, 256], float32."""
        angles = 2 * math.pi * t.float()[:, None] * self.weight.float().T
        return torch.cat((angles.cos(), angles.sin()), -1)


class StableAudio(Generator):
    """v of x `[B, N, 64]` at t = 2/pi atan sigma, or the flow's velocity.

    Streams: `text` [B, Nt, 768], T5's tokens. The length of the take goes in twice: as tokens
    behind those of the text, and with the time as one token before the latents. Without text the
    whole context is zero, as where guidance leads from.

    checkpointing: in training each block is computed anew for its gradients instead of being kept.
    """

    config: StableAudioConfig
    checkpointing = False

    def __init__(self, config: StableAudioConfig, **made: Any) -> None:
        super().__init__()
        self.config = c = config
        self.dynamics = c.objective
        layers = Layers(**made)
        channels, dim, context = c.io_channels, c.embed_dim, c.context_dim
        self.timestep_features = FourierFeatures(layers)
        self.to_timestep_embed = _two_layers(2 * _WAVES, dim, layers, bias=True)
        self.to_cond_embed = _two_layers(c.cond_token_dim, context, layers)
        self.to_global_embed = _two_layers(c.global_cond_dim, dim, layers)
        self.transformer = Transformer(c, layers)
        self.preprocess_conv = layers.Conv1d(channels, channels, 1, bias=False)
        self.postprocess_conv = layers.Conv1d(channels, channels, 1, bias=False)
        width = c.cond_token_dim
        if c.start:
            self.seconds_start = NumberConditioner(width, layers)
        self.seconds_total = NumberConditioner(width, layers)
        if c.normalized:
            whole = {**layers.factory, "dtype": torch.float32}
            self.register_buffer("latent_mean", torch.zeros(channels, **whole))
            self.register_buffer("latent_std", torch.ones(channels, **whole))
        self._extend(layers)

    def _extend(self, layers: Layers) -> None:
        """What a relative has beside it."""

    def null(self, stream: str) -> Tensor:
        self.check_stream(stream)
        return torch.zeros(1)

    def normalize(self, latent: Tensor) -> Tensor:
        if not self.config.normalized:
            return latent
        return (latent - self.latent_mean.to(latent)) / self.latent_std.to(latent)

    def unnormalize(self, latent: Tensor) -> Tensor:
        if not self.config.normalized:
            return latent
        return latent * self.latent_std.to(latent) + self.latent_mean.to(latent)

    @torch.no_grad()
    def initialise(self, rng: torch.Generator) -> None:
        """Untrained weights: narrow, and nothing comes out of a block or the end at first."""
        for name, module in self.named_modules():
            if isinstance(module, nn.Linear | nn.Conv1d):
                deviation = module.weight[0].numel() ** -0.5
                draw_normal(module.weight, deviation, rng)
                if module.bias is not None:
                    module.bias.zero_()
                if name.endswith(("to_out", "ff.2", "project_out", "preprocess_conv")):
                    module.weight.zero_()
        draw_normal(self.timestep_features.weight, 1.0, rng)
        for name, parameter in self.named_parameters():
            if name.endswith(".0.weights"):
                draw_normal(parameter, 1.0, rng)

    def timing(self, seconds: float, batch: int) -> tuple[Tensor, Tensor]:
        """Tokens `[B, 1 or 2, 768]` of where a take starts and how long it is, in whole seconds as
        it was trained on, and the vector of all of it `[B, global_cond_dim]`."""
        total = torch.full((batch,), float(math.ceil(seconds - LENGTH_SLACK)))
        total = total.to(self.preprocess_conv.weight.device)
        tokens = [self.seconds_total(total)]
        if self.config.start:
            tokens.insert(0, self.seconds_start(torch.zeros_like(total)))
        joined = torch.cat(tokens, 1)
        return joined, joined.flatten(1)

    def prepare(
        self,
        streams: Streams,
        seconds: float | None = None,
        *,
        lengths: Lengths | None = None,
        batch: int | None = None,
    ) -> Prepared:
        """batched: `text_keys`, `text_values` [B, depth, H, Nt + 2, D / H] and `length` [B, D];
        shared: `turns`, the rotary table of the take."""
        lengths = self.lengths(streams, seconds) if lengths is None else lengths
        given = self.check_streams(streams)
        size = given or batch or 1
        latents = lengths[LATENT]
        tokens, whole = self.timing(self.config.seconds_told(latents), size)
        if TEXT in streams:
            context = torch.cat((streams[TEXT], tokens.to(streams[TEXT])), 1)
        else:
            length = self.config.text_tokens + tokens.shape[1]
            context = tokens.new_zeros(size, length, self.config.cond_token_dim)
        return self.conditioned(context, whole, latents)

    def conditioned(self, context: Tensor, whole: Tensor, latents: int) -> Prepared:
        """What a take of so many latent frames needs of its context `[B, M, cond_token_dim]` and
        of its length, `[B, global_cond_dim]`."""
        context = self.to_cond_embed(context)
        pairs = [block.cross_attn.keys_and_values(context) for block in self.transformer.layers]
        keys, values = (torch.stack(each, 1) for each in zip(*pairs, strict=True))
        batched = {"text_keys": keys, "text_values": values, "length": self.to_global_embed(whole)}
        # The token of the length and the time stands first.
        turns = rotary_table(latents + 1, self.config.rotary_dim).to(keys.device)
        return Prepared(batched, {"turns": turns})

    def forward(self, x: Tensor, t: Tensor, prepared: Prepared) -> Tensor:
        """See `Generator.forward`."""
        if self.dynamics == "flow":
            return -self._predict(x, 1 - t, prepared)
        return self._predict(x, t, prepared)

    def _predict(self, x: Tensor, t: Tensor, prepared: Prepared) -> Tensor:
        length = prepared.batched["length"]
        time = self.to_timestep_embed(self.timestep_features(t.expand(len(x))).to(length))
        x = along_time(self.preprocess_conv, x) + x
        x = torch.cat(((length + time)[:, None], self.transformer.project_in(x)), 1)
        run = self._block
        if self.checkpointing and torch.is_grad_enabled():
            run = partial(checkpoint, run, use_reentrant=False, preserve_rng_state=False)
        for i in range(len(self.transformer.layers)):
            x = run(i, x, prepared)
        x = self.transformer.project_out(x)[:, 1:]
        return along_time(self.postprocess_conv, x) + x

    def _block(self, index: int, x: Tensor, prepared: Prepared) -> Tensor:
        block, batched = self.transformer.layers[index], prepared.batched
        text = batched["text_keys"][:, index], batched["text_values"][:, index]
        x = block.attend(x, text, prepared.shared["turns"])
        return block.feed(self._bridged(index, x, prepared))

    def _bridged(self, index: int, x: Tensor, prepared: Prepared) -> Tensor:
        """What a relative adds between the attentions and the feed-forward of a block."""
        return x


def gain_norm(dim: int, layers: Layers) -> nn.Module:
    """LayerNorm with a gain alone."""
    return layers.LayerNorm(dim, eps=_EPS, bias=False)


def rotate_half(x: Tensor, table: Tensor) -> Tensor:
    """Rotary position on the first features of x `[B, H, N, D]`, i with i + R / 2; table: cosines
    and sines `[2, N, R / 2]`. In float32, given back in x's type."""
    cos, sin = table
    turned, rest = x[..., : 2 * cos.shape[-1]].float(), x[..., 2 * cos.shape[-1] :]
    first, second = turned.chunk(2, -1)
    whole = torch.cat((first * cos - second * sin, second * cos + first * sin), -1)
    return torch.cat((whole.to(x), rest), -1)


def _two_layers(inputs: int, outputs: int, layers: Layers, *, bias: bool = False) -> nn.Sequential:
    first = layers.Linear(inputs, outputs, bias=bias)
    return nn.Sequential(first, nn.SiLU(), layers.Linear(outputs, outputs, bias=bias))

"""SpecMaskGIT (arXiv 2406.17672): masked tokens of a mel picture, conditioned on a CLAP embedding.

A bidirectional transformer in which the condition stands at every masked place instead of the mask
vector (SpecMaskFoley, arXiv 2505.16195, figure 1). Neither code nor weights are public: what the
papers leave open is MAGE's (arXiv 2211.09117), and attribute names are timm's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import FoleyError
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
from .mdsgen_blocks import MLP
from .mmdit import attend

WORDS = "clap"
# Its codec is SpecVQGAN's network on another mel, which its files say in their metadata.
CODEC_VARIANT = "hifigan mel"
_EPS = 1e-6


@dataclass(frozen=True)
class SpecMaskGITConfig(GeneratorConfig):
    """Figures of one network. The tokens are a picture of `rows` (lowest band first) and `columns`
    (over time), each of `codes`. words, words_dim: the embedding that conditions it. step_columns:
    windows of a longer take start on this grid; 31 columns are 18 segments of Synchformer but for
    1.5 ms."""

    codec: str = "specmaskgit_codec"
    codes: int = 1024
    rows: int = 5
    columns: int = 53
    sample_rate: int = 22050
    samples_per_latent: int = 4096
    hidden_dim: int = 768
    num_heads: int = 8
    depth: int = 24
    mlp_ratio: float = 4.0
    words: str = WORDS
    words_dim: int = 512
    step_columns: int = 31
    any_length = False  # the positions are learned

    @property
    def latent(self) -> LatentSpec:  # type: ignore[override]
        rate = self.sample_rate / self.samples_per_latent
        return LatentSpec(self.codec, self.rows, rate, self.sample_rate, self.codes)

    @property
    def streams(self) -> tuple[StreamSpec, ...]:  # type: ignore[override]
        return (StreamSpec(self.words, self.words_dim, meaning="the prompt"),)

    @property
    def trained_seconds(self) -> float:  # type: ignore[override]
        """Length of the one take that the network makes: 9.845 s as published."""
        return self.columns / self.latent.rate

    @property
    def window_step(self) -> float:  # type: ignore[override]
        return self.step_columns / self.latent.rate

    @property
    def tokens(self) -> int:
        """Of one take."""
        return self.rows * self.columns

    def round_up_seconds(self, seconds: float) -> float:
        """The shortest take of at least `seconds`: one window, or several on the grid."""
        if not math.isfinite(seconds) or seconds <= 0:
            raise FoleyError(f"A take must be longer than 0 s, not {seconds:g} s.")
        extra = max(seconds - self.trained_seconds, 0.0) / self.window_step
        return self.trained_seconds + math.ceil(extra - LENGTH_SLACK) * self.window_step


SPECMASKGIT = SpecMaskGITConfig()


class Attention(nn.Module):
    """Self-attention; queries, keys and values come from one layer."""

    def __init__(self, dim: int, heads: int, layers: Layers) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = layers.Linear(dim, 3 * dim)
        self.proj = layers.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return self.proj(attend(q, k, v))


class Block(nn.Module):
    """Attention and MLP behind their norms, each added to its input."""

    def __init__(self, config: SpecMaskGITConfig, layers: Layers) -> None:
        super().__init__()
        dim = config.hidden_dim
        self.norm1 = layers.LayerNorm(dim, eps=_EPS)
        self.attn = Attention(dim, config.num_heads, layers)
        self.norm2 = layers.LayerNorm(dim, eps=_EPS)
        self.mlp = MLP(dim, round(dim * config.mlp_ratio), layers, approximate="none")

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class SpecMaskGIT(Generator):
    """Logits of every token from all tokens. Ids `[B, N, rows]` have a row a column of the picture,
    the lowest band first; the id after the last code is a masked token.

    Streams, optional: the embedding of the words `[B, 1, words_dim]`.

    Args:
        config: figures of the network.
        rng: CPU generator; when given, the weights are initialised for training from scratch.
        made: as `Layers`.
    """

    dynamics = "tokens"

    def __init__(
        self, config: SpecMaskGITConfig, *, rng: torch.Generator | None = None, **made: Any
    ) -> None:
        super().__init__()
        self.config = c = config
        layers = Layers(**made)
        self.token_emb = layers.Embedding(c.codes, c.hidden_dim)
        self.mask_token = layers.zeros(c.hidden_dim)
        self.words_proj = layers.Linear(c.words_dim, c.hidden_dim)
        self.pos_embed = layers.zeros(c.rows, c.columns, c.hidden_dim)
        self.norm_in = layers.LayerNorm(c.hidden_dim, eps=_EPS)
        self.blocks = nn.ModuleList(Block(c, layers) for _ in range(c.depth))
        self.norm = layers.LayerNorm(c.hidden_dim, eps=_EPS)
        self.head = layers.Linear(c.hidden_dim, c.codes)
        self._extend(layers)
        if rng is not None:
            self.initialise(rng)

    def _extend(self, layers: Layers) -> None:
        """Layers that a relative of this network adds."""

    @torch.no_grad()
    def initialise(self, rng: torch.Generator) -> None:
        """Weights for training from scratch, a pure function of the CPU generator's state: normal
        of 0.02 (MAGE), norms 1, biases 0."""
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                parameter.zero_()
            elif "norm" in name:
                parameter.fill_(1.0)
            else:
                draw_normal(parameter, 0.02, rng)

    def null(self, stream: str) -> Tensor:
        """Zeros; a missing condition is the mask vector, which no embedding gives."""
        self.check_stream(stream)
        widths = {spec.name: spec.width for spec in self.streams}
        return torch.zeros(1, widths[stream])

    def prepare(
        self,
        streams: Streams,
        seconds: float | None = None,
        *,
        lengths: Lengths | None = None,
        batch: int | None = None,
    ) -> Prepared:
        """What stands at masked places.

        Args: see `MMAudio.prepare`.

        Returns:
            batched `masked` [B, 1, H]; shared `places` [N rows, H], of the positions.

        Raises:
            FoleyError: an unknown stream, a wrong shape, another length than the one it makes.
        """
        size = self.check_streams(streams) or batch or 1
        columns = (lengths or self.lengths(streams, seconds))[LATENT]
        if columns != self.config.columns:
            raise FoleyError(
                f"This model makes {self.config.trained_seconds:.2f} s at once, "
                f"{self.config.columns} columns of tokens, not {columns}."
            )
        words = streams.get(self.config.words)
        if words is None:
            masked = self.mask_token.expand(size, 1, -1)
        else:
            masked = self.words_proj(words).mean(1, keepdim=True)
        places = self.pos_embed.transpose(0, 1).flatten(0, 1)
        return Prepared({"masked": masked}, {"places": places})

    def embed(self, ids: Tensor, prepared: Prepared) -> Tensor:
        """The sequence that the first block takes, `[B, N rows, H]`."""
        codes, ids = self.config.codes, ids.flatten(1)
        known = self.token_emb(ids.clamp(max=codes - 1))
        x = torch.where((ids == codes)[..., None], prepared.batched["masked"].to(known), known)
        return self.norm_in(x + prepared.shared["places"].to(x))

    def forward(self, x: Tensor, t: Tensor, prepared: Prepared) -> Tensor:
        """Logits `[B, N, rows, codes]` of ids `[B, N, rows]`; t has no effect."""
        x = self.embed(x, prepared)
        for block in self.blocks:
            x = block(x)
        return self.logits(x)

    def logits(self, x: Tensor) -> Tensor:
        """Of what the last block makes."""
        return self.head(self.norm(x)).unflatten(1, (-1, self.config.rows))

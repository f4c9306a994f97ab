"""T5-base text features, as Stable Audio is conditioned on them.

Source: T5 (arXiv 1910.10683); Stable Audio Open (arXiv 2407.14358). The network is transformers'
own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..weights.families import Shapes
from ..weights.fill import fill
from ..weights.load import read_weights
from .folders import load_tokenizer, require_transformers, weights_in

TOKENS = 128
_SHARED = ("shared.weight", "encoder.embed_tokens.weight")


class T5Text(nn.Module):
    """Prompts to hidden states (B, 128, 768); what pads a prompt is zero."""

    stream = "text"

    def __init__(self, config: Mapping[str, Any] | None = None, *, device: Any = None) -> None:
        """config: figures of transformers' T5Config; those of T5-base by default."""
        super().__init__()
        transformers = require_transformers()
        base = {"d_model": 768, "d_kv": 64, "d_ff": 3072, "num_layers": 12, "num_heads": 12}
        figures = transformers.T5Config(**{**base, **(config or {})})
        with torch.device(device or "cpu"):
            self.model = transformers.T5EncoderModel(figures)
        self.width = figures.d_model
        self.tokenizer: Any = None

    @classmethod
    def load(
        cls,
        path: Path | str,
        *,
        tokenizer: Path | str | None = None,
        config: Mapping[str, Any] | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | str = "cpu",
    ) -> T5Text:
        """From a model folder, or one file; then `tokenizer` names the folder of the vocabulary.

        dtype None: as stored. Only the encoder half is read. Raises FoleyError.
        """
        path = Path(path)
        file = weights_in(path) if path.is_dir() else path
        tensors = read_weights(file, dtype=dtype, device=device, keep=_is_encoder)
        shared = next((tensors[key] for key in _SHARED if key in tensors), None)
        if shared is not None:
            tensors |= dict.fromkeys(_SHARED, shared)
        model = cls(config, device="meta")
        fill(model.model, tensors, file)
        folder = path if path.is_dir() else path.parent
        model.tokenizer = load_tokenizer(folder if tokenizer is None else Path(tokenizer))
        return model.eval()

    @torch.no_grad()
    def encode_text(self, prompts: Sequence[str]) -> Tensor:
        """B prompts -> float32 (B, 128, width) on the CPU; longer ones are cut at 128 tokens."""
        tokens = self.tokenizer(
            list(prompts),
            truncation=True,
            max_length=TOKENS,
            padding="max_length",
            return_tensors="pt",
        )
        return self.encode_ids(tokens["input_ids"], tokens["attention_mask"]).float().cpu()

    def encode_ids(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Ids and mask (B, N) -> (B, N, width), zero where the mask is."""
        device = next(self.parameters()).device
        mask = mask.to(device)
        hidden = self.model(input_ids=ids.to(device), attention_mask=mask)[0]
        return hidden * mask[..., None].to(hidden)


def _is_encoder(key: str) -> bool:
    return key == _SHARED[0] or key.startswith("encoder.")


def recognise(shapes: Shapes) -> str | None:
    """The width of a T5 with an encoder, such as "768"; None for any other file."""
    query = shapes.get("encoder.block.0.layer.0.SelfAttention.q.weight")
    return str(query[1]) if query and len(query) == 2 else None

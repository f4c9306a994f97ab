"""T5-base text features, as Stable Audio is conditioned on them.

Source: T5 (arXiv 1910.10683); Stable Audio Open (arXiv 2407.14358). The network is transformers'
own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ..weights.families import Shapes, sized
from .folders import FolderEncoder, require_transformers

TOKENS = 128
_QUERY = "encoder.block.0.layer.0.SelfAttention.q.weight"
_SHARED = ("shared.weight", "encoder.embed_tokens.weight")


class T5Text(FolderEncoder):
    """Prompts to hidden states [B, 128, 768]; what pads a prompt is zero. Only the encoder half of
    a file is read."""

    stream = "text"
    registered = "t5_base"

    def __init__(self, config: Mapping[str, Any] | None = None, *, device: Any = None) -> None:
        """config: fields of transformers' T5Config; those of T5-base by default."""
        super().__init__()
        transformers = require_transformers()
        base = {"d_model": 768, "d_kv": 64, "d_ff": 3072, "num_layers": 12, "num_heads": 12}
        fields = transformers.T5Config(**{**base, **(config or {})})
        with torch.device(device or "cpu"):
            self.model = transformers.T5EncoderModel(fields)
        self.width = fields.d_model

    @classmethod
    def own_name(cls, key: str, **made: Any) -> str | None:
        return f"model.{key}" if key == _SHARED[0] or key.startswith("encoder.") else None

    @classmethod
    def built(cls, tensors: dict[str, Tensor], **made: Any) -> tuple[Any, dict[str, Tensor]]:
        # One table under two names, of which files have either or both.
        names = [f"model.{key}" for key in _SHARED]
        shared = [tensors[name] for name in names if name in tensors]
        both = dict.fromkeys(names, shared[0]) if shared else {}
        return cls(device="meta", **made), {**tensors, **both}

    @torch.no_grad()
    def encode_text(self, prompts: Sequence[str]) -> Tensor:
        """B prompts -> float32 [B, 128, width] on the CPU; longer ones are cut at 128 tokens."""
        tokens = self.tokenizer(
            list(prompts),
            truncation=True,
            max_length=TOKENS,
            padding="max_length",
            return_tensors="pt",
        )
        return self.encode_ids(tokens["input_ids"], tokens["attention_mask"]).float().cpu()

    def encode_ids(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Ids and mask [B, N] -> [B, N, width], zero where the mask is."""
        mask = mask.to(self.device)
        hidden = self.model(input_ids=ids.to(self.device), attention_mask=mask)[0]
        return hidden * mask[..., None].to(hidden)


def recognise(shapes: Shapes) -> str | None:
    """The width of a T5 with an encoder, such as "768"; None for any other file."""
    found = sized(shapes, {_QUERY: 2})
    return None if found is None else str(found[_QUERY][1])

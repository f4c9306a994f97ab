"""Text encoders as ComfyUI's CLIP, for its own CLIPTextEncode."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import comfy.model_management
import comfy.sd
import comfy.supported_models_base
import folder_paths
import torch
from torch import Tensor, nn

from ...core.encoders.mini_text import TOKENS, MiniTextEncoder, encode_prompt
from ...core.parts import TextEncoderPart

_NAME = "mini"


def load_words(part: TextEncoderPart, path: Path) -> comfy.sd.CLIP:
    """The CLIP of a text encoder's file. Raises FoleyError for a damaged one of the mini's."""
    if not part.inside:
        return comfy.sd.load_clip(
            [str(path)],
            embedding_directory=folder_paths.get_folder_paths("embeddings"),
            clip_type=comfy.sd.CLIPType.STABLE_AUDIO,
        )
    target = comfy.supported_models_base.ClipTarget(MiniTokenizer, MiniClip)
    encoder = part.load(path)
    target.params = {"encoder": encoder}
    return comfy.sd.CLIP(target, parameters=sum(value.numel() for value in encoder.parameters()))


class MiniTokenizer:
    """A prompt goes on whole: the vocabulary is the encoder's."""

    def __init__(self, embedding_directory: Any = None, tokenizer_data: Any = None) -> None:
        pass

    def tokenize_with_weights(self, text: str, return_word_ids: bool = False, **_) -> dict:
        return {_NAME: [[(text, 1.0)]]}

    def state_dict(self) -> dict[str, Tensor]:
        return {}


class MiniClip(nn.Module):
    """The mini's text encoder as ComfyUI asks for one."""

    def __init__(
        self, encoder: MiniTextEncoder, dtype=None, device=None, model_options: Any = None
    ) -> None:
        super().__init__()
        self.encoder = encoder.to(device)
        self.dtypes = {torch.float32}

    def set_clip_options(self, options: Mapping[str, Any]) -> None:
        """It has none."""

    def reset_clip_options(self) -> None:
        """It has none."""

    def encode_token_weights(self, tokens: Mapping[str, Any]) -> tuple[Tensor, None]:
        """[1, 8, width]; zeros for a prompt without a word that is known."""
        prompt = tokens[_NAME][0][0][0]
        made = encode_prompt(self.encoder, prompt)
        if made is None:
            made = torch.zeros(1, TOKENS, self.encoder.table.embedding_dim)
        return made.float().to(comfy.model_management.intermediate_device()), None

    def load_sd(self, tensors: Mapping[str, Tensor]):
        return self.load_state_dict(tensors, strict=False)

"""LAION-CLAP: texts and sounds as unit vectors of one space.

Source: LAION-CLAP (arXiv 2211.06687), the unfused HTSAT model. The network is transformers' own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import CancelCheck, FoleyError, stop_if
from ..media import resample
from ..weights.families import Shapes
from .base import Progress
from .clap_keys import is_laion, sizes, transformers_names
from .folders import FolderEncoder, require_transformers

SAMPLE_RATE = 48000
SECONDS = 10
# Tables that some versions of transformers store and others make anew.
_MADE_ANEW = ("position_ids", "token_type_ids", "relative_position_index")
_BATCH = 4


class Clap(FolderEncoder):
    """Texts and sounds to unit vectors of 512; float32 whatever the file is in.

    From the folder laion/clap-htsat-unfused, or one of LAION's own files (.pt).
    """

    stream = "clap"
    registered = "clap"

    def __init__(self, config: Mapping[str, Any] | None = None) -> None:
        """config: fields of transformers' ClapConfig; those of htsat-unfused by default."""
        super().__init__()
        transformers = require_transformers()
        self.model = transformers.ClapModel(transformers.ClapConfig(**(config or {})))
        self.width = self.model.config.projection_dim
        # Sounds are cut to the model's length here, so its own random cut never happens.
        self.spectrum = transformers.ClapFeatureExtractor(truncation="rand_trunc")

    @classmethod
    def built(
        cls, tensors: dict[str, Tensor], *, config: Mapping[str, Any] | None = None, **made: Any
    ) -> tuple[Any, dict[str, Tensor]]:
        device = next((value.device for value in tensors.values()), "cpu")
        if is_laion(tensors):
            tensors = transformers_names(tensors)
            config = config or sizes(tensors)
        network = cls(config, **made).to(device)
        stored = {f"model.{k}": v for k, v in tensors.items() if not k.endswith(_MADE_ANEW)}
        own = network.state_dict().items()
        return network, {**stored, **{k: v for k, v in own if k.endswith(_MADE_ANEW)}}

    @torch.no_grad()
    def encode_text(self, prompts: Sequence[str]) -> Tensor:
        """B prompts -> float32 [B, 512] on the CPU."""
        tokens = self.tokenizer(list(prompts), padding=True, truncation=True, return_tensors="pt")
        kept = {k: tokens[k].to(self.device) for k in ("input_ids", "attention_mask")}
        return _pooled(self.model.get_text_features(**kept)).float().cpu()

    @torch.no_grad()
    def encode_audio(
        self,
        waveform: Tensor,
        sample_rate: int,
        *,
        progress: Progress | None = None,
        cancelled: CancelCheck | None = None,
    ) -> Tensor:
        """One sound [C, T] of any length and rate -> float32 [1, 512] on the CPU.

        Longer than 10 s: the unit mean over pieces of 10 s, the last one ending with the sound.
        Raises FoleyError for a sound without samples or with NaN; Cancelled.
        """
        if waveform.ndim != 2 or not waveform.shape[-1]:
            raise FoleyError("CLAP needs a sound [channels, samples] with at least one sample.")
        if not torch.isfinite(waveform).all():
            raise FoleyError("The sound holds NaN or infinite values; export it again.")
        mono = resample(waveform.float().mean(0, keepdim=True), sample_rate, SAMPLE_RATE)[0]
        pieces = _pieces(mono)
        parts = []
        for first in range(0, len(pieces), _BATCH):
            stop_if(cancelled)
            parts.append(self._encode_pieces(pieces[first : first + _BATCH]))
            if progress is not None:
                progress(min(first + _BATCH, len(pieces)), len(pieces))
        return F.normalize(torch.cat(parts).mean(0, keepdim=True), dim=-1)

    def _encode_pieces(self, pieces: list[Tensor]) -> Tensor:
        spectra = self.spectrum(
            [piece.numpy() for piece in pieces], sampling_rate=SAMPLE_RATE, return_tensors="pt"
        )
        spectra = spectra["input_features"].to(next(self.parameters()))
        return _pooled(self.model.get_audio_features(input_features=spectra)).float().cpu()


def _pieces(mono: Tensor) -> list[Tensor]:
    length = SECONDS * SAMPLE_RATE
    last = max(0, len(mono) - length)
    return [mono[start : start + length] for start in [*range(0, last, length), last]]


def _pooled(result: Any) -> Tensor:
    """Transformers 5 returns an object, earlier versions the tensor."""
    return result if isinstance(result, Tensor) else result.pooler_output


def recognise(shapes: Shapes) -> str | None:
    """Whose names a CLAP has, "transformers" or "laion"; None for any other file."""
    if any(key.startswith("audio_model.audio_encoder.") for key in shapes):
        return "transformers"
    return "laion" if is_laion(shapes) else None

"""The generators one can ask for by name, with the parts that fit them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from .codecs.base import Codec
from .codecs.foley_mini import FoleyMiniCodec
from .encoders.foley_mini import MiniVideoEncoder
from .encoders.mini_text import MiniTextEncoder
from .encoders.mini_video import REQUEST, Seen, watch
from .errors import FoleyError
from .generators import ACFoley, Generator, ac_foley_mini
from .media import FrameRequest
from .weights.files import load_into, read_metadata
from .weights.minis import mini_path

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ModelCard:
    """What `foleystage models` says of a generator. `files` are bundled weights by name."""

    name: str
    title: str
    files: tuple[str, ...]
    licence: str
    load: Callable[[str | torch.device], Model]

    @cached_property
    def size(self) -> int:
        """Bytes of all weights files that are there."""
        return sum(mini_path(f).stat().st_size for f in self.files if mini_path(f).is_file())


class Model:
    """A generator with its codec and encoders, ready to be given a video, words and a reference."""

    reference_seconds: float
    guidance: float = 4.5  # scale that is used unless asked otherwise
    request: FrameRequest

    def __init__(self, card_name: str, generator: Generator, codec: Codec, video, text) -> None:
        self.name, self.generator, self.codec = card_name, generator, codec
        self.video, self.text = video, text

    @property
    def device(self) -> torch.device:
        return next(self.generator.parameters()).device


class MiniModel(Model):
    """`ac_foley_mini` and what was trained with it."""

    request = REQUEST
    guidance = 3.0  # more makes hits surer and the timbre of a reference poorer

    @property
    def reference_seconds(self) -> float:
        return self.generator.config.reference_samples / self.codec.sample_rate

    def watch(self, frames: Tensor, cancelled: Callable[[], bool] | None = None) -> Seen:
        """Streams of grey frames (T, 64, 64)."""
        return watch(self.video, frames, cancelled=cancelled)

    def read(self, prompt: str) -> Tensor | None:
        """Text stream (1, 8, 64) of a prompt, None when it holds no word the model knows."""
        reading = self.text.read(prompt)
        if reading.unknown:
            log.warning(
                "The prompt's %s meant nothing to %s and had no effect.",
                _some(reading.unknown),
                self.name,
            )
        if not reading.known:
            if prompt.strip():
                log.warning(
                    "No word of the prompt is known to %s, so the sound follows the picture alone.",
                    self.name,
                )
            return None
        with torch.inference_mode():
            return self.text([reading.ids])

    @torch.inference_mode()
    def hear(self, reference: Tensor) -> Tensor:
        """Reference stream (1, N, 32) of a mono sound (1, T) at the codec's rate."""
        size = self.generator.config.reference_samples
        sound = torch.zeros(1, 1, size)
        taken = reference[:, :size]
        sound[0, :, : taken.shape[1]] = taken * (0.95 / taken.abs().max().clamp_min(1e-4))
        there = next(self.codec.parameters()).device
        return self.codec.encode(sound.to(there)).to(self.device)


def _some(words: tuple[str, ...]) -> str:
    shown = ", ".join(f"'{word[:30]}'" for word in words[:5])
    return f"words {shown}{' ...' if len(words) > 5 else ''}" if len(words) > 1 else f"word {shown}"


def load_mini_model(
    device: str | torch.device = "cpu",
    generator: str = "ac_foley_mini",
    encoder: str = "mini_video_encoder",
) -> MiniModel:
    """The mini from bundled names, or from weights files (.safetensors) of one's own training."""
    path = mini_path(generator)
    words = read_metadata(path).get("words", "").split()
    network = load_into(ACFoley(ac_foley_mini()), path, prefix="generator.")
    text = load_into(MiniTextEncoder(words), path, prefix="text.")
    video = load_into(MiniVideoEncoder(), mini_path(encoder))
    parts = (network, FoleyMiniCodec.load(), video, text)
    for part in parts:
        part.to(device).requires_grad_(False)
    return MiniModel(Path(generator).stem, *parts)


MODELS: dict[str, ModelCard] = {
    "ac_foley_mini": ModelCard(
        name="ac_foley_mini",
        title="AC-Foley in small: picture, words and a reference sound; 32 kHz mono, bundled",
        files=("ac_foley_mini", "mini_video_encoder", "foley_mini_codec"),
        licence="Apache-2.0",
        load=load_mini_model,
    ),
}


def load_model(name: str, device: str | torch.device = "cpu") -> Model:
    """Load a generator and its parts onto a device.

    Raises:
        FoleyError: no such model, or its weights are missing or damaged.
    """
    if name not in MODELS:
        raise FoleyError(f"There is no model '{name}'; choose one of: {', '.join(MODELS)}.")
    return MODELS[name].load(device)


def pick_device(name: str) -> str:
    """`auto`, `cpu` or `cuda` to a device that is there."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise FoleyError("This machine has no usable CUDA device; use --device cpu or auto.")
    return name

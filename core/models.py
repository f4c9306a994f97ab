"""The generators one can ask for by name, with the parts that fit them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from .codecs.foley_mini import FoleyMiniCodec
from .encoders.foley_mini import MiniVideoEncoder
from .encoders.mini_text import MiniTextEncoder
from .encoders.mini_video import REQUEST, Seen, watch
from .errors import FoleyError
from .generators import ACFoley, ac_foley_mini
from .mdsgen_model import load_mini as load_mdsgen_mini
from .mdsgen_model import load_public as load_mdsgen
from .media import fit_length, resample
from .mmaudio_model import load_mmaudio
from .model_base import CancelCheck, Loading, Model, ModelCard, Progress, ResidentModel, Told
from .threads import wait_briefly
from .weights.files import read_metadata
from .weights.fill import fill_from
from .weights.minis import mini_path

log = logging.getLogger(__name__)


class MiniModel(ResidentModel):
    """`ac_foley_mini` and what was trained with it."""

    requests = {"video": REQUEST}

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

    def tell(
        self,
        frames: Mapping[str, Tensor],
        seconds: float,
        prompt: str,
        negative: str,
        *,
        ignored: frozenset[str] = frozenset(),
        progress: Progress | None = None,
        cancelled: CancelCheck | None = None,
    ) -> Told:
        seen = self.watch(frames["video"], cancelled) if "video" in frames else None
        streams = {} if seen is None else {"sync": seen.sync}
        words, avoided = self.read(prompt), self.read(negative) if negative.strip() else None
        if words is not None:
            streams["text"] = words
        streams = {k: v for k, v in streams.items() if k not in ignored}
        return Told(streams, {} if avoided is None else {"text": avoided}, seen)

    def level(self, waveform: Tensor, rate: int, peak: float) -> Tensor:
        return resample(waveform.mean(0, keepdim=True), rate, self.sample_rate)

    @torch.inference_mode()
    def hear(self, windows: Tensor, rng: torch.Generator | None = None) -> Tensor:
        """Reference stream (1, N, 32) of mono windows (W, T) at the codec's rate."""
        size = self.generator.config.reference_samples
        there = next(self.codec.parameters()).device
        streams = []
        for window in windows:
            sound = fit_length(window, size)
            sound = sound * (0.95 / sound.abs().max().clamp_min(1e-4))
            streams.append(self.codec.encode(sound[None, None].to(there)))
        return torch.cat(streams, 1).to(self.device)


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
    network = fill_from(ACFoley(ac_foley_mini()), path, prefix="generator.")
    text = fill_from(MiniTextEncoder(words), path, prefix="text.")
    video = fill_from(MiniVideoEncoder(), mini_path(encoder))
    parts = (network, FoleyMiniCodec.load(), video, text)
    for part in parts:
        part.to(device).requires_grad_(False)
    return MiniModel(Path(generator).stem, *parts)


def _load_bundled(
    name: str,
    device: str | torch.device = "cpu",
    loading: Loading = Loading(),  # noqa: B008
) -> MiniModel:
    if loading.precision not in ("auto", "float32") or loading.files:
        raise FoleyError(f"{name} comes whole, in float32; leave precision and files away.")
    return load_mini_model(device, name)


def _public(name: str, title: str, rate: str, licence: str) -> ModelCard:
    """A model of the MMAudio family."""
    files = (name, "dfn5b_clip", "synchformer", f"mmaudio_vae_{rate}", f"bigvgan_{rate}")
    return ModelCard(name, title, files, licence, partial(load_mmaudio, name), compiles=True)


_NOT_COMMERCIAL = "CC-BY-NC-4.0"
_CARDS = (
    ModelCard(
        name="ac_foley_mini",
        title="AC-Foley in small: picture, words and a reference sound; 32 kHz mono, bundled",
        files=("ac_foley_mini", "mini_video_encoder", "foley_mini_codec"),
        licence="Apache-2.0",
        load=partial(_load_bundled, "ac_foley_mini"),
    ),
    ModelCard(
        name="mdsgen_mini",
        title="MDSGen in small: the picture alone, fast; 32 kHz mono, bundled",
        files=("mdsgen_mini", "mini_video_encoder", "mel_picture_codec", "foley_mini_codec"),
        licence="Apache-2.0",
        load=partial(load_mdsgen_mini, "mdsgen_mini"),
    ),
    ModelCard(
        name="mdsgen_b",
        title="MDSGen-B: the picture alone; 16 kHz mono",
        files=("mdsgen_b", "cavp", "audioldm_vae", "audioldm_hifigan"),
        licence="not stated; codec CC-BY-NC-SA-4.0",
        load=partial(load_mdsgen, "mdsgen_b"),
    ),
    _public(
        "ac_foley",
        "AC-Foley: picture, words and a reference sound; 44.1 kHz mono",
        "44k",
        _NOT_COMMERCIAL,
    ),
    *(
        _public(
            f"mmaudio_{size}",
            f"MMAudio {words}: picture and words; {rate} kHz mono",
            "16k" if rate == "16" else "44k",
            _NOT_COMMERCIAL,
        )
        for size, words, rate in (
            ("small_16k", "small", "16"),
            ("small_44k", "small", "44.1"),
            ("medium_44k", "medium", "44.1"),
            ("large_44k", "large", "44.1"),
            ("large_44k_v2", "large, version 2", "44.1"),
        )
    ),
)
MODELS: dict[str, ModelCard] = {card.name: card for card in _CARDS}


def load_model(
    name: str,
    device: str | torch.device = "cpu",
    loading: Loading = Loading(),  # noqa: B008 - frozen
) -> Model:
    """Load a generator and its parts onto a device.

    name: of MODELS, or the path of a weights file of the MMAudio family.

    Raises:
        FoleyError: no such model, or its weights are missing, damaged or of another model.
    """
    wait_briefly(device)
    if name in MODELS:
        if loading.compile and not MODELS[name].compiles:
            raise FoleyError(f"{name} gains nothing from compiling; leave it away.")
        return MODELS[name].load(device, loading)
    if Path(name).suffix and Path(name).is_file():
        files = {**loading.files, "generator": Path(name)}
        return load_mmaudio("", device, replace(loading, files=files))
    raise FoleyError(f"There is no model '{name}'; choose one of: {', '.join(MODELS)}.")


def pick_device(name: str) -> str:
    """`auto`, `cpu` or `cuda` to a device that is there."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise FoleyError("This machine has no usable CUDA device; use --device cpu or auto.")
    return name

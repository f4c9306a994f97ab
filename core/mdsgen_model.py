"""MDSGen as a model: the published one from four files, and the bundled small one."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from .codecs import load_codec
from .codecs.mel_picture import MelPictureCodec
from .encoders.base import Features
from .encoders.cavp import CavpVideo
from .encoders.foley_mini import MiniVideoEncoder
from .encoders.mini_video import REQUEST, Seen, watch
from .errors import FoleyError
from .generators.mdsgen import MDSGen
from .generators.mdsgen_files import load_mdsgen, load_mdsgen_mini, mdsgen_plan
from .generators.mdsgen_packed import pack
from .generators.packed import can_pack
from .model_base import CancelCheck, Loading, Model, Progress, ResidentModel, Told
from .staged_model import StagedModel
from .weights.fill import fill_from
from .weights.load import read_shapes
from .weights.minis import mini_path
from .weights.narrow import narrow
from .weights.store import Folders, locate

log = logging.getLogger(__name__)

# The registry's rows, by part.
FILES = {
    "generator": "mdsgen_b",
    "cavp": "cavp",
    "vae": "audioldm_vae",
    "vocoder": "audioldm_hifigan",
}


class _PictureAlone(Model):
    """What both have in common: no words, no reference."""

    bounded = True

    @property
    def reference_samples(self) -> int:
        return 0

    def level(self, waveform: Tensor, rate: int, peak: float) -> Tensor:
        raise FoleyError(f"{self.name} takes no reference sound; leave it away.")

    def hear(self, windows: Tensor, rng: torch.Generator | None = None) -> Tensor:
        raise FoleyError(f"{self.name} takes no reference sound; leave it away.")

    def _deaf_to(self, prompt: str, negative: str) -> None:
        if prompt.strip() or negative.strip():
            log.warning("%s follows the picture alone; the words have no effect.", self.name)


class MDSGenMiniModel(_PictureAlone, ResidentModel):
    """`mdsgen_mini`: the mini video encoder's events to 32 kHz sound, a 5.12 s window at a time."""

    requests = {"video": REQUEST}
    bounded = False

    def shown_seconds(self, made: float, covered: float) -> float:
        # What a stream lacks of one window the network fills with stillness.
        step = self.config.window_step
        return min(covered, math.ceil(made / step - 1e-6) * step)

    def watch(self, frames: Tensor, cancelled: Callable[[], bool] | None = None) -> Seen:
        """Streams of grey frames (T, 64, 64)."""
        return watch(self.video, frames, cancelled=cancelled)

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
        self._deaf_to(prompt, negative)
        seen = self.watch(frames["video"], cancelled) if "video" in frames else None
        return Told({} if seen is None else {"sync": seen.sync}, {}, seen)


class MDSGenModel(_PictureAlone, StagedModel):
    """Published weights; each part is loaded when it is used and let go before the next."""

    requests = {"cavp": CavpVideo.frame_request}
    looking = {"cavp": CavpVideo}

    def __init__(
        self, name: str, files: Mapping[str, Path], device: str | torch.device, loading: Loading
    ) -> None:
        super().__init__(name, files, device, loading)
        self.config = mdsgen_plan(read_shapes(files["generator"]), files["generator"].name)
        self.sample_rate = self.config.sample_rate

    def _load(self, part: str) -> nn.Module:
        log.info("Loading %s of %s.", part, self.name)
        made = {"dtype": self.dtype, "device": self.device}
        if part == "cavp":
            return CavpVideo.load(self.files["cavp"], **made)
        if part == "generator":
            return self._fitted(load_mdsgen(self.files["generator"], **made))
        parts = ("vae", "vocoder") if self.config.codec == "audioldm" else ("vae",)
        files = {name: self.files[name] for name in parts}
        made["dtype"] = torch.float32
        return load_codec(self.config.codec, files, decode_only=part == "decoder", **made)

    def _fitted(self, network: MDSGen) -> MDSGen:
        """The network as this machine and the artist's precision want it."""
        if self.loading.precision == "fp8":
            # Not the Reducer: its convolution is over frames, not along them.
            for block in network.blocks:
                narrow(block)
        elif can_pack(self.dtype, self.device):
            pack(network)
        return network

    def tell(
        self,
        frames: Mapping[str, Tensor | Features],
        seconds: float,
        prompt: str,
        negative: str,
        *,
        ignored: frozenset[str] = frozenset(),
        progress: Progress | None = None,
        cancelled: CancelCheck | None = None,
    ) -> Told:
        self._deaf_to(prompt, negative)
        if "cavp" not in frames:
            return Told({})
        return Told({"cavp": self._seen("cavp", frames["cavp"], progress, cancelled)})


def load_public(
    name: str,
    device: str | torch.device = "cpu",
    loading: Loading = Loading(),  # noqa: B008 - frozen
    folders: Folders | None = None,
) -> MDSGenModel:
    """The published model; every file is found now and read when it is used.

    Raises:
        FoleyError: a file is missing, is not the part that it is given as, or is of no part.
    """
    unknown = sorted(loading.files.keys() - FILES.keys())
    if unknown:
        raise FoleyError(f"There is no part '{unknown[0]}'; name one of: {', '.join(FILES)}.")
    files = {
        part: Path(loading.files[part]) if part in loading.files else locate(row, folders)
        for part, row in FILES.items()
    }
    return MDSGenModel(name, files, device, loading)


def load_mini(
    name: str,
    device: str | torch.device = "cpu",
    loading: Loading = Loading(),  # noqa: B008 - frozen
) -> MDSGenMiniModel:
    """The bundled model, or that of a file of one's own (.safetensors)."""
    if loading.precision not in ("auto", "float32") or loading.files:
        raise FoleyError(f"{name} comes whole, in float32; leave precision and files away.")
    generator = load_mdsgen_mini(mini_path(name), device=device)
    video = fill_from(MiniVideoEncoder(), mini_path("mini_video_encoder"))
    parts = (generator, MelPictureCodec.load(), video)
    for part in parts:
        part.to(device).requires_grad_(False)
    return MDSGenMiniModel(Path(name).stem, *parts, None)

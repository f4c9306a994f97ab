"""AC-Foley and MMAudio as models."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from .codecs import Codec, load_codec
from .encoders.base import Features
from .encoders.clip import DFN5BClip
from .encoders.synchformer import SynchformerVisual
from .generators import MMAudioConfig
from .generators.mmaudio_files import load_network
from .generators.packed import can_pack, pack
from .media import resample
from .mmaudio_parts import Files, find_files
from .model_base import CancelCheck, Loading, Progress, Told
from .reference import ReferencePick, ReferenceSpec, cut_windows
from .staged_model import StagedModel
from .weights.narrow import narrow
from .weights.store import Folders

log = logging.getLogger(__name__)

PEAK = 0.95
_QUIETEST = 1e-4
# The posterior of a reference is sampled, as published; with the same noise unless a generator is
# given, so that a reference means the same in every take.
_REFERENCE_SEED = 0


def load_mmaudio(
    name: str,
    device: str | torch.device = "cpu",
    loading: Loading = Loading(),  # noqa: B008 - frozen
    folders: Folders | None = None,
) -> MMAudioModel:
    """A model of the family by its registry name; "" takes what the given generator's file holds.

    All files are found and checked now, and read when they are used.

    Raises:
        FoleyError: as `mmaudio_parts.find_files`; a precision the device does not have.
    """
    files = find_files(name, loading.files, folders)
    return MMAudioModel(name or files["generator"].stem, files, device, loading)


class MMAudioModel(StagedModel):
    """A model of the MMAudio family, from its five files."""

    requests = {"clip": DFN5BClip.frame_request, "sync": SynchformerVisual.frame_request}
    # CLIP is last, so that it need not be loaded again for the words.
    looking = {"sync": SynchformerVisual, "clip": DFN5BClip}
    still = ("clip",)
    bounded = True
    files: Files

    def __init__(
        self, name: str, files: Files, device: str | torch.device, loading: Loading
    ) -> None:
        super().__init__(name, files, device, loading)
        self.config = files.plan.config
        self.sample_rate = self.config.sample_rate

    @contextlib.contextmanager
    def using(self, part: str) -> Iterator[nn.Module]:
        """Beside the parts of every model: "clip", "sync" and "codec", which can encode."""
        with super().using("codec" if self.loading.keep and part == "decoder" else part) as module:
            yield module

    def _load(self, part: str) -> nn.Module:
        log.info("Loading %s of %s.", part, self.name)
        made: dict[str, Any] = {"dtype": self.dtype, "device": self.device}
        if part == "clip":
            return DFN5BClip.load(self.files["clip"], **made)
        if part == "sync":
            return SynchformerVisual.load(self.files["sync"], **made)
        if part == "generator":
            return self._network(made)
        # Sound is made in float32 whatever the network computes in: it costs little.
        files = {name: self.files[name] for name in ("vae", "vocoder")}
        return load_codec(
            self.config.codec,
            files,
            decode_only=part == "decoder",
            dtype=torch.float32,
            device=self.device,
        )

    def _network(self, made: dict[str, Any]) -> nn.Module:
        network = load_network(self.files["generator"], plan=self.files.plan, **made)
        if self.loading.precision == "fp8":
            network = narrow(network)
        if self.loading.compile:
            network.compile(dynamic=True)
        elif self.loading.precision != "fp8" and can_pack(self.dtype, self.device):
            network = pack(network)
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
        """See `Model.tell`. A blank prompt is the learned null, which is CLIP's reading of ""."""
        streams = {
            part: self._seen(part, frames[part], progress, cancelled)
            for part in self.looking
            if part in frames and part not in ignored
        }
        if "clip" in streams and streams["clip"].shape[1] == 1:
            lengths = self.config.lengths(seconds)
            streams["clip"] = streams["clip"].expand(1, lengths.clip, -1)
        if prompt.strip() and "text" not in ignored:
            streams["text"] = self._read("clip", prompt, _read)
        avoided = {"text": self._read("clip", negative, _read)} if negative.strip() else {}
        return Told(streams, avoided)

    def level(self, waveform: Tensor, rate: int, peak: float) -> Tensor:
        return level_reference(waveform, rate, self.sample_rate, peak)

    def hear(self, windows: Tensor, rng: torch.Generator | None = None) -> Tensor:
        with self.using("codec") as codec:
            return hear_reference(codec, windows, rng)


def listen_with(
    codec: Codec,
    config: MMAudioConfig,
    waveform: Tensor,
    rate: int,
    pick: ReferencePick = ReferencePick(),  # noqa: B008 - frozen
) -> Tensor:
    """`Model.listen` of AC-Foley, where only its codec is at hand."""
    spec = ReferenceSpec(config.reference_samples, config.sample_rate)

    def level(sound: Tensor, of_rate: int, peak: float) -> Tensor:
        return level_reference(sound, of_rate, config.sample_rate, peak)

    return hear_reference(codec, cut_windows(level, waveform, rate, spec, pick))


def level_reference(
    waveform: Tensor, rate: int, sample_rate: int, peak: float | None = None
) -> Tensor:
    """A sound [C, T] as AC-Foley hears it, [1, T']: mono, its peak at 0.95 unless it is silent.

    peak: of the whole sound, where `waveform` is a part of it.
    """
    mono = waveform.mean(0, keepdim=True)
    peak = float(mono.abs().max()) if peak is None else peak
    if peak >= _QUIETEST:
        mono = mono / peak * PEAK
    return resample(mono, rate, sample_rate)


@torch.inference_mode()
def hear_reference(codec, windows: Tensor, rng: torch.Generator | None = None) -> Tensor:
    """Reference stream [1, N, D] of windows [W, T]: a sample of the codec's posterior, not brought
    to the generator's statistics, as published. rng: see `Model.hear`."""
    device = next(codec.parameters()).device
    rng = rng or torch.Generator().manual_seed(_REFERENCE_SEED)
    streams = [codec.sample(window[None, None].to(device), rng) for window in windows]
    return torch.cat(streams, 1).cpu()


def _read(clip: DFN5BClip, words: str) -> Tensor:
    return clip.encode_text([words])

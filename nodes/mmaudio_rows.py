"""Rows of the loaders for AC-Foley and MMAudio, whose weights are found, not bundled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from ..core.encoders.clip import DFN5BClip
from ..core.encoders.synchformer import SynchformerVisual
from ..core.generators import AC_FOLEY, L44, L44_V2, M44, S16, S44, ACFoley, Generator, MMAudio
from ..core.generators.mmaudio_files import plan_of, read_network
from ..core.precision import compute_dtype
from ..core.reference import ReferencePick
from ..core.weights.store import locate
from .folders import model_folders
from .looking import Eyes
from .rows import CodecPart, GeneratorPart, TextEncoderPart, VideoEncoderPart

if TYPE_CHECKING:
    from ..core.codecs.base import Codec

VIDEO, TEXT = "clip_and_synchformer", "clip_text"
_TERMS = "CC-BY-NC-4.0, not for commercial use"
_APPLE = "apple-amlr, not for commercial use"
_SIZES = {
    "mmaudio_small_16k": S16,
    "mmaudio_small_44k": S44,
    "mmaudio_medium_44k": M44,
    "mmaudio_large_44k": L44,
    "mmaudio_large_44k_v2": L44_V2,
}


def generators() -> dict[str, GeneratorPart]:
    """A row for each published network; a file of any size is loaded by its own shapes."""
    rows = [
        _generator(
            "ac_foley",
            "AC-Foley: picture, words and a reference sound; 44.1 kHz mono",
            "ac_foley",
            lambda **made: ACFoley(AC_FOLEY, **made),
        )
    ]
    for name, config in _SIZES.items():
        title = f"MMAudio: picture and words; {config.sample_rate / 1000:g} kHz mono"
        rows.append(
            _generator(
                name, title, "mmaudio", lambda config=config, **made: MMAudio(config, **made)
            )
        )
    return {row.name: row for row in rows}


def _generator(name: str, title: str, family: str, build: Callable[..., Generator]):
    return GeneratorPart(
        name=name,
        title=title,
        licence=_TERMS,
        weights=None,
        family=family,
        build=build,
        read=partial(read_network, dtype=None),
        video=VIDEO,
        text=TEXT,
        codec=f"mmaudio_codec_{'16k' if name.endswith('16k') else '44k'}",
        listen=_listen if family == "ac_foley" else None,
        of_file=_of_file,
    )


def _of_file(part: GeneratorPart, path: Path) -> GeneratorPart:
    plan = plan_of(path)
    return replace(part, build=plan.build, codec=f"mmaudio_codec_{plan.config.codec[-3:]}")


def _listen(
    generator: Generator, codec: Codec, sound: Tensor, rate: int, pick: ReferencePick
) -> Tensor:
    from ..core.mmaudio_model import listen_with

    return listen_with(codec, generator.config, sound, rate, pick)


class _Eyes(nn.Module):
    """The picture halves of CLIP and Synchformer."""

    def __init__(self, clip: DFN5BClip, sync: SynchformerVisual) -> None:
        super().__init__()
        # The words' half is loaded by itself where words are read.
        del clip.transformer, clip.token_embedding, clip.ln_final
        del clip.positional_embedding, clip.text_projection
        self.clip, self.sync = clip, sync


def _encoder_options() -> dict[str, Any]:
    import comfy.model_management

    device = comfy.model_management.get_torch_device()
    return {"dtype": compute_dtype("auto", "cuda" if device.type == "cuda" else "cpu")}


def _load_eyes(path: Path) -> nn.Module:
    made = _encoder_options()
    sync = SynchformerVisual.load(locate("synchformer", model_folders()), **made)
    return _Eyes(DFN5BClip.load(path, **made), sync)


class _Words(nn.Module):
    """The words' half of CLIP."""

    def __init__(self, clip: DFN5BClip) -> None:
        super().__init__()
        del clip.visual
        self.clip = clip


def _load_words(path: Path) -> nn.Module:
    return _Words(DFN5BClip.load(path, **_encoder_options()))


def video_encoders() -> dict[str, VideoEncoderPart]:
    """CLIP and Synchformer, which look at the same frames."""
    eyes = Eyes(
        lambda module: {"clip": module.clip, "sync": module.sync},
        L44.snap,
        still=("clip",),
        still_seconds=L44.trained_seconds,
    )
    return {
        VIDEO: VideoEncoderPart(
            name=VIDEO,
            title="what is seen (CLIP) and when it happens (Synchformer), for AC-Foley and MMAudio",
            licence=_APPLE,
            weights=None,
            family="clip",
            files=("dfn5b_clip", "synchformer"),
            load=_load_eyes,
            requests={
                "clip": DFN5BClip.frame_request,
                "sync": SynchformerVisual.frame_request,
            },
            watch=eyes.watch,
            eyes=eyes,
        )
    }


def text_encoders() -> dict[str, TextEncoderPart]:
    """CLIP's text half."""
    return {
        TEXT: TextEncoderPart(
            name=TEXT,
            title="English sentences (CLIP), for AC-Foley and MMAudio",
            licence=_APPLE,
            weights=None,
            family="clip",
            files=("dfn5b_clip",),
            load=_load_words,
            read=lambda words, prompt: words.clip.encode_text([prompt]),
        )
    }


def codecs() -> dict[str, CodecPart]:
    """The autoencoders with their vocoders."""
    rows = {}
    for rate, hertz in (("16k", "16"), ("44k", "44.1")):
        name = f"mmaudio_codec_{rate}"
        rows[name] = CodecPart(
            name=name,
            title=f"{hertz} kHz mono, MMAudio's mel autoencoder and BigVGAN",
            licence=_TERMS,
            weights=None,
            family="mmaudio_vae",
            files=(f"mmaudio_vae_{rate}", f"bigvgan_{rate}"),
            load=lambda path, rate=rate: _load_codec(path, rate),
        )
    return rows


def _load_codec(path: Path, rate: str) -> Codec:
    from ..core.codecs import load_codec

    vocoder = locate(f"bigvgan_{rate}", model_folders())
    return load_codec(f"mmaudio-{rate}", {"vae": path, "vocoder": vocoder})

"""Rows of the loaders for the bundled relative of AC-Foley and its parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor, nn

from ..core.encoders.foley_mini import BIN_RATE, MiniVideoEncoder
from ..core.encoders.mini_text import MiniTextEncoder
from ..core.encoders.mini_video import REQUEST, watch
from ..core.generators import ACFoley, Generator, ac_foley_mini
from ..core.reference import ReferencePick
from ..core.weights.files import read_metadata
from ..core.weights.fill import fill_from, read_under
from ..core.weights.minis import mini_path
from .rows import CodecPart, GeneratorPart, TextEncoderPart, VideoEncoderPart
from .values import Watched

if TYPE_CHECKING:
    from ..core.codecs.base import Codec


def generators() -> dict[str, GeneratorPart]:
    """The bundled network that hears the picture, words and a reference."""
    return {
        "ac_foley_mini": GeneratorPart(
            name="ac_foley_mini",
            title="AC-Foley in small: picture, words and a reference sound; 32 kHz mono, bundled",
            licence="Apache-2.0",
            weights=mini_path("ac_foley_mini"),
            family="flow",
            build=lambda **made: ACFoley(ac_foley_mini(), **made),
            read=partial(read_under, prefix="generator."),
            video="mini_video_encoder",
            text="mini_text_encoder",
            codec="foley_mini_codec",
            listen=_listen_mini,
            memory_factor=0.3,
        ),
    }


def video_encoders() -> dict[str, VideoEncoderPart]:
    """The bundled encoder of motion."""
    return {
        "mini_video_encoder": VideoEncoderPart(
            name="mini_video_encoder",
            title="what happens when, from motion, 50 times a second; bundled",
            licence="Apache-2.0",
            weights=mini_path("mini_video_encoder"),
            family="video_encoder",
            load=lambda path: fill_from(MiniVideoEncoder(), path),
            requests={"video": REQUEST},
            watch=_watch_mini,
        ),
    }


def text_encoders() -> dict[str, TextEncoderPart]:
    """The bundled words."""
    return {
        "mini_text_encoder": TextEncoderPart(
            name="mini_text_encoder",
            title="words for materials and actions, English; bundled",
            licence="Apache-2.0",
            weights=mini_path("ac_foley_mini"),
            family="flow",
            load=_load_mini_text,
            read=_read_mini,
        ),
    }


def codecs() -> dict[str, CodecPart]:
    """The bundled codecs."""
    return {
        "foley_mini_codec": CodecPart(
            name="foley_mini_codec",
            title="32 kHz mono, 31.25 latent frames a second; bundled",
            licence="Apache-2.0",
            weights=mini_path("foley_mini_codec"),
            family="codec",
            load=_load_mini_codec,
        ),
        "mel_picture_codec": CodecPart(
            name="mel_picture_codec",
            title="32 kHz mono, a mel picture of 8 rows, 31.25 frames a second; bundled",
            licence="Apache-2.0",
            weights=mini_path("mel_picture_codec"),
            family="mel_picture",
            load=_load_mel_picture,
        ),
    }


def _watch_mini(
    encoder: nn.Module,
    frames: Mapping[str, Tensor],
    seconds: float,
    cancelled: Callable[[], bool],
) -> Watched:
    seen = watch(encoder, frames["video"], cancelled=cancelled)
    streams = {"sync": seen.sync}
    return Watched(streams, seen.sync.shape[1] / BIN_RATE, seen.chance)


def _load_mini_text(path: Path) -> nn.Module:
    words = read_metadata(path).get("words", "").split()
    return fill_from(MiniTextEncoder(words), path, prefix="text.")


def _read_mini(encoder: nn.Module, prompt: str) -> Tensor | None:
    from ..core.models import MiniModel

    return MiniModel("foley-mini-words", None, None, None, encoder).read(prompt)


def _listen_mini(
    generator: Generator, codec: Codec, sound: Tensor, rate: int, pick: ReferencePick
) -> Tensor:
    from ..core.models import MiniModel
    from ..core.reference import load_reference

    model = MiniModel("ac_foley_mini", generator, codec, None, None)
    return load_reference((sound, rate), model, pick)


def _load_mini_codec(path: Path) -> Codec:
    # Imported when used: the codecs of all papers would slow ComfyUI's start.
    from ..core.codecs.foley_mini import FoleyMiniCodec

    return FoleyMiniCodec.load(path)


def _load_mel_picture(path: Path) -> Codec:
    from ..core.codecs.mel_picture import MelPictureCodec

    return MelPictureCodec.load(path)

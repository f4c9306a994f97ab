"""The parts that can be loaded, one table a kind: a new generator, encoder or codec is a row.

Rows hold what ComfyUI needs to know beyond `core`: which parts fit together, and how a part is
built. What is found in the models folder is told apart by the family written in the file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from ..core.encoders.foley_mini import BIN_RATE, MiniVideoEncoder
from ..core.encoders.mini_text import MiniTextEncoder
from ..core.encoders.mini_video import REQUEST, watch
from ..core.errors import FoleyError
from ..core.generators import ACFoley, Generator, ac_foley_mini
from ..core.media import FrameRequest
from ..core.model_base import ReferencePick
from ..core.weights.detect import detect
from ..core.weights.files import read_metadata
from ..core.weights.fill import fill_from
from ..core.weights.load import read_weights
from ..core.weights.minis import mini_path
from ..core.weights.store import find, locate

if TYPE_CHECKING:
    from ..core.codecs.base import Codec
    from .looking import Eyes


@dataclass(frozen=True, kw_only=True)
class Part:
    """Something that is loaded from one file.

    weights: the bundled file; None for one that is found by its name in the registry of weights.
    files: names there, where they differ: of its file, then of those that it is loaded with.
    family: what other files of this part are, as they are marked or their keys tell.
    """

    name: str
    title: str
    licence: str
    weights: Path | None
    family: str
    files: tuple[str, ...] = ()

    @property
    def about(self) -> str:
        """One line for the artist."""
        return f"{self.name}: {self.title}. Licence of the weights: {self.licence}."


@dataclass(frozen=True, kw_only=True)
class GeneratorPart(Part):
    """build(operations=, dtype=, device=): the network without weights. read(path): the weights of
    a file, under the network's names. video, text, codec: the parts that it was trained with.
    listen(generator, codec, sound, rate, pick): the reference stream of a sound [C, T]; None for a
    model that takes none. of_file(part, path): this row for the network that a file holds."""

    build: Callable[..., Generator]
    read: Callable[[Path], Mapping[str, Tensor]]
    video: str
    text: str
    codec: str
    listen: Callable[[Generator, Codec, Tensor, int, ReferencePick], Tensor] | None
    memory_factor: float = 2.0
    of_file: Callable[[GeneratorPart, Path], GeneratorPart] | None = None


@dataclass(frozen=True)
class Watched:
    """Streams [1, N, D] of frames, the seconds they span, the chance of a hit 50 times a second."""

    streams: Mapping[str, Tensor]
    seconds: float
    chance: Tensor | None = None


@dataclass(frozen=True, kw_only=True)
class VideoEncoderPart(Part):
    """requests: the frames it looks at. watch(module, frames, seconds, cancelled) makes the streams
    of a take of `seconds`. eyes: what looks at a picture while it is read, where it can."""

    load: Callable[[Path], nn.Module]
    requests: Mapping[str, FrameRequest]
    watch: Callable[[nn.Module, Mapping[str, Tensor], float, Callable[[], bool]], Watched]
    eyes: Eyes | None = None


@dataclass(frozen=True, kw_only=True)
class TextEncoderPart(Part):
    """read(module, prompt): the text stream [1, N, D], None when nothing in it is understood."""

    load: Callable[[Path], nn.Module]
    read: Callable[[nn.Module, str], Tensor | None]


@dataclass(frozen=True, kw_only=True)
class CodecPart(Part):
    """load(path): the codec, ready to decode."""

    load: Callable[[Path], Codec]


def _watch_mini(
    encoder: nn.Module,
    frames: Mapping[str, Tensor],
    seconds: float,
    cancelled: Callable[[], bool],
) -> Watched:
    seen = watch(encoder, frames["video"], cancelled=cancelled)
    streams = {"sync": seen.sync}
    return Watched(streams, seen.sync.shape[1] / BIN_RATE, seen.chance)


def _read_mini_generator(path: Path) -> dict[str, Tensor]:
    prefix = "generator."
    tensors = read_weights(path, keep=lambda key: key.startswith(prefix))
    return {key.removeprefix(prefix): value for key, value in tensors.items()}


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


GENERATORS: dict[str, GeneratorPart] = {
    "ac_foley_mini": GeneratorPart(
        name="ac_foley_mini",
        title="AC-Foley in small: picture, words and a reference sound; 32 kHz mono, bundled",
        licence="Apache-2.0",
        weights=mini_path("ac_foley_mini"),
        family="flow",
        build=lambda **made: ACFoley(ac_foley_mini(), **made),
        read=_read_mini_generator,
        video="mini_video_encoder",
        text="mini_text_encoder",
        codec="foley_mini_codec",
        listen=_listen_mini,
        memory_factor=0.3,
    ),
}

VIDEO_ENCODERS: dict[str, VideoEncoderPart] = {
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

TEXT_ENCODERS: dict[str, TextEncoderPart] = {
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

CODECS: dict[str, CodecPart] = {
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


def find_part(table: Mapping[str, Any], choice: str, found: Callable[[str], str]) -> tuple:
    """The row and the weights file that a loader's choice means.

    A choice is a row's name, or a file that `found` turns into a path. Raises FoleyError for a file
    of another family, or one that is not there.
    """
    if choice in table:
        part = table[choice]
        path = part.weights or locate_row(part)
    else:
        path = Path(found(choice))
        part = _row_of(table, path)
    adapt = getattr(part, "of_file", None)
    return (adapt(part, path) if adapt else part), path


def locate_row(part: Part) -> Path:
    """The file of a row that is not bundled; FoleyError says how to get what is missing."""
    from .folders import model_folders

    return [locate(name, model_folders()) for name in registered(part)][0]


def present(part: Part) -> bool:
    """Whether every file of a row is on this machine."""
    from .folders import model_folders

    if part.weights is not None:
        return True
    return all(find(name, model_folders()) is not None for name in registered(part))


def registered(part: Part) -> tuple[str, ...]:
    """What a row that is not bundled is called in the registry of weights."""
    return part.files or (part.name,)


def _row_of(table: Mapping[str, Any], path: Path) -> Part:
    """The row of a file, told by its mark or its keys; of several sizes the one that it is."""
    found = detect(path)
    rows = [part for part in table.values() if found is not None and part.family == found.name]
    if not rows:
        fitting = ", ".join(name for name, part in table.items() if present(part))
        raise FoleyError(
            f"{path.name} is not a file that this node can load: choose one of {fitting}, or a "
            "file trained from one of their recipes."
        )
    named = [part for part in rows if found.variant and part.name.endswith(found.variant)]
    return (named or rows)[0]


def text_encoder_of(part: GeneratorPart, choice: str) -> str:
    """The text encoder that a model was trained with, "" for none; it may lie in the model's own
    file. choice: what the model was loaded as."""
    inside = part.text and TEXT_ENCODERS[part.text].family == part.family
    return choice if inside and choice != part.name else part.text


def require(part: str, wanted: str, what: str, loader: str) -> None:
    """FoleyError that names the part that fits, when another one is connected."""
    if part != wanted:
        raise FoleyError(
            f"{what} was made with {part}, but this model was trained with {wanted}: choose "
            f"{wanted} in {loader}."
        )


def _add_families() -> None:
    """The rows of MDSGen, and of AC-Foley and MMAudio, which have files of their own."""
    from . import mdsgen_rows, mmaudio_rows

    TEXT_ENCODERS.update(mmaudio_rows.text_encoders())
    for rows in (mdsgen_rows, mmaudio_rows):
        GENERATORS.update(rows.generators())
        VIDEO_ENCODERS.update(rows.video_encoders())
        CODECS.update(rows.codecs())


_add_families()

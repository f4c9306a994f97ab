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
from ..core.generators.mdsgen_files import mini_figures
from ..core.generators.mdsgen_mini import MDSGenMini
from ..core.media import FrameRequest
from ..core.weights.files import load_into, read_metadata
from ..core.weights.minis import mini_path

if TYPE_CHECKING:
    from ..core.codecs.base import Codec


@dataclass(frozen=True)
class Part:
    """Something that is loaded from one file.

    weights: the bundled file. family: what other files of this part are marked with.
    """

    name: str
    title: str
    licence: str
    weights: Path
    family: str

    @property
    def about(self) -> str:
        """One line for the artist."""
        return f"{self.name}: {self.title}. Licence of the weights: {self.licence}."


@dataclass(frozen=True)
class GeneratorPart(Part):
    """build(operations=, dtype=, device=): the network without weights. prefix: of its keys in the
    file. video, text, codec: the parts that it was trained with. listen(generator, codec, sound,
    rate): the reference stream of a sound [C, T]; None for a model that takes none. guidance: the
    scale that suits it."""

    build: Callable[..., Generator]
    prefix: str
    video: str
    text: str
    codec: str
    listen: Callable[[Generator, Codec, Tensor, int], Tensor] | None
    memory_factor: float = 2.0
    guidance: float = 4.5


@dataclass(frozen=True)
class Watched:
    """Streams [1, N, D] of frames, the seconds they span, the chance of a hit 50 times a second."""

    streams: Mapping[str, Tensor]
    seconds: float
    chance: Tensor | None = None


@dataclass(frozen=True)
class VideoEncoderPart(Part):
    """requests: the frames it looks at. watch(module, frames, cancelled) makes the streams."""

    load: Callable[[Path], nn.Module]
    requests: Mapping[str, FrameRequest]
    watch: Callable[[nn.Module, Mapping[str, Tensor], Callable[[], bool]], Watched]


@dataclass(frozen=True)
class TextEncoderPart(Part):
    """read(module, prompt): the text stream [1, N, D], None when nothing in it is understood."""

    load: Callable[[Path], nn.Module]
    read: Callable[[nn.Module, str], Tensor | None]


@dataclass(frozen=True)
class CodecPart(Part):
    """load(path): the codec, ready to decode."""

    load: Callable[[Path], Codec]


def _watch_mini(
    encoder: nn.Module, frames: Mapping[str, Tensor], cancelled: Callable[[], bool]
) -> Watched:
    seen = watch(encoder, frames["video"], cancelled=cancelled)
    streams = {"sync": seen.sync}
    return Watched(streams, seen.sync.shape[1] / BIN_RATE, seen.chance)


def _load_mini_text(path: Path) -> nn.Module:
    words = read_metadata(path).get("words", "").split()
    return load_into(MiniTextEncoder(words), path, prefix="text.")


def _read_mini(encoder: nn.Module, prompt: str) -> Tensor | None:
    from ..core.models import MiniModel

    return MiniModel("foley-mini-words", None, None, None, encoder).read(prompt)


def _listen_mini(generator: Generator, codec: Codec, sound: Tensor, rate: int) -> Tensor:
    from ..core.models import MiniModel
    from ..core.pipeline import load_reference

    return load_reference((sound, rate), MiniModel("ac_foley_mini", generator, codec, None, None))


def _build_mdsgen_mini(**made: Any) -> Generator:
    return MDSGenMini(mini_figures(mini_path("mdsgen_mini")), **made)


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
        prefix="generator.",
        video="mini_video_encoder",
        text="mini_text_encoder",
        codec="foley_mini_codec",
        listen=_listen_mini,
        memory_factor=0.3,
        guidance=3.0,
    ),
    "mdsgen_mini": GeneratorPart(
        name="mdsgen_mini",
        title="MDSGen in small: the picture alone, fast; 32 kHz mono, bundled",
        licence="Apache-2.0",
        weights=mini_path("mdsgen_mini"),
        family="mdsgen",
        build=_build_mdsgen_mini,
        prefix="",
        video="mini_video_encoder",
        text="",
        codec="mel_picture_codec",
        listen=None,
        memory_factor=0.3,
        guidance=5.0,
    ),
}

VIDEO_ENCODERS: dict[str, VideoEncoderPart] = {
    "mini_video_encoder": VideoEncoderPart(
        name="mini_video_encoder",
        title="what happens when, from motion, 50 times a second; bundled",
        licence="Apache-2.0",
        weights=mini_path("mini_video_encoder"),
        family="video_encoder",
        load=lambda path: load_into(MiniVideoEncoder(), path),
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
    of another family.
    """
    if choice in table:
        return table[choice], table[choice].weights
    path = Path(found(choice))
    family = read_metadata(path).get("family", "")
    for part in table.values():
        if part.family == family:
            return part, path
    fitting = ", ".join(table)
    raise FoleyError(
        f"{path.name} is not a file that this node can load: choose one of {fitting}, or a file "
        "trained from one of their recipes."
    )


def require(part: str, wanted: str, what: str, loader: str) -> None:
    """FoleyError that names the part that fits, when another one is connected."""
    if part != wanted:
        raise FoleyError(
            f"{what} was made with {part}, but this model was trained with {wanted}: choose "
            f"{wanted} in {loader}."
        )

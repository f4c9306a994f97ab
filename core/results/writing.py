"""Files that a take is written to."""

from __future__ import annotations

from pathlib import Path

from ..errors import FoleyError
from ..media import Source, fit_length, mux, write_audio
from ..media.formats import SOUND_FILES
from ..media.mux import PictureMode
from ..request import Takes


def write_take(
    source: Source | None,
    takes: Takes,
    index: int,
    path: Path,
    mix: float | None = None,
    picture: PictureMode = "copy",
) -> None:
    """Write take `index`: under the picture, untouched or encoded anew, at its place, or alone as a
    sound file. Stems are tracks of their own.

    mix: gain in dB at which the source's own sound is kept under a picture.

    Raises:
        FoleyError: a picture without a source, a mix in a sound file, or what `mux` and
        `write_audio` refuse.
    """
    waveform = takes.waveforms[index]
    if path.suffix.lower() in SOUND_FILES:
        if mix is not None:
            raise FoleyError(
                f"'{path.name}' is a sound file, which holds the new sound alone: write a video to "
                "mix it with the original."
            )
        samples = round(takes.seconds * takes.sample_rate)
        write_audio(path, fit_length(waveform, samples), takes.sample_rate)
        return
    if source is None:
        raise FoleyError(f"There is no picture for '{path.name}': write a sound file instead.")
    rate = takes.sample_rate
    stems = {title: sound[index] for title, sound in takes.stems.items()}
    mux(
        source,
        waveform,
        rate,
        path,
        at=takes.start,
        original_db=mix,
        stems=stems,
        picture=picture,
    )

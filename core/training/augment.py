"""Sounds that differ in one adverb, made of captioned ones: faster, further, louder and louder.

Source: the adverb augmentation of FoleyGenEx (arXiv 2606.14049). Clips are found by the words of
their captions (`adverbs`), trimmed and changed (`effects`), and get a caption that says so.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from torch import Tensor

from ..errors import FoleyError
from ..media import read_audio, resample, write_audio
from ..media.audio import check_waveform
from ..media.files import write_beside
from . import effects
from .adverbs import (
    AXES,
    MOST_WORDS,
    OPERATIONS,
    ORIGINAL,
    RULES,
    Axis,
    operations_of,
    write_caption,
)
from .captions import (
    Captioned,
    Derived,
    NewCaptions,
    find_sound,
    read_captions,
    read_new_captions,
    relative,
    write_captions,
)

TABLE = "captions.csv"
LONGEST_SECONDS = 60.0
HIGHEST_RATE = 48000
_NOTE = "augment.json"
_VERSION = 1  # of what the operations do
_NAMED = 3  # of the sounds that could not be used
_FASTER, _SLOWER = 1.3, 0.7
_CHANGES: dict[str, Callable[[Tensor, int, np.random.Generator], Tensor]] = {
    ORIGINAL: lambda sound, rate, rng: sound,
    "very_fast": lambda sound, rate, rng: effects.change_speed(sound, _FASTER),
    "medium_from_fast": lambda sound, rate, rng: effects.change_speed(sound, _SLOWER),
    "medium_from_slow": lambda sound, rate, rng: effects.change_speed(sound, _FASTER),
    "very_slow": lambda sound, rate, rng: effects.change_speed(sound, _SLOWER),
    "far": lambda sound, rate, rng: effects.move_away(sound, rate, effects.FAR, rng),
    "very_far": lambda sound, rate, rng: effects.move_away(sound, rate, effects.VERY_FAR, rng),
    "crescendo": lambda sound, rate, rng: effects.change_volume(sound, rate, rising=True),
    "decrescendo": lambda sound, rate, rng: effects.change_volume(sound, rate, rising=False),
}


@dataclass
class Augmented:
    """What a run came to.

    table: the written CSV, of `rows` rows. made, kept: sounds that were written, and that were
    there. mined: captions with a word of an axis. missing: of these, those without a file.
    skipped: why a sound could not be used, one sentence each. cut: sounds of more than 60 s.
    given, refused: captions that came from a file, and rows of it that were of no use. by_template:
    those that a file was to give and did not.
    """

    table: Path
    rows: int = 0
    made: int = 0
    kept: int = 0
    mined: int = 0
    missing: int = 0
    skipped: list[str] = field(default_factory=list)
    cut: int = 0
    given: int | None = None
    refused: int = 0
    by_template: int = 0

    def summary(self) -> str:
        """Some lines for a person."""
        lines = [f"{self.table}: {self.rows} captions of {self.made + self.kept} sounds"]
        if self.kept:
            lines.append(f"Sounds that were there already: {self.kept}.")
        if self.missing:
            lines.append(f"Captions whose file is not there: {self.missing} of {self.mined}.")
        if self.cut:
            lines.append(f"Sounds cut to their first {LONGEST_SECONDS:g} s: {self.cut}.")
        if self.skipped:
            lines.append(f"Sounds that could not be used: {len(self.skipped)}.")
            lines += [f"  {reason}" for reason in self.skipped[:_NAMED]]
            lines += ["  ..."] if len(self.skipped) > _NAMED else []
        if self.given is not None:
            lines.append(
                f"Captions from the file: {self.given}, by template: {self.by_template}; rows of "
                f"the file that are of no use: {self.refused}."
            )
        return "\n".join(lines)


@dataclass(frozen=True)
class _Clip:
    """A sound, and what is made of it for each of its captions."""

    path: Path
    source: str  # relative to its folder
    captions: list[tuple[Captioned, tuple[str, ...]]]

    @property
    def operations(self) -> list[str]:
        asked = {operation for _, operations in self.captions for operation in operations}
        return [operation for operation in OPERATIONS if operation in asked]

    def file(self, operation: str) -> str:
        """Its name among all written ones: the source's, told apart, and the operation."""
        stem = re.sub(r"[^\w.-]+", "_", Path(self.source).stem)[:60].lstrip(".-")
        digest = hashlib.sha256(self.source.encode("utf-8", "surrogateescape")).hexdigest()[:8]
        return f"{stem}-{digest}-{operation}.flac"


def augment_clip(
    waveform: Tensor, sample_rate: int, operation: str, rng: np.random.Generator
) -> Tensor:
    """A sound float `[C, T]` without the silence at its ends, then changed; float32 `[C, T']`.

    operation: one of `adverbs.OPERATIONS`. rng: draws the place in the room of `far` and
    `very_far`, the others are always the same. Its peak is at most the old one, and at most 1.

    Raises:
        FoleyError: an unknown operation, a silent sound or one with NaN, no pyroomacoustics.
    """
    if operation not in _CHANGES:
        raise FoleyError(
            f"There is no operation '{operation}'; choose one of: {', '.join(OPERATIONS)}."
        )
    check_waveform(waveform)
    trimmed = effects.trim_silence(waveform.float(), sample_rate)
    trimmed = trimmed / trimmed.abs().max().clamp_min(1.0)
    return _CHANGES[operation](trimmed, sample_rate, rng).contiguous()


def augment_folder(
    folder: Path | str,
    table: Path | str,
    output: Path | str,
    *,
    new_captions: Path | str | None = None,
    axes: Collection[Axis] = AXES,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Augmented:
    """Writes what can be made of the sounds of a folder, as .flac of 24 bits, and `captions.csv`.

    table: CSV of file names and captions. output: a folder of its own; the CSV in it has the
    columns file, caption, source (relative to `folder`) and operation (`adverbs.OPERATIONS`), one
    row a caption and operation. new_captions: CSV of source, operation, caption; what it does not
    give is written by template. progress(step, total): sounds of the folder.

    One sound is in memory at a time: of longer ones the first 60 s, of more than two channels
    their mean, of rates above 48 kHz 48 kHz. What is there is not made again, so that a stopped run
    goes on; the same seed makes the same bytes. A sound that cannot be used is left out.

    Raises:
        FoleyError: unusable folders or tables, no caption or sound to begin with, no
        pyroomacoustics where distance is asked for.
    """
    folder, output = Path(folder), Path(output)
    if seed < 0:
        raise FoleyError(f"A seed must be 0 or above, not {seed}.")
    _check_folders(folder, output)
    wanted = _mine(read_captions(table), table, axes)
    given = read_new_captions(new_captions, MOST_WORDS) if new_captions else None
    result = Augmented(output / TABLE, mined=len(wanted))
    clips = _find(folder, wanted, result)
    asked = {name for clip in clips for name in clip.operations if name != ORIGINAL}
    if any(RULES[name].axis == "distance" for name in asked):
        effects.load_acoustics()
    _open_output(output, seed, [table, new_captions])
    rows: list[Derived] = []
    writer = _Captions(given, seed)
    for step, clip in enumerate(clips):
        if progress:
            progress(step, len(clips))
        if _make(clip, output, seed, result):
            rows += writer.rows(clip)
    if not rows:
        raise FoleyError(f"None of the {len(clips)} sounds could be used; {result.skipped[0]}")
    write_captions(result.table, rows)
    result.rows = len(rows)
    if given is not None:
        result.given, result.by_template = writer.given, writer.by_template
        result.refused = given.refused
    if progress:
        progress(len(clips), len(clips))
    return result


def _check_folders(folder: Path, output: Path) -> None:
    if not folder.is_dir():
        raise FoleyError(f"There is no folder of sounds at {folder}.")
    if output.exists() and not output.is_dir():
        raise FoleyError(f"{output} is a file: give a folder to write to.")
    home, target = folder.resolve(), output.resolve()
    if target.is_relative_to(home) or home.is_relative_to(target):
        raise FoleyError(
            f"{output} is, holds or lies in the folder of the sounds: give a folder apart from it."
        )


def _open_output(output: Path, seed: int, inputs: Sequence[Path | str | None]) -> None:
    """Makes the folder, or goes on with one that was written with the same seed."""
    table, note = output / TABLE, output / _NOTE
    known = {"seed": seed, "version": _VERSION}
    if any(given and table.exists() and os.path.samefile(given, table) for given in inputs):
        raise FoleyError(f"{table} is read, so it cannot be written: give another folder.")
    if note.exists():
        try:
            written = json.loads(note.read_text("utf-8"))
        except (OSError, ValueError):
            written = None
        if written != known:
            raise FoleyError(
                f"{output} holds sounds of another seed or version: give another folder."
            )
    elif table.exists():
        raise FoleyError(f"{table} is not of this command: give another folder.")
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FoleyError(
            f"The folder {output} cannot be made ({error.strerror}): give another."
        ) from error
    with write_beside(note) as sink:
        sink.write(json.dumps(known, sort_keys=True).encode("utf-8"))


def _mine(
    rows: Sequence[Captioned], table: Path | str, axes: Collection[Axis]
) -> list[tuple[Captioned, tuple[str, ...]]]:
    unknown = [axis for axis in axes if axis not in AXES]
    if unknown or not axes:
        raise FoleyError(f"Axes are {', '.join(AXES)}; not {', '.join(unknown) or 'none'}.")
    mined = [(row, operations_of(row.caption, axes)) for row in rows]
    wanted = [(row, operations) for row, operations in mined if operations]
    if not wanted:
        raise FoleyError(
            f"None of the {len(rows)} captions of {Path(table).name} has a word of "
            f"{' or '.join(axes)}, such as fast, near or loud."
        )
    return wanted


def _find(
    folder: Path, wanted: Sequence[tuple[Captioned, tuple[str, ...]]], result: Augmented
) -> list[_Clip]:
    """The clips whose file is there, in the order of their first captions."""
    clips: dict[str, _Clip] = {}
    for row, operations in wanted:
        path = find_sound(folder, row)
        if path is None:
            result.missing += 1
            continue
        source = relative(path, folder) or path.name
        clips.setdefault(source, _Clip(path, source, [])).captions.append((row, operations))
    if not clips:
        raise FoleyError(
            f"None of the {len(wanted)} sounds that the captions name is in {folder}; the first is "
            f"'{wanted[0][0].file}'."
        )
    return list(clips.values())


def _make(clip: _Clip, output: Path, seed: int, result: Augmented) -> bool:
    """Writes the sounds of a clip that are not there; False where it cannot be used."""
    asked = clip.operations
    wanted = [name for name in asked if not (output / clip.file(name)).exists()]
    if wanted:
        try:
            waveform, rate = _read(clip.path, result)
        except FoleyError as error:
            result.skipped.append(f"{clip.source}: {error}")
            return False
    for name in wanted:
        made = augment_clip(waveform, rate, name, _rng(seed, clip.source, name))
        write_audio(output / clip.file(name), made, rate)
    result.made += len(wanted)
    result.kept += len(asked) - len(wanted)
    return True


def _read(path: Path, result: Augmented) -> tuple[Tensor, int]:
    """The sound of a clip as far as it is used. FoleyError for one that is silent, too."""
    # One second more tells whether there is more.
    waveform, rate = read_audio(path, seconds=LONGEST_SECONDS + 1)
    longest = round(LONGEST_SECONDS * rate)
    cut = waveform.shape[1] > longest
    waveform = waveform[:, :longest]
    if waveform.shape[0] > 2:
        waveform = waveform.mean(0, keepdim=True)
    if rate > HIGHEST_RATE:
        waveform, rate = resample(waveform, rate, HIGHEST_RATE), HIGHEST_RATE
    waveform = effects.trim_silence(waveform, rate)
    result.cut += cut
    return waveform, rate


class _Captions:
    """Writes the rows of clips: the captions of a file first, templates where it has none."""

    def __init__(self, new: NewCaptions | None, seed: int) -> None:
        self._new, self._seed = new, seed
        self._used: Counter[tuple[str, str]] = Counter()
        self.given = self.by_template = 0

    def rows(self, clip: _Clip) -> list[Derived]:
        return [
            Derived(clip.file(name), self._caption(clip, row, name), clip.source, name)
            for row, operations in clip.captions
            for name in operations
        ]

    def _caption(self, clip: _Clip, row: Captioned, operation: str) -> str:
        known = self._new.captions if self._new else {}
        for source in (clip.source, row.file):
            choices = known.get((source, operation))
            if choices:
                # The captions of one sound take those of the file in turn.
                self._used[source, operation] += 1
                self.given += 1
                return choices[(self._used[source, operation] - 1) % len(choices)]
        self.by_template += operation != ORIGINAL
        rng = _rng(self._seed, clip.source, operation, row.caption)
        return write_caption(row.caption, operation, rng)


def _rng(seed: int, *names: str) -> np.random.Generator:
    """One for these names, whatever was drawn for others."""
    text = "\0".join(names).encode("utf-8", "surrogateescape")
    return np.random.default_rng([seed, int.from_bytes(hashlib.sha256(text).digest()[:8], "big")])

"""One picture of a take: frames, motion, waveform and spectrogram with its onsets."""

from __future__ import annotations

import os

import numpy as np
from torch import Tensor

from ..encoders.foley_mini import BIN_RATE
from ..media import FrameRequest, Source, read_frames
from ..media.files import write_beside
from ..onsets.detect import detect_onsets
from ..printable import printable

_FRAMES = 12
_LONGEST_TITLE = 110
# The first comes with matplotlib and has no Chinese, Japanese or Korean; the others are those that
# systems bring.
_FONTS = (
    "DejaVu Sans",
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "WenQuanYi Zen Hei",
    "Hiragino Sans",
    "PingFang SC",
    "Apple SD Gothic Neo",
    "Yu Gothic",
    "Microsoft YaHei",
    "Malgun Gothic",
)
_PAPER, _INK, _SOUND, _HIT = "#ffffff", "#30343b", "#3d6fb4", "#d1495b"


def plot_take(
    source: Source,
    waveform: Tensor,
    sample_rate: int,
    path: str | os.PathLike[str],
    *,
    start: float = 0.0,
    chance: Tensor | None = None,
    title: str = "",
) -> None:
    """Write a PNG of the window that begins at `start` of `source` and its sound [C, T].

    chance: of a hit, [N] at 50 Hz, as the video encoder finds it. Red lines are the onsets found in
    the sound; the frames above are those at the ticks.
    """
    with write_beside(path) as sink:  # first of all: matplotlib, too, fails on a full disk
        figure = _figure(source, waveform, sample_rate, start=start, chance=chance, title=title)
        sink.draw(figure, dpi=110)


def _figure(source, waveform, sample_rate, *, start, chance, title):
    from matplotlib.figure import Figure

    seconds = waveform.shape[-1] / sample_rate
    sound = waveform.float().mean(0).numpy()
    onsets = detect_onsets(waveform, sample_rate)
    strip = {"strip": FrameRequest(_FRAMES / seconds, (108, 144), crop="fit", resample="area")}
    frames = read_frames(source, strip, start=start, seconds=seconds)["strip"][:_FRAMES]

    figure = Figure((13, 8), layout="constrained", facecolor=_PAPER)
    axes = figure.subplots(4, 1, height_ratios=[1.15, 0.9, 1.1, 1.9])
    _strip(axes[0], frames.numpy())
    text, fonts = drawable(title)
    axes[0].set_title(text, loc="left", color=_INK, fontsize=11, fontfamily=fonts, parse_math=False)
    _motion(axes[1], chance)
    times = np.arange(len(sound)) / sample_rate
    axes[2].plot(times, sound, color=_SOUND, linewidth=0.5)
    axes[2].set(ylim=(-1, 1), ylabel="waveform")
    _spectrogram(axes[3], sound, sample_rate)
    for axis in axes[1:]:
        axis.set_xlim(0, seconds)
        for onset in onsets:
            axis.axvline(onset, color=_HIT, linewidth=0.9, alpha=0.8)
    for axis in axes[1:3]:
        axis.tick_params(labelbottom=False)
    axes[3].set_xlabel(f"seconds from {start:g} s   |   red: {len(onsets)} onsets")
    return figure


def drawable(text: str) -> tuple[str, list[str]]:
    """A text as it can be drawn in one line, and the fonts for it: cut where it is too long, with
    escapes of control characters and "?" for what no font has."""
    from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font

    installed = {font.name for font in fontManager.ttflist}
    fonts = [name for name in _FONTS if name in installed]
    has: set[int] = set()
    for name in fonts:
        has.update(get_font(findfont(FontProperties(name))).get_charmap())
    text = printable(text)
    text = text if len(text) <= _LONGEST_TITLE else text[: _LONGEST_TITLE - 3] + "..."
    return "".join(char if ord(char) in has else "?" for char in text), fonts


def _strip(axis, frames: np.ndarray) -> None:
    axis.imshow(np.concatenate(list(frames), axis=1), aspect="auto", extent=(0, len(frames), 0, 1))
    axis.set(xticks=[], yticks=[])


def _motion(axis, chance: Tensor | None) -> None:
    if chance is not None:
        times = (np.arange(len(chance)) + 0.5) / BIN_RATE
        axis.fill_between(times, chance.numpy(), color="#8cb369", alpha=0.9, linewidth=0)
    axis.set(ylim=(0, 1.08), ylabel="chance of a hit")


def _spectrogram(axis, sound: np.ndarray, sample_rate: int) -> None:
    size, hop = 1024, 256
    if len(sound) < size:
        sound = np.pad(sound, (0, size - len(sound)))
    windows = np.lib.stride_tricks.sliding_window_view(sound, size)[::hop] * np.hanning(size)
    power = 20 * np.log10(np.abs(np.fft.rfft(windows, axis=1)).T + 1e-5)
    axis.imshow(
        power,
        origin="lower",
        aspect="auto",
        cmap="magma",
        vmin=power.max() - 80,
        vmax=power.max(),
        extent=(0, len(sound) / sample_rate, 0, sample_rate / 2000),
    )
    axis.set_ylabel("kHz")

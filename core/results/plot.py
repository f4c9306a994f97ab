"""One picture of a take: frames, motion, waveform and spectrogram with its onsets."""

from __future__ import annotations

import io
import os

import numpy as np
from torch import Tensor

from ..encoders.foley_mini import BIN_RATE
from ..evaluation.attacks import detect_onsets
from ..media import FrameRequest, Source, read_frames
from ..media.files import write_beside

_FRAMES = 12
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
    from matplotlib.figure import Figure

    seconds = waveform.shape[-1] / sample_rate
    sound = waveform.float().mean(0).numpy()
    onsets = detect_onsets(waveform, sample_rate)
    strip = {"strip": FrameRequest(_FRAMES / seconds, (108, 144), crop="fit", resample="area")}
    frames = read_frames(source, strip, start=start, seconds=seconds)["strip"][:_FRAMES]

    figure = Figure((13, 8), layout="constrained", facecolor=_PAPER)
    axes = figure.subplots(4, 1, height_ratios=[1.15, 0.9, 1.1, 1.9])
    _strip(axes[0], frames.numpy(), title)
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
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=110)
    with write_beside(path) as sink:
        sink.write(drawn.getvalue())


def _strip(axis, frames: np.ndarray, title: str) -> None:
    axis.imshow(np.concatenate(list(frames), axis=1), aspect="auto", extent=(0, len(frames), 0, 1))
    axis.set(xticks=[], yticks=[])
    axis.set_title(title, loc="left", color=_INK, fontsize=11)


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

"""Sound under a picture, and beside the sound that was there."""

from __future__ import annotations

import torch
from comfy_api.latest import InputImpl, io

from ..core.media import fit_length, limit, mux, normalize_loudness, resample
from ..core.media.ducking import duck
from .border import (
    audio_value,
    container_suffix,
    one_sound,
    original_sound,
    temporary_file,
    whole_file,
    with_channels,
)
from .common import fps_input, picture_input, schema
from .progress import progress_bar, stop_if_cancelled


class Mux(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "Mux",
            "Foley Mux",
            "Puts a sound under a picture. The picture of a VIDEO is copied untouched, frame for "
            "frame; an IMAGE batch is encoded. The sound ends exactly with the picture.",
            [
                picture_input("The VIDEO, or the IMAGE batch of all its frames."),
                io.Audio.Input("audio", tooltip="The sound: from Foley Decode or Foley Mix."),
                io.Float.Input(
                    "start",
                    default=0.0,
                    min=-3600.0,
                    max=86400.0,
                    step=0.001,
                    tooltip="When the sound begins, in seconds of the picture. Connect start of "
                    "Foley Decode, or nudge by hand: 0.04 is a frame later.",
                ),
                fps_input(),
            ],
            [io.Video.Output("muxed", display_name="video", tooltip="For Save Video.")],
            folder="finish",
            aliases=("combine audio video", "add sound", "video combine"),
        )

    @classmethod
    def execute(cls, video, audio, start: float, fps: float) -> io.NodeOutput:
        source = whole_file(video, fps)
        waveform, rate = one_sound(audio)
        # Containers hold more channels, players of the web do not.
        waveform = waveform if len(waveform) <= 2 else with_channels(waveform, 1)
        path = temporary_file("mux", container_suffix(source))
        mux(
            source,
            waveform,
            rate,
            path,
            at=start,
            progress=progress_bar(),
            cancelled=stop_if_cancelled,
        )
        return io.NodeOutput(InputImpl.VideoFromFile(str(path)))


class Mix(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        def decibels(name: str, default: float, tooltip: str, most: float = 24.0):
            return io.Float.Input(
                name, default=default, min=-60.0, max=most, step=0.5, tooltip=tooltip
            )

        return schema(
            "Mix",
            "Foley Mix",
            "Mixes the new sound with the one that was there.",
            [
                io.Audio.Input("foley", tooltip="The new sound, one take."),
                io.MultiType.Input(
                    "original",
                    types=[io.Video, io.Audio],
                    optional=True,
                    tooltip="The VIDEO whose own sound stays, or any AUDIO. A video without sound "
                    "adds nothing.",
                ),
                decibels("foley_db", 0.0, "Level of the new sound in dB: 0 as it is, -6 half."),
                decibels("original_db", -6.0, "Level of the original in dB: -60 is hardly heard."),
                io.Float.Input(
                    "duck_db",
                    default=6.0,
                    min=0.0,
                    max=48.0,
                    step=0.5,
                    tooltip="How far the original steps back while the new sound is loud, in dB: 0 "
                    "not at all, 6 gently, 20 out of the way.",
                ),
                io.Float.Input(
                    "start",
                    default=0.0,
                    min=0.0,
                    max=86400.0,
                    step=0.001,
                    tooltip="When the new sound begins, in seconds of the original.",
                ),
                io.Boolean.Input(
                    "normalize",
                    default=False,
                    tooltip="On: the mix is brought to the loudness below. Off: levels stay, and "
                    "only what would clip is held.",
                ),
                io.Float.Input(
                    "loudness",
                    default=-16.0,
                    min=-60.0,
                    max=-5.0,
                    step=0.5,
                    tooltip="Loudness of the mix in LUFS: -23 for broadcast, -14 for the web.",
                ),
            ],
            [io.Audio.Output("audio", display_name="audio", tooltip="For Foley Mux, start 0.")],
            folder="finish",
            aliases=("audio mixer", "ducking", "sidechain"),
        )

    @classmethod
    def execute(
        cls, foley, foley_db, original_db, duck_db, start, normalize, loudness, original=None
    ) -> io.NodeOutput:
        new, rate = one_sound(foley, "new sound")
        new = torch.nn.functional.pad(new * _gain(foley_db), (round(start * rate), 0))
        found = original_sound(original)
        if found is None:
            mixed = new
        else:
            mixed, rate = _together(new, rate, *found, original_db, duck_db)
        mixed = normalize_loudness(mixed, rate, loudness) if normalize else limit(mixed, rate)
        return io.NodeOutput(audio_value(mixed[None], rate))


def _gain(decibels: float) -> float:
    return 10 ** (decibels / 20)


def _together(
    new: torch.Tensor,
    rate: int,
    old: torch.Tensor,
    old_rate: int,
    original_db: float,
    duck_db: float,
) -> tuple[torch.Tensor, int]:
    """Both sounds at the higher rate, as long as the longer of them."""
    high = max(rate, old_rate)
    new, old = resample(new, rate, high), resample(old, old_rate, high)
    size, channels = max(new.shape[-1], old.shape[-1]), min(max(len(new), len(old)), 2)
    new, old = (with_channels(fit_length(sound, size), channels) for sound in (new, old))
    return new + duck(old, new, high, duck_db) * _gain(original_db), high


NODES = [Mux, Mix]

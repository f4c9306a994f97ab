"""Sound under a picture, and beside the sound that was there."""

from __future__ import annotations

from typing import get_args

import torch
from comfy_api.latest import InputImpl, io

from ..core.media import fit_length, limit, mux, normalize_loudness, resample
from ..core.media.ducking import duck
from ..core.media.limits import check_length
from ..core.media.mux import PictureMode
from . import widgets
from .border import (
    audio_value,
    container_suffix,
    one_sound,
    original_sound,
    temporary_file,
    whole_file,
    with_channels,
)
from .common import Node
from .progress import callbacks


class Mux(Node):
    TITLE = "Foley Mux"
    ABOUT = (
        "Puts a sound under a picture. The picture of a VIDEO is copied untouched, frame for "
        "frame, unless picture says otherwise; an IMAGE batch is encoded. The sound ends exactly "
        "with the picture."
    )
    INPUTS = [
        widgets.picture("The VIDEO, or the IMAGE batch of all its frames."),
        io.Audio.Input("audio", tooltip="The sound: from Foley Decode or Foley Mix."),
        widgets.seconds(
            "start",
            "When the sound begins, in seconds of the picture. Connect start of Foley Decode, or "
            "nudge by hand: 0.04 is a frame later.",
            min=-widgets.HOUR,
            step=0.001,
        ),
        widgets.fps(),
        widgets.choice(
            "picture",
            get_args(PictureMode),
            "copy: the packets of a VIDEO stay as they are. h264: it is encoded anew, for codecs "
            "that the file cannot hold and for pictures without times.",
            optional=True,
        ),
    ]
    OUTPUTS = [io.Video.Output("muxed", "video", tooltip="For Save Video.")]
    FOLDER = "finish"
    ALIASES = ("combine audio video", "add sound", "video combine")

    @classmethod
    def validate_inputs(cls, picture=None) -> bool | str:
        return cls.check_choices(picture=picture)

    @classmethod
    def execute(
        cls, video, audio, start: float, fps: float, picture: PictureMode = "copy"
    ) -> io.NodeOutput:
        source = whole_file(video, fps)
        waveform, rate = one_sound(audio)
        # Containers hold more channels, players of the web do not.
        waveform = waveform if len(waveform) <= 2 else with_channels(waveform, 1)
        path = temporary_file("mux", ".mp4" if picture == "h264" else container_suffix(source))
        mux(source, waveform, rate, path, at=start, picture=picture, **callbacks())
        return io.NodeOutput(InputImpl.VideoFromFile(str(path)))


def _decibels(name: str, default: float, tooltip: str):
    return widgets.number(name, default, tooltip, min=-60.0, max=24.0, step=0.5)


class Mix(Node):
    TITLE = "Foley Mix"
    ABOUT = "Mixes the new sound with the one that was there."
    INPUTS = [
        io.Audio.Input("foley", tooltip="The new sound, one take."),
        io.MultiType.Input(
            "original",
            types=[io.Video, io.Audio],
            optional=True,
            tooltip="The VIDEO whose own sound stays, or any AUDIO. A video without sound adds "
            "nothing.",
        ),
        _decibels("foley_db", 0.0, "Level of the new sound in dB: 0 as it is, -6 half."),
        _decibels("original_db", -6.0, "Level of the original in dB: -60 is hardly heard."),
        widgets.number(
            "duck_db",
            6.0,
            "How far the original steps back while the new sound is loud, in dB: 0 not at all, 6 "
            "gently, 20 out of the way.",
            max=48.0,
            step=0.5,
        ),
        widgets.seconds(
            "start", "When the new sound begins, in seconds of the original.", step=0.001
        ),
        io.Boolean.Input(
            "normalize",
            default=False,
            tooltip="On: the mix is brought to the loudness below. Off: levels stay, and only "
            "what would clip is held.",
        ),
        widgets.loudness(-16.0, "Loudness of the mix in LUFS: -23 for broadcast, -14 for the web."),
    ]
    OUTPUTS = [io.Audio.Output("audio", tooltip="For Foley Mux, start 0.")]
    FOLDER = "finish"
    ALIASES = ("audio mixer", "ducking", "sidechain")

    @classmethod
    def execute(
        cls, foley, foley_db, original_db, duck_db, start, normalize, loudness, original=None
    ) -> io.NodeOutput:
        new, rate = one_sound(foley, "new sound")
        check_length(start + new.shape[-1] / rate, "A mix")
        new = torch.nn.functional.pad(new * _gain(foley_db), (round(start * rate), 0))
        found = original_sound(original)
        if found is not None:
            # Both at the higher rate, as long as the longer of them.
            old, old_rate = found
            high = max(rate, old_rate)
            new, old, rate = resample(new, rate, high), resample(old, old_rate, high), high
            size, channels = max(new.shape[-1], old.shape[-1]), min(max(len(new), len(old)), 2)
            new, old = (with_channels(fit_length(sound, size), channels) for sound in (new, old))
            new = new + duck(old, new, rate, duck_db) * _gain(original_db)
        mixed = normalize_loudness(new, rate, loudness) if normalize else limit(new, rate)
        return io.NodeOutput(audio_value(mixed[None], rate))


def _gain(decibels: float) -> float:
    return 10 ** (decibels / 20)


NODES = [Mux, Mix]

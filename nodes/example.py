"""The bundled clips and sounds, so that every workflow runs as it is."""

from __future__ import annotations

from pathlib import Path

from comfy_api.latest import InputImpl, io

from ..core.media import read_audio
from . import widgets
from .border import audio_value
from .common import Node

MEDIA = Path(__file__).resolve().parents[1] / "workflows" / "media"
CLIPS = {
    "silent": "example.mp4",
    "with its own sound": "example_with_sound.mp4",
    "one minute": "example_minute.mp4",
}
SOUNDS = {name: f"reference_{name}.flac" for name in ("bell", "wood", "metal", "glass", "drum")}
SOUNDS["track of the clip"] = "example_track.flac"


class Example(Node):
    TITLE = "Foley Example"
    ABOUT = (
        "A clip and a sound to try things with, made by FoleyStage's own renderer. Put Load Video "
        "and Load Audio in its place for your own."
    )
    INPUTS = [
        widgets.choice(
            "clip",
            CLIPS,
            "The clip: 8 s, without sound or with some of its own, or a silent minute.",
        ),
        widgets.choice(
            "sound",
            SOUNDS,
            "The sound, about 2 s: for Encode Foley Reference, or reference of Quick Foley. track "
            "of the clip: the true sound of its 8 s, for Foley Task.",
        ),
    ]
    OUTPUTS = [
        io.Video.Output("video", tooltip="The clip."),
        io.Audio.Output("audio", "sound", tooltip="The sound."),
    ]
    FOLDER = "load"
    ALIASES = ("demo", "test video", "sample")

    @classmethod
    def validate_inputs(cls, clip=None, sound=None) -> bool | str:
        return cls.check_choices(clip=clip, sound=sound)

    @classmethod
    def execute(cls, clip: str, sound: str) -> io.NodeOutput:
        waveform, rate = read_audio(MEDIA / SOUNDS[sound])
        video = InputImpl.VideoFromFile(str(MEDIA / CLIPS[clip]))
        return io.NodeOutput(video, audio_value(waveform[None], rate))


NODES = [Example]

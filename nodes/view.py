"""A look at a take, and a choice between takes."""

from __future__ import annotations

import numpy as np
import torch
from comfy_api.latest import io, ui

from ..core.errors import FoleyError
from . import common
from .border import audio_value, one_sound, picture_of, sound_of, temporary_file
from .common import fps_input, picture_input, schema
from .preview import preview_of
from .values import EncodedFeatures


class Plot(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "Plot",
            "Foley Plot",
            "One picture of a take: frames, what the encoder saw, waveform and spectrogram, with a "
            "red line at every onset that is heard.",
            [
                io.Audio.Input("audio", tooltip="The sound, one take."),
                picture_input("The VIDEO it belongs to, or the IMAGE batch."),
                common.Features.Input(
                    "features",
                    optional=True,
                    tooltip="From Encode Foley Video: draws the chance of a hit too.",
                ),
                io.Float.Input(
                    "start",
                    default=0.0,
                    min=0.0,
                    max=86400.0,
                    step=0.01,
                    tooltip="When the sound begins, in seconds of the video.",
                ),
                fps_input(),
            ],
            [io.Image.Output("image", display_name="image", tooltip="The plot.")],
            folder="finish",
            aliases=("spectrogram", "waveform", "onsets"),
            is_output_node=True,
        )

    @classmethod
    def execute(
        cls, audio, video, start: float, fps: float, features: EncodedFeatures | None = None
    ) -> io.NodeOutput:
        from PIL import Image

        from ..core.results.plot import plot_take

        waveform, rate = one_sound(audio)
        picture = picture_of(video, fps)
        path = temporary_file("plot", ".png")
        chance = None if features is None else features.chance
        plot_take(
            picture.source,
            waveform,
            rate,
            path,
            start=picture.window(start, None)[0],
            chance=chance,
        )
        try:
            with Image.open(path) as drawn:
                pixels = np.asarray(drawn.convert("RGB"), dtype=np.float32) / 255
        finally:
            path.unlink(missing_ok=True)
        image = torch.from_numpy(pixels)[None]
        return io.NodeOutput(image, ui=ui.PreviewImage(image, cls=cls))


class Takes(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "Takes",
            "Foley Takes",
            "Plays the takes under their picture and switches between them at the same moment; "
            "pick the one that goes on.",
            [
                io.Audio.Input("audio", tooltip="Several takes: from Foley Decode."),
                io.Int.Input(
                    "pick",
                    default=1,
                    min=1,
                    max=64,
                    tooltip="The take that goes on, from 1. Picking another makes nothing anew.",
                ),
                picture_input(
                    "The VIDEO that the takes belong to, or the IMAGE batch, to see it while "
                    "choosing. Without it the takes are only heard.",
                    optional=True,
                ),
                io.Float.Input(
                    "start",
                    default=0.0,
                    min=0.0,
                    max=86400.0,
                    step=0.01,
                    optional=True,
                    tooltip="When the takes begin, in seconds of the video. Connect start of Foley "
                    "Decode.",
                ),
                fps_input(optional=True),
            ],
            [
                io.Audio.Output(
                    "picked", display_name="audio", tooltip="The take that was picked."
                ),
            ],
            folder="finish",
            aliases=("pick take", "audio batch", "choose"),
            is_output_node=True,
        )

    @classmethod
    def execute(
        cls, audio, pick: int, video=None, start: float = 0.0, fps: float = 25.0
    ) -> io.NodeOutput:
        takes, rate = sound_of(audio)
        if pick > len(takes):
            raise FoleyError(f"Take {pick} was picked, but there are only {len(takes)}.")
        shown = {"takes": ui.PreviewAudio(audio_value(takes, rate), cls=cls).values}
        if video is not None:
            shown["picture"] = [preview_of(video, fps, start, takes.shape[-1] / rate)]
        # Not as "audio": the frontend would look for its own player on the node, and there is none.
        return io.NodeOutput(audio_value(takes[pick - 1 : pick], rate), ui=shown)


NODES = [Plot, Takes]

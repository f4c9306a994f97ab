"""A picture of a take, and a choice between takes."""

from __future__ import annotations

import numpy as np
import torch
from comfy_api.latest import io, ui

from ..core.errors import FoleyError
from . import common, widgets
from .border import audio_value, one_sound, picture_of, sound_of, temporary_file
from .common import Node
from .preview import preview_of
from .ranked import figures_of, ranking_of
from .values import EncodedFeatures


class Plot(Node):
    TITLE = "Foley Plot"
    ABOUT = (
        "One picture of a take: frames, what the encoder saw, waveform and spectrogram, with a "
        "red line at every onset that is heard."
    )
    INPUTS = [
        io.Audio.Input("audio", tooltip="The sound, one take."),
        widgets.picture("The VIDEO it belongs to, or the IMAGE batch."),
        common.Features.Input(
            "features",
            optional=True,
            tooltip="From Encode Foley Video: draws the chance of a hit too.",
        ),
        widgets.seconds("start", "When the sound begins, in seconds of the video."),
        widgets.fps(),
    ]
    OUTPUTS = [io.Image.Output("image", tooltip="The plot.")]
    FOLDER = "finish"
    ALIASES = ("spectrogram", "waveform", "onsets")
    OTHER = {"is_output_node": True}

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
        first, _ = picture.window(start, None)
        plot_take(picture.source, waveform, rate, path, start=first, chance=chance)
        try:
            with Image.open(path) as drawn:
                pixels = np.asarray(drawn.convert("RGB"), dtype=np.float32) / 255
        finally:
            path.unlink(missing_ok=True)
        image = torch.from_numpy(pixels)[None]
        return io.NodeOutput(image, ui=ui.PreviewImage(image, cls=cls))


class Takes(Node):
    TITLE = "Foley Takes"
    ABOUT = (
        "Plays the takes under their picture, the best first, and switches between them at the "
        "same moment; pick the one that goes on."
    )
    INPUTS = [
        io.Audio.Input("audio", tooltip="Several takes: from Foley Decode."),
        io.Int.Input(
            "pick",
            default=1,
            min=0,
            max=64,
            tooltip="The take that goes on, from 1; 0 is always the best of the list. Picking "
            "another makes nothing anew.",
        ),
        widgets.picture(
            "The VIDEO that the takes belong to, or the IMAGE batch, to see it while choosing. "
            "Without it the takes are only heard.",
            optional=True,
        ),
        widgets.seconds(
            "start",
            "When the takes begin, in seconds of the video. Connect start of Foley Decode.",
            optional=True,
        ),
        widgets.fps(optional=True),
        common.Features.Input(
            "features",
            optional=True,
            tooltip="From Encode Foley Video with mini_video_encoder, which tells hits: takes "
            "that are in time with them come first. Without it the list is by level and clipping.",
        ),
    ]
    OUTPUTS = [io.Audio.Output("picked", "audio", tooltip="The take that was picked.")]
    FOLDER = "finish"
    ALIASES = ("pick take", "audio batch", "choose")
    OTHER = {"is_output_node": True}

    @classmethod
    def execute(
        cls,
        audio,
        pick: int,
        video=None,
        start: float = 0.0,
        fps: float = 25.0,
        features: EncodedFeatures | None = None,
    ) -> io.NodeOutput:
        takes, rate = sound_of(audio)
        if pick > len(takes):
            raise FoleyError(f"Take {pick} was picked, but there are only {len(takes)}.")
        ranking = ranking_of(audio, features)
        pick = pick or next((one.take for one in ranking), 1)
        shown = {"takes": ui.PreviewAudio(audio_value(takes, rate), cls=cls).values}
        shown["ranking"] = [figures_of(one) for one in ranking]
        if video is not None:
            shown["picture"] = [preview_of(video, fps, start, takes.shape[-1] / rate)]
        # Not as "audio": the frontend would look for its own player on the node, and there is none.
        return io.NodeOutput(audio_value(takes[pick - 1 : pick], rate), ui=shown)


NODES = [Plot, Takes]

"""Streams joined into what a sampler takes, and latents to begin with."""

from __future__ import annotations

from typing import get_args

import torch
from comfy_api.latest import io

from ..core.catalog import VIDEO_ENCODERS
from ..core.errors import FoleyError
from ..core.generators import Streams
from ..core.sampling import Long, always_conditioned, windows_for
from . import common, widgets
from .border import check_seconds
from .choices import require
from .common import Node
from .native.backbone import config_of
from .native.latents import empty_latent
from .native.model import FoleyModel, foley_model
from .values import KEY, ConditioningEntry, EncodedFeatures

AUTOMATIC = "automatic"
_LOADERS = {
    "video": ("video", "The video", "Load Foley Video Encoder"),
    "text": ("text", "The text", "Load Foley Text Encoder"),
    "reference": ("codec", "The reference", "Load Foley Codec"),
}


def length_input(tooltip: str) -> io.Float.Input:
    """The length of a take."""
    return widgets.seconds("seconds", tooltip, default=8.0, min=0.1, max=widgets.HOUR)


class Conditioning(Node):
    TITLE = "Foley Conditioning"
    ABOUT = (
        "Joins what the model is told. What is not connected is left to the model: it was trained "
        "with every part missing at times."
    )
    # PRE features = common.Features.Input
    INPUTS = [
        io.Model.Input("model", tooltip="The model that will be told."),
        common.Features.Input(
            "video",
            optional=True,
            tooltip="From Encode Foley Video: what happens when, and how long the take is.",
        ),
        common.Features.Input("text", optional=True, tooltip="text of Encode Foley Text."),
        common.Features.Input(
            "negative_text", optional=True, tooltip="negative text of Encode Foley Text."
        ),
        common.Features.Input("reference", optional=True, tooltip="From Encode Foley Reference."),
        length_input(
            "Length of the take in seconds where no video is connected; a video brings its own."
        ),
        io.Boolean.Input(
            "ignore_look",
            optional=True,
            default=False,
            tooltip="On: only how the picture moves is heard, not what it shows. For AC-Foley and "
            "MMAudio, where the sound is to be of something else.",
        ),
        widgets.choice(
            "long_takes",
            [AUTOMATIC, *get_args(Long)],
            "How a take beyond the length that the model was trained on is made. automatic: in "
            "one pass up to 20 s, in joined windows beyond; MDSGen always in windows. windows "
            "cost more and keep to the trained length; one pass is how MMAudio and AC-Foley are "
            "published.",
            optional=True,
        ),
    ]
    OUTPUTS = [
        io.Conditioning.Output("positive", tooltip="Everything the model is told."),
        io.Conditioning.Output(
            "negative",
            tooltip="What guidance leads away from: the negative text or nothing, and the picture "
            "where the model follows it without guidance.",
        ),
        io.Latent.Output("latent", tooltip="An empty take of the right length."),
    ]
    FOLDER = "condition"
    ALIASES = ("conditioning", "join features")

    @classmethod
    def validate_inputs(cls, long_takes=None) -> bool | str:
        return cls.check_choices(long_takes=long_takes)

    @classmethod
    def execute(
        cls, model, seconds, ignore_look=False, long_takes=AUTOMATIC, **given
    ) -> io.NodeOutput:
        inner = foley_model(model)
        config, video = inner.row.config, given.get("video")
        streams: dict[str, torch.Tensor] = {}
        for kind in _LOADERS:
            streams |= checked_streams(given.get(kind), kind, inner)
        if ignore_look and video is not None:
            still = VIDEO_ENCODERS[video.part].still
            streams = {name: value for name, value in streams.items() if name not in still}
        away = checked_streams(given.get("negative_text"), "text", inner)
        asked, start = (seconds, 0.0) if video is None else (video.seconds, video.start)
        made = config.round_up_seconds(asked if video is None else video.padded)
        long = None if long_takes == AUTOMATIC else long_takes
        windows_for(config, made, long)  # says so where it cannot be made
        latent = empty_latent(config, made, asked, start=start, takes=1)
        return io.NodeOutput(*both_sides(inner, streams, away, made, long), latent)


def both_sides(
    model: FoleyModel, streams: Streams, away: Streams, seconds: float, long: Long | None
) -> tuple[list, list]:
    """Positive and negative CONDITIONING: on the negative side are the streams that guidance keeps
    and those that it leads away from."""
    positive = ConditioningEntry(streams, streams, seconds, model.row.name, long)
    always = always_conditioned(model.diffusion_model)
    kept = {name: value for name, value in streams.items() if name in always}
    return conditioning(positive), conditioning(positive.with_streams({**kept, **away}))


def checked_streams(
    features: EncodedFeatures | None, kind: str, model: FoleyModel
) -> dict[str, torch.Tensor]:
    """The streams of one input; FoleyError for another kind, or for another encoder's."""
    if features is None:
        return {}
    if features.kind != kind:
        raise FoleyError(
            f"The {kind} input got {features.kind} features: connect them to {features.kind}."
        )
    field, what, loader = _LOADERS[kind]
    if not getattr(model.row, field):
        raise FoleyError(f"{model.row.name} takes no {kind}: leave it unconnected.")
    require(features.part, getattr(model.row, field), what, loader)
    return dict(features.streams)


def conditioning(entry: ConditioningEntry) -> list:
    """A CONDITIONING of one entry."""
    # The tensor of an entry is the text of picture models; ours reads its streams alone.
    return [[torch.zeros(1, 1, 1), {KEY: entry}]]


class EmptyLatent(Node):
    TITLE = "Empty Foley Latent"
    ABOUT = "Silence to begin with, for as many takes as are to be made at once."
    INPUTS = [
        io.Model.Input("model", tooltip="The model that will fill it."),
        length_input("Length in seconds; the same as in the conditioning."),
        widgets.count(
            "takes",
            "How many takes are made at once, each with its own noise. 3 or 4 give a choice.",
        ),
    ]
    OUTPUTS = [io.Latent.Output("latent", tooltip="For a sampler.")]
    FOLDER = "condition"
    ALIASES = ("empty latent audio", "batch")

    @classmethod
    def execute(cls, model, seconds: float, takes: int) -> io.NodeOutput:
        check_seconds(seconds, "The length")
        config = config_of(model)
        made = config.round_up_seconds(seconds)
        return io.NodeOutput(empty_latent(config, made, seconds, start=0.0, takes=takes))


NODES = [Conditioning, EmptyLatent]

"""Streams joined into what a sampler takes, and latents to begin with."""

from __future__ import annotations

from typing import get_args

import torch
from comfy_api.latest import io

from ..core.catalog import VIDEO_ENCODERS
from ..core.errors import FoleyError
from ..core.sampling import Long, always_conditioned, windows_for
from . import common
from .border import check_seconds
from .choices import require
from .common import known_choices, schema
from .native.latents import empty_latent
from .native.model import FoleyModel, foley_model
from .values import KEY, ConditioningEntry, EncodedFeatures

AUTOMATIC = "automatic"
_LOADERS = {
    "video": ("video", "The video", "Load Foley Video Encoder"),
    "text": ("text", "The text", "Load Foley Text Encoder"),
    "reference": ("codec", "The reference", "Load Foley Codec"),
}


class Conditioning(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        features = common.Features.Input
        return schema(
            "Conditioning",
            "Foley Conditioning",
            "Joins what the model is told. What is not connected is left to the model: it was "
            "trained with every part missing at times.",
            [
                io.Model.Input("model", tooltip="The model that will be told."),
                features(
                    "video",
                    optional=True,
                    tooltip="From Encode Foley Video: what happens when, and how long the take is.",
                ),
                features("text", optional=True, tooltip="text of Encode Foley Text."),
                features(
                    "negative_text", optional=True, tooltip="negative text of Encode Foley Text."
                ),
                features("reference", optional=True, tooltip="From Encode Foley Reference."),
                io.Float.Input(
                    "seconds",
                    default=8.0,
                    min=0.1,
                    max=3600.0,
                    step=0.01,
                    tooltip="Length of the take in seconds where no video is connected; a video "
                    "brings its own.",
                ),
                io.Boolean.Input(
                    "ignore_look",
                    optional=True,
                    default=False,
                    tooltip="On: only how the picture moves is heard, not what it shows. For "
                    "AC-Foley and MMAudio, where the sound is to be of something else.",
                ),
                io.Combo.Input(
                    "long_takes",
                    options=[AUTOMATIC, *get_args(Long)],
                    optional=True,
                    default=AUTOMATIC,
                    tooltip="How a take beyond the length that the model was trained on is made. "
                    "automatic: in one pass up to 20 s, in joined windows beyond; MDSGen always in "
                    "windows. windows cost more and keep to the trained length; one pass is how "
                    "MMAudio and AC-Foley are published.",
                ),
            ],
            [
                io.Conditioning.Output(
                    "positive", display_name="positive", tooltip="Everything the model is told."
                ),
                io.Conditioning.Output(
                    "negative",
                    display_name="negative",
                    tooltip="What guidance leads away from: the negative text or nothing, and the "
                    "picture where the model follows it without guidance.",
                ),
                io.Latent.Output(
                    "latent", display_name="latent", tooltip="An empty take of the right length."
                ),
            ],
            folder="condition",
            aliases=("conditioning", "join features"),
        )

    @classmethod
    def validate_inputs(cls, long_takes: str | None = None) -> bool | str:
        return known_choices(cls, long_takes=long_takes)

    @classmethod
    def execute(
        cls,
        model,
        seconds,
        video=None,
        text=None,
        negative_text=None,
        reference=None,
        ignore_look=False,
        long_takes=AUTOMATIC,
    ) -> io.NodeOutput:
        inner = foley_model(model)
        streams: dict[str, torch.Tensor] = {}
        for features, kind in ((video, "video"), (text, "text"), (reference, "reference")):
            streams |= _checked(features, kind, inner)
        if ignore_look and video is not None:
            still = VIDEO_ENCODERS[video.part].still
            streams = {name: value for name, value in streams.items() if name not in still}
        away = _checked(negative_text, "text", inner)
        config = inner.row.config
        asked = seconds if video is None else video.seconds
        made = config.round_up_seconds(asked if video is None else video.padded)
        long = None if long_takes == AUTOMATIC else long_takes
        windows_for(config, made, long)  # says so where it cannot be made
        positive = ConditioningEntry(streams, streams, made, inner.row.name, long)
        always = always_conditioned(inner.diffusion_model)
        kept = {name: value for name, value in streams.items() if name in always}
        negative = positive.with_streams(kept | away)
        latent = empty_latent(
            inner, made, asked, start=0.0 if video is None else video.start, takes=1
        )
        return io.NodeOutput(_conditioning(positive), _conditioning(negative), latent)


def _checked(
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


def _conditioning(entry: ConditioningEntry) -> list:
    # The tensor of an entry is the text of picture models; ours reads its streams alone.
    return [[torch.zeros(1, 1, 1), {KEY: entry}]]


class EmptyLatent(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "EmptyLatent",
            "Empty Foley Latent",
            "Silence to begin with, for as many takes as are to be made at once.",
            [
                io.Model.Input("model", tooltip="The model that will fill it."),
                io.Float.Input(
                    "seconds",
                    default=8.0,
                    min=0.1,
                    max=3600.0,
                    step=0.01,
                    tooltip="Length in seconds; the same as in the conditioning.",
                ),
                io.Int.Input(
                    "takes",
                    default=1,
                    min=1,
                    max=64,
                    tooltip="How many takes are made at once, each with its own noise. 3 or 4 give "
                    "a choice.",
                ),
            ],
            [io.Latent.Output("latent", display_name="latent", tooltip="For a sampler.")],
            folder="condition",
            aliases=("empty latent audio", "batch"),
        )

    @classmethod
    def execute(cls, model, seconds: float, takes: int) -> io.NodeOutput:
        check_seconds(seconds, "The length")
        inner = foley_model(model)
        made = inner.row.config.round_up_seconds(seconds)
        return io.NodeOutput(empty_latent(inner, made, seconds, start=0.0, takes=takes))


NODES = [Conditioning, EmptyLatent]

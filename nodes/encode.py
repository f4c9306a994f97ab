"""Video, words and a reference sound become features."""

from __future__ import annotations

import functools
from typing import get_args

import torch
from comfy_api.latest import io

from ..core.encoders.base import EncodedVideo
from ..core.encoders.cache import FeatureCache, cache_of
from ..core.errors import FoleyError
from ..core.media import ImageFrames, Timing, current_word, probe, window_seconds
from ..core.reference import ReferencePick
from ..core.system import (
    encode_image,
    encode_reference,
    encode_text,
    encode_video,
    reference_spec,
)
from . import common
from .border import Picture, one_sound, picture_of, still_of
from .choices import require
from .common import fps_input, known_choices, picture_input, schema
from .native.managed import Managed
from .native.model import foley_model
from .notices import shown_on
from .progress import progress_bar, stop_if_cancelled
from .values import EncodedFeatures


class EncodeVideo(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "EncodeVideo",
            "Encode Foley Video",
            "Watches a video, or an IMAGE batch straight from a video generator, and notes what "
            "happens when. Frames are read by their time stamps while the file is decoded once.",
            [
                common.VideoEncoder.Input(
                    "video_encoder", tooltip="From Load Foley Video Encoder."
                ),
                picture_input(
                    "The VIDEO to give a sound to, or an IMAGE batch of all its frames. A single "
                    "IMAGE tells AC-Foley and MMAudio what is heard, but not when."
                ),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="White is seen, black is not, so what is black is not heard. One mask "
                    "for the whole video, or one for each of its frames.",
                ),
                io.Float.Input(
                    "start",
                    default=0.0,
                    min=0.0,
                    max=86400.0,
                    step=0.01,
                    tooltip="Where the sound begins, in seconds of the video; 0 is its start.",
                ),
                io.Float.Input(
                    "seconds",
                    default=0.0,
                    min=0.0,
                    max=86400.0,
                    step=0.01,
                    tooltip="How much of the video gets a sound, in seconds; 0: all that is left. "
                    "8 is what most models were trained on; Foley Conditioning says how more is "
                    "made.",
                ),
                fps_input(),
                io.Combo.Input(
                    "timing",
                    options=list(get_args(Timing)),
                    default="nearest",
                    optional=True,
                    tooltip="Which frame stands for an instant. nearest: the one nearest in time. "
                    "published: the first one at or after it, as MMAudio's own code has it, which "
                    "at 25 frames a second comes up to one frame late; pixel aspect ratios are "
                    "then ignored too.",
                ),
            ],
            [
                common.Features.Output(
                    "features", display_name="features", tooltip="For Foley Conditioning."
                ),
                io.Float.Output(
                    "seconds_seen", display_name="seconds", tooltip="Length of the window."
                ),
                io.Float.Output(
                    "started_at", display_name="start", tooltip="For the start of Foley Mux."
                ),
            ],
            folder="encode",
            aliases=("video features", "sync features", "watch video"),
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def validate_inputs(cls, timing: str | None = None) -> bool | str:
        # Graphs of earlier versions say "reference" for "published".
        return known_choices(cls, timing=timing and current_word(timing))

    @classmethod
    def execute(
        cls, video_encoder: Managed, video, start, seconds, fps, mask=None, timing="nearest"
    ) -> io.NodeOutput:
        part, timing = video_encoder.part, current_word(timing)
        with shown_on(cls.hidden.unique_id):
            still = still_of(video)
            if still is not None and part.still:
                masks = None if mask is None else _mask_source(mask, 1.0, 1.0)
                encoded = encode_image(
                    part, video_encoder, still, seconds=seconds or None, mask=masks, cache=cache()
                )
                start = 0.0
            else:
                picture = picture_of(video, fps)
                encoded = _encoded(video_encoder, picture, start, seconds or None, mask, timing)
        streams = {name: value.float().cpu() for name, value in encoded.streams.items()}
        features = EncodedFeatures(
            "video", part.name, streams, start, encoded.seconds, encoded.padded, encoded.chance
        )
        return io.NodeOutput(features, features.seconds, start)


def _encoded(
    encoder: Managed,
    picture: Picture,
    start: float,
    seconds: float | None,
    mask: torch.Tensor | None,
    timing: Timing,
) -> EncodedVideo:
    """What an encoder makes of a window of a picture, None: of all that is left.

    Raises FoleyError for a window or mask that cannot be.
    """
    info = probe(picture.source)
    length = picture.seconds or info.seconds
    first, read = picture.window(start, window_seconds(length, start, seconds))
    return encode_video(
        encoder.part,
        encoder,
        picture.source,
        start=first,
        seconds=read,
        to_end=seconds is None,
        timing=timing,
        mask=None if mask is None else _mask_source(mask, length, info.fps),
        mask_start=start,
        cache=cache(),
        progress=progress_bar(),
        cancelled=stop_if_cancelled,
    )


@functools.cache
def cache() -> FeatureCache:
    """What was encoded since ComfyUI started; also in the folder that FOLEYSTAGE_CACHE names."""
    return cache_of()


def _mask_source(mask: torch.Tensor, seconds: float, fps: float) -> ImageFrames:
    """A MASK [M, H, W] as a video of the same length."""
    mask = mask if mask.ndim == 3 else mask.reshape(-1, *mask.shape[-2:])
    frames = max(1, round(seconds * fps))
    if len(mask) != 1 and abs(len(mask) - frames) > 1:
        raise FoleyError(
            f"The mask has {len(mask)} frames, but the video has {frames}: give one mask for the "
            "whole video, or one for each of its frames."
        )
    images = mask[..., None].expand(-1, -1, -1, 3)
    return ImageFrames(images, len(mask) / seconds)


class EncodeText(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "EncodeText",
            "Encode Foley Text",
            "Reads what the sound should be, and what it should not. An empty prompt leaves the "
            "sound to the picture.",
            [
                common.TextEncoder.Input("text_encoder", tooltip="From Load Foley Text Encoder."),
                io.String.Input(
                    "prompt",
                    default="",
                    multiline=True,
                    tooltip="What is heard, in a few words: 'metal hit', 'footsteps on gravel'.",
                ),
                io.String.Input(
                    "negative_prompt",
                    default="",
                    multiline=True,
                    tooltip="What is to be kept away, as in 'music, speech'. It works where the "
                    "guidance scale is above 1.",
                ),
            ],
            [
                common.Features.Output(
                    "positive", display_name="text", tooltip="For text of Foley Conditioning."
                ),
                common.Features.Output(
                    "negative",
                    display_name="negative text",
                    tooltip="For negative text of Foley Conditioning.",
                ),
            ],
            folder="encode",
            aliases=("prompt", "text to audio"),
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(
        cls, text_encoder: Managed | None, prompt: str, negative_prompt: str
    ) -> io.NodeOutput:
        if text_encoder is None:
            raise FoleyError("This model follows the picture alone: leave the text unconnected.")
        part, sides = text_encoder.part, []
        with shown_on(cls.hidden.unique_id):
            for words in (prompt, negative_prompt):
                stream = encode_text(part, text_encoder, words, cache())
                streams = {} if stream is None else {part.stream: stream}
                sides.append(EncodedFeatures("text", part.name, streams))
        return io.NodeOutput(*sides)


class EncodeReference(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "EncodeReference",
            "Encode Foley Reference",
            "Listens to a sound whose timbre the take is to have: record the object once, and "
            "every hit in the video sounds like it.",
            [
                io.Audio.Input(
                    "audio",
                    tooltip="A clean example of the sound, 0.05 s or longer; about 2 s from its "
                    "start are heard.",
                ),
                common.Codec.Input("codec", tooltip="The codec that the model was trained with."),
                io.Model.Input("model", tooltip="The model that will hear it."),
                io.Float.Input(
                    "start",
                    optional=True,
                    default=0.0,
                    min=0.0,
                    max=86400.0,
                    step=0.01,
                    tooltip="Where in the sound listening begins, in seconds: put it just before a "
                    "clean hit.",
                ),
                io.Int.Input(
                    "windows",
                    optional=True,
                    default=1,
                    min=1,
                    max=64,
                    tooltip="How many parts of about 2 s are heard, spread from start to the end. "
                    "1 as published; more average a long recording.",
                ),
            ],
            [
                common.Features.Output(
                    "features", display_name="reference", tooltip="For Foley Conditioning."
                )
            ],
            folder="encode",
            aliases=("timbre transfer", "reference audio", "audio prompt"),
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(
        cls, audio, codec: Managed, model, start: float = 0.0, windows: int = 1
    ) -> io.NodeOutput:
        row = foley_model(model).row
        spec = reference_spec(row)
        sound = one_sound(audio, "reference sound")
        require(codec.part.name, row.codec, "This reference", "Load Foley Codec")
        with shown_on(cls.hidden.unique_id):
            stream = encode_reference(spec, codec, sound, ReferencePick(start, windows))
        streams = {spec.method.stream: stream}
        return io.NodeOutput(EncodedFeatures("reference", codec.part.name, streams))


NODES = [EncodeVideo, EncodeText, EncodeReference]

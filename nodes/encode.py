"""What is seen, read and heard becomes features."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import get_args

import torch
from comfy_api.latest import io

from ..core.errors import FoleyError
from ..core.media import (
    FrameRequest,
    ImageFrames,
    Timing,
    current_word,
    made_seconds,
    probe,
    read_frames,
)
from ..core.media.masking import hide, hold_last
from ..core.reference import ReferencePick
from . import common
from .border import Picture, one_sound, picture_of, still_of
from .common import fps_input, known_choices, picture_input, schema
from .native.managed import Managed
from .native.model import foley_model
from .notices import shown_on
from .parts import require
from .progress import progress_bar, stop_if_cancelled
from .values import Features, Watched


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
        still, eyes, timing = still_of(video), video_encoder.part.eyes, current_word(timing)
        with shown_on(cls.hidden.unique_id):
            if still is not None and eyes is not None and eyes.still:
                features = glance(video_encoder, still, seconds or None, mask)
                return io.NodeOutput(features, features.seconds, 0.0)
            picture = picture_of(video, fps)
            features = watch(video_encoder, picture, start, seconds or None, mask, timing)
        return io.NodeOutput(features, features.seconds, start)


def watch(
    encoder: Managed,
    picture: Picture,
    start: float,
    seconds: float | None,
    mask: torch.Tensor | None = None,
    timing: Timing = "nearest",
) -> Features:
    """Features of a window of a picture; raises FoleyError for a window or mask that cannot be."""
    part = encoder.part
    if part.eyes is not None and mask is None:
        span = _span(picture.seconds or probe(picture.source).seconds, start, seconds)
        seen, span = part.eyes.look(
            encoder.ready(), picture, start, span, to_end=seconds is None, timing=timing
        )
    else:
        requests = {name: request.timed(timing) for name, request in part.requests.items()}
        frames, span = _frames(requests, picture, start, seconds, mask)
        made = made_seconds({k: len(f) for k, f in frames.items()}, requests, span)
        counts = {k: math.ceil(made * request.fps - 1e-6) for k, request in requests.items()}
        frames = {k: hold_last(f, counts[k]) for k, f in frames.items()}
        seen = part.watch(encoder.ready(), frames, made, stop_if_cancelled)
    return _features(part.name, seen, start, span)


def glance(
    encoder: Managed, picture: ImageFrames, seconds: float | None, mask: torch.Tensor | None
) -> Features:
    """Features of a single picture, for a take of `seconds` or of what the model was trained on."""
    part, eyes = encoder.part, encoder.part.eyes
    requests = {name: part.requests[name] for name in eyes.still}
    frames = {name: frames[:1] for name, frames in read_frames(picture, requests).items()}
    if mask is not None:
        masks = read_frames(_mask_source(mask, 1.0, 1.0), requests)
        frames = {name: hide(frame, masks[name][:1]) for name, frame in frames.items()}
    span = seconds or eyes.still_seconds
    return _features(part.name, eyes.glance(encoder.ready(), frames, span), 0.0, span)


def _features(part: str, seen: Watched, start: float, span: float) -> Features:
    streams = {name: value.float().cpu() for name, value in seen.streams.items()}
    return Features("video", part, streams, start, span, seen.seconds, seen.chance)


def _frames(
    requests: Mapping[str, FrameRequest],
    picture: Picture,
    start: float,
    seconds: float | None,
    mask: torch.Tensor | None,
) -> tuple[dict[str, torch.Tensor], float]:
    """Frames of a window that were there, uint8 [T, H, W, 3] by request, and its seconds."""
    info = probe(picture.source)
    length = picture.seconds or info.seconds
    span = _span(length, start, seconds)
    first, read = picture.window(start, span)
    frames = read_frames(
        picture.source,
        requests,
        start=first,
        seconds=read,
        progress=progress_bar(),
        cancelled=stop_if_cancelled,
    )
    if seconds is None:
        # What the file declares may be more than what it holds.
        span = min(span, max(len(f) / requests[k].fps for k, f in frames.items()))
    if mask is not None:
        shown = _mask_source(mask, length, info.fps)
        masks = read_frames(shown, requests, start=start, seconds=read, cancelled=stop_if_cancelled)
        frames = {k: hide(f, hold_last(masks[k], len(f))[: len(f)]) for k, f in frames.items()}
    return frames, span


def _span(length: float, start: float, seconds: float | None) -> float:
    from ..core.pipeline import Request, window_seconds

    return window_seconds(length, Request(start=start, seconds=seconds))


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
        module, part = text_encoder.ready(), text_encoder.part
        with shown_on(cls.hidden.unique_id):
            sides = []
            for words in (prompt, negative_prompt):
                stream = part.read(module, words) if words.strip() else None
                streams = {} if stream is None else {"text": stream.float().cpu()}
                sides.append(Features("text", part.name, streams))
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
        inner = foley_model(model)
        pick = ReferencePick(start, windows)
        sound, rate = one_sound(audio, "reference sound")
        if inner.part.listen is None:
            raise FoleyError(f"{inner.part.name} takes no reference sound: leave it unconnected.")
        require(codec.part.name, inner.part.codec, "This reference", "Load Foley Codec")
        with shown_on(cls.hidden.unique_id):
            stream = inner.part.listen(inner.diffusion_model, codec.ready(), sound, rate, pick)
        return io.NodeOutput(
            Features("reference", codec.part.name, {"audio": stream.float().cpu()})
        )


NODES = [EncodeVideo, EncodeText, EncodeReference]

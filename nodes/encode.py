"""Video, words and a reference sound become features."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import get_args

import torch
from comfy_api.latest import io

from ..core.encoders.cache import FeatureCache, cache_of
from ..core.errors import FoleyError
from ..core.media import ImageFrames, Timing, current_word, probe, window_seconds
from ..core.reference import ReferencePick, ReferenceSpec
from ..core.sounds import encode_reference, reference_spec
from ..core.system import encode_image, encode_texts, encode_video
from . import common, widgets
from .border import one_sound, picture_of, still_of
from .choices import require
from .common import Node
from .native.managed import Managed
from .native.model import foley_model
from .notices import shown_on
from .preview import preview_of
from .progress import callbacks
from .values import EncodedFeatures


class EncodeVideo(Node):
    TITLE = "Encode Foley Video"
    ABOUT = (
        "Watches a video, or an IMAGE batch straight from a video generator, and notes what "
        "happens when. Frames are read by their time stamps while the file is decoded once."
    )
    INPUTS = [
        common.VideoEncoder.Input("video_encoder", tooltip="From Load Foley Video Encoder."),
        widgets.picture(
            "The VIDEO to give a sound to, or an IMAGE batch of all its frames. A single IMAGE "
            "tells AC-Foley and MMAudio what is heard, but not when."
        ),
        io.Mask.Input(
            "mask",
            optional=True,
            tooltip="White is seen, black is not, so what is black is not heard. One mask for the "
            "whole video, or one for each of its frames.",
        ),
        widgets.seconds(
            "start", "Where the sound begins, in seconds of the video; 0 is its start."
        ),
        widgets.seconds(
            "seconds",
            "How much of the video gets a sound, in seconds; 0: all that is left. 8 is what most "
            "models were trained on; Foley Conditioning says how more is made.",
        ),
        widgets.fps(),
        widgets.choice(
            "timing",
            get_args(Timing),
            "Which frame stands for an instant. nearest: the one nearest in time. published: the "
            "first one at or after it, as MMAudio's own code has it, which at 25 frames a second "
            "comes up to one frame late; pixel aspect ratios are then ignored too.",
            optional=True,
        ),
    ]
    OUTPUTS = [
        common.Features.Output("features", tooltip="For Foley Conditioning."),
        io.Float.Output("seconds_seen", "seconds", tooltip="Length of the window."),
        io.Float.Output("started_at", "start", tooltip="For the start of Foley Mux."),
    ]
    FOLDER = "encode"
    ALIASES = ("video features", "sync features", "watch video")
    HIDDEN = [io.Hidden.unique_id]

    @classmethod
    def validate_inputs(cls, timing=None) -> bool | str:
        # Graphs of earlier versions say "reference" for "published".
        return cls.check_choices(timing=timing and current_word(timing))

    @classmethod
    def execute(
        cls, video_encoder: Managed, video, start, seconds, fps, mask=None, timing="nearest"
    ) -> io.NodeOutput:
        def encode(lead: float) -> EncodedFeatures:
            return _encoded(video_encoder, video, start, seconds, fps, mask, timing, lead)

        with shown_on(cls.hidden.unique_id):
            features = encode(0.0)
        if still_of(video) is None:
            preview = functools.partial(preview_of, video, fps, start, features.seconds)
            features = replace(features, behind=encode, preview=preview)
        return io.NodeOutput(features, features.seconds, features.start)


def _encoded(
    video_encoder: Managed, video, start, seconds, fps, mask, timing, lead: float
) -> EncodedFeatures:
    """Features of a window; lead: see `core.system.encode_video`."""
    part = video_encoder.part
    still = still_of(video) if part.still else None
    if still is not None:
        start, mask = 0.0, mask_source(mask, 1.0, 1.0)
        encoded = encode_image(
            part, video_encoder, still, seconds=seconds or None, mask=mask, cache=cache()
        )
    else:
        picture = picture_of(video, fps)
        info = probe(picture.source)
        length = picture.seconds or info.seconds
        first, read = picture.window(start, window_seconds(length, start, seconds or None))
        encoded = encode_video(
            part,
            video_encoder,
            picture.source,
            start=first,
            seconds=read,
            to_end=not seconds,
            timing=current_word(timing),
            mask=mask_source(mask, length, info.fps),
            mask_start=start,
            lead=lead,
            cache=cache(),
            **callbacks(),
        )
    streams = {name: value.float().cpu() for name, value in encoded.streams.items()}
    return EncodedFeatures(
        "video", part.name, streams, start, encoded.seconds, encoded.padded, encoded.chance
    )


@functools.cache
def cache() -> FeatureCache:
    """What was encoded since ComfyUI started; also in the folder that FOLEYSTAGE_CACHE names."""
    return cache_of()


def mask_source(mask: torch.Tensor | None, seconds: float, fps: float) -> ImageFrames | None:
    """A MASK [M, H, W] as a video of the same length; FoleyError for another number of frames."""
    if mask is None:
        return None
    if mask.ndim < 2 or not mask.numel():
        raise FoleyError(f"The mask {list(mask.shape)} holds no picture: connect one that does.")
    mask = mask if mask.ndim == 3 else mask.reshape(-1, *mask.shape[-2:])
    frames = max(1, round(seconds * fps))
    if len(mask) != 1 and abs(len(mask) - frames) > 1:
        raise FoleyError(
            f"The mask has {len(mask)} frames, but the video has {frames}: give one mask for the "
            "whole video, or one for each of its frames."
        )
    images = mask[..., None].expand(-1, -1, -1, 3)
    return ImageFrames(images, len(mask) / seconds)


class EncodeText(Node):
    TITLE = "Encode Foley Text"
    ABOUT = (
        "Reads what the sound should be, and what it should not. An empty prompt leaves the sound "
        "to the picture."
    )
    INPUTS = [
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
            tooltip="What is to be kept away, as in 'music, speech'. It works where the guidance "
            "scale is above 1.",
        ),
    ]
    OUTPUTS = [
        common.Features.Output("positive", "text", tooltip="For text of Foley Conditioning."),
        common.Features.Output(
            "negative", "negative text", tooltip="For negative text of Foley Conditioning."
        ),
    ]
    FOLDER = "encode"
    ALIASES = ("prompt", "text to audio")
    HIDDEN = [io.Hidden.unique_id]

    @classmethod
    def execute(
        cls, text_encoder: Managed | None, prompt: str, negative_prompt: str
    ) -> io.NodeOutput:
        if text_encoder is None:
            raise FoleyError("This model follows the picture alone: leave the text unconnected.")
        part = text_encoder.part
        with shown_on(cls.hidden.unique_id):
            sides = encode_texts(part, text_encoder, (prompt, negative_prompt), cache())
        return io.NodeOutput(*(EncodedFeatures("text", part.name, side) for side in sides))


class EncodeReference(Node):
    TITLE = "Encode Foley Reference"
    ABOUT = (
        "Listens to a sound whose timbre the take is to have: record the object once, and every "
        "hit in the video sounds like it."
    )
    INPUTS = [
        io.Audio.Input(
            "audio",
            tooltip="A clean example of the sound, 0.05 s or longer; about 2 s from its start are "
            "heard.",
        ),
        widgets.codec(),
        io.Model.Input("model", tooltip="The model that will hear it."),
        widgets.seconds(
            "start",
            "Where in the sound listening begins, in seconds: put it just before a clean hit.",
            optional=True,
        ),
        widgets.count(
            "windows",
            "How many parts of about 2 s are heard, spread from start to the end. 1 as published; "
            "more average a long recording.",
            optional=True,
        ),
    ]
    OUTPUTS = [common.Features.Output("features", "reference", tooltip="For Foley Conditioning.")]
    FOLDER = "encode"
    ALIASES = ("timbre transfer", "reference audio", "audio prompt")
    HIDDEN = [io.Hidden.unique_id]

    @classmethod
    def execute(
        cls, audio, codec: Managed, model, start: float = 0.0, windows: int = 1
    ) -> io.NodeOutput:
        row = foley_model(model).row
        if row.takes_context:
            raise FoleyError(
                f"{row.name} hears a reference in its context: connect the sound to Foley Task, "
                "with the task ac-vta."
            )
        if row.hears_for_words:
            raise FoleyError(
                f"{row.name} hears a reference in the place of words: connect the sound to Encode "
                "Foley Audio Prompt."
            )
        spec = reference_spec(row)
        sound = one_sound(audio, "reference sound")
        require(codec.part.name, row.codec, "This reference", "Load Foley Codec")
        with shown_on(cls.hidden.unique_id):
            streams = encode_reference(spec, codec, sound, ReferencePick(start, windows))
        return io.NodeOutput(EncodedFeatures("reference", codec.part.name, streams))


class EncodeAudioPrompt(Node):
    TITLE = "Encode Foley Audio Prompt"
    ABOUT = (
        "Says by a sound what the take should sound like, in the place of words: for models whose "
        "text encoder hears too (CLAP)."
    )
    INPUTS = [
        common.TextEncoder.Input("text_encoder", tooltip="clap_text of Load Foley Text Encoder."),
        io.Audio.Input("audio", tooltip="A sound of the same sort; 10 s of it are heard."),
        widgets.seconds(
            "start", "Where in the sound listening begins, in seconds.", max=widgets.HOUR
        ),
    ]
    OUTPUTS = [
        common.Features.Output("features", "text", tooltip="For text of Foley Conditioning.")
    ]
    FOLDER = "encode"
    ALIASES = ("clap", "audio prompt", "sound as prompt")
    HIDDEN = [io.Hidden.unique_id]

    @classmethod
    def execute(cls, text_encoder: Managed | None, audio, start: float) -> io.NodeOutput:
        method = None if text_encoder is None else text_encoder.part.hears
        if text_encoder is None or method is None:
            raise FoleyError(
                "This text encoder reads words alone: load clap_text for a sound in their place."
            )
        sound = one_sound(audio, "audio prompt")
        with shown_on(cls.hidden.unique_id):
            spec = ReferenceSpec.of(method)
            streams = encode_reference(spec, text_encoder, sound, ReferencePick(start))
        return io.NodeOutput(EncodedFeatures("text", text_encoder.part.name, streams))


NODES = [EncodeVideo, EncodeText, EncodeReference, EncodeAudioPrompt]

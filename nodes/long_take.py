"""Takes of any length, and takes by a cue sheet, in one node."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import folder_paths
from comfy_api.latest import io

from ..core.cues import CueSheet, parse_cues, with_references
from ..core.encoders.cache import FeatureCache
from ..core.pipeline import generate
from ..core.request import SEQUENTIAL, Request
from . import common, widgets
from .border import audio_value, one_sound, picture_of, still_of
from .common import Node
from .encode import cache
from .notices import shown_on
from .progress import callbacks
from .system import GraphParts, GraphSystem
from .values import StemSounds

_SECTIONS_ROOM = 512 << 20


class LongTake(Node):
    TITLE = "Foley Long Take"
    ABOUT = (
        "Makes a take of any length, minutes too, part by part in little memory, and follows a cue "
        "sheet: hits, prompts, mutes, takes and levels at times. Where the sheet changes late, "
        "what comes before is not made again."
    )
    OUTPUTS = [
        io.Audio.Output("audio", tooltip="The takes, for Foley Mux."),
        io.Float.Output("start", tooltip="For the start of Foley Mux."),
        common.Stems.Output(
            "stems",
            tooltip="Hits that have a sound of their own in the cue sheet, apart from the rest.",
        ),
    ]
    FOLDER = "sample"
    ALIASES = ("cue sheet", "long video", "timeline", "prompt schedule", "prompt travel")
    HIDDEN = [io.Hidden.unique_id]
    INPUTS = [
        io.Model.Input("model", tooltip="From Load Foley System or Load Foley Model."),
        widgets.codec(),
        common.VideoEncoder.Input(
            "video_encoder", optional=True, tooltip="The model's own; needed with a video."
        ),
        common.TextEncoder.Input(
            "text_encoder", optional=True, tooltip="The model's own; needed with a prompt."
        ),
        widgets.picture("The VIDEO or IMAGE batch that gets the sound.", optional=True),
        io.Audio.Input(
            "reference", optional=True, tooltip="A sound whose timbre is followed throughout."
        ),
        io.String.Input(
            "cues",
            optional=True,
            force_input=True,
            tooltip="A cue sheet, from Foley Timeline or as JSON; sounds that it names lie in "
            "ComfyUI's input folder.",
        ),
        io.String.Input(
            "prompt",
            default="",
            multiline=True,
            tooltip="What is heard where the cue sheet has no prompt of its own.",
        ),
        io.String.Input(
            "negative_prompt", default="", tooltip="What is to be kept away, in a few words."
        ),
        widgets.seed(),
        widgets.own_steps(),
        widgets.own_scale(),
        widgets.seconds(
            "seconds",
            "Length of the take; 0 is all of the video, or what the model was trained on.",
            max=widgets.HOUR,
        ),
        widgets.count(
            "takes", "How many takes are made at once; one where the cue sheet chooses takes."
        ),
        widgets.fps(optional=True),
    ]

    @classmethod
    def execute(
        cls,
        model,
        codec,
        prompt,
        negative_prompt,
        seed,
        steps,
        cfg,
        seconds,
        takes,
        video_encoder=None,
        text_encoder=None,
        video=None,
        reference=None,
        cues="",
        fps=25.0,
    ) -> io.NodeOutput:
        with shown_on(cls.hidden.unique_id):
            system = GraphSystem(GraphParts(model, codec, video_encoder, text_encoder), cache())
            sheet = _sheet(cues)
            source, first, length = None, 0.0, seconds or None
            if (still := still_of(video)) is not None:
                source = still
            elif video is not None:
                picture = picture_of(video, fps)
                source = picture.source
                first, length = picture.window(0.0, length)
            request = Request(
                prompt,
                negative_prompt,
                None if reference is None else one_sound(reference, "reference sound"),
                first,
                length,
                seed,
                None if steps == widgets.OWN_STEPS else steps,
                None if cfg == widgets.OWN_SCALE else cfg,
                takes,
                long=SEQUENTIAL,
                cues=None if sheet is None else sheet.moved(first),
                stems=sheet is not None and system.places_hits,
            )
            made = generate(source, system, request, store=_sections(), **_callbacks())
        stems = StemSounds(made.stems, made.sample_rate)
        return io.NodeOutput(audio_value(made.waveforms, made.sample_rate), 0.0, stems)


def _sheet(text: str | None) -> CueSheet | None:
    """The sheet of a text; None where there is none."""
    if not (text or "").strip():
        return None
    return with_references(parse_cues(text), Path(folder_paths.get_input_directory()))


def _callbacks() -> dict[str, Any]:
    both = callbacks()
    show = both["progress"]
    return {**both, "progress": lambda _, step, total: show(step, total)}


@functools.cache
def _sections() -> FeatureCache:
    """Sections that were made since ComfyUI started, as far as there is room."""
    return FeatureCache(_SECTIONS_ROOM)


NODES = [LongTake]

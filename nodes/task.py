"""What is asked of a model, as one node: the tasks of FoleyGenEx on every model that does them."""

from __future__ import annotations

from typing import get_args

import torch
from comfy_api.latest import io

from ..core.catalog import VIDEO_ENCODERS
from ..core.context import KnownSound, Span
from ..core.errors import FoleyError
from ..core.generators import Conditions
from ..core.plan import plan
from ..core.request import Request
from ..core.resolve import read_known
from ..core.sounds import encode_known, encode_lead, encode_reference, reference_spec
from ..core.tables import SYSTEMS, SystemSpec
from ..core.tasks import TASKS, Surrogate, counts_look
from . import common, widgets
from .border import check_seconds, one_sound
from .choices import require
from .common import Node
from .condition import both_sides, checked_streams, length_input
from .native.latents import empty_latent, with_known
from .native.model import foley_model
from .notices import shown_on
from .ranges import drawn_range, range_of, range_preview, show_range
from .values import EncodedFeatures

_INVERSIONS = {"off": "", "around the range": "around", "throughout": "throughout"}


class Task(Node):
    TITLE = "Foley Task"
    ABOUT = (
        "Says what is asked of a model: a sound for a picture or for words, the timbre of another "
        "sound, the rest of one that has begun, or a part of one anew. Every sample of a sound "
        "that stays comes back as it was. It also runs alone, with nothing connected behind it, to "
        "show the sound that a range is drawn on."
    )
    INPUTS = [
        widgets.choice(
            "task",
            TASKS,
            "\n".join(f"{name}: {task.title}." for name, task in TASKS.items()),
        ),
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
        io.Audio.Input(
            "audio",
            optional=True,
            tooltip="extend and edit: the sound that stays in part, from the start of the take on. "
            "ac-vta: the sound whose timbre is followed; about 2 s from its start are heard.",
        ),
        common.Codec.Input(
            "codec", optional=True, tooltip="The codec of the model; needed with a sound."
        ),
        drawn_range(
            "edit: the part of the sound that is made anew; extend: the part that stays, all of it "
            "without a range. Drawn on the waveform, which is seen once this node has run.",
            when={"task": [name for name, task in TASKS.items() if task.known]},
            optional=True,
        ),
        length_input(
            "Length of the take in seconds where no video is connected; a video brings its own."
        ),
        widgets.choice(
            "surrogate",
            get_args(Surrogate),
            "ac-vta of FoleyGenEx: what is seen while the reference is heard before the take. "
            "video: the start of the take's own, as published; zero: nothing.",
            optional=True,
        ),
        widgets.choice(
            "inversion",
            _INVERSIONS,
            "edit with Foley Sampler: begin with the noise that the sound leads back to, around "
            "the range, or throughout, which keeps the structure of what was there.",
            optional=True,
        ),
    ]
    OUTPUTS = [
        io.Conditioning.Output("positive", tooltip="Everything the model is told."),
        io.Conditioning.Output("negative", tooltip="What guidance leads away from."),
        io.Latent.Output(
            "latent",
            tooltip="The take to be made: for Foley Sampler or any other sampler, then Foley "
            "Decode, which puts it back into the sound.",
        ),
    ]
    FOLDER = "condition"
    ALIASES = ("inpaint audio", "extend audio", "edit audio", "timbre transfer", "text to audio")
    HIDDEN = [io.Hidden.unique_id]
    # ComfyUI says nothing of other nodes whose results it still has: the waveform would be missing.
    OTHER = {"is_output_node": True}

    @classmethod
    def validate_inputs(cls, task=None, surrogate=None, inversion=None) -> bool | str:
        return cls.check_choices(task=task, surrogate=surrogate, inversion=inversion)

    @classmethod
    def execute(
        cls,
        task,
        model,
        seconds,
        video=None,
        text=None,
        negative_text=None,
        audio=None,
        codec=None,
        surrogate="video",
        inversion="off",
        **other,
    ) -> io.NodeOutput:
        inner = foley_model(model)
        row, node_id = inner.row, cls.hidden.unique_id
        _require_inputs(task, row, video, text, audio, codec)
        sound = None if audio is None else one_sound(audio)
        shown = _shown(sound, video, node_id) if TASKS[task].known else None
        span = range_of(other.get("range", ""))
        _require_range(task, span)
        with shown_on(node_id):
            asked = seconds if video is None else video.seconds
            check_seconds(asked, "The length")
            led, lead, streams = None, 0.0, {}
            if task == "ac-vta" and row.takes_context:
                led, lead = encode_lead(row, codec, sound)
                _check_lead(lead, asked)
                video = _behind(video, lead)
            elif task == "ac-vta":
                streams = encode_reference(reference_spec(row), codec, sound)
            streams |= _picture(task, row, video, text, inner)
            streams |= checked_streams(text, "text", inner)
            away = checked_streams(negative_text, "text", inner)
            padded = asked if video is None else video.padded
            made = row.config.round_up_seconds(max(padded, lead + asked))
            known = _known(task, sound, span, asked, video) if TASKS[task].known else None
            latent = None
            if known is not None:
                latent = encode_known(row.config, codec, known, made - lead, row.loudness)
            planned = plan(
                task,
                Conditions(streams, made, away),
                inner.diffusion_model.latent_shape(made)[0],
                takes_context=row.takes_context,
                reference=led,
                lead=lead,
                known=latent,
                surrogate=surrogate,
                inversion=_INVERSIONS[inversion],
            )
        start = 0.0 if video is None else video.start
        empty = empty_latent(row.config, made, asked, start=start, takes=1)
        told = planned.conditions.positive
        long = "one pass" if lead else None
        latent = with_known(empty, planned, known)
        return io.NodeOutput(*both_sides(inner, told, away, made, long), latent, ui=shown)


def _shown(sound, video: EncodedFeatures | None, node_id: str | None) -> dict:
    """What a range is drawn on; it is seen even where the node then asks for one."""
    picture = None if video is None or video.preview is None else video.preview()
    shown = range_preview(*sound, picture)
    show_range(shown, node_id)
    return shown


def _require_range(task: str, span: Span | None) -> None:
    if task == "edit" and span is None:
        raise FoleyError(
            "Say which part of the sound is made anew: draw a range on the waveform of Foley Task, "
            "then run again."
        )


def _require_inputs(task: str, row: SystemSpec, video, text, audio, codec) -> None:
    """FoleyError for a task that the model does not do, or for an input that it lacks."""
    title = TASKS[task].title
    if task not in row.tasks:
        able = ", ".join(name for name, other in SYSTEMS.items() if task in other.tasks)
        raise FoleyError(f"{row.name} does not do {task} ({title}): load one of {able}.")
    given = {"picture": video, "words": text, "reference": audio, "known": audio}
    inputs = {"picture": "video", "words": "text", "reference": "audio", "known": "audio"}
    for need in TASKS[task].needs:
        if given[need] is None:
            raise FoleyError(f"The task {task} ({title}) needs {inputs[need]}: connect one.")
    if audio is not None and not {"reference", "known"} & set(TASKS[task].needs):
        raise FoleyError(f"The task {task} goes by no sound: leave audio unconnected.")
    if audio is not None and codec is None:
        raise FoleyError(f"A sound needs its codec: connect {row.codec} of Load Foley Codec.")
    if codec is not None:
        require(codec.part.name, row.codec, "The sound", "Load Foley Codec")


def _check_lead(lead: float, seconds: float) -> None:
    if lead >= seconds:
        raise FoleyError(
            f"The reference of {lead:.2f} s stands before the take, and has to be shorter than its "
            f"{seconds:.2f} s: cut it, or make a longer take."
        )


def _behind(video: EncodedFeatures, lead: float) -> EncodedFeatures:
    """The picture behind `lead` seconds of its own start."""
    if video.behind is None:
        raise FoleyError(
            "A reference stands before the take, and a single picture has nothing to be seen "
            "there: connect a video."
        )
    return video.behind(lead)


def _picture(task: str, row: SystemSpec, video, text, inner) -> dict[str, torch.Tensor]:
    """The streams of the picture that count for a task."""
    if video is None or not TASKS[task].motion:
        return {}
    streams = checked_streams(video, "video", inner)
    words = "given" if text is not None and text.streams else ""
    if not counts_look(task, words, row.takes_context):
        still = VIDEO_ENCODERS[video.part].still
        streams = {name: value for name, value in streams.items() if name not in still}
    return streams


def _known(task: str, sound, span: Span | None, seconds: float, video) -> KnownSound:
    """The sound that stays in part; without a range an extension keeps all of a shorter one."""
    asked = {"edit": span} if task == "edit" else {"known": span}
    return read_known(None, Request(task=task, context=sound, **asked), seconds)


NODES = [Task]

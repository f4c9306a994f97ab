"""A sound for each object in a video, and stems: parts of a sound apart from each other."""

from __future__ import annotations

from pathlib import Path

import folder_paths
import torch
from comfy_api.latest import io, ui

from ..core.errors import FoleyError
from ..core.media import ImageFrames, mux, probe
from ..core.media.mixing import STEM_FILES, check_stems
from ..core.objects import VideoObject, generate_objects
from ..core.request import Request
from . import common, widgets
from .border import audio_value, one_sound, picture_of, whole_file
from .common import Node
from .encode import cache, mask_source
from .notices import shown_on
from .progress import callbacks
from .system import GraphParts, GraphSystem
from .values import ObjectEntry, StemSounds


class Object(Node):
    TITLE = "Foley Object"
    ABOUT = (
        "One thing in a video that gets a sound of its own: its mask, from a segmentation node, "
        "and its words. Chain several, then connect the last to Foley Objects."
    )
    INPUTS = [
        io.Mask.Input(
            "mask",
            tooltip="White where the object is: one mask for the whole video, or one for each of "
            "its frames.",
        ),
        common.Objects.Input("objects", optional=True, tooltip="The objects before this one."),
        io.Audio.Input(
            "reference", optional=True, tooltip="A sound whose timbre this object follows."
        ),
        io.String.Input(
            "prompt", default="", tooltip="What it sounds like, in a few words: 'metal hit'."
        ),
        io.String.Input("negative_prompt", default="", tooltip="What is to be kept away from it."),
        widgets.number(
            "level", 0.0, "Louder or quieter than it is made, in dB.", min=-60.0, max=24.0, step=0.5
        ),
    ]
    OUTPUTS = [common.Objects.Output("all", "objects", tooltip="For Foley Objects.")]
    FOLDER = "objects"
    ALIASES = ("segment", "sam", "mask track")

    @classmethod
    def execute(
        cls, mask, prompt, negative_prompt, level, objects=None, reference=None
    ) -> io.NodeOutput:
        sound = None if reference is None else one_sound(reference, "reference sound")
        entry = ObjectEntry(mask, prompt, negative_prompt, sound, level)
        return io.NodeOutput([*(objects or []), entry])


class ObjectTakes(Node):
    TITLE = "Foley Objects"
    ABOUT = (
        "Makes a sound for each object of a video and mixes them in stereo: left to right by where "
        "the object is, near or far by its size. Each is also a stem."
    )
    INPUTS = [
        io.Model.Input("model", tooltip="From Load Foley System or Load Foley Model."),
        widgets.codec(),
        common.VideoEncoder.Input("video_encoder", tooltip="The model's own."),
        common.TextEncoder.Input(
            "text_encoder", optional=True, tooltip="The model's own; needed with prompts."
        ),
        widgets.picture("The VIDEO, or the IMAGE batch of all its frames."),
        common.Objects.Input("objects", tooltip="From the last Foley Object."),
        widgets.seed(),
        widgets.own_steps(),
        widgets.own_scale(),
        widgets.number(
            "width", 1.0, "How far to the sides they are heard: 0 in the middle, 1 as seen."
        ),
        widgets.number(
            "depth", 1.0, "How much quieter what is small is heard: 0 not at all, 1 as far as seen."
        ),
        widgets.count("takes", "How many takes are made at once."),
        widgets.fps(),
    ]
    OUTPUTS = [
        io.Audio.Output("audio", tooltip="All objects together, in stereo."),
        common.Stems.Output("stems", tooltip="Each object by itself."),
    ]
    FOLDER = "objects"
    ALIASES = ("per object", "stems", "spatial", "pan")
    HIDDEN = [io.Hidden.unique_id]

    @classmethod
    def execute(
        cls,
        model,
        codec,
        video_encoder,
        video,
        objects,
        seed,
        steps,
        cfg,
        width,
        depth,
        takes,
        fps,
        text_encoder=None,
    ) -> io.NodeOutput:
        with shown_on(cls.hidden.unique_id):
            system = GraphSystem(GraphParts(model, codec, video_encoder, text_encoder), cache())
            picture = picture_of(video, fps)
            info = probe(picture.source)
            seconds = picture.seconds or info.seconds
            first, length = picture.window(0.0, None)
            seen = [_seen(entry, seconds, info.fps, first) for entry in objects]
            request = Request(
                start=first,
                seconds=length,
                seed=seed,
                steps=None if steps == widgets.OWN_STEPS else steps,
                cfg=None if cfg == widgets.OWN_SCALE else cfg,
                takes=takes,
            )
            both = callbacks()
            show = both["progress"]
            made = generate_objects(
                picture.source,
                seen,
                system,
                request,
                width=width,
                depth=depth,
                progress=lambda stage, step, total: stage == "sampling" and show(step, total),
                cancelled=both["cancelled"],
            )
        stems = StemSounds(made.stems, made.sample_rate)
        return io.NodeOutput(audio_value(made.waveforms, made.sample_rate), stems)


def _seen(entry: ObjectEntry, seconds: float, fps: float, start: float) -> VideoObject:
    """An object with its mask as a video, in seconds of the file that begins `start` earlier."""
    mask = mask_source(entry.mask, seconds, fps)
    assert mask is not None
    before = mask.images[:1].expand(round(start * mask.fps), -1, -1, -1)
    mask = ImageFrames(torch.cat([before, mask.images]), mask.fps) if len(before) else mask
    return VideoObject(mask, entry.prompt, entry.negative, entry.reference, entry.level)


class Stem(Node):
    TITLE = "Foley Stem"
    ABOUT = "Takes one part out of stems, to hear it alone or to change it by itself."
    INPUTS = [
        common.Stems.Input("stems", tooltip="From Foley Objects or Foley Long Take."),
        widgets.count(
            "number",
            "Which stem, from 1, in the order of the objects; of Foley Long Take the picture comes "
            "first.",
        ),
    ]
    OUTPUTS = [
        io.Audio.Output("audio", tooltip="All takes of the stem."),
        io.String.Output("title", tooltip="What it is called."),
    ]
    FOLDER = "objects"
    ALIASES = ("split stems", "audio track")

    @classmethod
    def execute(cls, stems: StemSounds, number: int) -> io.NodeOutput:
        if not stems.sounds:
            raise FoleyError("There are no stems: the cue sheet has no hit with its own material.")
        if number > len(stems.sounds):
            raise FoleyError(f"Stem {number} is asked for, but there are {len(stems.sounds)}.")
        title, sound = list(stems.sounds.items())[number - 1]
        return io.NodeOutput(audio_value(sound, stems.sample_rate), title)


class SaveStems(Node):
    TITLE = "Save Foley Stems"
    ABOUT = (
        "Saves a video with its sound and every stem in a track of its own, to mix elsewhere. The "
        "picture of a VIDEO is copied untouched."
    )
    INPUTS = [
        widgets.picture("The VIDEO, or the IMAGE batch of all its frames."),
        io.Audio.Input("audio", tooltip="The mix, one take; it is the first track."),
        common.Stems.Input("stems", tooltip="The parts of the same take."),
        widgets.count("take", "Which take of the stems, from 1."),
        io.String.Input(
            "filename_prefix",
            default="video/foley_stems",
            tooltip="Name in the output folder, as of Save Video.",
        ),
        widgets.choice(
            "container",
            STEM_FILES,
            ".mkv keeps the sound without loss; .mov opens in editing programs.",
        ),
        widgets.fps(),
    ]
    OUTPUTS: list = []
    FOLDER = "objects"
    ALIASES = ("export tracks", "multitrack")
    OTHER = {"is_output_node": True}

    @classmethod
    def validate_inputs(cls, container=None) -> bool | str:
        return cls.check_choices(container=container)

    @classmethod
    def execute(
        cls, video, audio, stems: StemSounds, take, filename_prefix, container, fps
    ) -> io.NodeOutput:
        source = whole_file(video, fps)
        waveform, rate = one_sound(audio)
        parts = {title: _take(sound, take) for title, sound in stems.sounds.items()}
        if stems.sample_rate != rate and parts:
            raise FoleyError(
                f"The sound has {rate} Hz and its stems {stems.sample_rate} Hz: connect the audio "
                "of the node that made them."
            )
        output = folder_paths.get_output_directory()
        folder, name, number, subfolder, _ = folder_paths.get_save_image_path(
            filename_prefix, output
        )
        path = Path(folder) / f"{name}_{number:05}_{container}"
        check_stems(parts, path)
        mux(source, waveform, rate, path, stems=parts, **callbacks())
        saved = ui.SavedResult(path.name, subfolder, io.FolderType.output)
        return io.NodeOutput(ui={"images": [saved], "animated": (True,)})


def _take(sound: torch.Tensor, number: int) -> torch.Tensor:
    if number > len(sound):
        raise FoleyError(f"Take {number} of the stems is asked for, but there are {len(sound)}.")
    return sound[number - 1]


NODES = [Object, ObjectTakes, Stem, SaveStems]

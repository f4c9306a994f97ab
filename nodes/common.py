"""What every node file shares: types, categories and the schema helper."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from comfy_api.latest import io

CATEGORY = "FoleyStage"

VideoEncoder = io.Custom("FOLEY_VIDEO_ENCODER")
TextEncoder = io.Custom("FOLEY_TEXT_ENCODER")
Codec = io.Custom("FOLEY_CODEC")
Features = io.Custom("FOLEY_FEATURES")
Terms = io.Custom("FOLEY_GUIDANCE_TERMS")
# The frontend puts an audio player on any output node that has this input.
AudioPlayer = io.Custom("AUDIO_UI")

_SCHEMA_FIELDS = {field.name for field in fields(io.Schema)}


def schema(
    name: str,
    display_name: str,
    description: str,
    inputs: list,
    outputs: list,
    *,
    folder: str = "",
    aliases: tuple[str, ...] = (),
    **more: Any,
) -> io.Schema:
    """The schema of node `FoleyStage<name>`, without fields that this ComfyUI does not know."""
    newer = {"search_aliases": list(aliases)}
    return io.Schema(
        node_id=f"FoleyStage{name}",
        display_name=display_name,
        category=f"{CATEGORY}/{folder}" if folder else CATEGORY,
        description=description,
        inputs=inputs,
        outputs=outputs,
        **more,
        **{key: value for key, value in newer.items() if key in _SCHEMA_FIELDS},
    )


def known_choices(node: type[io.ComfyNode], **chosen: str | None) -> bool | str:
    """For `validate_inputs`: True, or what is wrong with a choice that is not in its list.

    None is a choice that comes over a wire and is not known yet.
    """
    for box in node.define_schema().inputs:
        value = chosen.get(box.id)
        if value is not None and value not in box.options:
            return f"There is no {box.id} '{value}' here: choose one from the list of the node."
    return True


def picture_input(tooltip: str, *, optional: bool = False):
    """A socket for a VIDEO, or for an IMAGE batch with its frame rate beside it."""
    return io.MultiType.Input(
        "video", types=[io.Video, io.Image], optional=optional, tooltip=tooltip
    )


def fps_input(*, optional: bool = False):
    """The frame rate of an IMAGE batch."""
    return io.Float.Input(
        "fps",
        optional=optional,
        default=25.0,
        min=0.0,
        max=1000.0,
        step=0.01,
        tooltip="Frames a second of an IMAGE batch, as the node that made it says (8 to 30 are "
        "usual). A VIDEO brings its own and ignores this.",
    )


def seed_input():
    """The seed of the noise."""
    return io.Int.Input(
        "seed",
        default=0,
        min=0,
        max=2**63 - 1,
        control_after_generate=True,
        tooltip="Number of the take: the same seed and settings give the same sound, another seed "
        "another one.",
    )

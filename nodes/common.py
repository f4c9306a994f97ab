"""What every node file shares: types of wires, and the nodes' own base."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from comfy_api.latest import io

from .checks import checked
from .progress import interruptible

CATEGORY = "FoleyStage"

VideoEncoder = io.Custom("FOLEY_VIDEO_ENCODER")
TextEncoder = io.Custom("FOLEY_TEXT_ENCODER")
Codec = io.Custom("FOLEY_CODEC")
Bridge = io.Custom("FOLEY_BRIDGE")
Features = io.Custom("FOLEY_FEATURES")
Objects = io.Custom("FOLEY_OBJECTS")
Stems = io.Custom("FOLEY_STEMS")
# Pairs of a conditioning and its weight, a function of flow time.
Terms = io.Custom("FOLEY_GUIDANCE_TERMS")
# The frontend puts an audio player on any output node that has this input.
AudioPlayer = io.Custom("AUDIO_UI")

SCHEMA_FIELDS = {field.name for field in fields(io.Schema)}


class Node(io.ComfyNode):
    """What all nodes share: their schema is that of these attributes.

    Attributes:
        TITLE, ABOUT: what an artist reads first.
        INPUTS, OUTPUTS: as of a schema; an output without a name of its own is shown by its id.
            Where inputs depend on what is there when they are asked for, `inputs` gives them.
        FOLDER: of ComfyUI's menu.
        ALIASES: other words to find it by, where this ComfyUI knows them.
        HIDDEN, OTHER: hidden inputs, and further fields of the schema.
    """

    TITLE: str
    ABOUT: str
    INPUTS: Sequence[io.Input] = ()
    OUTPUTS: Sequence[io.Output]
    FOLDER = ""
    ALIASES: tuple[str, ...] = ()
    HIDDEN: Sequence[io.Hidden] = ()
    OTHER: Mapping[str, Any] = {}

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        own = vars(cls).get("execute")
        # ComfyUI clones classes for each run, with what is checked already.
        if own is not None and not hasattr(own.__func__, "__wrapped__"):
            cls.execute = classmethod(checked(interruptible(own.__func__)))  # type: ignore[method-assign]

    @classmethod
    def inputs(cls) -> list[io.Input]:
        return list(cls.INPUTS)

    @classmethod
    def define_schema(cls) -> io.Schema:
        for output in cls.OUTPUTS:
            output.display_name = output.display_name or output.id
        newer = {"search_aliases": list(cls.ALIASES)}
        return io.Schema(
            node_id=f"FoleyStage{cls.__name__}",
            display_name=cls.TITLE,
            category=f"{CATEGORY}/{cls.FOLDER}" if cls.FOLDER else CATEGORY,
            description=cls.ABOUT,
            inputs=cls.inputs(),
            outputs=list(cls.OUTPUTS),
            hidden=list(cls.HIDDEN) or None,
            **cls.OTHER,
            **{key: value for key, value in newer.items() if key in SCHEMA_FIELDS},
        )

    @classmethod
    def check_choices(cls, **chosen: str | None) -> bool | str:
        """For `validate_inputs`: True, or what is wrong with a choice that is not in its list.

        None is a choice that comes over a wire and is not known yet.
        """
        for box in cls.inputs():
            value = chosen.get(box.id)
            if value is not None and value not in box.options:
                return f"There is no {box.id} '{value}' here: choose one from the list of the node."
        return True

"""ComfyUI's own Stable Audio, which follows a picture by a bridge."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from comfy_api.latest import io

from ..core.catalog import CODECS, SYSTEMS, TEXT_ENCODERS, SystemSpec
from ..core.errors import FoleyError
from ..core.parts import Part, TextEncoderPart
from ..core.weights.families import Family
from . import common, widgets
from .choices import fetch, require
from .common import Node
from .folders import model_folders
from .load import LOADED, LoadCodec, Loader, LoadModel, load_part
from .native.backbone import check_backbone, load_backbone
from .native.bridge import LoadedBridge, Strength, load_bridge, with_bridge
from .native.words import load_words
from .values import EncodedFeatures

_ROLE = "bridge"
_BACKBONE = "stable_audio"


def _bridge_of(row: SystemSpec) -> Part:
    """The bridge of a system, without its backbone."""
    whole = row.generator
    return Part(
        name=whole.name,
        title=whole.title,
        files={_ROLE: whole.files[_ROLE]},
        families={_ROLE: Family(whole.checkpoint.family)},
    )


_ROWS = SYSTEMS.items()
BRIDGES = {name: _bridge_of(row) for name, row in _ROWS if _ROLE in row.generator.files}
BACKBONES = {name: row for name, row in _ROWS if row.generator.checkpoint.family == _BACKBONE}


class LoadBackbone(Loader):
    TITLE = "Load Foley Backbone"
    ABOUT = (
        "Loads Stable Audio of any size as ComfyUI's own MODEL, with the CLIP that reads its "
        "prompts and the codec: KSampler, LoRA loaders and your own graph take them. "
        "CheckpointLoaderSimple and CLIPLoader do the same for the published size."
    )
    TABLE = BACKBONES
    CHOICE = "The text-to-audio model that makes the sound."
    INPUTS = LoadModel.INPUTS
    OUTPUTS = [
        io.Model.Output("model", tooltip="For Apply Foley Control, or straight to KSampler."),
        io.Clip.Output("clip", tooltip="For CLIPTextEncode."),
        LoadCodec.OUTPUTS[0],
        LOADED,
    ]
    ALIASES = ("stable audio", "text to audio", "checkpoint loader")

    @classmethod
    def validate_inputs(cls, name=None, weight_dtype=None) -> bool | str:
        return cls.check_choices(name=name, weight_dtype=weight_dtype)

    @classmethod
    def execute(cls, name: str, weight_dtype: str, download: bool = False) -> io.NodeOutput:
        row, files = cls.find(name, download)
        if row.generator.checkpoint.family != _BACKBONE:
            raise FoleyError(
                f"{name} is not Stable Audio but {row.name}: choose one of {', '.join(BACKBONES)}, "
                "or load it with Load Foley Model."
            )
        own = row.generator.paths(files)
        check_backbone(row.config, own[0])
        text, codec = TEXT_ENCODERS[row.text], CODECS[row.codec]
        if download:
            fetch(codec)
        words = own[0] if text.inside else _words(text, download)
        about = "\n".join(dict.fromkeys(part.about for part in (row.generator, text, codec)))
        return io.NodeOutput(
            load_backbone(row, own, weight_dtype),
            load_words(text, words),
            load_part(codec, codec.locate(model_folders())),
            about,
        )


def _words(text: TextEncoderPart, download: bool) -> Path:
    """The file of a text encoder, which is fetched first where that is asked for."""
    if download:
        fetch(text)
    files: Mapping[str, Path] = text.locate(model_folders())
    return next(iter(files.values()))


class LoadBridge(Loader):
    TITLE = "Load Foley Bridge"
    ABOUT = (
        "Loads a bridge: the small network that lets a text-to-audio model, which stays as it is, "
        "follow a picture (Foley Control)."
    )
    TABLE = BRIDGES
    CHOICE = "The bridge; it fits the model and the video encoder that it was trained with."
    OUTPUTS = [common.Bridge.Output("bridge", tooltip="For Apply Foley Control."), LOADED]
    ALIASES = ("foley control", "adapter", "video to audio")

    @classmethod
    def validate_inputs(cls, name=None) -> bool | str:
        return cls.check_choices(name=name)

    @classmethod
    def execute(cls, name: str, download: bool = False) -> io.NodeOutput:
        part, files = cls.find(name, download)
        return io.NodeOutput(load_bridge(part, files[_ROLE]), part.about)


class ApplyControl(Node):
    TITLE = "Apply Foley Control"
    ABOUT = (
        "Lets ComfyUI's own Stable Audio follow a picture: the words say what sounds, the picture "
        "when. Everything else of the graph stays as it is."
    )
    INPUTS = [
        io.Model.Input(
            "model",
            tooltip="Stable Audio, from Load Foley Backbone or CheckpointLoaderSimple; LoRA "
            "loaders can stand before or behind.",
        ),
        common.Bridge.Input("bridge", tooltip="From Load Foley Bridge."),
        common.Features.Input(
            "features", tooltip="From Encode Foley Video, with the encoder of the bridge."
        ),
        widgets.number(
            "strength",
            1.0,
            "How strictly the picture is followed: 0 not at all, 1 as trained, 1.5 more so; above "
            "3 it becomes harsh.",
            max=10.0,
        ),
        widgets.number(
            "start_percent",
            0.0,
            "When in the sampling the picture begins to count: 0 from its start.",
            step=0.001,
        ),
        widgets.number(
            "end_percent",
            1.0,
            "When in the sampling the picture stops counting: 1 at its end. 0.6 settles when "
            "things sound and leaves the rest to the words.",
            step=0.001,
        ),
        io.Boolean.Input(
            "guide_picture",
            default=False,
            tooltip="Off: cfg leads towards the words alone, as published. On: the negative side "
            "does not see the picture, so cfg leads towards that too; try a lower cfg.",
        ),
    ]
    OUTPUTS = [io.Model.Output("controlled", "model", tooltip="For KSampler.")]
    FOLDER = "condition"
    ALIASES = ("foley control", "stable audio video", "controlnet", "v2a")

    @classmethod
    def execute(
        cls,
        model,
        bridge: LoadedBridge,
        features: EncodedFeatures,
        strength: float,
        start_percent: float,
        end_percent: float,
        guide_picture: bool,
    ) -> io.NodeOutput:
        if features.kind != "video":
            raise FoleyError(
                f"Apply Foley Control got {features.kind} features: connect those of Encode Foley "
                "Video."
            )
        config = bridge.config
        require(features.part, config.encoder, "The video", "Load Foley Video Encoder")
        if config.stream not in features.streams:
            raise FoleyError(
                f"These features have no stream {config.stream}, which the bridge reads: encode "
                "the video whole, not a single picture of it."
            )
        amount = Strength(strength, start_percent, end_percent, guide_picture)
        return io.NodeOutput(with_bridge(model, bridge, features.streams[config.stream], amount))


NODES = [LoadBackbone, LoadBridge, ApplyControl]

"""Loaders: one node a kind of part, whatever the paper."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import comfy.model_management
from comfy_api.latest import io
from comfy_execution.graph_utils import GraphBuilder

from ..core.catalog import CODECS, SYSTEMS, TEXT_ENCODERS, VIDEO_ENCODERS, SystemSpec
from ..core.parts import Part
from ..core.precision import compute_dtype
from . import common, widgets
from .choices import choices, fetch, find_row, licences, present
from .common import Node
from .folders import stamp
from .native.managed import Managed, managed
from .native.model import DTYPES, load_model

LOADED = io.String.Output("about", tooltip="What was loaded, and the licence of its weights.")


class Loader(Node):
    """What the loaders share: they load again only when the file has changed."""

    TABLE: dict = {}
    CHOICE: str
    FOLDER = "load"

    @classmethod
    def inputs(cls) -> list:
        name = widgets.choice(
            "name",
            choices(cls.TABLE, absent=True),
            f"{cls.CHOICE} Files in models/foley are listed too; at the end stands what can be "
            f"downloaded.\n{licences(cls.TABLE)}",
        )
        download = io.Boolean.Input(
            "download",
            optional=True,
            default=False,
            tooltip="On: weights that are not on this machine are fetched from where they are "
            "published, often some GB, on the terms below name. Off: nothing is fetched.",
        )
        return [name, *cls.INPUTS, download]

    @classmethod
    def find(cls, name: str, download: bool) -> tuple:
        """The row of a choice and its files, which are fetched first where that is asked for."""
        if download and name in cls.TABLE:
            fetch(cls.TABLE[name])
        return find_row(cls.TABLE, name)

    @classmethod
    def fingerprint_inputs(cls, name: str, **_) -> str:
        row = cls.TABLE.get(name)
        if row is not None and not present(row):
            return f"{name} missing"
        return " ".join(map(stamp, find_row(cls.TABLE, name)[1].values()))


class LoadModel(Loader):
    TITLE = "Load Foley Model"
    ABOUT = (
        "Loads the network that imagines the sound. Its MODEL works with KSampler, "
        "SamplerCustomAdvanced, LoRA loaders and everything else that takes a MODEL."
    )
    TABLE = SYSTEMS
    CHOICE = "The model that makes the sound."
    INPUTS = [
        widgets.choice(
            "weight_dtype",
            DTYPES,
            "Number format of the weights. default suits the machine; bfloat16 halves and "
            "fp8_e4m3fn quarters the memory of float32, at a small loss.",
        )
    ]
    OUTPUTS = [io.Model.Output("model", tooltip="For guiders and samplers."), LOADED]
    ALIASES = ("v2a loader", "video to audio", "sound model", "mmaudio", "ac-foley")

    @classmethod
    def validate_inputs(cls, name=None, weight_dtype=None) -> bool | str:
        return cls.check_choices(name=name, weight_dtype=weight_dtype)

    @classmethod
    def execute(cls, name: str, weight_dtype: str, download: bool = False) -> io.NodeOutput:
        row, files = cls.find(name, download)
        return io.NodeOutput(
            load_model(row, row.generator.paths(files), weight_dtype), row.generator.about
        )


def load_part(part: Part, files: Mapping[str, Path]) -> Managed:
    """An encoder or a codec of files by role, under ComfyUI's memory management."""
    dtype = compute_dtype("auto", comfy.model_management.get_torch_device())
    loaders = part.loaders(files, dtype=dtype)
    # A codec that can encode also decodes.
    return managed(part, {role: load() for role, load in loaders.items() if role != "decoder"})


class _PartLoader(Loader):
    """A loader of an encoder or a codec."""

    @classmethod
    def validate_inputs(cls, name=None) -> bool | str:
        return cls.check_choices(name=name)

    @classmethod
    def execute(cls, name: str, download: bool = False) -> io.NodeOutput:
        part, files = cls.find(name, download)
        return io.NodeOutput(load_part(part, files), part.about)


class LoadVideoEncoder(_PartLoader):
    TABLE = VIDEO_ENCODERS
    TITLE = "Load Foley Video Encoder"
    ABOUT = (
        "Loads the network that looks at the video. Each model was trained with one encoder; "
        "Foley Conditioning says which when another is connected."
    )
    CHOICE = "The encoder that watches the video."
    OUTPUTS = [
        common.VideoEncoder.Output(
            "video_encoder", "video encoder", tooltip="For Encode Foley Video."
        ),
        LOADED,
    ]
    ALIASES = ("synchformer", "clip vision", "cavp")


class LoadTextEncoder(_PartLoader):
    TABLE = TEXT_ENCODERS
    TITLE = "Load Foley Text Encoder"
    ABOUT = "Loads the network that reads prompts. Each model was trained with one."
    CHOICE = "The encoder that reads the prompt."
    OUTPUTS = [
        common.TextEncoder.Output("text_encoder", "text encoder", tooltip="For Encode Foley Text."),
        LOADED,
    ]
    ALIASES = ("clip text", "prompt encoder")


class LoadCodec(_PartLoader):
    TABLE = CODECS
    TITLE = "Load Foley Codec"
    ABOUT = "Loads what turns latents into sound and sound into latents."
    CHOICE = "The codec that the model was trained with."
    OUTPUTS = [
        common.Codec.Output(
            "codec", tooltip="For Foley Decode, Foley Encode Audio and Encode Foley Reference."
        ),
        LOADED,
    ]
    ALIASES = ("audio vae", "vocoder", "bigvgan")


class LoadSystem(LoadModel):
    """Unfolds into the four loaders, so that another size of a model keeps the other parts."""

    TITLE = "Load Foley System"
    ABOUT = (
        "Loads a model together with the encoders and the codec that it was trained with. To mix "
        "parts of your own, use the four loaders."
    )
    OUTPUTS = [
        LoadModel.OUTPUTS[0],
        LoadVideoEncoder.OUTPUTS[0],
        common.TextEncoder.Output(
            "text_encoder",
            "text encoder",
            tooltip="For Encode Foley Text. A model that follows the picture alone has none.",
        ),
        LoadCodec.OUTPUTS[0],
        LOADED,
    ]
    ALIASES = ("v2a loader", "load everything", "checkpoint loader", "mmaudio", "ac-foley")
    OTHER = {"enable_expand": True}

    @classmethod
    def fingerprint_inputs(cls, name: str, **_) -> str:
        parts = [(LoadModel, name), *cls._parts(name).items()]
        return " ".join(loader.fingerprint_inputs(choice) for loader, choice in parts)

    @classmethod
    def execute(cls, name: str, weight_dtype: str, download: bool = False) -> io.NodeOutput:
        graph = GraphBuilder()

        def load(loader: type[Loader], choice: str, **more: str):
            kind = loader.GET_SCHEMA().node_id
            return graph.node(kind, name=choice, download=download, **more)

        model = load(LoadModel, name, weight_dtype=weight_dtype)
        parts = {loader: load(loader, own).out(0) for loader, own in cls._parts(name).items()}
        video, text, codec = map(parts.get, (LoadVideoEncoder, LoadTextEncoder, LoadCodec))
        return io.NodeOutput(
            model.out(0), video, text, codec, model.out(1), expand=graph.finalize()
        )

    @classmethod
    def _parts(cls, name: str) -> dict[type[Loader], str]:
        """What each of the other loaders is to load."""
        row = SYSTEMS.get(name)
        if row is None or present(row):
            row, _ = find_row(SYSTEMS, name)
        text = text_encoder_of(row, name)
        parts = {LoadVideoEncoder: row.video, LoadCodec: row.codec}
        return {**parts, LoadTextEncoder: text} if text else parts


def text_encoder_of(row: SystemSpec, choice: str) -> str:
    """The text encoder that a system was trained with, "" for none; it may lie in the generator's
    own file. choice: what the system was loaded as."""
    inside = row.text and TEXT_ENCODERS[row.text].inside
    return choice if inside and choice != row.name else row.text


NODES = [LoadSystem, LoadModel, LoadVideoEncoder, LoadTextEncoder, LoadCodec]

"""Loaders: one node a kind of part, whatever the paper."""

from __future__ import annotations

import comfy.model_management
import torch
from comfy_api.latest import io
from comfy_execution.graph_utils import GraphBuilder

from ..core.catalog import CODECS, SYSTEMS, TEXT_ENCODERS, VIDEO_ENCODERS, SystemSpec
from ..core.precision import compute_dtype
from . import common
from .choices import choices, fetch, find_row, licences, present
from .common import known_choices, schema
from .folders import stamp
from .native.managed import managed
from .native.model import DTYPES, load_model


def _choice(table, name: str, what: str) -> io.Combo.Input:
    options = choices(table, absent=True)
    return io.Combo.Input(
        name,
        options=options,
        default=options[0],
        tooltip=f"{what} Files in models/foley are listed too; at the end stands what can be "
        f"downloaded.\n{licences(table)}",
    )


def _download() -> io.Boolean.Input:
    return io.Boolean.Input(
        "download",
        optional=True,
        default=False,
        tooltip="On: weights that are not on this machine are fetched from where they are "
        "published, often some GB, on the terms below name. Off: nothing is fetched.",
    )


def _encoder_dtype() -> torch.dtype:
    """What encoders are stored and computed in on this machine."""
    return compute_dtype("auto", comfy.model_management.get_torch_device())


def _about() -> io.String.Output:
    return io.String.Output(
        "about", display_name="about", tooltip="What was loaded, and the licence of its weights."
    )


class _Loader(io.ComfyNode):
    """What the four loaders share: they load again only when the file has changed."""

    TABLE: dict = {}

    @classmethod
    def _find(cls, name: str, download: bool) -> tuple:
        """The row of a choice and its files, which are fetched first where that is asked for."""
        if download and name in cls.TABLE:
            fetch(cls.TABLE[name])
        return find_row(cls.TABLE, name)

    @classmethod
    def fingerprint_inputs(cls, name: str, **_) -> str:
        row = cls.TABLE.get(name)
        if row is not None and not present(row):
            return f"{name} missing"
        return stamp(next(iter(find_row(cls.TABLE, name)[1].values())))

    @classmethod
    def validate_inputs(cls, name: str | None = None) -> bool | str:
        return known_choices(cls, name=name)


class LoadModel(_Loader):
    TABLE = SYSTEMS

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "LoadModel",
            "Load Foley Model",
            "Loads the network that imagines the sound. Its MODEL works with KSampler, "
            "SamplerCustomAdvanced, LoRA loaders and everything else that takes a MODEL.",
            [
                _choice(SYSTEMS, "name", "The model that makes the sound."),
                io.Combo.Input(
                    "weight_dtype",
                    options=list(DTYPES),
                    default="default",
                    tooltip="Number format of the weights. default suits the machine; bfloat16 "
                    "halves and fp8_e4m3fn quarters the memory of float32, at a small loss.",
                ),
                _download(),
            ],
            [
                io.Model.Output("model", display_name="model", tooltip="For guiders and samplers."),
                _about(),
            ],
            folder="load",
            aliases=("v2a loader", "video to audio", "sound model", "mmaudio", "ac-foley"),
        )

    @classmethod
    def validate_inputs(
        cls, name: str | None = None, weight_dtype: str | None = None
    ) -> bool | str:
        return known_choices(cls, name=name, weight_dtype=weight_dtype)

    @classmethod
    def execute(cls, name: str, weight_dtype: str, download: bool = False) -> io.NodeOutput:
        row, files = cls._find(name, download)
        return io.NodeOutput(load_model(row, files["generator"], weight_dtype), row.about)


class LoadSystem(io.ComfyNode):
    """Unfolds into the four loaders, so that another size of a model keeps the other parts."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        one = LoadModel.define_schema()
        model, about = one.outputs
        video, codec = (part.define_schema().outputs[0] for part in (LoadVideoEncoder, LoadCodec))
        return schema(
            "LoadSystem",
            "Load Foley System",
            "Loads a model together with the encoders and the codec that it was trained with. To "
            "mix parts of your own, use the four loaders.",
            one.inputs,
            [
                model,
                video,
                common.TextEncoder.Output(
                    "text_encoder",
                    display_name="text encoder",
                    tooltip="For Encode Foley Text. A model that follows the picture alone has "
                    "none.",
                ),
                codec,
                about,
            ],
            folder="load",
            aliases=("v2a loader", "load everything", "checkpoint loader", "mmaudio", "ac-foley"),
            enable_expand=True,
        )

    @classmethod
    def validate_inputs(
        cls, name: str | None = None, weight_dtype: str | None = None
    ) -> bool | str:
        return known_choices(cls, name=name, weight_dtype=weight_dtype)

    @classmethod
    def fingerprint_inputs(cls, name: str, **_) -> str:
        parts = cls._parts(name)
        stamps = [LoadModel.fingerprint_inputs(name)]
        stamps += [loader.fingerprint_inputs(parts[loader]) for loader in parts]
        return " ".join(stamps)

    @classmethod
    def execute(cls, name: str, weight_dtype: str, download: bool = False) -> io.NodeOutput:
        graph = GraphBuilder()
        kind = LoadModel.GET_SCHEMA().node_id
        model = graph.node(kind, name=name, weight_dtype=weight_dtype, download=download)
        loaded: dict[type, object] = {}
        for loader, choice in cls._parts(name).items():
            kind = loader.GET_SCHEMA().node_id
            loaded[loader] = graph.node(kind, name=choice, download=download).out(0)
        return io.NodeOutput(
            model.out(0),
            loaded[LoadVideoEncoder],
            loaded.get(LoadTextEncoder),
            loaded[LoadCodec],
            model.out(1),
            expand=graph.finalize(),
        )

    @classmethod
    def _parts(cls, name: str) -> dict[type[_Loader], str]:
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


class LoadVideoEncoder(_Loader):
    TABLE = VIDEO_ENCODERS

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "LoadVideoEncoder",
            "Load Foley Video Encoder",
            "Loads the network that looks at the video. Each model was trained with one encoder; "
            "Foley Conditioning says which when another is connected.",
            [_choice(VIDEO_ENCODERS, "name", "The encoder that watches the video."), _download()],
            [
                common.VideoEncoder.Output(
                    "video_encoder", display_name="video encoder", tooltip="For Encode Foley Video."
                ),
                _about(),
            ],
            folder="load",
            aliases=("synchformer", "clip vision", "cavp"),
        )

    @classmethod
    def execute(cls, name: str, download: bool = False) -> io.NodeOutput:
        part, files = cls._find(name, download)
        made = {"dtype": _encoder_dtype(), "device": "cpu"}
        loaded = {role: load() for role, load in part.loaders(files, **made).items()}
        # Each by its stream, or the one network that there is.
        module = torch.nn.ModuleDict(loaded) if part.encoders else loaded["video"]
        return io.NodeOutput(managed(part, module), part.about)


class LoadTextEncoder(_Loader):
    TABLE = TEXT_ENCODERS

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "LoadTextEncoder",
            "Load Foley Text Encoder",
            "Loads the network that reads prompts. Each model was trained with one.",
            [_choice(TEXT_ENCODERS, "name", "The encoder that reads the prompt."), _download()],
            [
                common.TextEncoder.Output(
                    "text_encoder", display_name="text encoder", tooltip="For Encode Foley Text."
                ),
                _about(),
            ],
            folder="load",
            aliases=("clip text", "prompt encoder"),
        )

    @classmethod
    def execute(cls, name: str, download: bool = False) -> io.NodeOutput:
        part, files = cls._find(name, download)
        path = next(iter(files.values()))
        module = part.load(path, dtype=_encoder_dtype(), device="cpu")
        # In a module of its own: ComfyUI gives what it manages a `device`, an encoder has its own.
        return io.NodeOutput(managed(part, torch.nn.ModuleDict({"text": module})), part.about)


class LoadCodec(_Loader):
    TABLE = CODECS

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "LoadCodec",
            "Load Foley Codec",
            "Loads what turns latents into sound and sound into latents.",
            [_choice(CODECS, "name", "The codec that the model was trained with."), _download()],
            [
                common.Codec.Output(
                    "codec",
                    display_name="codec",
                    tooltip="For Foley Decode, Foley Encode Audio and Encode Foley Reference.",
                ),
                _about(),
            ],
            folder="load",
            aliases=("audio vae", "vocoder", "bigvgan"),
        )

    @classmethod
    def execute(cls, name: str, download: bool = False) -> io.NodeOutput:
        part, files = cls._find(name, download)
        return io.NodeOutput(managed(part, part.load(files)), part.about)


NODES = [LoadSystem, LoadModel, LoadVideoEncoder, LoadTextEncoder, LoadCodec]

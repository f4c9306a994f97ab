"""The whole road in one node: it unfolds into the other nodes, so ComfyUI caches each step."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from comfy_api.latest import io
from comfy_execution.graph_utils import GraphBuilder, Node

from . import common
from .border import picture_of, still_of
from .common import fps_input, known_choices, picture_input, schema, seed_input
from .folders import found_file, stamp
from .parts import GENERATORS, choices, find_part, licences, text_encoder_of
from .rows import GeneratorPart
from .scale import OWN, own_scale_input, own_steps_input


class Quick(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        options = choices(GENERATORS)
        return schema(
            "Quick",
            "Quick Foley",
            "Gives a video its sound in one step. Save the VIDEO with Save Video; the player below "
            "plays the sound alone.",
            [
                picture_input("The VIDEO, or the IMAGE batch of all its frames."),
                io.Audio.Input(
                    "reference",
                    optional=True,
                    tooltip="A sound whose timbre is followed: about 2 s from its start are heard.",
                ),
                io.String.Input(
                    "prompt",
                    default="",
                    multiline=True,
                    tooltip="What is heard, in a few words: 'metal hit'. Empty leaves it to the "
                    "picture.",
                ),
                io.String.Input(
                    "negative_prompt",
                    default="",
                    tooltip="What is to be kept away, in a few words.",
                ),
                seed_input(),
                own_steps_input(),
                own_scale_input(),
                io.Float.Input(
                    "seconds",
                    default=0.0,
                    min=0.0,
                    max=3600.0,
                    step=0.01,
                    tooltip="How much of the video gets a sound, from its start; 0 is all of it.",
                ),
                io.Combo.Input(
                    "model",
                    options=options,
                    default=options[0],
                    tooltip=f"The model that makes the sound.\n{licences(GENERATORS)}",
                ),
                fps_input(),
                common.AudioPlayer.Input("audioUI", optional=True, tooltip="The player."),
            ],
            [
                io.Video.Output(
                    "with_sound", display_name="video", tooltip="The picture, with its new sound."
                ),
                io.Audio.Output("audio", display_name="audio", tooltip="The new sound alone."),
            ],
            aliases=("video to audio", "v2a", "foley", "sound effects", "add sound to video"),
            hidden=[io.Hidden.unique_id, io.Hidden.dynprompt],
            is_output_node=True,
            enable_expand=True,
        )

    @classmethod
    def validate_inputs(cls, model: str | None = None) -> bool | str:
        return known_choices(cls, model=model)

    @classmethod
    def fingerprint_inputs(cls, model: str | None = None, **_) -> str:
        # None comes over a wire, which has a fingerprint of its own.
        return "" if model is None else stamp(find_part(GENERATORS, model, found_file)[1])

    @classmethod
    def execute(
        cls,
        video,
        prompt,
        negative_prompt,
        seed,
        steps,
        cfg,
        seconds,
        model,
        fps,
        reference=None,
        audioUI=None,  # noqa: N803
    ) -> io.NodeOutput:
        part, _ = find_part(GENERATORS, model, found_file)
        if still_of(video) is not None:
            picture_of(video, fps)  # says that a single picture makes no video
        # Links instead of values: the steps inside are then cached like those of any graph.
        links = cls.hidden.dynprompt.get_node(cls.hidden.unique_id)["inputs"]
        graph = GraphBuilder()
        step = partial(_step, graph)
        loaded = step("LoadModel", name=model, weight_dtype="default").out(0)
        codec = step("LoadCodec", name=part.codec).out(0)
        told = {"model": loaded, "seconds": 8.0}
        told |= _watched(step, part, links["video"], seconds, fps)
        told |= _read(step, part, model, prompt, negative_prompt)
        if reference is not None:
            listened = step("EncodeReference", audio=links["reference"], codec=codec, model=loaded)
            told["reference"] = listened.out(0)
        heard = _made(step, told, codec, seed=seed, steps=steps, cfg=cfg)
        muxed = step("Mux", video=links["video"], audio=heard.out(0), start=heard.out(1), fps=fps)
        # Shown on this node: what unfolds from a node reports in its place.
        graph.node("PreviewAudio", audio=heard.out(0))
        return io.NodeOutput(muxed.out(0), heard.out(0), expand=graph.finalize())


def _step(graph: GraphBuilder, kind: str, /, **inputs) -> Node:
    return graph.node(f"FoleyStage{kind}", **inputs)


def _watched(step: Callable[..., Node], part: GeneratorPart, video, seconds, fps) -> dict:
    """The video input of Foley Conditioning."""
    encoder = step("LoadVideoEncoder", name=part.video).out(0)
    watched = step(
        "EncodeVideo", video_encoder=encoder, video=video, start=0.0, seconds=seconds, fps=fps
    )
    return {"video": watched.out(0)}


def _read(step: Callable[..., Node], part: GeneratorPart, model: str, wanted, avoided) -> dict:
    """The text inputs of Foley Conditioning; without words no text encoder is loaded."""
    if not part.text or not (wanted.strip() or avoided.strip()):
        return {}
    encoder = step("LoadTextEncoder", name=text_encoder_of(part, model)).out(0)
    words = step("EncodeText", text_encoder=encoder, prompt=wanted, negative_prompt=avoided)
    return {"text": words.out(0), "negative_text": words.out(1)}


def _made(step: Callable[..., Node], told: dict, codec, **choices) -> Node:
    """Foley Decode, after everything that it needs."""
    joined = step("Conditioning", **told)
    samples = step(
        "Sampler",
        model=told["model"],
        positive=joined.out(0),
        negative=joined.out(1),
        latent=joined.out(2),
        sampler_name=OWN,
        scheduler="published",
        denoise=1.0,
        takes=1,
        **choices,
    ).out(0)
    return step("Decode", samples=samples, codec=codec, normalize=True, loudness=-20.0)


NODES = [Quick]

"""The whole road in one node: it unfolds into the other nodes, so ComfyUI caches each step."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from comfy_api.latest import io
from comfy_execution.graph_utils import GraphBuilder, Node

from ..core.catalog import SYSTEMS, SystemSpec
from ..core.media.finish import LOUDNESS
from . import common
from .border import picture_of, still_of
from .choices import choices, find_row, licences
from .common import fps_input, known_choices, picture_input, schema, seed_input
from .folders import stamp
from .load import text_encoder_of
from .scale import OWN, own_scale_input, own_steps_input


class Quick(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        options = choices(SYSTEMS)
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
                    tooltip=f"The model that makes the sound.\n{licences(SYSTEMS)}",
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
        return "" if model is None else stamp(find_row(SYSTEMS, model)[1]["generator"])

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
        row, _ = find_row(SYSTEMS, model)
        if still_of(video) is not None:
            picture_of(video, fps)  # says that a single picture makes no video
        # Links instead of values: the steps inside are then cached like those of any graph.
        links = cls.hidden.dynprompt.get_node(cls.hidden.unique_id)["inputs"]
        graph = GraphBuilder()
        step = partial(_step, graph)
        loaded = step("LoadModel", name=model, weight_dtype="default").out(0)
        codec = step("LoadCodec", name=row.codec).out(0)
        joined = {"model": loaded, "seconds": 8.0}
        joined |= _video(step, row, links["video"], seconds, fps)
        joined |= _text(step, row, model, prompt, negative_prompt)
        if reference is not None:
            encoded = step("EncodeReference", audio=links["reference"], codec=codec, model=loaded)
            joined["reference"] = encoded.out(0)
        made = _made(step, joined, codec, seed=seed, steps=steps, cfg=cfg)
        muxed = step("Mux", video=links["video"], audio=made.out(0), start=made.out(1), fps=fps)
        # Shown on this node: what unfolds from a node reports in its place.
        graph.node("PreviewAudio", audio=made.out(0))
        return io.NodeOutput(muxed.out(0), made.out(0), expand=graph.finalize())


def _step(graph: GraphBuilder, kind: str, /, **inputs) -> Node:
    return graph.node(f"FoleyStage{kind}", **inputs)


def _video(step: Callable[..., Node], row: SystemSpec, video, seconds, fps) -> dict:
    """The video input of Foley Conditioning."""
    encoder = step("LoadVideoEncoder", name=row.video).out(0)
    encoded = step(
        "EncodeVideo", video_encoder=encoder, video=video, start=0.0, seconds=seconds, fps=fps
    )
    return {"video": encoded.out(0)}


def _text(step: Callable[..., Node], row: SystemSpec, model: str, prompt, negative) -> dict:
    """The text inputs of Foley Conditioning; without words no text encoder is loaded."""
    if not row.text or not (prompt.strip() or negative.strip()):
        return {}
    encoder = step("LoadTextEncoder", name=text_encoder_of(row, model)).out(0)
    words = step("EncodeText", text_encoder=encoder, prompt=prompt, negative_prompt=negative)
    return {"text": words.out(0), "negative_text": words.out(1)}


def _made(step: Callable[..., Node], joined: dict, codec, **choices) -> Node:
    """Foley Decode, after everything that it needs."""
    conditioning = step("Conditioning", **joined)
    samples = step(
        "Sampler",
        model=joined["model"],
        positive=conditioning.out(0),
        negative=conditioning.out(1),
        latent=conditioning.out(2),
        sampler_name=OWN,
        scheduler="published",
        denoise=1.0,
        takes=1,
        **choices,
    ).out(0)
    return step("Decode", samples=samples, codec=codec, normalize=True, loudness=LOUDNESS)


NODES = [Quick]

"""All steps in one node: it unfolds into the other nodes, so ComfyUI caches each step."""

from __future__ import annotations

from comfy_api.latest import io
from comfy_execution.graph_utils import GraphBuilder

from ..core.catalog import SYSTEMS
from ..core.media.finish import LOUDNESS
from . import common, widgets
from .border import picture_of, still_of
from .choices import choices, find_row, licences
from .common import Node
from .folders import stamp
from .load import text_encoder_of


class Quick(Node):
    TITLE = "Quick Foley"
    ABOUT = (
        "Gives a video its sound in one step. Save the VIDEO with Save Video; the player below "
        "plays the sound alone."
    )
    OUTPUTS = [
        io.Video.Output("with_sound", "video", tooltip="The picture, with its new sound."),
        io.Audio.Output("audio", tooltip="The new sound alone."),
    ]
    ALIASES = ("video to audio", "v2a", "foley", "sound effects", "add sound to video")
    HIDDEN = [io.Hidden.unique_id, io.Hidden.dynprompt]
    OTHER = {"is_output_node": True, "enable_expand": True}

    @classmethod
    def inputs(cls) -> list:
        return [
            widgets.picture("The VIDEO, or the IMAGE batch of all its frames."),
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
            widgets.seed(),
            widgets.own_steps(),
            widgets.own_scale(),
            widgets.seconds(
                "seconds",
                "How much of the video gets a sound, from its start; 0 is all of it.",
                max=widgets.HOUR,
            ),
            widgets.choice(
                "model",
                choices(SYSTEMS),
                f"The model that makes the sound.\n{licences(SYSTEMS)}",
            ),
            widgets.fps(),
            common.AudioPlayer.Input("audioUI", optional=True, tooltip="The player."),
        ]

    @classmethod
    def validate_inputs(cls, model=None) -> bool | str:
        return cls.check_choices(model=model)

    @classmethod
    def fingerprint_inputs(cls, model: str | None = None, **_) -> str:
        # None comes over a wire, which has a fingerprint of its own.
        return "" if model is None else " ".join(map(stamp, find_row(SYSTEMS, model)[1].values()))

    @classmethod
    def execute(
        cls, video, prompt, negative_prompt, seconds, model, fps, reference=None, **other
    ) -> io.NodeOutput:
        row, _ = find_row(SYSTEMS, model)
        if still_of(video) is not None:
            picture_of(video, fps)  # says that a single picture makes no video
        # Links instead of values: the steps inside are then cached like those of any graph.
        links = cls.hidden.dynprompt.get_node(cls.hidden.unique_id)["inputs"]
        graph, frames = GraphBuilder(), {"video": links["video"], "fps": fps}

        def step(kind: str, **inputs):
            return graph.node(f"FoleyStage{kind}", **inputs)

        loaded = step("LoadModel", name=model, weight_dtype="default").out(0)
        codec = step("LoadCodec", name=row.codec).out(0)
        encoder = step("LoadVideoEncoder", name=row.video).out(0)
        window = {"start": 0.0, "seconds": seconds}
        features = {"video": step("EncodeVideo", video_encoder=encoder, **frames, **window).out(0)}
        # Without words no text encoder is loaded.
        if row.text and (prompt.strip() or negative_prompt.strip()):
            encoder = step("LoadTextEncoder", name=text_encoder_of(row, model)).out(0)
            words = {"prompt": prompt, "negative_prompt": negative_prompt}
            text = step("EncodeText", text_encoder=encoder, **words)
            features |= {"text": text.out(0), "negative_text": text.out(1)}
        if reference is not None:
            encoded = step("EncodeReference", audio=links["reference"], codec=codec, model=loaded)
            features["reference"] = encoded.out(0)
        joined = step("Conditioning", model=loaded, seconds=8.0, **features)
        samples = step(
            "Sampler",
            model=loaded,
            positive=joined.out(0),
            negative=joined.out(1),
            latent=joined.out(2),
            **{name: other[name] for name in ("seed", "steps", "cfg")},
            sampler_name=widgets.OWN,
            scheduler="published",
            denoise=1.0,
            takes=1,
        ).out(0)
        made = step("Decode", samples=samples, codec=codec, normalize=True, loudness=LOUDNESS)
        muxed = step("Mux", audio=made.out(0), start=made.out(1), **frames)
        # Shown on this node: what unfolds from a node reports in its place.
        graph.node("PreviewAudio", audio=made.out(0))
        return io.NodeOutput(muxed.out(0), made.out(0), expand=graph.finalize())


NODES = [Quick]

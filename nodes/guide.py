"""Guidance: who is listened to, and how much. Every node here gives a GUIDER or a part of one."""

from __future__ import annotations

from comfy_api.latest import io

from ..core.catalog import SYSTEMS
from ..core.errors import FoleyError
from ..core.sampling import Term, interval, per_stream, power_cosine
from . import common
from .common import known_choices, schema
from .native.guider import TermGuider, guider_of, terms_of, unconditional, until
from .native.model import foley_model
from .native.rescale import rescaling
from .scale import FIRST, SCALE, own_scale_input, scale_input
from .values import TermList, entry_of


def streams() -> dict[str, str]:
    """What every stream of the catalogue says, for an artist, by name; in the order of its systems,
    since saved graphs keep widgets by position. Streams are the last widgets of a node."""
    found: dict[str, str] = {}
    for row in SYSTEMS.values():
        for spec in row.streams:
            found.setdefault(spec.name, spec.meaning)
    return found


def _own_scale(stream: str) -> float:
    """The scale that the system of a new graph has for a stream."""
    kept = {spec.name for spec in FIRST.streams if spec.always_conditioned}
    return 1.0 if stream in kept else SCALE


def _moments() -> list:
    return [
        io.Float.Input(
            "start",
            default=0.0,
            min=0.0,
            max=1.0,
            step=0.01,
            tooltip="When it begins to count: 0 is pure noise, 1 the finished sound.",
        ),
        io.Float.Input(
            "stop",
            default=1.0,
            min=0.0,
            max=1.0,
            step=0.01,
            tooltip="When it ends to count. 1 is the end; 0.8 leaves the last details free.",
        ),
    ]


def _guider_output() -> list:
    return [
        io.Guider.Output(
            "guider", display_name="guider", tooltip="For Foley Sampler or SamplerCustomAdvanced."
        )
    ]


def _model_and(*conditionings: tuple[str, str]) -> list:
    sides = [io.Conditioning.Input(name, tooltip=tip) for name, tip in conditionings]
    return [io.Model.Input("model", tooltip="From Load Foley Model."), *sides]


class Guider(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "Guider",
            "Foley Guider",
            "Plain guidance: away from the negative side, towards the positive one, between two "
            "moments of the sampling.",
            [
                *_model_and(
                    ("positive", "positive of Foley Conditioning."),
                    ("negative", "negative of Foley Conditioning."),
                ),
                own_scale_input(),
                *_moments(),
            ],
            _guider_output(),
            folder="guide",
            aliases=("cfg guider", "guidance interval"),
        )

    @classmethod
    def execute(cls, model, positive, negative, cfg, start, stop) -> io.NodeOutput:
        return io.NodeOutput(guider_of(model, positive, negative, cfg, start, stop))


class PowerCosineGuider(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "PowerCosineGuider",
            "Foley Power-Cosine Guider",
            "Guidance that rises while the sound takes shape: loose in the noise, firm at the end, "
            "as MDSGen was published.",
            [
                *_model_and(
                    ("positive", "positive of Foley Conditioning."),
                    ("negative", "negative of Foley Conditioning."),
                ),
                io.Float.Input(
                    "cfg",
                    default=5.0,
                    min=0.0,
                    max=100.0,
                    step=0.1,
                    tooltip="How strictly the take follows what it is told at the end: 5 as "
                    "published, 3 is freer, above 8 harsh.",
                ),
                io.Float.Input(
                    "power",
                    default=0.01,
                    min=0.01,
                    max=10.0,
                    step=0.01,
                    tooltip="How late it rises: 0.01 as published is firm almost from the start, 1 "
                    "rises evenly, 4 leaves the outline free and firms up the details.",
                ),
            ],
            _guider_output(),
            folder="guide",
            aliases=("dynamic cfg", "mdsgen guidance"),
        )

    @classmethod
    def execute(cls, model, positive, negative, cfg, power) -> io.NodeOutput:
        foley_model(model)
        conditional, null = power_cosine(cfg, power)
        guider = TermGuider(model)
        guider.set_terms([(positive, conditional.at), (negative, null.at)])
        return io.NodeOutput(guider)


class StreamGuider(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        scales = [
            scale_input(stream, meaning, _own_scale(stream))
            for stream, meaning in streams().items()
        ]
        return schema(
            "StreamGuider",
            "Foley Guider per Stream",
            "One scale for each thing the model is told: let the picture set the time and the "
            "reference the timbre. Equal scales are plain guidance.",
            [
                *_model_and(("positive", "positive of Foley Conditioning.")),
                *_moments(),
                *scales,
            ],
            _guider_output(),
            folder="guide",
            aliases=("multi cfg", "guidance per condition"),
        )

    @classmethod
    def execute(cls, model, positive, start, stop, **scales) -> io.NodeOutput:
        known = foley_model(model).diffusion_model.stream_names
        given = {name for _, options in positive for name in entry_of(options).streams}
        chosen = {name: scales[name] for name in streams() if name in given.intersection(known)}
        guidance = per_stream(chosen)
        if (start, stop) != (0.0, 1.0):
            guidance = interval(guidance, start, until(stop))
        guider = TermGuider(model)
        guider.set_terms(terms_of(guidance, positive))
        return io.NodeOutput(guider)


class GuidanceTerm(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        keeps = [
            io.Boolean.Input(
                f"hear_{stream}",
                default=True,
                tooltip=f"Whether this prediction hears {meaning}.",
            )
            for stream, meaning in streams().items()
        ]
        return schema(
            "GuidanceTerm",
            "Foley Guidance Term",
            "One prediction of a sum of your own: what it hears and how much it counts. Chain "
            "terms, then join them with Combine Foley Guidance.",
            [
                io.Conditioning.Input(
                    "conditioning", tooltip="What it may hear: an output of Foley Conditioning."
                ),
                common.Terms.Input(
                    "terms", optional=True, tooltip="Terms before this one, to chain them."
                ),
                io.Float.Input(
                    "weight",
                    default=SCALE,
                    min=-100.0,
                    max=100.0,
                    step=0.1,
                    tooltip="How much it counts. Below 0 leads away from it.",
                ),
                *_moments(),
                *keeps,
            ],
            [
                common.Terms.Output(
                    "all_terms",
                    display_name="terms",
                    tooltip="For Combine Foley Guidance or the next term.",
                )
            ],
            folder="guide",
            aliases=("guidance weight", "multi cfg"),
        )

    @classmethod
    def execute(
        cls, conditioning, weight, start, stop, terms: TermList | None = None, **hears
    ) -> io.NodeOutput:
        if not start < stop:
            raise FoleyError(
                f"The term counts from {start:g} to {stop:g}, which is nowhere: let it stop after "
                "it starts."
            )
        left_out = frozenset(name for name in streams() if not hears[f"hear_{name}"])

        def counts(t: float) -> float:
            return weight if start <= t < until(stop) else 0.0

        own = terms_of([Term(counts, drop=left_out)], conditioning)
        before = terms.terms if terms is not None else ()
        return io.NodeOutput(TermList((*before, *own)))


class CombineGuidance(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "CombineGuidance",
            "Combine Foley Guidance",
            "Sums terms to one GUIDER. At every moment the weights must sum to 1; the rest can go "
            "to the prediction that is told nothing, so one term of 3 is plain guidance of 3.",
            [
                io.Model.Input("model", tooltip="From Load Foley Model."),
                common.Terms.Input("terms", tooltip="From Foley Guidance Term."),
                io.Combo.Input(
                    "rest",
                    options=["to the unconditioned", "refuse"],
                    default="to the unconditioned",
                    tooltip="What happens with weights that do not sum to 1: the prediction that "
                    "is told nothing gets the rest, or it is an error.",
                ),
            ],
            _guider_output(),
            folder="guide",
            aliases=("sum of guidance", "compose"),
        )

    @classmethod
    def validate_inputs(cls, rest: str | None = None) -> bool | str:
        return known_choices(cls, rest=rest)

    @classmethod
    def execute(cls, model, terms: TermList, rest: str) -> io.NodeOutput:
        foley_model(model)
        parts = list(terms.terms)
        if rest != "refuse":

            def missing(t: float, weights=tuple(weight for _, weight in parts)) -> float:
                return 1.0 - sum(weight(t) for weight in weights)

            parts.append((unconditional(parts[0][0]), missing))
        guider = TermGuider(model)
        guider.set_terms(parts)
        return io.NodeOutput(guider)


class RescaleGuidance(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "RescaleGuidance",
            "Rescale Foley Guidance",
            "Keeps a high cfg from making the sound too loud and coarse, with every sampler and "
            "guider that gets this MODEL.",
            [
                io.Model.Input("model", tooltip="From Load Foley Model."),
                io.Float.Input(
                    "share",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="How far the strength that guidance adds is taken back: 1 wholly, 0.7 "
                    "mostly, 0 not at all. ac_foley_mini has 1 by itself, the others 0 as "
                    "published.",
                ),
            ],
            [
                io.Model.Output(
                    "rescaled", display_name="model", tooltip="For a sampler or a guider."
                )
            ],
            folder="guide",
            aliases=("rescale cfg", "guidance rescale", "too loud"),
        )

    @classmethod
    def execute(cls, model, share) -> io.NodeOutput:
        foley_model(model)
        return io.NodeOutput(rescaling(model.clone(), share))


NODES = [Guider, PowerCosineGuider, StreamGuider, GuidanceTerm, CombineGuidance, RescaleGuidance]

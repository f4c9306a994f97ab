"""Guidance: what is followed, and how strictly. Nodes that give a GUIDER or a part of one."""

from __future__ import annotations

from comfy_api.latest import io

from ..core.catalog import SYSTEMS
from ..core.errors import FoleyError
from ..core.sampling import Guidance, Term, multi_cfg, per_stream, power_cosine
from ..core.sampling.guidance import ZERO_WEIGHT
from . import common, widgets
from .common import Node
from .native.guider import (
    TermGuider,
    between,
    guider_of,
    terms_of,
    two_sided,
    unkept,
    until,
)
from .native.model import foley_model
from .native.rescale import rescaling
from .notices import show_text
from .values import entry_of


def streams() -> dict[str, str]:
    """What a stream of the catalogue says, for an artist, by name: the first one of each meaning,
    which stands for all of it. In the order of its systems, since saved graphs keep widgets by
    position; streams are the last widgets of a node."""
    return {names[0]: meaning for meaning, names in _meanings().items()}


def alike(stream: str) -> tuple[str, ...]:
    """The streams that say what this one does; what means nothing by itself is none."""
    return next(names for names in _meanings().values() if stream in names)


def _meanings() -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for row in SYSTEMS.values():
        for spec in row.streams:
            names = found.get(spec.meaning, ())
            if spec.meaning and spec.name not in names:
                found[spec.meaning] = (*names, spec.name)
    return found


def _newer(stream: str) -> bool:
    """Whether a stream came after the first system's: graphs that were saved before lack it."""
    return stream not in {spec.name for spec in widgets.FIRST.streams}


def _span() -> list:
    return [
        widgets.number(
            "start", 0.0, "When it begins to count: 0 is pure noise, 1 the finished sound."
        ),
        widgets.number(
            "stop", 1.0, "When it ends to count. 1 is the end; 0.8 leaves the last details free."
        ),
    ]


_MOMENTS = {"at first": 0.0, "at the end": 1.0}
_GUIDER = io.Guider.Output("guider", tooltip="For Foley Sampler or SamplerCustomAdvanced.")


class Guider(Node):
    TITLE = "Foley Guider"
    ABOUT = (
        "Plain guidance: away from the negative side, towards the positive one, between two "
        "moments of the sampling."
    )
    INPUTS = [*widgets.model_and("positive", "negative"), widgets.own_scale(), *_span()]
    OUTPUTS = [_GUIDER]
    FOLDER = "guide"
    ALIASES = ("cfg guider", "guidance interval")

    @classmethod
    def execute(cls, model, positive, negative, cfg, start, stop) -> io.NodeOutput:
        return io.NodeOutput(guider_of(model, positive, negative, cfg, start, stop))


class PowerCosineGuider(Node):
    TITLE = "Foley Power-Cosine Guider"
    ABOUT = (
        "Guidance that rises while the sound takes shape: loose in the noise, firm at the end, as "
        "MDSGen was published."
    )
    INPUTS = [
        *widgets.model_and("positive", "negative"),
        widgets.number(
            "cfg",
            5.0,
            "How strictly the take follows what it is told at the end: 5 as published, 3 is "
            "freer, above 8 harsh.",
            max=100.0,
            step=0.1,
        ),
        widgets.number(
            "power",
            0.01,
            "How late it rises: 0.01 as published is firm almost from the start, 1 rises evenly, "
            "4 leaves the outline free and firms up the details.",
            min=0.01,
            max=10.0,
        ),
    ]
    OUTPUTS = [_GUIDER]
    FOLDER = "guide"
    ALIASES = ("dynamic cfg", "mdsgen guidance")

    @classmethod
    def execute(cls, model, positive, negative, cfg, power) -> io.NodeOutput:
        return io.NodeOutput(two_sided(model, power_cosine(cfg, power), positive, negative))


class MultiCFGGuider(Node):
    TITLE = "Foley Multi-CFG Guider"
    ABOUT = (
        "Two guidances in one, as SpecMaskFoley was published: away from nothing towards picture "
        "and words together, and towards the picture alone. Both rise evenly from 0. The node "
        "shows the sum."
    )
    INPUTS = [
        *widgets.model_and("positive", "negative"),
        widgets.number(
            "cfg",
            3.0,
            "How strictly the take follows both at the end: 3 as published, above 5 harsh.",
            max=100.0,
            step=0.1,
        ),
        io.Boolean.Input("picture_and_words", default=True, tooltip="Whether both together count."),
        io.Boolean.Input("picture", default=True, tooltip="Whether the picture alone counts."),
    ]
    OUTPUTS = [_GUIDER]
    FOLDER = "guide"
    ALIASES = ("multi condition guidance", "specmaskfoley guidance")
    HIDDEN = [io.Hidden.unique_id]

    @classmethod
    def execute(cls, model, positive, negative, cfg, picture_and_words, picture) -> io.NodeOutput:
        words = foley_model(model).row.words
        given = {name for _, options in positive for name in entry_of(options).streams}
        asked = {"together": picture_and_words, "alone": picture}
        guidance = multi_cfg(cfg, words, given, **asked)
        guider = two_sided(model, guidance, positive, unkept(negative))
        show_text(said(guidance), cls.hidden.unique_id)
        return io.NodeOutput(guider)


def said(guidance: Guidance) -> str:
    """What is summed, with its weights, at some moments."""
    return "\n".join(f"{when}: {_sum(guidance, t)}" for when, t in _MOMENTS.items())


def _sum(guidance: Guidance, t: float) -> str:
    parts = [
        f"{term.at(t):+.3g} "
        + ("nothing" if term.negative else "picture" if term.drop else "all that is given")
        for term in reversed(guidance)
        if abs(term.at(t)) > ZERO_WEIGHT
    ]
    return " ".join(parts)


class StreamGuider(Node):
    TITLE = "Foley Guider per Stream"
    ABOUT = (
        "One scale for each thing the model is told: let the picture set the time and the "
        "reference the timbre. Equal scales are plain guidance."
    )
    OUTPUTS = [_GUIDER]
    FOLDER = "guide"
    ALIASES = ("multi cfg", "guidance per condition")

    @classmethod
    def inputs(cls) -> list:
        # What the system of a new graph follows without guidance counts once.
        kept = {spec.name for spec in widgets.FIRST.streams if spec.always_conditioned}
        scales = [
            widgets.scale(
                stream,
                meaning,
                1.0 if stream in kept else widgets.SCALE,
                optional=_newer(stream),
            )
            for stream, meaning in streams().items()
        ]
        return [*widgets.model_and("positive"), *_span(), *scales]

    @classmethod
    def execute(cls, model, positive, start, stop, **scales) -> io.NodeOutput:
        known = foley_model(model).diffusion_model.stream_names
        given = {name for _, options in positive for name in entry_of(options).streams}
        scales = {
            name: scales.get(stream, widgets.SCALE)
            for stream in streams()
            for name in alike(stream)
        }
        chosen = {k: scale for k, scale in scales.items() if k in given.intersection(known)}
        guidance = between(per_stream(chosen), start, stop)
        return io.NodeOutput(TermGuider(model, terms_of(guidance, positive)))


class GuidanceTerm(Node):
    TITLE = "Foley Guidance Term"
    ABOUT = (
        "One prediction of a sum of your own: what it hears and how much it counts. Chain terms, "
        "then join them with Combine Foley Guidance."
    )
    OUTPUTS = [
        common.Terms.Output(
            "all_terms", "terms", tooltip="For Combine Foley Guidance or the next term."
        )
    ]
    FOLDER = "guide"
    ALIASES = ("guidance weight", "multi cfg")

    @classmethod
    def inputs(cls) -> list:
        keeps = [
            io.Boolean.Input(
                f"hear_{stream}",
                default=True,
                optional=_newer(stream),
                tooltip=f"Whether this prediction hears {meaning}.",
            )
            for stream, meaning in streams().items()
        ]
        return [
            io.Conditioning.Input(
                "conditioning", tooltip="What it may hear: an output of Foley Conditioning."
            ),
            common.Terms.Input(
                "terms", optional=True, tooltip="Terms before this one, to chain them."
            ),
            widgets.number(
                "weight",
                widgets.SCALE,
                "How much it counts. Below 0 leads away from it.",
                min=-100.0,
                max=100.0,
                step=0.1,
            ),
            *_span(),
            *keeps,
        ]

    @classmethod
    def execute(cls, conditioning, weight, start, stop, terms: tuple = (), **kept) -> io.NodeOutput:
        if not start < stop:
            raise FoleyError(
                f"The term counts from {start:g} to {stop:g}, which is nowhere: let it stop after "
                "it starts."
            )
        left_out = frozenset(
            name
            for stream in streams()
            for name in alike(stream)
            if not kept.get(f"hear_{stream}", True)
        )

        def counts(t: float) -> float:
            return weight if start <= t < until(stop) else 0.0

        return io.NodeOutput((*terms, *terms_of([Term(counts, drop=left_out)], conditioning)))


class CombineGuidance(Node):
    TITLE = "Combine Foley Guidance"
    ABOUT = (
        "Sums terms to one GUIDER. At every moment the weights must sum to 1; the rest can go to "
        "the prediction that is told nothing, so one term of 3 is plain guidance of 3."
    )
    INPUTS = [
        *widgets.model_and(),
        common.Terms.Input("terms", tooltip="From Foley Guidance Term."),
        widgets.choice(
            "rest",
            ["to the unconditioned", "refuse"],
            "What happens with weights that do not sum to 1: the prediction that is told nothing "
            "gets the rest, or it is an error.",
        ),
    ]
    OUTPUTS = [_GUIDER]
    FOLDER = "guide"
    ALIASES = ("sum of guidance", "compose")

    @classmethod
    def validate_inputs(cls, rest=None) -> bool | str:
        return cls.check_choices(rest=rest)

    @classmethod
    def execute(cls, model, terms: tuple, rest: str) -> io.NodeOutput:
        def missing(t: float) -> float:
            return 1.0 - sum(weight(t) for _, weight in terms)

        nothing = Term(missing, keep=frozenset())
        added = () if rest == "refuse" else terms_of([nothing], terms[0][0])
        return io.NodeOutput(TermGuider(model, (*terms, *added)))


class RescaleGuidance(Node):
    TITLE = "Rescale Foley Guidance"
    ABOUT = (
        "Keeps a high cfg from making the sound too loud and coarse, with every sampler and "
        "guider that gets this MODEL."
    )
    INPUTS = [
        *widgets.model_and(),
        widgets.number(
            "share",
            1.0,
            "How far the strength that guidance adds is taken back: 1 wholly, 0.7 mostly, 0 not "
            "at all. ac_foley_mini has 1 by itself, the others 0 as published.",
        ),
    ]
    OUTPUTS = [io.Model.Output("rescaled", "model", tooltip="For a sampler or a guider.")]
    FOLDER = "guide"
    ALIASES = ("rescale cfg", "guidance rescale", "too loud")

    @classmethod
    def execute(cls, model, share) -> io.NodeOutput:
        foley_model(model)
        return io.NodeOutput(rescaling(model.clone(), share))


NODES = [
    Guider,
    PowerCosineGuider,
    MultiCFGGuider,
    StreamGuider,
    GuidanceTerm,
    CombineGuidance,
    RescaleGuidance,
]

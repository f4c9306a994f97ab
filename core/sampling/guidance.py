"""Guidance: a weighted sum of predictions, each with some streams kept and the others nulled.

A guidance is a list of `Term`s. Times are flow times in [0, 1], 0 is noise. At every time the
weights sum to 1. Plain classifier-free guidance (Ho and Salimans, arXiv 2207.12598) is two terms.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from operator import sub

import torch
from torch import Tensor

from ..errors import FoleyError
from ..generators.base import Conditions, Generator, Prepared
from .dynamics import dynamics_of
from .settings import Sampling
from .windows import Windows, blend, pieces_of

logger = logging.getLogger(__name__)

Weight = float | Callable[[float], float]

SUM_TOLERANCE = 1e-4
ZERO_WEIGHT = 1e-9
LEAST_SPREAD = 1e-8


@dataclass(frozen=True)
class Term:
    """One prediction and its weight.

    Attributes:
        weight: a number, or a function of flow time.
        keep: names of the positive streams that are kept, the others are null; None keeps all.
        drop: names of kept streams that are null after all.
        negative: the negative streams are put in place of what is left.
        spread: how far the sum gets the spread of this prediction back, 0 to 1; see `rescaled`.
    """

    weight: Weight
    keep: frozenset[str] | None = None
    drop: frozenset[str] = frozenset()
    negative: bool = False
    spread: float = 0.0

    @property
    def is_conditional(self) -> bool:
        """Whether this prediction has everything that is given, and nothing else."""
        return self.keep is None and not self.drop and not self.negative

    def at(self, t: float) -> float:
        """The weight at flow time t."""
        return float(self.weight(t)) if callable(self.weight) else float(self.weight)

    def streams(self, conditions: Conditions) -> dict[str, Tensor]:
        """The streams of this term's prediction."""
        given = conditions.positive
        kept = given.keys() if self.keep is None else given.keys() & self.keep
        streams = {k: v for k, v in given.items() if k in kept - self.drop}
        return {**streams, **conditions.negative} if self.negative else streams


Guidance = Sequence[Term]

CONDITIONAL: Guidance = (Term(1.0),)


def _weight_of(rule: Callable[..., float], *weights: Weight) -> Weight:
    """A weight that follows from others at every time."""
    return lambda t: rule(*(Term(weight).at(t) for weight in weights))


def cfg(scale: Weight, *, kept: Iterable[str] = (), published: bool = False) -> Guidance:
    """v_null + scale (v_all - v_null); scale may be a function of t.

    v_null has the streams in `kept`, and the negative ones of the conditions (an encoded prompt).
    With `published`, a scale below 1 is the conditional prediction alone, as in MMAudio's tools.
    """
    if published:
        scale = _weight_of(partial(max, 1.0), scale)
    rest = _weight_of(partial(sub, 1.0), scale)
    return (Term(scale), Term(rest, frozenset(kept), negative=True))


def per_stream(scales: Mapping[str, Weight]) -> Guidance:
    """One scale a stream, as a chain in the order of `scales`.

    v_0 + sum_i s_i (v_i - v_(i-1)), where v_0 has the streams that `scales` does not name and
    v_i also the first i that it names (the chain of InstructPix2Pix, arXiv 2211.09800). Equal
    scales for all streams are plain CFG, all ones the conditional prediction; a stream that is
    not named has scale 1. Neighbours of equal scale cost no prediction between them.
    """
    if not scales:
        return CONDITIONAL
    names, weights = list(scales), [1.0, *scales.values()]
    steps = [_weight_of(sub, *pair) for pair in zip(weights, weights[1:])]
    terms = [Term(step, drop=frozenset(names[i:])) for i, step in enumerate(steps)]
    return (*terms, Term(weights[-1]))


def power_cosine(scale: float, power: float = 0.01, *, kept: Iterable[str] = ()) -> Guidance:
    """CFG whose scale rises from 1 to `scale` as 1 + (scale - 1) (1 - cos(pi t^power)) / 2.

    Source: MDSGen (arXiv 2410.02130, section 3.4), there in diffusion time 1000 (1 - t). Its power
    of 0.01 is near `scale` throughout; 4 rises late.
    """
    if not math.isfinite(power) or power <= 0:
        raise FoleyError(f"The power of the guidance must be above 0, not {power:g}.")

    def weight(t: float) -> float:
        return 1 + (scale - 1) * (1 - math.cos(math.pi * max(t, 0.0) ** power)) / 2

    return cfg(weight, kept=kept)


def multi_cfg(
    scale: float,
    words: str,
    given: Iterable[str],
    *,
    together: bool = True,
    alone: bool = True,
) -> Guidance:
    """v_0 + s [(v_all - v_0) + (v_picture - v_0)], where s rises evenly from 0 to `scale`.

    Source: SpecMaskFoley (arXiv 2505.16195, eq. 1). v_picture is without the stream `words`, and
    v_0 has nothing but the negative streams. given: names of the streams that are there; what would
    be there twice is once. together, alone: the ablations without one of the differences.
    """
    given = set(given)
    sides = [{words}] if alone and given - {words} else []
    if together and (words in given or not sides):
        sides.append(set())

    def rising(t: float) -> float:
        return scale * t

    def rest(t: float) -> float:
        return 1.0 - len(sides) * rising(t)

    terms = (Term(rising, drop=frozenset(dropped)) for dropped in sides)
    return (*terms, Term(rest, frozenset(), negative=True))


def preset(
    sampling: Sampling,
    scale: float | None = None,
    *,
    kept: Iterable[str] = (),
    words: str = "",
    given: Iterable[str] = (),
    published: bool = False,
) -> Guidance:
    """The guidance that a system is sampled with unless asked otherwise.

    scale: None is the system's own. kept, published: see `cfg`. words, given: see
    `multi_cfg`.
    """
    scale = sampling.scale if scale is None else scale
    if sampling.guidance == "multi":
        return multi_cfg(scale, words, given)
    if sampling.guidance == "power-cosine":
        guidance = power_cosine(scale, kept=kept)
    else:
        guidance = cfg(scale, kept=kept, published=published)
    return rescaled(guidance, sampling.rescale)


def always_conditioned(generator: Generator) -> tuple[str, ...]:
    """Streams that guidance keeps on both sides, for `kept` of `cfg`; required ones too."""
    specs = generator.streams
    return tuple(spec.name for spec in specs if spec.always_conditioned or spec.required)


def interval(guidance: Guidance, start: float, stop: float) -> Guidance:
    """`guidance` for start <= t < stop, the conditional prediction alone outside.

    Source: Kynkaanniemi et al., arXiv 2404.07724, in flow time.
    """
    if not 0.0 <= start < stop:
        raise FoleyError(
            f"The guidance interval from {start:g} to {stop:g} is empty; "
            "let it start at 0 or later and stop after it starts."
        )

    def gated(term: Term, outside: float) -> Term:
        return replace(term, weight=lambda t: term.at(t) if start <= t < stop else outside)

    return (*(gated(term, 0.0) for term in guidance), gated(Term(0.0), 1.0))


def rescaled(guidance: Guidance, share: float = 1.0) -> Guidance:
    """`guidance` of a flow model that makes x_1 no wider than the conditional prediction.

    A large scale widens the predicted x_1, and the sound gets too loud. Its standard deviation over
    a take is brought back by `share` of the way: guidance rescale, Lin et al., arXiv 2305.08891,
    section 3.4, where the share is phi. 0 changes nothing.
    """
    if not 0.0 <= share <= 1.0:
        raise FoleyError(f"Guidance can be rescaled by 0 to 1, not by {share:g}.")
    return tuple(replace(term, spread=share) if term.is_conditional else term for term in guidance)


def rescale(
    total: Tensor,
    leading: Tensor | None,
    x: Tensor,
    t: float,
    share: float,
    made: Tensor | None = None,
) -> Tensor:
    """Velocity whose x_1 has the spread of the leading velocity's, see `rescaled`; all `[B, N, C]`.

    made: bool `[N]`, the frames that count, None: all. Without a leading velocity, and where
    nothing is left to go, it is `total` as it is.
    """
    left = 1.0 - t
    if leading is None or left <= 0.0:
        return total
    return (spread_as(x + left * total, x + left * leading, share, made) - x) / left


def spread_as(
    data: Tensor, like: Tensor, share: float, made: Tensor | None = None, *, axis: int = 1
) -> Tensor:
    """Takes whose standard deviation is brought `share` of the way to that of `like`, both
    `[B, N, C]` or, with axis 2, `[B, C, N]`; made: bool `[N]`, the frames that count."""

    def spread(x: Tensor) -> Tensor:
        if made is not None:
            x = x.index_select(axis, made.to(x.device).nonzero().flatten())
        return x.std((1, 2), keepdim=True)

    return data * (1 + share * (spread(like) / spread(data).clamp_min(LEAST_SPREAD) - 1))


class Guided:
    """The weighted sum as one prediction: `guided(x, t)`, float32 `[B, N, C]`.

    t is the network's own time; weights are asked at its flow time. Conditions are prepared once a
    term and window; terms with the same streams are one. A term of weight 0 at t is not evaluated.
    `batched` joins the terms of a step into one forward; both ways agree within float error.

    Args:
        windows: how a long take is cut, see `windows`; None: in one pass.
        batch: number of takes; conditions of batch 1 serve all of them.
        made: bool `[N]`, the frames that are not known already, whose spread counts where it is
            rescaled; None: all.

    Raises:
        FoleyError: the weights do not sum to 1 at some t of the call; a sum is rescaled that is
            not of a flow model.
    """

    def __init__(
        self,
        generator: Generator,
        conditions: Conditions,
        guidance: Guidance = CONDITIONAL,
        *,
        windows: Windows | None = None,
        batch: int = 1,
        batched: bool = True,
        made: Tensor | None = None,
    ) -> None:
        self.generator = generator
        self.batched = batched
        self._dynamics = dynamics_of(generator.dynamics)
        self._terms: list[list[Term]] = []
        self._prepared: list[list[Prepared]] = []  # by term, then by piece
        self._joined: dict[tuple[int, ...], list[Prepared]] = {}
        self._leading: int | None = None
        self._share = max((term.spread for term in guidance), default=0.0)
        self._made = made
        if self._share and generator.dynamics != "flow":
            raise FoleyError("Only the guidance of flow models can be rescaled.")
        self.pieces = pieces_of(generator, conditions.positive, conditions.seconds, windows)
        places: dict[tuple, int] = {}
        for term in guidance:
            for stream in (term.keep or frozenset()) | term.drop:
                generator.check_stream(stream)
            streams = term.streams(conditions)
            key = tuple(sorted((name, id(value)) for name, value in streams.items()))
            if term.spread:
                self._leading = places.get(key, len(self._terms))
            if key in places:
                self._terms[places[key]].append(term)
                continue
            places[key] = len(self._terms)
            self._terms.append([term])
            streams = {k: _expanded(v, batch, k) for k, v in streams.items()}
            self._prepared.append(
                [
                    generator.settled(piece.prepare(generator, streams, batch))
                    for piece in self.pieces
                ]
            )

    @property
    def length(self) -> int:
        """Latent frames of the take."""
        return self.pieces[-1].span.stop

    def active(self, t: float) -> dict[int, float]:
        """Weights of the distinct predictions that count at flow time t, by their position."""
        weights = [sum(term.at(t) for term in terms) for terms in self._terms]
        if abs(sum(weights) - 1.0) > SUM_TOLERANCE:
            raise FoleyError(
                f"The guidance weights sum to {sum(weights):g} at time {t:g}; they must sum to 1."
            )
        return {i: w for i, w in enumerate(weights) if abs(w) > ZERO_WEIGHT}

    def __call__(self, x: Tensor, t: float) -> Tensor:
        active = self.active(self._dynamics.to_flow_time(t))
        sums = [self._sum(x[:, piece.span], t, active, i) for i, piece in enumerate(self.pieces)]
        totals, leads = zip(*sums, strict=True)
        # All pieces share their guidance, so at any t each has a leading prediction or none has.
        leading = None if leads[0] is None else blend(leads, self.pieces)
        return rescale(blend(totals, self.pieces), leading, x, t, self._share, self._made)

    def _sum(
        self, x: Tensor, t: float, active: Mapping[int, float], piece: int
    ) -> tuple[Tensor, Tensor | None]:
        """The weighted sum, and the prediction whose spread it gets; None: it stays as it is."""
        if self.batched and len(active) > 1:
            try:
                return self._together(x, t, active, piece)
            except torch.cuda.OutOfMemoryError:
                logger.warning("Out of GPU memory: guidance now runs one prediction at a time.")
                self.batched = False
                self._joined.clear()
        return self._one_by_one(x, t, active, piece)

    def _together(
        self, x: Tensor, t: float, active: Mapping[int, float], piece: int
    ) -> tuple[Tensor, Tensor | None]:
        key = tuple(active)
        if key not in self._joined:
            by_piece = zip(*(self._prepared[i] for i in key), strict=True)
            self._joined[key] = [
                self.generator.settled(Prepared.cat(prepared)) for prepared in by_piece
            ]
        repeated = x.repeat(len(key), *[1] * (x.ndim - 1))
        predictions = self._predict(repeated, t, self._joined[key][piece])
        predictions = predictions.unflatten(0, (len(key), -1))  # [terms, B, ...]
        weights = torch.tensor(list(active.values()), device=predictions.device)
        leading = predictions[key.index(self._leading)] if self._leading in active else None
        return torch.einsum("k,k...->...", weights, predictions), leading

    def _one_by_one(
        self, x: Tensor, t: float, active: Mapping[int, float], piece: int
    ) -> tuple[Tensor, Tensor | None]:
        total: Tensor | float = 0.0
        leading = None
        for i, weight in active.items():
            prediction = self._predict(x, t, self._prepared[i][piece])
            total = total + weight * prediction
            if i == self._leading and len(active) > 1:
                leading = prediction
        assert isinstance(total, Tensor)
        return total, leading

    def _predict(self, x: Tensor, t: float, prepared: Prepared) -> Tensor:
        like = next(iter(prepared.batched.values()))
        times = torch.full((x.shape[0],), t, dtype=torch.float32, device=x.device)
        x = x.to(like.dtype) if x.is_floating_point() else x
        return self.generator(x, times, prepared).float()


def _expanded(value: Tensor, batch: int, stream: str) -> Tensor:
    if value.shape[0] not in (1, batch):
        raise FoleyError(
            f"The '{stream}' stream holds {value.shape[0]} takes, but {batch} are made; "
            "give it one or as many."
        )
    return value.expand(batch, *value.shape[1:])

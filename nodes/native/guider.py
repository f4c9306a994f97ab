"""Guidance as ComfyUI's GUIDER: works in SamplerCustomAdvanced and with every sampler."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import comfy.samplers
import torch
import torch.nn.functional as F
from torch import Tensor

from ...core.errors import FoleyError
from ...core.generators import Conditions
from ...core.sampling import Guidance, dynamics_of, interval, preset
from ...core.sampling.guidance import SUM_TOLERANCE, ZERO_WEIGHT
from ...core.tables import SystemSpec
from ..values import KEY, entry_of
from .model import foley_model

# A conditioning, and its weight as a function of flow time.
WeightedConditioning = tuple[list, Callable[[float], float]]


class FoleyGuider(comfy.samplers.CFGGuider):
    """What all our guiders share. Raises FoleyError for a MODEL that makes no sound."""

    def __init__(self, model) -> None:
        foley_model(model)
        super().__init__(model)

    def sample(self, noise, latent_image, sampler, sigmas, denoise_mask=None, **options):
        row = foley_model(self.model_patcher).row
        spec = row.config.latent
        _check_latent(latent_image, row)
        if denoise_mask is not None and denoise_mask.ndim == 4:
            denoise_mask = mask_over(denoise_mask, spec.dim if spec.codes else 1)
        return super().sample(noise, latent_image, sampler, sigmas, denoise_mask, **options)

    def flow_time(self, timestep: Tensor) -> float:
        """Flow time of a sigma: 0 is noise, 1 is done."""
        model = self.inner_model
        time = float(model.kind.time(model.model_sampling, timestep[:1])[0])
        return dynamics_of(model.diffusion_model.dynamics).to_flow_time(time)


def _check_latent(latent: Tensor, row: SystemSpec) -> None:
    """FoleyError for a latent that is not of the system's codec."""
    spec = row.config.latent
    wanted = f"a latent of the codec {row.codec}, which {row.name} works on"
    if latent.ndim != 3 or latent.shape[1] != spec.dim:
        raise FoleyError(f"This latent of the shape {list(latent.shape)} is not {wanted}.")
    if spec.codes:
        ids = latent.round()
        if not torch.equal(ids, latent) or ids.min() < 0 or ids.max() >= spec.codes:
            raise FoleyError(
                f"Tokens are whole numbers from 0 to {spec.codes - 1}; this is not {wanted}."
            )


def mask_over(picture: Tensor, rows: int) -> Tensor:
    """The mask `[B, rows, W]` of one that mask nodes make, `[B, 1, H, W]`, over time and, where a
    latent has rows of tokens, frequency: the lowest band first, as a spectrogram has it at its
    bottom. Otherwise only the width means anything."""
    bands = F.adaptive_avg_pool2d(picture[:, :1], (rows, picture.shape[-1]))
    return bands[:, 0].flip(1)


def until(stop: float) -> float:
    """The end of an interval of flow time: one that ends with the take has its last step in it."""
    return stop if stop < 1.0 else math.inf


def between(guidance: Guidance, start: float, stop: float) -> Guidance:
    """A guidance of core that counts from flow time `start` up to `stop`."""
    if (start, stop) == (0.0, 1.0):
        return guidance
    return interval(guidance, start, until(stop))


class IntervalGuider(FoleyGuider):
    """Plain guidance from flow time `start` up to `stop`, the positive side alone outside.

    It is ComfyUI's own sampling function, so patches of that (rescale and the like) work.

    Raises:
        FoleyError: nothing lies between the two.
    """

    def __init__(
        self, model, positive: list, negative: list, scale: float, start: float, stop: float
    ) -> None:
        super().__init__(model)
        self.start, self.stop = start, until(stop)
        if not 0.0 <= start < self.stop:
            raise FoleyError(
                f"The guidance interval from {start:g} to {stop:g} is empty: let it stop after it "
                "starts."
            )
        self.set_conds(positive, negative)
        self.set_cfg(scale)

    def predict_noise(self, x, timestep, model_options={}, seed=None):  # noqa: B006
        scale = self.cfg if self.start <= self.flow_time(timestep) < self.stop else 1.0
        sides = self.conds.get("negative"), self.conds.get("positive")
        return comfy.samplers.sampling_function(
            self.inner_model, x, timestep, *sides, scale, model_options=model_options, seed=seed
        )


class TermGuider(FoleyGuider):
    """A weighted sum of predictions, each of a conditioning of its own; weights sum to 1.

    Terms of weight 0 are not computed; the others run in one batch where memory allows.
    """

    def __init__(self, model, terms: Sequence[WeightedConditioning]) -> None:
        super().__init__(model)
        self.weights = [weight for _, weight in terms]
        self.streams = [max(len(entry_of(options).streams) for _, options in c) for c, _ in terms]
        self.inner_set_conds({f"term {i}": cond for i, (cond, _) in enumerate(terms)})

    def predict_noise(self, x, timestep, model_options={}, seed=None):  # noqa: B006
        t = self.flow_time(timestep)
        weights = [float(weight(t)) for weight in self.weights]
        if abs(sum(weights) - 1.0) > SUM_TOLERANCE:
            raise FoleyError(
                f"The guidance weights sum to {sum(weights):g} at time {t:.2f}; they must sum to "
                "1: let Combine Foley Guidance give the rest to the unconditioned prediction."
            )
        active = [i for i, weight in enumerate(weights) if abs(weight) > ZERO_WEIGHT]
        weights = [weights[i] for i in active]
        conds = [self.conds[f"term {i}"] for i in active]
        parts = comfy.samplers.calc_cond_batch(self.inner_model, conds, x, timestep, model_options)
        denoised = sum(weight * part for weight, part in zip(weights, parts, strict=True))
        # Patches know two sides: the term with most streams, and the one that counts least.
        ranks = [(self.streams[i], weight) for i, weight in zip(active, weights, strict=True)]
        most, least = ranks.index(max(ranks)), weights.index(min(weights))
        for patch in model_options.get("sampler_post_cfg_function", []):
            denoised = patch(
                {
                    "denoised": denoised,
                    "cond": conds[most],
                    "uncond": conds[least],
                    "cond_scale": weights[most],
                    "model": self.inner_model,
                    "cond_denoised": parts[most],
                    "uncond_denoised": parts[least],
                    "sigma": timestep,
                    "model_options": model_options,
                    "input": x,
                }
            )
        return denoised


def guider_of(
    model, positive: list, negative: list, scale: float, start: float = 0.0, stop: float = 1.0
) -> FoleyGuider:
    """The guidance of a MODEL between two flow times; below 0 the scale is the model's own, else
    guidance is plain. Rescaling is the MODEL's.

    Raises:
        FoleyError: a MODEL that makes no sound, or nothing lies between the times.
    """
    row = foley_model(model).row
    sampling = row.sampling
    if sampling.guidance == "multi" or (scale < 0 and sampling.guidance != "plain"):
        given = {name for _, options in positive for name in entry_of(options).streams}
        chosen = None if scale < 0 else scale
        guidance = preset(replace(sampling, rescale=0.0), chosen, words=row.words, given=given)
        return two_sided(model, between(guidance, start, stop), positive, negative)
    scale = sampling.scale if scale < 0 else scale
    return IntervalGuider(model, positive, negative, scale, start, stop)


def unkept(negative: list) -> list:
    """A negative side without the streams of the positive one that guidance keeps there."""
    stripped = []
    for tensor, options in negative:
        entry = entry_of(options)
        own = {k: v for k, v in entry.streams.items() if entry.every.get(k) is not v}
        stripped.append([tensor, {**options, KEY: entry.with_streams(own)}])
    return stripped


def two_sided(model, guidance: Guidance, positive: list, negative: list) -> TermGuider:
    """A guidance of core, whose terms have streams of one side or of the other."""
    terms: list[WeightedConditioning] = []
    for term in guidance:
        terms += [(negative, term.at)] if term.negative else terms_of([term], positive)
    return TermGuider(model, terms)


def terms_of(guidance: Guidance, conditioning: list) -> list[WeightedConditioning]:
    """The terms of a guidance of core, over the streams of a conditioning.

    Terms with the same streams are one.
    """
    merged: dict[tuple, tuple[list, list]] = {}
    for term in guidance:
        kept = []
        for tensor, options in conditioning:
            entry = entry_of(options)
            streams = term.streams(Conditions(entry.streams, entry.seconds))
            kept.append([tensor, {**options, KEY: entry.with_streams(streams)}])
        key = tuple(
            (name, id(value))
            for _, options in kept
            for name, value in sorted(options[KEY].streams.items())
        )
        merged.setdefault(key, (kept, []))[1].append(term)
    return [
        (kept, lambda t, terms=tuple(terms): sum(term.at(t) for term in terms))
        for kept, terms in merged.values()
    ]

"""LATENT dictionaries of sound: samples [B, C, T] and what they stand for."""

from __future__ import annotations

from dataclasses import replace

import comfy.model_management
import torch
from torch import Tensor

from ...core.context import KnownSound
from ...core.errors import FoleyError
from ...core.generators import GeneratorConfig
from ...core.generators.base import LATENT
from ...core.generators.stable_audio import STABLE_AUDIO_OPEN
from ...core.plan import Plan
from ...core.sampling import Known
from ..values import KEY, Sound


def latent_value(samples: Tensor, sound: Sound) -> dict:
    """Samples [B, C, T] as a LATENT."""
    return {
        "samples": samples.to(comfy.model_management.intermediate_device()),
        "type": "audio",
        "sample_rate": sound.sample_rate,
        KEY: sound,
    }


def empty_latent(
    config: GeneratorConfig, made: float, seconds: float, *, start: float, takes: int
) -> dict:
    """Zeros for takes of `made` seconds, of which `seconds` will be kept."""
    spec = config.latent
    tokens = spec.codes is not None
    sound = Sound(spec.codec, spec.sample_rate, spec.rate, seconds, start, tokens)
    return latent_value(torch.zeros(takes, spec.dim, config.lengths(made)[LATENT]), sound)


def sound_of_latent(latent: dict) -> Sound:
    """What a LATENT stands for; FoleyError for one of a picture."""
    sound = latent.get(KEY)
    if not isinstance(sound, Sound) or latent["samples"].ndim != 3:
        raise FoleyError(
            "This latent is not one of sound: connect the latent of Foley Conditioning, Empty "
            "Foley Latent, Foley Encode Audio or a sampler that got one of them."
        )
    return sound


def sound_to_decode(latent: dict, codec: str) -> Sound:
    """As `sound_of_latent`; a latent of ComfyUI's own Stable Audio nodes, which says nothing of
    itself, is that of Stable Audio's codec where that is to decode it."""
    known, samples = STABLE_AUDIO_OPEN.latent, latent["samples"]
    plain = KEY not in latent and samples.ndim == 3 and samples.shape[1] == known.dim
    if not plain or codec != known.codec:
        return sound_of_latent(latent)
    return Sound(codec, known.sample_rate, known.rate, samples.shape[-1] / known.rate)


def repeated(latent: dict, takes: int) -> dict:
    """A LATENT of one take as `takes` takes; one that holds several is left as it is."""
    samples = latent["samples"]
    if takes == 1 or len(samples) == takes:
        return latent
    if len(samples) > 1:
        raise FoleyError(
            f"The latent already holds {len(samples)} takes: set takes to 1 or to {len(samples)}."
        )
    return {**latent, "samples": samples.repeat(takes, 1, 1)}


def with_range(latent: dict, first: float, last: float) -> dict:
    """A LATENT of which only the seconds from `first` to `last` are made anew."""
    sound, samples = sound_of_latent(latent), latent["samples"]
    if not first < last:
        raise FoleyError(
            f"The range from {first:g} s to {last:g} s is empty: let it end after it starts."
        )
    if first >= sound.seconds:
        raise FoleyError(
            f"The range starts at {first:g} s, but the sound ends at {sound.seconds:.2f} s."
        )
    begin, end = round(first * sound.latent_rate), round(last * sound.latent_rate)
    mask = torch.zeros(1, 1, samples.shape[-1])
    mask[..., begin : max(end, begin + 1)] = 1.0
    return {**latent, "noise_mask": mask}


def with_known(latent: dict, planned: Plan, sound: KnownSound | None) -> dict:
    """An empty LATENT for a plan: with what is known in it, and a mask of what is made where that
    stays. sound: what the take is put back into."""
    known = planned.known
    if known is None:
        return latent
    value = replace(sound_of_latent(latent), lead=planned.lead, stays=known, in_sound=sound)
    made = {**latent, KEY: value}
    if known.kept == "never":
        return made
    samples = known.latent.transpose(1, 2).contiguous().to(latent["samples"])
    return {**made, "samples": samples, "noise_mask": mask_of(known)}


def mask_of(known: Known) -> Tensor:
    """The mask [1, 1, T] of what is made anew."""
    return (~known.frames)[None, None].float()

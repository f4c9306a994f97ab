"""What is sampled for a task: conditions, what is known of the take, and where it begins.

Source: FoleyGenEx (arXiv 2606.14049, figure 3 and section 3.3).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .generators.base import CONTEXT, VIDEO_MASK, Conditions, Streams
from .sampling import Inversion, Kept, Known
from .tasks import Surrogate


@dataclass(frozen=True, eq=False)
class KnownLatent:
    """The codec's latent `[1, N, C]`, and where of it is known, bool `[N]`."""

    latent: Tensor
    frames: Tensor


@dataclass(frozen=True, eq=False)
class Plan:
    """What is sampled for a task. lead: seconds at the start of what is made that are not part of
    the take."""

    conditions: Conditions
    known: Known | None = None
    lead: float = 0.0


def plan(
    name: str,
    conditions: Conditions,
    length: int,
    *,
    takes_context: bool,
    reference: Tensor | None = None,
    lead: float = 0.0,
    known: KnownLatent | None = None,
    surrogate: Surrogate = "video",
    summation: bool = False,
    inversion: Inversion = "",
) -> Plan:
    """The conditions and the known part of a take.

    Args:
        name: of the task. conditions: of picture and words, of the lead as well.
        length: latent frames of what is made.
        takes_context: whether the generator has a place for a known sound.
        reference: a latent `[1, N, C]` that comes before the take, for `lead` seconds, in which
            the picture is a surrogate of the reference's own: the take's start, or unseen ("zero").
        known: of the take, without the lead.
        summation: what is known is added to the noise, and not put back between the steps, as
            published. Without, it is what the training sees at every step: known, and as noisy as
            the rest.
        inversion: see `Known`.
    """
    if reference is None and known is None:
        return Plan(conditions)
    parts = [part for part in (_whole(reference), known) if part is not None]
    latent = torch.cat([part.latent for part in parts], 1)
    missing = length - latent.shape[1]
    latent = torch.nn.functional.pad(latent, (0, 0, 0, missing))
    frames = torch.cat([part.frames for part in parts])
    frames = torch.nn.functional.pad(frames, (0, missing))
    if not takes_context:
        return Plan(conditions, Known(latent, frames, inverted=inversion))
    streams: dict[str, Tensor] = dict(conditions.positive)
    where = frames[None, :, None].to(latent).expand(len(latent), -1, -1)
    streams[CONTEXT] = torch.cat((latent, where), -1)
    if reference is not None and surrogate == "zero":
        streams[VIDEO_MASK] = (torch.arange(length) < reference.shape[1])[None, :, None].float()
    added = summation and name != "edit"
    kept: Kept = "steps" if not added else "end" if name == "extend" else "never"
    stays = Known(latent, frames, kept=kept, added=added, inverted=inversion)
    positive: Streams = streams
    return Plan(Conditions(positive, conditions.seconds, conditions.negative), stays, lead)


def _whole(latent: Tensor | None) -> KnownLatent | None:
    if latent is None:
        return None
    return KnownLatent(latent, torch.ones(latent.shape[1], dtype=torch.bool))

"""The tasks: what each gives a system of picture, words and sound, in one table.

Source: FoleyGenEx (arXiv 2606.14049, figure 3). A system that has no place for a known sound among
its conditions extends and edits by inpainting.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from .generators.base import CONTEXT, VIDEO_MASK, Conditions, Streams
from .sampling import Inversion, Known

Use = Literal["", "given", "needed"]
Surrogate = Literal["video", "zero"]


@dataclass(frozen=True)
class Task:
    """look: whether what the picture shows counts (else only when it moves); motion: whether it
    counts when it moves; words: whether they may or have to be given; reference, known: as words,
    of a reference sound and of a sound of which a part stays."""

    title: str
    look: bool
    motion: bool
    words: Use = "given"
    reference: Use = ""
    known: bool = False

    @property
    def needs(self) -> tuple[str, ...]:
        """What a system has to be able to follow."""
        asked = {
            "picture": self.motion and not self.known,
            "words": self.words == "needed",
            "reference": self.reference == "needed",
            "known": self.known,
        }
        return tuple(name for name, needed in asked.items() if needed)


TASKS: Mapping[str, Task] = {
    "vta": Task("video to audio", look=True, motion=True, reference="given"),
    "tta": Task("text to audio", look=False, motion=False, words="needed"),
    "tc-vta": Task("sound of the words, timing of the picture", False, True, words="needed"),
    "ac-vta": Task("timbre transfer", look=False, motion=True, reference="needed"),
    "extend": Task("extension of a sound", look=True, motion=True, known=True),
    "edit": Task("editing a part of a sound", True, True, reference="given", known=True),
}


def counts_look(name: str, words: str, takes_context: bool) -> bool:
    """Whether what the picture shows counts: not for an edit by words, which then say it, and for a
    reference only where it does not stand in the context (AC-Foley)."""
    if name == "ac-vta":
        return not takes_context
    return TASKS[name].look and not (name == "edit" and words.strip())


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
    summation: bool = True,
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
        summation: latents of what is known are added to the noise.
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
    streams[CONTEXT] = torch.cat((latent, frames[None, :, None].to(latent)), -1)
    if reference is not None and surrogate == "zero":
        streams[VIDEO_MASK] = (torch.arange(length) < reference.shape[1])[None, :, None].float()
    kept: dict[str, Literal["steps", "end"]] = {"extend": "end", "edit": "steps"}
    stays = Known(
        latent,
        frames,
        kept=kept.get(name, "never"),
        added=summation and name != "edit",
        inverted=inversion,
    )
    positive: Streams = streams
    return Plan(Conditions(positive, conditions.seconds, conditions.negative), stays, lead)


def _whole(latent: Tensor | None) -> KnownLatent | None:
    if latent is None:
        return None
    return KnownLatent(latent, torch.ones(latent.shape[1], dtype=torch.bool))

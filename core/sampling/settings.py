"""How a system is sampled unless the artist says otherwise: part of its row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Preset = Literal["plain", "power-cosine", "multi"]


@dataclass(frozen=True)
class Sampling:
    """As a system was published, or what was found best for one of our own.

    solver: of `dynamics`; steps: of it. guidance: `guidance.cfg`, `power_cosine` or `multi_cfg`, of
    `scale`.
    rescale: share by which guidance is rescaled, see `guidance.rescaled`. temperature: of tokens,
    see `maskgit`.
    """

    solver: str = "euler"
    steps: int = 25
    guidance: Preset = "plain"
    scale: float = 4.5
    rescale: float = 0.0
    temperature: float = 0.0

"""What happens in a synthetic scene, shared by the picture and the sound."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Event:
    """One thing that is seen and heard.

    `time`: seconds from the start of the scene to the contact (or to the start of the motion when
    `duration` is positive). `strength`: 0 to 1, from the speed of the impact. `duration`: seconds
    of
    a continuous sound (a swish), 0 for an impact.
    """

    time: float
    strength: float
    duration: float = 0.0

"""The tasks: what each gives a system of picture, words and sound, in one table.

Source: FoleyGenEx (arXiv 2606.14049, figure 3). A system that has no place for a known sound among
its conditions extends and edits by inpainting.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

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

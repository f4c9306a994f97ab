"""What the reports of an evaluation share: how it was run, its progress, its file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ..errors import FoleyError
from ..scenes import Scene, sample_scene
from ..system import System
from ..weights.files import write_json

Progress = Callable[[str, int, int], None]
Item = TypeVar("Item")


def counted(items: Sequence[Item], name: str, progress: Progress | None) -> Iterator[Item]:
    """The items, with progress(name, done, total) after each."""
    for done, item in enumerate(items, 1):
        yield item
        if progress:
            progress(name, done, len(items))


_LEAST_SECONDS, _MOST_SECONDS, _MOST_SCALE = 0.1, 120.0, 1000.0


@dataclass(frozen=True)
class Settings:
    """What is sampled of a system.

    clips: held-out scenes of `seconds`; hard: as in `sample_scene`; steps and cfg_scale: None is
    the system's own.

    Raises:
        FoleyError: less than two clips, or figures that no scene or take can have.
    """

    clips: int
    hard: bool = True
    seconds: float = 4.0
    steps: int | None = None
    cfg_scale: float | None = None

    def __post_init__(self) -> None:
        if self.clips < 2:
            raise FoleyError("Evaluation needs at least 2 clips.")
        if not _LEAST_SECONDS <= self.seconds <= _MOST_SECONDS:
            raise FoleyError(
                f"Scenes are from {_LEAST_SECONDS:g} to {_MOST_SECONDS:g} s long, not "
                f"{self.seconds:g} s."
            )
        if self.cfg_scale is not None and not abs(self.cfg_scale) <= _MOST_SCALE:
            raise FoleyError(
                f"The guidance scale must be a number up to {_MOST_SCALE:g}, not "
                f"{self.cfg_scale:g}."
            )

    def steps_of(self, system: System) -> int:
        """Steps that a system is sampled with."""
        return system.row.sampling.steps if self.steps is None else self.steps

    def head(self, system: System) -> dict[str, Any]:
        """The head of a report on a system."""
        return {
            "model": system.name,
            "clips": self.clips,
            "scenes": "hard" if self.hard else "clean",
            "seconds": self.seconds,
            "steps": self.steps_of(system),
            "cfg": system.row.sampling.scale if self.cfg_scale is None else self.cfg_scale,
        }

    def scene(self, seed: int, kinds: Sequence[str]) -> Scene:
        """A test scene, which no recipe trains on."""
        return sample_scene(seed, "test", seconds=self.seconds, hard=self.hard, kinds=tuple(kinds))


def headline(report: dict[str, Any]) -> str:
    """The head of a report in words."""
    return (
        f"{report['clips']} held-out {report['scenes']} scenes of {report['seconds']:g} s, "
        f"{report['steps']} steps, guidance {report['cfg']:g}"
    )


def cell(value: float | None, decimals: int = 3) -> str:
    """A figure in a table."""
    return "-" if value is None else f"{value:.{decimals}f}"


def write_report(report: dict[str, Any], folder: Path, *parts: str) -> Path:
    """Writes `MODEL_PART_PART.json`, sorted, into a folder; returns its path."""
    path = folder / f"{'_'.join((report['model'], *parts))}.json"
    write_json(path, report)
    return path

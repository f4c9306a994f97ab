"""Recipes: what every bundled weights file was trained with, as data, and the way to repeat it.

`NAME.json` beside this file holds the task, its figures and the loop's; `logs/NAME.csv` and
`logs/NAME.png` are the log of the run whose weights are bundled.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from ...errors import FoleyError
from ...weights.files import save
from ..loop import LoopConfig, train

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Kind:
    """A sort of recipe: how its task is made, and what of the trained module is kept."""

    task: Callable[[dict[str, Any], LoopConfig, Path], Any]
    tensors: Callable[[nn.Module], dict[str, Tensor]]
    metadata: Callable[[nn.Module], dict[str, str]]


def run_recipe(name: str, folder: Path, device: str = "cpu") -> list[Path]:
    """Train a recipe in `folder / name` (goes on where it was stopped) and write weights and plot.

    Returns the written files: weights (.safetensors), log (.csv), plot (.png).
    Raises FoleyError for an unknown recipe or one that cannot be read.
    """
    recipe = read_recipe(name)
    stem = Path(name).stem
    kind = _kinds()[recipe["task"]]
    loop: dict[str, Any] = {
        k: tuple(v) if isinstance(v, list) else v for k, v in recipe["loop"].items()
    }
    config = LoopConfig(**loop)
    run = folder / stem
    task = kind.task(recipe["figures"], config, folder / "cache")
    model = train(task, config, run, device=device).cpu()
    weights = run / f"{stem}.safetensors"
    note = {
        "family": recipe["task"],
        "recipe": stem,
        "licence": "Apache-2.0",
        "steps": str(config.steps),
    }
    save(weights, kind.tensors(model), {**note, **kind.metadata(model)})
    return [weights, run / "log.csv", plot_log(run / "log.csv", run / "log.png", stem)]


def read_recipe(name: str) -> dict[str, Any]:
    """A bundled recipe by name, or one's own by path."""
    path = Path(name) if name.endswith(".json") else FOLDER / f"{name}.json"
    try:
        recipe = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        known = ", ".join(sorted(p.stem for p in FOLDER.glob("*.json")))
        raise FoleyError(f"There is no recipe '{name}'; bundled ones are: {known}.") from error
    except (OSError, ValueError) as error:
        raise FoleyError(
            f"The recipe {path.name} cannot be read as JSON; compare it with a bundled one."
        ) from error
    if (
        not isinstance(recipe, dict)
        or recipe.get("task") not in _kinds()
        or not {"figures", "loop"} <= recipe.keys()
    ):
        raise FoleyError(
            f"The recipe {path.name} needs 'task' ({', '.join(_kinds())}), 'figures' and 'loop'."
        )
    return recipe


def _kinds() -> dict[str, Kind]:
    from ..codec import CodecFigures, CodecTask, settle
    from ..mdsgen import (
        MDSGenFigures,
        MDSGenTask,
        inference_tensors,
        network_figures,
        training_data,
    )
    from ..mini_encoder import EncoderFigures, EncoderTask
    from ..mini_flow import FlowFigures, FlowTask

    def figures(kind, values):
        return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})

    return {
        "video_encoder": Kind(
            lambda values, loop, cache: EncoderTask(figures(EncoderFigures, values), cache),
            lambda model: model.state_dict(),
            lambda model: {},
        ),
        "codec": Kind(
            lambda values, loop, cache: CodecTask(figures(CodecFigures, values), cache),
            lambda model: settle(model).state_dict(),
            lambda model: {},
        ),
        "mdsgen": Kind(
            lambda values, loop, cache: MDSGenTask(
                figures(MDSGenFigures, values),
                training_data(figures(MDSGenFigures, values), cache),
            ),
            inference_tensors,
            network_figures,
        ),
        "flow": Kind(
            lambda values, loop, cache: FlowTask(figures(FlowFigures, values), loop.steps, cache),
            lambda model: model.state_dict(),
            lambda model: {"words": " ".join(model.text.words)},
        ),
    }


def plot_log(log: Path, picture: Path, title: str) -> Path:
    """Draw every column of a training log over its steps."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    with log.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = [n for n in rows[-1] if n not in ("step", "seconds", "norm")]
    figure, axes = pyplot.subplots(
        1, len(names), figsize=(3.2 * len(names), 2.6), layout="constrained", squeeze=False
    )
    for axis, name in zip(axes[0], names, strict=True):
        points = [(int(r["step"]), float(r[name])) for r in rows if r.get(name)]
        axis.plot(
            *zip(*points, strict=True),
            color="#3d6fb4",
            marker="." if len(points) < 40 else "",
            linewidth=1,
        )
        axis.set_title(name, fontsize=9)
        axis.set_xlabel("step", fontsize=8)
        axis.grid(alpha=0.3)
    figure.suptitle(title, fontsize=10)
    figure.savefig(picture, dpi=90)
    pyplot.close(figure)
    return picture

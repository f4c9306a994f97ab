"""Recipes: what every bundled weights file was trained with, as data, and the way to repeat it.

`NAME.json` beside this file holds the task, its figures and the loop's; `logs/NAME.csv` and
`logs/NAME.png` are the log of the run whose weights are bundled.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import FoleyError
from ...media.files import write_beside
from ...weights.files import save
from ...weights.schema import Unfit, fitted_to, read_json
from ..config import LoopConfig
from ..loop import train
from ..media_folders import is_of_folders
from ..processes import processes

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Kind:
    """A sort of recipe: what figures it has (a dataclass, those of scenes first, then of folders),
    how its task is made of them, and what of the trained module is kept."""

    figures: tuple[type, ...]
    task: Callable[[Any, LoopConfig, Path, torch.device], Any]
    tensors: Callable[[nn.Module], dict[str, Tensor]]
    metadata: Callable[[nn.Module], dict[str, str]]


def run_recipe(name: str, folder: Path, device: str = "cpu", *, accumulate: int = 1) -> list[Path]:
    """Train a recipe in `folder / name` (goes on where it was stopped) and write weights and plot.

    device: `cpu` or `cuda`. accumulate: parts of a batch that are taken one after another, where
    the whole does not fit; the weights stay the same up to rounding. Returns the files that this
    process has written: weights (.safetensors), log (.csv), plot (.png); the first process
    of many writes them all.
    Raises FoleyError for an unknown recipe or one that cannot be read or run.
    """
    recipe = read_recipe(name)
    stem = Path(name).stem
    # All that a recipe says is checked before anything is read or rendered.
    kind, config, run = _kinds()[recipe["task"]], _loop_config(recipe, stem), folder / stem
    figures = _figures(kind, recipe, stem)
    precision = config.precision if config.autocast else "no"
    with processes(device=device, precision=precision, accumulate=accumulate) as accelerator:
        # The first process renders or reads what the others then find in the cache.
        with accelerator.main_process_first():
            task = kind.task(figures, config, folder / "cache", accelerator.device)
        model = train(task, config, run, accelerator).cpu()
        if not accelerator.is_main_process:
            return []
        return _write(kind, recipe["task"], model, config, run)


def _write(kind: Kind, family: str, model: nn.Module, config: LoopConfig, run: Path) -> list[Path]:
    weights = run / f"{run.name}.safetensors"
    note = {
        "family": family,
        "recipe": run.name,
        "licence": "Apache-2.0",
        "steps": str(config.steps),
    }
    save(weights, kind.tensors(model), {**note, **kind.metadata(model)})
    return [weights, run / "log.csv", plot_log(run / "log.csv", run / "log.png", run.name)]


def _loop_config(recipe: dict[str, Any], stem: str) -> LoopConfig:
    try:
        return fitted_to(LoopConfig, recipe["loop"])
    except Unfit as error:
        raise FoleyError(
            f"The loop of the recipe {stem} is not right: {error}. It needs 'steps' and "
            f"'learning_rate', and may have: {_names(LoopConfig)}."
        ) from error


def _figures(kind: Kind, recipe: dict[str, Any], stem: str) -> Any:
    values = recipe["figures"]
    of = kind.figures[-1] if isinstance(values, dict) and is_of_folders(values) else kind.figures[0]
    try:
        return fitted_to(of, values)
    except Unfit as error:
        raise FoleyError(
            f"The figures of the recipe {stem} are not right: {error}. The figures of this recipe "
            f"may be: {_names(of)}."
        ) from error


def _names(kind: Any) -> str:
    return ", ".join(field.name for field in fields(kind))


def read_recipe(name: str) -> dict[str, Any]:
    """A bundled recipe by name, or one's own by path."""
    path = Path(name) if name.endswith(".json") else FOLDER / f"{name}.json"
    try:
        recipe = read_json(path)
    except FileNotFoundError as error:
        known = ", ".join(sorted(p.stem for p in FOLDER.glob("*.json")))
        raise FoleyError(f"There is no recipe '{name}'; bundled ones are: {known}.") from error
    except (OSError, Unfit) as error:
        why = f" ({error})" if isinstance(error, Unfit) else ""
        raise FoleyError(
            f"The recipe {path.name} cannot be read as JSON{why}; compare it with a bundled one."
        ) from error
    if not isinstance(recipe, dict) or recipe.keys() != {"task", "figures", "loop"}:
        recipe = {}
    if not isinstance(recipe.get("task"), str) or recipe["task"] not in _kinds():
        raise FoleyError(
            f"The recipe {path.name} needs 'task' ({', '.join(_kinds())}), 'figures' and 'loop'."
        )
    return recipe


def _kinds() -> dict[str, Kind]:
    from ..codec import CodecFigures, CodecTask, settle
    from ..foley_control import BridgeFigures, BridgeTask
    from ..foley_control import metadata as bridge_metadata
    from ..foley_control import tensors as bridge_tensors
    from ..foley_control_folders import BridgeFolderFigures, BridgeFolderTask, half_on
    from ..foleygenex import GenExFigures, GenExTask, file_metadata, half_tensors
    from ..foleygenex_folders import FolderFigures, FolderTask
    from ..masked_tokens import file_metadata as token_metadata
    from ..mdsgen import (
        MDSGenFigures,
        MDSGenTask,
        inference_tensors,
        network_figures,
        training_data,
    )
    from ..mini_encoder import EncoderFigures, EncoderTask
    from ..mini_flow import FlowFigures, FlowTask
    from ..specmaskfoley import TokenFigures, TokenTask
    from ..specmaskfoley_folders import TokenFolderFigures, TokenFolderTask
    from ..specvqgan import VQGANFigures, VQGANTask, codec_metadata, codec_tensors
    from ..vqgan import VQFigures, VQTask

    return {
        "video_encoder": Kind(
            (EncoderFigures,),
            lambda figures, loop, cache, device: EncoderTask(figures, cache),
            lambda model: model.state_dict(),
            lambda model: {},
        ),
        "mini_tokens": Kind(
            (VQFigures,),
            lambda figures, loop, cache, device: VQTask(figures, loop.steps, cache),
            lambda model: model.state_dict(),
            lambda model: {},
        ),
        "specvqgan": Kind(
            (VQGANFigures,),
            lambda figures, loop, cache, device: VQGANTask(figures, cache),
            codec_tensors,
            codec_metadata,
        ),
        "specmaskfoley": Kind(
            (TokenFigures, TokenFolderFigures),
            lambda figures, loop, cache, device: (
                TokenFolderTask(figures, cache, device)
                if isinstance(figures, TokenFolderFigures)
                else TokenTask(figures, cache)
            ),
            lambda model: model.state_dict(),
            token_metadata,
        ),
        "foley_control": Kind(
            (BridgeFigures, BridgeFolderFigures),
            lambda figures, loop, cache, device: (
                BridgeFolderTask(figures, cache, device, half_on(device, loop))
                if isinstance(figures, BridgeFolderFigures)
                else BridgeTask(figures, cache)
            ),
            bridge_tensors,
            bridge_metadata,
        ),
        "codec": Kind(
            (CodecFigures,),
            lambda figures, loop, cache, device: CodecTask(figures, cache),
            lambda model: settle(model).state_dict(),
            lambda model: {},
        ),
        "mdsgen": Kind(
            (MDSGenFigures,),
            lambda figures, loop, cache, device: MDSGenTask(
                figures, training_data(figures, cache, device)
            ),
            inference_tensors,
            network_figures,
        ),
        "flow": Kind(
            (FlowFigures,),
            lambda figures, loop, cache, device: FlowTask(figures, loop.steps, cache),
            lambda model: model.state_dict(),
            lambda model: {"words": " ".join(model.text.words)},
        ),
        "foleygenex": Kind(
            (GenExFigures, FolderFigures),
            lambda figures, loop, cache, device: (
                FolderTask(figures, cache, device)
                if isinstance(figures, FolderFigures)
                else GenExTask(figures, cache)
            ),
            half_tensors,
            file_metadata,
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
    with write_beside(picture) as sink:
        sink.draw(figure, dpi=90)
    pyplot.close(figure)
    return picture

"""Features of the mini video encoder before it looks for events, as the tokens of a bridge: the
mean over the picture, or a grid of 2 x 2 places, 25 moments a second."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

RATE, WIDTH, SIDE = 25.0, 64, 8
CLIPS = 1600
NAMES = {1: "mini_picture_mean", 4: "mini_picture_places"}


@torch.no_grad()
def features_of(encoder: Any, frames: Tensor, places: int) -> Tensor:
    """Grey frames [T, 128, 128] to tokens [T * places, 64], those of a moment one after another."""
    from foleystage.core.encoders.local_motion import local_motion

    maps: list[Tensor] = []
    # What goes into the pooling are the places.
    hook = encoder.pool.register_forward_pre_hook(lambda module, args: maps.append(args[0]))
    encoder.from_maps(*local_motion(frames[None]))
    hook.remove()
    grid = maps[0][0].unflatten(-1, (SIDE, SIDE))  # [C, T, 8, 8]
    side = round(places**0.5)
    pooled = F.adaptive_avg_pool2d(grid, side).flatten(2)  # [C, T, places]
    return pooled.permute(1, 2, 0).flatten(0, 1)


def register_places() -> None:
    """Rows of the catalogue for both, so that a bridge finds its encoder by name."""
    from foleystage.core.catalog import VIDEO_ENCODERS, add
    from foleystage.core.encoders.base import EncodedVideo

    mini = VIDEO_ENCODERS["mini_video_encoder"]

    def encode(places: int, encoder: nn.Module, frames: Mapping[str, Tensor], cancelled: Any):
        tokens = features_of(encoder, frames["video"], places)[None]
        seconds = len(frames["video"]) / RATE
        return EncodedVideo({"places": tokens}, seconds, seconds)

    for places, name in NAMES.items():
        add(replace(mini, name=name, encode=partial(encode, places), made=("places",)))


class PlaceRow:
    """Latents of a scene and its features, picklable."""

    def __init__(self, split: str, seconds: float) -> None:
        self.split, self.seconds = split, seconds

    @torch.no_grad()
    def __call__(self, seed: int) -> dict[str, np.ndarray]:
        from foleystage.core.encoders.foley_mini import FRAME_RATE, FRAME_SIZE
        from foleystage.core.scenes import sample_scene
        from foleystage.core.training.mini_flow import FlowRow

        scene = sample_scene(seed, self.split, seconds=self.seconds)
        frames = scene.frames_at(FRAME_RATE, FRAME_SIZE, FRAME_SIZE)
        if not hasattr(self, "row"):
            self.row, self.encoder = FlowRow(self.split, self.seconds), _encoder()
        made = self.row(seed)
        row = {name: made[name] for name in ("latent", "material", "kind")}
        return {**row, "places": features_of(self.encoder, frames, 4).half().numpy()}


def _encoder() -> nn.Module:
    from foleystage.core.catalog import VIDEO_ENCODERS

    part = VIDEO_ENCODERS["mini_video_encoder"]
    return part.loaders(part.locate())["video"]().eval()


def places_run(name: str, folder: Path, device: str, places: int, loop: dict) -> Path:
    """The weights of a bridge that reads so many places, trained unless they are there already."""
    from foleystage.core.training import foley_control
    from foleystage.core.training.clips import map_scenes
    from foleystage.core.training.config import LoopConfig
    from foleystage.core.training.loop import train
    from foleystage.core.training.processes import processes
    from foleystage.core.training.recipes import read_recipe
    from foleystage.core.weights.files import save

    weights = folder / name / f"{name}.safetensors"
    if weights.exists():
        return weights

    class Task(foley_control.BridgeTask):
        def _rows(self, split, count, cache):
            note = {"split": split, "seconds": 8.0, "version": 1}
            made = PlaceRow(split, 8.0)
            return map_scenes(made, min(count, CLIPS), cache / f"places_{split}", note, 1)

        def bridge(self):
            base = super().bridge()
            figures = {"encoder": NAMES[places], "stream": "places", "video_dim": WIDTH}
            return replace(base, **figures, video_rate=RATE, places=places, projected=0)

        def picture(self, rows, picked, first, count):
            tokens = foley_control.crop(rows["places"], picked, first, count, 4 * 4)
            moments = tokens.unflatten(1, (-1, 4))
            return moments.mean(2) if places == 1 else tokens

    recipe = read_recipe("foley_control_mini")
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in recipe["loop"].items()}
    with processes(device=device, precision="bf16") as accelerator:
        figures = foley_control.BridgeFigures(**recipe["figures"])
        task = Task(figures, folder / "cache")
        model = train(task, LoopConfig(**{**values, **loop}), folder / name, accelerator).cpu()
    save(weights, foley_control.tensors(model), foley_control.metadata(model))
    return weights

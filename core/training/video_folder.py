"""Videos with a list, as VGGSound comes: encoded once, kept in shards.

A list is a CSV without a header: name, start in seconds, label, split (train or test). A video is
`NAME_START.mp4`, the start with six digits or as it is, or `NAME.mp4`.
"""

from __future__ import annotations

import csv
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import FoleyError
from ..generators.mdsgen_config import MDSGenConfig
from ..media import read_audio, read_frames
from ..media.formats import VIDEO_FILES
from ..weights.files import save
from .captions import is_inside
from .shards import write_in_shards

log = logging.getLogger(__name__)

SHARD = 64
_VALIDATION_ONE_IN = 100


@dataclass(frozen=True)
class Clip:
    """One row of a list whose video is there."""

    name: str
    path: Path
    label: str = ""


Extract = Callable[[Path], dict[str, Tensor]]


def read_list(path: Path | str, videos: Path | str, split: str = "train") -> list[Clip]:
    """The rows of a split, in the order of the list; rows without a video are counted and logged.

    Raises:
        FoleyError: the list or the folder cannot be read, or no row has a video.
    """
    path, videos = Path(path), Path(videos)
    if not videos.is_dir():
        raise FoleyError(f"There is no folder of videos at {videos}; check 'videos'.")
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.reader(file) if len(row) >= 4 and row[3].strip() == split]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise FoleyError(f"The list {path} cannot be read; check 'csv'.") from error
    if not rows:
        raise FoleyError(
            f"{path.name} has no row of the split '{split}'; rows are name, start, label, split."
        )
    found = [(row, _video_of(videos, row[0], row[1].strip())) for row in rows]
    clips = [Clip(f"{r[0]}_{r[1]}", video, r[2].strip()) for r, video in found if video is not None]
    if not clips:
        raise FoleyError(
            f"None of the {len(rows)} videos that {path.name} names is in {videos}; files are "
            "called NAME_START.mp4 or NAME.mp4."
        )
    if len(clips) < len(rows):
        log.warning("%d of %d listed videos are not there.", len(rows) - len(clips), len(rows))
    return clips


def _video_of(folder: Path, name: str, start: str) -> Path | None:
    padded = start.zfill(6)
    for stem in (f"{name}_{padded}", f"{name}_{start}", name):
        for suffix in VIDEO_FILES:
            path = folder / f"{stem}{suffix}"
            if is_inside(path, folder):
                return path
    return None


def write_shards(clips: Sequence[Clip], extract: Extract, folder: Path) -> list[Path]:
    """Tensors of all clips in shards of up to 64, see `shards.write_in_shards`.

    Raises:
        FoleyError: not one clip could be used; a folder of another list.
    """
    return write_in_shards(clips, partial(_write_shard, extract=extract), folder, size=SHARD)


def _write_shard(
    path: Path, clips: Sequence[Clip], failed: dict[str, str], *, extract: Extract
) -> None:
    rows: list[dict[str, Tensor]] = []
    names = []
    for clip in clips:
        try:
            rows.append(extract(clip.path))
            names.append(clip.name)
        except FoleyError as error:
            failed[clip.name] = str(error)
    tensors = {key: torch.stack([row[key] for row in rows]) for key in rows[0]} if rows else {}
    save(path, tensors, {"names": json.dumps(names)}, torch.float16)


class Extractor:
    """CAVP features and codec latents of one take's length, from the start of a video."""

    def __init__(self, config: MDSGenConfig, encoder, codec) -> None:
        self.config, self.encoder, self.codec = config, encoder, codec

    @torch.no_grad()
    def __call__(self, path: Path) -> dict[str, Tensor]:
        """`cavp` [32, 512] and `latent` [N, C], unscaled. FoleyError for a video without use."""
        c = self.config
        frames = read_frames(path, {"cavp": self.encoder.frame_request}, seconds=c.trained_seconds)[
            "cavp"
        ]
        features = self.encoder.encode(frames).values[0]
        features = features.repeat(-(-c.video_frames // len(features)), 1)[: c.video_frames]
        sound, _ = read_audio(path, sample_rate=c.sample_rate, seconds=c.trained_seconds, mono=True)
        if float(sound.abs().max()) < 1e-4:
            raise FoleyError(f"{path.name} is silent, so there is nothing to learn from it.")
        size = c.frames * c.samples_per_latent
        sound = F.pad(sound[:, :size], (0, max(size - sound.shape[1], 0)))
        latent = self.codec.encode(sound[None].to(self.encoder.device))[0].cpu()
        return {"cavp": features, "latent": latent}


class ShardData:
    """Batches of shards: what `MDSGenTask` trains on. One clip in 100 is for validation."""

    def __init__(self, config: MDSGenConfig, shards: Sequence[Path]):
        from safetensors import safe_open

        self.config = config
        self._files = [safe_open(path, "pt") for path in shards]
        rows = []
        for number, file in enumerate(self._files):
            if "latent" in file.keys():  # noqa: SIM118 - a file handle, not a mapping
                count = file.get_slice("latent").get_shape()[0]
                rows += [(number, row) for row in range(count)]
        held = max(1, len(rows) // _VALIDATION_ONE_IN)
        self.validation, self.train = rows[:held], rows[held:] or rows

    def crops(
        self, rng: np.random.Generator, size: int, validation: bool
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Latents `[B, N, C]` of the codec and the streams of as many takes."""
        rows = self.validation if validation else self.train
        picked = [rows[i] for i in rng.choice(len(rows), size)]
        latent, cavp = (
            torch.stack([self._files[n].get_slice(name)[row] for n, row in picked]).float()
            for name in ("latent", "cavp")
        )
        return latent, {self.config.stream: cavp}

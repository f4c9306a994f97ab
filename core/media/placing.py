"""Where a sound is heard: left to right by where its object is seen, near or far by its size."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..errors import FoleyError

FARTHEST_DB = -18.0
_SEEN = 1e-4  # share of the picture from which an object is there
_SMOOTH_SECONDS = 0.15  # over which a place is averaged, so that nothing crackles


@dataclass(frozen=True, eq=False)
class Path:
    """Of an object, frame by frame: fps; x, -1 at the left edge of the picture to 1 at the right;
    share of the picture, `[frames]`."""

    fps: float
    x: np.ndarray
    share: np.ndarray

    @property
    def size(self) -> float:
        """The share that it has at its largest, but for a few frames."""
        return float(np.quantile(self.share, 0.9))


def path_of(mask: Tensor, fps: float, name: str) -> Path:
    """The path of what is white in a mask `[frames, H, W]`, 0 to 1; where it is out of sight it
    stays where it was. name: what messages call the mask.

    Raises:
        FoleyError: it is black throughout.
    """
    columns = mask.float().mean(1).double().cpu().numpy()  # [frames, W]
    share = columns.mean(1)
    seen = np.flatnonzero(share >= _SEEN)
    if not len(seen):
        raise FoleyError(f"{name} is black throughout, so there is no object: draw it in white.")
    width = columns.shape[1]
    places = (np.arange(width) + 0.5) / width * 2 - 1
    x = (columns[seen] * places).sum(1) / columns[seen].sum(1)
    frames = np.arange(len(share))
    return Path(fps, np.interp(frames, seen, x), np.interp(frames, seen, share[seen]))


def placed(
    waveform: Tensor, rate: int, path: Path, *, width: float, depth: float, nearest: float
) -> Tensor:
    """A sound `[..., C, T]` in stereo, `[..., 2, T]`, where its object is.

    width: 0 in the middle, 1 as far to the sides as it is seen. depth: 0 all as near, 1 as loud as
    its size says (pressure falls with distance, an area with its square). nearest: share of the
    picture that is heard as loud as it was made.
    """
    mono = waveform.mean(-2)
    times = (torch.arange(mono.shape[-1]) + 0.5) / rate
    x = _smooth(path.x, path.fps, times) * width
    share = _smooth(path.share, path.fps, times)
    gain = 10 ** ((depth * 10 * torch.log10(share / nearest)).clamp(FARTHEST_DB, 0.0) / 20)
    angle = (x.clamp(-1, 1) + 1) * (math.pi / 4)  # equal power
    return torch.stack([mono * gain * angle.cos(), mono * gain * angle.sin()], -2)


def _smooth(values: np.ndarray, fps: float, times: Tensor) -> Tensor:
    """A curve of frames at `times`, averaged over `_SMOOTH_SECONDS`."""
    size = max(1, round(_SMOOTH_SECONDS * fps))
    padded = np.pad(values, (size // 2, size - 1 - size // 2), mode="edge")
    mean = np.convolve(padded, np.full(size, 1 / size), "valid")
    at = np.interp(times.numpy(), (np.arange(len(mean)) + 0.5) / fps, mean)
    return torch.from_numpy(at).float()

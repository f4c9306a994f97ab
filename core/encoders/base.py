"""What every encoder is: filled by a weights file; of video: frames in, features out."""

from __future__ import annotations

import abc
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from ..errors import CancelCheck, FoleyError, stop_if
from ..media import FrameRequest
from ..weights.fill import building, fill
from ..weights.load import read_weights

log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
Self = TypeVar("Self", bound="Encoder")

_CPU_MEMORY = 1 << 30
_FLOAT8 = {"torch.float8_e4m3fn", "torch.float8_e5m2"}


@dataclass(frozen=True)
class Features:
    """One stream. values: float32 [B, N, D] on the CPU; rate: features a second."""

    values: Tensor
    rate: float


@dataclass(frozen=True, eq=False)
class EncodedVideo:
    """What a take is conditioned on of a video.

    streams: `[1, N, D]` by name. seconds: of the video that the take is for; padded: that the
    streams span, a little more on the encoder's grid. chance: of a hit, 50 a second, where the
    encoder finds hits.
    """

    streams: Mapping[str, Tensor]
    seconds: float
    padded: float
    chance: Tensor | None = None


class Encoder(nn.Module):
    """A network that a weights file fills.

    width: channels of a feature. prefix: how the names of its weights start in a file.
    """

    width: int
    prefix = ""

    @classmethod
    def load(
        cls: type[Self],
        path: Path | str,
        *,
        dtype: torch.dtype | None = None,
        device: torch.device | str = "cpu",
        **made: Any,
    ) -> Self:
        """From a weights file, of which only its own weights are read; dtype None: as stored.

        made: of the constructor, and what else `built` takes. Raises FoleyError for a file of
        another model.
        """

        def own(key: str) -> str | None:
            return cls.own_name(key, **made)

        stored = read_weights(path, dtype=dtype, device=device, keep=lambda key: bool(own(key)))
        tensors = {own(key) or key: value for key, value in stored.items()}
        with building(Path(path).name):
            built = cls.built(tensors, **made)
        return fill(*built, path)

    @classmethod
    def own_name(cls, key: str, **made: Any) -> str | None:
        """The network's name of a weight of a file, None for one of another network."""
        key = key.removeprefix("module.")  # a training wrapper's
        return key.removeprefix(cls.prefix) if key.startswith(cls.prefix) else None

    @classmethod
    def built(cls, tensors: dict[str, Tensor], **made: Any) -> tuple[Any, dict[str, Tensor]]:
        """A network of the size of these weights, and all of them under its names."""
        return cls(device="meta", **made), tensors

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """What is computed in: the type of the weights, bfloat16 for 8-bit ones."""
        stored = next(self.parameters()).dtype
        return torch.bfloat16 if str(stored) in _FLOAT8 else stored


class VideoEncoder(Encoder, abc.ABC):
    """Frames of one clip to one stream of features.

    An encoder works on windows: rows of frame indices, all of one length, each computed
    independently of the others. So memory grows with the windows of a batch, never with the clip.

    stream: name of the stream it makes. rate: features a second, `places` of each moment.
    frame_request: the frames it wants (`media.read_frames`).
    """

    stream: str
    rate: float
    places = 1
    frame_request: FrameRequest

    @staticmethod
    @abc.abstractmethod
    def windows(count: int) -> Tensor:
        """int64 [windows, frames]: what is encoded of a clip of `count` frames, in order.

        A longer clip begins with the same windows, but for those that depend on where it ends.
        """

    @abc.abstractmethod
    def encode_batch(self, frames: Tensor) -> Tensor:
        """uint8 [B, frames, H, W, 3], a batch of windows on the device -> [B, features, width]."""

    @abc.abstractmethod
    def window_bytes(self, frames: int) -> int:
        """About how much memory `encode_batch` needs for one window of so many frames, in bytes."""

    @classmethod
    def join(cls, encoded: Tensor, count: int) -> Tensor:
        """Features of all windows [windows, features, D] -> those of the clip [N, D]."""
        return encoded.flatten(0, 1)

    def encode(self, frames: Tensor, **options: Any) -> Features:
        """uint8 [T, H, W, 3] as `frame_request` asks for, any T above 0 -> values [1, N, width].

        options: as of `encode_windows`. Raises FoleyError also for frames of another kind.
        """
        check_frames(self, frames)
        encoded = self.encode_windows(frames, self.windows(len(frames)), **options)
        values = self.join(encoded, len(frames))
        return Features(values.unsqueeze(0).contiguous(), self.rate)

    @torch.no_grad()
    def encode_windows(
        self,
        frames: Tensor,
        rows: Tensor,
        *,
        memory: int | None = None,
        progress: Progress | None = None,
        cancelled: CancelCheck | None = None,
    ) -> Tensor:
        """Windows `rows` [windows, frames] of frames -> float32 [windows, features, D] on the CPU.

        memory: bytes that one batch may take; None is 1 GiB on a CPU, half of what is free on a
        GPU. progress(step, total): windows. Where memory runs out the batch is halved.
        Raises FoleyError when one window does not fit, or for features that are not finite;
        Cancelled.
        """
        if memory is None:
            on_gpu = self.device.type == "cuda"
            memory = torch.cuda.mem_get_info(self.device)[0] // 2 if on_gpu else _CPU_MEMORY
        size = max(1, memory // max(1, self.window_bytes(rows.shape[1])))
        done: list[Tensor] = []
        first = 0
        while first < len(rows):
            stop_if(cancelled)
            try:
                batch = frames[rows[first : first + size]].to(self.device)
                done.append(self.encode_batch(batch).float().cpu())
            except torch.OutOfMemoryError:
                size = self._halved(size)
                continue
            first = min(first + size, len(rows))
            if progress is not None:
                progress(first, len(rows))
        encoded = torch.cat(done)
        if not torch.isfinite(encoded).all():
            raise FoleyError(
                f"The {self.stream} encoder gave infinite or undefined features: its weights are "
                "damaged, or too large for their type; load them in float32."
            )
        return encoded

    def _halved(self, size: int) -> int:
        if size == 1:
            raise FoleyError(
                f"The {self.stream} encoder does not fit into the memory of {self.device}; free "
                "some, or encode on the CPU."
            )
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        log.info("The %s encoder ran out of memory: %d windows at a time.", self.stream, size // 2)
        return size // 2


def check_frames(encoder: VideoEncoder | type[VideoEncoder], frames: Tensor) -> None:
    """Raises FoleyError unless frames are uint8 [T, H, W, 3] of the size that is asked for."""
    if frames.dtype != torch.uint8 or frames.ndim != 4 or frames.shape[-1] != 3:
        raise FoleyError(
            f"The {encoder.stream} encoder needs 8-bit frames [T, H, W, 3], not "
            f"{list(frames.shape)} of {frames.dtype}."
        )
    if not len(frames):
        raise FoleyError(f"The {encoder.stream} encoder was given no frames; pick a longer window.")
    if tuple(frames.shape[1:3]) != encoder.frame_request.target:
        height, width = encoder.frame_request.target
        raise FoleyError(
            f"The {encoder.stream} encoder needs frames of {width} x {height}, not "
            f"{frames.shape[2]} x {frames.shape[1]}; read them with its frame_request."
        )


def pixels(frames: Tensor, dtype: torch.dtype, mean: list[float], std: list[float]) -> Tensor:
    """uint8 [..., H, W, 3] -> [..., 3, H, W]: (x / 255 - mean) / std, computed in float32."""
    scale, shift = (torch.tensor(values, device=frames.device) for values in (std, mean))
    return frames.float().div_(255).sub_(shift).div_(scale).movedim(-1, -3).to(dtype)


def single_frames(count: int) -> Tensor:
    """Windows of one frame each."""
    return torch.arange(count)[:, None]


def stepped_windows(count: int, length: int, step: int, *, whole_only: bool) -> Tensor:
    """Windows of `length` every `step` frames; past the end the last frame is repeated.

    whole_only: only windows that end inside the clip, but at least one; else as many as hold every
    frame.
    """
    if whole_only:
        starts = max(1, (count - length) // step + 1)
    else:
        starts = -(-max(0, count - length) // step) + 1
    rows = torch.arange(starts)[:, None] * step + torch.arange(length)
    return rows.clamp_max(count - 1)

"""What every encoder of video is: 8-bit frames in, features and their rate out."""

from __future__ import annotations

import abc
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..errors import Cancelled, FoleyError
from ..media import FrameRequest

log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
CancelCheck = Callable[[], bool]

_CPU_MEMORY = 1 << 30
_NARROW = {"torch.float8_e4m3fn", "torch.float8_e5m2"}


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
    encoder tells it.
    """

    streams: Mapping[str, Tensor]
    seconds: float
    padded: float
    chance: Tensor | None = None


class VideoEncoder(nn.Module, abc.ABC):
    """Frames of one clip to one stream of features.

    An encoder works on windows: rows of frame indices, all of one length, each computed
    independently of the others. So memory grows with the windows of a batch, never with the clip.

    stream: name of the stream it makes. rate: features a second. width: channels of a feature.
    frame_request: the frames it wants (`media.read_frames`).
    """

    stream: str
    rate: float
    width: int
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

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """What is computed in: the type of the weights, bfloat16 for 8-bit ones."""
        stored = next(self.parameters()).dtype
        return torch.bfloat16 if str(stored) in _NARROW else stored

    def encode(
        self,
        frames: Tensor,
        *,
        memory: int | None = None,
        progress: Progress | None = None,
        cancelled: CancelCheck | None = None,
    ) -> Features:
        """uint8 [T, H, W, 3] as `frame_request` asks for, any T above 0 -> values [1, N, width].

        memory: bytes that one batch may take; None is 1 GiB on a CPU, half of what is free on a
        GPU. progress(step, total): windows. Where memory runs out the batch is halved.
        Raises FoleyError for frames of another kind, or when one window does not fit; Cancelled.
        """
        check_frames(self, frames)
        rows = self.windows(len(frames))
        encoded = self.encode_windows(
            frames, rows, memory=memory, progress=progress, cancelled=cancelled
        )
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
        """Features float32 [windows, features, D], on the CPU, of the windows `rows` of `frames`.

        As `encode`, for some of a clip's windows.
        """
        size = max(1, self._budget(memory) // max(1, self.window_bytes(rows.shape[1])))
        done: list[Tensor] = []
        first = 0
        while first < len(rows):
            if cancelled is not None and cancelled():
                raise Cancelled()
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
                "damaged, or their type is too narrow; load them in float32."
            )
        return encoded

    def _budget(self, memory: int | None) -> int:
        if memory is not None:
            return memory
        if self.device.type == "cuda":
            return torch.cuda.mem_get_info(self.device)[0] // 2
        return _CPU_MEMORY

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
    """FoleyError unless frames are uint8 [T, H, W, 3] of the size that the encoder asks for."""
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
    """uint8 [..., H, W, 3] -> [..., 3, H, W]: (x / 255 - mean) / std, in float32 first."""
    scale, shift = (torch.tensor(values, device=frames.device) for values in (std, mean))
    return frames.float().div_(255).sub_(shift).div_(scale).movedim(-1, -3).to(dtype)


def single_frames(count: int) -> Tensor:
    """Windows of one frame each."""
    return torch.arange(count)[:, None]


def stepped_windows(count: int, length: int, step: int, *, whole_only: bool) -> Tensor:
    """Windows of `length` every `step` frames; past the end the last frame is repeated.

    whole_only: only windows that end inside the clip, but at least one; else as many as it takes
    to cover every frame.
    """
    if whole_only:
        starts = max(1, (count - length) // step + 1)
    else:
        starts = -(-max(0, count - length) // step) + 1
    rows = torch.arange(starts)[:, None] * step + torch.arange(length)
    return rows.clamp_max(count - 1)

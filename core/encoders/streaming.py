"""An encoder that works while a clip is still being read, and lets go of frames it is done with."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import CancelCheck, FoleyError
from .base import Features, VideoEncoder
from .cache import FeatureCache, content_key, fingerprint

# Frames of the windows that are encoded, and cached, together.
CHUNK = 32 << 20
# Frames that are kept beyond what a window may still need, in seconds: a clip may turn out so much
# shorter than the frames that were read.
_SPARE = 1.0
# More frames than a window of any encoder has.
_LONGER = 1000


@dataclass(frozen=True)
class LazyEncoder:
    """An encoder that is not loaded before there is something new to encode.

    layout: the encoder or its class: which frames it wants, in which windows. weights: a name
    for its weights. open: the encoder, while the context lasts.
    """

    layout: VideoEncoder | type[VideoEncoder]
    weights: str
    open: Callable[[], AbstractContextManager[VideoEncoder]]


class StreamingEncoder:
    """Frames in, one by one; features out, in memory that holds the features and few frames.

    Windows are encoded, and cached by their frames, in chunks: so clips that share a part share its
    features. chunk: bytes of the frames of its windows. done(): called when `encoded` grows.

    layout: as of `LazyEncoder`. encoded: windows so far.
    """

    def __init__(
        self,
        encoder: VideoEncoder | LazyEncoder,
        *,
        cache: FeatureCache | None = None,
        chunk: int = CHUNK,
        done: Callable[[], None] = lambda: None,
        cancelled: CancelCheck | None = None,
    ) -> None:
        if isinstance(encoder, VideoEncoder):
            network = encoder
            encoder = LazyEncoder(network, fingerprint(network), lambda: nullcontext(network))
        self.layout, self._lazy = encoder.layout, encoder
        self._cache, self._cancelled = cache, cancelled
        self._chunk, self._report = chunk, done
        self._stack = ExitStack()
        self._encoder: VideoEncoder | None = None
        self._frames: list[Tensor] = []
        self._frame_bytes = 0
        self._first = 0  # number in the clip of the first frame that is held
        self._done: list[Tensor] = []
        self._rows = self.encoded = 0  # windows that `_done` holds

    @property
    def count(self) -> int:
        """Frames so far."""
        return self._first + len(self._frames)

    @property
    def held(self) -> int:
        """Bytes of the frames that are held."""
        return len(self._frames) * self._frame_bytes

    def add(self, frame: Tensor, times: int = 1) -> None:
        """The next `times` frames, uint8 [H, W, 3]."""
        self._frame_bytes = frame.numel()
        self._frames += [frame] * times

    def advance(self) -> None:
        """Encodes every whole chunk of windows that no later frame can change."""
        rows = self.layout.windows(self.count)
        settled, chunk = self._settled(rows), self._chunk_of(rows)
        while self._rows + chunk <= settled:
            self._encode(rows[self._rows : self._rows + chunk])
        if settled:
            spare = rows.shape[1] + round(_SPARE * self.layout.frame_request.fps)
            next_row = self._of_longer()[self._rows]
            needed = max(self._first, min(self.count - spare, int(next_row.min())))
            del self._frames[: needed - self._first]
            self._first = needed

    def finish(self, count: int | None = None) -> Features:
        """The features of the clip, which has `count` frames (None: all that were given).

        More than were given repeat the last; fewer by up to a second are cut off.
        """
        if not self.count:
            raise FoleyError(
                f"The {self.layout.stream} encoder was given no frames; pick a longer window."
            )
        count = self.count if count is None else max(1, count)
        self._frames += self._frames[-1:] * (count - self.count)
        del self._frames[count - self._first :]
        rows = self.layout.windows(count)
        self._rows = min(self._rows, self._settled(rows))
        if self._rows < len(rows) and int(rows[self._rows :].min()) < self._first:
            raise ValueError(f"A clip of {count} frames is more than a second shorter than read.")
        self._done = [torch.cat(self._done)[: self._rows]] if self._rows else []
        chunk = self._chunk_of(rows)
        while self._rows < len(rows):
            self._encode(rows[self._rows : self._rows + chunk])
        values = self.layout.join(torch.cat(self._done), count)
        self.close()
        return Features(values.unsqueeze(0).contiguous(), self.layout.rate)

    def close(self) -> None:
        """Lets the encoder and the frames go."""
        self._encoder = None
        self._frames = []
        self._stack.close()

    def _settled(self, rows: Tensor) -> int:
        """How many of the first windows are those of any longer clip."""
        later = self._of_longer()
        if later.shape[1] != rows.shape[1]:
            return 0
        same = (rows == later[: len(rows)]).all(1)
        return int(same.long().cumprod(0).sum())

    def _of_longer(self) -> Tensor:
        return self.layout.windows(2 * self.count + _LONGER)

    def _chunk_of(self, rows: Tensor) -> int:
        return max(1, self._chunk // (rows.shape[1] * self._frame_bytes))

    def _encode(self, rows: Tensor) -> None:
        first = int(rows.min())
        start = first - self._first
        frames = torch.stack(self._frames[start : start + int(rows.max()) - first + 1])
        rows = rows - first
        before = self._rows

        def compute() -> Features:
            if self._encoder is None:
                self._encoder = self._stack.enter_context(self._lazy.open())
            encoded = self._encoder.encode_windows(
                frames,
                rows,
                progress=lambda step, total: self._reached(before + step),
                cancelled=self._cancelled,
            )
            return Features(encoded, self.layout.rate)

        if self._cache is None:
            encoded = compute()
        else:
            request, weights = self.layout.frame_request, self._lazy.weights
            key = content_key(self.layout.stream, str(request), weights, frames, rows)
            encoded = self._cache.get(key, compute, len(rows))
        self._done.append(encoded.values)
        self._rows += len(rows)
        self._reached(self._rows)

    def _reached(self, windows: int) -> None:
        self.encoded = windows
        self._report()

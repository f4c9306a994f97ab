"""Models whose parts are loaded when they are used and let go before the next.

So a take needs the memory of its largest part, not of all of them.
"""

from __future__ import annotations

import abc
import contextlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from .encoders.base import Features, VideoEncoder
from .encoders.cache import FeatureCache, cache_of, content_key, file_fingerprint
from .encoders.gaze import Eye
from .encoders.video import encode_frames
from .heap import trim_heap
from .model_base import CancelCheck, Loading, Model, Progress
from .precision import compute_dtype


class ByPart(Protocol):
    """A file for each part."""

    def __getitem__(self, part: str, /) -> Path: ...


class StagedModel(Model):
    """A model of several files.

    looking: its video encoders by part, in the order in which they look. files: weights by part.
    What was encoded is kept in `cache`, and its encoder only loaded for what is new.
    """

    looking: Mapping[str, type[VideoEncoder]] = {}
    cache: FeatureCache

    def __init__(
        self, name: str, files: ByPart, device: str | torch.device, loading: Loading
    ) -> None:
        self.name, self.files, self.loading = name, files, loading
        self.device = torch.device(device)
        self.dtype = compute_dtype(loading.precision, device)
        self.cache = cache_of(loading.feature_cache)
        self._kept: dict[str, nn.Module] = {}

    @abc.abstractmethod
    def _load(self, part: str) -> nn.Module:
        """A part from its file, on its device."""

    @contextlib.contextmanager
    def using(self, part: str) -> Iterator[nn.Module]:
        """Beside the parts of every model: those of `looking`. An encoder stays until another part
        is used, since what saw a picture may have to read words next."""
        module = self._kept.get(part)
        if module is None:
            if not self.loading.keep:
                self._kept.clear()
                self._free()
            module = self._load(part)
            if self.loading.keep or part in self.looking:
                self._kept[part] = module
        try:
            yield module
        finally:
            del module
            if part not in self._kept:
                self._free()

    @property
    def eyes(self) -> Mapping[str, Eye]:
        return {part: self._eye(part) for part in self.looking}

    def _eye(self, part: str) -> Eye:
        return Eye(self.looking[part], self._weights(part), partial(self.using, part))

    def _weights(self, part: str) -> str:
        """A name for a part's weights as they are computed with."""
        return f"{file_fingerprint(self.files[part])} {self.dtype} {self.device.type}"

    def _seen(
        self,
        part: str,
        frames: Tensor | Features,
        progress: Progress | None,
        cancelled: CancelCheck | None,
    ) -> Tensor:
        """The stream [1, N, D] of frames, or of what was made of them."""
        if isinstance(frames, Features):
            return frames.values
        report = progress and partial(progress, "looking")
        features = encode_frames(
            frames, self._eye(part), cache=self.cache, progress=report, cancelled=cancelled
        )
        return features.values

    def _read(self, part: str, prompt: str, read: Callable[[nn.Module, str], Tensor]) -> Tensor:
        """The stream [1, N, D] that a part reads out of words."""

        def compute() -> Features:
            with self.using(part) as module:
                return Features(read(module, prompt), 0.0)

        return self.cache.get(content_key("words", self._weights(part), prompt), compute).values

    def _free(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        trim_heap()

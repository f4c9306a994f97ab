"""Sound on the disk while it is made, so that its length costs no memory."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from ..errors import FoleyError


class Spool:
    """Takes of a sound, float32 `[takes, C, samples]`, silent where nothing was written.

    It is a file without a name in the system's folder for temporary files (TMPDIR), which goes with
    the last tensor of it.
    """

    def __init__(self, takes: int, channels: int, samples: int) -> None:
        self._shape = takes, channels, samples
        with _writing():
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - it lives with its tensors
            self._file.truncate(4 * takes * channels * samples)

    def write(self, take: int, first: int, sound: Tensor) -> None:
        """Sound `[C, n]` of a take at sample `first`; what lies outside is left away."""
        _, channels, samples = self._shape
        low, high = max(0, -first), min(sound.shape[1], samples - first)
        if low >= high:
            return
        with _writing():
            for channel, row in enumerate(sound[:, low:high].float().cpu().contiguous()):
                place = (take * channels + channel) * samples + first + low
                self._file.seek(4 * place)
                self._file.write(row.numpy().tobytes())

    def waveforms(self, samples: int | None = None) -> Tensor:
        """`[takes, C, samples]`, mapped: read from the disk where it is looked at."""
        with _writing():
            self._file.flush()
            mapped = np.memmap(self._file, np.float32, "r+", shape=self._shape)
        return torch.from_numpy(mapped)[..., : self._shape[2] if samples is None else samples]


@contextlib.contextmanager
def _writing() -> Iterator[None]:
    """Errors of the disk as one sentence."""
    try:
        yield
    except OSError as error:
        raise FoleyError(
            f"A long take needs room in {tempfile.gettempdir()} ({error.strerror or error}): make "
            "some, or name another folder with TMPDIR."
        ) from error

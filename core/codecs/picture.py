"""A mel's latent as a picture, and as frames: what the codecs with 2-D autoencoders share."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from .tiling import crossfaded

# Part of a window that it shares with its neighbour.
OVERLAP = 0.05


def rows_to_frames(latent: Tensor) -> Tensor:
    """Latent picture `[B, C, F, N]` to frames `[B, N, C * F]`, the frequency row fastest."""
    return latent.permute(0, 3, 1, 2).flatten(2)


def frames_to_rows(frames: Tensor, rows: int) -> Tensor:
    """Frames `[B, N, C * rows]` to the latent picture `[B, C, rows, N]`."""
    return frames.unflatten(2, (-1, rows)).permute(0, 2, 3, 1)


def decode_picture(
    decode: Callable[[Tensor], Tensor], latent: Tensor, *, window: int, factor: int
) -> Tensor:
    """The mel `[B, n_mels, N * factor]` of a latent picture `[B, C, F, N]`.

    The networks' norms and attention span the whole picture, so no tile can be exact: up to
    `window` frames are decoded in one piece, more in windows that are cross-faded. What is beyond
    a window then no longer takes part in its norms.
    """
    overlap = max(1, round(window * OVERLAP))
    return crossfaded(decode, latent, window=window, overlap=overlap, per_frame=factor)

"""A mel's latent as a picture, and as frames: what the codecs with 2-D autoencoders share."""

from __future__ import annotations

from torch import Tensor

from .kl_vae import KLVAE
from .tiling import Progress, tiles

# Tiles of a length that is just too long for one piece.
TILES = 4


def rows_to_frames(latent: Tensor) -> Tensor:
    """Latent picture `[B, C, F, N]` to frames `[B, N, C * F]`, the frequency row fastest."""
    return latent.permute(0, 3, 1, 2).flatten(2)


def frames_to_rows(frames: Tensor, rows: int) -> Tensor:
    """Frames `[B, N, C * rows]` to the latent picture `[B, C, rows, N]`."""
    return frames.unflatten(2, (-1, rows)).permute(0, 2, 3, 1)


def decode_picture(
    vae: KLVAE, latent: Tensor, *, window: int, axis: int, progress: Progress | None = None
) -> Tensor:
    """The picture of a latent, whose time is `axis`: up to `window` frames in one piece.

    More are decoded in tiles with the same result: the norms get the statistics of the whole. That
    takes several times as long, so short sounds go in one piece. What attends (the coarsest level)
    is never cut: of it alone memory grows with the length, and time with its square.
    """
    if len(list(tiles(latent.shape[axis], window))) == 1:
        return vae.decode(latent)
    tile = max(1, window // TILES)
    return vae.decode_in_tiles(latent, tile=tile, axis=axis, progress=progress)


def moments_of_picture(
    vae: KLVAE, picture: Tensor, *, window: int, axis: int, progress: Progress | None = None
) -> Tensor:
    """What the encoder makes of a picture whose time is `axis`, in tiles beyond `window` latent
    frames, as `decode_picture`."""
    if len(list(tiles(picture.shape[axis] // vae.config.factor, window))) == 1:
        return vae.moments(picture)
    tile = max(1, window // TILES)
    return vae.moments_in_tiles(picture, tile=tile, axis=axis, progress=progress)

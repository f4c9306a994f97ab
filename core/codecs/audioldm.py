"""AudioLDM's codec, as MDSGen uses it: log-mel, 2-D autoencoder, HiFi-GAN (arXiv 2410.02130)."""

from __future__ import annotations

from ..weights.families import Shapes
from .hifigan import HIFIGAN_AUDIOLDM
from .kl_vae import AUDIOLDM_VAE, recognise_of
from .mel import AUDIOLDM_MEL
from .picture import PictureCodec, PictureCodecConfig


class AudioLDMCodec(PictureCodec):
    """16 kHz mono, 25 latent frames of 8 x 16 numbers a second, unscaled.

    A frame holds channel 0's 16 frequency rows, then channel 1's, ...; `frames_to_rows(latent, 16)`
    is the picture `[B, 8, 16, N]`, the transpose of the original's `[B, 8, N, 16]`.
    """

    name = "audioldm"
    config = PictureCodecConfig(AUDIOLDM_MEL, AUDIOLDM_VAE, HIFIGAN_AUDIOLDM, 1500)
    axis = 2


def recognise(shapes: Shapes) -> str | None:
    """Where AudioLDM's autoencoder of a mel, a picture of one channel, is: as `recognise_of`."""
    return recognise_of(AUDIOLDM_VAE.picture_channels, shapes)

"""Diff-Foley's and MDSGen's codec of a mel drawn as a picture: Stable Diffusion's autoencoder."""

from __future__ import annotations

from torch import Tensor

from ..weights.families import Shapes
from .kl_vae import IMAGE_VAE, recognise_of
from .mel import DIFF_FOLEY_MEL, FLOOR, unit_to_magnitudes
from .picture import PictureCodec, PictureCodecConfig

# The colour of the decoded picture that is the mel in MDSGen, green; Diff-Foley's is red, 0.
MEL_CHANNEL = 1


class ImageVAECodec(PictureCodec):
    """16 kHz mono, 7.8 latent frames of 4 x 16 numbers a second.

    The latent is the autoencoder's own; the generators work on 0.18215 times it. A frame holds
    channel 0's 16 frequency rows, then channel 1's, ...; `frames_to_rows(latent, 16)` is the
    original's picture `[B, 4, 16, N]`. A vocoder (none is published) takes natural-log magnitudes.
    """

    name = "image-vae"
    config = PictureCodecConfig(DIFF_FOLEY_MEL, IMAGE_VAE, None, 470)

    def _decoded_mel(self, picture: Tensor) -> Tensor:
        mel = picture[:, MEL_CHANNEL]
        if self.config.vocoder is None:
            return mel
        return unit_to_magnitudes(mel).clamp(min=FLOOR).log()


def recognise(shapes: Shapes) -> str | None:
    """Where Stable Diffusion's autoencoder, Diff-Foley's too, is: as `recognise_of`."""
    return recognise_of(IMAGE_VAE.picture_channels, shapes)

"""AudioLDM's codec, as MDSGen uses it: log-mel, 2-D autoencoder, HiFi-GAN (arXiv 2410.02130)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor, nn

from ..weights.families import Shapes
from .hifigan import HIFIGAN_AUDIOLDM, HiFiGAN, HiFiGANConfig
from .kl_vae import AUDIOLDM_VAE, KLVAE, KLVAEConfig, mean_and_logvar, recognise_of
from .mel import AUDIOLDM_MEL, MelConfig, mel_spectrogram
from .neural import GaussianCodec
from .picture import decode_picture, frames_to_rows, moments_of_picture, rows_to_frames
from .tiling import Progress, through


@dataclass(frozen=True)
class AudioLDMConfig:
    """Figures of the codec. `window`: most latent frames coded at once, a minute."""

    mel: MelConfig = AUDIOLDM_MEL
    vae: KLVAEConfig = AUDIOLDM_VAE
    vocoder: HiFiGANConfig = HIFIGAN_AUDIOLDM
    window: int = 1500


class AudioLDMCodec(GaussianCodec):
    """16 kHz mono, 25 latent frames of 8 x 16 numbers a second, unscaled.

    A frame holds channel 0's 16 frequency rows, then channel 1's, ...; `frames_to_rows(latent, 16)`
    is the picture (B, 8, 16, N), the transpose of the original's (B, 8, N, 16).
    """

    name = "audioldm"
    channels = 1
    parts = ("vae", "vocoder")

    def __init__(
        self,
        config: AudioLDMConfig | None = None,
        *,
        decode_only: bool = False,
        operations: Any = nn,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        self.config = c = config or AudioLDMConfig()
        made = {"operations": operations, "dtype": dtype, "device": device}
        self.decode_only = decode_only
        self.sample_rate = c.mel.sample_rate
        self.rows = c.mel.n_mels // c.vae.factor
        self.latent_dim = c.vae.latent_channels * self.rows
        self.samples_per_latent = c.vae.factor * c.mel.hop
        self.vae = KLVAE(c.vae, decode_only=decode_only, **made)
        self.vocoder = HiFiGAN(c.vocoder, **made)

    def _posterior(self, waveform: Tensor, progress: Progress | None) -> tuple[Tensor, Tensor]:
        mel = mel_spectrogram(waveform[:, 0], self.config.mel).to(self.compute_dtype)
        picture, window = mel.transpose(1, 2)[:, None], self.config.window
        moments = moments_of_picture(self.vae, picture, window=window, axis=2, progress=progress)
        mean, logvar = mean_and_logvar(moments)  # (B, 8, N, 16)
        mean, logvar = (rows_to_frames(x.transpose(2, 3)).float() for x in (mean, logvar))
        return mean, (logvar / 2).exp()

    def _decode(
        self, latent: Tensor, generator: Generator | None, progress: Progress | None
    ) -> Tensor:
        c = self.config
        picture = frames_to_rows(latent, self.rows).to(self.compute_dtype)
        # The autoencoder has time first.
        picture = decode_picture(
            self.vae, picture.transpose(2, 3), window=c.window, axis=2, progress=progress
        )
        mel = picture[:, 0].transpose(1, 2)
        return through(self.vocoder.sections(), mel, progress=progress)


def recognise(shapes: Shapes) -> str | None:
    """Where AudioLDM's autoencoder of a mel, a picture of one channel, is: as `recognise_of`."""
    return recognise_of(AUDIOLDM_VAE.picture_channels, shapes)

"""Diff-Foley's and MDSGen's codec of a mel drawn as a picture: Stable Diffusion's autoencoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor, nn

from ..weights.families import Shapes
from .hifigan import HiFiGAN, HiFiGANConfig
from .kl_vae import IMAGE_VAE, KLVAE, KLVAEConfig, mean_and_logvar, recognise_of
from .mel import DIFF_FOLEY_MEL, FLOOR, MelConfig, mel_spectrogram, sound_of_mel, unit_to_magnitudes
from .neural import GaussianCodec
from .picture import decode_picture, frames_to_rows, moments_of_picture, rows_to_frames
from .tiling import Progress, through

RED, GREEN, BLUE = range(3)


@dataclass(frozen=True)
class ImageVAEConfig:
    """Figures of the codec.

    `channel`: which colour of the decoded picture is the mel, green in MDSGen, red in Diff-Foley.
    `vocoder`: a HiFi-GAN on natural-log mel magnitudes (none is published); None is Griffin-Lim.
    `window`: most latent frames coded at once, a minute.
    """

    mel: MelConfig = DIFF_FOLEY_MEL
    vae: KLVAEConfig = IMAGE_VAE
    channel: int = GREEN
    vocoder: HiFiGANConfig | None = None
    window: int = 470


class ImageVAECodec(GaussianCodec):
    """16 kHz mono, 7.8 latent frames of 4 x 16 numbers a second.

    The latent is the autoencoder's own; the generators work on 0.18215 times it. A frame holds
    channel 0's 16 frequency rows, then channel 1's, ...; `frames_to_rows(latent, 16)` is the
    original's picture (B, 4, 16, N).
    """

    name = "image-vae"
    channels = 1

    def __init__(
        self,
        config: ImageVAEConfig | None = None,
        *,
        decode_only: bool = False,
        operations: Any = nn,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        self.config = c = config or ImageVAEConfig()
        made = {"operations": operations, "dtype": dtype, "device": device}
        self.decode_only = decode_only
        self.sample_rate = c.mel.sample_rate
        self.rows = c.mel.n_mels // c.vae.factor
        self.latent_dim = c.vae.latent_channels * self.rows
        self.samples_per_latent = c.vae.factor * c.mel.hop
        self.vae = KLVAE(c.vae, decode_only=decode_only, **made)
        if c.vocoder is not None:
            self.parts = ("vae", "vocoder")
            self.vocoder = HiFiGAN(c.vocoder, **made)

    def _posterior(self, waveform: Tensor, progress: Progress | None) -> tuple[Tensor, Tensor]:
        # Frames are centred on multiples of the hop: one sample less gives no frame too many.
        mel = mel_spectrogram(waveform[:, 0, :-1], self.config.mel).to(self.compute_dtype)
        picture = mel[:, None].expand(-1, self.config.vae.picture_channels, -1, -1)
        moments = moments_of_picture(
            self.vae, picture, window=self.config.window, axis=3, progress=progress
        )
        mean, logvar = (rows_to_frames(x).float() for x in mean_and_logvar(moments))
        return mean, (logvar / 2).exp()

    def _decode(
        self, latent: Tensor, generator: Generator | None, progress: Progress | None
    ) -> Tensor:
        c = self.config
        picture = frames_to_rows(latent, self.rows).to(self.compute_dtype)
        picture = decode_picture(self.vae, picture, window=c.window, axis=3, progress=progress)
        mel = picture[:, c.channel]
        if c.vocoder is None:
            return sound_of_mel(mel, c.mel, generator, progress=progress)[:, None]
        log_mel = unit_to_magnitudes(mel).clamp(min=FLOOR).log()
        return through(self.vocoder.sections(), log_mel, progress=progress)


def recognise(shapes: Shapes) -> str | None:
    """Where Stable Diffusion's autoencoder, Diff-Foley's too, is: as `recognise_of`."""
    return recognise_of(IMAGE_VAE.picture_channels, shapes)

"""What the codecs with 2-D autoencoders share: a mel as a picture, its latent as frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Generator, Tensor

from .hifigan import HiFiGAN, HiFiGANConfig
from .kl_vae import KLVAE, KLVAEConfig, mean_and_logvar
from .mel import MelConfig, mel_spectrogram, sound_of_mel
from .melgan import MelGAN, MelGANConfig
from .neural import NeuralCodec
from .tiling import Progress, through, tiles

# Tiles of a length that is just too long for one piece.
TILES = 4


def rows_to_frames(latent: Tensor) -> Tensor:
    """Latent picture `[B, C, F, N]` to frames `[B, N, C * F]`, the frequency row fastest."""
    return latent.permute(0, 3, 1, 2).flatten(2)


def frames_to_rows(frames: Tensor, rows: int) -> Tensor:
    """Frames `[B, N, C * rows]` to the latent picture `[B, C, rows, N]`."""
    return frames.unflatten(2, (-1, rows)).permute(0, 2, 3, 1)


@dataclass(frozen=True)
class PictureCodecConfig:
    """Config of a codec. `window`: most latent frames coded at once, a minute.

    `vocoder`: None where Griffin and Lim's method makes the sound of a decibel mel.
    """

    mel: MelConfig
    vae: KLVAEConfig
    vocoder: HiFiGANConfig | MelGANConfig | None
    window: int


class PictureCodec(NeuralCodec):
    """A mel `[B, n_mels, N]`, as a picture `[B, P, n_mels, N]` of equal channels, and a 2-D VAE.

    Up to a window of latent frames goes through the autoencoder in one piece. More go in tiles with
    the same result: the norms get the statistics of the whole. That takes several times as long, so
    short sounds go in one piece. What attends (the coarsest level) is never cut: of it alone memory
    grows with the length, and time with its square. `made`: as `Layers`.
    """

    channels = 1
    config: PictureCodecConfig
    # The autoencoder's axis of time: 3, or 2 where its pictures are transposed.
    axis = 3

    def __init__(
        self, config: PictureCodecConfig | None = None, *, decode_only: bool = False, **made: Any
    ) -> None:
        super().__init__()
        self.config = c = config or self.config
        self.decode_only = decode_only
        self.sample_rate = c.mel.sample_rate
        self.rows = c.mel.n_mels // c.vae.factor
        self.latent_dim = self.rows * (c.vae.latent_channels if c.vae.codes is None else 1)
        self.samples_per_latent = c.vae.factor * c.mel.hop
        self.token_codes = c.vae.codes
        self.vae = KLVAE(c.vae, decode_only=decode_only, **made)
        if isinstance(c.vocoder, MelGANConfig):
            self.vocoder: HiFiGAN | MelGAN = MelGAN(c.vocoder, **made)
        elif c.vocoder is not None:
            self.vocoder = HiFiGAN(c.vocoder, **made)
        self.parts = ("vae",) if c.vocoder is None else ("vae", "vocoder")

    def _posterior(self, waveform: Tensor, progress: Progress | None) -> tuple[Tensor, Tensor]:
        moments = mean_and_logvar(self._moments(waveform, progress))
        mean, logvar = (rows_to_frames(x).float() for x in moments)
        return mean, (logvar / 2).exp()

    def _decode(
        self, latent: Tensor, generator: Generator | None, progress: Progress | None
    ) -> Tensor:
        rows = self._transposed(self._rows(latent))
        tile = self._tile(latent.shape[1])
        picture = self.vae.decode(rows, tile=tile, axis=self.axis, progress=progress)
        mel = self._decoded_mel(self._transposed(picture))
        if self.config.vocoder is None:
            return sound_of_mel(mel, self.config.mel, generator, progress=progress)[:, None]
        return through(self.vocoder.sections(), mel, progress=progress)

    def _moments(self, waveform: Tensor, progress: Progress | None) -> Tensor:
        """What the encoder makes of `[B, 1, T]`: `[B, C, F, N]`."""
        c = self.config
        # Where frames are centred on multiples of the hop, one sample less gives no frame too many.
        waveform = waveform[:, 0, :-1] if c.mel.centred else waveform[:, 0]
        mel = self._encoded_mel(mel_spectrogram(waveform, c.mel)).to(self.compute_dtype)
        picture = self._transposed(mel[:, None].expand(-1, c.vae.picture_channels, -1, -1))
        tile = self._tile(mel.shape[2] // c.vae.factor)
        moments = self.vae.moments(picture, tile=tile, axis=self.axis, progress=progress)
        return self._transposed(moments)

    def _encoded_mel(self, mel: Tensor) -> Tensor:
        """The mel as the encoder takes it."""
        return mel

    def _rows(self, latent: Tensor) -> Tensor:
        """The latent picture `[B, C, F, N]` of frames."""
        return frames_to_rows(latent, self.rows).to(self.compute_dtype)

    def _decoded_mel(self, picture: Tensor) -> Tensor:
        """The mel that the vocoder takes, of a decoded picture `[B, P, n_mels, N]`."""
        return picture[:, 0]

    def _transposed(self, picture: Tensor) -> Tensor:
        return picture.transpose(2, 3) if self.axis == 2 else picture

    def _tile(self, n_frames: int) -> int | None:
        """Latent frames of a tile; None: they fit into one piece."""
        window = self.config.window
        return None if len(list(tiles(n_frames, window))) == 1 else max(1, window // TILES)

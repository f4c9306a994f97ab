"""Training of SpecMaskGIT's codec: a SpecVQGAN on HiFi-GAN's mel, on folders of sounds.

Source: SpecVQGAN (Iashin and Rahtu 2021, section 3.1) and the figures of its public training; that
SpecMaskGIT's has HiFi-GAN's mel says its paper (arXiv 2406.17672).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from ..codecs.kl_vae import KLVAE, SPECVQGAN_VAE
from ..codecs.mel import HIFIGAN_MEL_22K, mel_spectrogram
from ..codecs.specvqgan import LOG_RANGE, scaled_mel
from ..errors import FoleyError
from ..generators.specmaskgit import CODEC_VARIANT
from ..media import fit_length
from ..weights.schema import Count, Seconds
from .batches import device_of, on_device
from .genex_clips import CaptionedClip
from .genex_features import Maker, Row, features_of, sound_of
from .genex_shards import ShardRows
from .media_folders import as_folders, own_names, read_media, resized
from .perceptual import LPAPS, band_statistics
from .vqgan import reconstructed, taken

log = logging.getLogger(__name__)

MEL = HIFIGAN_MEL_22K
# Groups of norms cannot be read from a file, so they stay.
SIZES = ("channels", "blocks", "latent_channels", "attention_levels", "codes")
_LEAST_FRAMES = 32  # of what the discriminator can take
_EVALUATED = 4  # batches


@dataclass(frozen=True, kw_only=True)
class VQGANFigures:
    """Data, network and losses of a run.

    sounds: folders of sounds or videos. seconds: of a part that is kept; frames: of the crop of it
    that is trained on, from anywhere in it. codebook: weight of the quantiser's term that moves the
    codes; the one that moves the encoder has 1, as in the public code, while the paper has it the
    other way round. perceptual: the public file vggishish16.pt, "" for none.
    discriminator_from: its first step. network: sizes in place of SpecVQGAN's, see `SIZES`.
    """

    sounds: tuple[str, ...] = ()
    seconds: Seconds = 10.0
    frames: Count = 848
    batch: Count = 32
    codebook: float = 0.25
    perceptual: str = ""
    perceptual_weight: float = 1.0
    discriminator_weight: float = 0.8
    discriminator_from: Count = 30001
    network: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sounds", as_folders(self.sounds))
        if not self.sounds:
            raise FoleyError("The recipe needs 'sounds', folders of sounds or videos.")


class PatchDiscriminator(nn.Module):
    """Logits `[B, 1, h, w]`, above 0 for what is real, of patches of a picture `[B, 1, H, W]`
    (PatchGAN, arXiv 1611.07004)."""

    def __init__(self, width: int = 64, layers: int = 3) -> None:
        super().__init__()
        widths = [width * min(2**i, 8) for i in range(layers + 1)]
        steps: list[nn.Module] = [nn.Conv2d(1, width, 4, 2, 1), nn.LeakyReLU(0.2)]
        for i, (before, after) in enumerate(zip(widths, widths[1:]), 1):
            stride = 2 if i < layers else 1
            steps.append(nn.Conv2d(before, after, 4, stride, 1, bias=False))
            steps += [nn.BatchNorm2d(after), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*steps, nn.Conv2d(widths[-1], 1, 4, 1, 1))
        for layer in self.layers:
            if isinstance(layer, nn.Conv2d):
                nn.init.normal_(layer.weight, 0.0, 0.02)
            elif isinstance(layer, nn.BatchNorm2d):
                nn.init.normal_(layer.weight, 1.0, 0.02)

    def forward(self, picture: Tensor) -> Tensor:
        return self.layers(picture)


class VQGANSystem(nn.Module):
    """The autoencoder, and the discriminator, which is not kept."""

    def __init__(self, vae: KLVAE) -> None:
        super().__init__()
        self.vae, self.discriminator = vae, PatchDiscriminator()


class MelMaker(Maker):
    """Mels `[bands, N]` of parts, from -1 to 1; what is missing at the end is silence."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.figures = seconds, {}

    @property
    def about(self) -> dict[str, str]:
        """What the shards have to be made with."""
        low, high = LOG_RANGE
        mel = f"{MEL.n_mels} bands at {MEL.sample_rate} Hz, {low:.2f} to {high:.2f}"
        return {"mel": mel, "seconds": f"{self.seconds:g}"}

    def load(self) -> None:
        """Nothing is read."""

    def features(self, clip: CaptionedClip, start: float) -> Row:
        sound = sound_of(clip, start, self.seconds, MEL.sample_rate)
        whole = fit_length(sound, round(self.seconds * MEL.sample_rate))
        return {"mel": scaled_mel(mel_spectrogram(whole, MEL), MEL)[0]}


class VQGANTask:
    """Trains `VQGANSystem` on the shards of folders; those that are missing are written first.

    One optimizer trains both networks: neither's loss reaches the other's weights, so with Adam the
    sum of both losses does what two optimizers would.
    """

    def __init__(self, figures: VQGANFigures, cache: Path) -> None:
        """
        Raises:
            FoleyError: folders are missing or empty, sizes or lengths that do not fit, a
                perceptual network that cannot be read.
        """
        self.figures = figures
        self.config = resized(SPECVQGAN_VAE, figures.network, SIZES)
        if any(width % self.config.groups for width in self.config.channels):
            raise FoleyError(f"The 'channels' must be multiples of {self.config.groups}.")
        whole, factor = int(figures.seconds * MEL.sample_rate) // MEL.hop, self.config.factor
        if figures.frames % factor or not _LEAST_FRAMES <= figures.frames <= whole:
            raise FoleyError(
                f"The 'frames' of a crop must be a multiple of {factor} from {_LEAST_FRAMES} to "
                f"the {whole} of {figures.seconds:g} s, not {figures.frames}."
            )
        clips = read_media("sounds", figures.sounds)
        if figures.perceptual:
            # It is read before hours of mels are computed.
            LPAPS.load(Path(figures.perceptual), torch.zeros(MEL.n_mels), torch.ones(MEL.n_mels))
        maker = MelMaker(figures.seconds)
        paths: list[Path] = []
        for own, some in zip(own_names("sounds", figures.sounds), clips):
            paths += features_of(some, maker, cache / "mels" / own, maker.about)
        self.rows = ShardRows(paths, maker.about)
        self.perceptual = self._perceptual()

    def _perceptual(self) -> LPAPS | None:
        if not self.figures.perceptual:
            log.warning(
                "The recipe names no 'perceptual' network, so the loss goes without its "
                "perceptual term."
            )
            return None
        return LPAPS.load(Path(self.figures.perceptual), *band_statistics([self.rows]))

    def model(self) -> VQGANSystem:
        vae = KLVAE(self.config)
        codes = self.config.codes or 1
        nn.init.uniform_(vae.quantize.embedding.weight, -1 / codes, 1 / codes)
        return VQGANSystem(vae)

    def batch(
        self, step: int, rng: np.random.Generator, rows: np.ndarray | None = None
    ) -> dict[str, Tensor]:
        """Crops `picture` `[B, 1, bands, frames]`."""
        size, frames = self.figures.batch, self.figures.frames
        mels = self.rows.read(rng.choice(self.rows.train if rows is None else rows, size), "mel")
        starts = rng.integers(mels.shape[-1] - frames + 1, size=size)
        crops = [mel[:, start : start + frames] for mel, start in zip(mels, starts)]
        return {"picture": torch.stack(crops)[:, None]}

    def loss(
        self, model: VQGANSystem, batch: dict[str, Tensor], step: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Reconstruction, perceptual, quantiser's and, from its first step on, adversarial terms,
        and the discriminator's own loss."""
        figures, truth = self.figures, batch["picture"]
        made = reconstructed(model.vae, truth)
        error = F.l1_loss(made.picture, truth)
        loss = error + figures.codebook * made.codebook + made.commitment
        measures = {"error": error.detach(), "used": taken(made.ids, self.config.codes or 1).mean()}
        if self.perceptual is not None:
            distance = self.perceptual.to(truth.device)(made.picture, truth)
            loss = loss + figures.perceptual_weight * distance
            measures["perceptual"] = distance.detach()
        if step >= figures.discriminator_from:
            fooled = fooling_loss(model.discriminator, made.picture)
            told = telling_loss(model.discriminator, made.picture, truth)
            loss = loss + figures.discriminator_weight * fooled + told
            measures |= {"fooled": fooled.detach(), "told": told.detach()}
        return loss, measures

    @torch.no_grad()
    def evaluate(self, model: VQGANSystem) -> dict[str, float]:
        """Error and codes in use on files that are not trained on, always the same crops."""
        errors, used = [], []
        for k in range(_EVALUATED):
            batch = self.batch(10**9, np.random.default_rng([99, k]), self.rows.validation)
            truth = on_device(batch, device_of(model))["picture"]
            made = reconstructed(model.vae, truth)
            errors.append(float(F.l1_loss(made.picture, truth)))
            used.append(taken(made.ids, self.config.codes or 1))
        codes = torch.stack(used).amax(0).sum()
        return {"validation": float(np.mean(errors)), "codes": float(codes)}


def fooling_loss(discriminator: nn.Module, made: Tensor) -> Tensor:
    """What the autoencoder is to make small; the discriminator's weights get no gradients."""
    fixed = {name: value.detach() for name, value in discriminator.named_parameters()}
    return -functional_call(discriminator, fixed, (made,)).mean()


def telling_loss(discriminator: nn.Module, made: Tensor, truth: Tensor) -> Tensor:
    """The discriminator's hinge loss; what made the picture gets no gradients."""
    real, fake = discriminator(truth), discriminator(made.detach())
    return (F.relu(1 - real).mean() + F.relu(1 + fake).mean()) / 2


def codec_tensors(model: VQGANSystem) -> dict[str, Tensor]:
    """The autoencoder alone."""
    return model.vae.state_dict()


def codec_metadata(model: VQGANSystem) -> dict[str, str]:
    """What tells the file from one of the public codec, whose mel is another."""
    return {"family": "specvqgan", "variant": CODEC_VARIANT}

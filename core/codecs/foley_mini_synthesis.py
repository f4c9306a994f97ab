"""The mini codec's decoder: a network draws the fine structure, a few projections keep it honest.

The network refines magnitudes that the latent states linearly, splits them into a tonal and a noisy
part, gives the tonal one a phase and the noise an envelope of half a millisecond, sharp enough for
a click; an inverse STFT makes the waveform. Projections then bring its band levels to those of the
latent.
"""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .foley_mini_analysis import LATENT_DIM, LONG, SAMPLES_PER_LATENT, SHORT, View
from .spectral import istft, stft
from .tiling import tiled

N_FFT, HOP = SHORT.n_fft, SHORT.hop
N_BINS = N_FFT // 2 + 1
_FINE_RATIO = 4  # fine frames a latent frame: 125 a second
_SUB_FRAMES = SAMPLES_PER_LATENT // HOP // _FINE_RATIO  # spectra a fine frame
_GAINS = 16  # points of the noise's envelope a fine frame: half a millisecond each
_MAX_GAIN = 5.0  # natural log units
_STILL = 0.3  # log units of a gain that are no attack: else the frame rate would be audible
_AROUND = 49  # points: 24 ms
_GATHER = 1.3  # a little more than the network gives: frames smeared the attacks it was trained on
_STEADY = 0.4  # the same for the tonal part
_WAVER = 0.3  # log units
_LIMITED_AT_ONCE = 1 << 21  # samples
_MAX_CORRECTION = 3.0  # natural log units a projection may change a band


class Block(nn.Module):
    """ConvNeXt over time: depthwise convolution, norm, two-fold expansion, scaled residual."""

    def __init__(self, width: int, kernel: int = 7) -> None:
        super().__init__()
        self.depthwise = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width)
        self.norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, 2 * width)
        self.shrink = nn.Linear(2 * width, width)
        self.scale = nn.Parameter(torch.full((width,), 0.2))

    def forward(self, x: Tensor) -> Tensor:
        inner = self.depthwise(x.transpose(1, 2)).transpose(1, 2)  # [B, T, width]
        return x + self.scale * self.shrink(F.gelu(self.expand(self.norm(inner))))


class Synthesis(nn.Module):
    """Latent, its short view and white noise to a waveform."""

    def __init__(self, width: int = 192, coarse_blocks: int = 3, fine_blocks: int = 4) -> None:
        super().__init__()
        self.enter = nn.Linear(LATENT_DIM, width)
        self.coarse = nn.Sequential(*(Block(width) for _ in range(coarse_blocks)))
        self.unfold = nn.Linear(width, _FINE_RATIO * width)
        self.fine = nn.Sequential(*(Block(width) for _ in range(fine_blocks)))
        self.norm = nn.LayerNorm(width)
        self.leave = nn.Linear(width, _SUB_FRAMES * 4 * N_BINS)
        self.gains = nn.Linear(width, _GAINS)
        with torch.no_grad():
            self.leave.weight.mul_(0.3)
            self.gains.weight.mul_(0.3)
        self.register_buffer("spread", band_spread(SHORT), persistent=False)

    def body(self, latent: Tensor) -> tuple[Tensor, Tensor]:
        """`[B, N, D]` to four numbers a bin `[B, 4, N_BINS, N * 8]`, noise gains `[B, N * 64]`."""
        x = self.unfold(self.coarse(self.enter(latent)))
        x = self.fine(x.unflatten(2, (_FINE_RATIO, -1)).flatten(1, 2))  # [B, 4 N, width]
        x = self.norm(x)
        numbers = self.leave(x).unflatten(2, (_SUB_FRAMES, 4, N_BINS)).flatten(1, 2)
        return numbers.permute(0, 2, 3, 1), self.gains(x).flatten(1)

    def head(self, numbers: Tensor, gains: Tensor, short: Tensor, noise: Tensor) -> Tensor:
        """What `body` gave, the short log-mel `[B, 64, N * 8]`, noise `[B, T]` to `[B, T]`."""
        gains = gains.float().clamp(-_MAX_GAIN, _MAX_GAIN)[:, None]
        gains = gains - small(gains, _STILL)
        gains = F.interpolate(gains, size=noise.shape[1], mode="linear")[:, 0]
        noise = noise * torch.exp(gains)
        tone, cosine, sine, hiss = numbers.float().unbind(1)
        level = self.spread @ short  # [B, N_BINS, frames]: stated log magnitude
        angle = torch.complex(cosine, sine + 1e-4)
        angle = angle / angle.abs().clamp(min=1e-4)
        tonal = torch.exp((level + tone - 0.7).clamp(max=4.0)) * SHORT.norm * angle
        turns = torch.arange(N_BINS, device=noise.device)[:, None] * torch.arange(
            level.shape[2], device=noise.device
        )
        tonal = tonal * (1j ** (turns % 4).float())  # a bin's own frequency over one hop
        noisy = torch.exp((level + hiss - 0.7).clamp(max=4.0)) * stft(noise, N_FFT, HOP)
        return istft(tonal + noisy, N_FFT, HOP)

    def forward(self, latent: Tensor, short: Tensor, noise: Tensor) -> Tensor:
        """Latent `[B, N, D]`, short log-mel, white noise `[B, N * 1024]` to `[B, N * 1024]`.

        The noise's envelope is laid over the tonal part too, relative to its mean around: frames of
        16 ms smear a click, and this gathers it again.
        """
        numbers, gains = self.body(latent)
        curve = torch.exp(gains.clamp(-_MAX_GAIN, _MAX_GAIN))[:, None]
        around = F.avg_pool1d(curve, _AROUND, 1, _AROUND // 2, count_include_pad=False)
        relative = torch.log(curve / around)
        relative = relative - small(relative, _STEADY)
        relative = F.interpolate(_GATHER * relative, size=noise.shape[1], mode="linear")
        return self.head(numbers, gains, short, noise) * torch.exp(relative[:, 0])


def band_spread(view: View) -> Tensor:
    """Interpolation of band values over bins, `[n_fft/2 + 1, n_mels]`; rows sum to one."""
    filters = view.filters()
    weights = (filters / filters.max(1, keepdim=True).values).T
    total = weights.sum(1)
    empty = (total < 1e-3).nonzero()[:, 0]
    weights = weights / total[:, None].clamp(min=1e-3)
    weights[empty] = 0.0
    weights[empty, torch.where(empty < len(weights) // 2, 0, view.n_mels - 1)] = 1.0
    return weights


def calm(target: Tensor, view: View) -> Tensor:
    """Take the small wavering that latent frames leave out of a log-mel; keep its steps."""
    taps = (1.0, 2.0, 1.0) if view is LONG else (1.0, 2.0, 2.0, 2.0, 1.0)
    kernel = torch.tensor(taps, device=target.device)[None, None] / sum(taps)
    side = len(taps) // 2
    rows = F.pad(target.flatten(0, 1)[:, None], (side, side), mode="replicate")
    smooth = F.conv1d(rows, kernel).view_as(target)
    return target + small(smooth - target, _WAVER)


def small(x: Tensor, size: float) -> Tensor:
    """`x` where it is well under `size`, nothing where it is well over."""
    return x * torch.exp(-((x / size) ** 2))


def project(waveform: Tensor, target: Tensor, view: View) -> Tensor:
    """Scale the bands of `[B, T]` to the log-mel `target` `[B, n_mels, frames]` of `view`."""
    spectra = stft(waveform, view.n_fft, view.hop)
    bands = (view.filters().to(waveform) @ spectra.abs()) / view.norm
    gain = (target - torch.log(bands.clamp(min=1e-7))).clamp(-_MAX_CORRECTION, _MAX_CORRECTION)
    return istft(spectra * torch.exp(band_spread(view).to(waveform) @ gain), view.n_fft, view.hop)


def limit(waveform: Tensor, peak: float = 0.99, window: int = 129) -> Tensor:
    """Turn `[B, T]` down for a few milliseconds around whatever would exceed `peak`."""
    if waveform.shape[1] > _LIMITED_AT_ONCE:
        run = partial(limit, peak=peak, window=window)
        return tiled(run, waveform, tile=_LIMITED_AT_ONCE // 2, context=window)
    loudest = F.max_pool1d(waveform.abs()[:, None], window, 1, window // 2)
    gain = F.pad(peak / loudest.clamp(min=peak), (window // 2, window // 2), mode="replicate")
    return waveform * F.avg_pool1d(gain, window, 1)[:, 0].clamp(max=1.0)

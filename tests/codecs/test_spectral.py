"""Spectra: exact frame counts, exact inverse, filters of unit area, phases that converge."""

from __future__ import annotations

import pytest
import torch
from foleystage.core.codecs.spectral import griffin_lim, istft, mel_filters, random_phase, stft


@pytest.mark.parametrize(("n_fft", "hop"), [(2048, 512), (1024, 128), (512, 128), (256, 128)])
def test_istft_inverts_stft_and_frames_are_samples_over_hop(n_fft, hop):
    sound = torch.randn(2, 8192, generator=torch.Generator().manual_seed(0))
    spectra = stft(sound, n_fft, hop)
    assert spectra.shape == (2, n_fft // 2 + 1, 8192 // hop)
    torch.testing.assert_close(istft(spectra, n_fft, hop), sound, rtol=0, atol=1e-5)


def test_mel_filters_have_unit_area():
    filters = mel_filters(64, 2048, 32_000, 30.0)
    area = filters[20:].sum(1) * 32_000 / 2048
    torch.testing.assert_close(area, torch.ones_like(area), rtol=0.02, atol=0)


def test_griffin_lim_brings_magnitudes_near():
    sound = torch.randn(1, 8192, generator=torch.Generator().manual_seed(1))
    wanted = stft(sound, 1024, 256).abs()
    phase = random_phase(tuple(wanted.shape), torch.Generator().manual_seed(2))

    def error(iterations: int) -> float:
        out = griffin_lim(wanted, 1024, 256, iterations=iterations, phase=phase)
        return float((stft(out, 1024, 256).abs() - wanted).norm() / wanted.norm())

    assert error(16) < 0.5 * error(0)

"""Mels of any length, and back to a sound whose parts stay in their place."""

from __future__ import annotations

import pytest
import torch
from foleystage.core.codecs import mel

CONFIGS = [mel.MMAUDIO_MEL_16K, mel.AUDIOLDM_MEL, mel.SPECVQGAN_MEL, mel.DIFF_FOLEY_MEL]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: f"{c.n_mels}-{c.scale}")
def test_a_mel_made_in_pieces_is_that_of_the_whole(config, monkeypatch):
    wave = torch.randn(2, 16 * config.hop + 11, generator=torch.Generator().manual_seed(0))
    whole = mel.mel_spectrogram(wave, config)
    monkeypatch.setattr(mel, "PIECE", 5)
    torch.testing.assert_close(mel.mel_spectrogram(wave, config), whole)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: f"{c.n_mels}-{c.scale}")
def test_number_of_frames(config):
    wave = torch.zeros(1, 16 * config.hop + 11)
    assert mel.mel_spectrogram(wave, config).shape == (1, config.n_mels, 16 + config.centred)


def test_decibels_and_magnitudes_are_inverse_within_the_range():
    magnitudes = torch.logspace(-4, 1, 50)
    unit = mel.decibels_to_unit(20 * magnitudes.log10())
    torch.testing.assert_close(mel.unit_to_magnitudes(unit), magnitudes, rtol=1e-4, atol=0)
    assert unit[0] == 0 and unit[-1] == 1


def test_inverted_spectra_have_the_mel_they_were_made_from():
    config = mel.DIFF_FOLEY_MEL
    wave = torch.randn(1, 8191, generator=torch.Generator().manual_seed(0)) * 0.1
    magnitudes = mel.unit_to_magnitudes(mel.mel_spectrogram(wave, config))
    spectra = mel.linear_magnitudes(magnitudes, config)
    assert spectra.min() >= 0
    error = (config.filters() @ spectra - magnitudes).norm() / magnitudes.norm()
    assert error < 0.01


@pytest.mark.parametrize("click", [3000, 5100, 9001])
def test_a_click_comes_back_at_its_time(click):
    config = mel.DIFF_FOLEY_MEL
    wave = torch.zeros(1, 47 * config.hop)
    fade = torch.exp(-torch.arange(800) / 60)
    noise = torch.randn(800, generator=torch.Generator().manual_seed(1))
    wave[0, click : click + 800] = 0.5 * fade * noise
    unit = mel.mel_spectrogram(wave[:, :-1], config)
    got = mel.sound_of_mel(unit, config, torch.Generator().manual_seed(0))
    assert got.shape == wave.shape
    energy, wanted = (w[0].square().cumsum(0) for w in (got, wave))
    middle = int((energy > energy[-1] / 2).nonzero()[0])
    wanted_middle = int((wanted > wanted[-1] / 2).nonzero()[0])
    assert abs(middle - wanted_middle) < 0.004 * config.sample_rate


def test_griffin_lim_starts_from_the_generators_phases():
    config = mel.DIFF_FOLEY_MEL
    unit = torch.rand(1, 128, 12, generator=torch.Generator().manual_seed(0))
    sounds = [mel.sound_of_mel(unit, config, torch.Generator().manual_seed(n)) for n in (1, 1, 2)]
    assert torch.equal(sounds[0], sounds[1])
    assert not torch.equal(sounds[0], sounds[2])

"""The reference sound as AC-Foley's own code prepares it."""

from __future__ import annotations

import case as golden
import pytest
from foleystage.core.codecs.mel import MMAUDIO_MEL_44K, mel_spectrogram
from foleystage.core.media import fit_length
from foleystage.core.reference import normalize_peak

RATES = {"short_48k": 48000, "long_16k": 16000, "same_44k": 44100}


@pytest.mark.parametrize("name", RATES)
def test_mono_peak_rate_and_length_are_the_originals(name):
    case = golden.load("ac_foley_ref_audio")
    sound = case.input(name)
    peak = float(sound.mean(0).abs().max())
    wave = normalize_peak(sound, RATES[name], case.config["sample_rate"], peak)
    wave = fit_length(wave[0], case.config["samples"])
    assert case.error(f"{name}.wave_every_5th", wave[::5]) < case.tolerance
    if f"{name}.mel" in case.tensors:
        mel = mel_spectrogram(wave[None], MMAUDIO_MEL_44K)
        assert case.error(f"{name}.mel", mel) < case.tolerance

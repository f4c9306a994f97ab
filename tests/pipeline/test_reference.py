"""Reference sounds of AC-Foley: which part is encoded, and what cannot be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from family import seeded, tone
from foleystage.core.errors import FoleyError
from foleystage.core.media import write_audio
from foleystage.core.pipeline import generate
from foleystage.core.reference import ReferencePick, read_reference
from foleystage.core.request import Request
from foleystage.core.sounds import reference_spec

QUICK = Request(seconds=0.72, steps=2, loudness=None)


def encoded(system, reference, *pick):
    return system.encode_reference(reference, *pick)["audio"]


def test_windows_of_a_reference(ac_foley):
    sound = torch.cat([tone(3)[0], torch.randn(1, 3 * 44100, generator=seeded()) * 0.1], 1)
    first = encoded(ac_foley, (sound, 44100))
    assert first.shape == (1, 87, 40)
    later = encoded(ac_foley, (sound, 44100), ReferencePick(start=3.5))
    assert not torch.allclose(first, later, atol=1e-2)
    several = encoded(ac_foley, (sound, 44100), ReferencePick(windows=3))
    assert several.shape == (1, 3 * 87, 40)
    assert torch.allclose(several[:, :87], first, atol=1e-4)
    # No more windows than the sound is long.
    short = (sound[:, :44100], 44100)
    assert encoded(ac_foley, short, ReferencePick(windows=9)).shape[1] == 87


def test_an_hour_and_eight_channels_at_192_khz_are_read(ac_foley, tmp_path, monkeypatch):
    from foleystage.core import reference

    sound, rate = tone(1.0, 192_000, 8)
    write_audio(tmp_path / "wide.wav", sound.contiguous(), rate)
    assert encoded(ac_foley, tmp_path / "wide.wav").shape == (1, 87, 40)
    read = []
    monkeypatch.setattr(
        reference,
        "read_audio",
        lambda path, **how: read.append(how) or (torch.ones(1, 60 * 8000), 8000),
    )
    monkeypatch.setattr(reference, "mono_peak", lambda path: 1.0)
    pick = ReferencePick(start=1800.0)
    assert encoded(ac_foley, "hour.wav", pick).shape == (1, 87, 40)
    assert read[0]["seconds"] <= 60 and read[0]["start"] == 1800


def test_of_an_hour_in_memory_a_minute_is_read(ac_foley):
    sound = torch.zeros(1, 3600 * 4000)
    sound[:, 2000 * 4000 :] = tone(1600, 4000)[0].roll(7)
    spec, lengths = reference_spec(ac_foley.row), []

    def counting(waveform, *given):
        lengths.append(waveform.shape[-1])
        return spec.method.preprocess(waveform, *given)

    counted = replace(spec, method=replace(spec.method, preprocess=counting))
    windows = read_reference((sound, 4000), counted, ReferencePick(start=2000.0, windows=2))
    # The sound dies away, so the second window is silent.
    assert windows.shape == (1, 89088)
    assert lengths == [60 * 4000]
    with pytest.raises(FoleyError, match="silent in its first 2.02 s"):
        encoded(ac_foley, (sound, 4000))


def test_a_long_reference_is_levelled_by_its_peak_wherever_it_is(ac_foley, tmp_path):
    rate = 8000
    sound = 0.25 * torch.sin(torch.arange(70 * rate) * 0.5).repeat(2, 1)
    sound[0, 65 * rate] = 0.9
    sound[1, 65 * rate] = 0.7
    write_audio(tmp_path / "long.wav", sound, rate)
    spec, path = reference_spec(ac_foley.row), tmp_path / "long.wav"
    # Mixed to one channel the peak is 0.8, and it is brought to 0.95. The ends ring when resampled.
    for given, start in ((path, 0.0), ((sound, rate), 0.0), (path, 40.0)):
        windows = read_reference(given, spec, ReferencePick(start=start))
        loudest = float(windows[:, 2000:-2000].abs().max())
        assert loudest == pytest.approx(0.25 / 0.8 * 0.95, rel=0.01)


@pytest.mark.slow
def test_a_file_of_an_hour_is_read_where_it_is_encoded(ac_foley, tmp_path):
    import soundfile

    rng = np.random.default_rng(0)
    with soundfile.SoundFile(tmp_path / "hour.wav", "w", 8000, 1) as file:
        for minute in range(60):
            loud = 0.3 if minute == 50 else 0.0
            file.write(loud * rng.standard_normal(60 * 8000))
    pick = ReferencePick(start=50 * 60 + 5.0)
    assert encoded(ac_foley, tmp_path / "hour.wav", pick).shape == (1, 87, 40)
    with pytest.raises(FoleyError, match="silent"):
        encoded(ac_foley, tmp_path / "hour.wav")


@pytest.mark.parametrize(
    ("reference", "pick", "says"),
    [
        ((torch.zeros(1, 90000), 44100), ReferencePick(), "silent"),
        ((torch.ones(1, 3), 44100), ReferencePick(), "0 ms long"),
        (tone(2), ReferencePick(start=2.5), "2.00 s long"),
        (tone(2), ReferencePick(start=-1), "start earlier"),
        (tone(2), ReferencePick(windows=0), "windows"),
        ((torch.full((1, 44100), torch.nan), 44100), ReferencePick(), "not numbers"),
    ],
)
def test_references_that_cannot_be_used_are_refused(ac_foley, reference, pick, says):
    with pytest.raises(FoleyError, match=says):
        generate(None, ac_foley, replace(QUICK, reference=reference, pick=pick))

"""Sounds made faster, further and of changing volume, measured."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from foleystage.core.errors import FoleyError
from foleystage.core.training import effects

RATE = 16000


def tone(hertz: float, seconds: float = 1.0, level: float = 0.5) -> torch.Tensor:
    moments = torch.arange(round(seconds * RATE)).double() / RATE
    return (level * torch.sin(2 * torch.pi * hertz * moments)).float()[None]


def noise(seconds: float = 1.0, channels: int = 1) -> torch.Tensor:
    drawn = torch.randn(channels, round(seconds * RATE), generator=torch.Generator().manual_seed(0))
    return drawn * 0.1


def strongest_hertz(waveform: torch.Tensor) -> float:
    sound = waveform[0].numpy()
    return float(np.abs(np.fft.rfft(sound)).argmax() * RATE / len(sound))


def level_db(waveform: torch.Tensor) -> float:
    return 10 * float(waveform.double().square().mean().log10())


def treble_share(waveform: torch.Tensor) -> float:
    """Energy above 3 kHz as a share of all."""
    power = np.abs(np.fft.rfft(waveform[0].double().numpy())) ** 2
    return float(power[round(3000 * len(power) * 2 / RATE) :].sum() / power.sum())


def decay_seconds(waveform: torch.Tensor) -> float:
    """From all of the energy left to 30 dB less, of a sound that begins with a click."""
    left = waveform[0].double().flip(0).square().cumsum(0).flip(0)
    return int((left > left[0] * 1e-3).sum()) / RATE


@pytest.mark.parametrize("channels", [1, 2])
def test_silence_is_trimmed_at_both_ends_but_for_50_ms(channels):
    sound = torch.zeros(channels, 3 * RATE)
    sound[-1, RATE : 2 * RATE] = tone(440)[0] + 0.2
    sound[0, RATE // 2] = 1e-3  # 57 dB below the peak
    before = sound.clone()
    trimmed = effects.trim_silence(sound, RATE)
    margin = round(0.05 * RATE)
    assert torch.equal(trimmed, sound[:, RATE - margin : 2 * RATE + margin])
    assert torch.equal(sound, before)


def test_a_sound_without_silence_is_not_trimmed():
    assert torch.equal(effects.trim_silence(noise(), RATE), noise())


@pytest.mark.parametrize("sound", [torch.zeros(2, 100), torch.zeros(1, 0)])
def test_silence_alone_is_refused(sound):
    with pytest.raises(FoleyError, match="silent"):
        effects.trim_silence(sound, RATE)


@pytest.mark.parametrize("factor", [1.3, 0.7])
def test_speed_changes_length_and_pitch_by_its_factor(factor):
    changed = effects.change_speed(tone(1000), factor)
    assert changed.shape[1] == -(-RATE * 10 // round(factor * 10))
    assert strongest_hertz(changed) == pytest.approx(1000 * factor, abs=2)
    assert level_db(changed) == pytest.approx(level_db(tone(1000)), abs=0.1)


def test_what_faster_play_lifts_beyond_the_band_does_not_fold_back():
    assert level_db(effects.change_speed(tone(7000), 1.3)[:, 200:-200]) < -100


@pytest.mark.parametrize("factor", [0.0, -1.0, 1.25])
def test_a_speed_that_is_no_tenths_is_refused(factor):
    with pytest.raises(FoleyError, match="tenths"):
        effects.change_speed(tone(1000), factor)


@pytest.mark.parametrize("rising", [True, False])
def test_volume_goes_one_way_and_the_peak_stays(rising):
    sound = noise(2.0, channels=2)
    changed = effects.change_volume(sound, RATE, rising=rising)
    levels = [level_db(part) for part in changed.chunk(10, dim=1)]
    steps = np.diff(levels if rising else levels[::-1])
    assert (steps > 0).all()
    # Nine tenths of 20 dB from the first tenth to the last.
    assert abs(levels[-1] - levels[0]) == pytest.approx(18, abs=0.5)
    assert float(changed.abs().max()) == pytest.approx(float(sound.abs().max()), rel=1e-6)


def test_channels_keep_their_balance():
    sound = torch.cat((tone(440), 0.25 * tone(440)))
    for changed in (
        effects.change_volume(sound, RATE, rising=True),
        effects.change_speed(sound, 1.3),
    ):
        assert torch.allclose(changed[1], 0.25 * changed[0], atol=1e-5)


@pytest.fixture
def acoustics():
    return pytest.importorskip("pyroomacoustics", reason="pyroomacoustics is not installed")


@pytest.mark.parametrize("seed", range(3))
def test_further_decays_longer_and_has_less_treble_and_less_level(acoustics, seed):
    click = torch.zeros(1, RATE // 10)
    click[0, 10] = 0.8
    far, very_far = (
        effects.move_away(click, RATE, distance, np.random.default_rng(seed))
        for distance in (effects.FAR, effects.VERY_FAR)
    )
    assert decay_seconds(click) < 0.01
    assert 0.15 < decay_seconds(far) < 0.5 < 0.6 < decay_seconds(very_far) < 1.5
    shares = [treble_share(sound) for sound in (click, far, very_far)]
    assert shares[1] < 0.9 * shares[0] and shares[2] < 0.7 * shares[1]
    peaks = [float(sound.abs().max()) for sound in (click, far, very_far)]
    assert peaks[0] > 2 * peaks[1] > 8 * peaks[2]


@pytest.mark.parametrize("distance", [effects.FAR, effects.VERY_FAR])
def test_the_direct_sound_comes_first_where_it_was_and_as_strong_as_it_is_near(acoustics, distance):
    response, delay = effects.room_response(RATE, distance, np.random.default_rng(2))
    # Between two samples, a filter of fractional delay leaves 2/pi of it to either.
    direct = np.abs(response[delay - 1 : delay + 2]).max()
    assert 2 / np.pi < direct * distance.metres < 1
    assert np.abs(response[: delay - 20]).max() < 0.05 * np.abs(response).max()
    sound = torch.zeros(1, RATE)
    sound[0, 4000] = 0.9
    moved = effects.move_away(sound, RATE, distance, np.random.default_rng(2))
    assert moved.shape[1] == RATE + len(response) - 1 - delay
    before = moved[0, :3960].abs().max() / moved.abs().max()
    assert float(before) < 1e-3
    assert int(torch.nonzero(moved[0].abs() > 0.2 * moved.abs().max())[0]) in range(3995, 4006)


def test_source_and_microphone_stand_in_the_room_as_far_apart_as_said(acoustics, monkeypatch):
    placed = []
    real = acoustics.ShoeBox

    class Watched(real):
        def add_source(self, position):
            placed.append(("source", np.asarray(position), np.asarray(self.shoebox_dim)))
            return super().add_source(position)

        def add_microphone(self, position):
            placed.append(("microphone", np.asarray(position), np.asarray(self.shoebox_dim)))
            return super().add_microphone(position)

    monkeypatch.setattr(acoustics, "ShoeBox", Watched)
    for distance in (effects.FAR, effects.VERY_FAR):
        for seed in range(8):
            placed.clear()
            effects.room_response(2000, distance, np.random.default_rng(seed))
            (_, source, size), (_, microphone, _) = placed
            assert np.linalg.norm(source - microphone) == pytest.approx(distance.metres)
            for place in (source, microphone):
                assert (place >= 0.5 - 1e-9).all() and (place <= size - 0.5 + 1e-9).all()


def test_a_room_is_the_same_for_the_same_seed_and_leaves_the_library_as_it_was(acoustics):
    threads = acoustics.constants.get("num_threads")
    rooms = [
        effects.room_response(8000, effects.FAR, np.random.default_rng(seed))[0]
        for seed in (1, 1, 2)
    ]
    assert np.array_equal(rooms[0], rooms[1])
    assert len(rooms[0]) != len(rooms[2]) or not np.array_equal(rooms[0], rooms[2])
    assert acoustics.constants.get("num_threads") == threads


def test_without_pyroomacoustics_the_error_says_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyroomacoustics", None)
    with pytest.raises(FoleyError, match="pip install pyroomacoustics"):
        effects.move_away(noise(), RATE, effects.FAR, np.random.default_rng(0))

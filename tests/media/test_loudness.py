from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from foleystage.core.errors import FoleyError
from foleystage.core.media import (
    integrated_loudness,
    limit,
    normalize_loudness,
    true_peak,
)
from foleystage.core.media.loudness import k_weighted, k_weighting, limiter_reach
from scipy.signal import sosfilt


def sine(rate: int, seconds: float, hertz: float = 997.0, dbfs: float = 0.0) -> torch.Tensor:
    time = torch.arange(round(rate * seconds), dtype=torch.float64) / rate
    return (10 ** (dbfs / 20) * torch.sin(2 * math.pi * hertz * time))[None].float()


def hits(rate: int = 44100) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    time = torch.arange(rate) / rate
    one = torch.randn(rate, generator=generator) * torch.exp(-time * 60)
    return torch.cat([one, one, one])[None] * 0.05


def test_the_filter_has_the_published_coefficients_at_48_khz():
    shelf, high_pass = k_weighting(48000)
    assert shelf == pytest.approx(
        [
            1.53512485958697,
            -2.69169618940638,
            1.19839281085285,
            1,
            -1.69065929318241,
            0.73248077421585,
        ],
        abs=1e-9,
    )
    assert high_pass == pytest.approx([1, -2, 1, 1, -1.99004745483398, 0.99007225036621], abs=1e-9)


@pytest.mark.parametrize(
    ("rate", "most"), [(48000, 0.01), (44100, 0.01), (96000, 0.02), (22050, 0.04)]
)
def test_a_full_scale_sine_at_997_hz_is_minus_3_01_lufs(rate, most):
    assert integrated_loudness(sine(rate, 3.0), rate) == pytest.approx(-3.01, abs=most)


def test_two_equal_channels_are_3_01_louder_than_one():
    tone = sine(48000, 2.0, dbfs=-20)
    one, two = (integrated_loudness(tone.expand(c, -1), 48000) for c in (1, 2))
    assert two - one == pytest.approx(3.01, abs=0.01)


def test_the_surround_channels_weigh_more_and_the_bass_channel_nothing():
    tone, rate = sine(48000, 2.0, dbfs=-20), 48000
    alone = integrated_loudness(tone, rate)
    for channel, gain in ((0, 0.0), (4, 1.49)):
        sound = torch.zeros(6, tone.shape[1])
        sound[channel] = tone
        assert integrated_loudness(sound, rate) - alone == pytest.approx(gain, abs=0.01)
    bass = torch.zeros(6, tone.shape[1])
    bass[3] = tone
    assert integrated_loudness(bass, rate) == -math.inf


def test_minus_23_dbfs_in_stereo_is_minus_23_lufs():
    assert integrated_loudness(sine(48000, 20.0, 1000.0, -23.0).expand(2, -1), 48000) == (
        pytest.approx(-23.0, abs=0.1)
    )


def test_quiet_parts_are_gated_out():
    rate = 48000
    parts = [
        sine(rate, 10.0, 1000.0, -36),
        sine(rate, 60.0, 1000.0, -23),
        sine(rate, 10.0, 1000.0, -36),
    ]
    sound = torch.cat(parts, dim=1).expand(2, -1)
    assert integrated_loudness(sound, rate) == pytest.approx(-23.0, abs=0.1)


def test_silence_around_a_sound_does_not_change_its_loudness_much():
    tone = sine(48000, 3.0, dbfs=-20)
    padded = torch.nn.functional.pad(tone, (48000 * 5, 48000 * 5))
    assert integrated_loudness(padded, 48000) == pytest.approx(
        integrated_loudness(tone, 48000), abs=0.6
    )


@pytest.mark.parametrize("length", [1, 100, 10000])
def test_sounds_shorter_than_a_block_have_a_loudness(length):
    assert math.isfinite(integrated_loudness(torch.full((1, length), 0.5), 48000))


def test_silence_and_nothing_are_minus_infinity():
    assert integrated_loudness(torch.zeros(2, 48000), 48000) == -math.inf
    assert integrated_loudness(torch.zeros(1, 0), 48000) == -math.inf
    assert integrated_loudness(sine(48000, 1.0, dbfs=-90), 48000) == -math.inf


def test_true_peak_sees_between_the_samples():
    rate = 48000
    time = torch.arange(rate, dtype=torch.float64)
    tone = torch.sin(2 * math.pi * time / 4 + math.pi / 4)[None].float()
    tone = tone * torch.hann_window(rate)
    assert tone.abs().max() < 0.708
    assert true_peak(tone, rate) == pytest.approx(1.0, abs=0.005)


@pytest.mark.parametrize("target", [-30.0, -20.0, -16.0])
def test_normalising_reaches_the_target_where_the_peak_allows(target):
    tone = sine(44100, 2.0, dbfs=-40)
    got = normalize_loudness(tone, 44100, target)
    assert integrated_loudness(got, 44100) == pytest.approx(target, abs=0.05)


def test_normalising_never_passes_the_peak():
    sound = hits()
    got = normalize_loudness(sound, 44100, -5.0, limit_db=0.0)
    assert true_peak(got, 44100) == pytest.approx(10 ** (-1 / 20), rel=1e-3)
    ratio = got / sound.where(sound.abs() > 1e-6, torch.ones(()))
    kept = ratio[sound.abs() > 1e-6]
    assert (kept - kept[0]).abs().max() / kept[0].abs() < 1e-3  # one gain, no distortion


def test_sharp_peaks_give_way_to_the_loudness_as_far_as_they_may():
    sound = hits()
    whole = normalize_loudness(sound, 44100, -5.0, limit_db=0.0)
    limited = normalize_loudness(sound, 44100, -5.0, limit_db=6.0)
    assert true_peak(limited, 44100) <= 10 ** (-1 / 20) * 1.001
    gained = integrated_loudness(limited, 44100) - integrated_loudness(whole, 44100)
    assert 1.5 < gained <= 6.0
    quiet = whole.abs() < 0.02
    assert limited[quiet].abs().max() <= 2.001 * whole[quiet].abs().max()


def test_normalising_lowers_what_is_too_loud():
    got = normalize_loudness(sine(44100, 1.0) * 3, 44100)
    assert integrated_loudness(got, 44100) == pytest.approx(-20.0, abs=0.05)


def test_normalising_leaves_silence_and_does_not_blow_up_a_noise_floor():
    assert torch.equal(normalize_loudness(torch.zeros(1, 44100), 44100), torch.zeros(1, 44100))
    floor = sine(44100, 1.0, dbfs=-65)
    got = normalize_loudness(floor, 44100, max_gain_db=20.0)
    assert torch.allclose(got, floor * 10, rtol=1e-4)


def test_normalising_does_not_change_its_input():
    sound = hits()
    before = sound.clone()
    normalize_loudness(sound, 44100)
    limit(sound, 44100, 0.01)
    assert torch.equal(sound, before)


def test_the_limiter_holds_the_ceiling_and_leaves_the_rest():
    rate = 44100
    sound = sine(rate, 1.0, 200.0, -12.0)
    assert limit(sound, rate) is sound
    loud = sound.clone()
    loud[0, 20000:20050] *= 8
    got = limit(loud, rate, 0.98)
    assert got.abs().max() <= 0.98
    reach = limiter_reach(rate)
    for part in (slice(0, 20000 - reach), slice(20050 + reach, None)):
        assert torch.allclose(got[:, part], sound[:, part], atol=1e-6)


def test_the_limiter_turns_all_channels_down_alike():
    loud = torch.randn(2, 20000, generator=torch.Generator().manual_seed(0))
    got = limit(loud, 44100)
    gain = got / loud
    assert (gain[0] - gain[1]).abs().max() < 1e-4


def test_the_limiter_works_piece_by_piece():
    loud = torch.randn(1, 30000, generator=torch.Generator().manual_seed(0))
    whole, reach = limit(loud, 44100), limiter_reach(44100)
    piece = limit(loud[:, 10000 - reach : 20000 + reach], 44100)[:, reach:-reach]
    assert torch.allclose(piece, whole[:, 10000:20000], atol=1e-6)


@pytest.mark.parametrize("measure", [integrated_loudness, true_peak, normalize_loudness])
def test_nan_and_wrong_shapes_are_refused(measure):
    sound = torch.zeros(1, 44100)
    sound[0, 5] = math.nan
    with pytest.raises(FoleyError, match="NaN"):
        measure(sound, 44100)
    with pytest.raises(FoleyError, match="channels, samples"):
        measure(torch.zeros(44100), 44100)


@pytest.mark.parametrize("rate, samples", [(48000, 1), (4000, 30000), (44100, 200001)])
def test_the_filter_is_the_recursion_of_the_standard(rate, samples):
    noise = np.random.default_rng(0).standard_normal((2, samples)) + 0.5
    got = np.concatenate(list(k_weighted(noise, rate)), axis=-1)
    assert np.abs(got - sosfilt(k_weighting(rate), noise, axis=-1)).max() < 1e-9

"""The codec's training: repeatable batches, a loss that falls on the truth, a report with a bar."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from foleystage.core.codecs.foley_mini import FoleyMiniCodec
from foleystage.core.training.codec import CodecFigures, CodecTask, settle, sound_distances
from foleystage.core.training.codec_report import (
    PcaGriffinLim,
    fidelity,
    log_mel_distance,
    modulation_line,
    report_codec,
)
from foleystage.core.training.codec_sounds import training_sound

RATE = 32_000


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    figures = CodecFigures(clips=4, clip_seconds=1.0, crop_latents=8, batch=2)
    return CodecTask(figures, tmp_path_factory.mktemp("cache"))


def test_batches_depend_on_their_generator_only(task):
    first, again = (task.batch(0, np.random.default_rng(3)) for _ in range(2))
    assert all(torch.equal(first[k], again[k]) for k in first)
    assert not torch.equal(task.batch(0, np.random.default_rng(4))["waveform"], first["waveform"])


def test_loss_is_finite_and_reaches_every_weight_of_the_decoder(task):
    model = task.model()
    loss, metrics = task.loss(model, task.batch(0, np.random.default_rng(0)), 0)
    loss.backward()
    assert torch.isfinite(loss) and metrics["mel"] > 0
    for name, weight in model.named_parameters():
        assert weight.grad is not None and weight.grad.abs().sum() > 0, name


def test_energy_distance_is_nothing_for_the_truth_itself():
    sound = torch.randn(1, 8192, generator=torch.Generator().manual_seed(0))
    other = 0.1 * sound.roll(2000, 1)
    energy, bands = sound_distances(sound, sound, sound)
    assert float(energy) == 0.0 and float(bands) == 0.0
    assert float(sound_distances(sound, other, other)[0]) > 0.1


def test_settling_takes_the_pattern_of_steady_noise_away():
    torch.manual_seed(0)
    codec = FoleyMiniCodec()
    codec.analysis.load_state_dict(FoleyMiniCodec.load().analysis.state_dict())
    with torch.no_grad():
        codec.synthesis.gains.bias += torch.linspace(-1, 1, 16)
        settle(codec)
        latent = codec.encode(0.1 * torch.randn(1, 1, 65_536))
        gains = codec.synthesis.body(latent)[1]
    assert gains.unflatten(1, (-1, 16)).mean((0, 1)).abs().max() < 0.3


def test_training_sounds_are_bounded_and_repeat():
    for seed in range(12):
        sound = training_sound(1.0, RATE, np.random.default_rng(seed))
        assert np.isfinite(sound).all() and np.abs(sound).max() <= 1.0
        np.testing.assert_array_equal(sound, training_sound(1.0, RATE, np.random.default_rng(seed)))


def test_a_perfect_round_trip_scores_nothing():
    sound = torch.from_numpy(training_sound(2.0, RATE, np.random.default_rng(1)))
    score = fidelity(lambda x: x, [sound], RATE)
    assert score.mel == 0 and score.missed == 0 and score.onset_ms == 0


def test_a_delay_is_heard_as_an_onset_shift():
    rng = np.random.default_rng(2)
    sound = rng.normal(0, 1e-3, 2 * RATE).astype(np.float32)
    sound[RATE : RATE + 3200] += rng.normal(0, 0.3, 3200).astype(np.float32)
    score = fidelity(lambda x: x.roll(320, 1), [torch.from_numpy(sound)], RATE)
    assert score.onsets == 1
    assert abs(score.onset_ms - 10.0) <= 0.5


def test_a_buzz_stands_out_as_a_line():
    noise = np.random.default_rng(0).normal(0, 0.1, 8 * RATE)
    buzz = noise * (1 + 0.3 * np.sin(2 * np.pi * 62.5 * np.arange(len(noise)) / RATE))
    assert modulation_line(noise, RATE) < 8
    assert modulation_line(buzz, RATE) > 20


def test_log_mel_distance_of_half_the_level_is_ln_two():
    sound = torch.randn(16_384, generator=torch.Generator().manual_seed(0))
    assert abs(log_mel_distance(sound, 0.5 * sound, RATE) - np.log(2)) < 1e-3


def test_the_weight_free_codec_keeps_length():
    sounds = 0.1 * torch.randn(2, 16_384, generator=torch.Generator().manual_seed(0))
    rival = PcaGriffinLim(RATE, 8).fit([sounds])
    assert rival.encode(sounds).shape == (2, 16, 8)
    assert rival.decode(rival.encode(sounds)).shape == sounds.shape


@pytest.mark.slow
def test_the_bundled_codec_is_no_worse_than_the_weight_free_one():
    report = report_codec(FoleyMiniCodec.load(), clips=10, fit_clips=80)
    assert report.held.mel <= report.bar_held.mel
    assert report.noisy_mel <= report.bar_noisy_mel
    assert report.line_db <= report.input_line_db + 6
    assert report.held.missed <= 0.12 and report.held.finite

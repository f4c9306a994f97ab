"""The mini codec: a fixed encoder, a decoder that is finite, bounded, repeatable and on time."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from foleystage.core.codecs.foley_mini import FoleyMiniCodec
from foleystage.core.codecs.foley_mini_synthesis import limit
from foleystage.core.errors import FoleyError
from foleystage.core.training.codec_report import find_attacks, onset_shifts
from foleystage.core.training.codec_sounds import scene_sound

RATE = 32_000


@pytest.fixture(scope="module")
def codec():
    return FoleyMiniCodec.load()


def _scene(seed: int, seconds: float = 2.0) -> torch.Tensor:
    return torch.from_numpy(scene_sound(seconds, RATE, np.random.default_rng([15, seed])))


def _draws(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_rates_and_lengths(codec):
    latent = codec.encode(torch.zeros(2, 1, 10_000))
    assert codec.latent_rate == 31.25
    assert latent.shape == (2, 10, 32)
    assert codec.decode(latent).shape == (2, 1, 10_240)


def test_the_encoder_stays_as_generators_were_trained_on_it(codec):
    time = torch.arange(8192) / RATE
    sound = torch.sin(2 * torch.pi * 440 * time) * torch.exp(-8 * time)
    expected = torch.tensor(EXPECTED)
    torch.testing.assert_close(
        codec.encode(sound[None, None])[0, 2, :6], expected, atol=0.01, rtol=0
    )


def test_latents_of_scenes_are_about_standard(codec):
    latents = torch.cat([codec.encode(_scene(s)[None, None])[0] for s in range(24)])
    assert latents.mean().abs() < 0.2
    assert 0.6 < latents.std() < 1.4
    assert latents.abs().max() < 12


def test_decoding_repeats_and_the_generator_changes_the_noise(codec):
    latent = codec.encode(_scene(0)[None, None])
    first = codec.decode(latent)
    torch.testing.assert_close(codec.decode(latent), first, rtol=0, atol=0)
    assert (codec.decode(latent, generator=_draws(1)) - first).abs().max() > 1e-4


@pytest.mark.parametrize("scale", [0.0, 1.0, 20.0])
def test_any_latent_gives_finite_sound_within_full_scale(codec, scale):
    latent = scale * torch.randn(2, 20, 32, generator=_draws(0))
    out = codec.decode(latent)
    assert torch.isfinite(out).all()
    assert out.abs().max() <= 1.0


def test_silence_stays_below_hearing(codec):
    out = codec.decode(codec.encode(torch.zeros(1, 1, RATE)))
    assert out.square().mean().sqrt() < 1e-3


def test_attacks_come_out_within_five_milliseconds(codec):
    shifts, missed = [], []
    for seed in range(10):
        sound = _scene(seed)
        out = codec.decode(codec.encode(sound[None, None]))[0, 0, : len(sound)]
        one, gone = onset_shifts(sound.numpy(), out.numpy(), RATE)
        shifts += one
        missed += gone
    assert len(shifts) > 10
    assert np.median(shifts) <= 5.0
    assert np.mean(missed) <= 0.15


def test_long_sound_is_decoded_in_blocks_without_seams(codec, monkeypatch):
    latent = codec.encode(_scene(3, 4.0)[None, None])
    whole = codec.decode(latent)
    monkeypatch.setattr("foleystage.core.codecs.foley_mini.BLOCK", 32)
    torch.testing.assert_close(codec.decode(latent), whole, rtol=0, atol=1e-4)


def test_the_limiter_leaves_quiet_sound_alone_and_bounds_loud_sound():
    sound = torch.randn(1, 4000, generator=_draws(0))
    torch.testing.assert_close(limit(0.1 * sound), 0.1 * sound)
    assert limit(3.0 * sound).abs().max() <= 0.99 + 1e-5


def test_attacks_of_a_click_train_are_found_where_they_are():
    sound = np.random.default_rng(0).normal(0, 1e-3, RATE).astype(np.float32)
    for at in (8_000, 16_000, 24_000):
        sound[at : at + 1600] += np.random.default_rng(at).normal(0, 0.3, 1600)
    found = np.array(find_attacks(sound, RATE)) * 16
    assert np.abs(found - (8_000, 16_000, 24_000)).max() < 0.004 * RATE


def test_a_damaged_file_is_refused(tmp_path):
    path = tmp_path / "broken.safetensors"
    path.write_bytes(b"not weights")
    with pytest.raises(FoleyError, match="damaged"):
        FoleyMiniCodec.load(path)


EXPECTED = [-1.63, 0.7095, 3.527, -0.6421, 0.8079, -1.2112]

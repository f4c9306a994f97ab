"""The mel picture codec: sound to a small picture and back."""

from __future__ import annotations

import pytest
import torch
from foleystage.core.codecs.foley_mini_analysis import FEATURES
from foleystage.core.codecs.mel_picture import CHANNELS, ROWS, MelPicture, MelPictureCodec
from foleystage.core.errors import FoleyError
from foleystage.core.onsets.detect import detect_onsets
from foleystage.core.scenes import sample_scene
from foleystage.core.scenes.pairs import scene_sound
from foleystage.core.training.mel_picture import fit_mel_picture
from foleystage.core.weights.fill import fill_from
from foleystage.core.weights.minis import mini_path

RATE = 32000


@pytest.fixture(scope="module")
def codec():
    return MelPictureCodec.load()


@pytest.fixture(scope="module")
def sound():
    scene = sample_scene(1, "test", seconds=2.0, kinds=("hammer",))
    return torch.from_numpy(scene_sound(scene, RATE)[1])[None, None]


def test_shapes(codec, sound):
    latent = codec.encode(sound[..., :50000])
    assert latent.shape == (1, 49, CHANNELS * ROWS)
    assert codec.decode(latent).shape == (1, 1, 49 * 1024)


def test_a_round_trip_keeps_the_onsets(codec, sound):
    made = codec.decode(codec.encode(sound))[0]
    before, after = (detect_onsets(wave, RATE) for wave in (sound[0], made))
    assert len(before) and len(after) == len(before)
    assert abs(after - before).max() < 0.032  # a column of the picture


def test_latents_of_scenes_are_of_unit_size(codec, sound):
    latent = codec.encode(sound)
    assert 0.3 < float(latent.std()) < 3.0


def test_what_the_picture_can_hold_comes_back_exactly(codec):
    latent = torch.randn(2, 5, CHANNELS * ROWS, generator=torch.Generator().manual_seed(0))
    again = codec.picture(codec.picture.inverse(latent))
    assert torch.allclose(again, latent, atol=1e-3)


def test_a_row_holds_neighbouring_bands():
    picture = MelPicture()
    rows = torch.zeros(1, 1, FEATURES)
    rows[..., :2] = 1.0  # the lowest band of the long view
    cut = picture._cut(rows)
    assert float(cut[0, 0, 0].sum()) == 2 and float(cut[0, 0, 1:].sum()) == 0
    assert torch.equal(picture._joined(cut), rows)


@pytest.mark.slow
def test_the_bundled_picture_is_what_the_fit_gives():
    bundled = fill_from(MelPicture(), mini_path("mel_picture_codec"))
    fitted = fit_mel_picture()
    assert torch.allclose(fitted.mean, bundled.mean, atol=1e-3)
    assert torch.allclose(fitted.scale, bundled.scale, rtol=1e-3)


def test_another_file_is_refused():
    with pytest.raises(FoleyError, match="weights"):
        MelPictureCodec.load(mini_path("mini_video_encoder"))

"""The mini token codec: sound to ids and back."""

from __future__ import annotations

import pytest
import torch
from foleystage.core.codecs.mini_tokens import CODES, TOKEN_ROWS, MiniTokenCodec
from foleystage.core.errors import FoleyError
from foleystage.core.onsets.detect import detect_onsets
from foleystage.core.scenes import sample_scene
from foleystage.core.scenes.pairs import scene_sound
from foleystage.core.weights.minis import mini_path

RATE, COLUMN = 32000, 2048


@pytest.fixture(scope="module")
def codec():
    return MiniTokenCodec.load(mini_path("mini_token_codec"))


@pytest.fixture(scope="module")
def sound():
    scene = sample_scene(1, "test", seconds=2.0, kinds=("hammer",))
    return torch.from_numpy(scene_sound(scene, RATE)[1])[None, None]


def test_ids_are_columns_of_rows(codec, sound):
    ids = codec.encode(sound[..., :50000])
    assert ids.shape == (1, 25, TOKEN_ROWS) and ids.dtype == torch.int64
    assert 0 <= ids.min() and ids.max() < CODES
    assert codec.decode(ids).shape == (1, 1, 25 * COLUMN)
    assert codec.samples_per_latent == COLUMN and codec.latent_dim == TOKEN_ROWS


def test_a_round_trip_keeps_the_onsets(codec, sound):
    made = codec.decode(codec.encode(sound))[0]
    before, after = (detect_onsets(wave, RATE) for wave in (sound[0], made))
    assert len(before) and len(after) == len(before)
    assert abs(after - before).max() < 0.064


def test_the_lowest_row_is_the_lowest_band(codec):
    noise = torch.randn(1, 1, RATE, generator=torch.Generator().manual_seed(0)) / 5
    loud, silent = codec.encode(noise), codec.encode(torch.zeros(1, 1, RATE))

    def middle(row):
        """The frequency that half of the energy is below, where one row is of noise."""
        ids = silent.clone()
        ids[..., row] = loud[..., row]
        power = torch.fft.rfft(codec.decode(ids)[0, 0]).abs().square().cumsum(0)
        return int((power < power[-1] / 2).sum())

    middles = [middle(row) for row in range(TOKEN_ROWS)]
    assert middles == sorted(middles) and middles[0] < 500 < 3000 < middles[-1]


@pytest.mark.parametrize(
    "ids",
    [torch.full((1, 4, 4), CODES), torch.full((1, 4, 4), -1), torch.zeros(1, 4, 4)],
    ids=["behind the last", "below 0", "no whole numbers"],
)
def test_what_is_no_id_is_refused(codec, ids):
    with pytest.raises(FoleyError, match="must be whole numbers from 0 to 1023"):
        codec.decode(ids)


def test_weights_of_another_codec_are_refused():
    with pytest.raises(FoleyError, match="not a file of this model"):
        MiniTokenCodec.load(mini_path("foley_mini_codec"))

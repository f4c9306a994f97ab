"""CLAP texts and sounds: from a model folder, any length and rate, unit vectors."""

from __future__ import annotations

import pytest
import torch
from foleystage.core.encoders.clap import Clap
from foleystage.core.errors import Cancelled, FoleyError
from safetensors.torch import save_file

transformers = pytest.importorskip("transformers")
SMALL = {
    "text_config": {
        "vocab_size": 8,
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "projection_dim": 8,
        "pad_token_id": 0,
    },
    "audio_config": {
        "patch_embeds_hidden_size": 8,
        "hidden_size": 64,
        "depths": [1, 1, 1, 1],
        "num_attention_heads": [1, 1, 1, 1],
        "projection_dim": 8,
    },
    "projection_dim": 8,
}


@pytest.fixture(scope="module")
def original():
    torch.manual_seed(0)
    return transformers.ClapModel(transformers.ClapConfig(**SMALL)).eval()


@pytest.fixture
def folder(tmp_path, original, vocabulary):
    tensors = {k: v.clone().contiguous() for k, v in original.state_dict().items()}
    save_file(tensors, tmp_path / "model.safetensors")
    return vocabulary(tmp_path)


@torch.no_grad()
def test_text_is_what_transformers_gives(folder, original):
    ids = torch.tensor([[2, 3, 4]])
    want = original.get_text_features(input_ids=ids, attention_mask=torch.ones_like(ids))
    want = want if isinstance(want, torch.Tensor) else want.pooler_output
    got = Clap.load(folder, config=SMALL).encode_text(["a metal hit"])
    assert torch.allclose(got, want, atol=1e-5)
    assert got.norm(dim=-1).item() == pytest.approx(1, abs=1e-4)


@pytest.mark.slow
def test_sounds_of_any_length_and_rate_become_one_unit_vector(folder):
    model = Clap.load(folder, config=SMALL)
    for seconds, rate, channels in ((0.01, 8000, 1), (3, 44100, 2), (21.5, 16000, 1)):
        noise = torch.randn(
            channels, int(seconds * rate), generator=torch.Generator().manual_seed(1)
        )
        features = model.encode_audio(noise, rate)
        assert features.shape == (1, 8)
        assert features.norm().item() == pytest.approx(1, abs=1e-4)
        assert torch.equal(features, model.encode_audio(noise, rate))


@pytest.mark.parametrize(
    ("sound", "message"),
    [(torch.zeros(1, 0), "at least one sample"), (torch.full((1, 9), torch.nan), "NaN")],
)
def test_sounds_without_content_are_refused(folder, sound, message):
    with pytest.raises(FoleyError, match=message):
        Clap.load(folder, config=SMALL).encode_audio(sound, 48000)


def test_cancelling_stops_before_the_next_piece(folder):
    with pytest.raises(Cancelled):
        Clap.load(folder, config=SMALL).encode_audio(
            torch.zeros(1, 100), 48000, cancelled=lambda: True
        )


def test_a_file_is_not_a_folder(folder):
    with pytest.raises(FoleyError, match="not a folder"):
        Clap.load(folder / "model.safetensors", config=SMALL)

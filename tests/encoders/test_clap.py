"""CLAP texts and sounds: from a model folder, any length and rate, unit vectors."""

from __future__ import annotations

import pytest
import torch
from foleystage.core.encoders.clap import Clap, recognise
from foleystage.core.encoders.clap_keys import sizes
from foleystage.core.errors import Cancelled, FoleyError
from foleystage.core.weights.load import read_shapes
from safetensors.torch import save_file
from small_clap import CLAP

transformers = pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def original():
    torch.manual_seed(0)
    return transformers.ClapModel(transformers.ClapConfig(**CLAP)).eval()


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
    got = Clap.load(folder, config=CLAP).encode_text(["a metal hit"])
    assert torch.allclose(got, want, atol=1e-5)
    assert got.norm(dim=-1).item() == pytest.approx(1, abs=1e-4)


@pytest.mark.slow
def test_sounds_of_any_length_and_rate_become_one_unit_vector(folder):
    model = Clap.load(folder, config=CLAP)
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
        Clap.load(folder, config=CLAP).encode_audio(sound, 48000)


def test_cancelling_stops_before_the_next_piece(folder):
    with pytest.raises(Cancelled):
        Clap.load(folder, config=CLAP).encode_audio(
            torch.zeros(1, 100), 48000, cancelled=lambda: True
        )


def in_laion_names(tensors):
    """A state of transformers' model as LAION stores it, with what transformers has no use for."""
    renames = (
        ("audio_model.audio_encoder.", "audio_branch."),
        ("text_model.", "text_branch."),
        ("batch_norm.", "bn0."),
        ("projection.linear1.", "projection.0."),
        ("projection.linear2.", "projection.2."),
    )
    inside = (
        ("attention.self.", "attn."),
        ("attention.output.dense.", "attn.proj."),
        ("intermediate.dense.", "mlp.fc1."),
        ("output.dense.", "mlp.fc2."),
        ("layernorm_before.", "norm1."),
        ("layernorm_after.", "norm2."),
    )
    stored = {}
    for key, value in tensors.items():
        if ".blocks." in key and (".key." in key or ".value." in key):
            continue
        if ".blocks." in key and ".query." in key:
            parts = (key.replace(".query.", f".{part}.") for part in ("query", "key", "value"))
            value = torch.cat([tensors[part] for part in parts])
            key = key.replace(".query.", ".qkv.")
        for new, old in (*renames, *(inside if ".blocks." in key else ())):
            key = key.replace(new, old)
        stored[key] = value
    return stored


@torch.no_grad()
def test_laions_own_file_gives_the_same_features(folder, original, tmp_path):
    state = {f"module.{k}": v for k, v in in_laion_names(original.state_dict()).items()}
    state["module.audio_branch.spectrogram_extractor.stft.conv_real.weight"] = torch.zeros(3)
    state["module.audio_branch.layers.0.blocks.0.attn_mask"] = torch.zeros(2)
    state["module.audio_transform.sequential.0.weight"] = torch.zeros(3)
    state["module.text_branch.embeddings.position_ids"] = torch.zeros(1, 3, dtype=torch.int64)
    torch.save({"epoch": 15, "name": "x", "state_dict": state}, tmp_path / "laion.pt")
    path = tmp_path / "laion.pt"
    assert recognise(read_shapes(path)) == "laion"
    laion = Clap.load(path, config=CLAP, tokenizer=folder)
    plain = Clap.load(folder, config=CLAP)
    noise = torch.randn(1, 48000, generator=torch.Generator().manual_seed(0))
    sounds = [model.encode_audio(noise, 48000) for model in (laion, plain)]
    texts = [model.encode_text(["a metal hit"]) for model in (laion, plain)]
    assert torch.allclose(*sounds, atol=1e-6) and torch.allclose(*texts, atol=1e-6)


def test_sizes_are_those_of_the_file(original):
    found = sizes(original.state_dict())
    assert found["audio_config"] == CLAP["audio_config"]
    assert found["projection_dim"] == 8 and sizes({}) == {}


def test_weights_of_another_model_are_refused(folder):
    save_file({"a": torch.zeros(1)}, folder / "model.safetensors")
    with pytest.raises(FoleyError, match="model.safetensors lacks weights"):
        Clap.load(folder, config=CLAP)

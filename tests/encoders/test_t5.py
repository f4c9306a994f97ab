"""T5 text features: from a folder or one file, padded with zeros, cut at 128 tokens."""

from __future__ import annotations

import pytest
import torch
from foleystage.core.encoders.t5 import TOKENS, T5Text
from foleystage.core.errors import FoleyError
from safetensors.torch import save_file

transformers = pytest.importorskip("transformers")
SMALL = {"d_model": 16, "d_kv": 4, "d_ff": 32, "num_layers": 2, "num_heads": 2, "vocab_size": 8}


@pytest.fixture(scope="module")
def whole():
    """A small encoder-decoder, as the public file holds one."""
    torch.manual_seed(0)
    return transformers.T5ForConditionalGeneration(transformers.T5Config(**SMALL)).eval()


@pytest.fixture
def folder(tmp_path, whole, vocabulary):
    tensors = {k: v.clone() for k, v in whole.state_dict().items()}
    save_file(tensors, tmp_path / "model.safetensors")
    return vocabulary(tmp_path)


@torch.no_grad()
def test_features_are_those_of_the_encoder_half(folder, whole):
    model = T5Text.load(folder, config=SMALL)
    ids, mask = torch.tensor([[2, 3, 4, 0]]), torch.tensor([[1, 1, 1, 0]])
    want = whole.encoder(input_ids=ids, attention_mask=mask)[0]
    got = model.encode_ids(ids, mask)
    assert torch.allclose(got[:, :3], want[:, :3], atol=1e-6)
    assert not got[:, 3].any()


def test_prompts_are_padded_with_zeros_to_128_tokens(folder):
    features = T5Text.load(folder, config=SMALL).encode_text(["a metal hit", "dog", ""])
    assert features.shape == (3, TOKENS, 16) and features.dtype == torch.float32
    assert features[0, :3].any(-1).all() and not features[0, 3:].any()
    assert not features[2].any()


def test_long_prompts_are_cut(folder):
    assert T5Text.load(folder, config=SMALL).encode_text(["hit " * 500]).shape[1] == TOKENS


def test_one_file_needs_a_vocabulary(tmp_path, folder):
    alone = tmp_path / "alone"
    alone.mkdir()
    (folder / "model.safetensors").rename(alone / "t5.safetensors")
    with pytest.raises(FoleyError, match="holds no tokenizer"):
        T5Text.load(alone / "t5.safetensors", config=SMALL)
    assert T5Text.load(alone / "t5.safetensors", config=SMALL, tokenizer=folder).tokenizer


@pytest.mark.parametrize("place", ["named", "cache", "models/foley", "models/foleystage"])
def test_one_file_finds_the_vocabulary_that_was_downloaded(
    tmp_path, folder, vocabulary, place, monkeypatch
):
    """As ComfyUI keeps t5-base, with this pack's folder beside that of text encoders."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("FOLEYSTAGE_MODELS", raising=False)
    encoders = tmp_path / "models" / "text_encoders"
    encoders.mkdir(parents=True)
    (folder / "model.safetensors").rename(encoders / "t5-base.safetensors")
    with pytest.raises(FoleyError, match="holds no tokenizer.* from huggingface.co/google-t5/t5-b"):
        T5Text.load(encoders / "t5-base.safetensors", config=SMALL)
    where = {"named": "named", "cache": "home/foleystage/models"}.get(place, place)
    if place == "named":
        monkeypatch.setenv("FOLEYSTAGE_MODELS", str(tmp_path / "named"))
    vocabulary(tmp_path / where / "t5_base")
    found = T5Text.load(encoders / "t5-base.safetensors", config=SMALL)
    given = T5Text.load(encoders / "t5-base.safetensors", config=SMALL, tokenizer=folder)
    assert torch.equal(found.encode_text(["metal hit"]), given.encode_text(["metal hit"]))


def test_base_has_the_public_size():
    assert sum(p.numel() for p in T5Text(device="meta").parameters()) == 109_628_544

"""V-JEPA 2 against its golden cases, from both layouts of its files, at any length."""

from __future__ import annotations

import case as golden
import pytest
import torch
from foleystage.core.encoders.vjepa2 import VJepa2
from foleystage.core.errors import FoleyError
from safetensors.torch import save_file

pytest.importorskip("transformers")


def original_names(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The same weights as the original files name and fuse them."""
    renames = {"encoder.": "module.backbone.", "layer.": "blocks.", ".attention.": ".attn."}
    renames |= {"embeddings.patch_embeddings": "patch_embed", "layernorm": "norm"}
    out = {}
    for key, value in tensors.items():
        if ".attention.key" in key or ".attention.value" in key:
            continue
        if ".attention.query" in key:
            parts = [tensors[key.replace("query", name)] for name in ("query", "key", "value")]
            key, value = key.replace("query", "qkv"), torch.cat(parts)
        for old, new in renames.items():
            key = key.replace(old, new)
        out[key] = value
    return out


@torch.no_grad()
@pytest.mark.parametrize("layout", ["transformers", "original", "checkpoint"])
def test_matches_the_reference(layout, tmp_path):
    case = golden.load("vjepa2")
    tensors = case.state_dict()
    path = tmp_path / "vjepa2.safetensors"
    if layout == "transformers":
        tensors["predictor.proj.weight"] = torch.zeros(2, 2)
        save_file(tensors, path)
    elif layout == "original":
        save_file(original_names(tensors), path)
    else:
        path = tmp_path / "vitl.pt"
        torch.save({"encoder": original_names(tensors), "predictor": {}, "epoch": 3}, path)
    model = VJepa2.load(path, crop=48, heads=3)
    frames = case.input("pixel_values_videos")
    assert case.error("last_hidden_state", model.encoder(frames)[0]) < case.tolerance
    assert case.error("tubelet_tokens", model.encode_segments(frames)) < case.tolerance


def test_full_size_has_the_public_keys_and_shapes():
    case = golden.load("vjepa2_full")
    built = {k: list(v.shape) for k, v in VJepa2(device="meta").state_dict().items()}
    assert built == {k: v for k, v in case.shapes().items() if k.startswith("encoder.")}
    count = sum(p.numel() for p in VJepa2(device="meta").parameters())
    assert count == case.info["encoder_parameters"]


@pytest.mark.parametrize(
    ("width", "inner", "blocks", "heads", "parameters"),
    [(1280, 5120, 32, 16, 631.6), (1408, 6144, 40, 22, 1012.2)],
)
def test_larger_sizes_have_the_published_parameters(width, inner, blocks, heads, parameters):
    config = {"hidden_size": width, "num_attention_heads": heads, "num_hidden_layers": blocks}
    model = VJepa2({**config, "mlp_ratio": inner / width}, device="meta")
    assert sum(p.numel() for p in model.parameters()) / 1e6 == pytest.approx(parameters, abs=0.06)


@pytest.fixture(scope="module")
def small():
    torch.manual_seed(0)
    config = {"crop_size": 32, "hidden_size": 32, "num_attention_heads": 1}
    return VJepa2({**config, "num_hidden_layers": 1, "frames_per_clip": 64}).eval()


@pytest.mark.parametrize(("frames", "tokens"), [(1, 1), (2, 1), (3, 2), (64, 32), (65, 33)])
def test_a_clip_of_any_length_has_a_token_for_every_two_frames(small, frames, tokens):
    values = small.encode(torch.zeros(frames, 32, 32, 3, dtype=torch.uint8)).values
    assert values.shape == (1, tokens, 32)


def test_another_file_is_refused(tmp_path):
    save_file({"blocks.0.norm1.weight": torch.zeros(4)}, tmp_path / "other.safetensors")
    with pytest.raises(FoleyError, match="other.safetensors lacks weights"):
        VJepa2.load(tmp_path / "other.safetensors")

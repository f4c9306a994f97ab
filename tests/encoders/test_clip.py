"""DFN5B CLIP against its golden cases, from every layout of its files."""

from __future__ import annotations

import case as golden
import pytest
import torch
from foleystage.core.encoders import base
from foleystage.core.encoders.clip import ClipConfig, DFN5BClip
from foleystage.core.errors import FoleyError
from foleystage.core.weights.load import read_weights
from safetensors.torch import save_file


def config_of(case: golden.Case) -> ClipConfig:
    figures = case.config["constructor"]
    vision, text = figures["vision_cfg"], figures["text_cfg"]
    return ClipConfig(
        embed_dim=figures["embed_dim"],
        image_size=vision["image_size"],
        patch_size=vision["patch_size"],
        vision_width=vision["width"],
        vision_layers=vision["layers"],
        vision_head=vision["head_width"],
        context=text["context_length"],
        vocabulary=text["vocab_size"],
        text_width=text["width"],
        text_layers=text["layers"],
        text_heads=text["heads"],
    )


def check(case: golden.Case, model: DFN5BClip) -> None:
    image = case.input("image")
    hidden = model.encode_ids(case.input("token_ids"))
    hidden = hidden[:, :: hidden.shape[1] // (case.tensors["text_hidden"].shape[1] - 1)]
    errors = {
        "image_features": case.error("image_features", model.encode_images(image)),
        "image_features_unnormalised": case.error(
            "image_features_unnormalised", model.visual(image)
        ),
        "text_hidden": case.error("text_hidden", hidden),
    }
    assert max(errors.values()) < case.tolerance, errors


def transformers_names(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The same weights as transformers' CLIPModel saves them, written from its own key list."""
    out = {}
    towers = {
        "visual.transformer.resblocks.": "vision_model",
        "transformer.resblocks.": "text_model",
    }
    plain = {
        "visual.class_embedding": "vision_model.embeddings.class_embedding",
        "visual.positional_embedding": "vision_model.embeddings.position_embedding.weight",
        "visual.conv1.weight": "vision_model.embeddings.patch_embedding.weight",
        "positional_embedding": "text_model.embeddings.position_embedding.weight",
        "token_embedding.weight": "text_model.embeddings.token_embedding.weight",
    }
    norms = {
        "visual.ln_pre": "vision_model.pre_layrnorm",
        "visual.ln_post": "vision_model.post_layernorm",
        "ln_final": "text_model.final_layer_norm",
    }
    inner = {"ln_1": "layer_norm1", "ln_2": "layer_norm2", "mlp.c_fc": "mlp.fc1"}
    inner |= {"mlp.c_proj": "mlp.fc2", "attn.out_proj": "self_attn.out_proj"}
    for key, value in tensors.items():
        start = next((s for s in towers if key.startswith(s)), None)
        if start:
            number, rest = key[len(start) :].split(".", 1)
            layer = f"{towers[start]}.encoder.layers.{number}"
            if ".in_proj_" in rest:
                for part, name in zip(value.chunk(3), "qkv"):
                    out[f"{layer}.self_attn.{name}_proj.{rest.rsplit('_', 1)[1]}"] = part.clone()
            else:
                name, kind = rest.rsplit(".", 1)
                out[f"{layer}.{inner[name]}.{kind}"] = value
        elif key == "visual.proj":
            out["visual_projection.weight"] = value.T.contiguous()
        elif key == "text_projection":
            out["text_projection.weight"] = value.T.contiguous()
        elif key in plain:
            out[plain[key]] = value
        elif key == "logit_scale":
            out[key] = value
        else:
            name, kind = key.rsplit(".", 1)
            out[f"{norms[name]}.{kind}"] = value
    return out


@pytest.fixture(scope="module")
def case():
    return golden.load("dfn5b_clip_small")


def saved(folder, tensors):
    path = folder / "clip.safetensors"
    save_file({k: v.contiguous() for k, v in tensors.items()}, path)
    return path


@torch.no_grad()
def test_matches_the_reference(case):
    model = DFN5BClip(config_of(case))
    model.load_state_dict(case.state_dict())
    check(case, model)


LAYOUTS = ["open_clip", "transformers", "nested", "text apart", "scale of one"]


def in_layout(layout, tensors):
    if layout == "transformers":
        tensors = transformers_names(tensors)
        tensors["text_model.embeddings.position_ids"] = torch.arange(77)[None]
    elif layout == "nested":
        tensors = {f"module.{k}": v for k, v in tensors.items()}
    elif layout == "text apart":
        whole = ("visual.", "logit_scale")
        tensors = {k if k.startswith(whole) else f"text.{k}": v for k, v in tensors.items()}
    elif layout == "scale of one":
        tensors["logit_scale"] = tensors["logit_scale"].reshape(1)
    return tensors


@torch.no_grad()
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_of_the_file_gives_the_same(case, layout, tmp_path):
    check(case, DFN5BClip.load(saved(tmp_path, in_layout(layout, case.state_dict()))))


@pytest.fixture
def tensors_read(monkeypatch):
    """Keys of the files that are read from now on."""
    keys = set()

    def read(*given, **options):
        tensors = read_weights(*given, **options)
        keys.update(tensors)
        return tensors

    monkeypatch.setattr(base, "read_weights", read)
    return keys


@torch.no_grad()
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_half_is_the_whole_bit_for_bit_and_reads_no_more(case, layout, tmp_path, tensors_read):
    tensors = in_layout(layout, case.state_dict())
    path = saved(tmp_path, tensors)
    whole = DFN5BClip.load(path)
    image, ids = case.input("image"), case.input("token_ids")
    tensors_read.clear()

    visual = DFN5BClip.load(path, half="visual")
    read = set(tensors_read)
    assert torch.equal(visual.encode_images(image), whole.encode_images(image))
    tensors_read.clear()
    text = DFN5BClip.load(path, half="text")
    assert torch.equal(text.encode_ids(ids), whole.encode_ids(ids))

    assert not read & tensors_read and read | tensors_read == tensors.keys()
    built = visual.state_dict().keys(), text.state_dict().keys()
    assert not built[0] & built[1] and built[0] | built[1] == whole.state_dict().keys()
    assert (visual.width, visual.rate) == (whole.width, whole.rate)


@pytest.mark.parametrize("layout", ["open_clip", "transformers"])
def test_a_half_says_what_it_lacks(case, layout, tmp_path):
    path = saved(tmp_path, in_layout(layout, case.state_dict()))
    visual, text = (DFN5BClip.load(path, half=half) for half in ("visual", "text"))
    with pytest.raises(FoleyError, match="Only the visual half of CLIP is loaded; load its text"):
        visual.encode_text(["a metal hit"])
    with pytest.raises(FoleyError, match="Only the text half of CLIP is loaded; load its visual"):
        text.encode(torch.zeros(2, 384, 384, 3, dtype=torch.uint8))


@pytest.mark.parametrize("half", ["visual", "text"])
def test_a_half_refuses_a_file_of_another_model(case, half, tmp_path):
    tensors = case.state_dict()
    other = {"visual": "visual.conv2.weight", "text": "ln_initial.weight"}[half]
    with pytest.raises(FoleyError, match=f"clip.safetensors has unknown weights .{other}"):
        DFN5BClip.load(saved(tmp_path, {**tensors, other: torch.zeros(2)}), half=half)
    with pytest.raises(FoleyError, match=r"unknown weights \(decoder.weight"):
        DFN5BClip.load(saved(tmp_path, {**tensors, "decoder.weight": torch.zeros(2)}), half=half)
    start = {"visual": "visual.", "text": "transformer."}[half]
    lacking = {k: v for k, v in tensors.items() if not k.startswith(start)}
    with pytest.raises(FoleyError, match="lacks weights"):
        DFN5BClip.load(saved(tmp_path, lacking), half=half)


def test_transformers_names_are_those_that_transformers_uses(case):
    transformers = pytest.importorskip("transformers")
    config = config_of(case)
    text = {"hidden_size": config.text_width, "num_hidden_layers": config.text_layers}
    text |= {"intermediate_size": 4 * config.text_width, "vocab_size": config.vocabulary}
    vision = {"hidden_size": config.vision_width, "num_hidden_layers": config.vision_layers}
    vision |= {"intermediate_size": 4 * config.vision_width, "image_size": config.image_size}
    both = transformers.CLIPConfig(
        text_config={**text, "num_attention_heads": 2},
        vision_config={**vision, "patch_size": config.patch_size, "num_attention_heads": 2},
        projection_dim=config.embed_dim,
    )
    with torch.device("meta"):
        theirs = transformers.CLIPModel(both).state_dict()
    ours = transformers_names(DFN5BClip(config, device="meta").state_dict())
    shapes = {k: v.shape for k, v in theirs.items() if not k.endswith("position_ids")}
    assert {k: v.shape for k, v in ours.items()} == shapes


def test_full_size_has_the_public_keys_and_shapes():
    shapes = golden.load("dfn5b_clip").shapes()
    built = DFN5BClip(device="meta").state_dict()
    assert {k: list(v.shape) for k, v in built.items()} == shapes


@pytest.mark.slow
@torch.no_grad()
def test_full_size_matches_the_reference():
    case = golden.load("dfn5b_clip")
    model = DFN5BClip(device="meta")
    model.load_state_dict(case.state_dict(), assign=True)
    check(case, model)


def test_another_model_is_refused_by_its_keys(tmp_path):
    path = saved(tmp_path, {"blocks.0.weight": torch.zeros(2)})
    with pytest.raises(FoleyError, match=r"clip.safetensors lacks weights \(.*, \.\.\.\)"):
        DFN5BClip.load(path)


def test_a_frame_becomes_one_vector_whatever_the_batch(case):
    model = DFN5BClip(config_of(case))
    model.load_state_dict(case.state_dict())
    model.frame_request = DFN5BClip.frame_request.__class__(fps=8.0, size=130)
    frames = torch.randint(0, 256, (5, 130, 130, 3), dtype=torch.uint8)
    whole = model.encode(frames)
    steps = []
    one = model.encode(frames, memory=1, progress=lambda step, total: steps.append((step, total)))
    assert whole.values.shape == (1, 5, 64) and whole.rate == 8.0
    assert torch.allclose(whole.values, one.values, atol=1e-5)
    assert steps == [(n, 5) for n in range(1, 6)]

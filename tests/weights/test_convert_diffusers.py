"""A folder of Stable Audio as diffusers keeps it becomes the public file, to the bit."""

from __future__ import annotations

import json
import re

import case as golden
import pytest
import torch
from foleystage.cli import main
from foleystage.core.codecs.oobleck import Oobleck, OobleckConfig
from foleystage.core.diffusers_folder import read_folder
from foleystage.core.errors import FoleyError
from foleystage.core.generators.stable_audio import StableAudio
from foleystage.core.generators.stable_audio_checkpoint import own_name, recognise
from foleystage.core.weights.files import read_metadata
from foleystage.core.weights.load import read_weights
from procedural import randn
from safetensors.torch import save_file

HEAD = {"attention_head_dim": 64}
WEIGHTS = "diffusion_pytorch_model.safetensors"
NORMS = {"pre_norm": "norm1", "cross_attend_norm": "norm2", "ff_norm": "norm3"}
ENDS = {"to_timestep_embed": "timestep_proj", "to_global_embed": "global_proj"}
ENDS |= {"to_cond_embed": "cross_attention_proj", "timestep_features": "time_proj"}
UNIT = ["snake1", "conv1", "snake2", "conv2"]


def as_transformer(public):
    """The golden case's network as StableAudioDiTModel's weights, by a mapping of our own."""
    made = {}
    for key, value in public.items():
        key = key.removeprefix("model.model.")
        if "inv_freq" in key:
            continue
        if match := re.fullmatch(r"transformer\.layers\.(\d+)\.(\w+)\.(.+)", key):
            block, part, rest = f"transformer_blocks.{match[1]}", match[2], match[3]
            if part in NORMS:
                made[f"{block}.{NORMS[part]}.{'weight' if rest == 'gamma' else 'bias'}"] = value
            elif part == "ff":
                made[f"{block}.ff.net.{rest.removeprefix('ff.')}"] = value
            elif rest in ("to_qkv.weight", "to_kv.weight"):
                name, letters = ("attn1", "qkv") if "qkv" in rest else ("attn2", "kv")
                size = len(value) // len(letters)
                for number, letter in enumerate(letters):
                    piece = value[number * size : (number + 1) * size].clone()
                    made[f"{block}.{name}.to_{letter}.weight"] = piece
            else:
                name = "attn1" if part == "self_attn" else "attn2"
                made[f"{block}.{name}.{rest.replace('to_out.', 'to_out.0.')}"] = value
            continue
        first, _, rest = key.removeprefix("transformer.").partition(".")
        name = ENDS.get(first, first.replace("project_", "proj_"))
        made[f"{name}.{rest}"] = value[:, 0] if name == "time_proj" else value
    return made


def as_projection(public):
    names = {"seconds_start": "start_number_conditioner", "seconds_total": "end_number_conditioner"}
    made = {}
    for key, value in public.items():
        number, place = re.fullmatch(
            r"conditioner\.conditioners\.(\w+)\.embedder\.embedding\.(.+)", key
        ).groups()
        made[f"{names[number]}.time_positional_embedding.{place}"] = value
    return made


def as_vae(public, blocks=5):
    """Layers of a half: first, blocks, snake, last; of a block as they stand in the network."""
    order = {
        "encoder": ["res_unit1", "res_unit2", "res_unit3", "snake1", "conv1"],
        "decoder": ["snake1", "conv_t1", "res_unit1", "res_unit2", "res_unit3"],
    }
    made = {}
    for key, value in public.items():
        half, rest = key.removeprefix("pretransform.model.").split(".layers.", 1)
        number, *inner = rest.split(".layers.")
        leaf = key.rsplit(".", 1)[1]
        number = int(number.split(".")[0])
        if number in (0, blocks + 1, blocks + 2):
            name = {0: "conv1", blocks + 1: "snake1", blocks + 2: "conv2"}[number]
        else:
            part = order[half][int(inner[0].split(".")[0])]
            name = f"block.{number - 1}.{part}"
            if len(inner) > 1:
                name += f".{UNIT[int(inner[1].split('.')[0])]}"
        snake = leaf in ("alpha", "beta")
        made[f"{half}.{name}.{leaf}"] = value[None, :, None] if snake else value
    return made


@pytest.fixture(scope="module")
def public():
    """The golden tensors; the numbers' width is that of the reduced network."""
    network = golden.load("stable_audio_dit").state_dict()
    timing = {}
    for key, value in golden.load("sa_number_conditioner").state_dict().items():
        timing[key] = value[:64].clone() if key.endswith(("1.weight", "1.bias")) else value
    return network, timing, golden.load("oobleck_vae").state_dict()


def write(folder, network, timing, vae, config=HEAD):
    for part, tensors in (
        ("transformer", as_transformer(network)),
        ("projection_model", as_projection(timing)),
        ("vae", as_vae(vae)),
    ):
        (folder / part).mkdir(parents=True)
        tensors = {key: value.contiguous() for key, value in tensors.items()}
        save_file(tensors, folder / part / WEIGHTS, {"format": "pt"})
    (folder / "transformer" / "config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture
def folder(public, tmp_path):
    return write(tmp_path / "stable-audio-1.0", *public)


def test_the_public_file_comes_out_to_the_bit(folder, public):
    assert main(["convert", str(folder)]) == 0
    path = folder.with_name("stable-audio-1.0.safetensors")
    made, expected = read_weights(path), {k: v for part in public for k, v in part.items()}
    assert made.keys() == expected.keys()
    for key, value in expected.items():
        assert torch.equal(made[key], value), key
    about = read_metadata(path)
    assert about["family"] == "stable_audio"
    assert (about["source"], about["licence"]) == ("unknown", "unknown")


@torch.no_grad()
def test_its_networks_have_the_golden_outputs(folder):
    tensors, files = read_folder(folder)
    assert files[0] == folder / "transformer" / WEIGHTS and len(files) == 3
    case = golden.load("stable_audio_dit")
    net = StableAudio(recognise({k: tuple(v.shape) for k, v in tensors.items()}, {})).eval()
    net.load_state_dict({own_name(k): v for k, v in tensors.items() if own_name(k)})
    x = case.input("x")
    prepared = net.conditioned(
        case.input("cross_attn_cond"), case.input("global_embed"), x.shape[-1]
    )
    v = net(x.transpose(1, 2), torch.tensor([0.15, 0.85]), prepared).transpose(1, 2)
    assert case.error("v", v) < case.tolerance
    codec = golden.load("oobleck_vae")
    vae = Oobleck(OobleckConfig(channels=8, latent_dim=8)).eval()
    vae.load_state_dict(Oobleck.public_state(tensors))
    # The case's input and output of the same name: `input` would give the output.
    audio = randn("oobleck_vae.audio", (1, 2, 20480)) * 0.3
    assert codec.error("encoder_out", vae.moments(audio)) < codec.tolerance
    assert codec.error("audio", vae.decode(codec.input("z"))) < codec.tolerance


def test_pieces_halves_and_variants_are_read(folder, public):
    transformer = folder / "transformer"
    whole = read_weights(transformer / WEIGHTS)
    (transformer / WEIGHTS).unlink()
    for number, keys in enumerate((list(whole)[::2], list(whole)[1::2])):
        piece = transformer / f"diffusion_pytorch_model-0000{number + 1}-of-00002.safetensors"
        save_file({key: whole[key].clone() for key in keys}, piece)
    (folder / "vae" / WEIGHTS).rename(folder / "vae" / "diffusion_pytorch_model.fp16.safetensors")
    out = folder.with_name("half.safetensors")
    assert main(["convert", str(folder), "-o", str(out), "--dtype", "float16"]) == 0
    made = read_weights(out)
    whole = {key for key, value in made.items() if value.dtype != torch.float16}
    assert whole == {"model.model.transformer.rotary_pos_emb.inv_freq"}  # computed, and small
    key = "model.model.transformer.layers.1.self_attn.to_qkv.weight"
    assert torch.equal(made[key], public[0][key].half())
    piece.unlink()
    with pytest.raises(FoleyError, match="transformer misses a piece of its weights: download"):
        read_folder(folder)


def change(folder, part, **tensors):
    path = folder / part / WEIGHTS
    stored = {k: v.clone() for k, v in read_weights(path).items()}
    stored |= {key.replace("__", "."): value for key, value in tensors.items()}
    save_file({key: value for key, value in stored.items() if value is not None}, path)


@pytest.mark.parametrize(
    ("part", "tensors", "says"),
    [
        ("transformer", {"transformer_blocks__0__norm1__bias": torch.ones(128)}, "norms that shif"),
        ("transformer", {"eyes__weight": torch.ones(2)}, "transformer does not fit .* 'eyes.weig"),
        ("transformer", {"transformer_blocks__0__attn1__to_k__weight": None}, "attn.to_k.weight"),
        ("projection_model", {"text_projection__weight": torch.ones(2)}, "the width of texts"),
        ("projection_model", {"number__weight": torch.ones(2)}, "does not fit Stable Audio at"),
        ("vae", {"encoder__block__0__gate__weight": torch.ones(2)}, "'encoder.block.0.gate.weight"),
        ("vae", {"quant_conv__weight": torch.ones(2)}, "vae does not fit .*'quant_conv.weight'"),
    ],
)
def test_what_the_public_file_has_no_place_for_is_refused(folder, part, tensors, says):
    change(folder, part, **tensors)
    with pytest.raises(FoleyError, match=says):
        read_folder(folder)


def test_a_folder_that_is_none_or_lacks_a_part_is_refused(folder, tmp_path, capsys):
    (tmp_path / "some").mkdir()
    out = tmp_path / "out.safetensors"
    assert main(["convert", str(tmp_path / "some"), "-o", str(out)]) != 0
    said = capsys.readouterr().err
    assert "some is no folder of Stable Audio as diffusers keeps it: there is no" in said
    (folder / "vae" / WEIGHTS).unlink()
    with pytest.raises(FoleyError, match=f"stable-audio-1.0/vae has no {WEIGHTS}: download the"):
        read_folder(folder)
    assert not out.exists()


@pytest.mark.parametrize(
    ("config", "says"),
    [({}, "has no attention_head_dim"), ({"attention_head_dim": 32}, "only heads of 64 numbers")],
)
def test_another_network_of_the_name_is_refused(public, tmp_path, config, says):
    folder = write(tmp_path / "other", *public, config=config)
    with pytest.raises(FoleyError, match=says):
        read_folder(folder)

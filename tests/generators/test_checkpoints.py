"""Checkpoints are known by what they hold: each family says which are its own, and of what size."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from checkpoints import network_of
from foleystage.core.catalog import SYSTEMS
from foleystage.core.errors import FoleyError
from foleystage.core.generators import (
    AC_FOLEY,
    L44,
    L44_V2,
    M44,
    S16,
    S44,
    ACFoley,
    MDSGen,
    MMAudio,
    ac_foley_mini,
    mdsgen_config,
)
from foleystage.core.generators.foley_control import FOLEY_CONTROL, FoleyControl
from foleystage.core.generators.foleygenex import FOLEYGENEX, FoleyGenEx
from foleystage.core.generators.mdsgen_checkpoint import MDSGEN_CHECKPOINT
from foleystage.core.generators.mdsgen_mini import MDSGenMini, mdsgen_mini
from foleystage.core.generators.mmaudio_checkpoint import AC_FOLEY_CHECKPOINT, MMAUDIO_CHECKPOINT
from foleystage.core.generators.specmaskfoley import SPECMASKFOLEY, SpecMaskFoley
from foleystage.core.generators.specmaskgit import SPECMASKGIT, SpecMaskGIT
from foleystage.core.generators.stable_audio import STABLE_AUDIO_OPEN, StableAudio
from foleystage.core.generators.stable_audio_checkpoint import native_tensors
from foleystage.core.loading import load_network
from foleystage.core.parts import GeneratorPart
from foleystage.core.recognition import detect_shapes
from foleystage.core.weights.families import Family
from foleystage.core.weights.files import read_metadata
from foleystage.core.weights.minis import mini_path
from safetensors.torch import save_file

MMAUDIO = {
    "small_16k": S16,
    "small_44k": S44,
    "medium_44k": M44,
    "large_44k": L44,
    "large_44k_v2": L44_V2,
}
CHECKPOINTS = {
    row.generator.checkpoint.family: row.generator.checkpoint for row in SYSTEMS.values()
}
MDSGENS = [(size, codec) for size in "tsbl" for codec in ("audioldm", "image-vae")]


def shapes_of(network):
    return {key: tuple(value.shape) for key, value in network.state_dict().items()}


def mdsgen_shapes(size, codec="audioldm"):
    return shapes_of(MDSGen(mdsgen_config(size, codec), device="meta"))


@pytest.mark.parametrize("name", MMAUDIO)
def test_every_mmaudio_is_recognised(name):
    shapes = shapes_of(MMAudio(MMAUDIO[name], device="meta"))
    assert MMAUDIO_CHECKPOINT.recognise(shapes, {}) == MMAUDIO[name]
    assert detect_shapes(shapes) == Family("mmaudio", name)


@pytest.mark.parametrize(
    ("config", "prefix"),
    [(AC_FOLEY, ""), (AC_FOLEY, "module."), (ac_foley_mini(), "generator.")],
    ids=["published", "wrapped", "mini"],
)
def test_every_ac_foley_is_recognised(config, prefix):
    shapes = shapes_of(ACFoley(config, device="meta"))
    shapes = {prefix + key: shape for key, shape in shapes.items()}
    assert AC_FOLEY_CHECKPOINT.recognise(shapes, {}) == config
    assert detect_shapes(shapes) == Family("ac_foley")


@pytest.mark.parametrize(("size", "codec"), MDSGENS)
def test_every_mdsgen_is_recognised_without_what_training_alone_uses(size, codec):
    shapes = mdsgen_shapes(size, codec)
    expected = replace(mdsgen_config(size, codec), side_block=False)
    assert MDSGEN_CHECKPOINT.recognise(shapes, {}) == expected
    assert detect_shapes(shapes) == Family("mdsgen", size)


def test_a_size_of_one_s_own_is_read_off_the_shapes():
    config = replace(
        AC_FOLEY, hidden_dim=64, num_heads=2, depth=3, fused_depth=1, clip_dim=24, text_seq_len=5
    )
    shapes = shapes_of(ACFoley(config, device="meta"))
    found = AC_FOLEY_CHECKPOINT.recognise(shapes, {})
    assert shapes_of(ACFoley(found, device="meta")) == shapes
    assert (found.num_heads, found.depth, found.fused_depth, found.latent) == (2, 3, 1, L44.latent)


def test_an_inner_width_that_no_ratio_gives_is_read_off_the_shapes():
    config = replace(S16, hidden_dim=64, num_heads=2, mlp_ratio=1.0, mlp_multiple=96)
    shapes = shapes_of(MMAudio(config, device="meta"))
    found = MMAUDIO_CHECKPOINT.recognise(shapes, {})
    assert found.mlp_dim == config.mlp_dim == 96
    assert shapes_of(MMAudio(found, device="meta")) == shapes


def test_no_family_takes_the_network_of_another():
    networks = {
        "ac_foley": ACFoley(AC_FOLEY, device="meta"),
        "mmaudio": MMAudio(L44, device="meta"),
        "mdsgen": MDSGen(mdsgen_config("b"), device="meta"),
        "foleygenex": FoleyGenEx(FOLEYGENEX, device="meta"),
        "specmaskgit": SpecMaskGIT(SPECMASKGIT, device="meta"),
        "specmaskfoley": SpecMaskFoley(SPECMASKFOLEY, device="meta"),
        "stable_audio": StableAudio(STABLE_AUDIO_OPEN, device="meta"),
        "foley_control": FoleyControl(FOLEY_CONTROL, device="meta"),
    }
    assert networks.keys() == CHECKPOINTS.keys()
    for name, network in networks.items():
        stored = native_tensors(network) if isinstance(network, StableAudio) else None
        shapes = shapes_of(network) if stored is None else {k: v.shape for k, v in stored.items()}
        takers = [k for k, spec in CHECKPOINTS.items() if spec.recognise(shapes, {}) is not None]
        assert takers == [name]


@pytest.mark.parametrize(
    "shapes",
    [
        {},
        {"weight": (2, 2)},
        {"decoder_pos_embed": (1, 256, 384)},
        {**mdsgen_shapes("t"), "decoder_pos_embed": (1, 256, 192)},
        {**mdsgen_shapes("t"), "decoder_pos_embed": (1, 816, 200)},
        {key: v for key, v in shapes_of(MMAudio(S16, device="meta")).items() if "sync" not in key},
    ],
    ids=["nothing", "other", "part", "other grid", "other width", "incomplete"],
)
def test_another_model_is_nobody_s(shapes):
    assert detect_shapes(shapes) is None


def mdsgen_file(path, size="t", **left_out):
    net = MDSGen(mdsgen_config(size), rng=torch.Generator().manual_seed(0))
    index = {
        f"{key.removesuffix('bias_table')}index": torch.zeros(4, 4, dtype=torch.int64)
        for key in net.state_dict()
        if key.endswith("relative_position_bias_table")
    }
    torch.save({**net.state_dict(), **index}, path)
    return net


def row(config, checkpoint=MDSGEN_CHECKPOINT):
    return GeneratorPart(
        name="mine",
        title="My own",
        files={"generator": "mine"},
        checkpoint=checkpoint,
        config=config,
    )


def test_a_public_file_is_read_without_its_computed_tables(tmp_path):
    net = mdsgen_file(tmp_path / "mdsgen.pt")
    loaded = network_of(MDSGEN_CHECKPOINT, tmp_path / "mdsgen.pt")
    assert not hasattr(loaded, "sideblocks")
    assert torch.equal(loaded.pos_embed, net.pos_embed)
    assert loaded.prepare({}).shared["bias"].shape == (12, 3, 816, 816)


def test_a_row_becomes_that_of_the_file_whatever_its_own_size(tmp_path):
    mdsgen_file(tmp_path / "mdsgen.pt")
    part = row(mdsgen_config("s", "image-vae"))
    with pytest.raises(FoleyError, match="mdsgen.pt has weights of another shape|lacks weights"):
        load_network(part, tmp_path / "mdsgen.pt")
    part = part.of_file(tmp_path / "mdsgen.pt")
    assert part.config == replace(mdsgen_config("t"), side_block=False)
    assert part.config.codec == "audioldm_codec"
    loaded = load_network(part, tmp_path / "mdsgen.pt", dtype=torch.bfloat16)
    assert loaded.config == part.config and loaded.pos_embed.dtype == torch.bfloat16


def test_a_row_stays_as_it_is_for_a_file_of_another_family(tmp_path):
    mdsgen_file(tmp_path / "mdsgen.pt")
    part = row(S16, MMAUDIO_CHECKPOINT)
    assert part.of_file(tmp_path / "mdsgen.pt") is part
    with pytest.raises(FoleyError, match="mdsgen.pt lacks weights"):
        load_network(part, tmp_path / "mdsgen.pt")


def test_a_file_with_a_missing_weight_is_refused(tmp_path):
    state = MDSGen(mdsgen_config("t"), rng=torch.Generator().manual_seed(0)).state_dict()
    del state["t_embedder.mlp.0.bias"]
    save_file(state, tmp_path / "mdsgen.safetensors")
    with pytest.raises(FoleyError, match="lacks weights"):
        network_of(MDSGEN_CHECKPOINT, tmp_path / "mdsgen.safetensors")


@pytest.mark.parametrize("wrapper", ["", "module.", "generator."])
def test_a_network_is_read_from_under_its_wrapper(tmp_path, wrapper):
    config = replace(AC_FOLEY, hidden_dim=32, num_heads=2, depth=2, fused_depth=1)
    net = ACFoley(config, rng=torch.Generator().manual_seed(0))
    state = {wrapper + key: value for key, value in net.state_dict().items()}
    # Words of a mini's prompt, and tables that the published class computes.
    beside = {"text.table": torch.zeros(3), f"{wrapper}t_embed.freqs": torch.zeros(4)}
    save_file({**state, **beside}, tmp_path / "ac_foley.safetensors")
    loaded = network_of(AC_FOLEY_CHECKPOINT, tmp_path / "ac_foley.safetensors")
    assert all(torch.equal(v, loaded.state_dict()[k]) for k, v in net.state_dict().items())


def test_the_bundled_mdsgen_is_built_from_its_own_figures():
    path = mini_path("mdsgen_mini")
    figures = json.loads(read_metadata(path)["figures"])
    net = network_of(MDSGEN_CHECKPOINT, path)
    assert isinstance(net, MDSGenMini) and figures
    assert net.config == mdsgen_mini(**figures, side_block=False)
    assert path.stat().st_size < 6_000_000
    assert detect_shapes(shapes_of(net)) == Family("mdsgen")


def test_the_bundled_ac_foley_is_the_mini_s():
    net = network_of(AC_FOLEY_CHECKPOINT, mini_path("ac_foley_mini"))
    assert isinstance(net, ACFoley) and net.config == ac_foley_mini()


def test_figures_that_a_file_does_not_tell_are_the_mini_s_own():
    shapes = shapes_of(MDSGenMini(mdsgen_mini(side_block=False), device="meta"))
    about = {"figures": json.dumps({"depth": 2})}
    assert MDSGEN_CHECKPOINT.recognise(shapes, about) == mdsgen_mini(depth=2, side_block=False)
    assert MDSGEN_CHECKPOINT.recognise(shapes, {}) == mdsgen_mini(side_block=False)

"""Files of MDSGen are known by what they hold; the wrong one is refused by name."""

from __future__ import annotations

import pytest
import torch
from foleystage.core.errors import FoleyError
from foleystage.core.generators import MDSGen, mdsgen_config
from foleystage.core.generators.mdsgen_files import (
    load_mdsgen,
    load_mdsgen_mini,
    mdsgen_plan,
    mini_figures,
)
from foleystage.core.weights.minis import mini_path
from safetensors.torch import save_file


def shapes(size, codec="audioldm"):
    state = MDSGen(mdsgen_config(size, codec), device="meta").state_dict()
    return {key: tuple(value.shape) for key, value in state.items()}


@pytest.mark.parametrize("codec", ["audioldm", "image-vae"])
@pytest.mark.parametrize("size", ["t", "s", "b", "l"])
def test_every_size_is_recognised(size, codec):
    assert mdsgen_plan(shapes(size, codec), "x.pt") == mdsgen_config(size, codec)


def test_b_given_as_s_is_refused():
    with pytest.raises(FoleyError, match="holds MDSGen-B, not S"):
        mdsgen_plan(shapes("b"), "mdsgen_audioldm.pt", size="s")


def test_an_audioldm_file_with_the_image_codec_is_refused():
    with pytest.raises(FoleyError, match="trained on latents of audioldm"):
        mdsgen_plan(shapes("b"), "mdsgen_audioldm.pt", codec="image-vae")


def test_another_model_is_refused():
    with pytest.raises(FoleyError, match="not a file of MDSGen"):
        mdsgen_plan({"weight": (2, 2)}, "other.pt")


def test_a_public_file_is_read_without_its_computed_tables(tmp_path):
    net = MDSGen(mdsgen_config("t"), rng=torch.Generator().manual_seed(0))
    index = {
        f"{key.removesuffix('bias_table')}index": torch.zeros(4, 4, dtype=torch.int64)
        for key in net.state_dict()
        if key.endswith("relative_position_bias_table")
    }
    torch.save({**net.state_dict(), **index}, tmp_path / "mdsgen.pt")
    loaded = load_mdsgen(tmp_path / "mdsgen.pt", size="t", codec="audioldm")
    assert not hasattr(loaded, "sideblocks")
    assert torch.equal(loaded.pos_embed, net.pos_embed)
    assert loaded.prepare({}).shared["bias"].shape == (12, 3, 816, 816)


def test_a_file_with_a_missing_weight_is_refused(tmp_path):
    state = MDSGen(mdsgen_config("t"), rng=torch.Generator().manual_seed(0)).state_dict()
    del state["t_embedder.mlp.0.bias"]
    save_file(state, tmp_path / "mdsgen.safetensors")
    with pytest.raises(FoleyError, match="lacks weights"):
        load_mdsgen(tmp_path / "mdsgen.safetensors")


def test_the_bundled_mini_is_built_from_its_own_figures():
    net = load_mdsgen_mini(mini_path("mdsgen_mini"))
    assert net.config == mini_figures(mini_path("mdsgen_mini"))
    assert mini_path("mdsgen_mini").stat().st_size < 6_000_000

"""Published MDSGen in the nodes, with small nets beside it: found, loaded, sampled as in core."""

from __future__ import annotations

import pytest
import torch
from foleystage.core.errors import FoleyError
from native_helpers import models_in
from small_mdsgen import Levels, small_sizes, stand_in, write_mdsgen


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Small files where the loaders find them."""
    folder = tmp_path_factory.mktemp("mdsgen")
    with small_sizes(), models_in(folder):
        write_mdsgen(folder)
        yield folder


@pytest.fixture
def small(found, monkeypatch):
    """Stand-ins for the encoder and the codec, in core and in the nodes."""
    stand_in(monkeypatch, found)


def load(call, name="mdsgen_b"):
    return call("LoadModel", name=name, weight_dtype="float32")[0]


def test_found_files_are_offered_by_name(found, nodes):
    rows = {"Model": "mdsgen_b", "VideoEncoder": "cavp", "Codec": "audioldm_codec"}
    for node, name in rows.items():
        assert name in nodes[f"FoleyStageLoad{node}"].define_schema().inputs[0].options


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [2.0, 10.0])
def test_a_take_of_the_nodes_is_that_of_core(small, call, clip, seconds):
    from foleystage.core.loading import load_model
    from foleystage.core.media import ImageFrames
    from foleystage.core.pipeline import generate
    from foleystage.core.request import Request

    images = torch.rand(round(seconds * 4), 8, 8, 3, generator=torch.Generator().manual_seed(0))
    model, codec = load(call), call("LoadCodec", name="audioldm_codec")[0]
    encoder = call("LoadVideoEncoder", name="cavp")[0]
    features = call("EncodeVideo", video_encoder=encoder, video=images, fps=4.0)[0]
    conds = call("Conditioning", model=model, video=features)
    guider = call(
        "PowerCosineGuider", model=model, positive=conds[0], negative=conds[1], cfg=5.0, power=0.01
    )[0]
    from foleystage.nodes.native.own_noise import SeedNoise
    from foleystage.nodes.sample import OWN, PUBLISHED, noise_of, sampled, sampler_of, sigmas_of

    noise = noise_of(model, conds[2], 10, SeedNoise(3))
    sampler, sigmas = sampler_of(model, OWN, noise), sigmas_of(model, PUBLISHED, 10, 1.0)
    latent = sampled(guider, conds[2], sampler, sigmas, 3, noise)
    native = call("Decode", samples={**conds[2], "samples": latent}, codec=codec)[0]["waveform"][0]
    core = generate(
        ImageFrames(images, 4.0), load_model("mdsgen_b"), Request(seed=3, steps=10)
    ).waveforms[0]
    assert native.shape == core.shape == (1, round(seconds * 16000))
    assert float((native - core).norm() / core.norm()) < 1e-2


def test_a_file_is_the_network_that_it_holds(found, call):
    own, pictures = (load(call, f"{name}.safetensors") for name in ("own_mini", "pictures"))
    assert own.model.diffusion_model.config.hidden_dim == 32
    assert own.model.row.codec == "mel_picture_codec"
    assert pictures.model.diffusion_model.config.codec == "image_vae_codec"
    assert pictures.model.row.codec == "image_vae_codec"


def test_the_image_codec_with_an_audioldm_file_is_refused_by_name(small, call):
    from foleystage.core.catalog import CODECS
    from foleystage.nodes.native.managed import managed

    model = load(call)
    latent = call("EmptyLatent", model=model, seconds=8.0)[0]
    codec = managed(CODECS["image_vae_codec"], {"codec": Levels()})
    with pytest.raises(FoleyError, match="audioldm_codec"):
        call("Decode", samples=latent, codec=codec)


def test_words_are_refused(small, call, text):
    with pytest.raises(FoleyError, match="takes no text"):
        call("Conditioning", model=load(call), text=text[0])

"""AC-Foley and MMAudio in the nodes, at a reduced size: found, loaded, sampled as in core."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
import torch
from foleystage.core.errors import FoleyError
from native_helpers import models_in

ABSENT = "mmaudio_medium_44k"


@pytest.fixture(scope="module")
def family(tmp_path_factory):
    """Reduced files in the folders foley and mmaudio, where the loaders find them."""
    from family import write_family

    folder = tmp_path_factory.mktemp("family")
    with torch.inference_mode(False):
        write_family(folder)
    with models_in(folder):
        yield folder


def test_found_files_are_offered_by_name(family, nodes):
    offered = nodes["FoleyStageLoadModel"].define_schema().inputs[0].options
    assert {"ac_foley", "mmaudio_large_44k_v2", "ac_foley_mini"} <= set(offered)
    assert offered[0] == "ac_foley_mini" and offered.index("ac_foley") < offered.index(ABSENT)
    quick = next(i for i in nodes["FoleyStageQuick"].define_schema().inputs if i.id == "model")
    assert "ac_foley" in quick.options and ABSENT not in quick.options


@pytest.mark.parametrize("timing", ["nearest", "published"])
def test_a_take_of_the_nodes_is_that_of_core(family, call, clip, monkeypatch, timing):
    from comfy_api.latest import InputImpl
    from foleystage.core.loading import load_model
    from foleystage.core.pipeline import generate
    from foleystage.core.request import Request

    monkeypatch.setenv("FOLEYSTAGE_MODELS", str(family))
    sound = torch.randn(1, 2, 60000, generator=torch.Generator().manual_seed(0)) * 0.1
    video = InputImpl.VideoFromFile(str(clip))
    model = call("LoadModel", name="ac_foley", weight_dtype="float32")[0]
    codec = call("LoadCodec", name="mmaudio_codec_44k")[0]
    encoder = call("LoadVideoEncoder", name="clip_and_synchformer")[0]
    features = call("EncodeVideo", video_encoder=encoder, video=video, seconds=0.8, timing=timing)[
        0
    ]
    words = call(
        "EncodeText",
        text_encoder=call("LoadTextEncoder", name="clip_text")[0],
        prompt="rain",
        negative_prompt="music",
    )
    audio = {"waveform": sound, "sample_rate": 48000}
    # Published timing draws a reference's noise from the take's generator, which no node has.
    given = timing == "nearest"
    encoded = call("EncodeReference", audio=audio, codec=codec, model=model)[0] if given else None
    conds = call(
        "Conditioning",
        model=model,
        video=features,
        text=words[0],
        negative_text=words[1],
        reference=encoded,
    )
    latent = call(
        "Sampler",
        model=model,
        positive=conds[0],
        negative=conds[1],
        latent=conds[2],
        seed=3,
        steps=2,
        cfg=4.5,
    )[0]
    native = call("Decode", samples=latent, codec=codec)[0]["waveform"][0]
    reference = (sound[0], 48000) if given else None
    request = Request("rain", "music", reference, seconds=0.8, seed=3, steps=2)
    request = replace(request, timing=timing)
    core = generate(str(clip), load_model("ac_foley"), request).waveforms[0]
    assert native.shape == core.shape
    assert (native - core).norm() / core.norm() < 1e-2


def test_what_the_picture_shows_can_be_left_out(family, call, clip):
    from comfy_api.latest import InputImpl
    from foleystage.nodes.values import KEY

    model = call("LoadModel", name="ac_foley", weight_dtype="float32")[0]
    encoder = call("LoadVideoEncoder", name="clip_and_synchformer")[0]
    video = InputImpl.VideoFromFile(str(clip))
    features = call("EncodeVideo", video_encoder=encoder, video=video, seconds=0.8)[0]
    plain, moving = (
        call("Conditioning", model=model, video=features, ignore_look=ignore)[0][0][1][KEY]
        for ignore in (False, True)
    )
    assert set(plain.streams) == {"clip", "sync"} and set(moving.streams) == {"sync"}


def test_the_rule_that_picks_frames_can_be_chosen(family, call, clip):
    _, nearest = encoded(call, clip, seconds=0.8)
    _, reference = encoded(call, clip, seconds=0.8, timing="published")
    nearest, reference = nearest().streams, reference().streams
    assert nearest["sync"].shape == reference["sync"].shape
    assert not torch.allclose(nearest["sync"], reference["sync"], atol=1e-3)


def test_a_saved_graph_that_says_reference_means_published(family, call, clip, nodes):
    node = nodes["FoleyStageEncodeVideo"]
    assert node.validate_inputs(timing="reference") is True
    assert "choose one from the list" in node.validate_inputs(timing="soonest")
    _, published = encoded(call, clip, seconds=0.8, timing="published")
    _, old = encoded(call, clip, seconds=0.8, timing="reference")
    assert torch.equal(published().streams["sync"], old().streams["sync"])


@pytest.mark.parametrize("timing", ["nearest", "published"])
def test_a_mask_that_hides_nothing_changes_nothing(family, call, clip, timing):
    _, encode = encoded(call, clip, seconds=0.8, timing=timing)
    _, masked = encoded(call, clip, seconds=0.8, timing=timing, mask=torch.ones(1, 36, 64))
    plain, hidden = encode(), masked()
    for name in ("clip", "sync"):
        assert torch.allclose(plain.streams[name], hidden.streams[name], atol=1e-5)
    assert plain.seconds == hidden.seconds


def test_a_single_picture_makes_the_take_of_core(family, call, monkeypatch):
    from foleystage.core.loading import load_model
    from foleystage.core.media import ImageFrames
    from foleystage.core.pipeline import generate
    from foleystage.core.request import Request

    monkeypatch.setenv("FOLEYSTAGE_MODELS", str(family))
    image = torch.rand(1, 48, 64, 3, generator=torch.Generator().manual_seed(0))
    model = call("LoadModel", name="ac_foley", weight_dtype="float32")[0]
    encoder = call("LoadVideoEncoder", name="clip_and_synchformer")[0]
    encode = partial(call, "EncodeVideo", video_encoder=encoder, video=image)
    features, seconds, start = encode(seconds=0.8)
    assert set(features.streams) == {"clip"} and (seconds, start) == (0.8, 0)
    assert encode(seconds=0.0)[1] == 8.0
    dark = encode(seconds=0.8, mask=torch.zeros(1, 48, 64))[0]
    assert not torch.allclose(dark.streams["clip"], features.streams["clip"], atol=1e-3)
    conds = call("Conditioning", model=model, video=features)
    sampled = {
        "positive": conds[0],
        "negative": conds[1],
        "latent": conds[2],
        "seed": 3,
        "steps": 2,
    }
    latent = call("Sampler", model=model, cfg=4.5, **sampled)[0]
    codec = call("LoadCodec", name="mmaudio_codec_44k")[0]
    native = call("Decode", samples=latent, codec=codec)[0]["waveform"][0]
    request = Request(seconds=0.8, seed=3, steps=2)
    core = generate(ImageFrames(image, 1.0), load_model("ac_foley"), request).waveforms[0]
    assert native.shape == core.shape
    assert (native - core).norm() / core.norm() < 1e-2


def test_windows_of_a_reference_can_be_chosen(family, call):
    model = call("LoadModel", name="ac_foley", weight_dtype="float32")[0]
    codec = call("LoadCodec", name="mmaudio_codec_44k")[0]
    audio = {"waveform": torch.rand(1, 1, 5 * 44100), "sample_rate": 44100}
    several = call("EncodeReference", audio=audio, codec=codec, model=model, start=0.5, windows=2)
    assert several[0].streams["audio"].shape == (1, 2 * 87, 40)


def test_parts_of_another_rate_are_refused_by_name(family, call):
    from foleystage.nodes.choices import require

    model = call("LoadModel", name="mmaudio_small_16k", weight_dtype="default")[0]
    part = model.model.row
    assert part.codec == "mmaudio_codec_16k"
    with pytest.raises(FoleyError, match="mmaudio_codec_16k"):
        require("mmaudio_codec_44k", part.codec, "This latent", "Load Foley Codec")


def test_a_file_of_another_kind_is_refused(family, call):
    with pytest.raises(FoleyError, match="no generator that is known"):
        call("LoadModel", name="dfn5b_clip.safetensors", weight_dtype="default")


def encoded(call, clip, **options):
    from comfy_api.latest import InputImpl

    encoder = call("LoadVideoEncoder", name="clip_and_synchformer")[0]
    video = InputImpl.VideoFromFile(str(clip))
    return encoder, lambda: call("EncodeVideo", video_encoder=encoder, video=video, **options)[0]


def test_a_video_that_was_encoded_is_not_encoded_again(family, call, clip, monkeypatch):
    from foleystage.core.encoders.base import VideoEncoder
    from foleystage.nodes.encode import cache

    cache().clear()
    calls = []
    encode_windows = VideoEncoder.encode_windows
    monkeypatch.setattr(
        VideoEncoder,
        "encode_windows",
        lambda self, *a, **k: calls.append(1) or encode_windows(self, *a, **k),
    )
    _, encode = encoded(call, clip, seconds=0.8)
    first, again = encode(), encode()
    assert len(calls) == 2
    assert all(torch.equal(first.streams[n], again.streams[n]) for n in ("clip", "sync"))

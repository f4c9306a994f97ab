"""Nodes one after the other, inside this process."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from comfy_api.latest import InputImpl
from foleystage.core.errors import FoleyError
from foleystage.core.loading import Loading, load_model
from foleystage.core.pipeline import generate
from foleystage.core.request import Request
from foleystage.nodes.values import KEY

EULER = {"sampler_name": "euler", "scheduler": "published"}


def sides(model, conds):
    return {"model": model, "positive": conds[0], "negative": conds[1], "latent": conds[2]}


@pytest.fixture(scope="module")
def codec(call):
    return call("LoadCodec")[0]


def test_the_graph_makes_the_take_that_the_command_line_makes(
    call, weights, clip, model, conds, codec
):
    loading = Loading(files={"video": weights / "random_encoder.safetensors"})
    mini = load_model(str(weights / "random_mini.safetensors"), loading=loading)
    request = Request(prompt="metal hit", negative="wood", seed=7, steps=5)
    expected = generate(str(clip), mini, request)
    latent = call("Sampler", **sides(model, conds), seed=7, steps=5, **EULER)[0]
    audio = call("Decode", samples=latent, codec=codec)[0]
    made = audio["waveform"][0]
    assert audio["sample_rate"] == expected.sample_rate
    assert made.shape == expected.waveforms[0].shape
    assert float((made - expected.waveforms[0]).norm() / made.norm()) < 0.02


def test_a_take_is_the_same_in_a_batch(call, model, conds):
    one = call("Sampler", **sides(model, conds), seed=3, steps=3, **EULER)[0]["samples"]
    three = call("Sampler", **sides(model, conds), seed=3, steps=3, takes=3, **EULER)[0]["samples"]
    assert three.shape[0] == 3
    assert torch.allclose(one[0], three[0], atol=1e-4)
    assert not torch.allclose(three[0], three[1], atol=0.1)


def test_less_denoise_keeps_more_of_a_sound(call, model, conds, codec):
    sound = torch.randn(1, 1, 64000, generator=torch.Generator().manual_seed(0)) * 0.1
    audio = {"waveform": sound, "sample_rate": 32000}
    latent = call("EncodeAudio", audio=audio, codec=codec, like=conds[2])[0]
    given = latent["samples"]
    away = [
        float((call("Sampler", **changed, seed=1, steps=4, denoise=d)[0]["samples"] - given).norm())
        for changed in [{**sides(model, conds), "latent": latent}]
        for d in (0.1, 0.5, 1.0)
    ]
    assert away[0] < 0.7 * away[1] < away[1] < away[2]


def test_inputs_of_a_node_are_never_changed(call, model, conds, codec):
    before = (
        conds[2]["samples"].clone(),
        dict(conds[2]),
        conds[0][0][1][KEY].streams["sync"].clone(),
    )
    latent = call("Sampler", **sides(model, conds), steps=2, takes=2, **EULER)[0]
    kept = latent["samples"].clone()
    call("Decode", samples=latent, codec=codec)
    assert torch.equal(conds[2]["samples"], before[0]) and conds[2].keys() == before[1].keys()
    assert torch.equal(conds[0][0][1][KEY].streams["sync"], before[2])
    assert torch.equal(latent["samples"], kept)


def test_a_sound_survives_the_latent_at_its_length(call, codec, conds):
    sound = torch.randn(1, 2, 44100, generator=torch.Generator().manual_seed(0)) * 0.1
    audio = {"waveform": sound, "sample_rate": 22050}
    latent = call("EncodeAudio", audio=audio, codec=codec)[0]
    assert latent["type"] == "audio" and latent["samples"].shape[1] == 32
    back = call("Decode", samples=latent, codec=codec)[0]
    assert back["waveform"].shape == (1, 1, 2 * back["sample_rate"])
    fitted = call("EncodeAudio", audio=audio, codec=codec, like=conds[2])[0]
    assert fitted["samples"].shape == conds[2]["samples"].shape


def test_a_range_to_make_anew_becomes_a_mask(call, codec):
    audio = {"waveform": torch.randn(1, 1, 64000) * 0.1, "sample_rate": 32000}
    latent = call("EncodeAudio", audio=audio, codec=codec, regenerate_from=0.5, regenerate_to=1.0)[
        0
    ]
    mask = latent["noise_mask"]
    assert mask.shape == (1, 1, latent["samples"].shape[-1])
    assert mask[0, 0].nonzero().flatten().tolist() == list(range(16, 31))
    with pytest.raises(FoleyError, match="ends at 2.00"):
        call("EncodeAudio", audio=audio, codec=codec, regenerate_from=3.0, regenerate_to=4.0)


def test_a_window_of_the_video_is_placed_where_it_was(call, clip, weights, model):
    encoder = call("LoadVideoEncoder", name="random_encoder.safetensors")[0]
    video = InputImpl.VideoFromFile(str(clip))
    encoded, seconds, start = call(
        "EncodeVideo", video_encoder=encoder, video=video, start=0.5, seconds=1.0
    )
    assert (seconds, start) == (1.0, 0.5)
    assert encoded.padded >= 1.0
    latent = call("Conditioning", model=model, video=encoded)[2]
    assert (latent[KEY].seconds, latent[KEY].start) == (1.0, 0.5)


class Streamed(InputImpl.VideoFromFile):
    """A VIDEO that cannot be had as one tensor."""

    def get_components(self):
        raise AssertionError("every frame at once")


def test_a_video_is_never_taken_as_one_tensor(call, clip, weights, features):
    video = Streamed(str(clip))
    encoder = call("LoadVideoEncoder", name="random_encoder.safetensors")[0]
    encoded = call("EncodeVideo", video_encoder=encoder, video=video)[0]
    assert torch.equal(encoded.chance, features.chance)
    sound = {"waveform": 0.1 * torch.randn(1, 1, 64000), "sample_rate": 32000}
    mixed = call("Mix", foley=sound, original=video)[0]
    call("Plot", audio=mixed, video=video, features=encoded)
    muxed = call("Mux", video=video, audio=mixed)[0]
    assert muxed.get_duration() == pytest.approx(2.0, abs=0.001)


def test_frames_and_their_file_are_encoded_alike(call, clip, weights, features):
    video = InputImpl.VideoFromFile(str(clip))
    images = video.get_components().images
    encoder = call("LoadVideoEncoder", name="random_encoder.safetensors")[0]
    batch = call("EncodeVideo", video_encoder=encoder, video=images, fps=25.0)[0]
    assert torch.allclose(batch.chance, features.chance, atol=0.05)


@pytest.mark.parametrize("frames", [1, 50])
def test_a_white_mask_hides_nothing(call, clip, weights, features, frames):
    encoder = call("LoadVideoEncoder", name="random_encoder.safetensors")[0]
    video = InputImpl.VideoFromFile(str(clip))
    mask = torch.ones(frames, 48, 64)
    encoded = call("EncodeVideo", video_encoder=encoder, video=video, mask=mask)[0]
    assert torch.allclose(encoded.chance, features.chance, atol=1e-4)


def test_a_mask_hides_frame_by_frame(call, clip, weights, features):
    encoded = []

    def encode(module, frames, cancelled):
        encoded.append(frames["video"])
        return part.encode(module, frames, cancelled)

    encoder = call("LoadVideoEncoder", name="random_encoder.safetensors")[0]
    part = encoder.part
    encoder = replace(encoder, part=replace(part, encode=encode))
    mask = torch.ones(50, 48, 64)
    mask[25:] = 0
    for given in (None, mask):
        video = InputImpl.VideoFromFile(str(clip))
        call("EncodeVideo", video_encoder=encoder, video=video, mask=given)
    assert torch.equal(encoded[0][:25], encoded[1][:25])
    assert (encoded[1][25:] == 128).all() and not (encoded[0][25:] == 128).all()


def test_another_encoder_s_features_are_refused_by_name(call, model, features):
    with pytest.raises(FoleyError, match="choose mini_video_encoder in Load Foley Video Encoder"):
        call("Conditioning", model=model, video=replace(features, part="clip-vit-h"))


def test_a_picture_model_is_refused(call, conds):
    with pytest.raises(FoleyError, match="does not make sound"):
        call("EmptyLatent", model=object())


def test_mix_ducks_the_original_and_keeps_the_longer_length(call):
    new = {"waveform": torch.zeros(1, 1, 32000), "sample_rate": 32000}
    new["waveform"][..., 8000:16000] = 0.5 * torch.randn(8000)
    old = {"waveform": torch.full((1, 2, 96000), 0.2), "sample_rate": 48000}
    mixed = call("Mix", foley=new, original=old, original_db=0.0, duck_db=20.0)[0]
    assert mixed["sample_rate"] == 48000 and mixed["waveform"].shape == (1, 2, 96000)
    late = mixed["waveform"][0, :, 80000:]
    assert torch.allclose(late, torch.full_like(late, 0.2), atol=0.01)


def test_mix_without_an_original_is_the_new_sound(call):
    new = {"waveform": 0.1 * torch.randn(1, 1, 16000), "sample_rate": 32000}
    mixed = call("Mix", foley=new)[0]
    assert torch.allclose(mixed["waveform"], new["waveform"], atol=1e-5)


def test_terms_of_a_graph_are_the_sum_that_they_say(call, model, conds):
    term = call("GuidanceTerm", conditioning=conds[0], weight=4.5)[0]
    guider = call("CombineGuidance", model=model, terms=term)[0]
    assert [round(w(0.5), 6) for w in guider.weights] == [4.5, -3.5]
    gated = call("GuidanceTerm", conditioning=conds[0], weight=4.5, start=0.2, stop=0.6)[0]
    guider = call("CombineGuidance", model=model, terms=gated)[0]
    assert [w(0.8) for w in guider.weights] == [0.0, 1.0]

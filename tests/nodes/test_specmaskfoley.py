"""SpecMaskFoley as a MODEL: takes of the command line, ranges and bands, any length, guidance."""

from __future__ import annotations

import pytest
import torch
from foleystage.core.errors import FoleyError
from foleystage.nodes.values import KEY

NAME, STEPS, SEED = "specmaskfoley_mini", 4, 3


@pytest.fixture(scope="module")
def model(call):
    return call("LoadModel", name=NAME, weight_dtype="float32")[0]


@pytest.fixture(scope="module")
def codec(call):
    return call("LoadCodec", name="mini_token_codec")[0]


@pytest.fixture(scope="module")
def told(call, model, clip):
    """positive, negative and latent of a picture and words."""
    return _told(call, model, clip)


def _told(call, model, source, prompt="metal hit"):
    from comfy_api.latest import InputImpl

    encoder = call("LoadVideoEncoder", name="mini_video_encoder")[0]
    video = call("EncodeVideo", video_encoder=encoder, video=InputImpl.VideoFromFile(str(source)))[
        0
    ]
    words = call("LoadTextEncoder", name="mini_text_encoder_tokens")[0]
    text = call("EncodeText", text_encoder=words, prompt=prompt)[0]
    return call("Conditioning", model=model, video=video, text=text)


def sides(model, told):
    return {"model": model, "positive": told[0], "negative": told[1]}


@pytest.fixture
def make(call, model, told):
    """Ids [1, rows, T] of Foley Sampler."""

    def run(latent=None, **other):
        given = {"steps": STEPS, "seed": SEED, **other}
        latent = told[2] if latent is None else latent
        return call("Sampler", **sides(model, told), latent=latent, **given)[0]["samples"]

    return run


def core_ids(told, **given):
    from foleystage.core.generators import Conditions
    from foleystage.core.loading import load_model

    entry = told[0][0][1][KEY]
    conditions = Conditions(entry.streams, entry.seconds)
    return load_model(NAME).sample(conditions, seed=SEED, steps=STEPS, **given)


def test_ids_are_those_of_core(make, told):
    made = make(takes=2)
    assert made.shape == (2, 4, 80)
    assert torch.equal(made.transpose(1, 2).long(), core_ids(told, takes=2))


def core_multi(told):
    from foleystage.core.generators import Conditions
    from foleystage.core.loading import load_model
    from foleystage.core.sampling import multi_cfg, sample

    entry, system = told[0][0][1][KEY], load_model(NAME)
    given = Conditions(entry.streams, entry.seconds)
    guidance = multi_cfg(3.0, "text", entry.streams)
    with system.store.using("generator") as net:
        return sample(net, given, guidance, seed=SEED, steps=STEPS, temperature=9.0)


def test_a_long_take_slides_as_in_core(call, model, long_clip):
    told = _told(call, model, long_clip)
    made = call("Sampler", **sides(model, told), latent=told[2], steps=STEPS, seed=SEED)[0][
        "samples"
    ]
    assert made.shape[-1] > 80
    assert torch.equal(made.transpose(1, 2).long(), core_ids(told))


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory):
    """A scene of 8 s."""
    from foleystage.core.scenes.files import write_scene

    path = tmp_path_factory.mktemp("long") / "long.mp4"
    write_scene(4, path, height=64)
    return path


def _masked(call, samples, told, picture):
    latent = {**told[2], "samples": samples}
    return {**latent, "noise_mask": picture.reshape(-1, 1, *picture.shape[-2:])}


def test_a_mask_makes_a_range_of_time_anew(call, make, told):
    given, picture = make(), torch.zeros(1, 64, 160)
    picture[..., 40:80] = 1
    made = make(_masked(call, given, told, picture), seed=SEED + 1)
    changed = (made != given)[0]
    assert changed[:, 20:40].any() and not changed[:, :20].any() and not changed[:, 40:].any()


@pytest.mark.parametrize(("drawn", "rows"), [(slice(0, 32), (2, 3)), (slice(48, 64), (0,))])
def test_a_mask_makes_a_band_anew(call, make, told, drawn, rows):
    """A picture's top is the highest band."""
    given, picture = make(), torch.zeros(1, 64, 160)
    picture[:, drawn] = 1
    made = make(_masked(call, given, told, picture), seed=SEED + 1)
    changed = (made != given)[0].any(1)
    assert [row for row in range(4) if changed[row]] == list(rows)


def test_a_sound_of_its_codec_comes_back_where_it_is_not_masked(call, make, told, codec):
    sound = {"waveform": torch.randn(1, 1, 2 * 32000) / 9, "sample_rate": 32000}
    wide = {"audio": sound, "codec": codec, "like": told[2]}
    latent = call("EncodeAudio", **wide, regenerate_from=0.5, regenerate_to=1.0)[0]
    made, changed = make(latent), slice(round(0.5 * 15.625), round(15.625))
    same = (made == latent["samples"])[0].all(0)
    assert same[: changed.start].all() and same[changed.stop :].all()
    assert not same[changed].all()


def test_the_guider_says_its_sum_and_does_what_core_does(call, model, told, make):
    from foleystage.core.sampling import multi_cfg
    from foleystage.nodes.guide import said

    assert said(multi_cfg(3.0, "text", {"text", "sync"})).splitlines() == [
        "at first: +1 nothing",
        "at the end: -5 nothing +3 all that is given +3 picture",
    ]
    guider = call("MultiCFGGuider", **sides(model, told))[0]
    assert torch.equal(make(guider=guider).transpose(1, 2).long(), core_multi(told))
    alone = call("MultiCFGGuider", **sides(model, told), picture_and_words=False)[0]
    assert not torch.equal(make(guider=alone), make())


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"sampler_name": "euler"}, "makes tokens: choose"),
        ({"denoise": 0.5}, "known or not: set denoise to 1"),
    ],
)
def test_what_is_for_noise_is_refused(make, other, said):
    with pytest.raises(FoleyError, match=said):
        make(**other)


def test_it_runs_under_sampler_custom_advanced(call, model, told, make):
    from comfy_extras import nodes_custom_sampler as custom

    noise = custom.Noise_RandomNoise(SEED)
    guider = call("MultiCFGGuider", **sides(model, told))[0]
    sigmas = torch.linspace(1, 0, STEPS + 1)

    def run(temperature):
        sampler = call("MaskGITSampler", temperature=temperature)[0]
        node = custom.SamplerCustomAdvanced()
        given = noise, guider, sampler, sigmas, told[2]
        found = node.sample(*given) if hasattr(node, "sample") else node.execute(*given)
        return (found if isinstance(found, tuple) else found.result)[0]["samples"]

    assert torch.equal(run(9.0), make(guider=guider))
    assert not torch.equal(run(0.0), run(9.0))
    assert run(1000.0).max() < 1024
    with pytest.raises(FoleyError, match="from 0 to 1000, not -1"):
        run(-1.0)


def test_its_sampler_is_for_tokens_alone(call):
    flow = call("LoadModel", name="foleygenex_mini", weight_dtype="float32")[0]
    told = call("Conditioning", model=flow, seconds=2.0)
    guider, x = call("Guider", **sides(flow, told))[0], told[2]["samples"]
    sampler = call("MaskGITSampler")[0]
    with pytest.raises(FoleyError, match="the MODEL makes none: choose another sampler"):
        guider.sample(x, x, sampler, torch.linspace(1, 0, 3), seed=0)


def test_ksampler_is_refused(call, model, told):
    import nodes

    positive, negative, latent = told
    with pytest.raises(FoleyError, match="use Foley Sampler with the model's own sampler"):
        nodes.common_ksampler(model, 0, 4, 3.0, "euler", "normal", positive, negative, latent)


def test_a_latent_of_another_codec_is_refused(call, make, model, told):
    sound = {"waveform": torch.randn(1, 1, 2 * 32000) / 9, "sample_rate": 32000}
    mini = call("LoadCodec", name="foley_mini_codec")[0]
    other = call("EncodeAudio", audio=sound, codec=mini)[0]
    with pytest.raises(FoleyError, match="not a latent of the codec mini_token_codec"):
        make(other)
    ids = {**told[2], "samples": told[2]["samples"] + 1024}
    with pytest.raises(FoleyError, match="whole numbers from 0 to 1023"):
        make(ids)
    flow = call("LoadModel", name="foleygenex_mini", weight_dtype="float32")[0]
    with pytest.raises(FoleyError, match="not a latent of the codec foley_mini_codec"):
        call("Sampler", **sides(flow, told), latent=told[2], steps=2)

"""Foley Task: what a graph makes of a task is what the command line makes of it."""

from __future__ import annotations

import json

import pytest
import torch
from foleystage.core.errors import FoleyError
from native_helpers import relative

STEPS = 4
OWN = 0.2 * torch.randn(2, 2 * 44100, generator=torch.Generator().manual_seed(0))
REFERENCE = 0.3 * torch.randn(1, 32000, generator=torch.Generator().manual_seed(1))


def audio(waveform, rate):
    return {"waveform": waveform[None], "sample_rate": rate}


@pytest.fixture(scope="module")
def parts(call, clip):
    """What a graph has of a model: `parts("foleygenex_mini")`."""
    from comfy_api.latest import InputImpl
    from foleystage.core.catalog import SYSTEMS

    def load(name):
        row = SYSTEMS[name]
        encoder = call("LoadVideoEncoder", name=row.video)[0]
        video = InputImpl.VideoFromFile(str(clip))
        found = {
            "model": call("LoadModel", name=name, weight_dtype="float32")[0],
            "codec": call("LoadCodec", name=row.codec)[0],
            "video": call("EncodeVideo", video_encoder=encoder, video=video)[0],
        }
        if row.text:
            words = call("LoadTextEncoder", name=row.text)[0]
            found["text"] = call("EncodeText", text_encoder=words, prompt="metal hit")[0]
        return found

    return load


@pytest.fixture
def take(call, parts):
    """Sound of a task: `take("foleygenex_mini", "edit", audio=..., range=...)`."""

    def make(name, task, *, without=(), sampler=None, **given):
        found = {k: v for k, v in parts(name).items() if k not in without}
        positive, negative, latent = call("Task", task=task, **found, **given)
        sides = {"model": found["model"], "positive": positive, "negative": negative}
        made = call("Sampler", **sides, latent=latent, **{"steps": STEPS, **(sampler or {})})[0]
        return call("Decode", samples=made, codec=found["codec"])[0]

    return make


def core(name, clip, **asked):
    from foleystage.core.loading import load_model
    from foleystage.core.pipeline import generate
    from foleystage.core.request import Request

    source = None if asked.get("task") == "tta" else str(clip)
    return generate(source, load_model(name), Request(**{"steps": STEPS, **asked}))


def span(start, stop):
    return json.dumps({"start": start, "stop": stop})


def same(made, takes):
    assert made["sample_rate"] == takes.sample_rate
    return relative(made["waveform"][0], takes.waveforms[0])


@pytest.mark.parametrize("name", ["foleygenex_mini", "ac_foley_mini"])
@pytest.mark.parametrize("inversion", ["", "around", "throughout"])
def test_an_edit_is_the_take_of_the_command_line(take, clip, name, inversion):
    widget = {"": "off", "around": "around the range"}.get(inversion, inversion)
    made = take(name, "edit", audio=audio(OWN, 44100), range=span(0.5, 1.25), inversion=widget)
    asked = {"edit": (0.5, 1.25), "context": (OWN, 44100), "prompt": "metal hit"}
    assert same(made, core(name, clip, inversion=inversion, **asked)) < 1e-3
    outside = torch.ones(OWN.shape[1], dtype=torch.bool)
    outside[round(0.5 * 44100) : round(1.25 * 44100)] = False
    assert torch.equal(made["waveform"][0][:, outside], OWN[:, outside])


def test_an_edit_of_tokens_is_the_take_of_the_command_line(take, clip):
    made = take("specmaskfoley_mini", "edit", audio=audio(OWN, 44100), range=span(0.5, 1.25))
    asked = {"edit": (0.5, 1.25), "context": (OWN, 44100), "prompt": "metal hit"}
    assert same(made, core("specmaskfoley_mini", clip, **asked)) < 1e-3


@pytest.mark.parametrize(
    "name", ["foleygenex_mini", "ac_foley_mini", "mdsgen_mini", "specmaskfoley_mini"]
)
def test_an_extension_is_the_take_of_the_command_line(take, clip, name):
    given = {"audio": audio(OWN, 44100), "range": span(0, 1)}
    prompt = "" if name == "mdsgen_mini" else "metal hit"
    # Below 10 steps the published last step is of first order, and ComfyUI's dpmpp_2m has no such.
    steps = 12 if name == "mdsgen_mini" else STEPS
    takes = core(name, clip, known=(0, 1), context=(OWN, 44100), prompt=prompt, steps=steps)
    assert same(take(name, "extend", sampler={"steps": steps}, **given), takes) < 1e-3


@pytest.mark.parametrize("name", ["foleygenex_mini", "ac_foley_mini"])
def test_a_reference_is_followed_as_on_the_command_line(take, clip, name):
    made = take(name, "ac-vta", audio=audio(REFERENCE, 32000), without=("text",))
    takes = core(name, clip, task="ac-vta", reference=(REFERENCE, 32000))
    assert same(made, takes) < 1e-3
    assert made["waveform"].shape[-1] == 2 * 32000


def test_what_is_seen_under_a_reference_can_be_nothing(take, clip):
    given = {"audio": audio(REFERENCE, 32000), "without": ("text",)}
    made = take("foleygenex_mini", "ac-vta", surrogate="zero", **given)
    asked = {"task": "ac-vta", "reference": (REFERENCE, 32000)}
    assert same(made, core("foleygenex_mini", clip, surrogate="zero", **asked)) < 1e-3


@pytest.mark.parametrize("name", ["foleygenex_mini", "specmaskfoley_mini"])
@pytest.mark.parametrize(("task", "without"), [("vta", ()), ("tc-vta", ()), ("tta", ("video",))])
def test_words_and_picture_count_as_on_the_command_line(take, clip, name, task, without):
    given = {"without": (*without, "codec"), "seconds": 2.0}

    def run(name):
        return take(name, task, **{**given, "without": without})

    asked = {"task": task, "prompt": "metal hit", "seconds": 2.0}
    assert same(run(name), core(name, clip, **asked)) < 1e-3


def test_other_samplers_inpaint_by_the_mask(call, parts):
    import comfy.sample
    import comfy.samplers

    found = parts("foleygenex_mini")
    positive, negative, latent = call(
        "Task", task="edit", **found, audio=audio(OWN, 44100), range=span(0.5, 1.25)
    )
    samples = latent["samples"]
    mask = latent["noise_mask"]
    # 62.5 frames: the range touches 15 to 39.
    assert mask.flatten().nonzero().flatten().tolist() == list(range(15, 40))
    noise = comfy.sample.prepare_noise(samples, 0)
    made = comfy.sample.sample(
        found["model"],
        noise,
        STEPS,
        3.0,
        "euler",
        "simple",
        positive,
        negative,
        samples,
        noise_mask=mask,
    )
    sound = call("Decode", samples={**latent, "samples": made}, codec=found["codec"])[0]
    kept = sound["waveform"][0][:, : round(0.5 * 44100)]
    assert torch.equal(kept, OWN[:, : round(0.5 * 44100)])
    assert torch.isfinite(sound["waveform"]).all()


@pytest.mark.parametrize(
    ("name", "task", "given", "without", "sentence"),
    [
        ("mdsgen_mini", "tta", {}, (), "mdsgen_mini does not do tta .* load one of ac_foley_mini"),
        ("foleygenex_mini", "tc-vta", {}, ("text",), "needs text: connect one"),
        ("foleygenex_mini", "vta", {}, ("video",), "needs video: connect one"),
        ("foleygenex_mini", "edit", {}, (), "needs audio: connect one"),
        ("foleygenex_mini", "vta", {"audio": audio(OWN, 44100)}, (), "goes by no sound"),
        ("foleygenex_mini", "edit", {"audio": audio(OWN, 44100)}, ("codec",), "needs its codec"),
        ("foleygenex_mini", "edit", {"audio": audio(OWN, 44100)}, (), "Say which part"),
        (
            "foleygenex_mini",
            "edit",
            {"audio": audio(OWN, 44100), "range": "1 to 2"},
            (),
            "The range must be like",
        ),
        (
            "foleygenex_mini",
            "edit",
            {"audio": audio(OWN, 44100), "range": span(1, 9)},
            (),
            "outside of the take",
        ),
    ],
)
def test_what_is_missing_is_said(call, parts, name, task, given, without, sentence):
    found = {k: v for k, v in parts(name).items() if k not in without}
    with pytest.raises(FoleyError, match=sentence):
        call("Task", task=task, **found, **given)


def test_a_reference_has_to_be_shorter_than_the_take(call, parts, tmp_path):
    from comfy_api.latest import InputImpl
    from foleystage.core.media import encode_frames

    found = parts("foleygenex_mini")
    encode_frames(torch.zeros(40, 48, 64, 3, dtype=torch.uint8), 25.0, tmp_path / "short.mp4")
    video = InputImpl.VideoFromFile(str(tmp_path / "short.mp4"))
    encoder = call("LoadVideoEncoder", name="mini_video_encoder")[0]
    found["video"] = call("EncodeVideo", video_encoder=encoder, video=video)[0]
    with pytest.raises(FoleyError, match="has to be shorter than its 1.60 s"):
        call("Task", task="ac-vta", **found, audio=audio(OWN, 44100))


def test_inversion_asks_for_the_samplers_own_guidance(call, parts):
    found = parts("foleygenex_mini")
    given = {"audio": audio(OWN, 44100), "range": span(0.5, 1.25), "inversion": "throughout"}
    positive, negative, latent = call("Task", task="edit", **found, **given)
    sides = {"model": found["model"], "positive": positive, "negative": negative}
    guider = call("Guider", **sides)[0]
    with pytest.raises(FoleyError, match="leave the guider unconnected"):
        call("Sampler", **sides, latent=latent, guider=guider)


def test_a_reference_of_a_context_is_not_encoded_alone(call, parts):
    found = parts("foleygenex_mini")
    with pytest.raises(FoleyError, match="connect the sound to Foley Task"):
        call(
            "EncodeReference",
            audio=audio(REFERENCE, 32000),
            codec=found["codec"],
            model=found["model"],
        )


def test_a_reference_in_the_context_has_the_reference_s_scale(call, parts):
    found = {k: v for k, v in parts("foleygenex_mini").items() if k != "text"}
    given = {"audio": audio(REFERENCE, 32000)}
    positive, _, latent = call("Task", task="ac-vta", **found, **given)
    sides = {"model": found["model"], "positive": positive, "start": 0.0, "stop": 1.0}
    made = [
        call(
            "Sampler",
            model=found["model"],
            positive=positive,
            negative=positive,
            latent=latent,
            steps=STEPS,
            guider=call("StreamGuider", **sides, audio=scale)[0],
        )[0]["samples"]
        for scale in (1.0, 4.0)
    ]
    assert relative(*made) > 0.01

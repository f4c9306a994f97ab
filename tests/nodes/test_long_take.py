"""Foley Long Take: what it makes is what the command line makes, section by section."""

from __future__ import annotations

import pytest
import torch
from foleystage.core.cues import CueSheet, Hit, Level, Mute, Prompt
from foleystage.core.errors import FoleyError
from native_helpers import relative

PROMPTS = (Prompt(0, 9, "wood hit"), Prompt(9, 13, "metal hit", guidance=4.0))


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory):
    from foleystage.core.scenes import sample_scene
    from foleystage.core.scenes.files import write_picture

    path = tmp_path_factory.mktemp("long") / "hammer.mp4"
    scene = sample_scene(3, "test", seconds=13.0, hard=False, kinds=("hammer",))
    write_picture(scene, path, 64, silent=True)
    return path


@pytest.fixture
def parts(call):
    def load(name: str) -> dict:
        from foleystage.core.catalog import SYSTEMS

        row = SYSTEMS[name]
        loaded = {
            "model": call("LoadModel", name=name)[0],
            "codec": call("LoadCodec", name=row.codec)[0],
        }
        if row.video:
            loaded["video_encoder"] = call("LoadVideoEncoder", name=row.video)[0]
        if row.text:
            loaded["text_encoder"] = call("LoadTextEncoder", name=row.text)[0]
        return loaded

    return load


@pytest.mark.parametrize(
    "name",
    [
        "ac_foley_mini",
        "mdsgen_mini",
        "foleygenex_mini",
        "specmaskfoley_mini",
        "foley_control_mini",
        "stable_audio_mini",
    ],
)
def test_it_makes_what_the_command_line_makes(parts, call, long_clip, name):
    from comfy_api.latest import InputImpl
    from foleystage.core.catalog import SYSTEMS
    from foleystage.core.loading import load_model
    from foleystage.core.pipeline import generate
    from foleystage.core.request import Request

    prompts = PROMPTS if SYSTEMS[name].text else ()
    sheet = CueSheet(prompts=prompts, mutes=(Mute(2, 3),), levels=(Level(5, -6),))
    # ComfyUI walks few steps of diffusion otherwise than the published code.
    steps = 25 if name == "mdsgen_mini" else 4
    request = Request(cues=sheet, steps=steps, seed=5, takes=2)
    core = generate(str(long_clip), load_model(name), request).waveforms
    video = InputImpl.VideoFromFile(str(long_clip))
    widgets = {"cues": sheet.to_json(), "steps": steps, "seed": 5, "takes": 2}
    made = call("LongTake", **parts(name), video=video, **widgets)[0]["waveform"]
    assert made.shape == core.shape and float(core.std()) > 1e-3
    # Rounding grows from section to section where noise is drawn in every step.
    assert relative(made, core) < (1e-2 if name.startswith(("foley_", "stable")) else 1e-3)


def test_without_cues_and_for_words_alone(parts, call):
    made = call("LongTake", **parts("ac_foley_mini"), prompt="metal hit", seconds=11.0, steps=2)
    assert made[0]["waveform"].shape == (1, 1, 11 * 32000) and made[1] == 0.0


def test_hits_without_a_picture(parts, call):
    from foleystage.core.onsets.detect import detect_onsets

    hits = (Hit(1.0), Hit(2.5, 0.4), Hit(4.0, removed=True), Hit(6.0))
    made = call(
        "LongTake",
        **parts("ac_foley_mini"),
        prompt="metal hit",
        cues=CueSheet(hits=hits).to_json(),
        seconds=8.0,
    )[0]
    found = detect_onsets(made["waveform"][0], made["sample_rate"])
    assert found == pytest.approx([1.0, 2.5, 6.0], abs=0.06)


def test_a_changed_end_leaves_what_is_before(parts, call, long_clip, monkeypatch):
    from comfy_api.latest import InputImpl
    from foleystage.nodes.system import GraphSystem

    loaded, video = parts("ac_foley_mini"), InputImpl.VideoFromFile(str(long_clip))
    made, sampled = [], []
    sample = GraphSystem.sample
    monkeypatch.setattr(
        GraphSystem, "sample", lambda *given, **more: sampled.append(1) or sample(*given, **more)
    )
    for words in ("metal hit", "glass hit"):
        sheet = CueSheet(prompts=(Prompt(0, 9, "wood hit"), Prompt(9, 13, words)))
        given = {"video": video, "cues": sheet.to_json(), "steps": 3}
        made.append(call("LongTake", **loaded, **given)[0]["waveform"])
        sampled.append(0)
    border = 9 * 32000
    assert torch.equal(made[0][..., :border], made[1][..., :border])
    assert not torch.allclose(made[0][..., border:], made[1][..., border:], atol=1e-2)
    first, second = "".join(map(str, sampled)).strip("0").split("0")
    assert len(second) < len(first)


def test_what_is_wrong_is_said_in_one_sentence(parts, call, long_clip):
    from comfy_api.latest import InputImpl

    loaded, video = parts("ac_foley_mini"), InputImpl.VideoFromFile(str(long_clip))
    for cues, message in (
        ("{", "cue sheet cannot be read"),
        (CueSheet(hits=(Hit(20.0),)).to_json(), "ends at 13.00 s, but the cue sheet"),
        (CueSheet(hits=(Hit(1.0, reference="../x.wav"),)).to_json(), "does not lie beside it"),
        (CueSheet(hits=(Hit(1.0, reference="no.wav"),)).to_json(), "which is not there"),
    ):
        with pytest.raises(FoleyError, match=message):
            call("LongTake", **loaded, video=video, cues=cues)
    del loaded["text_encoder"]
    with pytest.raises(FoleyError, match="text encoder is not connected"):
        call("LongTake", **loaded, video=video, prompt="metal hit", steps=1)
    other = parts("mdsgen_mini")
    with pytest.raises(FoleyError, match="codec"):
        call("LongTake", **{**other, "codec": loaded["codec"]}, video=video)

"""Takes by a cue sheet: hits of one's own, and prompts, mutes, takes and levels at times."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from foleystage.core.cues import CueSheet, Hit, Level, Mute, Prompt, TakeRange
from foleystage.core.encoders.cache import FeatureCache
from foleystage.core.errors import Cancelled, FoleyError
from foleystage.core.evaluation.materials import classify
from foleystage.core.loading import load_model
from foleystage.core.onsets.detect import detect_onsets
from foleystage.core.pipeline import generate
from foleystage.core.request import SEQUENTIAL, Request
from foleystage.core.scenes.files import write_picture
from foleystage.core.scenes.scene import sample_scene
from foleystage.core.seen_cues import seen_cues

METAL = Request(prompt="metal hit", steps=10)


def played(clip, model, sheet, request=METAL, **more):
    return generate(clip, model, replace(request, cues=sheet, **more))


def onsets(takes, take=0):
    return detect_onsets(takes.waveforms[take], takes.sample_rate)


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("long") / "hammer.mp4"
    scene = sample_scene(3, "test", seconds=13.0, hard=False, kinds=("hammer",))
    write_picture(scene, path, 64, silent=True)
    return path


@pytest.mark.parametrize(
    "name", ["ac_foley_mini", "mdsgen_mini", "foleygenex_mini", "specmaskfoley_mini"]
)
def test_an_empty_sheet_changes_nothing(name, clip):
    system = load_model(name)
    plain = generate(clip, system, Request(steps=4, takes=2)).waveforms
    torch.testing.assert_close(
        played(clip, system, CueSheet(), Request(steps=4, takes=2)).waveforms, plain
    )


def test_the_sheet_of_what_is_seen_plays_what_is_seen(clip, model, truth):
    sheet = seen_cues(clip, model)
    assert sheet.seconds == pytest.approx(4.0, abs=0.05)
    assert [hit.time for hit in sheet.hits] == pytest.approx(truth.tolist(), abs=0.05)
    plain = generate(clip, model, METAL).waveforms
    assert float((played(clip, model, sheet).waveforms - plain).abs().max()) < 2e-3


def test_hits_are_seen_in_long_videos_and_parts_of_them(long_clip, model):
    whole = seen_cues(long_clip, model).hits
    part = seen_cues(long_clip, model, start=4.0, seconds=4.0).hits
    within = [hit.time for hit in whole if 4.2 <= hit.time < 7.8]
    assert len(whole) >= 8 and within
    assert [hit.time for hit in part if 4.2 <= hit.time < 7.8] == pytest.approx(within, abs=0.03)


def test_hits_are_added_moved_and_removed(clip, model, truth):
    moved = (Hit(0.4), Hit(1.5, 0.3), Hit(float(truth[0]), removed=True), Hit(3.3))
    takes = played(clip, model, CueSheet(hits=moved))
    assert onsets(takes) == pytest.approx([0.4, 1.5, 3.3], abs=0.06)
    peaks = [takes.waveforms[0, 0, int(t * 32000) :][:3200].abs().max() for t in (0.4, 1.5)]
    assert peaks[1] < 0.7 * peaks[0]
    assert not played(clip, model, CueSheet(hits=())).waveforms.abs().max() > 1e-2


def test_hits_need_no_picture(model):
    times = [0.5, 1.0, 2.2, 5.0, 7.0, 9.5, 11.0]
    takes = played(None, model, CueSheet(hits=tuple(map(Hit, times))), seconds=12.0)
    assert onsets(takes) == pytest.approx(times, abs=0.06)


def test_a_hit_of_its_own_material_is_a_layer_and_a_stem(model):
    hits = (Hit(0.5), Hit(1.5, material="wood hit"), Hit(2.5), Hit(3.5, material="wood hit"))
    request = Request(prompt="metal hit", seconds=5.0, stems=True)
    takes = played(None, model, CueSheet(hits=hits), request)
    assert list(takes.stems) == ["picture", "wood hit"]
    rate = takes.sample_rate
    for stem, times, material in (
        ("picture", [0.5, 2.5], "metal"),
        ("wood hit", [1.5, 3.5], "wood"),
    ):
        sound = takes.stems[stem][0]
        assert detect_onsets(sound, rate) == pytest.approx(times, abs=0.06)
        assert classify(sound, rate) == material
    total = sum(takes.stems.values())
    correlation = np.corrcoef(total.flatten().numpy(), takes.waveforms.flatten().numpy())[0, 1]
    assert correlation > 0.95


def test_what_is_before_a_changed_prompt_is_the_same_to_the_bit(long_clip, model):
    def sound(words):
        sheet = CueSheet(prompts=(Prompt(0, 9.5, "wood hit"), Prompt(9.5, 13, words, guidance=2.0)))
        return played(long_clip, model, sheet).waveforms

    one, other = sound("glass hit"), sound("metal hit")
    border = round(9.5 * 32000)
    assert torch.equal(one[..., :border], other[..., :border])
    assert not torch.allclose(one[..., border:], other[..., border:], atol=1e-2)


def test_prompts_say_the_material_at_their_times(model):
    times = [0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.5, 5.0, 5.5, 6.0, 6.5, 7.0, 7.5]
    sheet = CueSheet(
        prompts=(Prompt(0, 4, "wood hit"), Prompt(4, 8, "stone hit")), hits=tuple(map(Hit, times))
    )
    takes = played(None, model, sheet, seconds=8.0, steps=25)
    first, second = takes.waveforms[0].split(4 * 32000, -1)
    assert (classify(first, 32000), classify(second, 32000)) == ("wood", "stone")


def test_mutes_and_levels(clip, model):
    plain = generate(clip, model, METAL).waveforms
    sheet = CueSheet(mutes=(Mute(1.0, 2.0),), levels=(Level(2.0, 0.0), Level(4.0, -20.0)))
    made = played(clip, model, sheet).waveforms
    rate = 32000
    assert not made[..., rate : 2 * rate].any()
    torch.testing.assert_close(made[..., : rate - 900], plain[..., : rate - 900], atol=1e-3, rtol=0)
    late = slice(round(3.9 * rate), round(3.95 * rate))
    ratio = made[..., late].std() / plain[..., late].std()
    assert 20 * float(ratio.log10()) == pytest.approx(-19.25, abs=0.3)


def test_a_range_of_another_take_is_that_take(clip, model):
    plain = generate(clip, model, replace(METAL, takes=3, loudness=None)).waveforms[:, 0]
    sheet = CueSheet(takes=(TakeRange(1.0, 2.0, 3),))
    made = played(clip, model, sheet, loudness=None).waveforms
    assert made.shape == (1, 1, plain.shape[-1])
    for first, last, take in ((0, 31600, 0), (32400, 63600, 2), (64400, None, 0)):
        torch.testing.assert_close(
            made[0, 0, first:last], plain[take, first:last], atol=2e-3, rtol=0
        )


def test_sections_are_made_once(long_clip, model, tmp_path, monkeypatch):
    system, made = model, []
    sample = type(system).sample
    monkeypatch.setattr(
        type(system), "sample", lambda self, *a, **k: made.append(1) or sample(self, *a, **k)
    )
    quick = Request(prompt="wood hit", steps=3, long=SEQUENTIAL)
    whole = generate(long_clip, system, quick).waveforms
    sections = len(made)
    store = FeatureCache(room=0, folder=tmp_path)
    made.clear()
    with pytest.raises(Cancelled):
        generate(long_clip, system, quick, store=store, cancelled=lambda: len(made) > 1)
    assert list(tmp_path.glob("*/*.safetensors"))
    made.clear()
    again = generate(long_clip, system, quick, store=store)
    assert torch.equal(again.waveforms, whole)
    made.clear()
    changed = CueSheet(prompts=(Prompt(11.0, 13.0, "metal hit"),))
    generate(long_clip, system, replace(quick, cues=changed), store=store)
    assert 0 < len(made) < sections + 1
    made.clear()
    generate(long_clip, system, replace(quick, seed=1), store=store)
    assert len(made) == sections
    store.remove()
    assert not tmp_path.exists()


def test_damaged_sections_are_made_again(long_clip, model, tmp_path):
    quick = Request(prompt="wood hit", steps=2, long=SEQUENTIAL)
    store = FeatureCache(room=0, folder=tmp_path)
    whole = generate(long_clip, model, quick, store=store).waveforms
    files = sorted(tmp_path.glob("*/*.safetensors"))
    files[0].write_bytes(b"x")
    files[1].write_bytes(files[1].read_bytes()[:100])
    files[2].unlink()
    assert torch.equal(generate(long_clip, model, quick, store=store).waveforms, whole)


@pytest.mark.parametrize(
    ("sheet", "asked", "message"),
    [
        (CueSheet(hits=(Hit(5.0),)), {}, "The video ends at 4.00 s, but the cue sheet has one"),
        (CueSheet(takes=(TakeRange(0, 1, 2),)), {"takes": 2}, "so one is made: ask for no more"),
        (CueSheet(), {"long": "windows"}, "followed section by section"),
        (CueSheet(), {"timing": "published"}, "followed section by section"),
        (CueSheet(), {"edit": (1.0, 2.0)}, "The task edit follows no cue sheet"),
    ],
)
def test_what_cannot_be_is_said(clip, model, sheet, asked, message):
    with pytest.raises(FoleyError, match=message):
        played(clip, model, sheet, **asked)


def test_references_are_followed_where_there_is_a_place_for_them(clip, tmp_path, model):
    from foleystage.core.media import write_audio
    from foleystage.core.scenes.pairs import scene_sound

    scene = sample_scene(11, "test", seconds=3.0, kinds=("hammer",))
    material, sound, reference = scene_sound(scene, 32000)
    path = tmp_path / "reference.wav"
    write_audio(path, torch.from_numpy(reference)[None], 32000)
    sheet = CueSheet(prompts=(Prompt(0, 4, reference=str(path)),))
    plain = generate(clip, model, Request(steps=4)).waveforms
    made = played(clip, model, sheet, Request(steps=4)).waveforms
    led = generate(clip, model, Request(steps=4, reference=str(path))).waveforms
    torch.testing.assert_close(made, led)
    assert not torch.allclose(made, plain, atol=1e-2)
    with pytest.raises(FoleyError, match="cannot follow at times"):
        played(clip, load_model("foleygenex_mini"), sheet)

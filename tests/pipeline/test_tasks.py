"""Tasks from a real file to takes: what is known stays to the sample, what is wrong is said."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from foleystage.cli import main
from foleystage.core.errors import FoleyError
from foleystage.core.loading import load_model
from foleystage.core.media import read_audio, write_audio
from foleystage.core.pipeline import generate
from foleystage.core.request import Request

QUICK = Request(steps=2)


@pytest.fixture(scope="module")
def context():
    return load_model("foleygenex_mini")


@pytest.fixture(scope="module")
def stereo(tmp_path_factory):
    """4 s in stereo at 44.1 kHz and 24 bits, of which nothing is silent."""
    path = tmp_path_factory.mktemp("sound") / "stereo.wav"
    noise = 0.2 * torch.randn(2, 4 * 44100, generator=torch.Generator().manual_seed(0))
    write_audio(path, noise * torch.tensor([[1.0], [0.5]]), 44100)
    return path


@pytest.fixture(scope="module")
def reference(stereo):
    return read_audio(stereo, seconds=2.0)


def outside(takes, start, stop):
    kept = torch.ones(takes.waveforms.shape[-1], dtype=torch.bool)
    kept[round(start * takes.sample_rate) : round(stop * takes.sample_rate)] = False
    return kept


@pytest.mark.parametrize("name", ["foleygenex_mini", "ac_foley_mini", "mdsgen_mini"])
def test_an_edit_leaves_every_other_sample_of_the_file(name, clip, stereo):
    request = replace(QUICK, context=stereo, edit=(1.0, 2.5), takes=2)
    takes = generate(clip, load_model(name), request)
    own, rate = read_audio(stereo)
    assert takes.sample_rate == rate and takes.waveforms.shape == (2, *own.shape)
    kept = outside(takes, 1.0, 2.5)
    for take in takes.waveforms:
        assert torch.equal(take[:, kept], own[:, kept])
        assert not torch.allclose(take[:, ~kept], own[:, ~kept], atol=1e-2)
    assert not torch.equal(takes.waveforms[0], takes.waveforms[1])


def test_a_written_file_holds_the_same_samples(clip, stereo, tmp_path):
    path = tmp_path / "edited.wav"
    given = ["--context", str(stereo), "--edit", "1:2.5", "--steps", "2"]
    assert main(["generate", str(clip), *given, "-o", str(path)]) == 0
    (made, rate), (own, _) = read_audio(path), read_audio(stereo)
    assert rate == 44100 and made.shape == own.shape
    assert torch.equal(made[:, : round(1.0 * rate)], own[:, : round(1.0 * rate)])
    assert torch.equal(made[:, round(2.5 * rate) :], own[:, round(2.5 * rate) :])


def test_a_sound_that_stays_is_not_mixed_in_as_well(clip_with_sound, tmp_path, capsys):
    given = ["--edit", "0.5:1", "--mix", "-6", "-o", str(tmp_path / "out.mp4")]
    assert main(["generate", str(clip_with_sound), *given]) == 2
    assert "cannot be mixed in as well" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("known", [(0.0, 1.5), (2.5, 4.0), (1.0, 2.5)])
def test_an_extension_keeps_its_part_before_after_or_between(known, clip, stereo, context):
    takes = generate(clip, context, replace(QUICK, context=stereo, known=known))
    own, rate = read_audio(stereo)
    part = slice(round(known[0] * rate), round(known[1] * rate))
    assert torch.equal(takes.waveforms[0][:, part], own[:, part])
    others = [slice(0, part.start), slice(part.stop, None)]
    for other in others:
        if own[:, other].shape[1]:
            assert not torch.allclose(takes.waveforms[0][:, other], own[:, other], atol=1e-2)


def test_what_is_new_follows_the_level_of_what_is_known(clip, stereo, context):
    own, rate = read_audio(stereo)
    loud, soft = (
        generate(clip, context, replace(QUICK, context=(own * gain, rate), known=(0, 2)))
        for gain in (0.3, 0.06)
    )
    torch.testing.assert_close(0.2 * loud.waveforms, soft.waveforms, atol=2e-3, rtol=0.05)


def test_a_short_context_is_known_as_far_as_it_goes(clip, stereo, context):
    short, rate = read_audio(stereo, seconds=1.5)
    takes = generate(clip, context, replace(QUICK, context=(short, rate)))
    assert takes.waveforms.shape[-1] == 4 * rate
    assert torch.equal(takes.waveforms[0][:, : short.shape[1]], short)


def test_the_videos_own_sound_is_the_context_from_its_start(clip_with_sound, context):
    request = replace(QUICK, start=1.0, seconds=2.56, edit=(1.0, 2.0))
    takes = generate(clip_with_sound, context, request)
    own, rate = read_audio(clip_with_sound, start=1.0, seconds=2.56)
    kept = outside(takes, 1.0, 2.0)[: own.shape[1]]
    assert takes.sample_rate == rate
    assert torch.equal(takes.waveforms[0][:, : own.shape[1]][:, kept], own[:, kept])


def test_a_sound_alone_can_be_extended_by_words(stereo, context):
    takes = generate(None, context, replace(QUICK, context=stereo, known=(0, 3), seconds=6.0))
    assert takes.waveforms.shape == (1, 2, 6 * 44100)
    edited = generate(None, context, replace(QUICK, context=stereo, edit=(1, 2), prompt="metal"))
    assert edited.waveforms.shape == (1, 2, 4 * 44100)


def test_a_reference_stands_before_the_take_and_is_cut(clip, reference, context, model):
    takes = generate(clip, context, replace(QUICK, reference=reference))
    assert takes.waveforms.shape == (1, 1, 4 * 32000)
    assert takes.chance is not None and len(takes.chance) == 200
    unseen = generate(clip, context, replace(QUICK, reference=reference, surrogate="zero"))
    alone = generate(clip, context, replace(QUICK, task="vta"))
    summed = generate(clip, context, replace(QUICK, reference=reference, summation=True))
    every = [takes, unseen, alone, summed]
    for k, one in enumerate(every):
        for other in every[:k]:
            assert not torch.allclose(one.waveforms, other.waveforms, atol=1e-3)


def test_what_the_system_implies_is_what_the_task_does(clip, reference, context):
    named = generate(clip, context, replace(QUICK, reference=reference, task="ac-vta"))
    implied = generate(clip, context, replace(QUICK, reference=reference))
    assert torch.equal(named.waveforms, implied.waveforms)


def test_words_alone_say_that_a_picture_has_no_effect(clip, context, caplog):
    words = replace(QUICK, task="tta", prompt="metal hit")
    heard = generate(clip, context, words)
    assert "the picture has no effect" in caplog.text
    alone = generate(None, context, replace(words, seconds=4.0))
    assert torch.equal(heard.waveforms, alone.waveforms)


SILENT = (torch.zeros(1, 4 * 32000), 32000)


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"task": "tta"}, "needs words; give a prompt"),
        ({"task": "tc-vta"}, "needs words; give a prompt"),
        ({"task": "ac-vta"}, "needs a reference sound; name one"),
        ({"task": "sing"}, "There is no task 'sing'; choose one of: vta, tta"),
        ({"edit": (2.0, 1.0)}, "must end after it starts, not go from 2 to 1"),
        ({"edit": (float("nan"), 1.0)}, "must end after it starts"),
        ({"edit": (3.0, 9.0)}, "outside of the take, which is 4.00 s long"),
        ({"edit": (-1.0, 2.0)}, "outside of the take"),
        ({"edit": (1.0, 2.0), "seconds": 2.0}, "longer than the take of 2.00 s; cut or pad it"),
        ({"task": "edit"}, "Say which part is to be edited"),
        ({"task": "extend"}, "Say which part of the sound is known"),
        ({"known": (0.0, 9.0)}, "outside of the take"),
        ({"known": (0.0, 4.0)}, "there is nothing to make"),
        ({"known": (0.0, 2.0), "context": SILENT}, "is silent, so there is nothing to go on from"),
        ({"known": (0.0, 2.0), "task": "vta", "context": None}, "belongs to the task extend"),
        ({"edit": (1.0, 2.0), "offset": 10.0}, "leave the offset away"),
        ({"edit": (1.0, 2.0), "context": None}, "has no sound of its own"),
        ({"task": "vta"}, "goes on from no sound; leave the context away"),
        ({"known": (0.0, 2.0), "reference": SILENT}, "follows no reference sound"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(asked, sentence, clip, stereo, context):
    given = {"context": stereo, **asked}
    if asked.get("task") in ("tta", "tc-vta", "ac-vta"):
        given["context"] = None
    with pytest.raises(FoleyError, match=sentence):
        generate(clip, context, replace(QUICK, **given))


def test_a_reference_as_long_as_the_take_is_refused(clip, reference, context):
    with pytest.raises(FoleyError, match="has to be shorter than its 1.92 s"):
        generate(clip, context, replace(QUICK, reference=reference, seconds=1.92))


def test_a_context_that_ends_before_what_is_known_of_it_is_refused(clip, stereo, context):
    short = read_audio(stereo, seconds=1.0)
    with pytest.raises(FoleyError, match="ends at 1.00 s, but 3 s of it are said to be known"):
        generate(clip, context, replace(QUICK, context=short, known=(0, 3)))


def test_a_task_that_a_system_does_not_do_names_those_that_do(clip, context):
    mdsgen = load_model("mdsgen_mini")
    with pytest.raises(FoleyError, match="mdsgen_mini does not do tc-vta .* use one of: ac_foley"):
        generate(clip, mdsgen, replace(QUICK, task="tc-vta", prompt="metal"))


def test_surroundings_of_silence_are_warned_of(clip, context, caplog):
    generate(clip, context, replace(QUICK, context=SILENT, edit=(1.0, 2.0)))
    assert "nothing is gone on from" in caplog.text

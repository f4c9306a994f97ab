"""What full-size systems encode of a clip and of words: as it is decoded, once for all takes."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from foleystage.core.encoders.video import encode_video
from foleystage.core.loading import Loading, load_model
from foleystage.core.media import ImageFrames
from foleystage.core.pipeline import generate
from foleystage.core.request import Request
from foleystage.core.resolve import encode
from foleystage.core.system import lazy_encoder
from recording import Recording

QUICK = Request(seconds=0.72, steps=2, loudness=None)


def loaded(system) -> list[str]:
    """The parts that a system loads from now on, in order."""
    system.store = Recording(system.store)
    return system.store.roles


def test_what_was_encoded_is_not_encoded_again(clip, ac_foley):
    roles = loaded(ac_foley)
    request = replace(QUICK, prompt="rain", negative="music", steps=1)
    first = generate(clip, ac_foley, request)
    assert roles == ["sync", "clip", "text", "generator", "decoder"]
    again = generate(clip, ac_foley, request)
    assert roles[5:] == ["generator", "decoder"]
    assert torch.equal(first.waveforms, again.waveforms)
    other = generate(clip, ac_foley, replace(request, prompt="wind"))
    assert roles[7:] == ["text", "generator", "decoder"]
    assert not torch.allclose(other.waveforms, first.waveforms, atol=1e-4)


def test_features_are_kept_in_a_folder_for_the_next_time(found, clip, tmp_path):
    for expected in (["sync", "clip", "text", "generator", "decoder"], ["generator", "decoder"]):
        model = load_model("ac_foley", loading=Loading(feature_cache=tmp_path))
        roles = loaded(model)
        generate(clip, model, replace(QUICK, prompt="rain", steps=1))
        assert roles == expected
    assert len(list(tmp_path.rglob("*.safetensors"))) > 2


def test_the_folder_of_features_can_be_named_in_the_environment(found, clip, tmp_path, monkeypatch):
    monkeypatch.setenv("FOLEYSTAGE_CACHE", str(tmp_path))
    encode(clip, load_model("ac_foley"), QUICK)
    assert list(tmp_path.rglob("*.safetensors"))


def test_other_weights_are_other_features(found, clip, tmp_path):
    other = tmp_path / "other.pth"
    state = torch.load(found / "synchformer_state_dict.pth", weights_only=True)
    torch.save({key: value * 1.1 for key, value in state.items()}, other)
    made = []
    for files in ({}, {"sync": other}):
        loading = Loading(files, feature_cache=tmp_path / "features")
        model = load_model("ac_foley", loading=loading)
        roles = loaded(model)
        encode(clip, model, QUICK)
        made += roles
    assert made == ["sync", "clip", "sync"]


def test_a_long_clip_is_encoded_while_it_is_read(ac_foley):
    frames = ImageFrames(torch.rand(60, 8, 8, 3, generator=torch.Generator().manual_seed(0)), 25.0)
    whole = encode(frames, ac_foley, Request())
    store = Recording(ac_foley.store)
    part = ac_foley.video_encoder
    encoders = {name: lazy_encoder(part, store, name) for name in part.encoders}
    pieces = encode_video(frames, encoders, hold=6 << 20)
    # Both are at work before the clip ends, so the second is loaded beside the first.
    assert store.roles == ["sync", "clip"] and store.alive_before == [0, 1]
    for name in ("clip", "sync"):
        assert torch.allclose(pieces[name].values, whole.streams[name], atol=1e-5)


def test_what_is_not_to_be_looked_at_needs_no_encoder(clip, ac_foley):
    roles = loaded(ac_foley)
    assert set(encode(clip, ac_foley, replace(QUICK, ignore_look=True)).streams) == {"sync"}
    assert roles == ["sync"]


def test_a_take_far_beyond_training_says_that_quality_drops(frame_counter, caplog):
    frames = torch.zeros(1000, 4, 4, 3)
    video = encode(ImageFrames(frames, 25.0), frame_counter, Request())
    assert video.padded == 40 and video.streams["sync"].shape[1] == 1000
    assert frame_counter.seconds_made(video.padded, None) == 40
    assert "40.0 s is far beyond the 8 s" in caplog.text and "quality drops" in caplog.text


def test_published_frame_timing_is_mmaudios(frame_counter):
    # 8 s of 25 fps end before the 200th frame's turn: 7.96 s are left.
    frames = ImageFrames(torch.zeros(200, 4, 4, 3), 25.0)
    video = encode(frames, frame_counter, Request(timing="published"))
    assert video.padded == pytest.approx(7.96)
    assert {k: v.shape[1] for k, v in video.streams.items()} == {"sync": 199, "clip": 63}
    assert encode(frames, frame_counter, Request()).padded == 8

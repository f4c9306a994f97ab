"""What full-size models see and read: while the clip is decoded, once for all takes."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from foleystage.core import pipeline
from foleystage.core.media import ImageFrames, read_frames
from foleystage.core.mmaudio_model import MMAudioModel
from foleystage.core.model_base import Loading
from foleystage.core.models import load_model
from foleystage.core.pipeline import Request, generate, look

QUICK = Request(seconds=0.72, steps=2, loudness=None)


@pytest.fixture
def loaded(monkeypatch):
    """The parts that are loaded, in order."""
    parts = []
    load = MMAudioModel._load
    monkeypatch.setattr(
        MMAudioModel, "_load", lambda self, part: parts.append(part) or load(self, part)
    )
    return parts


def test_what_was_seen_and_read_is_not_looked_at_again(clip, ac_foley, loaded):
    request = replace(QUICK, prompt="rain", negative="music", steps=1)
    first = generate(clip, ac_foley, request)
    assert loaded == ["sync", "clip", "generator", "decoder"]
    again = generate(clip, ac_foley, request)
    assert loaded[4:] == ["generator", "decoder"]
    assert torch.equal(first.waveforms, again.waveforms)
    other = generate(clip, ac_foley, replace(request, prompt="wind"))
    assert loaded[6:] == ["clip", "generator", "decoder"]
    assert not torch.allclose(other.waveforms, first.waveforms, atol=1e-4)


def test_features_are_kept_in_a_folder_for_the_next_time(found, clip, loaded, tmp_path):
    for _ in range(2):
        model = load_model("ac_foley", loading=Loading(feature_cache=tmp_path))
        generate(clip, model, replace(QUICK, prompt="rain", steps=1))
    assert loaded[4:] == ["generator", "decoder"] and len(list(tmp_path.rglob("*.safetensors"))) > 2


def test_the_folder_of_features_can_be_named_in_the_environment(found, clip, tmp_path, monkeypatch):
    monkeypatch.setenv("FOLEYSTAGE_CACHE", str(tmp_path))
    look(clip, load_model("ac_foley"), QUICK)
    assert list(tmp_path.rglob("*.safetensors"))


def test_other_weights_are_other_features(found, clip, tmp_path, loaded):
    other = tmp_path / "other.pth"
    state = torch.load(found / "synchformer_state_dict.pth", weights_only=True)
    torch.save({key: value * 1.1 for key, value in state.items()}, other)
    for files in ({}, {"sync": other}):
        loading = Loading(files, feature_cache=tmp_path / "features")
        look(clip, load_model("ac_foley", loading=loading), QUICK)
    assert loaded == ["sync", "clip", "sync"]


def test_a_long_clip_is_looked_at_while_it_is_read(ac_foley, monkeypatch):
    from foleystage.core.encoders import gaze, video

    frames = ImageFrames(torch.rand(60, 8, 8, 3, generator=torch.Generator().manual_seed(0)), 25.0)
    whole = look(frames, ac_foley, Request())
    ac_foley.cache.clear()
    monkeypatch.setattr(gaze, "_CHUNK", 6 << 20)
    monkeypatch.setitem(video.encode_video.__kwdefaults__, "hold", 6 << 20)
    pieces = look(frames, ac_foley, Request())
    for name in ("clip", "sync"):
        got, wanted = pieces.frames[name].values, whole.frames[name].values
        assert torch.allclose(got, wanted, atol=1e-5)


def test_what_is_not_to_be_looked_at_needs_no_encoder(clip, ac_foley, loaded):
    assert set(look(clip, ac_foley, replace(QUICK, ignore_look=True)).frames) == {"sync"}
    assert loaded == ["sync"]


@pytest.fixture
def blind(monkeypatch):
    """Encoders that are only told how many frames they would get."""

    def count(source, eyes, *, timing, fit, start, seconds, **options):
        requests = {k: eye.layout.frame_request.timed(timing) for k, eye in eyes.items()}
        frames = read_frames(source, requests, start=start, seconds=seconds)
        return fit({k: len(v) for k, v in frames.items()})

    monkeypatch.setattr(pipeline, "encode_video", count)


def test_a_take_far_beyond_training_says_that_quality_drops(ac_foley, caplog, blind):
    frames = torch.zeros(1000, 4, 4, 3)
    view = look(ImageFrames(frames, 25.0), ac_foley, Request())
    assert view.covered == 40 and view.frames["sync"] == 1000
    assert "40.0 s is far beyond the 8 s" in caplog.text and "quality drops" in caplog.text


def test_reference_frame_timing_is_mmaudios(ac_foley, blind):
    # 8 s of 25 fps end before the 200th frame's turn: 7.96 s are left.
    frames = torch.zeros(200, 4, 4, 3)
    view = look(ImageFrames(frames, 25.0), ac_foley, Request(timing="published"))
    assert view.covered == pytest.approx(7.96) and view.frames == {"sync": 199, "clip": 63}
    assert look(ImageFrames(frames, 25.0), ac_foley, Request()).covered == 8

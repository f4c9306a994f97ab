"""Synchformer's picture half against its golden case, and its lengths."""

from __future__ import annotations

import case as golden
import pytest
import torch
from foleystage.core.encoders.synchformer import SynchformerVisual
from foleystage.core.errors import FoleyError
from safetensors.torch import save_file

PREFIX = "vfeat_extractor."


def test_keys_and_shapes_are_the_public_ones():
    built = SynchformerVisual(device="meta").state_dict()
    shapes = {PREFIX + k: list(v.shape) for k, v in built.items()}
    assert shapes == golden.load("synchformer_visual").shapes()


@pytest.mark.slow
@torch.no_grad()
def test_matches_the_reference_from_a_file_that_also_holds_the_audio_half(tmp_path):
    case = golden.load("synchformer_visual")
    others = {"afeat_extractor.norm.weight": torch.zeros(3), "transformer.OFF_tok": torch.zeros(1)}
    save_file({**case.state_dict(), **others}, tmp_path / "synchformer.safetensors")
    model = SynchformerVisual.load(tmp_path / "synchformer.safetensors")
    frames = case.input("frames")
    assert case.error("features", model.encode_segments(frames[0])) < case.tolerance


@pytest.mark.parametrize(
    ("frames", "features"), [(1, 8), (16, 8), (23, 8), (24, 16), (50, 40), (199, 184), (200, 192)]
)
def test_lengths_are_those_of_mmaudio(frames, features):
    windows = SynchformerVisual(device="meta").windows(frames)
    assert 8 * len(windows) == features
    assert int(windows.max()) < frames


def test_windows_step_by_eight_frames():
    assert SynchformerVisual(device="meta").windows(40)[:, 0].tolist() == [0, 8, 16, 24]


def test_frames_of_another_size_are_refused():
    frames = torch.zeros(16, 100, 100, 3, dtype=torch.uint8)
    with pytest.raises(FoleyError, match="frames of 224 x 224, not 100 x 100"):
        SynchformerVisual(device="meta").encode(frames)

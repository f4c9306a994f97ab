"""CAVP's two towers against their golden cases, and long clips without a seam."""

from __future__ import annotations

import case as golden
import pytest
import torch
from foleystage.core.encoders.cavp import CavpSpectrum, CavpVideo
from procedural import randn
from safetensors.torch import save_file


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    case = golden.load("cavp_video")
    path = tmp_path_factory.mktemp("cavp") / "cavp.safetensors"
    save_file({f"module.{k}": v for k, v in case.state_dict().items()}, path)
    return case, path


@pytest.mark.slow
@torch.no_grad()
def test_picture_matches_the_reference(stored):
    case, path = stored
    frames = randn("cavp_video.frames", case.info["inputs"]["frames"]["shape"]).sigmoid()
    video = CavpVideo.load(path)
    trunk = video.video_encoder(frames.transpose(1, 2))
    assert case.error("trunk", trunk) < case.tolerance
    assert case.error("features_raw", video.video_project_head(trunk)) < case.tolerance
    assert case.error("features", video.encode_frames(frames)) < case.tolerance


@pytest.mark.slow
@torch.no_grad()
def test_spectrum_matches_the_reference(stored):
    case, path = stored
    spectrum = randn("cavp_video.spec", case.info["inputs"]["spec"]["shape"]).sigmoid()
    assert case.error("spec_features", CavpSpectrum.load(path)(spectrum)) < case.tolerance


def test_full_size_has_the_public_keys_and_shapes():
    case = golden.load("cavp_full")
    video, spectrum = CavpVideo(device="meta"), CavpSpectrum(device="meta")
    built = {"logit_scale": []}
    built |= {k: list(v.shape) for k, v in video.state_dict().items()}
    built |= {f"spec_encoder.{k}": list(v.shape) for k, v in spectrum.state_dict().items()}
    integers = {k for k in built if k.endswith("num_batches_tracked")}
    assert {k: v for k, v in built.items() if k not in integers} == case.shapes()
    assert integers == set(case.info["integer_buffers"])
    counted = {"video_encoder": video.video_encoder, "spec_encoder": spectrum}
    for name, tower in counted.items():
        assert sum(p.numel() for p in tower.parameters()) == case.info["parameters"][name]


@pytest.mark.parametrize("count", [1, 39, 40, 41, 62, 63, 100, 240])
def test_every_frame_of_a_long_clip_is_kept_with_its_whole_neighbourhood(count):
    model = CavpVideo(device="meta")
    windows = model.windows(count)
    assert windows.shape[1] == min(count, 40) and int(windows.max()) == count - 1
    # Each window gives the frame it stands for and how far it reaches to both sides.
    encoded = torch.stack([windows, windows - windows[:, :1], windows[:, -1:] - windows], 2)
    frame, before, after = model.join(encoded, count).unbind(1)
    assert torch.equal(frame, torch.arange(count))
    assert ((before >= 9) | (before == frame)).all()
    assert ((after >= 9) | (after == count - 1 - frame)).all()


@pytest.mark.slow
@torch.no_grad()
def test_windows_give_what_one_pass_gives(stored):
    _, path = stored
    model = CavpVideo.load(path)
    frames = torch.randint(0, 256, (45, 32, 32, 3), generator=torch.Generator().manual_seed(0))
    model.frame_request = type(model.frame_request)(fps=4.0, size=32)
    whole = model.encode_frames((frames / 255).movedim(-1, 1)[None])
    parts = model.encode(frames.to(torch.uint8)).values
    assert torch.allclose(parts, whole, atol=1e-5)

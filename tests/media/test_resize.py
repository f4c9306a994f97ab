from __future__ import annotations

import pytest
import torch
from foleystage.core.media.resize import box_weights, frame_geometry, resize


def noise(height: int, width: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (height, width, 3), generator=generator, dtype=torch.uint8)


def test_area_is_the_mean_of_each_block_for_whole_ratios():
    image = noise(48, 96)
    want = image.float().reshape(16, 3, 24, 4, 3).mean(dim=(1, 3))
    got = resize(image, 16, 24, "area")
    assert (got.float() - want).abs().max() <= 0.5 + 1e-3


def test_area_weighs_a_split_pixel_by_the_part_that_lies_under_the_output():
    assert torch.allclose(
        box_weights(5, 2), torch.tensor([[0.4, 0.4, 0.2, 0, 0], [0, 0, 0.2, 0.4, 0.4]])
    )


@pytest.mark.parametrize("source", [(37, 53), (720, 1280), (9, 200)])
def test_area_agrees_with_the_full_weight_matrices(source):
    image = noise(*source)
    rows, columns = box_weights(source[0], 64), box_weights(source[1], 64)
    want = torch.einsum("ih,hwc,jw->ijc", rows, image.float(), columns)
    assert (resize(image, 64, 64, "area").float() - want).abs().max() <= 0.5 + 1e-2


@pytest.mark.parametrize("resample", ["bicubic", "bilinear", "area"])
@pytest.mark.parametrize("size", [(16, 16), (50, 70), (333, 111)])
def test_a_flat_picture_stays_flat_at_any_size(resample, size):
    image = torch.full((33, 47, 3), 137, dtype=torch.uint8)
    out = resize(image, *size, resample)
    assert out.shape == (*size, 3) and out.dtype == torch.uint8
    assert (out == 137).all()


def test_bicubic_stays_within_eight_bits_at_hard_edges():
    image = torch.zeros(32, 32, 3, dtype=torch.uint8)
    image[:, 16:] = 255
    out = resize(image, 64, 64, "bicubic")
    assert (out[:, :28] == 0).float().mean() > 0.8 and (out[:, 36:] == 255).float().mean() > 0.8


def test_stretch_ignores_the_aspect_ratio():
    assert frame_geometry(720, 1280, (384, 384), "stretch") == (384, 384, 0, 0, 384, 384)


def test_center_scales_the_shorter_side_and_cuts_the_middle():
    assert frame_geometry(96, 160, (224, 224), "center") == (224, 373, 0, 74, 224, 224)
    assert frame_geometry(160, 96, (224, 224), "center") == (373, 224, 74, 0, 224, 224)


def test_center_with_a_larger_shorter_side_cuts_on_all_sides():
    assert frame_geometry(720, 1280, (256, 256), "center", 292) == (292, 519, 18, 132, 256, 256)


def test_center_covers_targets_that_are_not_square():
    tall, wide, top, left, height, width = frame_geometry(720, 1280, (100, 300), "center")
    assert (height, width) == (100, 300) and tall >= 100 and wide == 300
    assert 0 <= top <= tall - 100 and left == 0


@pytest.mark.parametrize(("size", "want"), [((720, 1280), (56, 100)), ((1280, 720), (100, 56))])
def test_fit_keeps_the_aspect_ratio_inside_the_target(size, want):
    assert frame_geometry(*size, (100, 100), "fit")[:2] == want

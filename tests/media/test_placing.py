"""A sound is heard where its object is seen."""

from __future__ import annotations

import pytest
import torch
from foleystage.core.errors import FoleyError
from foleystage.core.media.placing import FARTHEST_DB, path_of, placed

RATE = 8000


def box(x: float, size: int, frames: int = 50) -> torch.Tensor:
    """A white square in a mask of 40 x 80."""
    mask = torch.zeros(frames, 40, 80)
    left = round((x + 1) / 2 * 80 - size / 2)
    mask[:, 10 : 10 + size, left : left + size] = 1.0
    return mask


def levels(mask: torch.Tensor, **options) -> torch.Tensor:
    path = path_of(mask, 25.0, "mask")
    given = {"width": 1.0, "depth": 0.0, "nearest": path.size, **options}
    return placed(torch.ones(1, 2 * RATE), RATE, path, **given)


@pytest.mark.parametrize("x", [-0.8, 0.0, 0.5])
def test_left_to_right_at_equal_power(x):
    assert path_of(box(x, 4), 25.0, "mask").x == pytest.approx(x, abs=0.02)
    left, right = levels(box(x, 4))[:, RATE]
    assert float(left**2 + right**2) == pytest.approx(1.0, abs=1e-3)
    assert (right > left) == (x > 0) or x == 0.0
    middle = levels(box(x, 4), width=0.0)
    torch.testing.assert_close(middle[0], middle[1])


def test_what_is_small_is_far():
    large = path_of(box(0, 16), 25.0, "mask").size
    near, far = (levels(box(0, n), depth=1.0, nearest=large)[:, RATE] for n in (16, 8))
    decibels = 20 * float((far[0] / near[0]).log10())
    assert decibels == pytest.approx(-6.0, abs=0.2)
    least = levels(box(0, 1), depth=1.0, nearest=large)[0, RATE] / near[0]
    assert 20 * float(least.log10()) == pytest.approx(FARTHEST_DB, abs=0.1)


def test_it_moves_without_a_step():
    mask = torch.cat([box(-0.8, 6, 25), box(0.8, 6, 25)])
    left, right = levels(mask)
    assert left[: RATE // 2].mean() > right[: RATE // 2].mean()
    assert left[-RATE // 2 :].mean() < right[-RATE // 2 :].mean()
    assert float(left.diff().abs().max()) < 2e-3


def test_out_of_sight_it_stays_where_it_was():
    mask = torch.cat([box(-0.6, 6, 20), torch.zeros(20, 40, 80), box(-0.6, 6, 10)])
    path = path_of(mask, 25.0, "mask")
    assert path.x == pytest.approx(-0.6, abs=0.02) and path.share.min() > 0
    with pytest.raises(FoleyError, match="my mask is black throughout"):
        path_of(torch.zeros(10, 4, 4), 25.0, "my mask")

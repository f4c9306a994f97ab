"""Shares of a batch: every row once, structure kept, no row lost in silence."""

from __future__ import annotations

import pytest
import torch
from foleystage.core.errors import FoleyError
from foleystage.core.training.batches import on_device, share_of


def a_batch():
    rows = torch.arange(12).view(6, 2)
    return {"x": rows, "words": list("abcdef"), "more": (rows[:4], None), "seconds": 2.5}


def test_shares_hold_every_row_once():
    shares = [share_of(a_batch(), k, 2) for k in range(2)]
    for pick in (lambda b: b["x"], lambda b: b["more"][0]):
        both = torch.cat([pick(share) for share in shares]).tolist()
        assert sorted(both) == pick(a_batch()).tolist()
    assert [share["words"] for share in shares] == [["a", "c", "e"], ["b", "d", "f"]]
    assert all(share["more"][1] is None and share["seconds"] == 2.5 for share in shares)


def test_the_rows_of_a_take_stay_together():
    share = share_of(a_batch(), 1, 2)
    assert [["abcdef".index(word) * 2] for word in share["words"]] == share["x"][:, :1].tolist()


def test_a_single_share_is_the_batch_itself():
    batch = a_batch()
    assert share_of(batch, 0, 1) is batch


def test_rows_that_cannot_be_shared_equally_are_refused():
    with pytest.raises(FoleyError, match="6 takes of a batch cannot be shared equally by 4"):
        share_of(a_batch(), 0, 4)


def test_every_tensor_moves():
    moved = on_device(a_batch(), "meta")
    assert moved["x"].is_meta and moved["more"][0].is_meta
    assert moved["words"] == list("abcdef")

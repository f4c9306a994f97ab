"""MaskGIT's loop makes the published ids, keeps them, and leaves given ones as they are."""

from __future__ import annotations

import case as golden
import pytest
import torch
from foleystage.core.errors import Cancelled, FoleyError
from foleystage.core.sampling.maskgit import GumbelNoise, draw_gumbel, masked_after, maskgit

MASK = 32


@pytest.fixture(scope="module")
def case():
    return golden.load("maskgit_sampler")


@pytest.fixture(scope="module")
def guided(case):
    """guided(cfg_max): the case's three models under the paper's guidance (eq. 1)."""
    a, b, c = (case.input(name) for name in "abc")  # [3, T, K], [3, K + 1, K] twice

    def of(cfg_max: float):
        def predict(ids, share):
            own = torch.stack([b[k][ids] for k in range(3)])  # [3, B, T, K]
            mean = torch.stack([c[k][ids].mean(1, keepdim=True) for k in range(3)])
            plain, video, both = a[:, None] + own + mean
            return plain + cfg_max * share * ((both - plain) + (video - plain))

        return predict

    return of


def noise_of(case, steps):
    tokens, confidence = (case.input(f"gumbel_{name}_{steps}") for name in ("tokens", "conf"))
    return GumbelNoise(tokens[None], confidence[None])


@pytest.mark.parametrize("steps", [4, 12])
def test_ids_of_every_step_match(case, guided, steps):
    run = case.info["config"]["runs"][str(steps)]
    after = []

    def record(step, ids):
        after.append(ids[0])
        return ids

    made = maskgit(
        guided(run["cfg_max"]),
        torch.full((1, 30), MASK),
        noise_of(case, steps),
        mask_id=MASK,
        temperature=run["temperature"],
        hook=record,
    )
    assert (after[0] == MASK).all()
    assert torch.equal(torch.stack(after[1:]), case.tensors[f"after_{steps}"].long())
    assert torch.equal(made[0], case.tensors[f"final_{steps}"].long())


def test_counts_are_the_published_ones():
    for steps, rows in golden.load("maskgit_schedule").info["values"].items():
        now = 265
        for row in rows:
            assert row["masked_before"] == now
            now = masked_after(row["step"], int(steps), 265, now)
            assert row["masked_after"] == now


def test_given_ids_never_change_and_the_rest_is_filled_in(case, guided):
    ids = torch.full((2, 30), MASK)
    ids[0, 5:25], ids[1, :29] = torch.arange(20), 3
    noise = draw_gumbel(torch.Generator().manual_seed(0), 2, 6, 30, 32)
    made = maskgit(guided(3.0), ids, noise, mask_id=MASK, temperature=9.0)
    assert torch.equal(made[0, 5:25], torch.arange(20)) and (made[1, :29] == 3).all()
    assert (made != MASK).all() and made.max() < 32


def test_a_take_is_the_same_however_many_are_drawn(case, guided):
    ids = torch.full((1, 30), MASK)
    alone, three = (
        draw_gumbel(torch.Generator().manual_seed(4), takes, 5, 30, 32) for takes in (1, 3)
    )
    options = {"mask_id": MASK, "temperature": 4.5}
    first = maskgit(guided(3.0), ids, alone, **options)
    many = maskgit(guided(3.0), ids.expand(3, -1), three, **options)
    assert torch.equal(many[0], first[0]) and not torch.equal(many[1], many[0])


def test_noise_of_another_shape_is_refused_and_a_hook_can_end_the_run():
    ids = torch.full((1, 30), MASK)
    noise = draw_gumbel(torch.Generator(), 1, 2, 29, 32)
    with pytest.raises(FoleyError, match="are to be filled in"):
        maskgit(lambda ids, share: ids, ids, noise, mask_id=MASK, temperature=1.0)

    def stop(step, ids):
        raise Cancelled

    noise = draw_gumbel(torch.Generator(), 1, 2, 30, 32)
    with pytest.raises(Cancelled):
        maskgit(lambda ids, share: ids, ids, noise, mask_id=MASK, temperature=1.0, hook=stop)

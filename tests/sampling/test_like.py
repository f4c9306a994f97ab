"""Takes that are like another: what they draw, and of tokens what they make anew."""

from __future__ import annotations

import math

import pytest
import torch
from foleystage.core.generators import LatentSpec
from foleystage.core.sampling import DYNAMICS, Like
from foleystage.core.sampling.remask import fill_like
from foleystage.core.sampling.slide import slide

STEPS, LENGTH, DIM, CODES = 4, 3000, 4, 24
KINDS = ("flow", "epsilon", "v")
LATENT = LatentSpec("no_codec", DIM, 10.0, 16000)
TOKENS = LatentSpec("no_codec", 1, 10.0, 16000, CODES)


def rng():
    return torch.Generator().manual_seed(5)


def drawn(kind: str, takes: int, like: Like | None = None) -> list[torch.Tensor]:
    """All that is drawn, each [takes, ...]."""
    dynamics, size = DYNAMICS[kind], (LATENT, takes, LENGTH, STEPS)
    draw = dynamics.draw_like
    noise = dynamics.draw(rng(), *size) if like is None else draw(rng(), like, *size)
    later = [] if noise.later is None else [noise.later.transpose(0, 1)]
    assert noise.steps == (STEPS if later else None)
    return [noise.first, *later]


def correlation(one: torch.Tensor, other: torch.Tensor) -> float:
    return float(torch.corrcoef(torch.stack([one.flatten(), other.flatten()]))[0, 1])


@pytest.mark.parametrize("kind", KINDS)
def test_without_variation_it_is_that_take(kind):
    for like, whole in zip(drawn(kind, 2, Like(3, 0.0)), drawn(kind, 3)):
        assert torch.equal(like[0], whole[2]) and torch.equal(like[1], whole[2])


@pytest.mark.parametrize("variation", [0.2, 0.7, 1.0])
@pytest.mark.parametrize("kind", KINDS)
def test_more_variation_has_less_of_it(kind, variation):
    for like, whole in zip(drawn(kind, 2, Like(3, variation)), drawn(kind, 8)):
        expected = math.sqrt(1 - variation**2)
        assert correlation(like[0], whole[2]) == pytest.approx(expected, abs=0.05)
        assert correlation(like[0], like[1]) == pytest.approx(expected**2, abs=0.05)
        assert float(like.std()) == pytest.approx(1, abs=0.02)
        if variation == 1:
            assert not any(torch.equal(like[0], take) for take in whole)


@pytest.mark.parametrize("kind", KINDS)
def test_a_take_is_the_same_however_many_are_made(kind):
    for two, four in zip(drawn(kind, 2, Like(3, 0.3)), drawn(kind, 4, Like(3, 0.3))):
        assert torch.equal(two, four[:2])


MASKED = torch.full((4, LENGTH), CODES)


def at_once(rng, ids):
    """Tokens by what each take draws, as a run that is not slid."""
    noise = [DYNAMICS["tokens"].draw(rng, TOKENS, 1, LENGTH, STEPS) for _ in ids]
    made = torch.cat([one.later.tokens[:, -1].argmax(-1) for one in noise])
    return torch.where(ids == CODES, made, ids)


def in_windows(rng, ids):
    def make(index, ids, noise, progress):
        return torch.where(ids == CODES, noise.later.tokens[:, -1].argmax(-1), ids)

    spans = [slice(0, 2000), slice(1500, LENGTH)]
    return slide(make, spans, ids, TOKENS, STEPS, rng)


RUNS = pytest.mark.parametrize(("fill", "slid"), [(at_once, False), (in_windows, True)])


def tokens(fill, slid, like, ids=MASKED):
    return fill_like(fill, rng(), like, ids, TOKENS, STEPS, slid=slid)


@RUNS
@pytest.mark.parametrize("variation", [0.0, 0.3, 1.0])
def test_a_share_of_the_tokens_is_made_anew(fill, slid, variation):
    third = fill(rng(), MASKED)[2]
    made = tokens(fill, slid, Like(3, variation))
    same = (made == third).float().mean(1)
    expected = 1 - variation * (1 - 1 / CODES)
    assert same.tolist() == pytest.approx([expected] * 4, abs=0.04)
    assert torch.equal(made, third.expand_as(made)) == (variation == 0)


@RUNS
def test_tokens_are_the_same_however_many_takes_are_made(fill, slid):
    four, two = (tokens(fill, slid, Like(2, 0.5), MASKED[:count]) for count in (4, 2))
    assert torch.equal(four[:2], two) and not torch.equal(four[2], four[3])


@RUNS
def test_tokens_that_are_known_stay(fill, slid):
    ids = MASKED.clone()
    ids[:, 100:200] = 3
    made = tokens(fill, slid, Like(2, 1.0), ids)
    assert bool((made[:, 100:200] == 3).all()) and int((made == 3).sum()) < 2000

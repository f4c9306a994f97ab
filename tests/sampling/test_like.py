"""Takes that are like another: what they draw, of every kind of dynamics."""

from __future__ import annotations

import math

import pytest
import torch
from foleystage.core.generators import LatentSpec
from foleystage.core.sampling import DYNAMICS, Like
from foleystage.core.sampling.slide import slide

STEPS, LENGTH, DIM, CODES = 4, 3000, 4, 24
KINDS = list(DYNAMICS)


def latent_of(kind: str) -> LatentSpec:
    codes = CODES if kind == "tokens" else None
    return LatentSpec("no_codec", 1 if codes else DIM, 10.0, 16000, codes)


def rng():
    return torch.Generator().manual_seed(5)


def drawn(kind: str, takes: int, like: Like | None = None) -> list[torch.Tensor]:
    """All that is drawn, each [takes, ...]."""
    dynamics, size = DYNAMICS[kind], (latent_of(kind), takes, LENGTH, STEPS)
    draw = dynamics.draw_like
    noise = dynamics.draw(rng(), *size) if like is None else draw(rng(), like, *size)
    assert noise.steps == (STEPS if kind in ("v", "tokens") else None)
    if kind == "tokens":
        return [noise.later.tokens, noise.later.confidence]
    later = [] if noise.later is None else [noise.later.transpose(0, 1)]
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
        # Gumbel noise is bent on the way, which costs a hundredth of the correlation.
        assert correlation(like[0], whole[2]) == pytest.approx(expected, abs=0.05)
        assert correlation(like[0], like[1]) == pytest.approx(expected**2, abs=0.05)
        if variation == 1:
            assert not any(torch.equal(like[0], take) for take in whole)


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_distributed_as_any_noise(kind):
    for like, whole in zip(drawn(kind, 1, Like(3, 0.5)), drawn(kind, 1)):
        levels = torch.linspace(0.05, 0.95, 10)
        ours, usual = (torch.quantile(x.flatten()[:100_000], levels) for x in (like, whole))
        torch.testing.assert_close(ours, usual, rtol=0, atol=0.15)
        assert torch.isfinite(like).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_take_is_the_same_however_many_are_made(kind):
    for two, four in zip(drawn(kind, 2, Like(3, 0.3)), drawn(kind, 4, Like(3, 0.3))):
        assert torch.equal(two, four[:2])


@pytest.mark.parametrize("variation", [0.0, 0.3])
def test_every_window_of_a_long_take_of_tokens_is_like_it(variation):
    latent, spans = latent_of("tokens"), [slice(0, 60), slice(40, 100)]

    def drawn(takes, like=None):
        found = []

        def make(index, ids, noise, progress):
            found.append(noise.later.tokens)
            return ids

        slide(make, spans, torch.zeros(takes, 100), latent, STEPS, rng(), like=like)
        return found

    for like, two, whole in zip(
        drawn(4, Like(2, variation)), drawn(2, Like(2, variation)), drawn(3)
    ):
        assert torch.equal(like[:2], two)
        assert torch.equal(like[0], whole[1]) == (not variation)
        assert correlation(like[3], whole[1]) > 0.9

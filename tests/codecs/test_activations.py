"""The alias-free snake: one formula, two ways to calculate it."""

from __future__ import annotations

import pytest
import torch
from case import load
from foleystage.core.codecs.activations import AliasFreeSnake, Snake, SnakeBeta, low_pass


def test_low_pass_is_the_public_files():
    wanted = load("bigvgan_16k").tensors["native.filter"].reshape(1, 1, 12)
    torch.testing.assert_close(low_pass(), wanted, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("length", [1, 2, 5, 6, 7, 64])
@pytest.mark.parametrize(("batch", "channels"), [(1, 1), (2, 5)])
def test_the_quick_way_gives_what_the_formula_gives(length, batch, channels, monkeypatch):
    monkeypatch.setattr("foleystage.core.codecs.activations.PIECE", 100)
    torch.manual_seed(0)
    layer = AliasFreeSnake(channels)
    with torch.no_grad():
        layer.act.alpha.normal_()
        layer.act.beta.normal_()
    x = torch.randn(batch, channels, length)
    formula = layer(x)
    with torch.no_grad():
        torch.testing.assert_close(layer(x), formula.detach(), rtol=1e-5, atol=1e-6)


def test_snakes_are_their_formulas():
    x = torch.randn(1, 3, 10, generator=torch.Generator().manual_seed(0))
    plain, logged = Snake(3), SnakeBeta(3)
    with torch.no_grad():
        plain.alpha.copy_(torch.tensor([0.5, 1.0, 2.0])[None, :, None])
        logged.alpha.copy_(torch.tensor([0.1, -0.2, 0.3]))
        logged.beta.copy_(torch.tensor([0.3, 0.2, -0.1]))
    a = plain.alpha
    torch.testing.assert_close(plain(x), x + torch.sin(a * x) ** 2 / a)
    a, b = logged.alpha.exp()[:, None], logged.beta.exp()[:, None]
    torch.testing.assert_close(logged(x), x + torch.sin(a * x) ** 2 / b)


def test_gradients_pass_through_every_snake():
    for layer in (Snake(2), SnakeBeta(2), AliasFreeSnake(2)):
        x = torch.randn(1, 2, 12, requires_grad=True)
        layer(x).square().sum().backward()
        assert all(p.grad.isfinite().all() and p.grad.any() for p in (x, *layer.parameters()))

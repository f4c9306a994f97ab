"""The bridge alone: how large it is, and what its positions say."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from foleystage.core.generators.bridge import Bridge, BridgeConfig
from foleystage.core.generators.stable_audio import rotate_half
from small_control import BRIDGES, RATE, draw, lively


@pytest.mark.parametrize(
    ("adapter", "width", "millions"),
    [
        ("shared", 1024, 190.9),
        ("shared", 1280, 211.0),
        ("shared", 1408, 221.1),
        ("per block", 1024, 239.2),
        ("per block", 1280, 286.4),
        ("per block", 1408, 312.4),
    ],
)
def test_a_full_bridge_has_the_computed_parameters(adapter, width, millions):
    bridge = Bridge(BridgeConfig(video_dim=width, adapter=adapter), device="meta")
    count = sum(value.numel() for value in bridge.parameters())
    assert count / 1e6 == pytest.approx(millions, rel=1e-3)
    with_bias = {name for name, _ in bridge.named_parameters() if name.endswith("bias")}
    assert all("adapter" in name for name in with_bias)


def logits(bridge, moments, latents, rate=RATE):
    """Of a constant query and key at every position, `[latents + 1, moments]`."""
    q, k = draw(64, seed=3), draw(64, seed=4)
    places = torch.arange(moments, dtype=torch.float64) // bridge.config.places
    keys = bridge._table(places, rate / bridge.config.video_rate, None)
    queries = bridge.table(latents)
    turned = rotate_half(q.expand(1, 1, latents + 1, 64), queries)[0, 0].double()
    return turned @ rotate_half(k.expand(1, 1, moments, 64), keys)[0, 0].double().T


def relative(distance, dim=64):
    """The same from the distance alone, by its definition."""
    q, k = draw(64, seed=3).double(), draw(64, seed=4).double()
    half = dim // 2
    angles = distance[..., None] * 10000.0 ** (-torch.arange(half).double() / half)
    qa, qb, ka, kb = q[:half], q[half:dim], k[:half], k[half:dim]
    turned = (qa * ka + qb * kb) * angles.cos() + (qa * kb - qb * ka) * angles.sin()
    return turned.sum(-1) + (q[dim:] * k[dim:]).sum()


@pytest.mark.parametrize("dim", [64, 32])
def test_index_positions_count_each_for_itself(dim):
    """The first token counts, and the rates do not."""
    bridge = Bridge(replace(BRIDGES, rotary_dim=dim))
    at = torch.arange(44).double()[:, None] - torch.arange(16).double()
    torch.testing.assert_close(logits(bridge, 16, 43), relative(at, dim), atol=1e-4, rtol=0)


@pytest.mark.parametrize("rate", [RATE, 24.0])
def test_time_positions_are_of_one_clock(rate):
    """Distances are in latent frames between the middles; the token that is first counts as the
    first latent."""
    bridge = Bridge(replace(BRIDGES, positions="time"))
    made = logits(bridge, 16, 43, rate)
    latents = torch.arange(43).double() + 0.5
    moments = (torch.arange(16).double() + 0.5) * rate / 8
    expected = relative(latents[:, None] - moments)
    torch.testing.assert_close(made[1:], expected, atol=1e-4, rtol=0)
    torch.testing.assert_close(made[0], made[1], atol=0, rtol=0)


def test_a_picture_that_is_later_is_attended_to_as_much_later():
    """A shift by one moment, which is k latents, shifts all logits by k."""
    bridge, k = Bridge(replace(BRIDGES, positions="time")), 3
    made = logits(bridge, 16, 60, 8.0 * k)[1:]
    torch.testing.assert_close(made[k:, 1:], made[:-k, :-1], atol=1e-4, rtol=0)
    index = logits(Bridge(BRIDGES), 16, 60, 8.0 * k)[1:]
    assert (index[k:, 1:] - index[:-k, :-1]).abs().max() > 0.1


def test_the_rest_of_a_head_does_not_turn():
    for dim in (64, 32):
        bridge = lively(Bridge(replace(BRIDGES, rotary_dim=dim)))
        video = draw(1, 1, 16).expand(1, 8, 16)
        keys, values = bridge.keys_and_values(video, RATE)
        assert keys.shape == values.shape == (1, 3, 2, 8, 64)
        still = (keys - keys[:, :, :, :1]).abs().amax((0, 1, 2, 3)) < 1e-6
        half = dim // 2
        assert not still[0] and not still[half]  # the fastest pair, i with i + dim / 2
        assert still[dim:].all() and len(still[dim:]) == 64 - dim
        torch.testing.assert_close(values, values[:, :, :, :1].expand_as(values))


def test_adapters_are_one_or_each_blocks_own():
    video = draw(1, 8, 16)
    for adapter in ("shared", "per block"):
        bridge = lively(Bridge(replace(BRIDGES, adapter=adapter)))
        plain = lively(Bridge(replace(BRIDGES, adapter=adapter)))
        for module in plain.modules():
            if type(module).__name__ == "Adapter":
                for value in module.parameters():
                    value.zero_()
        changed = bridge.keys_and_values(video, RATE)[1], plain.keys_and_values(video, RATE)[1]
        assert not torch.allclose(*changed, atol=1e-3)
        count = sum(type(module).__name__ == "Adapter" for module in bridge.modules())
        assert count == (1 if adapter == "shared" else 3)

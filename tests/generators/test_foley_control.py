"""The bridge in its backbone: what it adds, and what it leaves as it is."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from foleystage.core.errors import FoleyError
from foleystage.core.generators import packed
from foleystage.core.generators.base import Conditions, Prepared
from foleystage.core.generators.bridge import Bridge
from foleystage.core.sampling import Windows, always_conditioned, cfg, per_stream, sample
from small_control import RATE, SECONDS, T, backbone_of, control, draw, noise, streams


@pytest.mark.parametrize("untrained", [True, False], ids=["untrained", "no picture"])
@pytest.mark.parametrize("settled", [True, False])
def test_it_is_the_backbone_bit_for_bit(untrained, settled):
    """At first with a picture, and ever after without one."""
    net = control(untrained=untrained)
    alone, given, x = backbone_of(net), streams(2), noise(2)
    picture = {} if not untrained else {"vjepa": given["vjepa"]}
    prepared = net.prepare({"text": given["text"], **picture}, SECONDS)
    prepared = net.settled(prepared) if settled else prepared
    expected = alone(x, T, alone.prepare({"text": given["text"]}, SECONDS))
    assert torch.equal(net(x, T, prepared), expected)
    trained = control()
    seen = trained(x, T, trained.prepare(given, SECONDS))
    assert not torch.allclose(seen, expected, atol=1e-2)


@pytest.mark.parametrize("settled", [True, False])
def test_rows_without_a_picture_are_the_backbones_in_a_batch(settled):
    net, x = control(), noise(3)
    alone, given = backbone_of(net), streams(3)
    words = [{"text": given["text"][k : k + 1]} for k in range(3)]
    rows = [words[0], {**words[1], "vjepa": given["vjepa"][1:2]}, words[2]]
    prepared = Prepared.cat([net.prepare(row, SECONDS) for row in rows])
    prepared = net.settled(prepared) if settled else prepared
    made = net(x, T, prepared)
    expected = alone(x, T, Prepared.cat([alone.prepare(row, SECONDS) for row in words]))
    assert torch.equal(made[[0, 2]], expected[[0, 2]])
    one = net(x[1:2], T, net.prepare(rows[1], SECONDS))
    torch.testing.assert_close(made[1:2], one, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(made[1], expected[1], atol=1e-2)


def test_windows_without_a_picture_are_the_backbones():
    net, cut = control(), Windows(seconds=2.0, overlap=0.0)
    alone, text = backbone_of(net), {"text": draw(1, 5, 64)}
    assert cut.cut(net.config, 4.0) == cut.cut(alone.config, 4.0) == [(0.0, 2.0), (2.0, 4.0)]
    made = [
        sample(each, Conditions(text, 4.0), cfg(3.0), steps=3, seed=1, windows=cut)
        for each in (net, alone)
    ]
    assert made[0].shape == (1, 87, 8) and torch.equal(*made)


def test_windows_see_their_own_part_of_the_picture():
    net, given = control(), streams(seconds=5.0)
    changed = {**given, "vjepa": given["vjepa"].clone()}
    changed["vjepa"][:, 32:] += 1.0  # from 4 s on
    cut = Windows(seconds=2.0, overlap=0.0)
    made = [
        sample(net, Conditions(each, 5.0), steps=1, seed=1, windows=cut)
        for each in (given, changed)
    ]
    moved = (made[0] - made[1]).abs().amax((0, 2))
    starts = [start for start, _ in cut.cut(net.config, 5.0)]
    first = int(starts[-1] * RATE)
    assert len(starts) == 3 and moved[: first - 1].max() == 0 and moved[first + 1 :].min() > 1e-4


@pytest.mark.parametrize("always", [True, False])
@pytest.mark.parametrize("kind", ["words", "each"])
def test_guidance_in_one_batch_is_that_one_by_one(always, kind):
    net = control()
    net.config = replace(net.config, always_conditioned=always)
    kept = always_conditioned(net)
    assert kept == (("vjepa",) if always else ())
    guidance = cfg(4.0, kept=kept) if kind == "words" else per_stream({"vjepa": 2.0, "text": 4.0})
    given = Conditions(streams(2), SECONDS)
    made = [
        sample(net, given, guidance, steps=4, seed=3, batched=batched) for batched in (True, False)
    ]
    torch.testing.assert_close(*made, atol=1e-4, rtol=1e-4)
    plain = sample(net, given, steps=4, seed=3)
    assert not torch.allclose(made[0], plain, atol=1e-2)


def test_guidance_leads_to_the_words_alone_where_the_picture_is_kept():
    net, given = control(), streams()
    x, words = noise(), {"text": given["text"]}
    with_all, kept = (
        net(x, T, net.prepare(each, SECONDS)) for each in (given, {"vjepa": given["vjepa"]})
    )
    assert not torch.allclose(with_all, kept, atol=1e-3)
    empty, said = (net(x, T, net.prepare(each, SECONDS)) for each in ({}, words))
    assert not torch.allclose(with_all - kept, said - empty, atol=1e-3)


def test_keys_and_values_are_computed_once_a_take(monkeypatch):
    net, calls = control(), []
    whole = Bridge.keys_and_values
    monkeypatch.setattr(
        Bridge, "keys_and_values", lambda self, *given: calls.append(1) or whole(self, *given)
    )
    counts = []
    for steps in (1, 7):
        calls.clear()
        sample(net, Conditions(streams(), SECONDS), cfg(3.0, kept=["vjepa"]), steps=steps, seed=1)
        counts.append(len(calls))
    assert counts == [2, 2]  # of what guidance leads to, and from


def test_without_positions_the_order_of_moments_is_nothing():
    given, x = streams(), noise()
    backwards = {**given, "vjepa": given["vjepa"].flip(1)}
    for positions, same in (("none", True), ("index", False), ("time", False)):
        net = control(positions=positions)
        a, b = (net(x, T, net.prepare(each, SECONDS)) for each in (given, backwards))
        assert torch.allclose(a, b, atol=1e-5) == same, positions
        assert (net.bridge.table(4) is None) == (positions == "none")


def test_places_of_one_moment_share_its_position():
    net, given, x = control(places=4), streams(places=4), noise()
    tokens = given["vjepa"].unflatten(1, (16, 4))
    within = {**given, "vjepa": tokens.flip(2).flatten(1, 2)}
    between = {**given, "vjepa": tokens.flip(1).flatten(1, 2)}
    a, b, c = (net(x, T, net.prepare(each, SECONDS)) for each in (given, within, between))
    torch.testing.assert_close(a, b, atol=1e-5, rtol=0)
    assert not torch.allclose(a, c, atol=1e-3)
    assert net.config.streams[0].rate == 32.0 and net.config.lengths(SECONDS)["vjepa"] == 64
    with pytest.raises(FoleyError, match="its length must be a multiple of 4"):
        net.prepare({"vjepa": draw(1, 63, 16)}, SECONDS)


def test_no_picture_is_the_backbone_alone_or_tokens_of_zeros():
    x, text = noise(), {"text": draw(1, 5, 64)}
    zeros = {**text, "vjepa": torch.zeros(1, 16, 16)}
    for null, seen in (("off", 0.0), ("zeros", 1.0)):
        net = control(null_video=null)
        prepared = net.prepare(text, SECONDS)
        assert prepared.batched["seen"].tolist() == [seen]
        made = net(x, T, net.settled(prepared))
        as_zeros = net(x, T, net.settled(net.prepare(zeros, SECONDS)))
        alone = backbone_of(net)
        expected = alone(x, T, alone.prepare(text, SECONDS))
        assert torch.equal(made, as_zeros if seen else expected)
        assert not torch.allclose(as_zeros, expected, atol=1e-3)


def test_a_picture_of_another_encoder_or_too_long_is_refused():
    net = control(longest=4.0)
    with pytest.raises(FoleyError, match="has 17 channels, but this model needs 16"):
        net.prepare({"vjepa": draw(1, 16, 17)}, SECONDS)
    with pytest.raises(FoleyError, match="span 5.0 s, but this bridge was trained on up to 4 s"):
        net.prepare({"vjepa": draw(1, 40, 16)}, 5.0)
    assert net.config.trained_seconds == 4.0


@pytest.mark.parametrize(
    ("dtype", "close"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)], ids=["float32", "bfloat16"]
)
def test_packed_predictions_are_the_same(dtype, close):
    if not packed.can_pack(dtype, "cpu"):
        pytest.skip("this machine packs no such weights")
    net = control().to(dtype)
    given = {name: value.to(dtype) for name, value in streams(2).items()}
    x = noise(2).to(dtype)

    def predicted():
        return net(x, T, net.settled(net.prepare(given, SECONDS))).float()

    plain = predicted()
    packed.pack(net, packed.STABLE_AUDIO_KINDS)
    kinds = {type(module) for module in net.bridge.modules()}
    assert packed.Packed in kinds and torch.nn.Linear not in kinds
    assert any(isinstance(module, packed.PackedGLU) for module in net.modules())
    assert ((predicted() - plain).norm() / plain.norm()).item() < close

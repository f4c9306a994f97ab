"""The bridge: what it adds, what it leaves as it is, and what its figures say."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from foleystage.core.errors import FoleyError
from foleystage.core.generators import packed
from foleystage.core.generators.base import Conditions, Prepared
from foleystage.core.generators.bridge import Bridge, BridgeConfig
from foleystage.core.generators.foley_control import FoleyControl, bridged
from foleystage.core.generators.stable_audio import (
    STABLE_AUDIO_OPEN,
    StableAudio,
    rotate_half,
    stable_audio_mini,
)
from foleystage.core.generators.stable_audio_checkpoint import (
    BRIDGE,
    check_fit,
    native_tensors,
    own_name,
    recognise,
    recognise_bridge,
    record,
    record_bridge,
)
from foleystage.core.sampling import Windows, always_conditioned, cfg, per_stream, sample

SMALL = replace(
    STABLE_AUDIO_OPEN,
    io_channels=8,
    embed_dim=128,
    depth=3,
    num_heads=2,
    cond_token_dim=64,
    global_cond_dim=128,
    text_tokens=5,
)
BRIDGES = BridgeConfig(video_dim=16, embed_dim=128, depth=3, num_heads=2)
SECONDS = 2.0
RATE = SMALL.latent.rate


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def draw(*shape, seed=0):
    return torch.randn(shape, generator=seeded(seed))


def lively(network, seed=0):
    """Weights that all have an effect."""
    network.initialise(seeded(seed))
    rng = seeded(seed + 1)
    for name, value in network.named_parameters():
        if value.ndim > 1 or name.endswith("bias"):
            deviation = value[0].numel() ** -0.5 / 2
            value.data += torch.randn(value.shape, generator=rng) * deviation
    return network.eval().requires_grad_(False)


def control(config=SMALL, seed=0, *, untrained=False, **figures):
    """A network with a backbone of its seed, and a bridge."""
    bridge = replace(BRIDGES, **figures)
    net = lively(FoleyControl(bridged(config, bridge)), seed)
    if untrained:
        net.bridge.initialise(seeded(5))
    return net


def backbone_of(net):
    alone = StableAudio(SMALL).eval().requires_grad_(False)
    own = {k: v for k, v in net.state_dict().items() if not k.startswith(BRIDGE)}
    alone.load_state_dict(own)
    return alone


def streams(batch=1, seconds=SECONDS, places=1, seed=1):
    return {
        "vjepa": draw(batch, round(seconds * 8) * places, 16, seed=seed),
        "text": draw(batch, 5, 64, seed=seed + 1),
    }


def noise(batch=1, seconds=SECONDS):
    return draw(batch, SMALL.lengths(seconds)["latent"], 8, seed=9)


T = torch.tensor(0.4)


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


def test_without_positions_the_order_of_moments_is_nothing():
    given, x = streams(), noise()
    backwards = {**given, "vjepa": given["vjepa"].flip(1)}
    for positions, same in (("none", True), ("index", False), ("time", False)):
        net = control(positions=positions)
        a, b = (net(x, T, net.prepare(each, SECONDS)) for each in (given, backwards))
        assert torch.allclose(a, b, atol=1e-5) == same, positions
        assert (net.bridge.table(4) is None) == (positions == "none")


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


def shapes_of(tensors):
    return {name: tuple(value.shape) for name, value in tensors.items()}


def bridge_tensors(net):
    return {k: v for k, v in native_tensors(net).items() if k.startswith(BRIDGE)}


FIGURES = [
    {},
    {"positions": "time", "rotary_dim": 32, "null_video": "zeros"},
    {"encoder": "vjepa2_l_grid", "places": 64, "longest": 8.0},
    {"encoder": "mini_video_encoder", "stream": "sync", "video_dim": 3, "video_rate": 50.0},
    {"adapter": "per block", "projected": 8},
]


@pytest.mark.parametrize("figures", FIGURES)
def test_files_say_what_their_bridge_is(figures):
    """Beside its backbone, whose shapes count then."""
    net = control(**figures)
    about = {**record(net.config), **record_bridge(net.config.bridge)}
    found = recognise_bridge(shapes_of(native_tensors(net)), about)
    assert found == net.config
    assert all(own_name(key) in {*net.state_dict(), None} for key in native_tensors(net))


def test_a_bridge_alone_stands_for_the_backbone_of_its_width():
    sizes = ("embed_dim", "depth", "num_heads")
    for backbone, figures in (
        (STABLE_AUDIO_OPEN, {"video_dim": 1280}),
        (replace(STABLE_AUDIO_OPEN, **{name: getattr(SMALL, name) for name in sizes}), {}),
        (stable_audio_mini(), {"projected": 64}),
    ):
        own = {name: getattr(backbone, name) for name in sizes}
        bridge = BridgeConfig(**own, **figures)
        net = FoleyControl(bridged(backbone, bridge), device="meta")
        shapes = shapes_of({k: v for k, v in net.state_dict().items() if k.startswith(BRIDGE)})
        assert recognise_bridge(shapes, record_bridge(bridge)) == net.config
        assert recognise(shapes, {}) is None


def test_a_bridge_of_another_size_than_its_backbone_is_refused():
    net = control()
    shapes = shapes_of(bridge_tensors(net))
    other = StableAudio(replace(SMALL, depth=2))
    beside = {**shapes, **shapes_of(native_tensors(other))}
    with pytest.raises(FoleyError, match="3 blocks, 128 wide, but this one has 2 blocks, 128 wi"):
        recognise_bridge(beside, record_bridge(net.config.bridge))
    with pytest.raises(FoleyError, match="3 blocks, 128 wide, but this one has 24 blocks, 1536 wi"):
        check_fit(net.config.bridge, STABLE_AUDIO_OPEN.embed_dim, STABLE_AUDIO_OPEN.depth)


def test_figures_that_mean_nothing_are_refused():
    net = control()
    shapes = shapes_of(native_tensors(net))
    for figures, says in (
        ({"positions": "late"}, "the positions 'late', which is not known: index, time, none are"),
        ({"null_video": "black"}, "the null_video 'black'"),
    ):
        wrong = replace(net.config.bridge, **figures)
        with pytest.raises(FoleyError, match=says):
            recognise_bridge(shapes, record_bridge(wrong))
    with pytest.raises(FoleyError, match="cannot be read: encoder, stream"):
        recognise_bridge(shapes, {"bridge": '{"rotary_dim": "many"}'})


FLOW = replace(SMALL, start=False, global_cond_dim=64, objective="flow")


def test_a_file_without_the_start_is_of_the_flow_objective():
    """As stable-audio-open-small, which is told the length alone."""
    tensors = native_tensors(StableAudio(FLOW))
    assert not any("seconds_start" in key for key in tensors)
    found = recognise(shapes_of(tensors), {})
    assert found == replace(FLOW, text_tokens=128) and StableAudio(found).dynamics == "flow"
    prepared = lively(StableAudio(found)).prepare({"text": draw(1, 5, 64)}, SECONDS)
    assert prepared.batched["text_keys"].shape[3] == 6  # five of the text, and the length


@pytest.mark.parametrize("solver", ["euler", "midpoint"])
def test_the_flow_objective_leads_to_the_data(solver):
    """A network of the exact velocity, noise minus data with time from 1 to 0, gets there."""
    net, target = lively(StableAudio(FLOW)), draw(1, 44, 8, seed=7)
    times = []

    def exact(x, t, prepared):
        times.append(float(t))
        return (x - target) / t

    net._predict = exact
    made = sample(net, Conditions({}, SECONDS), solver=solver, steps=8, seed=2)
    torch.testing.assert_close(made, target, atol=1e-4, rtol=0)
    assert times[0] == 1.0 and times == sorted(times, reverse=True) and min(times) > 0


def test_v_leads_to_the_data_too():
    """A network of the exact v of a point."""
    net, target = lively(StableAudio(SMALL)), draw(1, 44, 8, seed=7)

    def exact(x, t, prepared):
        angle = t * torch.pi / 2
        noise = (x - angle.cos() * target) / angle.sin()
        return angle.cos() * noise - angle.sin() * target

    net._predict = exact
    made = sample(net, Conditions({}, SECONDS), steps=8, seed=2)
    torch.testing.assert_close(made, target, atol=2e-3, rtol=0)

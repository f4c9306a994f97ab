"""The networks at any size: lengths, nulls, training, errors."""

from __future__ import annotations

import warnings
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from foleystage.core.errors import FoleyError
from foleystage.core.generators import (
    AC_FOLEY,
    L44,
    S16,
    ACFoley,
    MMAudio,
    Prepared,
    ac_foley_mini,
)
from torch import nn

SMALL = ac_foley_mini(
    hidden_dim=32, num_heads=2, depth=4, fused_depth=2, mlp_multiple=16, latent_dim=6, text_dim=8
)
SMALL = replace(SMALL, clip_dim=10, sync_dim=12, reference_samples=8 * 1024)
SECONDS = 0.8


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def net():
    """A small network whose zero-initialised gates are open."""
    rng = seeded()
    built = ACFoley(SMALL, rng=rng)
    with torch.no_grad():
        for parameter in built.parameters():
            parameter += 0.05 * torch.randn(parameter.shape, generator=rng)
    return built


def streams(net: MMAudio, batch: int = 3, seconds: float = SECONDS) -> dict[str, torch.Tensor]:
    rng = seeded(1)
    lengths = net.config.lengths(seconds)
    return {
        spec.name: torch.randn(batch, lengths[spec.name], spec.width, generator=rng)
        for spec in net.streams
    }


def latent(net: MMAudio, batch: int = 3, seconds: float = SECONDS) -> torch.Tensor:
    return torch.randn(batch, *net.latent_shape(seconds), generator=seeded(2))


@pytest.mark.parametrize(
    ("config", "seconds", "latents", "clip", "sync"),
    [
        (S16, 0.64, 20, 5, 8),
        (S16, 5, 157, 40, 112),
        (S16, 30, 938, 240, 736),
        (L44, 1, 44, 8, 16),
        (L44, 7.96, 343, 63, 184),
        (L44, 8, 345, 64, 192),
        (L44, 10, 431, 80, 240),
        (L44, 20, 862, 160, 488),
        (ac_foley_mini(), 0.16, 5, 1, 8),
        (ac_foley_mini(), 4, 125, 25, 200),
        (ac_foley_mini(), 0.48, 15, 3, 24),
    ],
)
def test_lengths_follow_from_seconds(config, seconds, latents, clip, sync):
    lengths = config.lengths(seconds)
    assert (lengths["latent"], lengths["clip"], lengths["sync"]) == (latents, clip, sync)


def test_mini_lengths_keep_their_ratio_on_the_whole_grid():
    config = ac_foley_mini()
    for i in range(1, 400):
        lengths = config.lengths(i * 0.16)
        assert (lengths["latent"], lengths["clip"], lengths["sync"]) == (5 * i, i, 8 * i)


@pytest.mark.parametrize(
    ("seconds", "steps"), [(0.01, 1), (0.17, 2), (3.9, 25), (4.0, 25), (7.77, 49)]
)
def test_seconds_are_rounded_up_to_a_take_that_can_be_made(seconds, steps):
    config = ac_foley_mini()
    made = config.round_up_seconds(seconds)
    assert made == pytest.approx(steps * 0.16)
    assert config.lengths(made)["latent"] == 5 * steps


@pytest.mark.parametrize(
    ("config", "seconds"),
    [(L44, 0.3), (L44, float("nan")), (L44, -1), (L44, float("inf")), (ac_foley_mini(), 4.1)],
)
def test_impossible_lengths_are_refused(config, seconds):
    with pytest.raises(FoleyError):
        config.lengths(seconds)


def test_missing_stream_is_the_learned_null(net):
    given = streams(net)
    masks = {"clip": torch.ones(3, dtype=torch.bool)}
    masked = net.prepare(net.drop_streams(given, masks), SECONDS)
    missing = net.prepare({k: v for k, v in given.items() if k != "clip"}, SECONDS)
    for name, value in missing.batched.items():
        torch.testing.assert_close(value, masked.batched[name])


def test_drop_streams_touches_masked_samples_only(net):
    given = streams(net)
    mask = torch.tensor([True, False, True])
    dropped = net.drop_streams(given, {"audio": mask})
    assert torch.equal(dropped["audio"][1], given["audio"][1])
    assert torch.equal(dropped["audio"][0, 3], net.empty_audio_feat[0])
    assert dropped["text"] is given["text"]


def test_gradients_reach_the_nulls_of_dropped_streams(net):
    mask = torch.tensor([True, False, True])
    dropped = net.drop_streams(streams(net), dict.fromkeys(net.stream_names, mask))
    net(latent(net), torch.rand(3), net.prepare(dropped, SECONDS)).square().sum().backward()
    for stream in net.stream_names:
        assert net.null(stream).grad.abs().sum() > 0


def test_every_used_parameter_learns(net):
    net(latent(net), torch.rand(3), net.prepare(streams(net), SECONDS)).square().sum().backward()
    # The last joint block's clip and text are attended to, and ask nothing themselves.
    unasked = {f"joint_blocks.1.{s}_block.attn.q_norm.weight" for s in ("clip", "text")}
    nulls = {"empty_string_feat", "empty_clip_feat", "empty_sync_feat", "empty_audio_feat"}
    idle = {k for k, p in net.named_parameters() if p.grad is None or not p.grad.any()}
    assert idle == unasked | nulls


def test_every_stream_changes_the_prediction(net):
    given, x, t = streams(net), latent(net), torch.rand(3, generator=seeded(3))
    whole = net(x, t, net.prepare(given, SECONDS))
    for stream in net.stream_names:
        without = net.prepare({k: v for k, v in given.items() if k != stream}, SECONDS)
        assert (net(x, t, without) - whole).abs().max() > 1e-4


def test_new_network_predicts_zero_and_starts_from_zero_nulls():
    built = ACFoley(SMALL, rng=seeded())
    prediction = built(latent(built), torch.rand(3), built.prepare(streams(built), SECONDS))
    assert not prediction.any()
    assert not any(built.null(stream).any() for stream in built.stream_names)


def test_initialisation_is_a_function_of_the_seed():
    first, second, other = (ACFoley(SMALL, rng=seeded(s)).state_dict() for s in (5, 5, 6))
    assert all(torch.equal(first[k], second[k]) for k in first)
    assert any(not torch.equal(first[k], other[k]) for k in first)


def test_learns_a_direction_under_bfloat16_autocast():
    built = ACFoley(SMALL, rng=seeded())
    given, x = streams(built), latent(built)
    optimiser = torch.optim.AdamW(built.parameters(), lr=3e-3)
    losses = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(8):
            with torch.autocast("cpu", torch.bfloat16):
                prediction = built(x, torch.full((3,), 0.3), built.prepare(given, SECONDS))
            loss = (prediction.float() - x).square().mean()
            loss.backward()
            optimiser.step()
            optimiser.zero_grad()
            losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]


def test_autocast_stays_close_to_float32(net):
    given, x, t = streams(net), latent(net), torch.rand(3, generator=seeded(3))
    with torch.no_grad():
        exact = net(x, t, net.prepare(given, SECONDS))
        with torch.autocast("cpu", torch.bfloat16):
            rough = net(x, t, net.prepare(given, SECONDS))
    assert (rough - exact).norm() / exact.norm() < 2e-2


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_other_weight_types_stay_close_to_float32(net, dtype):
    given, x, t = streams(net), latent(net), torch.rand(3, generator=seeded(3))
    with torch.no_grad():
        exact = net(x, t, net.prepare(given, SECONDS))
        net.to(dtype)
        cast = net.prepare({k: v.to(dtype) for k, v in given.items()}, SECONDS)
        other = net(x.to(dtype), t, cast)
    assert other.dtype == dtype
    assert (other.float() - exact).norm() / exact.norm() < (2e-2 if dtype.itemsize < 4 else 1e-5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_time_and_positions_stay_float32_in_narrow_types(dtype):
    """v2 has time frequencies up to 10,000: a time of 0.04 rounded to 16 bits would be another."""
    rng = seeded()
    config = replace(SMALL, v2=True, time_scale=10000.0, reference_samples=0)
    built = MMAudio(config, rng=rng)
    with torch.no_grad():
        for parameter in built.parameters():
            parameter += 0.05 * torch.randn(parameter.shape, generator=rng)
        given, x, t = streams(built), latent(built), torch.tensor(0.04)
        exact = built(x, t, built.prepare(given, SECONDS))
        embedded, rounded = (
            built.t_embed(time[None], torch.float32) for time in (t, t.to(dtype).float())
        )
        built.to(dtype)
        prepared = built.prepare({k: v.to(dtype) for k, v in given.items()}, SECONDS)
        narrow = built(x.to(dtype), t, prepared).float()
        time = built.t_embed(t[None], dtype).float()
    assert prepared.shared["latent_table"].dtype == torch.float32
    assert prepared.shared["clip_table"].dtype == torch.float32
    assert (narrow - exact).norm() / exact.norm() < 2e-2
    assert (time - embedded).norm() < 0.2 * (rounded - embedded).norm()


def test_one_network_serves_changing_lengths(net):
    with torch.no_grad():
        before = net(latent(net), torch.tensor(0.5), net.prepare(streams(net), SECONDS))
        long = net.prepare(streams(net, seconds=3.2), 3.2)
        assert net(latent(net, seconds=3.2), torch.tensor(0.5), long).shape == (3, 100, 6)
        after = net(latent(net), torch.tensor(0.5), net.prepare(streams(net), SECONDS))
    assert torch.equal(before, after)


def test_reference_of_any_length_is_accepted(net):
    given = streams(net)
    x, t = latent(net), torch.rand(3, generator=seeded(5))
    without = net(x, t, net.prepare({k: v for k, v in given.items() if k != "audio"}, SECONDS))
    for length in (1, 5, 40):
        given["audio"] = torch.randn(3, length, 6, generator=seeded(4))
        made = net(x, t, net.prepare(given, SECONDS))
        assert made.shape == without.shape and made.isfinite().all()
        assert (made - without).abs().max() > 1e-4


def test_network_trains_after_it_was_used_in_inference_mode():
    built = ACFoley(replace(SMALL, clip_fps=12.5), rng=seeded())
    with torch.inference_mode():
        built(latent(built), torch.rand(3), built.prepare({}, SECONDS, batch=3))
    built(latent(built), torch.rand(3), built.prepare({}, SECONDS, batch=3)).sum().backward()
    assert built.final_layer.conv.bias.grad.abs().sum() > 0


def test_latent_normalisation_is_undone(net):
    net.latent_mean.fill_(0.5)
    net.latent_std.fill_(3.0)
    x = latent(net)
    assert torch.allclose(net.normalize(x), (x - 0.5) / 3)
    torch.testing.assert_close(net.unnormalize(net.normalize(x)), x)


def test_prepared_joins_repeats_and_takes(net):
    given = streams(net)
    parts = [net.prepare({k: v[i : i + 1] for k, v in given.items()}, SECONDS) for i in range(3)]
    joined, x, t = Prepared.cat(parts), latent(net), torch.rand(3, generator=seeded(3))
    assert joined.batch == 3
    with torch.no_grad():
        whole = net(x, t, joined)
        torch.testing.assert_close(whole[1:2], net(x[1:2], t[1:2], parts[1]))
        torch.testing.assert_close(whole[1:], net(x[1:], t[1:], joined.take(slice(1, 3))))
        twice = net(x.repeat(2, 1, 1), t.repeat(2), Prepared.cat([joined] * 2))
        torch.testing.assert_close(twice, whole.repeat(2, 1, 1))


def test_layers_come_from_the_given_operations():
    made = []

    def recorded(kind):
        class Layer(kind):
            def __init__(self, *args, **kwargs):
                made.append(kind)
                super().__init__(*args, **kwargs)

            def reset_parameters(self):
                return None

        return Layer

    kinds = ("Linear", "Conv1d", "RMSNorm")
    operations = SimpleNamespace(**{kind: recorded(getattr(nn, kind)) for kind in kinds})
    net = ACFoley(SMALL, operations=operations)
    layers = [m for m in net.modules() if isinstance(m, nn.Linear | nn.Conv1d | nn.RMSNorm)]
    assert len(made) == len(layers) and len(layers) > 50
    assert not any(net.null(stream).any() for stream in net.stream_names)


@pytest.mark.parametrize(("family", "config"), [(MMAudio, L44), (ACFoley, AC_FOLEY)])
def test_full_size_is_built_without_memory_on_meta(family, config):
    net = family(config, device="meta", dtype=torch.bfloat16, rng=seeded())
    assert all(p.is_meta and p.dtype == torch.bfloat16 for p in net.parameters())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sync": torch.zeros(3, 41, 12)}, "multiple of 8"),
        ({"sync": torch.zeros(3, 80, 12)}, "encode the same part"),
        ({"clip": torch.zeros(3, 9, 10)}, "encode the same part"),
        ({"text": torch.zeros(3, 7, 8)}, "7 tokens"),
        ({"audio": torch.zeros(3, 8, 5)}, "5 channels"),
        ({"clip": torch.zeros(3, 10)}, "shape"),
        ({"clip": torch.zeros(2, 5, 10)}, "batch sizes"),
        ({"smell": torch.zeros(3, 5, 10)}, "no stream named 'smell'"),
    ],
)
def test_wrong_streams_are_refused_by_name(net, change, words):
    with pytest.raises(FoleyError, match=words):
        net.prepare(streams(net) | change, SECONDS)


def test_a_take_without_a_length_is_refused(net):
    with pytest.raises(FoleyError, match="seconds"):
        net.prepare(streams(net))

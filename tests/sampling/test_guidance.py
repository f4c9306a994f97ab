"""Guidance is the weighted sum that it says, and evaluates nothing it does not need."""

from __future__ import annotations

import pytest
import torch
from foleystage.core.errors import FoleyError
from foleystage.core.generators import Conditions
from foleystage.core.sampling import (
    CONDITIONAL,
    Guided,
    Sampling,
    Term,
    always_conditioned,
    cfg,
    interval,
    per_stream,
    power_cosine,
    preset,
    rescaled,
)
from foleystage.core.sampling.guidance import spread_as

X = torch.randn(2, 5, 2, generator=torch.Generator().manual_seed(3))
PRESETS = {
    "conditional": CONDITIONAL,
    "cfg": cfg(4.5),
    "falling cfg": cfg(lambda t: 5 - 4 * t),
    "always conditioned": cfg(3.0, kept=("sync",)),
    "per stream": per_stream({"sync": 6.0, "text": 3.0, "clip": 1.5}),
    "interval": interval(cfg(4.5), 0.2, 0.8),
    "rescaled": rescaled(cfg(4.5)),
    "interval of rescaled": interval(rescaled(cfg(4.5), 0.5), 0.2, 0.8),
}
NEGATIVE = {"none": {}, "negative prompt": {"text": torch.ones(1, 4, 3)}}


def guided(generator, streams, guidance, *, negative=None, **options):
    given = Conditions(streams, 1.0, negative or {})
    return Guided(generator, given, guidance, batch=2, **options)


def velocity(generator, streams, t=0.3):
    times = torch.full((2,), t)
    return generator(X, times, generator.prepare(streams, batch=2))


def only(streams, *names):
    return {k: v for k, v in streams.items() if k in names}


@pytest.mark.parametrize("negative", NEGATIVE)
@pytest.mark.parametrize("name", PRESETS)
def test_batched_equals_sequential(counting, streams, name, negative):
    options = {"negative": NEGATIVE[negative]}
    together = guided(counting, streams, PRESETS[name], batched=True, **options)
    one_by_one = guided(counting, streams, PRESETS[name], batched=False, **options)
    for t in (0.0, 0.3, 0.9):
        torch.testing.assert_close(together(X, t), one_by_one(X, t))


def test_batched_equals_sequential_on_a_network(small, conditions):
    given, x = conditions(0.8, batch=2), torch.randn(2, 25, 32)
    guidance = per_stream({"sync": 5.0, "text": 3.0, "audio": 2.0})
    with torch.no_grad():
        first, second = (
            Guided(small, given, guidance, batch=2, batched=b)(x, 0.4) for b in (True, False)
        )
    torch.testing.assert_close(first, second, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", PRESETS)
def test_weights_sum_to_one(counting, streams, name):
    predict = guided(counting, streams, PRESETS[name])
    for t in (0.0, 0.19, 0.2, 0.5, 0.79, 0.8, 1.0):
        assert sum(predict.active(t).values()) == pytest.approx(1.0)


def test_weights_that_do_not_sum_to_one_are_refused(counting, streams):
    predict = guided(counting, streams, [Term(2.0), Term(-0.5, frozenset())])
    with pytest.raises(FoleyError, match=r"sum to 1\.5 at time 0\.3"):
        predict(X, 0.3)


def test_cfg_formula(counting, streams):
    conditional, null = velocity(counting, streams), velocity(counting, {})
    want = null + 4.5 * (conditional - null)
    torch.testing.assert_close(guided(counting, streams, cfg(4.5))(X, 0.3), want)


def test_cfg_scale_may_follow_time(counting, streams):
    predict = guided(counting, streams, cfg(lambda t: 1 + 10 * t))
    conditional, null = velocity(counting, streams), velocity(counting, {})
    torch.testing.assert_close(predict(X, 0.3), null + 4 * (conditional - null))


def test_cfg_of_one_is_the_conditional_prediction_alone(counting, streams):
    result = guided(counting, streams, cfg(1.0))(X, 0.3)
    assert counting.forwards == 1 and counting.rows == 2
    assert torch.equal(result, velocity(counting, streams))


def test_cfg_below_one_interpolates_unless_published_behaviour_is_asked(counting, streams):
    conditional, null = velocity(counting, streams), velocity(counting, {})
    plain = guided(counting, streams, cfg(0.5))(X, 0.3)
    torch.testing.assert_close(plain, 0.5 * conditional + 0.5 * null)
    published = guided(counting, streams, cfg(0.5, published=True))(X, 0.3)
    torch.testing.assert_close(published, conditional)


def test_negative_replaces_text_in_the_null_prediction_only(counting, streams):
    negative = torch.ones(1, 4, 3)
    away = velocity(counting, {"text": negative.expand(2, 4, 3)})
    want = away + 3 * (velocity(counting, streams) - away)
    predict = guided(counting, streams, cfg(3.0), negative={"text": negative})
    torch.testing.assert_close(predict(X, 0.3), want)


def test_kept_streams_are_on_both_sides(counting, streams):
    away = velocity(counting, only(streams, "sync"))
    want = away + 3 * (velocity(counting, streams) - away)
    predict = guided(counting, streams, cfg(3.0, kept=("sync",)))
    torch.testing.assert_close(predict(X, 0.3), want)


def test_a_negative_stream_takes_the_place_of_a_kept_one(counting, streams):
    negative = torch.ones(2, 4, 3)
    away = velocity(counting, {**only(streams, "sync"), "clip": negative})
    want = away + 3 * (velocity(counting, streams) - away)
    predict = guided(
        counting, streams, cfg(3.0, kept=("sync", "clip")), negative={"clip": negative}
    )
    torch.testing.assert_close(predict(X, 0.3), want)


def test_power_cosine_keeps_streams_on_both_sides(counting, streams):
    guidance = power_cosine(3.0, kept=("sync",))
    scale, away = guidance[0].at(0.3), velocity(counting, only(streams, "sync"))
    want = away + scale * (velocity(counting, streams) - away)
    assert scale == pytest.approx(3.0, abs=0.01)
    torch.testing.assert_close(guided(counting, streams, guidance)(X, 0.3), want)


@pytest.mark.parametrize(
    ("sampling", "asked", "expected"),
    [
        (Sampling(scale=3.0), {}, cfg(3.0)),
        (Sampling(scale=3.0), {"scale": 2.0}, cfg(2.0)),
        (Sampling(scale=3.0), {"scale": 0.5, "published": True}, cfg(1.0)),
        (Sampling(scale=3.0), {"kept": ("clip",)}, cfg(3.0, kept=("clip",))),
        (Sampling(scale=3.0, rescale=0.6), {}, rescaled(cfg(3.0), 0.6)),
        (Sampling(guidance="power-cosine", scale=5.0), {}, power_cosine(5.0)),
        (
            Sampling(guidance="power-cosine", scale=5.0),
            {"scale": 2.0, "kept": ("text",)},
            power_cosine(2.0, kept=("text",)),
        ),
    ],
)
def test_a_preset_is_the_guidance_that_the_system_says(
    counting, streams, sampling, asked, expected
):
    made, want = (guided(counting, streams, g) for g in (preset(sampling, **asked), expected))
    for t in (0.0, 0.1, 0.7):
        torch.testing.assert_close(made(X, t), want(X, t))


def test_always_conditioned_streams_are_those_of_the_specs(small, counting):
    assert always_conditioned(small) == ("sync",) and always_conditioned(counting) == ()


def test_per_stream_is_a_chain(counting, streams):
    predict = guided(counting, streams, per_stream({"sync": 6.0, "text": 3.0}))
    base = velocity(counting, only(streams, "clip"))
    sync = velocity(counting, only(streams, "clip", "sync"))
    full = velocity(counting, streams)
    want = base + 6 * (sync - base) + 3 * (full - sync)
    torch.testing.assert_close(predict(X, 0.3), want)


def test_per_stream_with_equal_scales_is_cfg_at_its_cost(counting, streams):
    want = guided(counting, streams, cfg(4.0))(X, 0.3)
    counting.rows = 0
    chain = per_stream({"clip": 4.0, "sync": 4.0, "text": 4.0})
    torch.testing.assert_close(guided(counting, streams, chain)(X, 0.3), want)
    assert counting.rows == 4


def test_per_stream_of_ones_is_conditional(counting, streams):
    predict = guided(counting, streams, per_stream({"clip": 1.0, "text": 1.0}))
    assert torch.equal(predict(X, 0.3), velocity(counting, streams))


def test_interval_spends_one_prediction_outside(counting, streams):
    predict = guided(counting, streams, interval(cfg(4.5), 0.25, 0.75), batched=False)
    counts = []
    for t in (0.0, 0.25, 0.5, 0.75, 0.9):
        counting.forwards = 0
        result = predict(X, t)
        counts.append(counting.forwards)
        if counts[-1] == 1:
            assert torch.equal(result, velocity(counting, streams, t))
    assert counts == [1, 2, 2, 1, 1]


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_rescaled_guidance_brings_the_spread_of_x1_back(small, conditions, share):
    given, t = conditions(0.8, batch=2), 0.4
    x = torch.randn(2, 25, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        alone, plain, made = (
            x + (1 - t) * Guided(small, given, g, batch=2)(x, t)
            for g in (CONDITIONAL, cfg(30.0), rescaled(cfg(30.0), share))
        )
    wide, narrow = (v.std((1, 2), keepdim=True) for v in (plain, alone))
    assert (wide / narrow).min() > 1.05
    torch.testing.assert_close(made, plain * (share * narrow / wide + 1 - share))


def test_rescaling_leaves_the_conditional_prediction_as_it_is(counting, streams):
    for guidance in (CONDITIONAL, cfg(1.0), interval(cfg(3.0), 0.5, 0.9)):
        made = guided(counting, streams, rescaled(guidance))(X, 0.3)
        assert torch.equal(made, guided(counting, streams, guidance)(X, 0.3))
    at_the_end = guided(counting, streams, rescaled(cfg(3.0)))(X, 1.0)
    assert torch.isfinite(at_the_end).all()


def test_the_spread_is_that_of_the_frames_that_are_made():
    rng = torch.Generator().manual_seed(0)
    data, like = torch.randn(2, 2, 20, 4, generator=rng)
    data[:, :8] *= 50  # known, and put back after the step
    made = torch.arange(20) >= 8
    alone = spread_as(data[:, 8:], like[:, 8:], 1.0)
    torch.testing.assert_close(spread_as(data, like, 1.0, made)[:, 8:], alone)
    turned = spread_as(data.transpose(1, 2), like.transpose(1, 2), 1.0, made, axis=2)
    torch.testing.assert_close(turned.transpose(1, 2)[:, 8:], alone)
    assert not torch.allclose(spread_as(data, like, 1.0)[:, 8:], alone, rtol=0.1)


def test_rescaling_a_silent_prediction_is_finite(counting, streams):
    counting.forward = lambda x, t, prepared: torch.zeros_like(x)
    made = guided(counting, streams, rescaled(cfg(3.0)))(torch.zeros_like(X), 0.3)
    assert torch.equal(made, torch.zeros_like(X))


def test_rescaling_is_refused_where_it_means_nothing(counting, streams):
    for share in (-0.1, 1.1, float("nan")):
        with pytest.raises(FoleyError, match="rescaled by 0 to 1"):
            rescaled(cfg(3.0), share)
    counting.dynamics = "epsilon"
    with pytest.raises(FoleyError, match="flow models"):
        guided(counting, streams, rescaled(cfg(3.0)))


def test_terms_of_the_same_streams_are_evaluated_once(counting, streams):
    twins = [Term(2.0), Term(1.0, frozenset(streams)), Term(-2.0, frozenset())]
    predict = guided(counting, streams, twins, batched=False)
    result = predict(X, 0.3)
    assert counting.forwards == 2
    want = 3 * velocity(counting, streams) - 2 * velocity(counting, {})
    torch.testing.assert_close(result, want)


def test_stream_absent_from_the_conditions_makes_its_terms_equal(counting, streams):
    given = only(streams, "clip", "sync")
    guided(counting, given, per_stream({"text": 5.0}))(X, 0.3)
    assert counting.rows == 2


def test_conditions_of_one_take_serve_all(counting, streams):
    one = {k: v[:1] for k, v in streams.items()}
    both = {k: v[:1].expand(2, -1, -1) for k, v in streams.items()}
    torch.testing.assert_close(
        guided(counting, one, cfg(2.0))(X, 0.3), guided(counting, both, cfg(2.0))(X, 0.3)
    )


def test_memory_shortage_falls_back_to_sequential(counting, streams, monkeypatch, caplog):
    predict = guided(counting, streams, cfg(3.0))
    want = guided(counting, streams, cfg(3.0))(X, 0.3)
    real = counting.forward

    def scarce(x, t, prepared):
        if len(x) > 2:
            raise torch.cuda.OutOfMemoryError("too much")
        return real(x, t, prepared)

    monkeypatch.setattr(counting, "forward", scarce)
    torch.testing.assert_close(predict(X, 0.3), want)
    assert "one prediction at a time" in caplog.text


@pytest.mark.parametrize(
    ("guidance", "negative", "words"),
    [
        (per_stream({"smell": 2.0}), {}, "no stream named 'smell'"),
        ([Term(1.0, frozenset({"smell"}))], {}, "no stream named 'smell'"),
        (cfg(2.0), {"text": torch.ones(3, 4, 3)}, "holds 3 takes, but 2"),
    ],
)
def test_wrong_terms_are_refused(counting, streams, guidance, negative, words):
    with pytest.raises(FoleyError, match=words):
        guided(counting, streams, guidance, negative=negative)


def test_an_unknown_negative_stream_is_refused(small, conditions):
    given = conditions(0.8, negative={"smell": torch.ones(1, 4, 3)})
    with pytest.raises(FoleyError, match="no stream named 'smell'"):
        Guided(small, given, cfg(2.0))


@pytest.mark.parametrize(("start", "stop"), [(0.5, 0.5), (0.8, 0.2), (-0.1, 0.5)])
def test_empty_interval_is_refused(start, stop):
    with pytest.raises(FoleyError, match="interval"):
        interval(cfg(2.0), start, stop)


def test_sixteen_bits_stay_close_under_strong_guidance(small, conditions):
    given, x = conditions(1.6), torch.randn(1, 50, 32, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        exact = Guided(small, given, cfg(4.5))(x, 0.4)
        with torch.autocast("cpu", torch.bfloat16):
            rough = Guided(small, given, cfg(4.5))(x, 0.4)
    assert (rough - exact).norm() / exact.norm() < 2e-2

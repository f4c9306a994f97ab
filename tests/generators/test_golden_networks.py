"""MMAudio and AC-Foley compute the numbers of the papers' own code."""

from __future__ import annotations

import case as golden
import pytest
import torch
from foleystage.core.generators import (
    AC_FOLEY,
    L44,
    L44_V2,
    M44,
    S16,
    S44,
    ACFoley,
    Conditions,
    MMAudio,
)
from foleystage.core.sampling import DYNAMICS, Guided, cfg, euler, sample
from golden_networks import CASES, lengths, network, streams

FULL_SIZE = {
    "mmaudio_net_small_16k_full": (MMAudio, S16),
    "mmaudio_net_small_44k_full": (MMAudio, S44),
    "mmaudio_net_medium_44k_full": (MMAudio, M44),
    "mmaudio_net_large_44k_full": (MMAudio, L44),
    "mmaudio_net_large_44k_v2_full": (MMAudio, L44_V2),
    "ac_foley_net_full": (ACFoley, AC_FOLEY),
}


@pytest.fixture(scope="module", params=CASES)
def opened(request):
    case = golden.load(request.param)
    return case, network(case), streams(case), lengths(case)


def away_from_text(case, given):
    """Conditions with the case's negative prompt; their lengths are given, not their seconds."""
    return Conditions(given, 8.0, {"text": case.input("neg_text_f")})


@torch.no_grad()
def check(case, name, result):
    assert case.error(name, result) < case.tolerance


@torch.no_grad()
def test_prepared_conditions_match(opened):
    case, net, given, sizes = opened
    prepared = net.prepare(given, lengths=sizes)
    check(case, "cond.clip_f", prepared.batched["clip"])
    check(case, "cond.sync_f", prepared.batched["sync"])
    check(case, "cond.text_f", prepared.batched["text"][:, ::7])


@torch.no_grad()
def test_pooled_conditions_match(opened):
    case, net, given, _ = opened
    clip = net.project("clip", given["clip"])
    text = net.project("text", given["text"])
    check(case, "cond.clip_f_c", net.clip_cond_proj(clip.mean(1)))
    check(case, "cond.text_f_c", net.text_cond_proj(text.mean(1)))
    if "audio" in given:
        audio = net.project("audio", given["audio"])
        check(case, "cond.audio_f", audio)
        check(case, "cond.audio_f_c", net.audio_cond_proj(audio.mean(1)))


@torch.no_grad()
@pytest.mark.parametrize(
    ("output", "absent", "negative"),
    [
        ("flow_cond", (), False),
        ("flow_empty", ("clip", "sync", "text", "audio"), False),
        ("flow_empty_neg", ("clip", "sync", "text", "audio"), True),
        ("flow_no_clip", ("clip",), False),
        ("flow_no_audio", ("audio",), False),
    ],
)
def test_velocity_matches(opened, output, absent, negative):
    case, net, given, sizes = opened
    if output not in case.info["outputs"]:
        pytest.skip("the network has no reference audio")
    kept = {k: v for k, v in given.items() if k not in absent}
    if negative:
        kept["text"] = case.input("neg_text_f")
    prepared = net.prepare(kept, lengths=sizes, batch=2)
    check(case, output, net(case.input("latent"), case.input("t"), prepared))


@torch.no_grad()
def test_velocity_matches_at_other_lengths(opened):
    case, net, given, sizes = opened
    latent, clip, sync, *_ = case.config["other_lengths"]
    part = {k: v[:1] for k, v in given.items()}
    part |= {"clip": case.input("clip_f2"), "sync": case.input("sync_f2")}
    others = {"latent": latent, "clip": clip, "sync": sync}
    prepared = net.prepare(part, lengths={**sizes, **others})
    flow = net(case.input("latent2"), case.input("t")[:1], prepared)
    check(case, "flow_other_lengths", flow)


@torch.no_grad()
@pytest.mark.parametrize("batched", [True, False])
def test_guided_trajectory_matches(opened, batched):
    case, net, given, _ = opened
    predict = Guided(net, away_from_text(case, given), cfg(4.5), batch=2, batched=batched)
    states = []

    def record(step, x):
        states.append(x)
        return x

    euler(predict, case.input("latent"), DYNAMICS["flow"].times(3), hook=record)
    check(case, "euler3_cfg4.5", torch.stack(states))


@pytest.mark.parametrize(
    ("output", "scale"), [("euler3_unnormalised", 4.5), ("euler3_cfg0.5", 0.5)]
)
def test_sampled_latent_matches(opened, output, scale):
    case, net, given, _ = opened
    options = {"steps": 3, "noise": case.input("latent")}
    latent = sample(net, away_from_text(case, given), cfg(scale, published=True), **options)
    result = latent if output == "euler3_unnormalised" else net.normalize(latent)
    check(case, output, result)


@pytest.mark.parametrize("name", FULL_SIZE)
def test_full_size_has_the_public_keys_and_shapes(name):
    case = golden.load(name)
    family, config = FULL_SIZE[name]
    net = family(config, device="meta")
    assert {k: list(v.shape) for k, v in net.state_dict().items()} == case.shapes()


@pytest.mark.parametrize("name", FULL_SIZE)
def test_full_size_lengths_at_the_trained_length(name):
    figures = golden.load(name).config["constructor"]
    lengths_ = FULL_SIZE[name][1].lengths(8.0)
    for stream in ("latent", "clip", "sync", "text", "audio"):
        assert lengths_.get(stream, 0) == figures.get(f"{stream}_seq_len", 0)

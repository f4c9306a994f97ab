"""Stable Audio's network against its golden cases."""

from __future__ import annotations

import math
from dataclasses import replace

import case as golden
import pytest
import torch
from foleystage.core.generators.stable_audio import (
    STABLE_AUDIO_OPEN,
    StableAudio,
    stable_audio_mini,
)
from foleystage.core.generators.stable_audio_checkpoint import (
    STABLE_AUDIO_CHECKPOINT,
    native_tensors,
    own_name,
    recognise,
)

TIMES = torch.tensor([0.15, 0.85])


def renamed(tensors):
    return {own_name(key): value for key, value in tensors.items() if own_name(key)}


@pytest.fixture(scope="module")
def opened():
    case, timing = golden.load("stable_audio_dit"), golden.load("sa_number_conditioner")
    shapes = {**timing.info["state_dict"], **case.info["state_dict"]}
    config = recognise({key: tuple(shape) for key, shape in shapes.items()}, {})
    net = StableAudio(config).eval()
    missing, unexpected = net.load_state_dict(renamed(case.state_dict()), strict=False)
    assert not unexpected and all(key.startswith("seconds_") for key in missing)
    return case, net


@torch.no_grad()
def predicted(case, net, context):
    whole = case.input("global_embed")
    prepared = net.conditioned(context, whole, case.input("x").shape[-1])
    return net(case.input("x").transpose(1, 2), TIMES, prepared).transpose(1, 2)


def test_matches_the_reference(opened):
    case, net = opened
    v = predicted(case, net, case.input("cross_attn_cond"))
    assert case.error("v", v) < case.tolerance


def test_guidance_leads_away_from_an_empty_context(opened):
    case, net = opened
    context = case.input("cross_attn_cond")
    v, away = (predicted(case, net, each) for each in (context, torch.zeros_like(context)))
    assert case.error("v_cfg7", away + 7 * (v - away)) < case.tolerance


def test_the_whole_file_fits_in_full_size():
    shapes = {
        k: tuple(v) for k, v in golden.load("stable_audio_dit_full").info["state_dict"].items()
    }
    timing = golden.load("sa_number_conditioner").info["state_dict"]
    shapes |= {key: tuple(shape) for key, shape in timing.items()}
    config = STABLE_AUDIO_CHECKPOINT.recognise(shapes, {})
    assert config == STABLE_AUDIO_OPEN
    net = STABLE_AUDIO_CHECKPOINT.build(config, device="meta")
    own = {key: tuple(value.shape) for key, value in net.state_dict().items()}
    assert own == renamed(shapes)
    native = {key: tuple(value.shape) for key, value in native_tensors(net).items()}
    assert native == {key: shape for key, shape in shapes.items() if not key.endswith(".beta")}


@torch.no_grad()
@pytest.mark.parametrize("name", ["seconds_start", "seconds_total"])
def test_numbers_of_seconds_match_the_reference(name):
    case = golden.load("sa_number_conditioner")
    net = StableAudio(STABLE_AUDIO_OPEN, device="meta")
    number = getattr(net, name).to_empty(device="cpu")
    stored = renamed(case.state_dict())
    number.load_state_dict(
        {k.partition(".")[2]: v for k, v in stored.items() if k.startswith(name)}
    )
    seconds = torch.tensor([0.0, 1.5, 10.0, 47.55, 512.0, 600.0])
    assert case.error(name, number(seconds)) < case.tolerance


@torch.no_grad()
@pytest.mark.parametrize("config", [STABLE_AUDIO_OPEN, stable_audio_mini()], ids=["1.0", "mini"])
def test_a_take_is_told_its_own_length_in_whole_seconds(config):
    """Latents are whole, and may last longer; a part of a second counts as one."""
    small = replace(config, embed_dim=64, depth=1, num_heads=1, cond_token_dim=64)
    net, told = StableAudio(replace(small, global_cond_dim=128)), []
    net.seconds_total.register_forward_pre_hook(lambda module, given: told.append(given[0]))
    lengths = [*range(1, round(config.longest) + 1), 0.16, 2.56, 4.5]
    for seconds in lengths:
        net.prepare({}, float(seconds))
    assert [float(each) for each in told] == [float(math.ceil(seconds)) for seconds in lengths]

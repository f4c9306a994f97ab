"""Both objectives of the backbone, v and flow, lead from noise to data."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from foleystage.core.generators.base import Conditions
from foleystage.core.generators.stable_audio import StableAudio
from foleystage.core.generators.stable_audio_checkpoint import native_tensors, recognise
from foleystage.core.sampling import sample
from small_control import SECONDS, SMALL, draw, lively

FLOW = replace(SMALL, start=False, global_cond_dim=64, objective="flow")


def test_a_file_without_the_start_is_of_the_flow_objective():
    """As stable-audio-open-small, which is told the length alone."""
    tensors = native_tensors(StableAudio(FLOW))
    assert not any("seconds_start" in key for key in tensors)
    found = recognise({name: tuple(value.shape) for name, value in tensors.items()}, {})
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

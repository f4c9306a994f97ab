"""The mini's two trainings: a backbone of words alone, then a bridge that leaves it as it is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from foleystage.core.generators import Conditions
from foleystage.core.generators.stable_audio import StableAudio
from foleystage.core.generators.stable_audio_checkpoint import (
    BRIDGE,
    FOLEY_CONTROL_CHECKPOINT,
    STABLE_AUDIO_CHECKPOINT,
)
from foleystage.core.parts import read_checkpoint, recognised
from foleystage.core.sampling import sample
from foleystage.core.training.foley_control import (
    BridgeFigures,
    BridgeTask,
    metadata,
    tensors,
    v_loss,
)
from foleystage.core.weights.files import save
from foleystage.core.weights.fill import fill


@pytest.fixture(scope="module")
def task(cache):
    return BridgeTask(BridgeFigures(clips=6, validation_clips=2, batch=16, workers=1), cache)


@pytest.fixture(scope="module")
def backbone(task, tmp_path_factory):
    """A file of a backbone that is not trained, but for noise in its zero layers."""
    model = task.model()
    with torch.no_grad():
        for value in model.parameters():
            value += torch.randn(value.shape, generator=torch.Generator().manual_seed(1)) * 0.02
    path = tmp_path_factory.mktemp("backbone") / "own.safetensors"
    save(path, tensors(model), metadata(model))
    return path


def with_bridge(task, backbone, **figures):
    found = BridgeTask.__new__(BridgeTask)
    found.figures = replace(task.figures, base=str(backbone), **figures)
    found.train, found.validation = task.train, task.validation
    return found


def one_step(task, step=0):
    torch.manual_seed(0)
    model = task.model()
    batch = task.batch(step, np.random.default_rng(step))
    task.loss(model, batch, step)[0].backward()
    return model, batch


def test_the_backbone_sees_no_picture(task):
    model, batch = one_step(task)
    assert type(model.generator) is StableAudio and "video" not in batch
    untouched = {n for n, p in model.named_parameters() if p.grad is None}
    assert not {name for name in untouched if not name.startswith("generator.seconds_start")}


def test_takes_of_a_batch_have_times_that_are_spread_evenly(task):
    times = task.batch(3, np.random.default_rng(3))["t"].sort().values
    places = (times * len(times)).floor()
    assert torch.equal(places, torch.arange(len(times)).float())


def test_only_the_bridge_is_trained(task, backbone):
    model, _ = one_step(with_bridge(task, backbone))
    trained = {name for name, value in model.named_parameters() if value.grad is not None}
    assert trained and all(name.startswith(f"generator.{BRIDGE}") for name in trained)
    assert not any(v.requires_grad for k, v in model.named_parameters() if k not in trained)


def test_a_bridge_begins_without_effect(task, backbone):
    bridged, batch = one_step(with_bridge(task, backbone))
    plain = task.model()
    config = recognised(STABLE_AUDIO_CHECKPOINT, backbone)
    stored = read_checkpoint(STABLE_AUDIO_CHECKPOINT, backbone, dtype=torch.float32)
    plain.generator = fill(STABLE_AUDIO_CHECKPOINT.build(config), stored, backbone)
    plain.text.load_state_dict(bridged.text.state_dict())
    with torch.no_grad():
        losses = [float(task.loss(model, batch, 0)[0]) for model in (bridged, plain)]
    assert losses[0] == losses[1]


@pytest.mark.parametrize(("tokens", "clip"), [(0.0, 0.0), (0.5, 0.0), (0.0, 0.5)])
def test_dropped_tokens_are_zero(task, backbone, tokens, clip):
    dropping = with_bridge(task, backbone, drop_tokens=tokens, drop_clip=clip)
    video = torch.cat(
        [dropping.batch(k, np.random.default_rng(k))["video"][:, :9] for k in range(20)]
    )
    gone = (video == 0).all(-1)
    assert float(gone.float().mean()) == pytest.approx(max(tokens, clip), abs=0.15)
    assert bool((gone.all(1) | ~gone.any(1)).all()) == (not tokens)
    assert dropping.bridge().null_video == ("zeros" if clip else "off")


def test_files_hold_what_was_trained(task, backbone, tmp_path):
    model, _ = one_step(with_bridge(task, backbone, positions="index"))
    with torch.no_grad():
        for value in model.generator.bridge.parameters():
            value.normal_(generator=torch.Generator().manual_seed(2)).mul_(0.05)
    path = tmp_path / "bridge.safetensors"
    save(path, tensors(model), metadata(model))
    config = recognised(FOLEY_CONTROL_CHECKPOINT, path, backbone)
    assert config == model.generator.config
    assert config.bridge.positions == "index"
    loaded = FOLEY_CONTROL_CHECKPOINT.build(config)
    stored = read_checkpoint(FOLEY_CONTROL_CHECKPOINT, path, backbone, dtype=torch.float32)
    fill(loaded, stored, path)
    streams = {"sync": torch.randn(1, 64, 3), "text": torch.randn(1, 8, 768)}
    given = Conditions(streams, 1.28)
    with torch.no_grad():
        own, theirs = (sample(net, given, steps=2, seed=0) for net in (model.generator, loaded))
    assert torch.allclose(own, theirs, rtol=0.05, atol=0.05), "they differ by half precision alone"


def test_v_of_a_right_network_has_no_loss():
    data, noise = torch.randn(4, 5, 2), torch.randn(4, 5, 2)
    t = torch.tensor([0.1, 0.4, 0.7, 1.0])

    def right(x, times, prepared):
        angles = (times * torch.pi / 2)[:, None, None]
        return (angles.cos() * x - data) / angles.sin()

    assert float(v_loss(right, data, noise, t, None)) < 1e-9

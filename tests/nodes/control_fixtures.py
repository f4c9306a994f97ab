"""Stable Audio with random numbers and a bridge, loaded once."""

from __future__ import annotations

import pytest
import torch
from control_helpers import BACKBONE, SECONDS, applied, bridge_file, write_random_control
from foleystage.nodes.values import EncodedFeatures


@pytest.fixture(scope="session")
def control(weights):
    return write_random_control(weights)


@pytest.fixture(scope="session")
def backbone(control, call):
    """MODEL and CLIP."""
    model, clip, _, _ = call("LoadBackbone", name=BACKBONE, weight_dtype="float32")
    return model, clip


@pytest.fixture(scope="session")
def plain(backbone):
    return backbone[0]


@pytest.fixture(scope="session")
def bridge(control, call):
    return call("LoadBridge", name=bridge_file())[0]


@pytest.fixture(scope="session")
def picture():
    rng = torch.Generator().manual_seed(9)
    streams = {"sync": torch.randn(1, round(SECONDS * 50), 3, generator=rng)}
    return EncodedFeatures("video", "mini_video_encoder", streams, 0.0, SECONDS, SECONDS)


@pytest.fixture(scope="session")
def bridged(call, plain, bridge, picture):
    return applied(call, plain, bridge, picture)

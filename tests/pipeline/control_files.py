"""Files of Stable Audio Open and Foley Control and of all their parts, at a reduced size."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from family import seeded
from foleystage.core.catalog import TEXT_ENCODERS
from foleystage.core.codecs.oobleck import Oobleck, OobleckConfig
from foleystage.core.encoders.t5 import T5Text
from foleystage.core.encoders.vjepa2 import VJepa2
from foleystage.core.generators.bridge import BridgeConfig
from foleystage.core.generators.foley_control import FoleyControl, bridged
from foleystage.core.generators.stable_audio import STABLE_AUDIO_OPEN
from foleystage.core.generators.stable_audio_checkpoint import (
    BRIDGE,
    native_tensors,
    record_bridge,
)
from foleystage.core.weights.files import save
from small_clap import write_tokenizer

WIDTH, DEPTH, HEADS = 128, 2, 2
BACKBONE = replace(
    STABLE_AUDIO_OPEN,
    embed_dim=WIDTH,
    depth=DEPTH,
    num_heads=HEADS,
    cond_token_dim=64,
    global_cond_dim=128,
)
BRIDGES = BridgeConfig(video_dim=64, embed_dim=WIDTH, depth=DEPTH, num_heads=HEADS)
OOBLECK = OobleckConfig(channels=8)
T5 = {"d_model": 64, "d_kv": 16, "d_ff": 64, "num_layers": 1, "num_heads": 2, "vocab_size": 8}
JEPA = {"hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 1}


def with_small_t5(patch: pytest.MonkeyPatch) -> None:
    """The catalogue's T5 is of the size of the file that `write_control` writes."""
    small = replace(TEXT_ENCODERS["t5_base"], load=partial(T5Text.load, config=T5))
    patch.setitem(TEXT_ENCODERS, "t5_base", small)


def control() -> FoleyControl:
    """Backbone and bridge, both with an effect."""
    net, rng = FoleyControl(bridged(BACKBONE, BRIDGES)), seeded()
    net.initialise(rng)
    for value in net.parameters():
        value.data += torch.randn(value.shape, generator=rng) * 0.02
    return net


def write_control(folder: Path) -> None:
    """Everything of both systems, under names by which it is found."""
    transformers = pytest.importorskip("transformers")
    net, rng = control(), seeded(1)
    stored = {k: v for k, v in native_tensors(net).items() if not k.startswith(BRIDGE)}
    shapes = Oobleck(OOBLECK, device="meta").state_dict()
    for key, value in shapes.items():
        drawn = torch.randn(value.shape, generator=rng)
        drawn = drawn * (0.1 if value.ndim == 1 else (value.numel() / value.shape[0]) ** -0.5)
        stored[f"pretransform.model.{key}"] = drawn
    save(folder / "stable_audio_open.safetensors", stored, {})
    bridge = {k: v for k, v in net.state_dict().items() if k.startswith(BRIDGE)}
    about = {**record_bridge(BRIDGES), "family": "foley_control"}
    save(folder / "foley_control_bridge.safetensors", bridge, about)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        t5 = transformers.T5EncoderModel(transformers.T5Config(**T5))
        jepa = VJepa2(JEPA)
    write_tokenizer(folder / "t5_base")
    state = {k: v.clone() for k, v in t5.state_dict().items()}
    save(folder / "t5_base" / "model.safetensors", state, {})
    about = {"family": "vjepa2", "variant": "l"}
    save(folder / "vjepa2_l.safetensors", jepa.state_dict(), about)

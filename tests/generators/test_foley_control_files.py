"""What files of bridges and of backbones say of their networks."""

from __future__ import annotations

from dataclasses import replace

import pytest
from foleystage.core.errors import FoleyError
from foleystage.core.generators.bridge import BridgeConfig
from foleystage.core.generators.foley_control import FoleyControl, bridged
from foleystage.core.generators.stable_audio import (
    STABLE_AUDIO_OPEN,
    StableAudio,
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
from small_control import SMALL, control


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
        ({"positions": "late"}, "'positions' must be one of 'index', 'time', 'none', not"),
        ({"null_video": "black"}, "'null_video' must be one of 'off', 'zeros', not"),
    ):
        wrong = replace(net.config.bridge, **figures)
        with pytest.raises(FoleyError, match=says):
            recognise_bridge(shapes, record_bridge(wrong))
    with pytest.raises(
        FoleyError, match="'rotary_dim' must be a whole number from 1 to 65536, not"
    ):
        recognise_bridge(shapes, {"bridge": '{"rotary_dim": "many"}'})

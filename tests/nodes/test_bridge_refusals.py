"""What Apply Foley Control and its loaders refuse, in a sentence each."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from control_helpers import applied
from foleystage.core.errors import FoleyError
from foleystage.core.generators.bridge import Bridge
from foleystage.nodes.native import bridge as native

PLACE = "diffusion_model.transformer.layers.{}.conformer"


def test_another_model_is_refused(call, bridge, picture, model):
    with pytest.raises(FoleyError, match="inside already"):
        applied(call, model, bridge, picture)
    with pytest.raises(FoleyError, match="not Stable Audio"):
        applied(call, object(), bridge, picture)


def test_a_second_bridge_is_refused(call, bridge, bridged, picture):
    with pytest.raises(FoleyError, match="has a bridge already"):
        applied(call, bridged, bridge, picture)


def test_a_filled_place_is_refused(call, plain, bridge, picture):
    filled = plain.clone()
    filled.add_object_patch(PLACE.format(2), torch.nn.Identity())
    with pytest.raises(FoleyError, match="filled the place"):
        applied(call, filled, bridge, picture)


@pytest.mark.parametrize("change", ["embed_dim", "depth"])
def test_a_backbone_of_another_size_is_refused(call, plain, bridge, picture, change):
    config = replace(bridge.config, **{change: getattr(bridge.config, change) * 2})
    other = replace_config(bridge, config)
    with pytest.raises(FoleyError, match="for a backbone of"):
        applied(call, plain, other, picture)


def replace_config(bridge, config):
    with torch.device("meta"):
        module = Bridge(config)
    patcher = type(bridge.patcher)(module, torch.device("cpu"), torch.device("cpu"))
    return replace(bridge, patcher=patcher)


def test_features_of_another_kind_or_encoder_are_refused(call, plain, bridge, picture):
    with pytest.raises(FoleyError, match="choose mini_video_encoder in Load Foley Video"):
        applied(call, plain, bridge, replace(picture, part="vjepa2_l"))
    with pytest.raises(FoleyError, match="got text features"):
        applied(call, plain, bridge, replace(picture, kind="text"))
    with pytest.raises(FoleyError, match="got reference features"):
        applied(call, plain, bridge, replace(picture, kind="reference"))
    with pytest.raises(FoleyError, match="no stream sync"):
        applied(call, plain, bridge, replace(picture, streams={}))


def test_features_longer_than_trained_are_refused(call, plain, bridge, picture):
    longer = replace(picture, streams={"sync": torch.zeros(1, 8 * 50 + 2, 3)})
    with pytest.raises(FoleyError, match="up to 8 s"):
        applied(call, plain, bridge, longer)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"strength": float("nan")}, "not nan"),
        ({"strength": float("inf")}, "not inf"),
        ({"start_percent": 0.5, "end_percent": 0.5}, "never"),
        ({"start_percent": 0.7, "end_percent": 0.2}, "never"),
    ],
)
def test_figures_that_make_no_sense_are_refused(call, plain, bridge, picture, given, said):
    with pytest.raises(FoleyError, match=said):
        applied(call, plain, bridge, picture, **given)


def test_a_network_without_the_place_is_refused(call, plain, bridge, picture, monkeypatch):
    kind = type(plain.model.diffusion_model.transformer.layers[0])
    forward = kind._forward if hasattr(kind, "_forward") else kind.forward
    assert native._has_place(kind)

    class Without(kind):
        def forward(self, x, *args, **kwargs):
            place, self.conformer = self.conformer, None
            made = forward(self, x, *args, **kwargs)
            self.conformer = place
            return made

    assert not native._has_place(Without)
    assert not native._has_place(torch.nn.Linear)
    monkeypatch.setattr(native, "_has_place", lambda kind: False)
    with pytest.raises(FoleyError, match="no place for a bridge"):
        applied(call, plain, bridge, picture)


def test_files_of_other_kinds_are_refused(call, control):
    with pytest.raises(FoleyError, match="not Stable Audio but"):
        call("LoadBackbone", name="random_mini.safetensors", weight_dtype="float32")
    with pytest.raises(FoleyError, match="not a file that this node can load"):
        call("LoadBridge", name="random_mini.safetensors")

"""Networks filled with weights: exactly theirs, whole or not at all."""

from __future__ import annotations

import pytest
import torch
from foleystage.core.errors import FoleyError
from foleystage.core.weights.fill import fill, fill_from
from safetensors.torch import save_file
from torch import nn


def net(device: str = "cpu", dtype: torch.dtype | None = None) -> nn.Module:
    made = {"device": device, "dtype": dtype}
    return nn.Sequential(
        nn.Linear(2, 2, **made), nn.BatchNorm1d(2, **made), nn.Linear(2, 2, **made)
    )


def weights() -> dict[str, torch.Tensor]:
    rng = torch.Generator().manual_seed(0)
    return {
        key: torch.randn(value.shape, generator=rng) if value.ndim else value
        for key, value in net().state_dict().items()
    }


class Lazy(nn.Linear):
    """As ComfyUI's layers under dynamic VRAM: without weights until a state dict arrives."""

    def __init__(self, inputs: int, outputs: int) -> None:
        nn.Module.__init__(self)
        self.in_features, self.out_features = inputs, outputs
        self.weight = self.bias = None

    def _load_from_state_dict(self, state_dict, prefix, *_):
        self.weight = nn.Parameter(state_dict[prefix + "weight"], requires_grad=False)
        self.bias = nn.Parameter(state_dict[prefix + "bias"], requires_grad=False)


BAD = [
    ({"0.weight": None, "2.weight": None}, r"lacks weights \(0.weight, 2.weight\)"),
    ({f"x{i}": torch.zeros(1) for i in range(5)}, r"unknown weights \(x0, x1, x2, \.\.\.\)"),
    ({"0.weight": torch.zeros(2, 9)}, r"of another shape \(0.weight\)"),
    ({"2.weight": torch.zeros(2, 2, 1)}, r"of another shape \(2.weight\)"),
]


@pytest.mark.parametrize(("change", "message"), BAD)
@pytest.mark.parametrize("kind", ["meta", "in memory", "without weights yet"])
def test_weights_that_do_not_fit_name_file_and_keys_and_change_nothing(kind, change, message):
    module, twin = net("meta" if kind == "meta" else "cpu"), None
    if kind == "without weights yet":
        module[0], module[2], twin = Lazy(2, 2), Lazy(2, 2), net("meta")
    before = {key: value.clone() for key, value in module.state_dict().items()}
    tensors = {k: v for k, v in {**weights(), **change}.items() if v is not None}
    with pytest.raises(FoleyError, match=r"some.pth .*" + message):
        fill(module, tensors, "folder/some.pth", twin=twin)
    after = module.state_dict()
    assert after.keys() == before.keys()
    assert kind == "meta" or all(torch.equal(after[k], before[k]) for k in before)


@pytest.mark.parametrize("twin_type", [torch.float32, torch.bfloat16])
def test_layers_without_weights_get_them_in_the_type_of_the_twin(twin_type):
    module = nn.Sequential(Lazy(2, 2), nn.BatchNorm1d(2), Lazy(2, 2))
    fill(module, weights(), "w", twin=net("meta", twin_type))
    assert module[0].weight.dtype == twin_type and module[1].weight.dtype == torch.float32
    expected = fill(net(), weights(), "w")
    for key, value in module.state_dict().items():
        assert torch.equal(value.float(), expected.state_dict()[key].to(value.dtype).float())


def test_a_module_in_memory_keeps_its_types_and_one_on_meta_takes_those_of_the_file():
    halves = {k: v.half() if v.is_floating_point() else v for k, v in weights().items()}
    assert fill(net(dtype=torch.float64), halves, "w")[0].weight.dtype == torch.float64
    assert fill(net("meta"), halves, "w")[0].weight.dtype == torch.float16


def test_counters_of_norms_may_be_missing():
    tensors = {k: v for k, v in weights().items() if not k.endswith("num_batches_tracked")}
    module = fill(net("meta"), tensors, "w")
    assert int(module[1].num_batches_tracked) == 0 and not module.training
    assert not any(p.requires_grad for p in module.parameters())


def test_a_right_file_under_another_parts_name_is_refused(tmp_path):
    path = tmp_path / "mdsgen_b.safetensors"
    save_file({f"text.{k}": v for k, v in weights().items()}, path)
    assert torch.equal(fill_from(net(), path, prefix="text.")[0].bias, weights()["0.bias"])
    with pytest.raises(FoleyError, match=r"mdsgen_b.safetensors lacks weights \(0.bias"):
        fill_from(net(), path, prefix="generator.")

"""Optimisers of the recipes: AdamW, Adan, and Muon for matrices with Adam for the rest."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from ..errors import FoleyError

# Not torch.optim.Muon: it takes no kernels, and its bfloat16 makes each step 1 to 2 % another.
# Quintic Newton-Schulz iteration of Jordan et al., "Muon: an optimizer for hidden layers", 2024.
_QUINTIC = (3.4445, -4.7750, 2.0315)
_ITERATIONS = 5


class Muon(torch.optim.Optimizer):
    """Momentum whose matrices are orthogonalised before each step; vectors get Adam.

    Kernels count as matrices (out, everything else). Steps are scaled by 0.2 sqrt(longer side), so
    that the learning rate of AdamW fits.
    """

    def __init__(
        self,
        groups: Iterable,
        lr: float,
        betas: tuple[float, float] = (0.9, 0.98),
        momentum: float = 0.95,
    ):
        super().__init__(
            groups, {"lr": lr, "betas": betas, "momentum": momentum, "weight_decay": 0.0}
        )

    @torch.no_grad()
    def step(self, closure=None) -> None:
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                if parameter.ndim >= 2:
                    self._orthogonal_step(parameter, group)
                else:
                    self._adam_step(parameter, group)

    def _orthogonal_step(self, parameter: Tensor, group: dict) -> None:
        state = self.state[parameter]
        if not state:
            state["average"] = torch.zeros_like(parameter)
        average, keep = state["average"], group["momentum"]
        average.lerp_(parameter.grad, 1 - keep)
        ahead = parameter.grad.lerp(average, keep).flatten(1)
        update = orthogonalise(ahead) * (0.2 * max(ahead.shape) ** 0.5)
        parameter.mul_(1 - group["lr"] * group["weight_decay"])
        parameter.add_(update.view_as(parameter), alpha=-group["lr"])

    def _adam_step(self, parameter: Tensor, group: dict) -> None:
        state, (first, second) = self.state[parameter], group["betas"]
        if not state:
            state.update(
                step=0, mean=torch.zeros_like(parameter), square=torch.zeros_like(parameter)
            )
        state["step"] += 1
        mean = state["mean"].lerp_(parameter.grad, 1 - first) / (1 - first ** state["step"])
        square = state["square"].lerp_(parameter.grad**2, 1 - second) / (
            1 - second ** state["step"]
        )
        parameter.add_(mean / (square.sqrt() + 1e-8), alpha=-group["lr"])


def orthogonalise(matrix: Tensor) -> Tensor:
    """The matrix (m, n) with its singular values brought near 1."""
    a, b, c = _QUINTIC
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / (x.norm() + 1e-7)
    for _ in range(_ITERATIONS):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if tall else x


class Adan(torch.optim.Optimizer):
    """Adaptive Nesterov momentum (arXiv 2208.06677, algorithm 1), with corrected averages.

    betas: how much the averages of the gradient, of its change, and of the squared look-ahead
    gradient keep (1 minus the paper's).
    """

    def __init__(
        self, groups: Iterable, lr: float, betas: tuple[float, float, float] = (0.98, 0.92, 0.99)
    ):
        super().__init__(groups, {"lr": lr, "betas": betas, "weight_decay": 0.0})

    @torch.no_grad()
    def step(self, closure=None) -> None:
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._step(parameter, group)

    def _step(self, parameter: Tensor, group: dict) -> None:
        state, gradient = self.state[parameter], parameter.grad
        first, second, third = group["betas"]
        if not state:
            state["step"] = 0
            state["last"] = gradient.clone()
            for name in ("mean", "change", "square"):
                state[name] = torch.zeros_like(gradient)
        state["step"] += 1
        count = state["step"]
        change = gradient - state["last"]
        state["mean"].lerp_(gradient, 1 - first)
        state["change"].lerp_(change, 1 - second)
        state["square"].lerp_((gradient + second * change).square(), 1 - third)
        state["last"].copy_(gradient)
        ahead = state["mean"] / (1 - first**count)
        ahead = ahead + second * state["change"] / (1 - second**count)
        size = (state["square"] / (1 - third**count)).sqrt() + 1e-8
        parameter.addcdiv_(ahead, size, value=-group["lr"])
        parameter.div_(1 + group["lr"] * group["weight_decay"])


def make_optimizer(
    name: str, model: nn.Module, lr: float, betas: tuple[float, float], decay: float
) -> torch.optim.Optimizer:
    """`adamw`, `adan` (with its own betas) or `muon`; vectors are not decayed.

    Raises FoleyError for another name.
    """
    trained = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim >= 2], "weight_decay": decay},
        {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
    ]
    if name == "muon":
        return Muon(groups, lr, betas)
    if name == "adan":
        return Adan(groups, lr)
    if name == "adamw":
        return torch.optim.AdamW(groups, lr=lr, betas=betas)
    raise FoleyError(f"There is no optimizer '{name}'; choose adamw, adan or muon.")

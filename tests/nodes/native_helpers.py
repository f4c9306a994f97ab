"""What several of the node tests need."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import torch


@contextlib.contextmanager
def models_in(folder: Path) -> Iterator[None]:
    """The models folder `foley` is this one while it lasts."""
    import folder_paths
    from foleystage.nodes import extension  # noqa: F401 - registers the folder

    before = dict(folder_paths.folder_names_and_paths)
    folder_paths.folder_names_and_paths["foley"] = ([str(folder)], set())
    yield
    folder_paths.folder_names_and_paths.clear()
    folder_paths.folder_names_and_paths.update(before)


def relative(a: torch.Tensor, b: torch.Tensor) -> float:
    """How far a is from b, as a share of b."""
    assert a.shape == b.shape
    return float((a - b).norm() / b.norm())


def with_random_lora(model):
    """The MODEL with a LoRA on one of its layers."""
    import comfy.sd

    key = "diffusion_model.joint_blocks.0.latent_block.attn.qkv"
    weight = model.model.diffusion_model.joint_blocks[0].latent_block.attn.qkv.weight
    rng = torch.Generator().manual_seed(0)
    lora = {
        f"{key}.lora_A.weight": torch.randn(4, weight.shape[1], generator=rng),
        f"{key}.lora_B.weight": torch.randn(weight.shape[0], 4, generator=rng),
    }
    return comfy.sd.load_lora_for_models(model, None, lora, 1.0, 0)[0]

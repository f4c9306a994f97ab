"""Rescaled guidance as ComfyUI patches it into a MODEL: every guider and KSampler then do it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ...core.sampling.guidance import spread_as

# Tells which frames are not known already, bool [T]: what `spread_as` takes as `made`.
MADE = "foley_made"


@dataclass(frozen=True)
class Rescale:
    """What is done to a guided prediction; share as of `core.sampling.rescaled`."""

    share: float

    def __call__(self, step: dict[str, Any]) -> Tensor:
        made = step["model_options"].get("transformer_options", {}).get(MADE)
        return spread_as(step["denoised"], step["cond_denoised"], self.share, made, axis=2)


def rescaling(model, share: float):
    """The MODEL, its guidance now rescaled by `share` whatever it was before; not a copy."""
    name = "sampler_post_cfg_function"
    patches = [p for p in model.model_options.get(name, []) if not isinstance(p, Rescale)]
    if share:
        patches.append(Rescale(share))
    model.model_options[name] = patches
    return model

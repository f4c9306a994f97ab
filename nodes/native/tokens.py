"""A SAMPLER for generators of tokens: ids go through ComfyUI's guiders as every latent does.

A LATENT of tokens is [B, 1, T]. On the way to the network it has a channel for each code, the ids
in the first, because ComfyUI sums predictions of the latent's own shape, and these are logits.
"""

from __future__ import annotations

import comfy.samplers
import torch
from torch import Tensor

from ...core.errors import FoleyError
from ...core.sampling import Run, dynamics_of

# Set while this sampler runs: any other would take logits for something else.
RUNNING = "foley_tokens"


class TokenSampler(comfy.samplers.Sampler):
    """MaskGIT's loop. temperature: see `core.sampling.maskgit`."""

    def __init__(self, temperature: float) -> None:
        self.temperature = temperature

    def sample(
        self,
        model_wrap,
        sigmas,
        extra_args,
        callback,
        noise,
        latent_image=None,
        denoise_mask=None,
        disable_pbar=False,
    ) -> Tensor:
        """Ids [B, 1, T] of a guider; a mask says which are made, without one all are."""
        network = model_wrap.inner_model.diffusion_model
        latent, steps = network.config.latent, len(sigmas) - 1
        takes, _, length = noise.shape
        rng = torch.Generator().manual_seed(extra_args.get("seed") or 0)
        dynamics = dynamics_of("tokens")
        drawn = dynamics.draw(rng, latent, takes, length, steps)
        ids = torch.full((takes, length), latent.codes, device=noise.device)
        if denoise_mask is not None:
            given = latent_image[:, 0].round().long()
            made = denoise_mask.expand(takes, -1, length)[:, 0] >= 0.5
            ids = torch.where(made, ids, given)
        options = dict(extra_args.get("model_options") or {})
        options["transformer_options"] = {**options.get("transformer_options", {}), RUNNING: True}

        def predict(ids: Tensor, share: float) -> Tensor:
            x = ids.float()[:, None].expand(-1, latent.codes, -1)
            sigma = torch.full((takes,), 1 - share, device=ids.device)
            logits = model_wrap(x, sigma, model_options=options, seed=extra_args.get("seed"))
            return logits.transpose(1, 2)

        def hook(step: int, ids: Tensor) -> Tensor:
            if step and callback is not None:
                x = ids.float()[:, None]
                callback(step - 1, x, x, steps)
            return ids

        run = Run(dynamics.times(steps), drawn, latent, self.temperature)
        return dynamics.integrate("maskgit", predict, ids, run, hook).float()[:, None]

    def max_denoise(self, model_wrap, sigmas) -> bool:
        return True


def require_token_sampler(options: dict) -> None:
    """FoleyError where another sampler asks a model of tokens."""
    if not options.get(RUNNING):
        raise FoleyError(
            "This model makes tokens, and the sampler is for models that remove noise: use Foley "
            "Sampler with the model's own sampler."
        )

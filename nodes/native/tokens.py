"""A SAMPLER for generators of tokens: ids go through ComfyUI's guiders as every latent does.

A LATENT of tokens is [B, C, T]. On the way to the network it has a channel for each code, the ids
side by side in the first, because ComfyUI sums predictions of the latent's own shape, and these are
logits.
"""

from __future__ import annotations

import comfy.samplers
import torch
from torch import Tensor

from ...core.errors import FoleyError
from ...core.generators import GeneratorConfig
from ...core.sampling import Like, Noise, Run, dynamics_of, windows_for
from ...core.sampling.dynamics import masked_ids
from ...core.sampling.remask import fill_like
from ...core.sampling.slide import Progress, slide, spans_of

# Set while this sampler runs, to the window that is made: any other would take logits for
# something else.
RUNNING = "foley_tokens"


class TokenSampler(comfy.samplers.Sampler):
    """MaskGIT's loop. temperature: see `core.sampling.maskgit`. like: the take of the seed that all
    are near, if any. noise: what is drawn for a take in one window; None draws it by the seed."""

    def __init__(
        self, temperature: float, like: Like | None = None, noise: Noise | None = None
    ) -> None:
        self.temperature, self.like, self.noise = temperature, like, noise

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
        """Ids [B, C, T] of a guider; a mask says which are made, without one all are."""
        config = getattr(model_wrap.inner_model.diffusion_model, "config", None)
        if not isinstance(config, GeneratorConfig) or not config.latent.codes:
            raise FoleyError(
                "This sampler fills in tokens, and the MODEL makes none: choose another sampler."
            )
        latent, steps, seed = config.latent, len(sigmas) - 1, extra_args.get("seed") or 0
        takes, channels, length = noise.shape
        rng = torch.Generator().manual_seed(seed)
        dynamics = dynamics_of("tokens")
        ids = masked_ids(latent, takes, length).to(noise.device)
        if denoise_mask is not None:
            made = denoise_mask.expand(takes, channels, length) >= 0.5
            given = latent_image.round().long()
            made, given = (x.transpose(1, 2).reshape(ids.shape) for x in (made, given))
            ids = torch.where(made, ids, given)
        given_options = dict(extra_args.get("model_options") or {})

        def make(index: int, ids: Tensor, noise: Noise, tell: Progress) -> Tensor:
            inner = {**given_options.get("transformer_options", {}), RUNNING: index}
            options = {**given_options, "transformer_options": inner}

            def predict(ids: Tensor, share: float) -> Tensor:
                x = ids.flatten(1).float()[:, None].expand(-1, latent.codes, -1)
                sigma = torch.full((len(ids),), 1 - share, device=ids.device)
                logits = model_wrap(x, sigma, model_options=options, seed=seed)
                return logits.transpose(1, 2).reshape(*ids.shape, latent.codes)

            def hook(step: int, ids: Tensor) -> Tensor:
                if step:
                    tell(step, noise.steps)
                return ids

            run = Run(dynamics.times(noise.steps), noise, latent, self.temperature)
            return dynamics.integrate("maskgit", predict, ids, run, hook)

        def tell(step: int, steps: int) -> None:
            if callback is not None:
                x = noise.new_zeros(noise.shape)
                callback(step - 1, x, x, steps)

        spans = _spans(config, length)

        def fill(rng: torch.Generator, ids: Tensor) -> Tensor:
            if len(spans) > 1:
                return slide(make, spans, ids, latent, steps, rng, tell)
            drawn = self.noise or dynamics.draw(rng, latent, len(ids), length, steps)
            return make(0, ids, drawn, tell)

        if self.like is None:
            ids = fill(rng, ids)
        else:
            ids = fill_like(fill, rng, self.like, ids, latent, steps, slid=len(spans) > 1)
        return ids.reshape(takes, length, channels).transpose(1, 2).float()

    def max_denoise(self, model_wrap, sigmas) -> bool:
        return True


def ids_of(latent: Tensor) -> Tensor:
    """The ids [B, T] or [B, T, rows] of a latent [B, T, rows]."""
    ids = latent.round().long()
    return ids[..., 0] if ids.shape[-1] == 1 else ids


def _spans(config: GeneratorConfig, length: int) -> list[slice]:
    """The frames of each window of a take."""
    seconds = length / config.latent.rate
    windows = windows_for(config, seconds)
    times = windows.slid(config, seconds) if windows else []
    return spans_of(config, times)


def require_token_sampler(options: dict) -> int:
    """The window that is made; FoleyError where another sampler asks a model of tokens."""
    if RUNNING not in (options or {}):
        raise FoleyError(
            "This model makes tokens, and the sampler is for models that remove noise: use Foley "
            "Sampler with the model's own sampler."
        )
    return options[RUNNING]

"""A SAMPLER that begins with the noise of a known sound, as `core.sampling.known` has it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import comfy.samplers
from torch import Tensor

from ...core.sampling import Known, Noise, euler
from .rescale import MADE

# Asks a model for the velocity of its flow instead of what is denoised.
VELOCITY = "foley_velocity"


def _made(extra_args: dict[str, Any], frames: Tensor) -> dict[str, Any]:
    """The model's options, which also tell `Rescale` what frames count."""
    options = dict(extra_args.get("model_options") or {})
    options["transformer_options"] = {**options.get("transformer_options", {}), MADE: frames}
    return options


class Knowing(comfy.samplers.Sampler):
    """`inner` on the noise that `Known.begin` makes of the noise that it is given."""

    def __init__(self, inner: comfy.samplers.Sampler, known: Known) -> None:
        self.inner, self.known = inner, known

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
        """See `comfy.samplers.Sampler`; the positive side alone leads back to noise."""
        model, options = model_wrap.inner_model, dict(extra_args.get("model_options") or {})
        asked = {**options.get("transformer_options", {}), VELOCITY: True}
        options["transformer_options"] = asked
        takes = len(noise)

        def velocity(x: Tensor, t: float) -> Tensor:
            x = x.transpose(1, 2)
            sigma = x.new_full((takes,), 1 - t)
            positive = [model_wrap.conds["positive"]]
            (found,) = comfy.samplers.calc_cond_batch(model, positive, x, sigma, options)
            return found.transpose(1, 2)

        def invert(data: Tensor) -> Tensor:
            return euler(velocity, data, (1 - sigmas.double()).flip(0).tolist())

        # What was given may have been cut since; the latent of a run is what is known here.
        data = model.process_latent_in(self.known.latent.to(noise).transpose(1, 2)).transpose(1, 2)
        here = replace(self.known, frames=self.known.frames.to(noise.device))
        begun = here.begin(Noise(noise.transpose(1, 2)), data, invert).first
        assert begun is not None
        noise = begun.transpose(1, 2).contiguous()
        if not here.frames.all():
            extra_args = {**extra_args, "model_options": _made(extra_args, ~here.frames)}
        given = extra_args, callback, noise, latent_image, denoise_mask, disable_pbar
        return self.inner.sample(model_wrap, sigmas, *given)

    def max_denoise(self, model_wrap, sigmas) -> bool:
        return self.inner.max_denoise(model_wrap, sigmas)

"""The convenient sampler: everything SamplerCustomAdvanced can, in one node."""

from __future__ import annotations

from collections.abc import Callable

import comfy.samplers
import comfy.utils
import latent_preview
import torch
from comfy_api.latest import io

from ..core.errors import FoleyError
from ..core.sampling import Noise, dynamics_of
from . import widgets
from .common import Node
from .native.guider import guider_of
from .native.known import Knowing
from .native.latents import mask_of, repeated, sound_of_latent
from .native.model import foley_model
from .native.own_noise import sampler_with
from .native.tokens import TokenSampler
from .widgets import OWN, OWN_STEPS

PUBLISHED = "published"


class Sampler(Node):
    TITLE = "Foley Sampler"
    ABOUT = (
        "Makes the sound, still as a latent: connect it to Foley Decode. With a guider connected, "
        "that decides instead of cfg."
    )
    OUTPUTS = [io.Latent.Output("samples", "latent", tooltip="For Foley Decode.")]
    FOLDER = "sample"
    ALIASES = ("ksampler", "generate sound", "v2a sampler")

    @classmethod
    def inputs(cls) -> list:
        return [
            *widgets.model_and("positive", "negative"),
            io.Latent.Input(
                "latent",
                tooltip="latent of Foley Conditioning; or of Foley Encode Audio, to change a "
                "sound with denoise below 1 or a range.",
            ),
            io.Guider.Input(
                "guider",
                optional=True,
                tooltip="Guidance of your own, from a Foley guider node. It brings its own model "
                "and conditioning.",
            ),
            widgets.seed(),
            widgets.own_steps(),
            widgets.own_scale(),
            widgets.choice(
                "sampler_name",
                [OWN, *comfy.samplers.SAMPLER_NAMES],
                "How the way from noise to sound is walked. the model's own: as it was published.",
            ),
            widgets.choice(
                "scheduler",
                [PUBLISHED, *comfy.samplers.SCHEDULER_NAMES],
                "How the steps are spread. published: evenly, as the model was made.",
            ),
            widgets.number(
                "denoise",
                1.0,
                "How much of the latent is made anew: 1 all, 0.5 keeps its outline.",
                min=0.01,
            ),
            widgets.count(
                "takes", "How many takes are made at once. Take 1 is the same however many."
            ),
        ]

    @classmethod
    def validate_inputs(cls, sampler_name=None, scheduler=None) -> bool | str:
        return cls.check_choices(sampler_name=sampler_name, scheduler=scheduler)

    @classmethod
    def execute(
        cls,
        model,
        positive,
        negative,
        latent,
        seed,
        steps,
        cfg,
        sampler_name,
        scheduler,
        denoise,
        takes,
        guider=None,
    ) -> io.NodeOutput:
        stays = sound_of_latent(latent).stays
        latent = repeated(latent, takes)
        if stays is not None and denoise >= 1:
            latent = {**latent, "samples": latent["samples"] * stays.frames}
        if stays is not None and stays.inverted and guider is not None:
            raise FoleyError(
                "Inversion follows the positive side of Foley Sampler's own guidance: leave the "
                "guider unconnected, or turn inversion off in Foley Task."
            )
        if guider is None:
            guider = guider_of(model, positive, negative, cfg)
        own = foley_model(guider.model_patcher).row.sampling
        steps = own.steps if steps == OWN_STEPS else steps
        sigmas = sigmas_of(guider.model_patcher, scheduler, steps, denoise)
        noise = noise_of(guider.model_patcher, latent["samples"], steps, seed)
        sampler = sampler_of(guider.model_patcher, sampler_name, noise)
        samples = sampled(guider, latent, sampler, sigmas, seed, noise)
        return io.NodeOutput({**latent, "samples": samples})


class MaskGITSampler(Node):
    TITLE = "Foley MaskGIT Sampler"
    ABOUT = (
        "The sampler of models of tokens (SpecMaskFoley) for SamplerCustomAdvanced: all tokens are "
        "guessed at once, the surest stay, the others are guessed again. Foley Sampler has it by "
        "itself."
    )
    INPUTS = [
        widgets.number(
            "temperature",
            9.0,
            "How much luck decides at first which tokens stay: 9 as published, 0 always the "
            "surest, which sounds plainer.",
            max=1000.0,
            step=0.1,
        )
    ]
    OUTPUTS = [
        io.Sampler.Output("sampler", tooltip="For SamplerCustomAdvanced, with a Foley guider.")
    ]
    FOLDER = "sample"
    ALIASES = ("maskgit", "token sampler", "masked generation")

    @classmethod
    def execute(cls, temperature: float) -> io.NodeOutput:
        return io.NodeOutput(TokenSampler(temperature))


def noise_of(model, samples: torch.Tensor, steps: int, seed: int) -> Noise:
    """The noise of takes [B, C, T], as the command line draws it, so seeds agree."""
    takes, _, length = samples.shape
    rng, inner = torch.Generator().manual_seed(seed), foley_model(model)
    spec = inner.row.config.latent
    if spec.codes:
        return Noise(None)
    return dynamics_of(inner.kind.name).draw(rng, spec, takes, length, steps)


def sampler_of(model, name: str, noise: Noise) -> comfy.samplers.Sampler:
    """The SAMPLER of a name of the list, or the model's own, with `noise` in its steps where it
    draws some. Raises FoleyError for a model of tokens and a sampler that removes noise."""
    inner = foley_model(model)
    if inner.row.config.latent.codes:
        if name != OWN:
            raise FoleyError(
                f"The sampler '{name}' removes noise, but {inner.row.name} makes tokens: choose "
                f"{OWN}."
            )
        return TokenSampler(inner.row.sampling.temperature, noise if noise.steps else None)
    if name == OWN and noise.later is not None:
        return sampler_with(noise)
    if name == OWN:
        name = inner.kind.sampler_of(inner.row.sampling.solver)
    return comfy.samplers.sampler_object(name)


def sigmas_of(model, scheduler: str, steps: int, denoise: float) -> torch.Tensor:
    """`steps + 1` sigmas down to 0 or nearly; with denoise below 1 the end of a longer schedule."""
    inner = foley_model(model)
    if inner.row.config.latent.codes and denoise < 1:
        raise FoleyError(
            f"{inner.row.name} makes tokens, which are known or not: set denoise to 1, and "
            "choose a range with a mask."
        )
    total = max(steps, round(steps / denoise))
    sampling = model.get_model_object("model_sampling")
    name = None if scheduler == PUBLISHED else scheduler
    return inner.kind.schedule(sampling, name, total)[-(steps + 1) :]


def sampled(
    guider,
    latent: dict,
    sampler: comfy.samplers.Sampler,
    sigmas: torch.Tensor,
    seed: int,
    noise: Noise,
    callback: Callable[..., None] | None = None,
) -> torch.Tensor:
    """Takes [B, C, T] of a guider. Raises FoleyError when the model leaves the finite numbers.

    callback(step, denoised, x, steps): None shows the steps on the running node.
    """
    samples, stays = latent["samples"], sound_of_latent(latent).stays
    # Tokens start masked, and their sampler draws for itself.
    first = samples * 0 if noise.first is None else noise.first.transpose(1, 2).contiguous()
    mask = latent.get("noise_mask")
    if stays is not None:
        sampler = Knowing(sampler, stays)
        if stays.kept == "end" and mask is not None and torch.equal(mask, mask_of(stays)):
            mask = None
    if callback is None:
        callback = latent_preview.prepare_callback(guider.model_patcher, len(sigmas) - 1)
    done = guider.sample(
        first,
        samples,
        sampler,
        sigmas,
        denoise_mask=mask,
        callback=callback,
        disable_pbar=not comfy.utils.PROGRESS_BAR_ENABLED,
        seed=seed,
    )
    if not torch.isfinite(done).all():
        raise FoleyError(
            "The model left the finite numbers: load it with weight_dtype float32 or bfloat16, or "
            "lower the guidance scale."
        )
    done = done.to(samples.device)
    if stays is None or stays.kept == "never":
        return done
    return stays.put_back(done.transpose(1, 2), stays.latent).transpose(1, 2).contiguous()


NODES = [Sampler, MaskGITSampler]

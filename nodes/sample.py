"""The convenient sampler: everything SamplerCustomAdvanced can, in one node."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import comfy.samplers
import comfy.utils
import latent_preview
import torch
from comfy_api.latest import io

from ..core.errors import FoleyError
from ..core.request import VARIATION
from ..core.sampling import Like, Noise, dynamics_of
from . import widgets
from .common import Node
from .native.guider import guider_of
from .native.known import Knowing
from .native.latents import mask_of, repeated, sound_of_latent
from .native.model import foley_model
from .native.own_noise import SeedNoise, sampler_with
from .native.tokens import TokenSampler
from .widgets import OWN, OWN_STEPS

PUBLISHED = "published"


class Sampler(Node):
    TITLE = "Foley Sampler"
    ABOUT = (
        "Makes the sound, still as a latent: connect it to Foley Decode. With a guider connected, "
        "that decides instead of cfg; with a noise connected, that decides instead of seed."
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
            io.Noise.Input(
                "noise",
                optional=True,
                tooltip="Noise of your own: of Foley Variations, for takes that are like one you "
                "have, or of RandomNoise. It brings its own seed.",
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
        noise=None,
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
        source = SeedNoise(seed) if noise is None else noise
        drawn = noise_of(guider.model_patcher, latent, steps, source)
        like = getattr(source, "like", None)
        sampler = sampler_of(guider.model_patcher, sampler_name, drawn, like)
        samples = sampled(guider, latent, sampler, sigmas, source.seed, drawn)
        return io.NodeOutput({**latent, "samples": samples})


class Variations(Node):
    TITLE = "Foley Variations"
    ABOUT = (
        "More takes like one that you have: connect it to the noise of the Foley Sampler that made "
        "that take, and leave everything else there as it was."
    )
    INPUTS = [
        io.Int.Input(
            "take_seed",  # one called seed would be drawn anew after each run
            default=0,
            min=0,
            max=2**63 - 1,
            tooltip="The seed that the take was made with.",
        ),
        io.Int.Input(
            "like",
            default=1,
            min=0,
            max=64,
            tooltip="The number of the take, as Foley Takes shows it. 0: the takes of the seed.",
        ),
        widgets.number(
            "variation",
            VARIATION,
            "How far the new takes are from it: 0 is that take itself, "
            f"{VARIATION:g} is close, 1 has nothing of it.",
        ),
    ]
    OUTPUTS = [
        io.Noise.Output(
            "noise",
            tooltip="For Foley Sampler. SamplerCustomAdvanced takes it too, with models that make "
            "no tokens.",
        )
    ]
    FOLDER = "sample"
    ALIASES = ("more like this", "variation seed", "similar takes", "noise")

    @classmethod
    def execute(cls, take_seed: int, like: int, variation: float) -> io.NodeOutput:
        return io.NodeOutput(SeedNoise(take_seed, Like(like, variation) if like else None))


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


def noise_of(model, latent: dict, steps: int, source: SeedNoise | Any) -> Noise:
    """The noise of takes [B, C, T] in a LATENT: by a seed as the command line draws it, so seeds
    agree, or by any NOISE."""
    samples = latent["samples"]
    takes, _, length = samples.shape
    inner = foley_model(model)
    spec = inner.row.config.latent
    if spec.codes:
        return Noise(None)
    if isinstance(source, SeedNoise):
        return source.draw(dynamics_of(inner.kind.name), spec, takes, length, steps)
    return Noise(source.generate_noise(latent).float().cpu().transpose(1, 2))


def sampler_of(model, name: str, noise: Noise, like: Like | None = None) -> comfy.samplers.Sampler:
    """The SAMPLER of a name of the list, or the model's own, with `noise` in its steps where it
    draws some; like: the take that those of tokens are near. Raises FoleyError for a model of
    tokens and a sampler that removes noise."""
    inner = foley_model(model)
    if inner.row.config.latent.codes:
        if name != OWN:
            raise FoleyError(
                f"The sampler '{name}' removes noise, but {inner.row.name} makes tokens: choose "
                f"{OWN}."
            )
        drawn = noise if noise.steps else None
        return TokenSampler(inner.row.sampling.temperature, like, drawn)
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


NODES = [Sampler, Variations, MaskGITSampler]

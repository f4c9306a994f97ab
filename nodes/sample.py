"""The convenient sampler: everything SamplerCustomAdvanced can, in one node."""

from __future__ import annotations

import comfy.samplers
import comfy.utils
import latent_preview
import torch
from comfy_api.latest import io

from ..core.errors import FoleyError
from ..core.sampling import draw_noise
from .common import known_choices, schema, seed_input
from .native.guider import guider_of
from .native.latents import repeated, sound_of_latent
from .native.model import foley_model
from .native.tokens import TokenSampler
from .scale import OWN, OWN_STEPS, own_scale_input, own_steps_input

PUBLISHED = "published"


class Sampler(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "Sampler",
            "Foley Sampler",
            "Makes the sound, still as a latent: connect it to Foley Decode. With a guider "
            "connected, that decides instead of cfg.",
            [
                io.Model.Input("model", tooltip="From Load Foley Model."),
                io.Conditioning.Input("positive", tooltip="positive of Foley Conditioning."),
                io.Conditioning.Input("negative", tooltip="negative of Foley Conditioning."),
                io.Latent.Input(
                    "latent",
                    tooltip="latent of Foley Conditioning; or of Foley Encode Audio, to change a "
                    "sound with denoise below 1 or a range.",
                ),
                io.Guider.Input(
                    "guider",
                    optional=True,
                    tooltip="Guidance of your own, from a Foley guider node. It brings its own "
                    "model and conditioning.",
                ),
                seed_input(),
                own_steps_input(),
                own_scale_input(),
                io.Combo.Input(
                    "sampler_name",
                    options=[OWN, *comfy.samplers.SAMPLER_NAMES],
                    default=OWN,
                    tooltip="How the way from noise to sound is walked. the model's own: as it was "
                    "published.",
                ),
                io.Combo.Input(
                    "scheduler",
                    options=[PUBLISHED, *comfy.samplers.SCHEDULER_NAMES],
                    default=PUBLISHED,
                    tooltip="How the steps are spread. published: evenly, as the model was made.",
                ),
                io.Float.Input(
                    "denoise",
                    default=1.0,
                    min=0.01,
                    max=1.0,
                    step=0.01,
                    tooltip="How much of the latent is made anew: 1 all, 0.5 keeps its outline.",
                ),
                io.Int.Input(
                    "takes",
                    default=1,
                    min=1,
                    max=64,
                    tooltip="How many takes are made at once. Take 1 is the same however many.",
                ),
            ],
            [io.Latent.Output("samples", display_name="latent", tooltip="For Foley Decode.")],
            folder="sample",
            aliases=("ksampler", "generate sound", "v2a sampler"),
        )

    @classmethod
    def validate_inputs(
        cls, sampler_name: str | None = None, scheduler: str | None = None
    ) -> bool | str:
        return known_choices(cls, sampler_name=sampler_name, scheduler=scheduler)

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
        sound_of_latent(latent)
        latent = repeated(latent, takes)
        if guider is None:
            guider = guider_of(model, positive, negative, cfg)
        own = foley_model(guider.model_patcher).row.sampling
        steps = own.steps if steps == OWN_STEPS else steps
        sigmas = sigmas_of(guider.model_patcher, scheduler, steps, denoise)
        sampler = sampler_of(guider.model_patcher, sampler_name)
        samples = sampled(guider, latent, sampler, sigmas, seed)
        return io.NodeOutput({**latent, "samples": samples})


def sampler_of(model, name: str) -> comfy.samplers.Sampler:
    """The SAMPLER of a name of the list, or the model's own.

    Raises FoleyError for a model of tokens and a sampler that removes noise.
    """
    inner = foley_model(model)
    if inner.row.config.latent.codes:
        if name != OWN:
            raise FoleyError(
                f"The sampler '{name}' removes noise, but {inner.row.name} makes tokens: choose "
                f"{OWN}."
            )
        return TokenSampler(inner.row.sampling.temperature)
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
    guider, latent: dict, sampler: comfy.samplers.Sampler, sigmas: torch.Tensor, seed: int
) -> torch.Tensor:
    """Takes [B, C, T] of a guider; noise as the command line draws it, so seeds agree.

    Raises FoleyError when the model leaves the finite numbers.
    """
    samples = latent["samples"]
    takes, channels, length = samples.shape
    rng = torch.Generator().manual_seed(seed)
    noise = draw_noise(rng, takes, length, channels).transpose(1, 2).contiguous()
    done = guider.sample(
        noise,
        samples,
        sampler,
        sigmas,
        denoise_mask=latent.get("noise_mask"),
        callback=latent_preview.prepare_callback(guider.model_patcher, len(sigmas) - 1),
        disable_pbar=not comfy.utils.PROGRESS_BAR_ENABLED,
        seed=seed,
    )
    if not torch.isfinite(done).all():
        raise FoleyError(
            "The model left the finite numbers: load it with weight_dtype float32 or bfloat16, or "
            "lower the guidance scale."
        )
    return done.to(samples.device)


NODES = [Sampler]

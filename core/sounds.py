"""Sounds that a take goes by, as generators take them: references, and those that stay in part."""

from __future__ import annotations

import torch
from torch import Tensor

from .context import KnownSound
from .errors import FoleyError
from .generators.base import LATENT, GeneratorConfig
from .plan import KnownLatent
from .reference import LEAD_SECONDS, ReferencePick, ReferenceSpec, read_part, read_reference
from .stores import Store
from .tables import SystemSpec


def encode_reference(
    spec: ReferenceSpec,
    store: Store,
    reference,
    pick: ReferencePick = ReferencePick(),  # noqa: B008 - frozen
    rng: torch.Generator | None = None,
) -> dict[str, Tensor]:
    """The reference stream `[1, N, D]`, by its name, of a sound file or a (waveform [C, T], rate)
    pair; frames of several windows stand side by side, since networks take the mean over them.

    Raises:
        FoleyError: see `read_reference`.
    """
    if spec.method.heard:
        windows = read_part(reference, spec, pick, lambda seconds: seconds)[None]
    else:
        windows = read_reference(reference, spec, pick)
    with store.using(spec.method.part) as module, torch.inference_mode():
        stream = spec.method.encode(module, windows.to(store.device), rng)
    return {spec.method.stream: stream.float().cpu()}


def reference_spec(row: SystemSpec) -> ReferenceSpec:
    """What a reference of a system is; FoleyError where it takes none."""
    config = row.config
    if row.reference is None:
        raise FoleyError(f"{row.name} takes no reference sound; leave it away.")
    if row.reference.heard:
        return ReferenceSpec.of(row.reference)
    samples = config.reference_samples or round(LEAD_SECONDS * row.sample_rate)
    return ReferenceSpec(row.reference, samples, config.latent.sample_rate)


def encode_lead(
    row: SystemSpec,
    store: Store,
    reference,
    pick: ReferencePick = ReferencePick(),  # noqa: B008 - frozen
) -> tuple[Tensor, float]:
    """The latent `[1, N, C]` of the part of a reference that stands before a take, and its seconds.

    Raises:
        FoleyError: see `read_part`.
    """
    config, spec = row.config, reference_spec(row)
    waveform = read_part(reference, spec, pick, config.round_down_seconds)
    seconds = len(waveform) / spec.sample_rate
    with store.using("codec") as codec, torch.inference_mode():
        latent = spec.method.encode(codec, waveform[None].to(store.device), None).float().cpu()
    return latent[:, : round(seconds * config.latent.rate)], seconds


def encode_known(
    config: GeneratorConfig,
    store: Store,
    sound: KnownSound,
    seconds: float,
    loudness: float | None = None,
) -> KnownLatent:
    """The latent of a sound of which a part is known, for a take of `seconds`, brought to a
    loudness; `KnownSound.splice` brings what is made of it back."""
    length, rate = config.lengths(seconds)[LATENT], config.latent.rate
    with store.using("codec") as codec, torch.inference_mode():
        own, channels = config.latent.sample_rate, codec.channels
        waveform = sound.for_codec(own, seconds, loudness, channels=channels)
        latent = codec.encode(waveform.to(store.device)).cpu()[:, :length]
    # Ids of tokens stay whole numbers.
    latent = latent.float() if latent.is_floating_point() else latent
    missing = length - latent.shape[1]
    latent = torch.nn.functional.pad(latent, (0, 0, 0, missing))
    frames = sound.frames(length, rate) & (torch.arange(length) < length - missing)
    return KnownLatent(latent, frames)

"""A system of core whose parts are those of a graph: ComfyUI moves them, and samples its MODEL."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import comfy.model_management
import torch
from torch import Tensor, nn

from ..core.encoders.cache import FeatureCache
from ..core.errors import CancelCheck, FoleyError
from ..core.generators import Conditions
from ..core.plan import Plan
from ..core.sampling import Known, Like, Long, Noise, dynamics_of
from ..core.sampling.dynamics import Dynamics
from ..core.system import System
from .choices import require
from .condition import both_sides
from .native.guider import guider_of
from .native.latents import empty_latent, with_known
from .native.managed import Managed
from .native.model import foley_model
from .native.own_noise import SeedNoise
from .native.tokens import ids_of
from .sample import PUBLISHED, noise_of, sampled, sampler_of, sigmas_of
from .widgets import OWN, OWN_SCALE

_KEY = "foley_key"


@dataclass(frozen=True, eq=False)
class GraphParts:
    """A store of parts that are on wires, see `core.stores.Store`; None is not connected."""

    model: Any
    codec: Managed
    video: Managed | None
    text: Managed | None

    @property
    def device(self) -> torch.device:
        """Where they are used."""
        return comfy.model_management.get_torch_device()

    @contextlib.contextmanager
    def using(self, role: str) -> Iterator[nn.Module]:
        """A part on its device."""
        yield self._of(role).ready("codec" if role == "decoder" else role)

    def keeping(self) -> contextlib.AbstractContextManager[None]:
        """ComfyUI keeps them."""
        return contextlib.nullcontext()

    def weights(self, role: str) -> str:
        """A name for a part's weights; that of a MODEL holds while ComfyUI runs."""
        if role == "generator":
            # A node that patches a MODEL makes another object of it.
            return str(self.model.__dict__.setdefault(_KEY, uuid.uuid4().hex))
        return self._of(role).weights("codec" if role == "decoder" else role)

    def _of(self, role: str) -> Managed:
        part = {"codec": self.codec, "decoder": self.codec, "text": self.text}.get(role, self.video)
        if part is None:
            raise FoleyError(f"A {'text' if role == 'text' else 'video'} encoder is not connected.")
        return part


class GraphSystem(System):
    """See above. Raises FoleyError for parts that do not belong together."""

    def __init__(self, parts: GraphParts, cache: FeatureCache | None) -> None:
        row = foley_model(parts.model).row
        super().__init__(row.name, row, parts, cache)
        self._model = parts.model
        require(parts.codec.part.name, row.codec, "The model", "Load Foley Codec")
        if parts.video is not None and row.video:
            require(parts.video.part.name, row.video, "The model", "Load Foley Video Encoder")
        if parts.text is not None and row.text:
            require(parts.text.part.name, row.text, "The model", "Load Foley Text Encoder")

    @property
    def dynamics(self) -> Dynamics:
        return dynamics_of(foley_model(self._model).kind.name)

    def sample(
        self,
        conditions: Conditions,
        *,
        noise: Noise | None = None,
        rng: torch.Generator | None = None,
        long: Long | None = None,
        like: Like | None = None,
        cfg: float | None = None,
        steps: int | None = None,
        known: Known | None = None,
        takes: int = 1,
        progress: Callable[[int, int], None] | None = None,
        cancelled: CancelCheck | None = None,
        **_: Any,
    ) -> Tensor:
        """As of `System`, by ComfyUI, whose own cancel button stops it."""
        model, row = self._model, self.row
        inner, seconds = foley_model(model), conditions.seconds
        # What is known of several takes differs; the other streams are the same for all.
        most = max((len(value) for value in conditions.positive.values()), default=1)
        streams, away = (
            {name: value.expand(most, -1, -1) for name, value in side.items()}
            for side in (conditions.positive, conditions.negative)
        )
        positive, negative = both_sides(inner, streams, away, seconds, long)
        steps = row.sampling.steps if steps is None else steps
        latent = empty_latent(row.config, seconds, seconds, start=0.0, takes=takes)
        seed = 0 if rng is None else rng.initial_seed()
        noise = noise or noise_of(model, latent, steps, SeedNoise(seed, like))
        latent = with_known(latent, Plan(conditions, known), None)
        if known is not None:
            frames = known.frames.to(latent["samples"].device)
            latent["samples"] = (latent["samples"] * frames).expand(takes, -1, -1)
        made = sampled(
            guider_of(model, positive, negative, OWN_SCALE if cfg is None else cfg),
            latent,
            sampler_of(model, OWN, noise, like),
            sigmas_of(model, PUBLISHED, steps, 1.0),
            seed,
            noise,
            callback=_shown(progress),
        ).transpose(1, 2)
        return ids_of(made) if row.config.latent.codes else made


def _shown(progress: Callable[[int, int], None] | None) -> Callable[..., None]:
    """Progress as ComfyUI's samplers tell it."""

    def callback(step: int, denoised: Tensor, x: Tensor, total: int) -> None:
        if progress is not None:
            progress(step + 1, total)

    return callback

"""What the public codecs share: shapes checked, sound fitted to frames, weights put in place."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from ..errors import FoleyError
from ..weights.fill import fill
from .base import Codec
from .tiling import Progress, smaller_tiles

log = logging.getLogger(__name__)

_TILE_DIVISORS = (1, 2, 4, 8)
ENCODER_KEYS = ("encoder.", "quant_conv.")


class NeuralCodec(Codec):
    """A codec made of networks with public weights.

    `parts`: the attributes that hold those networks, each from one file. A network has
    `public_state`, which brings a file's tensors under its own names.
    """

    name = ""
    parts: tuple[str, ...] = ("vae",)
    decode_only = False
    token_codes: int | None = None

    def fill(
        self,
        tensors: Mapping[str, Mapping[str, Tensor]],
        *,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> NeuralCodec:
        """Gives this codec, built on the meta device, its weights: a mapping for each part.

        They are brought to `dtype` and `device` after weight norms are folded; None leaves them.

        Raises:
            FoleyError: a part is absent, or its tensors are not those of this codec.
        """
        for part in self.parts:
            if part not in tensors:
                raise FoleyError(f"The codec {self.name} needs the weights of its {part}.")
            network = getattr(self, part)
            state = network.public_state(tensors[part])
            if self.decode_only:
                state = {k: v for k, v in state.items() if not k.startswith(ENCODER_KEYS)}
            state = {k: v.to(device=device, dtype=dtype) for k, v in state.items()}
            fill(network, state, f"{self.name} {part}")
        return self.eval().requires_grad_(False)

    @property
    def compute_dtype(self) -> torch.dtype:
        """The type the networks calculate in: that of the weights, float32 for 8-bit ones."""
        dtype = next(self.parameters()).dtype
        return dtype if dtype.itemsize > 1 else torch.float32

    def encode(self, waveform: Tensor, *, progress: Progress | None = None) -> Tensor:
        """`[B, C, T]` to `[B, N, latent_dim]` float32, the posterior's mean (or token ids, int64).

        Channels are averaged or doubled where the codec has another number of them.
        """
        return self._encode(self._fitted(waveform), progress)

    def posterior(
        self, waveform: Tensor, *, progress: Progress | None = None
    ) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation `[B, N, latent_dim]`, float32, of `[B, C, T]`.

        Raises:
            FoleyError: the codec gives tokens.
        """
        if self.token_codes is not None:
            raise FoleyError(f"The codec {self.name} has no posterior: it gives tokens.")
        return self._posterior(self._fitted(waveform), progress)

    def sample(self, waveform: Tensor, generator: Generator) -> Tensor:
        """mean + deviation * noise, the noise drawn on the CPU as `[B, N, latent_dim]`."""
        mean, deviation = self.posterior(waveform)
        noise = torch.randn(mean.shape, generator=generator)
        return mean + deviation * noise.to(mean)

    @torch.no_grad()
    def decode(
        self,
        latent: Tensor,
        *,
        generator: Generator | None = None,
        progress: Progress | None = None,
    ) -> Tensor:
        """`[B, N, latent_dim]` to `[B, channels, N * samples_per_latent]` float32.

        Long latents are decoded in pieces, each item of a batch on its own. `progress` is called
        with (pieces' frames done, frames in all) of an item; what it raises ends the work.

        Raises:
            FoleyError: a latent of another shape, or a sound that is not finite.
        """
        self._check_latent(latent)
        length = latent.shape[1] * self.samples_per_latent
        sounds = []
        for item in latent.split(1):
            sound = self._decode_within_memory(item, generator, progress)[..., :length].float()
            if not torch.isfinite(sound).all():
                raise FoleyError(
                    f"The codec {self.name} made a sound with invalid values; "
                    "use float32 weights, or check the latent."
                )
            sounds.append(sound)
        return torch.cat(sounds) if len(sounds) > 1 else sounds[0]

    def _decode_within_memory(
        self, latent: Tensor, generator: Generator | None, progress: Progress | None
    ) -> Tensor:
        """`_decode`, in ever smaller tiles while the memory of the device does not suffice."""
        state = None if generator is None else generator.get_state()
        for divisor in _TILE_DIVISORS:
            try:
                with smaller_tiles(divisor):
                    return self._decode(latent, generator, progress)
            except torch.OutOfMemoryError:
                log.warning("Out of memory: the sound is now decoded in smaller tiles.")
            if generator is not None:
                generator.set_state(state)
            if latent.device.type == "cuda":
                torch.cuda.empty_cache()
        raise FoleyError(
            f"The codec {self.name} does not fit into the memory of {latent.device}; free some, or "
            "use the CPU."
        )

    def _encode(self, waveform: Tensor, progress: Progress | None) -> Tensor:
        return self._posterior(waveform, progress)[0]

    def _posterior(self, waveform: Tensor, progress: Progress | None) -> tuple[Tensor, Tensor]:
        raise NotImplementedError

    def _decode(
        self, latent: Tensor, generator: Generator | None, progress: Progress | None
    ) -> Tensor:
        raise NotImplementedError

    def _fitted(self, waveform: Tensor) -> Tensor:
        """Checked, with the codec's channels, padded with silence to whole latent frames."""
        if self.decode_only:
            raise FoleyError(
                f"The codec {self.name} was loaded for decoding only; load its encoder as well."
            )
        if waveform.ndim != 3 or not waveform.shape[2] or not waveform.shape[0]:
            raise FoleyError(
                f"A waveform must have the shape [batch, channels, samples] and samples, "
                f"but has {list(waveform.shape)}."
            )
        waveform = waveform.float()
        if waveform.shape[1] != self.channels:
            waveform = waveform.mean(1, keepdim=True).expand(-1, self.channels, -1)
        return F.pad(waveform, (0, -waveform.shape[2] % self.samples_per_latent))

    def _check_latent(self, latent: Tensor) -> None:
        if latent.ndim != 3 or latent.shape[2] != self.latent_dim or 0 in latent.shape:
            raise FoleyError(
                f"A latent of the codec {self.name} must have the shape "
                f"[batch, frames, {self.latent_dim}], but has {list(latent.shape)}."
            )

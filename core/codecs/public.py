"""The public codecs by name, and how one is put together from its files' tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from ..errors import FoleyError
from ..weights.fill import building
from ..weights.load import read_weights
from .audioldm import AudioLDMCodec
from .dac_vae import DACVAECodec
from .image_vae import ImageVAECodec
from .mmaudio import MMAUDIO_16K, MMAUDIO_44K, MMAudioCodec, as_wide
from .neural import ENCODER_KEYS, NeuralCodec
from .oobleck import config_of
from .specvqgan import SPECMASKGIT_22K, SpecVQGANCodec, as_sized
from .stable_audio import StableAudioCodec

# What a checkpoint of a whole system holds beside its autoencoder.
OTHER_NETWORKS = (
    "model.model.",
    "model.diffusion_model.",
    "model_ema.",
    "conditioner.",
    "cond_stage_model.",
    "loss.",
)
# "specvqgan-22k" is the public one; "specmaskgit-22k" the retrained, of which no weights are known:
# those of one's own training may have another size.
MMAUDIO_CODECS = {config.name: config for config in (MMAUDIO_16K, MMAUDIO_44K)}
CODECS: Mapping[str, Callable[..., NeuralCodec]] = {
    **{name: partial(MMAudioCodec, config) for name, config in MMAUDIO_CODECS.items()},
    "audioldm": AudioLDMCodec,
    "image-vae": ImageVAECodec,
    "specvqgan-22k": SpecVQGANCodec,
    "specmaskgit-22k": partial(SpecVQGANCodec, SPECMASKGIT_22K),
    "stable-audio": StableAudioCodec,
    "dac-vae": DACVAECodec,
}


def load_codec(
    name: str,
    files: Mapping[str, Path | str],
    *,
    decode_only: bool = False,
    dtype: torch.dtype | None = torch.float32,
    device: torch.device | str | None = None,
) -> NeuralCodec:
    """A public codec with its weights, ready for inference; other networks in a file are not read.

    Args:
        files: a weights file for each of the codec's `parts` ("vae", "vocoder"); weight norm may
            be folded or not.
        decode_only: without the encoder, whose tensors may then be absent.
        dtype, device: of the weights; None: as they are.

    Raises:
        FoleyError: no such codec, a file that cannot be read, or one that is not of this codec.
    """
    if name not in CODECS:
        raise FoleyError(f"There is no codec named {name}; choose one of {', '.join(CODECS)}.")
    unread = OTHER_NETWORKS + (ENCODER_KEYS if decode_only else ())

    def keep(key: str) -> bool:
        return not key.startswith(unread)

    tensors = {part: read_weights(file, keep=keep) for part, file in files.items()}
    named = " and ".join(Path(file).name for file in files.values())
    with building(named), torch.device("meta"):
        codec = _sized(name, tensors)(decode_only=decode_only)
    with building(named):
        return codec.fill(tensors, dtype=dtype, device=device)


def _sized(name: str, tensors: Mapping[str, Mapping[str, Tensor]]) -> Callable[..., NeuralCodec]:
    """A codec of the size of its files' tensors."""
    if name in MMAUDIO_CODECS:
        return partial(MMAudioCodec, as_wide(MMAUDIO_CODECS[name], tensors))
    if name == "specmaskgit-22k" and "vae" in tensors:
        return partial(SpecVQGANCodec, as_sized(SPECMASKGIT_22K, tensors["vae"]))
    if name == "stable-audio" and "vae" in tensors:
        return partial(StableAudioCodec, config_of(tensors["vae"]))
    return CODECS[name]

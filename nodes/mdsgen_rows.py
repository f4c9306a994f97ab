"""Rows of the loaders for MDSGen: the bundled mini, and what is found."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import comfy.model_management
from torch import nn

from ..core.encoders.cavp import CavpVideo
from ..core.generators import AUDIO_GRID, Generator, MDSGen, MDSGenConfig, mdsgen_config
from ..core.generators.mdsgen_files import mdsgen_plan, mini_figures, read_mdsgen
from ..core.generators.mdsgen_mini import MDSGenMini
from ..core.precision import compute_dtype
from ..core.weights.load import read_shapes, read_weights
from ..core.weights.minis import mini_path
from ..core.weights.store import locate
from .folders import model_folders
from .looking import Eyes
from .rows import CodecPart, GeneratorPart, TextEncoderPart, VideoEncoderPart

if TYPE_CHECKING:
    from ..core.codecs.base import Codec

_CODECS = {"audioldm": "audioldm_codec", "image-vae": "image_vae_codec"}


def generators() -> dict[str, GeneratorPart]:
    """The bundled network and the published one; a file of any size is loaded as what it is."""
    mini = GeneratorPart(
        name="mdsgen_mini",
        title="MDSGen in small: the picture alone, fast; 32 kHz mono, bundled",
        licence="Apache-2.0",
        weights=mini_path("mdsgen_mini"),
        family="mdsgen",
        # Read when built: ComfyUI's start waits for no file.
        build=lambda **made: MDSGenMini(mini_figures(mini_path("mdsgen_mini")), **made),
        read=read_weights,
        video="mini_video_encoder",
        text="",
        codec="mel_picture_codec",
        listen=None,
        memory_factor=0.3,
        of_file=_of_file,
    )
    return {"mdsgen_mini": mini, "mdsgen_b": _published(mdsgen_config("b"))}


def _published(config: MDSGenConfig) -> GeneratorPart:
    """The row of a network of the paper's sizes."""
    return GeneratorPart(
        name="mdsgen_b",
        title="MDSGen-B: the picture alone, fast; 16 kHz mono",
        licence="none stated, ask its authors",
        weights=None,
        family="mdsgen",
        build=partial(_build, config),
        read=read_mdsgen,
        video="cavp",
        text="",
        codec=_CODECS[config.codec],
        listen=None,
        of_file=_of_file,
    )


def _of_file(part: GeneratorPart, path: Path) -> GeneratorPart:
    """The row for the network that a file holds: a mini sees no CAVP features."""
    shapes = read_shapes(path)
    if shapes.get("mlp_feat.0.weight", (0, 0))[1] == AUDIO_GRID.video_dim:
        return _published(mdsgen_plan(shapes, path.name))
    return replace(generators()["mdsgen_mini"], build=partial(_build_mini, mini_figures(path)))


def _build(config: MDSGenConfig, **made: Any) -> Generator:
    return MDSGen(replace(config, side_block=False), **made)


def _build_mini(figures: MDSGenConfig, **made: Any) -> Generator:
    return MDSGenMini(figures, **made)


def video_encoders() -> dict[str, VideoEncoderPart]:
    """CAVP's picture half."""
    eyes = Eyes(lambda module: {"cavp": module.cavp}, AUDIO_GRID.snap)
    return {
        "cavp": VideoEncoderPart(
            name="cavp",
            title="what is seen and heard together (CAVP), for MDSGen",
            licence="MIT",
            weights=None,
            family="cavp",
            load=_load_cavp,
            requests={"cavp": CavpVideo.frame_request},
            watch=eyes.watch,
            eyes=eyes,
        )
    }


class _Eye(nn.Module):
    """ComfyUI gives what it manages a `device`; an encoder tells its own."""

    def __init__(self, cavp: CavpVideo) -> None:
        super().__init__()
        self.cavp = cavp


def _load_cavp(path: Path) -> nn.Module:
    device = comfy.model_management.get_torch_device()
    return _Eye(CavpVideo.load(path, dtype=compute_dtype("auto", device)))


def text_encoders() -> dict[str, TextEncoderPart]:
    """None: MDSGen follows the picture alone."""
    return {}


def codecs() -> dict[str, CodecPart]:
    """AudioLDM's, and the image autoencoder of networks that were trained on it."""
    return {
        "audioldm_codec": CodecPart(
            name="audioldm_codec",
            title="16 kHz mono, AudioLDM's mel autoencoder and vocoder",
            licence="CC-BY-NC-SA-4.0, not for commercial use",
            weights=None,
            family="audioldm_vae",
            files=("audioldm_vae", "audioldm_hifigan"),
            load=_load_audioldm,
        ),
        "image_vae_codec": CodecPart(
            name="image_vae_codec",
            title="16 kHz mono, a mel as a picture, Diff-Foley's autoencoder, no vocoder",
            licence="MIT",
            weights=None,
            family="latent_diffusion",
            files=("diff_foley_ldm",),
            load=_load_image_vae,
        ),
    }


def _load_audioldm(path: Path) -> Codec:
    from ..core.codecs import load_codec

    vocoder = locate("audioldm_hifigan", model_folders())
    return load_codec("audioldm", {"vae": path, "vocoder": vocoder})


def _load_image_vae(path: Path) -> Codec:
    from ..core.codecs import load_codec

    return load_codec("image-vae", {"vae": path})

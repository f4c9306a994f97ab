"""Every kind of recipe's task on a few small scenes."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

# Small files of encoders are made as there.
HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "pipeline")]


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def make_task(cache):
    """A name to the task; `mdsgen_videos` is the kind `mdsgen` on shards, `foleygenex_folders` the
    kind `foleygenex`."""
    return {
        "video_encoder": _video_encoder,
        "codec": _codec,
        "mdsgen": _mdsgen,
        "mdsgen_videos": _mdsgen_videos,
        "flow": _flow,
        "foleygenex": _foleygenex,
        "foleygenex_folders": _foleygenex_folders,
        "specvqgan": _specvqgan,
        "mini_tokens": _mini_tokens,
        "specmaskfoley": _specmaskfoley,
        "foley_control": _foley_control,
    }


def _video_encoder(cache):
    from foleystage.core.training.mini_encoder import EncoderFigures, EncoderTask

    figures = EncoderFigures(clips=4, validation_clips=2, crop_seconds=1.28, batch=4, workers=1)
    return EncoderTask(figures, cache)


def _codec(cache):
    from foleystage.core.training.codec import CodecFigures, CodecTask

    return CodecTask(CodecFigures(clips=4, clip_seconds=1.0, crop_latents=8, batch=4), cache)


def _mdsgen(cache):
    from foleystage.core.training.mdsgen import MDSGenFigures, MDSGenTask, SceneData

    figures = MDSGenFigures(
        clips=4,
        validation_clips=2,
        batch=4,
        masked_share=0.5,
        pooling="learned",
        depth=3,
        hidden_dim=32,
        num_heads=2,
        workers=1,
    )
    return MDSGenTask(figures, SceneData(figures, cache))


def _mdsgen_videos(cache):
    from foleystage.core.generators import mdsgen_config
    from foleystage.core.training.mdsgen import MDSGenFigures, MDSGenTask
    from foleystage.core.training.video_folder import Clip, ShardData, write_shards

    def extract(path):
        rng = torch.Generator().manual_seed(len(path.name))
        latent = torch.randn(204, 128, generator=rng)
        return {"cavp": torch.randn(32, 512, generator=rng), "latent": latent}

    clips = [Clip(str(k), cache / ("v" * (k + 1))) for k in range(4)]
    shards = write_shards(clips, extract, cache / "shards")
    config = replace(mdsgen_config("t"), depth=2, decode_layer=1, hidden_dim=16, num_heads=2)
    return MDSGenTask(MDSGenFigures(size="t", batch=2), ShardData(config, shards))


def _flow(cache):
    from foleystage.core.training.mini_flow import FlowFigures, FlowTask

    return FlowTask(FlowFigures(clips=4, validation_clips=2, workers=1), 10, cache)


def _foleygenex(cache):
    from foleystage.core.training.foleygenex import GenExFigures, GenExTask

    figures = GenExFigures(clips=12, validation_clips=4, joined=0.3, workers=1, base="")
    return GenExTask(figures, cache)


def _few_sounds(folder):
    from small_media import write_noise

    for number in range(3):
        write_noise(folder / f"{number}.wav", 2.0, number)
    return folder


def _foleygenex_folders(cache):
    from foleystage.core.training.foleygenex_folders import FolderFigures, FolderTask

    sounds = _few_sounds(cache / "few_sounds")
    (sounds / "captions.csv").write_text("file,caption\n0,metal\n1,wood\n2,a loud glass\n")
    figures = FolderFigures(
        sounds=(str(sounds),), system="foleygenex_mini", base="foleygenex_mini", batch=4
    )
    return FolderTask(figures, cache, torch.device("cpu"))


def _specvqgan(cache):
    from foleystage.core.training.specvqgan import VQGANFigures, VQGANTask

    sounds = _few_sounds(cache / "codec_sounds")
    sizes = {"channels": [32] * 5, "blocks": 1, "latent_channels": 16, "codes": 32}
    figures = VQGANFigures(sounds=str(sounds), network=sizes, batch=4, frames=32)
    return VQGANTask(figures, cache)


def _mini_tokens(cache):
    from foleystage.core.training.vqgan import VQFigures, VQTask

    figures = VQFigures(clips=4, validation_clips=2, frames=32, batch=4, workers=1)
    return VQTask(figures, 10, cache)


def _foley_control(cache):
    from foleystage.core.training.foley_control import BridgeFigures, BridgeTask

    figures = BridgeFigures(
        clips=4, validation_clips=2, batch=16, base="stable_audio_mini", workers=1
    )
    return BridgeTask(figures, cache)


def _specmaskfoley(cache):
    from foleystage.core.training.specmaskfoley import TokenFigures, TokenTask

    figures = TokenFigures(
        clips=4, validation_clips=2, batch=4, base="specmaskfoley_mini", workers=1
    )
    return TokenTask(figures, cache)


KINDS = (
    *("video_encoder", "codec", "mdsgen", "mdsgen_videos", "flow"),
    *("foleygenex", "foleygenex_folders", "specvqgan", "mini_tokens", "specmaskfoley"),
    "foley_control",
)


@pytest.fixture(scope="session", params=KINDS)
def task(request, make_task, cache):
    return make_task[request.param](cache)

"""FoleyGenEx's training begins as MMAudio of any size, and takes features of the public parts."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from foleystage.core.catalog import SYSTEMS, add, remove
from foleystage.core.generators import L44, L44_V2, M44, S16, S44, MMAudio
from foleystage.core.generators.base import CONTEXT
from foleystage.core.loading import load_model
from foleystage.core.media import encode_frames, write_audio
from foleystage.core.pipeline import generate
from foleystage.core.request import Request
from foleystage.core.training.foleygenex_folders import FolderFigures, FolderTask
from foleystage.core.training.genex_base import base_config, begin, read_base
from foleystage.core.training.recipes import run_recipe
from safetensors.torch import save_file

sys.path.insert(0, str(Path(__file__).parents[1] / "pipeline"))  # of `family`

SMALL = {"hidden_dim": 32, "num_heads": 1, "depth": 3, "fused_depth": 1, "mlp_multiple": 16}
SIZES = {"small_16k": S16, "small_44k": S44, "medium_44k": M44, "large_44k": L44, "v2": L44_V2}


@torch.no_grad()
@pytest.mark.parametrize("size", SIZES)
def test_with_mmaudios_weights_it_begins_as_mmaudio(size, tmp_path):
    config = replace(SIZES[size], **SMALL)
    base = MMAudio(config, rng=torch.Generator().manual_seed(1)).eval()
    random = torch.Generator().manual_seed(2)
    for value in base.parameters():
        value.add_(0.02 * torch.randn(value.shape, generator=random))
    save_file(base.state_dict(), tmp_path / "base.safetensors")
    found = read_base(str(tmp_path / "base.safetensors"))
    net = begin(base_config(found[0], ""), found, 0)
    assert net.config.nulls == "learned" and net.config.latent == config.latent
    length, width = net.latent_shape(2.0)
    x, t = torch.randn(2, length, width, generator=random), torch.tensor([0.2, 0.8])
    picture = {
        spec.name: torch.randn(2, config.lengths(2.0)[spec.name], spec.width, generator=random)
        for spec in config.streams
    }
    context = {CONTEXT: torch.randn(2, length, width + 1, generator=random)}
    for kept in (picture, {"text": picture["text"]}, {}):
        expected = base(x, t, base.prepare(kept, 2.0, batch=2))
        assert torch.equal(net(x, t, net.prepare({**kept, **context}, 2.0)), expected)
    with torch.enable_grad():
        net(x, t, net.prepare({**picture, **context}, 2.0)).square().mean().backward()
    assert all(value.grad is not None for value in net.input_embed.parameters())
    assert net.input_embed.conv_pos_embed.conv1d[2].weight.grad.any()


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A video of 1.5 s and a sound of 8 s, with their captions."""
    root = tmp_path_factory.mktemp("folders")
    sound = 0.1 * torch.randn(1, 8 * 16000, generator=torch.Generator().manual_seed(0))
    frames = 255 * (torch.arange(18)[:, None, None, None] // 6 % 2).expand(18, 64, 64, 3)
    for kind, file in (("videos", "a.mp4"), ("sounds", "a.wav")):
        (root / kind).mkdir()
        (root / kind / "captions.csv").write_text(f"file,caption\n{file},metal\n")
    given = {"waveform": sound, "sample_rate": 16000}
    encode_frames(frames.to(torch.uint8), 12, root / "videos" / "a.mp4", **given)
    write_audio(root / "sounds" / "a.wav", sound, 16000)
    return root


@pytest.fixture
def reduced(tmp_path, monkeypatch):
    """FoleyGenEx's row at a reduced size, with the files of its parts."""
    from family import SMALL as REDUCED
    from family import write_family

    (tmp_path / "models").mkdir()
    monkeypatch.setenv("FOLEYSTAGE_MODELS", str(write_family(tmp_path / "models")))
    own = SYSTEMS["foleygenex"]
    part = replace(own.generator, config=replace(own.config, **REDUCED))
    row = replace(own, name="foleygenex_reduced", generator=part)
    add(row)
    yield row
    remove(row)


@pytest.mark.slow
@pytest.mark.parametrize("base", ["", "mmaudio_small_16k"])
def test_the_public_parts_make_features_to_train_on(reduced, folders, tmp_path, base):
    figures = FolderFigures(
        videos=(str(folders / "videos"),),
        sounds=(str(folders / "sounds"),),
        system=reduced.name,
        base=base,
        batch=2,
    )
    made = FolderTask(figures, tmp_path / "cache", torch.device("cpu"))
    rate, width = (16000, 20) if base else (44100, 40)
    assert made.config.latent.sample_rate == rate and made.config.latent.dim == width
    batch = made.batch(0, rng())
    assert batch["latent"].shape == (2, 250 if base else 345, width)
    assert {k: v.shape[1:] for k, v in batch["streams"].items()} == {
        "sync": (192, 64),
        "clip": (64, 24),
        "text": (77, 64),
    }
    rows = made.sets["sounds"]
    first, second = (rows.latents(rows.train[:1], rng(seed))[0] for seed in (0, 1))
    assert not torch.equal(first, second), "the posterior is sampled"
    model = made.model()
    loss, _ = made.loss(model, batch, 0)
    loss.backward()
    assert torch.isfinite(loss) and model.text is None


@pytest.mark.slow
def test_from_scratch_the_latents_of_the_sound_are_brought_to_unit_size(reduced, folders, tmp_path):
    kinds = {kind: (str(folders / kind),) for kind in ("videos", "sounds")}
    figures = FolderFigures(**kinds, system=reduced.name, batch=2)
    made = FolderTask(figures, tmp_path / "cache", torch.device("cpu"))
    generator = made.model().generator
    parts = []
    for rows in made.sets.values():
        latent, frames = rows.latents(rows.train, rng())
        parts.append(generator.normalize(latent)[0, : frames[0]])
    data = torch.cat(parts)
    assert len(data) < 2 * 345
    assert data.mean(0).abs().max() < 0.2 and (data.std(0) - 1).abs().max() < 0.2
    assert generator.config.nulls == "zeros"


@pytest.mark.slow
def test_a_file_of_another_codec_has_the_public_encoders(reduced, folders, tmp_path):
    figures = {"system": reduced.name, "base": "mmaudio_small_16k", "batch": 2}
    figures |= {"videos": [str(folders / "videos")], "sounds": [str(folders / "sounds")]}
    loop = {"steps": 1, "learning_rate": 1e-4, "optimizer": "adamw"}
    path = tmp_path / "own.json"
    path.write_text(json.dumps({"task": "foleygenex", "figures": figures, "loop": loop}))
    system = load_model(str(run_recipe(str(path), tmp_path / "runs")[0]))
    assert system.row.video == "clip_and_synchformer" and system.row.codec == "mmaudio_codec_16k"
    takes = generate(folders / "videos" / "a.mp4", system, Request(steps=2))
    assert torch.isfinite(takes.waveforms).all()

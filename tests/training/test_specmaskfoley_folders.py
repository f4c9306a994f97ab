"""SpecMaskGIT on sounds and SpecMaskFoley's branch on videos: shards, runs, and takes of theirs."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from operator import eq

import numpy as np
import pytest
import torch
from family import CLIP
from foleystage.core.catalog import TEXT_ENCODERS
from foleystage.core.codecs.kl_vae import KLVAE, SPECVQGAN_VAE
from foleystage.core.encoders.clap import Clap
from foleystage.core.errors import FoleyError
from foleystage.core.generators.specmaskfoley_checkpoint import record
from foleystage.core.generators.specmaskgit import CODEC_VARIANT, SPECMASKGIT, SpecMaskGIT
from foleystage.core.loading import load_model
from foleystage.core.media import fit_length, read_audio, write_audio
from foleystage.core.pipeline import generate
from foleystage.core.request import Request
from foleystage.core.training import specmaskfoley_folders
from foleystage.core.training.config import LoopConfig, learning_rate_at
from foleystage.core.training.recipes import read_recipe, run_recipe
from foleystage.core.training.specmaskfoley_folders import (
    TokenFolderFigures,
    TokenFolderTask,
    load_tokenizer,
)
from foleystage.core.weights.files import read_metadata, save
from foleystage.core.weights.load import read_weights
from foleystage.core.weights.store import locate
from small_clap import CLAP
from small_media import RATE, noise, write_noise, write_video
from specmask_files import SYNC_DIM, write_encoders

pytest.importorskip("transformers")
VAE = replace(SPECVQGAN_VAE, channels=(32,) * 5, blocks=1, latent_channels=16, codes=64)
CODEC = {"family": "specvqgan", "variant": CODEC_VARIANT}
BACKBONE = {"hidden_dim": 32, "num_heads": 2, "depth": 3}
BRANCH = {"control_depth": 2, "projection_dim": 16}
CPU = torch.device("cpu")
QUICK = Request(steps=2, loudness=None)


def rng(seed=0):
    return np.random.default_rng(seed)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def write_codec(path, about, config=VAE):
    shapes = KLVAE(config, device="meta").state_dict()
    drawn = {k: torch.randn(v.shape, generator=seeded()) * 0.1 for k, v in shapes.items()}
    # Codes as large as what is encoded, so that more than one is nearest.
    drawn["quantize.embedding.weight"] *= 4
    save(path, drawn, about, torch.float32)


def write_backbone(path, **figures):
    given = {**BACKBONE, "words_dim": 8, "codes": 64, **figures}
    config = replace(SPECMASKGIT, **given)
    state = SpecMaskGIT(config, rng=seeded()).state_dict()
    # Else its logits are too small for a branch to matter.
    save(path, {**state, "head.weight": 20 * state["head.weight"]}, record(config))
    return path


@pytest.fixture(scope="module", autouse=True)
def models(tmp_path_factory):
    """The one place where weights are looked for: small encoders, codec and backbone."""
    folder = tmp_path_factory.mktemp("models")
    write_encoders(folder)
    write_codec(folder / "specmaskgit_vqgan.safetensors", CODEC)
    write_backbone(folder / "specmaskgit.safetensors")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FOLEYSTAGE_MODELS", str(folder))
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("none")))
        small = replace(TEXT_ENCODERS["clap_text"], load=partial(Clap.load, config=CLAP))
        patch.setitem(TEXT_ENCODERS, "clap_text", small)
        yield folder


@pytest.fixture(scope="module")
def media(tmp_path_factory):
    """A folder of sounds and one of videos, each with files without use."""
    root = tmp_path_factory.mktemp("media")
    write_noise(root / "sounds" / "a.wav", 1.5)
    write_noise(root / "sounds" / "more" / "b.flac", 12.0, 1)
    write_audio(root / "sounds" / "silent.wav", torch.zeros(1, 2 * RATE), RATE)
    (root / "sounds" / "broken.mp3").write_bytes(b"no sound")
    (root / "videos").mkdir()
    write_video(root / "videos" / "a.mp4", 2.0)
    write_video(root / "videos" / "mute.mp4", sound=False)
    write_noise(root / "videos" / "aside.wav", 1.0)
    return root


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def sound_figures(media, **more):
    given = {"sounds": str(media / "sounds"), "network": BACKBONE, "batch": 4}
    return TokenFolderFigures(**{**given, **more})


def video_figures(media, **more):
    given = {"videos": str(media / "videos"), "base": "specmaskgit", "network": BRANCH, "batch": 4}
    return TokenFolderFigures(**{**given, **more})


@pytest.fixture(scope="module")
def backbone(media, cache):
    return TokenFolderTask(sound_figures(media), cache, CPU)


@pytest.fixture(scope="module")
def branch(media, cache):
    return TokenFolderTask(video_figures(media, drop_video=0.0), cache, CPU)


def test_shards_of_sounds_hold_tokens_and_what_clap_hears(backbone, media, cache):
    (path,) = cache.rglob("sounds_sounds/*.safetensors")
    made = read_weights(path)
    assert made["tokens"].shape == (2, 53, 5) and made["words"].shape == (2, 1, 8)
    codec = load_tokenizer(locate("specmaskgit_vqgan"))
    sound, _ = read_audio(media / "sounds" / "a.wav", sample_rate=22050, mono=True)
    whole = fit_length(sound, 53 * 4096)  # the rest is silence
    assert torch.equal(made["tokens"][0].long(), codec.encode(whole[None])[0])
    assert len(made["tokens"].unique()) > 3
    failed = json.loads(next(cache.rglob("sounds_sounds/failed.json")).read_text())
    assert failed.keys() == {"silent.wav", "broken.mp3"}
    assert "silent.wav is silent" in failed["silent.wav"]


def test_shards_of_videos_hold_the_picture_too(branch, cache):
    (path,) = cache.rglob("videos_videos/*.safetensors")
    made = read_weights(path)
    assert made["sync"].shape == (1, 232, SYNC_DIM)  # 29 segments of 8
    assert made["clip"].shape == (1, 78, CLIP.embed_dim)
    failed = json.loads(next(cache.rglob("videos_videos/failed.json")).read_text())
    assert failed.keys() == {"mute.mp4"} and "no sound track" in failed["mute.mp4"]


def test_a_batch_is_masked_by_half_or_more_and_the_same_again(branch):
    batch, again = branch.batch(3, rng()), branch.batch(3, rng())
    assert batch.keys() == again.keys() >= {"tokens", "masked", "words", "sync", "clip"}
    same = (torch.equal if isinstance(batch[k], torch.Tensor) else eq for k in batch)
    assert all(alike(batch[k], again[k]) for alike, k in zip(same, batch, strict=True))
    share = batch["masked"].flatten(1).float().mean(1)
    assert (share >= 0.5).all() and batch["tokens"].shape == (4, 53, 5)
    assert "sync" not in branch.validation


def test_the_condition_goes_in_as_many_takes_as_asked(media, cache):
    task = TokenFolderTask(sound_figures(media, batch=600, drop_text=0.9), cache, CPU)
    assert task.drops(rng())["drop_text"].float().mean() == pytest.approx(0.9, abs=0.04)


@torch.no_grad()
def test_at_masked_places_stands_claps_embedding_or_the_mask_vector(backbone):
    model, batch, seen = backbone.model(), backbone.batch(0, rng()), {}
    model.generator.mask_token.fill_(3.0)
    batch["drop_text"] = torch.tensor([True, False, False, True])
    with model.generator.register_forward_hook(
        lambda module, given, output: seen.update(given[2].batched, ids=given[0])
    ):
        backbone.loss(model, batch, 0)
    words = model.generator.words_proj(batch["words"])
    assert (seen["masked"][[0, 3]] == 3).all()
    torch.testing.assert_close(seen["masked"][[1, 2]], words[[1, 2]])
    assert torch.equal(seen["ids"] == 64, batch["masked"])
    known = ~batch["masked"]
    assert torch.equal(seen["ids"][known], batch["tokens"][known])


def test_only_masked_tokens_count(backbone):
    model, batch = backbone.model(), backbone.batch(0, rng())
    batch["masked"] = torch.zeros_like(batch["masked"])
    batch["masked"][:, 7, 2] = True
    before = backbone.loss(model, batch, 0)[0]
    with model.generator.register_forward_hook(
        lambda module, given, logits: torch.where(batch["masked"][..., None], logits, 1e4 * logits)
    ):
        assert torch.equal(backbone.loss(model, batch, 0)[0], before)


@pytest.mark.parametrize("kind", ["backbone", "branch"])
def test_the_loss_goes_down_on_one_batch(kind, request):
    task = request.getfixturevalue(kind)
    model, batch, losses = task.model(), task.batch(0, rng()), []
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(trained, 3e-3)
    for _ in range(40):
        loss, _ = task.loss(model, batch, 0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]


@torch.no_grad()
def test_the_branch_begins_as_a_copy_without_any_effect(branch):
    generator, batch = branch.model().generator, branch.batch(0, rng())
    copied = zip(generator.control.blocks, generator.blocks, strict=False)
    assert all(torch.equal(c.attn.qkv.weight, b.attn.qkv.weight) for c, b in copied)
    streams = {name: batch[name] for name in ("sync", "clip")}
    seconds = generator.config.trained_seconds
    ids = batch["tokens"].masked_fill(batch["masked"], 64)
    base = SpecMaskGIT(branch.base[0])
    base.load_state_dict(read_weights(branch.base[1], dtype=torch.float32))
    for given in ({}, {"clap": batch["words"]}):
        seen = generator(ids, torch.zeros(()), generator.prepare({**given, **streams}, seconds))
        alone = base(ids, torch.zeros(()), base.prepare(given, seconds, batch=4))
        assert torch.equal(seen, alone)


def test_the_branch_alone_has_gradients(branch):
    model = branch.model()
    branch.loss(model, branch.batch(0, rng()), 0)[0].backward()
    graded = {name for name, p in model.named_parameters() if p.grad is not None}
    assert graded and all(
        n.startswith(("generator.aligner.", "generator.control.")) for n in graded
    )


def recipe(path, figures, **loop):
    loop = {"steps": 3, "learning_rate": 1e-3, "optimizer": "adamw", "warm_up": 0, **loop}
    path.write_text(json.dumps({"task": "specmaskfoley", "figures": figures, "loop": loop}))
    return str(path)


@pytest.fixture(scope="module")
def trained(media, tmp_path_factory):
    """The files of a backbone and of a branch on it, each of a run of three steps."""
    folder = tmp_path_factory.mktemp("runs")
    sounds = {"sounds": [str(media / "sounds")], "network": BACKBONE, "batch": 2}
    first = run_recipe(recipe(folder / "git.json", sounds), folder)[0]
    videos = {"videos": [str(media / "videos")], "network": BRANCH, "batch": 2}
    videos |= {"base": str(first), "drop_text": 0.5, "drop_video": 0.0}
    return first, run_recipe(recipe(folder / "foley.json", videos), folder)[0]


def test_a_trained_backbone_is_a_system_that_makes_sound(trained, media):
    system = load_model(str(trained[0]))
    assert system.row.name == "specmaskgit" and read_metadata(trained[0])["family"] == "specmaskgit"
    take = generate(None, system, replace(QUICK, reference=media / "sounds" / "a.wav"))
    assert take.seconds == pytest.approx(9.845, abs=1e-3)
    assert take.waveforms.isfinite().all() and take.waveforms.abs().max() > 0


def test_a_trained_branch_is_a_system_that_makes_sound_of_a_picture(trained, media):
    system = load_model(str(trained[1]))
    assert system.row.name == "specmaskfoley" and system.config.depth == 3
    take = generate(media / "videos" / "a.mp4", system, replace(QUICK, prompt="metal hit"))
    assert take.waveforms.isfinite().all() and take.waveforms.abs().max() > 0


def test_what_clap_hears_in_training_is_what_a_reference_says(trained, media, cache, backbone):
    system = load_model(str(trained[0]))
    heard = system.encode_reference(media / "sounds" / "a.wav")["clap"]
    shard = read_weights(next(cache.rglob("sounds_sounds/*.safetensors")))
    torch.testing.assert_close(heard[0], shard["words"][0].float(), atol=2e-3, rtol=0)


def test_the_backbone_stays_bit_for_bit_while_the_branch_is_trained(trained):
    base, whole = (read_weights(path) for path in trained)
    assert all(torch.equal(whole[key], value) for key, value in base.items())
    assert whole["generator.control.zero_in.weight"].any()
    moved = whole["generator.control.blocks.0.attn.qkv.weight"]
    assert not torch.equal(moved, base["generator.blocks.0.attn.qkv.weight"])


def test_a_run_goes_on_to_the_same_weights(trained, media, tmp_path, monkeypatch):
    figures = {"sounds": [str(media / "sounds")], "network": BACKBONE, "batch": 2}
    own = tmp_path / "git.json"
    run_recipe(recipe(own, figures, stop_at=1), tmp_path)
    monkeypatch.setattr(specmaskfoley_folders.TokenMaker, "load", None)  # features are there
    resumed = read_weights(run_recipe(recipe(own, figures), tmp_path)[0])
    assert all(torch.equal(resumed[k], value) for k, value in read_weights(trained[0]).items())


def test_bundled_recipes_are_the_published_trainings():
    loops = {}
    for name in ("specmaskgit_audioset", "specmaskfoley_vggsound"):
        told = read_recipe(name)
        own = TokenFolderFigures(**told["figures"])
        assert not own.network and tuple(own.masked) == (0.55, 0.25)
        loops[name] = LoopConfig(**told["loop"])
    loop = loops["specmaskfoley_vggsound"]
    assert (own.batch, own.drop_text, loop.steps) == (64, 0.9, 140_000)
    assert learning_rate_at(2799, loop) == pytest.approx(1e-3 * 64 / 256)
    assert learning_rate_at(139_999, loop) < 1e-12
    assert loops["specmaskgit_audioset"].steps == 500_000


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"sounds": ()}, "needs 'sounds'"),
        ({"base": "specmaskgit"}, "needs 'sounds'"),
        (
            {"sounds": ("here", "there")},
            "folders of sounds, and these are missing: .*here; .*there",
        ),
        ({"network": {"width": 3}}, "'network' of this recipe may have: columns"),
        ({"network": {"num_heads": 5}}, "'hidden_dim' of the network, 768, must be a multiple"),
        ({"codec": "nowhere.safetensors"}, "no weights file at nowhere"),
        ({"codec": "specvqgan"}, "not on this machine"),
    ],
)
def test_figures_of_a_backbone_that_do_not_fit_are_refused(media, tmp_path, more, says):
    with pytest.raises(FoleyError, match=says):
        TokenFolderTask(sound_figures(media, **more), tmp_path, CPU)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"base": ""}, "or 'videos' and 'base'"),
        ({"base": "ac_foley_mini"}, "network of AC-Foley; the branch needs a SpecMaskGIT"),
        ({"base": "nowhere.safetensors"}, "no weights file at nowhere"),
        ({"network": {"depth": 3}}, "'network' of this recipe may have: columns, control_depth"),
        ({"network": {"alignment": "rows"}}, "'alignment' must be one of 'columns'"),
        ({"network": {"control_depth": 4}}, "has 3 blocks, of which 4 cannot be copied"),
        ({"network": {**BRANCH, "columns": 20}}, "has 53 columns, and this run has 20"),
    ],
)
def test_figures_of_a_branch_that_do_not_fit_are_refused(media, tmp_path, more, says):
    with pytest.raises(FoleyError, match=says):
        TokenFolderTask(video_figures(media, **more), tmp_path, CPU)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("figures", "says"),
    [
        ({"codes": 32}, "own.safetensors has 32 codes, and this run has 64; choose the base"),
        ({"rows": 4}, "has 4 rows, and this run has 5"),
        ({"words_dim": 16}, "embeddings of 16 numbers, and CLAP's here have 8"),
    ],
)
def test_a_base_of_other_tokens_is_refused(media, cache, branch, tmp_path, figures, says):
    base = write_backbone(tmp_path / "own.safetensors", **figures)
    with pytest.raises(FoleyError, match=says):
        TokenFolderTask(video_figures(media, base=str(base)), cache, CPU)


def test_a_branch_is_no_base(media, trained, tmp_path):
    with pytest.raises(FoleyError, match="network of SpecMaskFoley; the branch needs"):
        TokenFolderTask(video_figures(media, base=str(trained[1])), tmp_path, CPU)


def test_the_public_codec_is_refused(media, tmp_path):
    """Its tokens are of another mel."""
    for about in ({}, {"family": "specvqgan"}):
        write_codec(tmp_path / "public.safetensors", about)
        given = sound_figures(media, codec=str(tmp_path / "public.safetensors"))
        with pytest.raises(FoleyError, match=r"is specvqgan, not specvqgan \(hifigan mel\)"):
            TokenFolderTask(given, tmp_path / "cache", CPU)
    assert not (tmp_path / "cache").exists()


def test_shards_of_another_codec_are_refused(media, cache, backbone, tmp_path):
    write_codec(tmp_path / "other.safetensors", CODEC, replace(VAE, latent_channels=8))
    given = sound_figures(media, codec=str(tmp_path / "other.safetensors"))
    with pytest.raises(FoleyError, match="features of other weights than are here now; remove"):
        TokenFolderTask(given, cache, CPU)


def test_a_folder_without_use_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(FoleyError, match="empty has no video in it"):
        given = TokenFolderFigures(videos=str(tmp_path / "empty"), base="specmaskgit")
        TokenFolderTask(given, tmp_path / "cache", CPU)
    assert not (tmp_path / "cache").exists()
    write_audio(tmp_path / "empty" / "a.wav", 0 * noise(2.0), RATE)
    with pytest.raises(FoleyError, match=r"None of the 1 files could be used; .*a.wav is silent"):
        given = TokenFolderFigures(sounds=str(tmp_path / "empty"), network=BACKBONE)
        TokenFolderTask(given, tmp_path / "cache", CPU)

"""MDSGen's training: what is masked, what the loss is, and what videos become."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from foleystage.core.errors import FoleyError
from foleystage.core.generators import mdsgen_config
from foleystage.core.generators.mdsgen_mini import mdsgen_mini
from foleystage.core.training import video_folder
from foleystage.core.training.masking import kept_tokens
from foleystage.core.training.mdsgen import (
    MDSGenFigures,
    MDSGenTask,
    VarianceBound,
    dropped,
    inference_tensors,
)
from foleystage.core.training.recipes import run_recipe
from foleystage.core.weights.files import read_metadata
from foleystage.core.weights.load import read_weights


def rng(seed=0):
    return np.random.default_rng(seed)


class Noise:
    """Data without scenes."""

    config = mdsgen_mini()

    def crops(self, random, size, validation):
        latent = torch.from_numpy(random.standard_normal((size, 160, 32), dtype=np.float32))
        return latent, {"sync": torch.zeros(size, 256, 3)}


def task(**figures):
    small = {"batch": 4, "depth": 3, "hidden_dim": 32, "num_heads": 2}
    return MDSGenTask(MDSGenFigures(**{**small, **figures}), Noise())


@pytest.mark.parametrize("codec", ["audioldm", "image-vae"])
@pytest.mark.parametrize(("kind", "axis"), [("temporal", 0), ("frequency", 1)])
def test_whole_moments_or_whole_bands_are_masked(codec, kind, axis):
    config = mdsgen_config("t", codec)
    kept = kept_tokens(kind, config, 3, 0.3, rng())
    mask = torch.zeros(3, config.tokens, dtype=torch.bool).scatter(1, kept, True)
    grid = mask.view(3, *config.grid)
    by_time = grid if config.time_first else grid.transpose(1, 2)
    lines = by_time if axis == 0 else by_time.transpose(1, 2)
    assert bool((lines.all(2) | ~lines.any(2)).all())
    assert int(lines[0, :, 0].sum()) == int(lines.shape[1] * 0.7)
    assert not torch.equal(grid[0], grid[1])


def test_the_published_count_is_kept():
    assert kept_tokens("temporal", mdsgen_config("b"), 2, 0.3, rng()).shape == (2, 568)


def test_random_masking_keeps_single_tokens():
    kept = kept_tokens("random", mdsgen_config("t"), 2, 0.3, rng())
    assert kept.shape == (2, 571) and len(set(kept[0].tolist())) == 571


@pytest.mark.parametrize(("kind", "ratio"), [("spiral", 0.3), ("temporal", 0.0), ("random", 1.0)])
def test_masking_that_cannot_be_is_refused(kind, ratio):
    with pytest.raises(FoleyError):
        kept_tokens(kind, mdsgen_config("t"), 1, ratio, rng())


@pytest.mark.parametrize("mask", ["temporal", "random", "frequency", "none"])
@pytest.mark.parametrize("learn_sigma", [False, True])
def test_every_kind_of_loss_reaches_every_weight(mask, learn_sigma):
    made = task(mask=mask, learn_sigma=learn_sigma, pooling="learned")
    model = made.model()
    with torch.no_grad():
        for value in model.parameters():
            value.add_(0.02 * torch.randn(value.shape, generator=torch.Generator().manual_seed(1)))
    loss, metrics = made.loss(model, made.batch(0, rng()), 0)
    loss.backward()
    assert torch.isfinite(loss) and ("masked_error" in metrics) == (mask != "none")
    assert all(value.grad is not None for value in model.parameters())


def test_a_batch_depends_on_its_generator_alone():
    made = task(masked_share=0.5)
    first, again, other = (made.batch(0, rng(seed)) for seed in (1, 1, 2))
    assert torch.equal(first["noise"], again["noise"]) and torch.equal(first["kept"], again["kept"])
    assert len(first["kept"]) == 2 and not torch.equal(first["noise"], other["noise"])


def test_dropped_takes_have_no_condition():
    model = task().model()
    prepared = model.prepare({"sync": torch.ones(2, 256, 3)})
    kept = dropped(prepared, torch.tensor([True, False])).batched["video"]
    assert torch.equal(kept[0], prepared.batched["video"][0])
    assert torch.equal(kept[1], model.prepare({}).batched["video"][0])


def test_the_bound_is_least_where_the_variance_is_right():
    bound, t = VarianceBound(), torch.tensor([400])
    rand = torch.Generator().manual_seed(0)
    data = torch.randn(1, 4, 8, 8, generator=rand)
    noise = torch.randn(1, 4, 8, 8, generator=rand)
    alpha, sigma = bound.total[t].sqrt(), (1 - bound.total[t]).sqrt()
    x = alpha * data + sigma * noise

    def at(spread):
        return float(bound(torch.cat((noise, torch.full_like(noise, spread)), 1), data, x, t))

    # With the noise known exactly the reverse step has the posterior's variance: spread -1.
    assert at(-1.0) == pytest.approx(0.0, abs=1e-5)
    assert at(-1.0) < at(0.0) < at(1.0)


def test_side_block_and_mask_token_are_not_kept():
    made = inference_tensors(task().model())
    assert not [key for key in made if key.startswith(("sideblocks", "mask_token"))]


@pytest.mark.slow
def test_a_small_recipe_runs(tmp_path):
    figures = {"clips": 4, "validation_clips": 2, "batch": 2, "workers": 1, "hidden_dim": 32}
    loop = {"steps": 2, "learning_rate": 1e-3, "optimizer": "adan", "log_every": 1}
    recipe = {"task": "mdsgen", "figures": {**figures, "num_heads": 2}, "loop": loop}
    (tmp_path / "tiny.json").write_text(json.dumps(recipe))
    weights = run_recipe(str(tmp_path / "tiny.json"), tmp_path)[0]
    assert json.loads(read_metadata(weights)["figures"])["hidden_dim"] == 32


class Folder:
    """A list of five videos of which four are there, and an extractor that dislikes one."""

    def __init__(self, path):
        self.csv, self.videos, self.out = path / "list.csv", path / "videos", path / "shards"
        self.videos.mkdir()
        self.csv.write_text(
            'aa,30,"dog, barking",train\nbb,7,x,train\ncc,0,x,test\ndd,1,x,train\nee,2,x,train\n'
            "ff,3,x,train\n"
        )
        for name in ("aa_000030.mp4", "bb_7.mp4", "cc.mp4", "dd.mkv", "ee.mp4"):
            (self.videos / name).touch()
        self.asked = []

    def extract(self, path):
        self.asked.append(path.name)
        if path.name == "dd.mkv":
            raise FoleyError("dd.mkv has no picture.")
        value = float(len(self.asked))
        return {"cavp": torch.full((32, 512), value), "latent": torch.full((204, 128), value)}


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


def test_a_list_finds_its_videos(folder):
    clips = video_folder.read_list(folder.csv, folder.videos)
    assert [clip.path.name for clip in clips] == ["aa_000030.mp4", "bb_7.mp4", "dd.mkv", "ee.mp4"]
    assert [c.name for c in video_folder.read_list(folder.csv, folder.videos, "test")] == ["cc_0"]


def test_shards_are_written_once_and_failures_named(folder, monkeypatch):
    monkeypatch.setattr(video_folder, "SHARD", 2)
    clips = video_folder.read_list(folder.csv, folder.videos)
    shards = video_folder.write_shards(clips, folder.extract, folder.out)
    assert len(shards) == 2 and len(folder.asked) == 4
    shards[1].unlink()
    video_folder.write_shards(clips, folder.extract, folder.out)
    assert folder.asked[4:] == ["dd.mkv", "ee.mp4"]
    failed = json.loads((folder.out / "failed.json").read_text())
    assert failed == {"dd_1": "dd.mkv has no picture."}
    assert json.loads(read_metadata(shards[1])["names"]) == ["ee_2"]
    assert read_weights(shards[0])["cavp"].shape == (2, 32, 512)


def test_shards_are_trained_on(folder):
    clips = video_folder.read_list(folder.csv, folder.videos)
    shards = video_folder.write_shards(clips, folder.extract, folder.out)
    config = replace(mdsgen_config("t"), depth=2, decode_layer=1, hidden_dim=16, num_heads=2)
    data = video_folder.ShardData(config, shards)
    made = MDSGenTask(MDSGenFigures(size="t", batch=2, masked_share=0.5), data)
    loss, _ = made.loss(made.model(), made.batch(0, rng()), 0)
    assert torch.isfinite(loss)


def test_another_list_is_refused(folder):
    clips = video_folder.read_list(folder.csv, folder.videos)
    video_folder.write_shards(clips, folder.extract, folder.out)
    with pytest.raises(FoleyError, match="another list"):
        video_folder.write_shards(clips[:1], folder.extract, folder.out)


def test_lists_without_use_are_refused(folder, tmp_path):
    with pytest.raises(FoleyError, match="no folder of videos"):
        video_folder.read_list(folder.csv, tmp_path / "nowhere")
    with pytest.raises(FoleyError, match="cannot be read"):
        video_folder.read_list(tmp_path / "none.csv", folder.videos)
    with pytest.raises(FoleyError, match="no row of the split"):
        video_folder.read_list(folder.csv, folder.videos, "validation")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FoleyError, match="None of the 5 videos"):
        video_folder.read_list(folder.csv, tmp_path / "empty")


def test_a_list_that_fails_throughout_is_refused(folder):
    clips = video_folder.read_list(folder.csv, folder.videos)[2:3]
    with pytest.raises(FoleyError, match="no picture"):
        video_folder.write_shards(clips, folder.extract, folder.out)


@pytest.mark.slow
def test_a_scene_becomes_features_and_latents_of_a_take(tmp_path):
    from foleystage.core.encoders.base import Features
    from foleystage.core.encoders.cavp import CavpVideo
    from foleystage.core.scenes.files import write_scene

    write_scene(3, tmp_path / "scene.mp4", seconds=2.0, height=64, hard=False)

    class Encoder:
        frame_request = CavpVideo.frame_request
        device = torch.device("cpu")

        def encode(self, frames):
            return Features(torch.ones(1, len(frames), 512), 4.0)

    class Codec:
        def encode(self, sound):
            return sound.unfold(2, 640, 640).abs().mean(3).transpose(1, 2).expand(-1, -1, 128)

    made = video_folder.Extractor(mdsgen_config("t"), Encoder(), Codec())(tmp_path / "scene.mp4")
    assert made["cavp"].shape == (32, 512) and made["latent"].shape == (204, 128)
    assert float(made["latent"][:50].max()) > 0 and float(made["latent"][60:].max()) == 0


@pytest.fixture
def filmed(tmp_path, monkeypatch):
    """Three videos with a list, a recipe for them, and random nets in place of the large ones."""
    from foleystage.core.encoders.base import Features
    from foleystage.core.encoders.cavp import CavpVideo
    from foleystage.core.scenes.files import write_scene
    from foleystage.core.training import mdsgen

    class Encoder:
        frame_request = CavpVideo.frame_request
        device = torch.device("cpu")
        calls = 0

        def encode(self, frames):
            type(self).calls += 1
            brightness = frames.float().mean((1, 2, 3))[:, None] / 255
            return Features(torch.cos(brightness * torch.arange(512.0))[None], 4.0)

    class Codec:
        def encode(self, sound):
            return sound.unfold(2, 2048, 2048).abs().mean(3).transpose(1, 2).expand(-1, -1, 64)

    def tiny(size, codec):
        config = mdsgen_config(size, codec)
        return replace(config, depth=2, decode_layer=1, hidden_dim=16, num_heads=2)

    (tmp_path / "videos").mkdir()
    for number, name in enumerate(("aa_000030", "bb_000007", "cc_000000")):
        path = tmp_path / "videos" / f"{name}.mp4"
        write_scene(number, path, seconds=1.0, height=64, hard=False)
    (tmp_path / "list.csv").write_text("aa,30,x,train\nbb,7,y,train\ncc,0,z,train\ndd,0,z,train\n")
    monkeypatch.setattr(mdsgen, "locate", lambda row: tmp_path / row)
    monkeypatch.setattr(mdsgen.CavpVideo, "load", lambda *a, **k: Encoder())
    monkeypatch.setattr(mdsgen, "load_codec", lambda *a, **k: Codec())
    monkeypatch.setattr(mdsgen, "mdsgen_config", tiny)

    def recipe(steps):
        figures = {"size": "t", "codec": "image-vae", "batch": 2}
        figures |= {"csv": str(tmp_path / "list.csv"), "videos": str(tmp_path / "videos")}
        loop = {"steps": 4, "stop_at": steps, "learning_rate": 1e-3, "optimizer": "adan"}
        loop |= {"evaluate_every": 4, "log_every": 1}
        made = {"task": "mdsgen", "figures": figures, "loop": loop}
        (tmp_path / "mine.json").write_text(json.dumps(made))
        return str(tmp_path / "mine.json")

    return Encoder, recipe


@pytest.mark.slow
def test_a_run_on_videos_goes_on_where_it_stopped(filmed, tmp_path):
    encoder, recipe = filmed
    run_recipe(recipe(2), tmp_path / "broken")
    assert encoder.calls == 3
    resumed = run_recipe(recipe(4), tmp_path / "broken")[0]
    assert encoder.calls == 3
    whole = run_recipe(recipe(4), tmp_path / "whole")[0]
    first, second = read_weights(resumed), read_weights(whole)
    assert all(torch.equal(first[key], second[key]) for key in first)

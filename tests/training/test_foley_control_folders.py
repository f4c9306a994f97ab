"""A bridge on a folder of captioned videos: shards, runs, and takes of its file."""

from __future__ import annotations

import copy
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from bridge_files import codec_of, found_in, write_backbone, write_bridge, write_models
from control_files import BACKBONE
from foleystage.core.catalog import VIDEO_ENCODERS
from foleystage.core.encoders.vjepa2 import GRID
from foleystage.core.errors import FoleyError
from foleystage.core.generators.stable_audio_checkpoint import BRIDGE
from foleystage.core.loading import Loading, load_model
from foleystage.core.media import fit_length, mux, read_audio, write_audio
from foleystage.core.pipeline import generate
from foleystage.core.request import Request
from foleystage.core.training import genex_features
from foleystage.core.training.config import LoopConfig, learning_rate_at
from foleystage.core.training.foley_control_folders import (
    BridgeFolderFigures,
    BridgeFolderTask,
    half_on,
)
from foleystage.core.training.recipes import read_recipe, run_recipe
from foleystage.core.weights.files import read_metadata
from foleystage.core.weights.load import read_weights
from foleystage.core.weights.store import locate
from safetensors.torch import load_file, save_file
from small_media import RATE, noise, write_video

pytest.importorskip("transformers")
CPU = torch.device("cpu")
RATE_OF_LATENTS = BACKBONE.latent.rate


def rng(seed=0):
    return np.random.default_rng(seed)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def stereo(path, seconds):
    """A video whose right channel is another sound than its left."""
    write_video(path.with_suffix(".mute.mp4"), seconds, sound=False)
    both = torch.cat((noise(seconds, 1), noise(seconds, 2)))
    mux(path.with_suffix(".mute.mp4"), both, RATE, path)
    path.with_suffix(".mute.mp4").unlink()


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = write_models(tmp_path_factory.mktemp("models"))
    with found_in(folder, tmp_path_factory.mktemp("none")):
        yield folder


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """Clips of 1, 2 and 3.5 s, and some of no use."""
    folder = tmp_path_factory.mktemp("media") / "clips"
    folder.mkdir()
    stereo(folder / "a.mkv", 2.0)
    write_video(folder / "b.mp4", 1.0)
    write_video(folder / "c.mp4", 3.5)
    write_video(folder / "mute.mp4", sound=False)
    rows = ("a.mkv,a metal hit", "b.mp4,dog", "c.mp4,metal", "c.mp4,a hit", "mute.mp4,dog")
    (folder / "captions.csv").write_text("file,caption\n" + "\n".join(rows) + "\n")
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def figures(videos, **more):
    return BridgeFolderFigures(**{"videos": str(videos), "seconds": 3.0, "batch": 4, **more})


@pytest.fixture(scope="module")
def task(models, videos, cache):
    return BridgeFolderTask(figures(videos), cache, CPU)


def rows_of(task, name):
    """Number of the row of a file."""
    return [json.loads(task.rows.figures["names"]).index(name)]


def test_shards_hold_stereo_latents_pooled_tokens_and_words(task, videos, cache):
    (path,) = cache.rglob("stable_audio_open_stable_audio_codec_vjepa2_l/*/*.safetensors")
    made = read_weights(path)
    assert made["latent"].shape == made["deviation"].shape == (3, 65, 64)
    assert made["vjepa"].shape == (3, 24, 64) and made["text"].shape == (4, 128, 64)
    assert made["frames"].tolist() == [44, 22, 65]  # 2, 1 and 3 s, rounded up
    assert task.config.bridge.video_dim == 64 and task.config.bridge.longest == 3.0
    sound, _ = read_audio(videos / "a.mkv", sample_rate=44100)
    codec = codec_of(locate("stable_audio_open"))
    mean, _ = codec.posterior(fit_length(sound, 65 * 2048)[None])
    torch.testing.assert_close(made["latent"][0].float(), mean[0], atol=2e-3, rtol=2e-3)
    swapped, _ = codec.posterior(fit_length(sound.flip(0), 65 * 2048)[None])
    assert (swapped[0, :40] - mean[0, :40]).abs().max() > 0.05  # so the channels are not mixed
    failed = json.loads(next(cache.rglob("videos_clips/failed.json")).read_text())
    assert failed.keys() == {"mute.mp4"}


def test_a_batch_is_as_long_as_the_clip_that_is_drawn_first(task):
    lengths = set()
    for seed in range(20):
        batch = task.batch(0, rng(seed), np.arange(3))
        frames = batch["latent"].shape[1]
        tokens = batch["picture"].shape[1]
        assert batch["noise"].shape == batch["latent"].shape
        assert tokens == int(frames / RATE_OF_LATENTS * 8)
        lengths.add((frames, tokens))
    assert lengths == {(44, 16), (22, 8), (65, 24)}


def test_latents_are_sampled_or_the_mean(models, videos, cache):
    """Drawn around the mean with the codec's own deviation."""
    made = [BridgeFolderTask(figures(videos, latents=k), cache, CPU) for k in ("sampled", "mean")]
    rows = np.array(rows_of(made[0], "c.mp4"))
    drawn = torch.cat([made[0].batch(0, rng(k), rows)["latent"] for k in range(16)])
    mean, deviation = (made[1].rows.read(rows, name) for name in ("latent", "deviation"))
    assert torch.equal(made[1].batch(0, rng(), rows)["latent"], mean.expand(4, -1, -1))
    spread = ((drawn - mean) / deviation).std()
    assert spread == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("kind", ["drop_tokens", "drop_clip", "drop_text"])
def test_what_is_dropped_is_as_configured(models, videos, cache, kind):
    none = {"drop_tokens": 0.0, "drop_clip": 0.0, "drop_text": 0.0}
    made = BridgeFolderTask(figures(videos, batch=64, **{**none, kind: 0.3}), cache, CPU)
    batches = [made.batch(0, rng(k)) for k in range(8)]
    seen = torch.cat([batch["picture"].any(-1).flatten() for batch in batches]).float().mean()
    whole = torch.cat([batch["picture"].flatten(1).any(1) for batch in batches]).float().mean()
    said = torch.cat([~batch["drop_text"] for batch in batches]).float().mean()
    close = pytest.approx(0.7, abs=0.06)
    assert seen == (1.0 if kind == "drop_text" else close)
    assert whole == (close if kind == "drop_clip" else 1.0)
    assert said == (close if kind == "drop_text" else 1.0)
    assert made.config.bridge.null_video == ("zeros" if kind == "drop_clip" else "off")


def test_times_are_spread_evenly(task):
    t = task.batch(0, rng())["t"]
    assert sorted((4 * t).int().tolist()) == [0, 1, 2, 3]


@torch.no_grad()
def test_the_loss_is_that_of_v(task):
    """Against its definition, of a dropped and a kept take."""
    model, batch = task.model(), task.batch(0, rng(2))
    batch["drop_text"] = torch.tensor([True, False, True, False])
    # The codec's random weights make large ones, beside which words would be little.
    data = batch["latent"] = torch.randn(batch["latent"].shape, generator=seeded())
    generator = model.generator
    angle = batch["t"][:, None, None] * torch.pi / 2
    x = angle.cos() * data + angle.sin() * batch["noise"]
    target = angle.cos() * batch["noise"] - angle.sin() * data
    errors = []
    for k in range(4):
        text = {} if batch["drop_text"][k] else {"text": batch["text"][k : k + 1]}
        prepared = generator.prepare(
            {"vjepa": batch["picture"][k : k + 1], **text}, data.shape[1] / RATE_OF_LATENTS
        )
        v = generator(x[k : k + 1], batch["t"][k : k + 1], prepared)
        errors.append((v - target[k]).square().mean())
    loss, _ = task.loss(model, batch, 0)
    torch.testing.assert_close(loss, torch.stack(errors).mean(), rtol=1e-5, atol=0)


def test_checkpointing_gives_the_same_gradients(models, videos, cache):
    grads, losses, calls = [], [], []
    for on in (True, False):
        made = BridgeFolderTask(figures(videos, checkpointing=on), cache, CPU)
        model = made.model()
        lively = seeded(1)
        for value in model.parameters():
            value.data += torch.randn(value.shape, generator=lively) / 20
        block, count = model.generator.transformer.layers[1], []
        with block.ff.register_forward_pre_hook(lambda *_, count=count: count.append(1)):
            loss = made.loss(model, made.batch(0, rng()), 0)[0]
            loss.backward()
        calls.append(len(count))
        losses.append(loss.item())
        grads.append({name: value.grad for name, value in model.named_parameters()})
    assert calls == [2, 1] and losses[0] == losses[1]
    assert all(torch.equal(grads[0][name], value) for name, value in grads[1].items())
    assert all(value.any() for value in grads[0].values())


def test_checkpointing_has_no_effect_on_prediction(task):
    model = task.model()
    generator, calls = model.generator, []
    assert generator.checkpointing
    streams = {"vjepa": torch.zeros(1, 8, 64)}
    with (
        torch.no_grad(),
        generator.transformer.layers[0].ff.register_forward_hook(lambda *_: calls.append(1)),
    ):
        generator(torch.zeros(1, 22, 64), torch.ones(1), generator.prepare(streams, 1.0))
    assert calls == [1]


def test_the_bridge_alone_is_trained_copied_and_kept(task):
    model = task.model()
    assert all(name.startswith("bridge.") for name, _ in model.named_parameters())
    assert all(name.startswith("bridge.") for name in model.state_dict())
    copied = copy.deepcopy(model)
    own, other = model.generator, copied.generator
    assert own.transformer.project_in.weight is other.transformer.project_in.weight
    assert own.bridge.blocks[0].to_q.weight is not other.bridge.blocks[0].to_q.weight
    assert copied.bridge is other.bridge
    moved = model.to("meta")
    assert moved.generator.transformer.project_in.weight.is_meta


def test_a_half_backbone_has_the_loss_of_the_whole(models, videos, cache):
    """On a GPU it is in bfloat16, here under the same autocast; the bridge stays in float32."""
    made = [BridgeFolderTask(figures(videos), cache, CPU, half) for half in (None, torch.bfloat16)]
    systems = [one.model() for one in made]
    generator = systems[1].generator
    assert generator.transformer.project_in.weight.dtype == torch.bfloat16
    assert generator.timestep_features.weight.dtype == torch.float32
    assert {value.dtype for value in systems[1].parameters()} == {torch.float32}
    batch = made[0].batch(0, rng())
    losses = [one.loss(model, batch, 0)[0] for one, model in zip(made, systems, strict=True)]
    losses[1].backward()
    torch.testing.assert_close(losses[1].float(), losses[0], rtol=0.01, atol=0)
    assert systems[1].bridge.blocks[1].to_out.weight.grad.isfinite().all()


def test_half_precision_is_for_a_gpu_under_autocast():
    loop, gpu = LoopConfig(1, 1e-3), torch.device("cuda")
    assert half_on(gpu, loop) == torch.bfloat16 and half_on(CPU, loop) is None
    assert half_on(gpu, replace(loop, precision="fp16")) == torch.float16
    assert half_on(gpu, replace(loop, autocast=False)) is None


def recipe(path, videos, more=None, **loop):
    given = {"videos": [str(videos)], "seconds": 3.0, "batch": 2, **(more or {})}
    loop = {"steps": 3, "learning_rate": 1e-3, "optimizer": "adamw", "warm_up": 0, **loop}
    path.write_text(json.dumps({"task": "foley_control", "figures": given, "loop": loop}))
    return str(path)


@pytest.fixture(scope="module")
def trained(models, videos, tmp_path_factory):
    """The file of a bridge, of a run of three steps."""
    folder = tmp_path_factory.mktemp("runs")
    return run_recipe(recipe(folder / "own.json", videos), folder)[0]


def test_a_run_writes_the_bridge_alone(trained, models):
    own, about = load_file(trained), read_metadata(trained)
    assert own and all(name.startswith(BRIDGE) for name in own)
    assert about["family"] == "foley_control"
    assert json.loads(about["bridge"])["encoder"] == "vjepa2_l"
    assert json.loads(about["bridge"])["longest"] == 3.0
    assert own["bridge.blocks.1.to_out.weight"].any()


def test_its_file_makes_takes_by_the_row_and_as_a_file_of_the_row(trained, models, videos):
    system = load_model("foley_control", loading=Loading({"bridge": trained}))
    assert system.config.bridge.encoder == "vjepa2_l" and system.config.trained_seconds == 3.0
    take = generate(videos / "a.mkv", system, Request(steps=2, prompt="metal", loudness=None))
    assert take.waveforms.shape == (1, 2, 88200) and take.waveforms.isfinite().all()
    plain = load_model("stable_audio_open")
    asked = Request(steps=2, prompt="metal", loudness=None, seconds=take.seconds)
    alone = generate(None, plain, asked)
    assert not torch.equal(take.waveforms, alone.waveforms)


def test_a_run_goes_on_to_the_same_weights(trained, models, videos, tmp_path, monkeypatch):
    own = tmp_path / "own.json"
    run_recipe(recipe(own, videos, stop_at=1), tmp_path)
    monkeypatch.setattr(genex_features.FeatureMaker, "load", None)  # features are there
    resumed = read_weights(run_recipe(recipe(own, videos), tmp_path)[0])
    assert all(torch.equal(resumed[k], value) for k, value in read_weights(trained).items())


def test_a_checkpoint_of_another_bridge_is_refused(models, videos, tmp_path):
    own = tmp_path / "own.json"
    run_recipe(recipe(own, videos, stop_at=1), tmp_path)
    with pytest.raises(FoleyError, match="is of a run with another network; remove it or train"):
        run_recipe(recipe(own, videos, {"network": {"projected": 8}}), tmp_path)


def test_the_loss_goes_down_on_one_batch(task):
    model, batch, losses = task.model(), task.batch(0, rng()), []
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    before = model.generator.transformer.layers[0].ff.ff[2].weight.clone()
    for _ in range(30):
        loss, _ = task.loss(model, batch, 0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]
    assert torch.equal(model.generator.transformer.layers[0].ff.ff[2].weight, before)


def test_other_encoders_are_taken_by_their_row(models, videos, cache, tmp_path):
    own = {"vjepa": models / "vjepa2_l.safetensors"}
    grid = VIDEO_ENCODERS["vjepa2_l_grid"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(VIDEO_ENCODERS, "vjepa2_l_grid", replace(grid, files=own))
        made = BridgeFolderTask(figures(videos, encoder="vjepa2_l_grid"), tmp_path, CPU)
        bridge = made.config.bridge
        assert (bridge.video_rate, bridge.places, bridge.stream) == (8.0, GRID**2, "vjepa")
        batch = made.batch(0, rng(), np.array(rows_of(made, "b.mp4")))
        assert batch["picture"].shape == (4, 8 * 64, 64)
        assert made.loss(made.model(), batch, 0)[0].isfinite()
        whole = made.rows.read(np.array(rows_of(made, "b.mp4")), "vjepa")[0, :512]
    pooled = BridgeFolderTask(figures(videos), cache, CPU)
    means = whole.unflatten(0, (8, 64)).mean(1)
    same = pooled.rows.read(np.array(rows_of(pooled, "b.mp4")), "vjepa")[0, :8]
    torch.testing.assert_close(means, same, atol=3e-3, rtol=0)
    mini = BridgeFolderTask(figures(videos, encoder="mini_video_encoder"), tmp_path, CPU)
    bridge = mini.config.bridge
    assert (bridge.stream, bridge.video_dim, bridge.video_rate) == ("sync", 3, 50.0)
    assert mini.batch(0, rng(), np.array(rows_of(mini, "b.mp4")))["picture"].shape == (4, 51, 3)


def test_figures_of_the_bridge_can_be_replaced(models, videos, cache):
    own = {"adapter": "per block", "positions": "time", "rotary_dim": 32, "projected": 16}
    made = BridgeFolderTask(figures(videos, network=own), cache, CPU)
    bridge = made.model().bridge
    assert bridge.project.weight.shape == (16, 64) and bridge.blocks[1].adapter
    assert bridge.table(4).shape == (2, 5, 16)


def test_the_bundled_recipe_is_the_published_training():
    told = read_recipe("foley_control_videos")
    own, loop = BridgeFolderFigures(**told["figures"]), LoopConfig(**told["loop"])
    assert (own.batch, own.drop_tokens, own.drop_text, own.seconds) == (384, 0.1, 0.1, 12.0)
    assert (loop.steps, loop.betas, loop.weight_decay) == (400_000, [0.9, 0.999], 1e-3)
    # InverseLR of the public setup: (1 + step / 10^6)^-1/2 behind an exponential warm-up.
    for step in (2000, 100_000, 399_999):
        public = 5e-5 * (1 + step / 1e6) ** -0.5 * (1 - 0.99 ** (step + 1))
        assert learning_rate_at(step, loop) == pytest.approx(public, rel=0.035)


def test_folders_and_captions_that_are_missing_are_said_in_one_sentence(tmp_path, models):
    with pytest.raises(FoleyError, match="a folder of videos at .*nowhere"):
        BridgeFolderTask(figures(tmp_path / "nowhere"), tmp_path / "cache", CPU)
    (tmp_path / "clips").mkdir()
    with pytest.raises(FoleyError, match="these are missing: the captions of .*clips"):
        BridgeFolderTask(figures(tmp_path / "clips"), tmp_path / "cache", CPU)
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"base": "ac_foley_mini"}, "network of AC-Foley; the bridge needs a Stable Audio"),
        ({"base": "foley_control_bridge"}, "network of Foley Control; the bridge needs a Stable"),
        ({"base": "nowhere.safetensors"}, "no weights file at nowhere"),
        ({"encoder": "eyes"}, "no video encoder 'eyes'; choose one of: mini_video_encoder"),
        ({"encoder": "vjepa2_g"}, "weights of vjepa2_g are not on this machine"),
        ({"stream": "sync"}, "vjepa2_l makes no stream 'sync'; choose one of: vjepa"),
        ({"codec": "nowhere.safetensors"}, "no weights file at nowhere"),
        ({"codec": "t5_base"}, "is t5 .*, not stable_audio: name the weights of stable_audio_cod"),
        ({"latents": "median"}, "latents are sampled or mean, not 'median'"),
        ({"network": {"depth": 3}}, "'network' of this recipe may have: adapter, positions"),
        ({"network": {"positions": "late"}}, "'positions' must be one of 'index'"),
        ({"network": {"rotary_dim": 66}}, "'rotary_dim' of the bridge, 66, must be even and"),
    ],
)
def test_figures_that_do_not_fit_are_refused(models, videos, tmp_path, more, says):
    with pytest.raises(FoleyError, match=says):
        BridgeFolderTask(figures(videos, **more), tmp_path, CPU)
    assert not list(tmp_path.rglob("*.safetensors"))


def test_a_base_that_does_not_fit_is_refused(models, videos, tmp_path):
    wide = replace(BACKBONE, io_channels=16)
    texts = replace(BACKBONE, cond_token_dim=128, global_cond_dim=256)
    flow = replace(BACKBONE, start=False, global_cond_dim=64, objective="flow")
    for config, says in (
        (wide, "works on 16 numbers at 44100 Hz, .*, but this codec makes 64 at 44100"),
        (texts, "was trained on texts 128 wide, but those of the text encoder here are 64 wide"),
        (flow, "is of the objective flow, and the bridge is trained on v"),
    ):
        base = write_backbone(tmp_path / "own.safetensors", config)
        with pytest.raises(FoleyError, match=says):
            BridgeFolderTask(figures(videos, base=str(base)), tmp_path / "cache", CPU)
    bridge = write_bridge(tmp_path / "bridge.safetensors")
    both = {**read_weights(bridge), **read_weights(locate("stable_audio_open"))}
    save_file(both, tmp_path / "both.safetensors", read_metadata(bridge))
    with pytest.raises(FoleyError, match="network of Foley Control; the bridge needs"):
        BridgeFolderTask(figures(videos, base=str(tmp_path / "both.safetensors")), tmp_path, CPU)


def test_features_of_another_backbone_are_refused(models, videos, tmp_path):
    """Of a file of one's own, whose words and codec may be others."""
    base = write_backbone(tmp_path / "own.safetensors")
    BridgeFolderTask(figures(videos, base=str(base)), tmp_path / "cache", CPU)
    write_backbone(tmp_path / "own.safetensors", replace(BACKBONE, depth=1))
    with pytest.raises(FoleyError, match="features of other weights than are here now; remove"):
        BridgeFolderTask(figures(videos, base=str(base)), tmp_path / "cache", CPU)


def test_a_folder_without_use_is_refused(models, tmp_path):
    folder = tmp_path / "clips"
    folder.mkdir()
    write_audio(folder / "a.wav", 0 * noise(2.0), RATE)
    (folder / "captions.csv").write_text("file,caption\na.wav,dog\n")
    with pytest.raises(FoleyError, match=r"None of the 1 files could be used"):
        BridgeFolderTask(figures(folder), tmp_path / "cache", CPU)

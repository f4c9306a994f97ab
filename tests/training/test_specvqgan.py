"""The codec's training: folders to mels, its losses, and a file that makes sound."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from foleystage.core.codecs import load_codec
from foleystage.core.codecs.hifigan import HIFIGAN_22K, HiFiGAN
from foleystage.core.codecs.kl_vae import SPECVQGAN_VAE
from foleystage.core.codecs.mel import HIFIGAN_MEL_22K, mel_spectrogram
from foleystage.core.codecs.specvqgan import SPECMASKGIT_22K, SpecVQGANCodec, as_sized
from foleystage.core.errors import FoleyError
from foleystage.core.generators.specmaskgit import CODEC_VARIANT
from foleystage.core.media import fit_length, read_audio, write_audio
from foleystage.core.recognition import detect
from foleystage.core.training.config import LoopConfig, learning_rate_at
from foleystage.core.training.media_folders import read_files
from foleystage.core.training.perceptual import LPAPS
from foleystage.core.training.recipes import read_recipe, run_recipe
from foleystage.core.training.specvqgan import (
    VQGANFigures,
    VQGANTask,
    fooling_loss,
    telling_loss,
)
from foleystage.core.weights.files import save
from foleystage.core.weights.load import read_weights
from procedural import fill
from small_media import RATE, noise, write_noise, write_video

SMALL = {"channels": [32] * 5, "blocks": 1, "latent_channels": 16, "codes": 32}


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    """Sounds in a folder and one in it, a video, and files without use."""
    folder = tmp_path_factory.mktemp("sounds")
    write_noise(folder / "more" / "b.flac", 1.2)
    write_noise(folder / "c.WAV", 21.0, 1)
    write_video(folder / "a.mp4")
    write_audio(folder / "silent.wav", torch.zeros(1, 2 * RATE), RATE)
    (folder / "broken.wav").write_bytes(b"RIFF but nothing else")
    (folder / "notes.txt").write_text("not a sound")
    (folder / ".c.wav.part.wav").write_bytes(b"")
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def figures(folder, **more):
    return VQGANFigures(
        **{"sounds": str(folder), "network": SMALL, "batch": 2, "frames": 32, **more}
    )


@pytest.fixture(scope="module")
def task(sounds, cache):
    return VQGANTask(figures(sounds, discriminator_from=5), cache)


@pytest.fixture
def model(task):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return task.model()


@pytest.fixture(scope="module")
def vgg(tmp_path_factory):
    """As the public file is: what was trained, under "model", and other things beside it."""
    shapes = LPAPS(torch.zeros(80), torch.ones(80)).state_dict()
    stored = {k: fill(k, v.shape) / 4 for k, v in shapes.items() if k.startswith("features.")}
    path = tmp_path_factory.mktemp("vgg") / "vggishish16.pt"
    head = {"classifier.6.bias": torch.zeros(309)}
    torch.save({"model": {**stored, **head}, "epoch": 3, "loss": np.float64(0.5)}, path)
    return path


def test_a_folder_is_read_with_the_folders_in_it(sounds):
    clips = read_files(sounds, has_picture=False)
    names = ["a.mp4", "broken.wav", "c.WAV", "more/b.flac", "silent.wav"]
    assert [clip.name for clip in clips] == names
    assert [clip.name for clip in read_files(sounds, has_picture=True)] == ["a.mp4"]


def test_of_a_folder_with_vggsounds_list_the_listed_are_read(tmp_path):
    folder = tmp_path / "vggsound"
    folder.mkdir()
    for name in ("zz_000010", "aa_000001", "bb_000002", "unlisted"):
        write_video(folder / f"{name}.mp4", 0.5)
    table = folder.parent / "vggsound.csv"
    table.write_text("zz,10,dog,train\naa,1,cat,train\nbb,2,cow,test\n")
    clips = read_files(folder, has_picture=True)
    assert [clip.name for clip in clips] == ["zz_000010.mp4", "aa_000001.mp4"]
    table.write_text("file,caption\naa_000001,a cat\n")  # captions are no list
    assert len(read_files(folder, has_picture=True)) == 4


def test_mels_are_what_the_codec_takes(task, sounds, cache):
    (path,) = cache.rglob("*.safetensors")
    mel = read_weights(path)["mel"].float()
    assert mel.shape == (4, 80, 861)  # the long sound has two parts
    assert mel.min() == -1 and mel.max() < 1
    sound, _ = read_audio(sounds / "more" / "b.flac", sample_rate=22050, mono=True)
    true = mel_spectrogram(fit_length(sound, 220500), HIFIGAN_MEL_22K)
    with torch.device("meta"):
        codec = SpecVQGANCodec(SPECMASKGIT_22K)
    decoded = codec._decoded_mel(mel[3:, None])
    torch.testing.assert_close(decoded, true.clamp(max=2.5), atol=5e-3, rtol=0)
    assert (mel[3, :, 120:] == -1).all()  # 1.2 s, then silence


def test_what_cannot_be_used_is_left_out_and_named(sounds, tmp_path, caplog):
    task = VQGANTask(figures(sounds), tmp_path)
    failed = json.loads(next(tmp_path.rglob("failed.json")).read_text())
    assert failed.keys() == {"broken.wav", "silent.wav"} and len(task.rows) == 4
    assert "silent.wav is silent" in failed["silent.wav"]
    assert "broken.wav is left out: " in caplog.text
    assert "goes without its perceptual term" in caplog.text


def test_crops_are_from_anywhere_and_the_same_again(task):
    first, again, other = (task.batch(0, rng(seed))["picture"] for seed in (1, 1, 2))
    assert first.shape == (2, 1, 80, 32)
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_the_loss_goes_down_on_one_batch(task, model):
    optimizer = torch.optim.Adam(model.parameters(), 5e-4, betas=(0.5, 0.9))
    batch, losses = task.batch(0, rng(), np.array([1, 2])), []
    for _ in range(20):
        loss, measures = task.loss(model, batch, 0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(measures["error"]))
    assert losses[-1] < 0.4 * losses[0]


def test_neither_loss_reaches_the_other_network(model):
    made = torch.randn(2, 1, 80, 32, requires_grad=True)
    fooling_loss(model.discriminator, made).backward()
    assert made.grad.any() and all(p.grad is None for p in model.discriminator.parameters())
    made.grad = None
    telling_loss(model.discriminator, made, torch.randn(2, 1, 80, 32)).backward()
    assert made.grad is None and all(p.grad.any() for p in model.discriminator.parameters())


def test_one_optimizer_does_what_two_do(task):
    """The public training takes turns, with the same picture for both."""

    def trained(split):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model = task.model()
        own = [list(model.vae.parameters()), list(model.discriminator.parameters())]
        groups = own if split else [own[0] + own[1]]
        optimizers = [torch.optim.AdamW(g, 1e-3, (0.5, 0.9), weight_decay=0.0) for g in groups]
        batch = task.batch(0, rng())
        for _ in range(2):
            task.loss(model, batch, 5)[0].backward()
            for optimizer in optimizers:
                optimizer.step()
                optimizer.zero_grad()
        return model.state_dict()

    one, two = trained(split=False), trained(split=True)
    assert all(torch.equal(value, two[key]) for key, value in one.items())


def test_the_discriminator_begins_at_its_step(task, model):
    batch, tells = task.batch(0, rng()), model.discriminator.parameters
    before, measures = task.loss(model, batch, 4)
    before.backward()
    assert all(p.grad is None for p in tells()) and "told" not in measures
    after, measures = task.loss(model, batch, 5)
    after.backward()
    assert all(p.grad is not None for p in tells())
    expected = before + 0.8 * measures["fooled"] + measures["told"]
    torch.testing.assert_close(after, expected)


@torch.no_grad()
def test_codes_that_are_taken_are_counted(task, model):
    model.vae.quantize.embedding.weight[1:] = 1e6  # far from everything
    batch = task.batch(0, rng())
    assert task.loss(model, batch, 0)[1]["used"] == 1 / 32
    assert task.evaluate(model)["codes"] == 1


def test_the_quantiser_weighs_the_codes_term(sounds, cache, model):
    grads = []
    for weight in (0.25, 0.5):
        made = VQGANTask(figures(sounds, codebook=weight), cache)
        model.zero_grad()
        made.loss(model, made.batch(0, rng()), 0)[0].backward()
        grads.append(model.vae.quantize.embedding.weight.grad.clone())
    assert grads[0].any()
    torch.testing.assert_close(2 * grads[0], grads[1])


def test_the_perceptual_term_is_a_distance_that_only_the_picture_feels(sounds, cache, vgg, model):
    plain = VQGANTask(figures(sounds), cache)
    made = VQGANTask(figures(sounds, perceptual=str(vgg), perceptual_weight=3.0), cache)
    lpaps, batch = made.perceptual, made.batch(0, rng())
    picture = batch["picture"].clone().requires_grad_(True)
    assert not lpaps(picture, batch["picture"]).detach()
    distance = lpaps(picture + 0.1 * torch.randn_like(picture), batch["picture"])
    distance.backward()
    assert 0 < distance.detach() < 2 and picture.grad.any()
    assert all(not p.requires_grad for p in lpaps.parameters())
    bare, whole = (task.loss(model, batch, 0) for task in (plain, made))
    torch.testing.assert_close(whole[0], bare[0] + 3 * whole[1]["perceptual"])


def test_the_perceptual_network_sees_bands_of_mean_0_and_deviation_1(sounds, cache, vgg):
    made = VQGANTask(figures(sounds, perceptual=str(vgg)), cache)
    mels, seen = made.rows.read(made.rows.train, "mel")[:, None], []
    made.perceptual.features[0].register_forward_pre_hook(lambda net, given: seen.append(*given))
    with pytest.raises(StopIteration), torch.no_grad():
        made.perceptual.features[1].register_forward_pre_hook(_stop)
        made.perceptual(mels, mels)
    torch.testing.assert_close(seen[0].mean((0, 1, 3)), torch.zeros(80), atol=1e-3, rtol=0)
    torch.testing.assert_close(seen[0].std((0, 1, 3)), torch.ones(80), atol=1e-2, rtol=0)


def _stop(network, given):
    # The rest would take long on whole mels.
    raise StopIteration


def recipe(path, sounds, **loop):
    own = {"sounds": [str(sounds)], "network": SMALL, "batch": 2, "frames": 32}
    own |= {"discriminator_from": 1}
    loop = {"steps": 3, "learning_rate": 1e-3, "optimizer": "adamw", "autocast": False, **loop}
    path.write_text(json.dumps({"task": "specvqgan", "figures": own, "loop": loop}))
    return str(path)


def test_a_run_goes_on_and_its_file_is_a_codec_that_makes_sound(sounds, tmp_path):
    own = tmp_path / "own.json"
    weights, log, _ = run_recipe(recipe(own, sounds, log_every=1), tmp_path / "whole")
    assert "told" in log.read_text().splitlines()[0]
    run_recipe(recipe(own, sounds, stop_at=1), tmp_path / "broken")
    resumed = read_weights(run_recipe(recipe(own, sounds), tmp_path / "broken")[0])
    whole = read_weights(weights)
    assert all(torch.equal(resumed[key], value) for key, value in whole.items())
    assert not any(key.startswith("discriminator") for key in whole)
    assert str(detect(weights)) == f"specvqgan ({CODEC_VARIANT})"
    vocoder = HiFiGAN(HIFIGAN_22K, device="meta").state_dict()
    save(tmp_path / "v.safetensors", {k: fill(k, v.shape) for k, v in vocoder.items()}, {})
    codec = load_codec("specmaskgit-22k", {"vae": weights, "vocoder": tmp_path / "v.safetensors"})
    tokens = codec.encode(noise(1.0)[None])
    assert tokens.shape == (1, 4, 5) and codec.token_codes == 32
    assert codec.decode(tokens).isfinite().all()


def test_sizes_are_read_from_the_tensors():
    with torch.device("meta"):
        shapes = SpecVQGANCodec(SPECMASKGIT_22K).vae.state_dict()
    assert as_sized(SPECMASKGIT_22K, shapes) == SPECMASKGIT_22K
    assert as_sized(SPECMASKGIT_22K, {"encoder.conv_in.weight": torch.zeros(1)}) == SPECMASKGIT_22K


def test_the_bundled_recipe_is_the_published_training():
    told = read_recipe("specmaskgit_vqgan")
    own = VQGANFigures(**told["figures"])
    loop = LoopConfig(**{**told["loop"], "betas": tuple(told["loop"]["betas"])})
    assert not own.network and SPECVQGAN_VAE.factor * 53 == own.frames
    rates = [learning_rate_at(step, loop) for step in (0, 30001, loop.steps - 1)]
    assert rates == pytest.approx([4.5e-6 * own.batch] * 3)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"sounds": ()}, "needs 'sounds'"),
        ({"network": {"groups": 8}}, "'network' of this recipe may have: channels"),
        ({"network": [3]}, "'network' of this recipe may have: channels"),
        ({"network": {"channels": [8, 16]}}, "multiples of 32"),
        ({"frames": 40}, "multiple of 16 from 32 to the 861 of 10 s, not 40"),
        ({"frames": 864}, "not 864"),
        ({"perceptual": "nowhere.pt"}, "no weights file at nowhere.pt"),
    ],
)
def test_figures_that_do_not_fit_are_refused(sounds, tmp_path, more, says):
    with pytest.raises(FoleyError, match=says):
        VQGANTask(figures(sounds, **more), tmp_path)
    assert not list(tmp_path.iterdir())


def test_another_networks_file_is_no_perceptual_one(sounds, tmp_path):
    save(tmp_path / "other.safetensors", {"layer.weight": torch.zeros(2)}, {})
    with pytest.raises(FoleyError, match="no VGG16 of mels"):
        VQGANTask(figures(sounds, perceptual=str(tmp_path / "other.safetensors")), tmp_path / "c")
    assert not (tmp_path / "c").exists()


def test_folders_that_are_missing_or_empty_are_said_in_one_sentence(sounds, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FoleyError, match=f"folders of sounds.*missing: {tmp_path / 'audioset'};"):
        run_recipe("specmaskgit_vqgan", tmp_path / "runs")
    missing = [str(sounds), "here", "there"]
    with pytest.raises(FoleyError, match=f"{tmp_path / 'here'}; {tmp_path / 'there'}; put"):
        VQGANTask(figures(sounds, sounds=missing), tmp_path / "c")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FoleyError, match="empty has no sound or video in it"):
        VQGANTask(figures("empty"), tmp_path / "c")
    assert not (tmp_path / "c").exists()

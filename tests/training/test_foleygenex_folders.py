"""Folders of videos and sounds to shards, a run on them, and a system that makes sound."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from foleystage.core.errors import FoleyError
from foleystage.core.generators.base import CONTEXT, VIDEO_MASK
from foleystage.core.loading import load_model
from foleystage.core.media import write_audio
from foleystage.core.pipeline import generate
from foleystage.core.request import Request
from foleystage.core.training import genex_clips, genex_features
from foleystage.core.training.augment import augment_folder
from foleystage.core.training.foleygenex_folders import FolderFigures, FolderTask
from foleystage.core.training.genex_clips import CaptionedClip, read_folder, starts
from foleystage.core.training.recipes import run_recipe
from foleystage.core.weights.files import read_metadata
from foleystage.core.weights.load import read_weights
from foleystage.core.weights.store import locate
from safetensors.torch import save_file
from small_media import RATE, noise, write_video

MINI = {"system": "foleygenex_mini", "base": "foleygenex_mini", "batch": 4}
EXAMPLE = Path(__file__).resolve().parents[2] / "workflows" / "media" / "example.mp4"
CPU = torch.device("cpu")


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Two videos as VGGSound comes, two sounds with a table of their own."""
    root = tmp_path_factory.mktemp("folders")
    (root / "clips").mkdir()
    (root / "sounds").mkdir()
    write_video(root / "clips" / "aa_000030.mp4")
    write_video(root / "clips" / "bb_000001.mp4", 9.0)
    (root / "clips.csv").write_text(
        "aa,30,metal knock,train\nbb,1,wood,train\ncc,0,glass,test\ndd,0,lost,train\n"
    )
    write_audio(root / "sounds" / "short.wav", noise(1.2), RATE)
    write_audio(root / "sounds" / "long.wav", noise(17.0, 1), RATE)
    (root / "sounds" / "captions.csv").write_text(
        'file,caption\nshort.wav,a loud metal hit\nlong.wav,glass\nlong.wav,"glass, quiet"\n'
    )
    return root


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def figures(folders, **more):
    given = {"videos": (str(folders / "clips"),), "sounds": (str(folders / "sounds"),), **MINI}
    return FolderFigures(**{**given, **more})


@pytest.fixture(scope="module")
def task(folders, cache):
    return FolderTask(figures(folders), cache, CPU)


def clips_of(folder, **files):
    """A folder of these sounds, each said to be metal."""
    folder.mkdir()
    for name, sound in files.items():
        write_audio(folder / f"{name}.wav", sound, RATE)
    names = [*files] or ["a"]
    (folder / "captions.csv").write_text("file,caption\n" + "".join(f"{n},metal\n" for n in names))
    return str(folder)


def test_a_list_without_a_header_has_labels(folders):
    clips = read_folder(folders / "clips", has_picture=True)
    assert [(c.name, c.captions) for c in clips] == [
        ("aa_000030.mp4", ("metal knock",)),
        ("bb_000001.mp4", ("wood",)),
    ]


def test_a_file_has_all_its_captions_once(folders):
    clips = read_folder(folders / "sounds", has_picture=False)
    assert [c.captions for c in clips] == [("a loud metal hit",), ("glass", "glass, quiet")]


def test_captions_as_wavcaps_comes_are_read(folders, tmp_path):
    folder = tmp_path / "SoundBible"
    folder.mkdir()
    for name in ("2219", "Yabc"):
        write_audio(folder / f"{name}.flac", noise(1.0), RATE)
    table = tmp_path / "SoundBible.json"
    rows = [{"id": "2219", "caption": "An airplane.", "duration": 14.1}]
    rows += [{"id": "Yabc.wav", "caption": "Wind blows."}, {"id": "7", "caption": "Lost."}]
    table.write_text(json.dumps({"num_captions_per_audio": 1, "data": rows}))
    clips = read_folder(folder, has_picture=False)
    assert [c.captions for c in clips] == [("An airplane.",), ("Wind blows.",)]
    for broken in ("[]", '{"data": [{"id": 3}]}', '{"data": [{"id": 3, "caption": null}]}'):
        table.write_text(broken)
        with pytest.raises(FoleyError, match="caption"):
            read_folder(folder, has_picture=False)


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (0.0, [0.0]),
        (5.0, [0.0]),
        (16.0, [0.0]),
        (17.0, [0.0, 9.0]),
        (40.0, [0.0, 8.0, 16.0, 24.0, 32.0]),
        (600.0, [0.0, 148.0, 296.0, 444.0, 592.0]),
    ],
)
def test_a_long_sound_gives_up_to_five_separate_parts(monkeypatch, length, expected):
    monkeypatch.setattr(genex_clips, "sound_seconds", lambda path: length)
    clip = CaptionedClip("a.wav", Path("a.wav"), ("a",), has_picture=False)
    assert starts(clip, 8.0) == expected


def test_a_video_gives_its_last_seconds(folders):
    short, long = read_folder(folders / "clips", has_picture=True)
    assert starts(short, 8.0) == [0.0]
    assert starts(long, 8.0) == pytest.approx([1.0], abs=0.05)


def test_shards_hold_what_the_encoders_and_the_codec_make(task, folders, cache):
    made = cache / "foleygenex_mini_foley_mini_codec"
    video = read_weights(made / "videos_clips" / "shard_00000.safetensors")
    assert video["latent"].shape == (2, 250, 32) and video["sync"].shape == (2, 400, 3)
    assert video["frames"].tolist() == [47, 250]
    sound = read_weights(made / "sounds_sounds" / "shard_00000.safetensors")
    assert sound["latent"].shape == (3, 250, 32) and "sync" not in sound
    assert sound["frames"].tolist() == [38, 250, 250]
    assert sound["text"].shape == (3, 8, 64) and sound["first_text"].tolist() == [0, 1, 3, 5]
    assert sound["texts"].tolist() == [0, 1, 2, 1, 2]
    about = read_metadata(made / "sounds_sounds" / "shard_00000.safetensors")
    assert about["codec"] == "foley_mini_codec" and about["sample_rate"] == "32000"
    assert json.loads(about["names"]) == ["short.wav", "long.wav", "long.wav"]


def test_half_of_a_batch_are_videos_and_half_are_sounds(task):
    batch = task.batch(0, rng())
    has_picture = batch["streams"]["sync"].flatten(1).any(1)
    assert has_picture.tolist() == [True, True, False, False]
    assert batch["drop_video"][2:].all()
    again = task.batch(0, rng())
    assert torch.equal(batch["latent"], again["latent"])
    assert torch.equal(batch["noise"], again["noise"])


def test_padding_has_no_part_in_a_batch(folders, cache):
    made = FolderTask(figures(folders, videos=(), drop_context=0.0), cache, CPU)
    # The first of so few files is kept for validation.
    for validation, length in ((True, 38), (False, 250)):
        batch = made.batch(0, rng(), validation=validation)
        assert not (batch["hidden"] & batch["known"]).any()
        assert ((batch["hidden"] | batch["known"]).sum(1) == length).all()
        assert (batch["hidden"].sum(1) >= int(0.7 * length)).all()


@torch.no_grad()
@pytest.mark.parametrize("nulls", ["zeros", "learned"])
def test_the_network_sees_what_it_is_to_see(folders, cache, nulls):
    """Dropped streams are nulls, those that are masked zero, the context is zero where hidden."""
    made = FolderTask(figures(folders, nulls=nulls, drop_context=0.0), cache, CPU)
    model = made.model()
    model.generator.empty_sync_feat.fill_(0.5)
    model.generator.place_cond.out_proj.weight.zero_()  # what is said of places comes on top
    batch = made.batch(0, rng(3))
    batch["drop_video"] = torch.tensor([False, True, True, True])
    batch["drop_text"] = torch.tensor([False, False, False, True])
    seen = {}

    def keep(module, given, output):
        seen.update(given[2].batched)

    with model.generator.register_forward_hook(keep):
        made.loss(model, batch, 0)
    null = model.generator.prepare({}, 8.0).batched
    mask = batch[VIDEO_MASK][0, :, 0].bool()
    assert not seen["sync"][0][mask].any() and seen["sync"][0][~mask].any(-1).all()
    assert torch.allclose(seen["sync"][1:], null["sync"], atol=1e-6)
    assert bool(null["sync"].any()) == (nulls == "learned")
    assert torch.allclose(seen["text"][3], null["text"][0], atol=1e-6)
    normalised = model.generator.normalize(batch["latent"]) * batch["known"][..., None]
    expected = model.generator.input_embed.of_context(normalised)
    assert torch.allclose(seen[CONTEXT], expected, atol=1e-5)


@pytest.mark.parametrize(
    ("more", "masked", "embeds"),
    [
        ({}, "known", True),
        ({"masking": "target"}, "hidden", True),
        ({"ablation": "M-1"}, None, False),
        ({"ablation": "M-2"}, "known", False),
        ({"ablation": "M-3"}, None, True),
    ],
)
def test_masks_and_embedding_are_those_of_the_ablation(folders, cache, more, masked, embeds):
    made = FolderTask(figures(folders, drop_context=0.0, **more), cache, CPU)
    model, batch = made.model(), made.batch(0, rng())
    mask = batch[VIDEO_MASK][..., 0].bool()
    assert torch.equal(mask, batch[masked] if masked else torch.zeros_like(mask))
    made.loss(model, batch, 0)[0].backward()
    grads = [value.grad for value in model.generator.input_embed.parameters()]
    assert all((grad is not None) == embeds for grad in grads)


def test_from_scratch_the_words_are_those_of_the_mini(folders, cache):
    made = FolderTask(figures(folders, base=""), cache, CPU)
    model = made.model()
    assert made.config.nulls == "zeros" and not model.text.table.weight.requires_grad
    text = made.batch(0, rng())["streams"]["text"][0]
    known = {tuple(row.tolist()) for row in model.text.table.weight.half().float()}
    assert all(tuple(row.tolist()) in known for row in text)
    assert not model.generator.final_layer.conv.weight.any()


def recipe(path, folders, **loop):
    own = {**MINI, "videos": [str(folders / "clips")], "sounds": [str(folders / "sounds")]}
    loop = {"steps": 3, "learning_rate": 1e-3, "optimizer": "adamw", "evaluate_every": 9, **loop}
    path.write_text(json.dumps({"task": "foleygenex", "figures": own, "loop": loop}))
    return str(path)


@pytest.mark.slow
def test_a_run_makes_a_system_that_makes_sound(folders, tmp_path):
    weights, log, plot = run_recipe(recipe(tmp_path / "own.json", folders), tmp_path / "runs")
    system = load_model(str(weights))
    assert system.row.name == "foleygenex_mini" and read_metadata(weights)["words"]
    takes = generate(EXAMPLE, system, Request(steps=2, prompt="metal", seconds=1.0))
    assert takes.waveforms.abs().max() > 1e-3 and torch.isfinite(takes.waveforms).all()
    own, base = read_weights(weights), read_weights(locate("foleygenex_mini"))
    words, last = "text.table.weight", "generator.final_layer.conv.weight"
    assert torch.equal(own[words].float(), base[words].float())
    assert not torch.equal(own[last].float(), base[last].float())


@pytest.mark.slow
def test_a_run_goes_on_to_the_same_weights(folders, tmp_path, monkeypatch):
    own = tmp_path / "own.json"
    whole = read_weights(run_recipe(recipe(own, folders), tmp_path / "whole")[0])
    run_recipe(recipe(own, folders, stop_at=1), tmp_path / "broken")
    monkeypatch.setattr(genex_features.FeatureMaker, "load", None)  # features are there already
    resumed = read_weights(run_recipe(recipe(own, folders), tmp_path / "broken")[0])
    assert all(torch.equal(resumed[key], value) for key, value in whole.items())


def test_shards_are_whole_or_not_there_and_the_rest_is_made_later(folders, tmp_path, monkeypatch):
    monkeypatch.setattr(genex_features, "SHARD", 1)
    only = {"videos": (), "sounds": (str(folders / "sounds"),)}
    real, calls = genex_features.save, []

    def fails_second(path, *given):
        calls.append(path.name)
        if len(calls) == 2:
            raise KeyboardInterrupt
        real(path, *given)

    monkeypatch.setattr(genex_features, "save", fails_second)
    with pytest.raises(KeyboardInterrupt):
        FolderTask(figures(folders, **only), tmp_path, CPU)
    assert [path.name for path in tmp_path.rglob("*.safetensors")] == ["shard_00000.safetensors"]
    FolderTask(figures(folders, **only), tmp_path, CPU)
    assert calls == ["shard_00000.safetensors", *["shard_00001.safetensors"] * 2]


def test_the_table_of_augment_is_read(folders, tmp_path):
    (tmp_path / "in").mkdir()
    write_audio(tmp_path / "in" / "a.wav", noise(2.0), RATE)
    (tmp_path / "in.csv").write_text("file,caption\na.wav,A loud metal knock\n")
    augment_folder(tmp_path / "in", tmp_path / "in.csv", tmp_path / "out", axes=("volume",))
    sounds = (str(folders / "sounds"), str(tmp_path / "out"))
    made = FolderTask(figures(folders, videos=(), sounds=sounds), tmp_path / "cache", CPU)
    # Three parts of two sounds, and the sound as it was, swelling, and fading.
    assert len(made.sets["sounds"]) == 6


def test_what_cannot_be_used_is_left_out_with_a_sentence(tmp_path, caplog):
    videos = tmp_path / "videos"
    videos.mkdir()
    write_video(videos / "good.mp4")
    write_video(videos / "mute.mp4", sound=False)
    write_video(videos / "silent.mp4", sound="silent")
    whole = (videos / "good.mp4").read_bytes()
    (videos / "broken.mp4").write_bytes(whole[: len(whole) // 3])
    write_video(videos / "brief.mp4", 0.5)
    names = ("good", "mute", "silent", "broken", "brief")
    (videos / "captions.csv").write_text(
        "file,label\n" + "".join(f"{name}.mp4,metal\n" for name in names)
    )
    made = FolderTask(FolderFigures(videos=(str(videos),), **MINI), tmp_path / "cache", CPU)
    assert len(made.sets["videos"]) == 1
    failed = json.loads(next((tmp_path / "cache").rglob("failed.json")).read_text())
    assert "no sound track" in failed["mute.mp4"]
    assert "silent.mp4 is silent" in failed["silent.mp4"]
    assert "cut off or damaged" in failed["broken.mp4"]
    assert "0.50 s of sound; 1 s are needed" in failed["brief.mp4"]
    assert "mute.mp4 is left out: " in caplog.text


def test_a_silent_part_of_a_long_sound_is_left_out(tmp_path):
    sound = torch.cat((noise(8.5), torch.zeros(1, 9 * RATE)), 1)
    folder = clips_of(tmp_path / "sounds", long=sound)
    made = FolderTask(FolderFigures(sounds=(folder,), **MINI), tmp_path / "cache", CPU)
    assert len(made.sets["sounds"]) == 1


def test_folders_that_are_missing_are_said_in_one_sentence(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wavcaps" / "FreeSound").mkdir(parents=True)
    with pytest.raises(FoleyError) as raised:
        run_recipe("foleygenex_vggsound", tmp_path / "runs")
    said = str(raised.value)
    assert f"a folder of videos at {tmp_path / 'vggsound'}; " in said
    assert f"a folder of sounds at {tmp_path / 'audiocaps'}; " in said
    assert f"the captions of {tmp_path / 'wavcaps' / 'FreeSound'}; " in said


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"videos": (), "sounds": ()}, "needs 'videos' or 'sounds'"),
        ({"system": "mmaudio_large_44k"}, "no system 'mmaudio_large_44k' of FoleyGenEx"),
        ({"codec": "mp3"}, "no codec 'mp3'"),
        ({"codec": "mel_picture_codec"}, "was not trained on the codec mel_picture_codec"),
        ({"system": "foleygenex"}, "was not trained on the encoders of foleygenex"),
        ({"base": "ac_foley_mini"}, "network of AC-Foley; FoleyGenEx begins with"),
        ({"base": "mmaudio_large_44k"}, "not on this machine"),
    ],
)
def test_figures_that_do_not_fit_are_refused(folders, cache, more, says, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("FOLEYSTAGE_MODELS", raising=False)
    with pytest.raises(FoleyError, match=says):
        FolderTask(figures(folders, **more), cache, CPU)


def test_a_figure_that_is_not_known_is_refused(folders, tmp_path):
    path = tmp_path / "own.json"
    recipe(path, folders)
    path.write_text(path.read_text().replace('"batch"', '"bach"'))
    with pytest.raises(FoleyError, match="figures of this recipe may be: .*batch"):
        run_recipe(str(path), tmp_path)


def test_tables_without_use_are_refused(tmp_path):
    (tmp_path / "sounds").mkdir()
    table = tmp_path / "sounds" / "captions.csv"
    table.write_text("file,caption\na.wav,metal\n")
    with pytest.raises(FoleyError, match="None of the 1 files that captions.csv names"):
        read_folder(tmp_path / "sounds", has_picture=False)
    table.write_text("file,loudness\na.wav,3\n")
    with pytest.raises(FoleyError, match="no column of captions"):
        read_folder(tmp_path / "sounds", has_picture=False)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("codec", "mmaudio_codec_44k", "features of the codec mmaudio_codec_44k, and this run has"),
        ("video", "cavp", "features of the video cavp"),
        ("seconds", "4", "parts of 4 s, and this run takes 8 s"),
        ("weights", "{}", "features of other weights"),
    ],
)
def test_a_shard_of_another_run_is_refused(tmp_path, name, value, says):
    given = FolderFigures(sounds=(clips_of(tmp_path / "sounds", a=noise(1.0)),), **MINI)
    FolderTask(given, tmp_path / "cache", CPU)
    shard = next((tmp_path / "cache").rglob("*.safetensors"))
    save_file(read_weights(shard), shard, {**read_metadata(shard), name: value})
    with pytest.raises(FoleyError, match=says):
        FolderTask(given, tmp_path / "cache", CPU)


def test_a_damaged_shard_is_refused(tmp_path):
    given = FolderFigures(sounds=(clips_of(tmp_path / "sounds", a=noise(1.0)),), **MINI)
    FolderTask(given, tmp_path / "cache", CPU)
    shard = next((tmp_path / "cache").rglob("*.safetensors"))
    shard.write_bytes(shard.read_bytes()[:100])
    with pytest.raises(FoleyError, match="cut off or damaged"):
        FolderTask(given, tmp_path / "cache", CPU)

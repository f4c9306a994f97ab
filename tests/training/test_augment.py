"""A folder of captioned sounds to one of more of them, and the tables around it."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from foleystage.core.errors import FoleyError
from foleystage.core.media import encode_frames, read_audio, write_audio
from foleystage.core.training.adverbs import AXES, OPERATIONS
from foleystage.core.training.augment import augment_clip, augment_folder
from foleystage.core.training.captions import Captioned, find_sound, read_captions

RATE = 16000
WITHOUT_ROOMS = ("speed", "volume")
CAPTIONS = """file_name,caption
fast.wav,A fast knock
slow,"Slowly, somebody knocks"
loud.wav,A loud knock
loud.wav,Somebody knocks loudly
fast.wav,A knock
"""


def knocks(channels: int = 1, level: float = 0.5, rate: int = RATE) -> torch.Tensor:
    """A second of noise bursts with silence around them."""
    rng = torch.Generator().manual_seed(channels)
    sound = torch.zeros(channels, 2 * rate)
    for k in range(4):
        at = rate // 2 + k * rate // 4
        burst = torch.randn(channels, rate // 8, generator=rng)
        sound[:, at : at + rate // 8] = burst * torch.linspace(1, 0, rate // 8) ** 2
    return sound * (level / sound.abs().max())


@pytest.fixture
def sounds(tmp_path) -> Path:
    folder = tmp_path / "sounds"
    folder.mkdir()
    write_audio(folder / "fast.wav", knocks(), RATE)
    write_audio(folder / "slow.flac", knocks(2), 22050)
    write_audio(folder / "loud.wav", knocks(level=0.9), RATE)
    return folder


def table(path: Path, text: str = CAPTIONS) -> Path:
    path.write_text(text, "utf-8")
    return path


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "captions.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def acoustics():
    return pytest.importorskip("pyroomacoustics", reason="pyroomacoustics is not installed")


def test_every_caption_and_operation_is_a_row_with_its_sound(acoustics, sounds, tmp_path):
    before = contents(sounds)
    out = tmp_path / "new" / "out"
    result = augment_folder(sounds, table(tmp_path / "c.csv"), out)
    written = rows(out)
    assert list(written[0]) == ["file", "caption", "source", "operation"]
    assert [(row["source"], row["operation"]) for row in written] == [
        *(("fast.wav", name) for name in ("original", "very_fast", "medium_from_fast")),
        *(("slow.flac", name) for name in ("original", "medium_from_slow", "very_slow")),
        *2 * [("loud.wav", n) for n in ("original", *OPERATIONS[5:])],
    ]
    assert {row["file"] for row in written} == {path.name for path in out.glob("*.flac")}
    captions = {row["caption"] for row in written}
    assert {"A very fast knock", "Very slowly, somebody knocks", "A loud knock"} < captions
    assert (result.rows, result.made, result.kept, result.skipped) == (16, 11, 0, [])
    assert contents(sounds) == before
    for row in written:
        waveform, rate = read_audio(out / row["file"])
        assert rate == (22050 if row["source"] == "slow.flac" else RATE)
        assert waveform.shape[0] == (2 if row["source"] == "slow.flac" else 1)
        assert 0 < float(waveform.abs().max()) <= 0.9


def test_speeds_change_the_length_by_their_factor_of_the_trimmed_sound(sounds, tmp_path):
    augment_folder(sounds, table(tmp_path / "c.csv"), tmp_path / "out", axes=["speed"])
    lengths = {
        (row["source"], row["operation"]): read_audio(tmp_path / "out" / row["file"])[0].shape[1]
        for row in rows(tmp_path / "out")
    }
    fast, slow = lengths["fast.wav", "original"], lengths["slow.flac", "original"]
    assert fast < 1.2 * RATE
    assert lengths["fast.wav", "very_fast"] == -(-fast * 10 // 13)
    assert lengths["fast.wav", "medium_from_fast"] == -(-fast * 10 // 7)
    assert lengths["slow.flac", "medium_from_slow"] == -(-slow * 10 // 13)
    assert lengths["slow.flac", "very_slow"] == -(-slow * 10 // 7)


def test_the_written_table_reads_as_one_to_train_on(sounds, tmp_path):
    out = tmp_path / "out"
    augment_folder(sounds, table(tmp_path / "c.csv"), out, axes=WITHOUT_ROOMS)
    read = read_captions(out / "captions.csv")
    assert [row.caption for row in read] == [row["caption"] for row in rows(out)]
    assert [find_sound(out, row) for row in read] == [out / row["file"] for row in rows(out)]


@pytest.mark.parametrize("axes", [WITHOUT_ROOMS, AXES])
def test_a_stopped_run_goes_on_to_the_same_bytes(axes, sounds, tmp_path, request):
    if "distance" in axes:
        request.getfixturevalue("acoustics")
    captions = table(tmp_path / "c.csv")
    augment_folder(sounds, captions, tmp_path / "whole", axes=axes, seed=3)

    def stop(step: int, total: int) -> None:
        if step == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        augment_folder(sounds, captions, tmp_path / "out", axes=axes, seed=3, progress=stop)
    there = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.flac")}
    assert len(there) == 6 and not (tmp_path / "out" / "captions.csv").exists()
    result = augment_folder(sounds, captions, tmp_path / "out", axes=axes, seed=3)
    assert result.kept == 6 and result.made > 0
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    assert all(path.stat().st_mtime_ns == time for path, time in there.items())


def test_another_seed_stands_elsewhere_in_the_room_and_needs_another_folder(
    acoustics, sounds, tmp_path
):
    captions = table(tmp_path / "c.csv", "file,caption\nloud.wav,A loud knock\n")
    for seed in (0, 1):
        augment_folder(sounds, captions, tmp_path / str(seed), seed=seed)
    first, second = contents(tmp_path / "0"), contents(tmp_path / "1")
    different = {name for name in first if name.endswith("flac") and first[name] != second[name]}
    assert {name.split("-")[-1] for name in different} == {"far.flac", "very_far.flac"}
    with pytest.raises(FoleyError, match="another seed"):
        augment_folder(sounds, captions, tmp_path / "0", seed=1)
    assert contents(tmp_path / "0") == first


def test_captions_of_a_file_come_before_templates(sounds, tmp_path):
    given = table(
        tmp_path / "new.csv",
        "source,operation,caption\n"
        "loud.wav,crescendo,A knock that swells\n"
        "loud.wav,crescendo,Knocking ever louder\n"
        "slow,very_slow,Somebody knocks at a snail's pace\n"
        "fast.wav,very_fast,The knock with its playback changed\n"
        f"fast.wav,medium_from_fast,{'knock ' * 31}\n"
        "fast.wav,original,\n",
    )
    captions = table(tmp_path / "c.csv")
    out = tmp_path / "out"
    result = augment_folder(sounds, captions, out, axes=WITHOUT_ROOMS, new_captions=given)
    written = [row["caption"] for row in rows(out)]
    for caption in ("A knock that swells", "Knocking ever louder", "A very fast knock"):
        assert caption in written
    assert "Somebody knocks at a snail's pace" in written
    assert (result.given, result.refused) == (3, 3)
    assert result.by_template == sum(row["operation"] != "original" for row in rows(out)) - 3
    assert "from the file: 3, by template: 5" in result.summary()


def test_bad_sounds_are_named_and_the_others_are_made(sounds, tmp_path):
    import soundfile

    write_audio(sounds / "silent.wav", torch.zeros(1, 800), RATE)
    soundfile.write(sounds / "nan.wav", np.full(800, np.nan, np.float32), RATE, subtype="FLOAT")
    (sounds / "text.wav").write_text("this is no sound")
    (sounds / "empty.wav").touch()
    names = ("silent", "nan", "text", "empty", "gone", "../c", "x" * 300)
    lines = "".join(f"{name}.wav,A fast knock\n" for name in names)
    captions = table(tmp_path / "c.csv", f"{CAPTIONS}{lines}")
    result = augment_folder(sounds, captions, tmp_path / "out", axes=["speed"])
    assert result.missing == 3 and len(result.skipped) == 4
    assert {row["source"] for row in rows(tmp_path / "out")} == {"fast.wav", "slow.flac"}
    text = result.summary()
    assert "silent.wav: The sound is silent" in text and "nan.wav" in text and "text.wav" in text
    assert "empty.wav" not in text and "not there: 3 of 9" in text


def test_long_sounds_are_cut_and_many_channels_and_high_rates_brought_down(sounds, tmp_path):
    tail = torch.full((1, 61 * 1000), 0.1)
    write_audio(sounds / "long.wav", tail, 1000)
    write_audio(sounds / "six.wav", knocks(6, rate=96000), 96000)
    text = "file,caption\nlong.wav,A fast hum\nsix.wav,A fast knock\n"
    out = tmp_path / "out"
    result = augment_folder(sounds, table(tmp_path / "c.csv", text), out, axes=["speed"])
    assert result.cut == 1
    originals = [r["file"] for r in rows(out) if r["operation"] == "original"]
    (long, long_rate), (six, six_rate) = (read_audio(out / name) for name in originals)
    assert (long.shape, long_rate) == ((1, 60000), 1000)
    assert (six.shape[0], six_rate) == (1, 48000)
    assert six.shape[1] / six_rate == pytest.approx(1.0, abs=0.1)


def test_the_sound_of_a_video_is_taken(sounds, tmp_path):
    frames = torch.zeros(50, 64, 64, 3, dtype=torch.uint8)
    encode_frames(frames, 25.0, sounds / "clip.mp4", waveform=knocks(), sample_rate=RATE)
    text = "youtube_id,start_time,label\nclip,30,quick knocking\n"
    augment_folder(sounds, table(tmp_path / "c.csv", text), tmp_path / "out", axes=["speed"])
    assert [row["source"] for row in rows(tmp_path / "out")] == ["clip.mp4"] * 3


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("a/b c.ogg", Captioned("a/b c.ogg", "")),
        ("a.b.opus", Captioned("a.b", "")),
        ("Yid-1_.m4a", Captioned("id-1_", "")),
        ("id_000030.mp4", Captioned("id", "", "30")),
        ("id_30.wav", Captioned("id", "", "30")),
    ],
)
def test_a_file_is_found_by_the_names_that_data_sets_give(name, row, tmp_path):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.touch()
    assert find_sound(tmp_path, row) == path


def test_a_name_that_leads_out_of_the_folder_is_not_there_but_a_link_is(sounds, tmp_path):
    outside = tmp_path / "outside.wav"
    write_audio(outside, knocks(), RATE)
    assert find_sound(sounds, Captioned("../outside.wav", "")) is None
    assert find_sound(sounds, Captioned(str(outside), "")) is None
    assert find_sound(sounds, Captioned(str(sounds / "fast.wav"), "")) == sounds / "fast.wav"
    (sounds / "link.wav").symlink_to(outside)
    assert find_sound(sounds, Captioned("link.wav", "")) == sounds / "link.wav"


def test_tables_are_read_with_their_several_captions_bom_and_tabs(tmp_path):
    path = tmp_path / "c.tsv"
    path.write_text(
        "File Name\tcaption_1\tcaption_2\na.wav\tone\t two \nb.wav\t\tthree\n", "utf-8-sig"
    )
    assert read_captions(path) == [
        Captioned("a.wav", "one"),
        Captioned("a.wav", "two"),
        Captioned("b.wav", "three"),
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is empty"),
        ("file,words\na.wav,loud\n", "no column of captions"),
        ("sound_of,caption\na.wav,loud\n", "no column of file names"),
        ("file,caption\n,loud\na.wav,\n", "no row with both"),
        ("file,caption\nfast.wav,A knock\n", "None of the 1 captions of c.csv has a word of speed"),
        ("file,caption\ngone.wav,A fast knock\n", "None of the 1 sounds .* 'gone.wav'"),
        ("file,caption\ntext.wav,A fast knock\n", "None of the 1 sounds could be used; text.wav"),
        ("\xff\xfe", "is not UTF-8"),
    ],
)
def test_a_table_of_no_use_is_one_sentence(text, sentence, sounds, tmp_path):
    (sounds / "text.wav").write_text("this is no sound")
    (tmp_path / "c.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(FoleyError, match=sentence):
        augment_folder(sounds, tmp_path / "c.csv", tmp_path / "out", axes=WITHOUT_ROOMS)


def test_a_missing_table_and_one_of_new_captions_without_its_columns(sounds, tmp_path):
    with pytest.raises(FoleyError, match="cannot be read"):
        augment_folder(sounds, tmp_path / "gone.csv", tmp_path / "out")
    captions, given = table(tmp_path / "c.csv"), table(tmp_path / "n.csv")
    with pytest.raises(FoleyError, match="needs the columns source, operation and caption"):
        augment_folder(sounds, captions, tmp_path / "out", new_captions=given)


def test_folders_that_would_mix_sources_and_results_are_refused(sounds, tmp_path):
    captions = table(tmp_path / "c.csv")
    before = contents(sounds)
    (tmp_path / "link").symlink_to(sounds)
    for place in (sounds, sounds / "new", tmp_path, tmp_path / "link" / "new"):
        with pytest.raises(FoleyError, match="apart from it"):
            augment_folder(sounds, captions, place)
    with pytest.raises(FoleyError, match="is a file"):
        augment_folder(sounds, captions, captions)
    with pytest.raises(FoleyError, match="no folder of sounds"):
        augment_folder(sounds / "gone", captions, tmp_path / "out")
    assert contents(sounds) == before


def test_a_table_of_others_is_never_written_over(sounds, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    captions = table(out / "captions.csv")
    with pytest.raises(FoleyError, match="is read, so it cannot be written"):
        augment_folder(sounds, captions, out, axes=["speed"])
    with pytest.raises(FoleyError, match="not of this command"):
        augment_folder(sounds, table(tmp_path / "c.csv"), out, axes=["speed"])
    assert captions.read_text("utf-8") == CAPTIONS and len(contents(out)) == 1
    (out / "augment.json").write_text(json.dumps({"seed": 5}), "utf-8")
    with pytest.raises(FoleyError, match="another seed or version"):
        augment_folder(sounds, table(tmp_path / "c.csv"), out, axes=["speed"])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"axes": ["pitch"]}, "not pitch"),
        ({"axes": []}, "not none"),
        ({"seed": -1}, "0 or above"),
    ],
)
def test_settings_that_cannot_be(options, sentence, sounds, tmp_path):
    with pytest.raises(FoleyError, match=sentence):
        augment_folder(sounds, table(tmp_path / "c.csv"), tmp_path / "out", **options)


def test_without_pyroomacoustics_nothing_is_begun_and_the_other_axes_work(
    monkeypatch, sounds, tmp_path
):
    monkeypatch.setitem(sys.modules, "pyroomacoustics", None)
    captions = table(tmp_path / "c.csv")
    with pytest.raises(FoleyError, match="pip install pyroomacoustics"):
        augment_folder(sounds, captions, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert augment_folder(sounds, captions, tmp_path / "out", axes=WITHOUT_ROOMS).made == 9


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_one_clip_is_changed_without_being_touched(operation, channels, request):
    if "far" in operation:
        request.getfixturevalue("acoustics")
    sound = knocks(channels, level=1.4).double()
    before = sound.clone()
    first, second = (
        augment_clip(sound, RATE, operation, np.random.default_rng(0)) for _ in range(2)
    )
    assert torch.equal(sound, before) and torch.equal(first, second)
    assert first.dtype == torch.float32 and first.is_contiguous() and first.shape[0] == channels
    assert 0 < float(first.abs().max()) <= 1


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_sound_of_one_sample_is_a_sound(operation, request):
    if "far" in operation:
        request.getfixturevalue("acoustics")
    made = augment_clip(torch.full((1, 1), 0.5), 8000, operation, np.random.default_rng(0))
    assert made.shape[1] >= 1 and torch.isfinite(made).all() and float(made.abs().max()) > 0


@pytest.mark.parametrize(
    ("sound", "operation", "sentence"),
    [
        (torch.zeros(1, 100), "far", "silent"),
        (torch.full((1, 100), torch.nan), "original", "NaN"),
        (torch.ones(100), "original", "channels, samples"),
        (torch.ones(1, 100), "louder", "There is no operation 'louder'"),
    ],
)
def test_a_clip_that_cannot_be_changed(sound, operation, sentence):
    with pytest.raises(FoleyError, match=sentence):
        augment_clip(sound, RATE, operation, np.random.default_rng(0))

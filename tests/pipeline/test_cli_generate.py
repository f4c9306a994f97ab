"""What `foleystage generate` takes beside a video and a prompt, at a reduced size."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from foleystage.cli import main
from foleystage.core.media import (
    encode_frames,
    integrated_loudness,
    read_audio,
    write_audio,
)

QUICK = ["--steps", "1", "--seconds", "0.72"]
FULL = ["--model", "ac_foley", *QUICK]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A picture and a reference of 6 s whose second half is another sound."""
    folder = tmp_path_factory.mktemp("given")
    image = torch.rand(1, 48, 64, 3, generator=torch.Generator().manual_seed(0))
    encode_frames(image, 25.0, folder / "picture.mp4")
    time = np.arange(3 * 32000) / 32000
    low, high = (0.3 * np.sin(2 * np.pi * f * time) * np.exp(-2 * time) for f in (200, 3000))
    sound = torch.from_numpy(np.concatenate([low, high]).astype(np.float32))[None]
    write_audio(folder / "reference.wav", sound, 32000)
    return folder


def take(folder, *arguments) -> torch.Tensor:
    path = folder / "take.wav"
    path.unlink(missing_ok=True)
    assert main(["generate", *map(str, arguments), "-o", str(path)]) == 0
    return read_audio(path)[0]


def test_words_alone_make_a_sound(tmp_path, found):
    for model in ("ac_foley", "ac_foley_mini"):
        sound = take(tmp_path, "--model", model, "--prompt", "metal hit", "--seed", 3, *QUICK)
        assert sound.shape[-1] == round(0.72 * (44100 if model == "ac_foley" else 32000))
        assert float(sound.abs().max()) > 0


def test_words_without_a_length_last_as_long_as_the_training(tmp_path):
    assert take(tmp_path, "--prompt", "metal hit", "--steps", 1).shape[-1] == 8 * 32000


def test_a_picture_is_looked_at(files, tmp_path, found):
    seen = take(tmp_path, files / "picture.mp4", *FULL)
    assert not torch.allclose(seen, take(tmp_path, *FULL), atol=1e-4)


PLAIN: list[torch.Tensor] = []


@pytest.mark.parametrize(
    "option",
    [
        ["--reference-start", "3.1"],
        ["--reference-windows", "3"],
        ["--ignore-look"],
        ["--precision", "bfloat16"],
        ["--precision", "fp8"],
        ["--part", "generator=OTHER"],
        ["--part", "vae=SAME"],
        ["--negative", "music"],
    ],
    ids=" ".join,
)
def test_an_option_changes_the_take(files, clip, tmp_path, found, option):
    given = [clip, "--reference", files / "reference.wav", *FULL]
    if not PLAIN:
        PLAIN.append(take(tmp_path, *given))
    if option[1:] == ["generator=OTHER"]:
        option = ["--part", f"generator={other_network(found, tmp_path)}"]
    same = option[1:] == ["vae=SAME"]
    option = [o.replace("SAME", str(found / "mmaudio_vae_44k.safetensors")) for o in option]
    assert torch.equal(take(tmp_path, *given, *option), PLAIN[0]) == same


def test_loudness_is_as_asked_or_as_the_model_makes_it(clip, tmp_path):
    def level(*given):
        return integrated_loudness(take(tmp_path, clip, "--steps", 2, *given), 32000)

    assert level("--loudness", "-45") == pytest.approx(-45, abs=0.1)  # no limiter so low
    usual, raw = level(), level("--loudness", "off")
    assert raw != pytest.approx(usual, abs=0.5) and raw != pytest.approx(-45, abs=0.5)


def other_network(found, folder):
    """The network's file with one weight changed."""
    tensors = torch.load(found / "ac_foley.pth", weights_only=True)
    tensors["empty_clip_feat"] = tensors["empty_clip_feat"] + 1
    torch.save(tensors, folder / "other.pth")
    return folder / "other.pth"


def test_frames_are_picked_by_the_rule_that_is_asked_for(clip, tmp_path, monkeypatch):
    from foleystage.core import pipeline

    picked = []
    encode = pipeline.encode
    monkeypatch.setattr(
        pipeline, "encode", lambda *a, **k: picked.append(a[2].timing) or encode(*a, **k)
    )
    nearest = take(tmp_path, clip, *QUICK)
    late = take(tmp_path, clip, "--timing", "published", *QUICK)
    old = take(tmp_path, clip, "--timing", "reference", *QUICK)
    assert picked == ["nearest", "published", "published"]
    assert not torch.equal(nearest, late)
    assert torch.equal(late, old)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["CLIP", "--reference-start", "1"], "name it with --reference"),
        (["CLIP", "--reference-windows", "2"], "name it with --reference"),
        (["CLIP", "--reference", "REF", "--reference-start", "nan"], "give 0 or more"),
        (["CLIP", "--reference", "REF", "--reference-start", "-1"], "give 0 or more"),
        (["CLIP", "--reference", "REF", "--reference-start", "9"], "start earlier"),
        (["CLIP", "--reference", "REF", "--reference-start", "1000"], "reference"),
        (["CLIP", "--reference", "REF", "--reference-windows", "0"], "1 to 64"),
        (["CLIP", "--reference", "REF", "--reference-windows", "65"], "1 to 64"),
        (["CLIP", "--model", "mmaudio_large_44k", "--reference", "REF"], "takes no reference"),
        (["CLIP", "--part", "vae"], "--part takes PART=FILE"),
        (["CLIP", "--part", "vae="], "--part takes PART=FILE"),
        (["CLIP", "--model", "ac_foley", "--part", "nose=REF"], "There is no part 'nose'"),
        (["CLIP", "--model", "ac_foley", "--part", "vae=nowhere.pth"], "no weights file"),
        (["CLIP", "--model", "ac_foley", "--part", "vae=VAE16"], "use mmaudio_vae_44k"),
        (["CLIP", "--model", "ac_foley", "--part", "generator=MMAUDIO"], "not of AC-Foley"),
        (["CLIP", "--model", "foleygenex", "--part", "generator=MMAUDIO"], "not of FoleyGenEx"),
        (["CLIP", "--model", "ac_foley", "--precision", "float16"], "bfloat16 or float32"),
        (["CLIP", "--precision", "bfloat16"], "in float32"),
        (["CLIP", "--loudness", "1"], "-70 to 0 LUFS"),
        (["CLIP", "--loudness", "nan"], "-70 to 0 LUFS"),
        (["CLIP", "--loudness", "quiet"], "or off, not quiet"),
        (["CLIP", "--compile"], "gains nothing from compiling"),
        (["CLIP", "--mix", "0"], "a sound file holds the new sound alone"),
        (["PICTURE"], "nothing moves in it"),
        (["PICTURE", "--model", "ac_foley", "--start", "1"], "A picture alone"),
        (["PICTURE", "--plot", "plot.png"], "A picture alone"),
        (["--mix", "0"], "Words alone"),
        (["--start", "1"], "Words alone"),
        (["--prompt", "rain", "--seconds", "0"], "longer than 0 s"),
        (["--prompt", "rain", "--seconds", "nan"], "a number of seconds"),
        (["CLIP", "--takes", "4", "--keep", "2"], "add --rank"),
        (["CLIP", "--takes", "4", "--rank", "--keep", "5"], "1 to 4, the number of takes"),
        (["CLIP", "--rank", "--keep", "0"], "1 to 1, the number of takes"),
        (["CLIP", "--variation", "0.2"], "name that one with --like"),
        (["CLIP", "--like", "0"], "1 to 64"),
        (["CLIP", "--like", "2", "--variation", "1.5"], "0 to 1"),
    ],
)
def test_bad_values_are_one_sentence(files, clip, found, tmp_path, capsys, arguments, says):
    names = {"CLIP": clip, "REF": files / "reference.wav", "PICTURE": files / "picture.mp4"}
    names |= {
        "VAE16": found / "mmaudio_vae_16k.safetensors",
        "MMAUDIO": found / "mmaudio_large_44k.pth",
    }
    filled = []
    for argument in arguments:
        for name, path in names.items():
            if argument == name or argument.endswith(f"={name}"):
                argument = argument.replace(name, str(path))
        filled.append(argument)
    assert main(["generate", *filled, "-o", str(tmp_path / "take.wav"), "--steps", "1"]) == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert len(error) == 1 and error[0].startswith("foleystage: ") and says in error[0]
    assert not [path for path in tmp_path.iterdir() if path.is_file()]


@pytest.mark.parametrize("source", ["PICTURE", None])
def test_a_source_that_does_not_move_cannot_become_a_video(files, tmp_path, capsys, source):
    given = [] if source is None else [str(files / "picture.mp4")]
    assert main(["generate", *given, "-o", str(tmp_path / "take.mp4")]) == 2
    assert ".wav or .flac" in capsys.readouterr().err


@pytest.mark.parametrize(
    "wrong",
    [
        ["--timing", "late"],
        ["--long", "loops"],
        ["--precision", "int4"],
        ["--reference-windows", "many"],
    ],
)
def test_values_that_are_not_offered_end_with_status_2(clip, wrong, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["generate", str(clip), "-o", "take.wav", *wrong])
    assert ended.value.code == 2 and wrong[0] in capsys.readouterr().err


def test_help_names_every_option_with_its_default(capsys):
    with pytest.raises(SystemExit):
        main(["generate", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    for words in (
        "what it sounds like:",
        "the nearest (default)",
        "(default: the system's own)",
        "(default: ac_foley_mini)",
        "PART=FILE",
    ):
        assert words in text

"""`foleystage augment` as a person types it."""

from __future__ import annotations

import re

import pytest
import torch
from foleystage.cli import main
from foleystage.core.media import write_audio
from foleystage.core.training.adverbs import AXES, MOST_WORDS

RATE = 8000


@pytest.fixture
def arguments(tmp_path):
    (tmp_path / "sounds").mkdir()
    sound = torch.sin(torch.arange(RATE) / 3)[None] * 0.5
    write_audio(tmp_path / "sounds" / "a.wav", sound, RATE)
    (tmp_path / "c.csv").write_text("file,caption\na.wav,A loud and fast hum\n", "utf-8")
    folder, csv, out = (str(tmp_path / name) for name in ("sounds", "c.csv", "out"))
    return ["augment", folder, "--csv", csv, "-o", out]


def test_it_writes_sounds_and_a_table_and_says_how_many(arguments, tmp_path, capsys):
    assert main([*arguments, "--axes", "speed", "volume"]) == 0
    shown = capsys.readouterr().out
    assert "captions.csv: 5 captions of 5 sounds" in shown
    assert len(list((tmp_path / "out").glob("*.flac"))) == 5
    assert main([*arguments, "--axes", "speed", "volume"]) == 0
    assert "there already: 5" in capsys.readouterr().out


def test_new_captions_and_the_seed_are_handed_on(arguments, tmp_path, capsys):
    new = tmp_path / "new.csv"
    new.write_text("source,operation,caption\na.wav,very_fast,A hum in a hurry\n", "utf-8")
    more = ["--captions", str(new), "--axes", "speed", "--seed", "4"]
    assert main([*arguments, *more]) == 0
    assert "from the file: 1, by template: 1" in capsys.readouterr().out
    assert "A hum in a hurry" in (tmp_path / "out" / "captions.csv").read_text("utf-8")
    assert '"seed": 4' in (tmp_path / "out" / "augment.json").read_text("utf-8")


def test_what_cannot_be_is_one_sentence(arguments, tmp_path, capsys):
    (tmp_path / "c.csv").write_text("file,caption\na.wav,A hum\n", "utf-8")
    assert main(arguments) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("foleystage: None of the 1 captions")


def test_stopping_says_that_the_same_command_goes_on(arguments, monkeypatch, capsys):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("foleystage.core.training.augment.augment_folder", stop)
    assert main(arguments) == 130
    assert "what is finished is kept" in capsys.readouterr().err


def test_help_names_the_axes_and_the_longest_caption(capsys):
    with pytest.raises(SystemExit):
        main(["augment", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert re.search(r"--axes \{(.*?)\}", text).group(1).split(",") == list(AXES)
    assert f"at most {MOST_WORDS} words" in text

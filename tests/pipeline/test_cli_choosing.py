"""`foleystage generate`: takes with their ranks, and more like one of them."""

from __future__ import annotations

import re

import pytest
import torch
from foleystage.cli import main
from foleystage.core.media import read_audio

QUICK = ["--steps", "4", "--seconds", "1.92", "--seed", "3", "--loudness", "off"]


def generated(folder, capsys, *arguments):
    """What is printed, line by line, and the takes by their numbers."""
    for path in folder.glob("take*.wav"):
        path.unlink()
    given = [*map(str, arguments), *QUICK, "-o", str(folder / "take.wav")]
    assert main(["generate", *given]) == 0
    takes = {path.stem[5:]: read_audio(path)[0] for path in folder.glob("take*.wav")}
    return capsys.readouterr().out.splitlines(), takes


def test_ranked_files_keep_the_numbers_of_their_takes(clip, tmp_path, capsys):
    plain, unranked = generated(tmp_path, capsys, clip, "--takes", 3)
    lines, takes = generated(tmp_path, capsys, clip, "--takes", 3, "--rank")
    assert takes.keys() == {"1", "2", "3"}
    assert all(torch.equal(takes[number], unranked[number]) for number in takes)
    said = r"take_(\d)\.wav  \(1\.92 s, -\d+\.\d LUFS\)  .*(\d hits?|no hit).*; .*"
    numbers = [re.search(said, line)[1] for line in lines]
    assert sorted(numbers) == ["1", "2", "3"]
    assert [line.split("  ")[-1] for line in plain] == [
        re.search(r"\(.*?\)", line)[0] for line in sorted(lines)
    ]


def test_only_the_best_are_kept(clip, tmp_path, capsys):
    lines, _ = generated(tmp_path, capsys, clip, "--takes", 3, "--rank")
    kept, takes = generated(tmp_path, capsys, clip, "--takes", 3, "--rank", "--keep", 2)
    assert kept == lines[:2]
    assert takes.keys() == {re.search(r"take_(\d)", line)[1] for line in kept}


def test_words_alone_are_ranked_without_a_picture(tmp_path, capsys):
    lines, _ = generated(tmp_path, capsys, "--prompt", "metal hit", "--takes", 2, "--rank")
    assert not any("hits" in line for line in lines)
    assert all(re.search(r"LUFS\)  (level even|\d+ LU|silent)", line) for line in lines)


@pytest.mark.slow
def test_an_encoder_that_tells_no_hits_is_helped_by_the_bundled_one(clip, tmp_path, capsys, found):
    given = ["--model", "mmaudio_small_16k", "--takes", 2, "--rank"]
    lines, _ = generated(tmp_path, capsys, clip, *given)
    assert all("hit" in line for line in lines)


def test_takes_like_one_are_near_it(clip, tmp_path, capsys):
    _, three = generated(tmp_path, capsys, clip, "--takes", 3)
    same = generated(tmp_path, capsys, clip, "--takes", 3, "--like", 3, "--variation", 0)[1]
    assert all(torch.equal(take, three["3"]) for take in same.values())
    near = generated(tmp_path, capsys, clip, "--takes", 3, "--like", 3)[1]
    usual = generated(tmp_path, capsys, clip, "--takes", 3, "--like", 3, "--variation", 0.3)[1]
    assert all(torch.equal(near[number], usual[number]) for number in near)
    assert not any(torch.equal(take, three["3"]) for take in near.values())

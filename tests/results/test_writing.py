"""What is written of a take."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from foleystage.core.errors import FoleyError
from foleystage.core.media import encode_frames, probe, read_audio
from foleystage.core.request import Takes
from foleystage.core.results.writing import write_take


def one_take() -> Takes:
    """A take of half a second whose network made a little more."""
    return Takes(torch.full((1, 1, 9000), 0.25), 16000, 0.25, 0.5, None, (-20.0,))


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    encode_frames(torch.rand(25, 32, 32, 3), 25.0, path)
    return path


def test_a_sound_file_holds_the_take_alone(clip, tmp_path):
    write_take(None, one_take(), 0, tmp_path / "take.wav")
    sound, rate = read_audio(tmp_path / "take.wav")
    assert (sound.shape, rate) == ((1, 8000), 16000)


def test_a_video_has_the_take_at_its_place(clip, tmp_path):
    write_take(clip, one_take(), 0, tmp_path / "take.mkv")
    sound, rate = read_audio(tmp_path / "take.mkv")
    assert probe(tmp_path / "take.mkv").seconds == pytest.approx(1.0)
    assert float(sound[:, : round(0.24 * rate)].abs().max()) == 0.0
    assert float(sound[:, round(0.26 * rate) : round(0.74 * rate)].min()) > 0.2


@pytest.mark.parametrize(
    ("name", "source", "mix", "says"),
    [
        ("take.wav", True, -6.0, "holds the new sound alone"),
        ("take.mp4", False, None, "no picture"),
    ],
)
def test_what_a_file_cannot_hold_is_refused(clip, tmp_path, name, source, mix, says):
    with pytest.raises(FoleyError, match=says):
        write_take(clip if source else None, one_take(), 0, tmp_path / name, mix)
    assert not list(tmp_path.iterdir())

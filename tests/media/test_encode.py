from __future__ import annotations

import math
from fractions import Fraction

import av
import pytest
import torch
from foleystage.core.errors import Cancelled, FoleyError
from foleystage.core.media import FrameRequest, encode_frames, probe, read_audio, read_frames


def pictures(media, count: int, width: int = 64, height: int = 48) -> torch.Tensor:
    return torch.stack([torch.from_numpy(media.numbered(n, width, height)) for n in range(count)])


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "m4v"])
@pytest.mark.parametrize("fps", [12.0, 24000 / 1001, 60.0])
def test_frames_come_back_in_order_at_their_rate(tmp_path, media, suffix, fps):
    path = tmp_path / f"a.{suffix}"
    encode_frames(pictures(media, 30), fps, path)
    info = probe(path)
    assert info.fps == pytest.approx(fps, rel=2e-3)
    assert info.seconds == pytest.approx(30 / fps, abs=0.002)
    assert media.numbers(read_frames(path, {"a": FrameRequest(fps, 32)})["a"]) == list(range(30))


def test_an_iterator_and_a_float_batch_give_the_same_file(tmp_path, media):
    frames = pictures(media, 10)
    encode_frames(iter(frames), 25.0, tmp_path / "a.mp4")
    encode_frames(frames.float() / 255, 25.0, tmp_path / "b.mp4")
    encode_frames((f.numpy() for f in frames), 25.0, tmp_path / "c.mp4")
    first = media.packets(tmp_path / "a.mp4")
    assert media.packets(tmp_path / "b.mp4") == first
    assert media.packets(tmp_path / "c.mp4") == first


def test_colours_come_back_as_they_were(tmp_path):
    frames = torch.zeros(5, 64, 96, 3, dtype=torch.uint8)
    for column, colour in enumerate(([230, 30, 30], [30, 200, 40], [40, 50, 220])):
        frames[:, :, column * 32 : column * 32 + 32] = torch.tensor(colour, dtype=torch.uint8)
    encode_frames(frames, 25.0, tmp_path / "a.mp4", crf=5)
    got = read_frames(tmp_path / "a.mp4", {"a": FrameRequest(25.0, (64, 96))})["a"]
    middle = got[2, 20:40].float()
    for column in (16, 48, 80):
        want = frames[2, 30, column].float()
        assert (middle[:, column - 8 : column + 8].mean(dim=(0, 1)) - want).abs().max() < 5


def test_the_colour_matrix_is_said_in_the_file(tmp_path, media):
    encode_frames(pictures(media, 3), 25.0, tmp_path / "a.mp4")
    with av.open(str(tmp_path / "a.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert int(context.colorspace) == 1 and int(context.color_range) == 1


@pytest.mark.parametrize("size", [(63, 47), (1, 1), (64, 33)])
def test_odd_sides_gain_a_pixel(tmp_path, media, size):
    encode_frames(pictures(media, 4, *size), 25.0, tmp_path / "a.mp4")
    info = probe(tmp_path / "a.mp4")
    assert (info.width, info.height) == (size[0] + size[0] % 2, size[1] + size[1] % 2)


def test_a_sound_is_put_under_the_pictures(tmp_path, media):
    sound = media.click_track(5, 22050, 1.0)
    encode_frames(
        pictures(media, 50),
        25.0,
        tmp_path / "a.mp4",
        waveform=sound,
        sample_rate=22050,
        at=0.25,
        level_db=-6.0,
    )
    got, rate = read_audio(tmp_path / "a.mp4")
    assert abs(int(got.abs().argmax()) / rate - 1.25) < 0.001
    assert got.shape[1] / rate == pytest.approx(2.0, abs=0.001)
    assert float(got.abs().max()) == pytest.approx(0.35, rel=0.2)


@pytest.mark.parametrize(
    ("frames", "fps", "name", "sentence"),
    [
        (torch.zeros(0, 8, 8, 3), 25.0, "a.mp4", "no frame to encode"),
        (iter([]), 25.0, "a.mp4", "no frame to encode"),
        (torch.zeros(2, 8, 8), 25.0, "a.mp4", "must be \\[height, width, 3\\]"),
        (torch.full((2, 8, 8, 3), math.nan), 25.0, "a.mp4", "NaN"),
        (torch.zeros(2, 8, 8, 3), 0.0, "a.mp4", "rate of 0.1 to 1000 frames"),
        (torch.zeros(2, 8, 8, 3), 25.0, "a.webm", "must end in"),
        ([torch.zeros(8, 8, 3), torch.zeros(8, 10, 3)], 25.0, "a.mp4", "of one size"),
    ],
)
def test_what_cannot_be_encoded_is_refused_and_leaves_nothing(
    tmp_path, frames, fps, name, sentence
):
    with pytest.raises(FoleyError, match=sentence):
        encode_frames(frames, fps, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_cancelling_leaves_nothing(tmp_path, media):
    calls = []
    with pytest.raises(Cancelled):
        encode_frames(
            pictures(media, 30),
            25.0,
            tmp_path / "a.mp4",
            cancelled=lambda: calls.append(1) or len(calls) > 5,
        )
    assert list(tmp_path.iterdir()) == []


def test_the_rate_is_kept_as_a_fraction(tmp_path, media):
    encode_frames(pictures(media, 5), float(Fraction(30000, 1001)), tmp_path / "a.mp4")
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert container.streams.video[0].average_rate == Fraction(30000, 1001)

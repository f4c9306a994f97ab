"""Parts of a sound in tracks of their own."""

from __future__ import annotations

import av
import pytest
import torch
from foleystage.core.errors import FoleyError
from foleystage.core.media import ImageFrames, mux

RATE = 32000


def tone(hertz: float, channels: int = 1) -> torch.Tensor:
    time = torch.arange(RATE) / RATE
    return (0.2 * torch.sin(2 * torch.pi * hertz * time)).expand(channels, -1)


@pytest.fixture
def video(tmp_path):
    path = tmp_path / "picture.mp4"
    mux(ImageFrames(torch.zeros(25, 48, 64, 3), 25.0), torch.zeros(1, RATE), RATE, path)
    return path


def tracks(path) -> dict[str, tuple[int, float]]:
    """By title the channels of a track, and its loudest frequency."""
    found = {}
    with av.open(str(path)) as file:
        for stream in file.streams.audio:
            file.seek(0)
            frames = [frame for frame in file.decode(stream)]
            sound = torch.cat(
                [torch.from_numpy(f.to_ndarray()).float().reshape(-1) for f in frames]
            )
            channels = stream.codec_context.layout.nb_channels
            if frames[0].format.is_packed:
                sound = sound[::channels]
            title = stream.metadata.get("title") or stream.metadata["handler_name"]
            power = torch.fft.rfft(sound[:RATE]).abs()
            found[title] = channels, float(power.argmax()) * RATE / min(len(sound), RATE)
    return found


@pytest.mark.parametrize("picture", ["copy", "h264"])
@pytest.mark.parametrize("suffix", [".mkv", ".mov"])
def test_stems_follow_the_mix(video, tmp_path, suffix, picture):
    path = tmp_path / f"stems{suffix}"
    stems = {"low": tone(440), "high": tone(880, 2)}
    mux(video, tone(440) + tone(880), RATE, path, stems=stems, picture=picture)
    found = tracks(path)
    assert list(found) == ["mix", "low", "high"]
    assert found["low"] == (1, pytest.approx(440, abs=3))
    assert found["high"][0] == 2


def test_without_stems_a_track_has_no_title(video, tmp_path):
    mux(video, tone(440), RATE, tmp_path / "plain.mkv")
    with av.open(str(tmp_path / "plain.mkv")) as file:
        assert "title" not in file.streams.audio[0].metadata


@pytest.mark.parametrize(
    ("stems", "name", "message"),
    [
        ({"a": tone(440)}, "stems.mp4", "which .mkv and .mov files hold"),
        ({"mix": tone(440)}, "stems.mkv", "none of them called mix"),
        ({str(k): tone(440) for k in range(17)}, "stems.mkv", "up to 16 stems"),
        ({"a": tone(440, 3)}, "stems.mkv", "more than two channels"),
    ],
)
def test_what_a_file_cannot_hold_is_refused(video, tmp_path, stems, name, message):
    with pytest.raises(FoleyError, match=message):
        mux(video, tone(440), RATE, tmp_path / name, stems=stems)
    assert not (tmp_path / name).exists()

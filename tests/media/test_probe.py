from __future__ import annotations

import io
from fractions import Fraction

import pytest
import torch
from foleystage.core.errors import FoleyError
from foleystage.core.media import ImageFrames, mux, probe, read_audio, read_frames
from foleystage.core.media.frames import FrameRequest

SENTENCES = {
    "missing": "There is no file",
    "directory": r"is a folder: give the video or sound file inside it\.$",
    "empty": "is empty",
    "truncated": "is cut off or damaged",
    "garbage": "is not a video or sound file",
    "text": "is not a video or sound file",
    "audio_only": "holds sound but no picture",
}


def test_a_clip_is_described_by_its_header_and_first_picture(clip):
    info = probe(clip)
    assert info.seconds == pytest.approx(2.0)
    assert info.fps == pytest.approx(25.0)
    assert (info.width, info.height, info.rotation) == (64, 48, 0)
    assert info.has_audio and info.audio_rate == 44100


def test_a_silent_clip_has_no_audio_rate(tmp_path, media):
    info = probe(media.make_clip(tmp_path / "a.mp4", count=5))
    assert not info.has_audio and info.audio_rate is None


@pytest.mark.parametrize(
    ("degrees", "size"), [(0, (64, 48)), (90, (48, 64)), (180, (64, 48)), (270, (48, 64))]
)
def test_width_and_height_are_those_after_rotation(tmp_path, media, degrees, size):
    info = probe(media.make_clip(tmp_path / "a.mp4", count=3, rotation=(degrees, False)))
    assert (info.width, info.height) == size
    assert info.rotation == degrees


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "avi", "ts", "webm"])
def test_length_and_rate_agree_between_containers(tmp_path, media, suffix):
    codec = "libvpx" if suffix == "webm" else "libx264"
    path = media.make_clip(tmp_path / f"a.{suffix}", codec=codec, b_frames=0)
    info = probe(path)
    assert info.seconds == pytest.approx(2.0, abs=0.041)
    assert info.fps == pytest.approx(25.0, rel=0.01)


def test_film_rate_is_not_rounded(tmp_path, media):
    path = media.make_clip(tmp_path / "a.mp4", fps=Fraction(24000, 1001))
    assert probe(path).fps == pytest.approx(24000 / 1001, abs=1e-3)


def test_a_file_without_a_stated_length_is_measured(tmp_path, media):
    path = media.make_clip(tmp_path / "a.h264", form="h264", b_frames=0)
    assert probe(path).seconds == pytest.approx(2.0, abs=0.1)


def test_a_file_like_object_is_rewound_and_stays_open(clip):
    file = io.BytesIO(clip.read_bytes())
    file.seek(100)
    assert probe(file).seconds == pytest.approx(2.0)
    assert probe(file).seconds == pytest.approx(2.0)
    assert not file.closed


def test_an_image_batch_is_as_long_as_its_frames():
    info = probe(ImageFrames(torch.zeros(12, 20, 30, 3), 24))
    assert (info.seconds, info.fps, info.width, info.height) == (0.5, 24, 30, 20)
    assert not info.has_audio


@pytest.mark.parametrize("what", SENTENCES)
def test_each_unusable_file_is_refused_by_its_own_sentence(bad_files, tmp_path, what):
    path = bad_files[what]
    calls = (
        lambda: probe(path),
        lambda: read_frames(path, {"a": FrameRequest(25, 32)}),
        lambda: mux(path, torch.zeros(1, 100), 44100, tmp_path / "out.mp4"),
    )
    for call in calls:
        with pytest.raises(FoleyError, match=SENTENCES[what]) as caught:
            call()
        assert str(caught.value).endswith(".") and "\n" not in str(caught.value)
    assert not (tmp_path / "out.mp4").exists()


@pytest.mark.parametrize("what", [w for w in SENTENCES if w != "audio_only"])
def test_unusable_sound_files_are_refused_by_the_same_sentences(bad_files, what):
    with pytest.raises(FoleyError, match=SENTENCES[what]):
        read_audio(bad_files[what])


def test_an_empty_or_textual_file_object_is_refused():
    with pytest.raises(FoleyError, match="is empty"):
        probe(io.BytesIO())
    with pytest.raises(FoleyError, match="binary mode"):
        probe(io.StringIO("words"))
    with pytest.raises(FoleyError, match="must be a path"):
        probe(42)


def test_a_song_with_a_cover_is_no_video(tmp_path, media):
    path = tmp_path / "song.mkv"
    media.make_clip(path, count=1, codec="mjpeg", sound=media.click_track(1, 44100, 0.5))
    cover = tmp_path / "song.mp4"
    _with_cover(path, cover)
    with pytest.raises(FoleyError, match="holds sound but no picture"):
        probe(cover)
    waveform, rate = read_audio(cover)
    assert waveform.shape[1] == pytest.approx(44100, abs=2100) and rate == 44100


def _with_cover(source, target):
    import av

    with av.open(str(source)) as media, av.open(str(target), "w") as out:
        streams = {s: out.add_stream_from_template(s) for s in media.streams}
        streams[media.streams.video[0]].disposition = av.stream.Disposition.attached_pic
        for packet in media.demux():
            if packet.size:
                packet.stream = streams[packet.stream]
                out.mux(packet)


def test_an_image_batch_must_have_frames_of_three_channels_and_a_rate():
    for images, fps in ((torch.zeros(0, 4, 4, 3), 24), (torch.zeros(3, 4, 4), 24)):
        with pytest.raises(FoleyError, match="image batch must be"):
            ImageFrames(images, fps)
    with pytest.raises(FoleyError, match="rate of 0.1 to 1000 frames"):
        ImageFrames(torch.zeros(1, 4, 4, 3), 0.0)

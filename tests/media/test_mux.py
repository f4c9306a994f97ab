from __future__ import annotations

import errno
import io
import logging
import math
from fractions import Fraction

import av
import numpy as np
import pytest
import torch
from foleystage.core import leftovers
from foleystage.core.errors import Cancelled, FoleyError
from foleystage.core.media import (
    FrameRequest,
    ImageFrames,
    files,
    mux,
    probe,
    read_audio,
    read_frames,
)

RATE = 44100
PICTURES = {"mp4": "libx264", "mov": "libx264", "mkv": "libx264", "webm": "libvpx"}


def tone(seconds: float, hertz: float, rate: int = RATE, channels: int = 1) -> torch.Tensor:
    time = torch.arange(round(seconds * rate)) / rate
    return (0.2 * torch.sin(2 * math.pi * hertz * time)).expand(channels, -1).contiguous()


def level(sound: torch.Tensor, rate: int, hertz: float) -> float:
    """Amplitude of a sine of `hertz` in the middle of `sound`."""
    middle = sound[0, len(sound[0]) // 4 : -len(sound[0]) // 4].double()
    time = torch.arange(len(middle), dtype=torch.float64) / rate
    turn = torch.exp(-2j * math.pi * hertz * time)
    return float(2 * (middle * turn).mean().abs())


def peak_time(path) -> float:
    sound, rate = read_audio(path)
    return int(sound[0].abs().argmax()) / rate


@pytest.mark.parametrize("suffix", PICTURES)
@pytest.mark.parametrize("fps", [25, Fraction(24000, 1001)], ids=["25", "23.976"])
def test_the_picture_is_copied_packet_for_packet(tmp_path, media, suffix, fps):
    source = media.make_clip(
        tmp_path / f"a.{suffix}", codec=PICTURES[suffix], fps=fps, b_frames=3, count=60
    )
    output = tmp_path / f"b.{suffix}"
    mux(source, media.click_track(3, RATE, 1.0), RATE, output)
    assert media.packets(output) == media.packets(source)


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_irregular_and_shifted_time_stamps_are_copied(tmp_path, media, suffix):
    times = [0.5 + n / 25 + 0.01 * (n % 3) for n in range(40)]
    source = media.make_clip(tmp_path / f"a.{suffix}", times=times, count=40, b_frames=0)
    mux(source, media.click_track(1, RATE, 0.5), RATE, tmp_path / f"b.{suffix}")
    assert media.packets(tmp_path / f"b.{suffix}") == media.packets(source)
    sound, rate = read_audio(tmp_path / f"b.{suffix}")
    assert abs(int(sound.argmax()) / rate - 0.5) < 0.001


def test_pictures_hidden_by_an_edit_list_stay_hidden(tmp_path, media):
    times = [n / 25 - 0.4 for n in range(50)]
    source = media.make_clip(tmp_path / "a.mp4", times=times, b_frames=0, gop=50)
    mux(source, media.click_track(1, RATE, 0.5), RATE, tmp_path / "b.mp4")
    request = {"a": FrameRequest(25.0, 32)}
    before, after = (read_frames(tmp_path / f"{x}.mp4", request)["a"] for x in "ab")
    assert torch.equal(before, after)
    assert abs(peak_time(tmp_path / "b.mp4") - 0.5) < 0.001


@pytest.mark.parametrize("suffix", PICTURES)
@pytest.mark.parametrize("rate", [22050, 44100, 48000])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_click_comes_within_a_millisecond_of_its_place(tmp_path, media, suffix, rate, channels):
    source = media.make_clip(tmp_path / f"a.{suffix}", codec=PICTURES[suffix], count=50)
    mux(source, media.click_track(2, rate, 1.0, channels), rate, tmp_path / f"b.{suffix}")
    assert abs(peak_time(tmp_path / f"b.{suffix}") - 1.0) < 0.001
    assert probe(tmp_path / f"b.{suffix}").has_audio


@pytest.mark.parametrize(("at", "want"), [(0.25, 1.25), (-0.25, 0.75), (0.9996, 1.9996)])
def test_the_sound_starts_at_the_given_place(tmp_path, media, at, want):
    source = media.make_clip(tmp_path / "a.mp4", count=75)
    mux(source, media.click_track(1.1, RATE, 1.0), RATE, tmp_path / "b.mp4", at=at)
    assert abs(peak_time(tmp_path / "b.mp4") - want) < 0.001


@pytest.mark.parametrize("suffix", PICTURES)
@pytest.mark.parametrize("seconds", [0.3, 9.0])
def test_the_sound_is_as_long_as_the_picture(tmp_path, media, suffix, seconds):
    source = media.make_clip(tmp_path / f"a.{suffix}", codec=PICTURES[suffix], count=53)
    mux(source, tone(seconds, 440.0), RATE, tmp_path / f"b.{suffix}")
    sound, rate = read_audio(tmp_path / f"b.{suffix}")
    assert sound.shape[1] / rate == pytest.approx(53 / 25, abs=0.001)
    if seconds < 1:
        assert sound[:, rate:].abs().max() < 1e-3


def test_the_new_sound_replaces_the_old(clip, tmp_path):
    mux(clip, tone(2, 440.0), RATE, tmp_path / "b.mp4")
    sound, rate = read_audio(tmp_path / "b.mp4")
    assert level(sound, rate, 440.0) == pytest.approx(0.2, rel=0.05)
    assert sound.abs().max() < 0.4  # the old click had 0.7
    with av.open(str(tmp_path / "b.mp4")) as container:
        assert len(container.streams.audio) == 1


@pytest.mark.parametrize("source_rate", [44100, 48000, 32000])
def test_the_original_is_mixed_in_at_its_gain(tmp_path, media, source_rate):
    source = media.make_clip(
        tmp_path / "a.mp4",
        count=200,
        sound=tone(8, 1000.0, source_rate, channels=2),
        sound_rate=source_rate,
    )
    mux(source, tone(8, 440.0), RATE, tmp_path / "b.mp4", original_db=-6.0, level_db=-12.0)
    sound, rate = read_audio(tmp_path / "b.mp4")
    assert rate == max(RATE, source_rate) and sound.shape[0] == 2
    assert level(sound, rate, 440.0) == pytest.approx(0.2 * 10 ** (-12 / 20), rel=0.05)
    assert level(sound, rate, 1000.0) == pytest.approx(0.2 * 10 ** (-6 / 20), rel=0.05)


def test_the_mix_keeps_both_sounds_in_their_places(tmp_path, media):
    source = media.make_clip(tmp_path / "a.mp4", count=150, sound=media.click_track(6, RATE, 4.5))
    new = media.click_track(2, RATE, 1.0)
    mux(source, new, RATE, tmp_path / "b.mp4", original_db=0.0, at=0.5)
    sound, rate = read_audio(tmp_path / "b.mp4")
    for want in (1.5, 4.5):
        part = sound[0, round((want - 0.5) * rate) : round((want + 0.5) * rate)]
        assert abs(int(part.abs().argmax()) / rate - 0.5) < 0.001


def test_a_mix_that_would_clip_is_held_below_full_scale(tmp_path, media):
    source = media.make_clip(tmp_path / "a.mkv", count=50, sound=tone(2, 200.0) * 4)
    mux(source, tone(2, 300.0) * 4, RATE, tmp_path / "b.mkv", original_db=0.0)
    sound, _ = read_audio(tmp_path / "b.mkv")
    assert 0.9 < sound.abs().max() <= 0.981


def test_mixing_without_an_original_sound_is_refused(tmp_path, media):
    source = media.make_clip(tmp_path / "a.mp4", count=5)
    with pytest.raises(FoleyError, match="has no sound track to mix with"):
        mux(source, tone(1, 440.0), RATE, tmp_path / "b.mp4", original_db=0.0)
    images = ImageFrames(torch.zeros(3, 16, 16, 3), 25.0)
    with pytest.raises(FoleyError, match="no sound to mix with"):
        mux(images, tone(1, 440.0), RATE, tmp_path / "b.mp4", original_db=0.0)
    assert not (tmp_path / "b.mp4").exists()


def test_rotation_metadata_and_subtitles_are_kept(tmp_path, media):
    source = media.make_clip(
        tmp_path / "a.mp4",
        count=25,
        rotation=(90, False),
        metadata={"title": "A hammer", "workflow": '{"nodes": []}'},
        options={"movflags": "use_metadata_tags"},
        pixel_aspect=2,
    )
    for suffix in ("mp4", "mov", "mkv"):
        mux(source, tone(1, 440.0), RATE, tmp_path / f"b.{suffix}")
        before, after = probe(source), probe(tmp_path / f"b.{suffix}")
        assert (after.rotation, after.width, after.height) == (90, before.width, before.height)
        with av.open(str(tmp_path / f"b.{suffix}")) as container:
            tags = {key.lower(): value for key, value in container.metadata.items()}
        assert tags["title"] == "A hammer" and tags["workflow"] == '{"nodes": []}'


def test_subtitles_are_kept(tmp_path, media):
    script = tmp_path / "a.srt"
    script.write_text("1\n00:00:00,500 --> 00:00:01,000\nBang!\n\n")
    clip = media.make_clip(tmp_path / "a.mkv", count=50)
    source = tmp_path / "with.mkv"
    with av.open(str(clip)) as picture, av.open(str(script)) as words:
        with av.open(str(source), "w") as out:
            pairs = {}
            for container in (picture, words):
                for stream in container.streams:
                    pairs[stream] = out.add_stream_from_template(stream)
            for container in (words, picture):
                for packet in container.demux():
                    if packet.size:
                        packet.stream = pairs[packet.stream]
                        out.mux(packet)
    mux(source, tone(2, 440.0), RATE, tmp_path / "b.mkv")
    with av.open(str(tmp_path / "b.mkv")) as container:
        texts = [bytes(p) for p in container.demux(subtitles=0) if p.size]
    assert texts == [b"Bang!"]


def test_another_container_takes_the_same_picture(tmp_path, media):
    source = media.make_clip(tmp_path / "a.mkv", count=50, b_frames=2)
    mux(source, media.click_track(2, RATE, 1.0), RATE, tmp_path / "b.mp4")
    request = {"a": FrameRequest(25.0, 32)}
    before, after = (read_frames(tmp_path / n, request)["a"] for n in ("a.mkv", "b.mp4"))
    assert torch.equal(before, after)
    assert abs(peak_time(tmp_path / "b.mp4") - 1.0) < 0.001


@pytest.mark.parametrize(("codec", "suffix"), [("libx264", "webm"), ("libvpx", "mp4")])
def test_a_picture_that_the_container_cannot_hold_is_refused(tmp_path, media, codec, suffix):
    source = media.make_clip(tmp_path / "a.mkv", count=5, codec=codec)
    with pytest.raises(FoleyError, match=rf"cannot be stored in a \.{suffix} file"):
        mux(source, tone(1, 440.0), RATE, tmp_path / f"b.{suffix}")
    assert [p.name for p in tmp_path.iterdir()] == ["a.mkv"]


def test_pictures_without_time_stamps_are_refused(tmp_path, media):
    source = media.make_clip(tmp_path / "a.avi", count=20, b_frames=2)
    with pytest.raises(FoleyError, match="does not say when its pictures are shown"):
        mux(source, tone(1, 440.0), RATE, tmp_path / "b.mp4")


@pytest.mark.parametrize("suffix", ["ts", "flv"])
def test_a_picture_that_does_not_start_at_zero_keeps_its_sound_in_step(tmp_path, media, suffix):
    source = media.make_clip(tmp_path / f"a.{suffix}", count=50)
    for output in ("b.mp4", "b.mkv"):
        mux(source, media.click_track(2, RATE, 1.0), RATE, tmp_path / output)
        assert abs(peak_time(tmp_path / output) - 1.0) < 0.001


def test_the_codec_tag_of_an_iphone_video_is_kept(tmp_path, media):
    plain = media.make_clip(tmp_path / "a.mp4", count=5, codec="libx265")
    source = tmp_path / "tagged.mp4"
    with av.open(str(plain)) as read, av.open(str(source), "w") as out:
        stream = out.add_stream_from_template(read.streams.video[0], opaque=True)
        stream.codec_context.codec_tag = "hvc1"
        for packet in read.demux(video=0):
            if packet.size:
                packet.stream = stream
                out.mux(packet)
    mux(source, tone(1, 440.0), RATE, tmp_path / "b.mov")
    with av.open(str(tmp_path / "b.mov")) as container:
        assert container.streams.video[0].codec_context.codec_tag == "hvc1"


@pytest.mark.parametrize("name", ["b.gif", "b", "b.wav"])
def test_unknown_suffixes_are_refused_with_the_known_ones(clip, tmp_path, name):
    with pytest.raises(FoleyError, match=r"must end in \.mp4, \.m4v, \.mov, \.mkv, \.webm"):
        mux(clip, tone(1, 440.0), RATE, tmp_path / name)


def test_the_source_is_never_overwritten(clip, tmp_path):
    before = clip.read_bytes()
    link = tmp_path / "link.mp4"
    link.symlink_to(clip)
    for output in (clip, link):
        with pytest.raises(FoleyError, match="is the source itself"):
            mux(clip, tone(1, 440.0), RATE, output)
    with open(clip, "rb") as file, pytest.raises(FoleyError, match="is the source itself"):
        mux(file, tone(1, 440.0), RATE, clip)
    assert clip.read_bytes() == before


@pytest.mark.parametrize(
    ("sound", "sentence"),
    [
        (torch.zeros(1, 0), "not empty"),
        (torch.zeros(100), "channels, samples"),
        (torch.full((1, 100), math.nan), "NaN"),
        (torch.zeros(5, 100), "5 channels"),
    ],
)
def test_unusable_sounds_are_refused(clip, tmp_path, sound, sentence):
    with pytest.raises(FoleyError, match=sentence):
        mux(clip, sound, RATE, tmp_path / "b.mp4")


@pytest.mark.parametrize("value", [math.nan, math.inf, 7000.0])
@pytest.mark.parametrize("what", ["at", "level_db", "original_db"])
def test_places_and_levels_must_be_numbers_within_reach(clip, tmp_path, what, value):
    if what == "at" and value == 7000:
        return
    with pytest.raises(FoleyError, match="must be a number|must be -120 to 24 dB"):
        mux(clip, tone(1, 440.0), RATE, tmp_path / "b.mp4", **{what: value})


def test_cancelling_leaves_nothing_and_keeps_the_older_file(clip, tmp_path):
    output = tmp_path / "b.mp4"
    output.write_bytes(b"older")
    calls = []
    with pytest.raises(Cancelled):
        mux(
            clip,
            tone(2, 440.0),
            RATE,
            output,
            cancelled=lambda: calls.append(1) or len(calls) > 20,
        )
    assert output.read_bytes() == b"older"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b.mp4", "clip.mp4"]


def test_an_interrupt_leaves_nothing(clip, tmp_path):
    def interrupt(step, total):
        if step > 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        mux(clip, tone(2, 440.0), RATE, tmp_path / "b.mp4", progress=interrupt)
    assert [p.name for p in tmp_path.iterdir()] == ["clip.mp4"]


@pytest.mark.parametrize("room", [0, 3000, 20000])
@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_a_full_disk_is_said_and_leaves_nothing(clip, tmp_path, monkeypatch, capfd, room, suffix):
    class Full(io.FileIO):
        def write(self, data):
            if self.tell() + len(data) > room:
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().write(data)

    monkeypatch.setattr(
        leftovers, "open", lambda path, mode: io.BufferedWriter(Full(path, mode)), raising=False
    )
    noise = torch.rand(1, 2 * RATE, generator=torch.Generator().manual_seed(0)) - 0.5
    with pytest.raises(FoleyError, match="The disk is full"):
        mux(clip, noise, RATE, tmp_path / f"b.{suffix}")
    assert [p.name for p in tmp_path.iterdir()] == ["clip.mp4"]
    assert capfd.readouterr().err == ""


def test_missing_and_unwritable_folders_are_refused(clip, tmp_path, monkeypatch):
    with pytest.raises(FoleyError, match="There is no folder"):
        mux(clip, tone(1, 440.0), RATE, tmp_path / "no" / "b.mp4")
    with pytest.raises(FoleyError, match="is a folder"):
        (tmp_path / "c.mp4").mkdir()
        mux(clip, tone(1, 440.0), RATE, tmp_path / "c.mp4")

    def deny(self, path):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(files.Sink, "__init__", deny)
    with pytest.raises(FoleyError, match="may not be written to"):
        mux(clip, tone(1, 440.0), RATE, tmp_path / "b.mp4")


def test_a_file_like_source_is_copied(clip, tmp_path, media):
    mux(io.BytesIO(clip.read_bytes()), tone(2, 440.0), RATE, tmp_path / "b.mp4", original_db=-3.0)
    assert media.packets(tmp_path / "b.mp4") == media.packets(clip)


def test_a_cut_off_source_is_copied_as_far_as_it_goes(tmp_path, media, caplog):
    source = media.make_clip(
        tmp_path / "a.mp4", count=100, b_frames=0, options={"movflags": "faststart"}
    )
    whole = source.read_bytes()
    source.write_bytes(whole[: len(whole) * 2 // 3])
    with caplog.at_level(logging.WARNING):
        mux(source, tone(4, 440.0), RATE, tmp_path / "b.mp4")
    info = probe(tmp_path / "b.mp4")
    sound, rate = read_audio(tmp_path / "b.mp4")
    assert 1.0 < info.seconds < 3.5
    assert sound.shape[1] / rate == pytest.approx(info.seconds, abs=0.002)


def test_an_image_batch_is_encoded_with_its_sound(tmp_path, media):
    images = torch.stack([torch.from_numpy(media.numbered(n)).float() / 255 for n in range(50)])
    mux(ImageFrames(images, 25.0), media.click_track(3, RATE, 1.0), RATE, tmp_path / "b.mp4")
    got = read_frames(tmp_path / "b.mp4", {"a": FrameRequest(25.0, 32)})["a"]
    assert media.numbers(got) == list(range(50))
    assert abs(peak_time(tmp_path / "b.mp4") - 1.0) < 0.001


def test_progress_counts_the_pictures(clip, tmp_path):
    steps = []
    mux(clip, tone(2, 440.0), RATE, tmp_path / "b.mp4", progress=lambda s, t: steps.append((s, t)))
    assert steps[-1] == (50, 50) and len(steps) >= 50


def test_the_waveform_is_not_changed(clip, tmp_path):
    sound = tone(2, 440.0) * 4
    before = sound.clone()
    mux(clip, sound, RATE, tmp_path / "b.mp4", level_db=6.0)
    assert torch.equal(sound, before)


def test_surround_originals_are_mixed_down(tmp_path, media):
    samples = (tone(2, 1000.0)[0] * 32767).to(torch.int16).numpy()
    packed = np.repeat(samples[:, None], 6, axis=1).reshape(1, -1)
    path = tmp_path / "a.mkv"
    source = media.write_samples(path, {0: packed}, "flac", "s16", "5.1", RATE, pictures=50)
    mux(source, tone(2, 440.0), RATE, tmp_path / "b.mp4", original_db=0.0)
    sound, rate = read_audio(tmp_path / "b.mp4")
    assert sound.shape[0] == 2 and level(sound, rate, 1000.0) > 0.05

from __future__ import annotations

import threading
import time

import av
import pytest
import torch
from foleystage.core.errors import Cancelled, FoleyError
from foleystage.core.media import (
    FrameRequest,
    ImageFrames,
    frames,
    preview,
    probe,
    read_frames,
    write_preview,
)
from foleystage.core.media.preview import preview_size


def numbers(media, path, fps=25.0):
    return media.numbers(read_frames(path, {"a": FrameRequest(fps, 32)})["a"])


def test_a_small_file_that_browsers_play_is_copied(tmp_path, media, clip):
    path = write_preview(clip, tmp_path / "p", start=0.0, seconds=2.0)
    assert path == tmp_path / "p.mp4"
    copied, own = media.packets(path), media.packets(clip)
    assert [p[0] for p in copied] == [p[0] for p in own]
    assert [p[1] for p in copied] == [p[1] for p in own]


def test_its_own_sound_stays_out(tmp_path, clip):
    path = write_preview(clip, tmp_path / "p", start=0.0, seconds=2.0)
    with av.open(str(path)) as container:
        loudest = max(abs(f.to_ndarray()).max() for f in container.decode(audio=0))
    assert loudest < 1e-4


def test_webm_stays_webm(tmp_path, media):
    source = media.make_clip(tmp_path / "a.webm", codec="libvpx-vp9")
    path = write_preview(source, tmp_path / "p", start=0.0, seconds=2.0)
    assert path.suffix == ".webm"
    assert [p[0] for p in media.packets(path)] == [p[0] for p in media.packets(source)]


@pytest.mark.parametrize(
    ("codec", "name", "size"),
    [
        ("mpeg4", "a.mp4", (64, 48)),
        ("mjpeg", "a.avi", (64, 48)),
        ("libx264", "a.ts", (64, 48)),
        ("libx264", "a.mp4", (1920, 1088)),
    ],
)
def test_what_browsers_do_not_play_or_is_large_is_encoded(tmp_path, media, codec, name, size):
    source = media.make_clip(tmp_path / name, codec=codec, size=size, count=30)
    path = write_preview(source, tmp_path / "p", start=0.0, seconds=2.0)
    info = probe(path)
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        assert (path.suffix, context.name, context.pix_fmt) == (".mp4", "h264", "yuv420p")
    assert (info.width, info.height) == (min(size[0], 904), min(size[1], 512))
    assert numbers(media, path) == list(range(30))


def test_a_window_begins_with_its_own_picture(tmp_path, media):
    source = media.make_clip(tmp_path / "a.mp4", count=200)
    path = write_preview(source, tmp_path / "p", start=3.0, seconds=2.0)
    assert numbers(media, path) == list(range(75, 125))


def test_a_window_past_the_end_is_cut(tmp_path, media, clip):
    path = write_preview(clip, tmp_path / "p", start=1.0, seconds=9.0)
    assert numbers(media, path) == list(range(25, 50))


def test_a_start_past_the_end_is_refused(tmp_path, clip):
    with pytest.raises(FoleyError, match="start earlier"):
        write_preview(clip, tmp_path / "p", start=2.5, seconds=1.0)
    assert not list(tmp_path.glob("p*"))


def test_an_image_batch_is_encoded(tmp_path, media):
    images = torch.stack([torch.from_numpy(media.numbered(n)) for n in range(40)]).float() / 255
    path = write_preview(ImageFrames(images, 12.5), tmp_path / "p", start=0.8, seconds=1.6)
    assert numbers(media, path, 12.5) == list(range(10, 30))


def test_fast_frames_are_thinned(tmp_path, media):
    source = media.make_clip(tmp_path / "a.mp4", fps=60, count=120, codec="mpeg4")
    info = probe(write_preview(source, tmp_path / "p", start=0.0, seconds=2.0))
    assert info.fps == pytest.approx(30) and info.seconds == pytest.approx(2, abs=0.01)


def test_there_is_a_keyframe_every_second(tmp_path, media):
    source = media.make_clip(tmp_path / "a.mp4", count=100, codec="mpeg4", gop=100)
    path = write_preview(source, tmp_path / "p", start=0.0, seconds=4.0)
    keys = [float(p[1]) for p in media.packets(path) if p[4]]
    assert keys[0] == 0 and max(b - a for a, b in zip(keys, keys[1:])) <= 1


def test_a_picture_that_begins_late_is_not_copied(tmp_path, media):
    source = media.make_clip(tmp_path / "a.mkv", times=[1.0 + n / 25 for n in range(50)])
    path = write_preview(source, tmp_path / "p", start=0.0, seconds=3.0)
    assert probe(path).width == 64
    assert media.packets(path)[0][1] == 0
    assert numbers(media, path) == list(range(50))


@pytest.mark.parametrize(
    ("shown", "made"),
    [
        ((1920, 1080), (512, 910)),
        ((1080, 1920), (512, 288)),
        ((4000, 500), (114, 912)),
        ((63, 47), (48, 64)),
        ((3, 1), (2, 4)),
    ],
)
def test_sizes_are_even_and_fit(shown, made):
    assert preview_size(*shown) == made


def test_cancel_leaves_no_file_and_no_thread(tmp_path, media):
    source = media.make_clip(tmp_path / "a.mp4", count=200, codec="mpeg4")
    asked = iter([False] * 5 + [True] * 999)
    with pytest.raises(Cancelled):
        write_preview(source, tmp_path / "p", start=0.0, seconds=8.0, cancelled=lambda: next(asked))
    assert not list(tmp_path.glob("*p.mp4"))
    assert not [t for t in threading.enumerate() if t.name.startswith("preview")]


def test_progress_ends_at_its_total(tmp_path, media):
    source = media.make_clip(tmp_path / "a.mp4", codec="mpeg4")
    steps = []
    write_preview(
        source, tmp_path / "p", start=0.0, seconds=2.0, progress=lambda *step: steps.append(step)
    )
    assert steps[0] == (1, 50) and steps[-1] == (50, 50)


def test_decoding_waits_for_the_encoder(tmp_path, media, monkeypatch):
    source = media.make_clip(tmp_path / "a.mp4", count=100, codec="mpeg4")
    made, ahead = [], []
    fit = frames.FrameReader.fit

    def slow(frames, *_, **__):
        for taken, _ in enumerate(frames, 1):
            time.sleep(0.005)
            ahead.append(len(made) - taken)

    monkeypatch.setattr(frames.FrameReader, "fit", lambda *given: made.append(1) or fit(*given))
    monkeypatch.setattr(preview, "encode_frames", slow)
    write_preview(source, tmp_path / "p", start=0.0, seconds=4.0)
    assert len(ahead) == 100 and 1 <= max(ahead) <= 9


def test_what_is_no_video_is_refused(tmp_path, bad_files):
    for kind in ("missing", "garbage", "truncated", "audio_only"):
        with pytest.raises(FoleyError):
            write_preview(bad_files[kind], tmp_path / "p", start=0.0, seconds=1.0)

from __future__ import annotations

import io
import logging
import math
from fractions import Fraction

import av
import numpy as np
import pytest
import torch
from case import HERE, load
from foleystage.core.errors import Cancelled, FoleyError
from foleystage.core.media import (
    FrameRequest,
    ImageFrames,
    kept_frames,
    made_seconds,
    probe,
    read_frames,
    source,
)
from foleystage.core.media import frames as frames_module
from foleystage.core.media.resize import resize

MINI = FrameRequest(25.0, 32, resample="area")
MMAUDIO = {
    "clip": FrameRequest(8.0, 384, timing="published"),
    "sync": FrameRequest(25.0, 224, crop="center", timing="published"),
}


def golden_requests():
    info = load("mmaudio_frames").info["videos"]
    return [(name, i) for name, video in info.items() for i in range(len(video["requests"]))]


@pytest.mark.parametrize(("name", "index"), golden_requests())
def test_reference_timing_picks_the_published_frames(name, index):
    video = load("mmaudio_frames").info["videos"][name]
    want = video["requests"][index]
    requests = {k: FrameRequest(r.fps, 16, timing="published") for k, r in MMAUDIO.items()}
    path = HERE / video["file"]
    got = read_frames(path, requests, seconds=want["duration"])
    counts = {k: len(v) for k, v in got.items()}
    seconds = made_seconds(counts, requests, want["duration"])
    kept = kept_frames(counts, requests, seconds, made=seconds)
    assert seconds == want["final_duration"]
    assert kept == {"clip": want["clip_frames"], "sync": want["sync_frames"]}
    with av.open(str(path)) as container:
        every = [torch.from_numpy(f.to_ndarray(format="rgb24")) for f in container.decode(video=0)]
    assert len(every) == video["decoded_frames"]
    for key in ("clip", "sync"):
        picked = torch.stack([resize(every[i], 16, 16, "bicubic") for i in want[f"{key}_index"]])
        assert torch.equal(got[key][: kept[key]], picked)


@pytest.mark.parametrize("name", ["a_30fps", "b_23976fps"])
def test_mmaudio_tensors_equal_the_reference(name):
    case = load("mmaudio_frames")
    video = case.info["videos"][name]
    got = read_frames(HERE / video["file"], MMAUDIO, seconds=2.0)
    # The loader reads a frame at 2 s exactly and cuts to whole frames later.
    kept = kept_frames({k: len(v) for k, v in got.items()}, MMAUDIO, 2.0, made=2.0)
    got = {k: v[: kept[k]] for k, v in got.items()}
    clip = (got["clip"].float() / 255).permute(0, 3, 1, 2)
    sync = (got["sync"].float() / 127.5 - 1).permute(0, 3, 1, 2)
    for key, value, most in (
        ("clip_strided", clip[:, :, 5::24, 5::24], 2 / 255),
        ("sync_strided", sync[:, :, 3::14, 3::14], 4 / 255),
        ("clip_frame1_patch", clip[1, :, 100:148, 200:248], 2 / 255),
        ("sync_frame7_patch", sync[7, :, 100:148, 0:48], 4 / 255),
    ):
        assert case.error(f"{name}.{key}", value) < case.tolerance
        assert (value - case.tensors[f"{name}.{key}"]).abs().max() <= most


def test_one_pass_feeds_requests_of_different_rates_and_sizes(clip, media):
    got = read_frames(
        clip,
        {
            "fast": FrameRequest(50.0, (24, 40)),
            "slow": FrameRequest(5.0, 16, resample="bilinear", gray=True),
            "same": MINI,
        },
    )
    assert got["fast"].shape == (100, 24, 40, 3) and got["slow"].shape == (10, 16, 16)
    assert media.numbers(got["same"]) == list(range(50))
    assert media.numbers(got["slow"]) == list(range(0, 50, 5))
    assert media.numbers(got["fast"]) == sorted([*range(50), *range(49), 49])


@pytest.mark.parametrize(
    "fps", [12, 24, Fraction(24000, 1001), Fraction(30000, 1001), 30, 50, 60], ids=str
)
def test_frames_are_the_nearest_in_time_at_any_source_rate(tmp_path, media, fps):
    count = round(2 * fps)
    path = media.make_clip(tmp_path / "a.mp4", count=count, fps=fps)
    got = media.numbers(read_frames(path, {"a": MINI})["a"])
    assert len(got) == math.floor(count / fps * 25 + 0.5)
    for n, index in enumerate(got):
        assert abs(index / fps - n / 25) <= 1 / (2 * fps) + 1e-3 or index == count - 1


def test_variable_frame_rate_goes_by_time_stamps(tmp_path, media):
    times = [0.0, 0.04, 0.08, 0.5, 0.52, 1.0, 1.6]
    path = media.make_clip(tmp_path / "a.mp4", count=len(times), times=times, b_frames=0)
    got = media.numbers(read_frames(path, {"a": FrameRequest(10.0, 32)}, seconds=1.7)["a"])
    want = [min(range(7), key=lambda i, t=n / 10: abs(times[i] - t)) for n in range(16)]
    assert got == want


@pytest.mark.parametrize(
    "suffix", ["mp4", "mkv", "ts", "avi", pytest.param("webm", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("start", [0.5, 3.0, 5.96])
def test_a_window_equals_the_same_part_of_the_whole(tmp_path, media, suffix, start):
    codec = {"webm": "libvpx", "avi": "mpeg4"}.get(suffix, "libx264")
    path = media.make_clip(tmp_path / f"a.{suffix}", count=200, codec=codec, gop=40)
    got = media.numbers(read_frames(path, {"a": MINI}, start=start, seconds=1.0)["a"])
    first = round(start * 25)
    assert got == list(range(first, first + 25))


def test_a_late_window_does_not_decode_the_beginning(tmp_path, media, monkeypatch):
    path = media.make_clip(tmp_path / "a.mp4", count=250, gop=25)
    times = []
    original = source.Media.decode

    def counted(*given):
        for frame in original(*given):
            times.append(frame.time)
            yield frame

    monkeypatch.setattr(source.Media, "decode", counted)
    read_frames(path, {"a": MINI}, start=8.0, seconds=0.4)
    assert 7.0 <= min(times) <= 8.0 and len(times) < 60


def test_only_frames_that_are_taken_are_converted(clip, monkeypatch):
    converted = []
    original = frames_module.frame_orientation

    def counting(frame):
        turn = original(frame)
        return lambda picture: converted.append(picture) or turn(picture)

    monkeypatch.setattr(frames_module, "frame_orientation", counting)
    read_frames(clip, {"a": FrameRequest(5.0, 16), "b": FrameRequest(5.0, 8)})
    assert len(converted) == 10


@pytest.mark.parametrize("first", [-0.24, 0.4, 12.3])
def test_time_is_counted_from_the_first_picture_shown(tmp_path, media, first):
    times = [first + n / 25 for n in range(50)]
    path = media.make_clip(tmp_path / "a.mkv", times=times, b_frames=0)
    got = media.numbers(read_frames(path, {"a": MINI})["a"])
    assert got in (list(range(50)), list(range(6, 50)))
    assert len(got) == (44 if first < 0 else 50) or got[0] == 0


def test_pictures_that_an_edit_list_hides_do_not_count(tmp_path, media):
    times = [n / 25 - 0.4 for n in range(50)]
    path = media.make_clip(tmp_path / "a.mp4", times=times, b_frames=0, gop=50)
    got = media.numbers(read_frames(path, {"a": MINI})["a"])
    assert got == list(range(10, 50))


def test_rotated_pictures_are_turned_as_players_turn_them(tmp_path, media):
    def corner(index, width, height):
        image = np.full((height, width, 3), 30, np.uint8)
        image[: height // 2, : width // 2] = 220  # top left of the stored picture
        return image

    corners = {
        (0, False): (0, 0),
        (90, False): (1, 0),  # turned counter-clockwise: to the bottom left
        (180, False): (1, 1),
        (270, False): (0, 1),
        (0, True): (0, 1),
        (90, True): (1, 1),
    }
    for turn, (row, column) in corners.items():
        path = media.make_clip(tmp_path / "a.mp4", count=2, rotation=turn, draw=corner)
        frame = read_frames(path, {"a": FrameRequest(25.0, 2, resample="area", gray=True)})["a"][0]
        bright = (frame > 128).nonzero().tolist()
        assert bright == [[row, column]], turn


def test_center_crop_is_made_on_the_turned_picture(tmp_path, media):
    path = media.make_clip(tmp_path / "a.mp4", count=2, size=(96, 32), rotation=(90, False))
    got = read_frames(path, {"a": FrameRequest(25.0, (96, 32), crop="center")})["a"]
    assert got.shape[1:] == (96, 32, 3)


@pytest.mark.parametrize("size", [(63, 47), (1, 1), (17, 300)])
def test_odd_sizes_are_read(tmp_path, media, size):
    path = media.make_clip(tmp_path / "a.mkv", count=3, size=size, codec="ffv1")
    got = read_frames(path, {"a": FrameRequest(25.0, 16), "b": FrameRequest(25.0, 9, "center")})
    assert got["a"].shape == (3, 16, 16, 3) and got["b"].shape == (3, 9, 9, 3)


@pytest.mark.slow
def test_4k_is_read(tmp_path, media):
    path = media.make_clip(tmp_path / "a.mp4", count=6, size=(3840, 2160))
    got = read_frames(path, {"a": MINI, "b": FrameRequest(25.0, 224, "center")})
    assert media.numbers(got["a"]) == list(range(6)) and got["b"].shape == (6, 224, 224, 3)


def test_a_single_frame_is_a_video_of_one_frame(tmp_path, media):
    path = media.make_clip(tmp_path / "a.mp4", count=1)
    got = read_frames(path, {"a": MINI, "b": FrameRequest(8.0, 16)}, seconds=8.0)
    assert len(got["a"]) == 1 and len(got["b"]) == 1


def test_a_window_past_the_end_is_cut_to_what_there_is(clip):
    got = read_frames(clip, {"a": MINI}, start=1.5, seconds=8.0)["a"]
    assert len(got) == round(0.5 * 25 + 1e-6)


@pytest.mark.parametrize(
    ("start", "seconds", "sentence"),
    [
        (2.5, 1.0, "ends at 2.000 s"),
        (100.0, None, "ends at 2.000 s"),
        (0.0, 0.0, "longer than 0 s"),
        (0.0, -1.0, "longer than 0 s"),
        (0.0, math.nan, "length of the window must be a number of seconds"),
        (-1.0, 1.0, "must start at 0 s or later"),
        (math.inf, 1.0, "start of the window must be a number of seconds"),
    ],
)
def test_windows_without_pictures_are_refused(clip, start, seconds, sentence):
    with pytest.raises(FoleyError, match=sentence):
        read_frames(clip, {"a": MINI}, start=start, seconds=seconds)


def test_a_file_cut_off_in_the_middle_gives_what_can_be_decoded(tmp_path, media, caplog):
    path = media.make_clip(tmp_path / "a.mp4", count=100, options={"movflags": "faststart"})
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 2 // 3])
    with caplog.at_level(logging.WARNING):
        got = media.numbers(read_frames(path, {"a": MINI})["a"])
    assert 30 < len(got) < 90
    assert got[:30] == list(range(30))
    assert "a.mp4" in caplog.text


def test_a_file_cut_off_between_two_packets_is_reported(tmp_path, media, caplog):
    path = media.make_clip(
        tmp_path / "a.mp4", count=100, b_frames=0, options={"movflags": "faststart"}
    )
    with av.open(str(path)) as container:
        ends = [p.pos + p.size for p in container.demux(video=0) if p.size]
    path.write_bytes(path.read_bytes()[: ends[59]])
    with caplog.at_level(logging.WARNING):
        got = media.numbers(read_frames(path, {"a": MINI})["a"])
    assert got == list(range(60))
    assert "ends at 2.40 s although it states 4.00 s" in caplog.text


def test_a_whole_file_is_read_without_a_warning(clip, caplog):
    with caplog.at_level(logging.WARNING):
        read_frames(clip, {"a": MINI})
    assert not caplog.records


@pytest.mark.parametrize("start", [0.0, 3.0])
def test_avi_with_b_frames_is_read_in_the_order_of_showing(tmp_path, media, start):
    path = media.make_clip(tmp_path / "a.avi", count=100, b_frames=2)
    got = media.numbers(read_frames(path, {"a": MINI}, start=start, seconds=1.0)["a"])
    assert got == list(range(round(start * 25), round(start * 25) + 25))


def test_noise_in_the_middle_of_a_file_costs_only_what_it_hits(tmp_path, media, caplog):
    path = media.make_clip(tmp_path / "a.ts", count=100, gop=10, size=(320, 240))
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 4000] = np.random.default_rng(0).bytes(4000)
    path.write_bytes(data)
    got = media.numbers(read_frames(path, {"a": MINI})["a"])
    assert got[:30] == list(range(30)) and got[-10:] == list(range(90, 100))
    assert len(got) == 100


def test_a_file_like_object_gives_the_same_frames(clip):
    file = io.BytesIO(clip.read_bytes())
    assert torch.equal(
        read_frames(file, {"a": MINI}, start=0.4)["a"],
        read_frames(clip, {"a": MINI}, start=0.4)["a"],
    )


def test_an_image_batch_goes_by_its_frame_rate(media):
    images = torch.stack([torch.from_numpy(media.numbered(n)).float() / 255 for n in range(60)])
    got = read_frames(ImageFrames(images, 30.0), {"a": MINI}, start=0.5, seconds=1.0)["a"]
    assert media.numbers(got) == [
        min(range(60), key=lambda i, n=n: (round(abs(i / 30 - 0.5 - n / 25), 9), i))
        for n in range(25)
    ]
    exact = read_frames(ImageFrames(images, 30.0), {"a": FrameRequest(30.0, (48, 64))})["a"]
    assert torch.equal(exact, (images * 255).round().to(torch.uint8))


def test_nan_in_an_image_batch_is_refused():
    images = torch.zeros(3, 8, 8, 3)
    images[1, 2, 2] = math.nan
    with pytest.raises(FoleyError, match="Frame 1 of the image batch holds NaN"):
        read_frames(ImageFrames(images, 25.0), {"a": MINI})


def test_images_out_of_range_are_clamped():
    images = torch.stack([torch.full((8, 8, 3), -0.5), torch.full((8, 8, 3), 1.5)])
    got = read_frames(ImageFrames(images, 25.0), {"a": MINI})["a"]
    assert (got[0] == 0).all() and (got[1] == 255).all()


def test_gray_is_the_luma_of_the_colours():
    images = torch.zeros(3, 8, 8, 3)
    for channel in range(3):
        images[channel, ..., channel] = 1.0
    got = read_frames(ImageFrames(images, 25.0), {"a": FrameRequest(25.0, 8, gray=True)})["a"]
    assert got[:, 0, 0].tolist() == [76, 150, 29]


def test_pixels_that_are_not_square_are_shown_at_their_width(tmp_path, media):
    path = media.make_clip(tmp_path / "a.mp4", count=2, size=(64, 48), pixel_aspect=2)
    assert (probe(path).width, probe(path).height) == (128, 48)
    got = read_frames(path, {"a": FrameRequest(25.0, 100, crop="fit")})["a"]
    assert got.shape[1:3] == (38, 100)


def test_pixels_that_are_nearly_square_are_square(tmp_path, media):
    ratio = Fraction(448, 447)
    path = media.make_clip(tmp_path / "a.mp4", count=2, size=(300, 224), pixel_aspect=ratio)
    plain = media.make_clip(tmp_path / "b.mp4", count=2, size=(300, 224))
    assert probe(path).width == 300
    request = {"a": FrameRequest(25.0, 224, crop="center")}
    assert torch.equal(read_frames(path, request)["a"], read_frames(plain, request)["a"])


def test_published_timing_ignores_the_pixel_aspect_ratio(tmp_path, media):
    path = media.make_clip(tmp_path / "a.mp4", count=2, size=(64, 48), pixel_aspect=2)
    plain = media.make_clip(tmp_path / "b.mp4", count=2, size=(64, 48))
    request = {"a": FrameRequest(25.0, 24, crop="center", timing="published")}
    assert torch.equal(read_frames(path, request)["a"], read_frames(plain, request)["a"])


# Frames that `ffmpeg -i clip -an -filter:v fps=fps=4` (5.1) takes of 8.2 s whose frames carry their
# number: the first nine, the last two, how many.
FPS_FILTER = {
    Fraction(24): ([2, 8, 14, 20, 26, 32, 38, 44, 50], [188, 194]),
    Fraction(24000, 1001): ([2, 8, 14, 20, 26, 32, 38, 44, 50], [188, 194]),
    Fraction(25): ([3, 9, 15, 21, 28, 34, 40, 46, 53], [196, 203]),
    Fraction(30000, 1001): ([3, 11, 18, 26, 33, 41, 48, 56, 63], [236, 243]),
    Fraction(30): ([3, 11, 18, 26, 33, 41, 48, 56, 63], [236, 243]),
    Fraction(60): ([7, 22, 37, 52, 67, 82, 97, 112, 127], [472, 487]),
    Fraction(5): ([0, 1, 3, 4, 5, 6, 8, 9, 10], [39, 40]),
}
CAVP_LIKE = {"a": FrameRequest(4.0, 32, timing="fps filter")}


@pytest.mark.parametrize("fps", FPS_FILTER, ids=str)
def test_the_fps_filters_frames_are_those_of_ffmpeg(tmp_path, media, fps):
    first, last = FPS_FILTER[fps]
    count = math.ceil(fps * Fraction("8.2"))
    path = media.make_clip(tmp_path / "a.mp4", count=count, fps=fps, size=(64, 16))
    got = media.numbers(read_frames(path, CAVP_LIKE)["a"])
    # Eight bars count to 255.
    assert got[:9] == first and got[-2:] == [n % 256 for n in last] and len(got) == 33


def test_the_fps_filter_goes_by_time_stamps(tmp_path, media):
    times = [0.0, 0.04, 0.08, 0.125, 0.5, 0.52, 1.0, 1.13, 1.6, 1.65, 2.9]
    path = media.make_clip(tmp_path / "a.mp4", count=len(times), times=times, b_frames=0)
    got = media.numbers(read_frames(path, CAVP_LIKE)["a"])
    assert got == [2, 3, 5, 5, 6, 7, 8, 9, 9, 9, 9, 9]  # ffmpeg 5.1's


def test_cancelling_stops_at_the_next_frame(clip):
    calls = []
    with pytest.raises(Cancelled):
        read_frames(clip, {"a": MINI}, cancelled=lambda: calls.append(1) or len(calls) > 3)
    assert len(calls) == 4


def test_progress_rises_to_its_total(clip):
    steps = []
    read_frames(clip, {"a": MINI}, seconds=1.0, progress=lambda s, t: steps.append((s, t)))
    assert [s for s, _ in steps] == sorted(s for s, _ in steps)
    assert steps[-1] == (1000, 1000)


@pytest.mark.parametrize(
    "bad",
    [
        {"fps": 0.0, "size": 8},
        {"fps": math.nan, "size": 8},
        {"fps": 25.0, "size": 0},
        {"fps": 25.0, "size": 256, "shorter_side": 224},
    ],
)
def test_impossible_requests_are_refused(bad):
    with pytest.raises(FoleyError):
        FrameRequest(**bad)

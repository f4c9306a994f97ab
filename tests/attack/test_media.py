"""Hostile and odd media: each ends in a result or in one sentence."""

from __future__ import annotations

import random
import re
from pathlib import Path

import av
import media_files as make
import numpy as np
import pytest
import torch
from foleystage.core.errors import Cancelled, FoleyError
from foleystage.core.media import (
    FrameRequest,
    ImageFrames,
    limit,
    mux,
    probe,
    read_audio,
    read_frames,
    resample,
)
from foleystage.core.media.resample import rate_ratio
from media_files import FPS
from uses import RATE, SOUND, everything

pytestmark = pytest.mark.usefixtures("within_bounds")


def untimed(codec: str, b_frames: int):
    def made(folder: Path) -> Path:
        form = {"libx264": "h264", "libx265": "hevc"}[codec]
        return make.clip(folder / f"bare.{form}", codec=codec, form=form, b_frames=b_frames)

    return made


def jump(form: str, suffix: str, seconds: float):
    def made(folder: Path) -> Path:
        source = make.clip(folder / f"source{suffix}")
        late = lambda n: seconds * (n >= 25)  # noqa: E731
        return make.restamped(source, folder / f"jump{suffix}", late, form)

    return made


def slow_clock(folder: Path) -> Path:
    """Whose picture track counts in units of a second: its first picture stands 40 minutes."""
    data = bytearray(make.clip(folder / "plain.mp4").read_bytes())
    place = data.index(b"mdhd") + 16
    data[place : place + 4] = (1).to_bytes(4, "big")
    path = folder / "slow.mp4"
    path.write_bytes(data)
    return path


def blocks(time):
    def made(folder: Path) -> Path:
        return make.with_block_times(make.clip(folder / "s.mkv"), folder / "stamps.mkv", time)

    return made


def late_sound(seconds: float, suffix: str, codec: str = "aac"):
    def made(folder: Path) -> Path:
        samples = {round(seconds * RATE) + n: make.tone(1024) for n in range(0, 40 * 1024, 1024)}
        return make.clip(folder / f"late{suffix}", sound=samples, sound_codec=codec)

    return made


def pauses(folder: Path) -> Path:
    samples = {n * 500 * RATE: make.tone(1024) for n in range(60)}
    return make.clip(folder / "pauses.mkv", sound=samples, sound_codec="flac")


def loud(scale: float):
    def made(folder: Path) -> Path:
        return make.clip(folder / "loud.mkv", sound={0: make.tone(RATE, scale)})

    return made


def still(times):
    return lambda folder: make.clip(folder / "still.mp4", times)


def picture(kind: str):
    def made(folder: Path) -> Path:
        if kind == "tiff":
            return make.tiff(folder / "a.tiff")
        sides = {"bomb": (12_000, 12_000), "line": (60_000, 1), "column": (1, 60_000)}[kind]
        return make.png(folder / "a.png", *sides)

    return made


def header(rate: int, bits: int = 16, kind: int = 1, channels: int = 1):
    data = b"\x10\x20" * 40_000
    return lambda folder: make.wav(
        folder / "a.wav", data, rate=rate, bits=bits, kind=kind, channels=channels
    )


CASES = {
    "h264, bare": (untimed("libx264", 0), None),
    "h264, bare, B-frames": (untimed("libx264", 2), None),
    "hevc, bare": (untimed("libx265", 0), None),
    "hevc, bare, B-frames": (untimed("libx265", 2), None),
    "mkv, jump of hours": (jump("matroska", ".mkv", 20_000), "stands still for 20,000 s"),
    "mp4, jump of hours": (jump("mp4", ".mp4", 20_000), "too long|stands still for 20,000 s"),
    "mp4, jump of two minutes": (jump("mp4", ".mp4", 120), "stands still for 120 s"),
    "mp4, jump of ten seconds": (jump("mp4", ".mp4", 10), None),
    "mp4, a last picture of 40 minutes": (slow_clock, "stands still for 2,400 s"),
    "mkv, negative stamps": (blocks(lambda n, code: -40 * n), None),
    "mkv, backward stamps": (blocks(lambda n, code: code - 500 * (20 <= n < 25)), None),
    "mkv, equal stamps": (blocks(lambda n, code: 0), None),
    "mkv, stamps of the far end": (blocks(lambda n, code: 32767 - n), None),
    "mkv, stamps at random": (
        blocks(lambda n, code: random.Random(n).randint(-30000, 30000)),
        None,
    ),
    "4 pictures in 66 minutes": (still([0, 1320, 2640, 3960]), "too long|stands still for 1,320"),
    "3 pictures in 200 s": (still([0, 100, 200]), "stands still for 100 s"),
    "a picture a second": (still(range(20)), None),
    "mkv, sound a day late": (late_sound(100_000, ".mkv"), None),
    "mp4, sound a day late": (late_sound(100_000, ".mp4"), None),
    "mkv, sound five minutes late": (late_sound(300, ".mkv"), None),
    "mkv, pauses without end": (pauses, None),
    "sound of 1e30": (loud(1e30), None),
    "sound of NaN": (loud(float("nan")), None),
    "sound of infinity": (loud(float("inf")), None),
    "tiff": (picture("tiff"), None),
    "png of 144 million pixels": (picture("bomb"), "larger than 67 million|more than 67 million"),
    "png of one line": (picture("line"), "shape of a video"),
    "png of one column": (picture("column"), "shape of a video"),
    "wav at 1 Hz": (header(1), "sample rate of 1 Hz|sound but no picture"),
    "wav at 4 GHz": (header(2**32 - 1), "sample rate|damaged"),
    "wav at 999,983 Hz": (header(999_983), "sample rate of 999983|sound but no picture"),
    "wav at 767,971 Hz": (header(767_971), None),
    "wav of 64-bit integers": (header(RATE, 64), None),
    "wav of 64-bit floats": (header(RATE, 64, 3), None),
    "wav of 255 channels": (header(RATE, 16, 1, 255), None),
    "wav of no channels": (header(RATE, 16, 1, 0), None),
    "wav of 0 bits": (header(RATE, 0), None),
}


@pytest.mark.parametrize("name", CASES)
def test_odd_media_end_in_a_result_or_a_sentence(name, tmp_path):
    made, sentence = CASES[name]
    source = made(tmp_path)
    before = source.read_bytes()
    sentences = everything(source, tmp_path)
    assert sentence is None or any(re.search(sentence, said) for said in sentences), sentences
    assert source.read_bytes() == before
    assert not list(tmp_path.glob(".*"))


READ = ["h264, bare", "hevc, bare", "h264, bare, B-frames", "tiff", "a picture a second"]


@pytest.mark.parametrize("name", READ)
def test_frames_without_stamps_and_tiff_are_read(name, tmp_path):
    source = CASES[name][0](tmp_path)
    frames = read_frames(source, {"a": FrameRequest(FPS, 32)})["a"]
    assert len(frames) == {"tiff": 1, "a picture a second": 19 * 25 + 1}.get(name, 50)


@pytest.mark.parametrize(
    "name", ["h264, bare", "hevc, bare", "mkv, negative stamps", "mkv, backward stamps"]
)
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_pictures_without_stamps_are_copied_one_after_the_other(name, suffix, tmp_path):
    out = tmp_path / f"out{suffix}"
    mux(CASES[name][0](tmp_path), SOUND, RATE, out)
    info = probe(out)
    assert info.seconds == pytest.approx(2.0, abs=0.05) and info.fps == pytest.approx(FPS, abs=0.1)
    assert len(read_frames(out, {"a": FrameRequest(FPS, 32)})["a"]) == 50


def test_what_cannot_be_copied_is_encoded_when_asked(tmp_path):
    source = CASES["h264, bare, B-frames"][0](tmp_path)
    with pytest.raises(FoleyError, match="--picture h264"):
        mux(source, SOUND, RATE, tmp_path / "out.mp4")
    mux(source, SOUND, RATE, tmp_path / "out.mp4", picture="h264")
    assert len(read_frames(tmp_path / "out.mp4", {"a": FrameRequest(FPS, 32)})["a"]) == 50


def test_a_mix_is_the_same_copied_and_encoded(tmp_path):
    source = make.clip(tmp_path / "a.mkv", sound={0: make.tone(2 * RATE)})
    for mode in ("copy", "h264"):
        mux(source, SOUND, RATE, tmp_path / f"{mode}.mkv", original_db=-6, picture=mode)
    copied, encoded = (read_audio(tmp_path / f"{mode}.mkv")[0] for mode in ("copy", "h264"))
    assert torch.equal(copied, encoded) and copied.abs().max() > 0.1


@pytest.mark.parametrize("codec", ["wmv2", "rawvideo", "ffv1"])
@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
def test_the_advice_for_a_codec_works(codec, suffix, tmp_path):
    source = make.clip(tmp_path / "a.avi", codec=codec, form="avi")
    try:
        mux(source, SOUND, RATE, tmp_path / f"out{suffix}")
    except FoleyError as error:
        assert "encode it anew" in str(error)
        for other in (".mp4", ".mov", ".mkv", ".webm"):
            if f"write {other}" in str(error) or f"or {other}" in str(error):
                mux(source, SOUND, RATE, tmp_path / f"out{other}")


def test_64_bit_integers_are_read_to_the_bit(tmp_path):
    values = np.array([0, 2**62, -(2**63), 2**63 - 1], dtype=np.int64).tobytes()
    source = make.wav(tmp_path / "a.wav", values, rate=RATE, bits=64)
    assert read_audio(source)[0].tolist() == [[0.0, 0.5, -1.0, 1.0]]


@pytest.mark.parametrize(("layout", "channels"), [("7.1", 8), ("hexadecagonal", 16)])
def test_many_channels_are_read(layout, channels, tmp_path):
    packed = np.tile(np.arange(1, channels + 1, dtype=np.float32) / 20, 8192)[None]
    with av.open(str(tmp_path / "a.m4a"), "w") as container:
        track = container.add_stream("aac", rate=48000, layout=layout)
        frame = av.AudioFrame.from_ndarray(packed, format="flt", layout=layout)
        frame.sample_rate = 48000
        for planar in av.AudioResampler(format="fltp", frame_size=1024).resample(frame):
            container.mux(track.encode(planar))
        container.mux(track.encode(None))
    sound, rate = read_audio(tmp_path / "a.m4a")
    assert sound.shape[0] == channels and rate == 48000
    # The bass channel passes a low-pass filter.
    assert sound[:3, 4000].tolist() == pytest.approx([0.05, 0.1, 0.15], abs=0.01)


@pytest.mark.parametrize("name", ["mkv, sound a day late", "mp4, sound a day late"])
def test_a_sound_far_from_its_picture_is_refused(name, tmp_path):
    source = CASES[name][0](tmp_path)
    with pytest.raises(FoleyError, match="100,000 s after its start"):
        read_audio(source)
    with pytest.raises(FoleyError, match="100,000 s after its start"):
        mux(source, SOUND, RATE, tmp_path / "out.mp4", original_db=0)


@pytest.mark.parametrize("name", ["sound of 1e30", "sound of NaN", "sound of infinity"])
def test_values_that_are_no_samples_are_refused(name, tmp_path):
    source = CASES[name][0](tmp_path)
    for use in (
        read_audio,
        lambda given: mux(given, SOUND, RATE, tmp_path / "o.mp4", original_db=0),
    ):
        with pytest.raises(FoleyError, match="NaN or infinite|values up to"):
            use(source)
    assert not (tmp_path / "o.mp4").exists()


def square(hertz: float) -> torch.Tensor:
    return torch.sign(torch.sin(2 * np.pi * hertz * torch.arange(2 * RATE) / RATE))[None]


@pytest.mark.parametrize(
    "sound",
    [
        square(110),
        square(1003),
        torch.sign(torch.randn(1, 2 * RATE, generator=torch.Generator().manual_seed(0))),
        torch.randn(2, 2 * RATE, generator=torch.Generator().manual_seed(1)),
    ],
    ids=["square 110", "square 1003", "bits", "noise"],
)
@pytest.mark.parametrize(("codec", "suffix"), [("libx264", ".mp4"), ("libvpx", ".webm")])
@pytest.mark.parametrize("level", [0.0, 24.0])
def test_what_is_encoded_stays_below_full_scale(sound, codec, suffix, level, tmp_path):
    source = make.clip(tmp_path / f"a{suffix}", codec=codec)
    mux(source, sound, RATE, tmp_path / f"out{suffix}", level_db=level)
    peak = float(read_audio(tmp_path / f"out{suffix}")[0].abs().max())
    assert 0.3 < peak < 1


def test_decoding_and_mixing_stop_when_told(tmp_path):
    source = make.clip(tmp_path / "a.mkv", sound={0: make.tone(2 * RATE)})
    with pytest.raises(Cancelled):
        read_audio(source, cancelled=lambda: True)
    for mode in ("copy", "h264"):
        with pytest.raises(Cancelled):
            mux(source, SOUND, RATE, tmp_path / "o.mkv", picture=mode, cancelled=lambda: True)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mkv"]


@pytest.mark.parametrize(
    ("use", "sentence"),
    [
        (lambda file: read_audio(file, seconds=1e300), "too long"),
        (lambda file: read_audio(file, start=1e300), "no video or sound reaches"),
        (lambda file: read_audio(file, start=float("nan")), "number of seconds"),
        (lambda file: read_audio(file, sample_rate=0), "sample rate"),
        (lambda file: read_audio(file, sample_rate=2**40), "sample rate"),
        (lambda file: mux(file, SOUND, 2**40, "o.mp4"), "sample rate"),
        (lambda file: limit(torch.full((1, 100), float("nan")), RATE), "NaN or infinite"),
        (lambda file: limit(torch.full((1, 100), float("inf")), RATE), "NaN or infinite"),
        (lambda file: mux(file, SOUND, RATE, "o.mp4", level_db=7000), "-120 to 24 dB"),
        (lambda file: mux(file, 1e30 * SOUND, RATE, "o.mp4"), "values up to"),
        (lambda file: ImageFrames(torch.zeros(2, 0, 4, 3), 25), "at least one frame and pixel"),
        (lambda file: ImageFrames(torch.zeros(2, 4, 4, 3), 1e-6), "0.1 to 1000 frames"),
        (lambda file: ImageFrames(torch.zeros(2, 4, 4, 3), float("inf")), "0.1 to 1000 frames"),
        (lambda file: read_frames(closed(file), {"a": FrameRequest(25, 8)}), "cannot be read"),
        (lambda file: probe(open(file, encoding="latin-1")), "binary mode"),
        (lambda file: probe(42), "must be a path"),
    ],
)
def test_figures_that_cannot_be_are_one_sentence(use, sentence, plain):
    with pytest.raises(FoleyError, match=sentence):
        use(plain)


def closed(path: Path):
    file = open(path, "rb")
    file.close()
    return file


@pytest.mark.parametrize(
    ("source", "target"), [(767_971, 44_100), (44_100, 767_971), (47_999, 44_101)]
)
def test_rates_without_a_common_factor_take_little_memory(source, target):
    tone = torch.sin(2 * np.pi * 1000 * torch.arange(source // 4, dtype=torch.float64) / source)
    made = resample(tone[None].float(), source, target)[0].double()
    want = torch.sin(2 * np.pi * 1000 * torch.arange(len(made), dtype=torch.float64) / target)
    edge = len(made) // 4
    assert (made - want)[edge:-edge].abs().max() < 1e-4
    up, down = rate_ratio(source, target)
    assert up / down == pytest.approx(target / source, rel=1e-8)
